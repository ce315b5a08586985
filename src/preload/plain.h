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

/* pl_drop_left - completes the calls that siglongjmp() left, further down the stack than @frame */
void pl_drop_left(uintptr_t frame);

/* only PL_RING has lanes */
TT_INLINE bool pl_is_plain(enum event_call call, const void *frame)
{
	const struct pl_thread *t = &pl_thread;

	/* the long way lies further down the stack than a plain call of the same caller's */
	if (TT_UNLIKELY(t->depth) && !t->in_vfork)
		pl_drop_left((uintptr_t)frame);
	return TT_LIKELY(t->writer.lane && !t->depth && !t->in_vfork && pl_is_on(call));
}

/* The record without its arguments, which are all the rest of its @size; NULL: no room at once. */
TT_INLINE struct ring_record *pl_plain_reserve(enum event_call call, unsigned argc, size_t size,
					       uint64_t *ret_pos)
{
	struct ring_record *r = ring_reserve_at_once(&pl_thread.writer, size, ret_pos);

	if (TT_UNLIKELY(!r))
		return NULL;
	r->size = (uint32_t)size;
	r->kind = RING_CALL;
	r->call = (uint8_t)call;
	r->argc = (uint8_t)argc;
	r->pad0 = 0;
	r->state = RING_IN_FLIGHT;
	r->flags = 0;
	r->entered = ring_ticks(pl_process.clock);
	return r;
}

/* The call begins. @frame: where in the caller's stack it happens: struct pl_open */
TT_INLINE struct pl_plain pl_plain_begin(struct ring_record *r, uint64_t pos, const void *frame)
{
	struct pl_thread *t = &pl_thread;

	ring_publish(r, pos);
	t->depth = 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->open[0].tag = pos + 1;
	t->open[0].frame = (uintptr_t)frame;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->open[0].rec = r;
	return (struct pl_plain){r, pos + 1};
}

/* Which arguments an open has besides its path and flags. */
#define PL_PLAIN_DIRFD 1u
#define PL_PLAIN_MODE  2u

/* pl_plain_open - an open of @path begins; @has: PL_PLAIN_* */
TT_INLINE struct pl_plain pl_plain_open(enum event_call call, unsigned has, int dirfd,
					const char *path, int flags, mode_t mode, const void *frame)
{
	const unsigned argc = 2 + !!(has & PL_PLAIN_DIRFD) + !!(has & PL_PLAIN_MODE);
	const size_t fixed = sizeof(struct ring_record) + argc * sizeof(struct ring_arg);
	size_t here = PL_PAGE - (uintptr_t)path % PL_PAGE, len, room;
	bool has_mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
	const struct pl_plain otherwise = {.rec = NULL};
	struct ring_record *r;
	struct ring_arg *a;
	uint64_t pos;

	if (TT_UNLIKELY(!pl_is_plain(call, frame) || !pl_was_seen((uintptr_t)path / PL_PAGE)))
		return otherwise;
	if (here > pl_process.argument_max)
		here = pl_process.argument_max;
	len = strnlen(path, here);
	if (TT_UNLIKELY(len == here || pl_may_be_quiet(path)))
		return otherwise;
	room = ring_align_up(len, RING_ALIGN);
	r = pl_plain_reserve(call, argc, fixed + room, &pos);
	if (TT_UNLIKELY(!r))
		return otherwise;
	a = (struct ring_arg *)(r + 1);
	if (has & PL_PLAIN_DIRFD)
		a = pl_plain_num(a, dirfd, 0);
	*a = (struct ring_arg){.len = (uint32_t)len, .room = (uint16_t)(room / 8)};
	memcpy(a + 1, path, len);
	a = (struct ring_arg *)((char *)(a + 1) + room);
	a = pl_plain_num(a, flags, 0);
	if (has & PL_PLAIN_MODE)
		(void)pl_plain_num(a, mode, has_mode ? 0 : RING_ARG_ABSENT);
	return pl_plain_begin(r, pos, frame);
}

/* pl_plain_copy - fcntl(2) with @command copies @fd */
TT_INLINE struct pl_plain pl_plain_copy(enum event_call call, int fd, int command, int from,
					const void *frame)
{
	const size_t size = sizeof(struct ring_record) + 3 * sizeof(struct ring_arg);
	struct ring_record *r;
	struct ring_arg *a;
	uint64_t pos;

	r = pl_is_plain(call, frame) ? pl_plain_reserve(call, 3, size, &pos) : NULL;
	if (TT_UNLIKELY(!r))
		return (struct pl_plain){.rec = NULL};
	a = pl_plain_num((struct ring_arg *)(r + 1), fd, 0);
	a = pl_plain_num(a, command, 0);
	(void)pl_plain_num(a, from, 0);
	return pl_plain_begin(r, pos, frame);
}

/* pl_plain_close - an fd is closed that something went through, which is taken out of the table */
TT_INLINE struct pl_plain pl_plain_close(int fd, const void *frame)
{
	const size_t len = sizeof(struct event_fd_counts),
		     size = ring_align_up(sizeof(struct ring_record) + 2 * sizeof(struct ring_arg) +
						  len,
					  RING_ALIGN);
	struct ring_record *r;
	struct ring_arg *a;
	uint64_t pos;

	r = pl_is_plain(EVENT_CALL_close, frame) ? pl_plain_reserve(EVENT_CALL_close, 2, size, &pos)
						 : NULL;
	if (TT_UNLIKELY(!r))
		return (struct pl_plain){.rec = NULL};
	a = pl_plain_num((struct ring_arg *)(r + 1), fd, 0);
	*a = (struct ring_arg){.len = (uint32_t)len, .room = (uint16_t)(len / 8)};
	(void)pl_fd_ends(fd, (struct event_fd_counts *)(a + 1));
	return pl_plain_begin(r, pos, frame);
}
_Static_assert(sizeof(struct event_fd_counts) % 8 == 0, "ring_arg.room");

/* pl_plain_end - it returned @result, with @error; what a handler left behind is put right */
void pl_plain_end(const struct pl_plain *p, int64_t result, int error);

/* pl_plain_returned - it returned @result; below 0: and errno. Keeps errno. */
TT_INLINE void pl_plain_returned(const struct pl_plain *p, int result)
{
	struct pl_thread *t = &pl_thread;
	struct pl_open *o = &t->open[0];
	int error = result < 0 ? errno : 0;

	if (TT_UNLIKELY(t->depth != 1 || o->rec != p->rec || o->tag != p->tag)) {
		pl_plain_end(p, result, error);
		return;
	}
	o->rec = NULL;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->depth = 0;
	ring_call_end(p->rec, result, error, ring_ticks(pl_process.clock) - p->rec->entered);
}

/* pl_plain_opened - the same with @fd, which is recorded now, or failed */
TT_INLINE void pl_plain_opened(const struct pl_plain *p, int fd)
{
	pl_plain_returned(p, fd);
	if (TT_LIKELY(pl_fd_is_entered(fd)))
		pl_fd_is_opened(fd);
	else if (fd >= 0)
		pl_fd_opened(fd, false);
}

#endif
