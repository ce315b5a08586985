/* SPDX-License-Identifier: Apache-2.0 */
/* A line of JSON as it grows, inside this folder. */
#ifndef TT_EVENT_LINE_H
#define TT_EVENT_LINE_H

#include "base/out.h"
#include "event/event.h"

struct line {
	struct tt_out o;
	char *path_buf; /* work space at the end of the caller's buffer */
	size_t path_cap;
	size_t limit;              /* bytes kept of each argument */
	bool cut;                  /* something was shortened */
	unsigned bad;              /* bit i: args[i] was not UTF-8 */
	struct event_ready *ready; /* NULL: there is none, or the line is to be short */
	/* the argument that is a path, and where its text stands in the line: most say it again */
	struct event_text said;
	size_t said_at, said_end;
};

/* A literal: its length is known when this is compiled, with strlen(3) forbidden, too. */
#define PUT(l, literal)     tt_out_mem(&(l)->o, "" literal, sizeof(literal) - 1)
#define PUT_KEY(l, literal) PUT(l, ", \"" literal "\": ")

static inline void put_lit(struct line *l, const char *s)
{
	tt_out_str(&l->o, s);
}

static inline void put_key(struct line *l, const char *key)
{
	PUT(l, ", \"");
	put_lit(l, key);
	PUT(l, "\": ");
}

/* Bytes of @text as kept: never in the middle of a UTF-8 sequence. */
size_t event_kept_len(struct line *l, const char *text, size_t len);

/* Ids and names that the kernel or we gave: nothing in them is a secret. */
void event_put_id_key(struct line *l, const char *key, const struct event_text *t);

void event_put_u64_key(struct line *l, const char *key, uint64_t v);

/*
 * The parts of a line that are the same for all calls of a span: event_put_origin() up to the name
 * of the call, event_put_ids() behind the numbers.
 */
void event_put_time(struct line *l, const struct event *ev);
void event_put_origin(struct line *l, const struct event *ev);
void event_put_ids(struct line *l, const struct event *ev);

#endif
