/* SPDX-License-Identifier: Apache-2.0 */
/* Lines for people. Each goes out in one write, so that it stays whole between those of others. */
#include "init/say.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/out.h"

#define LINE_MAX_BYTES 1024
#define BUFFERS        4

const char *init_digits(int64_t v)
{
	static char texts[BUFFERS][24];
	static unsigned next;
	char *text = texts[next++ % BUFFERS];
	struct tt_out o;

	tt_out_init(&o, text, sizeof(texts[0]) - 1);
	tt_out_i64(&o, v);
	text[o.len] = '\0';
	return text;
}

/* What comes from settings must not steer the terminal. */
static void put_plain(struct tt_out *o, const char *text)
{
	for (; *text; text++)
		tt_out_char(o, (unsigned char)*text < ' ' || *text == '\x7f' ? '?' : *text);
}

void init_say(const char *first, ...)
{
	char line[LINE_MAX_BYTES + 1];
	struct tt_out o;
	va_list more;

	tt_out_init(&o, line, LINE_MAX_BYTES);
	tt_out_str(&o, "telltale-init: ");
	va_start(more, first);
	for (const char *text = first; text; text = va_arg(more, const char *))
		put_plain(&o, text);
	va_end(more);
	line[o.len] = '\n';
	/* there is nobody else to tell */
	if (write(STDERR_FILENO, line, o.len + 1) < 0)
		return;
}

void init_say_error(const char *what, const char *object, int err)
{
	if (object)
		init_say(what, " '", object, "': ", strerror(err), NULL);
	else
		init_say(what, ": ", strerror(err), NULL);
}
