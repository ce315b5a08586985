/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of learning share. Never leaves this folder. */
#ifndef TT_POLICY_LEARN_INTERNAL_H
#define TT_POLICY_LEARN_INTERNAL_H

#include <stdio.h>

#include "policy/learn.h"

/* learn_paths.c: everything but system calls: namespaces, network, mounts, limits. */
int policy_learn_put_view(FILE *out, const struct policy_evidence *e,
			  struct tt_err *err) TT_MUST_CHECK;

/* learn.c: text for a comment: nothing in it can end the line */
void policy_learn_put_text(FILE *out, const char *text);

#endif
