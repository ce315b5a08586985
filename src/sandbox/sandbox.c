/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caller's side of a launch: prepare everything, fork, hand over the filter, listen until
 * exec, put errors into words.
 *
 * fork(2) and not vfork: exec hands the peak memory of the image it replaces on to the new one,
 * and after vfork that is the caller's whole. A forked child starts with the caller's private
 * pages alone. The child speaks on a socket that exec closes: silence after READY means that the
 * command runs.
 */
#include "sandbox/sandbox.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sandbox/sandbox_internal.h"
#include "util/fdpass.h"

static void end_child(struct sandbox_launch *l)
{
	if (l->pid <= 0)
		return;
	(void)kill(l->pid, SIGKILL);
	while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
		;
	l->pid = 0;
}

void sandbox_abandon(struct sandbox_launch *l)
{
	if (!l)
		return;
	end_child(l);
	tt_closep(&l->err_fd);
	tt_closep(&l->report_fd);
	tt_closep(&l->io_fd);
	tt_closep(&l->listener_fd);
	if (l->plan.shared)
		(void)munmap(l->plan.shared, sizeof(*l->plan.shared));
	tt_closep(&l->plan.err_fd);
	tt_closep(&l->plan.report_fd);
	for (size_t i = 0; i < l->text_count; i++)
		free(l->texts[i]);
	free(l->texts);
	free(l->binds);
	free(l->plan.mounts);
	free(l->plan.landlock_paths);
	free(l->plan.fds);
	free(l->plan.watch.filter);
	free(l->lacking);
	free(l);
}
TT_DEFINE_FREEP(struct sandbox_launch *, sandbox_abandon)

void sandbox_ignored_signals(sigset_t *ret)
{
	struct sigaction sa;

	(void)sigemptyset(ret);
	for (int sig = 1; sig <= SIGRTMAX; sig++)
		if (sigaction(sig, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			(void)sigaddset(ret, sig);
}

/* A socket pair above 2, so that fds which the command was given closed stay free for it. */
static int make_pair(int *ret_ours, int *ret_childs, struct tt_err *err)
{
	int pair[2], fd;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return tt_fail(err, errno, "make a socket to the child");
	for (int i = 0; i < 2; i++) {
		if (pair[i] > 2)
			continue;
		fd = fcntl(pair[i], F_DUPFD_CLOEXEC, 3);
		if (fd < 0) {
			int num = errno;

			(void)close(pair[0]);
			(void)close(pair[1]);
			return tt_fail(err, num, "make a socket to the child");
		}
		(void)close(pair[i]);
		pair[i] = fd;
	}
	*ret_ours = pair[0];
	*ret_childs = pair[1];
	return 0;
}

static int plan_listener(struct sandbox_launch *l, struct tt_err *err)
{
	l->plan.shared = mmap(NULL, sizeof(*l->plan.shared), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (l->plan.shared == MAP_FAILED) {
		l->plan.shared = NULL;
		return tt_fail(err, errno, "share a page with the child");
	}
	return 0;
}

static int plan_sandbox(struct sandbox_launch *l, struct tt_err *err)
{
	int r = make_pair(&l->report_fd, &l->plan.report_fd, err);

	l->plan.parent_report_fd = l->report_fd;
	if (r == 0 && (l->spec.policy->filter || l->spec.watch))
		r = plan_listener(l, err);
	return r < 0 ? r : sandbox_plan_make(l, err);
}

/* Made before the fork: the child has it in its memory. */
static int plan_watch(struct sandbox_launch *l, struct tt_err *err)
{
	struct sock_fprog *to = &l->plan.watch;

	return l->spec.watch ? policy_filter_make_watching(l->spec.policy, l->spec.watch,
							   &to->filter, &to->len, err)
			     : 0;
}

static int launch_plan(struct sandbox_launch *l, struct tt_err *err)
{
	const struct sandbox_spec *spec = l->plan.spec;
	int r;

	if (spec->ignored)
		l->plan.ignored = *spec->ignored;
	else
		sandbox_ignored_signals(&l->plan.ignored);
	r = make_pair(&l->err_fd, &l->plan.err_fd, err);
	if (r < 0)
		return r;
	l->plan.parent_err_fd = l->err_fd;
	if (spec->policy->sandboxed)
		return plan_sandbox(l, err);
	/*
	 * Where we could not open /proc/PID/io of one that has already ended. And not before its
	 * group has its limits, which it has not while we are in it ourselves.
	 */
	l->plan.wait = geteuid() != 0 || spec->count || spec->fork_hold;
	return plan_watch(l, err);
}

/*
 * Not glibc's: it has no fork with flags, and what is called in the child minds nothing that
 * glibc's would have set right.
 */
static long fork_child(struct sandbox_launch *l, unsigned long flags)
{
	struct clone_args args = {.flags = flags | CLONE_INTO_CGROUP,
				  .exit_signal = SIGCHLD,
				  .cgroup = (uint64_t)l->spec.cgroup_fd};
	long pid = -1;

	if (l->spec.cgroup_fd)
		pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0 && !l->spec.cgroup_must) {
		l->cgroup_missed = l->spec.cgroup_fd != 0;
		pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
	}
	return pid;
}

/* What clone(2) has to make; the other namespaces are init's own work: they take long. */
static long clone_init(struct sandbox_launch *l)
{
	struct sandbox_plan *plan = &l->plan;
	unsigned long flags = 0;
	long pid;

	if (plan->namespaces & POLICY_NS_PID)
		flags |= CLONE_NEWPID;
	if (plan->namespaces & POLICY_NS_USER)
		flags |= CLONE_NEWUSER;
	pid = fork_child(l, flags);
	if (pid == 0)
		sandbox_init(plan);
	return pid;
}

/* Go without the namespaces @mask, and name them. */
static int give_up(struct sandbox_launch *l, uint32_t mask, int num, struct tt_err *err)
{
	static const struct {
		uint32_t bit;
		int flag;
	} kinds[] = {
		{POLICY_NS_USER, CLONE_NEWUSER},     {POLICY_NS_PID, CLONE_NEWPID},
		{POLICY_NS_MOUNT, CLONE_NEWNS},      {POLICY_NS_IPC, CLONE_NEWIPC},
		{POLICY_NS_UTS, CLONE_NEWUTS},       {POLICY_NS_NET, CLONE_NEWNET},
		{POLICY_NS_CGROUP, CLONE_NEWCGROUP}, {POLICY_NS_TIME, 0x80},
	};
	struct sandbox_message m = {.step = SANDBOX_STEP_NAMESPACES, .err = num};

	for (size_t i = 0; i < TT_ARRAY_SIZE(kinds); i++)
		if (l->plan.namespaces & mask & kinds[i].bit)
			m.index |= kinds[i].flag;
	l->plan.namespaces &= ~mask;
	return sandbox_tell_lacking(l, &m, err);
}

/*
 * Without a user namespace there is no right to make any other, nor to mount. What needs no right
 * stays: Landlock, limits, environment, fds, no_new_privs and the filter.
 */
static int give_up_all(struct sandbox_launch *l, int num, struct tt_err *err)
{
	const struct policy *p = l->spec.policy;
	uint64_t have;
	int r;

	if (p->uid >= 0 || p->gid >= 0 || p->uid_map_count || p->gid_map_count)
		return tt_fail(err, num, "become the profile's user and group");
	r = give_up(l, UINT32_MAX, num, err);
	if (r == 0 && p->root != POLICY_ROOT_KEEP)
		r = sandbox_tell_lacking(
			l, &(struct sandbox_message){.step = SANDBOX_STEP_READ_ONLY, .err = num},
			err);
	for (size_t i = 0; r == 0 && i < p->mount_count; i++)
		if (l->plan.mounts[i].to)
			r = sandbox_tell_lacking(
				l,
				&(struct sandbox_message){
					.step = SANDBOX_STEP_MOUNT, .err = num, .index = (int)i},
				err);
	if (r < 0 || sandbox_caps_read(&have) < 0)
		return r;
	l->plan.caps.command &= have;
	l->plan.view = false;
	l->plan.wait = false;
	sandbox_plan_ids(&l->plan);
	return 0;
}

static int fork_init(struct sandbox_launch *l, struct tt_err *err)
{
	struct sandbox_message m = {.step = SANDBOX_STEP_NAMESPACES};
	uint32_t with = l->plan.namespaces;
	enum sandbox_failure failure;
	long pid;
	int num, r;

	pid = clone_init(l);
	num = errno;
	if (pid < 0 && l->spec.degrade && (with & POLICY_NS_PID) && (with & POLICY_NS_USER)) {
		/* a limit on PID namespaces alone? */
		l->plan.namespaces &= ~(uint32_t)POLICY_NS_PID;
		pid = clone_init(l);
		l->plan.namespaces = with;
		if (pid > 0 && give_up(l, POLICY_NS_PID, num, err) < 0)
			return -ENOMEM;
	}
	if (pid < 0 && l->spec.degrade && (with & (POLICY_NS_PID | POLICY_NS_USER))) {
		r = with & POLICY_NS_USER ? give_up_all(l, num, err)
					  : give_up(l, POLICY_NS_PID, num, err);
		if (r < 0)
			return r;
		pid = clone_init(l);
	}
	if (pid < 0) {
		m.err = errno;
		if (l->plan.namespaces & POLICY_NS_USER)
			m.index |= CLONE_NEWUSER;
		if (l->plan.namespaces & POLICY_NS_PID)
			m.index |= CLONE_NEWPID;
		return sandbox_tell_failure(l, &m, &failure, err);
	}
	l->pid = (pid_t)pid;
	r = l->plan.namespaces & POLICY_NS_USER ? sandbox_write_maps(&l->plan, l->pid, err) : 0;
	/* a child that has failed meanwhile takes no maps: its own reason says more */
	while (r < 0 && recv(l->err_fd, &m, sizeof(m), MSG_DONTWAIT) == (ssize_t)sizeof(m))
		if (!m.lacking)
			return sandbox_tell_failure(l, &m, &failure, err);
	return r;
}

static void become_command(const struct sandbox_plan *plan)
{
	(void)close(plan->parent_err_fd);
	if (plan->spec->count)
		sandbox_child_allow_trace(plan);
	if (plan->wait)
		sandbox_child_wait(plan);
	sandbox_reset_handlers();
	sandbox_exec(plan);
}

/* Every signal waits meanwhile, or a handler of the caller's could run in the child. */
static int launch_fork(struct sandbox_launch *l, struct tt_err *err)
{
	sigset_t all, old;
	int r = 0, left;
	pid_t pid;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	if (l->spec.fork_enter)
		r = l->spec.fork_enter(l->spec.fork_arg);
	if (r < 0) {
		r = tt_fail(err, -r, "enter the control group");
	} else if (l->spec.policy->sandboxed) {
		r = fork_init(l, err);
	} else {
		pid = (pid_t)fork_child(l, 0);
		if (pid == 0)
			become_command(&l->plan);
		if (pid < 0)
			r = tt_fail(err, errno, "fork");
		l->pid = pid;
	}
	left = l->spec.fork_leave ? l->spec.fork_leave(l->spec.fork_arg) : 0;
	if (r == 0 && left < 0)
		r = tt_fail(err, -left, "set the limits of the control group");
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

/* Once the child has said that it may be traced, which it need not say everywhere. */
static int attach_counter(const struct sandbox_launch *l, struct tt_err *err)
{
	struct sandbox_message m;

	if (recv(l->err_fd, &m, sizeof(m), 0) != (ssize_t)sizeof(m))
		return tt_fail_text(err, ECHILD, "the child was killed before it could execute");
	return sandbox_count_attach(l->spec.count, l->pid, err);
}

/* Fork, and what needs the child to exist and the command not to be running yet. */
static int launch_begin(struct sandbox_launch *l, struct tt_err *err)
{
	char path[64];
	int fd, r;

	r = launch_fork(l, err);
	if (r < 0)
		return r;
	tt_closep(&l->plan.err_fd);
	l->plan.err_fd = -1;
	tt_closep(&l->plan.report_fd);
	l->plan.report_fd = -1;
	(void)snprintf(path, sizeof(path), "/proc/%d/io", (int)l->pid);
	l->io_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (l->io_fd >= 0 && l->io_fd < 3) {
		fd = fcntl(l->io_fd, F_DUPFD_CLOEXEC, 3);
		(void)close(l->io_fd);
		l->io_fd = fd;
	}
	r = l->spec.count ? attach_counter(l, err) : 0;
	if (r < 0)
		return r;
	/* EPIPE: it has failed already; its last words are read at release */
	if (l->plan.wait && send(l->err_fd, "", 1, MSG_NOSIGNAL) != 1 && errno != EPIPE)
		return tt_fail(err, errno, "speak to the child");
	return 0;
}

/* The word to go: the filter, or one byte where there is none. */
static int send_filter(const struct sandbox_launch *l, struct tt_err *err)
{
	struct sock_filter *filter;
	unsigned short len;
	ssize_t n;
	int r;

	if (!l->plan.shared)
		return send(l->err_fd, "", 1, MSG_NOSIGNAL) < 0 && errno != EPIPE
			       ? tt_fail(err, errno, "speak to the child")
			       : 0;
	r = l->spec.watch
		    ? policy_filter_make_watching(l->spec.policy, l->spec.watch, &filter, &len, err)
		    : policy_filter_make(l->spec.policy, &filter, &len, err);
	if (r < 0)
		return r;
	n = send(l->err_fd, filter, len * sizeof(*filter), MSG_NOSIGNAL);
	if (n < 0 && errno != EPIPE) /* as above */
		r = tt_fail(err, errno, "hand the syscall filter over");
	free(filter);
	return r;
}

/* OFF: whether there is a listener is the first that the child says. */
static int take_watch(struct sandbox_launch *l, struct tt_err *err)
{
	struct sandbox_message *m = &l->first;
	long n = tt_fd_recv(l->err_fd, m, sizeof(*m), 0, &l->listener_fd);

	if (n < 0)
		return tt_fail(err, (int)-n, "listen to the child");
	if (n != (long)sizeof(*m))
		return tt_fail_text(err, ECHILD, "the child was killed before it could execute");
	if (m->step != SANDBOX_STEP_WATCH)
		return 0;
	l->watch_err = m->err;
	l->watch_no_new_privs = m->index;
	m->step = SANDBOX_STEP_READY;
	return m->err ? sandbox_tell_lacking(
				l, &(struct sandbox_message){SANDBOX_STEP_WATCH, 1, m->err, 0}, err)
		      : 0;
}

/*
 * Waits until exec has closed the other end. Not woken before that, for READY: the command may run
 * on this CPU.
 */
static int launch_wait(struct sandbox_launch *l, struct tt_err *err)
{
	/* no events: the end of the socket is told anyway */
	struct pollfd p[2] = {{.fd = l->err_fd}, {.fd = -1, .events = POLLIN}};

	for (;;) {
		if (l->plan.shared || l->listener_fd >= 0)
			p[1].fd = l->listener_fd >= 0 ? l->listener_fd : l->report_fd;
		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return tt_fail(err, errno, "wait for the child");
		}
		if (p[0].revents || (p[1].revents && !(p[1].revents & POLLIN)))
			break;
		if (l->listener_fd >= 0)
			sandbox_listener_let_pass(l->listener_fd, l->err_fd);
		else
			l->listener_fd = sandbox_listener_take(l->report_fd);
	}
	/* init sends it after it has closed the socket; the exec may have been quicker */
	if (l->plan.shared && l->listener_fd < 0)
		l->listener_fd = sandbox_listener_take(l->report_fd);
	return 0;
}

/* Listens to what the child has said by then. */
static int launch_listen(struct sandbox_launch *l, enum sandbox_failure *failure,
			 struct tt_err *err)
{
	struct sandbox_message m;
	bool ready = false;
	ssize_t n;
	int r = l->plan.watch.len ? take_watch(l, err) : 0;

	if (r == 0 && l->first.step != SANDBOX_STEP_READY)
		return sandbox_tell_failure(l, &l->first, failure, err);
	if (r == 0)
		r = launch_wait(l, err);
	if (r < 0)
		return r;
	for (;;) {
		n = recv(l->err_fd, &m, sizeof(m), 0);
		/* ECONNRESET, once: it ended without reading what we sent; its words come behind */
		if (n < 0 && (errno == EINTR || errno == ECONNRESET))
			continue;
		if (n < 0)
			return tt_fail(err, errno, "listen to the child");
		if (n == 0 && ready && (!l->plan.shared || l->listener_fd >= 0))
			return 0;
		if (n != (ssize_t)sizeof(m))
			return tt_fail_text(err, ECHILD,
					    "the child was killed before it could execute");
		if (m.lacking) {
			r = sandbox_tell_lacking(l, &m, err);
			if (r < 0)
				return r;
		} else if (m.step != SANDBOX_STEP_READY) {
			return sandbox_tell_failure(l, &m, failure, err);
		} else {
			ready = true;
		}
	}
}

int sandbox_start(const struct sandbox_spec *spec, struct sandbox_launch **ret, struct tt_err *err)
{
	TT_CLEANUP(sandbox_abandonp) struct sandbox_launch *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return tt_fail(err, ENOMEM, "launch '%s'", spec->file);
	l->spec = *spec;
	l->plan.spec = &l->spec;
	l->plan.caller = getpid();
	l->err_fd = l->report_fd = l->io_fd = l->listener_fd = l->plan.err_fd = l->plan.report_fd =
		-1;
	r = launch_plan(l, err);
	if (r == 0 && spec->policy->sandboxed)
		r = launch_begin(l, err);
	if (r < 0)
		return tt_wrap(err, r, "launch '%s'", spec->file);
	*ret = TT_TAKE(l);
	return 0;
}

int sandbox_release(struct sandbox_launch *launch, struct sandbox_child *ret,
		    enum sandbox_failure *failure, struct tt_err *err)
{
	TT_CLEANUP(sandbox_abandonp) struct sandbox_launch *l = launch;
	int r;

	*failure = SANDBOX_SETUP_FAILED;
	r = l->spec.policy->sandboxed ? send_filter(l, err) : launch_begin(l, err);
	if (r == 0)
		r = launch_listen(l, failure, err);
	if (r == 0 && l->report_fd >= 0 && fcntl(l->report_fd, F_SETFL, O_NONBLOCK) < 0)
		r = tt_fail(err, errno, "set up the report socket");
	if (r < 0)
		return tt_wrap(err, r, "launch '%s'", l->spec.file);
	ret->pid = l->pid;
	l->pid = 0; /* the caller's from here on */
	ret->report_fd = tt_take_fd(&l->report_fd);
	ret->io_fd = tt_take_fd(&l->io_fd);
	ret->listener_fd = tt_take_fd(&l->listener_fd);
	ret->watch_err = l->watch_err;
	ret->watch_no_new_privs = l->watch_no_new_privs;
	ret->own_pid_namespace = (l->plan.namespaces & POLICY_NS_PID) != 0;
	ret->lacking = TT_TAKE(l->lacking);
	ret->cgroup_missed = l->cgroup_missed;
	*failure = SANDBOX_OK;
	return 0;
}
