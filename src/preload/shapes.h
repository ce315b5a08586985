/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks that several files need in the same shape. */
#ifndef TT_PRELOAD_SHAPES_H
#define TT_PRELOAD_SHAPES_H

#include "preload/preload.h"

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

#endif
