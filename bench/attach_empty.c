/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach_empty - attaches the program of empty.bpf.c, says "attached" on stdout, and takes it away
 * at the end of stdin.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "empty.skel.h"

int main(void)
{
	struct empty_bpf *skel = empty_bpf__open_and_load();
	char c;

	if (!skel || empty_bpf__attach(skel) < 0)
		return 1;
	if (puts("attached") < 0 || fflush(stdout) != 0)
		return 1;
	while (read(STDIN_FILENO, &c, 1) > 0)
		continue;
	empty_bpf__destroy(skel);
	return 0;
}
