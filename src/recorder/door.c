/* SPDX-License-Identifier: Apache-2.0 */
/* Giving the ring to processes of the run that ask for it, and to nobody else. */
#include "recorder/door.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/fdpass.h"

#define QUEUE     128 /* who comes while it is full tries again for a moment */
#define SERVE_MAX 16  /* then the ring has its turn */

int recorder_door_open(struct recorder_door *d)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	TT_CLEANUP(tt_closep) int fd = -1;
	char digits[CONTRACT_SOCKET_LEN + 1];
	uint64_t random;
	size_t len;

	d->fd = -1;
	d->digits[0] = '\0';
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	(void)snprintf(digits, sizeof(digits), "%016llx", (unsigned long long)random);
	len = offsetof(struct sockaddr_un, sun_path) +
	      event_contract_socket_name(at.sun_path, digits);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, (socklen_t)len) < 0 || listen(fd, QUEUE) < 0)
		return -errno;
	memcpy(d->digits, digits, sizeof(digits));
	d->fd = tt_take_fd(&fd);
	return 0;
}

void recorder_door_close(struct recorder_door *d)
{
	tt_closep(&d->fd);
	d->fd = -1;
	d->digits[0] = '\0';
}

/* A fresh socket has room for a byte: this never waits, whatever the other side does. */
static bool hand_over(int to, int ring_fd)
{
	return tt_fd_send(to, ring_fd, "", 1, MSG_DONTWAIT) == 0;
}

void recorder_door_serve(struct recorder_door *d, struct recorder_track *t, int ring_fd)
{
	for (int i = 0; i < SERVE_MAX; i++) {
		TT_CLEANUP(tt_closep)
		int peer = accept4(d->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		socklen_t len = sizeof(struct ucred);
		struct ucred who;

		if (peer < 0)
			return;
		/* the pid that connected, in our namespace; 0 from one we cannot see into */
		if (getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.pid > 0 &&
		    recorder_track_is_ours(t, who.pid) && hand_over(peer, ring_fd))
			d->served++;
		else
			d->refused++;
	}
}
