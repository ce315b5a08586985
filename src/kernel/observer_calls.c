/* SPDX-License-Identifier: Apache-2.0 */
/* Which calls the observer watches. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/compiler.h"
#include "kernel/observer_internal.h"

#define CHANGES    (O_ACCMODE | O_CREAT | O_TRUNC) /* an open without them only reads */
#define ANY_BIT_64 UINT64_MAX

/* What the arguments of each are stands in one place for all who look from the kernel. */
#define EVENT_NUMBER(name, spec)              TT_UNUSED static const char spec_##name[] = spec;
#define EVENT_NUMBER_KERNEL(name, call, spec) EVENT_NUMBER(name, spec)
#include "event/numbers.def"
#undef EVENT_NUMBER
#undef EVENT_NUMBER_KERNEL

#define ROW(name, what) ROW_IF(name, what, -1, 0)
#define ROW_IF(name, what, arg, mask)                                                        \
	{                                                                                    \
		SYS_##name, EVENT_CALL_##name, spec_##name, KERNEL_OBSERVE_##what, arg, mask \
	}

static const struct kernel_watched table[] = {
	ROW(execve, EXEC),
	ROW(execveat, EXEC),
	ROW(connect, NET),
	ROW(bind, NET),
	ROW_IF(sendto, NET, 4, ANY_BIT_64),
	ROW_IF(openat, FILES, 2, CHANGES),
	ROW(openat2, FILES), /* its flags lie in memory: all are told */
	ROW_IF(open_by_handle_at, FILES, 2, CHANGES),
	ROW(unlinkat, FILES),
	ROW(renameat2, FILES),
	ROW(linkat, FILES),
	ROW(symlinkat, FILES),
	ROW(mkdirat, FILES),
	ROW(mknodat, FILES),
	ROW(fchmod, FILES),
	ROW(fchmodat, FILES),
	/* Linux 6.6; the headers we build with may lack it */
	{452, EVENT_CALL_fchmodat, "dpmA", KERNEL_OBSERVE_FILES, -1, 0},
	ROW(fchown, FILES),
	ROW(fchownat, FILES),
	ROW(truncate, FILES),
	ROW(ftruncate, FILES),
#ifdef SYS_renameat
	ROW(renameat, FILES),
#endif
#ifdef SYS_open /* newer architectures have the longer forms only */
	ROW_IF(open, FILES, 1, CHANGES),
	ROW(creat, FILES),
	ROW(unlink, FILES),
	ROW(rename, FILES),
	ROW(mkdir, FILES),
	ROW(rmdir, FILES),
	ROW(link, FILES),
	ROW(symlink, FILES),
	ROW(mknod, FILES),
	ROW(chmod, FILES),
	ROW(chown, FILES),
	ROW(lchown, FILES),
#endif
};

const struct kernel_watched *kernel_watched_at(size_t i)
{
	return i < TT_ARRAY_SIZE(table) ? &table[i] : NULL;
}

int kernel_observed_parse(const char *text)
{
	static const char names[][6] = {"exec", "net", "files"};
	unsigned what = 0;

	for (const char *end;; text = end + 1) {
		size_t i = 0;

		end = strchrnul(text, ',');
		while (i < TT_ARRAY_SIZE(names) &&
		       !(strlen(names[i]) == (size_t)(end - text) &&
			 memcmp(names[i], text, (size_t)(end - text)) == 0))
			i++;
		if (i == TT_ARRAY_SIZE(names))
			return -EINVAL;
		what |= 1u << i;
		if (!*end)
			return (int)what;
	}
}
