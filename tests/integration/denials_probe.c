/* SPDX-License-Identifier: Apache-2.0 */
/*
 * denials_probe CASE [N] - makes calls that the profile of denials.py refuses, in known numbers and
 * places. What it prints are its own pids and tids, one line for each place: "PLACE PID TID".
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void place(const char *name)
{
	char line[80];
	int n = snprintf(line, sizeof(line), "%s %d %d\n", name, (int)getpid(), (int)gettid());

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		_exit(1);
}

/* The mount that is denied with EACCES. */
static void denied(int times)
{
	for (int i = 0; i < times; i++)
		if (syscall(SYS_mount, 0, "/srv/there", 0, 0UL, 0) != -1 || errno != EACCES)
			_exit(90);
}

static void attack(void)
{
	(void)ptrace(PTRACE_ATTACH, 1, NULL, NULL);
}

static int wait_child(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, 0) != pid)
		_exit(91);
	return status;
}

static void *of_thread(void *arg)
{
	place("thread");
	denied(11);
	return arg;
}

static int counts(void)
{
	pthread_t threads[2];
	pid_t pid;

	place("parent");
	denied(5);
	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, of_thread, NULL) != 0)
			return 1;
	for (int i = 0; i < 2; i++)
		(void)pthread_join(threads[i], NULL);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_NAME, "kid");
		place("child");
		denied(7);
		pid = fork();
		if (pid == 0) {
			(void)prctl(PR_SET_NAME, "grandkid");
			place("grandchild");
			denied(13);
			_exit(0);
		}
		_exit(wait_child(pid));
	}
	return wait_child(pid);
}

static int quiet(void)
{
	for (int i = 0; i < 9; i++)
		if (socket(AF_UNIX, SOCK_STREAM, 0) != -1 || errno != EXDEV)
			return 1;
	return 0;
}

/* What is logged takes place. */
static int logged(void)
{
	if (setpriority(PRIO_PROCESS, 0, 19) != 0)
		return 1;
	for (int i = 0; i < 4; i++)
		if (getpriority(PRIO_PROCESS, 0) != 19)
			return 2;
	return 0;
}

static void *attack_of_thread(void *arg)
{
	attack();
	return arg;
}

static int kill_thread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, attack_of_thread, NULL) == 0)
		(void)pthread_join(t, NULL);
	return 0;
}

static int kill_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		attack();
		_exit(0);
	}
	printf("signal %d\n", WTERMSIG(wait_child(pid)));
	return 3;
}

static int flood(int times)
{
	for (int i = 0; i < times; i++)
		(void)syscall(SYS_mount, 0, 0, 0, 0UL, 0);
	return 0;
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* Signals come while calls are held: each call counts once all the same. */
static int storm(int times)
{
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct itimerval it = {{0, 200}, {0, 200}};

	(void)sigaction(SIGALRM, &sa, NULL);
	(void)setitimer(ITIMER_REAL, &it, NULL);
	for (int i = 0; i < times; i++)
		if (syscall(SYS_mount, 0, 0, 0, 0UL, 0) != -1 || errno != EACCES)
			return 1;
	return 0;
}

/* Processes that are killed while they call, some of them while a call is held. */
static int die(int times)
{
	for (int i = 0; i < times; i++) {
		pid_t pid = fork();

		if (pid == 0)
			for (;;)
				(void)syscall(SYS_mount, 0, 0, 0, 0UL, 0);
		(void)nanosleep(&(struct timespec){0, 100000 + i * 1000}, NULL);
		(void)kill(pid, SIGKILL);
		if (WTERMSIG(wait_child(pid)) != SIGKILL)
			return 1;
	}
	denied(1);
	return 0;
}

/* Says what the calls come to, for ever. */
static int survive(void)
{
	char line[32];
	int n;

	for (;;) {
		long r = syscall(SYS_mount, 0, 0, 0, 0UL, 0);

		n = snprintf(line, sizeof(line), "%ld %d\n", r, errno);
		if (write(STDOUT_FILENO, line, (size_t)n) != n)
			return 1;
	}
}

static int arguments(void)
{
	(void)syscall(SYS_mount, "none", "/srv/\xff", "tmpfs", 3UL, NULL);
	(void)socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 17);
	(void)syscall(SYS_openat, AT_FDCWD, "/etc/forbidden?token=sesame", O_RDWR | O_EXCL, 0);
	(void)syscall(SYS_setns, 9, 0x20000);
	(void)syscall(SYS_chroot, NULL);
	(void)syscall(SYS_chroot, 1UL << 40);
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 1;

	if (strcmp(name, "first") == 0)
		return syscall(SYS_mount, 0, 0, 0, 0UL, 0) == -1 && errno == EACCES ? 0 : 1;
	if (strcmp(name, "counts") == 0)
		return counts();
	if (strcmp(name, "quiet") == 0)
		return quiet();
	if (strcmp(name, "logged") == 0)
		return logged();
	if (strcmp(name, "kill") == 0)
		attack();
	else if (strcmp(name, "kill-thread") == 0)
		return kill_thread();
	else if (strcmp(name, "kill-child") == 0)
		return kill_child();
	else if (strcmp(name, "flood") == 0)
		return flood(n);
	else if (strcmp(name, "storm") == 0)
		return storm(n);
	else if (strcmp(name, "die") == 0)
		return die(n);
	else if (strcmp(name, "survive") == 0)
		return survive();
	else if (strcmp(name, "arguments") == 0)
		return arguments();
	else
		return 99;
	return 0;
}
