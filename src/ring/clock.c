/* SPDX-License-Identifier: Apache-2.0 */
/* What the ticks of producers are worth in nanoseconds. */
#include "ring/clock.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"

#define RATE_NS TT_NS_PER_SEC /* the rate is taken over at least this long, once that has passed */

enum ring_clock ring_clock_best(void)
{
#if defined(__x86_64__)
	/*
	 * The kernel takes the TSC for its clock only where it runs at one rate, never stops and
	 * agrees on all CPUs, and gives it up when its watchdog finds out otherwise.
	 */
	int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
		      O_RDONLY | O_CLOEXEC);
	char name[8] = "";
	ssize_t n;

	if (fd < 0)
		return RING_CLOCK_MONOTONIC;
	n = read(fd, name, sizeof(name));
	(void)close(fd);
	if (n == 4 && memcmp(name, "tsc\n", 4) == 0)
		return RING_CLOCK_TSC;
#endif
	return RING_CLOCK_MONOTONIC;
}

/* Both clocks at one moment: of a few looks the one that was interrupted least. */
static void look(enum ring_clock clock, uint64_t *ret_ticks, uint64_t *ret_ns)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 3; i++) {
		uint64_t before = ring_ticks(clock);
		uint64_t ns = tt_clock_ns(CLOCK_MONOTONIC);
		uint64_t after = ring_ticks(clock);

		if (after - before < best) {
			best = after - before;
			*ret_ticks = before + (after - before) / 2;
			*ret_ns = ns;
		}
	}
}

void ring_clock_start(struct ring_clock_map *m, enum ring_clock clock)
{
	memset(m, 0, sizeof(*m));
	m->clock = clock;
	m->ns_per_tick = 1;
	look(clock, &m->first_ticks, &m->first_ns);
	m->then_ticks = m->next_ticks = m->now_ticks = m->first_ticks;
	m->then_ns = m->next_ns = m->now_ns = m->first_ns;
}

void ring_clock_sync(struct ring_clock_map *m)
{
	uint64_t ticks, ns;

	look(m->clock, &ticks, &ns);
	if (ticks <= m->then_ticks || ns <= m->then_ns)
		return;
	if (m->clock != RING_CLOCK_MONOTONIC)
		m->ns_per_tick = (double)(ns - m->then_ns) / (double)(ticks - m->then_ticks);
	/* CLOCK_MONOTONIC is slewed: an old rate would drift away from it */
	if (ns - m->next_ns >= RATE_NS) {
		m->then_ticks = m->next_ticks;
		m->then_ns = m->next_ns;
		m->next_ticks = ticks;
		m->next_ns = ns;
	}
	m->now_ticks = ticks;
	m->now_ns = ns;
}

uint64_t ring_clock_ns(const struct ring_clock_map *m, uint64_t ticks)
{
	uint64_t back;

	if (ticks >= m->now_ticks)
		return m->now_ns;
	if (ticks <= m->first_ticks)
		return m->first_ns;
	back = (uint64_t)((double)(m->now_ticks - ticks) * m->ns_per_tick);
	return back < m->now_ns - m->first_ns ? m->now_ns - back : m->first_ns;
}

uint64_t ring_clock_length_ns(const struct ring_clock_map *m, uint64_t ticks)
{
	double ns = (double)ticks * m->ns_per_tick;
	uint64_t most = m->now_ns - m->first_ns;

	return ns < (double)most ? (uint64_t)ns : most;
}
