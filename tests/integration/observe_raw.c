/* SPDX-License-Identifier: Apache-2.0 */
/* The same acts through libc and past it, in a program that loads the library: raw [THREADS] */
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"

#define ROUNDS 200

extern char **environ;

static struct sockaddr_in local(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

/* Ports: 9 by libc, 10 past it. */
static void *both(void *arg)
{
	struct sockaddr_in by_libc = local(9), past = local(10);
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		(void)connect(s, (struct sockaddr *)&by_libc, sizeof(by_libc));
		if (i % 10 == 0)
			(void)tt_sys3(SYS_connect, s, (long)&past, sizeof(past));
	}
	(void)close(s);
	return NULL;
}

int main(int argc, char **argv)
{
	char *words[] = {(char *)"true", NULL};
	pthread_t threads[8];
	int n = argc > 1 ? atoi(argv[1]) : 0;
	FILE *f = fopen("by-libc", "w");
	pid_t pid;

	for (int i = 0; i < n && i < 8; i++)
		(void)pthread_create(&threads[i], NULL, both, NULL);
	if (!n)
		(void)both(NULL);
	for (int i = 0; i < n && i < 8; i++)
		(void)pthread_join(threads[i], NULL);
	if (f)
		(void)fclose(f);
	(void)rename("by-libc", "renamed");
	(void)tt_sys3(SYS_unlinkat, AT_FDCWD, (long)"renamed", 0);
	(void)system("/bin/true");
	if (posix_spawnp(&pid, "true", NULL, NULL, words, environ) == 0)
		(void)waitpid(pid, NULL, 0);
	if (fork() == 0) {
		(void)execvp("true", words);
		_exit(1);
	}
	(void)wait(NULL);
	return 0;
}
