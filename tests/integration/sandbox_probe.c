/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tries what a sandbox should refuse, for sandbox_strict.py.
 *
 *	sandbox_probe ACT [ARGUMENT]
 *
 * Prints "ACT ok" or "ACT ERRNO-NAME", exit status 0; an unknown act exits with 2.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *argument = "";

static int act_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int act_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int act_pair_stream(void)
{
	int p[2];

	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p);
}

static int act_pair_dgram(void)
{
	int p[2];

	return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, p);
}

static int act_pair_inet(void)
{
	int p[2];

	return socketpair(AF_INET, SOCK_STREAM, 0, p);
}

static int gone(pid_t pid)
{
	if (pid == 0)
		_exit(0);
	return pid < 0 ? -1 : waitpid(pid, NULL, 0) < 0 ? -1 : 0;
}

static int act_fork(void)
{
	return gone(fork());
}

static int act_vfork(void)
{
	return gone(vfork());
}

static int act_clone3(void)
{
	struct {
		unsigned long long word[8];
	} args = {{0, 0, 0, 0, SIGCHLD}};

	return gone((pid_t)syscall(SYS_clone3, &args, sizeof(args)));
}

static void *idle(void *arg)
{
	return arg;
}

static int act_thread(void)
{
	pthread_t t;

	errno = pthread_create(&t, NULL, idle, NULL);
	return errno ? -1 : pthread_join(t, NULL);
}

static int act_write(void)
{
	int fd = open(argument, O_WRONLY | O_CREAT, 0600);

	return fd < 0 ? -1 : (int)write(fd, "x", 1);
}

static int act_open_rw(void)
{
	return open(argument, O_RDWR | O_NONBLOCK);
}

static int act_truncate(void)
{
	return truncate(argument, 0);
}

static int act_mount(void)
{
	return mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
}

static int act_remount(void)
{
	return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL);
}

static int act_umount(void)
{
	return umount2("/tmp", MNT_DETACH);
}

static int act_unshare(void)
{
	return unshare(CLONE_NEWUSER);
}

static int act_ptrace(void)
{
	return (int)ptrace(PTRACE_ATTACH, atoi(argument), NULL, NULL);
}

static int act_traceme(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int act_kill(void)
{
	return kill(atoi(argument), SIGKILL);
}

static int act_kill_group(void)
{
	return kill(0, 0);
}

static int act_nice_group(void)
{
	return setpriority(PRIO_PGRP, 0, 19);
}

static int act_tiocsti(void)
{
	char c = 'x';

	return ioctl(0, TIOCSTI, &c);
}

/* The kernel ignores the upper half of a request number; so must a filter. */
static int act_tiocsti_high(void)
{
	char c = 'x';

	return (int)syscall(SYS_ioctl, 0, TIOCSTI | 1UL << 32, &c);
}

static int act_persona_ask(void)
{
	return personality(0xffffffff);
}

static int act_persona_set(void)
{
	return personality(ADDR_NO_RANDOMIZE);
}

static int act_keyctl(void)
{
	return (int)syscall(SYS_keyctl, 0, -3, 1);
}

static int act_io_uring(void)
{
	char params[256] = "";

	return (int)syscall(SYS_io_uring_setup, 1, params);
}

static int act_int80(void)
{
#ifdef __x86_64__
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
	return r < 0 ? -1 : 0;
#else
	errno = ENOSYS;
	return -1;
#endif
}

static int act_x32(void)
{
#ifdef __x86_64__
	return (int)syscall(0x40000000L | SYS_getpid) < 0 ? -1 : 0;
#else
	errno = ENOSYS;
	return -1;
#endif
}

static int act_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	if (!d)
		return -1;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(d))
			printf("fd %s\n", e->d_name);
	return closedir(d);
}

static int act_ids(void)
{
	printf("ids %d %d %d %d\n", (int)getuid(), (int)geteuid(), (int)getgid(), (int)getegid());
	return 0;
}

/* What the command was started with: its signal mask and the signals it ignores. */
static int act_signals(void)
{
	struct sigaction sa;
	sigset_t mask;

	(void)sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int s = 1; s < 32; s++) {
		if (sigismember(&mask, s))
			printf("blocked %d\n", s);
		if (sigaction(s, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			printf("ignored %d\n", s);
	}
	return 0;
}

static int act_cwd(void)
{
	char buf[4096];

	if (!getcwd(buf, sizeof(buf)))
		return -1;
	printf("cwd %s umask %03o\n", buf, (unsigned int)umask(0));
	return 0;
}

static int act_io(void)
{
	int fd = open("/dev/zero", O_RDONLY), out = open("/dev/null", O_WRONLY);
	char c;

	for (int i = 0; i < 500; i++)
		if (read(fd, &c, 1) != 1 || write(out, &c, 1) != 1)
			return -1;
	return 0;
}

static int act_tty(void)
{
	const char *name = ttyname(0);

	if (!name)
		return -1;
	printf("tty %s\n", name);
	return open("/dev/tty", O_RDWR | O_NOCTTY);
}

static volatile sig_atomic_t seen;

static void note(int sig)
{
	seen = sig;
}

/* Says which signal came. */
static int act_await(void)
{
	struct sigaction sa = {.sa_handler = note};
	static const int sigs[] = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGINT, SIGQUIT, SIGWINCH};
	sigset_t block, old;

	(void)sigemptyset(&block);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		(void)sigaction(sigs[i], &sa, NULL);
		(void)sigaddset(&block, sigs[i]);
	}
	(void)sigprocmask(SIG_BLOCK, &block, &old);
	printf("await ready\n");
	(void)fflush(stdout);
	(void)alarm(20);
	while (!seen)
		(void)sigsuspend(&old);
	printf("await signal %d\n", (int)seen);
	return 0;
}

/* Reads a line, says it; exit status 7. */
static int act_line(void)
{
	char buf[100];

	(void)alarm(20);
	printf("line ready\n");
	(void)fflush(stdout);
	if (!fgets(buf, sizeof(buf), stdin))
		return -1;
	printf("line got %s", buf);
	(void)fflush(stdout);
	exit(7);
}

static const struct {
	const char *name;
	int (*fn)(void);
} acts[] = {
	{"inet", act_inet},
	{"unix", act_unix},
	{"pair-stream", act_pair_stream},
	{"pair-dgram", act_pair_dgram},
	{"pair-inet", act_pair_inet},
	{"fork", act_fork},
	{"vfork", act_vfork},
	{"clone3", act_clone3},
	{"thread", act_thread},
	{"write", act_write},
	{"open-rw", act_open_rw},
	{"truncate", act_truncate},
	{"mount", act_mount},
	{"remount", act_remount},
	{"umount", act_umount},
	{"unshare", act_unshare},
	{"ptrace", act_ptrace},
	{"traceme", act_traceme},
	{"kill", act_kill},
	{"kill-group", act_kill_group},
	{"nice-group", act_nice_group},
	{"tiocsti", act_tiocsti},
	{"tiocsti-high", act_tiocsti_high},
	{"persona-ask", act_persona_ask},
	{"persona-set", act_persona_set},
	{"keyctl", act_keyctl},
	{"io-uring", act_io_uring},
	{"int80", act_int80},
	{"x32", act_x32},
	{"fds", act_fds},
	{"ids", act_ids},
	{"signals", act_signals},
	{"cwd", act_cwd},
	{"io", act_io},
	{"tty", act_tty},
	{"await", act_await},
	{"line", act_line},
};

int main(int argc, char **argv)
{
	if (argc > 2)
		argument = argv[2];
	for (size_t i = 0; argc > 1 && i < sizeof(acts) / sizeof(acts[0]); i++) {
		int r;

		if (strcmp(argv[1], acts[i].name) != 0)
			continue;
		errno = 0;
		r = acts[i].fn();
		printf("%s %s\n", argv[1], r >= 0 ? "ok" : strerrorname_np(errno));
		return 0;
	}
	return 2;
}
