/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the preload library does for open(2), made with LTTng-UST: one tracepoint per call. The
 * session daemon must run and the event be enabled, or nothing is recorded.
 */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

#include "lttng_provider.def"

typedef int open_function(const char *path, int flags, ...);

static int traced(open_function **next, const char *name, const char *path, int flags, mode_t mode)
{
	int fd, saved;

	if (!*next)
		*next = (open_function *)dlsym(RTLD_NEXT, name);
	fd = (*next)(path, flags, mode);
	saved = errno;
	lttng_ust_tracepoint(bench, open, path, flags, fd, fd < 0 ? saved : 0);
	errno = saved;
	return fd;
}

static mode_t mode_of(int flags, va_list ap)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
	static open_function *next;
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return traced(&next, "open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	static open_function *next;
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return traced(&next, "open64", path, flags, mode);
}
