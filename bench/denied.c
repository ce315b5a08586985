/* SPDX-License-Identifier: Apache-2.0 */
/*
 * denied N [errno] - makes N calls of socket(2); prints the nanoseconds of one on stderr. With
 * "errno" it first loads a filter that refuses them by itself: what the kernel alone takes.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void load_filter(void)
{
	struct sock_filter insns[] = {
		{0x20, 0, 0, offsetof(struct seccomp_data, nr)},
		{0x15, 0, 1, SYS_socket},
		{0x06, 0, 0, SECCOMP_RET_ERRNO | EPERM},
		{0x06, 0, 0, SECCOMP_RET_ALLOW},
	};
	struct sock_fprog prog = {4, insns};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		exit(1);
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 0;
	struct timespec a, b;

	if (n < 1)
		return 2;
	if (argc > 2)
		load_filter();
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	for (long i = 0; i < n; i++) {
		long fd = syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);

		if (fd >= 0)
			(void)close((int)fd);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	(void)fprintf(stderr, "%.1f\n",
		      ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) /
			      (double)n);
	return 0;
}
