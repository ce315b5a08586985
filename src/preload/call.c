/* SPDX-License-Identifier: Apache-2.0 */
/* The recording path that every hook takes. */
#include "preload/preload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "base/time.h"
#include "preload/fds.h"
#include "preload/plain.h"
#include "ring/clock.h"
#include "ring/put.h"

static int32_t thread_id(void)
{
	if (!pl_thread.tid)
		pl_thread.tid = (int32_t)tt_sys0(SYS_gettid);
	return pl_thread.tid;
}

void pl_arg_dirfd(struct pl_call *c, unsigned i, int fd, const char *path, char *buf, size_t cap)
{
	char link[32];
	struct tt_out o;
	long n;

	pl_arg_num(c, i, fd);
	if (pl_process.mode == PL_RING || fd == AT_FDCWD || !pl_can_read(path, 1) || path[0] == '/')
		return;
	tt_out_init(&o, link, sizeof(link));
	tt_out_str(&o, "/proc/self/fd/");
	tt_out_i64(&o, fd);
	tt_out_char(&o, '\0');
	n = tt_sys4(SYS_readlinkat, AT_FDCWD, link, buf, cap);
	if (n <= 0 || (size_t)n == cap || buf[0] != '/')
		return;
	c->args[i].data = buf;
	c->args[i].len = (size_t)n;
	c->quiet |= event_opens((enum event_call)c->call); /* perhaps: pl_begin() knows */
}

void pl_arg_argv(struct pl_call *c, unsigned i, char *const *argv, char *buf, size_t cap)
{
	struct event_arg *arg = &c->args[i];
	size_t at = 0;

	*arg = (struct event_arg){.absent = !pl_can_read(argv, sizeof(*argv))};
	if (arg->absent)
		return;
	arg->data = buf;
	for (; *argv; argv++) {
		size_t room = cap - at, n;
		bool ends;

		if (room < 2) {
			arg->cut = true;
			break;
		}
		n = pl_text_len(*argv, room - 1, &ends);
		arg->cut |= !ends;
		memcpy(buf + at, *argv, n);
		buf[at + n] = '\0';
		at += n + 1;
		if (!pl_can_read(argv + 1, sizeof(*argv))) {
			arg->cut = true;
			break;
		}
	}
	arg->len = at;
}

/*
 * Whether the record is still this call's to complete. A later call of the thread may have found
 * that it was left behind, and a child forked by a handler has a lane of its own.
 */
static bool is_open(const struct pl_call *c)
{
	const struct pl_thread *t = &pl_thread;

	return c->depth >= PL_OPEN_MAX || (c->depth < t->depth && t->open[c->depth].rec == c->rec &&
					   t->open[c->depth].tag == c->tag);
}

void pl_out(struct pl_call *c, unsigned i, const void *bytes, size_t len)
{
	size_t room = c->args[i].len;

	if (len > room)
		return;
	if (pl_process.mode != PL_RING) {
		c->args[i].data = bytes;
		c->args[i].len = len;
		c->args[i].absent = false;
	} else if (c->rec && is_open(c)) {
		ring_arg_fill(c->rec, i, bytes, len);
	}
}

void pl_take_back(struct pl_call *c)
{
	if (c->rec && is_open(c))
		c->rec->flags |= RING_FLAG_SILENT;
}

static void who_now(struct ring_who *ret, const struct pl_image *image)
{
	*ret = (struct ring_who){
		.span = image->span,
		.pid = image->pid,
		.ppid = image->ppid,
		.tid = pl_thread.in_vfork ? image->pid : thread_id(),
	};
}

/* Who, when and which number, for a line of our own. */
static void stamp(struct event *ev, const struct pl_image *image)
{
	ev->span.id = image->span;
	ev->parent = image->parent;
	ev->pid = image->pid;
	ev->ppid = image->ppid;
	ev->tid = pl_thread.in_vfork ? image->pid : thread_id();
	ev->ts_ns = tt_clock_ns(CLOCK_REALTIME);
}

/* Signals are held: a handler's hook would map anew what is being given back. */
static void thread_ends(void *unused)
{
	uint64_t all = ~0ull, old = 0;

	(void)unused;
	(void)tt_sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all));
	ring_lane_close(&pl_thread.writer);
	ring_lane_unmap(&pl_process.ring, &pl_thread.writer);
	pl_work_drop();
	(void)tt_sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, 0, sizeof(all));
}

/*
 * glibc has memory in each thread for the first 32 keys; for others pthread_setspecific(3) would
 * allocate. Ours is made when a second thread first has need of it, and nearly always one of them.
 */
#define END_KEYS_MAX 32
#define END_KEY_NONE (END_KEYS_MAX + 1)

/* Threads may meet here: who comes second gives his key back. */
static uint32_t make_end_key(void)
{
	uint32_t known = 0, made = END_KEY_NONE;
	pthread_key_t key;
	bool is_new = pthread_key_create(&key, thread_ends) == 0;

	if (is_new && (unsigned)key < END_KEYS_MAX)
		made = (uint32_t)key + 1;
	if (!__atomic_compare_exchange_n(&pl_process.end_key, &known, made, false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED)) {
		if (is_new)
			(void)pthread_key_delete(key);
		return known;
	}
	if (is_new && made == END_KEY_NONE)
		(void)pthread_key_delete(key);
	return made;
}

/* The first thread is spared it: what is its own goes with the process. */
void pl_thread_notice_end(void)
{
	uint32_t key;
	int saved;

	/* before errno, which costs a look-up that most processes are spared */
	if (thread_id() == pl_process.image.pid)
		return;
	saved = errno;
	key = __atomic_load_n(&pl_process.end_key, __ATOMIC_RELAXED);
	if (!key)
		key = make_end_key();
	if (key != END_KEY_NONE)
		(void)pthread_setspecific((pthread_key_t)(key - 1), &pl_thread);
	errno = saved;
}

/* The first event of a thread: it needs a lane of its own. */
static bool claim_lane(void)
{
	struct ring_who who;

	/* the lane would be the waiting parent's, and bear its child's name */
	if (pl_thread.in_vfork)
		return false;
	who_now(&who, &pl_process.image);
	if (ring_lane_claim_near(&pl_process.ring, &pl_thread.writer, &who) < 0 &&
	    ring_lane_claim(&pl_process.ring, &pl_thread.writer,
			    pl_ring_is_ours() ? pl_process.ring_fd : -1, &who) < 0)
		return false;
	pl_thread_notice_end();
	return true;
}

static bool has_lane(void)
{
	return TT_LIKELY(pl_thread.writer.lane != NULL) || claim_lane();
}

void pl_thread_ready(void)
{
	if (pl_process.mode == PL_RING)
		(void)has_lane();
	else if (pl_process.mode == PL_DIRECT)
		(void)thread_id();
}

/* An event that has no record: the image's slot says how many there are. */
TT_COLD static void count_lost(const struct pl_call *c, bool had_lane)
{
	struct pl_image *image = pl_image_now();

	if (!had_lane)
		__atomic_fetch_add(&pl_process.ring.header->refused, 1, __ATOMIC_RELAXED);
	if (image->slot && (c->flags & RING_FLAG_SILENT))
		__atomic_fetch_add(&image->slot->lost_silent, 1, __ATOMIC_RELAXED);
	else if (image->slot)
		__atomic_fetch_add(had_lane ? &image->slot->lost_full : &image->slot->lost_no_lane,
				   1, __ATOMIC_RELAXED);
}

/*
 * A place at or above depth is empty (rec NULL), and so is one that a call is just about to take:
 * whatever moment a signal handler comes, it sees nothing stale.
 */
static void pop(struct pl_thread *t, bool abandoned)
{
	struct pl_open *o = &t->open[t->depth - 1];
	struct ring_record *rec = o->rec;

	o->rec = NULL;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	/* not counted down: a handler may have dropped the same one in between, and completed it */
	t->depth = (uint32_t)(o - t->open);
	if (!abandoned || !rec || rec->tag != o->tag ||
	    __atomic_load_n(&rec->state, __ATOMIC_ACQUIRE) == RING_DONE)
		return;
	rec->flags |= RING_FLAG_ABANDONED;
	ring_call_end(rec, 0, 0, 0);
}

void pl_vfork_over(void)
{
	while (pl_thread.depth > pl_thread.vfork_depth)
		pop(&pl_thread, true);
}

static bool is_on_alternate_stack(void)
{
	stack_t ss = {.ss_flags = 0};

	return tt_sys2(SYS_sigaltstack, 0, &ss) == 0 && (ss.ss_flags & SS_ONSTACK);
}

/*
 * Calls are in flight already: those that this one interrupted, in a signal handler, lie further up
 * the stack (or on another one, if the handler has its own). One that lies further down was left by
 * siglongjmp(), and would keep the recorder waiting for the rest of the thread's life.
 */
TT_COLD void pl_drop_left(uintptr_t frame)
{
	struct pl_thread *t = &pl_thread;

	while (t->depth) {
		const struct pl_open *o = &t->open[t->depth - 1];

		if (!o->rec || o->frame > frame || is_on_alternate_stack())
			return;
		pop(t, true);
	}
}

/* The call is in flight: what a siglongjmp() out of it would leave behind is remembered. */
TT_INLINE void push(struct pl_thread *t, struct pl_call *c)
{
	struct pl_open *o = &t->open[t->depth];

	c->depth = (uint8_t)t->depth++;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	o->tag = c->tag;
	o->frame = (uintptr_t)c;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	o->rec = c->rec;
}

TT_COLD static void begin_in_ring(struct pl_call *c)
{
	struct pl_thread *t = &pl_thread;
	struct ring_who who;

	if (t->depth)
		pl_drop_left((uintptr_t)c);
	if (!has_lane()) {
		count_lost(c, false);
		return;
	}
	if (t->in_vfork)
		who_now(&who, &t->vfork_image);
	c->ticks = ring_ticks(pl_process.clock);
	c->rec = ring_call_begin(&t->writer, (enum event_call)c->call, c->args, c->argc,
				 t->in_vfork ? &who : NULL, c->ticks);
	if (!c->rec) {
		count_lost(c, true);
		return;
	}
	c->rec->flags |= c->flags & RING_FLAG_SILENT;
	c->tag = c->rec->tag;
	if (t->depth < PL_OPEN_MAX)
		push(t, c);
}

void pl_begin_silent(struct pl_call *c)
{
	c->flags |= RING_FLAG_SILENT;
	begin_in_ring(c);
}

/* The event as the formatter and the filter want it. */
static void fill_event(struct event *ev, const struct pl_call *c)
{
	memset(ev, 0, sizeof(*ev));
	ev->type = EVENT_SYSCALL;
	ev->source = EVENT_FROM_PRELOAD;
	ev->call = (enum event_call)c->call;
	ev->raw = c->flags & RING_FLAG_RAW;
	memcpy(ev->args, c->args, c->argc * sizeof(c->args[0]));
	/* where "/" is another one, names alone do not tell what is noise */
	ev->root_unknown = pl_image_now()->other_root;
}

/*
 * The sure part of the default filter, on the spot: absolute paths below /proc, /sys and /dev. In
 * the ring the rest is the recorder's to judge, who knows what relative paths are relative to.
 */
TT_COLD static bool is_quiet(const struct pl_call *c)
{
	struct event ev;

	fill_event(&ev, c);
	if (!event_is_quiet(&ev))
		return false;
	/* a folder is told of all the same: paths may start from it */
	return pl_process.mode != PL_RING || !event_opens_folder(&ev);
}

/* Whatever is not the plain case: a thread with a lane, and no call of its own in flight. */
TT_COLD static void begin_otherwise(struct pl_call *c)
{
	c->quiet = c->quiet && is_quiet(c);
	if (c->quiet)
		return;
	if (pl_process.mode == PL_RING) {
		begin_in_ring(c);
		return;
	}
	c->ts_ns = tt_clock_ns(CLOCK_REALTIME);
	c->ticks = tt_clock_ns(CLOCK_MONOTONIC);
}

TT_HOT void pl_begin(struct pl_call *c)
{
	struct pl_thread *t = &pl_thread;

	/* only PL_RING has lanes */
	if (TT_UNLIKELY(c->quiet || !t->writer.lane || t->depth || t->in_vfork)) {
		begin_otherwise(c);
		return;
	}
	c->ticks = ring_ticks(pl_process.clock);
	c->rec = ring_call_begin(&t->writer, (enum event_call)c->call, c->args, c->argc, NULL,
				 c->ticks);
	if (TT_UNLIKELY(!c->rec)) {
		count_lost(c, true);
		return;
	}
	c->tag = c->rec->tag;
	push(t, c);
}

void pl_note_lost(void)
{
	const struct pl_call c = {.flags = RING_FLAG_SILENT};

	count_lost(&c, true);
}

/* PL_DIRECT: the line, with its @result, or without one (exec, which has not happened yet). */
TT_COLD static void put_line(const struct pl_call *c, bool has_result, int64_t result, int error)
{
	struct event ev;

	fill_event(&ev, c);
	stamp(&ev, pl_image_now());
	ev.ts_ns = c->ts_ns;
	if (has_result) {
		ev.elapsed_ns = tt_clock_ns(CLOCK_MONOTONIC) - c->ticks;
		ev.result = result;
		ev.has_result = true;
		ev.error = error;
	}
	if (event_call_has_extra(ev.call)) {
		const struct event_arg *extra = &ev.args[c->argc - 1];

		if (!extra->absent)
			ev.extra = (struct event_text){extra->data, extra->len};
	}
	pl_log_line(&ev);
}

/* A record that others lie on top of, or that is not this call's any more; direct mode. */
TT_COLD static void end_otherwise(struct pl_call *c, int64_t result, int error)
{
	int saved = errno;

	if (pl_process.mode == PL_DIRECT && !c->quiet)
		put_line(c, true, result, error);
	errno = saved;
	if (!c->rec || !is_open(c))
		return;
	while (c->depth < PL_OPEN_MAX && pl_thread.depth > c->depth)
		pop(&pl_thread, pl_thread.depth > c->depth + 1u);
	ring_call_end(c->rec, result, error, ring_ticks(pl_process.clock) - c->ticks);
}

TT_HOT void pl_end_error(struct pl_call *c, int64_t result, int error)
{
	struct pl_thread *t = &pl_thread;
	struct pl_open *o = &t->open[c->depth];

	if (TT_UNLIKELY(!c->rec || t->depth != c->depth + 1u || o->rec != c->rec ||
			o->tag != c->tag)) {
		end_otherwise(c, result, error);
		return;
	}
	o->rec = NULL;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->depth = c->depth;
	ring_call_end(c->rec, result, error, ring_ticks(pl_process.clock) - c->ticks);
}

void pl_plain_end(const struct pl_plain *p, int64_t result, int error)
{
	struct pl_call c = {.rec = p->rec, .tag = p->tag, .ticks = p->rec->entered};

	pl_end_error(&c, result, error);
}

void pl_point(struct pl_call *c)
{
	pl_begin(c);
	if (c->rec) {
		c->rec->flags |= c->flags | RING_FLAG_NO_RESULT;
		pl_end_error(c, 0, 0);
	} else if (pl_process.mode == PL_DIRECT) {
		put_line(c, false, 0, 0);
	}
	c->rec = NULL;
}

void pl_span_text(char text[PL_SPAN_TEXT_LEN + 1], const struct tt_uuid *span)
{
	memcpy(text, "spn_", 4);
	tt_uuid_text(text + 4, span);
}

/*
 * Whether children of this process vanish unreaped, and their figures with them. A new child has
 * its parent's dispositions still: both may be asked. Past libc, whose struct sigaction is laid out
 * otherwise.
 */
static bool children_vanish(void)
{
	struct {
		uintptr_t handler;
		unsigned long flags, restorer, mask[2];
	} sa = {0};

	return tt_sys4(SYS_rt_sigaction, SIGCHLD, NULL, &sa, 8) == 0 &&
	       (sa.handler == (uintptr_t)SIG_IGN || (sa.flags & SA_NOCLDWAIT));
}

void pl_start_event(const struct pl_image *image, enum event_how how, const char *exe,
		    const char *argv, size_t argv_len, const char *comm)
{
	char cwd[EVENT_PATH_MAX / 4];
	struct event ev = {
		.type = EVENT_PROCESS, .source = EVENT_FROM_PRELOAD, .act = EVENT_ACT_START};
	/* the recorder lets a spawned child begin where its parent is */
	bool inherits_cwd = how == EVENT_HOW_SPAWN && pl_process.mode == PL_RING;
	long n = inherits_cwd ? 0 : tt_sys2(SYS_getcwd, cwd, sizeof(cwd));

	ev.how = how;
	ev.parent = image->parent;
	ev.root_unknown = image->other_root;
	if (exe)
		ev.exe = (struct event_text){exe, strlen(exe)};
	if (argv)
		ev.argv = (struct event_text){argv, argv_len};
	if (comm)
		ev.comm = (struct event_text){comm, strnlen(comm, 15)};
	/* "(unreachable)/x" when the cwd lies outside of our root */
	if (n > 1 && cwd[0] == '/')
		ev.cwd = (struct event_text){cwd, (size_t)n - 1};
	if (pl_process.mode == PL_DIRECT) {
		stamp(&ev, image);
		pl_log_line(&ev);
	} else if (has_lane()) {
		uint32_t flags = pl_process.interposed ? RING_FLAG_INTERPOSED : 0;
		struct ring_who who;

		if (how != EVENT_HOW_EXEC && children_vanish())
			flags |= RING_FLAG_NOCLDWAIT;
		who_now(&who, image);
		(void)ring_start_put(&pl_thread.writer, &ev,
				     image == &pl_process.image ? NULL : &who,
				     ring_ticks(pl_process.clock), flags);
	}
}

void pl_exit_event(int status)
{
	struct event_open_fd open_fds[EVENT_OPEN_FDS_MAX + 1];
	struct pl_image *image = pl_image_now();
	struct event ev = {
		.type = EVENT_PROCESS, .source = EVENT_FROM_PRELOAD, .act = EVENT_ACT_EXIT};

	/* a child made past us shares our memory or a copy of it, and bears another pid */
	if (pl_process.mode == PL_OFF || (int32_t)tt_sys0(SYS_getpid) != image->pid ||
	    __atomic_exchange_n(&image->ended, true, __ATOMIC_RELAXED))
		return;
	if (!pl_thread.in_vfork)
		ev.extra = (struct event_text){(char *)open_fds, pl_fds_open(open_fds)};
	if (pl_process.mode == PL_DIRECT) {
		stamp(&ev, image);
		ev.exit_code = status & 0xff;
		pl_log_line(&ev);
	} else if (has_lane()) {
		struct ring_who who;

		who_now(&who, image);
		(void)ring_exit_put(&pl_thread.writer, status & 0xff, &ev.extra,
				    image == &pl_process.image ? NULL : &who,
				    ring_ticks(pl_process.clock));
	}
}
