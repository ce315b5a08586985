/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn N LIBRARY|- COMMAND... - starts COMMAND N times, one after the other, and waits for each;
 * with LIBRARY in the children's LD_PRELOAD but not in our own. Prints microseconds per spawn on
 * stderr.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
	long n = argc >= 4 ? strtol(argv[1], NULL, 10) : 0;
	posix_spawn_file_actions_t quiet;
	double start;

	if (n <= 0)
		return 2;
	if (strcmp(argv[2], "-") != 0 && setenv("LD_PRELOAD", argv[2], 1) < 0)
		return 1;
	if (posix_spawn_file_actions_init(&quiet) != 0 ||
	    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) != 0)
		return 1;
	start = now_us();
	for (long i = 0; i < n; i++) {
		int status;
		pid_t pid;

		if (posix_spawnp(&pid, argv[3], &quiet, NULL, argv + 3, environ) != 0 ||
		    waitpid(pid, &status, 0) != pid || status != 0)
			return 1;
	}
	(void)fprintf(stderr, "%.1f\n", (now_us() - start) / (double)n);
	return 0;
}
