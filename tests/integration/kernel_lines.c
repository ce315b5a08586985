/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acts for kernel_lines.py, by libc and past it. Words: "lib PATH", "raw PATH" (the instruction
 * itself), "number PATH" (syscall(2)), "calls N" (times), "vanish N" (children nobody reaps, each
 * burns CPU time), "spawn", "fork", "thread N PATH", "wait".
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long raw4(long nr, long a, long b, long c, long d)
{
	long ret;

#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
#else
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	ret = x0;
#endif
	return ret;
}

static void burn(unsigned ms)
{
	struct timespec now, end;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	end.tv_nsec += (long)ms * 1000000;
	do
		(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	while (now.tv_sec < end.tv_sec + end.tv_nsec / 1000000000 ||
	       now.tv_nsec < end.tv_nsec % 1000000000);
}

static void vanish(int n)
{
	(void)signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < n; i++)
		if (fork() == 0) {
			burn(30);
			_exit(0);
		}
	while (wait(NULL) > 0 || errno == EINTR)
		;
}

static const char *thread_path;
static int thread_count;

static void *open_many(void *arg)
{
	for (int i = 0; i < thread_count; i++)
		(void)close(open(thread_path, O_RDONLY | O_CLOEXEC));
	return arg;
}

static void threads(void)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		(void)pthread_create(&t[i], NULL, open_many, NULL);
	for (int i = 0; i < 4; i++)
		(void)pthread_join(t[i], NULL);
}

static void spawn(void)
{
	char name[] = "true";
	char *argv[] = {name, NULL};
	pid_t pid;

	if (posix_spawnp(&pid, "true", NULL, NULL, argv, environ) == 0)
		(void)waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i], *arg = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(word, "lib") == 0)
			(void)close(open(arg, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		else if (strcmp(word, "raw") == 0)
			(void)close(
				(int)raw4(SYS_openat, AT_FDCWD, (long)arg, O_RDWR | O_CREAT, 0600));
		else if (strcmp(word, "number") == 0)
			(void)close(
				(int)syscall(SYS_openat, AT_FDCWD, arg, O_RDWR | O_CREAT, 0600));
		else if (strcmp(word, "fail") == 0)
			(void)open(arg, O_RDONLY | O_CLOEXEC);
		else if (strcmp(word, "calls") == 0)
			for (int n = atoi(arg); n > 0; n--)
				(void)syscall(SYS_times, NULL);
		else if (strcmp(word, "vanish") == 0)
			vanish(atoi(arg));
		else if (strcmp(word, "thread") == 0)
			thread_count = atoi(arg);
		else if (strcmp(word, "on") == 0)
			thread_path = arg, threads();
		else if (strcmp(word, "spawn") == 0)
			spawn();
		else if (strcmp(word, "raw-exec") == 0)
			(void)raw4(SYS_execve, (long)arg, (long)(char *[]){argv[0], NULL},
				   (long)(char *[]){NULL}, 0);
		else
			continue;
		if (strcmp(word, "spawn") != 0)
			i++;
	}
	return 0;
}
