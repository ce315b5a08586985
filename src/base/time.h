/* SPDX-License-Identifier: Apache-2.0 */
/* Clock values in nanoseconds and their RFC 3339 text. */
#ifndef TT_BASE_TIME_H
#define TT_BASE_TIME_H

#include <stdint.h>
#include <time.h>

#define TT_NS_PER_SEC 1000000000ull
#define TT_NS_PER_MS  1000000ull
#define TT_NS_PER_US  1000ull

#define TT_TIME_TEXT_LEN 35 /* "2025-09-03T13:55:14.921517011+00:00" */

/* tt_clock_ns - that clock in nanoseconds. errno is kept. Signal-safe (vDSO or system call). */
static inline uint64_t tt_clock_ns(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) != 0)
		return 0; /* only for a clock id that does not exist */
	return (uint64_t)ts.tv_sec * TT_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/*
 * tt_time_text - nanoseconds since the epoch as RFC 3339 in UTC, nine digits, "+00:00"
 * Writes exactly TT_TIME_TEXT_LEN bytes and a NUL. Signal-safe: no time zone, no locale.
 */
void tt_time_text(char text[TT_TIME_TEXT_LEN + 1], uint64_t ns);

/* tt_time_put_fraction - the nine digits behind the dot: the rest is the same for a second */
#define TT_TIME_FRACTION_AT 20
void tt_time_put_fraction(char *p, unsigned ns);

#endif
