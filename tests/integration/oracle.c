/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls every recorded function, with success and with failure, and prints on stdout what a trace
 * must hold: one line of JSON per call, with the errno that was there afterwards. oracle.py
 * compares.
 *
 *	oracle calls	all of it, in the current folder, which must be empty
 *	oracle noop	nothing: the program that is executed
 */
/* open() and open64() are two functions here */
#undef _FILE_OFFSET_BITS

#include "oracle.h"

char here[2048];
char self[2048];
int last_errno;
void *volatile null;

static void put_json(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else
			fputc(*s, f);
	}
	fputc('"', f);
}

const char *join(const char *rel)
{
	static char bufs[4][4096];
	static unsigned n;
	char *to = bufs[n++ % 4];

	snprintf(to, sizeof(bufs[0]), "%s/%s", here, rel);
	return to;
}

/* want - say what must be recorded of the last CALL; the arguments end with NULL */
void want(const char *call, long result, struct also also, ...)
{
	char line[16384];
	FILE *f = fmemopen(line, sizeof(line), "w");
	const char *arg;
	size_t len;
	va_list ap;
	int n = 0;

	fprintf(f, "{\"pid\": %d, \"syscall\": \"%s\", \"args\": [", also.pid ? also.pid : getpid(),
		call);
	va_start(ap, also);
	while ((arg = va_arg(ap, const char *))) {
		if (n++)
			fputs(", ", f);
		put_json(f, arg);
	}
	va_end(ap);
	if (also.no_result)
		fputs("], \"result\": null", f);
	else
		fprintf(f, "], \"result\": %ld", result);
	if (also.error)
		fprintf(f, ", \"error\": \"%s\"", strerrorname_np(also.error));
	if (also.path) {
		fputs(", \"path\": ", f);
		put_json(f, also.path);
	}
	if (also.path2) {
		fputs(", \"path2\": ", f);
		put_json(f, also.path2);
	}
	if (also.addr) {
		fputs(", \"addr\": ", f);
		put_json(f, also.addr);
	}
	if (also.raw)
		fputs(", \"via\": \"syscall\"", f);
	fprintf(f, ", \"errno\": %d}\n", last_errno);
	len = (size_t)ftell(f);
	fclose(f);
	/* not by stdio: children must not print it again */
	if (write(1, line, len) != (ssize_t)len)
		abort();
}

const char *num(const char *prefix, long n)
{
	static char bufs[4][64];
	static unsigned i;
	char *to = bufs[i++ % 4];

	snprintf(to, sizeof(bufs[0]), "%s%ld", prefix, n);
	return to;
}

void reap(pid_t pid, int expect)
{
	int status;

	must(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == expect,
	     "child");
}

/* A precondition of the test itself. */
void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "oracle: %s: %s\n", what, strerror(errno));
	exit(3);
}

static void open_plain(void)
{
	int fd, (*opens[])(const char *, int, ...) = {open, open64};
	const char *names[] = {"open", "open64"};

	for (int i = 0; i < 2; i++) {
		umask(0);
		fd = CALL(opens[i]("made", O_WRONLY | O_CREAT | O_EXCL, 0640));
		want(names[i], fd, ALSO(join("made")), "made", "O_WRONLY|O_CREAT|O_EXCL", "0640",
		     NULL);
		close(fd);
		fd = CALL(opens[i]("made", O_WRONLY | O_CREAT | O_EXCL, 0600));
		want(names[i], fd, ALSO(join("made"), .error = EEXIST), "made",
		     "O_WRONLY|O_CREAT|O_EXCL", "0600", NULL);
		fd = CALL(opens[i]("./made", O_RDONLY | O_CLOEXEC));
		want(names[i], fd, ALSO(join("made")), "./made", "O_RDONLY|O_CLOEXEC", NULL);
		close(fd);
		fd = CALL(opens[i]("none", O_RDWR));
		want(names[i], fd, ALSO(join("none"), .error = ENOENT), "none", "O_RDWR", NULL);
		fd = CALL(opens[i]("made/x", O_RDONLY));
		want(names[i], fd, ALSO(join("made/x"), .error = ENOTDIR), "made/x", "O_RDONLY",
		     NULL);
		fd = CALL(opens[i](null, O_RDONLY));
		want(names[i], fd, ALSO(.error = EFAULT), "NULL", "O_RDONLY", NULL);
		fd = CALL(opens[i]("", O_RDONLY));
		want(names[i], fd, ALSO(.error = ENOENT), "", "O_RDONLY", NULL);
		fd = CALL(opens[i](".", O_RDWR | O_TMPFILE, 0604));
		if (fd < 0)
			want(names[i], fd, ALSO(here, .error = last_errno), ".", "O_RDWR|O_TMPFILE",
			     "0604", NULL);
		else
			want(names[i], fd, ALSO(here), ".", "O_RDWR|O_TMPFILE", "0604", NULL);
		close(fd);
		/* reads of these trees are left out, writes are not */
		close(CALL(opens[i]("/proc/self/stat", O_RDONLY)));
		close(CALL(opens[i]("/dev/null", O_RDWR)));
		fd = CALL(opens[i]("/proc/self/comm", O_WRONLY));
		want(names[i], fd, ALSO("/proc/self/comm"), "/proc/self/comm", "O_WRONLY", NULL);
		close(fd);
		unlink("made");
		last_errno = MARK;
		want("unlink", 0, ALSO(join("made")), "made", NULL);
	}
}

static void open_at(void)
{
	int fd, dir, (*opens[])(int, const char *, int, ...) = {openat, openat64};
	const char *names[] = {"openat", "openat64"};

	must(mkdir("sub", 0755) == 0, "mkdir sub");
	last_errno = MARK;
	want("mkdir", 0, ALSO(join("sub")), "sub", "0755", NULL);
	dir = CALL(open("sub", O_RDONLY | O_DIRECTORY));
	want("open", dir, ALSO(join("sub")), "sub", "O_RDONLY|O_DIRECTORY", NULL);
	for (int i = 0; i < 2; i++) {
		fd = CALL(opens[i](dir, "f", O_RDWR | O_CREAT | O_TRUNC, 0600));
		want(names[i], fd, ALSO(join("sub/f")), FD(dir), "f", "O_RDWR|O_CREAT|O_TRUNC",
		     "0600", NULL);
		close(fd);
		fd = CALL(opens[i](AT_FDCWD, "sub/f", O_RDONLY));
		want(names[i], fd, ALSO(join("sub/f")), "AT_FDCWD", "sub/f", "O_RDONLY", NULL);
		close(fd);
		fd = CALL(opens[i](dir, join("sub/f"), O_RDONLY));
		want(names[i], fd, ALSO(join("sub/f")), FD(dir), join("sub/f"), "O_RDONLY", NULL);
		close(fd);
		fd = CALL(opens[i](777, "f", O_RDONLY));
		want(names[i], fd, ALSO(.error = EBADF), "fd:777", "f", "O_RDONLY", NULL);
		fd = CALL(opens[i](dir, null, O_RDONLY));
		want(names[i], fd, ALSO(.error = EFAULT), FD(dir), "NULL", "O_RDONLY", NULL);
		fd = CALL(opens[i](dir, "../none", O_RDONLY));
		want(names[i], fd, ALSO(join("none"), .error = ENOENT), FD(dir), "../none",
		     "O_RDONLY", NULL);
		fd = CALL(opens[i](dir, ".", O_RDWR | O_TMPFILE, 0600));
		want(names[i], fd, ALSO(join("sub"), .error = fd < 0 ? last_errno : 0), FD(dir),
		     ".", "O_RDWR|O_TMPFILE", "0600", NULL);
		close(fd);
	}
	fd = CALL(__open_2("sub/f", O_RDONLY));
	want("__open_2", fd, ALSO(join("sub/f")), "sub/f", "O_RDONLY", NULL);
	close(fd);
	fd = CALL(__open_2("none", O_RDONLY));
	want("__open_2", fd, ALSO(join("none"), .error = ENOENT), "none", "O_RDONLY", NULL);
	fd = CALL(__open64_2("sub/f", O_WRONLY));
	want("__open64_2", fd, ALSO(join("sub/f")), "sub/f", "O_WRONLY", NULL);
	close(fd);
	fd = CALL(__open64_2("sub", O_WRONLY));
	want("__open64_2", fd, ALSO(join("sub"), .error = EISDIR), "sub", "O_WRONLY", NULL);
	fd = CALL(__openat_2(dir, "f", O_RDONLY));
	want("__openat_2", fd, ALSO(join("sub/f")), FD(dir), "f", "O_RDONLY", NULL);
	close(fd);
	fd = CALL(__openat_2(777, "f", O_RDONLY));
	want("__openat_2", fd, ALSO(.error = EBADF), "fd:777", "f", "O_RDONLY", NULL);
	fd = CALL(__openat64_2(dir, "f", O_RDONLY));
	want("__openat64_2", fd, ALSO(join("sub/f")), FD(dir), "f", "O_RDONLY", NULL);
	close(fd);
	fd = CALL(__openat64_2(AT_FDCWD, "none", O_RDONLY));
	want("__openat64_2", fd, ALSO(join("none"), .error = ENOENT), "AT_FDCWD", "none",
	     "O_RDONLY", NULL);
	close(dir);
}

static void creat_and_streams(void)
{
	FILE *f, *g, *(*fopens[])(const char *, const char *) = {fopen, fopen64};
	FILE *(*freopens[])(const char *, const char *, FILE *) = {freopen, freopen64};
	const char *fopen_names[] = {"fopen", "fopen64"},
		   *freopen_names[] = {"freopen", "freopen64"};
	const char *creat_names[] = {"creat", "creat64"};
	int fd, was, (*creats[])(const char *, mode_t) = {creat, creat64};

	for (int i = 0; i < 2; i++) {
		fd = CALL(creats[i]("made", 0666));
		want(creat_names[i], fd, ALSO(join("made")), "made", "0666", NULL);
		close(fd);
		fd = CALL(creats[i]("sub", 0666));
		want(creat_names[i], fd, ALSO(join("sub"), .error = EISDIR), "sub", "0666", NULL);
		f = CALL(fopens[i]("made", "w+e"));
		must(f != NULL, "fopen");
		want(fopen_names[i], fileno(f), ALSO(join("made")), "made", "w+e", NULL);
		g = CALL(fopens[i]("none", "r"));
		want(fopen_names[i], g ? 0 : -1, ALSO(join("none"), .error = ENOENT), "none", "r",
		     NULL);
		g = CALL(fopens[i]("made", "q"));
		want(fopen_names[i], g ? 0 : -1, ALSO(join("made"), .error = EINVAL), "made", "q",
		     NULL);
		was = fileno(f);
		f = CALL(freopens[i]("made", "a", f));
		must(f != NULL, "freopen");
		want(freopen_names[i], fileno(f), ALSO(join("made")), "made", "a", FD(was), NULL);
		was = fileno(f);
		g = CALL(freopens[i]("none/x", "r", f));
		want(freopen_names[i], g ? 0 : -1, ALSO(join("none/x"), .error = ENOENT), "none/x",
		     "r", FD(was), NULL);
		unlink("made");
		last_errno = MARK;
		want("unlink", 0, ALSO(join("made")), "made", NULL);
	}
}

static void touch(const char *name)
{
	int fd = CALL(creat(name, 0600));

	must(fd >= 0, "touch");
	want("creat", fd, ALSO(join(name)), name, "0600", NULL);
	close(fd);
}

static void names(void)
{
	int dir, r;

	touch("a");
	dir = CALL(open("sub", O_PATH));
	want("open", dir, ALSO(join("sub")), "sub", "O_PATH", NULL);
	r = CALL(link("a", "b"));
	want("link", r, ALSO(join("a"), join("b")), "a", "b", NULL);
	r = CALL(link("a", "b"));
	want("link", r, ALSO(join("a"), join("b"), .error = EEXIST), "a", "b", NULL);
	r = CALL(symlink("to/nowhere", "l"));
	want("symlink", r, ALSO(join("l")), "to/nowhere", "l", NULL);
	r = CALL(symlink("x", "l"));
	want("symlink", r, ALSO(join("l"), .error = EEXIST), "x", "l", NULL);
	r = CALL(rename("a", "sub/a"));
	want("rename", r, ALSO(join("a"), join("sub/a")), "a", "sub/a", NULL);
	r = CALL(rename("a", "c"));
	want("rename", r, ALSO(join("a"), join("c"), .error = ENOENT), "a", "c", NULL);
	r = CALL(rename(null, "c"));
	want("rename", r, ALSO(.path2 = join("c"), .error = EFAULT), "NULL", "c", NULL);
	r = CALL(renameat(dir, "a", AT_FDCWD, "a"));
	want("renameat", r, ALSO(join("sub/a"), join("a")), FD(dir), "a", "AT_FDCWD", "a", NULL);
	r = CALL(renameat(777, "a", dir, "z"));
	want("renameat", r, ALSO(.path2 = join("sub/z"), .error = EBADF), "fd:777", "a", FD(dir),
	     "z", NULL);
	r = CALL(renameat2(AT_FDCWD, "a", dir, "a", RENAME_NOREPLACE));
	want("renameat2", r, ALSO(join("a"), join("sub/a"), .error = r < 0 ? last_errno : 0),
	     "AT_FDCWD", "a", FD(dir), "a", "RENAME_NOREPLACE", NULL);
	r = CALL(renameat2(AT_FDCWD, "b", AT_FDCWD, "none", 1u << 20));
	want("renameat2", r, ALSO(join("b"), join("none"), .error = EINVAL), "AT_FDCWD", "b",
	     "AT_FDCWD", "none", "0x100000", NULL);
	r = CALL(unlinkat(dir, "a", 0));
	want("unlinkat", r, ALSO(join("sub/a")), FD(dir), "a", "0", NULL);
	r = CALL(mkdir("sub/d", 0750));
	want("mkdir", r, ALSO(join("sub/d")), "sub/d", "0750", NULL);
	r = CALL(mkdir("sub/d", 0777));
	want("mkdir", r, ALSO(join("sub/d"), .error = EEXIST), "sub/d", "0777", NULL);
	r = CALL(rmdir("sub"));
	want("rmdir", r, ALSO(join("sub"), .error = ENOTEMPTY), "sub", NULL);
	r = CALL(unlinkat(dir, "d", AT_REMOVEDIR));
	want("unlinkat", r, ALSO(join("sub/d")), FD(dir), "d", "AT_REMOVEDIR", NULL);
	r = CALL(unlinkat(dir, "d", 0));
	want("unlinkat", r, ALSO(join("sub/d"), .error = ENOENT), FD(dir), "d", "0", NULL);
	r = CALL(unlink("l"));
	want("unlink", r, ALSO(join("l")), "l", NULL);
	r = CALL(unlink(null));
	want("unlink", r, ALSO(.error = EFAULT), "NULL", NULL);
	r = CALL(remove("b"));
	want("remove", r, ALSO(join("b")), "b", NULL);
	r = CALL(remove("b"));
	want("remove", r, ALSO(join("b"), .error = ENOENT), "b", NULL);
	r = CALL(rmdir("b"));
	want("rmdir", r, ALSO(join("b"), .error = ENOENT), "b", NULL);
	close(dir);
}

/* Relative names follow the process through chdir and fchdir. */
static void folders(void)
{
	int dir, fd, r;

	dir = CALL(open(".", O_RDONLY | O_DIRECTORY));
	want("open", dir, ALSO(here), ".", "O_RDONLY|O_DIRECTORY", NULL);
	r = CALL(chdir("sub"));
	want("chdir", r, ALSO(join("sub")), "sub", NULL);
	fd = CALL(open("f", O_RDONLY));
	want("open", fd, ALSO(join("sub/f")), "f", "O_RDONLY", NULL);
	close(fd);
	fd = CALL(open("../gone", O_RDONLY));
	want("open", fd, ALSO(join("gone"), .error = ENOENT), "../gone", "O_RDONLY", NULL);
	r = CALL(chdir("nowhere"));
	want("chdir", r, ALSO(join("sub/nowhere"), .error = ENOENT), "nowhere", NULL);
	r = CALL(fchdir(777));
	want("fchdir", r, ALSO(.error = EBADF), "fd:777", NULL);
	r = CALL(fchdir(dir));
	want("fchdir", r, ALSO(here), FD(dir), NULL);
	r = CALL(unlink("sub/f"));
	want("unlink", r, ALSO(join("sub/f")), "sub/f", NULL);
	r = CALL(rmdir("sub"));
	want("rmdir", r, ALSO(join("sub")), "sub", NULL);
	close(dir);
}

/* EACCES for one who may not: in a child, since there is no way back. */
static void without_rights(void)
{
	pid_t pid;
	int fd, status;

	touch("private");
	pid = CALL(fork());
	if (pid == 0) {
		if (geteuid() == 0) {
			must(CALL(setresuid(NOBODY, NOBODY, NOBODY)) == 0, "setresuid");
			want("setresuid", 0, ALSO(NULL), "65534", "65534", "65534", NULL);
		} else {
			must(CALL(chmod("private", 0)) == 0, "chmod private");
			want("chmod", 0, ALSO(join("private")), "private", "0", NULL);
		}
		fd = CALL(open("private", O_RDONLY));
		want("open", fd, ALSO(join("private"), .error = EACCES), "private", "O_RDONLY",
		     NULL);
		_exit(0);
	}
	want("fork", pid, ALSO(NULL), NULL);
	waitpid(pid, &status, 0);
	CALL(unlink("private"));
	want("unlink", 0, ALSO(join("private")), "private", NULL);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "noop") == 0)
		return 0;
	signal(SIGPIPE, SIG_DFL);
	alarm(60);
	must(argc > 1 && getcwd(here, sizeof(here)) &&
		     readlink("/proc/self/exe", self, sizeof(self) - 1) > 0,
	     "start");
	unknown_numbers();
	open_plain();
	open_at();
	creat_and_streams();
	names();
	folders();
	without_rights();
	files();
	privileges();
	network();
	programs();
	processes();
	numbers();
	return 0;
}
