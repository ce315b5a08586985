/* SPDX-License-Identifier: Apache-2.0 */
/*
 * observed WHAT N - makes N calls and prints the nanoseconds of one on stderr. WHAT: "connect"
 * (UDP, on loopback), "exec" (of a file that is not there: the call alone), "spawn" (vfork, exec of
 * this very program, wait), "open" (and close, of a file), "other" (a call that nobody watches).
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in to = {.sin_family = AF_INET};
static int sock;
static const char *self;

static void one(const char *what)
{
	char *argv[] = {(char *)self, NULL};

	if (strcmp(what, "connect") == 0) {
		(void)!connect(sock, (struct sockaddr *)&to, sizeof(to));
	} else if (strcmp(what, "open") == 0) {
		(void)close(open("/etc/hostname", O_RDONLY));
	} else if (strcmp(what, "exec") == 0) {
		(void)execv("/nonexistent", argv);
	} else if (strcmp(what, "spawn") == 0) {
		if (vfork() == 0) {
			(void)execv(self, argv);
			_exit(1);
		}
		(void)wait(NULL);
	} else {
		(void)syscall(SYS_getppid);
	}
}

int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 0;
	struct timespec a, b;

	if (argc == 1)
		return 0; /* what "spawn" starts */
	if (n < 1)
		return 2;
	self = argv[0];
	to.sin_port = htons(9);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	for (long i = 0; i < n; i++)
		one(argv[1]);
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	(void)fprintf(stderr, "%.1f\n",
		      ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) /
			      (double)n);
	return 0;
}
