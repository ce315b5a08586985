/* SPDX-License-Identifier: Apache-2.0 */
/* Refused calls, put together by call site: see denials.h. */
#include "recorder/denials.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "event/text.h"
#include "recorder/watch.h"
#include "recorder/track_internal.h"

#define VIOLATIONS (1u << POLICY_DENY | 1u << POLICY_KILL)

const char *recorder_action_name(enum policy_action action)
{
	static const char names[][12] = {"allow", "log", "deny", "deny-quiet", "kill"};

	return names[action];
}

const char *recorder_call_name(int nr, char buf[24])
{
	const char *name = policy_call_name(nr);

	if (name)
		return name;
	if (nr < 0)
		return "unknown";
	(void)snprintf(buf, 24, "syscall_%d", nr);
	return buf;
}

int recorder_denials_new(struct recorder_denials **ret, const struct policy *policy, int stream_fd,
			 struct recorder_watch *watch, struct tt_err *err)
{
	struct kernel_notifier_options opts = {
		.policy = policy,
		.pointer_of = recorder_words_pointer,
		.chains = stream_fd >= 0,
		.observer = watch ? watch->observer : NULL,
		.keeper = watch ? watch->keeper : NULL,
	};
	struct recorder_denials *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return tt_fail(err, ENOMEM, "watch refused calls");
	d->policy = policy;
	d->later = calloc(RECORDER_DENIALS_LATER, sizeof(*d->later));
	if (stream_fd >= 0)
		d->stream = recorder_stream_new(stream_fd, policy->name);
	r = d->later && (stream_fd < 0 || d->stream) ? kernel_notifier_new(&d->notifier, &opts, err)
						     : tt_fail(err, ENOMEM, "watch refused calls");
	if (r < 0) {
		recorder_denials_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

void recorder_denials_free(struct recorder_denials *d)
{
	struct recorder_site *next;

	if (!d)
		return;
	kernel_notifier_free(d->notifier);
	recorder_stream_free(d->stream);
	for (size_t i = 0; i < d->site_count; i++)
		free(d->sites[i]);
	for (; d->others; d->others = next) {
		next = d->others->next;
		free(d->others);
	}
	free(d->later);
	free(d);
}

void recorder_denials_begin(struct recorder_denials *d, int listener, pid_t top, pid_t command)
{
	d->command = command;
	kernel_notifier_serve(d->notifier, listener, top);
}

static unsigned hash_of(const struct kernel_denial *x, const uint64_t keys[6])
{
	uint64_t h = (uint64_t)(uint32_t)x->pid << 32 | (uint32_t)x->nr;

	for (int i = 0; i < 6; i++)
		h = (h ^ keys[i]) * 0x9e3779b97f4a7c15u;
	return (unsigned)(h >> 54);
}

static bool is_same(const struct recorder_site *s, const struct kernel_denial *x,
		    const uint64_t keys[6])
{
	return s->pid == x->pid && s->nr == x->nr && s->verdict.action == x->verdict.action &&
	       s->verdict.err == x->verdict.err && memcmp(s->keys, keys, sizeof(s->keys)) == 0 &&
	       memcmp(s->comm, x->comm, sizeof(s->comm)) == 0;
}

/*
 * All calls of one number and action that no site is left for. Numbers are the command's to choose:
 * those that no call has share one site. NULL without memory.
 */
static struct recorder_site *other_site(struct recorder_denials *d, int nr,
					enum policy_action action)
{
	struct recorder_site *s = d->others;

	if (nr < 0 || nr >= KERNEL_CALLS_MAX - 1)
		nr = -1;
	while (s && (s->nr != nr || s->verdict.action != action))
		s = s->next;
	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->nr = nr;
	s->verdict.action = (uint8_t)action;
	s->span = d->run_span;
	s->parent = d->run_parent;
	s->next = d->others;
	d->others = s;
	return s;
}

static struct recorder_site *site_of(struct recorder_denials *d, const struct kernel_denial *x,
				     const struct event_span *span, const struct event_span *parent)
{
	struct recorder_site *s;
	uint64_t keys[6];
	unsigned h;

	recorder_words_keys(x, keys);
	h = hash_of(x, keys);
	for (s = d->hash[h]; s; s = s->next)
		if (is_same(s, x, keys))
			return s;
	s = d->site_count < RECORDER_SITES_MAX ? calloc(1, sizeof(*s)) : NULL;
	if (!s)
		return other_site(d, x->nr, x->verdict.action);
	d->sites[d->site_count++] = s;
	s->next = d->hash[h];
	d->hash[h] = s;
	s->nr = x->nr;
	s->pid = x->pid;
	s->tid = x->tid;
	s->ppid = x->ppid;
	s->ns_pid = x->ns_pid;
	s->verdict = x->verdict;
	memcpy(s->keys, keys, sizeof(keys));
	memcpy(s->comm, x->comm, sizeof(s->comm));
	recorder_words_make(&s->words, x);
	s->as_seen = x->text_arg >= 0;
	if (x->verdict.action != POLICY_LOG)
		(void)recorder_allow_line(s->allow, sizeof(s->allow), d->policy, x->nr, x->args);
	s->span = span ? *span : d->run_span;
	s->parent = span ? *parent : d->run_parent;
	return s;
}

static void put_line(struct recorder_track *t, struct recorder_site *s,
		     const struct kernel_denial *x, const struct recorder_words *w, uint64_t count)
{
	char name[24];
	struct event ev = {
		.type = EVENT_DENIED,
		.source = EVENT_FROM_SECCOMP,
		.ts_ns = x ? x->ts_ns : s->last_ns,
		.span = s->span,
		.parent = s->parent,
		.pid = s->pid,
		.ppid = s->ppid,
		.tid = x ? x->tid : s->tid,
		.ns_pid = s->ns_pid != s->pid ? s->ns_pid : 0,
		.comm = {s->comm[0] ? s->comm : NULL, strnlen(s->comm, sizeof(s->comm))},
		.error = s->verdict.err,
		.has_result = s->verdict.err != 0,
		.result = -1,
		.word_count = w->count,
		.count = count,
		.allow = {s->allow[0] ? s->allow : NULL, strlen(s->allow)},
		.args_as_seen = x ? x->text_arg >= 0 : s->as_seen,
	};
	const char *call = recorder_call_name(s->nr, name),
		   *action = recorder_action_name(s->verdict.action), *at = w->text;

	ev.call_name = (struct event_text){call, strlen(call)};
	ev.action = (struct event_text){action, strlen(action)};
	for (unsigned i = 0; i < w->count; i++) {
		ev.words[i] = (struct event_text){at, w->len[i]};
		at += w->len[i];
	}
	s->told += count;
	recorder_track_put(t, &ev, NULL);
}

bool recorder_denials_is_told(uint64_t count)
{
	return count <= RECORDER_SITE_LINES || (count & (count - 1)) == 0;
}

static void count_total(struct recorder_denials *d, int nr, enum policy_action action, uint64_t n)
{
	char name[24];

	d->totals[action] += n;
	if (!d->first[0] && (VIOLATIONS >> action & 1))
		(void)snprintf(d->first, sizeof(d->first), "%s", recorder_call_name(nr, name));
}

void recorder_denials_add(struct recorder_denials *d, struct recorder_track *t,
			  const struct kernel_denial *x, const struct event_span *span,
			  const struct event_span *parent)
{
	struct recorder_site *s = site_of(d, x, span, parent);
	struct recorder_words words;
	uint64_t count;

	count_total(d, x->nr, x->verdict.action, 1);
	if (x->verdict.action == POLICY_KILL &&
	    (d->command ? x->pid == d->command : t->own_pid_namespace && x->ns_pid == 2))
		d->command_killed = true;
	if (!s)
		return;
	if (!s->count++)
		s->first_ns = x->ts_ns;
	s->last_ns = x->ts_ns;
	if (!s->pid || !recorder_denials_is_told(s->count))
		return;
	count = s->count - s->told;
	recorder_words_make(&words, x);
	put_line(t, s, x, &words, count);
	if (d->stream && (VIOLATIONS >> x->verdict.action & 1))
		recorder_stream_put(d->stream, s, x, count);
}

/* The image that the caller runs; @surely: else that of the next parent that is known. */
static const struct recorder_span *span_of(struct recorder_track *t, const struct kernel_denial *x,
					   bool surely)
{
	struct recorder_process *p = recorder_process_find_real(&t->tree, x->pid);

	if (!p && t->own_pid_namespace && x->ns_pid)
		p = recorder_process_find(&t->tree, x->ns_pid);
	if (!p && !surely && x->ppid)
		p = recorder_process_find_real(&t->tree, x->ppid);
	return p ? p->span : NULL;
}

static void take_missed(struct recorder_denials *d)
{
	if (!kernel_notifier_has_missed(d->notifier))
		return;
	for (unsigned nr = 0; nr < KERNEL_CALLS_MAX; nr++) {
		for (unsigned action = POLICY_LOG; action <= POLICY_KILL; action++) {
			uint64_t n = kernel_notifier_missed(d->notifier, nr, action);
			int number = nr == KERNEL_CALLS_MAX - 1 ? -1 : (int)nr;
			struct recorder_site *s;

			if (!n)
				continue;
			count_total(d, number, action, n);
			s = other_site(d, number, action);
			if (!s)
				continue;
			s->last_ns = tt_clock_ns(CLOCK_REALTIME);
			if (!s->count)
				s->first_ns = s->last_ns;
			s->count += n;
		}
	}
}

static void keep_span(const struct recorder_denials *d, struct recorder_later *l,
		      const struct recorder_span *s)
{
	l->known = s != NULL;
	if (!s)
		return;
	l->span = (struct event_span){.id = s->id};
	/* a parent that has a text is the one outside the run */
	l->parent = s->parent.text.data ? d->run_parent : s->parent;
}

/* The image that made the call, now that the records of that moment are known, too. */
static void settle(struct recorder_denials *d, struct recorder_track *t, struct recorder_later *l)
{
	const struct recorder_span *now = span_of(t, &l->denial, l->known), *old;

	old = l->known ? recorder_span_find(&t->tree, &l->span.id) : NULL;
	if (now && now != old && !(old && old->gone && old->gone_ts > l->denial.ts_ns))
		keep_span(d, l, now);
	recorder_denials_add(d, t, &l->denial, l->known ? &l->span : NULL, &l->parent);
}

void recorder_denials_take(struct recorder_denials *d, struct recorder_track *t)
{
	while (d->later_count < RECORDER_DENIALS_LATER) {
		struct recorder_later *l = &d->later[d->later_count];

		if (!kernel_notifier_next(d->notifier, &l->denial))
			return;
		keep_span(d, l, span_of(t, &l->denial, true));
		d->later_count++;
	}
}

void recorder_denials_settle(struct recorder_denials *d, struct recorder_track *t)
{
	for (size_t i = 0; i < d->later_count; i++)
		settle(d, t, &d->later[i]);
	d->later_count = 0;
}

void recorder_denials_finish(struct recorder_denials *d, struct recorder_track *t)
{
	kernel_notifier_stop(d->notifier);
	do {
		recorder_denials_settle(d, t);
		recorder_denials_take(d, t);
	} while (d->later_count);
	take_missed(d);
	for (size_t i = 0; i < d->site_count; i++) {
		struct recorder_site *s = d->sites[i];

		if (s->count > s->told)
			put_line(t, s, NULL, &s->words, s->count - s->told);
	}
	for (struct recorder_site *s = d->others; s; s = s->next)
		if (s->count > s->told)
			put_line(t, s, NULL, &s->words, s->count - s->told);
}

static json_t *time_json(uint64_t ns)
{
	char text[TT_TIME_TEXT_LEN + 1];

	tt_time_text(text, ns);
	return json_string(text);
}

static json_t *site_json(const struct recorder_site *s)
{
	json_t *args = json_array(), *comm;
	const char *at = s->words.text;
	char name[24];

	for (unsigned i = 0; i < s->words.count; at += s->words.len[i++])
		(void)json_array_append_new(args, json_stringn(at, s->words.len[i]));
	comm = s->comm[0] ? json_string(s->comm) : json_null(); /* NULL: not UTF-8 */
	return json_pack("{s:s, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "syscall",
			 recorder_call_name(s->nr, name), "count", (json_int_t)s->count, "action",
			 recorder_action_name(s->verdict.action), "error",
			 event_errno_name(s->verdict.err)
				 ? json_string(event_errno_name(s->verdict.err))
				 : json_null(),
			 "pid", s->pid ? json_integer(s->pid) : json_null(), "comm",
			 comm ? comm : json_string("?"), "args", args, "first_at",
			 time_json(s->first_ns), "last_at", time_json(s->last_ns), "allow",
			 s->allow[0] ? json_string(s->allow) : json_null());
}

json_t *recorder_denials_list(const struct recorder_denials *d, unsigned actions)
{
	json_t *list = json_array();

	for (size_t i = 0; d && i < d->site_count; i++)
		if (actions >> d->sites[i]->verdict.action & 1)
			(void)json_array_append_new(list, site_json(d->sites[i]));
	for (const struct recorder_site *s = d ? d->others : NULL; s; s = s->next)
		if (actions >> s->verdict.action & 1)
			(void)json_array_append_new(list, site_json(s));
	return list;
}
