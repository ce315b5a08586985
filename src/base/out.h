/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Append text to a buffer of fixed size. What does not fit is dropped whole and remembered: check
 * once, at the end, with tt_out_is_full(). No allocation, no stdio; signal-safe; one writer at a
 * time.
 */
#ifndef TT_BASE_OUT_H
#define TT_BASE_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct tt_out {
	char *buf;
	size_t cap;
	size_t len;
	bool full; /* something did not fit: the text is not to be used as it stands */
};

static inline void tt_out_init(struct tt_out *o, char *buf, size_t cap)
{
	o->buf = buf;
	o->cap = cap;
	o->len = 0;
	o->full = false;
}

static inline bool tt_out_is_full(const struct tt_out *o)
{
	return o->full;
}

static inline void tt_out_mem(struct tt_out *o, const void *p, size_t n)
{
	if (n > o->cap - o->len) {
		o->full = true;
		return;
	}
	memcpy(o->buf + o->len, p, n);
	o->len += n;
}

static inline void tt_out_char(struct tt_out *o, char c)
{
	if (o->len == o->cap) {
		o->full = true;
		return;
	}
	o->buf[o->len++] = c;
}

static inline void tt_out_str(struct tt_out *o, const char *s)
{
	tt_out_mem(o, s, strlen(s));
}

/* tt_digit_pairs - 00 01 .. 99 */
extern const char tt_digit_pairs[201];

/* tt_out_u64, tt_out_i64 - decimal; tt_out_octal - with a leading 0; tt_out_hex - with 0x */
void tt_out_u64(struct tt_out *o, uint64_t v);
void tt_out_i64(struct tt_out *o, int64_t v);
void tt_out_octal(struct tt_out *o, uint64_t v);
void tt_out_hex(struct tt_out *o, uint64_t v);

/*
 * tt_out_json - the inside of a JSON string (no quotes around it)
 * @depth: 1 for a string; 2 for a string that lies, as JSON text, inside another JSON string
 *
 * Control bytes become \uXXXX (or \n \r \t), each byte that is not part of valid UTF-8 becomes
 * U+FFFD. So does NUL, which no argument of a program can hold and many JSON readers refuse.
 * Returns true if every byte was valid UTF-8 and none was NUL.
 */
bool tt_out_json(struct tt_out *o, const void *bytes, size_t n, int depth);

/*
 * Base64 (RFC 4648 section 4, padded) of bytes that come in pieces: start from all zero, finish
 * with _end().
 */
struct tt_b64 {
	uint8_t held[3];
	unsigned count;
};
void tt_b64_put(struct tt_b64 *b, struct tt_out *o, const void *bytes, size_t n);
void tt_b64_end(struct tt_b64 *b, struct tt_out *o);

#endif
