/* SPDX-License-Identifier: Apache-2.0 */
/* The connection to the host: made, used, lost, made again. */
#include "agent/link.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "agent/confine.h"
#include "agent/say.h"
#include "base/time.h"

enum {
	WAIT_MIN_MS = 10,
	WAIT_MAX_MS = 1000,
	CONNECT_MAX_MS = 5000,
	/* A connection that lives shorter is no end of an outage. */
	STEADY_MS = 1000,
	CLOSED_BY_HOST = 0,
};

void agent_link_init(struct agent_link *l, const struct tt_endpoint *endpoint, const char *text,
		     const struct agent_hello *hello, struct agent_sink *queue, int epoll,
		     uint32_t tag)
{
	*l = (struct agent_link){
		.endpoint = endpoint,
		.endpoint_text = text,
		.hello = hello,
		.queue = queue,
		.epoll = epoll,
		.tag = tag,
		.fd = -1,
		.wait_ms = WAIT_MIN_MS,
	};
}

uint64_t agent_link_due_ns(const struct agent_link *l)
{
	return l->state <= AGENT_LINK_PENDING ? l->retry_ns : UINT64_MAX;
}

static const char *reason_text(int error)
{
	return error == CLOSED_BY_HOST ? "the host closed the connection" : strerror(error);
}

static void count_reason(struct agent_link *l, int error)
{
	unsigned i = 0;

	while (i < l->reason_count && l->reasons[i].error != error)
		i++;
	if (i == AGENT_LINK_REASONS)
		i--; /* more kinds than that: the last one stands for them */
	else if (i == l->reason_count)
		l->reason_count++, l->reasons[i].error = error, l->reasons[i].count = 0;
	l->reasons[i].count++;
}

/* "connected to unix:/run/x after: 12 times No such file or directory" */
static void tell_outage(struct agent_link *l)
{
	char line[AGENT_LINE_MAX / 2] = "", more[AGENT_LINE_MAX / 2], number[AGENT_NUMBER_MAX];

	for (unsigned i = 0; i < l->reason_count; i++) {
		(void)agent_join(more, sizeof(more), line, i ? ", " : "",
				 agent_number(number, l->reasons[i].count), " times ",
				 reason_text(l->reasons[i].error), NULL);
		memcpy(line, more, sizeof(line));
	}
	agent_say("connected to ", l->endpoint_text, " after: ", line, NULL);
	l->reason_count = 0;
	l->is_told = false;
}

/*
 * Down, for a while that doubles each time. What the host has of a frame begins anew with the next
 * connection.
 */
static void fall(struct agent_link *l, int error)
{
	uint64_t now = tt_clock_ns(CLOCK_MONOTONIC);
	bool was_steady = l->state == AGENT_LINK_UP && now - l->up_ns >= STEADY_MS * TT_NS_PER_MS;

	/* closed: it leaves the epoll set by itself */
	tt_closep(&l->fd);
	l->fd = -1;
	if (l->state == AGENT_LINK_ENDING) {
		l->state = AGENT_LINK_ENDED;
		return;
	}
	if (l->state == AGENT_LINK_UP)
		agent_queue_hello_reserve(l->queue);
	if (was_steady)
		l->wait_ms = WAIT_MIN_MS;
	l->state = AGENT_LINK_DOWN;
	l->retry_ns = now + l->wait_ms * TT_NS_PER_MS;
	l->wait_ms = l->wait_ms * 2 > WAIT_MAX_MS ? WAIT_MAX_MS : l->wait_ms * 2;
	count_reason(l, error);
	if (!l->is_told)
		agent_say("no connection to ", l->endpoint_text, ": ", reason_text(error),
			  "; trying again", NULL);
	l->is_told = true;
}

static int watch(struct agent_link *l, int op, bool wants_out)
{
	struct epoll_event e = {
		.events = EPOLLIN | EPOLLRDHUP | (wants_out ? EPOLLOUT : 0u),
		.data.u32 = l->tag,
	};

	if (epoll_ctl(l->epoll, op, l->fd, &e) < 0)
		return -errno;
	l->wants_out = wants_out;
	return 0;
}

static void rise(struct agent_link *l)
{
	int n = 0;

	l->state = AGENT_LINK_UP;
	l->up_ns = l->sent_ns = tt_clock_ns(CLOCK_MONOTONIC);
	l->hello_sent = l->cut = 0;
	if (l->queue->major > 1)
		n = agent_hello_frame(l->hello, l->queue, l->hello_frame);
	if (n < 0) {
		fall(l, -n);
		return;
	}
	l->hello_len = (size_t)n;
}

static void connect_now(struct agent_link *l)
{
	int pending = 0, r;

	agent_confine_connecting(true);
	r = tt_endpoint_connect(l->endpoint, &pending);
	agent_confine_connecting(false);
	if (r < 0) {
		fall(l, -r);
		return;
	}
	l->fd = r;
	l->state = AGENT_LINK_PENDING;
	l->retry_ns = tt_clock_ns(CLOCK_MONOTONIC) + CONNECT_MAX_MS * TT_NS_PER_MS;
	r = watch(l, EPOLL_CTL_ADD, pending);
	if (r)
		fall(l, -r);
	else if (!pending)
		rise(l);
}

/* What is left of the hello, then the queue. */
static int gather(const struct agent_link *l, struct iovec parts[3])
{
	int n = 0;

	if (l->hello_sent < l->hello_len)
		parts[n++] = (struct iovec){(void *)(uintptr_t)(l->hello_frame + l->hello_sent),
					    l->hello_len - l->hello_sent};
	return n + agent_queue_peek(l->queue, l->cut, parts + n);
}

static void note_sent(struct agent_link *l, size_t n)
{
	size_t hello = l->hello_len - l->hello_sent, part = n < hello ? n : hello;

	l->sent_ns = tt_clock_ns(CLOCK_MONOTONIC);
	l->hello_sent += part;
	if (part < hello)
		return;
	if (part)
		agent_queue_hello_sent(l->queue);
	/* major 1 has no hello: there its first frame says that the host is back */
	if (l->reason_count)
		tell_outage(l);
	if (n > part)
		l->cut = agent_queue_sent(l->queue, l->cut + n - part);
}

static void send_all(struct agent_link *l)
{
	struct iovec parts[3];
	struct msghdr message = {.msg_iov = parts};
	bool is_full = false;
	ssize_t n;

	while (l->state == AGENT_LINK_UP && !is_full) {
		message.msg_iovlen = (size_t)gather(l, parts);
		if (!message.msg_iovlen)
			break;
		n = sendmsg(l->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0)
			note_sent(l, (size_t)n);
		else if (errno == EAGAIN)
			is_full = true;
		else if (errno != EINTR)
			fall(l, errno);
		/* what had no room becomes a record, now that there is some */
		(void)agent_queue_settle(l->queue);
	}
	if (l->state == AGENT_LINK_UP && is_full != l->wants_out) {
		int r = watch(l, EPOLL_CTL_MOD, is_full);

		if (r)
			fall(l, -r);
	}
}

void agent_link_step(struct agent_link *l)
{
	uint64_t now = tt_clock_ns(CLOCK_MONOTONIC);

	if (l->state == AGENT_LINK_PENDING && now >= l->retry_ns)
		fall(l, ETIMEDOUT);
	if (l->state == AGENT_LINK_DOWN && now >= l->retry_ns)
		connect_now(l);
	if (l->state == AGENT_LINK_UP && !l->wants_out)
		send_all(l);
}

/* The host says nothing; what it sends all the same is thrown away. Its end is the end. */
static void listen_to_host(struct agent_link *l)
{
	char ignored[1024];
	ssize_t n = recv(l->fd, ignored, sizeof(ignored), MSG_DONTWAIT);

	if (n == 0)
		fall(l, CLOSED_BY_HOST);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		fall(l, errno);
}

void agent_link_event(struct agent_link *l, uint32_t events)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (l->state == AGENT_LINK_PENDING && events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
		if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
			error = errno;
		if (error)
			fall(l, error);
		else
			rise(l);
	}
	if (l->fd >= 0 && events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))
		listen_to_host(l);
	if (l->state == AGENT_LINK_UP && events & EPOLLOUT)
		send_all(l);
}

/*
 * Of a vsock, most devices hand only the end of both sides to the host. So both are ended, and
 * close() waits for the answer, which the device gives when the host's socket has taken all. It
 * must be called: at exit nobody waits.
 */
static void close_vsock(struct agent_link *l, uint64_t deadline_ns)
{
	uint64_t now = tt_clock_ns(CLOCK_MONOTONIC);
	uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
	struct linger linger = {1, (int)((left + TT_NS_PER_SEC - 1) / TT_NS_PER_SEC)};
	int flags = fcntl(l->fd, F_GETFL);

	if (setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0 ||
	    fcntl(l->fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		agent_say("the end of the connection: ", strerror(errno), NULL);
	fall(l, CLOSED_BY_HOST);
}

bool agent_link_finish(struct agent_link *l, uint64_t deadline_ns)
{
	bool is_empty = agent_queue_settle(l->queue) && !agent_queue_state(l->queue)->events;

	if (l->state == AGENT_LINK_UP && is_empty && l->hello_sent == l->hello_len) {
		l->state = AGENT_LINK_ENDING;
		if (l->endpoint->addr.ss_family == AF_VSOCK)
			close_vsock(l, deadline_ns);
		else if (shutdown(l->fd, SHUT_WR) < 0)
			fall(l, errno);
	}
	/* nobody is there, and nobody is waited for */
	return l->state == AGENT_LINK_ENDED || (is_empty && l->state == AGENT_LINK_DOWN);
}
