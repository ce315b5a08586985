/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory to make lines in: too large for the stack of a signal handler, and malloc is not ours to
 * call. Each thread maps it once, at its first line, and gives it back when it ends.
 */
#include <signal.h>
#include <sys/mman.h>

#include "preload/log.h"

static struct pl_work *map_one(void)
{
	long map = tt_sys6(SYS_mmap, 0, sizeof(struct pl_work), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return map < 0 && map > -4096 ? NULL : (struct pl_work *)map;
}

/* Signals are held: a handler's hook would map another one that nobody gives back. */
static void thread_ends(void *owner)
{
	uint64_t all = ~0ull, old = 0;
	struct pl_work *w;

	(void)owner;
	(void)tt_sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all));
	w = pl_thread.work;
	pl_thread.work = NULL;
	if (w)
		(void)tt_sys2(SYS_munmap, w, sizeof(*w));
	(void)tt_sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, 0, sizeof(all));
}

/* As with lanes: the first thread is spared the key, since its memory goes with the process. */
static void give_back_at_end(void)
{
	static uint32_t key_state;
	static pthread_key_t key;
	uint32_t none = 0;

	if (tt_sys0(SYS_gettid) == pl_process.image.pid)
		return;
	if (__atomic_compare_exchange_n(&key_state, &none, 1, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		__atomic_store_n(&key_state, pthread_key_create(&key, thread_ends) == 0 ? 2 : 3,
				 __ATOMIC_RELEASE);
	if (__atomic_load_n(&key_state, __ATOMIC_ACQUIRE) == 2 && (unsigned)key < PL_KEYS_MAX)
		(void)pthread_setspecific(key, &pl_thread);
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
				give_back_at_end();
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
