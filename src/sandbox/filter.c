/* SPDX-License-Identifier: Apache-2.0 */
/* A policy's refused calls, compiled to seccomp BPF by the parent. */
#include "sandbox/sandbox_internal.h"

#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/compiler.h"

TT_DEFINE_FREEP(scmp_filter_ctx, seccomp_release)

/*
 * Nothing that makes a process or a thread. clone3(2) passes its flags in memory, where a filter
 * cannot see them; ENOSYS makes every libc fall back to clone(2). EPERM and not EAGAIN: shells
 * retry EAGAIN for half a minute.
 */
static const struct policy_deny no_processes[] = {
	{.syscall = "fork", .err = EPERM, .arg = -1},
	{.syscall = "vfork", .err = EPERM, .arg = -1},
	{.syscall = "clone", .err = EPERM, .arg = -1},
	{.syscall = "clone3", .err = ENOSYS, .arg = -1},
};

static int add_rule(scmp_filter_ctx ctx, const struct policy_deny *d)
{
	struct scmp_arg_cmp cmp;
	int nr;

	nr = seccomp_syscall_resolve_name(d->syscall);
	if (nr == __NR_SCMP_ERROR)
		return -ENOENT;
	if (nr < 0)
		return 0; /* a call that this architecture does not have */
	if (d->arg < 0)
		return seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint16_t)d->err), nr, 0);
	cmp.arg = (unsigned int)d->arg;
	if (d->unless) {
		if (~d->mask)
			return -EINVAL;
		cmp.op = SCMP_CMP_NE;
		cmp.datum_a = d->value;
		cmp.datum_b = 0;
	} else {
		cmp.op = SCMP_CMP_MASKED_EQ;
		cmp.datum_a = d->mask;
		cmp.datum_b = d->value;
	}
	return seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO((uint16_t)d->err), nr, 1, &cmp);
}

static int add_rules(scmp_filter_ctx ctx, const struct policy_deny *rules, size_t n,
		     struct tt_err *err)
{
	int r;

	for (size_t i = 0; i < n; i++) {
		r = add_rule(ctx, &rules[i]);
		if (r < 0)
			return tt_fail(err, -r, "compile the rule that refuses '%s'",
				       rules[i].syscall);
	}
	return 0;
}

/* libseccomp exports to a file only; a memfd is one. */
static int export_bpf(scmp_filter_ctx ctx, struct sock_fprog *ret, struct tt_err *err)
{
	TT_CLEANUP(tt_closep) int fd = memfd_create("filter", MFD_CLOEXEC);
	struct sock_filter *insns;
	struct stat st;
	size_t count;
	int r;

	if (fd < 0)
		return tt_fail(err, errno, "make memory for the syscall filter");
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return tt_fail(err, -r, "export the syscall filter");
	if (fstat(fd, &st) < 0)
		return tt_fail(err, errno, "read the syscall filter back");
	count = (size_t)st.st_size / sizeof(*insns);
	if (!count || count > BPF_MAXINSNS)
		return tt_fail_text(err, E2BIG,
				    "syscall filter of %zu instructions: the kernel takes 1 to %d",
				    count, BPF_MAXINSNS);
	insns = malloc(count * sizeof(*insns));
	if (!insns)
		return tt_fail(err, ENOMEM, "make memory for the syscall filter");
	if (pread(fd, insns, count * sizeof(*insns), 0) != (ssize_t)(count * sizeof(*insns))) {
		free(insns);
		return tt_fail(err, EIO, "read the syscall filter back");
	}
	ret->len = (unsigned short)count;
	ret->filter = insns;
	return 0;
}

int sandbox_filter_compile(const struct policy *p, struct sock_fprog *ret, struct tt_err *err)
{
	TT_CLEANUP(seccomp_releasep) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (!ctx)
		return tt_fail(err, ENOMEM, "make memory for the syscall filter");
	/*
	 * Only the native ABI: int 0x80 and x32 calls have other numbers, so rules made of
	 * numbers would not hold for them. An i386 program cannot run without them: SIGSYS says
	 * so at once.
	 */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r < 0)
		return tt_fail(err, -r, "kill foreign system calls");
	/* Search by halves: a call costs a few comparisons instead of one for each rule. */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	r = add_rules(ctx, p->deny, p->deny_count, err);
	if (r == 0 && !p->new_processes)
		r = add_rules(ctx, no_processes, TT_ARRAY_SIZE(no_processes), err);
	if (r < 0)
		return r;
	return export_bpf(ctx, ret, err);
}
