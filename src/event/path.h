/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths as text: no look at the file system, so signal-safe and the same in library and recorder.
 */
#ifndef TT_EVENT_PATH_H
#define TT_EVENT_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/out.h"

/*
 * event_path_join - the absolute form of @path, seen from @base
 * @base: absolute and free of symbolic links (as getcwd(3) gives it); not read if @path is absolute
 *
 * "." and doubled slashes go. A ".." goes only where that is exact: at the front of a relative
 * path, where it climbs @base. Elsewhere it stays, since a/../b is not b when a is a symbolic link.
 */
void event_path_join(struct tt_out *o, const char *base, size_t base_len, const char *path,
		     size_t len);

/*
 * event_path_is_quiet - whether an absolute path names something below /proc, /sys or /dev whose
 * reading is noise
 * False for what leads back out (root, cwd, exe, fd, map_files links; /dev/fd, /dev/stdin and the
 * like) and for what holds files of users (/dev/shm, /dev/mqueue, /dev/hugepages).
 */
bool event_path_is_quiet(const char *path, size_t len);

/* event_path_is_sink - /dev/null or a terminal: noise even when it is opened for writing */
bool event_path_is_sink(const char *path, size_t len);

/*
 * event_path_is_noise - what event_path_join() would make of @base and @path is quiet or, if the
 * call @writes, a sink. Needs no room for a path.
 */
bool event_path_is_noise(const char *base, size_t base_len, const char *path, size_t len,
			 bool writes);

#endif
