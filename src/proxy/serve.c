/* SPDX-License-Identifier: Apache-2.0 */
/* The proxy's process: one thread, one epoll loop, a bounded number of connections. */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/time.h"
#include "proxy/proxy_internal.h"
#include "util/fdpass.h"

#define TICK_MS 250

/* What an epoll event is about, where it is no connection. */
enum { ABOUT_CHANNEL = UINT32_MAX, ABOUT_LISTENER = UINT32_MAX - 1 };

static uint64_t about(uint32_t slot, uint32_t generation, enum proxy_side side)
{
	return (uint64_t)generation << 32 | slot << 2 | side;
}

void proxy_watch(struct proxy_server *s, struct proxy_conn *c, enum proxy_side side,
		 uint32_t events)
{
	struct epoll_event e = {.events = events,
				.data = {.u64 = about(c->slot, c->generation, side)}};
	int op = !events ? EPOLL_CTL_DEL : c->watched[side] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (c->fd[side] < 0 || c->watched[side] == events)
		return;
	/* not watched at all where nothing is wanted: a hang-up would wake us for ever */
	(void)epoll_ctl(s->epoll_fd, op, c->fd[side], &e);
	c->watched[side] = events;
}

static void listen_on(struct proxy_server *s, bool on)
{
	struct epoll_event e = {.events = EPOLLIN, .data = {.u64 = ABOUT_LISTENER}};

	if (s->listen_fd < 0 || s->listening == on)
		return;
	(void)epoll_ctl(s->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, s->listen_fd, &e);
	s->listening = on;
}

static void accept_one(struct proxy_server *s)
{
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct proxy_conn *c;

	if (fd < 0) {
		s->starved = errno != EAGAIN && errno != ECONNABORTED && errno != EINTR;
		return;
	}
	c = proxy_conn_new(s, fd);
	if (!c) {
		s->starved = true;
		(void)close(fd);
		return;
	}
	for (uint32_t i = 0; i < PROXY_CONNS_MAX; i++) {
		if (s->conns[i])
			continue;
		s->conns[i] = c;
		c->slot = i;
		break;
	}
	s->count++;
	proxy_watch(s, c, PROXY_CLIENT, EPOLLIN);
}

/* The listening socket, once. False: the caller is gone, or has had enough. */
static bool take_message(struct proxy_server *s)
{
	char byte;
	int fd;
	long n = tt_fd_recv(s->channel, &byte, 1, MSG_DONTWAIT, &fd);

	if (n < 0)
		return n == -EAGAIN || n == -EINTR;
	if (n == 0 || fd < 0 || s->listen_fd >= 0) {
		tt_closep(&fd);
		return false;
	}
	s->listen_fd = fd;
	return true;
}

static void dispatch(struct proxy_server *s, uint64_t what)
{
	uint32_t slot = (uint32_t)what >> 2;
	struct proxy_conn *c = slot < PROXY_CONNS_MAX ? s->conns[slot] : NULL;

	/* an event of the same batch may have ended it, and another may have its place */
	if (c && c->generation == what >> 32)
		proxy_conn_event(s, c, (enum proxy_side)(what & 3));
}

static void tick(struct proxy_server *s)
{
	for (size_t i = 0; i < PROXY_CONNS_MAX; i++)
		if (s->conns[i])
			proxy_conn_tick(s, s->conns[i]);
	s->starved = false;
}

static void loop(struct proxy_server *s)
{
	struct epoll_event events[64];
	uint64_t ticked_ns = 0;

	for (;;) {
		int n;

		/* what is not accepted waits in the backlog */
		listen_on(s, s->count < PROXY_CONNS_MAX && !s->starved);
		n = epoll_wait(s->epoll_fd, events, TT_ARRAY_SIZE(events),
			       s->count || s->starved ? TICK_MS : -1);

		if (n < 0 && errno != EINTR)
			return;
		s->now_ns = tt_clock_ns(CLOCK_MONOTONIC);
		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 == ABOUT_LISTENER)
				accept_one(s);
			else if (events[i].data.u64 != ABOUT_CHANNEL)
				dispatch(s, events[i].data.u64);
			else if (!take_message(s))
				return;
		}
		if (s->now_ns - ticked_ns >= TICK_MS * TT_NS_PER_MS) {
			ticked_ns = s->now_ns;
			tick(s);
		}
	}
}

void proxy_serve(const struct proxy_options *opts, int channel)
{
	struct epoll_event e = {.events = EPOLLIN, .data = {.u64 = ABOUT_CHANNEL}};
	struct proxy_server *s = calloc(1, sizeof(*s));

	if (!s)
		return;
	s->opts = opts;
	s->channel = channel;
	s->listen_fd = -1;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd >= 0 && epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, channel, &e) == 0)
		loop(s);
	s->now_ns = tt_clock_ns(CLOCK_MONOTONIC);
	for (size_t i = 0; i < PROXY_CONNS_MAX; i++)
		if (s->conns[i])
			proxy_conn_free(s, s->conns[i]);
	tt_closep(&s->listen_fd);
	tt_closep(&s->epoll_fd);
	free(s);
}
