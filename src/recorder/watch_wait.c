/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The observer's facts of images that the library speaks for: most are of calls that it tells of,
 * with their results. A fact waits until such a call turns up, or none can any more; then it was
 * made past the library, and gets a line.
 */
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "recorder/held.h"
#include "recorder/kinds.h"
#include "recorder/track_internal.h"
#include "recorder/watch_internal.h"

#define SLACK_NS    (4ull * RECORDER_SLACK_NS)
#define SETTLED_NS  (20 * TT_NS_PER_MS)  /* the record of a call comes by then */
#define UNKNOWN_NS  (150 * TT_NS_PER_MS) /* the first word of an image */
#define TOLD_NS     (300 * TT_NS_PER_MS) /* how long a call is remembered */
#define EXEC_NS     (50 * TT_NS_PER_MS)  /* between the word of an exec and the last attempt */
#define WAITING_MAX (16u << 20)
#define BLOCKED_MAX 256
#define BUCKETS     256

/* A call of the library's. */
struct told {
	struct told *next;
	uint64_t entered, left;
	int32_t own_pid, own_tid;
	unsigned kind;
	uint64_t key;  /* of what it is about; 0: that has another text in the kernel */
	bool explains; /* it has explained a fact; another one is not of this call */
};

struct waiting {
	struct waiting *next;
	size_t bytes;
	bool met; /* span is known */
	struct tt_uuid span;
	struct kernel_fact fact; /* its texts follow */
};

struct recorder_waits {
	struct waiting *first, *last;
	size_t bytes;
	struct told *told[BUCKETS], *told_last[BUCKETS];
	struct {
		struct tt_uuid span;
		int32_t tid;
		uint64_t since;
	} blocked[BLOCKED_MAX];
	size_t blocked_count;
};

/*
 * What a call is about, as a number: its path or address; of an exec the last part of the path,
 * which is the same when PATH was searched. 0: nothing that can be compared.
 */
static uint64_t key_of(enum event_call call, const struct event_arg *args)
{
	const char *layout = event_call_info(call)->layout, *data, *slash;
	size_t i = strcspn(layout, "pxa"), len;
	uint64_t h = 0xcbf29ce484222325u;

	if (!layout[i] || !args[i].data || args[i].cut || event_call_makes_name(call))
		return 0;
	data = args[i].data;
	len = args[i].len;
	slash = event_call_execs(call) ? memrchr(data, '/', len) : NULL;
	if (slash) {
		len -= (size_t)(slash + 1 - data);
		data = slash + 1;
	}
	while (len--)
		h = (h ^ (uint8_t)*data++) * 0x100000001b3u;
	return h | 1;
}

struct recorder_waits *recorder_waits_new(void)
{
	return calloc(1, sizeof(struct recorder_waits));
}

static void drop_told(struct recorder_waits *w, unsigned b)
{
	struct told *t = w->told[b];

	w->told[b] = t->next;
	if (!t->next)
		w->told_last[b] = NULL;
	free(t);
}

void recorder_waits_free(struct recorder_waits *w)
{
	for (struct waiting *x; w && (x = w->first);) {
		w->first = x->next;
		free(x);
	}
	for (unsigned b = 0; w && b < BUCKETS; b++)
		while (w->told[b])
			drop_told(w, b);
	free(w);
}

static void *copy(char **at, const void *data, size_t len)
{
	void *to = *at;

	memcpy(to, data, len);
	*at += len;
	return to;
}

bool recorder_waits_add(struct recorder_waits *w, const struct kernel_fact *f)
{
	struct event_text *texts[4];
	size_t bytes =
		sizeof(struct waiting) + f->path.len + f->argv.len + f->cwd.len + f->where.len;
	struct waiting *x;
	char *at;

	for (unsigned i = 0; i < EVENT_ARGS_MAX; i++)
		bytes += f->args[i].data ? f->args[i].len : 0;
	x = w->bytes + bytes > WAITING_MAX ? NULL : malloc(bytes);
	if (!x)
		return false;
	*x = (struct waiting){.bytes = bytes, .fact = *f};
	at = (char *)(x + 1);
	texts[0] = &x->fact.path;
	texts[1] = &x->fact.argv;
	texts[2] = &x->fact.cwd;
	texts[3] = &x->fact.where;
	for (unsigned i = 0; i < 4; i++)
		if (texts[i]->data)
			texts[i]->data = copy(&at, texts[i]->data, texts[i]->len);
	for (unsigned i = 0; i < EVENT_ARGS_MAX; i++)
		if (x->fact.args[i].data)
			x->fact.args[i].data = copy(&at, x->fact.args[i].data, x->fact.args[i].len);
	if (w->last)
		w->last->next = x;
	else
		w->first = x;
	w->last = x;
	w->bytes += bytes;
	return true;
}

void recorder_waits_told(struct recorder_waits *w, const struct recorder_span *s,
			 const struct event *ev, uint64_t entered)
{
	unsigned kind = recorder_kind_of(ev->call), b = (unsigned)s->own_pid % BUCKETS;
	struct told *t;

	/* an open that only reads is not watched, nor what asks for no act of its own */
	if (kind == RECORDER_KIND_NONE || kind == RECORDER_KIND_PARTS ||
	    (event_opens(ev->call) && ev->call != EVENT_CALL_openat2 && !event_writes(ev)))
		return;
	t = malloc(sizeof(*t));
	if (!t)
		return;
	*t = (struct told){.entered = entered,
			   .left = entered + ev->elapsed_ns,
			   .own_pid = s->own_pid,
			   .own_tid = ev->tid,
			   .kind = kind,
			   .key = key_of(ev->call, ev->args)};
	if (event_call_execs(ev->call) && !ev->has_result)
		t->left = entered + EXEC_NS;
	if (w->told_last[b])
		w->told_last[b]->next = t;
	else
		w->told[b] = t;
	w->told_last[b] = t;
}

/* Those whose facts have come long ago, if there were any. */
static void forget_told(struct recorder_waits *w, uint64_t now)
{
	for (unsigned b = 0; b < BUCKETS; b++)
		while (w->told[b] && w->told[b]->left + TOLD_NS < now)
			drop_told(w, b);
}

void recorder_waits_unblock(struct recorder_waits *w)
{
	w->blocked_count = 0;
}

void recorder_waits_blocked(struct recorder_waits *w, const struct ring_lane_state *lane)
{
	if (w->blocked_count == BLOCKED_MAX)
		return;
	w->blocked[w->blocked_count].span = lane->caller.span;
	w->blocked[w->blocked_count].tid = lane->caller.tid;
	w->blocked[w->blocked_count++].since = lane->since_ns;
}

/* Threads have other numbers in another PID namespace; but for the first nobody knows which. */
static bool is_same_thread(const struct kernel_fact *f, int32_t own_pid, int32_t own_tid)
{
	if (own_pid == f->pid)
		return own_tid == f->tid;
	return f->tid != f->pid || own_tid == own_pid;
}

static bool is_told(const struct recorder_waits *w, const struct kernel_fact *f, int32_t own_pid)
{
	unsigned kind = recorder_kind_of(f->call);
	uint64_t key = key_of(f->call, f->args);

	for (struct told *t = w->told[(unsigned)own_pid % BUCKETS]; t; t = t->next) {
		if (t->explains || t->own_pid != own_pid || t->kind != kind ||
		    t->entered > f->ts_ns + SLACK_NS || f->ts_ns > t->left + SLACK_NS ||
		    (t->key && key && t->key != key) || !is_same_thread(f, own_pid, t->own_tid))
			continue;
		/* some calls try several times */
		t->explains = t->key && kind != RECORDER_KIND_EXEC;
		return true;
	}
	return false;
}

/* The thread is in a call which may turn out to be this one. */
static bool is_in_call(const struct recorder_waits *w, const struct recorder_span *s,
		       const struct kernel_fact *f)
{
	for (size_t i = 0; i < w->blocked_count; i++)
		if (tt_uuid_equal(&w->blocked[i].span, &s->id) &&
		    f->ts_ns + SLACK_NS >= w->blocked[i].since &&
		    is_same_thread(f, s->own_pid, w->blocked[i].tid))
			return true;
	return false;
}

enum fate { WAITS, EXPLAINED, UNEXPLAINED };

static enum fate fate_of(struct recorder_watch *o, struct recorder_track *t, struct waiting *x,
			 uint64_t now)
{
	struct recorder_process *p = recorder_track_met(t, &x->fact);
	struct recorder_span *s = p ? p->span : NULL;
	int32_t own_pid;
	uint64_t age_ns = now > x->fact.ts_ns ? now - x->fact.ts_ns : 0;

	if (s && !x->met) {
		x->met = true;
		x->span = s->id;
	}
	if (!t->ring || !o->follows)
		return UNEXPLAINED;
	/* the process may be gone already, and what it told not */
	own_pid = x->fact.ns_pid ? x->fact.ns_pid : x->fact.pid;
	if (is_told(o->waits, &x->fact, p ? p->own_pid : own_pid))
		return EXPLAINED;
	/* the image that the exec made tells of itself */
	if (event_call_execs(x->fact.call) && s && s->preload && s->spoke_ns > x->fact.ts_ns)
		return EXPLAINED;
	if (p && p->drained)
		return UNEXPLAINED; /* all that it told has been taken */
	if (s && s->preload && is_in_call(o->waits, s, &x->fact))
		return WAITS;
	if (s && !s->preload && s->how != EVENT_HOW_LAUNCH)
		return UNEXPLAINED;
	return age_ns < (s ? SETTLED_NS : UNKNOWN_NS) ? WAITS : UNEXPLAINED;
}

void recorder_waits_settle(struct recorder_watch *o, struct recorder_track *t, bool all)
{
	struct recorder_waits *w = o->waits;
	uint64_t now = all ? UINT64_MAX : tt_clock_ns(CLOCK_MONOTONIC);
	struct waiting **at = &w->first, *x, *last = NULL;

	if (all)
		w->blocked_count = 0;
	while ((x = *at)) {
		enum fate fate = EXPLAINED;

		if (x->fact.kind == KERNEL_FACT_CALL)
			fate = fate_of(o, t, x, now);
		else
			recorder_watch_process(t, &x->fact);
		if (fate == WAITS) {
			last = x;
			at = &x->next;
			continue;
		}
		if (fate == UNEXPLAINED)
			recorder_watch_put(o, t, &x->fact, x->met ? &x->span : NULL);
		*at = x->next;
		w->bytes -= x->bytes;
		free(x);
	}
	w->last = last;
	if (!all)
		forget_told(w, now);
}
