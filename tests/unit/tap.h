/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TAP producer for unit tests. A failure prints file, line, expression and both values.
 *
 *	int main(void) { TAP_RUN(test_a); TAP_RUN(test_b); return tap_done(); }
 */
#ifndef TT_TESTS_TAP_H
#define TT_TESTS_TAP_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int tap_count, tap_failed, tap_checks, tap_bad;

#define TAP_FAIL_AT(...)                                 \
	do {                                             \
		tap_bad++;                               \
		printf("# %s:%d: ", __FILE__, __LINE__); \
		printf(__VA_ARGS__);                     \
		printf("\n");                            \
	} while (0)

#define CHECK(expr)                                         \
	do {                                                \
		tap_checks++;                               \
		if (!(expr))                                \
			TAP_FAIL_AT("not true: %s", #expr); \
	} while (0)

#define CHECK_INT(got, want)                                                        \
	do {                                                                        \
		intmax_t tap_g_ = (intmax_t)(got), tap_w_ = (intmax_t)(want);       \
		tap_checks++;                                                       \
		if (tap_g_ != tap_w_)                                               \
			TAP_FAIL_AT("%s: got %jd, want %jd", #got, tap_g_, tap_w_); \
	} while (0)

#define CHECK_STR(got, want)                                               \
	do {                                                               \
		const char *tap_g_ = (got), *tap_w_ = (want);              \
		tap_checks++;                                              \
		if (!tap_g_ || strcmp(tap_g_, tap_w_) != 0)                \
			TAP_FAIL_AT("%s:\n#   got  %s\n#   want %s", #got, \
				    tap_g_ ? tap_g_ : "(null)", tap_w_);   \
	} while (0)

/* A case that checked nothing is a failure: no test asserts nothing. */
#define TAP_RUN(fn)                                                                                \
	do {                                                                                       \
		tap_checks = tap_bad = 0;                                                          \
		fn();                                                                              \
		tap_count++;                                                                       \
		if (tap_bad || !tap_checks)                                                        \
			tap_failed++;                                                              \
		printf("%s %d - %s%s\n", tap_bad || !tap_checks ? "not ok" : "ok", tap_count, #fn, \
		       tap_checks ? "" : " (checked nothing)");                                    \
		fflush(stdout);                                                                    \
	} while (0)

static inline int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed ? 1 : 0;
}

#endif
