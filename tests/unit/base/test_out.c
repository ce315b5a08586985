/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded writer: numbers, JSON escapes at both depths, every buffer size. */
#include <stdlib.h>

#include "base/out.h"
#include "tap.h"

static char text[256];
static struct tt_out o;

static const char *done(void)
{
	text[o.len] = '\0';
	tt_out_init(&o, text, sizeof(text) - 1);
	return text;
}

static void numbers(void)
{
	tt_out_init(&o, text, sizeof(text) - 1);
	tt_out_u64(&o, 0);
	CHECK_STR(done(), "0");
	tt_out_u64(&o, UINT64_MAX);
	CHECK_STR(done(), "18446744073709551615");
	for (uint64_t v = 1, n = 0; n < 20; v *= 10, n++)
		for (uint64_t near = v - 1; near <= v + 1; near++) {
			char want[24];

			(void)snprintf(want, sizeof(want), "%llu", (unsigned long long)near);
			tt_out_u64(&o, near);
			CHECK_STR(done(), want);
		}
	tt_out_i64(&o, INT64_MIN);
	CHECK_STR(done(), "-9223372036854775808");
	tt_out_i64(&o, INT64_MAX);
	CHECK_STR(done(), "9223372036854775807");
	tt_out_i64(&o, -1);
	CHECK_STR(done(), "-1");
	tt_out_octal(&o, 0);
	CHECK_STR(done(), "0");
	tt_out_octal(&o, 0644);
	CHECK_STR(done(), "0644");
	tt_out_octal(&o, UINT64_MAX);
	CHECK_STR(done(), "01777777777777777777777");
	tt_out_hex(&o, 0);
	CHECK_STR(done(), "0x0");
	tt_out_hex(&o, UINT64_MAX);
	CHECK_STR(done(), "0xffffffffffffffff");
}

static void check_json(const void *bytes, size_t n, int depth, bool valid, const char *want)
{
	void *exact = malloc(n);

	memcpy(exact, bytes, n);
	tt_out_init(&o, text, sizeof(text) - 1);
	CHECK_INT(tt_out_json(&o, exact, n, depth), valid);
	CHECK_STR(done(), want);
	free(exact);
}
#define JSON(bytes, depth, valid, want) check_json(bytes, sizeof(bytes) - 1, depth, valid, want)

static void json(void)
{
	JSON("plain /a.b~", 1, true, "plain /a.b~");
	JSON("\"\\", 1, true, "\\\"\\\\");
	JSON("\"\\", 2, true, "\\\\\\\"\\\\\\\\");
	JSON("\n\r\t", 1, true, "\\n\\r\\t");
	JSON("\n\r\t", 2, true, "\\\\n\\\\r\\\\t");
	JSON("a\0b", 1, false,
	     "a\xef\xbf\xbd"
	     "b");
	JSON("\x01\x1f\x7f", 1, true, "\\u0001\\u001f\\u007f");
	JSON("\x1b", 2, true, "\\\\u001b");
	JSON("h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9a", 1, true,
	     "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9a");
	JSON("a\xff"
	     "b",
	     1, false,
	     "a\xef\xbf\xbd"
	     "b");
	/* a sequence cut off by the end; a surrogate; an overlong slash: one mark per byte */
	JSON("\xe2\x82", 1, false, "\xef\xbf\xbd\xef\xbf\xbd");
	JSON("\xed\xa0\x80", 2, false, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	JSON("\xc0\xaf", 1, false, "\xef\xbf\xbd\xef\xbf\xbd");
}

/* Text is looked at in pieces: what must be escaped lies in each of them, and at their edges. */
static void json_anywhere(void)
{
	static const char *const rows[][2] = {{"\"", "\\\""},           {"\\", "\\\\"},
					      {"\x1f", "\\u001f"},      {"\x7f", "\\u007f"},
					      {"\xff", "\xef\xbf\xbd"}, {"\xc3\xa9", "\xc3\xa9"}};
	char bytes[80], want[120];

	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++)
		for (int before = 0; before < 35; before++)
			for (int after = 0; after < 35; after++) {
				(void)snprintf(bytes, sizeof(bytes), "%*s%s%*s", before, "",
					       rows[row][0], after, "");
				(void)snprintf(want, sizeof(want), "%*s%s%*s", before, "",
					       rows[row][1], after, "");
				check_json(bytes, strlen(bytes), 1, row != 4, want);
			}
}

static void every_size(void)
{
	static const char in[] = "a\"\n\x01\xc3\xa9\xff";
	size_t need;

	tt_out_init(&o, text, sizeof(text) - 1);
	(void)tt_out_json(&o, in, sizeof(in) - 1, 2);
	need = o.len;
	for (size_t cap = 0; cap <= need; cap++) {
		char *buf = malloc(cap);
		struct tt_out small;

		tt_out_init(&small, buf, cap);
		(void)tt_out_json(&small, in, sizeof(in) - 1, 2);
		CHECK_INT(tt_out_is_full(&small), cap < need);
		CHECK(small.len <= cap);
		free(buf);
	}
}

static void whole_or_nothing(void)
{
	char buf[4] = "----";

	tt_out_init(&o, buf, sizeof(buf));
	tt_out_str(&o, "abc");
	tt_out_str(&o, "de");
	CHECK(tt_out_is_full(&o));
	CHECK_INT(o.len, 3);
	CHECK(memcmp(buf, "abc-", 4) == 0);
	tt_out_char(&o, 'x');
	CHECK_INT(o.len, 4);
	CHECK(tt_out_is_full(&o));
	tt_out_char(&o, 'y');
	CHECK_INT(o.len, 4);
}

int main(void)
{
	TAP_RUN(numbers);
	TAP_RUN(json);
	TAP_RUN(json_anywhere);
	TAP_RUN(every_size);
	TAP_RUN(whole_or_nothing);
	return tap_done();
}
