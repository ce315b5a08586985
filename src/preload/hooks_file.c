/* SPDX-License-Identifier: Apache-2.0 */
/* Files: open in all its variants, and what changes names. */
#include "preload/plain.h"
#include "preload/preload.h"
#include "preload/shapes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not in any header: what _FORTIFY_SOURCE makes of open and openat without a mode. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags);
int __openat64_2(int dirfd, const char *path, int flags);

/* The mode is there only if the flags say so. */
#define TAKE_MODE(mode, flags)                                       \
	mode_t mode = 0;                                             \
	if (((flags)&O_CREAT) || ((flags)&O_TMPFILE) == O_TMPFILE) { \
		va_list ap_;                                         \
		va_start(ap_, flags);                                \
		mode = va_arg(ap_, mode_t);                          \
		va_end(ap_);                                         \
	}

/* In parts: what is not plain is another function's, and another page's. */
#define DEFINE_OPEN(name)                                                                      \
	TT_COLD static int name##_otherwise(const char *path, int flags, mode_t mode)          \
	{                                                                                      \
		struct pl_call c;                                                              \
		int fd;                                                                        \
                                                                                               \
		if (!pl_enter(&c, EVENT_CALL_##name))                                          \
			return PL_NEXT(name)(path, flags, mode);                               \
		pl_arg_text(&c, 0, path);                                                      \
		pl_arg_num(&c, 1, flags);                                                      \
		pl_arg_mode(&c, 2, flags, mode);                                               \
		pl_begin(&c);                                                                  \
		fd = PL_NEXT(name)(path, flags, mode);                                         \
		pl_end(&c, fd, fd < 0);                                                        \
		return fd;                                                                     \
	}                                                                                      \
                                                                                               \
	TT_HOT TT_PUBLIC int name(const char *path, int flags, ...)                            \
	{                                                                                      \
		struct pl_plain p;                                                             \
		int fd;                                                                        \
		TAKE_MODE(mode, flags)                                                         \
                                                                                               \
		p = pl_plain_open(EVENT_CALL_##name, PL_PLAIN_MODE, 0, path, flags, mode, &p); \
		if (TT_UNLIKELY(!p.rec))                                                       \
			return name##_otherwise(path, flags, mode);                            \
		fd = PL_NEXT(name)(path, flags, mode);                                         \
		pl_plain_opened(&p, fd);                                                       \
		return fd;                                                                     \
	}

#define DEFINE_OPENAT(name)                                                                       \
	TT_COLD static int name##_otherwise(int dirfd, const char *path, int flags, mode_t mode)  \
	{                                                                                         \
		char dir[DIR_KEPT];                                                               \
		struct pl_call c;                                                                 \
		int fd;                                                                           \
                                                                                                  \
		if (!pl_enter(&c, EVENT_CALL_##name))                                             \
			return PL_NEXT(name)(dirfd, path, flags, mode);                           \
		pl_arg_dirfd(&c, 0, dirfd, path, dir, sizeof(dir));                               \
		pl_arg_text(&c, 1, path);                                                         \
		pl_arg_num(&c, 2, flags);                                                         \
		pl_arg_mode(&c, 3, flags, mode);                                                  \
		pl_begin(&c);                                                                     \
		fd = PL_NEXT(name)(dirfd, path, flags, mode);                                     \
		pl_end(&c, fd, fd < 0);                                                           \
		return fd;                                                                        \
	}                                                                                         \
                                                                                                  \
	TT_HOT TT_PUBLIC int name(int dirfd, const char *path, int flags, ...)                    \
	{                                                                                         \
		struct pl_plain p;                                                                \
		int fd;                                                                           \
		TAKE_MODE(mode, flags)                                                            \
                                                                                                  \
		p = pl_plain_open(EVENT_CALL_##name, PL_PLAIN_DIRFD | PL_PLAIN_MODE, dirfd, path, \
				  flags, mode, &p);                                               \
		if (TT_UNLIKELY(!p.rec))                                                          \
			return name##_otherwise(dirfd, path, flags, mode);                        \
		fd = PL_NEXT(name)(dirfd, path, flags, mode);                                     \
		pl_plain_opened(&p, fd);                                                          \
		return fd;                                                                        \
	}

#define DEFINE_CREAT(name)                                \
	TT_PUBLIC int name(const char *path, mode_t mode) \
	{                                                 \
		struct pl_call c;                         \
		int fd;                                   \
                                                          \
		if (!pl_enter(&c, EVENT_CALL_##name))     \
			return PL_NEXT(name)(path, mode); \
		pl_arg_text(&c, 0, path);                 \
		pl_arg_num(&c, 1, mode);                  \
		pl_begin(&c);                             \
		fd = PL_NEXT(name)(path, mode);           \
		pl_end(&c, fd, fd < 0);                   \
		return fd;                                \
	}

#define DEFINE_OPEN_2(name)                                                                     \
	TT_COLD static int name##_otherwise(const char *path, int flags)                        \
	{                                                                                       \
		struct pl_call c;                                                               \
		int fd;                                                                         \
                                                                                                \
		if (!pl_enter(&c, EVENT_CALL_##name))                                           \
			return PL_NEXT(name)(path, flags);                                      \
		pl_arg_text(&c, 0, path);                                                       \
		pl_arg_num(&c, 1, flags);                                                       \
		pl_begin(&c);                                                                   \
		fd = PL_NEXT(name)(path, flags);                                                \
		pl_end(&c, fd, fd < 0);                                                         \
		return fd;                                                                      \
	}                                                                                       \
                                                                                                \
	TT_HOT TT_PUBLIC int name(const char *path, int flags)                                  \
	{                                                                                       \
		struct pl_plain p = pl_plain_open(EVENT_CALL_##name, 0, 0, path, flags, 0, &p); \
		int fd;                                                                         \
                                                                                                \
		if (TT_UNLIKELY(!p.rec))                                                        \
			return name##_otherwise(path, flags);                                   \
		fd = PL_NEXT(name)(path, flags);                                                \
		pl_plain_opened(&p, fd);                                                        \
		return fd;                                                                      \
	}

#define DEFINE_OPENAT_2(name)                                                                     \
	TT_COLD static int name##_otherwise(int dirfd, const char *path, int flags)               \
	{                                                                                         \
		char dir[DIR_KEPT];                                                               \
		struct pl_call c;                                                                 \
		int fd;                                                                           \
                                                                                                  \
		if (!pl_enter(&c, EVENT_CALL_##name))                                             \
			return PL_NEXT(name)(dirfd, path, flags);                                 \
		pl_arg_dirfd(&c, 0, dirfd, path, dir, sizeof(dir));                               \
		pl_arg_text(&c, 1, path);                                                         \
		pl_arg_num(&c, 2, flags);                                                         \
		pl_begin(&c);                                                                     \
		fd = PL_NEXT(name)(dirfd, path, flags);                                           \
		pl_end(&c, fd, fd < 0);                                                           \
		return fd;                                                                        \
	}                                                                                         \
                                                                                                  \
	TT_HOT TT_PUBLIC int name(int dirfd, const char *path, int flags)                         \
	{                                                                                         \
		struct pl_plain p = pl_plain_open(EVENT_CALL_##name, PL_PLAIN_DIRFD, dirfd, path, \
						  flags, 0, &p);                                  \
		int fd;                                                                           \
                                                                                                  \
		if (TT_UNLIKELY(!p.rec))                                                          \
			return name##_otherwise(dirfd, path, flags);                              \
		fd = PL_NEXT(name)(dirfd, path, flags);                                           \
		pl_plain_opened(&p, fd);                                                          \
		return fd;                                                                        \
	}

/* A stream's result is its fd number: the pointer says nothing to a reader. */
#define DEFINE_FOPEN(name)                                       \
	TT_PUBLIC FILE *name(const char *path, const char *mode) \
	{                                                        \
		struct pl_call c;                                \
		FILE *f;                                         \
                                                                 \
		if (!pl_enter(&c, EVENT_CALL_##name))            \
			return PL_NEXT(name)(path, mode);        \
		pl_arg_text(&c, 0, path);                        \
		pl_arg_text(&c, 1, mode);                        \
		pl_begin(&c);                                    \
		f = PL_NEXT(name)(path, mode);                   \
		pl_end(&c, f ? fileno_unlocked(f) : -1, !f);     \
		return f;                                        \
	}

#define DEFINE_FREOPEN(name)                                                \
	TT_PUBLIC FILE *name(const char *path, const char *mode, FILE *old) \
	{                                                                   \
		struct pl_call c;                                           \
		FILE *f;                                                    \
                                                                            \
		if (!pl_enter(&c, EVENT_CALL_##name))                       \
			return PL_NEXT(name)(path, mode, old);              \
		pl_arg_text(&c, 0, path);                                   \
		pl_arg_text(&c, 1, mode);                                   \
		pl_arg_fd(&c, 2, old ? fileno_unlocked(old) : -1);          \
		pl_begin(&c);                                               \
		f = PL_NEXT(name)(path, mode, old);                         \
		pl_end(&c, f ? fileno_unlocked(f) : -1, !f);                \
		return f;                                                   \
	}

#define DEFINE_TWO_PATHS(name)                               \
	TT_PUBLIC int name(const char *from, const char *to) \
	{                                                    \
		struct pl_call c;                            \
		int r;                                       \
                                                             \
		if (!pl_enter(&c, EVENT_CALL_##name))        \
			return PL_NEXT(name)(from, to);      \
		pl_arg_text(&c, 0, from);                    \
		pl_arg_text(&c, 1, to);                      \
		pl_begin(&c);                                \
		r = PL_NEXT(name)(from, to);                 \
		pl_end(&c, r, r < 0);                        \
		return r;                                    \
	}

DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)
DEFINE_CREAT(creat)
DEFINE_CREAT(creat64)
DEFINE_OPEN_2(__open_2)
DEFINE_OPEN_2(__open64_2)
DEFINE_OPENAT_2(__openat_2)
DEFINE_OPENAT_2(__openat64_2)
DEFINE_FOPEN(fopen)
DEFINE_FOPEN(fopen64)
DEFINE_FREOPEN(freopen)
DEFINE_FREOPEN(freopen64)
DEFINE_PATH(unlink)
DEFINE_PATH(remove)
DEFINE_PATH(rmdir)
DEFINE_TWO_PATHS(rename)
DEFINE_TWO_PATHS(link)
DEFINE_TWO_PATHS(symlink)

DEFINE_AT(unlinkat, int)

TT_PUBLIC int renameat(int from_dirfd, const char *from, int to_dirfd, const char *to)
{
	char from_dir[DIR_OF_TWO], to_dir[DIR_OF_TWO];
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_renameat))
		return PL_NEXT(renameat)(from_dirfd, from, to_dirfd, to);
	pl_arg_dirfd(&c, 0, from_dirfd, from, from_dir, sizeof(from_dir));
	pl_arg_text(&c, 1, from);
	pl_arg_dirfd(&c, 2, to_dirfd, to, to_dir, sizeof(to_dir));
	pl_arg_text(&c, 3, to);
	pl_begin(&c);
	r = PL_NEXT(renameat)(from_dirfd, from, to_dirfd, to);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int renameat2(int from_dirfd, const char *from, int to_dirfd, const char *to,
			unsigned flags)
{
	char from_dir[DIR_OF_TWO], to_dir[DIR_OF_TWO];
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_renameat2))
		return PL_NEXT(renameat2)(from_dirfd, from, to_dirfd, to, flags);
	pl_arg_dirfd(&c, 0, from_dirfd, from, from_dir, sizeof(from_dir));
	pl_arg_text(&c, 1, from);
	pl_arg_dirfd(&c, 2, to_dirfd, to, to_dir, sizeof(to_dir));
	pl_arg_text(&c, 3, to);
	pl_arg_num(&c, 4, flags);
	pl_begin(&c);
	r = PL_NEXT(renameat2)(from_dirfd, from, to_dirfd, to, flags);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int mkdir(const char *path, mode_t mode)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_mkdir))
		return PL_NEXT(mkdir)(path, mode);
	pl_arg_text(&c, 0, path);
	pl_arg_num(&c, 1, mode);
	pl_begin(&c);
	r = PL_NEXT(mkdir)(path, mode);
	pl_end(&c, r, r < 0);
	return r;
}

/* After a successful chdir the new cwd is what relative paths are resolved against from here on. */
static void end_chdir(struct pl_call *c, int r)
{
	char cwd[DIR_KEPT];
	long n;

	if (r == 0) {
		n = tt_sys2(SYS_getcwd, cwd, sizeof(cwd));
		if (n > 1 && cwd[0] == '/')
			pl_out(c, 1, cwd, (size_t)n - 1);
	}
	pl_end(c, r, r < 0);
}

TT_PUBLIC int chdir(const char *path)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_chdir))
		return PL_NEXT(chdir)(path);
	pl_arg_text(&c, 0, path);
	pl_arg_room(&c, 1, DIR_KEPT);
	pl_begin(&c);
	r = PL_NEXT(chdir)(path);
	end_chdir(&c, r);
	return r;
}

TT_PUBLIC int fchdir(int fd)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_fchdir))
		return PL_NEXT(fchdir)(fd);
	pl_arg_fd(&c, 0, fd);
	pl_arg_room(&c, 1, DIR_KEPT);
	pl_begin(&c);
	r = PL_NEXT(fchdir)(fd);
	end_chdir(&c, r);
	return r;
}
