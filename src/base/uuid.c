/* SPDX-License-Identifier: Apache-2.0 */
/* UUIDv7: make, print, parse. */
#include "base/uuid.h"

#include <sys/random.h>

#include "base/sys.h"
#include "base/time.h"

#ifndef GRND_INSECURE
#define GRND_INSECURE \
	0x0004 /* linux/random.h since 5.6; remove when the oldest libc we support has it */
#endif

/* splitmix64: only for the moments before the kernel has randomness to give */
static uint64_t weak_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/*
 * Past the vDSO: for the one look at the clock that a short program takes, its two page faults cost
 * ten times what the call does.
 */
static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts = {0};

	(void)tt_sys2(SYS_clock_gettime, clock, &ts);
	return (uint64_t)ts.tv_sec * TT_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

struct tt_uuid tt_uuid_make(void)
{
	uint64_t ms = now_ns(CLOCK_REALTIME) / TT_NS_PER_MS;
	struct tt_uuid u;

	if (tt_sys3(SYS_getrandom, u.b, sizeof(u.b), GRND_INSECURE) != (long)sizeof(u.b) &&
	    tt_sys3(SYS_getrandom, u.b, sizeof(u.b), GRND_NONBLOCK) != (long)sizeof(u.b)) {
		uint64_t state = now_ns(CLOCK_MONOTONIC) ^ (uint64_t)tt_sys0(SYS_getpid) << 40 ^
				 (uint64_t)(uintptr_t)&state;

		for (int i = 0; i < 16; i++)
			u.b[i] = (uint8_t)weak_random(&state);
	}
	for (int i = 0; i < 6; i++)
		u.b[i] = (uint8_t)(ms >> (40 - 8 * i));
	u.b[6] = 0x70 | (u.b[6] & 0x0f);
	u.b[8] = 0x80 | (u.b[8] & 0x3f);
	return u;
}

static bool is_dash(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

void tt_uuid_text(char text[TT_UUID_TEXT_LEN + 1], const struct tt_uuid *u)
{
	size_t n = 0;

	for (size_t i = 0; i < 16; i++) {
		if (is_dash(n))
			text[n++] = '-';
		text[n++] = "0123456789abcdef"[u->b[i] >> 4];
		text[n++] = "0123456789abcdef"[u->b[i] & 15];
	}
	text[n] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool tt_uuid_parse(struct tt_uuid *ret, const char *text, size_t len)
{
	struct tt_uuid u;
	size_t n = 0;

	if (len < TT_UUID_TEXT_LEN)
		return false;
	for (size_t i = 0; i < 16; i++) {
		int hi, lo;

		if (is_dash(n) && text[n++] != '-')
			return false;
		hi = hex_value(text[n++]);
		lo = hex_value(text[n++]);
		if (hi < 0 || lo < 0)
			return false;
		u.b[i] = (uint8_t)(hi << 4 | lo);
	}
	*ret = u;
	return true;
}
