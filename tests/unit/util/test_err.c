/* SPDX-License-Identifier: Apache-2.0 */
/* Error texts: born, wrapped, cut. */
#include "util/err.h"

#include <errno.h>

#include "tap.h"

static void birth_sets_text_and_number(void)
{
	struct tt_err err;

	errno = 5;
	CHECK_INT(tt_fail(&err, ENOENT, "open '%s'", "/x"), -ENOENT);
	CHECK_STR(err.text, "open '/x': No such file or directory");
	CHECK_INT(errno, 5);
	CHECK_INT(tt_fail_text(&err, EINVAL, "no such profile '%s'", "A"), -EINVAL);
	CHECK_STR(err.text, "no such profile 'A'");
}

static void wrapping_puts_context_in_front(void)
{
	struct tt_err err;
	int r = tt_fail(&err, EACCES, "mkdir '/a'");

	CHECK_INT(tt_wrap(&err, r, "open store '%s'", "/a/b"), -EACCES);
	CHECK_STR(err.text, "open store '/a/b': mkdir '/a': Permission denied");
}

static void nobody_listening_is_fine(void)
{
	CHECK_INT(tt_fail(NULL, EIO, "x"), -EIO);
	CHECK_INT(tt_wrap(NULL, -EIO, "y"), -EIO);
}

static void long_texts_are_cut_and_end(void)
{
	char word[400];
	struct tt_err err;

	for (size_t n = 0; n < sizeof(word); n += 7) {
		memset(word, 'w', n);
		word[n] = '\0';
		memset(&err, 0x55, sizeof(err));
		CHECK_INT(tt_fail(&err, ENOSPC, "%s", word), -ENOSPC);
		CHECK(memchr(err.text, '\0', sizeof(err.text)) != NULL);
		CHECK(strncmp(err.text, word,
			      n < sizeof(err.text) - 1 ? n : sizeof(err.text) - 1) == 0);
		CHECK_INT(tt_wrap(&err, -ENOSPC, "%s", word), -ENOSPC);
		CHECK(memchr(err.text, '\0', sizeof(err.text)) != NULL);
	}
}

int main(void)
{
	TAP_RUN(birth_sets_text_and_number);
	TAP_RUN(wrapping_puts_context_in_front);
	TAP_RUN(nobody_listening_is_fine);
	TAP_RUN(long_texts_are_cut_and_end);
	return tap_done();
}
