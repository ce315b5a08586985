/* SPDX-License-Identifier: Apache-2.0 */
/* Spans and processes: beginnings, execs, ends. The ring side is in drain.c. */
#include "recorder/track.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pidfd.h"
#include "base/time.h"
#include "recorder/facts.h"
#include "recorder/held.h"
#include "recorder/procfs.h"
#include "recorder/track_internal.h"

#define ANCESTRY_MAX    64
#define FIRST_WORD_NS   (250 * TT_NS_PER_MS)
#define EXEC_SETTLED_NS (50 * TT_NS_PER_MS) /* by then a failed exec has said so */

uint64_t recorder_track_now(void)
{
	return tt_clock_ns(CLOCK_REALTIME);
}

static struct event_ready *ready_of(struct recorder_track *t, const struct recorder_span *s)
{
	struct recorder_ready *r = &t->ready[s->id.b[15] % TT_ARRAY_SIZE(t->ready)];

	if (!tt_uuid_equal(&r->span, &s->id)) {
		r->span = s->id;
		r->ready.text_len = 0;
	}
	return &r->ready;
}

void recorder_track_put(struct recorder_track *t, struct event *ev, const struct recorder_span *s)
{
	ev->ids = &t->ids;
	if (s) {
		ev->span.id = s->told;
		ev->parent = s->parent;
		if (s->pid) {
			ev->pid = s->pid;
			ev->ns_pid = s->own_pid != s->pid ? s->own_pid : 0;
		} else if (t->own_pid_namespace) {
			/* what it calls itself there is somebody else here */
			ev->ns_pid = ev->pid;
			ev->pid = 0;
		}
		if (!ev->comm.data && s->comm[0])
			ev->comm = (struct event_text){s->comm, strlen(s->comm)};
		/* only a start brings a comm of its own */
		if (ev->type == EVENT_SYSCALL)
			ev->ready = ready_of(t, s);
	}
	recorder_output_event(t->out, ev);
}

bool recorder_track_is_foreign(const struct recorder_track *t, pid_t pid)
{
	for (size_t i = 0; i < t->foreign_count; i++)
		if (t->foreign[i] == pid)
			return true;
	return false;
}

/* One that was found to be ours, and whose number nobody else can have got since. */
static bool is_known(struct recorder_track *t, pid_t pid)
{
	const struct recorder_process *p = recorder_process_find(&t->tree, pid);

	return p && p->pid == pid && !recorder_process_is_gone(p);
}

bool recorder_track_is_ours(struct recorder_track *t, pid_t pid)
{
	for (int i = 0; i < ANCESTRY_MAX && pid > 1; i++) {
		struct recorder_stat st;

		if (pid == t->root || is_known(t, pid))
			return true;
		if (recorder_track_is_foreign(t, pid))
			return false;
		if (recorder_stat_read(pid, &st) < 0)
			return false;
		pid = st.ppid;
	}
	return false;
}

/* The process below @pid that calls itself @own_pid, or 0. */
static pid_t find_by_own_pid(pid_t pid, pid_t own_pid, int depth)
{
	pid_t children[256];
	bool more = false;
	size_t n;

	if (depth > ANCESTRY_MAX)
		return 0;
	n = recorder_children_read(pid, children, TT_ARRAY_SIZE(children), &more);
	for (size_t i = 0; i < n; i++) {
		pid_t found;

		if (recorder_ns_pid_read(children[i]) == own_pid)
			return children[i];
		found = find_by_own_pid(children[i], own_pid, depth + 1);
		if (found)
			return found;
	}
	return 0;
}

/*
 * A pidfd tells of its end; a process that cannot be watched counts as dead and is drained at once.
 */
static void watch(struct recorder_track *t, struct recorder_process *p)
{
	struct epoll_event e = {.events = EPOLLIN, .data = {.ptr = p}};

	if (p->pid)
		p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	if (p->pidfd < 0 || epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, p->pidfd, &e) < 0)
		p->dead = true;
}

/*
 * Whether a process that says its parent is @own_ppid counts pids as we do. Then a pid that /proc
 * does not know is that of a process gone already, and nobody needs to look for it under another
 * number.
 */
static bool counts_as_we_do(struct recorder_track *t, pid_t own_ppid)
{
	const struct recorder_process *parent = recorder_process_find(&t->tree, own_ppid);

	return own_ppid == t->root || (parent && parent->pid == parent->own_pid);
}

static bool is_nobody(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

/*
 * A process that called itself @own_pid, verified to be one of the run's; NULL for what is no pid:
 * those below zero are processes retired.
 */
struct recorder_process *recorder_track_process(struct recorder_track *t, pid_t own_pid,
						pid_t own_ppid)
{
	struct recorder_process *p;
	bool verified, gone;
	pid_t pid;

	if (own_pid <= 0)
		return NULL;
	p = recorder_process_find(&t->tree, own_pid);
	if (p)
		return p;
	/* before the look into /proc, which costs more, and after it: it may have ended by then */
	gone = !t->own_pid_namespace && is_nobody(own_pid);
	verified = !gone && !t->own_pid_namespace && recorder_track_is_ours(t, own_pid);
	gone |= !verified && !t->own_pid_namespace && is_nobody(own_pid);
	if (verified)
		pid = own_pid;
	else if (gone && counts_as_we_do(t, own_ppid))
		pid = own_pid; /* so quick that it is gone */
	else if (t->walks_left) {
		t->walks_left--;
		pid = find_by_own_pid(t->root, own_pid, 0);
	} else {
		pid = 0; /* somebody invents pids: no more searches for now */
	}
	p = recorder_process_add(&t->tree, pid, own_pid);
	if (!p)
		return NULL;
	if (verified || pid != own_pid || t->own_pid_namespace)
		watch(t, p);
	else
		p->dead = true;
	return p;
}

void recorder_track_bind(struct recorder_span *s, struct recorder_process *p)
{
	s->process = p;
	if (!p)
		return;
	/* an image that lied about its pid: it ends with the run, not with this process */
	if (p->span && p->span != s)
		p->span->process = NULL;
	p->span = s;
	s->pid = p->pid;
	s->own_pid = p->own_pid;
}

struct recorder_span *recorder_track_begin(struct recorder_track *t, const struct tt_uuid *id,
					   const struct event_span *parent, enum event_how how,
					   struct recorder_process *p)
{
	struct recorder_span *s = recorder_span_add(&t->tree, id, parent, how);

	if (!s) {
		t->gaps[RECORDER_GAP_SCRIBBLED].spans++;
		t->gaps[RECORDER_GAP_SCRIBBLED].at_least = true;
		return NULL;
	}
	ready_of(t, s)->text_len = 0;
	recorder_track_bind(s, p);
	t->spans++;
	if (how != EVENT_HOW_EXEC)
		t->processes++;
	return s;
}

/* A span of ours for an image or process the library does not speak for. */
static struct recorder_span *begin_observed(struct recorder_track *t, const struct tt_uuid *id,
					    const struct event_span *parent, enum event_how how,
					    struct recorder_process *p, const char *comm,
					    const char *exe, uint64_t ts)
{
	struct event ev = {
		.type = EVENT_PROCESS,
		.source = EVENT_FROM_PROC,
		.act = EVENT_ACT_START,
		.ts_ns = ts,
		.how = how,
	};
	struct recorder_span *s = recorder_track_begin(t, id, parent, how, p);

	if (!s)
		return NULL;
	if (comm)
		(void)stpncpy(s->comm, comm, sizeof(s->comm) - 1);
	if (exe)
		ev.exe = (struct event_text){exe, strlen(exe)};
	recorder_track_put(t, &ev, s);
	return s;
}

static void put_gap(struct recorder_track *t, struct recorder_span *s, unsigned kind,
		    uint64_t count, bool at_least, bool known)
{
	struct recorder_gap *g = &t->gaps[kind];
	struct event ev = {
		.type = EVENT_GAP,
		.source = EVENT_FROM_RECORDER,
		.ts_ns = recorder_track_now(),
		.reason = {g->reason, strlen(g->reason)},
		.gap_count = count,
		.gap_count_known = known,
		.gap_at_least = at_least,
		.gap_has_range = known && !at_least,
		.gap_from = s->next_seq,
		.gap_to = s->next_seq + count - 1,
	};

	if (ev.gap_has_range)
		s->next_seq += count;
	g->count += known ? count : 0;
	g->spans++;
	g->at_least |= at_least || !known;
	s->lost_events = true;
	recorder_track_put(t, &ev, s);
}

void recorder_track_no_room(struct recorder_track *t, struct recorder_span *s)
{
	put_gap(t, s, RECORDER_GAP_NO_ROOM, 0, false, false);
}

#define LOST_MAX (1ull << 48) /* no span loses more events: a larger counter was scribbled */

/* What the image says it lost, each part under its reason. */
static void account(struct recorder_track *t, struct recorder_span *s)
{
	uint64_t refused, no_slot;
	struct ring_losses lost;

	if (!t->ring || !s->preload)
		return;
	if (s->torn)
		put_gap(t, s, RECORDER_GAP_KILLED, s->torn, true, true);
	/* the fork half of a spawn never has one: to find none takes a look at all of them */
	if (s->how == EVENT_HOW_SPAWN)
		return;
	if (s->slot < 0)
		s->slot = ring_slot_find(t->ring, &s->id);
	if (s->slot < 0) {
		/* an image without one lost its count */
		ring_consumer_refused(t->ring, &refused, &no_slot);
		t->no_slot++;
		put_gap(t, s, no_slot ? RECORDER_GAP_NO_ROOM : RECORDER_GAP_SCRIBBLED, 0, false,
			false);
		return;
	}
	ring_slot_release(t->ring, (uint32_t)s->slot, &lost);
	s->slot = -1;
	if (lost.full > LOST_MAX || lost.no_lane > LOST_MAX) {
		put_gap(t, s, RECORDER_GAP_SCRIBBLED, 0, false, false);
		return;
	}
	if (lost.full)
		put_gap(t, s, RECORDER_GAP_RING_FULL, lost.full, false, true);
	if (lost.no_lane)
		put_gap(t, s, RECORDER_GAP_NO_ROOM, lost.no_lane, false, true);
}

void recorder_track_replace(struct recorder_track *t, struct recorder_span *s, uint64_t ts)
{
	if (s->process && s->process->span == s)
		s->process->span = NULL;
	s->process = NULL;
	s->gone = true;
	s->gone_ts = ts;
	s->gone_pass = t->pass;
	s->next_gone = t->gone;
	t->gone = s;
}

/* What the kernel had no room to tell of this process, since that was said last. */
static void put_kernel_gap(struct recorder_track *t, struct recorder_span *s)
{
	struct recorder_process *p = s->process;
	struct event ev = {
		.type = EVENT_GAP,
		.source = EVENT_FROM_KERNEL,
		.ts_ns = recorder_track_now(),
		.reason = {"ring_full", 9},
		.gap_count_known = true,
		.gap_has_range = true,
		.gap_from = s->kernel_seq,
	};

	if (!p || p->lost <= p->lost_told)
		return;
	ev.gap_count = p->lost - p->lost_told;
	s->kernel_seq += ev.gap_count;
	ev.gap_to = s->kernel_seq - 1;
	p->lost_told = p->lost;
	t->facts->lost_spans++;
	recorder_track_put(t, &ev, s);
}

/* Its last line says who saw it. */
static void put_coverage(struct recorder_track *t, struct recorder_span *s, struct event *ev)
{
	const char *seen, *cause;

	if (!t->facts)
		return;
	recorder_held_end(t, s);
	put_kernel_gap(t, s);
	seen = recorder_seen_name((enum recorder_seen)s->seen);
	cause = recorder_cause_name((enum recorder_cause)s->cause);
	ev->coverage = (struct event_text){seen, strlen(seen)};
	if (*cause)
		ev->cause = (struct event_text){cause, strlen(cause)};
	ev->lines_confirmed = s->lines_confirmed;
	ev->lines_kernel = s->lines_kernel;
	ev->lines_declared = s->lines_declared;
}

void recorder_track_end_gone(struct recorder_track *t, bool all)
{
	struct recorder_span **at = &t->gone, *s;

	while ((s = *at)) {
		struct event ev = {
			.type = EVENT_PROCESS,
			.source = s->preload    ? EVENT_FROM_PRELOAD
				  : s->observed ? EVENT_FROM_KERNEL
						: EVENT_FROM_PROC,
			.act = EVENT_ACT_REPLACED,
			.ts_ns = s->gone_ts,
			.ppid = s->ppid,
		};

		if ((!all && s->gone_pass == t->pass) || s->pending) {
			at = &s->next_gone;
			continue;
		}
		*at = s->next_gone;
		recorder_track_put_sampled(t, s);
		account(t, s);
		recorder_resolve_put_open(s, &ev);
		put_coverage(t, s, &ev);
		recorder_track_put(t, &ev, s);
		recorder_span_remove(&t->tree, s);
	}
}

static void end_span(struct recorder_track *t, struct recorder_span *s, bool status_known,
		     int status)
{
	struct event ev = {
		.type = EVENT_PROCESS,
		.source = !status_known ? EVENT_FROM_PRELOAD
			  : s->over_ns  ? EVENT_FROM_KERNEL
					: EVENT_FROM_PROC,
		.act = EVENT_ACT_EXIT,
		.ts_ns = s->has_exit  ? s->exit_ts
			 : s->over_ns ? s->over_ns + t->realtime_offset
				      : recorder_track_now(),
		.ppid = s->ppid,
		.exit_code = -1,
	};

	if (status_known && WIFSIGNALED(status))
		ev.signal = WTERMSIG(status);
	else if (status_known)
		ev.exit_code = WEXITSTATUS(status);
	else if (s->has_exit)
		ev.exit_code = s->exit_code;
	else
		ev.source = EVENT_FROM_PROC; /* that it ended is all that was seen */
	recorder_track_put_sampled(t, s);
	account(t, s);
	recorder_resolve_put_open(s, &ev);
	put_coverage(t, s, &ev);
	recorder_track_put(t, &ev, s);
	if (s->process && s->process->span == s)
		s->process->span = NULL;
	recorder_span_remove(&t->tree, s);
}

/* An exec that was not seen to fail, and an image that never spoke: it took place. */
static struct recorder_span *exec_took_place(struct recorder_track *t, struct recorder_span *old,
					     const char *exe)
{
	struct recorder_process *p = old->process;
	struct event_span parent = {.id = old->id};
	struct tt_uuid id = tt_uuid_make();
	char *path = exe ? strdup(exe) : TT_TAKE(old->exec_path);
	uint64_t ts = old->exec_ts ? old->exec_ts : recorder_track_now();
	const char *base = path ? strrchr(path, '/') : NULL;
	struct recorder_span *s;

	recorder_track_replace(t, old, ts);
	s = begin_observed(t, &id, &parent, EVENT_HOW_EXEC, p, base ? base + 1 : path, path, ts);
	free(path);
	return s;
}

/* A spawned child always becomes another image: posix_spawn(3) has failed where it did not. */
static bool is_unheard(const struct recorder_span *s)
{
	return s->how == EVENT_HOW_SPAWN && !s->heard && !s->gone && !s->observed;
}

void recorder_track_launch(struct recorder_track *t, pid_t pid, pid_t own_pid,
			   const struct tt_uuid *span, const struct event_span *parent,
			   const char *exe, uint64_t ts)
{
	struct recorder_process *p = recorder_process_add(&t->tree, pid, own_pid);
	struct recorder_span *s;

	if (!p)
		return;
	watch(t, p);
	s = begin_observed(t, span, parent, EVENT_HOW_LAUNCH, p, "telltale", NULL, ts);
	if (s)
		recorder_resolve_launch(s);
	if (!exe)
		/* nothing but our own launcher ran in it, and the library follows */
		t->spans_preload++;
	if (s && exe) {
		s->exec_ts = ts;
		(void)exec_took_place(t, s, exe);
	}
}

/* The kernel knows once the process is reaped. */
static bool status_of_reaped(const struct recorder_process *p, int *ret_status)
{
	struct tt_pidfd_info info = {.mask = TT_PIDFD_INFO_EXIT};

	if (ioctl(p->pidfd, TT_PIDFD_GET_INFO, &info) < 0 || !(info.mask & TT_PIDFD_INFO_EXIT))
		return false;
	*ret_status = info.exit_code;
	return true;
}

bool recorder_track_status(const struct recorder_process *p, int *ret_status)
{
	struct recorder_stat st;

	if (p->pidfd < 0)
		return false;
	/* most are reaped by their parents at once, and a look into /proc costs more */
	if (status_of_reaped(p, ret_status))
		return true;
	/* the look at the pidfd comes second: not reaped by then, the figures were its own */
	if (p->pid && recorder_stat_read(p->pid, &st) == 0 && !recorder_process_is_gone(p)) {
		*ret_status = st.exit_status;
		return st.state == 'Z' || st.state == 'X';
	}
	return status_of_reaped(p, ret_status);
}

/* All records of the dead process have been taken. */
void recorder_track_end(struct recorder_track *t, struct recorder_process *p)
{
	struct recorder_span *s = p->span;

	if (!p->status_known)
		p->status_known = recorder_track_status(p, &p->status);
	/* where the kernel tells of execs, there was none that it did not tell of */
	if (s && !s->has_exit && ((s->exec_path && !p->observed) || is_unheard(s)))
		s = exec_took_place(t, s, NULL);
	if (s)
		end_span(t, s, p->status_known, p->status);
	recorder_process_remove(&t->tree, p);
}

void recorder_track_dying(struct recorder_track *t, struct recorder_process *p, pid_t reaped_by_us)
{
	int status = 0;

	(void)epoll_ctl(t->epoll_fd, EPOLL_CTL_DEL, p->pidfd, NULL);
	if (p->pid == reaped_by_us)
		return;
	p->dead = true;
	if (recorder_track_status(p, &status)) {
		p->status_known = true;
		p->status = status;
	}
}

void recorder_track_died(struct recorder_track *t, struct recorder_process *p, bool status_known,
			 int status)
{
	p->dead = true;
	if (status_known) {
		p->status_known = true;
		p->status = status;
	}
	(void)recorder_track_drain(t); /* ends it, once its lanes are empty */
}

/* An image the library cannot speak for shows itself by another program file. */
static void resolve_exec(struct recorder_track *t, struct recorder_process *p)
{
	char exe[EVENT_PATH_MAX];

	if (recorder_exe_read(p->pid, exe, sizeof(exe)) < 0)
		return;
	if (p->span->exe && strcmp(exe, p->span->exe) == 0)
		return;
	(void)exec_took_place(t, p->span, exe);
}

void recorder_track_seen(struct recorder_track *t, pid_t pid, const struct recorder_stat *st)
{
	struct recorder_process *p = recorder_process_find_real(&t->tree, pid), *parent;
	struct event_span parent_span = {0};
	struct tt_uuid id = tt_uuid_make();
	char exe[EVENT_PATH_MAX];
	bool has_exe;

	/* a number that was used again between two looks is another process */
	if (p && !t->facts && p->start_ns && p->start_ns != st->start_ns) {
		recorder_process_retire(&t->tree, p);
		p = NULL;
	}
	if (p) {
		if (!t->facts)
			p->start_ns = st->start_ns;
		if (p->span && p->span->exec_path && p->span->exec_unfollowed && !p->dead &&
		    !p->observed && recorder_track_now() > p->span->exec_ts + EXEC_SETTLED_NS)
			resolve_exec(t, p);
		return;
	}
	if (t->own_pid_namespace || pid == t->init || t->facts)
		return; /* the sandbox's own init, or a process whose first record is on its way */
	/* a process with the library speaks within moments of its birth: no second span for it */
	if (t->ring && tt_clock_ns(CLOCK_BOOTTIME) < st->start_ns + FIRST_WORD_NS)
		return;
	p = recorder_track_process(t, pid, st->ppid);
	if (!p)
		return;
	if (!t->facts)
		p->start_ns = st->start_ns;
	parent = recorder_process_find_real(&t->tree, st->ppid);
	if (parent && parent->span)
		parent_span.id = parent->span->id;
	has_exe = recorder_exe_read(pid, exe, sizeof(exe)) > 0;
	(void)begin_observed(t, &id, &parent_span, EVENT_HOW_FORK, p, st->comm,
			     has_exe ? exe : NULL, recorder_track_now());
}

struct recorder_process *recorder_track_met(struct recorder_track *t, const struct kernel_fact *f)
{
	struct recorder_process *p = recorder_process_find_real(&t->tree, f->pid), *maker;
	struct event_span parent = {0};
	struct tt_uuid id = tt_uuid_make();

	if (p && p->start_ns && f->start_ns && p->start_ns != f->start_ns) {
		recorder_process_retire(&t->tree, p);
		p = NULL;
	}
	if (!p && t->own_pid_namespace && f->ns_pid)
		p = recorder_process_find(&t->tree, f->ns_pid);
	maker = recorder_process_find_real(&t->tree, f->ppid);
	/* what the library speaks for it speaks for soon, and for the children of that, too */
	if (p || !maker || !maker->span || maker->span->preload || maker->span->exec_path)
		return p;
	p = recorder_process_add(&t->tree, f->pid, f->ns_pid ? f->ns_pid : f->pid);
	if (!p)
		return NULL;
	p->start_ns = f->start_ns;
	watch(t, p);
	parent.id = maker->span->id;
	(void)begin_observed(t, &id, &parent, EVENT_HOW_FORK, p, f->comm[0] ? f->comm : NULL,
			     maker->span->exe, f->ts_ns + t->realtime_offset);
	return p;
}

void recorder_track_executed(struct recorder_track *t, struct recorder_process *p, const char *path,
			     uint64_t ts)
{
	struct recorder_span *s = p->span;

	if (!s || (s->preload && !(s->exec_path && s->exec_unfollowed)))
		return;
	s->exec_ts = ts;
	(void)exec_took_place(t, s, path);
}

/* Nothing is known of the image but what its slot says. */
static void put_unheard(struct recorder_track *t, uint32_t slot, const struct tt_uuid *id,
			int32_t own_pid)
{
	struct recorder_span s = {
		.id = *id,
		.told = *id,
		.pid = t->own_pid_namespace ? 0 : own_pid,
		.own_pid = own_pid,
	};
	struct ring_losses lost;
	bool sane;

	ring_slot_release(t->ring, slot, &lost);
	sane = lost.full <= LOST_MAX && lost.no_lane <= LOST_MAX;
	t->spans++;
	/* "at least": its beginning and its end are lost, too */
	put_gap(t, &s, lost.no_lane ? RECORDER_GAP_NO_ROOM : RECORDER_GAP_RING_FULL,
		sane ? lost.full + lost.no_lane : 0, true, sane);
}

void recorder_track_unheard(struct recorder_track *t, bool all)
{
	uint64_t no_slot, refused, now = tt_clock_ns(CLOCK_MONOTONIC);
	struct tt_uuid id;
	uint32_t slots;
	int32_t pid;

	if (!t->ring)
		return;
	ring_consumer_refused(t->ring, &refused, &no_slot);
	if (!all && (refused == t->refused_seen || now - t->looked_ns < TT_NS_PER_SEC))
		return;
	t->looked_ns = now;
	/*
	 * a slot is given up at the second look: by then all that its process wrote has been taken
	 */
	slots = ring_slot_count(t->ring);
	for (uint32_t i = 0, left = 0; i < slots; i++) {
		bool unheard =
			ring_slot_look(t->ring, i, &id, &pid) && !recorder_span_find(&t->tree, &id);

		if (unheard && !all)
			unheard = pid > 0 && !t->own_pid_namespace && kill(pid, 0) < 0 &&
				  errno == ESRCH;
		if (unheard && (all || t->slot_suspect[i])) {
			put_unheard(t, i, &id, pid);
			unheard = false;
		}
		t->slot_suspect[i] = unheard;
		left += unheard;
		if (i == slots - 1 && !left)
			t->refused_seen = refused;
	}
	if (all && no_slot > t->no_slot) {
		struct recorder_span none = {0};

		put_gap(t, &none, RECORDER_GAP_NO_ROOM, 0, false, false);
	}
}

void recorder_track_finish(struct recorder_track *t)
{
	struct recorder_process *p;

	for (p = t->tree.live.next_live; p != &t->tree.live; p = p->next_live)
		p->dead = true;
	if (t->facts)
		t->facts->over = true;
	(void)recorder_track_drain(t);
	if (t->facts)
		recorder_images_settle(t, true);
	while (t->tree.live.next_live != &t->tree.live)
		recorder_track_end(t, t->tree.live.next_live);
	recorder_track_end_gone(t, true);
	/* spans without a process: spawned children that never spoke */
	for (size_t i = 0; t->tree.span_count && i < TT_ARRAY_SIZE(t->tree.spans); i++)
		while (t->tree.spans[i]) {
			struct recorder_span *s = t->tree.spans[i], *image = s;

			if (is_unheard(s))
				image = exec_took_place(t, s, NULL);
			if (image)
				end_span(t, image, false, 0);
			recorder_track_end_gone(t, true);
		}
	recorder_track_unheard(t, true);
	recorder_output_flush(t->out);
}
