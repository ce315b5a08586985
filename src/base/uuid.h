/* SPDX-License-Identifier: Apache-2.0 */
/* UUID version 7 (RFC 9562 section 5.7): 48 bits of Unix milliseconds, then randomness. */
#ifndef TT_BASE_UUID_H
#define TT_BASE_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TT_UUID_TEXT_LEN 36

struct tt_uuid {
	uint8_t b[16];
};

/*
 * tt_uuid_make - a new UUIDv7 for now
 * Randomness is getrandom(2) without blocking; before the kernel's pool is ready it mixes the
 * clock, pid and an address instead: unique enough to name a span, never used as a secret. errno is
 * kept. Signal-safe.
 */
struct tt_uuid tt_uuid_make(void);

/* tt_uuid_text - lower-case text with dashes: exactly TT_UUID_TEXT_LEN bytes and a NUL */
void tt_uuid_text(char text[TT_UUID_TEXT_LEN + 1], const struct tt_uuid *u);

/*
 * tt_uuid_parse - reads TT_UUID_TEXT_LEN bytes of @text (need not end there); false if they are no
 * UUID
 */
bool tt_uuid_parse(struct tt_uuid *ret, const char *text, size_t len);

static inline bool tt_uuid_equal(const struct tt_uuid *a, const struct tt_uuid *b)
{
	uint64_t x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return !((x[0] ^ y[0]) | (x[1] ^ y[1]));
}

static inline bool tt_uuid_is_nil(const struct tt_uuid *u)
{
	return tt_uuid_equal(u, &(struct tt_uuid){{0}});
}

#endif
