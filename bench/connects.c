/* SPDX-License-Identifier: Apache-2.0 */
/* connects N - N refused connects to 127.0.0.1; prints nanoseconds per connect on stderr. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	long n = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
	double start = now_ns();

	if (n <= 0 || inet_pton(AF_INET, "127.0.0.1", &to.sin_addr) != 1)
		return 2;
	for (long i = 0; i < n; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			return 1;
		(void)connect(fd, (const struct sockaddr *)&to,
			      sizeof(to)); /* refused, as nobody listens */
		(void)close(fd);
	}
	(void)fprintf(stderr, "%.1f\n", (now_ns() - start) / (double)n);
	return 0;
}
