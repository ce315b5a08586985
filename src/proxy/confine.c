/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the proxy's process gives up before it reads a byte of the command's: the caller's fds, its
 * user where it is root, capabilities, new programs, files to write. It keeps sockets and what
 * resolving a name reads.
 */
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "proxy/proxy_internal.h"

#define NOBODY   65534
#define FDS_MAX  1024
#define CALL(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), REFUSED
#define REFUSED  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif

static int keep_channel(int channel)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (channel != 3 && dup2(channel, 3) < 0)
		return -errno;
	for (int fd = 0; fd < 3; fd++)
		if (null_fd < 0 || dup2(null_fd, fd) < 0)
			(void)close(fd);
	return close_range(4, UINT_MAX, 0) < 0 ? -errno : 0;
}

/* In a user namespace nobody may not exist: then the capabilities are all that can be dropped. */
static int drop_rights(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	if (geteuid() == 0) {
		(void)setgroups(0, NULL);
		(void)setresgid(NOBODY, NOBODY, NOBODY);
		(void)setresuid(NOBODY, NOBODY, NOBODY);
	}
	if (syscall(SYS_capset, &head, none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

static void set_limit(__rlimit_resource_t resource, rlim_t value)
{
	struct rlimit lim;

	if (getrlimit(resource, &lim) == 0 && lim.rlim_max < value)
		value = lim.rlim_max;
	(void)setrlimit(resource, &(struct rlimit){value, value});
}

/* A foreign architecture's calls have other numbers: none is let through. */
static int load_filter(void)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#if defined(__x86_64__)
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x40000000U, 0, 1), /* x32 */
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
#endif
		CALL(SYS_execve),
		CALL(SYS_execveat),
		CALL(SYS_ptrace),
		CALL(SYS_process_vm_readv),
		CALL(SYS_process_vm_writev),
		CALL(SYS_pidfd_getfd),
		CALL(SYS_unshare),
		CALL(SYS_setns),
		CALL(SYS_mount),
		CALL(SYS_open_tree),
		CALL(SYS_bpf),
		CALL(SYS_keyctl),
		CALL(SYS_io_uring_setup),
		CALL(SYS_userfaultfd),
		CALL(SYS_perf_event_open),
		CALL(SYS_memfd_create),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {TT_ARRAY_SIZE(insns), insns};

	/* a kernel without seccomp: one wall less, behind no privileges */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	return 0;
}

int proxy_confine(int channel)
{
	struct pollfd p = {.fd = 3};
	int r;

	(void)setpgid(0, 0); /* what the terminal sends is not for us */
	(void)prctl(PR_SET_NAME, "telltale-proxy");
	r = keep_channel(channel);
	if (r == 0)
		r = drop_rights();
	if (r < 0)
		return r;
	set_limit(RLIMIT_CORE, 0);
	set_limit(RLIMIT_FSIZE, 0);
	set_limit(RLIMIT_NOFILE, FDS_MAX);
	(void)prctl(PR_SET_DUMPABLE, 0);
	/* after the change of user, which clears it; the caller may have died before */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (poll(&p, 1, 0) > 0 && p.revents & POLLHUP)
		return -EPIPE;
	return load_filter();
}
