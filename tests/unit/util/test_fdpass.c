/* SPDX-License-Identifier: Apache-2.0 */
/* An fd that goes with a message, none, two, and nobody to take it. */
#include "util/fdpass.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tap.h"

static int pair[2];

static void an_fd_arrives(void)
{
	char text[8] = "";
	int pipes[2], fd = -1;

	CHECK_INT(pipe(pipes), 0);
	CHECK_INT(tt_fd_send(pair[0], pipes[0], "word", 5, 0), 0);
	CHECK_INT(tt_fd_recv(pair[1], text, sizeof(text), 0, &fd), 5);
	CHECK_STR(text, "word");
	CHECK(fd >= 0 && fd != pipes[0]);
	CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_INT(write(pipes[1], "x", 1), 1);
	CHECK_INT(read(fd, text, sizeof(text)), 1);
	(void)close(fd);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

static void a_message_without_one(void)
{
	char text[8];
	int fd = 0;

	CHECK_INT(send(pair[0], "ab", 2, 0), 2);
	CHECK_INT(tt_fd_recv(pair[1], text, sizeof(text), 0, &fd), 2);
	CHECK_INT(fd, -1);
	fd = 0;
	CHECK_INT(tt_fd_recv(pair[1], text, sizeof(text), MSG_DONTWAIT, &fd), -EAGAIN);
	CHECK_INT(fd, -1);
}

/* And neither is left open. */
static void two_are_too_many(void)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = {.room = {0}};
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control.room)};
	const int two[2] = {pair[0], pair[1]};
	int fd = 0, before = dup(0); /* the lowest number that is free */

	(void)close(before);
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(two));
	memcpy(CMSG_DATA(&control.head), two, sizeof(two));
	CHECK_INT(sendmsg(pair[0], &msg, 0), 1);
	CHECK_INT(tt_fd_recv(pair[1], &byte, 1, 0, &fd), 1);
	CHECK_INT(fd, -1);
	fd = dup(0);
	CHECK_INT(fd, before);
	(void)close(fd);
}

static void nobody_there(void)
{
	char byte;
	int fd = 0;

	CHECK_INT(tt_fd_send(pair[0], 12345, "", 1, 0), -EBADF);
	(void)close(pair[1]);
	CHECK_INT(tt_fd_send(pair[0], 0, "", 1, 0), -EPIPE); /* and no SIGPIPE */
	CHECK_INT(tt_fd_recv(pair[0], &byte, 1, 0, &fd), 0);
	CHECK_INT(fd, -1);
}

int main(void)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return 1;
	TAP_RUN(an_fd_arrives);
	TAP_RUN(a_message_without_one);
	TAP_RUN(two_are_too_many);
	TAP_RUN(nobody_there);
	return tap_done();
}
