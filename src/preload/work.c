/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory to make lines in: too large for the stack of a signal handler, and malloc is not ours to
 * call. Each thread maps it once, at its first line, and gives it back when it ends.
 */
#include <sys/mman.h>

#include "preload/log.h"

static struct pl_work *map_one(void)
{
	long map = tt_sys6(SYS_mmap, 0, sizeof(struct pl_work), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return map < 0 && map > -4096 ? NULL : (struct pl_work *)map;
}

void pl_work_drop(void)
{
	struct pl_work *w = pl_thread.work;

	pl_thread.work = NULL;
	if (w)
		(void)tt_sys2(SYS_munmap, w, sizeof(*w));
}

struct pl_work *pl_work_take(void)
{
	struct pl_work *w = pl_thread.work, *none = NULL;

	if (!pl_thread.in_vfork) {
		if (TT_LIKELY(w != NULL) && !__atomic_exchange_n(&w->busy, true, __ATOMIC_ACQUIRE))
			return w;
		if (!w) {
			w = map_one();
			if (!w)
				return NULL;
			w->busy = true;
			if (__atomic_compare_exchange_n(&pl_thread.work, &none, w, false,
							__ATOMIC_RELAXED, __ATOMIC_RELAXED))
				pl_thread_notice_end();
			else
				w->temporary = true; /* a signal handler was quicker */
			return w;
		}
	}
	w = map_one();
	if (w)
		w->temporary = true;
	return w;
}

void pl_work_give(struct pl_work *w)
{
	if (w->temporary)
		(void)tt_sys2(SYS_munmap, w, sizeof(*w));
	else
		__atomic_store_n(&w->busy, false, __ATOMIC_RELEASE);
}
