/* SPDX-License-Identifier: Apache-2.0 */
/* Four bytes that must arrive, within a bounded time. */
#include "init/exit.h"

#include <fcntl.h>
#include <poll.h>

#include "init/spawn.h"

#define ALL_MS    5000 /* all tries together */
#define AGAIN_MS  50
#define ANSWER_MS 500
#define LINGER_S  2
#define CODE_LEN  4

/* 0, or -ETIMEDOUT. */
static int wait_for(int fd, short what, uint64_t end)
{
	struct pollfd p = {.fd = fd, .events = what};
	uint64_t now = init_now_ms();
	int n = now < end ? poll(&p, 1, (int)(end - now)) : 0;

	return n > 0 ? 0 : n < 0 && errno != EINTR ? -errno : -ETIMEDOUT;
}

static int connected(int fd, uint64_t end)
{
	socklen_t len = sizeof(int);
	int err = 0, r = wait_for(fd, POLLOUT, end);

	if (r < 0)
		return r;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 ? -errno : -err;
}

static int send_all(int fd, const uint8_t *bytes, uint64_t end)
{
	size_t at = 0;
	ssize_t n;
	int r;

	while (at < CODE_LEN) {
		n = send(fd, bytes + at, CODE_LEN - at, MSG_NOSIGNAL);
		if (n > 0) {
			at += (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			r = wait_for(fd, POLLOUT, end);
			if (r < 0)
				return r;
		} else {
			return n < 0 ? -errno : -EPIPE;
		}
	}
	return 0;
}

/*
 * The bytes are on their way: have they been taken? The other side's end says so, a reset that they
 * have not. Some machine monitors do not tell their host that we have nothing more to say, and a
 * host that waits for that never ends; but a close that lingers waits until the bytes are out of
 * this machine (vsock).
 */
static int await_end(int fd, uint64_t end)
{
	const struct linger linger = {1, LINGER_S};
	uint64_t soon = init_now_ms() + ANSWER_MS;
	char rest[16];
	ssize_t n;
	int r;

	(void)shutdown(fd, SHUT_WR);
	for (;;) {
		r = wait_for(fd, POLLIN, soon < end ? soon : end);
		if (r == -ETIMEDOUT)
			break;
		n = r < 0 ? -1 : recv(fd, rest, sizeof(rest), 0);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return r < 0 ? r : -errno;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	(void)fcntl(fd, F_SETFL, 0); /* its only flag was O_NONBLOCK */
	return 0;
}

static int try_once(const struct tt_endpoint *to, const uint8_t *bytes, uint64_t end)
{
	int pending = 0, r;
	TT_CLEANUP(tt_closep) int fd = tt_endpoint_connect(to, &pending);

	if (fd < 0)
		return fd;
	r = pending ? connected(fd, end) : 0;
	if (r == 0)
		r = send_all(fd, bytes, end);
	return r == 0 ? await_end(fd, end) : r;
}

int init_exit_send(const struct tt_endpoint *to, uint32_t code)
{
	const uint8_t bytes[CODE_LEN] = {(uint8_t)code, (uint8_t)(code >> 8), (uint8_t)(code >> 16),
					 (uint8_t)(code >> 24)};
	uint64_t end = init_now_ms() + ALL_MS;
	int r;

	for (;;) {
		r = try_once(to, bytes, end);
		if (r == 0 || init_now_ms() + AGAIN_MS >= end)
			return r;
		(void)poll(NULL, 0, AGAIN_MS);
	}
}
