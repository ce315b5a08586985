/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PID 1 of a sandboxed run: the same process image, without exec.
 *
 *	clone(2) ─► die with the caller ─► namespaces ─► mounts ─► bounding set, no_new_privs
 *	                                                                    │
 *	                     command ◄─ filter from the caller ◄─ caps ◄─ fork
 *	                                                                    │
 *	         exit as the command did ◄─ report ◄─ reap ◄─ wait for a signal
 *
 * The namespaces are made here and not by clone(2): that would make them in the caller's time, who
 * has other things to do.
 *
 * The command runs under init's uid and could otherwise write to /proc/1/mem. Init keeps one
 * capability that the command has not, CAP_KILL: by the rules of ptrace(2) that alone closes
 * /proc/1 to it, while the caller, outside, can go on reading init's figures (which
 * PR_SET_DUMPABLE would have hidden).
 */
#include "sandbox/sandbox_internal.h"

#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int set_caps(uint32_t caps)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{.effective = caps, .permitted = caps},
	};

	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* Needs CAP_SETPCAP. The command then gets no capability from exec, not even as uid 0. */
static void drop_bounding_set(const struct sandbox_plan *plan)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
		;
	if (errno != EINVAL) /* EINVAL: past the last capability */
		sandbox_child_fail(plan, SANDBOX_STEP_BOUNDING, errno, 0);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_BOUNDING, errno, 0);
}

/*
 * A dying caller closes its fds first and then sends the death signal. So either the signal was
 * asked for in time, or the other end of our socket is already closed. getppid() is no help: 0
 * either way.
 */
static void die_with_parent(const struct sandbox_plan *plan)
{
	struct pollfd p = {.fd = plan->report_fd};

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_PARENT, errno, 0);
	if (poll(&p, 1, 0) != 0)
		_exit(125);
}

/* The PID namespace, and the user namespace that owns it, came with clone(2). */
static void enter_namespaces(const struct sandbox_plan *plan)
{
	int flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

	if (plan->spec->policy->network == POLICY_NET_OFF)
		flags |= CLONE_NEWNET;
	if (unshare(flags) < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_NAMESPACES, errno, 0);
}

static void run_command(const struct sandbox_plan *plan)
{
	int r = plan->spec->policy->read_only_root ? sandbox_landlock(plan) : 0;

	if (r < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_LANDLOCK, -r, 0);
	r = set_caps(0);
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

static void serve(const struct sandbox_plan *plan, pid_t command)
{
	siginfo_t si;
	sigset_t all;
	int sig;

	(void)sigfillset(&all);
	for (;;) {
		sig = sigwaitinfo(&all, &si);
		if (sig == SIGCHLD)
			reap(plan, command);
		else if (sig > 0 && si.si_pid == 0 &&
			 (si.si_code == SI_USER || si.si_code == SI_QUEUE ||
			  si.si_code == SI_TKILL))
			/*
			 * si_pid 0: sent from outside; SI_KERNEL, the terminal's, has reached the
			 * command too
			 */
			(void)kill(command, sig);
	}
}

void sandbox_init(const struct sandbox_plan *plan)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	pid_t command;

	(void)close(plan->parent_err_fd);
	(void)close(plan->parent_report_fd);
	sandbox_reset_handlers();
	(void)sigaction(SIGCHLD, &dfl, NULL); /* ignored, it would reap for us */
	(void)prctl(PR_SET_NAME, "telltale-init");
	die_with_parent(plan);
	enter_namespaces(plan);
	sandbox_child_wait(plan); /* without its maps we own no files */
	sandbox_view_enter(plan);
	drop_bounding_set(plan);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_NO_NEW_PRIVS, errno, 0);

	command = _Fork();
	if (command < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_FORK, errno, 0);
	if (command == 0)
		run_command(plan);

	/*
	 * Nothing of the caller's stays open here: someone may wait for the end of a pipe.
	 * Failing now still ends the command: the caller kills this namespace.
	 */
	if (set_caps(1U << CAP_KILL) < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_CAPS, errno, 0);
	if ((plan->report_fd > 0 && close_range(0, (unsigned int)plan->report_fd - 1, 0) < 0) ||
	    close_range((unsigned int)plan->report_fd + 1, UINT_MAX, 0) < 0)
		_exit(125);
	serve(plan, command);
	_exit(125); /* not reached */
}
