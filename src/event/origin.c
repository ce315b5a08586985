/* SPDX-License-Identifier: Apache-2.0 */
/* Who a line speaks of. A recorder that writes many lines of one span makes those parts once. */
#include <string.h>

#include "base/time.h"
#include "event/line.h"

size_t event_kept_len(struct line *l, const char *text, size_t len)
{
	if (len <= l->limit)
		return len;
	l->cut = true;
	len = l->limit;
	while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

void event_put_id_key(struct line *l, const char *key, const struct event_text *t)
{
	if (!t->data)
		return;
	put_key(l, key);
	PUT(l, "\"");
	(void)tt_out_json(&l->o, t->data, event_kept_len(l, t->data, t->len), 1);
	PUT(l, "\"");
}

void event_put_u64_key(struct line *l, const char *key, uint64_t v)
{
	put_key(l, key);
	/*
	 * a count that the workload made up must not make the line unreadable: readers have 63 bits
	 */
	tt_out_u64(&l->o, v < INT64_MAX ? v : INT64_MAX);
}

static void put_pid_key(struct line *l, const char *key, int32_t v)
{
	if (v)
		event_put_u64_key(l, key, (uint32_t)v);
}

static void put_span(struct line *l, const struct event_span *s)
{
	char text[TT_UUID_TEXT_LEN + 1];

	if (s->text.data) {
		PUT(l, "\"");
		(void)tt_out_json(&l->o, s->text.data, event_kept_len(l, s->text.data, s->text.len),
				  1);
		PUT(l, "\"");
	} else if (tt_uuid_is_nil(&s->id)) {
		PUT(l, "null");
	} else {
		tt_uuid_text(text, &s->id);
		PUT(l, "\"spn_");
		tt_out_mem(&l->o, text, TT_UUID_TEXT_LEN);
		PUT(l, "\"");
	}
}

/* Tables of fixed-size text: no pointers, no relocations. */
static const char type_names[][11] = {"syscall", "process", "denied", "sample",
				      "gap",     "run",     "notice", "connection"};
static const char components[][10] = {"telemetry", "recorder", "recorder", "sandbox",
				      "sandbox",   "kernel",   "kernel"};

static void put_origin(struct line *l, const struct event *ev)
{
	PUT(l, ", \"event_type\": \"");
	put_lit(l, type_names[ev->type]);
	PUT(l, "\"");
	event_put_id_key(l, "session_id", &ev->ids->session);
	PUT_KEY(l, "span_id");
	put_span(l, &ev->span);
	PUT_KEY(l, "parent_span");
	put_span(l, &ev->parent);
	PUT(l, ", \"component\": \"");
	put_lit(l, components[ev->source]);
	PUT(l, "\", \"syscall\": \"");
}

static void put_pids(struct line *l, const struct event *ev)
{
	put_pid_key(l, "pid", ev->pid);
	put_pid_key(l, "ppid", ev->ppid);
}

static void put_names(struct line *l, const struct event *ev)
{
	put_pid_key(l, "ns_pid", ev->ns_pid);
	event_put_id_key(l, "comm", &ev->comm);
	event_put_id_key(l, "run_id", &ev->ids->run);
	event_put_id_key(l, "world_id", &ev->ids->world);
	event_put_id_key(l, "agent_id", &ev->ids->agent);
	event_put_id_key(l, "policy_id", &ev->ids->policy);
}

static void put_sensor(struct line *l, const struct event *ev)
{
	switch (ev->source) {
	case EVENT_FROM_PRELOAD:
		if (ev->confirmed)
			PUT(l, ", \"sensor\": \"preload\", \"standing\": \"observed\", "
			       "\"confirmed_by\": \"kernel\"");
		else
			PUT(l, ", \"sensor\": \"preload\", \"standing\": \"declared\"");
		break;
	case EVENT_FROM_PROC:
		PUT(l, ", \"sensor\": \"proc\", \"standing\": \"observed\"");
		break;
	case EVENT_FROM_OBSERVER:
	case EVENT_FROM_SECCOMP:
		PUT(l, ", \"sensor\": \"seccomp\", \"standing\": \"observed\"");
		break;
	case EVENT_FROM_PROXY:
		PUT(l, ", \"sensor\": \"proxy\", \"standing\": \"observed\"");
		break;
	case EVENT_FROM_KERNEL:
		PUT(l, ", \"sensor\": \"kernel\", \"standing\": \"observed\"");
		break;
	case EVENT_FROM_RECORDER:
		break;
	}
}

static bool is_of(const struct event_ready *r, const struct event *ev)
{
	return r->text_len && r->type == ev->type && r->source == ev->source && r->pid == ev->pid &&
	       r->ppid == ev->ppid && r->ns_pid == ev->ns_pid;
}

static bool make_ready(struct event_ready *r, const struct event *ev, size_t limit)
{
	struct line l = {.limit = limit};

	tt_out_init(&l.o, r->text, sizeof(r->text));
	put_origin(&l, ev);
	r->pids_at = (uint16_t)l.o.len;
	put_pids(&l, ev);
	r->names_at = (uint16_t)l.o.len;
	put_names(&l, ev);
	r->text_len = tt_out_is_full(&l.o) || l.cut ? 0 : (uint16_t)l.o.len;
	r->type = ev->type;
	r->source = ev->source;
	r->pid = ev->pid;
	r->ppid = ev->ppid;
	r->ns_pid = ev->ns_pid;
	return r->text_len;
}

void event_put_time(struct line *l, const struct event *ev)
{
	uint64_t second = ev->ts_ns / TT_NS_PER_SEC;
	struct event_ready *r = l->ready;
	char own[TT_TIME_TEXT_LEN + 1], *text = r ? r->time : own;

	if (!r || r->second != second)
		tt_time_text(text, ev->ts_ns);
	else
		tt_time_put_fraction(text + TT_TIME_FRACTION_AT,
				     (unsigned)(ev->ts_ns - second * TT_NS_PER_SEC));
	if (r)
		r->second = second;
	PUT(l, "{\"ts\": \"");
	tt_out_mem(&l->o, text, TT_TIME_TEXT_LEN);
	PUT(l, "\"");
}

void event_put_origin(struct line *l, const struct event *ev)
{
	struct event_ready *r = l->ready;

	if (r && (is_of(r, ev) || make_ready(r, ev, l->limit)))
		tt_out_mem(&l->o, r->text, r->pids_at);
	else
		put_origin(l, ev);
}

void event_put_ids(struct line *l, const struct event *ev)
{
	const struct event_ready *r = l->ready;

	/* the number of the thread stands between what is made once */
	if (r && is_of(r, ev)) {
		tt_out_mem(&l->o, r->text + r->pids_at, (size_t)(r->names_at - r->pids_at));
		if (ev->tid) {
			PUT_KEY(l, "tid");
			tt_out_u64(&l->o, (uint32_t)ev->tid);
		}
		tt_out_mem(&l->o, r->text + r->names_at, (size_t)(r->text_len - r->names_at));
		put_sensor(l, ev);
		return;
	}
	put_pids(l, ev);
	put_pid_key(l, "tid", ev->tid);
	put_names(l, ev);
	put_sensor(l, ev);
}
