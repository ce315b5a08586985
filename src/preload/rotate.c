/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rotation: trace.jsonl becomes trace.jsonl.1, that one trace.jsonl.2, and the last one goes. Every
 * process that writes to the log may do it; the one that has a lock on the file does. Nobody waits:
 * who does not get the lock writes on, and sees by the name that the file has moved.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "preload/log.h"

/* "PATH.N", or PATH itself for 0; false if there is no room for it. */
static bool put_name(char *buf, size_t cap, uint32_t n)
{
	struct tt_out o;

	tt_out_init(&o, buf, cap);
	tt_out_str(&o, pl_log.path);
	if (n) {
		tt_out_char(&o, '.');
		tt_out_u64(&o, n);
	}
	tt_out_char(&o, '\0');
	return !tt_out_is_full(&o);
}

static void move_all(struct pl_work *w)
{
	char *from = w->path, *to = w->path + EVENT_PATH_MAX;

	for (uint32_t n = pl_log.keep; n-- > 0;)
		if (put_name(from, EVENT_PATH_MAX, n) && put_name(to, EVENT_PATH_MAX, n + 1))
			(void)tt_sys4(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to);
}

/* Whether @fd is what the name leads to, and too large: another process may have seen to it. */
static bool is_due(long fd)
{
	struct stat st, named;

	return tt_sys2(SYS_fstat, fd, &st) == 0 &&
	       tt_sys4(SYS_newfstatat, AT_FDCWD, pl_log.path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_dev == named.st_dev && st.st_ino == named.st_ino &&
	       (uint64_t)st.st_size + EVENT_LINE_MAX > pl_log.max && S_ISREG(st.st_mode);
}

void pl_log_rotate(struct pl_work *w)
{
	/* opened afresh: a lock belongs to the open file, which forked processes share */
	long fd = tt_sys4(SYS_openat, AT_FDCWD, pl_log.path,
			  O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);

	if (fd < 0)
		return;
	if (pl_log_is_same_view() && tt_sys2(SYS_flock, fd, LOCK_EX | LOCK_NB) == 0 && is_due(fd))
		move_all(w);
	/* a process forked at this moment has a copy of the fd, and would hold the lock */
	(void)tt_sys2(SYS_flock, fd, LOCK_UN);
	(void)tt_sys1(SYS_close, fd);
}
