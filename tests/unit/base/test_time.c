/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3339 text at the edges of the calendar, and against gmtime_r(3) over the whole range. */
#include <errno.h>

#include "base/time.h"
#include "tap.h"

static const char *at(uint64_t ns)
{
	static char text[TT_TIME_TEXT_LEN + 1];

	memset(text, 'x', sizeof(text));
	tt_time_text(text, ns);
	return text;
}

static void edges(void)
{
	const uint64_t s = TT_NS_PER_SEC;

	CHECK_STR(at(0), "1970-01-01T00:00:00.000000000+00:00");
	CHECK_STR(at(1756907714921517011), "2025-09-03T13:55:14.921517011+00:00");
	CHECK_STR(at(951782399 * s + 999999999), "2000-02-28T23:59:59.999999999+00:00");
	CHECK_STR(at(951782400 * s), "2000-02-29T00:00:00.000000000+00:00");
	CHECK_STR(at(1709164800 * s), "2024-02-29T00:00:00.000000000+00:00");
	CHECK_STR(at(1709251200 * s), "2024-03-01T00:00:00.000000000+00:00");
	CHECK_STR(at(2147483647 * s), "2038-01-19T03:14:07.000000000+00:00");
	CHECK_STR(at(2147483648 * s), "2038-01-19T03:14:08.000000000+00:00");
	CHECK_STR(at(4107542399 * s), "2100-02-28T23:59:59.000000000+00:00");
	CHECK_STR(at(4107542400 * s), "2100-03-01T00:00:00.000000000+00:00");
	CHECK_STR(at(13574563199 * s), "2400-02-28T23:59:59.000000000+00:00");
	CHECK_STR(at(13574563200 * s), "2400-02-29T00:00:00.000000000+00:00");
	/* the last moment that 64 bits of nanoseconds can name: the year 9999 is out of reach */
	CHECK_STR(at(UINT64_MAX), "2554-07-21T23:34:33.709551615+00:00");
}

static void against_libc(void)
{
	for (uint64_t sec = 0; sec < UINT64_MAX / TT_NS_PER_SEC; sec += 86399 * 331) {
		time_t t = (time_t)sec;
		char want[64];
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000000007+00:00", &tm);
		CHECK_STR(at(sec * TT_NS_PER_SEC + 7), want);
	}
}

static void clock_keeps_errno(void)
{
	uint64_t before = (uint64_t)time(NULL), now;

	errno = 77;
	now = tt_clock_ns(CLOCK_REALTIME) / TT_NS_PER_SEC;
	CHECK_INT(errno, 77);
	CHECK(now + 1 >= before && now < before + 60);
}

int main(void)
{
	TAP_RUN(edges);
	TAP_RUN(against_libc);
	TAP_RUN(clock_keeps_errno);
	return tap_done();
}
