/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ends of fds, and their copies. What ends here was counted (fds.h), and the recorder keeps a
 * table of its own that follows.
 *
 * Our one fd stays out of the way. A program that closes "everything above 2" never had ours, so
 * for it the number behaves as one that is not open; without this, every program that cleans up
 * before exec would lose its children's record.
 */
#include "preload/fds.h"
#include "preload/plain.h"
#include "preload/preload.h"
#include "ring/put.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4u
#endif

static int own_fd(void)
{
	if (pl_process.mode == PL_RING)
		return pl_process.ring_fd;
	return pl_process.mode == PL_DIRECT ? pl_log_fd() : -1;
}

/* Whether @fd is ours and still the file we know: only then is it hidden. */
static bool is_own(int fd)
{
	if (TT_LIKELY(fd < 0 || fd != own_fd()))
		return false;
	return pl_process.mode == PL_RING ? pl_ring_is_ours() : pl_log_is_ours();
}

/*
 * An fd ends: its event, begun. Where the recorder alone is to know, that is said after the fact:
 * most of those numbers turn out not to have been open.
 */
struct ending {
	struct pl_call c;
	struct event_fd_counts counts;
	enum event_call call;
	int fd;
	enum pl_fd_state state; /* before */
	enum pl_fd_end how;
	char path[EVENT_PATH_MAX / 4];
};

__attribute__((__always_inline__)) static inline void prepare_end(struct ending *e,
								  enum event_call call, int fd)
{
	bool used;

	e->call = call;
	e->fd = fd;
	e->state = pl_fd_state(fd);
	e->how = pl_fd_ends(fd, &e->counts);
	if (TT_LIKELY(e->how != PL_END_EVENT))
		return;
	if (!pl_enter(&e->c, call)) {
		e->how = PL_END_NOTHING;
		return;
	}
	pl_arg_dirfd(&e->c, 0, fd, "", e->path, sizeof(e->path));
	used = e->counts.reads | e->counts.writes;
	pl_arg_bytes(&e->c, 1, &e->counts, used ? sizeof(e->counts) : 0);
}

__attribute__((__always_inline__)) static inline void begin_end(struct ending *e,
								enum event_call call, int fd)
{
	prepare_end(e, call, fd);
	if (e->how == PL_END_EVENT)
		pl_begin(&e->c);
}

static void tell_recorder(enum event_call call, int fd)
{
	struct pl_call c;

	if (!pl_enter(&c, call))
		return;
	pl_arg_fd(&c, 0, fd);
	pl_arg_bytes(&c, 1, NULL, 0);
	pl_begin_silent(&c);
	pl_end(&c, 0, false);
}

/* @failed: the fd may still be there, unless it never was. */
static void finish_end(struct ending *e, int64_t result, bool failed)
{
	switch (e->how) {
	case PL_END_EVENT:
		pl_end(&e->c, result, failed);
		break;
	case PL_END_SILENT:
		if (failed)
			break;
		tell_recorder(e->call, e->fd);
		pl_fd_gone(e->fd);
		break;
	case PL_END_NOTHING:
		break;
	}
}

TT_COLD static int close_otherwise(int fd)
{
	struct ending e;
	int r;

	if (is_own(fd)) {
		errno = EBADF;
		return -1;
	}
	begin_end(&e, EVENT_CALL_close, fd);
	r = PL_NEXT(close)(fd);
	finish_end(&e, r, r < 0);
	return r;
}

/* Such an fd, and something is in the way of the plain path. */
TT_COLD static int close_used_otherwise(int fd)
{
	struct event_fd_counts counts;
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_close))
		return close_otherwise(fd);
	(void)pl_fd_ends(fd, &counts);
	pl_arg_fd(&c, 0, fd);
	pl_arg_bytes(&c, 1, &counts, sizeof(counts));
	pl_begin(&c);
	r = PL_NEXT(close)(fd);
	pl_end_error(&c, r, r < 0 ? errno : 0);
	return r;
}

/* An fd that was recorded when it was opened, and something went through. It is none of ours. */
__attribute__((__noinline__)) static int close_used(int fd)
{
	struct pl_plain p = pl_plain_close(fd, &p);
	int r;

	if (TT_UNLIKELY(!p.rec))
		return close_used_otherwise(fd);
	r = PL_NEXT(close)(fd);
	pl_plain_returned(&p, r);
	return r;
}

/*
 * By far the most: the same, and nothing did. The recorder gets a note, whose place is before the
 * end: afterwards the number may be another thread's. false: it is to be told otherwise
 */
TT_INLINE bool ends_unused(enum event_call call, int fd)
{
	if (TT_UNLIKELY(pl_fd_is_used(fd) || pl_process.fds.io == EVENT_IO_EVENTS ||
			!pl_is_on(call)))
		return false;
	pl_fd_is_closed(fd);
	if (TT_UNLIKELY(!ring_note_put(&pl_thread.writer, fd)))
		pl_note_lost();
	return true;
}

/* Whether the fd is one of those; only PL_RING has lanes. */
TT_INLINE bool is_plain_end(int fd)
{
	return TT_LIKELY(pl_thread.writer.lane && !pl_thread.in_vfork && pl_fd_is_plain(fd));
}

TT_HOT TT_PUBLIC int close(int fd)
{
	if (TT_UNLIKELY(!is_plain_end(fd)))
		return close_otherwise(fd);
	return ends_unused(EVENT_CALL_close, fd) ? PL_NEXT(close)(fd) : close_used(fd);
}

/* -1 for a stream in memory: then fileno(3) sets errno, which is not ours to set. */
static int stream_fd(FILE *f)
{
	int saved = errno, fd = (uintptr_t)f < 4096 ? -1 : fileno_unlocked(f);

	errno = saved;
	return fd;
}

TT_COLD static int fclose_otherwise(FILE *f, int fd)
{
	struct ending e;
	int r;

	begin_end(&e, EVENT_CALL_fclose, fd);
	r = PL_NEXT(fclose)(f);
	finish_end(&e, r, r != 0);
	return r;
}

TT_PUBLIC int fclose(FILE *f)
{
	int fd = stream_fd(f);

	if (is_plain_end(fd) && ends_unused(EVENT_CALL_fclose, fd))
		return PL_NEXT(fclose)(f);
	return fclose_otherwise(f, fd);
}

TT_COLD static int closedir_otherwise(DIR *d, int fd)
{
	struct ending e;
	int r;

	begin_end(&e, EVENT_CALL_closedir, fd);
	r = PL_NEXT(closedir)(d);
	finish_end(&e, r, r < 0);
	return r;
}

TT_PUBLIC int closedir(DIR *d)
{
	int fd = (uintptr_t)d < 4096 ? -1 : dirfd(d);

	if (is_plain_end(fd) && ends_unused(EVENT_CALL_closedir, fd))
		return PL_NEXT(closedir)(d);
	return closedir_otherwise(d, fd);
}

TT_PUBLIC int pclose(FILE *f)
{
	struct ending e;
	int r;

	begin_end(&e, EVENT_CALL_pclose, stream_fd(f));
	r = PL_NEXT(pclose)(f);
	finish_end(&e, r, r < 0);
	return r;
}

/* Those that were closed all at once: an event each where one is due, one word for all the rest. */
static void ended_all(unsigned first, unsigned last, unsigned flags)
{
	unsigned high = pl_thread.in_vfork ? 0 : pl_process.fds.high;
	struct pl_call c;
	struct ending e;

	for (unsigned fd = first; !(flags & CLOSE_RANGE_CLOEXEC) && fd < high && fd <= last; fd++) {
		begin_end(&e, EVENT_CALL_close, (int)fd);
		if (e.how == PL_END_EVENT)
			pl_end(&e.c, 0, false);
	}
	if (pl_process.mode != PL_RING || !pl_enter(&c, EVENT_CALL_close_range))
		return;
	pl_arg_num(&c, 0, first);
	pl_arg_num(&c, 1, last);
	pl_arg_num(&c, 2, flags);
	pl_begin_silent(&c);
	pl_end(&c, 0, false);
}

static int close_but_own(unsigned first, unsigned last, int flags)
{
	int own = own_fd(), r;

	if (own < 0 || first > (unsigned)own || last < (unsigned)own || first > last ||
	    !is_own(own))
		return PL_NEXT(close_range)(first, last, flags);
	if ((unsigned)own > first) {
		r = PL_NEXT(close_range)(first, (unsigned)own - 1, flags);
		if (r < 0)
			return r;
	}
	if (last > (unsigned)own)
		return PL_NEXT(close_range)((unsigned)own + 1, last, flags);
	return 0;
}

TT_PUBLIC int close_range(unsigned first, unsigned last, int flags)
{
	int r = close_but_own(first, last, flags);

	if (r == 0)
		ended_all(first, last, (unsigned)flags);
	return r;
}

/* closefrom(3) never fails: where there is no close_range(2), libc does without, too. */
static void close_below(int first, int end)
{
	if (first >= end || PL_NEXT(close_range)((unsigned)first, (unsigned)end - 1, 0) == 0)
		return;
	for (int fd = first; fd < end; fd++)
		(void)tt_sys1(SYS_close, fd);
}

TT_PUBLIC void closefrom(int first)
{
	int own = own_fd();

	if (own < 0 || first > own || !is_own(own)) {
		PL_NEXT(closefrom)(first);
	} else {
		close_below(first < 0 ? 0 : first, own);
		PL_NEXT(closefrom)(own + 1);
	}
	ended_all(first < 0 ? 0 : (unsigned)first, ~0u, 0);
}

/* A program that puts a file of its own on our number takes it: ours moves away first. */
static void make_way(int fd)
{
	int saved = errno;

	if (is_own(fd) && pl_process.mode == PL_RING) {
		long moved = tt_sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, fd + 1);

		if (moved >= 0) {
			pl_process.ring_fd = (int)moved;
			pl_process.contract.ring_fd = (int)moved;
		}
	}
	errno = saved;
}

/* A copy of an fd: told where the recorder may know the one or the other. */
struct copying {
	struct pl_call c;
	enum pl_fd_state state; /* of what is copied */
	enum { COPY_UNTOLD, COPY_EVENT, COPY_SILENT } how;
};

static void choose_copy(struct copying *d, int from, int to)
{
	enum pl_fd_state old = to >= 0 ? pl_fd_state(to) : PL_FD_NONE;

	d->state = pl_fd_state(from);
	if (d->state == PL_FD_RECORDED)
		d->how = COPY_EVENT;
	else if (pl_process.mode == PL_RING && (d->state == PL_FD_UNKNOWN || old <= PL_FD_RECORDED))
		d->how = COPY_SILENT;
	else
		d->how = COPY_UNTOLD;
}

static void begin_copy(struct copying *d, enum event_call call, int from)
{
	if (d->how != COPY_UNTOLD && !pl_enter(&d->c, call))
		d->how = COPY_UNTOLD;
	if (d->how != COPY_UNTOLD)
		pl_arg_fd(&d->c, 0, from);
}

static void copy_begun(struct copying *d)
{
	if (d->how == COPY_UNTOLD)
		return;
	if (d->how == COPY_SILENT)
		pl_begin_silent(&d->c);
	else
		pl_begin(&d->c);
}

static int copied(struct copying *d, int r)
{
	if (d->how != COPY_UNTOLD)
		pl_end(&d->c, r, r < 0);
	if (r >= 0)
		pl_fd_copied(r, d->state);
	return r;
}

TT_PUBLIC int dup(int from)
{
	struct copying d;

	if (TT_UNLIKELY(is_own(from))) {
		errno = EBADF;
		return -1;
	}
	choose_copy(&d, from, -1);
	begin_copy(&d, EVENT_CALL_dup, from);
	copy_begun(&d);
	return copied(&d, PL_NEXT(dup)(from));
}

static void replaced(struct ending *old, bool failed)
{
	if (pl_process.mode == PL_RING) {
		if (failed)
			pl_take_back(&old->c);
		pl_end(&old->c, failed ? -1 : 0, failed);
	} else if (!failed) {
		pl_begin(&old->c);
		pl_end(&old->c, 0, false);
	}
}

/*
 * What had the number before ends. The recorder is told before the copy, so that the path is the
 * old one's; a line of our own has to wait, since a copy may fail.
 */
static int copy_onto(enum event_call call, int from, int to, int flags)
{
	/* the outer call further up the stack, as pl_drop_left() expects it */
	struct {
		struct copying copy;
		struct ending old;
	} both;
	struct copying *d = &both.copy;
	struct ending *old = &both.old;
	int r;

	choose_copy(d, from, to);
	prepare_end(old, EVENT_CALL_close, to);
	if (old->how == PL_END_EVENT && pl_process.mode == PL_RING)
		pl_begin(&old->c);
	begin_copy(d, call, from);
	if (d->how != COPY_UNTOLD) {
		pl_arg_fd(&d->c, 1, to);
		if (call == EVENT_CALL_dup3)
			pl_arg_num(&d->c, 2, flags);
	}
	copy_begun(d);
	if (call == EVENT_CALL_dup3)
		r = PL_NEXT(dup3)(from, to, flags);
	else
		r = PL_NEXT(dup2)(from, to);
	copied(d, r);
	if (r < 0)
		pl_fd_stays(to, old->state, &old->counts);
	if (old->how == PL_END_EVENT)
		replaced(old, r < 0);
	return r;
}

TT_PUBLIC int dup2(int from, int to)
{
	if (TT_UNLIKELY(is_own(from))) {
		errno = EBADF;
		return -1;
	}
	make_way(to);
	return from == to ? PL_NEXT(dup2)(from, to) : copy_onto(EVENT_CALL_dup2, from, to, 0);
}

TT_PUBLIC int dup3(int from, int to, int flags)
{
	if (TT_UNLIKELY(is_own(from))) {
		errno = EBADF;
		return -1;
	}
	make_way(to);
	return from == to ? PL_NEXT(dup3)(from, to, flags)
			  : copy_onto(EVENT_CALL_dup3, from, to, flags);
}

static bool is_told(int fd, int command, struct copying *d)
{
	if (command != F_DUPFD && command != F_DUPFD_CLOEXEC && command != F_SETFD)
		return false;
	choose_copy(d, fd, -1);
	if (command == F_SETFD && d->how == COPY_EVENT)
		d->how = pl_process.mode == PL_RING ? COPY_SILENT : COPY_UNTOLD;
	return d->how != COPY_UNTOLD;
}

/* Most commands are none of ours. As in libc, the third argument is taken whether it is there. */
#define DEFINE_FCNTL(name)                                                                      \
	TT_COLD static int name##_otherwise(int fd, int command, void *arg)                     \
	{                                                                                       \
		struct copying d;                                                               \
		int r;                                                                          \
                                                                                                \
		/* as close() has it: who asks which numbers are free must not be given ours */ \
		if (TT_UNLIKELY(is_own(fd))) {                                                  \
			errno = EBADF;                                                          \
			return -1;                                                              \
		}                                                                               \
		if (!is_told(fd, command, &d))                                                  \
			return PL_NEXT(name)(fd, command, arg);                                 \
		begin_copy(&d, EVENT_CALL_##name, fd);                                          \
		if (d.how != COPY_UNTOLD) {                                                     \
			pl_arg_num(&d.c, 1, command);                                           \
			pl_arg_num(&d.c, 2, (int)(intptr_t)arg);                                \
		}                                                                               \
		copy_begun(&d);                                                                 \
		r = PL_NEXT(name)(fd, command, arg);                                            \
		if (command != F_SETFD)                                                         \
			return copied(&d, r);                                                   \
		if (d.how != COPY_UNTOLD)                                                       \
			pl_end(&d.c, r, r < 0);                                                 \
		return r;                                                                       \
	}                                                                                       \
                                                                                                \
	TT_PUBLIC int name(int fd, int command, ...)                                            \
	{                                                                                       \
		bool copies = command == F_DUPFD || command == F_DUPFD_CLOEXEC;                 \
		struct pl_plain p;                                                              \
		va_list ap;                                                                     \
		void *arg;                                                                      \
		int r;                                                                          \
                                                                                                \
		va_start(ap, command);                                                          \
		arg = va_arg(ap, void *);                                                       \
		va_end(ap);                                                                     \
		if (!copies && command != F_SETFD && fd != own_fd())                            \
			return PL_NEXT(name)(fd, command, arg);                                 \
		if (!copies || !pl_fd_is_plain(fd))                                             \
			return name##_otherwise(fd, command, arg);                              \
		p = pl_plain_copy(EVENT_CALL_##name, fd, command, (int)(intptr_t)arg, &p);      \
		if (TT_UNLIKELY(!p.rec))                                                        \
			return name##_otherwise(fd, command, arg);                              \
		r = PL_NEXT(name)(fd, command, arg);                                            \
		pl_plain_opened(&p, r);                                                         \
		return r;                                                                       \
	}

DEFINE_FCNTL(fcntl)
DEFINE_FCNTL(fcntl64)
