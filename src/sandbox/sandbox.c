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
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
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
	/* SANDBOX_STEP_NAMESPACES: see fail_namespaces() */
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

/* The parent's part of a launch; all zero or -1 at first. */
struct sandbox_launch {
	struct sandbox_spec spec;
	struct sandbox_plan plan;
	pid_t pid; /* the child, or 0 */
	struct sandbox_bind *binds;
	char *cwd;
	char *terminals[3];
	char **real_paths; /* of spec->expose; NULL where the path itself serves */
	char tmp_options[64];
	int err_fd; /* the parent's ends */
	int report_fd;
	int io_fd;
};

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
	tt_closep(&l->plan.err_fd);
	tt_closep(&l->plan.report_fd);
	for (size_t i = 0; l->real_paths && i < l->spec.expose_count; i++)
		free(l->real_paths[i]);
	for (size_t i = 0; i < TT_ARRAY_SIZE(l->terminals); i++)
		free(l->terminals[i]);
	free(l->real_paths);
	free(l->binds);
	free(l->cwd);
	free(l->plan.fds);
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

static int plan_fds(struct sandbox_launch *l, struct tt_err *err)
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

/* Whether a private folder lies over that name. */
static bool is_hidden(const char *path)
{
	static const char *const private_folders[] = {"/tmp", "/var/tmp", "/dev", "/proc"};

	for (size_t i = 0; i < TT_ARRAY_SIZE(private_folders); i++)
		if (is_below(path, private_folders[i]))
			return true;
	return false;
}

/*
 * Where an exposed file is put back: as it was named if a private folder hides the name, else its
 * target, if one hides that. Otherwise it is there anyway, and @ret_needed says no.
 */
static int plan_exposed(struct sandbox_launch *l, size_t i, struct sandbox_bind *b,
			bool *ret_needed, struct tt_err *err)
{
	const char *path = l->plan.spec->expose[i];

	*b = (struct sandbox_bind){.from = path, .to = path, .fd = -1};
	*ret_needed = true;
	if (path[0] != '/')
		return tt_fail_text(err, EINVAL, "show '%s' in the sandbox: not an absolute path",
				    path);
	if (is_hidden(path))
		return 0;
	l->real_paths[i] = realpath(path, NULL);
	if (!l->real_paths[i])
		return tt_fail(err, errno, "show '%s' in the sandbox", path);
	b->to = l->real_paths[i];
	*ret_needed = is_hidden(b->to);
	return 0;
}

static void plan_terminals(struct sandbox_launch *l)
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

static int plan_binds(struct sandbox_launch *l, struct tt_err *err)
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
		bool needed;

		r = plan_exposed(l, i, &l->binds[l->plan.bind_count], &needed, err);
		if (r < 0)
			return r;
		l->plan.bind_count += needed;
	}
	return 0;
}

static int plan_sandbox(struct sandbox_launch *l, struct tt_err *err)
{
	const struct sandbox_spec *spec = l->plan.spec;
	int r;

	r = needs_user_ns(&l->plan.user_ns, err);
	if (r == 0)
		r = check_fds(spec, err);
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
	r = spec->policy->sandboxed ? plan_sandbox(l, err) : 0;
	/* For its maps; OFF where we could not open /proc/PID/io of one that has already ended. */
	l->plan.wait = spec->policy->sandboxed ? l->plan.user_ns : geteuid() != 0;
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

static int fail_namespaces(const struct sandbox_launch *l, int num, struct tt_err *err)
{
	if (l->plan.user_ns && (num == EPERM || num == ENOSPC || num == EUSERS))
		return tt_fail(err, num,
			       "make namespaces (unprivileged user namespaces seem to be off here: "
			       "allow them, run as root, or choose another profile)");
	return tt_fail(err, num, "make namespaces");
}

/* The other namespaces are init's own work: they take long. */
static int fork_init(struct sandbox_launch *l, struct tt_err *err)
{
	unsigned long flags = CLONE_NEWPID | SIGCHLD;
	long pid;

	if (l->plan.user_ns)
		flags |= CLONE_NEWUSER;
	/* Not glibc's: it has no fork with flags. The child calls nothing that minds. */
	pid = syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
	if (pid == 0)
		sandbox_init(&l->plan);
	if (pid < 0)
		return fail_namespaces(l, errno, err);
	l->pid = (pid_t)pid;
	return l->plan.user_ns ? write_maps(l->pid, err) : 0;
}

static void become_command(const struct sandbox_plan *plan)
{
	(void)close(plan->parent_err_fd);
	sandbox_child_wait(plan);
	sandbox_reset_handlers();
	sandbox_exec(plan);
}

/* Every signal waits meanwhile, or a handler of the caller's could run in the child. */
static int launch_fork(struct sandbox_launch *l, struct tt_err *err)
{
	sigset_t all, old;
	pid_t pid;
	int r = 0;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	if (l->spec.policy->sandboxed) {
		r = fork_init(l, err);
	} else {
		pid = _Fork(); /* no atfork handlers: they would touch memory */
		if (pid == 0)
			become_command(&l->plan);
		if (pid < 0)
			r = tt_fail(err, errno, "fork");
		l->pid = pid;
	}
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
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
	/* EPIPE: it has failed already; its last words are read at release */
	if (l->plan.wait && send(l->err_fd, "", 1, MSG_NOSIGNAL) != 1 && errno != EPIPE)
		return tt_fail(err, errno, "speak to the child");
	return 0;
}

static int send_filter(const struct sandbox_launch *l, struct tt_err *err)
{
	struct sock_filter *filter;
	unsigned short len;
	ssize_t n;
	int r;

	r = policy_filter_make_alone(l->spec.policy, &filter, &len, err);
	if (r < 0)
		return r;
	n = send(l->err_fd, filter, len * sizeof(*filter), MSG_NOSIGNAL);
	if (n < 0 && errno != EPIPE) /* as above */
		r = tt_fail(err, errno, "hand the syscall filter over");
	free(filter);
	return r;
}

static int tell_exec_failure(const struct sandbox_launch *l, const struct sandbox_message *m,
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

static int tell_failure(const struct sandbox_launch *l, const struct sandbox_message *m,
			enum sandbox_failure *failure, struct tt_err *err)
{
	if (m->step == SANDBOX_STEP_EXEC || m->step == SANDBOX_STEP_INTERPRETER)
		return tell_exec_failure(l, m, failure, err);
	if (m->step == SANDBOX_STEP_EXPOSE)
		return tt_fail(err, m->err, "show '%s' in the sandbox", l->binds[m->index].from);
	if (m->step == SANDBOX_STEP_CLONE_DEV)
		return tt_fail(err, m->err, "take device '%s'", l->binds[m->index].from);
	if (m->step == SANDBOX_STEP_NAMESPACES)
		return fail_namespaces(l, (int)m->err, err);
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

/*
 * Listens until exec has closed the other end. Not woken before that, for READY: the command may
 * run on this CPU.
 */
static int launch_listen(const struct sandbox_launch *l, enum sandbox_failure *failure,
			 struct tt_err *err)
{
	struct pollfd p = {.fd = l->err_fd};
	struct sandbox_message m;
	bool ready = false;
	ssize_t n;

	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			return tt_fail(err, errno, "wait for the child");
	for (;;) {
		n = recv(l->err_fd, &m, sizeof(m), 0);
		/* ECONNRESET, once: it ended without reading what we sent; its words come behind */
		if (n < 0 && (errno == EINTR || errno == ECONNRESET))
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

int sandbox_start(const struct sandbox_spec *spec, struct sandbox_launch **ret, struct tt_err *err)
{
	TT_CLEANUP(sandbox_abandonp) struct sandbox_launch *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return tt_fail(err, ENOMEM, "launch '%s'", spec->file);
	l->spec = *spec;
	l->plan.spec = &l->spec;
	l->err_fd = l->report_fd = l->io_fd = l->plan.err_fd = l->plan.report_fd = -1;
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
	*failure = SANDBOX_OK;
	return 0;
}
