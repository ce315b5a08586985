/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes, cleanup and ownership macros that every folder uses. Header only; signal-safe. */
#ifndef TT_BASE_COMPILER_H
#define TT_BASE_COMPILER_H

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#define TT_MUST_CHECK         __attribute__((__warn_unused_result__))
#define TT_PRINTF(fmt, first) __attribute__((__format__(__printf__, fmt, first)))
#define TT_UNUSED             __attribute__((__unused__))
#define TT_PUBLIC             __attribute__((__visibility__("default")))
/* The few functions that every recorded call runs through: side by side, on few pages. */
#define TT_HOT           __attribute__((__hot__))
#define TT_COLD          __attribute__((__cold__, __noinline__))
#define TT_INLINE        __attribute__((__always_inline__)) static inline
#define TT_NORETURN      __attribute__((__noreturn__))
#define TT_LIKELY(x)     __builtin_expect(!!(x), 1)
#define TT_UNLIKELY(x)   __builtin_expect(!!(x), 0)
#define TT_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* TT_CLEANUP - run fn(&variable) when the variable leaves its scope. */
#define TT_CLEANUP(fn) __attribute__((__cleanup__(fn)))

/*
 * TT_TAKE - give a pointer away: yields its value and leaves NULL behind, so the cleanup does
 * nothing.
 */
#define TT_TAKE(ptr)                             \
	({                                       \
		__typeof__(ptr) *tt_p_ = &(ptr); \
		__typeof__(ptr) tt_v_ = *tt_p_;  \
		*tt_p_ = NULL;                   \
		tt_v_;                           \
	})

/* TT_DEFINE_FREEP - define fn##p(), which frees what a pointer variable holds: for TT_CLEANUP. */
#define TT_DEFINE_FREEP(type, fn)                   \
	TT_UNUSED static inline void fn##p(type *p) \
	{                                           \
		if (*p)                             \
			fn(*p);                     \
	}

/* tt_closep - close *fd if it is open; errno is kept. */
TT_UNUSED static inline void tt_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		/* never retried: on Linux the number is free again even at EINTR */
		(void)close(*fd);
	errno = saved;
}

/* tt_take_fd - give an fd away: returns its number and leaves -1 behind. */
TT_UNUSED static inline int tt_take_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

/* Called through the table of addresses alone: no stub, which is one more line of code to touch. */
#if __has_attribute(__noplt__)
#define TT_NO_PLT __attribute__((__noplt__))
#else
#define TT_NO_PLT
#endif

#endif
