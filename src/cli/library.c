/* SPDX-License-Identifier: Apache-2.0 */
/* No search path and no variable: what is preloaded into every process must be our own file. */
#include "cli/library.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int try(char **ret, const char *path)
{
	char *real = realpath(path, NULL);

	if (!real)
		return -errno;
	if (access(real, R_OK) < 0) {
		free(real);
		return -errno;
	}
	*ret = real;
	return 0;
}

int cli_library_find(char **ret, const char *name, struct tt_err *err)
{
	static const char *const beside[] = {"", "/../lib/telltale",
					     "/../lib/x86_64-linux-gnu/telltale",
					     "/../lib/aarch64-linux-gnu/telltale"};
	char self[PATH_MAX], path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash)
			*slash = '\0';
		for (size_t i = 0; i < TT_ARRAY_SIZE(beside); i++) {
			(void)snprintf(path, sizeof(path), "%s%s/%s", self, beside[i], name);
			if (try(ret, path) == 0)
				return 0;
		}
	}
	(void)snprintf(path, sizeof(path), TT_LIBDIR "/%s", name);
	if (try(ret, path) == 0)
		return 0;
	return tt_fail_text(err, ENOENT,
			    "find %s: neither beside the program nor in '" TT_LIBDIR "'", name);
}
