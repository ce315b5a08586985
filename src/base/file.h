/* SPDX-License-Identifier: Apache-2.0 */
/* Small files, read without libc: signal-safe, no allocation, never waiting for anybody. */
#ifndef TT_BASE_FILE_H
#define TT_BASE_FILE_H

#include <stddef.h>

/*
 * tt_file_read - the contents of a regular file
 * Returns the number of bytes; -EFBIG if there are more than @cap, -EINVAL for what is no regular
 * file, or another -errno.
 */
long tt_file_read(const char *path, char *buf, size_t cap);

#endif
