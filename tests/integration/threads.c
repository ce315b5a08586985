/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workloads that are hard on a recorder inside the process; threads.py counts what came out. Each
 * prints one line on stdout, "made N" or "good"; what went wrong goes to stderr, with status 3.
 */
#undef _FILE_OFFSET_BITS

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"

#define FD_HIGH 4096 /* no fd of ours or the library's is above */

extern char **environ;

static char *self;
static int per_thread;
static volatile sig_atomic_t alarms, stop;
static long forked_opens;

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "threads: %s: %s\n", what, strerror(errno));
	_exit(3);
}

static void open_once(const char *name, int flags)
{
	int fd = open(name, flags, 0600);

	must(fd >= 0, name);
	close(fd);
}

static void *open_many(void *arg)
{
	char name[32];

	snprintf(name, sizeof(name), "t%ld", (long)arg);
	open_once(name, O_WRONLY | O_CREAT);
	for (int i = 1; i < per_thread; i++)
		open_once(name, O_RDONLY);
	return NULL;
}

/* open THREADS OPENS */
static void do_open(int argc, char **argv)
{
	static pthread_t threads[1024];
	int n;

	must(argc == 4, "arguments");
	n = atoi(argv[2]);
	per_thread = atoi(argv[3]);
	for (long i = 0; i < n; i++)
		must(pthread_create(&threads[i], NULL, open_many, (void *)i) == 0,
		     "pthread_create");
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	printf("made %ld\n", (long)n * per_thread);
}

/* long CALLS LETTER: the path is too long for any kernel, so the call fails and its line is long */
static void do_long(int argc, char **argv)
{
	static char path[9001];

	must(argc == 4, "arguments");
	memset(path, argv[3][0], sizeof(path) - 1);
	path[0] = '/';
	for (int i = 0; i < atoi(argv[2]); i++) {
		errno = 0;
		must(open(path, O_RDONLY) == -1 && errno == ENAMETOOLONG, "a long path");
	}
	printf("made %d\n", atoi(argv[2]));
}

static void *open_until_stopped(void *arg)
{
	(void)arg;
	while (!stop) {
		open_once("busy", O_RDONLY);
		__atomic_fetch_add(&forked_opens, 1, __ATOMIC_RELAXED);
		usleep(20);
	}
	return NULL;
}

/* fork CHILDREN: while four threads record, one forks, and each child records too */
static void do_fork(int argc, char **argv)
{
	pthread_t threads[4];
	int status, n;

	must(argc == 3, "arguments");
	n = atoi(argv[2]);
	open_once("busy", O_WRONLY | O_CREAT);
	for (int i = 0; i < 4; i++)
		must(pthread_create(&threads[i], NULL, open_until_stopped, NULL) == 0,
		     "pthread_create");
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		must(pid >= 0, "fork");
		if (pid == 0) {
			alarm(20); /* a deadlock ends in a signal */
			for (int k = 0; k < 5; k++)
				open_once("busy", O_RDWR);
			_exit(7);
		}
		must(waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
			     WEXITSTATUS(status) == 7,
		     "child");
	}
	stop = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	printf("made %ld\n", forked_opens + 1 + 5L * n);
}

static void on_alarm(int sig)
{
	int saved = errno;

	(void)sig;
	open_once("handler", O_RDONLY);
	alarms++;
	errno = saved;
}

/* storm OPENS: SIGALRM interrupts hooks at all places */
static void do_storm(int argc, char **argv)
{
	struct itimerval every = {{0, 150}, {0, 150}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	int n;

	must(argc == 3, "arguments");
	n = atoi(argv[2]);
	open_once("handler", O_WRONLY | O_CREAT);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (int i = 0; i < n; i++) {
		errno = 0;
		must(open("none", O_RDONLY) == -1 && errno == ENOENT, "errno under signals");
	}
	setitimer(ITIMER_REAL, &never, NULL);
	printf("made %ld\n", 1L + n + alarms);
	fprintf(stderr, "alarms %d\n", (int)alarms);
}

/* What /proc/self/maps says, read past the library. */
static size_t maps(char *buf, size_t cap)
{
	long fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC), n;
	size_t at = 0;

	while ((n = syscall(SYS_read, fd, buf + at, cap - at - 1)) > 0)
		at += (size_t)n;
	syscall(SYS_close, fd);
	buf[at] = '\0';
	return at;
}

static void vfork_once(char *const *env, bool large)
{
	char *argv[] = {self, (char *)"noop", NULL};
	pid_t pid = vfork();
	int status;

	if (pid == 0) {
		if (large)
			execve("./none", argv, env);
		execve(self, argv, env);
		_exit(9);
	}
	must(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "child of vfork");
}

/* vfork: environ, heap, mappings and stack are as before, for small and vast environments */
static void do_vfork(int argc, char **argv)
{
	static char before[1 << 16], after[1 << 16];
	static char *env[400];
	volatile char canary[256];
	struct mallinfo2 heap;
	char **strings = environ;

	(void)argc;
	(void)argv;
	for (int i = 0; i < 399; i++) {
		env[i] = malloc(64);
		snprintf(env[i], 64, "VARIABLE_%d=%050d", i, i);
	}
	vfork_once(environ, false); /* first use looks functions up */
	vfork_once(env, true);
	memset((void *)canary, '#', sizeof(canary));
	heap = mallinfo2();
	maps(before, sizeof(before));
	for (int i = 0; i < 50; i++) {
		vfork_once(environ, false);
		vfork_once(env, true);
	}
	maps(after, sizeof(after));
	must(strcmp(before, after) == 0, "mappings changed");
	must(mallinfo2().uordblks == heap.uordblks, "heap changed");
	must(environ == strings, "environ moved");
	for (int i = 0; i < 399; i++) {
		char text[64];

		snprintf(text, sizeof(text), "VARIABLE_%d=%050d", i, i);
		must(strcmp(env[i], text) == 0, "an environment string changed");
	}
	for (size_t i = 0; i < sizeof(canary); i++)
		must(canary[i] == '#', "stack changed");
	printf("good\n");
}

/* chain STEPS: exec again and again; the environment's size for the kernel, first and last */
static void do_chain(int argc, char **argv)
{
	static char text[1 << 20];
	char left[16];
	size_t len, names = 0;
	FILE *f;

	must(argc >= 3, "arguments");
	if (argc == 3 || atoi(argv[2]) == 0) {
		f = fopen("/proc/self/environ", "r");
		len = fread(text, 1, sizeof(text), f);
		fclose(f);
		for (char **e = environ; *e; e++)
			names++;
		printf("%zu bytes, %zu names\n", len, names);
		fflush(stdout);
		if (argc == 4)
			return;
	}
	snprintf(left, sizeof(left), "%d", atoi(argv[2]) - 1);
	execl(self, self, "chain", left, "more", NULL);
	must(false, "execl");
}

/* closed REPORT: started without 0, 1 and 2, which go to the first three files opened */
static void do_closed(int argc, char **argv)
{
	int a = open("a", O_WRONLY | O_CREAT, 0600), b = open("b", O_WRONLY | O_CREAT, 0600);
	int c = open("c", O_WRONLY | O_CREAT, 0600), d = open(argv[2], O_WRONLY | O_CREAT, 0600);

	must(argc == 3, "arguments");
	system("exit 0");
	dprintf(d, "%d %d %d %d\n", a, b, c, d);
}

static void *spawn_many(void *arg)
{
	char *argv[] = {self, (char *)"one", NULL};
	int status;
	pid_t pid;

	for (int i = 0; i < per_thread; i++) {
		if (((long)arg + i) % 5 == 0) {
			must(system("exit 4") == 4 << 8, "system");
			continue;
		}
		if (((long)arg + i) % 5 == 1) {
			FILE *f = popen("exit 4", "r");

			must(f && pclose(f) == 4 << 8, "popen");
			continue;
		}
		must(posix_spawn(&pid, self, NULL, NULL, argv, environ) == 0, "posix_spawn");
		must(waitpid(pid, &status, 0) == pid && status == 0, "spawned child");
	}
	return NULL;
}

/* spawn THREADS EACH: threads start programs at the same time */
static void do_spawn(int argc, char **argv)
{
	pthread_t threads[64];
	char **strings;
	int n;

	must(argc == 4, "arguments");
	n = atoi(argv[2]);
	per_thread = atoi(argv[3]);
	strings = environ;
	open_once("f", O_WRONLY | O_CREAT);
	for (long i = 0; i < n; i++)
		must(pthread_create(&threads[i], NULL, spawn_many, (void *)i) == 0,
		     "pthread_create");
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	must(environ == strings, "environ is not the program's own");
	printf("made %d\n", n * per_thread);
}

static void *exec_self(void *arg)
{
	char *argv[] = {self, (char *)"one", NULL};

	(void)arg;
	execv(self, argv);
	return NULL;
}

/* churn THREADS: more threads than there can be lanes, each records and ends; the last one execs */
static void do_churn(int argc, char **argv)
{
	pthread_t thread;

	must(argc == 3, "arguments");
	open_once("f", O_WRONLY | O_CREAT);
	per_thread = 1;
	for (int i = 0; i < atoi(argv[2]); i++) {
		must(pthread_create(&thread, NULL, open_many, NULL) == 0, "pthread_create");
		pthread_join(thread, NULL);
	}
	printf("made %d\n", 1 + atoi(argv[2]) + 1);
	fflush(stdout);
	must(pthread_create(&thread, NULL, exec_self, NULL) == 0, "pthread_create");
	pthread_join(thread, NULL);
}

static void child_and_opens(void)
{
	char *argv[] = {self, (char *)"one", NULL};
	pid_t pid;
	int status;

	open_once("f", O_RDONLY);
	pid = fork();
	if (pid == 0) {
		execv(self, argv);
		_exit(9);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0, "child");
}

/* close HOW: as programs do that want no fds they do not know */
static void do_close(int argc, char **argv)
{
	int fd;

	must(argc == 3, "arguments");
	open_once("f", O_WRONLY | O_CREAT);
	if (strcmp(argv[2], "closefrom") == 0) {
		closefrom(3);
	} else if (strcmp(argv[2], "close_range") == 0) {
		must(close_range(3, ~0u, 0) == 0, "close_range");
	} else if (strcmp(argv[2], "loop") == 0) {
		for (fd = 3; fd < FD_HIGH; fd++) {
			errno = 0;
			must(close(fd) == -1 && errno == EBADF,
			     "close of an fd that was never opened");
		}
	} else {
		/* past libc: no library can stand in the way */
		syscall(SYS_close_range, 3, ~0u, 0);
	}
	fd = open("f", O_RDONLY);
	must(fd == 3, "the first free fd is 3");
	close(fd);
	fd = open("f", O_RDONLY);
	must(fd == 3, "and again");
	close(fd);
	child_and_opens();
	child_and_opens();
	/* 1 + 2 here, then per child: open and, in the child's new image, one more */
	printf("made %d\n", 3 + 2 * 2);
}

/* The child has an fd table of its own, but the library's state is its parent's. */
static void take_in_vfork(int mine, int fd)
{
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		open("f", O_RDONLY);
		dup2(mine, fd);
		open("f", O_RDONLY);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0, "child of vfork");
}

/* take HOW: a file of our own goes where the library's fd is; no byte of a trace may reach it */
static void do_take(int argc, char **argv)
{
	struct stat st;
	int mine, taken = 0;

	must(argc == 3, "arguments");
	open_once("f", O_WRONLY | O_CREAT);
	mine = open("mine", O_RDWR | O_CREAT, 0600);
	must(mine == 3, "open mine");
	for (int fd = 4; fd < FD_HIGH; fd++) {
		/* past the library, which says that the number is free */
		if (tt_sys3(SYS_fcntl, fd, F_GETFD, 0) < 0)
			continue;
		taken++;
		if (strcmp(argv[2], "vfork") == 0)
			take_in_vfork(mine, fd);
		else if (strcmp(argv[2], "dup2") == 0)
			must(dup2(mine, fd) == fd, "dup2");
		else if (strcmp(argv[2], "dup3") == 0)
			must(dup3(mine, fd, O_CLOEXEC) == fd, "dup3");
		else
			must(syscall(SYS_dup3, mine, fd, 0) == fd, "raw dup3");
		if (taken == 1)
			break; /* it moves up: one is enough */
	}
	must(taken > 0, "found no fd of the library");
	child_and_opens();
	must(fstat(mine, &st) == 0 && st.st_size == 0, "the file was written to");
	printf("made %d\n", strcmp(argv[2], "vfork") == 0 ? 6 : 4);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(int argc, char **argv);
	} works[] = {
		{"open", do_open},   {"long", do_long},   {"fork", do_fork},
		{"storm", do_storm}, {"vfork", do_vfork}, {"chain", do_chain},
		{"close", do_close}, {"take", do_take},   {"closed", do_closed},
		{"spawn", do_spawn}, {"churn", do_churn},
	};
	static char path[4096];

	self = path;
	if (argc < 2 || readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
		return 2;
	if (strcmp(argv[1], "noop") == 0)
		return 0;
	if (strcmp(argv[1], "one") == 0) {
		open_once("f", O_RDONLY);
		return 0;
	}
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
		if (strcmp(argv[1], works[i].name) != 0)
			continue;
		works[i].run(argc, argv);
		return 0;
	}
	return 2;
}
