/* SPDX-License-Identifier: Apache-2.0 */
/* Acts for the rootless observer, by number and from a static program: no library can see them. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in local(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static int acts(void)
{
	struct sockaddr_in to = local(9);
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "no-socket"};
	struct open_how how = {.flags = O_WRONLY | O_CREAT, .mode = 0644};
	int udp = socket(AF_INET, SOCK_DGRAM, 0), stream = socket(AF_UNIX, SOCK_STREAM, 0);
	int dir = open(".", O_RDONLY | O_DIRECTORY);
	char *argv[] = {(char *)"probe", (char *)"two words", NULL}, *none[] = {NULL};

	(void)syscall(SYS_connect, udp, &to, sizeof(to));
	(void)syscall(SYS_connect, stream, &un, sizeof(un));
	(void)syscall(SYS_sendto, udp, "x", 1L, 0, &to, sizeof(to));
	(void)syscall(SYS_openat, dir, "made", O_CREAT | O_RDWR, 0640);
	(void)syscall(SYS_openat, AT_FDCWD, "made", O_RDONLY);
	(void)syscall(SYS_openat2, dir, "made2", &how, sizeof(how));
	(void)syscall(SYS_renameat2, dir, "made", AT_FDCWD, "moved", 0);
	(void)syscall(SYS_mkdirat, dir, "sub", 0700);
	(void)syscall(SYS_unlinkat, AT_FDCWD, "sub", AT_REMOVEDIR);
	(void)syscall(SYS_execveat, dir, "missing", argv, none, 0);
	return 7;
}

/* @count connects; how many did not end as the kernel has it. */
static int connects(long count)
{
	struct sockaddr_in to = local(9);
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	long wrong = 0;

	for (long i = 0; i < count; i++)
		wrong += syscall(SYS_connect, s, &to, sizeof(to)) != 0;
	(void)printf("%ld\n", wrong);
	return wrong != 0;
}

static int execs(const char *self, long count)
{
	volatile long wrong = 0;
	int status;

	for (volatile long i = 0; i < count; i++) {
		pid_t pid = vfork();

		if (pid == 0) {
			(void)execl(self, self, "nothing", (char *)NULL);
			_exit(99);
		}
		wrong += waitpid(pid, &status, 0) != pid || status != 0;
	}
	(void)printf("%ld\n", wrong);
	return wrong != 0;
}

/* Connects for @ms, then says to @path how many there were and how many failed. */
static int on_and_on(long ms, const char *path)
{
	struct sockaddr_in to = local(9);
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	struct timespec now, end;
	long count = 0, wrong = 0;
	FILE *f;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ms / 1000;
	end.tv_nsec += ms % 1000 * 1000000;
	do {
		wrong += syscall(SYS_connect, s, &to, sizeof(to)) != 0;
		if (++count % 50 == 0)
			(void)nanosleep(&(struct timespec){0, 1000000}, NULL);
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec ||
		 (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
	f = fopen(path, "w");
	if (f)
		(void)fprintf(f, "%ld %ld\n", count, wrong);
	return f && fclose(f) == 0 ? 0 : 1;
}

static char text[32];
static _Atomic int stop;

static void *flip(void *arg)
{
	(void)arg;
	while (!stop) {
		((volatile char *)text)[0] = 'b';
		((volatile char *)text)[0] = 'a';
	}
	return NULL;
}

/* Another thread changes the path while the call is held. Says how often each file was removed. */
static int race(long rounds)
{
	long removed[2] = {0, 0};
	pthread_t thread;

	memcpy(text, "a-file", 7);
	if (pthread_create(&thread, NULL, flip, NULL) != 0)
		return 1;
	for (long i = 0; i < rounds; i++) {
		(void)close(open("./a-file", O_CREAT | O_WRONLY, 0600));
		(void)close(open("./b-file", O_CREAT | O_WRONLY, 0600));
		if (syscall(SYS_unlinkat, AT_FDCWD, text, 0) < 0)
			return 2;
		removed[0] += access("a-file", F_OK) < 0;
		removed[1] += access("b-file", F_OK) < 0;
	}
	stop = 1;
	(void)pthread_join(thread, NULL);
	(void)printf("%ld %ld\n", removed[0], removed[1]);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	long n = argc > 2 ? strtol(argv[2], NULL, 10) : 0;

	if (strcmp(what, "acts") == 0)
		return acts();
	if (strcmp(what, "connects") == 0)
		return connects(n);
	if (strcmp(what, "execs") == 0)
		return execs(argv[0], n);
	if (strcmp(what, "on") == 0 && argc > 3)
		return on_and_on(n, argv[3]);
	if (strcmp(what, "race") == 0)
		return race(n);
	if (strcmp(what, "euid") == 0)
		return printf("%d\n", (int)geteuid()) < 0;
	if (strcmp(what, "then") == 0 && argc > 2) /* become another program */
		return execv(argv[2], argv + 2);
	return strcmp(what, "nothing") != 0;
}
