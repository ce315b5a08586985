/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles: any text is refused with a reason, or makes a policy whose filter says what
 * policy_decide() says, and whose shown text makes the same policy.
 */
#include <linux/audit.h>
#include <stdlib.h>

#include "policy/policy.h"
#include "../unit/policy/bpf.h"

#define CALLS_MAX 400 /* of one policy that are tried: fuzzing is about speed, too */

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#else
#define NATIVE AUDIT_ARCH_AARCH64
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(const struct policy *p, const struct sock_filter *insns, size_t len, int nr,
		    const uint64_t args[6])
{
	struct seccomp_data d = {.nr = nr, .arch = NATIVE};
	struct policy_verdict v = policy_decide(p, nr, args);
	uint32_t got;

	memcpy(d.args, args, sizeof(d.args));
	got = bpf_run(insns, len, &d, NULL);
	if (got != (v.action == POLICY_ALLOW ? SECCOMP_RET_ALLOW : SECCOMP_RET_USER_NOTIF))
		abort();
}

static void check_filter(const struct policy *p)
{
	struct sock_filter *insns = NULL;
	unsigned short len = 0;
	uint64_t args[6];

	if (policy_filter_make(p, &insns, &len, NULL) < 0)
		return;
	for (int nr = 0; nr < 500; nr += 3) {
		memset(args, nr, sizeof(args));
		compare(p, insns, len, nr, args);
	}
	for (size_t i = 0; i < p->rule_count && i < CALLS_MAX; i++) {
		const struct policy_rule *r = &p->rules[i];

		for (int d = -1; d <= 1; d++) {
			memset(args, 0, sizeof(args));
			for (size_t k = 0; k < r->condition_count; k++)
				args[r->conditions[k].arg] =
					r->conditions[k].value + (uint64_t)(int64_t)d;
			compare(p, insns, len, r->nr, args);
			for (int k = 0; k < 6; k++)
				args[k] |= 0xfffffffe00000000;
			compare(p, insns, len, r->nr, args);
		}
	}
	free(insns);
}

static void check_shown(const struct policy *p)
{
	struct policy *again = NULL;
	char *text = NULL, *second = NULL;
	size_t n, m;

	if (policy_text(p, &text, &n) < 0)
		abort();
	/* what is spelt out in full may be longer than a profile may be */
	if (policy_load_text("fuzz", text, n, &again, NULL) == 0) {
		if (policy_text(again, &second, &m) < 0 || n != m || memcmp(text, second, n) != 0 ||
		    again->rule_count != p->rule_count)
			abort();
	} else if (n < 4096) {
		abort();
	}
	free(text);
	free(second);
	policy_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy *p = NULL;
	struct tt_err err = {""};
	const char *text = (const char *)data;

	if (policy_load_text("fuzz", text, size, &p, &err) < 0) {
		if (p || strncmp(err.text, "fuzz:", 5) != 0)
			/* an included one may be wrong only if it is a file of this machine */
			if (p || !err.text[0])
				abort();
		return 0;
	}
	check_filter(p);
	check_shown(p);
	policy_free(p);
	return 0;
}
