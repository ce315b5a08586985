/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caller's side of a launch: prepare everything, fork, listen until exec, put errors into
 * words.
 *
 * fork(2) and not vfork: exec hands the peak memory of the image it replaces on to the new one,
 * and after vfork that is the caller's whole. A forked child starts with the caller's private
 * pages alone. The child speaks on a socket that exec closes: silence after READY means that the
 * command runs.
 */
#include "sandbox/sandbox.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sandbox/sandbox_internal.h"

/* What a step does, to stand between "launch 'x': " and the reason. */
static const char *const step_words[SANDBOX_STEP_COUNT] = {
	[SANDBOX_STEP_PARENT] = "tie the sandbox to its caller's life",
	[SANDBOX_STEP_READ_ONLY] = "make every mount read-only",
	[SANDBOX_STEP_DEV] = "mount private /dev",
	[SANDBOX_STEP_SHM] = "mount private /dev/shm",
	[SANDBOX_STEP_TMP] = "mount private /tmp",
	[SANDBOX_STEP_VAR_TMP] = "mount private /var/tmp",
	[SANDBOX_STEP_PROC] = "mount private /proc",
	[SANDBOX_STEP_CWD] = "enter the working folder",
	[SANDBOX_STEP_BOUNDING] = "empty the capability bounding set",
	[SANDBOX_STEP_NO_NEW_PRIVS] = "forbid new privileges",
	[SANDBOX_STEP_FORK] = "fork",
	[SANDBOX_STEP_LANDLOCK] = "forbid writing with Landlock",
	[SANDBOX_STEP_CAPS] = "drop capabilities",
	[SANDBOX_STEP_FDS] = "sort out file descriptors",
	[SANDBOX_STEP_FILTER] = "load the syscall filter",
};

static const char *const dev_nodes[] = {
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
};

/* The parent's part of a launch; all zero or -1 at first, launch_done() frees what it holds. */
struct launch {
	struct sandbox_plan plan;
	struct sandbox_bind *binds;
	char *cwd;
	char *terminals[3];
	char **real_paths; /* of spec->expose; NULL where the path itself serves */
	char tmp_options[64];
	int err_fd; /* the parent's ends */
	int report_fd;
	int io_fd;
};

static void launch_done(struct launch *l)
{
	size_t n = l->plan.spec->expose_count;

	tt_closep(&l->err_fd);
	tt_closep(&l->report_fd);
	tt_closep(&l->io_fd);
	tt_closep(&l->plan.err_fd);
	tt_closep(&l->plan.report_fd);
	for (size_t i = 0; l->real_paths && i < n; i++)
		free(l->real_paths[i]);
	for (size_t i = 0; i < TT_ARRAY_SIZE(l->terminals); i++)
		free(l->terminals[i]);
	free(l->real_paths);
	free(l->binds);
	free(l->cwd);
	free(l->plan.fds);
	free(l->plan.filter.filter);
}

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

/* Without these capabilities a user namespace has to lend them. */
static int needs_user_ns(bool *ret, struct tt_err *err)
{
	const uint32_t need = 1U << CAP_SYS_ADMIN | 1U << CAP_SETPCAP | 1U << CAP_KILL;
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return tt_fail(err, errno, "read own capabilities");
	*ret = (data[0].effective & need) != need;
	return 0;
}

/* openat(2) on a folder from outside reaches what lies in it, writable: never hand one in. */
static int check_fds(const struct sandbox_spec *spec, struct tt_err *err)
{
	struct stat st;

	for (size_t i = 0; i < 3 + spec->keep_fd_count; i++) {
		int fd = i < 3 ? (int)i : spec->keep_fds[i - 3];

		if (fstat(fd, &st) < 0) {
			if (i < 3 && errno == EBADF)
				continue;
			return tt_fail(err, errno, "look at file descriptor %d", fd);
		}
		if (S_ISDIR(st.st_mode))
			return tt_fail_text(
				err, EISDIR,
				"file descriptor %d is a folder, which leads out of the sandbox: "
				"redirect it from a file or /dev/null",
				fd);
	}
	return 0;
}

static int compare_ints(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static int plan_fds(struct launch *l, struct tt_err *err)
{
	const struct sandbox_spec *spec = l->plan.spec;
	size_t n = 0;

	l->plan.fds = calloc(spec->keep_fd_count + 1, sizeof(*l->plan.fds));
	if (!l->plan.fds)
		return tt_fail(err, ENOMEM, "list file descriptors");
	for (size_t i = 0; i < spec->keep_fd_count; i++)
		if (spec->keep_fds[i] > 2)
			l->plan.fds[n++] = spec->keep_fds[i];
	l->plan.fds[n++] = l->plan.err_fd;
	qsort(l->plan.fds, n, sizeof(*l->plan.fds), compare_ints);
	l->plan.fd_count = n;
	return 0;
}

static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 && path[n] == '/';
}

/*
 * Where an exposed file is put back: as it was named if a private folder hides the name, else its
 * target.
 */
static int plan_exposed(struct launch *l, size_t i, struct sandbox_bind *b, struct tt_err *err)
{
	const char *path = l->plan.spec->expose[i];

	*b = (struct sandbox_bind){.from = path, .to = path, .fd = -1};
	if (path[0] != '/')
		return tt_fail_text(err, EINVAL, "show '%s' in the sandbox: not an absolute path",
				    path);
	if (is_below(path, "/tmp") || is_below(path, "/var/tmp") || is_below(path, "/dev/shm"))
		return 0;
	l->real_paths[i] = realpath(path, NULL);
	if (!l->real_paths[i])
		return tt_fail(err, errno, "show '%s' in the sandbox", path);
	b->to = l->real_paths[i];
	return 0;
}

static void plan_terminals(struct launch *l)
{
	char name[PATH_MAX];
	size_t n = 0;

	for (int fd = 0; fd < 3; fd++) {
		bool known = false;

		if (ttyname_r(fd, name, sizeof(name)) != 0 || !is_below(name, "/dev"))
			continue;
		for (size_t i = 0; i < n; i++)
			known |= strcmp(l->terminals[i], name) == 0;
		if (known)
			continue;
		l->terminals[n] = strdup(name);
		if (!l->terminals[n])
			return; /* the command then has its terminal, but no name for it */
		l->binds[l->plan.bind_count++] = (struct sandbox_bind){
			.from = l->terminals[n],
			.to = l->terminals[n],
			.dev = true,
			.fd = -1,
		};
		n++;
	}
}

static int plan_binds(struct launch *l, struct tt_err *err)
{
	const struct sandbox_spec *spec = l->plan.spec;
	int r;

	l->binds = calloc(SANDBOX_DEV_BINDS + spec->expose_count, sizeof(*l->binds));
	l->real_paths = calloc(spec->expose_count + 1, sizeof(*l->real_paths));
	if (!l->binds || !l->real_paths)
		return tt_fail(err, ENOMEM, "list the files to show in the sandbox");
	l->plan.binds = l->binds;
	if (spec->policy->read_only_root) {
		for (size_t i = 0; i < TT_ARRAY_SIZE(dev_nodes); i++)
			l->binds[l->plan.bind_count++] = (struct sandbox_bind){
				.from = dev_nodes[i],
				.to = dev_nodes[i],
				.dev = true,
				.fd = -1,
			};
		plan_terminals(l);
	}
	for (size_t i = 0; i < spec->expose_count; i++) {
		r = plan_exposed(l, i, &l->binds[l->plan.bind_count], err);
		if (r < 0)
			return r;
		l->plan.bind_count++;
	}
	return 0;
}

static int plan_sandbox(struct launch *l, struct tt_err *err)
{
	const struct sandbox_spec *spec = l->plan.spec;
	int r;

	r = needs_user_ns(&l->plan.user_ns, err);
	if (r == 0)
		r = check_fds(spec, err);
	if (r == 0)
		r = sandbox_filter_build(spec->policy, &l->plan.filter, err);
	if (r == 0)
		r = make_pair(&l->report_fd, &l->plan.report_fd, err);
	if (r == 0)
		r = plan_fds(l, err);
	if (r == 0)
		r = plan_binds(l, err);
	if (r < 0)
		return r;
	(void)snprintf(l->tmp_options, sizeof(l->tmp_options), "mode=1777,size=%llu",
		       spec->policy->tmp_bytes);
	l->plan.tmp_options = l->tmp_options;
	l->cwd = getcwd(NULL, 0);
	l->plan.cwd = l->cwd;
	l->plan.parent_report_fd = l->report_fd;
	return 0;
}

static int launch_plan(struct launch *l, struct tt_err *err)
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
	r = spec->policy->sandboxed ? plan_sandbox(l, err) : 0;
	/* For its maps, and where we could not open /proc/PID/io of one that has already ended. */
	l->plan.wait = l->plan.user_ns || geteuid() != 0;
	return r;
}

static int write_map(pid_t pid, const char *name, const char *text, struct tt_err *err)
{
	TT_CLEANUP(tt_closep) int fd = -1;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return tt_fail(err, errno, "write '%s'", path);
	return 0;
}

/* The caller writes them, so that init's own figures stay clean. Everyone stays who he is. */
static int write_maps(pid_t pid, struct tt_err *err)
{
	char uid[64], gid[64];
	int r;

	(void)snprintf(uid, sizeof(uid), "%u %u 1", geteuid(), geteuid());
	(void)snprintf(gid, sizeof(gid), "%u %u 1", getegid(), getegid());
	r = write_map(pid, "uid_map", uid, err);
	/*
	 * must come before gid_map: who can leave his groups can pass a file that is closed to
	 * them
	 */
	if (r == 0)
		r = write_map(pid, "setgroups", "deny", err);
	if (r == 0)
		r = write_map(pid, "gid_map", gid, err);
	return r;
}

static int fork_init(struct launch *l, pid_t *ret, struct tt_err *err)
{
	const struct policy *p = l->plan.spec->policy;
	unsigned long flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
			      CLONE_NEWCGROUP | SIGCHLD;
	long pid;

	if (p->network == POLICY_NET_OFF)
		flags |= CLONE_NEWNET;
	if (l->plan.user_ns)
		flags |= CLONE_NEWUSER;
	/* Not glibc's: it has no fork with flags. The child calls nothing that minds. */
	pid = syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
	if (pid == 0)
		sandbox_init(&l->plan);
	if (pid < 0) {
		if (l->plan.user_ns && (errno == EPERM || errno == ENOSPC || errno == EUSERS))
			return tt_fail(
				err, errno,
				"make namespaces (unprivileged user namespaces seem to be off here: "
				"allow them, run as root, or choose another profile)");
		return tt_fail(err, errno, "make namespaces");
	}
	*ret = (pid_t)pid;
	return l->plan.user_ns ? write_maps((pid_t)pid, err) : 0;
}

static void become_command(const struct sandbox_plan *plan)
{
	(void)close(plan->parent_err_fd);
	sandbox_child_wait(plan);
	sandbox_reset_handlers();
	sandbox_exec(plan);
}

/* What of a launch needs the child to exist, and not to be running yet. */
static int release_child(struct launch *l, pid_t pid, struct tt_err *err)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
	l->io_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (l->io_fd >= 0 && l->io_fd < 3) {
		fd = fcntl(l->io_fd, F_DUPFD_CLOEXEC, 3);
		(void)close(l->io_fd);
		l->io_fd = fd;
	}
	if (l->plan.wait && send(l->err_fd, "", 1, MSG_NOSIGNAL) != 1)
		return tt_fail(err, errno, "speak to the child");
	return 0;
}

/* On failure *ret may hold a process that is to be ended. */
static int launch_fork(struct launch *l, pid_t *ret, struct tt_err *err)
{
	pid_t pid;

	if (l->plan.spec->policy->sandboxed)
		return fork_init(l, ret, err);
	pid = _Fork(); /* no atfork handlers: they would touch memory */
	if (pid == 0)
		become_command(&l->plan);
	if (pid < 0)
		return tt_fail(err, errno, "fork");
	*ret = pid;
	return 0;
}

static int tell_exec_failure(const struct launch *l, const struct sandbox_message *m,
			     enum sandbox_failure *failure, struct tt_err *err)
{
	const struct sandbox_spec *spec = l->plan.spec;

	*failure = SANDBOX_NOT_EXECUTABLE;
	if (m->step == SANDBOX_STEP_INTERPRETER)
		return tt_fail_text(err, m->err,
				    "the interpreter or loader that it names is missing");
	if (m->err == ENOEXEC)
		return tt_fail_text(
			err, m->err,
			"neither a program for this machine nor a script that begins with '#!'");
	if (m->err != ENOENT && m->err != ENOTDIR)
		return tt_fail(err, m->err, "execute it");
	*failure = SANDBOX_NOT_FOUND;
	if (!strchr(spec->file, '/') && *spec->file)
		return tt_fail_text(err, m->err, "command not found in PATH");
	if (spec->policy->private_tmp && access(spec->file, F_OK) == 0)
		return tt_fail_text(
			err, m->err,
			"profile %s hides it behind an empty folder of its own: move it out of "
			"/tmp, /var/tmp and /dev",
			spec->policy->name);
	return tt_fail(err, m->err, "find it");
}

static int tell_failure(const struct launch *l, const struct sandbox_message *m,
			enum sandbox_failure *failure, struct tt_err *err)
{
	if (m->step == SANDBOX_STEP_EXEC || m->step == SANDBOX_STEP_INTERPRETER)
		return tell_exec_failure(l, m, failure, err);
	if (m->step == SANDBOX_STEP_EXPOSE)
		return tt_fail(err, m->err, "show '%s' in the sandbox", l->binds[m->index].from);
	if (m->step == SANDBOX_STEP_CLONE_DEV)
		return tt_fail(err, m->err, "take device '%s'", l->binds[m->index].from);
	if (m->step >= SANDBOX_STEP_COUNT || !step_words[m->step])
		return tt_fail(err, m->err, "step %u", m->step);
	if (m->step == SANDBOX_STEP_READ_ONLY && m->err == EINVAL)
		return tt_fail(err, m->err,
			       "%s ('/' is no mount point: in a chroot, bind-mount it on itself)",
			       step_words[m->step]);
	if (m->step == SANDBOX_STEP_READ_ONLY && m->err == ENOSYS)
		return tt_fail(err, m->err, "%s (needs Linux 5.12 or newer)", step_words[m->step]);
	return tt_fail(err, m->err, "%s", step_words[m->step]);
}

/* Listens until exec has closed the other end. */
static int launch_listen(const struct launch *l, enum sandbox_failure *failure, struct tt_err *err)
{
	struct sandbox_message m;
	bool ready = false;
	ssize_t n;

	for (;;) {
		n = recv(l->err_fd, &m, sizeof(m), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return tt_fail(err, errno, "listen to the child");
		if (n == 0 && ready)
			return 0;
		if (n != (ssize_t)sizeof(m))
			return tt_fail_text(err, ECHILD,
					    "the child was killed before it could execute");
		if (m.step != SANDBOX_STEP_READY)
			return tell_failure(l, &m, failure, err);
		ready = true;
	}
}

static void end_child(pid_t pid)
{
	if (pid <= 0)
		return;
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Every signal waits meanwhile, or a handler of the caller's could run in the child. */
static int launch_run(struct launch *l, pid_t *ret, enum sandbox_failure *failure,
		      struct tt_err *err)
{
	sigset_t all, old;
	pid_t pid = 0;
	int r;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	r = launch_fork(l, &pid, err);
	if (r == 0)
		r = release_child(l, pid, err);
	if (r == 0) {
		tt_closep(&l->plan.err_fd);
		l->plan.err_fd = -1;
		tt_closep(&l->plan.report_fd);
		l->plan.report_fd = -1;
		r = launch_listen(l, failure, err);
	}
	if (r < 0)
		end_child(pid);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	*ret = pid;
	return r;
}

int sandbox_launch(const struct sandbox_spec *spec, struct sandbox_child *ret,
		   enum sandbox_failure *failure, struct tt_err *err)
{
	TT_CLEANUP(launch_done)
	struct launch l = {
		.plan = {.spec = spec, .err_fd = -1, .report_fd = -1},
		.err_fd = -1,
		.report_fd = -1,
		.io_fd = -1,
	};
	pid_t pid;
	int r;

	*failure = SANDBOX_SETUP_FAILED;
	r = launch_plan(&l, err);
	if (r == 0)
		r = launch_run(&l, &pid, failure, err);
	if (r == 0 && l.report_fd >= 0 && fcntl(l.report_fd, F_SETFL, O_NONBLOCK) < 0) {
		r = tt_fail(err, errno, "set up the report socket");
		end_child(pid);
	}
	if (r < 0)
		return tt_wrap(err, r, "launch '%s'", spec->file);
	ret->pid = pid;
	ret->report_fd = tt_take_fd(&l.report_fd);
	ret->io_fd = tt_take_fd(&l.io_fd);
	*failure = SANDBOX_OK;
	return 0;
}
