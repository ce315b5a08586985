/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recorder: one thread, one epoll loop.
 *
 *	signals  -> forwarded, or a child to look at          (signalfd)
 *	timer    -> a sample of the tree                      (timerfd)
 *	pidfds   -> a process ended: drain its lanes, end it  (with a ring: looked at when it is)
 *	door     -> a process that lost the ring's fd gets another
 *	denials  -> lines, counts                         (a queue, looked at when the ring is)
 *	proxy    -> the command asked for a host              (socket of the proxy)
 *	sandbox  -> the command stopped, went on, ended       (socket of its init)
 *	nothing  -> the ring is polled: waking us for each event would cost the command more
 */
#include "recorder/recorder.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "recorder/facts.h"
#include "recorder/run_internal.h"

#define LOOK_MS        100 /* without a ring: at the deadlines */
#define POLL_MIN_MS    1
#define POLL_MAX_MS    4 /* in which the fastest program there is fills half a lane */
#define POLL_DENIED_MS 5
#define KILL_AFTER_MS  5000 /* between TERM and KILL after a time-out */
#define ORPHAN_KILL_MS 2000 /* between TERM and KILL for what outlived the command */
#define KILL_WALK_MAX  (1u << 16)
#define KILL_ROUNDS    20 /* tries to end what outlived the command; then it is left and said so */

static uint64_t now_ns(void)
{
	return tt_clock_ns(CLOCK_MONOTONIC);
}

/*
 * To the process that @parent's list of children named, and to no other: its number may have gone
 * to a stranger since. Whom the pidfd holds cannot change; that it is still below us, its parent
 * tells.
 */
static void signal_child(const struct recorder_run_state *r, pid_t pid, pid_t parent, int sig)
{
	TT_CLEANUP(tt_closep) int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct recorder_stat st;

	if (fd < 0 || recorder_stat_read(pid, &st) < 0)
		return;
	if (st.ppid == parent || st.ppid == r->track.root)
		(void)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
}

/* Every process of the run gets @sig, parents before their children. */
static void signal_tree(const struct recorder_run_state *r, int sig)
{
	pid_t *pids = malloc(KILL_WALK_MAX * sizeof(*pids));
	pid_t *parents = malloc(KILL_WALK_MAX * sizeof(*parents)), from = r->track.root;
	size_t n = 0, at = 0;
	bool more = false;

	while (pids && parents) {
		size_t first = n;

		n += recorder_children_read(from, pids + n, KILL_WALK_MAX - n, &more);
		for (size_t i = first; i < n; i++)
			parents[i] = from;
		if (at == n)
			break;
		from = pids[at];
		if (recorder_track_is_foreign(&r->track, from))
			from = 0;
		else
			signal_child(r, from, parents[at], sig);
		at++;
	}
	free(pids);
	free(parents);
}

static void command_ended(struct recorder_run_state *r)
{
	r->ended_ns = tt_clock_ns(CLOCK_REALTIME);
	r->ended_mono_ns = now_ns();
	r->phase = RUN_ORPHANS;
	/* past a limit of the whole run nothing of it may go on */
	r->kill_at_ns = r->bounds.killed ? now_ns() : 0;
	if (r->opts->orphans == RECORDER_ORPHANS_WAIT)
		r->term_at_ns = now_ns() + r->opts->orphan_grace_ms * TT_NS_PER_MS;
}

/* A child is dead: take its figures, reap it, end its span. */
static void reap(struct recorder_run_state *r, pid_t pid)
{
	struct recorder_process *p = recorder_process_find_real(&r->track.tree, pid);
	bool is_command = r->phase < RUN_ORPHANS && pid == r->child.pid;
	int status = 0;

	/* the command's I/O figures through the fd opened before it could become a zombie */
	if (recorder_sampler_reap(&r->sampler, pid, is_command ? r->child.io_fd : -1, &status) < 0)
		return;
	if (is_command) {
		if (!r->status_known)
			r->status = status;
		command_ended(r);
	}
	if (p)
		recorder_track_died(&r->track, p, true, status);
}

/*
 * Ctrl-Z stopped the command: we stop too, so that the shell that started us sees its job stop. It
 * wakes the whole group again; if only we were woken, the command must be, too.
 */
static void follow_stop(struct recorder_run_state *r, int sig)
{
	sigset_t one;

	if (sig != SIGTSTP && sig != SIGTTIN && sig != SIGTTOU)
		return; /* somebody stopped the command and not the job */
	if (getpgid(r->child.pid) != getpgrp())
		return; /* a group of its own: no job of the shell that started us */
	(void)recorder_track_drain(&r->track);
	recorder_output_flush(r->out);
	/*
	 * the signal itself and not SIGSTOP: in an orphaned process group, where nobody could ever
	 * wake us, the kernel ignores it
	 */
	(void)sigemptyset(&one);
	(void)sigaddset(&one, sig);
	(void)sigprocmask(SIG_UNBLOCK, &one, NULL);
	(void)kill(getpid(), sig);
	(void)sigprocmask(SIG_BLOCK, &one, NULL);
	(void)kill(r->child.pid, SIGCONT);
}

/* An exec'd telltale has the children of who it was before; they are not waited for. */
static bool only_foreign_left(const struct recorder_run_state *r)
{
	pid_t pids[TT_ARRAY_SIZE(r->track.foreign) + 1];
	bool more = false;
	size_t n;

	if (!r->track.foreign_count)
		return false; /* waitid(2) says when there is nobody */
	n = recorder_children_read(r->track.root, pids, TT_ARRAY_SIZE(pids), &more);
	for (size_t i = 0; i < n; i++)
		if (!recorder_track_is_foreign(&r->track, pids[i]))
			return false;
	return !more;
}

/*
 * Nothing is left in the sandbox but its init, whose end the kernel spends with the namespaces. The
 * figures are final, so the run is written down meanwhile; init is reaped last.
 */
static void on_empty_sandbox(struct recorder_run_state *r, const struct rusage *usage)
{
	if (r->phase != RUN_RUNNING || r->child.io_fd < 0)
		return;
	recorder_sampler_add(&r->sampler, usage, r->child.io_fd, r->child.pid);
	command_ended(r);
	r->reap_last = true;
	r->phase = RUN_DONE;
}

static void on_reports(struct recorder_run_state *r)
{
	struct sandbox_report rep;
	struct recorder_process *p;
	ssize_t n;

	while ((n = recv(r->child.report_fd, &rep, sizeof(rep), MSG_DONTWAIT)) ==
	       (ssize_t)sizeof(rep)) {
		if (rep.kind == SANDBOX_STOPPED) {
			follow_stop(r, rep.value);
		} else if (rep.kind == SANDBOX_ENDED) {
			r->status = rep.value;
			r->status_known = true;
			p = recorder_process_find(&r->track.tree, r->command_pid);
			if (p)
				recorder_track_died(&r->track, p, true, rep.value);
			if (rep.alone)
				on_empty_sandbox(r, &rep.usage);
		}
	}
	if (n == 0) /* init is gone; SIGCHLD says the rest */
		(void)epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, r->child.report_fd, NULL);
}

static void on_children(struct recorder_run_state *r)
{
	siginfo_t si;

	for (;;) {
		memset(&si, 0, sizeof(si));
		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0) {
			if (errno == ECHILD && r->phase == RUN_ORPHANS)
				r->phase = RUN_DONE;
			return;
		}
		if (!si.si_pid)
			break;
		/* what init had to say comes before its end, which says less: 137 for a SIGKILL */
		if (si.si_pid == r->child.pid && r->phase == RUN_RUNNING && r->child.report_fd >= 0)
			on_reports(r);
		if (r->phase == RUN_DONE)
			return;
		if (recorder_track_is_foreign(&r->track, si.si_pid))
			(void)waitpid(si.si_pid, NULL, 0);
		else
			reap(r, si.si_pid);
	}
	if (r->phase == RUN_ORPHANS && only_foreign_left(r))
		r->phase = RUN_DONE;
	memset(&si, 0, sizeof(si));
	if (r->phase == RUN_RUNNING && r->child.report_fd < 0 &&
	    waitid(P_PID, (id_t)r->child.pid, &si, WSTOPPED | WNOHANG) == 0 && si.si_pid)
		follow_stop(r, si.si_status);
}

/*
 * What the terminal sends (SI_KERNEL) reaches the command by itself, since it is in our group. What
 * a process sends to us alone is meant for the command.
 */
static void on_signal(struct recorder_run_state *r, const struct signalfd_siginfo *si)
{
	int sig = (int)si->ssi_signo;

	/* our own: a write of ours went past a limit, SIGXFSZ */
	if (sig == SIGCHLD || sig == SIGPIPE || si->ssi_pid == (uint32_t)getpid())
		return;
	if (r->phase == RUN_RUNNING) {
		if (si->ssi_code <= 0)
			(void)kill(r->child.pid, sig);
	} else if (r->phase == RUN_ORPHANS && (sig == SIGTERM || sig == SIGINT || sig == SIGHUP)) {
		/* the command is gone and somebody is tired of waiting */
		r->term_at_ns = now_ns();
	}
}

static void on_signals(struct recorder_run_state *r)
{
	struct signalfd_siginfo si[16];
	ssize_t n;

	while ((n = read(r->signal_fd, si, sizeof(si))) > 0)
		for (size_t i = 0; i < (size_t)n / sizeof(si[0]); i++)
			on_signal(r, &si[i]);
	on_children(r);
}

static void on_timer(struct recorder_run_state *r)
{
	uint32_t period_ms = r->sampler.period_ms;
	uint64_t ticks;

	if (read(r->timer_fd, &ticks, sizeof(ticks)) == (ssize_t)sizeof(ticks) &&
	    (now_ns() - r->sampler.last_ns >= r->sampler.period_ms * TT_NS_PER_MS / 2 ||
	     !r->sampler.count)) {
		recorder_sampler_take(&r->sampler, &r->track);
		recorder_output_tick(r->out);
		if (r->sampler.period_ms != period_ms)
			recorder_run_start_timer(r);
	}
}

/* --timeout or the limit on time, whichever comes first; 0: none. */
static uint64_t timeout_ms(const struct recorder_run_state *r)
{
	uint64_t wall = r->bounds.each[RECORDER_LIMIT_WALL].value;

	if (!r->bounds.opened || wall == POLICY_NO_LIMIT)
		return r->opts->timeout_ms;
	return r->opts->timeout_ms && r->opts->timeout_ms < wall ? r->opts->timeout_ms : wall;
}

/* A limit was passed: all at once, and again until nothing is left. */
static void on_limits(struct recorder_run_state *r)
{
	if (r->phase == RUN_DONE || !recorder_limits_check(&r->bounds, &r->sampler, &r->track))
		return;
	if (r->bounds.group)
		(void)cgroup_kill(r->bounds.group);
	r->kill_at_ns = now_ns();
}

static void on_deadlines(struct recorder_run_state *r)
{
	uint64_t now = now_ns(), allowed_ms = timeout_ms(r),
		 wall_ms = r->bounds.each[RECORDER_LIMIT_WALL].value;

	if (allowed_ms && r->phase == RUN_RUNNING && !r->timed_out &&
	    now - r->started_mono_ns >= allowed_ms * TT_NS_PER_MS) {
		r->timed_out = true;
		r->bounds.each[RECORDER_LIMIT_WALL].hit =
			allowed_ms == r->bounds.each[RECORDER_LIMIT_WALL].value;
		r->kill_at_ns = now + KILL_AFTER_MS * TT_NS_PER_MS;
		(void)kill(r->child.pid, SIGTERM);
		(void)kill(r->child.pid, SIGCONT); /* a stopped one would never see it */
	}
	if (r->kill_at_ns && now >= r->kill_at_ns) {
		signal_tree(r, SIGKILL);
		if (r->bounds.group)
			(void)cgroup_kill(r->bounds.group);
		r->kill_at_ns = now + LOOK_MS * TT_NS_PER_MS; /* until nothing is left */
		/*
		 * another user's process, or one that no signal reaches: it is not waited for for
		 * ever
		 */
		if (r->phase == RUN_ORPHANS && ++r->kill_rounds > KILL_ROUNDS) {
			r->orphans_left = true;
			r->phase = RUN_DONE;
		}
	}
	/* a limit is of the whole run, --timeout of the command */
	if (r->phase == RUN_ORPHANS && r->term_at_ns && r->bounds.opened &&
	    wall_ms != POLICY_NO_LIMIT && now - r->started_mono_ns >= wall_ms * TT_NS_PER_MS) {
		r->bounds.each[RECORDER_LIMIT_WALL].hit |= !r->timed_out;
		r->term_at_ns = now;
	}
	if (r->phase == RUN_ORPHANS && r->term_at_ns && now >= r->term_at_ns) {
		r->term_at_ns = 0;
		r->orphans_ended = true;
		signal_tree(r, SIGTERM);
		signal_tree(r, SIGCONT);
		r->kill_at_ns = now + ORPHAN_KILL_MS * TT_NS_PER_MS;
	}
}

/*
 * Which processes died since the last pass: their pidfds are readable. Looked at when the ring is,
 * in an epoll of their own that nobody sleeps on: to wake us at each exit would cost the command
 * more than the rest of the record. Our own children are ended where they are reaped; the command
 * has its own report.
 */
static void on_deaths(struct recorder_run_state *r)
{
	struct epoll_event e[64];
	int n = r->track.ring ? epoll_wait(r->track.epoll_fd, e, TT_ARRAY_SIZE(e), 0) : 0;

	/* ended by the drain that follows: until then none of them is freed */
	for (int i = 0; i < n; i++)
		recorder_track_dying(&r->track, e[i].data.ptr, r->child.pid);
}

static void on_pidfd(struct recorder_run_state *r, struct recorder_process *p)
{
	recorder_track_dying(&r->track, p, r->child.pid);
	(void)recorder_track_drain(&r->track);
}

static void on_connections(struct recorder_run_state *r)
{
	struct recorder_connections_run run = recorder_run_connections(r);

	/* without it nobody lets the command out: the record goes on */
	if (!recorder_connections_take(r->connections, &run))
		(void)epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL,
				*recorder_connections_fd(r->connections), NULL);
}

static void dispatch(struct recorder_run_state *r, const struct epoll_event *e)
{
	if (e->data.ptr == &r->signal_fd)
		on_signals(r);
	else if (e->data.ptr == &r->timer_fd)
		on_timer(r);
	else if (e->data.ptr == &r->child.report_fd)
		on_reports(r);
	else if (e->data.ptr == &r->door.fd)
		recorder_door_serve(&r->door, &r->track, r->ring_fd);
	else if (r->connections && e->data.ptr == recorder_connections_fd(r->connections))
		on_connections(r);
	else
		on_pidfd(r, e->data.ptr);
}

/*
 * When to look at the ring again. Each look takes a CPU from somebody, a late one finds a lane
 * full: so that at the pace of the last one it will be about an eighth.
 */
static int next_poll_ms(int wait_ms, uint32_t fullest, unsigned fill)
{
	if (fullest > RING_LANE_BYTES / 4 || fill > 25)
		wait_ms /= 2;
	else if (fullest < RING_LANE_BYTES / 8 && fill < 12)
		wait_ms++;
	return wait_ms < POLL_MIN_MS ? POLL_MIN_MS : wait_ms > POLL_MAX_MS ? POLL_MAX_MS : wait_ms;
}

int recorder_run_loop(struct recorder_run_state *r, struct tt_err *err)
{
	int poll_ms = POLL_MIN_MS;

	r->phase = RUN_RUNNING;
	on_children(r); /* what ended before we listened */
	while (r->phase != RUN_DONE) {
		int wait_ms = r->track.ring || r->track.facts ? poll_ms
			      : r->denials                    ? POLL_DENIED_MS
							      : LOOK_MS;
		struct epoll_event e;
		/* one at a time: handling one may free what another points to */
		int n = epoll_wait(r->epoll_fd, &e, 1,
				   recorder_limits_wait_ms(&r->bounds, wait_ms));

		if (n < 0 && errno != EINTR)
			return tt_fail(err, errno, "wait for events");
		if (n > 0)
			dispatch(r, &e);
		on_deaths(r);
		(void)recorder_track_drain(&r->track);
		poll_ms = next_poll_ms(poll_ms, r->track.fullest,
				       r->track.facts ? r->track.facts->fill : 0);
		on_limits(r);
		on_deadlines(r);
		if (r->phase == RUN_ORPHANS && r->opts->orphans == RECORDER_ORPHANS_LEAVE)
			break;
	}
	return 0;
}

static void put_run_end(struct recorder_run_state *r)
{
	char reason[32];
	struct event ev = {
		.type = EVENT_RUN,
		.source = EVENT_FROM_RECORDER,
		.ts_ns = recorder_track_now(),
		.ids = &r->track.ids,
		.span = {.id = r->span},
		.parent = r->parent,
		.phase = {"end", 3},
		.exit_code = -1,
	};

	recorder_run_exit_reason(r, reason, sizeof(reason));
	ev.exit_reason = (struct event_text){reason, strlen(reason)};
	if (r->failure == SANDBOX_OK && WIFEXITED(r->status))
		ev.exit_code = WEXITSTATUS(r->status);
	recorder_output_event(r->out, &ev);
	recorder_output_flush(r->out);
}

static int write_document(struct recorder_run_state *r, struct tt_err *err)
{
	char *text = recorder_document_make(r);
	int n;

	if (!text)
		return tt_fail(err, ENOMEM, "write '%s'", recorder_output_run_path(r->out));
	n = recorder_output_document(r->out, text, strlen(text), err);
	free(text);
	return n;
}

static void take_counts(struct recorder_run_state *r, struct recorder_outcome *ret)
{
	if (!r->count || r->failure != SANDBOX_OK)
		return;
	r->counts = sandbox_count_finish(r->count);
	ret->counted = recorder_count_total(r->counts);
	ret->count_ns = r->counts->cost_ns;
}

static int finish(struct recorder_run_state *r, struct recorder_outcome *ret, struct tt_err *err)
{
	uint64_t torn;
	int num, n;

	if (!r->ended_ns) {
		r->ended_ns = tt_clock_ns(CLOCK_REALTIME);
		r->ended_mono_ns = now_ns();
	}
	if (r->track.facts)
		(void)recorder_track_drain(
			&r->track); /* for the figures of those that ended last */
	recorder_sampler_close(&r->sampler, &r->track);
	if (r->denials)
		recorder_denials_finish(r->denials, &r->track);
	recorder_limits_finish(&r->bounds, &r->sampler.group_figures);
	recorder_track_finish(&r->track);
	if (r->watch)
		recorder_watch_finish(r->watch, &r->track);
	if (r->track.facts) {
		recorder_capabilities_finish(&r->track);
		recorder_facts_close(&r->track);
	}
	if (r->connections) {
		struct recorder_connections_run run = recorder_run_connections(r);

		recorder_connections_finish(r->connections, &run);
	}
	put_run_end(r);
	take_counts(r, ret);
	ret->exit_status = recorder_run_exit_status(r);
	ret->lacking = r->child.lacking ? strdup(r->child.lacking) : NULL;
	for (unsigned i = 0; i < RECORDER_GAP_SAMPLED; i++)
		ret->lost += r->track.gaps[i].count;
	ret->lost += recorder_watch_lost(r->watch);
	torn = recorder_output_lost(r->out, &num);
	ret->lost += torn;
	n = write_document(r, err);
	if (n == 0 && torn)
		n = tt_fail(err, num, "write trace '%s': %llu lines lost",
			    recorder_output_trace_path(r->out), (unsigned long long)torn);
	return n;
}

int recorder_run_open_output(struct recorder_run_state *r, struct tt_err *err)
{
	char text[TT_TIME_TEXT_LEN + 1], utc[17];

	/* 2025-09-03T13:55:14... -> 20250903T135514Z */
	tt_time_text(text, r->started_ns);
	(void)snprintf(utc, sizeof(utc), "%.4s%.2s%.2sT%.2s%.2s%.2sZ", text, text + 5, text + 8,
		       text + 11, text + 14, text + 17);
	return recorder_output_open(&r->out, r->opts->output_dir, r->run_id, utc, err);
}

/* While the kernel still takes the sandbox apart; only then can its group be removed. */
static void run_free(struct recorder_run_state *r)
{
	sandbox_abandon(r->launch);
	sandbox_count_free(r->count);
	recorder_facts_free(r->track.facts);
	recorder_track_done(&r->track);
	recorder_sampler_done(&r->sampler);
	(void)ring_consumer_free(r->track.ring);
	recorder_output_free(r->out);
	if (r->track.epoll_fd != r->epoll_fd)
		tt_closep(&r->track.epoll_fd);
	tt_closep(&r->epoll_fd);
	tt_closep(&r->signal_fd);
	tt_closep(&r->timer_fd);
	tt_closep(&r->ring_fd);
	recorder_door_close(&r->door);
	recorder_connections_free(r->connections);
	tt_closep(&r->child.report_fd);
	tt_closep(&r->child.io_fd);
	tt_closep(&r->child.listener_fd);
	recorder_denials_free(r->denials);
	recorder_watch_free(r->watch);
	free(r->child.lacking);
	free(r->keep_fds);
	free(r->environ);
	free(r->env_buf);
	free(r->musl_library);
	if (r->reap_last)
		(void)waitpid(r->child.pid, NULL, 0);
	recorder_limits_close(&r->bounds);
	free(r);
}
TT_DEFINE_FREEP(struct recorder_run_state *, run_free)

int recorder_run(const struct recorder_options *opts, struct recorder_outcome *ret,
		 struct tt_err *err)
{
	TT_CLEANUP(run_freep) struct recorder_run_state *r = calloc(1, sizeof(*r));
	struct tt_err doc_err;
	int prepared, n;

	memset(ret, 0, sizeof(*ret));
	ret->exit_status = 125;
	if (!r)
		return tt_fail(err, ENOMEM, "start a run");
	r->opts = opts;
	r->epoll_fd = r->track.epoll_fd = r->signal_fd = r->timer_fd = r->ring_fd = r->door.fd =
		r->child.report_fd = r->child.io_fd = r->child.listener_fd = -1;
	r->failure = SANDBOX_SETUP_FAILED;
	recorder_run_identify(r);
	recorder_run_configure(r);
	r->started_ns = tt_clock_ns(CLOCK_REALTIME);
	recorder_sampler_init(&r->sampler, opts->sample_ms ? opts->sample_ms : RECORDER_SAMPLE_MS);
	r->started_mono_ns = r->sampler.started_ns;
	n = recorder_track_init(&r->track);
	if (n < 0)
		return tt_fail(err, -n, "start a run");
	prepared = recorder_run_prepare(r, err);
	/* a run that could not even be prepared has its record, too */
	n = r->out ? 0 : recorder_run_open_output(r, NULL);
	if (n < 0)
		return prepared < 0 ? prepared : n;
	(void)snprintf(ret->run_id, sizeof(ret->run_id), "%s", r->run_id);
	(void)snprintf(ret->folder, sizeof(ret->folder), "%s", recorder_output_folder(r->out));
	r->track.out = r->out;
	r->track.root = getpid();
	recorder_run_put_start(r);
	n = prepared < 0 ? prepared : recorder_run_start(r, err);
	if (n == 0) {
		n = recorder_run_loop(r, err);
	} else {
		(void)snprintf(r->failure_text, sizeof(r->failure_text), "%s",
			       err ? err->text : "");
		if (r->failure == SANDBOX_OK)
			r->failure = SANDBOX_SETUP_FAILED;
	}
	if (n < 0) {
		(void)finish(r, ret, &doc_err);
		return n;
	}
	return finish(r, ret, err);
}
