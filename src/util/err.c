/* SPDX-License-Identifier: Apache-2.0 */
/* Error text: formatting into the caller's buffer. */
#include "util/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ": what", as much of it as fits */
static void append(struct tt_err *err, const char *what)
{
	size_t n = strlen(err->text), room = sizeof(err->text) - 1 - n;

	if (room < 3)
		return;
	memcpy(err->text + n, ": ", 2);
	memcpy(err->text + n + 2, what, strnlen(what, room - 2));
	err->text[n + 2 + strnlen(what, room - 2)] = '\0';
}

TT_PRINTF(4, 0)
static int fail_va(struct tt_err *err, int num, int with_reason, const char *fmt, va_list ap)
{
	int saved = errno;
	char reason[80];

	if (err) {
		(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
		if (with_reason)
			append(err, strerror_r(num, reason, sizeof(reason)));
	}
	errno = saved;
	return -num;
}

int tt_fail(struct tt_err *err, int num, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = fail_va(err, num, 1, fmt, ap);
	va_end(ap);
	return r;
}

int tt_fail_text(struct tt_err *err, int num, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = fail_va(err, num, 0, fmt, ap);
	va_end(ap);
	return r;
}

int tt_wrap(struct tt_err *err, int num, const char *fmt, ...)
{
	struct tt_err old;
	va_list ap;

	if (!err)
		return num;
	old = *err;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	append(err, old.text);
	return num;
}
