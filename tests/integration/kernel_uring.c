/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acts through an io_uring, one after the other: kernel_uring MODE FOLDER. MODE: "plain", or
 * "sqpoll", where a thread of the kernel's takes them. Says "ACT RESULT" of each on standard
 * output.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define OP_BIND 56 /* since Linux 6.11 */

static struct {
	int fd;
	unsigned *sq_tail, *sq_mask, *sq_array, *sq_flags, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	bool polled;
} ring;

static void fail(const char *what)
{
	printf("failed %s %d\n", what, errno);
	exit(77);
}

static void *map(size_t size, off_t what)
{
	void *p =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, what);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

static void open_ring(bool polled)
{
	struct io_uring_params p = {.flags = polled ? IORING_SETUP_SQPOLL : 0,
				    .sq_thread_idle = 1000};
	char *sq, *cq;

	ring.fd = (int)syscall(SYS_io_uring_setup, 8, &p);
	if (ring.fd < 0)
		fail("io_uring_setup");
	ring.polled = polled;
	sq = map(p.sq_off.array + p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
	cq = map(p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	ring.sqes = map(p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	ring.sq_tail = (unsigned *)(sq + p.sq_off.tail);
	ring.sq_mask = (unsigned *)(sq + p.sq_off.ring_mask);
	ring.sq_array = (unsigned *)(sq + p.sq_off.array);
	ring.sq_flags = (unsigned *)(sq + p.sq_off.flags);
	ring.cq_head = (unsigned *)(cq + p.cq_off.head);
	ring.cq_tail = (unsigned *)(cq + p.cq_off.tail);
	ring.cq_mask = (unsigned *)(cq + p.cq_off.ring_mask);
	ring.cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
}

static int submit(const struct io_uring_sqe *sqe)
{
	unsigned tail = *ring.sq_tail, i = tail & *ring.sq_mask, head = *ring.cq_head, flags;
	int result;

	ring.sqes[i] = *sqe;
	ring.sq_array[i] = i;
	__atomic_store_n(ring.sq_tail, tail + 1, __ATOMIC_SEQ_CST);
	flags = IORING_ENTER_GETEVENTS;
	if (ring.polled &&
	    (__atomic_load_n(ring.sq_flags, __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP))
		flags |= IORING_ENTER_SQ_WAKEUP;
	if (syscall(SYS_io_uring_enter, ring.fd, ring.polled ? 0 : 1, 1, flags, NULL, 0) < 0)
		fail("io_uring_enter");
	if (__atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE) == head)
		fail("completion");
	result = ring.cqes[head & *ring.cq_mask].res;
	__atomic_store_n(ring.cq_head, head + 1, __ATOMIC_RELEASE);
	return result;
}

static struct io_uring_sqe at(int op, int dir, const char *path)
{
	struct io_uring_sqe s = {.opcode = (uint8_t)op, .fd = dir};

	s.addr = (uintptr_t)path;
	return s;
}

static struct io_uring_sqe two(int op, const char *from, const char *to)
{
	struct io_uring_sqe s = at(op, AT_FDCWD, from);

	s.len = (unsigned)AT_FDCWD;
	s.off = (uintptr_t)to;
	return s;
}

static void act(const char *name, const struct io_uring_sqe *sqe)
{
	printf("%s %d\n", name, submit(sqe));
}

static void files(void)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY);
	struct io_uring_sqe s = at(IORING_OP_OPENAT, AT_FDCWD, "made");
	char path[4096];

	s.open_flags = O_CREAT | O_RDWR;
	s.len = 0640;
	act("openat", &s);
	(void)snprintf(path, sizeof(path), "%s/missing", getcwd((char[3000]){0}, 3000));
	s = at(IORING_OP_OPENAT, AT_FDCWD, path);
	act("openat", &s);
	s = at(IORING_OP_OPENAT, dir, "made");
	act("openat", &s);
	s = at(IORING_OP_MKDIRAT, AT_FDCWD, "folder");
	s.len = 0700;
	act("mkdirat", &s);
	s = two(IORING_OP_LINKAT, "made", "linked");
	act("linkat", &s);
	s = at(IORING_OP_SYMLINKAT, AT_FDCWD, "target");
	s.off = (uintptr_t) "symbolic";
	act("symlinkat", &s);
	s = two(IORING_OP_RENAMEAT, "linked", "moved");
	act("renameat2", &s);
	s = at(IORING_OP_UNLINKAT, AT_FDCWD, "moved");
	act("unlinkat", &s);
	s = at(IORING_OP_UNLINKAT, AT_FDCWD, "folder");
	s.unlink_flags = AT_REMOVEDIR;
	act("unlinkat", &s);
}

static void connect_to(const void *addr, size_t len, int family, int type)
{
	struct io_uring_sqe s = {.opcode = IORING_OP_CONNECT, .fd = socket(family, type, 0)};

	s.addr = (uintptr_t)addr;
	s.off = len;
	act("connect", &s);
}

static void net(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "nobody"};
	char byte = 0;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {
		.msg_name = &in, .msg_namelen = sizeof(in), .msg_iov = &iov, .msg_iovlen = 1};
	struct io_uring_sqe s;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	six.sin6_addr = in6addr_loopback;
	connect_to(&in, sizeof(in), AF_INET, SOCK_STREAM);
	connect_to(&six, sizeof(six), AF_INET6, SOCK_DGRAM);
	connect_to(&un, sizeof(un), AF_UNIX, SOCK_STREAM);
	s = (struct io_uring_sqe){.opcode = IORING_OP_SENDMSG,
				  .fd = socket(AF_INET, SOCK_DGRAM, 0)};
	s.addr = (uintptr_t)&msg;
	s.len = 1;
	act("sendmsg", &s);
	in.sin_port = 0;
	s = (struct io_uring_sqe){.opcode = OP_BIND, .fd = socket(AF_INET, SOCK_DGRAM, 0)};
	s.addr = (uintptr_t)&in;
	s.addr2 = sizeof(in);
	act("bind", &s);
	s = (struct io_uring_sqe){.opcode = IORING_OP_SOCKET, .fd = AF_INET};
	s.off = SOCK_STREAM;
	act("socket", &s);
}

int main(int argc, char **argv)
{
	if (argc < 3 || chdir(argv[2]) < 0)
		return 2;
	open_ring(strcmp(argv[1], "sqpoll") == 0);
	files();
	net();
	return 0;
}
