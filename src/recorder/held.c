/* SPDX-License-Identifier: Apache-2.0 */
/* The queues, and what becomes of facts that the library does not explain. */
#include "recorder/held.h"

#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "event/redact.h"
#include "event/text.h"
#include "recorder/facts.h"
#include "recorder/kinds.h"
#include "recorder/look.h"
#include "recorder/track_internal.h"
#include "recorder/unmatched.h"

#define HELD_BYTES_MAX (64u << 20)
#define SETTLED_NS     (20 * TT_NS_PER_MS) /* a record that is to explain a fact comes by then */
#define VFORK_NS       (2000 * TT_NS_PER_MS)
#define DOUBT_NS       (1 * TT_NS_PER_MS)
#define PROVEN_NS      (300 * TT_NS_PER_MS) /* until a doubt becomes a finding */
#define LOOK_NS        (50 * TT_NS_PER_MS)
#define NEAR_NS        (5 * TT_NS_PER_US) /* that the two clocks differ by, at times */
#define DOUBTS_MAX     256
#define OPEN_END_NS    (1000 * TT_NS_PER_MS) /* a call whose end is not told is over by then */

/* A call that was told as done, and whose fact has not been found. */
struct recorder_doubt {
	struct recorder_doubt *next;
	uint64_t entered, left;
	unsigned kind;
	enum recorder_finding_kind finding;
	int64_t result;
	int32_t tid;    /* 0: not as the kernel counts them */
	uint64_t about; /* the path or name that it is about, in short; 0: not known */
	char text[];    /* for people */
};

#define GONE_MAX 64

struct recorder_gone {
	uint64_t ts_ns;
	int64_t result;
	unsigned kind; /* 0: none */
	int32_t tid;
	uint64_t about; /* as in struct recorder_doubt */
};

static size_t text_bytes(const struct kernel_fact *f)
{
	const char *layout = event_call_info(f->call)->layout;
	size_t n = f->path.len + f->argv.len + f->where.len + f->where2.len;

	if (f->kind != KERNEL_FACT_CALL && f->kind != KERNEL_FACT_URING)
		return n;
	for (unsigned i = 0; layout[i]; i++)
		n += f->args[i].data ? f->args[i].len : 0;
	return n;
}

static void *take_bytes(char **at, const void *data, size_t len)
{
	char *to = *at;

	memcpy(to, data, len);
	*at += len;
	return to;
}

static void copy_texts(struct kernel_fact *f, char *at)
{
	struct event_text *texts[] = {&f->path, &f->argv, &f->where, &f->where2};
	const char *layout = event_call_info(f->call)->layout;
	bool calls = f->kind == KERNEL_FACT_CALL || f->kind == KERNEL_FACT_URING;

	for (size_t i = 0; i < TT_ARRAY_SIZE(texts); i++)
		if (texts[i]->data)
			texts[i]->data = take_bytes(&at, texts[i]->data, texts[i]->len);
	for (unsigned i = 0; calls && layout[i]; i++)
		if (f->args[i].data)
			f->args[i].data = take_bytes(&at, f->args[i].data, f->args[i].len);
}

/* A path or name in short, to tell it from others. */
static uint64_t in_short(struct event_text text)
{
	uint64_t h = 14695981039346656037ull;

	for (size_t i = 0; i < text.len; i++)
		h = (h ^ (unsigned char)text.data[i]) * 1099511628211ull;
	return text.data ? h | 1 : 0;
}

/* What a fact is about, where its text can be relied on. */
static uint64_t fact_in_short(const struct kernel_fact *f)
{
	return f->own_memory && !f->where_is_file ? in_short(recorder_kind_path(f)) : 0;
}

static uint64_t call_in_short(const struct event *ev)
{
	return recorder_kind_renames(ev->call) ? 0 : in_short(recorder_kind_text(ev));
}

/* Threads, or texts in short; 0 goes with every other. */
static bool goes_with(uint64_t a, uint64_t b)
{
	return !a || !b || a == b;
}

/*
 * A call that took longer than its fact waited, in a thread of which nobody knew that it was in a
 * call: it is told of twice, but it is no lie.
 */
static void remember(struct recorder_span *s, const struct kernel_fact *f)
{
	if (f->kind != KERNEL_FACT_CALL || s->mute != RECORDER_MUTE_NOT ||
	    recorder_kind_of(f->call) == RECORDER_KIND_NONE)
		return;
	if (!s->let_go)
		s->let_go = calloc(GONE_MAX, sizeof(*s->let_go));
	if (s->let_go)
		s->let_go[s->let_go_at++ % GONE_MAX] = (struct recorder_gone){
			.ts_ns = f->ts_ns,
			.result = f->result,
			.kind = recorder_kind_of(f->call),
			.tid = f->tid,
			.about = fact_in_short(f),
		};
}

static bool is_gone(struct recorder_span *s, const struct event *ev, uint64_t entered,
		    uint64_t left)
{
	for (unsigned i = 0; s->let_go && i < GONE_MAX; i++) {
		struct recorder_gone *g = &s->let_go[i];

		if (g->kind != recorder_kind_of(ev->call) || g->result != ev->result ||
		    (s->own_pid == s->pid && g->tid != ev->tid) ||
		    !goes_with(g->about, call_in_short(ev)) || g->ts_ns + DOUBT_NS < entered ||
		    g->ts_ns > left + DOUBT_NS)
			continue;
		g->kind = 0; /* it explains one call */
		return true;
	}
	return false;
}

/* The act that a call told of may have been made by this very fact after all. */
static void dispel(struct recorder_span *s, const struct kernel_fact *f)
{
	if (f->kind == KERNEL_FACT_CAPABILITY || f->kind == KERNEL_FACT_FOREIGN)
		return;
	for (struct recorder_doubt **at = &s->doubts, *d; (d = *at);) {
		if (d->finding != RECORDER_FINDING_UNSEEN || d->kind != recorder_kind_of(f->call) ||
		    d->result != f->result || !goes_with((uint32_t)d->tid, (uint32_t)f->tid) ||
		    !goes_with(d->about, fact_in_short(f)) || f->ts_ns + DOUBT_NS < d->entered ||
		    f->ts_ns > d->left + DOUBT_NS) {
			at = &d->next;
			continue;
		}
		*at = d->next;
		s->doubt_count--;
		free(d);
		return;
	}
}

static void forget(struct recorder_facts *facts, struct recorder_held *h)
{
	facts->held_bytes -= h->bytes;
	free(h);
}

/* Take the first out of the queue. */
static struct recorder_held *pop(struct recorder_span *s)
{
	struct recorder_held *h = s->held;

	s->held = h->next;
	if (!s->held)
		s->held_last = NULL;
	return h;
}

static void let_go_first(struct recorder_track *t, struct recorder_span *s)
{
	struct recorder_held *h = pop(s);

	dispel(s, &h->fact);
	remember(s, &h->fact);
	recorder_unmatched_add(t, s, h);
	forget(t->facts, h);
}

static void list_holder(struct recorder_facts *facts, struct recorder_span *s)
{
	if (s->is_holder)
		return;
	s->is_holder = true;
	s->next_holder = &facts->holders;
	s->prev_holder = facts->holders.prev_holder;
	s->prev_holder->next_holder = s->next_holder->prev_holder = s;
}

static void unlist_holder(struct recorder_span *s)
{
	if (!s->is_holder)
		return;
	s->is_holder = false;
	s->prev_holder->next_holder = s->next_holder;
	s->next_holder->prev_holder = s->prev_holder;
}

/* Whether both speak of one thread; -1: nobody can tell, for they count threads differently. */
static int same_thread(const struct recorder_span *s, const struct event *ev,
		       const struct kernel_fact *f)
{
	if (s->own_pid == s->pid)
		return ev->tid == f->tid;
	if (ev->tid == s->own_pid)
		return f->tid == s->pid;
	if (f->tid == s->pid)
		return 0;
	return f->ns_tid ? ev->tid == f->ns_tid : -1;
}

/* What dlopen(3) reads comes after its word, which does not say when it is over. */
static bool is_loaded(const struct recorder_track *t, const struct recorder_span *s,
		      const struct kernel_fact *f)
{
	const struct event ev = {.tid = s->loading_tid};

	return s->loading_ns && f->kind == KERNEL_FACT_CALL && f->ts_ns >= s->loading_ns &&
	       f->ts_ns < s->loading_ns + OPEN_END_NS && same_thread(s, &ev, f) > 0 &&
	       recorder_facts_origin(t->facts, f) == RECORDER_ORIGIN_LOADER;
}

struct recorder_held *recorder_held_keep(const struct kernel_fact *f)
{
	size_t bytes = sizeof(struct recorder_held) + text_bytes(f);
	struct recorder_held *h = malloc(bytes);

	if (!h)
		return NULL;
	h->next = NULL;
	h->bytes = bytes;
	h->inside = false;
	h->fact = *f;
	copy_texts(&h->fact, (char *)(h + 1));
	return h;
}

void recorder_held_add(struct recorder_track *t, struct recorder_span *s,
		       const struct kernel_fact *f)
{
	size_t bytes = sizeof(struct recorder_held) + text_bytes(f);
	struct recorder_held *h;

	if (t->facts->held_bytes + bytes > HELD_BYTES_MAX) {
		struct recorder_span *fullest = s->held ? s : t->facts->holders.next_holder;

		while (t->facts->held_bytes + bytes > HELD_BYTES_MAX && fullest->held) {
			t->facts->let_go++;
			let_go_first(t, fullest);
		}
	}
	h = recorder_held_keep(f);
	if (!h) {
		t->facts->let_go++;
		return;
	}
	h->inside = is_loaded(t, s, f);
	t->facts->held_bytes += bytes;
	if (s->held_last)
		s->held_last->next = h;
	else
		s->held = h;
	s->held_last = h;
	list_holder(t->facts, s);
}

static bool is_try(const struct event *ev, const struct kernel_fact *f)
{
	return event_call_execs(ev->call) && f->kind == KERNEL_FACT_CALL &&
	       recorder_kind_of(f->call) == RECORDER_KIND_EXEC &&
	       recorder_kind_compare(ev, f) == RECORDER_SAME;
}

static bool is_mine(const struct event *ev, const struct kernel_fact *f, uint64_t entered)
{
	if (event_call_execs(ev->call) && !ev->has_result)
		return f->kind == KERNEL_FACT_EXEC && f->ts_ns + RECORDER_SLACK_NS >= entered;
	if (f->kind == KERNEL_FACT_FORK)
		return recorder_kind_makes(ev, f);
	return f->kind == KERNEL_FACT_CALL &&
	       recorder_kind_of(ev->call) == recorder_kind_of(f->call);
}

/* The library looks at a program before it tells that this is to be started. */
static bool looks_ahead(const struct recorder_track *t, const struct event *ev,
			const struct kernel_fact *f, uint64_t entered)
{
	return event_call_family(ev->call) == EVENT_FAMILY_EXEC && f->ts_ns <= entered &&
	       f->ts_ns + LOOK_NS >= entered &&
	       recorder_facts_origin(t->facts, f) == RECORDER_ORIGIN_OURS;
}

/* Part of a call whose end is not told: tries of an exec, what dlopen(3) reads. */
static bool is_open_end(const struct recorder_track *t, const struct event *ev,
			const struct kernel_fact *f)
{
	if (event_call_execs(ev->call))
		return recorder_kind_of(f->call) == RECORDER_KIND_EXEC;
	return recorder_facts_origin(t->facts, f) == RECORDER_ORIGIN_LOADER;
}

/* A path that leads to the very file by another name: a symbolic link. */
static bool is_link(const struct recorder_track *t, const struct recorder_span *s,
		    const struct event *ev, const struct kernel_fact *f)
{
	struct recorder_sight at;

	if (f->own_memory || !f->where_is_file || !f->file.ino)
		return false;
	/* nobody can look it up: what both read must do */
	if (t->own_pid_namespace || s->root || s->root_unknown || !ev->joined.len)
		return recorder_kind_same_words(ev, f);
	switch (recorder_look(ev->joined, &at)) {
	case 0:
		return at.ino == f->file.ino && at.dev == f->file.dev;
	case -EAGAIN:
	case -ENOSYS:
		return recorder_kind_same_words(ev, f);
	default:
		return false;
	}
}

/* What a call of the library may bring along besides its own act. */
static bool brings(const struct recorder_track *t, const struct event *ev,
		   const struct kernel_fact *f)
{
	if (!ev->has_result)
		return is_open_end(t, ev, f);
	if (recorder_kind_of(ev->call) == RECORDER_KIND_FORK)
		return recorder_kind_of(f->call) == RECORDER_KIND_FORK; /* besides the child */
	return recorder_kind_has_parts(ev->call) ||
	       (f->error && recorder_kind_of(ev->call) == recorder_kind_of(f->call));
}

struct match {
	struct recorder_held *found, *before; /* @before: the one in front of it in the queue */
	bool tried;                           /* it is that of the next one, too */
	bool other_number;
	bool other_end;                  /* the same text, another result */
	const struct kernel_fact *other; /* the same call with the same result, other text */
};

/* Look through the facts of the time that the call took. */
static void search(struct recorder_track *t, struct recorder_span *s, const struct event *ev,
		   uint64_t entered, uint64_t left, struct match *m)
{
	struct recorder_held *before = NULL, *near = NULL, *near_before = NULL;

	for (struct recorder_held *h = s->held; h; before = h, h = h->next) {
		const struct kernel_fact *f = &h->fact;
		bool within = f->ts_ns >= entered && f->ts_ns <= left;
		bool nearly = f->ts_ns + NEAR_NS >= entered && f->ts_ns <= left + NEAR_NS;
		int same;

		if (f->ts_ns > left + RECORDER_SLACK_NS)
			break;
		if (looks_ahead(t, ev, f, entered))
			h->inside = true;
		if (f->ts_ns + RECORDER_SLACK_NS < entered)
			continue;
		/* the thread that made a process, or executes a program, is not told */
		same = f->kind == KERNEL_FACT_CALL || f->kind == KERNEL_FACT_URING
			       ? same_thread(s, ev, f)
			       : 1;
		if (!same)
			continue;
		if (!m->found && !m->tried && is_mine(ev, f, entered)) {
			enum recorder_same how = recorder_kind_compare(ev, f);

			if (how == RECORDER_OTHER_TEXT && is_link(t, s, ev, f))
				how = RECORDER_SAME;
			if (how == RECORDER_SAME && within) {
				m->found = h;
				m->before = before;
				continue;
			}
			if (how == RECORDER_SAME && !near) {
				near = h;
				near_before = before;
				continue;
			}
			if (nearly && same > 0 && !m->other_end &&
			    (how == RECORDER_OTHER_TEXT || how == RECORDER_OTHER_NUMBERS ||
			     (how == RECORDER_OTHER_END && recorder_kind_is_one(ev->call)))) {
				m->other = f;
				m->other_number = how == RECORDER_OTHER_NUMBERS;
				m->other_end = how == RECORDER_OTHER_END;
				if (!f->error)
					continue;
			}
		}
		/* an exec is told before it is tried, and again if it failed: both of one try */
		if (!ev->has_result && same && is_try(ev, f))
			m->tried = true;
		if (within && same > 0 && f->kind == KERNEL_FACT_CALL && brings(t, ev, f))
			h->inside = true;
	}
	/* the two clocks may differ a little: by that alone only if nothing else is the act */
	if (!m->found && near) {
		m->found = near;
		m->before = near_before;
	}
}

static void doubt(struct recorder_track *t, struct recorder_span *s, const struct event *ev,
		  uint64_t entered, uint64_t left, const struct kernel_fact *other)
{
	struct recorder_doubt *d;
	char text[1024], seen[512];
	struct event_text said = recorder_kind_text(ev);
	struct tt_out o;

	if (s->doubt_count >= DOUBTS_MAX)
		return;
	tt_out_init(&o, text, sizeof(text));
	tt_out_str(&o, event_call_info(ev->call)->name);
	if (said.len) {
		tt_out_char(&o, ' ');
		event_redact_text(&o, said.data, said.len < 128 ? said.len : 128);
	}
	recorder_unmatched_put_address(&o, event_call_info(ev->call)->layout, ev->args);
	tt_out_str(&o, " = ");
	tt_out_i64(&o, ev->result);
	if (ev->has_seq) {
		tt_out_str(&o, " (seq ");
		tt_out_u64(&o, ev->seq);
		tt_out_char(&o, ')');
	}
	if (other) {
		struct tt_out o2;

		tt_out_init(&o2, seen, sizeof(seen));
		recorder_unmatched_describe(other, &o2);
		tt_out_str(&o, "; the kernel saw ");
		if (!tt_out_is_full(&o2))
			tt_out_str(&o, seen);
	}
	tt_out_char(&o, '\0');
	if (tt_out_is_full(&o))
		return;
	d = malloc(sizeof(*d) + o.len);
	if (!d)
		return;
	*d = (struct recorder_doubt){
		.next = s->doubts,
		.entered = entered,
		.left = left,
		.kind = recorder_kind_of(ev->call),
		.finding = other ? RECORDER_FINDING_DIFFERS : RECORDER_FINDING_UNSEEN,
		.result = ev->result,
		.tid = s->own_pid == s->pid ? ev->tid : 0,
		.about = call_in_short(ev),
	};
	memcpy(d->text, text, o.len);
	s->doubts = d;
	s->doubt_count++;
	list_holder(t->facts, s);
}

/* Whether a call that succeeded must have had its fact. */
static bool must_be_seen(const struct recorder_track *t, const struct recorder_span *s,
			 const struct event *ev, const struct match *m)
{
	bool done = !ev->error && ev->result >= 0;

	return s->observed && s->preload && !s->was_late && ev->has_result && !ev->in_flight &&
	       recorder_kind_must(ev->call) && t->facts->tells_all && !t->facts->is_lossy &&
	       (!m->other || m->other_number || m->other->own_memory) && (m->other_end || done);
}

/*
 * Of memory that others could write both read what they found; the fd leads to where the kernel
 * went.
 */
static void correct_path(struct recorder_facts *facts, struct event *ev,
			 const struct kernel_fact *f)
{
	if (!f->where_is_file || f->own_memory || !ev->joined.data || !f->where.len ||
	    f->where.len > sizeof(facts->where))
		return;
	memcpy(facts->where, f->where.data, f->where.len);
	ev->joined = (struct event_text){facts->where, f->where.len};
}

void recorder_held_match(struct recorder_track *t, struct recorder_span *s, struct event *ev,
			 uint64_t entered, bool silent)
{
	uint64_t left = entered + ev->elapsed_ns;
	struct match m = {0};
	struct recorder_held *h;

	if (!ev->has_result)
		left = entered + OPEN_END_NS;
	if (!ev->has_result && !event_call_execs(ev->call)) {
		s->loading_ns = entered;
		s->loading_tid = ev->tid;
	} else if (!ev->has_result) {
		s->exec_tid = ev->tid;
		s->exec_entered = entered;
	} else if (event_call_execs(ev->call) && s->exec_tid == ev->tid) {
		entered = s->exec_entered; /* that it failed is told only after the call */
	}
	search(t, s, ev, entered, left, &m);
	h = m.found;
	if (h) {
		if (m.before)
			m.before->next = h->next;
		else
			s->held = h->next;
		if (s->held_last == h)
			s->held_last = m.before;
		correct_path(t->facts, ev, &h->fact);
		forget(t->facts, h);
		ev->confirmed = true;
		return;
	}
	ev->confirmed = m.tried;
	if (!silent && must_be_seen(t, s, ev, &m) && (m.other || !is_gone(s, ev, entered, left)))
		doubt(t, s, ev, entered, left, m.other);
}

void recorder_held_blocked(struct recorder_track *t, const struct ring_lane_state *lane)
{
	struct recorder_facts *f = t->facts;

	if (f->blocked_count < TT_ARRAY_SIZE(f->blocked))
		f->blocked[f->blocked_count++] =
			(struct recorder_blocked){.span = lane->caller.span,
						  .tid = lane->caller.tid,
						  .since = lane->since_ns};
}

/* A thread that is in a call which may explain the fact when it is over. */
static bool may_be_explained(const struct recorder_facts *facts, const struct recorder_span *s,
			     const struct kernel_fact *f)
{
	for (size_t i = 0; i < facts->blocked_count; i++) {
		const struct recorder_blocked *b = &facts->blocked[i];
		const struct event ev = {.tid = b->tid};

		if (tt_uuid_equal(&b->span, &s->id) && f->ts_ns + RECORDER_SLACK_NS >= b->since &&
		    (f->kind == KERNEL_FACT_FORK || same_thread(s, &ev, f)))
			return true;
	}
	return false;
}

/* A child of its that nobody has spoken for: what that says may come under its parent's name. */
static bool has_silent_child(const struct recorder_track *t, const struct recorder_span *s)
{
	const struct recorder_span *end = &t->facts->images.pending, *c;

	for (c = end->next_pending; c != end && !s->has_unsaid; c = c->next_pending)
		if (c->how != EVENT_HOW_EXEC && tt_uuid_equal(&c->parent.id, &s->told))
			return true;
	return s->has_unsaid;
}

static void settle_doubts(struct recorder_track *t, struct recorder_span *s, uint64_t until)
{
	bool innocent = t->facts->is_lossy || has_silent_child(t, s);

	for (struct recorder_doubt **at = &s->doubts, *d; (d = *at);) {
		if (d->left >= until) {
			at = &d->next;
			continue;
		}
		*at = d->next;
		if (!innocent)
			recorder_unmatched_find(t, s, d->finding, d->text);
		s->doubt_count--;
		free(d);
	}
}

/* vfork(2) is told when the child is done with its parent's memory. */
static bool is_long_call(const struct recorder_facts *facts, const struct kernel_fact *f)
{
	return f->kind == KERNEL_FACT_FORK && f->ts_ns + VFORK_NS > facts->pass_ns;
}

static void settle(struct recorder_track *t, struct recorder_span *s, uint64_t until)
{
	struct recorder_held *h, *kept = NULL, *kept_last = NULL;

	while (s->held && s->held->fact.ts_ns < until) {
		h = pop(s);
		if (s->mute == RECORDER_MUTE_NOT &&
		    (may_be_explained(t->facts, s, &h->fact) ||
		     (until != UINT64_MAX && is_long_call(t->facts, &h->fact)))) {
			h->next = NULL;
			if (kept_last)
				kept_last->next = h;
			else
				kept = h;
			kept_last = h;
			continue;
		}
		dispel(s, &h->fact);
		remember(s, &h->fact);
		recorder_unmatched_add(t, s, h);
		forget(t->facts, h);
	}
	if (kept) {
		kept_last->next = s->held;
		if (!s->held)
			s->held_last = kept_last;
		s->held = kept;
	}
	/* later than the facts that may still dispel them */
	if (s->doubts && until > PROVEN_NS)
		settle_doubts(t, s, until == UINT64_MAX ? until : until - PROVEN_NS);
}

void recorder_held_settle(struct recorder_track *t)
{
	struct recorder_facts *facts = t->facts;
	struct recorder_span *s = facts->holders.next_holder, *next;

	for (; s != &facts->holders; s = next) {
		next = s->next_holder;
		if (s->pending)
			continue;
		settle(t, s,
		       s->mute != RECORDER_MUTE_NOT ? UINT64_MAX : facts->pass_ns - SETTLED_NS);
		if (!s->held && !s->doubts)
			unlist_holder(s);
	}
}

/* What the library does not tell of all, by the kernel's word. */
static enum recorder_cause library_missed(const struct recorder_span *s)
{
	if (s->mute != RECORDER_MUTE_NOT)
		return (enum recorder_cause)s->mute;
	if (s->unmatched[RECORDER_UNMATCHED_DIRECT])
		return RECORDER_CAUSE_DIRECT;
	if (s->unmatched[RECORDER_UNMATCHED_URING])
		return RECORDER_CAUSE_URING;
	return s->lost_events || s->is_scribbled ? RECORDER_CAUSE_SENSOR_LOSS : RECORDER_CAUSE_NONE;
}

static enum recorder_seen seen_of(const struct recorder_span *s, enum recorder_cause *ret_cause)
{
	*ret_cause = RECORDER_CAUSE_NONE;
	if (s->how == EVENT_HOW_LAUNCH)
		return RECORDER_SEEN_FULL; /* nothing but our own launcher ran in it */
	if (!s->observed) {
		*ret_cause = RECORDER_CAUSE_KERNEL_LOSS;
		return s->preload ? RECORDER_SEEN_DECLARED : RECORDER_SEEN_NONE;
	}
	if (s->has_foreign) {
		*ret_cause = RECORDER_CAUSE_FOREIGN;
		return RECORDER_SEEN_NONE; /* there are acts that nobody saw */
	}
	*ret_cause = library_missed(s);
	if (s->lost_facts) {
		bool neither = *ret_cause != RECORDER_CAUSE_NONE;

		*ret_cause = RECORDER_CAUSE_KERNEL_LOSS;
		return neither ? RECORDER_SEEN_NONE : RECORDER_SEEN_DECLARED;
	}
	return *ret_cause == RECORDER_CAUSE_NONE ? RECORDER_SEEN_FULL : RECORDER_SEEN_KERNEL;
}

uint64_t recorder_held_since(const struct recorder_span *s)
{
	return s->held ? s->held->fact.ts_ns : 0;
}

void recorder_held_end(struct recorder_track *t, struct recorder_span *s)
{
	struct recorder_causes *c = &t->facts->causes;
	enum recorder_cause cause;

	t->facts->blocked_count = 0; /* it is over: nothing of it is in a call */
	settle(t, s, UINT64_MAX);
	unlist_holder(s);
	free(s->let_go);
	s->let_go = NULL;
	if (s->is_scribbled && s->lines_kernel && !s->is_found_out)
		recorder_unmatched_find(t, s, RECORDER_FINDING_SCRIBBLED, NULL);
	s->seen = (uint8_t)seen_of(s, &cause);
	s->cause = (uint8_t)cause;
	c->seen[s->seen]++;
	c->causes[cause]++;
	c->confirmed += s->lines_confirmed;
	c->declared += s->lines_declared;
}
