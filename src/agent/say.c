/* SPDX-License-Identifier: Apache-2.0 */
/* Lines for people, made of a few texts. */
#include "agent/say.h"

#include <poll.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/out.h"

static void put_all(struct tt_out *o, const char *text, va_list more)
{
	for (; text; text = va_arg(more, const char *))
		tt_out_str(o, text);
}

const char *agent_join(char *buf, size_t cap, ...)
{
	struct tt_out o;
	va_list more;

	tt_out_init(&o, buf, cap - 1);
	va_start(more, cap);
	put_all(&o, "", more);
	va_end(more);
	buf[o.len] = '\0';
	return buf;
}

const char *agent_number(char buf[AGENT_NUMBER_MAX], uint64_t v)
{
	struct tt_out o;

	tt_out_init(&o, buf, AGENT_NUMBER_MAX - 1);
	tt_out_u64(&o, v);
	buf[o.len] = '\0';
	return buf;
}

void agent_say(const char *first, ...)
{
	struct pollfd console = {.fd = STDERR_FILENO, .events = POLLOUT};
	char line[AGENT_LINE_MAX];
	struct tt_out o;
	va_list more;

	tt_out_init(&o, line, sizeof(line) - 1);
	tt_out_str(&o, "telltale-agent: ");
	va_start(more, first);
	put_all(&o, first, more);
	va_end(more);
	line[o.len++] = '\n';
	/* never O_NONBLOCK: the console is the workload's, too */
	if (poll(&console, 1, 0) == 1 && console.revents & POLLOUT)
		if (write(STDERR_FILENO, line, o.len) < 0)
			return; /* nobody is left who could be told */
}
