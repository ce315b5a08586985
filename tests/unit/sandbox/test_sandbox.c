/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Launches under OFF and under small policies of this test's own: errors, and what they leave
 * behind. What STRICT lets through and refuses is tests/integration/sandbox_strict.py.
 */
#include "sandbox/sandbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/sandbox_internal.h"
#include "tap.h"

static char *const no_path[] = {NULL};
static const char *const profiles[] = {"OFF", "STRICT"};
static char folder[] = "/tmp/telltale-unit-XXXXXX";

static const struct policy *profile(const char *name)
{
	static struct policy *known[8];
	size_t i = 0;

	while (known[i] && strcmp(known[i]->name, name) != 0)
		i++;
	if (!known[i] && policy_load(name, &known[i], NULL) < 0)
		abort();
	return known[i];
}

struct outcome {
	int r;
	enum sandbox_failure failure;
	struct tt_err err;
	int status;    /* of wait(2), where it was launched */
	int64_t ended; /* what init reported, or -1 */
};

static struct sandbox_spec make_spec(const struct policy *p, char *const *argv, char *const *envp)
{
	static sigset_t mask;

	(void)sigemptyset(&mask);
	return (struct sandbox_spec){
		.policy = p,
		.file = argv[0],
		.argv = argv,
		.envp = envp,
		.mask = &mask,
	};
}

static int start_and_release(const struct sandbox_spec *spec, struct sandbox_child *ret,
			     enum sandbox_failure *failure, struct tt_err *err)
{
	struct sandbox_launch *l;
	int r = sandbox_start(spec, &l, err);

	*failure = SANDBOX_SETUP_FAILED;
	return r < 0 ? r : sandbox_release(l, ret, failure, err);
}

static struct outcome launch(const struct sandbox_spec *spec)
{
	struct outcome o = {.ended = -1, .failure = (enum sandbox_failure)99};
	struct sandbox_child c = {.pid = -1};
	struct sandbox_report rep;

	memset(o.err.text, 0, sizeof(o.err.text));
	o.r = start_and_release(spec, &c, &o.failure, &o.err);
	if (o.r < 0)
		return o;
	CHECK(c.io_fd > 2);
	(void)close(c.io_fd);
	if (c.listener_fd >= 0)
		(void)close(c.listener_fd);
	while (waitpid(c.pid, &o.status, 0) < 0 && errno == EINTR)
		;
	if (c.report_fd >= 0) {
		while (read(c.report_fd, &rep, sizeof(rep)) == (ssize_t)sizeof(rep))
			if (rep.kind == SANDBOX_ENDED)
				o.ended = rep.value;
		(void)close(c.report_fd);
	}
	return o;
}

static struct outcome launch_off(char *const *argv, char *const *envp)
{
	struct sandbox_spec spec = make_spec(profile("OFF"), argv, envp);

	return launch(&spec);
}

#define ARGV(...) ((char *const[]){__VA_ARGS__, NULL})

static char *str(const char *s)
{
	return (char *)(uintptr_t)s; /* argv is not const for history's sake alone */
}

static char *in_folder(const char *name)
{
	static char path[4][128];
	static int next;

	next = (next + 1) % 4;
	(void)snprintf(path[next], sizeof(path[next]), "%s/%s", folder, name);
	return path[next];
}

static void put(const char *name, const char *text, mode_t mode)
{
	int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
	    fchmod(fd, mode) < 0)
		abort();
	(void)close(fd);
}

static void off_runs_and_hands_the_status_on(void)
{
	struct outcome o = launch_off(ARGV(str("/bin/sh"), str("-c"), str("exit 7")), no_path);

	CHECK_INT(o.r, 0);
	CHECK_INT(o.failure, SANDBOX_OK);
	CHECK_INT(WEXITSTATUS(o.status), 7);
	o = launch_off(ARGV(str("/bin/sh"), str("-c"), str("kill -TERM $$")), no_path);
	CHECK_INT(o.r, 0);
	CHECK(WIFSIGNALED(o.status) && WTERMSIG(o.status) == SIGTERM);
}

static void failures_have_their_numbers(void)
{
	struct outcome o;

	o = launch_off(ARGV(str("/no/such")), no_path);
	CHECK_INT(o.r, -ENOENT);
	CHECK_INT(o.failure, SANDBOX_NOT_FOUND);
	CHECK_STR(o.err.text, "launch '/no/such': find it: No such file or directory");
	o = launch_off(ARGV(str("")), no_path);
	CHECK_INT(o.failure, SANDBOX_NOT_FOUND);
	o = launch_off(ARGV(str("/etc/passwd/x")), no_path);
	CHECK_INT(o.r, -ENOTDIR);
	CHECK_INT(o.failure, SANDBOX_NOT_FOUND);
	o = launch_off(ARGV(in_folder("plain")), no_path);
	CHECK_INT(o.r, -EACCES);
	CHECK_INT(o.failure, SANDBOX_NOT_EXECUTABLE);
	o = launch_off(ARGV(folder), no_path);
	CHECK_INT(o.failure, SANDBOX_NOT_EXECUTABLE);
	o = launch_off(ARGV(in_folder("no-shebang")), no_path);
	CHECK_INT(o.r, -ENOEXEC);
	CHECK_INT(o.failure, SANDBOX_NOT_EXECUTABLE);
	o = launch_off(ARGV(in_folder("bad-shebang")), no_path);
	CHECK_INT(o.r, -ENOENT);
	CHECK_INT(o.failure, SANDBOX_NOT_EXECUTABLE);
	CHECK(strstr(o.err.text, "interpreter"));
}

static void path_is_that_of_the_environment(void)
{
	char path[512];
	struct outcome o;

	(void)snprintf(path, sizeof(path), "PATH=/no/such:%s/a:%s/b:/usr/bin:/bin", folder, folder);
	/* a/tool may not be executed: b/tool is found behind it */
	o = launch_off(ARGV(str("tool")), ARGV(str("X=1"), path));
	CHECK_INT(o.r, 0);
	CHECK_INT(WEXITSTATUS(o.status), 5);
	/* only a/only, which may not be executed: EACCES is remembered, not ENOENT */
	o = launch_off(ARGV(str("only")), ARGV(path));
	CHECK_INT(o.r, -EACCES);
	CHECK_INT(o.failure, SANDBOX_NOT_EXECUTABLE);
	o = launch_off(ARGV(str("nowhere-at-all")), ARGV(path));
	CHECK_INT(o.r, -ENOENT);
	CHECK_INT(o.failure, SANDBOX_NOT_FOUND);
	CHECK_STR(o.err.text, "launch 'nowhere-at-all': command not found in PATH");
	/* no shell takes over what the kernel refuses, and the search ends there */
	(void)snprintf(path, sizeof(path), "PATH=%s:%s/b", folder, folder);
	o = launch_off(ARGV(str("no-shebang")), ARGV(path));
	CHECK_INT(o.r, -ENOEXEC);
	/* without PATH: the system's own */
	o = launch_off(ARGV(str("true")), no_path);
	CHECK_INT(o.r, 0);
	/* PATH of this process does not count */
	o = launch_off(ARGV(str("true")), ARGV(str("PATH=/no/such")));
	CHECK_INT(o.failure, SANDBOX_NOT_FOUND);
	/* an element too long to be a path is passed over */
	char *huge = malloc(10000);

	if (!huge)
		abort();
	memset(huge, 'x', 10000);
	memcpy(huge, "PATH=/", 6);
	memcpy(huge + 9980, ":/bin", 6);
	o = launch_off(ARGV(str("true")), ARGV(huge));
	CHECK_INT(o.r, 0);
	free(huge);
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	if (!d)
		return -1;
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

static bool has_children(void)
{
	return waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD;
}

static void nothing_is_left_behind(void)
{
	static const char *const missing[] = {"/tmp/no/such/telltale-file"};
	static const int bad_fd[] = {999};
	struct sandbox_spec spec;
	sigset_t before, after;
	struct outcome o;
	int fds = count_fds();

	memset(&before, 0, sizeof(before)); /* the kernel fills in the front of it only */
	memset(&after, 0, sizeof(after));
	(void)sigprocmask(SIG_SETMASK, NULL, &before);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < TT_ARRAY_SIZE(profiles); i++) {
			spec = make_spec(profile(profiles[i]), ARGV(str("/no/such")), no_path);
			CHECK(launch(&spec).r < 0);
			spec.keep_fds = bad_fd;
			spec.keep_fd_count = 1;
			o = launch(&spec);
			CHECK_INT(o.failure, SANDBOX_SETUP_FAILED);
			CHECK_INT(o.r, -EBADF);
			CHECK_INT(count_fds(), fds);
			CHECK(!has_children());
		}
		spec = make_spec(profile("STRICT"), ARGV(str("/bin/true")), no_path);
		spec.expose = missing;
		spec.expose_count = 1;
		CHECK_INT(launch(&spec).failure, SANDBOX_SETUP_FAILED);
		CHECK_INT(count_fds(), fds);
		CHECK(!has_children());
	}
	(void)launch_off(ARGV(str("/bin/true")), no_path);
	CHECK_INT(count_fds(), fds);
	(void)sigprocmask(SIG_SETMASK, NULL, &after);
	CHECK(memcmp(&before, &after, sizeof(before)) == 0);
}

/* Whether something can be read from @fd, or it has been closed at the other end, within @ms. */
static bool speaks(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) > 0;
}

/* Nothing runs before release, however long it takes, and after an abandoned start nothing ever. */
static void nothing_runs_before_release(void)
{
	int fds = count_fds(), pair[2], status;

	for (size_t i = 0; i < TT_ARRAY_SIZE(profiles); i++) {
		struct sandbox_spec spec =
			make_spec(profile(profiles[i]),
				  ARGV(str("/bin/sh"), str("-c"), str("echo ran >&9")), no_path);
		struct sandbox_launch *l = NULL;
		struct sandbox_child c;
		enum sandbox_failure f;
		struct tt_err err;
		const int out = 9;
		char text[8];

		for (int release = 0; release < 2; release++) {
			CHECK_INT(pipe2(pair, O_CLOEXEC), 0);
			CHECK_INT(dup3(pair[1], out, O_CLOEXEC), out);
			(void)close(pair[1]);
			spec.keep_fds = &out;
			spec.keep_fd_count = 1;
			CHECK_INT(sandbox_start(&spec, &l, &err), 0);
			CHECK(!speaks(pair[0], 100));
			if (release) {
				if (sandbox_release(l, &c, &f, &err) == 0) {
					CHECK(speaks(pair[0], 10000));
					CHECK_INT(read(pair[0], text, sizeof(text)), 4);
					CHECK(waitpid(c.pid, &status, 0) == c.pid && status == 0);
					(void)close(c.io_fd);
					if (c.listener_fd >= 0)
						(void)close(c.listener_fd);
					if (c.report_fd >= 0)
						(void)close(c.report_fd);
				} else {
					printf("# no namespaces here: %s\n", err.text);
					CHECK_INT(f, SANDBOX_SETUP_FAILED);
				}
			} else {
				sandbox_abandon(l);
			}
			CHECK(!has_children());
			(void)close(out);
			(void)close(pair[0]);
			CHECK_INT(count_fds(), fds);
		}
	}
	sandbox_abandon(NULL);
}

/* The child fails while nobody listens: the release tells at what. */
static void early_failures_are_told_at_release(void)
{
	struct sandbox_spec spec = make_spec(profile("STRICT"), ARGV(str("/bin/true")), no_path);
	const char *gone = in_folder("gone");
	struct sandbox_launch *l;
	struct sandbox_child c;
	enum sandbox_failure f;
	struct tt_err err;
	siginfo_t si;

	spec.expose = &gone;
	spec.expose_count = 1;
	for (int late = 0; late < 2; late++) {
		CHECK_INT(sandbox_start(&spec, &l, &err), 0);
		if (late) /* until it has ended */
			CHECK_INT(waitid(P_ALL, 0, &si, WEXITED | WNOWAIT), 0);
		CHECK(sandbox_release(l, &c, &f, &err) < 0);
		CHECK_INT(f, SANDBOX_SETUP_FAILED);
		CHECK(strstr(err.text, "show '") || strstr(err.text, "make namespaces"));
		CHECK(!has_children());
	}
	/* killed from outside */
	spec.expose_count = 0;
	CHECK_INT(sandbox_start(&spec, &l, &err), 0);
	CHECK_INT(system("kill -KILL $(cat /proc/$PPID/task/$PPID/children | cut -d' ' -f1)"), 0);
	CHECK_INT(waitid(P_ALL, 0, &si, WEXITED | WNOWAIT), 0);
	CHECK_INT(sandbox_release(l, &c, &f, &err), -ECHILD);
	CHECK_STR(err.text, "launch '/bin/true': the child was killed before it could execute");
	CHECK(!has_children());
}

/* The caller dies between start and release: so does the sandbox. */
static void a_start_dies_with_the_caller(void)
{
	struct sandbox_spec spec = make_spec(profile("STRICT"), ARGV(str("/bin/true")), no_path);
	int pair[2], status;
	pid_t pid;

	CHECK_INT(pipe2(pair, 0), 0);
	pid = fork();
	if (pid == 0) {
		struct sandbox_launch *l;

		spec.keep_fds = &pair[1]; /* the command's process would hold it */
		spec.keep_fd_count = 1;
		if (sandbox_start(&spec, &l, NULL) < 0)
			_exit(1);
		(void)poll(NULL, 0, 100);
		_exit(0);
	}
	(void)close(pair[1]);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(speaks(pair[0], 10000)); /* end of file */
	(void)close(pair[0]);
}

/* Runs sh -c @script under @ignored and @mask; its exit status. */
static int run_signals(const char *script, const sigset_t *ignored, const sigset_t *mask)
{
	struct sandbox_spec spec =
		make_spec(profile("OFF"), ARGV(str("/bin/sh"), str("-c"), str(script)), no_path);
	struct outcome o;

	spec.ignored = ignored;
	if (mask)
		spec.mask = mask;
	o = launch(&spec);
	return o.r < 0 ? o.r : o.status;
}

static void on_signal(int sig)
{
	(void)sig;
}

static void signals_are_what_they_were(void)
{
	sigset_t none, hup, usr1;

	(void)sigemptyset(&none);
	(void)sigemptyset(&hup);
	(void)sigaddset(&hup, SIGHUP);
	(void)sigemptyset(&usr1);
	(void)sigaddset(&usr1, SIGUSR1);
	/* ignored by the caller, but not when the caller was started */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGUSR2, on_signal);
	CHECK(WIFSIGNALED(run_signals("kill -PIPE $$", &none, NULL)));
	CHECK(WIFSIGNALED(run_signals("kill -USR2 $$", &none, NULL)));
	/* ignored then, not now */
	CHECK_INT(run_signals("kill -HUP $$", &hup, NULL), 0);
	/* NULL: as now */
	CHECK_INT(run_signals("kill -PIPE $$", NULL, NULL), 0);
	/* the mask: a blocked signal waits for ever */
	CHECK_INT(run_signals("kill -USR1 $$", &none, &usr1), 0);
	CHECK(WIFSIGNALED(run_signals("kill -USR1 $$", &none, &none)));
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGUSR2, SIG_DFL);
}

static void closed_standard_fds_stay_closed(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct sandbox_child c;
		enum sandbox_failure f;
		struct sandbox_spec spec = make_spec(
			profile("OFF"),
			ARGV(str("/bin/sh"), str("-c"),
			     str("[ ! -e /proc/self/fd/0 ] && [ ! -e /proc/self/fd/1 ] && "
				 "[ ! -e /proc/self/fd/2 ] && exit 42")),
			no_path);

		(void)alarm(10);
		(void)close(0);
		(void)close(1);
		(void)close(2);
		if (start_and_release(&spec, &c, &f, NULL) < 0 || waitpid(c.pid, &status, 0) < 0)
			_exit(1);
		_exit(WEXITSTATUS(status));
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(WEXITSTATUS(status), 42);
}

/* The report socket must not land where the caller's messages go. */
static void report_fd_is_above_the_standard_ones(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct sandbox_child c;
		enum sandbox_failure f;
		struct sandbox_spec spec =
			make_spec(profile("STRICT"), ARGV(str("/bin/true")), no_path);
		int r;

		(void)alarm(10);
		(void)close(0);
		(void)close(1);
		(void)close(2);
		r = start_and_release(&spec, &c, &f, NULL);
		if (r == -EPERM || r == -ENOSPC)
			_exit(42); /* no namespaces on this machine */
		if (r < 0 || waitpid(c.pid, &status, 0) < 0 || status)
			_exit(1);
		_exit(c.report_fd > 2 && (fcntl(c.report_fd, F_GETFL) & O_NONBLOCK) &&
				      (fcntl(c.report_fd, F_GETFD) & FD_CLOEXEC)
			      ? 42
			      : 2);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(WEXITSTATUS(status), 42);
}

static void kept_fds_lose_close_on_exec(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), high = fcntl(fd, F_DUPFD_CLOEXEC, 20);
	struct sandbox_spec spec =
		make_spec(profile("OFF"),
			  ARGV(str("/bin/sh"), str("-c"), str("[ -e /proc/self/fd/20 ]")), no_path);

	CHECK_INT(high, 20);
	CHECK(WEXITSTATUS(launch(&spec).status) == 1);
	spec.keep_fds = &high;
	spec.keep_fd_count = 1;
	CHECK_INT(launch(&spec).status, 0);
	(void)close(fd);
	(void)close(high);
}

/* Sandboxed: skipped, with the reason, where the machine makes no namespaces. */
static void sandboxed_runs_report_their_end(void)
{
	struct sandbox_spec spec = make_spec(
		profile("STRICT"), ARGV(str("/bin/sh"), str("-c"), str("exit 3")), no_path);
	struct outcome o = launch(&spec);

	if (o.r == -EPERM || o.r == -ENOSPC) {
		printf("# no namespaces here: %s\n", o.err.text);
		CHECK_INT(o.failure, SANDBOX_SETUP_FAILED);
		return;
	}
	CHECK_INT(o.r, 0);
	CHECK_INT(WEXITSTATUS(o.status), 3);
	CHECK_INT(o.ended, 3 << 8);
	spec = make_spec(profile("STRICT"), ARGV(str("/bin/sh"), str("-c"), str("kill -KILL $$")),
			 no_path);
	o = launch(&spec);
	CHECK_INT(WEXITSTATUS(o.status), 128 + SIGKILL);
	CHECK_INT(o.ended, SIGKILL);
	/* a file below /tmp is there, but not in there */
	spec = make_spec(profile("STRICT"), ARGV(in_folder("b/tool")), no_path);
	o = launch(&spec);
	CHECK_INT(o.failure, SANDBOX_NOT_FOUND);
	CHECK(strstr(o.err.text, "profile STRICT hides it"));
}

static void make_files(void)
{
	if (!mkdtemp(folder) || mkdir(in_folder("a"), 0755) < 0 || mkdir(in_folder("b"), 0755) < 0)
		abort();
	put("plain", "x", 0644);
	put("no-shebang", "echo ran\n", 0755);
	put("bad-shebang", "#!/no/such/interpreter\n", 0755);
	put("a/tool", "#!/bin/sh\nexit 4\n", 0644);
	put("b/tool", "#!/bin/sh\nexit 5\n", 0755);
	put("a/only", "#!/bin/sh\n", 0644);
}

static void remove_files(void)
{
	static const char *const names[] = {
		"plain", "no-shebang", "bad-shebang", "a/tool", "b/tool", "a/only", "a", "b", ""};

	for (size_t i = 0; i < TT_ARRAY_SIZE(names); i++)
		if (remove(in_folder(names[i])) < 0)
			printf("# left behind: %s\n", in_folder(names[i]));
}

int main(void)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)alarm(60);
	if (null >= 0) {
		(void)dup2(null, 0); /* a folder as stdin would be refused */
		(void)close(null);
	}
	make_files();
	TAP_RUN(off_runs_and_hands_the_status_on);
	TAP_RUN(failures_have_their_numbers);
	TAP_RUN(path_is_that_of_the_environment);
	TAP_RUN(nothing_is_left_behind);
	TAP_RUN(nothing_runs_before_release);
	TAP_RUN(early_failures_are_told_at_release);
	TAP_RUN(a_start_dies_with_the_caller);
	TAP_RUN(signals_are_what_they_were);
	TAP_RUN(closed_standard_fds_stay_closed);
	TAP_RUN(report_fd_is_above_the_standard_ones);
	TAP_RUN(kept_fds_lose_close_on_exec);
	TAP_RUN(sandboxed_runs_report_their_end);
	remove_files();
	return tap_done();
}
