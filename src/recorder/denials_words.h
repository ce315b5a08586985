/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arguments of a system call as text, from the registers alone or with what one of them pointed
 * to. Pure; signal-safe.
 */
#ifndef TT_RECORDER_DENIALS_WORDS_H
#define TT_RECORDER_DENIALS_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/notifier.h"

#define RECORDER_WORDS_MAX 6
#define RECORDER_WORDS_ROOM \
	(3 * KERNEL_TEXT_MAX + 256) /* one text, each byte as U+FFFD, and numbers */

struct recorder_words {
	unsigned count;
	uint16_t len[RECORDER_WORDS_MAX];
	char text[RECORDER_WORDS_ROOM]; /* one behind the other; UTF-8, secrets taken out */
};

/* recorder_words_pointer - which argument of a call is worth reading; see kernel_pointer */
struct kernel_pointer recorder_words_pointer(int nr);

/* recorder_words_make - the arguments of a denied call; none where its prototype is not known */
void recorder_words_make(struct recorder_words *ret, const struct kernel_denial *d);

/*
 * recorder_words_keys - the arguments that say what kind of call it is (families, flags, commands),
 * all others 0: calls with the same ones are told as one
 */
void recorder_words_keys(const struct kernel_denial *d, uint64_t ret[6]);

/* recorder_words_is_family - whether the argument is an address family, which has a name */
bool recorder_words_is_family(int nr, unsigned arg);

/* recorder_words_request - the name of an ioctl(2) request that profiles know, static; or NULL */
const char *recorder_words_request(int nr, unsigned arg, uint64_t value);

#endif
