/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of the observer become lines: see watch.h. */
#include "recorder/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/procconn.h"
#include "recorder/track_internal.h"
#include "recorder/watch_internal.h"

static void say(struct recorder_watch *o, const char *text)
{
	(void)snprintf(o->text, sizeof(o->text), "%s", text);
}

int recorder_watch_new(struct recorder_watch **ret, unsigned what, bool keep, struct tt_err *err)
{
	struct recorder_watch *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return tt_fail(err, ENOMEM, "observe the command");
	say(o, "the command did not begin");
	o->waits = recorder_waits_new();
	r = o->waits ? kernel_observer_new(&o->observer, what, err)
		     : tt_fail(err, ENOMEM, "observe the command");
	if (r == 0 && keep)
		r = kernel_keeper_new(&o->keeper, err);
	if (r < 0) {
		recorder_watch_free(o);
		return r;
	}
	*ret = o;
	return 0;
}

void recorder_watch_free(struct recorder_watch *o)
{
	if (!o)
		return;
	kernel_procconn_close(o->procconn);
	kernel_keeper_free(o->keeper);
	kernel_observer_free(o->observer);
	recorder_waits_free(o->waits);
	free(o);
}

/* Who sees forks, execs and exits where no call can be held. */
static void use_procconn(struct recorder_watch *o, pid_t pid)
{
	struct tt_err err = {""};

	if (kernel_procconn_open(&o->procconn, &err) < 0 ||
	    kernel_procconn_follow(o->procconn, pid) < 0) {
		(void)snprintf(o->text, sizeof(o->text),
			       "/proc, sampled, keyed by pid and start time: no listener for a "
			       "syscall filter is to be had here, and no proc connector: %.200s",
			       err.text);
		return;
	}
	say(o, "the proc connector, for programs started (a root process can switch it off): no "
	       "listener for a syscall filter is to be had here");
}

void recorder_watch_begin(struct recorder_watch *o, const struct sandbox_child *child)
{
	o->watching = child->listener_fd >= 0;
	if (!o->watching) {
		use_procconn(o, child->pid);
		return;
	}
	/* if the keeper cannot be had, the calls fail once we are gone */
	if (o->keeper && kernel_keeper_give(o->keeper, child->listener_fd) < 0)
		say(o, "the seccomp notifier; the calls it looks at fail should the recorder die");
	else
		say(o, child->watch_no_new_privs
			       ? "the seccomp notifier, with no_new_privs: set-user-id programs do "
				 "not get their rights"
			       : "the seccomp notifier");
}

int recorder_watch_next(struct recorder_watch *o, struct kernel_fact *ret)
{
	if (kernel_observer_next(o->observer, ret))
		return 1;
	return o->procconn ? kernel_procconn_next(o->procconn, ret) : 0;
}

void recorder_watch_put(struct recorder_watch *o, struct recorder_track *t,
			const struct kernel_fact *f, const struct tt_uuid *span)
{
	struct recorder_process *p = recorder_process_find_real(&t->tree, f->pid);
	struct recorder_span *s = span ? recorder_span_find(&t->tree, span) : NULL;
	struct event ev = {
		.type = EVENT_SYSCALL,
		.source = EVENT_FROM_OBSERVER,
		.ts_ns = f->ts_ns + t->realtime_offset,
		.ids = &t->ids,
		.pid = f->pid,
		.ppid = f->ppid,
		.tid = f->tid,
		.ns_pid = f->ns_pid != f->pid ? f->ns_pid : 0,
		.comm = {f->comm[0] ? f->comm : NULL, strnlen(f->comm, sizeof(f->comm))},
		.call = f->call,
		.cwd = f->where,
		.basis = EVENT_BASIS_EXACT,
	};

	/* an image that is over and gone: what its process runs now, or else the run itself */
	if (!s && p)
		s = p->span;
	memcpy(ev.args, f->args, sizeof(ev.args));
	if (event_is_quiet(&ev) || (s && !recorder_track_wants(t, s, &ev)))
		return;
	t->events++;
	if (!s) {
		ev.span = o->run_span;
		ev.parent = o->run_parent;
		ev.seq = o->stray_seq++;
		ev.has_seq = true;
		recorder_output_event(t->out, &ev);
		return;
	}
	if (!s->pid)
		s->pid = f->pid; /* who went by before /proc could tell its number here */
	ev.seq = s->kernel_seq++;
	ev.has_seq = true;
	s->lines_kernel++;
	recorder_track_put(t, &ev, s);
}

static void on_exec(struct recorder_track *t, const struct kernel_fact *f)
{
	struct recorder_process *p = recorder_track_met(t, f);
	char path[EVENT_PATH_MAX];
	size_t len = f->path.len < sizeof(path) ? f->path.len : 0;

	if (!p)
		return;
	if (f->path.data)
		memcpy(path, f->path.data, len);
	path[len] = '\0';
	if (!len && recorder_exe_read(f->pid, path, sizeof(path)) < 0)
		return;
	recorder_track_executed(t, p, path, f->ts_ns + t->realtime_offset);
}

/* The proc connector knows how it ended, also where nobody reaps it. */
static void on_end(struct recorder_track *t, const struct kernel_fact *f)
{
	struct recorder_process *p = recorder_process_find_real(&t->tree, f->pid);

	if (!p || p->status_known)
		return;
	p->status_known = true;
	p->status = f->status;
}

void recorder_watch_process(struct recorder_track *t, const struct kernel_fact *f)
{
	if (f->kind == KERNEL_FACT_FORK)
		(void)recorder_track_met(t, f);
	else if (f->kind == KERNEL_FACT_EXEC)
		on_exec(t, f);
	else if (f->kind == KERNEL_FACT_EXIT)
		on_end(t, f);
}

void recorder_watch_take(struct recorder_watch *o)
{
	struct kernel_fact f;

	while (recorder_watch_next(o, &f))
		if (!recorder_waits_add(o->waits, &f))
			o->dropped++;
}

void recorder_watch_settle(struct recorder_watch *o, struct recorder_track *t)
{
	recorder_waits_settle(o, t, false);
}

void recorder_watch_told(struct recorder_watch *o, const struct recorder_span *s,
			 const struct event *ev, uint64_t entered)
{
	recorder_waits_told(o->waits, s, ev, entered);
}

void recorder_watch_blocked(struct recorder_watch *o, const struct ring_lane_state *lane)
{
	if (lane)
		recorder_waits_blocked(o->waits, lane);
	else
		recorder_waits_unblock(o->waits);
}

uint64_t recorder_watch_lost(const struct recorder_watch *o)
{
	return o ? kernel_observer_lost(o->observer) + o->dropped : 0;
}

uint64_t recorder_watch_strays(const struct recorder_watch *o)
{
	return o && o->procconn ? kernel_procconn_lost(o->procconn) : 0;
}

void recorder_watch_finish(struct recorder_watch *o, struct recorder_track *t)
{
	struct event ev = {
		.type = EVENT_GAP,
		.source = EVENT_FROM_OBSERVER,
		.ts_ns = recorder_track_now(),
		.ids = &t->ids,
		.span = o->run_span,
		.parent = o->run_parent,
		.reason = {"ring_full", 9},
		.gap_count_known = true,
	};

	recorder_watch_take(o);
	recorder_waits_settle(o, t, true);
	ev.gap_count = recorder_watch_lost(o);
	if (ev.gap_count)
		recorder_output_event(t->out, &ev);
}
