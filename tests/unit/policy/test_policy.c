/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles by name, and what STRICT may not leave open. */
#include "policy/policy.h"

#include <errno.h>
#include <string.h>

#include "tap.h"

static void finds_each_profile_it_lists(void)
{
	const struct policy *p = NULL, *found;
	int n = 0;

	while ((p = policy_next(p))) {
		n++;
		found = NULL;
		CHECK_INT(policy_find(p->name, &found, NULL), 0);
		CHECK(found == p);
		CHECK(p->summary && *p->summary);
	}
	CHECK_INT(n, 2);
}

static void unknown_names_are_refused(void)
{
	static const char *const bad[] = {"", "strict", "STRICT ", "STRIC", "STRICTER"};
	const struct policy *p;
	struct tt_err err;

	for (size_t i = 0; i < TT_ARRAY_SIZE(bad); i++) {
		p = (const struct policy *)&err;
		memset(&err, 0, sizeof(err));
		CHECK_INT(policy_find(bad[i], &p, &err), -ENOENT);
		CHECK(p == (const struct policy *)&err);
	}
	CHECK_STR(err.text, "unknown profile 'STRICTER': the profiles are OFF, STRICT");
	CHECK_INT(policy_find("x", &p, NULL), -ENOENT);
}

static void off_confines_nothing(void)
{
	const struct policy *p;

	CHECK_INT(policy_find("OFF", &p, NULL), 0);
	CHECK(!p->sandboxed && p->new_processes && !p->read_only_root && !p->private_tmp &&
	      !p->private_proc);
	CHECK_INT(p->network, POLICY_NET_HOST);
	CHECK_INT(p->deny_count, 0);
}

static const struct policy_deny *find_deny(const struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->deny_count; i++)
		if (strcmp(p->deny[i].syscall, name) == 0)
			return &p->deny[i];
	return NULL;
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
		"fsconfig",
		"fsmount",
		"fspick",
		"init_module",
		"finit_module",
		"reboot",
	};
	const struct policy *p;

	CHECK_INT(policy_find("STRICT", &p, NULL), 0);
	CHECK(p->sandboxed && !p->new_processes && p->read_only_root && p->private_tmp &&
	      p->private_proc);
	CHECK_INT(p->network, POLICY_NET_OFF);
	CHECK(p->tmp_bytes > 0);
	for (size_t i = 0; i < TT_ARRAY_SIZE(always); i++) {
		const struct policy_deny *d = find_deny(p, always[i]);

		CHECK(d);
		if (!d)
			TAP_FAIL_AT("%s is not refused", always[i]);
		else
			CHECK_INT(d->arg, -1);
	}
}

/* What the filter compiler relies on. */
static void rules_are_well_formed(void)
{
	const struct policy *p = NULL;

	while ((p = policy_next(p))) {
		for (size_t i = 0; i < p->deny_count; i++) {
			const struct policy_deny *d = &p->deny[i];

			CHECK(d->syscall && *d->syscall);
			CHECK(d->err > 0 && d->err < 4096);
			CHECK(d->arg >= -1 && d->arg < 6);
			CHECK((d->value & ~d->mask) == 0 || d->arg < 0);
			CHECK(!d->unless || d->mask == ~0ULL);
		}
		/* as one refuses them all, a second rule would be dead */
		for (size_t i = 0; i < p->deny_count; i++)
			for (size_t j = i + 1; j < p->deny_count; j++)
				CHECK(strcmp(p->deny[i].syscall, p->deny[j].syscall) != 0 ||
				      (p->deny[i].arg >= 0 && p->deny[j].arg >= 0));
	}
}

int main(void)
{
	TAP_RUN(finds_each_profile_it_lists);
	TAP_RUN(unknown_names_are_refused);
	TAP_RUN(off_confines_nothing);
	TAP_RUN(strict_confines_all);
	TAP_RUN(rules_are_well_formed);
	return tap_done();
}
