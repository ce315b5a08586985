/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes in numbers and in odd ways, one act per first argument. What must be seen is printed on
 * stdout, one line of JSON each. kernel_crowd.py compares.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BURST 100

static const char *folder;

static void touch(const char *name)
{
	char path[4096];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	if (fd < 0)
		err(1, "%s", path);
	dprintf(1, "{\"pid\": %d, \"path\": \"%s\"}\n", getpid(), path);
	(void)close(fd);
}

static pid_t make(void)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	return pid;
}

static void reap(int want)
{
	int status;

	if (wait(&status) < 0)
		err(1, "wait");
	if (status != want)
		errx(1, "status %d", status);
}

/* One after the other: fork, _exit, wait. */
static int forks(int n)
{
	for (int i = 0; i < n; i++) {
		if (make() == 0)
			_exit(i % 3);
		reap((i % 3) << 8);
	}
	return 0;
}

/* Many at once. */
static int bursts(int n)
{
	for (int i = 0; i < n; i += BURST) {
		for (int k = 0; k < BURST; k++)
			if (make() == 0)
				_exit(0);
		for (int k = 0; k < BURST; k++)
			reap(0);
	}
	return 0;
}

static __attribute__((__noinline__)) void run_true(void)
{
	pid_t pid = vfork();

	if (pid < 0)
		err(1, "vfork");
	if (pid == 0) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
}

/* vfork and exec of what ends at once */
static int execs(int n)
{
	for (int i = 0; i < n; i++) {
		run_true();
		reap(0);
	}
	return 0;
}

/* The parent takes no notice of its children. */
static int unreaped(int n)
{
	(void)signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < n; i++)
		if (make() == 0)
			_exit(0);
	while (wait(NULL) > 0 || errno != ECHILD)
		;
	return 0;
}

/* Away from its parent and its session, and at work there. */
static int daemonize(int n)
{
	int done[2];
	char byte;

	(void)n;
	if (pipe(done) < 0)
		err(1, "pipe");
	if (make() == 0) {
		if (setsid() < 0)
			err(1, "setsid");
		if (make() != 0)
			_exit(0);
		(void)close(done[0]);
		if (chdir("/") < 0)
			err(1, "chdir");
		touch("by-daemon");
		_exit(7);
	}
	reap(0);
	(void)close(done[1]);
	/* the daemon has the other end until it is over */
	return read(done[0], &byte, 1) == 0 ? 0 : 1;
}

static void *exec_self(void *arg)
{
	execl("/proc/self/exe", "crowd", "touch", folder, (char *)arg, NULL);
	err(1, "exec");
}

static void *idle(void *arg)
{
	for (;;)
		(void)pause();
	return arg;
}

/* Not the first thread execs: its tid becomes that of the process, the others are gone. */
static int thread_exec(int n)
{
	pthread_t t;

	(void)n;
	for (int i = 0; i < 3; i++)
		if (pthread_create(&t, NULL, idle, NULL))
			errx(1, "pthread_create");
	touch("before");
	if (pthread_create(&t, NULL, exec_self, (void *)"after"))
		errx(1, "pthread_create");
	(void)pthread_join(t, NULL);
	return 1;
}

/* A first thread that leaves; the process goes on without. */
static void *work_on(void *arg)
{
	(void)usleep(20000);
	touch(arg);
	exit(5);
}

static int leader_gone(int n)
{
	pthread_t t;

	(void)n;
	if (pthread_create(&t, NULL, work_on, (void *)"without-leader"))
		errx(1, "pthread_create");
	pthread_exit(NULL);
}

static void *work(void *arg)
{
	char name[64];

	for (int i = 0; i < 50; i++) {
		(void)snprintf(name, sizeof(name), "thread-%ld-%d", (long)arg, i);
		touch(name);
	}
	return NULL;
}

static int threads(int n)
{
	pthread_t t[64];

	for (long i = 0; i < n && i < 64; i++)
		if (pthread_create(&t[i], NULL, work, (void *)i))
			errx(1, "pthread_create");
	for (int i = 0; i < n && i < 64; i++)
		(void)pthread_join(t[i], NULL);
	return 0;
}

/* The next process gets the number @pid. */
static int steer(pid_t pid)
{
	int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
	int good = fd >= 0 && dprintf(fd, "%d", pid - 1) > 0;

	if (fd >= 0)
		(void)close(fd);
	return good;
}

/* The same number for one process after the other. 77: cannot be had here. */
static int reuse(int n)
{
	pid_t first = 0;

	for (int i = 0; i < n; i++) {
		char name[64];
		pid_t pid;

		if (first && !steer(first))
			return 77;
		pid = make();
		(void)snprintf(name, sizeof(name), "reuse-%d", i);
		if (pid == 0) {
			if (i % 2) {
				execl("/proc/self/exe", "crowd", "touch", folder, name, NULL);
				err(1, "exec");
			}
			touch(name);
			_exit(0);
		}
		reap(0);
		if (first && pid != first)
			return 77;
		first = pid;
	}
	return 0;
}

/* In namespaces of its own: the recorder's number of it is another than its own. */
static int namespaces(int n)
{
	(void)n;
	if (unshare(CLONE_NEWPID) < 0)
		return errno == EPERM ? 77 : 1;
	if (make() == 0) {
		if (getpid() != 1)
			_exit(1);
		touch("by-init");
		if (make() == 0) {
			touch("by-second");
			_exit(0);
		}
		reap(0);
		_exit(0);
	}
	reap(0);
	return 0;
}

/* Killed in the middle of its work. */
static int killed(int n)
{
	for (int i = 0; i < n; i++) {
		pid_t pid = make();

		if (pid == 0) {
			char name[64];

			(void)snprintf(name, sizeof(name), "killed-%d", i);
			touch(name);
			(void)raise(SIGKILL);
		}
		reap(SIGKILL);
	}
	return 0;
}

/* More than the sensor has room for while nobody takes it: it says when it may begin. */
static int opens(int n)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/none", folder);
	dprintf(1, "{\"pid\": %d}\n", getpid());
	(void)raise(SIGSTOP);
	for (int i = 0; i < n; i++)
		if (open(path, O_RDONLY) != -1)
			errx(1, "'%s' is there", path);
	return 0;
}

static const struct {
	const char *name;
	int (*act)(int n);
} acts[] = {
	{"forks", forks},
	{"bursts", bursts},
	{"execs", execs},
	{"unreaped", unreaped},
	{"daemonize", daemonize},
	{"thread-exec", thread_exec},
	{"leader-gone", leader_gone},
	{"threads", threads},
	{"reuse", reuse},
	{"namespaces", namespaces},
	{"killed", killed},
	{"opens", opens},
};

/* crowd ACT FOLDER [N] */
int main(int argc, char *argv[])
{
	if (argc < 3)
		errx(2, "no act");
	folder = argv[2];
	if (strcmp(argv[1], "touch") == 0 && argc == 4) {
		touch(argv[3]);
		return 0;
	}
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		if (strcmp(argv[1], acts[i].name) == 0)
			return acts[i].act(argc > 3 ? atoi(argv[3]) : 0);
	errx(2, "'%s': no such act", argv[1]);
}
