/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a command that is refused one system call, it and all below it.
 *
 *	sandbox_refuse CALL[:ARGUMENT=VALUE] ERRNO -- CMD...
 *
 * Exit status 99 if that cannot be arranged.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	unsigned int arg;
	unsigned long long value;
	char *colon;
	int err, nr, r;

	if (argc < 5 || strcmp(argv[3], "--") != 0 || !ctx)
		return 99;
	err = atoi(argv[2]);
	colon = strchr(argv[1], ':');
	if (colon)
		*colon = '\0';
	nr = seccomp_syscall_resolve_name(argv[1]);
	if (nr == __NR_SCMP_ERROR)
		return 99;
	/* a root that lacks nothing keeps the rights that are being tested */
	if (geteuid() == 0)
		(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	if (!colon)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(err), nr, 0);
	else if (sscanf(colon + 1, "%u=%lli", &arg, (long long *)&value) == 2)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(err), nr, 1,
				     SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, 0xffffffff, value));
	else
		return 99;
	if (r < 0 || seccomp_load(ctx) < 0)
		return 99;
	(void)execvp(argv[4], argv + 4);
	return 99;
}
