/* SPDX-License-Identifier: Apache-2.0 */
/* open() and open64() are two functions here */
#undef _FILE_OFFSET_BITS

#include "oracle.h"

#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/*
 * The part of oracle.c that calls by number. What only root may do is asked for in ways that change
 * nothing.
 */

#define NOBODYS_PID    0x7ffffff0
#define BY_NUMBER(...) ALSO(__VA_ARGS__, .raw = true, .error = r < 0 ? last_errno : 0)
#define NOOP_JSON      "[\"oracle\", \"noop\"]"

static char name[] = "oracle", noop[] = "noop";
static char *noop_argv[] = {name, noop, NULL};

static void opens(void)
{
	struct open_how how = {.flags = O_WRONLY | O_CREAT | O_EXCL, .mode = 0640};
	struct {
		unsigned bytes;
		int type;
	} handle = {0, 0};
	long r;

	r = CALL(syscall(SYS_openat, AT_FDCWD, "made", O_RDWR | O_CREAT | O_EXCL, 0600));
	want("openat", r, BY_NUMBER(join("made")), "AT_FDCWD", "made", "O_RDWR|O_CREAT|O_EXCL",
	     "0600", NULL);
	close((int)r);
	r = CALL(syscall(SYS_openat, 777, "made", O_RDONLY));
	want("openat", r, BY_NUMBER(NULL), "fd:777", "made", "O_RDONLY", NULL);
	close((int)CALL(syscall(SYS_openat, AT_FDCWD, "/proc/self/stat", O_RDONLY)));
	r = CALL(syscall(SYS_unlinkat, AT_FDCWD, "made", 0));
	want("unlinkat", r, BY_NUMBER(join("made")), "AT_FDCWD", "made", "0", NULL);
	r = CALL(syscall(SYS_unlinkat, AT_FDCWD, "made", 0));
	want("unlinkat", r, BY_NUMBER(join("made")), "AT_FDCWD", "made", "0", NULL);
	r = CALL(syscall(SYS_openat2, AT_FDCWD, "made", &how, sizeof(how)));
	want("openat2", r, BY_NUMBER(join("made")), "AT_FDCWD", "made", "O_WRONLY|O_CREAT|O_EXCL",
	     "0640", NULL);
	close((int)r);
	/* less than a struct, and none */
	r = CALL(syscall(SYS_openat2, AT_FDCWD, "made", &how, 8));
	want("openat2", r, BY_NUMBER(join("made")), "AT_FDCWD", "made", "O_RDONLY", NULL);
	r = CALL(syscall(SYS_openat2, AT_FDCWD, "made", null, sizeof(how)));
	want("openat2", r, BY_NUMBER(join("made")), "AT_FDCWD", "made", "O_RDONLY", NULL);
	r = CALL(syscall(SYS_renameat2, AT_FDCWD, "made", AT_FDCWD, "other", RENAME_NOREPLACE));
	want("renameat2", r, BY_NUMBER(join("made"), join("other")), "AT_FDCWD", "made", "AT_FDCWD",
	     "other", "RENAME_NOREPLACE", NULL);
	r = CALL(syscall(SYS_unlinkat, AT_FDCWD, r == 0 ? "other" : "made", 0));
	must(r == 0, "unlinkat");
	want("unlinkat", r, BY_NUMBER(join("other")), "AT_FDCWD", "other", "0", NULL);
	r = CALL(syscall(SYS_open_by_handle_at, 777, &handle, O_RDONLY));
	want("open_by_handle_at", r, BY_NUMBER(NULL), "fd:777", "O_RDONLY", NULL);
}

/* Only where the architecture has them. */
static void old_names(void)
{
#ifdef SYS_renameat
	long r0 = CALL(syscall(SYS_renameat, AT_FDCWD, "none", AT_FDCWD, "other"));

	want("renameat", r0, ALSO(join("none"), join("other"), .raw = true, .error = ENOENT),
	     "AT_FDCWD", "none", "AT_FDCWD", "other", NULL);
#endif
#ifdef SYS_open
	long r;

	r = CALL(syscall(SYS_open, "made", O_RDWR | O_CREAT, 0600));
	want("open", r, BY_NUMBER(join("made")), "made", "O_RDWR|O_CREAT", "0600", NULL);
	close((int)r);
	r = CALL(syscall(SYS_creat, "made", 0600));
	want("creat", r, BY_NUMBER(join("made")), "made", "0600", NULL);
	close((int)r);
	r = CALL(syscall(SYS_rename, "made", "other"));
	want("rename", r, BY_NUMBER(join("made"), join("other")), "made", "other", NULL);
	r = CALL(syscall(SYS_link, "other", "made"));
	want("link", r, BY_NUMBER(join("other"), join("made")), "other", "made", NULL);
	r = CALL(syscall(SYS_unlink, "made"));
	want("unlink", r, BY_NUMBER(join("made")), "made", NULL);
	r = CALL(syscall(SYS_symlink, "to", "other"));
	want("symlink", r, BY_NUMBER(join("other")), "to", "other", NULL);
	r = CALL(syscall(SYS_mkdir, "made", 0700));
	want("mkdir", r, BY_NUMBER(join("made")), "made", "0700", NULL);
	r = CALL(syscall(SYS_rmdir, "made"));
	want("rmdir", r, BY_NUMBER(join("made")), "made", NULL);
	r = CALL(syscall(SYS_unlink, "other"));
	want("unlink", r, BY_NUMBER(join("other")), "other", NULL);
	r = CALL(syscall(SYS_unlink, null));
	want("unlink", r, BY_NUMBER(NULL), "NULL", NULL);
#endif
}

static void sockets(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "s"};
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 2, room;
	struct sockaddr_storage peer;
	long server, fd, r;

	r = server = CALL(syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	want("socket", r, BY_NUMBER(NULL), "AF_UNIX", "SOCK_STREAM", "0", NULL);
	r = fd = CALL(syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	want("socket", r, BY_NUMBER(NULL), "AF_UNIX", "SOCK_STREAM", "0", NULL);
	r = CALL(syscall(SYS_bind, server, &un, len));
	want("bind", r, BY_NUMBER(.addr = "unix:s"), FD(server), "unix:s", NULL);
	r = CALL(syscall(SYS_listen, server, 3));
	want("listen", r, BY_NUMBER(NULL), FD(server), "3", NULL);
	r = CALL(syscall(SYS_connect, fd, &un, len));
	want("connect", r, BY_NUMBER(.addr = "unix:s"), FD(fd), "unix:s", NULL);
	room = sizeof(peer);
	r = CALL(syscall(SYS_accept, server, &peer, &room));
	must(r >= 0, "accept");
	want("accept", r, BY_NUMBER(.addr = "unix:"), FD(server), "unix:", NULL);
	close((int)r);
	close((int)fd);
	r = CALL(syscall(SYS_accept4, 777, null, null, SOCK_CLOEXEC));
	want("accept4", r, BY_NUMBER(NULL), "fd:777", "NULL", "SOCK_CLOEXEC", NULL);
	close((int)server);
	r = CALL(syscall(SYS_unlinkat, AT_FDCWD, "s", 0));
	want("unlinkat", r, BY_NUMBER(join("s")), "AT_FDCWD", "s", "0", NULL);
}

static void others(void)
{
	struct iovec part = {name, 1};
	pid_t pid = waiting_child();
	int fd;
	long r;

	must(CALL(syscall(SYS_kill, getpid(), SIGURG)) == 0 && CALL(syscall(SYS_kill, pid, 0)) == 0,
	     "kill");
	r = CALL(syscall(SYS_kill, NOBODYS_PID, SIGTERM));
	want("kill", r, BY_NUMBER(NULL), num("", NOBODYS_PID), "SIGTERM", NULL);
	r = CALL(syscall(SYS_tgkill, pid, pid, SIGURG));
	want("tgkill", r, BY_NUMBER(NULL), num("", pid), num("", pid), "SIGURG", NULL);
	r = CALL(syscall(SYS_ptrace, PTRACE_ATTACH, NOBODYS_PID, null, null));
	want("ptrace", r, BY_NUMBER(NULL), "PTRACE_ATTACH", num("", NOBODYS_PID), NULL);
	r = CALL(syscall(SYS_process_vm_readv, NOBODYS_PID, &part, 1, &part, 2, 0));
	want("process_vm_readv", r, BY_NUMBER(NULL), num("", NOBODYS_PID), "1", "2", "0", NULL);
	r = CALL(syscall(SYS_process_vm_writev, NOBODYS_PID, &part, 1, &part, 1, 4));
	want("process_vm_writev", r, BY_NUMBER(NULL), num("", NOBODYS_PID), "1", "1", "4", NULL);
	fd = (int)CALL(syscall(SYS_pidfd_open, pid, 0));
	must(fd >= 0, "pidfd_open");
	r = CALL(syscall(SYS_pidfd_send_signal, fd, SIGTERM, null, 0));
	want("pidfd_send_signal", r, BY_NUMBER(NULL), FD(fd), "SIGTERM", NULL);
	close(fd);
	reap(pid, 0);
}

/* What nobody may do in these ways, root or not, or changes nothing. */
static void privileges_by_number(void)
{
	uid_t uid = getuid();
	gid_t gid = getgid();
	long r;

	r = CALL(syscall(SYS_chroot, "none"));
	want("chroot", r, BY_NUMBER(join("none")), "none", NULL);
	r = CALL(syscall(SYS_setns, 777, CLONE_NEWNS));
	want("setns", r, BY_NUMBER(NULL), "fd:777", "CLONE_NEWNS", NULL);
	r = CALL(syscall(SYS_unshare, 0x40));
	want("unshare", r, BY_NUMBER(NULL), "0x40", NULL);
	r = CALL(syscall(SYS_mount, "src", "none", "tmpfs", (long)MS_NODEV, "size=1k"));
	want("mount", r, BY_NUMBER(join("none")), "src", "none", "tmpfs", "MS_NODEV", "7", NULL);
	r = CALL(syscall(SYS_umount2, "none", MNT_DETACH));
	want("umount2", r, BY_NUMBER(join("none")), "none", "MNT_DETACH", NULL);
	r = CALL(syscall(SYS_memfd_create, "object", MFD_CLOEXEC));
	want("memfd_create", r, BY_NUMBER(NULL), "object", "MFD_CLOEXEC", NULL);
	close((int)r);
	r = CALL(syscall(SYS_linkat, AT_FDCWD, "none", AT_FDCWD, "other", 0));
	want("linkat", r, BY_NUMBER(join("none"), join("other")), "AT_FDCWD", "none", "AT_FDCWD",
	     "other", "0", NULL);
	r = CALL(syscall(SYS_symlinkat, "to", AT_FDCWD, "made"));
	want("symlinkat", r, BY_NUMBER(join("made")), "to", "AT_FDCWD", "made", NULL);
	r = CALL(syscall(SYS_unlinkat, AT_FDCWD, "made", 0));
	want("unlinkat", r, BY_NUMBER(join("made")), "AT_FDCWD", "made", "0", NULL);
	r = CALL(syscall(SYS_mkdirat, AT_FDCWD, "none/x", 0700));
	want("mkdirat", r, BY_NUMBER(join("none/x")), "AT_FDCWD", "none/x", "0700", NULL);
	r = CALL(syscall(SYS_setuid, uid));
	want("setuid", r, BY_NUMBER(NULL), num("", uid), NULL);
	r = CALL(syscall(SYS_setgid, gid));
	want("setgid", r, BY_NUMBER(NULL), num("", gid), NULL);
	r = CALL(syscall(SYS_setreuid, uid, -1));
	want("setreuid", r, BY_NUMBER(NULL), num("", uid), "-1", NULL);
	r = CALL(syscall(SYS_setregid, -1, -1));
	want("setregid", r, BY_NUMBER(NULL), "-1", "-1", NULL);
	r = CALL(syscall(SYS_setresuid, -1, uid, -1));
	want("setresuid", r, BY_NUMBER(NULL), "-1", num("", uid), "-1", NULL);
	r = CALL(syscall(SYS_setresgid, -1, -1, -1));
	want("setresgid", r, BY_NUMBER(NULL), "-1", "-1", "-1", NULL);
}

static void for_root(void)
{
	struct io_uring_params params;
	long r;

	memset(&params, 0, sizeof(params));
	r = CALL(syscall(SYS_io_uring_setup, 4, &params));
	want("io_uring_setup", r, BY_NUMBER(NULL), "4", NULL);
	if (r >= 0)
		close((int)r);
	r = CALL(syscall(SYS_io_uring_setup, 0, null));
	want("io_uring_setup", r, BY_NUMBER(NULL), "0", NULL);
	r = CALL(syscall(SYS_pivot_root, "none", "none/x"));
	want("pivot_root", r, BY_NUMBER(join("none"), join("none/x")), "none", "none/x", NULL);
	r = CALL(syscall(SYS_init_module, null, 0, "x=1"));
	want("init_module", r, BY_NUMBER(NULL), "0", "x=1", NULL);
	r = CALL(syscall(SYS_finit_module, 777, "", 0));
	want("finit_module", r, BY_NUMBER(NULL), "fd:777", "", "0", NULL);
	r = CALL(syscall(SYS_delete_module, "no-such-module", O_NONBLOCK));
	want("delete_module", r, BY_NUMBER(NULL), "no-such-module", "O_RDONLY|O_NONBLOCK", NULL);
	r = CALL(syscall(SYS_kexec_load, 0L, 99L, null, 0L));
	want("kexec_load", r, BY_NUMBER(NULL), "99", "0", NULL);
	r = CALL(syscall(SYS_bpf, -1, null, 0));
	want("bpf", r, BY_NUMBER(NULL), "-1", "0", NULL);
	r = CALL(syscall(SYS_keyctl, 9999, 0, 0, 0, 0));
	want("keyctl", r, BY_NUMBER(NULL), "9999", NULL);
	r = CALL(syscall(SYS_add_key, "no-such-type", "d", "x", 1L, -2));
	want("add_key", r, BY_NUMBER(NULL), "no-such-type", "d", "1", "-2", NULL);
}

static void execs(void)
{
	pid_t pid = CALL(fork());
	long r = -1;

	if (pid == 0) {
		(void)CALL(syscall(SYS_execve, "./none", noop_argv, environ));
		want("execve", 0, ALSO(join("none"), .raw = true, .no_result = true), "./none",
		     NOOP_JSON, NULL);
		want("execve", r, BY_NUMBER(join("none")), "./none", NOOP_JSON, NULL);
		last_errno = 0;
		want("execve", 0, ALSO(self, .raw = true, .no_result = true), self, NOOP_JSON,
		     NULL);
		syscall(SYS_execve, self, noop_argv, environ);
		_exit(9);
	}
	want("fork", pid, ALSO(NULL), NULL);
	reap(pid, 0);
	pid = CALL(fork());
	if (pid == 0) {
		last_errno = 0;
		want("execveat", 0, ALSO(self, .raw = true, .no_result = true), "AT_FDCWD", self,
		     NOOP_JSON, "0", NULL);
		syscall(SYS_execveat, AT_FDCWD, self, noop_argv, environ, 0);
		_exit(9);
	}
	want("fork", pid, ALSO(NULL), NULL);
	reap(pid, 0);
}

/* The first call of all, with six arguments that count; and numbers that nobody knows. */
void unknown_numbers(void)
{
	int fd = CALL(open(self, O_RDONLY));
	char page[4096], *map;
	long r;

	must(fd >= 0 && pread(fd, page, sizeof(page), sizeof(page)) == sizeof(page), "itself");
	want("open", fd, ALSO(self), self, "O_RDONLY", NULL);
	map = (char *)CALL(syscall(SYS_mmap, NULL, sizeof(page), 1L, 2L, (long)fd, sizeof(page)));
	must(map != (char *)-1 && last_errno == MARK, "mmap");
	must(memcmp(map, page, sizeof(page)) == 0, "what is mapped");
	must(CALL(syscall(SYS_munmap, map, sizeof(page))) == 0, "munmap");
	close(fd);
	r = CALL(syscall(511L));
	must(r == -1 && last_errno == ENOSYS, "511");
	r = CALL(syscall(0x7fffffffffffffffL, 1, 2, 3));
	must(r == -1 && last_errno == ENOSYS, "a number out of all tables");
	r = CALL(syscall(-1L));
	must(r == -1 && last_errno == ENOSYS, "-1");
}

/* A fork by number is one; what shares memory is let through. */
static void forks(void)
{
	long r = CALL(syscall(SYS_clone, (long)SIGCHLD, NULL, NULL, NULL, NULL));

	if (r == 0) {
		r = CALL(syscall(SYS_openat, AT_FDCWD, "none", O_RDONLY));
		want("openat", r, BY_NUMBER(join("none")), "AT_FDCWD", "none", "O_RDONLY", NULL);
		_exit(6);
	}
	want("clone", r, BY_NUMBER(NULL), "SIGCHLD", NULL);
	reap((pid_t)r, 6);
	r = CALL(syscall(SYS_clone, (long)CLONE_FS | CLONE_NEWNS, NULL, NULL, NULL, NULL));
	want("clone", r, BY_NUMBER(NULL), "CLONE_FS|CLONE_NEWNS", NULL);
	r = CALL(syscall(SYS_clone, (long)CLONE_VM | CLONE_FS | CLONE_NEWNS, NULL, NULL, NULL,
			 NULL));
	must(r == -1 && last_errno == EINVAL, "clone");
#ifdef SYS_fork
	r = CALL(syscall(SYS_fork));
	if (r == 0)
		_exit(7);
	want("fork", r, BY_NUMBER(NULL), NULL);
	reap((pid_t)r, 7);
#endif
}

void numbers(void)
{
	forks();
	opens();
	old_names();
	sockets();
	others();
	for_root();
	privileges_by_number();
	execs();
}
