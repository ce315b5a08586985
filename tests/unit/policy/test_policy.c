/* SPDX-License-Identifier: Apache-2.0 */
/* Shipped profiles: what they ask for, and what STRICT may not leave open. */
#include "policy/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

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

/* What must become of calls: [profile, call, arguments, verdict]. */
static const struct {
	const char *profile, *call;
	uint64_t args[6];
	const char *verdict;
} table[] = {
	{"STRICT", "read", {0}, "allow"},
	{"STRICT", "openat", {AT_FDCWD, 0, O_RDWR | O_CREAT, 04755}, "allow"},
	{"STRICT", "execve", {1, 2, 3}, "allow"},
	{"STRICT", "socket", {AF_UNIX, SOCK_STREAM}, "deny-quiet EPERM"},
	{"STRICT", "socket", {AF_INET, SOCK_STREAM}, "deny EPERM"},
	{"STRICT", "socket", {AF_UNIX | 1ULL << 32, SOCK_STREAM}, "deny-quiet EPERM"},
	{"STRICT", "connect", {3}, "deny EPERM"},
	{"STRICT", "socketpair", {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC}, "allow"},
	{"STRICT", "socketpair", {AF_UNIX, SOCK_SEQPACKET}, "allow"},
	{"STRICT", "socketpair", {AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC}, "deny EPERM"},
	{"STRICT", "socketpair", {AF_UNIX, SOCK_RAW}, "deny EPERM"},
	{"STRICT", "socketpair", {AF_INET, SOCK_STREAM}, "deny EPERM"},
	{"STRICT", "clone", {CLONE_VM | CLONE_THREAD}, "deny EPERM"},
	{"STRICT", "clone", {SIGCHLD}, "deny EPERM"},
	{"STRICT", "clone3", {1, 88}, "deny-quiet ENOSYS"},
	{"STRICT", "kill", {0, SIGTERM}, "deny EPERM"},
	{"STRICT", "kill", {1ULL << 32, SIGTERM}, "deny EPERM"},
	{"STRICT", "kill", {1, SIGTERM}, "allow"},
	{"STRICT", "setpriority", {PRIO_PGRP, 0}, "deny EPERM"},
	{"STRICT", "setpriority", {PRIO_PROCESS, 0}, "allow"},
	{"STRICT", "ioprio_set", {2}, "deny EPERM"},
	{"STRICT", "ioctl", {0, TCGETS}, "allow"},
	{"STRICT", "ioctl", {0, TIOCSTI}, "deny EPERM"},
	{"STRICT", "ioctl", {0, TIOCSTI | 7ULL << 32}, "deny EPERM"},
	{"STRICT", "ioctl", {0, TIOCLINUX}, "deny EPERM"},
	{"STRICT", "ioctl", {0, TIOCSETD}, "deny EPERM"},
	{"STRICT", "personality", {0xffffffff}, "allow"},
	{"STRICT", "personality", {0}, "allow"},
	{"STRICT", "personality", {ADDR_NO_RANDOMIZE}, "deny EPERM"},
	{"STRICT", "personality", {READ_IMPLIES_EXEC | 8}, "deny EPERM"},
	{"STRICT", "personality", {MMAP_PAGE_ZERO | 1ULL << 40}, "deny EPERM"},
	{"STRICT", "io_uring_setup", {8}, "deny EPERM"},
	{"STRICT", "userfaultfd", {0}, "deny EPERM"},
	{"STRICT", "inotify_init1", {0}, "allow"},
	{"STRICT", "fanotify_init", {0}, "deny EPERM"},
	{"STRICT", "_sysctl", {0}, "deny ENOSYS"},
	{"STRICT", "kexec_load", {0}, "deny EPERM"},
	{"RESOURCE-AWARE", "fork", {0}, "allow"},
	{"RESOURCE-AWARE", "clone", {CLONE_VM | CLONE_THREAD | CLONE_SIGHAND}, "allow"},
	{"RESOURCE-AWARE", "clone", {CLONE_NEWUSER | SIGCHLD}, "deny EPERM"},
	{"RESOURCE-AWARE", "clone", {CLONE_NEWNS}, "deny EPERM"},
	{"RESOURCE-AWARE", "clone", {CLONE_NEWNET | 1ULL << 35}, "deny EPERM"},
	{"RESOURCE-AWARE", "clone3", {1}, "deny-quiet ENOSYS"},
	{"RESOURCE-AWARE", "openat2", {1}, "deny-quiet ENOSYS"},
	{"RESOURCE-AWARE", "io_uring_setup", {1}, "deny-quiet ENOSYS"},
	{"RESOURCE-AWARE", "unshare", {0}, "deny EPERM"},
	{"RESOURCE-AWARE", "socket", {AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0}, "allow"},
	{"RESOURCE-AWARE", "socket", {AF_INET6, SOCK_DGRAM, 17}, "allow"},
	{"RESOURCE-AWARE", "socket", {AF_UNIX, SOCK_DGRAM}, "allow"},
	{"RESOURCE-AWARE", "socket", {AF_INET, SOCK_RAW}, "deny EPERM"},
	{"RESOURCE-AWARE", "socket", {AF_INET6, SOCK_RAW | SOCK_CLOEXEC}, "deny EPERM"},
	{"RESOURCE-AWARE", "socket", {AF_INET, SOCK_PACKET}, "deny EPERM"},
	{"RESOURCE-AWARE", "socket", {AF_NETLINK, SOCK_RAW, 0}, "allow"},
	{"RESOURCE-AWARE", "socket", {AF_NETLINK, SOCK_RAW, 12}, "deny EPERM"},
	{"RESOURCE-AWARE", "socket", {AF_PACKET, SOCK_DGRAM}, "deny EPERM"},
	{"RESOURCE-AWARE", "socket", {AF_ALG, SOCK_SEQPACKET}, "deny EPERM"},
	{"RESOURCE-AWARE", "socket", {AF_VSOCK, SOCK_STREAM}, "deny EPERM"},
	{"STRICT", "fchmod", {1, 0755}, "allow"},
	{"STRICT", "fchmod", {1, 04755}, "deny EPERM"},
	{"STRICT", "chmod", {0, 02755}, "deny EPERM"},
	{"STRICT", "fchmodat2", {0, 0, 06000}, "deny EPERM"},
	{"RESOURCE-AWARE", "fchmodat", {0, 0, 0755}, "allow"},
	{"RESOURCE-AWARE", "fchmodat", {0, 0, 04755}, "deny EPERM"},
	{"RESOURCE-AWARE", "fchmod", {0, 06755}, "deny EPERM"},
	{"RESOURCE-AWARE", "fchmodat2", {0, 0, 04000}, "deny EPERM"},
	{"RESOURCE-AWARE", "openat", {0, 0, O_RDONLY, 04755}, "allow"},
	{"RESOURCE-AWARE", "openat", {0, 0, O_WRONLY | O_CREAT, 0644}, "allow"},
	{"RESOURCE-AWARE", "openat", {0, 0, O_WRONLY | O_CREAT, 04755}, "deny EPERM"},
	{"RESOURCE-AWARE", "openat", {0, 0, O_WRONLY | O_TMPFILE, 04755}, "deny EPERM"},
	{"RESOURCE-AWARE", "openat", {0, 0, O_DIRECTORY, 04755}, "allow"},
	{"RESOURCE-AWARE", "mknodat", {0, 0, S_IFREG | 04755}, "deny EPERM"},
	{"RESOURCE-AWARE", "kill", {0}, "deny EPERM"},
	{"RESOURCE-AWARE", "ptrace", {0}, "deny EPERM"},
	{"RESOURCE-AWARE", "personality", {ADDR_NO_RANDOMIZE}, "allow"},
	{"RESOURCE-AWARE", "personality", {READ_IMPLIES_EXEC}, "deny EPERM"},
	{"RESOURCE-AWARE", "open_by_handle_at", {0}, "deny EPERM"},
	{"AGENT", "ptrace", {0}, "deny EPERM"},
	{"AGENT", "fork", {0}, "allow"},
	{"AGENT", "mount", {0}, "deny EPERM"},
	{"AGENT", "keyctl", {0}, "deny EPERM"},
	{"AGENT", "ioctl", {0, TIOCSTI}, "deny EPERM"},
	{"LEARNING", "mount", {0}, "allow"},
	{"OFF", "reboot", {0}, "allow"},
};

static void calls_end_as_the_table_says(void)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(table); i++) {
		int nr = policy_call_number(table[i].call);
		struct policy *p = load(table[i].profile);
		char verdict[POLICY_VERDICT_TEXT];

		tap_checks++;
		if (p && nr >= 0) { /* "fork" is none of aarch64 */
			policy_verdict_text(policy_decide(p, nr, table[i].args), verdict);
			if (strcmp(verdict, table[i].verdict) != 0)
				TAP_FAIL_AT("row %zu: %s %s: %s, not %s", i, table[i].profile,
					    table[i].call, verdict, table[i].verdict);
		}
		policy_free(p);
	}
}

/* What the launcher is told. */
static void walls_are_where_they_should_be(void)
{
	static const char *const confining[] = {"STRICT", "RESOURCE-AWARE", "AGENT"};

	for (size_t i = 0; i < TT_ARRAY_SIZE(confining); i++) {
		struct policy *p = load(confining[i]);
		const uint32_t want = POLICY_NS_MOUNT | POLICY_NS_PID | POLICY_NS_IPC |
				      POLICY_NS_UTS | POLICY_NS_NET | POLICY_NS_CGROUP;
		bool shadow = false, project = false;

		if (!p)
			continue;
		CHECK_INT(p->namespaces & want, want);
		CHECK_INT(p->root, POLICY_ROOT_READ_ONLY);
		CHECK(p->network != POLICY_NET_HOST && p->no_new_privs && !p->keep_caps);
		CHECK(p->landlock.handled & POLICY_LANDLOCK_WRITE && p->landlock.scope);
		CHECK(p->fallback.action == POLICY_DENY && p->fallback.err == ENOSYS);
		for (size_t k = 0; k < p->mount_count; k++) {
			shadow |= p->mounts[k].kind == POLICY_MOUNT_HIDE &&
				  strcmp(p->mounts[k].to, "/etc/shadow") == 0;
			project |= p->mounts[k].kind == POLICY_MOUNT_WRITE;
			/* the folder may be the home: what is hidden there comes after it */
			CHECK(p->mounts[k].kind != POLICY_MOUNT_HIDE || i == 0 || project);
		}
		CHECK(shadow);
		CHECK_INT(project, i > 0);
		CHECK(i == 0 || (p->limits.pids != POLICY_NO_LIMIT &&
				 p->limits.memory_bytes != POLICY_NO_LIMIT));
		policy_free(p);
	}
}

static void learning_counts_and_ends(void)
{
	struct policy *p = load("LEARNING");

	if (!p)
		return;
	CHECK(!p->sandboxed && !p->filter && p->learn);
	CHECK_INT(p->limits.cpu_ms, 2000);
	CHECK_INT(p->limits.major_faults, 1000);
	policy_free(p);
}

int main(void)
{
	TAP_RUN(unknown_names_are_refused);
	TAP_RUN(off_confines_nothing);
	TAP_RUN(strict_confines_all);
	TAP_RUN(calls_end_as_the_table_says);
	TAP_RUN(walls_are_where_they_should_be);
	TAP_RUN(learning_counts_and_ends);
	return tap_done();
}
