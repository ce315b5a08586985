/* SPDX-License-Identifier: Apache-2.0 */
/* open_close FILE N - opens and closes FILE N times; prints nanoseconds per pair on stderr. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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
	long n = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
	double start;

	if (n <= 0)
		return 2;
	start = now_ns();
	for (long i = 0; i < n; i++) {
		int fd = open(argv[1], O_RDONLY | O_CLOEXEC);

		if (fd < 0 || close(fd) < 0)
			return 1;
	}
	(void)fprintf(stderr, "%.1f\n", (now_ns() - start) / (double)n);
	return 0;
}
