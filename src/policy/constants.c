/* SPDX-License-Identifier: Apache-2.0 */
/* The constants that conditions of rules can name, and the names of the arguments they look at. */
#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <linux/memfd.h>
#include <linux/net.h>
#include <linux/perf_event.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "policy/policy_internal.h"

struct constant {
	const char *name;
	uint64_t value;
};

/* newer than the oldest headers we build with */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif
#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452
#endif
/* the kernel's own, not glibc's */
#ifndef SOCK_TYPE_MASK
#define SOCK_TYPE_MASK 0xf
#endif

/* clang-format off */
#define V(name) {#name, (uint64_t)(unsigned int)(name)}
static const struct constant constants[] = {
	V(AF_UNSPEC), V(AF_UNIX), V(AF_LOCAL), V(AF_INET), V(AF_INET6), V(AF_NETLINK),
	V(AF_PACKET), V(AF_ALG), V(AF_VSOCK), V(AF_BLUETOOTH), V(AF_CAN), V(AF_TIPC), V(AF_XDP),
	V(AF_KEY), V(AF_RDS), V(AF_NFC), V(AF_KCM), V(AF_QIPCRTR), V(AF_SMC), V(AF_AX25),
	V(AF_X25), V(AF_IPX), V(AF_APPLETALK), V(AF_DECnet), V(AF_IEEE802154), V(SOCK_STREAM),
	V(SOCK_DGRAM), V(SOCK_RAW), V(SOCK_RDM), V(SOCK_SEQPACKET), V(SOCK_DCCP), V(SOCK_PACKET),
	V(SOCK_NONBLOCK), V(SOCK_CLOEXEC), V(SOCK_TYPE_MASK), V(IPPROTO_IP), V(IPPROTO_ICMP),
	V(IPPROTO_TCP), V(IPPROTO_UDP), V(IPPROTO_IPV6), V(IPPROTO_ICMPV6), V(IPPROTO_SCTP),
	V(IPPROTO_RAW), V(SOL_SOCKET), V(MSG_FASTOPEN), V(CLONE_VM), V(CLONE_FS), V(CLONE_FILES),
	V(CLONE_SIGHAND), V(CLONE_PIDFD), V(CLONE_PTRACE), V(CLONE_VFORK), V(CLONE_PARENT),
	V(CLONE_THREAD), V(CLONE_NEWNS), V(CLONE_SYSVSEM), V(CLONE_SETTLS),
	V(CLONE_PARENT_SETTID), V(CLONE_CHILD_CLEARTID), V(CLONE_DETACHED), V(CLONE_UNTRACED),
	V(CLONE_CHILD_SETTID), V(CLONE_NEWCGROUP), V(CLONE_NEWUTS), V(CLONE_NEWIPC),
	V(CLONE_NEWUSER), V(CLONE_NEWPID), V(CLONE_NEWNET), V(CLONE_IO), V(CLONE_NEWTIME),
	V(PROT_NONE), V(PROT_READ), V(PROT_WRITE), V(PROT_EXEC), V(PROT_GROWSDOWN),
	V(PROT_GROWSUP), V(MAP_SHARED), V(MAP_PRIVATE), V(MAP_SHARED_VALIDATE), V(MAP_FIXED),
	V(MAP_ANONYMOUS), V(MAP_GROWSDOWN), V(MAP_LOCKED), V(MAP_NORESERVE), V(MAP_POPULATE),
	V(MAP_STACK), V(MAP_HUGETLB), V(MAP_SYNC), V(MAP_FIXED_NOREPLACE), V(MADV_DONTNEED),
	V(MADV_FREE), V(MADV_HWPOISON), V(MADV_MERGEABLE), V(TIOCSTI), V(TIOCLINUX), V(TIOCSETD),
	V(TIOCCONS), V(TIOCSCTTY), V(TIOCNOTTY), V(TIOCSPGRP), V(TIOCGPGRP), V(TIOCGWINSZ),
	V(TIOCSWINSZ), V(TIOCGPTN), V(TIOCSPTLCK), V(TIOCVHANGUP), V(TIOCOUTQ), V(TCGETS),
	V(TCSETS), V(TCSETSW), V(TCSETSF), V(FIONREAD), V(FIONBIO), V(FIOCLEX), V(FIONCLEX),
	V(FIOASYNC), V(PR_SET_PDEATHSIG), V(PR_GET_DUMPABLE), V(PR_SET_DUMPABLE),
	V(PR_SET_KEEPCAPS), V(PR_SET_NAME), V(PR_GET_NAME), V(PR_SET_SECCOMP),
	V(PR_CAPBSET_READ), V(PR_CAPBSET_DROP), V(PR_SET_SECUREBITS), V(PR_SET_TIMERSLACK),
	V(PR_SET_MM), V(PR_SET_CHILD_SUBREAPER), V(PR_SET_NO_NEW_PRIVS), V(PR_SET_THP_DISABLE),
	V(PR_CAP_AMBIENT), V(PR_SET_SPECULATION_CTRL), V(PR_SET_PTRACER), V(PR_SET_MDWE),
	V(PR_SET_TSC), V(PR_MCE_KILL), V(PR_SET_SYSCALL_USER_DISPATCH), V(PR_SET_VMA),
	V(PR_SCHED_CORE), V(PR_SET_IO_FLUSHER), V(O_RDONLY), V(O_WRONLY), V(O_RDWR),
	V(O_ACCMODE), V(O_CREAT), V(O_EXCL), V(O_TRUNC), V(O_APPEND), V(O_NONBLOCK), V(O_DSYNC),
	V(O_SYNC), V(O_DIRECT), V(O_DIRECTORY), V(O_NOFOLLOW), V(O_NOATIME), V(O_CLOEXEC),
	V(O_PATH), V(O_TMPFILE), V(AT_FDCWD), V(AT_SYMLINK_NOFOLLOW), V(AT_EMPTY_PATH),
	V(AT_REMOVEDIR), V(S_ISUID), V(S_ISGID), V(S_ISVTX), V(S_IFMT), V(S_IFREG), V(S_IFDIR),
	V(S_IFCHR), V(S_IFBLK), V(S_IFIFO), V(S_IFSOCK), V(F_DUPFD), V(F_GETFD), V(F_SETFD),
	V(F_GETFL), V(F_SETFL), V(F_GETLK), V(F_SETLK), V(F_SETLKW), V(F_SETOWN), V(F_SETOWN_EX),
	V(F_SETSIG), V(F_SETLEASE), V(F_NOTIFY), V(F_DUPFD_CLOEXEC), V(F_SETPIPE_SZ),
	V(F_ADD_SEALS), V(PRIO_PROCESS), V(PRIO_PGRP), V(PRIO_USER), V(IOPRIO_WHO_PROCESS),
	V(IOPRIO_WHO_PGRP), V(IOPRIO_WHO_USER), V(PER_LINUX), V(PER_LINUX32),
	V(ADDR_NO_RANDOMIZE), V(MMAP_PAGE_ZERO), V(READ_IMPLIES_EXEC), V(ADDR_COMPAT_LAYOUT),
	V(UNAME26), V(PTRACE_TRACEME), V(PTRACE_ATTACH), V(PTRACE_SEIZE),
	V(SECCOMP_SET_MODE_STRICT), V(SECCOMP_SET_MODE_FILTER), V(SECCOMP_GET_ACTION_AVAIL),
	V(SECCOMP_GET_NOTIF_SIZES), V(SECCOMP_FILTER_FLAG_TSYNC),
	V(SECCOMP_FILTER_FLAG_NEW_LISTENER), V(MFD_CLOEXEC), V(MFD_ALLOW_SEALING),
	V(MFD_HUGETLB), V(MFD_EXEC), V(MFD_NOEXEC_SEAL), V(MS_RDONLY), V(MS_REMOUNT), V(MS_BIND),
	V(MS_MOVE), V(MS_REC), V(MNT_DETACH), V(KEYCTL_GET_KEYRING_ID),
	V(KEYCTL_JOIN_SESSION_KEYRING), V(KEYCTL_READ), V(KEYCTL_SEARCH), V(RLIMIT_CORE),
	V(RLIMIT_NOFILE), V(RLIMIT_STACK), V(RLIMIT_AS), V(RLIMIT_NPROC), V(SIGHUP), V(SIGINT),
	V(SIGQUIT), V(SIGILL), V(SIGTRAP), V(SIGABRT), V(SIGBUS), V(SIGFPE), V(SIGKILL),
	V(SIGUSR1), V(SIGSEGV), V(SIGUSR2), V(SIGPIPE), V(SIGALRM), V(SIGTERM), V(SIGCHLD),
	V(SIGCONT), V(SIGSTOP), V(SIGTSTP), V(SIGTTIN), V(SIGTTOU),
};
/* clang-format on */

#define ARGUMENTS 6

/* Where an argument has no name here, argN serves. */
static const struct {
	int nr;
	const char *names[ARGUMENTS];
} arguments[] = {
#ifdef __NR_open
	{__NR_open, {"path", "flags", "mode"}},
	{__NR_chmod, {"path", "mode"}},
	{__NR_mknod, {"path", "mode", "dev"}},
	{__NR_creat, {"path", "mode"}},
#endif
	{__NR_openat, {"dirfd", "path", "flags", "mode"}},
	{__NR_mknodat, {"dirfd", "path", "mode", "dev"}},
	{__NR_fchmod, {"fd", "mode"}},
	{__NR_fchmodat, {"dirfd", "path", "mode"}},
	{__NR_fchmodat2, {"dirfd", "path", "mode", "flags"}},
	{__NR_socket, {"domain", "type", "protocol"}},
	{__NR_socketpair, {"domain", "type", "protocol", "fds"}},
	{__NR_connect, {"fd", "addr", "addrlen"}},
	{__NR_bind, {"fd", "addr", "addrlen"}},
	{__NR_listen, {"fd", "backlog"}},
	{__NR_accept4, {"fd", "addr", "addrlen", "flags"}},
	{__NR_sendto, {"fd", "buf", "len", "flags", "addr", "addrlen"}},
	{__NR_sendmsg, {"fd", "msg", "flags"}},
	{__NR_recvfrom, {"fd", "buf", "len", "flags", "addr", "addrlen"}},
	{__NR_recvmsg, {"fd", "msg", "flags"}},
	{__NR_getsockopt, {"fd", "level", "name", "value", "len"}},
	{__NR_setsockopt, {"fd", "level", "name", "value", "len"}},
	{__NR_shutdown, {"fd", "how"}},
	{__NR_clone, {"flags", "stack"}},
	{__NR_unshare, {"flags"}},
	{__NR_setns, {"fd", "nstype"}},
	{__NR_ioctl, {"fd", "request", "arg"}},
	{__NR_fcntl, {"fd", "cmd", "arg"}},
	{__NR_prctl, {"option", "arg2", "arg3", "arg4", "arg5"}},
	{__NR_kill, {"pid", "sig"}},
	{__NR_tkill, {"tid", "sig"}},
	{__NR_tgkill, {"tgid", "tid", "sig"}},
	{__NR_rt_sigqueueinfo, {"pid", "sig", "info"}},
	{__NR_rt_tgsigqueueinfo, {"tgid", "tid", "sig", "info"}},
	{__NR_pidfd_open, {"pid", "flags"}},
	{__NR_pidfd_send_signal, {"pidfd", "sig", "info", "flags"}},
	{__NR_mmap, {"addr", "length", "prot", "flags", "fd", "offset"}},
	{__NR_mprotect, {"addr", "length", "prot"}},
	{__NR_pkey_mprotect, {"addr", "length", "prot", "pkey"}},
	{__NR_mremap, {"addr", "old_size", "new_size", "flags", "new_addr"}},
	{__NR_madvise, {"addr", "length", "advice"}},
	{__NR_memfd_create, {"name", "flags"}},
	{__NR_personality, {"persona"}},
	{__NR_setpriority, {"which", "who", "prio"}},
	{__NR_getpriority, {"which", "who"}},
	{__NR_ioprio_set, {"which", "who", "prio"}},
	{__NR_prlimit64, {"pid", "resource", "new_limit", "old_limit"}},
	{__NR_setrlimit, {"resource", "limit"}},
	{__NR_sched_setaffinity, {"pid", "size", "mask"}},
	{__NR_sched_setscheduler, {"pid", "policy", "param"}},
	{__NR_setpgid, {"pid", "pgid"}},
	{__NR_ptrace, {"request", "pid", "addr", "data"}},
	{__NR_seccomp, {"operation", "flags", "args"}},
	{__NR_bpf, {"cmd", "attr", "size"}},
	{__NR_keyctl, {"operation"}},
	{__NR_mount, {"source", "target", "type", "flags", "data"}},
	{__NR_umount2, {"target", "flags"}},
	{__NR_unlinkat, {"dirfd", "path", "flags"}},
	{__NR_futex, {"uaddr", "op", "value"}},
	{__NR_read, {"fd", "buf", "count"}},
	{__NR_write, {"fd", "buf", "count"}},
	{__NR_dup3, {"oldfd", "newfd", "flags"}},
	{__NR_pipe2, {"fds", "flags"}},
	{__NR_splice, {"fd_in", "off_in", "fd_out", "off_out", "len", "flags"}},
	{__NR_perf_event_open, {"attr", "pid", "cpu", "group_fd", "flags"}},
	{__NR_userfaultfd, {"flags"}},
#ifdef __NR_arch_prctl
	{__NR_arch_prctl, {"code", "addr"}},
#endif
};

int policy_value_find(const char *name, uint64_t *ret)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(constants); i++) {
		if (strcmp(constants[i].name, name) != 0)
			continue;
		*ret = constants[i].value;
		return 0;
	}
	return -ENOENT;
}

const char *policy_value_at(size_t i)
{
	return i < TT_ARRAY_SIZE(constants) ? constants[i].name : NULL;
}

static const char *const *names_of(int nr)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(arguments); i++)
		if (arguments[i].nr == nr)
			return arguments[i].names;
	return NULL;
}

int policy_argument_find(int nr, const char *name)
{
	const char *const *names = names_of(nr);

	for (int i = 0; names && i < ARGUMENTS && names[i]; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -ENOENT;
}

const char *policy_argument(int nr, int arg)
{
	const char *const *names = names_of(nr);

	return names && arg >= 0 && arg < ARGUMENTS ? names[arg] : NULL;
}
