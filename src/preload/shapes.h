/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks that several files need in the same shape. */
#ifndef TT_PRELOAD_SHAPES_H
#define TT_PRELOAD_SHAPES_H

#include "preload/preload.h"

#define DIR_KEPT   960 /* longest directory path of a dirfd that is resolved */
#define DIR_OF_TWO 768 /* the same where a call has two */

/* One path or name, and 0 or -1. */
#define DEFINE_PATH(name)                             \
	TT_PUBLIC int name(const char *path)          \
	{                                             \
		struct pl_call c;                     \
		int r;                                \
                                                      \
		if (!pl_enter(&c, EVENT_CALL_##name)) \
			return PL_NEXT(name)(path);   \
		pl_arg_text(&c, 0, path);             \
		pl_begin(&c);                         \
		r = PL_NEXT(name)(path);              \
		pl_end(&c, r, r < 0);                 \
		return r;                             \
	}

/* A path below a folder, a mode or flags, and 0 or -1. */
#define DEFINE_AT(name, type)                                       \
	TT_PUBLIC int name(int dirfd, const char *path, type value) \
	{                                                           \
		char dir[DIR_KEPT];                                 \
		struct pl_call c;                                   \
		int r;                                              \
                                                                    \
		if (!pl_enter(&c, EVENT_CALL_##name))               \
			return PL_NEXT(name)(dirfd, path, value);   \
		pl_arg_dirfd(&c, 0, dirfd, path, dir, sizeof(dir)); \
		pl_arg_text(&c, 1, path);                           \
		pl_arg_num(&c, 2, value);                           \
		pl_begin(&c);                                       \
		r = PL_NEXT(name)(dirfd, path, value);              \
		pl_end(&c, r, r < 0);                               \
		return r;                                           \
	}

#endif
