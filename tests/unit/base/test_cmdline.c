/* SPDX-License-Identifier: Apache-2.0 */
/* Words of a kernel command line, as the kernel splits them. */
#include "base/cmdline.h"
#include "tap.h"

/* The words of @text, as NAME, NAME=VALUE in brackets. */
static const char *split(const char *text)
{
	static char line[256], out[512];
	char *at = line, *name, *value;
	size_t n = 0;

	snprintf(line, sizeof(line), "%s", text);
	out[0] = '\0';
	while ((name = tt_cmdline_next(&at, &value)))
		n += (size_t)snprintf(out + n, sizeof(out) - n, value ? "[%s|%s]" : "[%s]", name,
				      value);
	return out;
}

static void words(void)
{
	CHECK_STR(split(""), "");
	CHECK_STR(split("  \t\n"), "");
	CHECK_STR(split("quiet"), "[quiet]");
	CHECK_STR(split(" ro  root=/dev/vda \n"), "[ro][root|/dev/vda]");
	CHECK_STR(split("a=b=c d="), "[a|b=c][d|]");
	CHECK_STR(split("=x"), "[|x]");
	CHECK_STR(split("a -- b=c"), "[a][--][b|c]");
}

static void quotes(void)
{
	CHECK_STR(split("a=\"b c\" d"), "[a|b c][d]");
	CHECK_STR(split("\"a=b c\" d"), "[a|b c][d]");
	CHECK_STR(split("a=\"b \"c\" d\"e f"), "[a|b c de][f]");
	CHECK_STR(split("a=\"never ended"), "[a|never ended]");
	CHECK_STR(split("\"\""), "[]");
}

int main(void)
{
	TAP_RUN(words);
	TAP_RUN(quotes);
	return tap_done();
}
