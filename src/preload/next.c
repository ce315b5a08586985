/* SPDX-License-Identifier: Apache-2.0 */
/* The functions behind ours, looked up at their first use: most programs use few of them. */
#include "preload/preload.h"

#include <errno.h>

void *pl_next_table[PL_FN_COUNT];

static const char names[PL_FN_COUNT][24] = {
#define PL_FN(name) #name,
#include "preload/next.def"
#undef PL_FN
};

/* In place of a function that libc does not have: an old libc without execveat, say. */
static long missing(void)
{
	errno = ENOSYS;
	return -1;
}

void *pl_next_lookup(enum pl_fn fn)
{
	int saved = errno;
	void *f = pl_next_find(names[fn]);

	if (!f)
		f = (void *)missing;
	__atomic_store_n(&pl_next_table[fn], f, __ATOMIC_RELAXED);
	errno = saved;
	return f;
}
