/* SPDX-License-Identifier: Apache-2.0 */
/* Acts on the kernel: mounts, namespaces, modules, keys, clocks, other ABIs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "acts_probe.h"

#define NO_SUCH "/no/such/place"

static int act_mount(const char *const arg[])
{
	return mount("tmpfs", arg[0], "tmpfs", 0, "size=4k");
}

static int act_bind_mount(const char *const arg[])
{
	return mount(arg[0], arg[1], NULL, MS_BIND, NULL);
}

static int act_remount(const char *const arg[])
{
	return mount(NULL, arg[0], NULL, MS_REMOUNT | MS_BIND, NULL);
}

static int act_umount(const char *const arg[])
{
	return umount2(arg[0], MNT_DETACH);
}

static int act_open_tree(const char *const arg[])
{
	return (int)syscall(SYS_open_tree, AT_FDCWD, arg[0], 1);
}

static int act_fsopen(const char *const arg[])
{
	(void)arg;
	return (int)syscall(SYS_fsopen, "tmpfs", 0);
}

static int act_mount_setattr(const char *const arg[])
{
	uint64_t attr[4] = {0};

	return (int)syscall(SYS_mount_setattr, AT_FDCWD, arg[0], 0, attr, sizeof(attr));
}

static int act_move_mount(const char *const arg[])
{
	return (int)syscall(SYS_move_mount, AT_FDCWD, NO_SUCH, AT_FDCWD, arg[0], 0);
}

static int act_pivot_root(const char *const arg[])
{
	return (int)syscall(SYS_pivot_root, arg[0], arg[0]);
}

/* Not into anything: a root that stays as it is. */
static int act_chroot(const char *const arg[])
{
	(void)arg;
	return chroot("/");
}

static int unshared(int flags)
{
	pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
	int status;

	if (pid == 0)
		_exit(0);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return 0;
}

static const struct {
	const char *name;
	int flag;
} kinds[] = {
	{"user", CLONE_NEWUSER},     {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID},
	{"net", CLONE_NEWNET},       {"ipc", CLONE_NEWIPC},  {"uts", CLONE_NEWUTS},
	{"cgroup", CLONE_NEWCGROUP}, {"time", 0x80},
};

static int kind_of(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return kinds[i].flag;
	_exit(2);
}

static int act_unshare(const char *const arg[])
{
	return unshare(kind_of(arg[0]));
}

static int act_clone(const char *const arg[])
{
	return unshared(kind_of(arg[0]));
}

static int act_clone3(const char *const arg[])
{
	uint64_t args[11] = {[0] = (uint64_t)kind_of(arg[0]), [4] = SIGCHLD};
	pid_t pid = (pid_t)syscall(SYS_clone3, args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return pid < 0 ? -1 : waitpid(pid, NULL, 0) < 0 ? -1 : 0;
}

static int act_setns(const char *const arg[])
{
	int fd = open(arg[0], O_RDONLY);

	return fd < 0 ? -1 : setns(fd, 0);
}

/* Its own, which it is in already: where the call passes it says EINVAL or works. */
static int act_setns_own(const char *const arg[])
{
	int fd = open("/proc/self/ns/uts", O_RDONLY);

	(void)arg;
	return fd < 0 ? -1 : setns(fd, CLONE_NEWUTS);
}

static int act_kexec(const char *const arg[])
{
	(void)arg;
	return (int)syscall(SYS_kexec_load, 0, 1000, NULL, 0xffff0000UL);
}

static int act_kexec_file(const char *const arg[])
{
	(void)arg;
#ifdef SYS_kexec_file_load
	return (int)syscall(SYS_kexec_file_load, -1, -1, 0, NULL, ~0UL);
#else
	errno = ENOSYS;
	return -1;
#endif
}

/* A map of one element. */
static int act_bpf(const char *const arg[])
{
	uint32_t attr[32] = {2 /* ARRAY */, 4, 4, 1};

	(void)arg;
	return (int)syscall(SYS_bpf, 0 /* MAP_CREATE */, attr, sizeof(attr));
}

static int act_perf_event(const char *const arg[])
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
				       .size = sizeof(attr),
				       .config = PERF_COUNT_SW_CPU_CLOCK,
				       .exclude_kernel = 1};

	(void)arg;
	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static int act_keyctl(const char *const arg[])
{
	(void)arg;
	return (int)syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1);
}

static int act_add_key(const char *const arg[])
{
	(void)arg;
	return (int)syscall(SYS_add_key, "user", "act", "x", 1, KEY_SPEC_PROCESS_KEYRING);
}

static int act_request_key(const char *const arg[])
{
	(void)arg;
	return (int)syscall(SYS_request_key, "user", "no-such-act", NULL, 0);
}

static int act_init_module(const char *const arg[])
{
	(void)arg;
	return (int)syscall(SYS_init_module, "", 0, "");
}

static int act_finit_module(const char *const arg[])
{
	(void)arg;
	return (int)syscall(SYS_finit_module, -1, "", 0);
}

static int act_delete_module(const char *const arg[])
{
	(void)arg;
	return (int)syscall(SYS_delete_module, "no_such_act", O_NONBLOCK);
}

static int act_swapon(const char *const arg[])
{
	(void)arg;
	return (int)syscall(SYS_swapon, NO_SUCH, 0);
}

static int act_reboot(const char *const arg[])
{
	(void)arg;
	return (int)syscall(SYS_reboot, 1, 2, 3, NULL);
}

/* A time that is none. */
static int act_clock_settime(const char *const arg[])
{
	struct timespec at = {0, 2000000000};

	(void)arg;
	return (int)syscall(SYS_clock_settime, CLOCK_REALTIME, &at);
}

static int act_settimeofday(const char *const arg[])
{
	long at[2] = {0, 2000000};

	(void)arg;
	return (int)syscall(SYS_settimeofday, at, NULL);
}

/* The name it has. */
static int act_sethostname(const char *const arg[])
{
	struct utsname u;

	(void)arg;
	return uname(&u) < 0 ? -1 : sethostname(u.nodename, strlen(u.nodename));
}

static int act_setdomainname(const char *const arg[])
{
	struct utsname u;

	(void)arg;
	return uname(&u) < 0 ? -1 : setdomainname(u.domainname, strlen(u.domainname));
}

static int act_iopl(const char *const arg[])
{
	(void)arg;
#ifdef SYS_iopl
	return (int)syscall(SYS_iopl, 3);
#else
	errno = ENOSYS;
	return -1;
#endif
}

static int act_acct(const char *const arg[])
{
	(void)arg;
	return acct(NO_SUCH);
}

static int act_quotactl(const char *const arg[])
{
	(void)arg;
	return (int)syscall(SYS_quotactl, 0x800002 << 8, NO_SUCH, 0, NULL);
}

/* How much there is to read. */
static int act_syslog(const char *const arg[])
{
	(void)arg;
	return (int)syscall(SYS_syslog, 9, NULL, 0);
}

static int act_fanotify(const char *const arg[])
{
	(void)arg;
	return fanotify_init(FAN_CLASS_CONTENT, O_RDONLY);
}

static int act_userfaultfd(const char *const arg[])
{
	(void)arg;
	return (int)syscall(SYS_userfaultfd, O_CLOEXEC);
}

static int act_io_uring(const char *const arg[])
{
	unsigned int params[30] = {0};

	(void)arg;
	return (int)syscall(SYS_io_uring_setup, 1, params);
}

static int act_modify_ldt(const char *const arg[])
{
	char room[16];

	(void)arg;
#ifdef SYS_modify_ldt
	return (int)syscall(SYS_modify_ldt, 0, room, sizeof(room));
#else
	(void)room;
	errno = ENOSYS;
	return -1;
#endif
}

static int act_personality(const char *const arg[])
{
	int old = personality(0xffffffff);

	if (old < 0 || personality((unsigned long)strtoul(arg[0], NULL, 0)) < 0)
		return -1;
	return personality((unsigned long)old) < 0 ? -1 : 0;
}

/* Where the heap ends, to where it ends. */
static int act_set_mm(const char *const arg[])
{
	(void)arg;
	return prctl(PR_SET_MM, PR_SET_MM_BRK, (unsigned long)sbrk(0), 0, 0);
}

static int act_move_pages(const char *const arg[])
{
	(void)arg;
	return (int)syscall(SYS_move_pages, 1, 0, NULL, NULL, NULL, 0);
}

/* A filter that allows all, with a listener of its own. */
static int act_second_listener(const char *const arg[])
{
	struct {
		unsigned short code;
		unsigned char jt, jf;
		unsigned int k;
	} ret = {6, 0, 0, SECCOMP_RET_ALLOW};
	struct {
		unsigned short len;
		void *filter;
	} prog = {1, &ret};

	(void)arg;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			    &prog);
}

static int act_tiocsti(const char *const arg[])
{
	int fd = open("/dev/tty", O_RDWR);

	(void)arg;
	return fd < 0 ? -1 : ioctl(fd, TIOCSTI, "x");
}

static int act_tiocsti_high(const char *const arg[])
{
	int fd = open("/dev/tty", O_RDWR);

	(void)arg;
	return fd < 0 ? -1 : (int)syscall(SYS_ioctl, fd, 0x100000000UL | TIOCSTI, "x");
}

static int act_tioclinux(const char *const arg[])
{
	char sub = 6; /* which shift keys are down */
	int fd = open("/dev/tty", O_RDWR);

	(void)arg;
	return fd < 0 ? -1 : ioctl(fd, TIOCLINUX, &sub);
}

#ifdef __x86_64__
static int act_int80(const char *const arg[])
{
	long nr = 20; /* getpid */

	(void)arg;
	__asm__ volatile("int $0x80" : "+a"(nr) : : "memory", "r8", "r9", "r10", "r11");
	errno = (int)-nr;
	return nr > 0 ? 0 : -1;
}

static int act_x32(const char *const arg[])
{
	(void)arg;
	return syscall(0x40000000 | SYS_getpid) > 0 ? 0 : -1;
}
#endif

const struct act acts_kernel[] = {
	{"mount", act_mount},
	{"bind-mount", act_bind_mount},
	{"remount", act_remount},
	{"umount", act_umount},
	{"open-tree", act_open_tree},
	{"fsopen", act_fsopen},
	{"mount-setattr", act_mount_setattr},
	{"move-mount", act_move_mount},
	{"pivot-root", act_pivot_root},
	{"chroot", act_chroot},
	{"unshare", act_unshare},
	{"clone", act_clone},
	{"clone3", act_clone3},
	{"setns", act_setns},
	{"setns-own", act_setns_own},
	{"kexec", act_kexec},
	{"kexec-file", act_kexec_file},
	{"bpf", act_bpf},
	{"perf-event", act_perf_event},
	{"keyctl", act_keyctl},
	{"add-key", act_add_key},
	{"request-key", act_request_key},
	{"init-module", act_init_module},
	{"finit-module", act_finit_module},
	{"delete-module", act_delete_module},
	{"swapon", act_swapon},
	{"reboot", act_reboot},
	{"clock-settime", act_clock_settime},
	{"settimeofday", act_settimeofday},
	{"sethostname", act_sethostname},
	{"setdomainname", act_setdomainname},
	{"iopl", act_iopl},
	{"acct", act_acct},
	{"quotactl", act_quotactl},
	{"syslog", act_syslog},
	{"fanotify", act_fanotify},
	{"userfaultfd", act_userfaultfd},
	{"io-uring", act_io_uring},
	{"modify-ldt", act_modify_ldt},
	{"personality", act_personality},
	{"set-mm", act_set_mm},
	{"move-pages", act_move_pages},
	{"second-listener", act_second_listener},
	{"tiocsti", act_tiocsti},
	{"tiocsti-high", act_tiocsti_high},
	{"tioclinux", act_tioclinux},
#ifdef __x86_64__
	{"int80", act_int80},
	{"x32", act_x32},
#endif
	{0},
};
