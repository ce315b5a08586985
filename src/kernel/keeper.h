/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper of a listener: a process that lets calls go on once the caller is gone. A filter
 * outlives who installed it, and without a listener the calls it asks about fail with ENOSYS: an
 * observer that dies, or leaves while processes are still running, would break them.
 *
 *	caller serves the listener ──── keeper sleeps, holding a copy of it
 *	caller ends, or is killed ────► keeper answers every call with "go on", until nobody is left
 *
 * A call that the caller had received and not answered is known by a page that both share. Never
 * for a filter that refuses anything. Not thread-safe.
 */
#ifndef TT_KERNEL_KEEPER_H
#define TT_KERNEL_KEEPER_H

#include "base/compiler.h"
#include "util/err.h"

/* Bytes for a notification or an answer: a newer kernel's may be longer than ours. */
#define KERNEL_KEEPER_ROOM 256

struct kernel_keeper;

/*
 * kernel_keeper_new - fork it, while the caller has nothing open that it should not inherit
 * It closes every fd, leaves the session, and blocks all signals. A child of the caller's.
 */
int kernel_keeper_new(struct kernel_keeper **ret, struct tt_err *err) TT_MUST_CHECK;

/* kernel_keeper_give - a copy of @listener, which stays the caller's. 0 or -errno. */
int kernel_keeper_give(struct kernel_keeper *k, int listener) TT_MUST_CHECK;

/* kernel_keeper_room - where the caller receives calls: KERNEL_KEEPER_ROOM bytes, shared */
void *kernel_keeper_room(struct kernel_keeper *k);

/*
 * kernel_keeper_free - the caller has closed the listener; NULL is fine
 * If processes are left under the filter the keeper goes on and serves them, else it is reaped.
 */
void kernel_keeper_free(struct kernel_keeper *k);
TT_DEFINE_FREEP(struct kernel_keeper *, kernel_keeper_free)

#endif
