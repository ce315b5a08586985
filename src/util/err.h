/* SPDX-License-Identifier: Apache-2.0 */
/* Error text held by the caller: one number always, a sentence where a sentence is affordable. */
#ifndef TT_UTIL_ERR_H
#define TT_UTIL_ERR_H

#include "base/compiler.h"

/* Room for the wrapped chain. What does not fit is cut at the end; the number is never lost. */
struct tt_err {
	char text[240];
};

/*
 * tt_fail - an error is born: write its text
 * @err: where the text goes, or NULL
 * @num: positive errno value
 * @fmt: the act and its object in quotes, lower case, no full stop: "open store '%s'"
 *
 * The text becomes "<fmt>: <strerror(num)>". Returns -num. Keeps errno. Thread-safe, not
 * signal-safe.
 */
int tt_fail(struct tt_err *err, int num, const char *fmt, ...) TT_PRINTF(3, 4);

/*
 * tt_fail_text - as tt_fail(), for errors that errno describes badly: the text is <fmt> alone
 */
int tt_fail_text(struct tt_err *err, int num, const char *fmt, ...) TT_PRINTF(3, 4);

/*
 * tt_wrap - put context in front of an error that came from below: "<fmt>: <old text>"
 * @num: the negative number from below. Returns it unchanged.
 */
int tt_wrap(struct tt_err *err, int num, const char *fmt, ...) TT_PRINTF(3, 4);

#endif
