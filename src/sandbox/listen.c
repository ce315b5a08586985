/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket that listens inside the sandbox's own network and is handed to somebody outside it: a
 * socket belongs to the network that it was made in, whoever holds it.
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "sandbox/sandbox_internal.h"

#define BACKLOG 512

static int send_fd(int channel, int fd)
{
	char byte = 0;
	struct iovec iov = {&byte, 1};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.room = {0}};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(channel, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

void sandbox_listen(const struct sandbox_plan *plan)
{
	const struct sandbox_spec *spec = plan->spec;
	struct sockaddr_in home = {
		.sin_family = AF_INET,
		.sin_port = htons(spec->listen_port),
		.sin_addr = {htonl(INADDR_LOOPBACK)},
	};
	TT_CLEANUP(tt_closep) int fd = -1;
	int r;

	if (!spec->listen_port)
		return;
	/* in the caller's network anybody could come to it */
	if (!(plan->namespaces & POLICY_NS_NET))
		sandbox_child_fail(plan, SANDBOX_STEP_LISTEN, ENONET, 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = fd < 0 ? -errno : sandbox_raise_loopback();
	if (r == 0 &&
	    (bind(fd, (const struct sockaddr *)&home, sizeof(home)) < 0 || listen(fd, BACKLOG) < 0))
		r = -errno;
	if (r == 0)
		r = send_fd(spec->listen_channel, fd);
	if (r < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_LISTEN, -r, 0);
}
