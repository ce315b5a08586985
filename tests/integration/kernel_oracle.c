/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does what the kernel sensor must see, and prints each act on stdout: one line of JSON with the
 * kind of act, its paths or address, and what the kernel answered. kernel_oracle.py compares.
 *
 *	kernel_oracle acts	in the current folder, which must be empty
 *	kernel_oracle noop	nothing: the program that is executed
 *
 * Built with glibc, with musl, static, and with ORACLE_RAW without any libc: each act is then the
 * system call itself, where there is an older form that one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/sys.h"

/* musl has no header for it */
#ifndef MFD_CLOEXEC
#define MFD_CLOEXEC 1u
#endif
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

/* One act by libc or by its number: the result, or -errno. */
#ifdef ORACLE_RAW
#define TRY(libc, raw) (raw)
#else
#define TRY(libc, raw)                  \
	({                              \
		long r_ = (libc);       \
		r_ == -1 ? -errno : r_; \
	})
#endif
/* The older form where the machine has one. */
#ifdef SYS_open
#define OLD(old, new) (old)
#else
#define OLD(old, new) (new)
#endif

static char line[16384];
static size_t len;
static char cwd[8192];
static int bad; /* acts that did not go as the test wants them */
extern char **environ;

#ifdef ORACLE_RAW
char **environ;

/* what the compiler makes calls of */
void *memset(void *to, int c, size_t n);
void *memset(void *to, int c, size_t n)
{
	volatile char *p = to;

	while (n--)
		*p++ = (char)c;
	return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	volatile char *p = to;
	const char *q = from;

	while (n--)
		*p++ = *q++;
	return to;
}
#endif

static void put(const char *text)
{
	while (*text && len < sizeof(line) - 1)
		line[len++] = *text++;
}

static void put_number(long n)
{
	char digits[24], *at = digits + sizeof(digits) - 1;
	unsigned long u = n < 0 ? -(unsigned long)n : (unsigned long)n;

	*at = 0;
	do
		*--at = (char)('0' + u % 10);
	while (u /= 10);
	if (n < 0)
		*--at = '-';
	put(at);
}

static void put_text(const char *key, const char *text)
{
	put(", \"");
	put(key);
	put("\": \"");
	put(text);
	put("\"");
}

static long own_pid(void)
{
	return tt_sys0(SYS_getpid);
}

static void put_act(const char *kind, long r)
{
	len = 0;
	put("{\"pid\": ");
	put_number(own_pid());
	put_text("act", kind);
	put(", \"result\": ");
	put_number(r < 0 ? -1 : r);
	if (r < 0) {
		put(", \"errno\": ");
		put_number(-r);
	}
}

static void flush_line(void)
{
	put("}\n");
	(void)tt_sys3(SYS_write, 1, line, len);
}

/* @path as text; relative to the current folder where it has no slash in front */
static void put_path(const char *key, const char *path)
{
	put(", \"");
	put(key);
	put("\": \"");
	if (path[0] != '/') {
		put(cwd);
		put("/");
	}
	put(path);
	put("\"");
}

static void said(const char *kind, const char *path, const char *path2, long r)
{
	put_act(kind, r);
	if (path)
		put_path("path", path);
	if (path2)
		put_path("path2", path2);
	flush_line();
}

static void said_addr(const char *kind, const char *addr, long port, long r)
{
	put_act(kind, r);
	put(", \"addr\": \"");
	put(addr);
	if (port)
		put_number(port);
	put("\"");
	flush_line();
}

static void must(int good)
{
	if (!good)
		bad++;
}

static void shut(long fd)
{
	(void)tt_sys1(SYS_close, fd);
}

static long try_open(const char *path, int flags, int mode)
{
	return TRY(open(path, flags, mode), OLD(tt_sys3(SYS_open, path, flags, mode),
						tt_sys4(SYS_openat, AT_FDCWD, path, flags, mode)));
}

static long said_open(const char *path, int flags)
{
	long r = try_open(path, flags, 0640);

	said("open", path, NULL, r);
	return r;
}

static void enter(const char *path)
{
	must(TRY(chdir(path), tt_sys1(SYS_chdir, path)) == 0);
	must(tt_sys2(SYS_getcwd, cwd, sizeof(cwd)) > 0);
}

static void opens(void)
{
	uint64_t how[3] = {O_RDWR | O_CREAT, 0600, 0}; /* struct open_how */
	long fd, dir;

	must(said_open("one", O_WRONLY | O_CREAT | O_EXCL) >= 0);
	must(said_open("one", O_WRONLY | O_CREAT | O_EXCL) == -EEXIST);
	must(said_open("one", O_RDONLY) >= 0);
	must(said_open("none", O_RDONLY) == -ENOENT);
	must(said_open("one/below", O_RDONLY) == -ENOTDIR);
	must(TRY(mkdir("sub", 0755), OLD(tt_sys2(SYS_mkdir, "sub", 0755),
					 tt_sys3(SYS_mkdirat, AT_FDCWD, "sub", 0755))) == 0);
	said("mkdir", "sub", NULL, 0);
	dir = said_open("sub", O_RDONLY | O_DIRECTORY);
	must(dir >= 0);
	fd = TRY(openat((int)dir, "two", O_RDWR | O_CREAT, 0600),
		 tt_sys4(SYS_openat, dir, "two", O_RDWR | O_CREAT, 0600));
	said("open", "sub/two", NULL, fd);
	fd = TRY(openat((int)dir, "../sub/three", O_RDONLY),
		 tt_sys4(SYS_openat, dir, "../sub/three", O_RDONLY, 0));
	said("open", "sub/three", NULL, fd);
	fd = TRY(syscall(SYS_openat2, dir, "how", how, sizeof(how)),
		 tt_sys4(SYS_openat2, dir, "how", how, sizeof(how)));
	said("open", "sub/how", NULL, fd);
	fd = TRY(creat("made", 0600),
		 OLD(tt_sys2(SYS_creat, "made", 0600),
		     tt_sys4(SYS_openat, AT_FDCWD, "made", O_CREAT | O_WRONLY | O_TRUNC, 0600)));
	said("open", "made", NULL, fd);
	must(TRY(symlink("sub/two", "to-two"),
		 OLD(tt_sys2(SYS_symlink, "sub/two", "to-two"),
		     tt_sys3(SYS_symlinkat, "sub/two", AT_FDCWD, "to-two"))) == 0);
	said("symlink", "to-two", NULL, 0);
	/* the kernel tells where it led, the library what was asked for */
	fd = try_open("to-two", O_RDONLY, 0);
	put_act("open", fd);
	put_path("path", "to-two");
	put_path("real", "sub/two");
	flush_line();
	/* a bad address: there is no text */
	must(try_open(NULL, O_RDONLY, 0) == -EFAULT);
	enter("sub");
	must(said_open("four", O_WRONLY | O_CREAT) >= 0);
	enter("..");
	for (fd = 3; fd < 32; fd++)
		shut(fd);
}

static void names(void)
{
	long r;

	r = TRY(rename("made", "moved"),
		OLD(tt_sys2(SYS_rename, "made", "moved"),
		    tt_sys4(SYS_renameat, AT_FDCWD, "made", AT_FDCWD, "moved")));
	said("rename", "made", "moved", r);
	r = TRY(syscall(SYS_renameat2, AT_FDCWD, "none", AT_FDCWD, "moved", 0),
		tt_sys6(SYS_renameat2, AT_FDCWD, (long)"none", AT_FDCWD, (long)"moved", 0, 0));
	said("rename", "none", "moved", r);
	r = TRY(link("moved", "linked"),
		OLD(tt_sys2(SYS_link, "moved", "linked"),
		    tt_sys6(SYS_linkat, AT_FDCWD, (long)"moved", AT_FDCWD, (long)"linked", 0, 0)));
	said("link", "moved", "linked", r);
	r = TRY(unlink("linked"),
		OLD(tt_sys1(SYS_unlink, "linked"), tt_sys3(SYS_unlinkat, AT_FDCWD, "linked", 0)));
	said("unlink", "linked", NULL, r);
	r = TRY(unlink("linked"),
		OLD(tt_sys1(SYS_unlink, "linked"), tt_sys3(SYS_unlinkat, AT_FDCWD, "linked", 0)));
	said("unlink", "linked", NULL, r);
	r = TRY(unlinkat(AT_FDCWD, "moved", 0), tt_sys3(SYS_unlinkat, AT_FDCWD, "moved", 0));
	said("unlink", "moved", NULL, r);
	r = TRY(mkdirat(AT_FDCWD, "empty", 0700), tt_sys3(SYS_mkdirat, AT_FDCWD, "empty", 0700));
	said("mkdir", "empty", NULL, r);
	r = TRY(rmdir("empty"), OLD(tt_sys1(SYS_rmdir, "empty"),
				    tt_sys3(SYS_unlinkat, AT_FDCWD, "empty", AT_REMOVEDIR)));
	said("rmdir", "empty", NULL, r);
	r = TRY(rmdir("sub"), OLD(tt_sys1(SYS_rmdir, "sub"),
				  tt_sys3(SYS_unlinkat, AT_FDCWD, "sub", AT_REMOVEDIR)));
	said("rmdir", "sub", NULL, r);
	must(r == -ENOTEMPTY);
}

static void meta(void)
{
	long r;

	r = TRY(chmod("one", 0600),
		OLD(tt_sys2(SYS_chmod, "one", 0600), tt_sys3(SYS_fchmodat, AT_FDCWD, "one", 0600)));
	said("chmod", "one", NULL, r);
	r = TRY(chmod("none", 0600), OLD(tt_sys2(SYS_chmod, "none", 0600),
					 tt_sys3(SYS_fchmodat, AT_FDCWD, "none", 0600)));
	said("chmod", "none", NULL, r);
	r = TRY(fchownat(AT_FDCWD, "one", (uid_t)-1, (gid_t)-1, 0),
		tt_sys6(SYS_fchownat, AT_FDCWD, (long)"one", -1, -1, 0, 0));
	said("chown", "one", NULL, r);
	r = TRY(truncate("one", 100), tt_sys2(SYS_truncate, "one", 100));
	said("truncate", "one", NULL, r);
	r = TRY(mkfifo("fifo", 0600),
		OLD(tt_sys3(SYS_mknod, "fifo", S_IFIFO | 0600, 0),
		    tt_sys4(SYS_mknodat, AT_FDCWD, "fifo", S_IFIFO | 0600, 0)));
	said("mknod", "fifo", NULL, r);
	r = TRY(unlink("fifo"),
		OLD(tt_sys1(SYS_unlink, "fifo"), tt_sys3(SYS_unlinkat, AT_FDCWD, "fifo", 0)));
	said("unlink", "fifo", NULL, r);
}

/* A text of PATH_MAX - 1 bytes, one of a byte more, and a folder deeper than any text. */
static void long_paths(void)
{
	static char text[PATH_MAX + 8];
	char home[sizeof(cwd)];
	size_t n;

	for (n = 0; cwd[n]; n++)
		home[n] = cwd[n];
	home[n] = 0;
	/* ./././ ... /file */
	for (n = 0; n < PATH_MAX - 5; n += 2) {
		text[n] = '.';
		text[n + 1] = '/';
	}
	while (n > PATH_MAX - 5)
		text[--n] = 0;
	for (const char *name = "/far"; *name; name++)
		text[n++] = *name;
	text[n] = 0;
	must(n == PATH_MAX - 1);
	must(said_open(text, O_WRONLY | O_CREAT) >= 0);
	text[n++] = 'x';
	text[n] = 0;
	must(said_open(text, O_WRONLY | O_CREAT) == -ENAMETOOLONG);
	for (n = 0; n < NAME_MAX; n++)
		text[n] = 'd';
	text[n] = 0;
	for (int i = 0; i < 17; i++) {
		must(TRY(mkdir(text, 0700), tt_sys3(SYS_mkdirat, AT_FDCWD, text, 0700)) == 0);
		must(TRY(chdir(text), tt_sys1(SYS_chdir, text)) == 0);
	}
	len = 0;
	put_act("deep", try_open("deep", O_WRONLY | O_CREAT, 0600));
	flush_line();
	(void)tt_sys3(SYS_unlinkat, AT_FDCWD, "deep", 0);
	for (int i = 0; i < 17; i++) {
		must(tt_sys1(SYS_chdir, "..") == 0);
		(void)tt_sys3(SYS_unlinkat, AT_FDCWD, text, AT_REMOVEDIR);
	}
	enter(home);
	for (int fd = 3; fd < 32; fd++)
		shut(fd);
}

#define ADDR(a) ((struct sockaddr *)&(a))

static long try_connect(long fd, const void *addr, size_t size)
{
	return TRY(connect((int)fd, addr, (socklen_t)size), tt_sys3(SYS_connect, fd, addr, size));
}

static long try_bind(long fd, const void *addr, size_t size)
{
	return TRY(bind((int)fd, addr, (socklen_t)size), tt_sys3(SYS_bind, fd, addr, size));
}

static long make_socket(int domain, int type)
{
	return TRY(socket(domain, type, 0), tt_sys3(SYS_socket, domain, type, 0));
}

static long port_of(long fd, void *addr, socklen_t size)
{
	must(tt_sys3(SYS_getsockname, fd, addr, &size) == 0);
	return ntohs(((struct sockaddr_in *)addr)->sin_port);
}

static void inet(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	long server = make_socket(AF_INET, SOCK_STREAM), c = make_socket(AF_INET, SOCK_STREAM), r,
	     p;
	char text[] = "x";

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r = try_bind(server, &a, sizeof(a));
	said_addr("bind", "127.0.0.1:0", 0, r);
	p = port_of(server, &a, sizeof(a));
	r = try_connect(c, &a, sizeof(a));
	said_addr("connect", "127.0.0.1:", p, r);
	must(r == -ECONNREFUSED);
	must(TRY(listen((int)server, 4), tt_sys2(SYS_listen, server, 4)) == 0);
	r = try_connect(c, &a, sizeof(a));
	said_addr("connect", "127.0.0.1:", p, r);
	r = TRY(accept4((int)server, NULL, NULL, SOCK_CLOEXEC),
		tt_sys4(SYS_accept4, server, 0, 0, SOCK_CLOEXEC));
	put_act("accept", r);
	flush_line();
	shut(r);
	shut(c);
	c = make_socket(AF_INET, SOCK_DGRAM);
	r = TRY(sendto((int)c, text, 1, 0, ADDR(a), sizeof(a)),
		tt_sys6(SYS_sendto, c, (long)text, 1, 0, (long)&a, sizeof(a)));
	said_addr("sendto", "127.0.0.1:", p, r);
	r = try_connect(c, &a, sizeof(a));
	said_addr("connect", "127.0.0.1:", p, r);
	shut(c);
	shut(server);
}

static void inet6_and_unix(void)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "socket"};
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0telltale-nobody-here"};
	long fd = make_socket(AF_INET6, SOCK_STREAM), r;

	six.sin6_port = htons(9);
	if (fd >= 0) {
		r = try_connect(fd, &six, sizeof(six));
		said_addr("connect", "[::1]:9", 0, r);
		shut(fd);
	}
	fd = make_socket(AF_UNIX, SOCK_STREAM);
	r = try_connect(fd, &path, sizeof(path));
	said_addr("connect", "unix:socket", 0, r);
	r = try_connect(fd, &name, offsetof(struct sockaddr_un, sun_path) + 21);
	said_addr("connect", "unix:@telltale-nobody-here", 0, r);
	r = try_bind(fd, &path, sizeof(path));
	said_addr("bind", "unix:socket", 0, r);
	(void)tt_sys3(SYS_unlinkat, AT_FDCWD, "socket", 0);
	said("unlink", "socket", NULL, 0);
	shut(fd);
}

static long try_fork(void)
{
	return TRY(fork(), tt_sys6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0));
}

static int reap(long pid)
{
	int status = -1;

	must(tt_sys4(SYS_wait4, pid, &status, 0, 0) == pid);
	return status;
}

static void leave(int status)
{
	for (;;)
		(void)tt_sys1(SYS_exit_group, status);
}

/* A copy of this very program at @path, or in a memfd if that is NULL; its fd */
static long copy_self(const char *path)
{
	static char block[65536];
	long from = tt_sys4(SYS_openat, AT_FDCWD, "/proc/self/exe", O_RDONLY, 0), to, n;

	to = path ? try_open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755)
		  : TRY(syscall(SYS_memfd_create, "oracle", MFD_CLOEXEC),
			tt_sys2(SYS_memfd_create, "oracle", MFD_CLOEXEC));
	put_act(path ? "open" : "memfd", to);
	if (path)
		put_path("path", path);
	flush_line();
	while ((n = tt_sys3(SYS_read, from, block, sizeof(block))) > 0)
		must(tt_sys3(SYS_write, to, block, n) == n);
	shut(from);
	return to;
}

static void execs(void)
{
	char name[] = "oracle", verb[] = "noop", more[] = "an argument";
	char *argv[] = {name, verb, more, NULL};
	long pid, fd, r;

	fd = copy_self("copy");
	shut(fd);
	pid = try_fork();
	if (pid == 0) {
		r = TRY(execve("none", argv, environ), tt_sys3(SYS_execve, "none", argv, environ));
		said("exec", "none", NULL, r);
		said("exec", "copy", NULL, 0);
		(void)TRY(execve("copy", argv, environ),
			  tt_sys3(SYS_execve, "copy", argv, environ));
		leave(9);
	}
	must(reap(pid) == 0);
	/* one that nobody can open by its name any more, and one that never had a name */
	fd = tt_sys4(SYS_openat, AT_FDCWD, "copy", O_RDONLY | O_CLOEXEC, 0);
	said("open", "copy", NULL, fd);
	r = TRY(unlink("copy"), tt_sys3(SYS_unlinkat, AT_FDCWD, "copy", 0));
	said("unlink", "copy", NULL, r);
	for (int i = 0; i < 2; i++) {
		pid = try_fork();
		if (pid == 0) {
			put_act(i ? "exec-memfd" : "exec-deleted", 0);
			flush_line();
			(void)TRY(syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH),
				  tt_sys6(SYS_execveat, fd, (long)"", (long)argv, (long)environ,
					  AT_EMPTY_PATH, 0));
			leave(9);
		}
		must(reap(pid) == 0);
		shut(fd);
		fd = copy_self(NULL);
	}
	shut(fd);
}

/* What needs root, or a process of one's own. */
static void privileged(void)
{
	long pid = try_fork(), r, other;

	if (pid == 0) {
		r = TRY(unshare(CLONE_NEWNS), tt_sys1(SYS_unshare, CLONE_NEWNS));
		put_act("unshare", r);
		flush_line();
		if (r == 0) {
			must(tt_sys6(SYS_mount, 0, (long)"/", 0, MS_REC | MS_PRIVATE, 0, 0) == 0);
			r = TRY(mount("none", "sub", "tmpfs", 0, NULL),
				tt_sys6(SYS_mount, (long)"none", (long)"sub", (long)"tmpfs", 0, 0,
					0));
			said("mount", "sub", NULL, r);
			must(said_open("sub/mounted", O_WRONLY | O_CREAT) >= 0);
			r = TRY(umount2("sub", MNT_DETACH),
				tt_sys2(SYS_umount2, "sub", MNT_DETACH));
			said("umount", "sub", NULL, r);
		}
		r = TRY(setresuid(12345, 12345, 12345),
			tt_sys3(SYS_setresuid, 12345, 12345, 12345));
		put_act("setresuid", r);
		flush_line();
		leave(bad);
	}
	must(reap(pid) == 0);
	other = try_fork();
	if (other == 0) {
		for (;;)
			(void)tt_sys4(SYS_ppoll, 0, 0, 0, 0);
	}
	r = TRY(ptrace(PTRACE_SEIZE, (pid_t)other, 0, 0),
		tt_sys4(SYS_ptrace, PTRACE_SEIZE, other, 0, 0));
	put_act("ptrace", r);
	flush_line();
	r = TRY(kill((pid_t)other, SIGKILL), tt_sys2(SYS_kill, other, SIGKILL));
	put_act("kill", r);
	flush_line();
	(void)reap(other);
}

static void children(void)
{
	for (int i = 0; i < 5; i++) {
		long pid = try_fork();

		if (pid == 0) {
			(void)said_open("one", O_RDONLY);
			(void)said_open("none", O_RDONLY);
			leave(bad);
		}
		must(reap(pid) == 0);
	}
}

static int begin(int argc, char *argv[])
{
	if (argc != 2 || argv[1][0] == 'n')
		return 0;
	must(tt_sys2(SYS_getcwd, cwd, sizeof(cwd)) > 0);
	opens();
	names();
	meta();
	long_paths();
	inet();
	inet6_and_unix();
	children();
	execs();
	privileged();
	return bad;
}

#ifdef ORACLE_RAW
void oracle_start(long *stack);
__attribute__((__used__)) void oracle_start(long *stack)
{
	char **argv = (char **)(stack + 1);

	environ = argv + stack[0] + 1;
	leave(begin((int)stack[0], argv));
}

__asm__(".globl _start\n"
	"_start:\n"
#if defined(__x86_64__)
	"	xorl %ebp, %ebp\n"
	"	movq %rsp, %rdi\n"
	"	andq $-16, %rsp\n"
	"	call oracle_start\n"
#else
	"	mov x0, sp\n"
	"	bl oracle_start\n"
#endif
);
#else
int main(int argc, char *argv[])
{
	return begin(argc, argv);
}
#endif
