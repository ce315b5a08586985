/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls with arguments that are hard to look at, and says what came back; hard_cases.py runs it
 * with and without Telltale and compares every byte. Works in the current folder.
 */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags);
int __openat64_2(int dirfd, const char *path, int flags);

extern char **environ;

static char *target; /* the program that is started */
static size_t page;

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "hard_probe: %s: %s\n", what, strerror(errno));
	_exit(3);
}

/* @size bytes at the very end of a page; what follows cannot be read. */
static char *at_edge(size_t size)
{
	char *p = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED && mprotect(p + 2 * page, page, PROT_NONE) == 0, "mmap");
	return p + 2 * page - size;
}

static char *text_at_edge(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(at_edge(size), text, size);
}

/* @size bytes that no NUL ends before memory does. */
static char *without_end(size_t size)
{
	return memset(at_edge(size), 'e', size);
}

static char *unmapped(void)
{
	char *p = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED && munmap(p, page) == 0, "munmap");
	return p;
}

static const char *what;

static void said(const char *call, long r)
{
	printf("%s(%s) = %ld %s\n", call, what, r, r == -1 ? strerror(errno) : "");
	errno = 0;
}

/* In a child: what does not come back as an error ends it, by signal or as another program. */
#define IN_CHILD(call, expression)                                   \
	do {                                                         \
		int status_;                                         \
		pid_t pid_;                                          \
                                                                     \
		fflush(stdout);                                      \
		pid_ = fork();                                       \
		must(pid_ >= 0, "fork");                             \
		if (pid_ == 0) {                                     \
			said(call, (long)(expression));              \
			fflush(stdout);                              \
			_exit(7);                                    \
		}                                                    \
		must(waitpid(pid_, &status_, 0) == pid_, "waitpid"); \
		printf("%s(%s): status %#x\n", call, what, status_); \
	} while (0)

static void paths(char *bad, int dir)
{
	said("open", open(bad, O_RDONLY));
	said("open64", open64(bad, O_RDONLY));
	said("openat", openat(AT_FDCWD, bad, O_RDONLY));
	said("openat64", openat64(dir, bad, O_RDONLY));
	said("__open_2", __open_2(bad, O_RDONLY));
	said("__open64_2", __open64_2(bad, O_RDONLY));
	said("__openat_2", __openat_2(dir, bad, O_RDONLY));
	said("__openat64_2", __openat64_2(dir, bad, O_RDONLY));
	said("openat of no fd", openat(-1, bad, O_RDONLY));
	said("open with O_CREAT", open(bad, O_WRONLY | O_CREAT, 0600));
	said("creat", creat(bad, 0600));
	said("creat64", creat64(bad, 0600));
	said("fopen", fopen(bad, "r") != NULL);
	said("fopen64", fopen64(bad, "r") != NULL);
	said("unlink", unlink(bad));
	said("unlinkat", unlinkat(dir, bad, 0));
	said("remove", remove(bad));
	said("rename from", rename(bad, "x"));
	said("rename to", rename("there", bad));
	said("renameat", renameat(dir, bad, dir, bad));
	said("renameat2", renameat2(dir, "there", dir, bad, 0));
	said("mkdir", mkdir(bad, 0700));
	said("rmdir", rmdir(bad));
	said("link", link("there", bad));
	said("symlink", symlink(bad, "link"));
	said("symlink to", symlink("there", bad));
	said("chdir", chdir(bad));
	said("chroot", chroot(bad));
	said("mkdirat", mkdirat(dir, bad, 0700));
	said("linkat", linkat(dir, bad, dir, "x", 0));
	said("symlinkat", symlinkat("x", dir, bad));
	said("truncate", truncate(bad, 3));
	said("chmod", chmod(bad, 0600));
	said("fchmodat", fchmodat(dir, bad, 0600, 0));
	said("chown", chown(bad, 0, 0));
	said("fchownat", fchownat(dir, bad, 0, 0, 0));
	said("utimensat", bad ? utimensat(dir, bad, NULL, 0) : 0);
	said("utimensat times", utimensat(dir, "there", (struct timespec *)(void *)bad, 0));
	said("setxattr path", setxattr(bad, "user.x", "y", 1, 0));
	said("setxattr name", setxattr("there", bad, "y", 1, 0));
	said("setxattr value", setxattr("there", "user.x", bad, 1, XATTR_REPLACE));
	said("mkfifo", mkfifo(bad, 0600));
	said("mknod", mknod(bad, S_IFREG | 0600, 0));
	IN_CHILD("opendir", opendir(bad) != NULL); /* libc looks at the text */
	said("memfd_create", memfd_create(bad, MFD_CLOEXEC) >= 0 ? 0 : -1);
	/* each of these alone makes it fail, whoever asks */
	said("mount source", mount(bad, "/not/there", "tmpfs", 0, NULL));
	said("mount target", mount("none", bad, "tmpfs", 0, NULL));
	said("mount type", mount("none", "/not/there", bad, 0, NULL));
	said("mount data", mount("none", "/not/there", "tmpfs", 0, bad));
	said("umount", umount(bad));
	IN_CHILD("mkstemp", mkstemp(bad));
	IN_CHILD("mkdtemp", mkdtemp(bad) != NULL);
}

static void programs(char *bad, int dir)
{
	char *good[] = {(char *)"good", NULL}, *holed[] = {(char *)"a", bad, NULL}, *env[] = {NULL};
	char **vector = (char **)(void *)bad;
	pid_t pid = 0;

	IN_CHILD("execve path", execve(bad, good, env));
	IN_CHILD("execv path", execv(bad, good));
	IN_CHILD("execvp path", execvp(bad, good));
	IN_CHILD("execvpe path", execvpe(bad, good, env));
	IN_CHILD("execl path", execl(bad, "a", NULL));
	IN_CHILD("execle path", execle(bad, "a", NULL, env));
	IN_CHILD("execveat path", execveat(dir, bad, good, env, 0));
	IN_CHILD("execveat empty path", execveat(dir, bad, good, env, AT_EMPTY_PATH));
	IN_CHILD("posix_spawn path", posix_spawn(&pid, bad, NULL, NULL, good, env));
	IN_CHILD("system", system(bad));
	/* NULL ends a vector: nothing is wrong with it */
	if (bad) {
		IN_CHILD("execve argument", execve(target, holed, env));
		IN_CHILD("execve variable", execve(target, good, holed));
		IN_CHILD("posix_spawn variable",
			 posix_spawn(&pid, target, NULL, NULL, good, holed));
	}
	/* from here on @bad is no string, but where pointers to strings are looked for */
	if ((uintptr_t)bad % sizeof(char *) == 0) {
		IN_CHILD("execve argv", execve(target, vector, env));
		IN_CHILD("execve envp", execve(target, good, vector));
		IN_CHILD("execvpe envp", execvpe(target, good, vector));
		IN_CHILD("fexecve envp", fexecve(dir, good, vector));
		IN_CHILD("posix_spawn envp", posix_spawn(&pid, target, NULL, NULL, good, vector));
	}
}

static void addresses(char *bad)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr *sa = (struct sockaddr *)(void *)bad;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(in), *bad_len = (socklen_t *)(void *)bad;
	int listener = socket(AF_INET, SOCK_STREAM, 0), peer;

	said("connect", connect(fd, sa, 16));
	said("connect, negative", connect(fd, sa, (socklen_t)-1));
	said("connect, none", connect(fd, sa, 0));
	said("bind", bind(on, sa, 110));
	said("bind, too long", bind(on, sa, 129));
	must(bind(listener, (struct sockaddr *)&in, len) == 0 && listen(listener, 9) == 0 &&
		     getsockname(listener, (struct sockaddr *)&in, &len) == 0,
	     "listen");
	for (int i = 0; i < 4; i++) {
		peer = socket(AF_INET, SOCK_STREAM, 0);
		must(connect(peer, (struct sockaddr *)&in, len) == 0, "connect");
		close(peer);
	}
	/* in this order: memory that can be written to holds the same in each run */
	said("accept length", accept(listener, (struct sockaddr *)&in, bad_len));
	said("accept4 both", accept4(listener, sa, bad_len, SOCK_CLOEXEC));
	said("accept neither", accept(listener, NULL, bad_len));
	said("accept into", accept(listener, sa, &len));
	close(listener);
	close(fd);
	close(on);
}

/* pointers: that lead nowhere, or to something that goes on nowhere */
static void do_pointers(void)
{
	const struct {
		const char *name;
		char *at;
	} bad[] = {
		{"NULL", NULL},
		{"1", (char *)1},
		{"4095", (char *)4095},
		{"4096", (char *)4096},
		{"unmapped", unmapped()},
		{"no access", at_edge(0)},
		{"not aligned", at_edge(0) + 5},
		{"without end", without_end(9)},
		{"without end, over a page", without_end(page + 100)},
		{"a vector without end", memset(without_end(8), 0x41, 8)},
		{"last of the user half", (char *)0x7ffffffff000},
		{"not canonical", (char *)0x8000000000000000},
		{"kernel", (char *)0xffff888000000000},
		{"-4096", (char *)-4096},
		{"-1", (char *)-1},
	};
	int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	close(open("there", O_WRONLY | O_CREAT, 0600));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		what = bad[i].name;
		paths(bad[i].at, dir);
		programs(bad[i].at, dir);
		addresses(bad[i].at);
	}
}

static void accepted(int listener, const struct sockaddr *to, socklen_t to_len, socklen_t room)
{
	struct sockaddr_un own = {.sun_family = AF_UNIX, .sun_path = "a client of some length"};
	int fd = socket(to->sa_family, SOCK_STREAM, 0), r;
	unsigned char *buf = (unsigned char *)at_edge(room > 128 ? 128 : room);
	socklen_t *len = (socklen_t *)(void *)at_edge(sizeof(*len));

	unlink(own.sun_path);
	must(to->sa_family != AF_UNIX || bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0,
	     "bind");
	must(connect(fd, to, to_len) == 0, "connect");
	*len = room;
	r = accept(listener, (struct sockaddr *)buf, len);
	printf("accept with room for %u = %d, length %u:", room, r, *len);
	for (socklen_t i = 0; i < room && i < *len && i < 128; i++)
		if (to->sa_family == AF_UNIX || i < 2 || i > 3) /* not the port */
			printf(" %02x", buf[i]);
	putchar('\n');
	close(r);
	close(fd);
}

/* edges: addresses and paths that end where memory does, room for less than there is */
static void do_edges(void)
{
	static const socklen_t rooms[] = {0, 1, 2, 3, 7, 8, 15, 16, 17, 27, 28, 110, 128, 200};
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)at_edge(sizeof(*in));
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)at_edge(sizeof(*un));
	int tcp = socket(AF_INET, SOCK_STREAM, 0), local = socket(AF_UNIX, SOCK_STREAM, 0);
	socklen_t len = sizeof(*in);

	memset(in, 0, sizeof(*in));
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	memset(un, 'u', sizeof(*un)); /* a path without NUL, as long as can be */
	un->sun_family = AF_UNIX;
	must(bind(tcp, (struct sockaddr *)in, len) == 0 && listen(tcp, 9) == 0 &&
		     getsockname(tcp, (struct sockaddr *)in, &len) == 0,
	     "tcp");
	must(bind(local, (struct sockaddr *)un, sizeof(*un)) == 0 && listen(local, 9) == 0, "unix");
	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		accepted(tcp, (struct sockaddr *)in, len, rooms[i]);
		accepted(local, (struct sockaddr *)un, sizeof(*un), rooms[i]);
	}
	what = "at the edge";
	said("open", open(text_at_edge("new"), O_WRONLY | O_CREAT, 0600));
	said("openat", openat(AT_FDCWD, text_at_edge("new"), O_RDONLY));
	said("mkdir", mkdir(text_at_edge("folder"), 0700));
	said("chdir", chdir(text_at_edge("folder")));
	said("rename", rename(text_at_edge("../new"), text_at_edge("newer")));
	said("empty", open(text_at_edge(""), O_RDONLY));
	said("system", system(text_at_edge("exit 3")));
	said("getaddrinfo", getaddrinfo(text_at_edge("127.0.0.1"), text_at_edge("1"), NULL,
					&(struct addrinfo *){NULL}));
}

static void mode_of(const char *call, int fd)
{
	struct stat st = {0};

	printf("%s: %d ", call, fd < 0 ? -1 : 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		printf("%s\n", strerror(errno));
	else
		printf("mode %o, %s, links %d\n", (unsigned)st.st_mode,
		       fcntl(fd, F_GETFD) & FD_CLOEXEC ? "cloexec" : "inherited", (int)st.st_nlink);
	if (fd >= 0)
		close(fd);
	unlink("made");
}

/* modes: the third argument that is there only sometimes */
static void do_modes(void)
{
	static const int flags[] = {
		O_WRONLY | O_CREAT,
		O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		O_RDWR | O_CREAT | O_TRUNC,
		O_RDONLY | O_CREAT | O_NOFOLLOW,
	};
	static const mode_t modes[] = {0, 0600, 0644, 0777, 04755, 01777, 0170644};

	umask(022);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		printf("mode %o\n", (unsigned)modes[i]);
		for (size_t k = 0; k < sizeof(flags) / sizeof(flags[0]); k++) {
			mode_of("open", open("made", flags[k], modes[i]));
			mode_of("open64", open64("made", flags[k], modes[i]));
			mode_of("openat", openat(AT_FDCWD, "made", flags[k], modes[i]));
			mode_of("openat64", openat64(AT_FDCWD, "made", flags[k], modes[i]));
		}
		mode_of("O_TMPFILE open", open(".", O_TMPFILE | O_RDWR, modes[i]));
		mode_of("O_TMPFILE open64", open64(".", O_TMPFILE | O_WRONLY, modes[i]));
		mode_of("O_TMPFILE openat", openat(AT_FDCWD, ".", O_TMPFILE | O_RDWR, modes[i]));
		mode_of("O_TMPFILE openat64",
			openat64(AT_FDCWD, ".", O_TMPFILE | O_RDWR | O_EXCL, modes[i]));
		mode_of("O_TMPFILE read-only", open(".", O_TMPFILE | O_RDONLY, modes[i]));
		mode_of("creat", creat("made", modes[i]));
		mode_of("creat64", creat64("made", modes[i]));
	}
	mode_of("O_DIRECTORY alone", open(".", O_RDONLY | O_DIRECTORY));
	what = "";
	/* libc ends a program that forgets the mode where the compiler could not see it */
	IN_CHILD("__open_2 with O_CREAT", __open_2("made", O_WRONLY | O_CREAT));
	IN_CHILD("__open64_2 with O_TMPFILE", __open64_2(".", O_WRONLY | O_TMPFILE));
	IN_CHILD("__openat_2 with O_CREAT", __openat_2(AT_FDCWD, "made", O_WRONLY | O_CREAT));
	IN_CHILD("__openat64_2 with O_CREAT", __openat64_2(AT_FDCWD, "made", O_WRONLY | O_CREAT));
	mode_of("__open_2", __open_2("there", O_RDONLY | O_CLOEXEC));
	mode_of("__open64_2", __open64_2("there", O_WRONLY));
	mode_of("__openat_2", __openat_2(AT_FDCWD, "there", O_RDONLY));
	mode_of("__openat64_2", __openat64_2(AT_FDCWD, ".", O_RDONLY));
}

static void start(int how, bool exists)
{
	char *argv[] = {(char *)"argv 0", (char *)"show", (char *)"", (char *)"two  words", NULL};
	char *env[] = {(char *)"ONLY=this", (char *)"PATH=/nowhere", NULL}, *none[] = {NULL};
	const char *path = exists ? target : "./not/there", *name = strrchr(target, '/') + 1;
	int fd = open(exists ? target : ".", O_RDONLY | O_CLOEXEC), inherited = dup(fd);

	if (!exists)
		name = "not-there";
	switch (how) {
	case 0:
		execve(path, argv, env);
		break;
	case 1:
		execve(path, argv, none);
		break;
	case 2:
		execve(path, argv, NULL);
		break;
	case 3:
		execv(path, argv);
		break;
	case 4:
		execvp(name, argv);
		break;
	case 5:
		execvp(path, argv);
		break;
	case 6:
		execvpe(name, argv, env);
		break;
	case 7:
		execl(path, "argv 0", "show", "a", "b", "c", "d", "e", "f", "g", NULL);
		break;
	case 8:
		execlp(name, "argv 0", "show", NULL);
		break;
	case 9:
		execle(path, "argv 0", "show", "x", NULL, env);
		break;
	case 10:
		execle(path, "argv 0", "show", NULL, none);
		break;
	case 11:
		fexecve(inherited, argv, env);
		break;
	case 12:
		fexecve(fd, argv, env);
		break;
	case 13:
		execveat(AT_FDCWD, path, argv, env, 0);
		break;
	case 14:
		execveat(fd, "", argv, env, AT_EMPTY_PATH);
		break;
	case 15:
		execveat(AT_FDCWD, path, argv, env, AT_SYMLINK_NOFOLLOW);
		break;
	default:
		errno = 0;
		break;
	}
	/* no stdio: this may be a vfork child */
	dprintf(1, "variant %d: %s\n", how, strerror(errno));
	_exit(errno == 0 ? 99 : 42);
}

/* execs: each variant after fork and after vfork, of a program that is there and one that is not */
static void do_execs(void)
{
	int status;

	setenv("PATH", "/nowhere:.:/bin", 1);
	must(symlink(target, strrchr(target, '/') + 1) == 0, "symlink");
	for (int how = 0; how < 16; how++) {
		for (int i = 0; i < 4; i++) {
			pid_t pid;

			printf("variant %d, %s, %s\n", how, i & 1 ? "vfork" : "fork",
			       i & 2 ? "not there" : "there");
			fflush(stdout);
			pid = i & 1 ? vfork() : fork();
			if (pid == 0)
				start(how, !(i & 2));
			must(pid > 0 && waitpid(pid, &status, 0) == pid, "waitpid");
			printf("status %#x\n", status);
		}
	}
}

/* plugin LIBRARY: code that comes with dlopen makes calls, in its constructor too */
static void do_plugin(const char *library)
{
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	int (*work)(const char *name);

	if (!handle) {
		fprintf(stderr, "%s\n", dlerror());
		exit(3);
	}
	work = (int (*)(const char *))dlsym(handle, "plugin_work");
	what = "plugin";
	said("work", work("by-plugin"));
	said("again", work("by-plugin"));
	dlclose(handle);
	said("open after dlclose", open("none", O_RDONLY));
}

/* fds: which of the first are open, and which numbers are given out; the report goes to fd 9 */
static void do_fds(void)
{
	for (int fd = 0; fd < 20; fd++)
		dprintf(9, "%d %s\n", fd, fcntl(fd, F_GETFD) < 0 ? strerror(errno) : "open");
	for (int i = 0; i < 5; i++)
		dprintf(9, "new %d\n", open("file", O_RDWR | O_CREAT, 0600));
	dprintf(9, "system %d\n", system("exit 3"));
	for (int fd = 0; fd < 9; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			dprintf(9, "%d %ld bytes\n", fd, (long)lseek(fd, 0, SEEK_END));
}

int main(int argc, char **argv)
{
	alarm(60);
	page = (size_t)sysconf(_SC_PAGESIZE);
	if (argc == 2 && strcmp(argv[1], "fds") == 0) {
		do_fds();
		return 0;
	}
	if (argc != 3)
		return 2;
	target = argv[2];
	if (strcmp(argv[1], "pointers") == 0)
		do_pointers();
	else if (strcmp(argv[1], "edges") == 0)
		do_edges();
	else if (strcmp(argv[1], "modes") == 0)
		do_modes();
	else if (strcmp(argv[1], "execs") == 0)
		do_execs();
	else if (strcmp(argv[1], "plugin") == 0)
		do_plugin(argv[2]);
	else
		return 2;
	return 0;
}
