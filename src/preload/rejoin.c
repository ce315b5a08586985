/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the ring again: unix(7), "Abstract socket address" and SCM_RIGHTS.
 *
 * A program may close the ring's fd without asking libc, and then start another one. The recorder
 * gives that one a new fd of the ring, if it runs below the recorder. A recorder that is stopped
 * must not hold up the command, so the wait is bounded, all steps together.
 */
#include "preload/preload.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/time.h"

#define FD_MIN   240 /* as in the recorder: out of the way of programs that count fds from below */
#define RETRY_NS (5 * TT_NS_PER_MS)

/* What is left of the time, at most @most. */
static struct timespec time_left(uint64_t until, uint64_t most)
{
	uint64_t now = tt_clock_ns(CLOCK_MONOTONIC), left = now < until ? until - now : 0;

	return (struct timespec){.tv_nsec = (long)(left < most ? left : most)};
}
_Static_assert(PL_FETCH_MS < 1000, "all of it in tv_nsec");

static bool is_over(uint64_t until)
{
	return tt_clock_ns(CLOCK_MONOTONIC) >= until;
}

/* A queue that is full empties as soon as the recorder comes round. */
static bool reach(int fd, const struct sockaddr_un *to, size_t len, uint64_t until)
{
	for (;;) {
		long r = tt_sys3(SYS_connect, fd, to, len);
		struct timespec pause;

		if (r == 0)
			return true;
		if ((r != -EAGAIN && r != -EINTR) || is_over(until))
			return false;
		pause = time_left(until, RETRY_NS);
		(void)tt_sys2(SYS_nanosleep, &pause, 0);
	}
}

static int receive(int fd, uint64_t until)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	int got = -1;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		long r = tt_sys3(SYS_recvmsg, fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		struct timespec left;

		if (r > 0)
			break;
		if ((r != -EAGAIN && r != -EINTR) || is_over(until))
			return -1;
		left = time_left(until, PL_FETCH_MS * TT_NS_PER_MS);
		(void)tt_sys6(SYS_ppoll, (long)&p, 1, (long)&left, 0, 0, 0);
	}
	if (msg.msg_controllen >= CMSG_LEN(sizeof(int)) && control.head.cmsg_level == SOL_SOCKET &&
	    control.head.cmsg_type == SCM_RIGHTS)
		memcpy(&got, CMSG_DATA(&control.head), sizeof(got));
	return got;
}

/* Resized by somebody, it would kill us with SIGBUS. */
static bool is_sealed(int fd)
{
	long seals = tt_sys2(SYS_fcntl, fd, F_GET_SEALS);

	return seals >= 0 && (seals & F_SEAL_SHRINK);
}

int pl_ring_fetch(const char *digits)
{
	uint64_t until = tt_clock_ns(CLOCK_MONOTONIC) + PL_FETCH_MS * TT_NS_PER_MS;
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len = offsetof(struct sockaddr_un, sun_path) +
		     event_contract_socket_name(to.sun_path, digits);
	long s = tt_sys3(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	long low = -1, high = -1;

	if (s < 0)
		return -1;
	if (reach((int)s, &to, len, until))
		low = receive((int)s, until);
	(void)tt_sys1(SYS_close, s);
	if (low < 0)
		return -1;
	if (is_sealed((int)low))
		high = tt_sys3(SYS_fcntl, low, F_DUPFD_CLOEXEC, FD_MIN);
	/* a limit below it: the first that is free, as the recorder does */
	if (high == -EINVAL)
		return (int)low;
	(void)tt_sys1(SYS_close, low);
	return high < 0 ? -1 : (int)high;
}
