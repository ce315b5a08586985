/* SPDX-License-Identifier: Apache-2.0 */
/* What files are like: length, mode, owner, times, extended attributes. */
#include "preload/preload.h"
#include "preload/shapes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DEFINE_TRUNCATE(name, type)                      \
	TT_PUBLIC int name(const char *path, type len)   \
	{                                                \
		struct pl_call c;                        \
		int r;                                   \
                                                         \
		if (!pl_enter(&c, EVENT_CALL_##name))    \
			return PL_NEXT(name)(path, len); \
		pl_arg_text(&c, 0, path);                \
		pl_arg_num(&c, 1, len);                  \
		pl_begin(&c);                            \
		r = PL_NEXT(name)(path, len);            \
		pl_end(&c, r, r < 0);                    \
		return r;                                \
	}

#define DEFINE_FTRUNCATE(name, type)                   \
	TT_PUBLIC int name(int fd, type len)           \
	{                                              \
		struct pl_call c;                      \
		int r;                                 \
                                                       \
		if (!pl_enter(&c, EVENT_CALL_##name))  \
			return PL_NEXT(name)(fd, len); \
		pl_arg_fd(&c, 0, fd);                  \
		pl_arg_num(&c, 1, len);                \
		pl_begin(&c);                          \
		r = PL_NEXT(name)(fd, len);            \
		pl_end(&c, r, r < 0);                  \
		return r;                              \
	}

#define DEFINE_CHOWN(name)                                         \
	TT_PUBLIC int name(const char *path, uid_t uid, gid_t gid) \
	{                                                          \
		struct pl_call c;                                  \
		int r;                                             \
                                                                   \
		if (!pl_enter(&c, EVENT_CALL_##name))              \
			return PL_NEXT(name)(path, uid, gid);      \
		pl_arg_text(&c, 0, path);                          \
		pl_arg_num(&c, 1, uid);                            \
		pl_arg_num(&c, 2, gid);                            \
		pl_begin(&c);                                      \
		r = PL_NEXT(name)(path, uid, gid);                 \
		pl_end(&c, r, r < 0);                              \
		return r;                                          \
	}

/* The value itself is not recorded: it may be a key. */
#define DEFINE_SETXATTR(name)                                                                  \
	TT_PUBLIC int name(const char *path, const char *attr, const void *value, size_t size, \
			   int flags)                                                          \
	{                                                                                      \
		struct pl_call c;                                                              \
		int r;                                                                         \
                                                                                               \
		if (!pl_enter(&c, EVENT_CALL_##name))                                          \
			return PL_NEXT(name)(path, attr, value, size, flags);                  \
		pl_arg_text(&c, 0, path);                                                      \
		pl_arg_text(&c, 1, attr);                                                      \
		pl_arg_num(&c, 2, (int64_t)size);                                              \
		pl_arg_num(&c, 3, flags);                                                      \
		pl_begin(&c);                                                                  \
		r = PL_NEXT(name)(path, attr, value, size, flags);                             \
		pl_end(&c, r, r < 0);                                                          \
		return r;                                                                      \
	}

#define DEFINE_REMOVEXATTR(name)                               \
	TT_PUBLIC int name(const char *path, const char *attr) \
	{                                                      \
		struct pl_call c;                              \
		int r;                                         \
                                                               \
		if (!pl_enter(&c, EVENT_CALL_##name))          \
			return PL_NEXT(name)(path, attr);      \
		pl_arg_text(&c, 0, path);                      \
		pl_arg_text(&c, 1, attr);                      \
		pl_begin(&c);                                  \
		r = PL_NEXT(name)(path, attr);                 \
		pl_end(&c, r, r < 0);                          \
		return r;                                      \
	}

DEFINE_TRUNCATE(truncate, off_t)
DEFINE_TRUNCATE(truncate64, off64_t)
DEFINE_FTRUNCATE(ftruncate, off_t)
DEFINE_FTRUNCATE(ftruncate64, off64_t)
DEFINE_CHOWN(chown)
DEFINE_CHOWN(lchown)
DEFINE_SETXATTR(setxattr)
DEFINE_SETXATTR(lsetxattr)
DEFINE_REMOVEXATTR(removexattr)
DEFINE_REMOVEXATTR(lremovexattr)

TT_PUBLIC int chmod(const char *path, mode_t mode)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_chmod))
		return PL_NEXT(chmod)(path, mode);
	pl_arg_text(&c, 0, path);
	pl_arg_num(&c, 1, mode);
	pl_begin(&c);
	r = PL_NEXT(chmod)(path, mode);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int fchmod(int fd, mode_t mode)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_fchmod))
		return PL_NEXT(fchmod)(fd, mode);
	pl_arg_fd(&c, 0, fd);
	pl_arg_num(&c, 1, mode);
	pl_begin(&c);
	r = PL_NEXT(fchmod)(fd, mode);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int fchmodat(int dirfd, const char *path, mode_t mode, int flags)
{
	char dir[DIR_KEPT];
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_fchmodat))
		return PL_NEXT(fchmodat)(dirfd, path, mode, flags);
	pl_arg_dirfd(&c, 0, dirfd, path, dir, sizeof(dir));
	pl_arg_text(&c, 1, path);
	pl_arg_num(&c, 2, mode);
	pl_arg_num(&c, 3, flags);
	pl_begin(&c);
	r = PL_NEXT(fchmodat)(dirfd, path, mode, flags);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int fchown(int fd, uid_t uid, gid_t gid)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_fchown))
		return PL_NEXT(fchown)(fd, uid, gid);
	pl_arg_fd(&c, 0, fd);
	pl_arg_num(&c, 1, uid);
	pl_arg_num(&c, 2, gid);
	pl_begin(&c);
	r = PL_NEXT(fchown)(fd, uid, gid);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags)
{
	char dir[DIR_KEPT];
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_fchownat))
		return PL_NEXT(fchownat)(dirfd, path, uid, gid, flags);
	pl_arg_dirfd(&c, 0, dirfd, path, dir, sizeof(dir));
	pl_arg_text(&c, 1, path);
	pl_arg_num(&c, 2, uid);
	pl_arg_num(&c, 3, gid);
	pl_arg_num(&c, 4, flags);
	pl_begin(&c);
	r = PL_NEXT(fchownat)(dirfd, path, uid, gid, flags);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int utimensat(int dirfd, const char *path, const struct timespec times[2], int flags)
{
	char dir[DIR_KEPT];
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_utimensat))
		return PL_NEXT(utimensat)(dirfd, path, times, flags);
	pl_arg_dirfd(&c, 0, dirfd, path, dir, sizeof(dir));
	pl_arg_text(&c, 1, path);
	pl_arg_addr(&c, 2, times, 2 * sizeof(*times));
	pl_arg_num(&c, 3, flags);
	pl_begin(&c);
	r = PL_NEXT(utimensat)(dirfd, path, times, flags);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int futimens(int fd, const struct timespec times[2])
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_futimens))
		return PL_NEXT(futimens)(fd, times);
	pl_arg_fd(&c, 0, fd);
	pl_arg_addr(&c, 1, times, 2 * sizeof(*times));
	pl_begin(&c);
	r = PL_NEXT(futimens)(fd, times);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int utimes(const char *path, const struct timeval times[2])
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_utimes))
		return PL_NEXT(utimes)(path, times);
	pl_arg_text(&c, 0, path);
	pl_arg_addr(&c, 1, times, 2 * sizeof(*times));
	pl_begin(&c);
	r = PL_NEXT(utimes)(path, times);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int fsetxattr(int fd, const char *attr, const void *value, size_t size, int flags)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_fsetxattr))
		return PL_NEXT(fsetxattr)(fd, attr, value, size, flags);
	pl_arg_fd(&c, 0, fd);
	pl_arg_text(&c, 1, attr);
	pl_arg_num(&c, 2, (int64_t)size);
	pl_arg_num(&c, 3, flags);
	pl_begin(&c);
	r = PL_NEXT(fsetxattr)(fd, attr, value, size, flags);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int fremovexattr(int fd, const char *attr)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_fremovexattr))
		return PL_NEXT(fremovexattr)(fd, attr);
	pl_arg_fd(&c, 0, fd);
	pl_arg_text(&c, 1, attr);
	pl_begin(&c);
	r = PL_NEXT(fremovexattr)(fd, attr);
	pl_end(&c, r, r < 0);
	return r;
}
