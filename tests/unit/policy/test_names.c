/* SPDX-License-Identifier: Apache-2.0 */
/* Names of system calls: those of libseccomp, which keeps its own tables, are an oracle. */
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "policy/policy.h"
#include "tap.h"

static void numbers_are_those_of_libseccomp(void)
{
	int known = 0;

	for (int nr = 0; nr < 600; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
		const char *ours = policy_call_name(nr);

		if (name) {
			known++;
			CHECK_STR(ours, name);
			CHECK_INT(policy_call_number(name), nr);
		}
		free(name);
		if (ours)
			CHECK_INT(policy_call_number(ours), nr);
	}
	CHECK(known > 250);
}

static void names_of_all_machines_are_known(void)
{
	static const uint32_t machines[] = {SCMP_ARCH_X86_64, SCMP_ARCH_AARCH64};
	char text[128];

	for (size_t m = 0; m < TT_ARRAY_SIZE(machines); m++)
		for (int nr = 0; nr < 600; nr++) {
			char *name = seccomp_syscall_resolve_num_arch(machines[m], nr);
			struct policy *p = NULL;
			struct tt_err err;

			if (!name)
				continue;
			/* a call that this machine does not have makes no rule */
			(void)snprintf(text, sizeof(text), "default deny\nlog %s\n", name);
			CHECK_INT(policy_load_text("t", text, strlen(text), &p, &err), 0);
			if (p)
				CHECK_INT(p->rule_count, policy_call_number(name) >= 0);
			policy_free(p);
			free(name);
		}
}

static void every_call_is_in_a_group(void)
{
	for (int nr = 0; nr < 600; nr++) {
		int groups = 0;

		if (!policy_call_name(nr))
			continue;
		for (size_t i = 0; policy_group_at(i, NULL); i++)
			groups += policy_group_has(i, nr);
		if (!groups)
			TAP_FAIL_AT("%s is in no group", policy_call_name(nr));
		tap_checks++;
	}
}

static void groups_load_and_have_summaries(void)
{
	const char *name, *summary;
	char text[128];

	for (size_t i = 0; (name = policy_group_at(i, &summary)); i++) {
		struct policy *p = NULL;
		size_t members = 0;

		(void)snprintf(text, sizeof(text), "kill @%s\n", name);
		CHECK_INT(policy_load_text("t", text, strlen(text), &p, NULL), 0);
		CHECK(strlen(summary) > 5);
		for (int nr = 0; nr < 600; nr++)
			members += policy_group_has(i, nr);
		if (p)
			CHECK_INT(p->rule_count, members);
		policy_free(p);
	}
	CHECK(!policy_group_has(10000, 0));
}

static void calls_newer_than_the_headers(void)
{
	static const struct {
		const char *name;
		int nr;
	} rows[] = {{"fchmodat2", 452}, {"mseal", 462}, {"file_setattr", 469}, {"statmount", 457}};

	for (size_t i = 0; i < TT_ARRAY_SIZE(rows); i++) {
		CHECK_INT(policy_call_number(rows[i].name), rows[i].nr);
		CHECK_STR(policy_call_name(rows[i].nr), rows[i].name);
	}
	CHECK(!policy_call_name(-1) && !policy_call_name(1 << 20));
	CHECK_INT(policy_call_number("no_such_call"), -ENOENT);
	CHECK_INT(policy_call_number(""), -ENOENT);
}

static void arguments_are_where_the_kernel_has_them(void)
{
	CHECK_STR(policy_argument(SYS_socket, 0), "domain");
	CHECK_STR(policy_argument(SYS_ioctl, 1), "request");
	CHECK_STR(policy_argument(SYS_clone, 0), "flags");
	CHECK_STR(policy_argument(SYS_openat, 3), "mode");
	CHECK(!policy_argument(SYS_getpid, 0) && !policy_argument(SYS_socket, 5));
}

int main(void)
{
	TAP_RUN(numbers_are_those_of_libseccomp);
	TAP_RUN(names_of_all_machines_are_known);
	TAP_RUN(every_call_is_in_a_group);
	TAP_RUN(groups_load_and_have_summaries);
	TAP_RUN(calls_newer_than_the_headers);
	TAP_RUN(arguments_are_where_the_kernel_has_them);
	return tap_done();
}
