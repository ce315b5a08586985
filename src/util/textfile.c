/* SPDX-License-Identifier: Apache-2.0 */
/* Read until the end or until the buffer is full. */
#include "util/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int tt_text_read(int dir, const char *file, char *buf, size_t cap)
{
	TT_CLEANUP(tt_closep) int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	size_t at = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (at < cap - 1) {
		n = read(fd, buf + at, cap - 1 - at);
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		at += (size_t)n;
	}
	buf[at] = '\0';
	return (int)at;
}
