/* SPDX-License-Identifier: Apache-2.0 */
/* Acts on processes: looking into them, signals, too many of them, too much memory, too long. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "acts_probe.h"

static pid_t pid_of(const char *text)
{
	return (pid_t)strtol(text, NULL, 10);
}

static int act_trace_me(const char *const arg[])
{
	(void)arg;
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int act_seize(const char *const arg[])
{
	pid_t pid = pid_of(arg[0]);

	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		return -1;
	(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return 0;
}

/* A child of its own, or where none can be made its parent. */
static int act_seize_child(const char *const arg[])
{
	pid_t pid = fork();
	int r, err;

	(void)arg;
	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	r = (int)ptrace(PTRACE_SEIZE, pid > 0 ? pid : getppid(), NULL, NULL);
	err = errno;
	if (pid > 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	errno = err;
	return r;
}

static int act_vm_write(const char *const arg[])
{
	char c = 0;
	struct iovec own = {&c, 1}, far = {(void *)(uintptr_t)4096, 1};

	return (int)process_vm_writev(pid_of(arg[0]), &own, 1, &far, 1, 0) < 0 ? -1 : 0;
}

static int act_vm_read(const char *const arg[])
{
	char c = 0;
	struct iovec own = {&c, 1}, far = {(void *)(uintptr_t)4096, 1};

	return (int)process_vm_readv(pid_of(arg[0]), &own, 1, &far, 1, 0) < 0 ? -1 : 0;
}

static int act_kcmp(const char *const arg[])
{
	return (int)syscall(SYS_kcmp, getpid(), pid_of(arg[0]), 2, 0, 0) < 0 ? -1 : 0;
}

static int act_pidfd_getfd(const char *const arg[])
{
	int fd = (int)syscall(SYS_pidfd_open, pid_of(arg[0]), 0);

	return fd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, fd, 0, 0);
}

static int act_kill(const char *const arg[])
{
	return kill(pid_of(arg[0]), SIGURG);
}

/* As all that is left to say of one that can only be told by whom it reached. */
static int act_kill_all(const char *const arg[])
{
	(void)arg;
	return kill(-1, SIGURG);
}

static int act_kill_group(const char *const arg[])
{
	return kill(-pid_of(arg[0]), SIGURG);
}

static int act_tgkill(const char *const arg[])
{
	return (int)syscall(SYS_tgkill, pid_of(arg[0]), pid_of(arg[0]), SIGURG);
}

static int act_sigqueue(const char *const arg[])
{
	return sigqueue(pid_of(arg[0]), SIGURG, (union sigval){0});
}

static int act_pidfd_signal(const char *const arg[])
{
	int fd = (int)syscall(SYS_pidfd_open, pid_of(arg[0]), 0);

	return fd < 0 ? -1 : (int)syscall(SYS_pidfd_send_signal, fd, SIGURG, NULL, 0);
}

/* A pipe with something to read, whose owner is told. */
static int act_set_owner(const char *const arg[])
{
	int p[2];

	if (pipe(p) < 0 || fcntl(p[0], F_SETSIG, SIGURG) < 0 ||
	    fcntl(p[0], F_SETOWN, pid_of(arg[0])) < 0 || fcntl(p[0], F_SETFL, O_ASYNC) < 0)
		return -1;
	return write(p[1], "x", 1) == 1 ? 0 : -1;
}

static int act_group_owner(const char *const arg[])
{
	int p[2];

	if (pipe(p) < 0 || fcntl(p[0], F_SETSIG, SIGURG) < 0 ||
	    fcntl(p[0], F_SETOWN, -pid_of(arg[0])) < 0 || fcntl(p[0], F_SETFL, O_ASYNC) < 0)
		return -1;
	return write(p[1], "x", 1) == 1 ? 0 : -1;
}

/* Into a group that is somebody else's, to be sent what it is sent. */
static int act_join_group(const char *const arg[])
{
	return setpgid(0, pid_of(arg[0]));
}

static int act_nice_group(const char *const arg[])
{
	(void)arg;
	return setpriority(PRIO_PGRP, 0, 1);
}

static int act_set_limits(const char *const arg[])
{
	struct rlimit rl = {0, 0}, old;

	return (int)syscall(SYS_prlimit64, pid_of(arg[0]), RLIMIT_CORE, &rl, &old);
}

/* More children than there may be, all at once; at most @arg[0]. */
static int act_many_processes(const char *const arg[])
{
	long most = strtol(arg[0], NULL, 10), n = 0;
	pid_t first = 0, pid = 0;
	int err = 0, p[2];

	if (pipe(p) < 0)
		return -1;
	while (n < most && !err) {
		pid = fork();
		if (pid == 0) {
			char c;

			(void)close(p[1]);
			_exit(read(p[0], &c, 1) == 0 ? 0 : 1);
		}
		err = pid < 0 ? errno : 0;
		n += !err;
		first = first ? first : pid;
	}
	(void)close(p[1]);
	while (waitpid(-1, NULL, 0) > 0)
		;
	(void)fprintf(stderr, "children %ld\n", n);
	errno = err;
	return err ? -1 : 0;
}

/*
 * Each child makes children, in sessions of their own, until all together are @arg[0] or time is
 * up; then they stay. Done if there were that many.
 */
static int act_fork_bomb(const char *const arg[])
{
	long most = strtol(arg[0], NULL, 10);
	volatile long *made =
		mmap(NULL, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	time_t end = time(NULL) + 3;
	pid_t self = getpid();
	int err = 0;

	if (made == MAP_FAILED)
		return -1;
	while (time(NULL) < end && *made < most) {
		pid_t pid = fork();

		if (pid == 0) {
			(void)__atomic_add_fetch(made, 1, __ATOMIC_RELAXED);
			(void)setsid();
		} else if (pid < 0) {
			err = errno;
			(void)usleep(20000);
		}
	}
	if (getpid() != self) {
		(void)alarm(60);
		for (;;)
			(void)pause();
	}
	(void)fprintf(stderr, "children %ld\n", *made);
	errno = err ? err : EAGAIN;
	return *made < most ? -1 : 0;
}

/* @arg[0] MiB, touched. */
static int act_hog_memory(const char *const arg[])
{
	size_t bytes = (size_t)strtoul(arg[0], NULL, 10) << 20;
	volatile char *p =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -1;
	for (size_t i = 0; i < bytes; i += 4096)
		p[i] = 1;
	return 0;
}

/* @arg[0] seconds of CPU time. */
static int act_hog_cpu(const char *const arg[])
{
	struct timespec now;

	do
		(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	while (now.tv_sec < strtol(arg[0], NULL, 10));
	return 0;
}

static int act_sleep(const char *const arg[])
{
	struct timespec left = {strtol(arg[0], NULL, 10), 0};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
	return 0;
}

/* Whether a program that is set-user-id makes its caller somebody else. */
static int act_be_root(const char *const arg[])
{
	(void)arg;
	errno = EPERM;
	return geteuid() == 0 ? 0 : -1;
}

static int act_set_uid(const char *const arg[])
{
	return setresuid((uid_t)pid_of(arg[0]), (uid_t)pid_of(arg[0]), (uid_t)-1);
}

/* Stays until it is killed, telling each SIGURG on stdout. Bounded. */
static int act_canary(const char *const arg[])
{
	sigset_t set;
	int sig;

	(void)arg;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGURG);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)alarm(600);
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		return -1;
	for (;;)
		if (sigwait(&set, &sig) == 0 && write(STDOUT_FILENO, "signal\n", 7) != 7)
			return -1;
}

const struct act acts_processes[] = {
	{"trace-me", act_trace_me},
	{"seize", act_seize},
	{"seize-child", act_seize_child},
	{"vm-write", act_vm_write},
	{"vm-read", act_vm_read},
	{"kcmp", act_kcmp},
	{"pidfd-getfd", act_pidfd_getfd},
	{"kill", act_kill},
	{"kill-all", act_kill_all},
	{"kill-group", act_kill_group},
	{"tgkill", act_tgkill},
	{"sigqueue", act_sigqueue},
	{"pidfd-signal", act_pidfd_signal},
	{"set-owner", act_set_owner},
	{"group-owner", act_group_owner},
	{"join-group", act_join_group},
	{"nice-group", act_nice_group},
	{"set-limits", act_set_limits},
	{"many-processes", act_many_processes},
	{"fork-bomb", act_fork_bomb},
	{"hog-memory", act_hog_memory},
	{"hog-cpu", act_hog_cpu},
	{"sleep", act_sleep},
	{"be-root", act_be_root},
	{"set-uid", act_set_uid},
	{"canary", act_canary},
	{0},
};
