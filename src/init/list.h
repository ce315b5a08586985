/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of texts on a kernel command line: base64 (RFC 4648 section 4, with its padding) of a JSON
 * array of strings. Strict: what two readers could read in two ways is refused. No allocation.
 */
#ifndef TT_INIT_LIST_H
#define TT_INIT_LIST_H

#include "base/compiler.h"

/*
 * init_list_decode - in place: the texts end up inside @text, each with its NUL
 * @words: @cap of them and one more, for the NULL that ends them
 * Returns how many, or -EINVAL and *ret_why: what is wrong, static.
 */
int init_list_decode(char *text, char **words, unsigned cap, const char **ret_why) TT_MUST_CHECK;

#endif
