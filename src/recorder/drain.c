/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the ring to the trace. A pass copies what every lane holds into one arena, sorts it by time
 * and turns it into lines. Records of different lanes that were entered within the same pass come
 * out in order; a call that was in flight during the pass follows in the next one.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/time.h"
#include "recorder/denials.h"
#include "recorder/facts.h"
#include "recorder/held.h"
#include "recorder/track_internal.h"
#include "recorder/watch.h"

#define ARENA_BYTES    (16u << 20)
#define DRAIN_NS       (50 * TT_NS_PER_MS) /* then signals and deadlines have their turn */
#define WALKS_MAX      64
#define AWAITED_PASSES 20 /* of a dead process whose end the kernel has not told */
#define PUT_OFF_PASSES 20 /* an exec waits for the kernel's word of it */
#define ENTRIES_MAX    (ARENA_BYTES / (uint32_t)sizeof(struct ring_taken))

int recorder_track_init(struct recorder_track *t)
{
	void *map;

	recorder_tree_init(&t->tree);
	t->gaps[RECORDER_GAP_RING_FULL].reason = "ring_full";
	t->gaps[RECORDER_GAP_KILLED].reason = "killed";
	t->gaps[RECORDER_GAP_SCRIBBLED].reason = "scribbled";
	t->gaps[RECORDER_GAP_NO_ROOM].reason = "no_room";
	t->gaps[RECORDER_GAP_SAMPLED].reason = "sampled";
	/*
	 * mapped, not malloc'd: whatever malloc does with it, the child would inherit it as its
	 * peak
	 */
	map = mmap(NULL, ARENA_BYTES + ENTRIES_MAX * sizeof(*t->entries), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	t->arena = map;
	t->entries = (struct recorder_entry *)(t->arena + ARENA_BYTES);
	return 0;
}

void recorder_track_done(struct recorder_track *t)
{
	recorder_tree_done(&t->tree);
	if (t->arena)
		(void)munmap(t->arena, ARENA_BYTES + ENTRIES_MAX * sizeof(*t->entries));
	t->arena = NULL;
	t->entries = NULL;
}

/* Where the run's other facts about a span come from when its own first record was lost. */
static struct recorder_span *span_of(struct recorder_track *t, const struct event *ev)
{
	struct recorder_span *s = recorder_span_find(&t->tree, &ev->span.id);
	struct event_span none = {0};
	struct recorder_process *p;

	if (!s && t->facts)
		s = recorder_images_adopt(t, ev, ev->ts_ns - t->realtime_offset);
	if (s)
		return s;
	p = recorder_track_process(t, ev->pid, ev->ppid);
	s = recorder_track_begin(t, &ev->span.id, &none, EVENT_HOW_EXEC, p && !p->span ? p : NULL);
	if (s) {
		s->preload = true;
		t->spans_preload++;
	}
	return s;
}

void recorder_track_inherit(struct recorder_span *s, const struct recorder_span *from)
{
	if (!from)
		return;
	memcpy(s->comm, from->comm, sizeof(s->comm));
	if (from->exe)
		recorder_text_set(&s->exe, from->exe, strlen(from->exe));
	if (from->cwd)
		recorder_text_set(&s->cwd, from->cwd, strlen(from->cwd));
}

/*
 * Whether @p, known by the pid that an image starts under, is an earlier process of that number. A
 * fork is always a new process; an exec'd image names the one it replaced as its parent.
 */
static bool is_reused(const struct recorder_process *p, const struct event *ev,
		      const struct recorder_span *parent)
{
	if (!p || !p->span || !p->span->preload)
		return false;
	switch (ev->how) {
	case EVENT_HOW_FORK:
	case EVENT_HOW_VFORK:
		return true;
	/* the child may have spoken before its parent came back from posix_spawn */
	case EVENT_HOW_SPAWN:
		return !tt_uuid_equal(&p->span->parent.id, &ev->span.id) &&
		       recorder_process_is_gone(p);
	case EVENT_HOW_EXEC:
		return !tt_uuid_equal(&p->span->id, &ev->parent.id) &&
		       ((parent && !parent->process && !parent->gone) ||
			recorder_process_is_gone(p));
	case EVENT_HOW_LAUNCH:
		break;
	}
	return false;
}

/* An image that was exec'd by one we know: the same process, another span. */
static struct recorder_process *process_of_exec(struct recorder_track *t, const struct event *ev,
						struct recorder_span *parent)
{
	struct recorder_process *p = recorder_track_process(t, ev->pid, ev->ppid);

	/* a spawned child's fork span could not know its pid, or another image was in between */
	if (parent && !parent->process && !parent->gone && p && !p->span)
		recorder_track_bind(parent, p);
	return p;
}

/* The image of a spawned child may speak, and be gone, before its parent tells of the spawn. */
static void note_early(struct recorder_track *t, const struct tt_uuid *parent)
{
	t->early[t->early_count++ % TT_ARRAY_SIZE(t->early)] = *parent;
}

static bool was_early(const struct recorder_track *t, const struct tt_uuid *id)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(t->early); i++)
		if (tt_uuid_equal(&t->early[i], id))
			return true;
	return false;
}

void recorder_track_inherit_root(struct recorder_span *s, const struct recorder_span *from)
{
	s->root_unknown = from->root_unknown;
	if (from->root)
		recorder_text_set(&s->root, from->root, strlen(from->root));
}

/* A text that a process says from its own "/", as it is said from the recorder's. */
static struct event_text below_root(const struct recorder_span *s, struct event_text text,
				    char *buf, size_t cap)
{
	struct tt_out o;

	if (!s->root || !text.data)
		return text;
	tt_out_init(&o, buf, cap);
	tt_out_str(&o, s->root);
	if (text.len > 1)
		tt_out_mem(&o, text.data, text.len);
	return tt_out_is_full(&o) ? (struct event_text){NULL, 0} : (struct event_text){buf, o.len};
}

/* What an image says of its beginning. @was: whom it comes from; @parent: the same, if it forked */
static void begin_told(struct recorder_track *t, struct recorder_span *s, struct event *ev,
		       struct recorder_span *parent, struct recorder_span *was, bool late)
{
	char exe[EVENT_PATH_MAX], cwd[EVENT_PATH_MAX];

	s->preload = true;
	t->spans_preload++;
	s->ppid = ev->ppid;
	s->heard = ev->how == EVENT_HOW_SPAWN && was_early(t, &s->id);
	recorder_track_inherit(s, parent);
	if (was)
		recorder_track_inherit_root(s, was);
	if (was && ev->how == EVENT_HOW_EXEC)
		recorder_hosts_exec(s, was);
	else if (was)
		recorder_hosts_fork(s, was, ev->ts_ns);
	ev->root = (struct event_text){s->root, s->root ? strlen(s->root) : 0};
	ev->root_unknown = s->root_unknown;
	ev->exe = below_root(s, ev->exe, exe, sizeof(exe));
	ev->cwd = below_root(s, ev->cwd, cwd, sizeof(cwd));
	/* what a spawned child does to its fds before it becomes a program is not seen */
	if (was && ev->how != EVENT_HOW_SPAWN)
		recorder_fds_inherit(&s->fds, &was->fds, ev->how == EVENT_HOW_EXEC);
	if (ev->comm.data) {
		memset(s->comm, 0, sizeof(s->comm));
		memcpy(s->comm, ev->comm.data,
		       ev->comm.len < sizeof(s->comm) ? ev->comm.len : sizeof(s->comm) - 1);
	}
	if (ev->exe.data)
		recorder_text_set(&s->exe, ev->exe.data, ev->exe.len);
	if (ev->cwd.data || s->root_unknown)
		recorder_text_set(&s->cwd, s->root_unknown ? NULL : ev->cwd.data, ev->cwd.len);
	/* the fork half of a spawn has none */
	if (t->ring && s->how != EVENT_HOW_SPAWN)
		s->slot = ring_slot_find(t->ring, &s->id);
	s->was_late = late;
	s->spoke_ns = ev->ts_ns - t->realtime_offset;
	if (late)
		return; /* it has a line already */
	t->events++;
	recorder_track_put(t, ev, s);
}

/* The kernel has told of the image before. */
static bool is_claimed(struct recorder_track *t, struct event *ev)
{
	struct recorder_span *was, *s;
	bool late;

	if (!t->facts)
		return false;
	s = recorder_images_claim(t, ev, ev->ts_ns - t->realtime_offset, &late);
	if (!s)
		return false;
	was = recorder_span_find(&t->tree, &ev->parent.id);
	begin_told(t, s, ev, ev->how == EVENT_HOW_EXEC ? NULL : was, was, late);
	return true;
}

static void on_start(struct recorder_track *t, struct event *ev, uint32_t flags)
{
	struct recorder_span *parent = recorder_span_find(&t->tree, &ev->parent.id), *s, *was;
	struct recorder_process *p = NULL;

	t->children_ignored |= (flags & RING_FLAG_NOCLDWAIT) != 0;
	if (is_claimed(t, ev))
		return;
	if (recorder_span_find(&t->tree, &ev->span.id))
		return; /* said twice */
	p = ev->pid > 0 ? recorder_process_find(&t->tree, ev->pid) : NULL;
	if (is_reused(p, ev, parent))
		recorder_process_retire(&t->tree, p);
	p = NULL;
	was = parent;
	if (ev->how == EVENT_HOW_EXEC) {
		if (parent)
			parent->heard = true;
		else
			note_early(t, &ev->parent.id);
		p = process_of_exec(t, ev, parent);
		if (p && p->span)
			recorder_track_replace(t, p->span, ev->ts_ns);
		parent = NULL; /* its span is gone */
	} else if (ev->pid > 0) {
		p = recorder_track_process(t, ev->pid, ev->ppid);
		/* a spawned child may have spoken before its parent came back from posix_spawn */
		if (p && p->span && ev->how == EVENT_HOW_SPAWN)
			p = NULL;
		/* met by the sampler before its own first record was: its own span takes over */
		if (p && p->span && !p->span->preload)
			recorder_track_replace(t, p->span, ev->ts_ns);
	}
	s = recorder_track_begin(t, &ev->span.id, &ev->parent, ev->how, p);
	if (!s)
		return;
	begin_told(t, s, ev, parent, was, false);
}

/* An exec is known twice: before the attempt, and after it if it failed. */
static void note_exec(struct recorder_span *s, struct event *ev, uint32_t flags)
{
	char path[EVENT_PATH_MAX];
	struct tt_out o;

	if (ev->has_result || ev->in_flight) {
		recorder_text_set(&s->exec_path, NULL, 0);
		recorder_resolve_keep_open(s, NULL);
		return;
	}
	recorder_resolve_keep_open(s, &ev->extra);
	ev->extra = (struct event_text){NULL, 0}; /* said when it took place */
	tt_out_init(&o, path, sizeof(path));
	if (!event_put_path(ev, 0, &o) || tt_out_is_full(&o)) {
		o.len = 0;
		if (ev->args[0].data && event_call_info(ev->call)->layout[0] == 'x')
			tt_out_mem(&o, ev->args[0].data, ev->args[0].len);
	}
	recorder_text_set(&s->exec_path, path, o.len);
	s->exec_ts = ev->ts_ns;
	s->exec_unfollowed = flags & RING_FLAG_UNFOLLOWED;
}

/* Its "/" is another one from here on: where that lies, as far as it can be told. */
static void follow_root(struct recorder_span *s, const struct event *ev)
{
	char path[EVENT_PATH_MAX];
	struct tt_out o;

	if (!ev->has_result || ev->result != 0)
		return;
	if (ev->call == EVENT_CALL_setns) {
		/* type 0 may be a mount namespace, too: it has a root and a cwd of its own */
		if (ev->args[1].num && !(ev->args[1].num & CLONE_NEWNS))
			return;
		o.len = 0;
	} else {
		tt_out_init(&o, path, sizeof(path));
		if (!event_put_path(ev, 0, &o) || tt_out_is_full(&o))
			o.len = 0;
	}
	s->root_unknown = !o.len;
	/* who stood in the old root stands in the new one */
	if (ev->call == EVENT_CALL_pivot_root && s->cwd && strcmp(s->cwd, s->root ?: "/") == 0)
		recorder_text_set(&s->cwd, path, o.len);
	recorder_text_set(&s->root, o.len > 1 ? path : NULL, o.len);
	if (s->root_unknown)
		recorder_text_set(&s->cwd, NULL, 0);
}

/* What was looked up in /proc is said from a "/" that may not be the one the folder lies below. */
static void forget_looked_up(struct event *ev)
{
	const char *layout = event_call_info(ev->call)->layout;

	for (unsigned i = 0; layout[i]; i++)
		if (layout[i] == 'd' || layout[i] == 'f')
			ev->args[i].data = NULL;
}

static void follow_cwd(struct recorder_span *s, const struct event *ev)
{
	char path[EVENT_PATH_MAX];
	struct tt_out o;

	if (!ev->has_result || ev->result != 0)
		return;
	tt_out_init(&o, path, sizeof(path));
	if (!ev->extra.data || !event_put_path(ev, 0, &o) || tt_out_is_full(&o))
		recorder_text_set(&s->cwd, NULL, 0);
	else
		recorder_text_set(&s->cwd, path, o.len);
}

static void on_call(struct recorder_track *t, struct event *ev, uint32_t flags)
{
	struct recorder_span *s = span_of(t, ev);
	char bufs[2][EVENT_PATH_MAX], joined[EVENT_PATH_MAX];
	bool noise, wanted;

	if (!s)
		return;
	t->children_ignored |= (flags & RING_FLAG_NOCLDWAIT) != 0;
	if (s->cwd) {
		ev->cwd = (struct event_text){s->cwd, strlen(s->cwd)};
		ev->basis = EVENT_BASIS_TRACKED;
	}
	if (s->root || s->root_unknown) {
		ev->root = (struct event_text){s->root, s->root ? strlen(s->root) : 0};
		ev->root_unknown = s->root_unknown;
		ev->basis = EVENT_BASIS_TRACKED;
		forget_looked_up(ev);
	}
	recorder_resolve_fds(t, s, ev, flags, bufs);
	recorder_resolve_path(ev, joined);
	if (event_call_execs(ev->call))
		note_exec(s, ev, flags);
	if (flags & RING_FLAG_NO_ROOM)
		recorder_track_no_room(t, s);
	noise = recorder_resolve_is_noise(s, ev, flags);
	wanted = !noise && recorder_track_wants(t, s, ev);
	if (wanted) {
		ev->seq = s->next_seq++;
		ev->has_seq = true;
		ev->ppid = ev->ppid ? ev->ppid : s->ppid;
		t->events++;
		if (event_blinds(ev) && !s->blinded) {
			s->blinded = true;
			t->spans_blinded++;
		}
	}
	if (t->watch)
		recorder_watch_told(t->watch, s, ev, ev->ts_ns - t->realtime_offset);
	if (t->facts && s->observed)
		recorder_held_match(t, s, ev, ev->ts_ns - t->realtime_offset, noise);
	recorder_hosts_told(&t->tree.hosts, s, ev);
	if (wanted) {
		recorder_hosts_find(&t->tree.hosts, s, ev);
		if (ev->confirmed)
			s->lines_confirmed++;
		else
			s->lines_declared++;
		recorder_track_put(t, ev, s);
	}
	recorder_resolve_follow(s, ev, flags, noise);
	if (ev->call == EVENT_CALL_chdir || ev->call == EVENT_CALL_fchdir)
		follow_cwd(s, ev);
	else if (ev->call == EVENT_CALL_chroot || ev->call == EVENT_CALL_pivot_root ||
		 ev->call == EVENT_CALL_setns)
		follow_root(s, ev);
}

static bool may_be_silent(const struct event *ev)
{
	return event_call_closes(ev->call) || event_call_dups(ev) ||
	       ev->call == EVENT_CALL_close_range || ev->call == EVENT_CALL_fcntl ||
	       ev->call == EVENT_CALL_fcntl64;
}

/* @who: whose part of the ring it was, as that says itself; he may not have been heard of yet. */
static void note_scribbled(struct recorder_track *t, const struct ring_who *who)
{
	struct recorder_span *s = recorder_span_find(&t->tree, &who->span);

	if (!s && t->facts)
		s = recorder_images_of_pid(t, who->pid);
	t->gaps[RECORDER_GAP_SCRIBBLED].spans++;
	t->gaps[RECORDER_GAP_SCRIBBLED].at_least = true;
	if (s)
		s->is_scribbled = true;
}

static void on_record(struct recorder_track *t, const struct ring_taken *taken, bool again);

/*
 * The execs whose outcome the kernel had not told by the time their records were taken. @span: all
 * of this one, for more of it comes now; else those of which it is known by now, or @all.
 */
static void tell_put_off(struct recorder_track *t, const struct tt_uuid *span, bool all)
{
	struct recorder_put_off **at = &t->facts->put_off, *p;

	while ((p = *at)) {
		const struct ring_taken *taken = (const struct ring_taken *)p->taken;
		struct recorder_span *s = recorder_span_find(&t->tree, &taken->who.span);
		bool mine = span && tt_uuid_equal(span, &taken->who.span);

		if (!all && !mine && (span || (s && !s->over_ns && ++p->passes < PUT_OFF_PASSES))) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		on_record(t, taken, true);
		free(p);
	}
}

/* A record of an exec says what is about to be done: the kernel tells of it a moment later. */
static bool put_off(struct recorder_track *t, const struct event *ev,
		    const struct ring_taken *taken)
{
	struct recorder_span *s = t->facts ? recorder_span_find(&t->tree, &taken->who.span) : NULL;
	size_t size = sizeof(taken->who) + taken->record.size;
	struct recorder_put_off **at, *p;

	if (!s || !s->observed)
		return false;
	tell_put_off(t, &taken->who.span, false);
	if (!event_call_execs(ev->call) || ev->has_result || ev->in_flight || s->over_ns)
		return false;
	p = malloc(sizeof(*p) + size);
	if (!p)
		return false;
	p->next = NULL;
	p->passes = 0;
	memcpy(p->taken, taken, size);
	for (at = &t->facts->put_off; *at; at = &(*at)->next)
		;
	*at = p;
	return true;
}

static void on_record(struct recorder_track *t, const struct ring_taken *taken, bool again)
{
	uint32_t flags = taken->record.flags;
	struct recorder_span *s;
	struct event ev;

	if (ring_record_event(t->ring, taken, &ev) < 0) {
		note_scribbled(t, &taken->who);
		return;
	}
	if (!again && ev.type == EVENT_SYSCALL && put_off(t, &ev, taken))
		return;
	/* only what becomes of an fd is ever told without being an event */
	if (ev.type == EVENT_SYSCALL && (flags & RING_FLAG_SILENT) && !may_be_silent(&ev))
		note_scribbled(t, &taken->who);
	ev.ts_ns += t->realtime_offset;
	if (ev.type == EVENT_SYSCALL) {
		on_call(t, &ev, flags);
	} else if (ev.act == EVENT_ACT_START) {
		on_start(t, &ev, flags);
		s = flags & RING_FLAG_INTERPOSED ? recorder_span_find(&t->tree, &ev.span.id) : NULL;
		if (s)
			s->is_interposed = true;
	} else {
		/* said by the image itself; the line is written when the process is really gone */
		s = span_of(t, &ev);
		if (!s)
			return;
		s->has_exit = true;
		s->exit_code = ev.exit_code;
		s->exit_ts = ev.ts_ns;
		recorder_resolve_keep_open(s, &ev.extra);
	}
}

static int by_time(const void *a, const void *b)
{
	const struct recorder_entry *x = a, *y = b;

	if (x->ts != y->ts)
		return x->ts < y->ts ? -1 : 1;
	return x->offset < y->offset ? -1 : 1;
}

static void process_batch(struct recorder_track *t)
{
	if (t->ring)
		ring_consumer_sync(t->ring);
	/* one busy thread's records are in order as they are */
	for (size_t i = 1; i < t->entry_count; i++)
		if (by_time(&t->entries[i - 1], &t->entries[i]) > 0) {
			qsort(t->entries, t->entry_count, sizeof(*t->entries), by_time);
			break;
		}
	for (size_t i = 0; i < t->entry_count; i++)
		on_record(t, (const struct ring_taken *)(t->arena + t->entries[i].offset), false);
	if (t->facts)
		tell_put_off(t, NULL, false);
	t->entry_count = 0;
	t->arena_len = 0;
}

/* Whether nobody will write into this lane any more. */
static bool owner_is_dead(struct recorder_track *t, const struct ring_lane_state *st)
{
	struct recorder_span *s;
	struct recorder_process *p;

	if (st->state == RING_CLOSED)
		return true;
	if (st->who.pid <= 0)
		return false; /* claimed, not yet signed */
	s = recorder_span_find(&t->tree, &st->who.span);
	if (s && s->process)
		return s->process->dead;
	/* by the number alone it may be a later process's: that one is not dead */
	p = recorder_process_find(&t->tree, st->who.pid);
	if (p && (!p->dead || t->own_pid_namespace))
		return p->dead;
	/* it came and went between two passes, or its first record is still in the lane */
	return !t->own_pid_namespace && kill(st->who.pid, 0) < 0 && errno == ESRCH;
}

/*
 * A lane of an image that gave way to another by exec: its process lives, its threads do not.
 * Recognised by its span, once the process runs another one.
 */
static bool image_is_gone(struct recorder_track *t, const struct ring_lane_state *st)
{
	struct recorder_process *p = recorder_process_find(&t->tree, st->who.pid);
	struct recorder_span *owner = recorder_span_find(&t->tree, &st->who.span);

	/* an owner that nobody knows may have begun in this very pass */
	return p && p->span && p->span->preload && p->span->how == EVENT_HOW_EXEC && owner &&
	       owner->gone;
}

/* Take what the lane holds; false if the arena is full and there may be more. */
static bool take_lane(struct recorder_track *t, uint32_t lane, bool dead,
		      struct ring_lane_state *st)
{
	for (;;) {
		struct ring_taken *taken;
		int n;

		if (ARENA_BYTES - t->arena_len < RING_TAKEN_MAX || t->entry_count == ENTRIES_MAX)
			return false;
		taken = (struct ring_taken *)(t->arena + t->arena_len);
		n = ring_lane_next(t->ring, lane, taken, dead, st);
		if (n == 0)
			return true;
		if (n < 0) {
			note_scribbled(t, &st->who);
			return true;
		}
		t->entries[t->entry_count++] =
			(struct recorder_entry){taken->record.entered, (uint32_t)t->arena_len};
		t->arena_len += sizeof(taken->who) + taken->record.size;
	}
}

/* A lane whose owner died while he wrote: his span must say so, once the pass has told of it. */
struct torn_lane {
	struct tt_uuid span;
	uint64_t records;
};

#define RELEASED_MAX 64 /* lanes given back in one pass */

static size_t drain_pass(struct recorder_track *t, bool *ret_more)
{
	uint32_t lanes = ring_lane_count(t->ring), released[RELEASED_MAX];
	struct torn_lane torn[RELEASED_MAX + 1];
	size_t taken = 0, n_released = 0, n_torn = 0;

	ring_consumer_pass(t->ring);
	if (t->facts)
		t->facts->blocked_count = 0;
	if (t->watch)
		recorder_watch_blocked(t->watch, NULL);
	for (uint32_t lane = 0; lane < lanes && n_released < RELEASED_MAX; lane++) {
		struct ring_lane_state st;
		size_t before = t->entry_count;
		bool dead = false, whole;

		if (!ring_lane_look(t->ring, lane, &st))
			continue;
		if (st.bytes > t->fullest)
			t->fullest = st.bytes;
		whole = take_lane(t, lane, false, &st);
		if (t->facts && whole && st.blocked)
			recorder_held_blocked(t, &st);
		if (t->watch && whole && st.blocked)
			recorder_watch_blocked(t->watch, &st);
		if (whole)
			dead = owner_is_dead(t, &st) || image_is_gone(t, &st);
		/* of the dead, what was in flight is taken, too */
		if (dead)
			whole = take_lane(t, lane, true, &st);
		taken += t->entry_count - before;
		if (st.torn)
			torn[n_torn++] = (struct torn_lane){st.who.span, st.torn};
		if (!whole) {
			*ret_more = true;
			break;
		}
		if (dead)
			released[n_released++] = lane;
	}
	/* after the lanes: of each call that these tell of, the kernel has told by now */
	if (t->facts)
		recorder_facts_take(t);
	if (t->watch)
		recorder_watch_take(t->watch);
	process_batch(t);
	for (size_t i = 0; i < n_torn; i++) {
		struct recorder_span *s = recorder_span_find(&t->tree, &torn[i].span);

		if (s)
			s->torn += torn[i].records;
	}
	for (size_t i = 0; i < n_released; i++)
		ring_lane_release(t->ring, released[i]);
	if (n_released == RELEASED_MAX)
		*ret_more = true;
	return taken;
}

/* Those known to be dead before the pass: once it is over, all they wrote has been seen. */
static bool mark_dead(struct recorder_track *t)
{
	bool any = false;

	for (struct recorder_process *p = t->tree.live.next_live; p != &t->tree.live;
	     p = p->next_live)
		any |= p->drained = p->dead;
	return any;
}

/* Its end is seen by its parent before the kernel's word of it is taken. */
static bool is_awaited(const struct recorder_track *t, struct recorder_process *p)
{
	return t->facts && t->facts->tells_all && !t->facts->over && !p->is_told_dead &&
	       p->waits++ < AWAITED_PASSES;
}

static void end_dead(struct recorder_track *t)
{
	struct recorder_process *p = t->tree.live.next_live, *next;

	for (; p != &t->tree.live; p = next) {
		next = p->next_live;
		if (p->drained && !(p->span && p->span->pending) && !is_awaited(t, p))
			recorder_track_end(t, p);
	}
}

size_t recorder_track_drain(struct recorder_track *t)
{
	bool dead = mark_dead(t), more = false;
	uint64_t began = tt_clock_ns(CLOCK_MONOTONIC);
	size_t taken = 0;

	if (t->denials)
		recorder_denials_take(t->denials, t);
	t->pass++;
	t->fullest = 0;
	t->realtime_offset = tt_clock_ns(CLOCK_REALTIME) - tt_clock_ns(CLOCK_MONOTONIC);
	/* each pass takes up to an arena's worth; the workload cannot keep us here for ever */
	t->walks_left = WALKS_MAX;
	for (int i = 0; t->ring && i < 64; i++) {
		more = false;
		taken += drain_pass(t, &more);
		if (!more || tt_clock_ns(CLOCK_MONOTONIC) - began > DRAIN_NS)
			break;
	}
	if (!t->ring && t->facts)
		recorder_facts_take(t);
	if (t->denials)
		recorder_denials_settle(t->denials, t);
	if (t->facts && (dead || t->facts->over))
		tell_put_off(t, NULL, t->facts->over);
	if (t->facts && !more) {
		recorder_images_settle(t, false);
		recorder_held_settle(t);
	}
	if (t->watch && !t->ring)
		recorder_watch_take(t->watch);
	if (t->watch)
		recorder_watch_settle(t->watch, t);
	if (dead && !more)
		end_dead(t);
	recorder_track_end_gone(t, false);
	recorder_track_unheard(t, false);
	recorder_output_tick(t->out);
	return taken;
}
