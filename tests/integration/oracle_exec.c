/* SPDX-License-Identifier: Apache-2.0 */
/* open() and open64() are two functions here */
#undef _FILE_OFFSET_BITS

#include "oracle.h"

/* The part of oracle.c that starts programs in every way there is. */

#define NOOP_JSON "[\"oracle\", \"noop\"]"

static char noop_0[] = "oracle", noop_1[] = "noop";
static char *noop_argv[] = {noop_0, noop_1, NULL};

static int by_execve(const char *file)
{
	return CALL(execve(file, noop_argv, environ));
}
static int by_execv(const char *file)
{
	return CALL(execv(file, noop_argv));
}
static int by_execvp(const char *file)
{
	return CALL(execvp(file, noop_argv));
}
static int by_execvpe(const char *file)
{
	return CALL(execvpe(file, noop_argv, environ));
}
static int by_execl(const char *file)
{
	return CALL(execl(file, "oracle", "noop", NULL));
}
static int by_execlp(const char *file)
{
	return CALL(execlp(file, "oracle", "noop", NULL));
}
static int by_execle(const char *file)
{
	return CALL(execle(file, "oracle", "noop", NULL, environ));
}

static const struct way {
	const char *name;
	int (*run)(const char *file);
	bool searches;
} ways[] = {
	{"execve", by_execve, false},  {"execv", by_execv, false}, {"execvp", by_execvp, true},
	{"execvpe", by_execvpe, true}, {"execl", by_execl, false}, {"execlp", by_execlp, true},
	{"execle", by_execle, false},
};

/* A child that waits until its line is out, so that lines of one pid come in order. */
static pid_t forked(void)
{
	pid_t pid;

	pid = CALL(fork());
	if (pid != 0)
		want("fork", pid, ALSO(NULL), NULL);
	return pid;
}

/* An exec that fails is there twice: the attempt without a result, then with the error. */
static void want_failed(const char *call, const char *file, const char *path, int error)
{
	want(call, 0, ALSO(path, .no_result = true), file, NOOP_JSON, NULL);
	want(call, -1, ALSO(path, .error = error), file, NOOP_JSON, NULL);
}

static void exec_files(void)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const struct way *w = &ways[i];
		pid_t pid = forked();
		int r;

		if (pid == 0) {
			r = w->run("./none");
			want_failed(w->name, "./none", join("none"), ENOENT);
			r = w->run(here);
			want_failed(w->name, here, here, EACCES);
			if (w->searches) {
				r = w->run("no-such-program-anywhere");
				want_failed(w->name, "no-such-program-anywhere", NULL, ENOENT);
			}
			must(r == -1, "exec of nothing");
			last_errno = 0;
			want(w->name, 0, ALSO(self, .no_result = true), self, NOOP_JSON, NULL);
			w->run(self);
			_exit(9);
		}
		reap(pid, 0);
	}
}

static void exec_fds(void)
{
	pid_t pid;
	int fd;

	pid = forked();
	if (pid == 0) {
		(void)CALL(fexecve(777, noop_argv, environ));
		want("fexecve", 0, ALSO(.no_result = true), "fd:777", NOOP_JSON, NULL);
		want("fexecve", -1, ALSO(.error = last_errno), "fd:777", NOOP_JSON, NULL);
		fd = CALL(open(self, O_RDONLY | O_CLOEXEC));
		want("open", fd, ALSO(self), self, "O_RDONLY|O_CLOEXEC", NULL);
		last_errno = 0;
		want("fexecve", 0, ALSO(self, .no_result = true), FD(fd), NOOP_JSON, NULL);
		fexecve(fd, noop_argv, environ);
		_exit(9);
	}
	reap(pid, 0);
	pid = forked();
	if (pid == 0) {
		(void)CALL(execveat(AT_FDCWD, "none", noop_argv, environ, AT_SYMLINK_NOFOLLOW));
		want("execveat", 0, ALSO(join("none"), .no_result = true), "AT_FDCWD", "none",
		     NOOP_JSON, "AT_SYMLINK_NOFOLLOW", NULL);
		want("execveat", -1, ALSO(join("none"), .error = ENOENT), "AT_FDCWD", "none",
		     NOOP_JSON, "AT_SYMLINK_NOFOLLOW", NULL);
		last_errno = 0;
		want("execveat", 0, ALSO(self, .no_result = true), "AT_FDCWD", self, NOOP_JSON, "0",
		     NULL);
		execveat(AT_FDCWD, self, noop_argv, environ, 0);
		_exit(9);
	}
	reap(pid, 0);
	pid = forked();
	if (pid == 0) {
		fd = CALL(open(self, O_PATH | O_CLOEXEC));
		want("open", fd, ALSO(self), self, "O_PATH|O_CLOEXEC", NULL);
		last_errno = 0;
		want("execveat", 0, ALSO(self, .no_result = true), FD(fd), "", NOOP_JSON,
		     "AT_EMPTY_PATH", NULL);
		execveat(fd, "", noop_argv, environ, AT_EMPTY_PATH);
		_exit(9);
	}
	reap(pid, 0);
}

static void spawns(void)
{
	pid_t pid = 0;
	int r;

	r = CALL(posix_spawn(&pid, self, NULL, NULL, noop_argv, environ));
	want("posix_spawn", r, ALSO(self), self, NOOP_JSON, NULL);
	reap(pid, 0);
	r = CALL(posix_spawn(&pid, "./none", NULL, NULL, noop_argv, environ));
	want("posix_spawn", r, ALSO(join("none"), .error = ENOENT), "./none", NOOP_JSON, NULL);
	r = CALL(posix_spawnp(&pid, self, NULL, NULL, noop_argv, environ));
	want("posix_spawnp", r, ALSO(self), self, NOOP_JSON, NULL);
	reap(pid, 0);
	r = CALL(posix_spawnp(&pid, "no-such-program-anywhere", NULL, NULL, noop_argv, environ));
	want("posix_spawnp", r, ALSO(.error = ENOENT), "no-such-program-anywhere", NOOP_JSON, NULL);
}

static void shells(void)
{
	FILE *f;
	int r;

	r = CALL(system("exit 3"));
	want("system", r, ALSO(NULL), "exit 3", NULL);
	must(WEXITSTATUS(r) == 3, "system");
	r = CALL(system(NULL)); /* only asks whether there is a shell: not recorded */
	must(r != 0, "system(NULL)");
	f = CALL(popen("exit 4", "r"));
	must(f != NULL, "popen");
	want("popen", fileno(f), ALSO(NULL), "exit 4", "r", NULL);
	must(WEXITSTATUS(pclose(f)) == 4, "pclose");
	f = CALL(popen("exit 4", "bad"));
	want("popen", f ? 0 : -1, ALSO(.error = EINVAL), "exit 4", "bad", NULL);
}

static void vforks(void)
{
	pid_t pid, child;

	/* what the child of a vfork does is done by the parent's thread: its lines first */
	errno = MARK;
	pid = vfork();
	if (pid == 0) {
		execv("./none", noop_argv);
		execv(self, noop_argv);
		_exit(9);
	}
	child = pid;
	last_errno = 0;
	want("execv", 0, ALSO(join("none"), .no_result = true, .pid = child), "./none", NOOP_JSON,
	     NULL);
	want("execv", -1, ALSO(join("none"), .error = ENOENT, .pid = child), "./none", NOOP_JSON,
	     NULL);
	want("execv", 0, ALSO(self, .no_result = true, .pid = child), self, NOOP_JSON, NULL);
	want("vfork", child, ALSO(NULL), NULL);
	reap(child, 0);
	errno = MARK;
	pid = vfork();
	if (pid == 0)
		_exit(5);
	last_errno = errno;
	want("vfork", pid, ALSO(NULL), NULL);
	reap(pid, 5);
}

void programs(void)
{
	exec_files();
	exec_fds();
	spawns();
	shells();
	vforks();
}
