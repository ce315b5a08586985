/* SPDX-License-Identifier: Apache-2.0 */
/* Reading small files. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/sys.h"

long tt_file_read(const char *path, char *buf, size_t cap)
{
	/* a FIFO would have us wait for a writer, a terminal for a person */
	long fd = tt_sys4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
			  0),
	     n = 0;
	size_t at = 0;
	struct stat st;
	char more;

	if (fd < 0)
		return fd;
	n = tt_sys2(SYS_fstat, fd, &st);
	if (n == 0 && !S_ISREG(st.st_mode))
		n = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	while (n == 0) {
		n = at < cap ? tt_sys3(SYS_read, fd, buf + at, cap - at)
			     : tt_sys3(SYS_read, fd, &more, 1);
		if (n <= 0)
			break;
		at += (size_t)n;
		n = at > cap ? -EFBIG : 0;
	}
	(void)tt_sys1(SYS_close, fd);
	return n < 0 ? n : (long)at;
}
