/* SPDX-License-Identifier: Apache-2.0 */
/* From a sensor into the queue: texts that are too long are cut so that the frame fits. */
#include "agent/queue.h"
#include "base/utf8.h"

/* Of a text: not in the middle of a character, which would make three escapes of it. */
static size_t cut_at(struct wire_text text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text.data;

	if (n >= text.len)
		return text.len;
	for (size_t back = 1; back <= 3 && back <= n; back++) {
		size_t len = tt_utf8_len(p + n - back, text.len - (n - back));

		if (len > back)
			return n - back;
		if (len)
			break;
	}
	return n;
}

/*
 * An argv of at most @room bytes, one for the end of each argument; returns how many bytes that is.
 */
static size_t cut_args(struct agent_sink *q, const struct wire_list *all, size_t room,
		       struct wire_list *ret)
{
	size_t used = 0, n = 0;

	for (; n < all->count && n < AGENT_QUEUE_ARGS && used < room; n++) {
		q->args[n] = all->items[n];
		q->args[n].len = cut_at(all->items[n], room - used - 1);
		used += q->args[n].len + 1;
		if (q->args[n].len < all->items[n].len) {
			n++;
			break;
		}
	}
	*ret = (struct wire_list){.count = n, .items = q->args};
	return used;
}

/* What a frame has of that key if only @room bytes of it stay; returns how many do. */
static size_t cut_field(struct agent_sink *q, const struct wire_frame *whole, enum wire_field field,
			size_t room, struct wire_frame *ret)
{
	switch ((int)field) {
	case WIRE_FIELD_argv:
		return cut_args(q, &whole->argv, room, &ret->argv);
	case WIRE_FIELD_exe:
		ret->exe.len = cut_at(whole->exe, room);
		return ret->exe.len;
	case WIRE_FIELD_path:
		ret->path.len = cut_at(whole->path, room);
		return ret->path.len;
	default:
		ret->addr.len = cut_at(whole->addr, room);
		return ret->addr.len;
	}
}

static size_t field_bytes(const struct wire_frame *frame, enum wire_field field)
{
	size_t n = 0;

	if (!(frame->has & UINT64_C(1) << field))
		return 0;
	switch ((int)field) {
	case WIRE_FIELD_argv:
		for (size_t i = 0; i < frame->argv.count; i++)
			n += frame->argv.items[i].len + 1;
		return n;
	case WIRE_FIELD_exe:
		return frame->exe.len;
	case WIRE_FIELD_path:
		return frame->path.len;
	default:
		return frame->addr.len;
	}
}

/*
 * Rare, so it is searched for: the most bytes of each text with which the frame fits, in the order
 * in which they are given up. Returns 0, or what wire_encode() says if it does not fit at all.
 */
static int cut(struct agent_sink *q, struct wire_frame *frame)
{
	static const enum wire_field order[] = {WIRE_FIELD_argv, WIRE_FIELD_exe, WIRE_FIELD_path,
						WIRE_FIELD_addr};
	uint64_t before = frame->has & WIRE_HAS(truncated) ? frame->truncated : 0, gone = 0;
	int r = -EMSGSIZE;

	frame->content_version = q->major;
	frame->has |= WIRE_HAS(seq) | WIRE_HAS(truncated);
	frame->seq = agent_queue_state(q)->next_seq;
	for (size_t i = 0; i < TT_ARRAY_SIZE(order) && r < 0; i++) {
		struct wire_frame whole = *frame;
		size_t all = field_bytes(frame, order[i]), low = 0, high = all;

		if (!all)
			continue;
		/* @low always is what was tried last that fits, or 0 */
		while (low < high) {
			size_t middle = high - (high - low) / 2;

			(void)cut_field(q, &whole, order[i], middle, frame);
			/* as large as any could be */
			frame->truncated = UINT32_MAX;
			r = wire_encode(frame, q->scratch, sizeof(q->scratch));
			if (r >= 0)
				low = middle;
			else
				high = middle - 1;
		}
		gone += all - cut_field(q, &whole, order[i], low, frame);
		r = wire_encode(frame, q->scratch, sizeof(q->scratch));
	}
	gone += before;
	frame->truncated = gone > UINT32_MAX ? UINT32_MAX : gone;
	return r < 0 ? r : 0;
}

/* As it is, or cut if it is too long. */
static int put(struct agent_sink *q, struct wire_frame *frame)
{
	struct wire_frame shorter;
	int r = agent_queue_put(q, frame);

	if ((r != -EMSGSIZE && r != -ENOBUFS) || q->major == 1)
		return r;
	shorter = *frame;
	r = cut(q, &shorter);
	return r ? r : agent_queue_put(q, &shorter);
}

void agent_tell(struct agent_sink *q, struct wire_frame *frame)
{
	int r;

	if (q->major == 1) {
		if (frame->source == WIRE_GATE_DENIED)
			return; /* it has no such source */
		frame->has = 0;
	}
	(void)agent_queue_settle(q);
	r = put(q, frame);
	if (r == -ENOSPC && q->make_room) {
		q->make_room(q->make_room_arg);
		r = put(q, frame);
	}
	if (r < 0)
		agent_lost(q, r == -ENOSPC ? AGENT_QUEUE_FULL : AGENT_TOO_LARGE, 1);
}
