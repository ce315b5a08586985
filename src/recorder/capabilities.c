/* SPDX-License-Identifier: Apache-2.0 */
/* Refused capabilities, put together by site: see capabilities.h. */
#include "recorder/capabilities.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "recorder/denials.h"
#include "recorder/facts.h"
#include "recorder/track_internal.h"

/* "CAP_NET_ADMIN"; of one that nobody has a name for "CAP_77". */
static const char *name_of(int capability, char buf[32])
{
	const char *name = policy_cap_name(capability);

	if (name)
		(void)snprintf(buf, 32, "CAP_%s", name);
	else
		(void)snprintf(buf, 32, "CAP_%d", capability);
	return buf;
}

static struct recorder_capability_site *
site_of(struct recorder_capabilities *c, const struct recorder_span *s, const struct kernel_fact *f)
{
	struct recorder_capability_site *x;

	for (size_t i = 0; i < c->count; i++) {
		x = &c->sites[i];
		if (x->pid == f->pid && x->nr == f->nr && x->capability == f->capability &&
		    tt_uuid_equal(&x->span, &s->told))
			return x;
	}
	if (!c->sites)
		c->sites = calloc(RECORDER_CAPABILITY_SITES, sizeof(*c->sites));
	if (!c->sites || c->count == RECORDER_CAPABILITY_SITES)
		return NULL;
	x = &c->sites[c->count++];
	x->span = s->told;
	/* a parent that has a text is the one outside the run, and the span's to keep */
	if (!s->parent.text.data)
		x->parent = s->parent;
	x->pid = f->pid;
	x->ns_pid = s->own_pid != f->pid ? s->own_pid : 0;
	x->ppid = s->ppid;
	x->nr = f->nr;
	x->capability = f->capability;
	memcpy(x->comm, f->comm, sizeof(x->comm));
	return x;
}

static void put_line(struct recorder_track *t, struct recorder_capability_site *x,
		     const struct recorder_span *s, uint64_t count)
{
	char call[24], capability[32];
	const char *name = recorder_call_name(x->nr, call);
	struct event ev = {
		.type = EVENT_DENIED,
		.source = EVENT_FROM_KERNEL,
		.ts_ns = x->last_ns,
		.span = {.id = x->span},
		.parent = s ? s->parent : x->parent,
		.pid = x->pid,
		.ppid = x->ppid,
		.tid = x->tid,
		.ns_pid = x->ns_pid,
		.comm = {x->comm[0] ? x->comm : NULL, strnlen(x->comm, sizeof(x->comm))},
		.error = x->error,
		.has_result = true,
		.result = -1,
		.call_name = {name, strlen(name)},
		.action = {"capability", 10},
		.count = count,
	};

	(void)name_of(x->capability, capability);
	ev.capability = (struct event_text){capability, strlen(capability)};
	x->told += count;
	recorder_track_put(t, &ev, NULL);
}

void recorder_capabilities_add(struct recorder_track *t, const struct recorder_span *s,
			       const struct kernel_fact *f)
{
	struct recorder_capabilities *c = &t->facts->capabilities;
	struct recorder_capability_site *x = site_of(c, s, f);

	if (!x) {
		c->more++;
		return;
	}
	x->last_ns = f->ts_ns + t->realtime_offset;
	x->tid = f->tid;
	x->error = f->error;
	if (!x->count++)
		x->first_ns = x->last_ns;
	if (recorder_denials_is_told(x->count))
		put_line(t, x, s, x->count - x->told);
}

void recorder_capabilities_finish(struct recorder_track *t)
{
	struct recorder_capabilities *c = &t->facts->capabilities;

	for (size_t i = 0; i < c->count; i++)
		if (c->sites[i].count > c->sites[i].told)
			put_line(t, &c->sites[i], NULL, c->sites[i].count - c->sites[i].told);
}

void recorder_capabilities_done(struct recorder_capabilities *c)
{
	free(c->sites);
	c->sites = NULL;
}

json_t *recorder_capabilities_list(const struct recorder_capabilities *c)
{
	json_t *list = json_array();
	char call[24], capability[32], at[TT_TIME_TEXT_LEN + 1];

	for (size_t i = 0; i < c->count; i++) {
		const struct recorder_capability_site *x = &c->sites[i];
		json_t *comm = json_stringn(x->comm, strnlen(x->comm, sizeof(x->comm)));

		tt_time_text(at, x->first_ns);
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:I, s:i, s:o, s:s}", "capability",
					name_of(x->capability, capability), "syscall",
					recorder_call_name(x->nr, call), "count",
					(json_int_t)x->count, "pid", x->pid, "comm",
					comm ? comm : json_string("?"), "first_at", at));
	}
	return list;
}
