/* SPDX-License-Identifier: Apache-2.0 */
/*
 * short N - makes N processes, one after the other, that end at once, and waits for each. Prints
 * how many of them lived for less than a millisecond, and microseconds per process, on stderr.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
	long n = argc == 2 ? strtol(argv[1], NULL, 10) : 0, brief = 0;
	double start = now_us();

	if (n <= 0)
		return 2;
	for (long i = 0; i < n; i++) {
		double born = now_us();
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			return 1;
		/* from before its birth to after its end: no less than it lived */
		brief += now_us() - born < 1000;
	}
	(void)fprintf(stderr, "%ld %.1f\n", brief, (now_us() - start) / (double)n);
	return 0;
}
