/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A known number of system calls from every kind of process and thread, and programs that would
 * notice a tracer that meddles.
 *
 *	count_probe known N      prints how many getppid(2) it made in all, and its int 0x80 calls
 *	count_probe leaf N       makes N of them
 *	count_probe signals      queued signals with values, stops, interrupted calls: "fine"
 *	count_probe untraced     makes a child with CLONE_UNTRACED
 *	count_probe ptrace       prints the error of PTRACE_TRACEME, or "traced"
 *	count_probe shapes       sockets, ioctls and fcntls of known kinds
 *	count_probe many N       N different ioctl requests
 *	count_probe socket D T   exits with the error of socket(D, T, 0)
 *	count_probe forever      sleeps until it is killed
 *	count_probe setuid       prints real and effective uid
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 3

static const char *self;

static void make(long n)
{
	for (long i = 0; i < n; i++)
		(void)syscall(SYS_getppid);
}

static void *thread_main(void *arg)
{
	make(*(long *)arg);
	return NULL;
}

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	_exit(1);
}

static void join(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0,
	     "child");
}

static void exec_leaf(const char *n)
{
	execl(self, self, "leaf", n, NULL);
	_exit(1);
}

/* A thread that executes takes the number of its leader. */
static void *exec_main(void *arg)
{
	exec_leaf(arg);
	return NULL;
}

static long in_foreign_abi(long n)
{
#ifdef __x86_64__
	long r = 0;

	for (long i = 0; i < n; i++)
		__asm__ volatile("int $0x80"
				 : "=a"(r)
				 : "a"(20L)
				 : "memory", "r8", "r9", "r10", "r11");
	return r > 0 ? n : 0;
#else
	(void)n;
	return 0;
#endif
}

static int known(const char *text)
{
	volatile long total = 0; /* lives across vfork */
	long n = atol(text);
	pthread_t t[THREADS];
	pid_t pid;

	make(n);
	total = total + n;
	for (int i = 0; i < THREADS; i++)
		must(pthread_create(&t[i], NULL, thread_main, &n) == 0, "pthread_create");
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(t[i], NULL);
	total = total + THREADS * n;
	pid = fork(); /* a child with a child with a thread */
	if (pid == 0) {
		make(n);
		pid = fork();
		if (pid == 0) {
			must(pthread_create(&t[0], NULL, thread_main, &n) == 0, "pthread_create");
			(void)pthread_join(t[0], NULL);
			_exit(0);
		}
		join(pid);
		_exit(0);
	}
	join(pid);
	total = total + 2 * n;
	pid = vfork();
	if (pid == 0)
		exec_leaf(text);
	join(pid);
	total = total + n;
	pid = fork();
	if (pid == 0) {
		must(pthread_create(&t[0], NULL, exec_main, (void *)(uintptr_t)text) == 0,
		     "pthread_create");
		for (;;)
			pause();
	}
	join(pid);
	total = total + n;
	printf("%ld %ld\n", total, in_foreign_abi(n));
	return 0;
}

static volatile sig_atomic_t got, wrong;

static void on_usr1(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)context;
	wrong |= si->si_code != SI_QUEUE || si->si_value.sival_int != got || si->si_pid != getpid();
	got++;
}

static void on_alarm(int sig)
{
	(void)sig;
}

static int is_stopped(pid_t pid)
{
	char text[256] = "";
	const char *p;
	FILE *f;

	(void)snprintf(text, sizeof(text), "/proc/%d/stat", (int)pid);
	f = fopen(text, "r");
	must(f && fgets(text, sizeof(text), f), text);
	(void)fclose(f);
	p = strrchr(text, ')');
	return p && (p[2] == 'T' || p[2] == 't');
}

/* Each value once, in order, with its siginfo; an interrupted sleep; stops seen from outside. */
static int signals(void)
{
	struct sigaction sa = {.sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO};
	struct sigaction alarmed = {.sa_handler = on_alarm}; /* no SA_RESTART */
	struct timespec nap = {5, 0};
	int status, gate[2];
	pid_t pid;
	char go;

	must(pipe(gate) == 0, "pipe");
	must(sigaction(SIGRTMIN, &sa, NULL) == 0, "sigaction");
	for (int i = 0; i < 500; i++)
		must(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i}) == 0, "sigqueue");
	must(got == 500 && !wrong, "queued signals");
	pid = fork();
	if (pid == 0) {
		(void)usleep(50000);
		_exit(kill(getppid(), SIGALRM));
	}
	must(sigaction(SIGALRM, &alarmed, NULL) == 0, "sigaction");
	must(nanosleep(&nap, NULL) < 0 && errno == EINTR, "nanosleep");
	join(pid);
	pid = fork();
	if (pid == 0) {
		(void)raise(SIGSTOP);
		(void)!read(gate[0], &go, 1); /* not before the parent has seen it go on */
		_exit(7);
	}
	must(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) &&
		     WSTOPSIG(status) == SIGSTOP,
	     "WUNTRACED");
	must(waitpid(pid, &status, WNOHANG | WUNTRACED) == 0, "one stop, told once");
	(void)usleep(50000);
	must(is_stopped(pid), "still stopped");
	must(kill(pid, SIGCONT) == 0, "SIGCONT");
	must(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status), "WCONTINUED");
	must(write(gate[1], "", 1) == 1, "write");
	must(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7, "the end");
	pid = fork();
	if (pid == 0) {
		(void)signal(SIGSEGV, SIG_DFL);
		(void)raise(SIGSEGV);
	}
	must(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV,
	     "killed");
	puts("fine");
	return 0;
}

static int untraced(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0) {
		make(100);
		_exit(0);
	}
	join(pid);
	return 0;
}

static void shapes(void)
{
	int pair[2];

	for (int i = 0; i < 3; i++)
		(void)close(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	for (int i = 0; i < 2; i++)
		(void)close(socket(AF_UNIX, SOCK_DGRAM, 0));
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
	for (int i = 0; i < 5; i++)
		(void)fcntl(pair[0], F_GETPIPE_SZ);
}

static void many(long n)
{
	for (long i = 0; i < n; i++)
		(void)syscall(SYS_ioctl, 99, 0x77770000 + i, 0);
}

int main(int argc, char **argv)
{
	const char *act = argc > 1 ? argv[1] : "", *n = argc > 2 ? argv[2] : "1";

	self = argv[0];
	if (strcmp(act, "known") == 0)
		return known(n);
	if (strcmp(act, "leaf") == 0)
		make(atol(n));
	else if (strcmp(act, "signals") == 0)
		return signals();
	else if (strcmp(act, "untraced") == 0)
		return untraced();
	else if (strcmp(act, "ptrace") == 0)
		puts(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ? strerror(errno) : "traced");
	else if (strcmp(act, "shapes") == 0)
		shapes();
	else if (strcmp(act, "many") == 0)
		many(atol(n));
	else if (strcmp(act, "socket") == 0)
		return socket(atoi(n), argc > 3 ? atoi(argv[3]) : SOCK_STREAM, 0) < 0 ? errno : 0;
	else if (strcmp(act, "forever") == 0)
		for (;;)
			(void)usleep(10000);
	else if (strcmp(act, "setuid") == 0)
		printf("%d %d\n", (int)getuid(), (int)geteuid());
	else
		return 2;
	return 0;
}
