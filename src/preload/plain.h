/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plain case of the calls that programs make most: in the ring, a thread with a lane and no
 * call of its own in flight, a path on one page that was seen before. Written straight into the
 * lane; whatever is not plain takes the long way, by struct pl_call.
 */
#ifndef TT_PRELOAD_PLAIN_H
#define TT_PRELOAD_PLAIN_H

#include "preload/fds.h"
#include "preload/preload.h"
#include "ring/clock.h"
#include "ring/put.h"

/* A call that is in flight as the only one of its thread: pl_thread.open[0] tells of it. */
struct pl_plain {
	struct ring_record *rec; /* NULL: not plain, nothing was done */
	uint64_t tag;
};

TT_INLINE struct ring_arg *pl_plain_num(struct ring_arg *a, int64_t num, unsigned flags)
{
	*a = (struct ring_arg){.flags = (uint16_t)flags, .num = num};
	return a + 1;
}

/*
 * pl_plain_open - an open of @path begins, with @dirfd before it if @at
 * @frame: where in the caller's stack it happens: struct pl_open
 */
TT_INLINE struct pl_plain pl_plain_open(enum event_call call, bool at, int dirfd, const char *path,
					int flags, mode_t mode, const void *frame)
{
	const unsigned argc = at ? 4 : 3;
	const size_t fixed = sizeof(struct ring_record) + argc * sizeof(struct ring_arg);
	size_t here = PL_PAGE - (uintptr_t)path % PL_PAGE, len, room;
	bool has_mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
	const struct pl_plain otherwise = {.rec = NULL};
	struct pl_thread *t = &pl_thread;
	struct ring_record *r;
	struct ring_arg *a;
	uint64_t pos;

	/* only PL_RING has lanes */
	if (TT_UNLIKELY(!t->writer.lane || t->depth || t->in_vfork || !pl_is_on(call) ||
			!pl_was_seen((uintptr_t)path / PL_PAGE)))
		return otherwise;
	if (here > pl_process.argument_max)
		here = pl_process.argument_max;
	len = strnlen(path, here);
	if (TT_UNLIKELY(len == here || pl_may_be_quiet(path)))
		return otherwise;
	room = ring_align_up(len, RING_ALIGN);
	r = ring_reserve_at_once(&t->writer, fixed + room, &pos);
	if (TT_UNLIKELY(!r))
		return otherwise;
	r->size = (uint32_t)(fixed + room);
	r->kind = RING_CALL;
	r->call = (uint8_t)call;
	r->argc = (uint8_t)argc;
	r->pad0 = 0;
	r->state = RING_IN_FLIGHT;
	r->flags = 0;
	r->entered = ring_ticks(pl_process.clock);
	a = (struct ring_arg *)(r + 1);
	if (at)
		a = pl_plain_num(a, dirfd, 0);
	*a = (struct ring_arg){.len = (uint32_t)len, .room = (uint16_t)(room / 8)};
	memcpy(a + 1, path, len);
	a = (struct ring_arg *)((char *)(a + 1) + room);
	a = pl_plain_num(a, flags, 0);
	(void)pl_plain_num(a, mode, has_mode ? 0 : RING_ARG_ABSENT);
	ring_publish(r, pos);
	t->depth = 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->open[0].tag = pos + 1;
	t->open[0].frame = (uintptr_t)frame;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->open[0].rec = r;
	return (struct pl_plain){r, pos + 1};
}

/* pl_plain_end - it returned @result, with @error; what a handler left behind is put right */
void pl_plain_end(const struct pl_plain *p, int64_t result, int error);

/* pl_plain_opened - it returned @fd, or failed. Keeps errno. */
TT_INLINE void pl_plain_opened(const struct pl_plain *p, int fd)
{
	struct pl_thread *t = &pl_thread;
	struct pl_open *o = &t->open[0];
	int error = fd < 0 ? errno : 0;

	if (TT_UNLIKELY(t->depth != 1 || o->rec != p->rec || o->tag != p->tag)) {
		pl_plain_end(p, fd, error);
	} else {
		o->rec = NULL;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		t->depth = 0;
		ring_call_end(p->rec, fd, error, ring_ticks(pl_process.clock) - p->rec->entered);
	}
	if (TT_LIKELY(pl_fd_is_entered(fd)))
		pl_fd_is_opened(fd);
	else if (fd >= 0)
		pl_fd_opened(fd, false);
}

#endif
