/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Init of a sandboxed run: the same process image, without exec.
 *
 *	clone(2) ─► namespaces ─► ids ─► die with caller ─► mounts ─► bounding set ─► no_new_privs
 *	                                                                                     │
 *	command ◄─ filter ◄─ fds ◄─ capabilities ◄─ limits ◄─ ids ◄─ Landlock ◄─ fork ◄──────┘
 *	   │
 *	   └─► reap ─► report ─► exit as the command did
 *
 * The order has reasons. The user namespace comes first, since it lends the right to everything
 * else, and its maps next: who is not mapped can make no files. Mounts come before Landlock, which
 * forbids mounting and judges by the files that are then to be seen. no_new_privs comes before
 * Landlock and filter, which ask for it. Ids change while capabilities still allow it. Limits come
 * when nothing of ours needs more. Capabilities go before the filter, which comes last: it would
 * refuse us the other steps, and after it there is nothing but exec.
 *
 * Init exists without a PID namespace, too, as the command's parent in the caller's. What the
 * kernel does there for PID 1 it then does itself: orphans fall to it while the command runs, and
 * if the caller dies it ends them all.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/out.h"
#include "sandbox/sandbox_internal.h"

#define PF_EXITING 0x4 /* of the kernel; set before the death signal is sent */
#define DYING_MS   100 /* where /proc does not tell: how long the end of the caller may take */

static bool is_pid_1(const struct sandbox_plan *plan)
{
	return plan->namespaces & POLICY_NS_PID;
}

static bool caller_is_gone(const struct sandbox_plan *plan)
{
	struct pollfd p = {.fd = plan->report_fd};

	return (!is_pid_1(plan) && getppid() != plan->caller) || poll(&p, 1, 0) != 0;
}

/*
 * A dying caller closes its fds first and then sends the death signal. So either the signal was
 * asked for in time, or the other end of our socket is already closed. To PID 1 getppid() is no
 * help: 0 either way. Where init is not PID 1 it has to end the others itself and must live a
 * moment longer: see serve().
 */
static void die_with_parent(const struct sandbox_plan *plan)
{
	if (prctl(PR_SET_PDEATHSIG, is_pid_1(plan) ? SIGKILL : SIGHUP) < 0 ||
	    (!is_pid_1(plan) && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0))
		sandbox_child_fail(plan, SANDBOX_STEP_PARENT, errno, 0);
	if (caller_is_gone(plan))
		_exit(125);
}

/* A ceiling: what is lower already stays. */
static void set_limits(const struct sandbox_plan *plan)
{
	const struct policy *p = plan->spec->policy;

	for (size_t i = 0; i < p->rlimit_count; i++) {
		__rlimit_resource_t what = (__rlimit_resource_t)p->rlimits[i].resource;
		struct rlimit now, set = {p->rlimits[i].soft, p->rlimits[i].hard};

		if (prlimit(0, what, NULL, &now) < 0)
			sandbox_child_fail(plan, SANDBOX_STEP_RLIMIT, errno, (int)i);
		if (set.rlim_max > now.rlim_max)
			set.rlim_max = now.rlim_max;
		if (set.rlim_cur > set.rlim_max)
			set.rlim_cur = set.rlim_max;
		if (prlimit(0, what, &set, NULL) < 0)
			sandbox_child_fail(plan, SANDBOX_STEP_RLIMIT, errno, (int)i);
	}
}

static void run_command(const struct sandbox_plan *plan)
{
	int r = 0;

	sandbox_landlock(plan);
	if (!plan->switch_ids)
		r = sandbox_switch_ids(plan);
	if (r < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_IDS, -r, 0);
	/* after the change of ids, which takes it back */
	if (!is_pid_1(plan) && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_PARENT, errno, 0);
	set_limits(plan);
	r = sandbox_caps_of_command(plan);
	if (r < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_CAPS, -r, 0);
	sandbox_exec(plan);
}

static void report(const struct sandbox_plan *plan, enum sandbox_report_kind kind, int value)
{
	struct sandbox_report rep = {.kind = kind, .value = value};

	if (kind == SANDBOX_ENDED) {
		rep.alone = waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
		(void)getrusage(RUSAGE_CHILDREN, &rep.usage);
	}
	/*
	 * Blocks while the caller is behind: a stop that it never hears of would hang the
	 * terminal.
	 */
	while (send(plan->report_fd, &rep, sizeof(rep), MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

/*
 * Takes everything there is to take. Exits once the command has ended; the kernel ends what it
 * left.
 */
static void reap(const struct sandbox_plan *plan, pid_t command)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
		if (pid != command)
			continue;
		if (WIFSTOPPED(status)) {
			report(plan, SANDBOX_STOPPED, WSTOPSIG(status));
		} else if (WIFCONTINUED(status)) {
			report(plan, SANDBOX_CONTINUED, 0);
		} else {
			report(plan, SANDBOX_ENDED, status);
			_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
		}
	}
}

/*
 * The caller is dead and no kernel ends the others for us. Whatever is killed leaves its children
 * to us, so that each round finds them, until nothing is left.
 */
static void end_tree(int children_fd, pid_t command)
{
	char text[4096], *at, *end;
	ssize_t n;
	long pid;

	do {
		(void)kill(command, SIGKILL);
		n = children_fd < 0 ? 0 : pread(children_fd, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		for (at = text; (pid = strtol(at, &end, 10)) > 0; at = end)
			(void)kill((pid_t)pid, SIGKILL);
	} while (waitpid(-1, NULL, 0) > 0);
	_exit(125);
}

/* The flags of a process in /proc/PID/stat; 0 if they are not to be had. */
static unsigned long task_flags(pid_t pid)
{
	char text[512], *at;
	struct tt_out o;
	ssize_t n = -1;
	int fd;

	tt_out_init(&o, text, sizeof(text) - 1);
	tt_out_str(&o, "/proc/");
	tt_out_i64(&o, pid);
	tt_out_str(&o, "/stat");
	text[o.len] = '\0';
	fd = open(text, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		(void)close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	at = strrchr(text, ')');
	/* ") R ppid pgrp session tty tpgid flags" */
	for (int i = 0; at && i < 7; i++)
		at = strchr(at + 1, ' ');
	return at ? strtoul(at, NULL, 10) : 0;
}

/*
 * Whether a SIGHUP is the caller's death and none that he handed on. It comes when the thread that
 * launched us ends; until his other threads have closed what they share, our socket is open.
 */
static bool caller_is_dying(const struct sandbox_plan *plan)
{
	struct pollfd p = {.fd = plan->report_fd};
	unsigned long flags = task_flags(plan->caller);

	return (flags & PF_EXITING) || (!flags && poll(&p, 1, DYING_MS) != 0) ||
	       caller_is_gone(plan);
}

static void serve(const struct sandbox_plan *plan, pid_t command, int children_fd)
{
	siginfo_t si;
	sigset_t all;
	int sig;

	(void)sigfillset(&all);
	for (;;) {
		sig = sigwaitinfo(&all, &si);
		if (!is_pid_1(plan) &&
		    (caller_is_gone(plan) || (sig == SIGHUP && caller_is_dying(plan))))
			end_tree(children_fd, command);
		if (sig == SIGCHLD)
			reap(plan, command);
		else if (sig > 0 && (si.si_pid == 0 || !is_pid_1(plan)) &&
			 (si.si_code == SI_USER || si.si_code == SI_QUEUE ||
			  si.si_code == SI_TKILL))
			/*
			 * si_pid 0: sent from outside; SI_KERNEL, the terminal's, has reached the
			 * command too
			 */
			(void)kill(command, sig);
	}
}

/*
 * Nothing of the caller's stays open here: someone may wait for the end of a pipe. @children_fd is
 * the one that may stay, or -1.
 */
static int close_all_but(int report_fd, int children_fd)
{
	int low = report_fd, high = children_fd < 0 ? report_fd : children_fd;

	if (high < low) {
		low = children_fd;
		high = report_fd;
	}
	if ((low > 0 && close_range(0, (unsigned int)low - 1, 0) < 0) ||
	    (high > low + 1 && close_range((unsigned int)low + 1, (unsigned int)high - 1, 0) < 0) ||
	    close_range((unsigned int)high + 1, UINT_MAX, 0) < 0)
		return -errno;
	return 0;
}

/* Without its maps nobody owns files. */
static void become_mapped(struct sandbox_plan *plan)
{
	int r;

	if (!plan->switch_ids)
		return;
	r = sandbox_switch_ids(plan);
	/* the change hid our figures from the caller */
	if (r == 0 && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_IDS, -r, 0);
}

void sandbox_init(struct sandbox_plan *plan)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	int r, children_fd = -1;
	pid_t command;

	(void)close(plan->parent_err_fd);
	(void)close(plan->parent_report_fd);
	sandbox_reset_handlers();
	(void)sigaction(SIGCHLD, &dfl, NULL); /* ignored, it would reap for us */
	(void)prctl(PR_SET_NAME, "telltale-init");
	die_with_parent(plan);
	sandbox_namespaces_enter(plan);
	if (plan->wait)
		sandbox_child_wait(plan);
	sandbox_listen(plan);
	become_mapped(plan);
	if (plan->switch_ids)
		die_with_parent(plan); /* again: the change takes it back */
	if (!is_pid_1(plan))
		children_fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	if (plan->namespaces & POLICY_NS_MOUNT)
		sandbox_view_enter(plan);
	r = sandbox_caps_bound(plan);
	if (r < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_BOUNDING, -r, 0);
	if (plan->spec->policy->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_NO_NEW_PRIVS, errno, 0);

	/*
	 * One table of fds, until the listener of the filter has come through it. Not glibc's fork:
	 * it has none with flags. The child calls nothing that minds.
	 */
	command = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (command < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_FORK, errno, 0);
	if (command == 0)
		run_command(plan);

	/* Failing now still ends the command: the caller kills us and closes what it waits on. */
	r = sandbox_caps_of_init(plan);
	if (r < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_CAPS, -r, 0);
	if (plan->shared)
		sandbox_listener_pass_on(plan, command);
	else if (sandbox_own_fds() < 0)
		_exit(125);
	if (close_all_but(plan->report_fd, children_fd) < 0)
		_exit(125);
	serve(plan, command, children_fd);
	_exit(125); /* not reached */
}
