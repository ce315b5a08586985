/* SPDX-License-Identifier: Apache-2.0 */
/* Lines for people. Each goes out in one write, so that it stays whole between those of others. */
#include "init/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/out.h"

#define LINE_MAX_BYTES 1024
#define BUFFERS        4

static int say_fd = STDERR_FILENO;

void init_say_open(void)
{
	struct stat st;
	int fd;

	/* a file never waits, and has its own place where we write; a socket cannot be opened */
	if (fstat(STDERR_FILENO, &st) < 0 || (!S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode)))
		return;
	fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		say_fd = fd;
}

int init_say_fd(void)
{
	return say_fd;
}

static int put(const char *line, size_t len)
{
	ssize_t n = send(say_fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK)
		n = write(say_fd, line, len);
	return n < 0 ? errno : 0;
}

/*
 * What does not go out at once is lost. A terminal whose session has ended is there again when it
 * is opened anew.
 */
static void put_line(const char *line, size_t len)
{
	if (put(line, len) != EIO || say_fd == STDERR_FILENO)
		return;
	(void)close(say_fd);
	say_fd = STDERR_FILENO;
	init_say_open();
	(void)put(line, len);
}

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
	put_line(line, o.len + 1);
}

void init_say_error(const char *what, const char *object, int err)
{
	if (object)
		init_say(what, " '", object, "': ", strerror(err), NULL);
	else
		init_say(what, ": ", strerror(err), NULL);
}
