/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in profiles, OFF and STRICT, as tables. */
#include "policy/policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Scalar arguments are ints in the kernel: the upper half of the register does not count. */
#define LOW32 0xffffffffULL
#define ALL64 0xffffffffffffffffULL

/* Numbers of the kernel's interface, spelt out so that this file needs no kernel header. */
enum {
	K_AF_UNIX = 1,
	K_SOCK_DGRAM = 2,
	K_SOCK_RAW = 3,
	K_SOCK_TYPE_MASK = 0xf,
	K_TIOCSTI = 0x5412,
	K_TIOCLINUX = 0x541c,
	K_TIOCSETD = 0x5423,
	K_PRIO_PGRP = 1,
	K_IOPRIO_WHO_PGRP = 2,
	K_MMAP_PAGE_ZERO = 0x0100000,
	K_ADDR_NO_RANDOMIZE = 0x0040000,
	K_READ_IMPLIES_EXEC = 0x0400000,
};
/* Set in no personality, but in the 0xffffffff that only asks for the present one. */
#define PERSONA_ASKS 0x80000000ULL

#define REFUSE(name)                                       \
	{                                                  \
		.syscall = (name), .err = EPERM, .arg = -1 \
	}
#define REFUSE_IF(name, n, bits, val)                                                       \
	{                                                                                   \
		.syscall = (name), .err = EPERM, .arg = (n), .mask = (bits), .value = (val) \
	}
#define REFUSE_UNLESS(name, n, val)                                                         \
	{                                                                                   \
		.syscall = (name), .err = EPERM, .arg = (n), .mask = ALL64, .value = (val), \
		.unless = true                                                              \
	}
#define REFUSE_PERSONA(bit) REFUSE_IF("personality", 0, (bit) | PERSONA_ASKS, bit)

static const struct policy_deny strict_deny[] = {
	/*
	 * No sockets, AF_UNIX included: a read-only mount does not stop connect(2) to
	 * /run/docker.sock. glibc takes the refusal for "no nscd here" and reads /etc/passwd. A
	 * connected pair inside the process is harmless, but not the datagram kinds, which can be
	 * pointed elsewhere afterwards.
	 */
	REFUSE("socket"),
	REFUSE_UNLESS("socketpair", 0, K_AF_UNIX),
	REFUSE_IF("socketpair", 1, K_SOCK_TYPE_MASK, K_SOCK_DGRAM),
	REFUSE_IF("socketpair", 1, K_SOCK_TYPE_MASK, K_SOCK_RAW),
	/*
	 * The command shares the caller's process group, for the terminal's sake: kill(0) and its
	 * like would reach out of the PID namespace to the recorder and the rest of a pipeline.
	 */
	REFUSE_IF("kill", 0, LOW32, 0),
	REFUSE_IF("setpriority", 0, LOW32, K_PRIO_PGRP),
	REFUSE_IF("ioprio_set", 0, LOW32, K_IOPRIO_WHO_PGRP),
	/* Typing into the caller's terminal. */
	REFUSE_IF("ioctl", 1, LOW32, K_TIOCSTI),
	REFUSE_IF("ioctl", 1, LOW32, K_TIOCLINUX),
	REFUSE_IF("ioctl", 1, LOW32, K_TIOCSETD),
	/* Mounts and namespaces. */
	REFUSE("mount"),
	REFUSE("umount"),
	REFUSE("umount2"),
	REFUSE("pivot_root"),
	REFUSE("chroot"),
	REFUSE("unshare"),
	REFUSE("setns"),
	REFUSE("open_tree"),
	REFUSE("move_mount"),
	REFUSE("fsopen"),
	REFUSE("fsconfig"),
	REFUSE("fsmount"),
	REFUSE("fspick"),
	REFUSE("mount_setattr"),
	REFUSE("open_by_handle_at"),
	REFUSE("name_to_handle_at"),
	/* Other processes. */
	REFUSE("ptrace"),
	REFUSE("process_vm_readv"),
	REFUSE("process_vm_writev"),
	REFUSE("process_madvise"),
	REFUSE("process_mrelease"),
	REFUSE("pidfd_getfd"),
	REFUSE("kcmp"),
	/* Ways round the filter, and corners of the kernel that a computation has no use for. */
	REFUSE("io_uring_setup"),
	REFUSE("io_uring_enter"),
	REFUSE("io_uring_register"),
	REFUSE("userfaultfd"),
	REFUSE("bpf"),
	REFUSE("perf_event_open"),
	REFUSE("fanotify_init"),
	REFUSE("lookup_dcookie"),
	REFUSE("add_key"),
	REFUSE("request_key"),
	REFUSE("keyctl"),
	REFUSE("modify_ldt"),
	REFUSE("uselib"),
	REFUSE("migrate_pages"),
	REFUSE("move_pages"),
	REFUSE_PERSONA(K_MMAP_PAGE_ZERO),
	REFUSE_PERSONA(K_ADDR_NO_RANDOMIZE),
	REFUSE_PERSONA(K_READ_IMPLIES_EXEC),
	/* The machine. */
	REFUSE("init_module"),
	REFUSE("finit_module"),
	REFUSE("delete_module"),
	REFUSE("kexec_load"),
	REFUSE("kexec_file_load"),
	REFUSE("reboot"),
	REFUSE("swapon"),
	REFUSE("swapoff"),
	REFUSE("acct"),
	REFUSE("quotactl"),
	REFUSE("quotactl_fd"),
	REFUSE("syslog"),
	REFUSE("settimeofday"),
	REFUSE("clock_settime"),
	REFUSE("clock_adjtime"),
	REFUSE("adjtimex"),
	REFUSE("sethostname"),
	REFUSE("setdomainname"),
	REFUSE("iopl"),
	REFUSE("ioperm"),
	REFUSE("vhangup"),
	REFUSE("nfsservctl"),
};

static const struct policy_mount strict_mounts[] = {
	{.kind = POLICY_MOUNT_DEV, .to = "/dev", .bytes = 256ULL << 20},
	{.kind = POLICY_MOUNT_TMPFS, .to = "/tmp", .bytes = 256ULL << 20, .mode = 01777},
	{.kind = POLICY_MOUNT_TMPFS, .to = "/var/tmp", .bytes = 256ULL << 20, .mode = 01777},
	{.kind = POLICY_MOUNT_PROC, .to = "/proc"},
};

static const struct policy_landlock_path strict_landlock[] = {
	{"/dev", POLICY_LANDLOCK_WRITE, true},
	{"/tmp", POLICY_LANDLOCK_WRITE, true},
	{"/var/tmp", POLICY_LANDLOCK_WRITE, true},
};

#define NO_LIMITS                                                                          \
	{                                                                                  \
		.memory_bytes = POLICY_NO_LIMIT, .swap_bytes = POLICY_NO_LIMIT,            \
		.cpu_percent = POLICY_NO_LIMIT, .pids = POLICY_NO_LIMIT,                   \
		.read_bytes_per_s = POLICY_NO_LIMIT, .write_bytes_per_s = POLICY_NO_LIMIT, \
		.wall_ms = POLICY_NO_LIMIT, .cpu_ms = POLICY_NO_LIMIT,                     \
		.major_faults = POLICY_NO_LIMIT                                            \
	}

static const struct policy profiles[] = {
	{
		.name = "OFF",
		.summary = "recording alone, no sandbox",
		.uid = -1,
		.gid = -1,
		.limits = NO_LIMITS,
		.new_processes = true,
		.network = POLICY_NET_HOST,
	},
	{
		.name = "STRICT",
		.summary =
			"a pure computation: no network, no new processes, read-only root, private /tmp",
		.sandboxed = true,
		.namespaces = POLICY_NS_MOUNT | POLICY_NS_PID | POLICY_NS_IPC | POLICY_NS_UTS |
			      POLICY_NS_NET | POLICY_NS_CGROUP,
		.root = POLICY_ROOT_READ_ONLY,
		.mounts = strict_mounts,
		.mount_count = TT_ARRAY_SIZE(strict_mounts),
		.uid = -1,
		.gid = -1,
		.no_new_privs = true,
		.limits = NO_LIMITS,
		.landlock = {.handled = POLICY_LANDLOCK_WRITE,
			     .paths = strict_landlock,
			     .path_count = TT_ARRAY_SIZE(strict_landlock)},
		.filter = true,
		.read_only_root = true,
		.private_tmp = true,
		.private_proc = true,
		.network = POLICY_NET_OFF,
		.tmp_bytes = 256ULL << 20,
		.deny = strict_deny,
		.deny_count = TT_ARRAY_SIZE(strict_deny),
	},
};

const struct policy *policy_next(const struct policy *prev)
{
	if (!prev)
		return &profiles[0];
	return prev + 1 < profiles + TT_ARRAY_SIZE(profiles) ? prev + 1 : NULL;
}

int policy_find(const char *name, const struct policy **ret, struct tt_err *err)
{
	const struct policy *p = NULL;
	char known[128] = "";
	size_t used = 0;

	while ((p = policy_next(p))) {
		if (strcmp(p->name, name) == 0) {
			*ret = p;
			return 0;
		}
		if (used < sizeof(known))
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
						 used ? ", " : "", p->name);
	}
	return tt_fail_text(err, ENOENT, "unknown profile '%.64s': the profiles are %s", name,
			    known);
}
