/* SPDX-License-Identifier: Apache-2.0 */
#include "recorder/look.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/time.h"

int recorder_look(struct event_text path, struct recorder_sight *ret)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_CACHED};
	TT_CLEANUP(tt_closep) int fd = -1;
	char name[EVENT_PATH_MAX];
	struct statx st;

	if (!path.len || path.len >= sizeof(name))
		return -ENAMETOOLONG;
	memcpy(name, path.data, path.len);
	name[path.len] = '\0';
	fd = (int)syscall(SYS_openat2, AT_FDCWD, name, &how, sizeof(how));
	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
			    STATX_TYPE | STATX_MODE | STATX_INO | STATX_UID | STATX_CTIME, &st) < 0)
		return -errno;
	ret->dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	ret->ino = st.stx_ino;
	ret->uid = st.stx_uid;
	ret->mode = st.stx_mode;
	ret->changed_ns = (uint64_t)st.stx_ctime.tv_sec * TT_NS_PER_SEC + st.stx_ctime.tv_nsec;
	return 0;
}
