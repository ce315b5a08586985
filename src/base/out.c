/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and JSON strings into a bounded buffer. */
#include "base/out.h"

#include "base/utf8.h"

const char tt_digit_pairs[201] = "0001020304050607080910111213141516171819"
				 "2021222324252627282930313233343536373839"
				 "4041424344454647484950515253545556575859"
				 "6061626364656667686970717273747576777879"
				 "8081828384858687888990919293949596979899";

void tt_out_u64(struct tt_out *o, uint64_t v)
{
	char tmp[20];
	size_t i = sizeof(tmp);

	for (; v >= 100; v /= 100)
		memcpy(tmp + (i -= 2), tt_digit_pairs + v % 100 * 2, 2);
	if (v >= 10)
		memcpy(tmp + (i -= 2), tt_digit_pairs + v * 2, 2);
	else
		tmp[--i] = (char)('0' + v);
	tt_out_mem(o, tmp + i, sizeof(tmp) - i);
}

void tt_out_i64(struct tt_out *o, int64_t v)
{
	if (v < 0) {
		tt_out_char(o, '-');
		tt_out_u64(o, 0 - (uint64_t)v);
	} else {
		tt_out_u64(o, (uint64_t)v);
	}
}

/* In base 8 or 16. */
static void put_digits(struct tt_out *o, uint64_t v, unsigned bits)
{
	char tmp[24];
	size_t i = sizeof(tmp);

	do {
		tmp[--i] = "0123456789abcdef"[v & ((1u << bits) - 1)];
		v >>= bits;
	} while (v);
	tt_out_mem(o, tmp + i, sizeof(tmp) - i);
}

void tt_out_octal(struct tt_out *o, uint64_t v)
{
	tt_out_char(o, '0');
	if (v)
		put_digits(o, v, 3);
}

void tt_out_hex(struct tt_out *o, uint64_t v)
{
	tt_out_mem(o, "0x", 2);
	put_digits(o, v, 4);
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

/* By what every machine has: see GCC's vector extensions. */
typedef unsigned char bytes16 __attribute__((__vector_size__(16)));

/* Whether sixteen bytes go into a string as they are: most of all text does. */
static bool is_plain(const unsigned char *p)
{
	uint64_t half[2];
	bytes16 v;

	memcpy(&v, p, sizeof(v));
	v = (bytes16)(v < 0x20) | (bytes16)(v >= 0x7f) | (bytes16)(v == '"') | (bytes16)(v == '\\');
	memcpy(half, &v, sizeof(half));
	return !(half[0] | half[1]);
}

/* How many bytes at the front do. */
static size_t plain_len(const unsigned char *p, size_t n)
{
	size_t run = 0;

	while (n - run >= 16 && is_plain(p + run))
		run += 16;
	if (n >= 16 && n - run < 16 && is_plain(p + n - 16))
		return n;
	while (run < n && p[run] >= 0x20 && p[run] < 0x7f && p[run] != '"' && p[run] != '\\')
		run++;
	return run;
}

bool tt_out_json(struct tt_out *o, const void *bytes, size_t n, int depth)
{
	const unsigned char *p = bytes;
	bool valid = true;
	size_t i = 0;

	while (i < n) {
		size_t len = plain_len(p + i, n - i);

		if (len) {
			tt_out_mem(o, p + i, len);
			i += len;
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
