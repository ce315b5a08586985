/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From lines to files: each line goes into the chain as it is made; after each read of a cell all
 * of it is written with one call per file. A chain line follows 256 records, or what waited 100 ms
 * for one.
 */
#include <string.h>

#include "receiver/receiver_internal.h"

static void put_head(struct receiver_cell *c)
{
	char buf[CHAIN_HEAD_MAX];
	struct receiver *r = c->r;
	size_t n = r->settings.head_fd >= 0 ? chain_head_line(c->chain, c->id, buf) : 0;

	if (!n || receiver_write_now(r->settings.head_fd, buf, n))
		return;
	/* the next head covers what this one did */
	if (!r->heads_lost++)
		receiver_say(r, "fd %d takes no heads: some are left out", r->settings.head_fd);
}

static void put_chain_line(struct receiver_cell *c, bool final)
{
	struct tt_out *o = &c->r->trace;
	size_t n;

	if (o->cap - o->len < CHAIN_LINE_MAX)
		receiver_flush(c);
	n = chain_line(c->chain, final, o->buf + o->len);
	o->len += n;
	if (n)
		put_head(c);
}

static void make_dirty(struct receiver_cell *c)
{
	struct receiver *r = c->r;

	if (c->is_dirty)
		return;
	c->is_dirty = true;
	c->dirty_next = NULL;
	if (r->dirty_last)
		r->dirty_last->dirty_next = c;
	else
		r->dirty = c;
	r->dirty_last = c;
}

void receiver_add_line(struct receiver_cell *c, size_t from)
{
	struct tt_out *o = &c->r->trace;

	c->lines++;
	chain_add(c->chain, o->buf + from, o->len - from, c->r->now_ms);
	if (chain_due_ms(c->chain) == 0)
		put_chain_line(c, false);
	else
		make_dirty(c);
}

static void put(struct receiver_cell *c, struct receiver_file *f, struct tt_out *o,
		const char *name)
{
	bool before = f->held_len;

	if (!receiver_file_put(f, o->buf, o->len)) {
		if (!before)
			receiver_say(c->r, "cell '%s': cannot write %s: %s; it waits", c->id, name,
				     strerror(f->error));
		c->paused = true;
	}
	o->len = 0;
}

void receiver_flush(struct receiver_cell *c)
{
	struct receiver *r = c->r;

	c->written += r->trace.len + r->events.len;
	put(c, &c->trace, &r->trace, "trace.jsonl");
	put(c, &c->events, &r->events, "cloudevents.jsonl");
}

uint64_t receiver_chain_due(struct receiver *r)
{
	struct receiver_cell *c;

	while ((c = r->dirty)) {
		uint64_t due = chain_due_ms(c->chain);

		if (due > r->now_ms && due != UINT64_MAX)
			return due;
		r->dirty = c->dirty_next;
		if (!r->dirty)
			r->dirty_last = NULL;
		c->is_dirty = false;
		if (due == UINT64_MAX)
			continue; /* a full block was closed in between */
		put_chain_line(c, false);
		receiver_flush(c);
	}
	return UINT64_MAX;
}

void receiver_close_chain(struct receiver_cell *c)
{
	put_chain_line(c, true);
	receiver_flush(c);
}
