/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct mode: no recorder, one line and one write(2) per event, straight to the log. What is
 * recorded, what is left out and counted, and what is lost and counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "base/time.h"
#include "preload/log.h"

#define SAMPLED_MAX 256 /* calls left out by sampling, until a gap says so */

/* Signals that a write can bring upon the thread: they are the program's to get, not our lines'. */
#define BIT(sig) (1ull << ((sig)-1))
#define OF_WRITE (BIT(SIGPIPE) | BIT(SIGXFSZ) | BIT(SIGTTOU))

static uint64_t lost; /* events not written since the last gap line */
static bool
	lost_at_least;   /* that number came from the image before, which could not count further */
static uint64_t sampled; /* events left out since the last gap line */
static uint64_t calls;   /* that sampling chooses from */

/*
 * The kernel answers a write past RLIMIT_FSIZE with a signal. Asked before each write: the program
 * may set it at any time.
 */
static uint64_t size_limit(const struct stat *st)
{
	struct rlimit size;

	if (!S_ISREG(st->st_mode) || tt_sys4(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, &size) < 0)
		return UINT64_MAX;
	return size.rlim_cur == RLIM_INFINITY ? UINT64_MAX : size.rlim_cur;
}

/* write(2); a signal that it caused is taken back before anybody sees it. */
static long write_held(int fd, const char *line, size_t len)
{
	struct timespec none = {0};
	uint64_t set = OF_WRITE, old = 0, before = 0, caused;
	long n;

	(void)tt_sys4(SYS_rt_sigprocmask, SIG_BLOCK, &set, &old, sizeof(set));
	(void)tt_sys2(SYS_rt_sigpending, &before, sizeof(before));
	n = tt_sys3(SYS_write, fd, line, len);
	caused = (n == -EPIPE ? BIT(SIGPIPE) : n == -EFBIG ? BIT(SIGXFSZ) : 0) & ~before;
	if (caused)
		(void)tt_sys4(SYS_rt_sigtimedwait, &caused, NULL, &none, sizeof(caused));
	(void)tt_sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
	return n;
}

static bool write_to(const struct pl_log_file *f, char *line, size_t len)
{
	uint64_t limit = size_limit(&f->st);
	bool torn;
	long n;

	if ((uint64_t)f->st.st_size + len + 1 > limit)
		return false;
	torn = __atomic_exchange_n(&pl_log.torn, false, __ATOMIC_RELAXED);
	if (torn) {
		*--line = '\n';
		len++;
	}
	/* of a regular file without a limit no signal comes */
	n = S_ISREG(f->st.st_mode) && limit == UINT64_MAX ? tt_sys3(SYS_write, f->fd, line, len)
							  : write_held(f->fd, line, len);
	if (n < 0 ? torn : (size_t)n < len)
		__atomic_store_n(&pl_log.torn, true, __ATOMIC_RELAXED);
	return n == (long)len;
}

static bool is_too_large(const struct pl_log_file *f, size_t len)
{
	return pl_log.max && S_ISREG(f->st.st_mode) &&
	       (uint64_t)f->st.st_size + len + 1 > pl_log.max;
}

/* Whether the file went while it was written to: the last of the rotated ones does. */
static bool is_deleted(const struct pl_log_file *f)
{
	struct stat st;

	return pl_log.max && tt_sys2(SYS_fstat, f->fd, &st) == 0 && !st.st_nlink;
}

static bool write_line(struct pl_work *w, char *line, size_t len)
{
	struct pl_log_file f;
	bool done = false;

	for (int tries = 0; tries < 2 && !done; tries++) {
		if (pl_log_ready(&f) < 0)
			return false;
		if (is_too_large(&f, len)) {
			pl_log_put_back(&f);
			pl_log_rotate(w);
			if (pl_log_ready(&f) < 0)
				return false;
		}
		done = write_to(&f, line, len);
		if (!done)
			tries = 2;
		else
			done = !is_deleted(&f);
		pl_log_put_back(&f);
	}
	return done;
}

static bool put(struct pl_work *w, const struct event *ev)
{
	int n = event_format(ev, w->line + 1, sizeof(w->line) - 1);

	return n > 0 && write_line(w, w->line + 1, (size_t)n);
}

/* What was not written is said as soon as writing works again; it is kept if it does not. */
static void put_gap(struct pl_work *w, uint64_t *counter, const char *reason)
{
	uint64_t n = __atomic_exchange_n(counter, 0, __ATOMIC_RELAXED);
	const struct event *after = &w->ev;

	if (!n)
		return;
	w->gap = (struct event){
		.type = EVENT_GAP,
		.source = EVENT_FROM_PRELOAD,
		.ts_ns = after->ts_ns,
		.ids = &pl_process.ids,
		.span = after->span,
		.pid = after->pid,
		.reason = {reason, strlen(reason)},
		.gap_count = n,
		.gap_count_known = true,
	};

	w->gap.gap_at_least = counter == &lost && lost_at_least;
	if (put(w, &w->gap))
		lost_at_least &= !w->gap.gap_at_least;
	else
		__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static bool needs_cwd(const struct event *ev)
{
	const char *layout;

	if (ev->type != EVENT_SYSCALL)
		return false;
	layout = event_call_info(ev->call)->layout;
	for (unsigned i = 0; layout[i]; i++)
		if (strchr("pqx", layout[i]) && !ev->args[i].absent && ev->args[i].data &&
		    (!ev->args[i].len || ((const char *)ev->args[i].data)[0] != '/'))
			return true;
	return false;
}

/* Only here, with the cwd known, can a relative path be judged. */
static bool is_selected(struct pl_work *w)
{
	long n;

	if (needs_cwd(&w->ev)) {
		n = tt_sys2(SYS_getcwd, w->cwd, sizeof(w->cwd));
		if (n > 1 && w->cwd[0] == '/')
			w->ev.cwd = (struct event_text){w->cwd, (size_t)n - 1};
	}
	return !event_is_quiet(&w->ev) && event_config_selects(&pl_config, &w->ev, w->path);
}

static bool is_sampled_out(const struct event *ev)
{
	return event_config_samples(&pl_config, ev) &&
	       __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED) % pl_config.sample != 0;
}

/* After this an image may be gone: what it still has to say is said now. */
static bool may_be_last(const struct event *ev)
{
	if (pl_thread.in_vfork)
		return false; /* the counts are its parent's */
	return ev->type == EVENT_PROCESS
		       ? ev->act == EVENT_ACT_EXIT
		       : ev->type == EVENT_SYSCALL &&
				 event_call_info(ev->call)->family == EVENT_FAMILY_EXEC;
}

static void record(struct pl_work *w)
{
	struct event *ev = &w->ev;
	bool out, last;

	ev->ids = &pl_process.ids;
	if (!is_selected(w))
		return;
	if (ev->type == EVENT_SYSCALL) {
		ev->seq = __atomic_fetch_add(&pl_image_now()->next_seq, 1, __ATOMIC_RELAXED);
		ev->has_seq = true;
	}
	last = may_be_last(ev);
	out = is_sampled_out(ev);
	if (out)
		count(&sampled);
	if (__atomic_load_n(&sampled, __ATOMIC_RELAXED) >= (last ? 1 : SAMPLED_MAX))
		put_gap(w, &sampled, "sampled");
	if (out)
		return;
	if (__atomic_load_n(&lost, __ATOMIC_RELAXED))
		put_gap(w, &lost, "log_error");
	if (!put(w, ev))
		count(&lost);
	/* the last word, where a shorter line may have room */
	if (last && __atomic_load_n(&lost, __ATOMIC_RELAXED))
		put_gap(w, &lost, "log_error");
}

void pl_log_line(const struct event *ev)
{
	struct pl_work *w = pl_work_take();

	if (!w) {
		if (ev->type == EVENT_SYSCALL)
			count(&pl_image_now()->next_seq);
		count(&lost);
		return;
	}
	w->ev = *ev;
	record(w);
	pl_work_give(w);
}

uint64_t pl_log_unsaid(void)
{
	/* what sampling left out is said before the line of the exec */
	uint64_t n = __atomic_load_n(&lost, __ATOMIC_RELAXED);

	return n < PL_LOG_UNSAID_MAX ? n : PL_LOG_UNSAID_MAX;
}

void pl_log_inherit(uint64_t unsaid)
{
	lost = unsaid;
	lost_at_least = unsaid == PL_LOG_UNSAID_MAX;
}

void pl_log_fork_child(void)
{
	/* the counts are the parent's to say; a thread that did not come along holds nothing */
	lost = sampled = calls = 0;
	pl_log.opening = 0;
}

/* In direct mode nobody else can tell that an image gave way to this one. */
void pl_replaced_event(const struct event_span *span)
{
	struct event ev = {
		.type = EVENT_PROCESS,
		.source = EVENT_FROM_PRELOAD,
		.act = EVENT_ACT_REPLACED,
		.ts_ns = tt_clock_ns(CLOCK_REALTIME),
		.span = *span,
		.pid = pl_process.image.pid,
	};

	pl_log_line(&ev);
}
