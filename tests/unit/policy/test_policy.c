/* SPDX-License-Identifier: Apache-2.0 */
/* Shipped profiles: what they ask for, and what STRICT may not leave open. */
#include "policy/policy.h"

#include <errno.h>
#include <string.h>

#include "tap.h"

static struct policy *load(const char *name)
{
	struct policy *p = NULL;
	struct tt_err err = {""};

	CHECK_INT(policy_load(name, &p, &err), 0);
	if (!p)
		TAP_FAIL_AT("%s", err.text);
	return p;
}

static void unknown_names_are_refused(void)
{
	static const char *const bad[] = {"", "strict", "STRICT ", "STRIC", "XYZZYABC"};
	struct policy *p = NULL;
	struct tt_err err;

	for (size_t i = 0; i < TT_ARRAY_SIZE(bad); i++) {
		memset(&err, 0, sizeof(err));
		CHECK_INT(policy_load(bad[i], &p, &err), -ENOENT);
		CHECK(!p);
	}
	CHECK(strstr(err.text, "unknown profile 'XYZZYABC': the profiles are OFF, STRICT"));
	CHECK_INT(policy_load("strict", &p, &err), -ENOENT);
	CHECK_STR(err.text, "unknown profile 'strict': did you mean 'STRICT'?");
}

static void off_confines_nothing(void)
{
	struct policy *p = load("OFF");

	if (!p)
		return;
	CHECK(!p->sandboxed && !p->filter && !p->no_new_privs && !p->namespaces);
	CHECK_INT(p->network, POLICY_NET_HOST);
	CHECK_INT(p->root, POLICY_ROOT_KEEP);
	CHECK_INT(p->rule_count, 0);
	CHECK_INT(p->limits.wall_ms == POLICY_NO_LIMIT, 1);
	policy_free(p);
}

static void strict_confines_all(void)
{
	static const char *const always[] = {
		"socket",
		"mount",
		"umount2",
		"pivot_root",
		"unshare",
		"setns",
		"ptrace",
		"bpf",
		"process_vm_readv",
		"process_vm_writev",
		"io_uring_setup",
		"userfaultfd",
		"keyctl",
		"perf_event_open",
		"open_by_handle_at",
		"move_mount",
		"fsopen",
		"mount_setattr",
		"open_tree",
		"open_tree_attr",
		"fsconfig",
		"fsmount",
		"fspick",
		"init_module",
		"finit_module",
		"kexec_load",
		"reboot",
		"clone",
		"clone3",
		"pidfd_getfd",
	};
	struct policy *p = load("STRICT");

	if (!p)
		return;
	CHECK(p->sandboxed && p->filter && p->no_new_privs);
	CHECK_INT(p->root, POLICY_ROOT_READ_ONLY);
	CHECK_INT(p->network, POLICY_NET_OFF);
	CHECK_INT(p->keep_caps, 0);
	for (size_t i = 0; i < TT_ARRAY_SIZE(always); i++) {
		for (uint64_t v = 0; v < 70; v++) {
			uint64_t args[6] = {v, v, v, v, v, v};
			struct policy_verdict d =
				policy_decide(p, policy_call_number(always[i]), args);

			if (d.action != POLICY_DENY && d.action != POLICY_DENY_QUIET)
				TAP_FAIL_AT("%s is not refused", always[i]);
		}
	}
	policy_free(p);
}

int main(void)
{
	TAP_RUN(unknown_names_are_refused);
	TAP_RUN(off_confines_nothing);
	TAP_RUN(strict_confines_all);
	return tap_done();
}
