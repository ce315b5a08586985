/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8: every code point round trip, every row of the table of RFC 3629 from both sides. */
#include <stdlib.h>

#include "base/utf8.h"
#include "tap.h"

/* In a buffer of exactly that size: a look past the end is seen. */
static size_t len_of(const void *bytes, size_t n)
{
	unsigned char *exact = malloc(n);
	size_t r;

	memcpy(exact, bytes, n);
	r = tt_utf8_len(exact, n);
	free(exact);
	return r;
}

static size_t encode(unsigned char *p, unsigned c)
{
	if (c < 0x80) {
		p[0] = (unsigned char)c;
		return 1;
	}
	if (c < 0x800) {
		p[0] = (unsigned char)(0xc0 | c >> 6);
		p[1] = (unsigned char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		p[0] = (unsigned char)(0xe0 | c >> 12);
		p[1] = (unsigned char)(0x80 | (c >> 6 & 63));
		p[2] = (unsigned char)(0x80 | (c & 63));
		return 3;
	}
	p[0] = (unsigned char)(0xf0 | c >> 18);
	p[1] = (unsigned char)(0x80 | (c >> 12 & 63));
	p[2] = (unsigned char)(0x80 | (c >> 6 & 63));
	p[3] = (unsigned char)(0x80 | (c & 63));
	return 4;
}

static void every_code_point(void)
{
	for (unsigned c = 0; c < 0x120000; c++) {
		unsigned char p[4];
		size_t n = encode(p, c),
		       want = c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : n;

		if (tt_utf8_len(p, n) != want)
			CHECK_INT(c, -1);
	}
	CHECK(true);
}

/* All pairs: the accepted ones are exactly C2..DF 80..BF and those that begin with ASCII. */
static void every_pair(void)
{
	unsigned two = 0;

	for (unsigned v = 0; v < 65536; v++) {
		unsigned char p[2] = {(unsigned char)(v >> 8), (unsigned char)v};
		size_t len = tt_utf8_len(p, 2);

		two += len == 2;
		CHECK_INT(len, p[0] < 0x80                                      ? 1
			       : p[0] >= 0xc2 && p[0] <= 0xdf && p[1] >> 6 == 2 ? 2
										: 0);
	}
	CHECK_INT(two, 30 * 64);
}

static void bad(void)
{
	CHECK_INT(len_of("\xc1\xbf", 2), 0);         /* overlong */
	CHECK_INT(len_of("\xe0\x9f\xbf", 3), 0);     /* overlong */
	CHECK_INT(len_of("\xf0\x8f\xbf\xbf", 4), 0); /* overlong */
	CHECK_INT(len_of("\xed\xa0\x80", 3), 0);     /* surrogate */
	CHECK_INT(len_of("\xf4\x90\x80\x80", 4), 0); /* past U+10FFFF */
	CHECK_INT(len_of("\xf5\x80\x80\x80", 4), 0); /* no such lead byte */
	CHECK_INT(len_of("\x80", 1), 0);             /* a tail alone */
	CHECK_INT(len_of("\xff", 1), 0);
	CHECK_INT(len_of("\xe2\x28\xa1", 3), 0); /* not a tail */
}

static void every_prefix(void)
{
	static const char *const good[] = {"\xc2\x80", "\xe0\xa0\x80", "\xef\xbf\xbf",
					   "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		size_t n = strlen(good[i]);

		for (size_t k = 1; k < n; k++)
			CHECK_INT(len_of(good[i], k), 0);
		CHECK_INT(len_of(good[i], n), n);
	}
}

static void whole_texts(void)
{
	CHECK(tt_utf8_is_valid("", 0));
	CHECK(tt_utf8_is_valid("a\xc3\xa9", 3));
	CHECK(!tt_utf8_is_valid("a\xc3\xa9", 2));
	CHECK(!tt_utf8_is_valid("a\xff", 2));
	CHECK(tt_utf8_is_valid("\0", 1));
}

int main(void)
{
	TAP_RUN(every_code_point);
	TAP_RUN(every_pair);
	TAP_RUN(bad);
	TAP_RUN(every_prefix);
	TAP_RUN(whole_texts);
	return tap_done();
}
