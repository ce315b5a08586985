/* SPDX-License-Identifier: Apache-2.0 */
/* Which calls the observer watches. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "kernel/observer_internal.h"

#define CHANGES    (O_ACCMODE | O_CREAT | O_TRUNC) /* an open without them only reads */
#define ANY_BIT_64 UINT64_MAX

#define ROW(name, spec, what)                                                     \
	{                                                                         \
		SYS_##name, EVENT_CALL_##name, spec, KERNEL_OBSERVE_##what, -1, 0 \
	}
#define ROW_IF(name, spec, what, arg, mask)                                           \
	{                                                                             \
		SYS_##name, EVENT_CALL_##name, spec, KERNEL_OBSERVE_##what, arg, mask \
	}

static const struct kernel_watched table[] = {
	ROW(execve, "pv-", EXEC),
	ROW(execveat, "dpv-A", EXEC),
	ROW(connect, "fa-", NET),
	ROW(bind, "fa-", NET),
	ROW_IF(sendto, "f-uJa-", NET, 4, ANY_BIT_64),
	ROW_IF(openat, "dpom", FILES, 2, CHANGES),
	ROW(openat2, "dph", FILES), /* its flags lie in memory: all are told */
	ROW_IF(open_by_handle_at, "f-o", FILES, 2, CHANGES),
	ROW(unlinkat, "dpA", FILES),
	ROW(renameat2, "dpdqR", FILES),
	ROW(linkat, "dpdqA", FILES),
	ROW(symlinkat, "sdp", FILES),
	ROW(mkdirat, "dpm", FILES),
	ROW(mknodat, "dpnk", FILES),
	ROW(fchmod, "fm", FILES),
	ROW(fchmodat, "dpm", FILES),
	/* Linux 6.6; the headers we build with may lack it */
	{452, EVENT_CALL_fchmodat, "dpmA", KERNEL_OBSERVE_FILES, -1, 0},
	ROW(fchown, "fgg", FILES),
	ROW(fchownat, "dpggA", FILES),
	ROW(truncate, "pi", FILES),
	ROW(ftruncate, "fi", FILES),
#ifdef SYS_renameat
	ROW(renameat, "dpdq", FILES),
#endif
#ifdef SYS_open /* newer architectures have the longer forms only */
	ROW_IF(open, "pom", FILES, 1, CHANGES),
	ROW(creat, "pm", FILES),
	ROW(unlink, "p", FILES),
	ROW(rename, "pq", FILES),
	ROW(mkdir, "pm", FILES),
	ROW(rmdir, "p", FILES),
	ROW(link, "pq", FILES),
	ROW(symlink, "sp", FILES),
	ROW(mknod, "pnk", FILES),
	ROW(chmod, "pm", FILES),
	ROW(chown, "pgg", FILES),
	ROW(lchown, "pgg", FILES),
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
