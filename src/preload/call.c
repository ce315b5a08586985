/* SPDX-License-Identifier: Apache-2.0 */
/* The recording path that every hook takes. */
#include "preload/preload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "base/time.h"

static int32_t thread_id(void)
{
	if (!pl_thread.tid)
		pl_thread.tid = (int32_t)tt_sys0(SYS_gettid);
	return pl_thread.tid;
}

bool pl_enter(struct pl_call *c, enum event_call call)
{
	int saved = errno;

	if (TT_UNLIKELY(!pl_process.image.pid))
		pl_init();
	if (pl_process.mode == PL_OFF) {
		errno = saved;
		return false;
	}
	memset(c, 0, sizeof(*c));
	c->saved_errno = saved;
	c->ev.type = EVENT_SYSCALL;
	c->ev.source = EVENT_FROM_PRELOAD;
	c->ev.call = call;
	return true;
}

void pl_arg_text(struct pl_call *c, unsigned i, const char *text)
{
	struct event_arg *arg = &c->ev.args[i];

	/* what cannot be a pointer is left for the real function to refuse (EFAULT) */
	if ((uintptr_t)text < 4096) {
		arg->absent = true;
		return;
	}
	arg->data = text;
	arg->len = strnlen(text, EVENT_LINE_MAX);
	arg->cut = arg->len == EVENT_LINE_MAX;
}

void pl_arg_num(struct pl_call *c, unsigned i, int64_t num)
{
	c->ev.args[i].num = num;
}

void pl_arg_mode(struct pl_call *c, unsigned i, int flags, unsigned mode)
{
	c->ev.args[i].num = mode;
	c->ev.args[i].absent = !(flags & O_CREAT) && (flags & O_TMPFILE) != O_TMPFILE;
}

void pl_arg_addr(struct pl_call *c, unsigned i, const void *sa, size_t len)
{
	struct event_arg *arg = &c->ev.args[i];

	arg->absent = (uintptr_t)sa < 4096;
	if (!arg->absent && len <= EVENT_ADDR_MAX) {
		arg->data = sa;
		arg->len = len;
	}
}

void pl_arg_dirfd(struct pl_call *c, unsigned i, int fd, const char *path, char *buf, size_t cap)
{
	char link[32];
	struct tt_out o;
	long n;

	c->ev.args[i].num = fd;
	if (fd == AT_FDCWD || (uintptr_t)path < 4096 || path[0] == '/')
		return;
	tt_out_init(&o, link, sizeof(link));
	tt_out_str(&o, "/proc/self/fd/");
	tt_out_i64(&o, fd);
	tt_out_char(&o, '\0');
	n = tt_sys4(SYS_readlinkat, AT_FDCWD, link, buf, cap);
	if (n <= 0 || (size_t)n == cap || buf[0] != '/')
		return;
	c->ev.args[i].data = buf;
	c->ev.args[i].len = (size_t)n;
}

void pl_arg_argv(struct pl_call *c, unsigned i, char *const *argv, char *buf, size_t cap)
{
	struct event_arg *arg = &c->ev.args[i];
	size_t at = 0;

	if ((uintptr_t)argv < 4096) {
		arg->absent = true;
		return;
	}
	arg->data = buf;
	for (; *argv; argv++) {
		size_t room = cap - at, n;

		if (room < 2) {
			arg->cut = true;
			break;
		}
		n = strnlen(*argv, room - 1);
		arg->cut |= n == room - 1;
		memcpy(buf + at, *argv, n);
		buf[at + n] = '\0';
		at += n + 1;
	}
	arg->len = at;
}

void pl_arg_room(struct pl_call *c, unsigned i, size_t len)
{
	c->ev.args[i].absent = true;
	c->ev.args[i].len = len;
}

void pl_out(struct pl_call *c, unsigned i, const void *bytes, size_t len)
{
	size_t room = c->ev.args[i].len;

	if (len > room)
		return;
	if (c->rec) {
		ring_arg_fill(c->rec, i, bytes, len);
	} else {
		c->ev.args[i].data = bytes;
		c->ev.args[i].len = len;
		c->ev.args[i].absent = false;
	}
}

static uint64_t next_seq(struct pl_image *image)
{
	uint64_t *counter = image->slot ? &image->slot->next_seq : &image->next_seq;

	return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* Who, when and which number. In the ring times are monotonic and the recorder converts them. */
static void stamp(struct event *ev, const struct pl_image *image)
{
	ev->span.id = image->span;
	ev->parent = image->parent;
	ev->pid = image->pid;
	ev->ppid = image->ppid;
	ev->tid = pl_thread.in_vfork ? image->pid : thread_id();
	ev->ts_ns = tt_clock_ns(pl_process.mode == PL_RING ? CLOCK_MONOTONIC : CLOCK_REALTIME);
}

/* Signals are held: a handler's hook would map a lane at the address that is being given back. */
static void thread_ends(void *lane_owner)
{
	uint64_t all = ~0ull, old = 0;
	char *data = pl_thread.writer.data;

	(void)lane_owner;
	(void)tt_sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all));
	ring_lane_close(&pl_thread.writer);
	pl_thread.writer.data = NULL;
	if (data)
		(void)tt_sys2(SYS_munmap, data, pl_thread.writer.lane_bytes);
	(void)tt_sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, 0, sizeof(all));
}

/* The first event of a thread: it needs a lane of its own. */
static bool has_lane(void)
{
	static uint32_t key_state;
	static pthread_key_t key;
	uint32_t none = 0;

	if (TT_LIKELY(pl_thread.writer.lane != NULL))
		return true;
	if (!pl_ring_is_ours() ||
	    ring_lane_claim(&pl_process.ring, &pl_thread.writer, pl_process.ring_fd,
			    pl_process.image.pid, thread_id()) < 0) {
		__atomic_fetch_add(&pl_process.ring.header->lost_no_lane, 1, __ATOMIC_RELAXED);
		return false;
	}
	/*
	 * a program with one thread is spared the key; a lane without a destructor is found by the
	 * recorder
	 */
	if (thread_id() == pl_process.image.pid)
		return true;
	if (__atomic_compare_exchange_n(&key_state, &none, 1, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		__atomic_store_n(&key_state, pthread_key_create(&key, thread_ends) == 0 ? 2 : 3,
				 __ATOMIC_RELEASE);
	if (__atomic_load_n(&key_state, __ATOMIC_ACQUIRE) == 2)
		(void)pthread_setspecific(key, &pl_thread);
	return true;
}

void pl_thread_ready(void)
{
	if (pl_process.mode == PL_RING)
		(void)has_lane();
	else if (pl_process.mode == PL_DIRECT)
		(void)thread_id();
}

void pl_begin(struct pl_call *c)
{
	struct pl_image *image = pl_image_now();

	c->quiet = event_is_quiet(&c->ev);
	if (c->quiet)
		goto out;
	c->ev.seq = next_seq(image);
	c->ev.has_seq = true;
	stamp(&c->ev, image);
	if (pl_process.mode == PL_RING) {
		if (has_lane())
			c->rec = ring_call_begin(&pl_thread.writer, &c->ev);
	} else {
		c->began_ns = tt_clock_ns(CLOCK_MONOTONIC);
	}
out:
	errno = c->saved_errno;
}

static void finish(struct pl_call *c, int64_t result, int error)
{
	if (c->quiet)
		return;
	if (pl_process.mode == PL_RING) {
		if (c->rec)
			ring_call_end(c->rec, result, error,
				      tt_clock_ns(CLOCK_MONOTONIC) - c->ev.ts_ns);
		return;
	}
	c->ev.elapsed_ns = tt_clock_ns(CLOCK_MONOTONIC) - c->began_ns;
	c->ev.result = result;
	c->ev.has_result = true;
	c->ev.error = error;
	if (event_call_has_extra(c->ev.call)) {
		const struct event_arg *extra =
			&c->ev.args[strlen(event_call_info(c->ev.call)->layout)];

		if (!extra->absent)
			c->ev.extra = (struct event_text){extra->data, extra->len};
	}
	pl_log_line(&c->ev);
}

void pl_end_error(struct pl_call *c, int64_t result, int error)
{
	int saved = errno;

	finish(c, result, error);
	errno = saved;
}

void pl_end(struct pl_call *c, int64_t result, bool failed)
{
	pl_end_error(c, result, failed ? errno : 0);
}

void pl_point(struct pl_call *c)
{
	pl_begin(c);
	if (c->rec) {
		c->rec->flags |= c->flags | RING_FLAG_NO_RESULT;
		ring_call_end(c->rec, 0, 0, 0);
	} else if (pl_process.mode == PL_DIRECT) {
		pl_log_line(&c->ev);
	}
	errno = c->saved_errno;
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
	long n = tt_sys2(SYS_getcwd, cwd, sizeof(cwd));

	stamp(&ev, image);
	ev.how = how;
	if (exe)
		ev.exe = (struct event_text){exe, strlen(exe)};
	if (argv)
		ev.argv = (struct event_text){argv, argv_len};
	if (comm)
		ev.comm = (struct event_text){comm, strnlen(comm, 15)};
	/* "(unreachable)/x" when the cwd lies outside of our root */
	if (n > 1 && cwd[0] == '/')
		ev.cwd = (struct event_text){cwd, (size_t)n - 1};
	if (pl_process.mode == PL_DIRECT)
		pl_log_line(&ev);
	else if (has_lane())
		(void)ring_start_put(
			&pl_thread.writer, &ev,
			how != EVENT_HOW_EXEC && children_vanish() ? RING_FLAG_NOCLDWAIT : 0);
}

void pl_exit_event(int status)
{
	struct pl_image *image = pl_image_now();
	struct event ev = {
		.type = EVENT_PROCESS, .source = EVENT_FROM_PRELOAD, .act = EVENT_ACT_EXIT};
	int saved = errno;

	if (pl_process.mode == PL_OFF || __atomic_exchange_n(&image->ended, true, __ATOMIC_RELAXED))
		return;
	stamp(&ev, image);
	ev.exit_code = status & 0xff;
	if (pl_process.mode == PL_DIRECT)
		pl_log_line(&ev);
	else if (has_lane())
		(void)ring_exit_put(&pl_thread.writer, &ev);
	errno = saved;
}
