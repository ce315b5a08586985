/* SPDX-License-Identifier: Apache-2.0 */
/* Why the kernel alone tells of an act, and what becomes of it: a line, a count, a finding. */
#include "recorder/unmatched.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "event/redact.h"
#include "event/text.h"
#include "recorder/facts.h"
#include "recorder/kinds.h"
#include "recorder/look.h"
#include "recorder/track_internal.h"

#define NAMESPACES 0x7e020000 /* of clone(2): CLONE_NEWNS and the like */

static void line_of(struct recorder_track *t, struct recorder_span *s, const struct kernel_fact *f)
{
	if (recorder_observed_put(t, s, f))
		t->facts->causes.kernel++;
}

/* Whether a fact that other acts brought along is worth a line: it changes or reaches something. */
static bool is_weighty(const struct kernel_fact *f, enum recorder_unmatched why)
{
	/* a try of a call that the library told of, or an interruption */
	if (why == RECORDER_UNMATCHED_INSIDE && f->error)
		return false;
	switch (recorder_kind_of(f->call)) {
	case RECORDER_KIND_EXEC: /* one of several tries */
		return !f->error;
	case RECORDER_KIND_OPEN:
		return event_args_write(f->call, f->args);
	case RECORDER_KIND_SOCKET:
	case RECORDER_KIND_MEMFD:
		return false;
	default:
		return true;
	}
}

/* What the library reads before it tells that it is started; nobody can look where it is gone. */
static bool is_program(const struct kernel_fact *f)
{
	struct event_text path = recorder_kind_path(f);
	struct recorder_sight at;

	if (!path.len || path.len >= EVENT_PATH_MAX)
		return false;
	return recorder_look(path, &at) < 0 || (S_ISREG(at.mode) && (at.mode & 0111));
}

/* A fact that reads, and that programs make without meaning to. */
static bool is_by_the_way(const struct recorder_track *t, enum recorder_unmatched why,
			  const struct kernel_fact *f)
{
	enum recorder_origin from = recorder_facts_origin(t->facts, f);

	/* a call that was only told of must not cover what nothing of its kind reads */
	if (why == RECORDER_UNMATCHED_INSIDE &&
	    (f->error || (from == RECORDER_ORIGIN_OURS && is_program(f))))
		return true;
	if ((why == RECORDER_UNMATCHED_INSIDE || why == RECORDER_UNMATCHED_STARTUP) &&
	    from == RECORDER_ORIGIN_LOADER && (f->error || recorder_kind_is_linked(f)))
		return true;
	return (from == RECORDER_ORIGIN_LIBC || from == RECORDER_ORIGIN_LOADER) &&
	       (recorder_kind_of(f->call) == RECORDER_KIND_SOCKET ||
		recorder_kind_is_libcs(recorder_kind_path(f)));
}

static bool from_libc(const struct recorder_track *t, const struct kernel_fact *f)
{
	return recorder_facts_origin(t->facts, f) == RECORDER_ORIGIN_LIBC;
}

static enum recorder_unmatched reason_of(struct recorder_track *t, const struct recorder_span *s,
					 const struct recorder_held *h)
{
	const struct kernel_fact *f = &h->fact;
	enum recorder_origin from = recorder_facts_origin(t->facts, f);

	if (f->kind == KERNEL_FACT_URING)
		return RECORDER_UNMATCHED_URING;
	if (s->mute != RECORDER_MUTE_NOT)
		return RECORDER_UNMATCHED_MUTE;
	/* what libc does between fork and exec is part of the call that its parent told of */
	if ((h->inside || s->how == EVENT_HOW_SPAWN) && from != RECORDER_ORIGIN_OTHER)
		return RECORDER_UNMATCHED_INSIDE;
	/* a program's own code may run before any library's */
	if (from == RECORDER_ORIGIN_OTHER && f->origin_file.ino &&
	    f->origin_file.ino == s->exe_ino && f->origin_file.dev == s->exe_dev)
		return RECORDER_UNMATCHED_DIRECT;
	if (f->ts_ns < s->spoke_ns)
		return RECORDER_UNMATCHED_STARTUP;
	if (s->lost_events ||
	    (s->slot >= 0 && t->ring && ring_slot_lost(t->ring, (uint32_t)s->slot)))
		return RECORDER_UNMATCHED_SENSOR_LOSS;
	if (from == RECORDER_ORIGIN_OTHER)
		return RECORDER_UNMATCHED_DIRECT;
	return from == RECORDER_ORIGIN_UNKNOWN ? RECORDER_UNMATCHED_UNKNOWN
					       : RECORDER_UNMATCHED_LIBC;
}

void recorder_unmatched_put_address(struct tt_out *o, const char *layout,
				    const struct event_arg *args)
{
	const char *a = strchr(layout, 'a');
	const struct event_arg *arg = a ? &args[a - layout] : NULL;

	if (!arg || arg->absent || !arg->data)
		return;
	tt_out_char(o, ' ');
	event_put_addr(o, arg->data, arg->len < EVENT_ADDR_MAX ? arg->len : EVENT_ADDR_MAX);
}

void recorder_unmatched_describe(const struct kernel_fact *f, struct tt_out *o)
{
	const char *layout = event_call_info(f->call)->layout;
	struct event_text text = f->where_is_file ? f->where : (struct event_text){NULL, 0};

	tt_out_str(o, event_call_info(f->call)->name);
	for (unsigned i = 0; !text.len && layout[i]; i++)
		if (strchr("pqxs", layout[i]) && f->args[i].data)
			text = (struct event_text){f->args[i].data, f->args[i].len};
	if (text.len) {
		tt_out_char(o, ' ');
		event_redact_text(o, text.data, text.len < 256 ? text.len : 256);
	}
	recorder_unmatched_put_address(o, layout, f->args);
	if (f->has_result) {
		tt_out_str(o, " = ");
		tt_out_i64(o, f->result);
	}
	tt_out_char(o, '\0');
}

void recorder_unmatched_find(struct recorder_track *t, const struct recorder_span *s,
			     enum recorder_finding_kind kind, const char *text)
{
	/* a call that another library answered in the kernel's place is no lie of its maker */
	if (s->is_interposed &&
	    (kind == RECORDER_FINDING_UNSEEN || kind == RECORDER_FINDING_DIFFERS))
		kind = RECORDER_FINDING_ANSWERED;
	recorder_causes_find(&t->facts->causes, kind, &s->told, s->pid, s->comm, text);
}

static bool is_finding(const struct recorder_span *s, enum recorder_unmatched why,
		       const struct kernel_fact *f, enum recorder_finding_kind *ret)
{
	if (why == RECORDER_UNMATCHED_DIRECT)
		*ret = RECORDER_FINDING_DIRECT;
	else if (why == RECORDER_UNMATCHED_URING)
		*ret = RECORDER_FINDING_URING;
	else if (s->is_scribbled && is_weighty(f, why))
		*ret = RECORDER_FINDING_SCRIBBLED;
	else
		return false;
	return true;
}

void recorder_unmatched_add(struct recorder_track *t, struct recorder_span *s,
			    const struct recorder_held *h)
{
	enum recorder_unmatched why = reason_of(t, s, h);
	const struct kernel_fact *f = &h->fact;
	enum recorder_finding_kind kind;
	char text[1024];
	struct tt_out o;

	if (f->kind == KERNEL_FACT_CAPABILITY) {
		recorder_capabilities_add(t, s, f);
		return;
	}
	if (f->kind == KERNEL_FACT_FOREIGN) {
		s->has_foreign = true;
		(void)snprintf(text, sizeof(text), "call %d of another ABI", f->nr);
		recorder_unmatched_find(t, s, RECORDER_FINDING_FOREIGN, text);
		return;
	}
	/* as a process in a namespace of its own calls itself */
	if (f->kind == KERNEL_FACT_CALL && recorder_kind_of(f->call) == RECORDER_KIND_KILL &&
	    f->args[0].num == s->own_pid)
		return;
	/* processes have lines of their own; threads have none */
	if (f->kind == KERNEL_FACT_FORK ||
	    (f->kind == KERNEL_FACT_CALL && recorder_kind_of(f->call) == RECORDER_KIND_FORK &&
	     (h->inside || !(f->args[0].num & NAMESPACES))))
		return;
	if (recorder_observed_is_quiet(f))
		return;
	t->facts->causes.unmatched[why]++;
	s->unmatched[why]++;
	if (why == RECORDER_UNMATCHED_INSIDE && s->how == EVENT_HOW_SPAWN &&
	    (f->kind == KERNEL_FACT_EXEC || (from_libc(t, f) && !is_weighty(f, why))))
		return; /* the program that was started has a line of its own */
	if (!is_weighty(f, why) && is_by_the_way(t, why, f))
		return;
	if (is_finding(s, why, f, &kind)) {
		s->is_found_out |= kind == RECORDER_FINDING_SCRIBBLED;
		tt_out_init(&o, text, sizeof(text));
		recorder_unmatched_describe(f, &o);
		recorder_unmatched_find(t, s, kind, tt_out_is_full(&o) ? NULL : text);
	}
	line_of(t, s, f);
}
