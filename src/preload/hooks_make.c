/* SPDX-License-Identifier: Apache-2.0 */
/* What makes names and objects: links, folders, nodes, temporary files, shared memory; opendir. */
#include "preload/preload.h"
#include "preload/shapes.h"

#include <dirent.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPLATE_KEPT 1536

/*
 * The template is changed in place: it is kept as it was for as long as the record may be written
 * from it. One that is too long for that is recorded as it is then. Returns its length.
 */
static size_t take_template(struct pl_call *c, const char *template, char *kept)
{
	bool ends, fits;
	size_t n = pl_text_len(template, EVENT_PATH_MAX, &ends);

	fits = n && n < TEMPLATE_KEPT;
	if (fits) {
		memcpy(kept, template, n);
		kept[n] = '\0';
	}
	pl_arg_text(c, 0, fits ? kept : template);
	return n;
}

static int end_template(struct pl_call *c, unsigned i, const char *template, size_t len, int r)
{
	if (r >= 0)
		pl_out(c, i, template, len);
	pl_end(c, r, r < 0);
	return r;
}

#define DEFINE_MKSTEMP(name)                                                        \
	TT_PUBLIC int name(char *template)                                          \
	{                                                                           \
		char kept[TEMPLATE_KEPT];                                           \
		size_t len;                                                         \
		struct pl_call c;                                                   \
                                                                                    \
		if (!pl_enter(&c, EVENT_CALL_##name))                               \
			return PL_NEXT(name)(template);                             \
		len = take_template(&c, template, kept);                            \
		pl_arg_room(&c, 1, len);                                            \
		pl_begin(&c);                                                       \
		return end_template(&c, 1, template, len, PL_NEXT(name)(template)); \
	}

/* @what: flags, or the length of a suffix */
#define DEFINE_MKSTEMP_1(name)                                                            \
	TT_PUBLIC int name(char *template, int what)                                      \
	{                                                                                 \
		char kept[TEMPLATE_KEPT];                                                 \
		size_t len;                                                               \
		struct pl_call c;                                                         \
                                                                                          \
		if (!pl_enter(&c, EVENT_CALL_##name))                                     \
			return PL_NEXT(name)(template, what);                             \
		len = take_template(&c, template, kept);                                  \
		pl_arg_num(&c, 1, what);                                                  \
		pl_arg_room(&c, 2, len);                                                  \
		pl_begin(&c);                                                             \
		return end_template(&c, 2, template, len, PL_NEXT(name)(template, what)); \
	}

#define DEFINE_MKOSTEMPS(name)                                                                     \
	TT_PUBLIC int name(char *template, int suffix, int flags)                                  \
	{                                                                                          \
		char kept[TEMPLATE_KEPT];                                                          \
		size_t len;                                                                        \
		struct pl_call c;                                                                  \
                                                                                                   \
		if (!pl_enter(&c, EVENT_CALL_##name))                                              \
			return PL_NEXT(name)(template, suffix, flags);                             \
		len = take_template(&c, template, kept);                                           \
		pl_arg_num(&c, 1, suffix);                                                         \
		pl_arg_num(&c, 2, flags);                                                          \
		pl_arg_room(&c, 3, len);                                                           \
		pl_begin(&c);                                                                      \
		return end_template(&c, 3, template, len, PL_NEXT(name)(template, suffix, flags)); \
	}

#define DEFINE_TMPFILE(name)                                 \
	TT_PUBLIC FILE *name(void)                           \
	{                                                    \
		struct pl_call c;                            \
		FILE *f;                                     \
                                                             \
		if (!pl_enter(&c, EVENT_CALL_##name))        \
			return PL_NEXT(name)();              \
		pl_begin(&c);                                \
		f = PL_NEXT(name)();                         \
		pl_end(&c, f ? fileno_unlocked(f) : -1, !f); \
		return f;                                    \
	}

DEFINE_MKSTEMP(mkstemp)
DEFINE_MKSTEMP(mkstemp64)
DEFINE_MKSTEMP_1(mkostemp)
DEFINE_MKSTEMP_1(mkostemp64)
DEFINE_MKSTEMP_1(mkstemps)
DEFINE_MKSTEMP_1(mkstemps64)
DEFINE_MKOSTEMPS(mkostemps)
DEFINE_MKOSTEMPS(mkostemps64)
DEFINE_TMPFILE(tmpfile)
DEFINE_TMPFILE(tmpfile64)
DEFINE_PATH(shm_unlink)
DEFINE_PATH(sem_unlink)

TT_PUBLIC char *mkdtemp(char *template)
{
	char kept[TEMPLATE_KEPT];
	size_t len;
	struct pl_call c;
	char *r;

	if (!pl_enter(&c, EVENT_CALL_mkdtemp))
		return PL_NEXT(mkdtemp)(template);
	len = take_template(&c, template, kept);
	pl_arg_room(&c, 1, len);
	pl_begin(&c);
	r = PL_NEXT(mkdtemp)(template);
	(void)end_template(&c, 1, template, len, r ? 0 : -1);
	return r;
}

/* The result is the fd behind it, as with streams. */
TT_PUBLIC DIR *opendir(const char *path)
{
	struct pl_call c;
	DIR *d;

	if (!pl_enter(&c, EVENT_CALL_opendir))
		return PL_NEXT(opendir)(path);
	pl_arg_text(&c, 0, path);
	pl_begin(&c);
	d = PL_NEXT(opendir)(path);
	pl_end(&c, d ? dirfd(d) : -1, !d);
	return d;
}

/* The mode and the value are there only if the flags say so. */
TT_PUBLIC sem_t *sem_open(const char *object, int flags, ...)
{
	unsigned value = 0;
	mode_t mode = 0;
	struct pl_call c;
	sem_t *s;

	if (flags & O_CREAT) {
		va_list ap;

		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		value = va_arg(ap, unsigned);
		va_end(ap);
	}
	if (!pl_enter(&c, EVENT_CALL_sem_open))
		return PL_NEXT(sem_open)(object, flags, mode, value);
	pl_arg_text(&c, 0, object);
	pl_arg_num(&c, 1, flags);
	pl_arg_mode(&c, 2, flags & O_CREAT, mode);
	pl_arg_mode(&c, 3, flags & O_CREAT, value);
	pl_begin(&c);
	s = PL_NEXT(sem_open)(object, flags, mode, value);
	pl_end(&c, s == SEM_FAILED ? -1 : 0, s == SEM_FAILED);
	return s;
}

TT_PUBLIC int linkat(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags)
{
	char from_dir[DIR_OF_TWO], to_dir[DIR_OF_TWO];
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_linkat))
		return PL_NEXT(linkat)(from_dirfd, from, to_dirfd, to, flags);
	pl_arg_dirfd(&c, 0, from_dirfd, from, from_dir, sizeof(from_dir));
	pl_arg_text(&c, 1, from);
	pl_arg_dirfd(&c, 2, to_dirfd, to, to_dir, sizeof(to_dir));
	pl_arg_text(&c, 3, to);
	pl_arg_num(&c, 4, flags);
	pl_begin(&c);
	r = PL_NEXT(linkat)(from_dirfd, from, to_dirfd, to, flags);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int symlinkat(const char *text, int dirfd, const char *path)
{
	char dir[DIR_KEPT];
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_symlinkat))
		return PL_NEXT(symlinkat)(text, dirfd, path);
	pl_arg_text(&c, 0, text);
	pl_arg_dirfd(&c, 1, dirfd, path, dir, sizeof(dir));
	pl_arg_text(&c, 2, path);
	pl_begin(&c);
	r = PL_NEXT(symlinkat)(text, dirfd, path);
	pl_end(&c, r, r < 0);
	return r;
}

DEFINE_AT(mkdirat, mode_t)

TT_PUBLIC int mkfifo(const char *path, mode_t mode)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_mkfifo))
		return PL_NEXT(mkfifo)(path, mode);
	pl_arg_text(&c, 0, path);
	pl_arg_num(&c, 1, mode);
	pl_begin(&c);
	r = PL_NEXT(mkfifo)(path, mode);
	pl_end(&c, r, r < 0);
	return r;
}

DEFINE_AT(mkfifoat, mode_t)

TT_PUBLIC int mknod(const char *path, mode_t mode, dev_t dev)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_mknod))
		return PL_NEXT(mknod)(path, mode, dev);
	pl_arg_text(&c, 0, path);
	pl_arg_num(&c, 1, mode);
	pl_arg_num(&c, 2, (int64_t)dev);
	pl_begin(&c);
	r = PL_NEXT(mknod)(path, mode, dev);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int mknodat(int dirfd, const char *path, mode_t mode, dev_t dev)
{
	char dir[DIR_KEPT];
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_mknodat))
		return PL_NEXT(mknodat)(dirfd, path, mode, dev);
	pl_arg_dirfd(&c, 0, dirfd, path, dir, sizeof(dir));
	pl_arg_text(&c, 1, path);
	pl_arg_num(&c, 2, mode);
	pl_arg_num(&c, 3, (int64_t)dev);
	pl_begin(&c);
	r = PL_NEXT(mknodat)(dirfd, path, mode, dev);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int shm_open(const char *object, int flags, mode_t mode)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_shm_open))
		return PL_NEXT(shm_open)(object, flags, mode);
	pl_arg_text(&c, 0, object);
	pl_arg_num(&c, 1, flags);
	pl_arg_mode(&c, 2, flags, mode);
	pl_begin(&c);
	r = PL_NEXT(shm_open)(object, flags, mode);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int memfd_create(const char *object, unsigned flags)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_memfd_create))
		return PL_NEXT(memfd_create)(object, flags);
	pl_arg_text(&c, 0, object);
	pl_arg_num(&c, 1, flags);
	pl_begin(&c);
	r = PL_NEXT(memfd_create)(object, flags);
	pl_end(&c, r, r < 0);
	return r;
}
