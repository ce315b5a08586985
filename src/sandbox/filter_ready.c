/* SPDX-License-Identifier: Apache-2.0 */
/* The filter of a policy: ready-made at build time for the built-in ones, else compiled now. */
#include "sandbox/sandbox_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

struct ready {
	const char *policy;
	const struct sock_filter *insns;
	unsigned short len;
};

#define INSNS(...) ((const struct sock_filter[]){__VA_ARGS__})
#define READY_FILTER(name, ...) \
	{name, INSNS(__VA_ARGS__), sizeof(INSNS(__VA_ARGS__)) / sizeof(struct sock_filter)},

static const struct ready ready[] = {
#include "sandbox/filters.inc"
	{NULL, NULL, 0},
};

int sandbox_filter_build(const struct policy *p, struct sock_fprog *ret, struct tt_err *err)
{
	const struct policy *built_in = NULL;
	const struct ready *r = ready;

	while (r->policy && strcmp(r->policy, p->name) != 0)
		r++;
	/* a policy of that name may come from elsewhere, too */
	if (!r->policy || policy_find(p->name, &built_in, NULL) < 0 || built_in != p)
		return sandbox_filter_compile(p, ret, err);
	ret->filter = malloc(r->len * sizeof(*r->insns));
	if (!ret->filter)
		return tt_fail(err, ENOMEM, "make memory for the syscall filter");
	memcpy(ret->filter, r->insns, r->len * sizeof(*r->insns));
	ret->len = r->len;
	return 0;
}
