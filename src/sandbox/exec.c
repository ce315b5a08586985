/* SPDX-License-Identifier: Apache-2.0 */
/* The last steps of a launch, shared by OFF and the sandbox: signals, fds, filter, PATH, exec. */
#include "sandbox/sandbox_internal.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "util/fdpass.h"

static void tell(const struct sandbox_plan *plan, enum sandbox_step step, int err, int index,
		 bool lacking)
{
	struct sandbox_message m = {
		.step = (uint16_t)step, .lacking = lacking, .err = err, .index = index};

	/*
	 * A parent that is gone needs no telling. send() and not write(): see struct
	 * sandbox_report.
	 */
	(void)send(plan->err_fd, &m, sizeof(m), MSG_NOSIGNAL);
}

void sandbox_child_fail(const struct sandbox_plan *plan, enum sandbox_step step, int err, int index)
{
	tell(plan, step, err, index, false);
	sandbox_listener_give_up(plan);
	_exit(125);
}

void sandbox_child_lack(const struct sandbox_plan *plan, enum sandbox_step step, int err, int index)
{
	if (!plan->spec->degrade)
		sandbox_child_fail(plan, step, err, index);
	tell(plan, step, err, index, true);
}

void sandbox_child_allow_trace(const struct sandbox_plan *plan)
{
	/* EINVAL: nothing here forbids tracing what is no child of one's own (Yama) */
	(void)prctl(PR_SET_PTRACER, (unsigned long)sandbox_count_pid(plan->spec->count), 0, 0, 0);
	tell(plan, SANDBOX_STEP_READY, 0, 0, false);
}

void sandbox_child_wait(const struct sandbox_plan *plan)
{
	char go;

	if (recv(plan->err_fd, &go, 1, 0) != 1)
		_exit(125);
}

void sandbox_reset_handlers(void)
{
	struct sigaction sa, dfl = {.sa_handler = SIG_DFL};

	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		if (sigaction(sig, NULL, &sa) < 0)
			continue; /* kept by libc for itself */
		if (sa.sa_handler != SIG_DFL && sa.sa_handler != SIG_IGN)
			(void)sigaction(sig, &dfl, NULL);
	}
}

/*
 * exec(2) resets handlers and keeps SIG_IGN: both ways the caller may have changed what it was
 * given.
 */
static void restore_dispositions(const sigset_t *ignored)
{
	struct sigaction sa, want = {.sa_handler = SIG_DFL};

	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		if (sig == SIGKILL || sig == SIGSTOP || sigaction(sig, NULL, &sa) < 0)
			continue;
		want.sa_handler = sigismember(ignored, sig) == 1 ? SIG_IGN : SIG_DFL;
		if (sa.sa_handler != want.sa_handler)
			(void)sigaction(sig, &want, NULL);
	}
}

/*
 * Close every fd above 2 that is not in plan->fds, at exec: until then init shares the table.
 */
static int close_others(const struct sandbox_plan *plan)
{
	unsigned int next = 3;

	for (size_t i = 0; i < plan->fd_count; i++) {
		unsigned int fd = (unsigned int)plan->fds[i];

		if (fd > next && close_range(next, fd - 1, CLOSE_RANGE_CLOEXEC) < 0)
			return -errno;
		if (fd >= next)
			next = fd + 1;
	}
	return close_range(next, UINT_MAX, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;
}

/*
 * The parent's word to go: the filter, in one message, or one byte where the policy has none.
 * Nothing comes from a parent that is gone or has given up.
 */
static void take_filter(const struct sandbox_plan *plan, struct sock_fprog *ret)
{
	static struct sock_filter insns[BPF_MAXINSNS];
	ssize_t n = recv(plan->err_fd, insns, sizeof(insns), 0);

	if (n == 1 && !plan->shared)
		return;
	if (n <= 0 || (size_t)n % sizeof(insns[0]) != 0)
		_exit(125);
	ret->len = (unsigned short)((size_t)n / sizeof(insns[0]));
	ret->filter = insns;
}

static int keep_fds(const struct sandbox_spec *spec)
{
	for (size_t i = 0; i < spec->keep_fd_count; i++) {
		int flags = fcntl(spec->keep_fds[i], F_GETFD);

		if (flags < 0 || fcntl(spec->keep_fds[i], F_SETFD, flags & ~FD_CLOEXEC) < 0)
			return -errno;
	}
	return 0;
}

/* The value of PATH in @envp; what execvp(3) takes if there is none. */
static const char *path_of(char *const *envp)
{
	for (; envp && *envp; envp++)
		if (strncmp(*envp, "PATH=", 5) == 0)
			return *envp + 5;
	return "/bin:/usr/bin";
}

/*
 * Tells a file that is not there from one whose interpreter is not: the kernel says ENOENT to both.
 * @ret_found is set if it is there. Returns the errno of the refusal.
 */
static int try_exec(const struct sandbox_spec *spec, const char *path, bool *ret_found)
{
	struct stat st;
	int err;

	(void)execve(path, spec->argv, spec->envp);
	err = errno;
	*ret_found = (err != ENOENT && err != ENOTDIR) || stat(path, &st) == 0;
	return err;
}

/*
 * The search of execvpe(3), except that ENOEXEC is final: a shell would run what is no script.
 * Returns the errno of the refusal that says most; @ret_found as for try_exec().
 */
static int search_path(const struct sandbox_spec *spec, bool *ret_found)
{
	static char candidate[PATH_MAX];
	size_t name_len = strlen(spec->file), len;
	int err, worst = ENOENT;
	bool found = false;

	for (const char *dir = path_of(spec->envp), *end;; dir = end + 1) {
		end = strchrnul(dir, ':');
		len = (size_t)(end - dir);
		if (len + 1 + name_len + 1 <= sizeof(candidate)) {
			memcpy(candidate, dir, len);
			if (len)
				candidate[len++] = '/';
			memcpy(candidate + len, spec->file, name_len + 1);
			err = try_exec(spec, candidate, &found);
			switch (err) {
			case EACCES:
				worst = EACCES;
				break;
			case ENOENT:
				*ret_found |= found;
				break;
			case ENOTDIR:
			case ESTALE:
			case ENODEV:
			case ETIMEDOUT:
				break;
			default:
				return err;
			}
		}
		if (!*end)
			return worst;
	}
}

/*
 * Without a sandbox nobody shares our fds: the listener goes by the error socket, by calls that are
 * not watched. Where there is none the command runs all the same.
 */
static void load_watch(const struct sandbox_plan *plan)
{
	bool no_new_privs;
	int fd = sandbox_listener_load(&plan->watch, &no_new_privs);
	struct sandbox_message m = {.step = SANDBOX_STEP_WATCH, .index = no_new_privs};

	if (fd < 0) {
		tell(plan, SANDBOX_STEP_WATCH, -fd, no_new_privs, false);
		return;
	}
	/* if it fails the parent is gone, and the exec will fail, too */
	(void)!tt_fd_send(plan->err_fd, fd, &m, sizeof(m), 0);
	(void)close(fd);
}

void sandbox_exec(const struct sandbox_plan *plan)
{
	const struct sandbox_spec *spec = plan->spec;
	struct sock_fprog filter = {0};
	bool found = false;
	int r;

	r = spec->policy->sandboxed ? close_others(plan) : 0;
	if (r == 0)
		r = keep_fds(spec);
	if (r < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_FDS, -r, 0);

	if (spec->policy->sandboxed)
		take_filter(plan, &filter);
	else if (plan->watch.len)
		load_watch(plan);
	/* From here on a signal is the command's: one that kills it now has killed the command. */
	tell(plan, SANDBOX_STEP_READY, 0, 0, false);
	restore_dispositions(&plan->ignored);
	(void)sigprocmask(SIG_SETMASK, spec->mask, NULL);
	r = plan->shared ? sandbox_listener_make(plan, &filter) : 0;
	if (r < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_FILTER, -r, 0);

	if (!*spec->file)
		r = ENOENT;
	else if (strchr(spec->file, '/'))
		r = try_exec(spec, spec->file, &found);
	else
		r = search_path(spec, &found);
	sandbox_child_fail(
		plan, r == ENOENT && found ? SANDBOX_STEP_INTERPRETER : SANDBOX_STEP_EXEC, r, 0);
}
