/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outside of the cell: what must be made in the first namespaces of the machine, and the wait
 * for its end.
 *
 *	init ──clone3(PID, mount, IPC, UTS)──► first process of the cell = PID 1 there   (inside.c)
 *	  │                                       ├─► agent = PID 2
 *	  │ ◄──── exit code (a socket) ───────────┤
 *	  └ signals ────────────────────────────► └─► workload = PID 3
 */
#include "init/cell.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/procevent.h"
#include "init/boot.h"
#include "init/cell_internal.h"
#include "init/say.h"
#include "init/spawn.h"

#define CONNECTOR_BYTES (4 << 20) /* a burst of 10,000 forks */
#define END_MS          5000      /* for what is left in the cell when its end was told */

int init_cell_signals(void)
{
	sigset_t all;
	int fd;

	(void)sigfillset(&all);
	/* stopped by a terminal or a shell, init stops alone */
	(void)sigdelset(&all, SIGTSTP);
	(void)sigdelset(&all, SIGTTIN);
	(void)sigdelset(&all, SIGTTOU);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* The score that the workload gets back. Nothing ends init or the agent for want of memory. */
static void become_safe(struct init_cell *c)
{
	long n = tt_file_read("/proc/self/oom_score_adj", c->oom_score, sizeof(c->oom_score) - 1);

	c->oom_score[n > 0 ? n : 0] = '\0';
	if (n <= 0)
		memcpy(c->oom_score, "0", 2);
	/* on a host that may be more than this root may do */
	if (init_write_text(AT_FDCWD, "/proc/self/oom_score_adj", "-1000") < 0 && !c->s->cell)
		init_say_error("cannot set", "oom_score_adj", errno);
}

/*
 * A terminal belongs to one session. Ours can be given away if it is ours alone: then the workload
 * can have a shell with job control. A console that belongs to nobody is there for the taking.
 */
static bool free_terminal(void)
{
	pid_t session = 0;
	sigset_t hangup;

	if (!isatty(STDIN_FILENO))
		return false;
	if (ioctl(STDIN_FILENO, TIOCGSID, &session) < 0 || session == 0)
		return true;
	if (session != getpid() || ioctl(STDIN_FILENO, TIOCNOTTY) < 0)
		return false;
	/* this is how the kernel says that it is gone */
	(void)sigemptyset(&hangup);
	(void)sigaddset(&hangup, SIGHUP);
	(void)sigaddset(&hangup, SIGCONT);
	while (sigtimedwait(&hangup, NULL, &(struct timespec){0}) > 0)
		;
	return true;
}

static TT_NORETURN void begin_inside(struct init_cell *c, const int report[2])
{
	(void)close(report[0]);
	c->report_fd = report[1];
	(void)close(c->signal_fd);
	init_cell_inside(c);
}

static void pass_signals(int fd, pid_t inside)
{
	struct signalfd_siginfo si;

	while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		/* SIGPIPE is of our own making: nobody reads what we say */
		if (si.ssi_signo != SIGCHLD && si.ssi_signo != SIGPIPE && inside > 0)
			(void)kill(inside, (int)si.ssi_signo);
}

/* Everything that is to be waited for. True if @pid was among it. */
static bool reap(pid_t pid)
{
	bool found = false;
	pid_t got;

	while ((got = waitpid(-1, NULL, WNOHANG)) > 0)
		found = found || got == pid;
	return found;
}

static void end_connector(struct init_cell *c)
{
	if (c->connector_fd >= 0)
		tt_proc_ignore(c->connector_fd);
	tt_closep(&c->connector_fd);
	c->connector_fd = -1;
}

/* Until the code is there, or the first process is gone without it. */
static int await_code(struct init_cell *c, int report_fd, pid_t inside, bool *ret_gone)
{
	struct pollfd polls[] = {{.fd = report_fd, .events = POLLIN},
				 {.fd = c->signal_fd, .events = POLLIN}};
	int code;
	ssize_t n;

	for (;;) {
		(void)poll(polls, 2, -1);
		if (polls[1].revents)
			pass_signals(c->signal_fd, inside);
		*ret_gone = reap(inside) || *ret_gone;
		n = recv(report_fd, &code, sizeof(code), MSG_DONTWAIT);
		if (n == (ssize_t)sizeof(code) && code != INIT_SPARE)
			return code;
		if (n == (ssize_t)sizeof(code)) {
			end_connector(c);
		} else if (n == 0 || *ret_gone) {
			init_say("the cell's first process ended too early", NULL);
			return INIT_FAILED;
		}
	}
}

/* What cannot be killed must not keep us: then it is left to the machine's end. */
static void await_end(struct init_cell *c, pid_t inside, bool gone)
{
	uint64_t end = init_now_ms() + END_MS, now;
	struct pollfd p = {.fd = c->signal_fd, .events = POLLIN};

	while (!gone && (now = init_now_ms()) < end) {
		if (poll(&p, 1, (int)(end - now)) > 0)
			pass_signals(c->signal_fd, 0);
		gone = reap(inside);
	}
	if (!gone)
		init_say("the cell does not end", NULL);
}

static int run(struct init_cell *c)
{
	int report[2], code;
	bool gone = false;
	pid_t inside;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report) < 0) {
		init_say_error("cell", NULL, errno);
		return INIT_FAILED;
	}
	inside = init_spawn(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS, 0);
	if (inside == 0)
		begin_inside(c, report);
	(void)close(report[1]);
	if (inside < 0) {
		init_say_error("no namespaces for the cell", NULL, -inside);
		(void)close(report[0]);
		return INIT_FAILED;
	}
	code = await_code(c, report[0], inside, &gone);
	(void)close(report[0]);
	await_end(c, inside, gone);
	return code;
}

static bool wants_connector(const struct init_settings *s)
{
	return !s->sensor || strcmp(s->sensor, "auto") == 0 || strcmp(s->sensor, "connector") == 0;
}

int init_cell(const struct init_settings *s)
{
	struct init_cell c = {.s = s, .report_fd = -1, .connector_fd = -1};
	int code;

	c.signal_fd = init_cell_signals();
	if (c.signal_fd < 0) {
		init_say_error("signals", NULL, -c.signal_fd);
		return INIT_FAILED;
	}
	become_safe(&c);
	if (init_limits_make(&c.limits, s) < 0)
		return INIT_FAILED;
	c.outer_proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (wants_connector(s))
		c.connector_fd = tt_proc_listen(CONNECTOR_BYTES); /* goes on without */
	c.terminal = free_terminal();
	code = run(&c);
	init_limits_report(&c.limits);
	init_limits_remove(&c.limits);
	end_connector(&c);
	tt_closep(&c.outer_proc_fd);
	tt_closep(&c.signal_fd);
	return code;
}
