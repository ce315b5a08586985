/* SPDX-License-Identifier: Apache-2.0 */
/* Images as the kernel tells of them. */
#include "recorder/images.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/program.h"
#include "base/time.h"
#include "recorder/facts.h"
#include "recorder/held.h"
#include "recorder/track_internal.h"

#define WAIT_NS   (150 * TT_NS_PER_MS)  /* for the first word of one that may have the library */
#define LOADED_NS (2000 * TT_NS_PER_MS) /* ... of one that is seen to load it */
#define SLACK_NS  (50 * TT_NS_PER_US)   /* between the clock of the ring and that of the kernel */

void recorder_images_init(struct recorder_images *im)
{
	im->pending.prev_pending = im->pending.next_pending = &im->pending;
}

static void wait_for(struct recorder_images *im, struct recorder_span *s)
{
	s->pending = true;
	s->next_pending = &im->pending;
	s->prev_pending = im->pending.prev_pending;
	s->prev_pending->next_pending = s->next_pending->prev_pending = s;
}

static void wait_no_more(struct recorder_span *s)
{
	s->pending = false;
	s->prev_pending->next_pending = s->next_pending;
	s->next_pending->prev_pending = s->prev_pending;
}

/* The id that lines call it by; children that wait, too, name it as their parent. */
static void tell_as(struct recorder_images *im, struct recorder_span *s, const struct tt_uuid *id)
{
	for (struct recorder_span *c = im->pending.next_pending; c != &im->pending;
	     c = c->next_pending)
		if (tt_uuid_equal(&c->parent.id, &s->told))
			c->parent.id = *id;
	s->told = *id;
}

static struct recorder_span *begin(struct recorder_track *t, const struct event_span *parent,
				   enum event_how how, struct recorder_process *p,
				   const struct kernel_fact *f)
{
	struct tt_uuid id = tt_uuid_make();
	struct recorder_span *s = recorder_track_begin(t, &id, parent, how, p);

	if (!s)
		return NULL;
	s->observed = true;
	s->born_ns = f->ts_ns;
	s->image = f->image;
	s->ppid = f->ppid;
	memcpy(s->comm, f->comm, sizeof(s->comm) - 1);
	wait_for(&t->facts->images, s);
	return s;
}

static void process_began(struct recorder_images *im)
{
	if (++im->living > im->peak)
		im->peak = im->living;
}

/*
 * The command itself, as the first child of the sandbox's init: it may have been over before
 * anybody could ask for its number.
 */
static struct recorder_process *find_launched(struct recorder_track *t, const struct kernel_fact *f)
{
	struct recorder_process *p = t->tree.live.next_live;

	for (; t->init && f->ppid == t->init && p != &t->tree.live; p = p->next_live) {
		if (p->pid || !p->span || p->span->how != EVENT_HOW_LAUNCH)
			continue;
		p->pid = p->span->pid = f->pid;
		return p;
	}
	return NULL;
}

void recorder_images_fork(struct recorder_track *t, const struct kernel_fact *f)
{
	struct recorder_process *maker = recorder_process_find_real(&t->tree, f->ppid),
				*p = recorder_process_find_real(&t->tree, f->pid);
	struct event_span parent = {0};
	struct recorder_span *s;

	if (!p)
		p = find_launched(t, f);
	if (p && (!p->start_ns || p->start_ns == f->start_ns) &&
	    (!p->dead || (p->span && p->span->how == EVENT_HOW_LAUNCH))) {
		/* the command itself, which we forked, or one that a record told of before */
		if (!p->start_ns)
			process_began(&t->facts->images);
		p->start_ns = f->start_ns;
		p->observed = true;
		if (p->span)
			p->span->image = f->image;
		return;
	}
	/* our own, the sandbox's init and what it makes besides the command */
	if (!maker)
		return;
	if (p)
		recorder_process_retire(&t->tree, p);
	p = recorder_process_add(&t->tree, f->pid, f->ns_pid ? f->ns_pid : f->pid);
	if (!p)
		return;
	p->observed = true;
	p->start_ns = f->start_ns;
	p->maker = f->ppid;
	process_began(&t->facts->images);
	if (maker->span)
		parent.id = maker->span->told;
	/* its maker's call is the same act */
	if (maker->span && maker->span->observed)
		recorder_held_add(t, maker->span, f);
	s = begin(t, &parent, EVENT_HOW_FORK, p, f);
	if (!s || !maker->span)
		return;
	recorder_track_inherit(s, maker->span);
	recorder_hosts_fork(s, maker->span, f->ts_ns + t->realtime_offset);
}

/* One that the kernel did not tell of when it began: that word was lost. */
static struct recorder_process *met_late(struct recorder_track *t, const struct kernel_fact *f)
{
	struct recorder_process *p = recorder_process_find_real(&t->tree, f->pid),
				*maker = recorder_process_find_real(&t->tree, f->ppid);
	struct event_span parent = {0};

	if (p && p->start_ns && f->start_ns && p->start_ns != f->start_ns) {
		recorder_process_retire(&t->tree, p);
		p = NULL;
	}
	if (!p) {
		if (f->pid == t->init || f->pid == t->root)
			return NULL;
		p = recorder_process_add(&t->tree, f->pid, f->ns_pid ? f->ns_pid : f->pid);
		if (!p)
			return NULL;
		p->observed = true;
		p->maker = f->ppid;
		process_began(&t->facts->images);
		t->facts->strays++;
	}
	p->start_ns = f->start_ns;
	if (!p->span) {
		if (maker && maker->span)
			parent.id = maker->span->told;
		(void)begin(t, &parent, EVENT_HOW_FORK, p, f);
	}
	return p;
}

static struct recorder_process *process_of(struct recorder_track *t, const struct kernel_fact *f)
{
	struct recorder_process *p = t->facts->last;

	if (p && p->pid == f->pid && p->start_ns == f->start_ns && p->span)
		return p;
	p = recorder_process_find_real(&t->tree, f->pid);
	if (!p || p->start_ns != f->start_ns || !p->span)
		p = met_late(t, f);
	t->facts->last = p;
	return p;
}

bool recorder_images_knows(struct recorder_track *t, const struct kernel_fact *f)
{
	const struct recorder_process *p = recorder_process_find_real(&t->tree, f->pid);

	return p && p->start_ns == f->start_ns && p->span && p->span->image == f->image;
}

struct recorder_span *recorder_images_of(struct recorder_track *t, const struct kernel_fact *f)
{
	struct recorder_process *p = process_of(t, f);

	return p ? p->span : NULL;
}

/* Whether the program can load the library at all; remembered by its file. */
static enum recorder_mute look(struct recorder_track *t, struct recorder_span *s,
			       const struct kernel_fact *f)
{
	struct recorder_looked *e =
		&t->facts->images.looked[(f->exe.ino ^ f->exe.dev * 31) % RECORDER_PROGRAMS];
	char link[40], path[EVENT_PATH_MAX];
	struct tt_program program;

	if (!t->ring)
		return RECORDER_MUTE_OFF;
	if (f->secure)
		return RECORDER_MUTE_SECURE;
	if (f->exe.ino && e->file.ino == f->exe.ino && e->file.dev == f->exe.dev)
		return e->mute;
	/* seen from its own root, whatever that is; if it is gone already, by the name it had */
	(void)snprintf(link, sizeof(link), "/proc/%d/exe", f->pid);
	tt_program_look(AT_FDCWD, link, &program);
	if (program.kind == TT_PROGRAM_NONE && f->path.len && f->path.len < sizeof(path)) {
		memcpy(path, f->path.data, f->path.len);
		path[f->path.len] = '\0';
		tt_program_look(AT_FDCWD, path, &program);
	} else if (program.kind != TT_PROGRAM_NONE && f->exe.ino &&
		   program.st.st_ino != f->exe.ino) {
		s->is_unlooked = true; /* it is another program by now */
		return RECORDER_MUTE_NOT;
	}
	if (program.kind == TT_PROGRAM_NONE) {
		s->is_unlooked = true;
		return RECORDER_MUTE_NOT;
	}
	e->file = f->exe;
	e->mute = program.is_static                    ? RECORDER_MUTE_STATIC
		  : program.libc == TT_PROGRAM_FOREIGN ? RECORDER_MUTE_OTHER_CLASS
						       : RECORDER_MUTE_NOT;
	return e->mute;
}

static void keep_argv(struct recorder_span *s, const struct kernel_fact *f)
{
	s->argv = f->argv.len ? malloc(f->argv.len) : NULL;
	if (!s->argv)
		return;
	memcpy(s->argv, f->argv.data, f->argv.len);
	s->argv_len = f->argv.len;
	s->argv_cut = f->argv_cut;
}

void recorder_images_exec(struct recorder_track *t, const struct kernel_fact *f)
{
	struct recorder_process *p = process_of(t, f);
	struct event_span parent;
	struct recorder_span *old, *s;

	if (!p || !p->span)
		return;
	old = p->span;
	if (old->observed)
		recorder_held_add(t, old, f);
	parent = (struct event_span){.id = old->told};
	old->over_ns = f->ts_ns;
	recorder_track_replace(t, old, f->ts_ns + t->realtime_offset);
	s = begin(t, &parent, EVENT_HOW_EXEC, p, f);
	if (!s)
		return;
	s->ppid = old->ppid;
	recorder_track_inherit_root(s, old);
	recorder_hosts_exec(s, old);
	/* the file itself, whatever links led to it */
	if (f->where_is_file && f->where.len)
		recorder_text_set(&s->exe, f->where.data, f->where.len);
	else if (f->path.data)
		recorder_text_set(&s->exe, f->path.data, f->path.len);
	if (f->cwd.data)
		recorder_text_set(&s->cwd, f->cwd.data, f->cwd.len);
	s->exe_dev = f->exe.dev;
	s->exe_ino = f->exe.ino;
	keep_argv(s, f);
	s->mute = look(t, s, f);
}

void recorder_images_exit(struct recorder_track *t, const struct kernel_fact *f)
{
	struct recorder_process *p = recorder_process_find_real(&t->tree, f->pid);

	if (!p || (p->start_ns && f->start_ns && p->start_ns != f->start_ns))
		return;
	if (p->observed && t->facts->images.living)
		t->facts->images.living--;
	if (p->span)
		p->span->over_ns = f->ts_ns;
	p->dead = p->is_told_dead = true;
	p->status_known = true;
	p->status = f->status;
}

/* Whether the image may be the one that speaks at @ts, by the pid it calls itself by. */
static bool may_be(const struct recorder_span *s, const struct event *ev, uint64_t ts)
{
	bool by_exec = ev->how == EVENT_HOW_EXEC;

	if (by_exec != (s->how == EVENT_HOW_EXEC) || s->claimed || !s->observed)
		return false;
	if (ev->how == EVENT_HOW_SPAWN) /* told by its parent, once it has begun */
		return s->born_ns <= ts + SLACK_NS;
	return s->own_pid == ev->pid && s->born_ns <= ts + SLACK_NS &&
	       (!s->over_ns || ts <= s->over_ns + SLACK_NS);
}

/* A spawned child, by its pid or, where its parent did not learn that, by who made it. */
static bool is_spawned(const struct recorder_span *s, const struct event *ev,
		       const struct recorder_span *parent)
{
	if (ev->pid > 0)
		return s->own_pid == ev->pid;
	return parent && tt_uuid_equal(&s->parent.id, &parent->told);
}

static struct recorder_span *find_waiting(struct recorder_track *t, const struct event *ev,
					  uint64_t ts)
{
	struct recorder_span *parent = recorder_span_find(&t->tree, &ev->parent.id), *found = NULL;
	struct recorder_images *im = &t->facts->images;

	for (struct recorder_span *s = im->pending.next_pending; s != &im->pending;
	     s = s->next_pending) {
		if (!may_be(s, ev, ts))
			continue;
		if (ev->how == EVENT_HOW_SPAWN) {
			if (is_spawned(s, ev, parent))
				return s;
			continue;
		}
		/* of several in as many namespaces the one that hangs below the right parent */
		if (parent && s->pid && parent->pid &&
		    (ev->how == EVENT_HOW_EXEC ? s->pid == parent->pid : s->ppid == parent->pid))
			return s;
		if (!found || s->born_ns > found->born_ns)
			found = s;
	}
	return found;
}

struct recorder_span *recorder_images_of_pid(struct recorder_track *t, int32_t own_pid)
{
	struct recorder_images *im = &t->facts->images;
	struct recorder_span *found = NULL;

	for (struct recorder_span *s = im->pending.next_pending; s != &im->pending;
	     s = s->next_pending)
		if (s->own_pid == own_pid && (!found || s->born_ns > found->born_ns))
			found = s;
	return found;
}

/* One that waited too long, and speaks after all. */
static struct recorder_span *find_late(struct recorder_track *t, const struct event *ev,
				       uint64_t ts)
{
	struct recorder_process *p = ev->pid > 0 ? recorder_process_find(&t->tree, ev->pid) : NULL;
	struct recorder_span *s = p ? p->span : NULL;

	return s && s->observed && !s->pending && !s->preload && may_be(s, ev, ts) ? s : NULL;
}

struct recorder_span *recorder_images_claim(struct recorder_track *t, const struct event *ev,
					    uint64_t ts, bool *ret_late)
{
	struct recorder_images *im = &t->facts->images;
	struct recorder_span *s = recorder_span_find(&t->tree, &ev->span.id), *parent;

	*ret_late = false;
	/* a child named it before it was told of */
	if (s && s->claimed && s->pending) {
		s->claimed = false;
	} else if (s) {
		return NULL;
	} else {
		s = find_waiting(t, ev, ts);
		if (!s) {
			s = find_late(t, ev, ts);
			*ret_late = s != NULL;
		}
		if (!s)
			return NULL;
		if (!*ret_late)
			tell_as(im, s, &ev->span.id);
		recorder_span_rekey(&t->tree, s, &ev->span.id);
	}
	if (s->pending)
		wait_no_more(s);
	s->mute = RECORDER_MUTE_NOT;
	s->how = ev->how;
	/* the fork half of a spawn is told of by its parent, later than by the image it became */
	parent = recorder_span_find(&t->tree, &ev->parent.id);
	if (!parent && !tt_uuid_is_nil(&ev->parent.id)) {
		parent = recorder_span_find(&t->tree, &s->parent.id);
		if (parent && parent->pending && !parent->claimed) {
			tell_as(im, parent, &ev->parent.id);
			recorder_span_rekey(&t->tree, parent, &ev->parent.id);
			parent->claimed = true;
		}
	}
	if (!*ret_late)
		s->parent.id = parent ? parent->told : ev->parent.id;
	return s;
}

void recorder_images_begin(struct recorder_track *t, struct recorder_span *s,
			   enum recorder_mute mute)
{
	struct event ev = {
		.type = EVENT_PROCESS,
		.source = EVENT_FROM_KERNEL,
		.act = EVENT_ACT_START,
		.ts_ns = s->born_ns + t->realtime_offset,
		.how = s->claimed ? EVENT_HOW_SPAWN : s->how,
		.ppid = s->ppid,
	};
	struct recorder_span *maker;

	wait_no_more(s);
	s->claimed = false;
	s->mute = mute;
	if (s->how != EVENT_HOW_EXEC &&
	    (mute == RECORDER_MUTE_UNSAID || mute == RECORDER_MUTE_BRIEF) &&
	    (maker = recorder_span_find(&t->tree, &s->parent.id)))
		maker->has_unsaid = true;
	if (s->how == EVENT_HOW_EXEC) {
		ev.exe = (struct event_text){s->exe, s->exe ? strlen(s->exe) : 0};
		ev.cwd = (struct event_text){s->cwd, s->cwd ? strlen(s->cwd) : 0};
		ev.argv = (struct event_text){s->argv, s->argv_len};
	}
	recorder_track_put(t, &ev, s);
}

/* Whether all that an image which is over may have left in the ring has been taken since. */
static bool is_drained(const struct recorder_track *t, const struct recorder_span *s)
{
	if (s->gone)
		return s->gone_pass != t->pass;
	return !s->process || s->process->drained;
}

static bool was_killed(const struct recorder_span *s)
{
	return s->process && s->process->status_known && WIFSIGNALED(s->process->status);
}

/*
 * When it should have spoken. A child that has done nothing so far may just not have had its turn
 * on a busy machine: its word comes before its first act.
 */
static uint64_t first_act(const struct recorder_span *s)
{
	uint64_t act = recorder_held_since(s);

	if (s->how == EVENT_HOW_EXEC)
		return s->born_ns;
	return act ? act : UINT64_MAX - LOADED_NS;
}

/* Whether it is known that nobody speaks for @s, and why. */
static bool is_settled(struct recorder_track *t, struct recorder_span *s, uint64_t now, bool all,
		       enum recorder_mute *ret)
{
	struct recorder_span *maker = recorder_span_find(&t->tree, &s->parent.id);
	bool over = s->over_ns && is_drained(t, s);

	*ret = s->mute;
	if (*ret != RECORDER_MUTE_NOT)
		return true;
	if (!t->ring)
		*ret = RECORDER_MUTE_OFF;
	else if (s->how != EVENT_HOW_EXEC && maker && maker->mute != RECORDER_MUTE_NOT)
		*ret = maker->mute; /* what its maker cannot, it cannot either */
	if (*ret != RECORDER_MUTE_NOT)
		return true;
	/* it ended by itself, or for another program, and the dynamic linker had not the library */
	if (over && (s->how != EVENT_HOW_EXEC || s->loads || was_killed(s)))
		*ret = RECORDER_MUTE_BRIEF;
	else
		*ret = s->how == EVENT_HOW_EXEC ? RECORDER_MUTE_ENVIRONMENT : RECORDER_MUTE_UNSAID;
	/* nobody could look at its file, and no dynamic linker was seen at work */
	if (over && s->is_unlooked && !s->has_loader)
		*ret = RECORDER_MUTE_STATIC;
	if (all)
		return true;
	/* the parent tells of what it spawned when it comes back from that */
	if (over && (s->how == EVENT_HOW_EXEC || !s->gone))
		return true;
	return now > first_act(s) + (s->loads ? LOADED_NS : WAIT_NS);
}

void recorder_images_settle(struct recorder_track *t, bool all)
{
	struct recorder_images *im = &t->facts->images;
	uint64_t now = tt_clock_ns(CLOCK_MONOTONIC);
	struct recorder_span *s = im->pending.next_pending, *next, *maker;
	enum recorder_mute mute;

	for (; s != &im->pending; s = next) {
		next = s->next_pending;
		/* the oldest come first: a parent that has not begun yet goes on waiting */
		maker = recorder_span_find(&t->tree, &s->parent.id);
		if (maker && maker->pending && !all)
			continue;
		if (is_settled(t, s, now, all, &mute))
			recorder_images_begin(t, s, mute);
	}
}

struct recorder_span *recorder_images_adopt(struct recorder_track *t, const struct event *ev,
					    uint64_t ts)
{
	struct recorder_process *p = ev->pid > 0 ? recorder_process_find(&t->tree, ev->pid) : NULL;
	struct recorder_span *s = p ? p->span : NULL;

	if (!s || !s->observed || s->preload || s->claimed || ts + SLACK_NS < s->born_ns)
		return NULL;
	if (s->pending)
		recorder_images_begin(t, s, RECORDER_MUTE_NOT);
	recorder_span_rekey(&t->tree, s, &ev->span.id);
	s->mute = RECORDER_MUTE_NOT;
	s->was_late = true;
	s->spoke_ns = ts;
	s->preload = true;
	t->spans_preload++;
	return s;
}
