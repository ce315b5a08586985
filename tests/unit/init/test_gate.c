/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate's filter for both machines, each number with arguments of all kinds, against a statement
 * of its own of what is refused: by names, whose numbers libseccomp has. And what gate_pass
 * believes.
 */
#include "init/gate.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "init/gate_internal.h"
#include "policy/bpf.h"
#include "tap.h"

#define LAST       469
#define PAST       600
#define QUIET_FLAG 0x8000 /* no errno has it */
#define STEPS_MAX  40

static const struct machine {
	uint32_t audit, seccomp;
} machines[] = {
	{AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64},
	{AUDIT_ARCH_AARCH64, SCMP_ARCH_AARCH64},
};

static struct sock_filter quiet[INIT_GATE_INSNS], loud[INIT_GATE_INSNS];
static int quiet_count, loud_count;

static void compile(uint32_t audit)
{
	quiet_count = init_gate_compile(audit, INIT_GATE_QUIET, quiet);
	loud_count = init_gate_compile(audit, INIT_GATE_LOUD, loud);
	CHECK(quiet_count > 10 && loud_count > 100);
	CHECK(quiet_count < INIT_GATE_INSNS && loud_count < INIT_GATE_INSNS);
}

/*
 * As seccomp(2) joins two filters: the stronger answer, which is the lower one. QUIET_FLAG: nobody
 * hears of it.
 */
static uint32_t answer(const struct seccomp_data *data)
{
	unsigned steps = 0;
	uint32_t q = bpf_run(quiet, (size_t)quiet_count, data, NULL);
	uint32_t l = bpf_run(loud, (size_t)loud_count, data, &steps);

	if (steps > STEPS_MAX)
		TAP_FAIL_AT("%d: %u steps", data->nr, steps);
	if ((l & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_KILL_PROCESS)
		return l;
	if (l != SECCOMP_RET_ALLOW)
		return q == SECCOMP_RET_ALLOW ? l : BPF_BROKEN; /* a call is in one of them */
	return q == SECCOMP_RET_ALLOW ? q : q | QUIET_FLAG;
}

static bool is_among(const char *name, const char *list)
{
	size_t len = strlen(name);

	for (const char *at = list; (at = strstr(at, name)); at += len)
		if ((at == list || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}

/* The kernel takes ids, commands and flags as int. */
static bool is_protected(uint64_t arg)
{
	return (int32_t)arg == 1 || (int32_t)arg == 2;
}

static bool is_protected_or_group(uint64_t arg)
{
	int32_t id = (int32_t)arg;

	return id == 1 || id == 2 || id == -1 || id == -2;
}

static bool is_family(uint64_t arg)
{
	return (int32_t)arg == AF_UNIX || (int32_t)arg == AF_INET || (int32_t)arg == AF_INET6 ||
	       (int32_t)arg == AF_NETLINK;
}

/* The calls whose refusal rests on arguments; -1: another call. */
static int wanted_by_arguments(const char *name, const uint64_t *a)
{
	const uint32_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
				    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
	int32_t first = (int32_t)a[0], second = (int32_t)a[1];

	if (strcmp(name, "kill") == 0)
		return is_protected_or_group(a[0]) ? EPERM : 0;
	if (is_among(name,
		     "tkill rt_sigqueueinfo pidfd_open get_robust_list prlimit64 sched_setparam "
		     "sched_setscheduler sched_setaffinity sched_setattr migrate_pages move_pages"))
		return is_protected(a[0]) ? EPERM : 0;
	if (is_among(name, "tgkill rt_tgsigqueueinfo"))
		return is_protected(a[0]) || is_protected(a[1]) ? EPERM : 0;
	if (strcmp(name, "ptrace") == 0)
		return is_protected(a[1]) ? EPERM : 0;
	if (strcmp(name, "fcntl") == 0) {
		if (second == 8) /* F_SETOWN */
			return is_protected_or_group(a[2]) ? EPERM : 0;
		return second == 15 || second == 10 ? EINVAL : 0; /* F_SETOWN_EX, F_SETSIG */
	}
	if (strcmp(name, "ioctl") == 0) /* FIOSETOWN SIOCSPGRP TIOCSTI TIOCLINUX TCXONC TIOCSETD */
		return second == 0x8901 || second == 0x8902 || second == 0x5412 ||
				       second == 0x541c || second == 0x540a || second == 0x5423
			       ? EPERM
			       : 0;
	if (strcmp(name, "setpriority") == 0) /* process, group, user */
		return first == 2 || ((first == 0 || first == 1) && is_protected(a[1])) ? EPERM : 0;
	if (strcmp(name, "ioprio_set") == 0)
		return first == 3 || ((first == 1 || first == 2) && is_protected(a[1])) ? EPERM : 0;
	if (is_among(name, "timer_create clock_nanosleep")) /* on the CPU time of another one */
		return first < 0 && is_protected((uint64_t) ~(first >> 3)) ? EINVAL : 0;
	if (strcmp(name, "prctl") == 0)
		return first == 62 ? EINVAL : 0; /* PR_SCHED_CORE */
	if (strcmp(name, "socketpair") == 0)
		return is_family(a[0]) ? 0 : EAFNOSUPPORT;
	if (strcmp(name, "socket") == 0) {
		if (!is_family(a[0]) || (first == AF_INET && (second & 15) == 10))
			return EAFNOSUPPORT;
		return first == AF_NETLINK && (int32_t)a[2] != 0 ? EPROTONOSUPPORT : 0;
	}
	if (strcmp(name, "clone") == 0)
		return (uint32_t)a[0] & namespaces ? EPERM : 0;
	if (strcmp(name, "unshare") == 0)
		return (uint32_t)a[0] & (namespaces | 0x80) ? EPERM : 0;
	return -1;
}

/* clang-format off */
static const char unknown[] =
	"process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_getfd kcmp "
	"add_key request_key keyctl";
static const char refused[] =
	"fanotify_init open_by_handle_at userfaultfd setns mount umount2 pivot_root chroot "
	"open_tree open_tree_attr move_mount fsopen fsconfig fsmount fspick mount_setattr "
	"bpf init_module finit_module delete_module kexec_load kexec_file_load reboot swapon "
	"swapoff acct quotactl quotactl_fd syslog lookup_dcookie iopl ioperm vhangup "
	"sethostname setdomainname clock_settime settimeofday clock_adjtime adjtimex";
static const char asked[] =
	"pidfd_send_signal io_uring_setup io_uring_enter io_uring_register clone3";
/* clang-format on */

static int wanted_always(const char *name)
{
	if (is_among(name, asked))
		return ENOSYS | QUIET_FLAG;
	if (is_among(name, unknown))
		return ENOSYS;
	if (strcmp(name, "perf_event_open") == 0)
		return EACCES;
	return is_among(name, refused) ? EPERM : 0;
}

static uint32_t wanted(const char *name, const uint64_t *args)
{
	int error = wanted_by_arguments(name, args);

	if (error < 0)
		error = wanted_always(name);
	return error ? SECCOMP_RET_ERRNO | (uint32_t)error : SECCOMP_RET_ALLOW;
}

static const uint64_t values[] = {
	0,
	1,
	2,
	3,
	4,
	8,
	10,
	15,
	16,
	17,
	40,
	62,
	0x80,
	0x80801, /* a socket's type with flags */
	0x8000a,
	990,
	1000,
	0x5412,
	0x541c,
	0x540a,
	0x540b,
	0x5423,
	0x8901,
	0x8902,
	0x8903,
	0x11,
	CLONE_NEWNS,
	CLONE_NEWCGROUP,
	CLONE_NEWUTS,
	CLONE_NEWIPC,
	CLONE_NEWUSER,
	CLONE_NEWPID,
	CLONE_NEWNET,
	0x3d0f00, /* the flags of a thread */
	0x7fffffff,
	0x80000000,
	0xffffffe2, /* clocks of the CPU time of 3, 2 and 1 */
	0xffffffe8,
	0xffffffee,
	0xfffffff2,
	0xfffffffe,
	0xffffffff,
	(uint64_t)-1,
	(uint64_t)-2,
	(uint64_t)-3,
	0x500000001,
	0x100000002,
	0x1000000ff,
	0x8000000000000002,
	0xffffffff00000028,
};

static void compare(int nr, uint32_t audit, const char *name, const uint64_t *args)
{
	struct seccomp_data data = {.nr = nr, .arch = audit, .instruction_pointer = 2};
	uint32_t got, want = wanted(name, args);

	memcpy(data.args, args, sizeof(data.args));
	got = answer(&data);
	tap_checks++;
	if (got != want && tap_bad < 20)
		TAP_FAIL_AT("%#x: %s(%#jx, %#jx, %#jx): got %#x, want %#x", audit, name,
			    (uintmax_t)args[0], (uintmax_t)args[1], (uintmax_t)args[2], got, want);
}

/* The name of a number; open_tree_attr is newer than the library. */
static char *name_of(const struct machine *m, int nr)
{
	char *name = seccomp_syscall_resolve_num_arch(m->seccomp, nr);

	return name || nr != 467 ? name : strdup("open_tree_attr");
}

static void compare_number(const struct machine *m, int nr)
{
	char *name = name_of(m, nr);
	const char *call = name ? name : "?";
	uint64_t args[6] = {1, 2, 1, 2, 1, 2};
	size_t n = TT_ARRAY_SIZE(values);

	if (wanted_by_arguments(call, args) < 0) {
		for (size_t i = 0; i < n; i++) {
			for (int arg = 0; arg < 6; arg++)
				args[arg] = values[(i + (size_t)arg) % n];
			compare(nr, m->audit, call, args);
		}
	} else {
		for (size_t i = 0; i < n * n * n; i++) {
			args[0] = values[i % n];
			args[1] = values[i / n % n];
			args[2] = values[i / n / n];
			compare(nr, m->audit, call, args);
		}
	}
	free(name);
}

static void all_known_calls(void)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(machines); i++) {
		compile(machines[i].audit);
		for (int nr = 0; nr <= LAST; nr++)
			compare_number(&machines[i], nr);
	}
}

/* Each name of the statement is a call of that machine, so that none is compared with nothing. */
static void all_names_are_calls(void)
{
	static const char *const names[] = {
		"kill",
		"tkill",
		"tgkill",
		"rt_sigqueueinfo",
		"rt_tgsigqueueinfo",
		"pidfd_open",
		"pidfd_send_signal",
		"pidfd_getfd",
		"process_vm_readv",
		"process_vm_writev",
		"process_madvise",
		"process_mrelease",
		"ptrace",
		"fcntl",
		"ioctl",
		"prctl",
		"prlimit64",
		"setpriority",
		"ioprio_set",
		"sched_setparam",
		"sched_setscheduler",
		"sched_setaffinity",
		"sched_setattr",
		"timer_create",
		"clock_nanosleep",
		"migrate_pages",
		"move_pages",
		"get_robust_list",
		"kcmp",
		"socket",
		"socketpair",
		"clone",
		"clone3",
		"unshare",
		"setns",
		"perf_event_open",
		"fanotify_init",
	};

	for (size_t m = 0; m < TT_ARRAY_SIZE(machines); m++)
		for (size_t i = 0; i < TT_ARRAY_SIZE(names); i++) {
			int nr = seccomp_syscall_resolve_name_arch(machines[m].seccomp, names[i]);
			uint64_t args[6] = {0};

			if (nr < 0 || nr > LAST)
				TAP_FAIL_AT("%s: %d", names[i], nr);
			CHECK(wanted_by_arguments(names[i], args) >= 0 || wanted_always(names[i]));
		}
}

static void calls_not_known(void)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(machines); i++) {
		struct seccomp_data data = {.arch = machines[i].audit};
		static const int far[] = {0x3fffffff, 0x10000, -1};

		compile(machines[i].audit);
		for (data.nr = LAST + 1; data.nr < PAST; data.nr++)
			CHECK_INT(answer(&data), SECCOMP_RET_ERRNO | ENOSYS | QUIET_FLAG);
		for (size_t k = 0; k < TT_ARRAY_SIZE(far); k++) {
			data.nr = far[k];
			CHECK_INT(answer(&data), SECCOMP_RET_ERRNO | ENOSYS | QUIET_FLAG);
		}
	}
}

static void other_machines_are_killed(void)
{
	static const uint32_t others[] = {AUDIT_ARCH_I386,
					  AUDIT_ARCH_X86_64,
					  AUDIT_ARCH_AARCH64,
					  AUDIT_ARCH_ARM,
					  AUDIT_ARCH_RISCV64,
					  0,
					  ~0U};

	for (size_t i = 0; i < TT_ARRAY_SIZE(machines); i++) {
		compile(machines[i].audit);
		for (size_t k = 0; k < TT_ARRAY_SIZE(others); k++)
			for (int nr = 0; nr < PAST; nr++) {
				struct seccomp_data data = {.nr = nr, .arch = others[k]};

				if (others[k] != machines[i].audit)
					CHECK_INT(answer(&data), SECCOMP_RET_KILL_PROCESS);
			}
	}
	compile(AUDIT_ARCH_X86_64);
	for (uint32_t nr = 0; nr < PAST; nr++) {
		struct seccomp_data data = {.nr = (int)(nr | 0x40000000U),
					    .arch = AUDIT_ARCH_X86_64};

		CHECK_INT(answer(&data), SECCOMP_RET_KILL_PROCESS);
		data.nr = (int)(nr | 0x80000000U);
		CHECK_INT(answer(&data), SECCOMP_RET_KILL_PROCESS);
	}
	CHECK_INT(init_gate_compile(AUDIT_ARCH_I386, INIT_GATE_LOUD, loud), -EINVAL);
}

static void steps_have_names(void)
{
	for (int i = 0; i < GATE_STEPS; i++)
		CHECK(strlen(init_gate_step_name((enum gate_step)i)) > 2);
	CHECK_STR(init_gate_step_name(GATE_FILTER), "filter");
	CHECK_STR(init_gate_step_name(GATE_STEPS), "?");
}

/* A call that fails, or (error 0) says that it did what it was asked, and did not. */
struct refusal {
	int call, error;
	int first; /* only with this first argument; -1: always */
};

static const struct refusal no_refusal = {-1, 0, -1};

static int refuse(const struct refusal *f)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	const uint32_t act = SCMP_ACT_ERRNO((uint32_t)f->error);
	int r;

	if (!ctx)
		return -1;
	if (f->first < 0)
		r = seccomp_rule_add(ctx, act, f->call, 0);
	else
		r = seccomp_rule_add(ctx, act, f->call, 1,
				     SCMP_A0(SCMP_CMP_EQ, (unsigned)f->first));
	/* whether no_new_privs can be set is a question of its own */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	r = r ? r : seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

/* How init_gate_pass ends in a child that had groups and an fd for its children: step * 200 - r. */
static int pass_in_child(const struct gate_options *o, const struct refusal *f)
{
	int status, pipes[2], result = -1;
	pid_t pid;

	CHECK_INT(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		enum gate_step step = GATE_STEPS;
		int landlock = -1, r;

		if (setgroups(1, &(gid_t){0}) || (f->call >= 0 && refuse(f)))
			_exit(1);
		r = init_gate_pass(o, &landlock, &step);
		if (r == 0 && (landlock < 0 || getsid(0) != getpid() ||
			       !(fcntl(pipes[0], F_GETFD) & FD_CLOEXEC)))
			_exit(2);
		r = (int)step * 200 - r;
		_exit(write(pipes[1], &r, sizeof(r)) != sizeof(r));
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	(void)close(pipes[1]);
	CHECK_INT(read(pipes[0], &result, sizeof(result)), sizeof(result));
	(void)close(pipes[0]);
	return result;
}

static const struct gate_options good = {1000, 1000, 990, NULL};

static bool is_root(void)
{
	if (geteuid() == 0)
		return true;
	printf("# SKIP the rest: not root\n");
	CHECK(true);
	return false;
}

static void each_step_can_fail(void)
{
	static const struct {
		struct refusal refusal;
		enum gate_step step;
		int error;
	} rows[] = {
		{{SCMP_SYS(setsid), EIO, -1}, GATE_SESSION, EIO},
		{{SCMP_SYS(close_range), EIO, -1}, GATE_FDS, EIO},
		{{SCMP_SYS(prctl), EIO, PR_CAP_AMBIENT}, GATE_BOUNDING, EIO},
		{{SCMP_SYS(prctl), EIO, PR_CAPBSET_DROP}, GATE_BOUNDING, EIO},
		{{SCMP_SYS(prctl), EIO, PR_SET_SECUREBITS}, GATE_BOUNDING, EIO},
		{{SCMP_SYS(setgroups), EIO, -1}, GATE_IDS, EIO},
		{{SCMP_SYS(setresgid), EIO, -1}, GATE_IDS, EIO},
		{{SCMP_SYS(setresuid), EIO, -1}, GATE_IDS, EIO},
		{{SCMP_SYS(capset), EIO, -1}, GATE_IDS, EIO},
		{{SCMP_SYS(capget), EIO, -1}, GATE_IDS, EPERM},
		{{SCMP_SYS(prctl), EIO, PR_SET_NO_NEW_PRIVS}, GATE_NO_NEW_PRIVS, EIO},
		{{SCMP_SYS(landlock_create_ruleset), EIO, -1}, GATE_LANDLOCK, EIO},
		{{SCMP_SYS(landlock_restrict_self), EIO, -1}, GATE_LANDLOCK, EIO},
		{{SCMP_SYS(seccomp), EIO, -1}, GATE_FILTER, EIO},
	};
	const bool landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 2;

	if (!is_root())
		return;
	CHECK_INT(pass_in_child(&good, &no_refusal), GATE_FILTER * 200);
	for (size_t i = 0; i < TT_ARRAY_SIZE(rows); i++) {
		if (rows[i].refusal.call == SCMP_SYS(landlock_restrict_self) && !landlock)
			continue;
		CHECK_INT(pass_in_child(&good, &rows[i].refusal),
			  (int)rows[i].step * 200 + rows[i].error);
	}
}

/* Linux 5.10: neither close_range with its flag nor Landlock. The gate is closed without them. */
static void older_kernels(void)
{
	static const struct refusal old[] = {
		{SCMP_SYS(close_range), EINVAL, -1},
		{SCMP_SYS(close_range), ENOSYS, -1},
		{SCMP_SYS(landlock_create_ruleset), ENOSYS, -1},
		{SCMP_SYS(landlock_create_ruleset), EOPNOTSUPP, -1},
	};

	if (!is_root())
		return;
	for (size_t i = 0; i < TT_ARRAY_SIZE(old); i++)
		CHECK_INT(pass_in_child(&good, &old[i]), GATE_FILTER * 200);
}

static void ids_that_protect_nothing_are_refused(void)
{
	static const struct gate_options bad[] = {
		{0, 1000, 990, NULL},         {1000, 0, 990, NULL},         {990, 1000, 990, NULL},
		{(uid_t)-1, 1000, 990, NULL}, {1000, (gid_t)-1, 990, NULL},
	};
	static const int pretended[] = {SCMP_SYS(setgroups), SCMP_SYS(setresgid),
					SCMP_SYS(setresuid)};

	if (!is_root())
		return;
	for (size_t i = 0; i < TT_ARRAY_SIZE(bad); i++)
		CHECK_INT(pass_in_child(&bad[i], &no_refusal), GATE_IDS * 200 + EINVAL);
	for (size_t i = 0; i < TT_ARRAY_SIZE(pretended); i++)
		CHECK_INT(pass_in_child(&good, &(struct refusal){pretended[i], 0, -1}),
			  GATE_IDS * 200 + EPERM);
}

int main(void)
{
	TAP_RUN(all_known_calls);
	TAP_RUN(all_names_are_calls);
	TAP_RUN(calls_not_known);
	TAP_RUN(other_machines_are_killed);
	TAP_RUN(steps_have_names);
	TAP_RUN(each_step_can_fail);
	TAP_RUN(older_kernels);
	TAP_RUN(ids_that_protect_nothing_are_refused);
	return tap_done();
}
