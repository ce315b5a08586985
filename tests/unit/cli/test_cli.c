/* SPDX-License-Identifier: Apache-2.0 */
/* What every verb shares: hostile text made visible, figures, the nearest verb. */
#include <locale.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/figures.h"
#include "cli/style.h"
#include "tap.h"

static const char *escaped(const char *text, size_t len)
{
	static char out[512];
	FILE *f = fmemopen(out, sizeof(out), "w");

	cli_put_text(f, text, len);
	fclose(f);
	return out;
}

#define CHECK_ESCAPED(text, want) CHECK_STR(escaped(text, sizeof(text) - 1), want)

static void test_control_bytes(void)
{
	CHECK_ESCAPED("plain text", "plain text");
	CHECK_ESCAPED("\033[31mred", "\\x1b[31mred");
	CHECK_ESCAPED("a\nb\tc\rd", "a\\nb\\tc\\rd");
	CHECK_ESCAPED("nul\0del\x7f", "nul\\x00del\\x7f");
	CHECK_ESCAPED("\\x1b", "\\\\x1b"); /* not to be taken for an escape byte */
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;
		const char *text = escaped(&byte, 1);

		for (; *text; text++)
			CHECK(*text >= ' ' && *text <= '~');
	}
}

static void test_not_utf8(void)
{
	CHECK_ESCAPED("a\xff\xfe", "a\\xff\\xfe");
	CHECK_ESCAPED("\xc3", "\\xc3");
	CHECK_ESCAPED("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* a surrogate */
}

static void test_letters(void)
{
	if (!cli_is_utf8()) {
		CHECK_ESCAPED("\xc3\xa9", "\\u{e9}");
		return;
	}
	CHECK_ESCAPED("\xc3\xa9", "\xc3\xa9");
	CHECK_ESCAPED("\xc2\x9b"
		      "31m",
		      "\\u{9b}31m"); /* CSI in one letter */
	CHECK_ESCAPED("\xe2\x80\xae"
		      "gnp",
		      "\\u{202e}gnp"); /* right to left */
	CHECK_ESCAPED("\xef\xbb\xbf", "\\u{feff}");
	CHECK_INT(cli_text_width("\xe6\x97\xa5\x1b", 4), 6); /* a wide letter, an escape of four */
}

static void test_figures(void)
{
	char buf[CLI_FIGURE_MAX];

	CHECK_STR(cli_count(buf, 0), "0");
	CHECK_STR(cli_count(buf, 999), "999");
	CHECK_STR(cli_count(buf, 1000), "1,000");
	CHECK_STR(cli_count(buf, UINT64_MAX), "18,446,744,073,709,551,615");
	CHECK_STR(cli_bytes(buf, 1023), "1023 B");
	CHECK_STR(cli_bytes(buf, 1024), "1.0 KiB");
	CHECK_STR(cli_bytes(buf, UINT64_MAX), "16 EiB");
	CHECK_STR(cli_duration(buf, 999999), "999 us");
	CHECK_STR(cli_duration(buf, 1320000000), "1.32 s");
	CHECK_STR(cli_duration(buf, 125000000000), "2 min 05 s");
	CHECK_STR(cli_duration(buf, 12000000000000), "3 h 20 min");
	CHECK_STR(cli_when(buf, 1756907714921517011), "2025-09-03 13:55:14 UTC");
	CHECK_STR(cli_when(buf, 0), "?");
}

static void test_nearest(void)
{
	CHECK_STR(cli_verb_nearest("shwo") ? cli_verb_nearest("shwo")->name : NULL, "show");
	CHECK_STR(cli_verb_nearest("event") ? cli_verb_nearest("event")->name : NULL, "events");
	CHECK(!cli_verb_nearest("frobnicate"));
	CHECK(!cli_verb_nearest("a-verb-far-too-long-to-be-one"));
	CHECK(cli_verb_find("list") && !cli_verb_find("lis") && !cli_verb_find(""));
}

int main(void)
{
	setenv("TZ", "UTC", 1);
	setlocale(LC_CTYPE, "");
	cli_style_begin();
	TAP_RUN(test_control_bytes);
	TAP_RUN(test_not_utf8);
	TAP_RUN(test_letters);
	TAP_RUN(test_figures);
	TAP_RUN(test_nearest);
	return tap_done();
}
