/* SPDX-License-Identifier: Apache-2.0 */
/* Small files of the kernel as text: those of proc(5) and of cgroupfs. */
#ifndef TT_UTIL_TEXTFILE_H
#define TT_UTIL_TEXTFILE_H

#include <stddef.h>

#include "base/compiler.h"

/*
 * tt_text_read - a small file, ended by NUL
 * @dir: what @file is below, or AT_FDCWD
 * @cap: of @buf; at most @cap - 1 bytes of the file are taken
 * Returns the length, or -errno with @buf not meant to be read. Thread- and signal-safe.
 */
int tt_text_read(int dir, const char *file, char *buf, size_t cap) TT_MUST_CHECK;

#endif
