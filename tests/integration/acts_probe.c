/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tries what a sandbox should refuse, for acts.py.
 *
 *	acts_probe NAME[=ARGUMENT,...]...
 *
 * One line per act, "NAME ok", "NAME ERRNO", as soon as it is known. Each act does no harm where
 * nothing refuses it: it works on what it is given, signals with SIGURG, which nobody minds, and
 * asks the kernel for nonsense where sense would hurt.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "acts_probe.h"

#define LINE_MAX_BYTES 8192

static const struct act *find(const char *name)
{
	const struct act *const tables[] = {acts_files, acts_kernel, acts_processes, acts_sockets};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct act *a = tables[i]; a->name; a++)
			if (strcmp(a->name, name) == 0)
				return a;
	return NULL;
}

static int try(const char *text)
{
	char line[LINE_MAX_BYTES], said[128], *next = line;
	const char *arg[ACT_ARGS] = {"", "", "", ""};
	const struct act *act;
	int r;

	if (strlen(text) >= sizeof(line))
		return 2;
	strcpy(line, text);
	strsep(&next, "=");
	for (size_t i = 0; next && i < ACT_ARGS; i++)
		arg[i] = strsep(&next, ",");
	act = find(line);
	if (!act) {
		(void)fprintf(stderr, "acts_probe: no act '%s'\n", line);
		return 2;
	}
	errno = 0;
	r = act->attempt(arg);
	(void)snprintf(said, sizeof(said), "%s %s\n", line, r < 0 ? strerrorname_np(errno) : "ok");
	return write(STDOUT_FILENO, said, strlen(said)) < 0 ? 2 : 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (try(argv[i]) != 0)
			return 2;
	return 0;
}
