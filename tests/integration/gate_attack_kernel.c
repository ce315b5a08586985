/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roads around the processes: sockets that pose as the agent, another view of the machine, the
 * kernel itself.
 */
#include "gate_attack.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#define LAST_FAMILY 60
#define VSOCK       40
#define NETLINKS    23
#define OLD_PACKET  10
#define NEWER_CALL  470
#define NEWEST_CALL 0x3fffffffL
#define X32_GETPID  (0x40000000L | 39)
#define OPEN_TREE_2 467
#define NAMESPACES_OF(X)   \
	X(CLONE_NEWNS)     \
	X(CLONE_NEWCGROUP) \
	X(CLONE_NEWUTS) X(CLONE_NEWIPC) X(CLONE_NEWUSER) X(CLONE_NEWPID) X(CLONE_NEWNET)

/* The first that is not refused as it should be ends the search. */
static long act_families(int t)
{
	(void)t;
	for (int family = 0; family <= LAST_FAMILY; family++) {
		if (family == AF_UNIX || family == AF_INET || family == AF_INET6 ||
		    family == AF_NETLINK || family == VSOCK)
			continue;
		for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type++)
			if (socket(family, type | SOCK_CLOEXEC, 0) >= 0 || errno != EAFNOSUPPORT)
				return -EBADMSG;
		if (syscall(SYS_socket, (1L << 40) | family, SOCK_STREAM, 0) >= 0 ||
		    errno != EAFNOSUPPORT)
			return -EBADMSG;
	}
	return -EAFNOSUPPORT;
}

static long act_vsock(int t)
{
	(void)t;
	return attack_opened(socket(VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static long act_vsock_pair(int t)
{
	int pair[2];

	(void)t;
	return attack_result(socketpair(VSOCK, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
}

static long act_pair(int t)
{
	int pair[2];

	(void)t;
	return attack_result(socketpair(AF_PACKET, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
}

static long act_netlinks(int t)
{
	(void)t;
	for (int protocol = 1; protocol < NETLINKS; protocol++)
		if (socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol) >= 0 ||
		    errno != EPROTONOSUPPORT)
			return -EBADMSG;
	return -EPROTONOSUPPORT;
}

static long act_packet(int t)
{
	(void)t;
	return attack_opened(socket(AF_INET, OLD_PACKET | SOCK_CLOEXEC, 0x0300));
}

static long act_raw(int t)
{
	(void)t;
	return attack_opened(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1));
}

static long act_usual(int t)
{
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6};
	long r = attack_opened(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));

	(void)t;
	for (int i = 0; r == 0 && i < 3; i++) {
		r = attack_opened(socket(families[i], SOCK_STREAM | SOCK_CLOEXEC, 0));
		if (r == -EAFNOSUPPORT && families[i] == AF_INET6)
			r = 0; /* a kernel without it */
	}
	return r;
}

/* What a process of the cell outside the gate listens on. Landlock's scopes: ABI 6. */
static long act_abstract(int t)
{
	struct sockaddr_un a;
	socklen_t len = attack_neighbour(&a);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long r = attack_result(connect(fd, (struct sockaddr *)&a, len));

	(void)t;
	(void)close(fd);
	return r;
}

static bool has_scopes(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 6;
}

static long act_abstract_scoped(int t)
{
	return has_scopes() ? act_abstract(t) : -EPERM;
}

/* clang-format off */
const struct attack_road attack_sockets[] = {
	/*				 all		 ids	   filter	 landlock */
	{"socket, other families", act_families, '-',
		{EAFNOSUPPORT, NOT_RUN, EAFNOSUPPORT, NOT_RUN}},
	{"socket AF_VSOCK", act_vsock, 'v', {EAFNOSUPPORT, 0, EAFNOSUPPORT, NOT_RUN}},
	{"socketpair AF_VSOCK", act_vsock_pair, 'v',
		{EAFNOSUPPORT, NOT_RUN, EAFNOSUPPORT, NOT_RUN}},
	{"socketpair, other families", act_pair, '-',
		{EAFNOSUPPORT, NOT_RUN, EAFNOSUPPORT, NOT_RUN}},
	{"socket AF_NETLINK, other protocols", act_netlinks, '-',
		{EPROTONOSUPPORT, NOT_RUN, EPROTONOSUPPORT, NOT_RUN}},
	{"socket AF_INET SOCK_PACKET", act_packet, '-',
		{EAFNOSUPPORT, EPERM, EAFNOSUPPORT, NOT_RUN}},
	{"socket AF_INET SOCK_RAW", act_raw, '-', {EPERM, EPERM, EPERM, NOT_RUN}},
	{"usual sockets are there", act_usual, '-', {0, 0, 0, 0}},
	{"abstract socket of a neighbour", act_abstract_scoped, '-',
		{REFUSED, NOT_RUN, NOT_RUN, EPERM}},
	{NULL},
};
/* clang-format on */

/* A call that is refused whatever its arguments are, with such that do no harm where it is not. */
#define PLAIN(name, ...)                                                \
	static long act_##name(int t)                                   \
	{                                                               \
		(void)t;                                                \
		return attack_result(syscall(SYS_##name, __VA_ARGS__)); \
	}

PLAIN(io_uring_setup, 1, NULL)
PLAIN(io_uring_enter, -1, 0, 0, 0, NULL, 0)
PLAIN(io_uring_register, -1, 0, NULL, 0)
PLAIN(clone3, NULL, 0)
PLAIN(setns, -1, 0)
PLAIN(mount, "none", "/nonexistent", "tmpfs", 0, NULL)
PLAIN(umount2, "/nonexistent", 0)
PLAIN(pivot_root, "/nonexistent", "/nonexistent")
PLAIN(chroot, "/nonexistent")
PLAIN(open_tree, -1, "/nonexistent", 0)
PLAIN(move_mount, -1, "", -1, "", 0)
PLAIN(fsopen, "tmpfs", 1)
PLAIN(fsconfig, -1, 0, NULL, NULL, 0)
PLAIN(fsmount, -1, 0, 0)
PLAIN(fspick, -1, "/nonexistent", 0)
PLAIN(mount_setattr, -1, "/nonexistent", 0, NULL, 0)
PLAIN(bpf, 0, NULL, 0)
PLAIN(userfaultfd, 1)
PLAIN(open_by_handle_at, -1, NULL, 0)
PLAIN(add_key, NULL, NULL, NULL, 0, 0)
PLAIN(request_key, NULL, NULL, NULL, 0)
PLAIN(keyctl, 0, -3, 0)
PLAIN(init_module, NULL, 0, "")
PLAIN(finit_module, -1, "", 0)
PLAIN(delete_module, "nonexistent", 0)
PLAIN(kexec_load, 0, 0, NULL, 0)
PLAIN(kexec_file_load, -1, -1, 0, NULL, 0)
PLAIN(reboot, 0, 0, 0, NULL)
PLAIN(swapon, "/nonexistent", 0)
PLAIN(swapoff, "/nonexistent")
PLAIN(acct, "/nonexistent")
PLAIN(quotactl, 0, NULL, 0, NULL)
PLAIN(syslog, 3, NULL, 0)
PLAIN(vhangup, 0)
PLAIN(sethostname, "x", 1)
PLAIN(setdomainname, "x", 1)
#ifdef SYS_lookup_dcookie
PLAIN(lookup_dcookie, 0, NULL, 0)
#endif
#ifdef SYS_iopl
PLAIN(iopl, 0)
PLAIN(ioperm, 0, 1, 0)
#endif

static long act_quotactl_fd(int t)
{
	(void)t;
	return attack_result(syscall(443, -1, 0, 0, NULL));
}

static long act_open_tree_attr(int t)
{
	(void)t;
	return attack_result(syscall(OPEN_TREE_2, -1, "/nonexistent", 0, NULL, 0));
}

static long act_newer(int t)
{
	long r = attack_result(syscall(NEWER_CALL, 0, 0, 0, 0, 0, 0));

	(void)t;
	return r == -ENOSYS ? attack_result(syscall(NEWEST_CALL, 0)) : -EBADMSG;
}

/* Each kind of namespace, by both calls. A child that comes to life ends at once. */
static long act_namespaces(int t)
{
#define NUMBER_OF(flag) flag,
	static const unsigned long flags[] = {NAMESPACES_OF(NUMBER_OF) 0};

	(void)t;
	for (int i = 0; flags[i]; i++) {
		long pid = syscall(SYS_clone, flags[i] | SIGCHLD, NULL, NULL, NULL, NULL);

		if (pid == 0)
			_exit(0);
		if (pid > 0)
			(void)waitpid((pid_t)pid, NULL, 0);
		if (pid >= 0 || errno != EPERM)
			return -EBADMSG;
	}
	return -EPERM;
}

static long act_unshare(int t)
{
	static const unsigned long flags[] = {NAMESPACES_OF(NUMBER_OF) 0x80 /* CLONE_NEWTIME */, 0};

	(void)t;
	for (int i = 0; flags[i]; i++)
		if (syscall(SYS_unshare, flags[i]) == 0 || errno != EPERM)
			return -EBADMSG;
	return -EPERM;
}

static long act_clock(int t)
{
	struct timespec never = {0, -1};
	struct timex x = {.modes = 0};

	(void)t;
	if (syscall(SYS_clock_settime, CLOCK_REALTIME, &never) == 0 || errno != EPERM)
		return -EBADMSG;
	if (syscall(SYS_settimeofday, &never, NULL) == 0 || errno != EPERM)
		return -EBADMSG;
	if (syscall(SYS_adjtimex, &x) >= 0 || errno != EPERM)
		return -EBADMSG;
	return attack_result(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &x));
}

/* Typing into a terminal; a terminal of its own will do. */
static long act_tiocsti(int t)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	long r = attack_result(ioctl(master, TIOCSTI, "x"));

	(void)t;
	(void)close(master);
	return r;
}

/* Output of a terminal stopped, or lost in another line discipline. */
static long act_terminal(unsigned long request)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave = -1;
	long r = -EBADMSG;

	if (master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0)
		slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave >= 0)
		r = attack_result(ioctl(slave, request, &(int){0}));
	(void)close(slave);
	(void)close(master);
	return r;
}

static long act_flow(int t)
{
	(void)t;
	return act_terminal(TCXONC);
}

static long act_discipline(int t)
{
	(void)t;
	return act_terminal(TIOCSETD);
}

static long act_tioclinux(int t)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	long r = attack_result(ioctl(master, TIOCLINUX, "\x02"));

	(void)t;
	(void)close(master);
	return r;
}

#if defined(__x86_64__)
/* How a child ends that calls by another ABI: 0 if it can. */
static long by_child(void (*call)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		call();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? -ENOSYS : 0;
}

static void call_i386(void)
{
	long r = 20; /* getpid */

	__asm__ volatile("int $0x80" : "+a"(r) : : "memory");
}

static void call_x32(void)
{
	(void)syscall(X32_GETPID);
}

static long act_i386(int t)
{
	(void)t;
	return by_child(call_i386);
}

static long act_x32(int t)
{
	(void)t;
	return by_child(call_x32);
}
#endif

static long act_root(int t)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct caps[2] = {{0}}, all[2] = {{~0U, ~0U, ~0U}, {0, 0, 0}};
	gid_t root = 0;

	(void)t;
	if (syscall(SYS_capget, &head, caps) != 0 || caps[0].effective || caps[1].effective ||
	    caps[0].permitted || caps[1].permitted || caps[0].inheritable || caps[1].inheritable)
		return -EBADMSG;
	if (syscall(SYS_capset, &head, all) == 0 || syscall(SYS_setresgid, 0, 0, 0) == 0 ||
	    syscall(SYS_setgroups, 1, &root) == 0 || getgroups(0, NULL) != 0)
		return -EBADMSG;
	for (int cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 0 ||
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) != 0)
			return -EBADMSG;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 ||
	    (prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) & (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED)) !=
		    (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED))
		return -EBADMSG;
	return attack_result(syscall(SYS_setresuid, 0, 0, 0));
}

static long act_device(int t)
{
	(void)t;
	return attack_result(mknod("/tmp/gate-mem", S_IFCHR | 0600, makedev(1, 1)));
}

/* None of them can be opened for writing, unless what is there is /dev/null. */
static long act_steering(int t)
{
	static const char *const paths[] = {
		"/proc/sysrq-trigger",
		"/proc/sys/kernel/core_pattern",
		"/proc/sys/kernel/sysrq",
		"/proc/sys/kernel/ns_last_pid",
		"/proc/sys/vm/drop_caches",
		"/proc/irq/default_smp_affinity",
		"/sys/power/state",
		"/sys/kernel/mm/ksm/run",
		"/sys/fs/cgroup/cgroup.procs",
		"/sys/fs/cgroup/memory/cgroup.procs",
		"/sys/kernel/tracing/tracing_on",
		"/sys/kernel/debug/sched/debug",
	};
	struct stat st;

	(void)t;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int fd = open(paths[i], O_WRONLY | O_CLOEXEC);

		if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_rdev != makedev(1, 3)))
			return -EBADMSG;
		if (fd >= 0)
			(void)close(fd);
	}
	return -EACCES;
}

/* They are not there, or empty. */
static long act_secrets(int t)
{
	static const char *const paths[] = {
		"/dev/mem",
		"/dev/kmem",
		"/dev/port",
		"/dev/kmsg",
		"/dev/vsock",
		"/dev/kvm",
		"/dev/vda",
		"/dev/sda",
		"/proc/kcore",
		"/proc/keys",
		"/proc/kallsyms",
		"/proc/kmsg",
		"/proc/timer_list",
		"/proc/sched_debug",
		"/sys/fs/cgroup/cgroup.procs",
		"/sys/kernel/tracing/available_events",
	};
	char c;

	(void)t;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		if (read(fd, &c, 1) != 0)
			return -EBADMSG;
		(void)close(fd);
	}
	return -ENOENT;
}

/* What Landlock says to the file of a process's own that it may write to otherwise. */
static long act_own_proc(int t)
{
	(void)t;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 2)
		return -EACCES;
	return attack_opened(open("/proc/self/comm", O_WRONLY | O_CLOEXEC));
}

static long act_works(int t)
{
	char path[] = "/tmp/gate-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	pid_t pid;
	int status;

	(void)t;
	if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) < 0 || unlink(path) < 0)
		return -errno;
	fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || close(fd) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		for (;;)
			(void)pause();
	if (pid < 0 || kill(pid, SIGTERM) < 0 || waitpid(pid, &status, 0) != pid ||
	    WTERMSIG(status) != SIGTERM)
		return -EBADMSG;
	return 0;
}

/* clang-format off */
#define CALL(name, error) {#name, act_##name, '-', {error, NOT_RUN, error, NOT_RUN}}
const struct attack_road attack_kernel[] = {
	CALL(io_uring_setup, ENOSYS), CALL(io_uring_enter, ENOSYS), CALL(io_uring_register, ENOSYS),
	CALL(clone3, ENOSYS), CALL(setns, EPERM), CALL(mount, EPERM), CALL(umount2, EPERM),
	CALL(pivot_root, EPERM), CALL(chroot, EPERM), CALL(open_tree, EPERM),
	CALL(open_tree_attr, EPERM),
	CALL(move_mount, EPERM), CALL(fsopen, EPERM), CALL(fsconfig, EPERM), CALL(fsmount, EPERM),
	CALL(fspick, EPERM), CALL(mount_setattr, EPERM), CALL(bpf, EPERM), CALL(userfaultfd, EPERM),
	CALL(open_by_handle_at, EPERM), CALL(add_key, ENOSYS), CALL(request_key, ENOSYS),
	CALL(keyctl, ENOSYS), CALL(init_module, EPERM), CALL(finit_module, EPERM),
	CALL(delete_module, EPERM), CALL(kexec_load, EPERM), CALL(kexec_file_load, EPERM),
	CALL(reboot, EPERM), CALL(swapon, EPERM), CALL(swapoff, EPERM), CALL(acct, EPERM),
	CALL(quotactl, EPERM), CALL(quotactl_fd, EPERM), CALL(syslog, EPERM), CALL(vhangup, EPERM),
	CALL(sethostname, EPERM), CALL(setdomainname, EPERM),
#ifdef SYS_lookup_dcookie
	CALL(lookup_dcookie, EPERM),
#endif
#ifdef SYS_iopl
	CALL(iopl, EPERM), CALL(ioperm, EPERM),
#endif
	{"calls newer than the gate", act_newer, '-', {ENOSYS, NOT_RUN, ENOSYS, NOT_RUN}},
	{"clone, namespaces", act_namespaces, '-', {EPERM, NOT_RUN, EPERM, NOT_RUN}},
	{"unshare, namespaces", act_unshare, '-', {EPERM, NOT_RUN, EPERM, NOT_RUN}},
	{"clocks", act_clock, '-', {EPERM, NOT_RUN, EPERM, NOT_RUN}},
	{"ioctl TIOCSTI", act_tiocsti, '-', {EPERM, NOT_RUN, EPERM, NOT_RUN}},
	{"ioctl TIOCLINUX", act_tioclinux, '-', {EPERM, NOT_RUN, EPERM, NOT_RUN}},
	{"ioctl TCXONC", act_flow, '-', {EPERM, NOT_RUN, EPERM, NOT_RUN}},
	{"ioctl TIOCSETD", act_discipline, '-', {EPERM, NOT_RUN, EPERM, NOT_RUN}},
#if defined(__x86_64__)
	{"calls of i386", act_i386, '-', {ENOSYS, NOT_RUN, ENOSYS, NOT_RUN}},
	{"calls of x32", act_x32, '-', {ENOSYS, NOT_RUN, ENOSYS, NOT_RUN}},
#endif
	{"root again", act_root, '-', {EPERM, EPERM, EPERM, EPERM}},
	{"mknod of a device", act_device, '-', {EPERM, EPERM, EPERM, REFUSED}},
	{"files that steer the kernel", act_steering, '-', {EACCES, NOT_RUN, NOT_RUN, EACCES}},
	{"devices and files that tell too much", act_secrets, '-',
		{ENOENT, NOT_RUN, NOT_RUN, NOT_RUN}},
	{"its own files in /proc", act_own_proc, '-', {EACCES, 0, NOT_RUN, EACCES}},
	{"files, devices and children of its own", act_works, '-', {0, 0, 0, 0}},
	{NULL},
};
/* clang-format on */
