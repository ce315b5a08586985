/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time in the ring. A producer stores raw ticks, which costs it a third of what a clock_gettime()
 * does; the consumer knows what they are worth. Where the kernel itself does not keep its time by
 * the time stamp counter (it is not invariant, or a hypervisor offers better), ticks are
 * nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef TT_RING_CLOCK_H
#define TT_RING_CLOCK_H

#include "base/compiler.h"
#include "base/time.h"
#include "ring/layout.h"

/* ring_ticks - now, by @clock. Signal-safe. */
static inline uint64_t ring_ticks(uint32_t clock)
{
#if defined(__x86_64__)
	if (TT_LIKELY(clock == RING_CLOCK_TSC))
		return __builtin_ia32_rdtsc();
#else
	(void)clock;
#endif
	return tt_clock_ns(CLOCK_MONOTONIC);
}

/* The consumer's knowledge: two moments in both times, and the rate between them. */
struct ring_clock_map {
	enum ring_clock clock;
	uint64_t first_ticks, first_ns; /* at ring_clock_start(): nothing happened before */
	uint64_t then_ticks, then_ns;   /* what the rate is taken from */
	uint64_t next_ticks, next_ns;   /* what it will be taken from, a while later */
	uint64_t now_ticks, now_ns;     /* at the last ring_clock_sync() */
	double ns_per_tick;
};

/* ring_clock_best - the clock to use on this machine. Reads a file below /sys. */
enum ring_clock ring_clock_best(void);

void ring_clock_start(struct ring_clock_map *m, enum ring_clock clock);

/* ring_clock_sync - look at both clocks; before each pass */
void ring_clock_sync(struct ring_clock_map *m);

/*
 * ring_clock_ns - CLOCK_MONOTONIC at @ticks; what lies before the start or after the last sync was
 * made up and counts as that moment
 */
uint64_t ring_clock_ns(const struct ring_clock_map *m, uint64_t ticks);

/* ring_clock_length_ns - how long @ticks are; never more than since the start */
uint64_t ring_clock_length_ns(const struct ring_clock_map *m, uint64_t ticks);

#endif
