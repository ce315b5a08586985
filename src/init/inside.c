/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the cell: its PID 1.
 *
 *	mounts ─► gate's view ─► agent ─► "ready" ─► workload ─► its end
 *	                           │                                └─► the rest is killed
 *	                           │                                └─► the agent flushes ─► code
 *	                           └─ dies ─► started again, as PID 2, with the same queue
 *
 * One loop, take_turn(), serves every step: it waits for signals and for the agent's word, never
 * longer than the step may take. Only the workload may take as long as it likes.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/sys.h"
#include "init/cell.h"
#include "init/cell_internal.h"
#include "init/say.h"
#include "init/spawn.h"

#define KILL_MS  2000 /* until the killed are gone */
#define ROUND_MS 20
#define STARTS   3     /* of an agent that has only to send what is left */
#define PIDS_MAX 32768 /* bytes of /proc that are read at once */

struct inside {
	struct init_cell *cell;
	struct init_agent agent;
	pid_t workload; /* 0: none runs */
	int status;     /* its wait status, once it has run */
	int ended_by;   /* the signal that came before there was a workload; 0: none */
};

/* Of stage 1, or of the machine: init goes with it. */
static void die_with_outside(const struct init_cell *c)
{
	struct pollfd p = {.fd = c->report_fd};

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || poll(&p, 1, 0) != 0)
		_exit(INIT_FAILED);
}

static const char *make_view(const struct init_cell *c, const struct gate_options *gate)
{
	enum gate_step step = GATE_VIEW;
	const char *name = c->s->hostname;
	int r;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return "cannot make the mounts private";
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return "cannot mount '/proc'";
	if (!name && !c->s->cell)
		name = "cell";
	if (name && sethostname(name, strlen(name)) < 0)
		return "cannot set the name of the host";
	r = init_gate_view(gate, &step);
	errno = -r;
	return r < 0 ? "cannot make the gate's view" : NULL;
}

static void reap(struct inside *in)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (WIFSTOPPED(status)) {
			/* it asked us, its parent, to trace it: it goes on, untraced */
			int sig = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);

			(void)ptrace(PTRACE_DETACH, pid, NULL, (void *)(intptr_t)sig);
		} else if (pid == in->workload) {
			in->workload = 0;
			in->status = status;
		} else {
			(void)init_agent_ended(&in->agent, pid, status);
		}
	}
}

/* What came from outside the cell is for the workload. */
static void take_signal(struct inside *in, const struct signalfd_siginfo *si)
{
	int sig = si->ssi_signo == SIGPWR ? SIGTERM : (int)si->ssi_signo;

	if (sig == SIGCHLD || sig == SIGPIPE || si->ssi_pid != 0)
		return;
	if (in->workload)
		(void)kill(in->workload, sig);
	else if (sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGQUIT)
		in->ended_by = sig;
}

/*
 * Until something has happened, @end (CLOCK_MONOTONIC; UINT64_MAX: none) or the agent's time is
 * over.
 */
static void take_turn(struct inside *in, uint64_t end)
{
	struct init_agent *a = &in->agent;
	struct pollfd polls[] = {{.fd = in->cell->signal_fd, .events = POLLIN},
				 {.fd = a->ready_fd, .events = POLLIN}};
	struct signalfd_siginfo si;
	uint64_t now = init_now_ms(), wait;

	if (a->state != INIT_AGENT_OFF && a->state != INIT_AGENT_READY && a->due_ms < end)
		end = a->due_ms;
	wait = end <= now ? 0 : end - now;
	(void)poll(polls, 2, end == UINT64_MAX ? -1 : (int)wait);
	while (read(in->cell->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		take_signal(in, &si);
	if (polls[1].revents && a->ready_fd >= 0)
		init_agent_hear(a);
	reap(in);
	if (a->state != INIT_AGENT_OFF && a->state != INIT_AGENT_READY &&
	    init_now_ms() >= a->due_ms)
		init_agent_due(a);
}

/* Every process but init and the agent. Returns how many there were. */
static unsigned kill_each(const struct inside *in, int proc_fd)
{
	static _Alignas(8) char entries[PIDS_MAX];
	unsigned count = 0;
	long n;

	(void)lseek(proc_fd, 0, SEEK_SET);
	while ((n = tt_sys3(SYS_getdents64, proc_fd, entries, sizeof(entries))) > 0) {
		for (long at = 0; at < n;) {
			/* d_ino, d_off: 8 bytes each; d_reclen: 2; d_type: 1; d_name */
			const char *e = entries + at, *name = e + 19;
			long pid = *name >= '1' && *name <= '9' ? strtol(name, NULL, 10) : 0;
			uint16_t len;

			memcpy(&len, e + 16, sizeof(len));
			at += len;
			/* without a view /proc is that of outside: none here has its numbers */
			if (pid > 1 && pid != in->agent.pid && kill((pid_t)pid, SIGKILL) == 0)
				count++;
		}
	}
	return count;
}

/*
 * All that the workload has left. As the workload's own user, kill(-1) reaches what is of that user
 * and nothing else, all at once: nothing can be born between. Then one by one who is left, whoever
 * it belongs to.
 */
static void kill_workload(struct inside *in)
{
	const struct init_settings *s = in->cell->s;
	TT_CLEANUP(tt_closep) int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t end = init_now_ms() + KILL_MS;

	for (;;) {
		if (tt_sys3(SYS_setresuid, s->uid, s->uid, 0) == 0)
			(void)kill(-1, SIGKILL);
		(void)tt_sys3(SYS_setresuid, 0, 0, 0);
		reap(in);
		if (proc < 0 || kill_each(in, proc) == 0)
			return;
		if (init_now_ms() >= end) {
			init_say("some processes of the workload do not end", NULL);
			return;
		}
		take_turn(in, init_now_ms() + ROUND_MS);
	}
}

/* What is in the queue goes out before the end, be it by a new agent. */
static void end_agent(struct inside *in)
{
	struct init_agent *a = &in->agent;
	unsigned starts = 0;

	while (a->state != INIT_AGENT_OFF && (a->state != INIT_AGENT_WAITING || starts < STARTS)) {
		starts += a->state == INIT_AGENT_WAITING;
		if (a->state == INIT_AGENT_WAITING)
			init_agent_due(a);
		else if (a->state == INIT_AGENT_READY)
			init_agent_stop(a);
		else
			take_turn(in, UINT64_MAX);
	}
}

static TT_NORETURN void finish(struct inside *in, int code)
{
	kill_workload(in);
	/* it may have stopped the terminal */
	(void)tcflow(STDERR_FILENO, TCOON);
	end_agent(in);
	(void)send(in->cell->report_fd, &code, sizeof(code), MSG_NOSIGNAL);
	/* the kernel ends whatever is left, and takes the namespaces away */
	_exit(code);
}

/* Returns whether the workload may run. */
static bool await_agent(struct inside *in)
{
	init_agent_start(&in->agent);
	while (in->agent.state == INIT_AGENT_STARTING && !in->ended_by)
		take_turn(in, UINT64_MAX);
	if (in->agent.state != INIT_AGENT_OFF)
		return true;
	if (in->cell->s->agent_degrade)
		init_say("no agent: the workload runs unseen", NULL);
	else
		init_say("no agent: the workload does not start", NULL);
	return in->cell->s->agent_degrade;
}

/* What nobody reads must not be told, event by event: only the outside can end that. */
static void spare_connector(struct inside *in)
{
	int word = INIT_SPARE;

	if (!in->agent.spare || in->agent.connector_fd < 0)
		return;
	(void)send(in->cell->report_fd, &word, sizeof(word), MSG_NOSIGNAL);
	tt_closep(&in->agent.connector_fd);
	in->agent.connector_fd = -1;
}

/*
 * The kernel goes on from the number that it gave last, which is 1 where no agent lives: but the
 * agent's number is never the workload's, as the gate refuses signals to it.
 */
static pid_t spawn_workload(const struct init_workload *w)
{
	pid_t pid;

	while ((pid = init_spawn(0, 0)) == INIT_AGENT_PID)
		(void)waitpid(pid, NULL, 0);
	if (pid == 0 && getpid() == INIT_AGENT_PID)
		_exit(0);
	if (pid == 0)
		init_workload_run(w);
	return pid;
}

static int run_workload(struct inside *in, const struct init_workload *w)
{
	bool gave_up = false;
	pid_t pid = spawn_workload(w);

	if (pid < 0) {
		init_say_error("workload: no process", NULL, -pid);
		return INIT_FAILED;
	}
	in->workload = pid;
	while (in->workload) {
		take_turn(in, UINT64_MAX);
		if (gave_up || in->agent.state != INIT_AGENT_OFF || !in->agent.was_ready)
			continue;
		gave_up = true;
		init_say("the agent does not start again: ",
			 w->s->agent_degrade ? "the workload goes on unseen" : "the cell ends",
			 NULL);
		if (!w->s->agent_degrade)
			return INIT_FAILED;
	}
	return WIFSIGNALED(in->status) ? 128 + WTERMSIG(in->status) : WEXITSTATUS(in->status);
}

void init_cell_inside(struct init_cell *c)
{
	static struct inside in;
	struct init_workload w = {
		.s = c->s,
		.limits = &c->limits,
		.gate = {.uid = c->s->uid, .gid = c->s->gid, .agent_uid = c->s->agent_uid},
		.oom_score = c->oom_score,
		.terminal = c->terminal,
	};
	const char *why;

	die_with_outside(c);
	(void)setsid();
	in.cell = c;
	in.agent = (struct init_agent){.s = c->s,
				       .connector_fd = c->connector_fd,
				       .outer_proc_fd = c->outer_proc_fd,
				       .ready_fd = -1};
	c->signal_fd = init_cell_signals();
	in.agent.queue_fd = memfd_create("telltale-queue", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	/* a kernel without it: an agent that is killed takes along what it had not sent */
	if (in.agent.queue_fd < 0)
		init_say_error("no memory that outlives the agent", NULL, errno);
	why = c->signal_fd < 0 ? "no signals" : make_view(c, &w.gate);
	if (why) {
		init_say_error(why, NULL, errno);
		finish(&in, INIT_FAILED);
	}
	if (!await_agent(&in))
		finish(&in, INIT_FAILED);
	spare_connector(&in);
	finish(&in, in.ended_by ? 128 + in.ended_by : run_workload(&in, &w));
}
