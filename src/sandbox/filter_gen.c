/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs while Telltale is built: compiles the filters of the built-in policies and writes them as a
 * C table. A launch then copies a kilobyte instead of asking libseccomp again each time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sandbox/sandbox_internal.h"

int main(int argc, char **argv)
{
	FILE *out = argc == 2 ? fopen(argv[1], "w") : NULL;
	struct sock_fprog prog;
	struct tt_err err;

	if (!out)
		return 2;
	fprintf(out, "/* Made by filter_gen.c: policy, then its instructions. */\n");
	for (const struct policy *p = policy_next(NULL); p; p = policy_next(p)) {
		if (!p->sandboxed)
			continue;
		if (sandbox_filter_compile(p, &prog, &err) < 0) {
			fprintf(stderr, "%s: %s\n", p->name, err.text);
			return 1;
		}
		fprintf(out, "READY_FILTER(\"%s\",", p->name);
		for (unsigned i = 0; i < prog.len; i++)
			fprintf(out, "%s{%u, %u, %u, %u}", i ? ", " : " ", prog.filter[i].code,
				prog.filter[i].jt, prog.filter[i].jf, prog.filter[i].k);
		fprintf(out, ")\n");
		free(prog.filter);
	}
	return fclose(out) == 0 ? 0 : 1;
}
