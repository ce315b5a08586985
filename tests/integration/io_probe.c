/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves known numbers of bytes in every way that libc has. Usage: io_probe WAY. Works in the
 * current folder, says nothing, exits 0; 3 where a call did not do what it should.
 */
#undef _FILE_OFFSET_BITS /* here pread and pread64 are two functions */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);
ssize_t __pread_chk(int fd, void *buf, size_t n, off_t at, size_t room);
ssize_t __pread64_chk(int fd, void *buf, size_t n, off64_t at, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags, struct sockaddr *from,
		       socklen_t *len);

/* libc's own name for open(2), which nobody stands in front of */
int __open(const char *path, int flags, ...);

static char buf[65536];

#define MUST(what)                                                                \
	do {                                                                      \
		if (!(what)) {                                                    \
			dprintf(2, "io_probe: %s: %s\n", #what, strerror(errno)); \
			_exit(3);                                                 \
		}                                                                 \
	} while (0)

/* A file of @size bytes, made past libc so that nothing of it is counted. */
static void make(const char *name, size_t size)
{
	long fd = syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	MUST(fd >= 0 && syscall(SYS_ftruncate, fd, size) == 0);
	syscall(SYS_close, fd);
}

static int opened(const char *name, int flags)
{
	int fd = open(name, flags, 0644);

	MUST(fd >= 0);
	return fd;
}

/* Every reading function once, each with a number of bytes of its own: 2^0 + 2^1 + ... */
static void ways_to_read(void)
{
	struct iovec v[2] = {{buf, 0}, {buf + 30000, 0}};
	int fd;

	make("in", 65536);
	fd = opened("in", O_RDONLY);
	MUST(read(fd, buf, 1) == 1);
	MUST(pread(fd, buf, 2, 0) == 2);
	MUST(pread64(fd, buf, 4, 0) == 4);
	v[0].iov_len = v[1].iov_len = 4;
	MUST(readv(fd, v, 2) == 8);
	v[0].iov_len = v[1].iov_len = 8;
	MUST(preadv(fd, v, 2, 0) == 16);
	v[0].iov_len = v[1].iov_len = 16;
	MUST(preadv64(fd, v, 2, 0) == 32);
	v[0].iov_len = v[1].iov_len = 32;
	MUST(preadv2(fd, v, 2, 0, 0) == 64);
	v[0].iov_len = v[1].iov_len = 64;
	MUST(preadv64v2(fd, v, 2, 0, 0) == 128);
	MUST(__read_chk(fd, buf, 256, sizeof(buf)) == 256);
	MUST(__pread_chk(fd, buf, 512, 0, sizeof(buf)) == 512);
	MUST(__pread64_chk(fd, buf, 1024, 0, sizeof(buf)) == 1024);
	/* counts as a call of 0 bytes, a failure as nothing */
	MUST(pread(fd, buf, 1, 65536) == 0);
	MUST(read(-1, buf, 1) == -1 && errno == EBADF);
	MUST(write(fd, buf, 1) == -1 && errno == EBADF);
	MUST(close(fd) == 0);
}

static void ways_to_write(void)
{
	struct iovec v[2] = {{buf, 0}, {buf + 30000, 0}};
	int fd = opened("out", O_WRONLY | O_CREAT | O_TRUNC);

	MUST(write(fd, buf, 1) == 1);
	MUST(pwrite(fd, buf, 2, 0) == 2);
	MUST(pwrite64(fd, buf, 4, 0) == 4);
	v[0].iov_len = v[1].iov_len = 4;
	MUST(writev(fd, v, 2) == 8);
	v[0].iov_len = v[1].iov_len = 8;
	MUST(pwritev(fd, v, 2, 0) == 16);
	v[0].iov_len = v[1].iov_len = 16;
	MUST(pwritev64(fd, v, 2, 0) == 32);
	v[0].iov_len = v[1].iov_len = 32;
	MUST(pwritev2(fd, v, 2, 0, 0) == 64);
	v[0].iov_len = v[1].iov_len = 64;
	MUST(pwritev64v2(fd, v, 2, 0, 0) == 128);
	MUST(close(fd) == 0);
}

/* A pair of sockets: what one end sends the other receives. fds 3 and 4. */
static void ways_to_talk(void)
{
	struct iovec v = {buf, 32};
	struct msghdr msg = {.msg_iov = &v, .msg_iovlen = 1};
	struct mmsghdr many[4] = {
		{.msg_hdr = msg}, {.msg_hdr = msg}, {.msg_hdr = msg}, {.msg_hdr = msg}};
	int fd[2];

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd) == 0);
	for (int size = 1; size <= 32; size *= 2)
		MUST(send(fd[0], buf, (size_t)size, 0) == size);
	MUST(recv(fd[1], buf, 100, 0) == 1);
	MUST(recvfrom(fd[1], buf, 100, 0, NULL, NULL) == 2);
	MUST(__recv_chk(fd[1], buf, 100, sizeof(buf), 0) == 4);
	MUST(__recvfrom_chk(fd[1], buf, 100, sizeof(buf), 0, NULL, NULL) == 8);
	MUST(recvmsg(fd[1], &msg, 0) == 16);
	MUST(send(fd[0], buf, 8, 0) == 8);
	MUST(recvmmsg(fd[1], many, 4, MSG_DONTWAIT, NULL) == 2);
	MUST(recv(fd[1], buf, 100, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	MUST(close(fd[0]) == 0 && close(fd[1]) == 0);
}

/* From fd to fd inside the kernel: 3 is read, 4 written, 5 and 6 a pipe, 7 and 8 another. */
static void ways_to_move(void)
{
	int in, out, p[2], q[2];

	make("in", 65536);
	in = opened("in", O_RDONLY);
	out = opened("out", O_WRONLY | O_CREAT | O_TRUNC);
	MUST(pipe(p) == 0 && pipe(q) == 0);
	MUST(sendfile(out, in, NULL, 1000) == 1000);
	MUST(sendfile64(out, in, NULL, 2000) == 2000);
	MUST(copy_file_range(in, NULL, out, NULL, 4000, 0) == 4000);
	MUST(splice(in, NULL, p[1], NULL, 300, 0) == 300);
	MUST(tee(p[0], q[1], 300, 0) == 300);
	MUST(splice(p[0], NULL, out, NULL, 300, 0) == 300);
	for (int fd = 3; fd <= 8; fd++)
		MUST(close(fd) == 0);
}

/* Copies: each number has figures of its own. */
static void copies(void)
{
	int fd = opened("out", O_WRONLY | O_CREAT | O_TRUNC);

	MUST(fd == 3 && dup(fd) == 4 && dup2(fd, 10) == 10 && dup3(fd, 11, O_CLOEXEC) == 11);
	MUST(fcntl(fd, F_DUPFD, 20) == 20 && fcntl(fd, F_DUPFD_CLOEXEC, 21) == 21);
	MUST(write(3, buf, 1) == 1 && write(4, buf, 2) == 2 && write(10, buf, 4) == 4);
	MUST(write(11, buf, 8) == 8 && write(20, buf, 16) == 16 && write(21, buf, 32) == 32);
	/* 10 is another file from here on */
	fd = opened("other", O_WRONLY | O_CREAT | O_TRUNC);
	MUST(dup2(fd, 10) == 10 && write(10, buf, 64) == 64);
	/* a copy that fails leaves what was there alone */
	MUST(dup2(99, 11) == -1 && errno == EBADF && dup3(3, 3, 0) == -1 && dup2(4, 4) == 4);
	MUST(write(11, buf, 8) == 8);
	for (int n = 10; n <= 11; n++)
		MUST(close(n) == 0);
	MUST(fchmod(20, 0600) == 0);
	if (close_range(20, ~0u, 0) < 0)
		MUST(close(20) == 0 && close(21) == 0);
	closefrom(3);
}

static void *write_many(void *arg)
{
	for (int i = 0; i < 10000; i++)
		MUST(write(*(int *)arg, buf, 3) == 3);
	return NULL;
}

static void threads(void)
{
	int fd = opened("out", O_WRONLY | O_CREAT | O_TRUNC);
	pthread_t t[8];

	for (int i = 0; i < 8; i++)
		MUST(pthread_create(&t[i], NULL, write_many, &fd) == 0);
	for (int i = 0; i < 8; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	MUST(close(fd) == 0);
}

static void must_end(pid_t pid, int status)
{
	int got;

	MUST(pid > 0 && waitpid(pid, &got, 0) == pid);
	MUST(WIFEXITED(got) && WEXITSTATUS(got) == status);
}

/* The child's bytes are the child's; a vfork child's are nobody's. */
static void children(void)
{
	int fd = opened("out", O_WRONLY | O_CREAT | O_TRUNC);
	pid_t pid;

	MUST(write(fd, buf, 100) == 100);
	pid = fork();
	if (pid == 0) {
		MUST(write(fd, buf, 7) == 7);
		_exit(5);
	}
	must_end(pid, 5);
	pid = vfork();
	if (pid == 0) {
		(void)write(fd, buf, 9);
		(void)dup2(fd, 30);
		(void)close(fd);
		_exit(6);
	}
	must_end(pid, 6);
	MUST(write(fd, buf, 1000) == 1000);
	MUST(close(fd) == 0);
	MUST(close(30) == -1 && errno == EBADF);
}

/* An exec that fails, then one that works: what is open goes on under the same numbers. */
static void next_image(char *self)
{
	int fd = opened("out", O_WRONLY | O_CREAT | O_TRUNC);
	int shut = opened("shut", O_WRONLY | O_CREAT | O_TRUNC);

	MUST(dup2(fd, 40) == 40 && fcntl(shut, F_SETFD, FD_CLOEXEC) == 0);
	MUST(write(fd, buf, 11) == 11 && write(shut, buf, 12) == 12);
	MUST(execl("/nowhere/none", "none", NULL) == -1 && errno == ENOENT);
	MUST(write(fd, buf, 13) == 13);
	execl(self, self, "again", NULL);
	_exit(3);
}

static void again(void)
{
	int p[2];

	MUST(write(40, buf, 17) == 17);
	/* takes the number of what the exec closed */
	MUST(pipe(p) == 0 && p[0] == 4 && write(p[1], buf, 19) == 19);
	MUST(close(40) == 0 && close(p[0]) == 0);
}

/* More open fds than an end tells of, and one past the table. */
static void many(void)
{
	int fd = opened("out", O_WRONLY | O_CREAT | O_TRUNC);

	for (int i = 0; i < 30; i++)
		MUST(dup2(fd, 100 + i) == 100 + i && write(100 + i, buf, 10) == 10);
	if (dup2(fd, 5000) == 5000)
		MUST(write(5000, buf, 10) == 10);
	else
		MUST(write(fd, buf, 10) == 10);
}

/* Paths that only the fd knows. */
static void folders(void)
{
	int dir, sub;
	DIR *d;

	MUST(mkdir("a", 0755) == 0 && mkdir("a/b", 0755) == 0);
	dir = opened("a", O_RDONLY | O_DIRECTORY);
	sub = openat(dir, "b", O_RDONLY | O_DIRECTORY);
	MUST(sub >= 0 && close(openat(sub, "file", O_WRONLY | O_CREAT, 0644)) == 0);
	MUST(dup2(sub, 50) == 50 && close(sub) == 0);
	MUST(unlinkat(50, "file", 0) == 0);
	MUST(fchdir(50) == 0);
	d = fdopendir(opened(".", O_RDONLY | O_DIRECTORY));
	MUST(d && unlinkat(dirfd(d), "none", 0) == -1 && closedir(d) == 0);
	/* the default filter leaves out what is below /proc, by whatever way it is opened */
	dir = opened("/proc/self", O_RDONLY | O_DIRECTORY);
	sub = openat(dir, "stat", O_RDONLY);
	MUST(sub >= 0 && read(sub, buf, 10) == 10 && close(sub) == 0 && close(dir) == 0);
	sub = opened("/proc/self/stat", O_RDONLY);
	MUST(read(sub, buf, 10) == 10 && dup2(sub, 51) == 51 && close(51) == 0 && close(sub) == 0);
}

/* The number of a folder that was closed is another's, whose opening nobody saw. */
static void reused(void)
{
	MUST(mkdir("one", 0755) == 0 && mkdir("two", 0755) == 0);
	for (int way = 0; way < 3; way++) {
		DIR *d = way == 0 ? opendir("one") : NULL;
		FILE *f = way == 1 ? fopen("one", "r") : NULL;
		int fd = d ? dirfd(d) : f ? fileno(f) : opened("one", O_RDONLY | O_DIRECTORY);

		MUST((d ? closedir(d) : f ? fclose(f) : close(fd)) == 0);
		MUST(__open("two", O_RDONLY | O_DIRECTORY) == fd);
		MUST(unlinkat(fd, "none", 0) == -1);
	}
}

/* What stdio and popen open. */
static void streams(void)
{
	FILE *f = fopen("out", "w");

	MUST(f && write(fileno(f), buf, 21) == 21 && fclose(f) == 0);
	f = popen("read x; exit 3", "w");
	MUST(f && write(fileno(f), buf, 5) == 5 && pclose(f) == 3 << 8);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} ways[] = {{"read", ways_to_read}, {"write", ways_to_write}, {"talk", ways_to_talk},
		    {"move", ways_to_move}, {"copies", copies},       {"threads", threads},
		    {"children", children}, {"again", again},         {"many", many},
		    {"folders", folders},   {"streams", streams},     {"reused", reused}};

	MUST(argc == 2);
	if (strcmp(argv[1], "exec") == 0)
		next_image(argv[0]);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (strcmp(argv[1], ways[i].name) != 0)
			continue;
		ways[i].run();
		return 0;
	}
	return 3;
}
