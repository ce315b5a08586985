/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket that listens inside the sandbox's own network and is handed to somebody outside it: a
 * socket belongs to the network that it was made in, whoever holds it.
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "sandbox/sandbox_internal.h"
#include "util/fdpass.h"

#define BACKLOG 512

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
		r = tt_fd_send(spec->listen_channel, fd, "", 1, 0);
	if (r < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_LISTEN, -r, 0);
}
