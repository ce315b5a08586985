/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and JSON strings into a bounded buffer. */
#include "base/out.h"

#include "base/utf8.h"

static void put_digits(struct tt_out *o, uint64_t v, unsigned base)
{
	char tmp[24];
	size_t i = sizeof(tmp);

	do {
		tmp[--i] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	tt_out_mem(o, tmp + i, sizeof(tmp) - i);
}

void tt_out_u64(struct tt_out *o, uint64_t v)
{
	put_digits(o, v, 10);
}

void tt_out_i64(struct tt_out *o, int64_t v)
{
	if (v < 0) {
		tt_out_char(o, '-');
		put_digits(o, 0 - (uint64_t)v, 10);
	} else {
		put_digits(o, (uint64_t)v, 10);
	}
}

void tt_out_octal(struct tt_out *o, uint64_t v)
{
	tt_out_char(o, '0');
	if (v)
		put_digits(o, v, 8);
}

void tt_out_hex(struct tt_out *o, uint64_t v)
{
	tt_out_mem(o, "0x", 2);
	put_digits(o, v, 16);
}

/* How an escape looks inside a string of that depth: each level doubles the backslashes. */
static void put_escape(struct tt_out *o, const char *esc, int depth)
{
	if (depth > 1)
		tt_out_char(o, '\\');
	tt_out_char(o, '\\');
	if (depth > 1 && (*esc == '"' || *esc == '\\'))
		tt_out_char(o, '\\');
	tt_out_str(o, esc);
}

static void put_special(struct tt_out *o, unsigned char c, int depth)
{
	char esc[6] = "u00";

	switch (c) {
	case '"':
		put_escape(o, "\"", depth);
		return;
	case '\\':
		put_escape(o, "\\", depth);
		return;
	case '\n':
		put_escape(o, "n", depth);
		return;
	case '\r':
		put_escape(o, "r", depth);
		return;
	case '\t':
		put_escape(o, "t", depth);
		return;
	default:
		esc[3] = "0123456789abcdef"[c >> 4];
		esc[4] = "0123456789abcdef"[c & 15];
		put_escape(o, esc, depth);
	}
}

#define EACH(c) ((c)*0x0101010101010101ull)

/* Whether some byte is 0 in @w; a byte above it may be said to be, too. */
static uint64_t zero_bytes(uint64_t w)
{
	return (w - EACH(1ull)) & ~w & EACH(0x80ull);
}

/* Whether eight bytes go into a string as they are: most of all text does. */
static bool is_plain(const unsigned char *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return !((w & EACH(0x80ull)) | ((w - EACH(0x20ull)) & ~w & EACH(0x80ull)) |
		 zero_bytes(w ^ EACH(0x22ull)) | zero_bytes(w ^ EACH(0x5cull)) |
		 zero_bytes(w ^ EACH(0x7full)));
}

bool tt_out_json(struct tt_out *o, const void *bytes, size_t n, int depth)
{
	const unsigned char *p = bytes;
	bool valid = true;
	size_t i = 0;

	while (i < n) {
		size_t run = i, len;

		while (n - run >= 8 && is_plain(p + run))
			run += 8;
		while (run < n && p[run] >= 0x20 && p[run] < 0x7f && p[run] != '"' &&
		       p[run] != '\\')
			run++;
		if (run > i) {
			tt_out_mem(o, p + i, run - i);
			i = run;
			continue;
		}
		if (p[i] && p[i] < 0x80) {
			put_special(o, p[i++], depth);
			continue;
		}
		len = p[i] ? tt_utf8_len(p + i, n - i) : 0;
		if (len) {
			tt_out_mem(o, p + i, len);
			i += len;
		} else {
			tt_out_mem(o, "\xef\xbf\xbd", 3);
			valid = false;
			i++;
		}
	}
	return valid;
}
