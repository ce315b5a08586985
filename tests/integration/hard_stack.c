/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much stack does each function take in a signal handler? The alternate stack is painted, the
 * function is called, and what is no longer painted was used. hard_stack.py compares what this
 * prints with and without the library: "NAME FIRST NEXT", bytes at the first call and at a later
 * one.
 */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define STACK (1u << 18)
#define PAINT 0xa5

#define NOBODYS_PID 0x7ffffff0

int pidfd_send_signal(int pidfd, int signal, siginfo_t *info, unsigned flags);
int pivot_root(const char *new_root, const char *put_old);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags);
int __openat64_2(int dirfd, const char *path, int flags);
ssize_t __read_chk(int fd, void *buf, size_t n, size_t size);
ssize_t __pread_chk(int fd, void *buf, size_t n, off_t at, size_t size);
ssize_t __pread64_chk(int fd, void *buf, size_t n, off64_t at, size_t size);
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t size, int flags, struct sockaddr *from,
		       socklen_t *len);

extern char **environ;

static unsigned char *stack;
static const char *name;
static volatile unsigned turn;

/* What the calls work on; the folder is fresh for each. */
static int dir, file, pair[2], tcp, udp;
static char buf[64], template[16], big[3000];
static struct iovec iov = {buf, sizeof(buf)};
static struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {0x0100007f}};
static struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
static struct mmsghdr mmsg = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};
static struct addrinfo *info;
static char *argv[] = {(char *)"true", big, NULL}, *no_argv[] = {(char *)"none", big, NULL};
static socklen_t len;
static off_t at;
static off64_t at64;
static pid_t pid;
static struct hostent host, *hosts;
static int error;

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static void reap(pid_t child)
{
	if (child > 0)
		(void)waitpid(child, NULL, 0);
}

static char *fresh_template(void)
{
	return strcpy(template, "tXXXXXX");
}

static void accept_one(bool four)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	len = sizeof(in);
	(void)getsockname(tcp, (struct sockaddr *)&in, &len);
	(void)connect(fd, (struct sockaddr *)&in, sizeof(in));
	if (four)
		(void)accept4(tcp, NULL, NULL, SOCK_CLOEXEC);
	else
		(void)accept(tcp, (struct sockaddr *)&in, &len);
	close(fd);
}

static FILE *stream;

/* Each call as a number; the compiler must not know better than to make it. */
#define CALLS                                                                                     \
	C(open, open("d/../x", O_RDWR | O_CREAT, 0600))                                           \
	C(open64, open64("/proc/../etc/passwd", O_RDONLY))                                        \
	C(openat, openat(dir, "../there", O_RDONLY))                                              \
	C(openat64, openat64(dir, "d/none", O_RDONLY))                                            \
	C(creat, creat("made", 0600))                                                             \
	C(creat64, creat64("made", 0600))                                                         \
	C(__open_2, __open_2("there", O_RDONLY))                                                  \
	C(__open64_2, __open64_2("there", O_RDONLY))                                              \
	C(__openat_2, __openat_2(dir, "there", O_RDONLY))                                         \
	C(__openat64_2, __openat64_2(dir, "../none", O_RDONLY))                                   \
	C(fopen, (stream = fopen("there", "r")))                                                  \
	C(fopen64, (stream = fopen64("there", "r")))                                              \
	C(freopen, (stream = freopen("there", "r", stdin)))                                       \
	C(freopen64, (stream = freopen64("there", "r", stdin)))                                   \
	C(fclose, fclose(fopen("there", "r")))                                                    \
	C(unlink, unlink("there"))                                                                \
	C(unlinkat, unlinkat(dir, "there", 0))                                                    \
	C(remove, remove("there"))                                                                \
	C(rename, rename("there", "elsewhere"))                                                   \
	C(renameat, renameat(dir, "there", dir, "elsewhere"))                                     \
	C(renameat2, renameat2(dir, "there", dir, "elsewhere", 0))                                \
	C(mkdir, mkdir("folder", 0700))                                                           \
	C(mkdirat, mkdirat(dir, "folder", 0700))                                                  \
	C(rmdir, rmdir("d"))                                                                      \
	C(link, link("there", "second"))                                                          \
	C(linkat, linkat(dir, "there", dir, "second", 0))                                         \
	C(symlink, symlink(big, "second"))                                                        \
	C(symlinkat, symlinkat("there", dir, "second"))                                           \
	C(chdir, chdir("."))                                                                      \
	C(fchdir, fchdir(dir))                                                                    \
	C(chroot, chroot("/"))                                                                    \
	C(pivot_root, pivot_root("none", "none"))                                                 \
	C(truncate, truncate("there", 5))                                                         \
	C(truncate64, truncate64("there", 5))                                                     \
	C(ftruncate, ftruncate(file, 7))                                                          \
	C(ftruncate64, ftruncate64(file, 7))                                                      \
	C(chmod, chmod("there", 0600))                                                            \
	C(fchmod, fchmod(file, 0600))                                                             \
	C(fchmodat, fchmodat(dir, "there", 0600, 0))                                              \
	C(chown, chown("there", (uid_t)-1, (gid_t)-1))                                            \
	C(fchown, fchown(file, (uid_t)-1, (gid_t)-1))                                             \
	C(lchown, lchown("there", (uid_t)-1, (gid_t)-1))                                          \
	C(fchownat, fchownat(dir, "there", (uid_t)-1, (gid_t)-1, 0))                              \
	C(utimes, utimes("there", NULL))                                                          \
	C(utimensat, utimensat(dir, "there", NULL, 0))                                            \
	C(futimens, futimens(file, NULL))                                                         \
	C(setxattr, setxattr("there", "user.x", "y", 1, 0))                                       \
	C(lsetxattr, lsetxattr("there", "user.x", "y", 1, 0))                                     \
	C(fsetxattr, fsetxattr(file, "user.x", "y", 1, 0))                                        \
	C(removexattr, removexattr("there", "user.x"))                                            \
	C(lremovexattr, lremovexattr("there", "user.x"))                                          \
	C(fremovexattr, fremovexattr(file, "user.x"))                                             \
	C(mkstemp, mkstemp(fresh_template()))                                                     \
	C(mkstemp64, mkstemp64(fresh_template()))                                                 \
	C(mkostemp, mkostemp(fresh_template(), O_CLOEXEC))                                        \
	C(mkostemp64, mkostemp64(fresh_template(), O_CLOEXEC))                                    \
	C(mkstemps, mkstemps(fresh_template(), 0))                                                \
	C(mkstemps64, mkstemps64(fresh_template(), 0))                                            \
	C(mkostemps, mkostemps(fresh_template(), 0, O_CLOEXEC))                                   \
	C(mkostemps64, mkostemps64(fresh_template(), 0, O_CLOEXEC))                               \
	C(mkdtemp, mkdtemp(fresh_template()))                                                     \
	C(tmpfile, (stream = tmpfile()))                                                          \
	C(tmpfile64, (stream = tmpfile64()))                                                      \
	C(opendir, opendir("d"))                                                                  \
	C(closedir, closedir(opendir("d")))                                                       \
	C(shm_open, shm_open("/telltale-none", O_RDONLY, 0))                                      \
	C(shm_unlink, shm_unlink("/telltale-none"))                                               \
	C(sem_open, sem_open("/telltale-none", 0))                                                \
	C(sem_unlink, sem_unlink("/telltale-none"))                                               \
	C(memfd_create, memfd_create("m", 0))                                                     \
	C(mkfifo, mkfifo("fifo", 0600))                                                           \
	C(mkfifoat, mkfifoat(dir, "fifo", 0600))                                                  \
	C(mknod, mknod("node", S_IFREG | 0600, 0))                                                \
	C(mknodat, mknodat(dir, "node", S_IFREG | 0600, 0))                                       \
	C(mount, mount("none", "/nowhere", "tmpfs", 0, big))                                      \
	C(umount, umount("/nowhere"))                                                             \
	C(umount2, umount2("/nowhere", MNT_DETACH))                                               \
	C(execve, execve("./none", no_argv, environ))                                             \
	C(execv, execv("./none", no_argv))                                                        \
	C(execvp, execvp("no-such-program", no_argv))                                             \
	C(execvpe, execvpe("no-such-program", no_argv, environ))                                  \
	C(execl, execl("./none", "none", big, NULL))                                              \
	C(execlp, execlp("no-such-program", "none", big, NULL))                                   \
	C(execle, execle("./none", "none", big, NULL, environ))                                   \
	C(fexecve, fexecve(file, no_argv, environ))                                               \
	C(execveat, execveat(dir, "none", no_argv, environ, 0))                                   \
	C(posix_spawn, (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ), reap(pid), 0)) \
	C(posix_spawnp, (posix_spawnp(&pid, "true", NULL, NULL, argv, environ), reap(pid), 0))    \
	C(system, system("exit 0"))                                                               \
	C(popen, pclose(popen("exit 0", "r")))                                                    \
	C(pclose, pclose(popen("exit 1", "r")))                                                   \
	C(connect, connect(udp, (struct sockaddr *)&in, sizeof(in)))                              \
	C(bind, bind(udp, (struct sockaddr *)&in, sizeof(in)))                                    \
	C(listen, listen(tcp, 3))                                                                 \
	C(accept, (accept_one(false), 0))                                                         \
	C(accept4, (accept_one(true), 0))                                                         \
	C(getaddrinfo, getaddrinfo("127.0.0.1", "1", NULL, &info))                                \
	C(gethostbyname, gethostbyname("127.0.0.1"))                                              \
	C(gethostbyname2, gethostbyname2("127.0.0.1", AF_INET))                                   \
	C(gethostbyname_r, gethostbyname_r("127.0.0.1", &host, big, sizeof(big), &hosts, &error)) \
	C(gethostbyname2_r,                                                                       \
	  gethostbyname2_r("127.0.0.1", AF_INET, &host, big, sizeof(big), &hosts, &error))        \
	C(socket, socket(AF_INET, SOCK_DGRAM, 0))                                                 \
	C(socketpair, socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0, 0}))                        \
	C(shutdown, shutdown(pair[1], SHUT_RDWR))                                                 \
	C(send, send(pair[0], buf, 1, 0))                                                         \
	C(sendto, sendto(udp, buf, 1, 0, (struct sockaddr *)&in, sizeof(in)))                     \
	C(sendmsg, sendmsg(pair[0], &msg, 0))                                                     \
	C(sendmmsg, sendmmsg(pair[0], &mmsg, 1, 0))                                               \
	C(recv, recv(pair[1], buf, 1, MSG_DONTWAIT))                                              \
	C(recvfrom, recvfrom(pair[1], buf, 1, MSG_DONTWAIT, NULL, NULL))                          \
	C(recvmsg, recvmsg(pair[1], &msg, MSG_DONTWAIT))                                          \
	C(recvmmsg, recvmmsg(pair[1], &mmsg, 1, MSG_DONTWAIT, NULL))                              \
	C(__recv_chk, __recv_chk(pair[1], buf, 1, 64, MSG_DONTWAIT))                              \
	C(__recvfrom_chk, __recvfrom_chk(pair[1], buf, 1, 64, MSG_DONTWAIT, NULL, NULL))          \
	C(read, read(file, buf, 1))                                                               \
	C(__read_chk, __read_chk(file, buf, 1, 64))                                               \
	C(write, write(file, buf, 1))                                                             \
	C(pread, pread(file, buf, 1, 0))                                                          \
	C(pread64, pread64(file, buf, 1, 0))                                                      \
	C(__pread_chk, __pread_chk(file, buf, 1, 0, 64))                                          \
	C(__pread64_chk, __pread64_chk(file, buf, 1, 0, 64))                                      \
	C(pwrite, pwrite(file, buf, 1, 0))                                                        \
	C(pwrite64, pwrite64(file, buf, 1, 0))                                                    \
	C(readv, readv(file, &iov, 1))                                                            \
	C(writev, writev(file, &iov, 1))                                                          \
	C(preadv, preadv(file, &iov, 1, 0))                                                       \
	C(preadv64, preadv64(file, &iov, 1, 0))                                                   \
	C(preadv2, preadv2(file, &iov, 1, 0, 0))                                                  \
	C(preadv64v2, preadv64v2(file, &iov, 1, 0, 0))                                            \
	C(pwritev, pwritev(file, &iov, 1, 0))                                                     \
	C(pwritev64, pwritev64(file, &iov, 1, 0))                                                 \
	C(pwritev2, pwritev2(file, &iov, 1, 0, 0))                                                \
	C(pwritev64v2, pwritev64v2(file, &iov, 1, 0, 0))                                          \
	C(sendfile, sendfile(pair[0], file, &at, 1))                                              \
	C(sendfile64, sendfile64(pair[0], file, &at64, 1))                                        \
	C(copy_file_range, copy_file_range(file, &at64, file, NULL, 1, 0))                        \
	C(splice, splice(file, NULL, pair[0], NULL, 1, 0))                                        \
	C(tee, tee(pair[0], pair[1], 1, 0))                                                       \
	C(process_vm_readv, process_vm_readv(getpid(), &iov, 1, &iov, 1, 0))                      \
	C(process_vm_writev, process_vm_writev(getpid(), &iov, 1, &iov, 1, 0))                    \
	C(close, close(-1))                                                                       \
	C(closefrom, (closefrom(2000), 0))                                                        \
	C(close_range, close_range(2000, 3000, 0))                                                \
	C(dup, dup(file))                                                                         \
	C(dup2, dup2(file, 99))                                                                   \
	C(dup3, dup3(file, 98, O_CLOEXEC))                                                        \
	C(fcntl, fcntl(file, F_DUPFD, 50))                                                        \
	C(fcntl64, fcntl64(file, F_GETFL))                                                        \
	C(kill, kill(NOBODYS_PID, SIGTERM))                                                       \
	C(killpg, killpg(NOBODYS_PID, SIGTERM))                                                   \
	C(tgkill, tgkill(NOBODYS_PID, NOBODYS_PID, SIGTERM))                                      \
	C(pidfd_send_signal, pidfd_send_signal(-1, SIGTERM, NULL, 0))                             \
	C(sigqueue, sigqueue(NOBODYS_PID, 1, (union sigval){0}))                                  \
	C(ptrace, ptrace(PTRACE_PEEKDATA, 1, NULL, NULL))                                         \
	C(setuid, setuid(getuid()))                                                               \
	C(setgid, setgid(getgid()))                                                               \
	C(seteuid, seteuid(geteuid()))                                                            \
	C(setegid, setegid(getegid()))                                                            \
	C(setreuid, setreuid((uid_t)-1, (uid_t)-1))                                               \
	C(setregid, setregid((gid_t)-1, (gid_t)-1))                                               \
	C(setresuid, setresuid((uid_t)-1, (uid_t)-1, (uid_t)-1))                                  \
	C(setresgid, setresgid((gid_t)-1, (gid_t)-1, (gid_t)-1))                                  \
	C(setfsuid, setfsuid((uid_t)-1))                                                          \
	C(setfsgid, setfsgid((gid_t)-1))                                                          \
	C(setgroups, setgroups(0, NULL))                                                          \
	C(initgroups, initgroups("root", 0))                                                      \
	C(unshare, unshare(0))                                                                    \
	C(setns, setns(file, 0))                                                                  \
	C(dlopen, dlopen("no-such-library.so", RTLD_NOW))                                         \
	C(dlmopen, dlmopen(LM_ID_NEWLM, "no-such-library.so", RTLD_NOW))                          \
	C(syscall, syscall(SYS_openat, dir, "none", O_RDONLY))                                    \
	C(clone, (reap(clone(nothing, buf_stack + sizeof(buf_stack), SIGCHLD, NULL)), 0))         \
	C(vfork, vforked())                                                                       \
	C(fork, forked(fork()))                                                                   \
	C(_Fork, forked(_Fork()))                                                                 \
	C(_exit, (_exit(0), 0))                                                                   \
	C(_Exit, (_Exit(0), 0))

static char buf_stack[65536] __attribute__((__aligned__(16)));

static int forked(pid_t child)
{
	if (child == 0)
		syscall(SYS_exit_group, 0);
	reap(child);
	return 0;
}

static int vforked(void)
{
	pid_t child = vfork();

	if (child == 0)
		_exit(0);
	reap(child);
	return 0;
}

enum {
#define C(name, call) N_##name,
	CALLS
#undef C
		COUNT
};

static const char *const names[COUNT] = {
#define C(name, call) #name,
	CALLS
#undef C
};

static volatile int which;

static void on_signal(int sig)
{
	(void)sig;
	switch (which) {
#define C(name, call)         \
	case N_##name:        \
		(void)(call); \
		break;
		CALLS
#undef C
	default:
		break;
	}
}

static size_t used(void)
{
	size_t i = 0;

	while (i < STACK && stack[i] == PAINT)
		i++;
	return STACK - i;
}

static void paint_and_raise(int n)
{
	memset(stack, PAINT, STACK);
	which = n;
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
}

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "hard_stack: %s: %s: %s\n", name, what, strerror(errno));
	_exit(3);
}

/* In a child: what the calls do to the process ends with it. */
static void measure(int n, size_t *ret)
{
	char folder[64];

	snprintf(folder, sizeof(folder), "f%d", n);
	must(mkdir(folder, 0700) == 0 && chdir(folder) == 0 && mkdir("d", 0700) == 0, "folder");
	file = open("there", O_RDWR | O_CREAT, 0600);
	dir = open(".", O_RDONLY | O_DIRECTORY);
	tcp = socket(AF_INET, SOCK_STREAM, 0);
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	len = sizeof(in);
	must(bind(tcp, (struct sockaddr *)&in, len) == 0 && listen(tcp, 9) == 0, "tcp");
	must(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0, "socketpair");
	memset(big, 'b', sizeof(big) - 1);
	for (turn = 0; turn < 3; turn++) {
		paint_and_raise(n);
		ret[turn ? 1 : 0] = used();
	}
	syscall(SYS_exit_group, 0);
}

int main(int argc, char **args)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
	stack_t alternate = {.ss_size = STACK};
	int shared = MAP_SHARED | MAP_ANONYMOUS;
	size_t *depths = mmap(NULL, 4096, PROT_READ | PROT_WRITE, shared, -1, 0);

	(void)args;
	alarm(60);
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int n = 0; n < COUNT; n++) {
		/* a fork child runs on a copy of it, _exit leaves it to be looked at from here */
		bool ends = n == N__exit || n == N__Exit;
		int status;

		name = names[n];
		stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
			     ends ? shared : MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		alternate.ss_sp = stack;
		must(sigaltstack(&alternate, NULL) == 0, "sigaltstack");
		must(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
		depths[0] = depths[1] = 0;
		pid = fork();
		if (pid == 0)
			measure(n, depths);
		must(waitpid(pid, &status, 0) == pid && status == 0, "child");
		if (ends)
			depths[0] = depths[1] = used();
		printf("%s %zu %zu\n", name, depths[0], depths[1]);
		munmap(stack, STACK);
	}
	return argc == 1 ? 0 : 2;
}
