/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What init tells people: lines on stderr, which in a guest is the console. No allocation;
 * signal-safe.
 */
#ifndef TT_INIT_SAY_H
#define TT_INIT_SAY_H

#include <stdint.h>

/*
 * init_say_open - where stderr leads, opened anew if that can be: what is said then never waits,
 * for a workload may stop its terminal, or nobody read its pipe. Needs /proc.
 */
void init_say_open(void);

/* init_say_fd - that one, for who must not wait either; stderr itself if it cannot be */
int init_say_fd(void);

/* init_say - "telltale-init: " and these texts, one behind the other; NULL ends them */
void init_say(const char *first, ...) __attribute__((__sentinel__));

/* init_say_error - "telltale-init: WHAT 'OBJECT': the text of @err", positive; @object: or NULL */
void init_say_error(const char *what, const char *object, int err);

/* init_digits - a number as text, in one of a few buffers that are used in turn */
const char *init_digits(int64_t v);

#endif
