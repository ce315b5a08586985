/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path of every record: reserve, fill, publish. Inline, since a call in the program's way finds
 * cold caches behind each system call: what counts is how many lines of code it touches.
 */
#ifndef TT_RING_PUT_H
#define TT_RING_PUT_H

#include <string.h>

#include "ring/producer.h"

/* ring_make_room - the lane looks full: look again, or wait; false: there is no room */
TT_COLD bool ring_make_room(struct ring_writer *w, size_t size);

TT_INLINE size_t ring_align_up(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

/* How much must be put in front of a record of @size bytes, so that it does not wrap. */
TT_INLINE uint64_t ring_pad_before(uint64_t head, size_t size, uint32_t lane_bytes)
{
	uint64_t place = head & (lane_bytes - 1);

	return place + size > lane_bytes ? lane_bytes - place : 0;
}

/*
 * Reserve @size bytes that do not wrap; NULL if the lane is full. @size is at most RING_RECORD_MAX.
 */
TT_INLINE struct ring_record *ring_reserve(struct ring_writer *w, size_t size, uint64_t *ret_pos)
{
	uint32_t lane_bytes = w->lane_bytes;
	struct ring_lane *lane = w->lane;
	uint64_t head, pad;

	for (;;) {
		head = __atomic_load_n(&lane->head, __ATOMIC_RELAXED);
		pad = ring_pad_before(head, size, lane_bytes);
		if (TT_UNLIKELY((head & (RING_ALIGN - 1)) ||
				head + pad + size - w->tail_seen > lane_bytes)) {
			if (!ring_make_room(w, size))
				return NULL;
		} else if (__atomic_compare_exchange_n(&lane->head, &head, head + pad + size, false,
						       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
			break;
		}
	}
	if (TT_UNLIKELY(pad)) {
		struct ring_record *r = (struct ring_record *)(w->data + (head & (lane_bytes - 1)));

		/* a pad may be as short as RING_ALIGN: only tag, size and kind are there */
		r->size = (uint32_t)pad;
		r->kind = RING_PAD;
		__atomic_store_n(&r->tag, head + 1, __ATOMIC_RELEASE);
		head += pad;
	}
	*ret_pos = head;
	return (struct ring_record *)(w->data + (head & (lane_bytes - 1)));
}

/* The same where nothing is in the way, or NULL with nothing done: ring_reserve() is to look. */
TT_INLINE struct ring_record *ring_reserve_at_once(struct ring_writer *w, size_t size,
						   uint64_t *ret_pos)
{
	uint32_t lane_bytes = w->lane_bytes;
	uint64_t head = __atomic_load_n(&w->lane->head, __ATOMIC_RELAXED);
	uint64_t place = head & (lane_bytes - 1);

	if (TT_UNLIKELY((head & (RING_ALIGN - 1)) || place + size > lane_bytes ||
			head + size - w->tail_seen > lane_bytes ||
			!__atomic_compare_exchange_n(&w->lane->head, &head, head + size, false,
						     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)))
		return NULL;
	*ret_pos = head;
	return (struct ring_record *)(w->data + place);
}
_Static_assert(offsetof(struct ring_record, kind) < RING_ALIGN, "a pad record shows its kind");

/* Room an argument takes when at most @limit bytes of it are kept. */
TT_INLINE size_t ring_arg_room(const struct event_arg *arg, size_t limit)
{
	if (!arg->data && !arg->absent)
		return 0;
	return ring_align_up(arg->len < limit ? arg->len : limit, 8);
}

/* Bytes of a record whose arguments are cut to @limit each. */
TT_INLINE size_t ring_record_size(const struct event_arg *args, unsigned argc, bool has_who,
				  size_t limit)
{
	size_t size = sizeof(struct ring_record) + (has_who ? sizeof(struct ring_who) : 0) +
		      argc * sizeof(struct ring_arg);

	for (unsigned i = 0; i < argc; i++)
		size += ring_arg_room(&args[i], limit);
	return ring_align_up(size, RING_ALIGN);
}

TT_INLINE void ring_put_arg(char **at, const struct event_arg *arg, size_t limit)
{
	struct ring_arg *a = (struct ring_arg *)*at;
	size_t len = !arg->data ? 0 : arg->len < limit ? arg->len : limit;
	bool cut = arg->cut || (arg->data && len < arg->len);

	a->len = (uint32_t)len;
	a->flags = (uint16_t)((arg->absent ? RING_ARG_ABSENT : 0) | (cut ? RING_ARG_CUT : 0));
	a->room = (uint16_t)(ring_arg_room(arg, limit) / 8);
	a->num = arg->num;
	if (len)
		memcpy(a + 1, arg->data, len);
	*at = (char *)(a + 1) + a->room * 8;
}

TT_INLINE struct ring_record *ring_put(struct ring_writer *w, enum ring_kind kind, unsigned call,
				       const struct event_arg *args, unsigned argc,
				       const struct ring_who *who, uint64_t entered,
				       uint64_t *ret_pos)
{
	size_t limit = RING_RECORD_MAX, size = ring_record_size(args, argc, who != NULL, limit);
	struct ring_record *r;
	char *at;

	if (TT_UNLIKELY(!w->lane))
		return NULL;
	while (TT_UNLIKELY(size > RING_RECORD_MAX)) {
		limit /= 2;
		size = ring_record_size(args, argc, who != NULL, limit);
	}
	r = ring_reserve(w, size, ret_pos);
	if (TT_UNLIKELY(!r))
		return NULL;
	r->size = (uint32_t)size;
	r->kind = (uint8_t)kind;
	r->call = (uint8_t)call;
	r->argc = (uint8_t)argc;
	r->pad0 = 0;
	r->state = RING_IN_FLIGHT;
	r->flags = who ? RING_FLAG_WHO : 0;
	r->entered = entered;
	r->elapsed = 0;
	r->result = 0;
	r->error = 0;
	at = (char *)(r + 1);
	if (TT_UNLIKELY(who != NULL)) {
		memcpy(at, who, sizeof(*who));
		at += sizeof(*who);
	}
	for (unsigned i = 0; i < argc; i++)
		ring_put_arg(&at, &args[i], limit);
	return r;
}

TT_INLINE void ring_publish(struct ring_record *r, uint64_t pos)
{
	__atomic_store_n(&r->tag, pos + 1, __ATOMIC_RELEASE);
}

/*
 * ring_call_begin - reserve the record of a call and show it as in flight
 * @args, @argc: cut to fit RING_RECORD_MAX. An absent argument with a length gets that much room:
 *               see ring_arg_fill(). The extra, if the call has one, is the last of them.
 * @who: NULL for the lane's owner
 * @entered: ring_ticks()
 * Returns the record, or NULL: the lane is full or there is none. The caller counts that in the
 * image's slot.
 */
TT_INLINE struct ring_record *ring_call_begin(struct ring_writer *w, enum event_call call,
					      const struct event_arg *args, unsigned argc,
					      const struct ring_who *who, uint64_t entered)
{
	uint64_t pos;
	struct ring_record *r = ring_put(w, RING_CALL, call, args, argc, who, entered, &pos);

	if (r)
		ring_publish(r, pos);
	return r;
}

/* ring_note_reserve - the place of a note where there may be none at once */
TT_COLD struct ring_note *ring_note_reserve(struct ring_writer *w, uint64_t *ret_pos);

/* ring_note_put - @fd, at most RING_NOTE_FD_MAX, is about to be closed; false: lost */
TT_INLINE bool ring_note_put(struct ring_writer *w, int fd)
{
	struct ring_note *n;
	uint64_t pos;

	if (TT_UNLIKELY(!w->lane))
		return false;
	n = (struct ring_note *)ring_reserve_at_once(w, sizeof(*n), &pos);
	if (TT_UNLIKELY(!n))
		n = ring_note_reserve(w, &pos);
	if (TT_UNLIKELY(!n))
		return false;
	n->size = sizeof(*n);
	n->kind = RING_NOTE;
	n->fd[0] = (uint8_t)fd;
	n->fd[1] = (uint8_t)(fd >> 8);
	n->fd[2] = (uint8_t)(fd >> 16);
	ring_publish((struct ring_record *)n, pos);
	return true;
}

#endif
