/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection through the proxy.
 *
 *	what the client wants ─► may it? ─► look the name up ─► may it? ─► connect ─► relay
 *	                          └── no: told so, and heard to its end ──┘
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/time.h"
#include "proxy/proxy_internal.h"

#define HEAD_S    15 /* until the client has said what it wants */
#define QUEUE_S   60 /* until its name's turn comes */
#define RESOLVE_S 15
#define CONNECT_S 10 /* for each address */
#define IDLE_S    600
#define ENDING_S  2

static void set_deadline(const struct proxy_server *s, struct proxy_conn *c, unsigned seconds)
{
	c->deadline_ns = s->now_ns + seconds * 1000 * TT_NS_PER_MS;
}

struct proxy_conn *proxy_conn_new(struct proxy_server *s, int fd)
{
	struct proxy_conn *c = malloc(sizeof(*c));

	if (!c)
		return NULL;
	/* not the buffers: their pages come when they are used */
	memset(c, 0, offsetof(struct proxy_conn, up));
	c->up.at = c->up.len = c->down.at = c->down.len = 0;
	c->up.eof = c->up.shut = c->down.eof = c->down.shut = c->decided = false;
	c->answer_count = c->answer_at = 0;
	memset(&c->report, 0, sizeof(c->report));
	c->generation = ++s->generation;
	c->fd[PROXY_CLIENT] = fd;
	c->fd[PROXY_SERVER] = c->fd[PROXY_HELPER] = -1;
	c->started_ns = s->now_ns;
	c->report.started_ns = tt_clock_ns(CLOCK_REALTIME);
	c->report.protocol = PROXY_HTTP;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	set_deadline(s, c, HEAD_S);
	return c;
}

static void close_side(struct proxy_server *s, struct proxy_conn *c, enum proxy_side side)
{
	/* by name: a helper that is just being forked may still have a copy of it */
	proxy_watch(s, c, side, 0);
	tt_closep(&c->fd[side]);
	c->fd[side] = -1;
}

static void end_helper(struct proxy_server *s, struct proxy_conn *c)
{
	if (c->helper <= 0)
		return;
	(void)kill(c->helper, SIGKILL);
	(void)waitpid(c->helper, NULL, 0);
	c->helper = 0;
	s->helpers--;
	close_side(s, c, PROXY_HELPER);
}

/* What happened to it, unless that is known already. */
static void decide(struct proxy_conn *c, enum proxy_outcome outcome, int error)
{
	if (c->decided)
		return;
	c->decided = true;
	c->report.outcome = (uint8_t)outcome;
	c->report.error = error;
}

static void name_host(struct proxy_conn *c)
{
	const struct proxy_slice *asked = &c->req.asked;
	size_t len = asked->len < sizeof(c->report.host) ? asked->len : sizeof(c->report.host) - 1;

	c->report.port = c->req.port;
	if (c->req.host.name[0])
		(void)snprintf(c->report.host, sizeof(c->report.host), "%s", c->req.host.name);
	else if (len)
		memcpy(c->report.host, asked->data, len);
	else if (c->req.host.literal)
		proxy_addr_text(c->report.host, &c->req.host.addr);
}

void proxy_conn_free(struct proxy_server *s, struct proxy_conn *c)
{
	/* one that came and went without a word asked for nothing */
	bool silent = c->state == PROXY_STATE_HEAD && !c->up.len;

	decide(c, PROXY_CUT, 0);
	c->report.elapsed_ns = s->now_ns - c->started_ns;
	/* blocks while the caller is behind: so does the command, whose requests these are */
	while (!silent && send(s->channel, &c->report, sizeof(c->report), MSG_NOSIGNAL) < 0 &&
	       errno == EINTR)
		;
	end_helper(s, c);
	close_side(s, c, PROXY_CLIENT);
	close_side(s, c, PROXY_SERVER);
	s->conns[c->slot] = NULL;
	s->count--;
	free(c);
}

/* Bytes of our own for the client. There is always room: nothing came from a server yet. */
static void say(struct proxy_conn *c, const char *text, size_t len)
{
	memcpy(c->down.data + c->down.at + c->down.len, text, len);
	c->down.len += len;
}

static const char *status_text(int status)
{
	switch (status) {
	case 400:
		return "400 Bad Request";
	case 403:
		return "403 Forbidden";
	case 431:
		return "431 Request Header Fields Too Large";
	case 501:
		return "501 Not Implemented";
	case 504:
		return "504 Gateway Timeout";
	case 505:
		return "505 HTTP Version Not Supported";
	default:
		return "502 Bad Gateway";
	}
}

static void say_status(struct proxy_conn *c, int status, const char *why)
{
	char text[1024];
	int n = snprintf(text, sizeof(text),
			 "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
			 "Content-Length: %zu\r\nProxy-Status: telltale\r\n"
			 "Connection: close\r\n\r\ntelltale: %s\n",
			 status_text(status), strlen(why) + strlen("telltale: \n"), why);

	say(c, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

static void say_socks(struct proxy_conn *c, int reply)
{
	char text[10] = {PROXY_SOCKS_VERSION, (char)reply, 0, 1};

	say(c, text, sizeof(text));
}

/* From here on the client is told and heard to its end, and nothing else. */
static void refuse(struct proxy_server *s, struct proxy_conn *c, int status, int reply,
		   const char *why)
{
	end_helper(s, c);
	close_side(s, c, PROXY_SERVER);
	if (c->report.protocol == PROXY_SOCKS)
		say_socks(c, reply);
	else
		say_status(c, status, why);
	c->down.eof = true;
	c->up.at = c->up.len = 0;
	c->state = PROXY_STATE_ENDING;
	set_deadline(s, c, ENDING_S);
}

static void refuse_malformed(struct proxy_server *s, struct proxy_conn *c, int status, int reply)
{
	name_host(c);
	decide(c, PROXY_MALFORMED, 0);
	refuse(s, c, status, reply,
	       "only CONNECT, requests with a whole http:// URL, and SOCKS5; hosts and addresses "
	       "in their usual spelling");
}

static void refuse_host(struct proxy_server *s, struct proxy_conn *c, enum proxy_outcome outcome)
{
	char why[512], addr[PROXY_ADDR_TEXT_MAX];
	const struct proxy_report *r = &c->report;

	decide(c, outcome, 0);
	proxy_addr_text(addr, &r->addr);
	if (outcome == PROXY_NOT_NAMED)
		(void)snprintf(why, sizeof(why),
			       "%s port %u is not among the hosts that this run may reach "
			       "(--allow-host)",
			       r->host, r->port);
	else
		(void)snprintf(why, sizeof(why),
			       "%s leads to %s, which is not public and was not named itself "
			       "(--allow-host)",
			       r->host, addr);
	refuse(s, c, 403, PROXY_SOCKS_NOT_ALLOWED, why);
}

static void fail(struct proxy_server *s, struct proxy_conn *c, int error)
{
	char why[512];
	int reply = PROXY_SOCKS_FAILED;

	decide(c, error == ETIMEDOUT ? PROXY_TIMED_OUT : PROXY_FAILED, error);
	(void)snprintf(why, sizeof(why), "%s port %u: %s", c->report.host, c->report.port,
		       strerror(error));
	if (error == ECONNREFUSED)
		reply = PROXY_SOCKS_CONNECTION_REFUSED;
	else if (error == EHOSTUNREACH || error == ENETUNREACH || error == ENOENT)
		reply = PROXY_SOCKS_UNREACHABLE;
	else if (error == ETIMEDOUT)
		reply = PROXY_SOCKS_TTL;
	refuse(s, c, error == ETIMEDOUT ? 504 : 502, reply, why);
}

/* The bytes of @p that were dealt with go; what is left begins at 0. */
static void drop_front(struct proxy_pipe *p, size_t n)
{
	p->len -= n;
	memmove(p->data, p->data + p->at + n, p->len);
	p->at = 0;
}

static int start_connect(struct proxy_conn *c, const struct proxy_addr *addr)
{
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(c->req.port)};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(c->req.port)};
	int fd = socket(addr->six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);
	int r;

	if (fd < 0)
		return -errno;
	memcpy(&four.sin_addr, addr->bytes, 4);
	memcpy(&six.sin6_addr, addr->bytes, 16);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	r = addr->six ? connect(fd, (const struct sockaddr *)&six, sizeof(six))
		      : connect(fd, (const struct sockaddr *)&four, sizeof(four));
	if (r < 0 && errno != EINPROGRESS) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	c->fd[PROXY_SERVER] = fd;
	c->report.addr = *addr;
	c->report.has_addr = true;
	return 0;
}

/* Whether one of the addresses may be connected to; @error: what became of the last one. */
static void connect_next(struct proxy_server *s, struct proxy_conn *c, int error)
{
	close_side(s, c, PROXY_SERVER);
	while (c->answer_at < c->answer_count) {
		const struct proxy_answer *a = &c->answers[c->answer_at++];
		struct proxy_host host = {.literal = true, .addr = a->addr};

		if (a->inner &&
		    !proxy_rules_allow(s->opts->rules, s->opts->rule_count, &host, c->req.port)) {
			if (!error) {
				c->report.addr = a->addr;
				c->report.has_addr = true;
				error = -1;
			}
			continue;
		}
		error = -start_connect(c, &a->addr);
		if (error == 0) {
			c->state = PROXY_STATE_CONNECTING;
			set_deadline(s, c, CONNECT_S);
			return;
		}
	}
	if (error < 0)
		refuse_host(s, c, PROXY_INNER_ADDR);
	else
		fail(s, c, error ? error : ENOENT);
}

static void start_helper(struct proxy_server *s, struct proxy_conn *c)
{
	int r;

	if (s->helpers == PROXY_HELPERS_MAX) {
		if (c->state != PROXY_STATE_QUEUED)
			set_deadline(s, c, QUEUE_S);
		c->state = PROXY_STATE_QUEUED;
		return;
	}
	set_deadline(s, c, RESOLVE_S);
	r = proxy_helper_start(s->opts, c->req.host.name, &c->fd[PROXY_HELPER], &c->helper);
	if (r < 0) {
		c->helper = 0;
		fail(s, c, -r);
		return;
	}
	s->helpers++;
	c->state = PROXY_STATE_RESOLVING;
}

/* The request is complete: it is allowed by its name, or refused. */
static void judge(struct proxy_server *s, struct proxy_conn *c)
{
	name_host(c);
	if (!proxy_rules_allow(s->opts->rules, s->opts->rule_count, &c->req.host, c->req.port)) {
		refuse_host(s, c, PROXY_NOT_NAMED);
		return;
	}
	if (!c->req.host.literal) {
		start_helper(s, c);
		return;
	}
	c->answers[0] = (struct proxy_answer){.addr = c->req.host.addr};
	c->answer_count = 1;
	connect_next(s, c, 0);
}

static void on_answers(struct proxy_server *s, struct proxy_conn *c)
{
	struct proxy_answers got = {.error = EIO};
	ssize_t n = read(c->fd[PROXY_HELPER], &got, sizeof(got));

	end_helper(s, c);
	if (n != (ssize_t)sizeof(got) || got.count > PROXY_ADDRS_MAX)
		got = (struct proxy_answers){.error = EIO};
	memcpy(c->answers, got.answers, sizeof(got.answers));
	c->answer_count = got.count;
	connect_next(s, c, got.error);
}

/* A plain request goes on with a head of its own; what follows its body is not part of it. */
static int begin_plain(struct proxy_conn *c, int head_len)
{
	char head[PROXY_HEAD_OUT_MAX];
	size_t len = proxy_http_rewrite(c->up.data, &c->req, head);
	ssize_t body = 0;

	drop_front(&c->up, (size_t)head_len);
	if (!c->req.body.done)
		body = proxy_body_take(&c->req.body, c->up.data, c->up.len);
	if (body < 0)
		return -EINVAL;
	memmove(c->up.data + len, c->up.data, (size_t)body);
	memcpy(c->up.data, head, len);
	c->up.len = len + (size_t)body;
	return 0;
}

static void on_http(struct proxy_server *s, struct proxy_conn *c)
{
	int n = proxy_http_parse(c->up.data, c->up.len, &c->req);

	if (n == 0)
		return;
	c->report.protocol = c->req.connect ? PROXY_CONNECT : PROXY_HTTP;
	if (n < 0) {
		refuse_malformed(s, c, -n, 0);
		return;
	}
	name_host(c);
	if (c->req.connect)
		drop_front(&c->up, (size_t)n);
	else if (begin_plain(c, n) < 0) {
		refuse_malformed(s, c, 400, 0);
		return;
	}
	c->req.asked.len = 0; /* it pointed into the head */
	judge(s, c);
}

static void on_socks(struct proxy_server *s, struct proxy_conn *c)
{
	int n = proxy_socks_parse(c->up.data, c->up.len, &c->req);

	if (n == 0)
		return;
	if (n < 0) {
		refuse_malformed(s, c, 0, -n);
		return;
	}
	name_host(c);
	drop_front(&c->up, (size_t)n);
	c->req.asked.len = 0;
	judge(s, c);
}

static void on_head(struct proxy_server *s, struct proxy_conn *c)
{
	bool plain;
	int n;

	if (!c->up.len || c->up.data[0] != PROXY_SOCKS_VERSION) {
		on_http(s, c);
		return;
	}
	c->report.protocol = PROXY_SOCKS;
	n = proxy_socks_greet(c->up.data, c->up.len, &plain);
	if (n == 0)
		return;
	if (n < 0 || !plain) {
		decide(c, PROXY_MALFORMED, 0);
		refuse(s, c, 0, 0, "");
		c->down.len = 0;
		say(c, "\5\377", 2);
		return;
	}
	say(c, "\5\0", 2);
	drop_front(&c->up, (size_t)n);
	c->state = PROXY_STATE_REQUEST;
	on_socks(s, c);
}

static void on_connected(struct proxy_server *s, struct proxy_conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(c->fd[PROXY_SERVER], SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		connect_next(s, c, error);
		return;
	}
	if (c->report.protocol == PROXY_SOCKS)
		say_socks(c, PROXY_SOCKS_OK);
	else if (c->req.connect)
		say(c, "HTTP/1.1 200 Connection established\r\n\r\n", 39);
	c->state = PROXY_STATE_RELAYING;
}

/* Takes what is there, as far as there is room. Returns 0 or -errno. */
static int fill(struct proxy_pipe *p, int fd, size_t room_max)
{
	ssize_t n;

	if (p->eof)
		return 0;
	if (p->at && p->len)
		drop_front(p, 0);
	if (p->len >= room_max)
		return 0;
	p->at = 0;
	n = recv(fd, p->data + p->len, room_max - p->len, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	p->len += (size_t)n;
	p->eof = n == 0;
	return 0;
}

/* Passes on what there is, and the end after it where @hand_on_end. Returns 0 or -errno. */
static int drain(struct proxy_pipe *p, int fd, bool hand_on_end)
{
	ssize_t n;

	while (p->len) {
		n = send(fd, p->data + p->at, p->len, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		p->at += (size_t)n;
		p->len -= (size_t)n;
	}
	p->at = 0;
	if (p->eof && !p->shut && hand_on_end) {
		p->shut = true;
		(void)shutdown(fd, SHUT_WR);
	}
	return 0;
}

/* Client to server. False: there is no more use in this connection. */
static bool relay_up(struct proxy_conn *c)
{
	size_t before = c->up.len;
	int error = fill(&c->up, c->fd[PROXY_CLIENT], sizeof(c->up.data));
	ssize_t n;

	if (error < 0)
		return false;
	if (!c->req.connect && c->up.len > before) {
		n = 0;
		if (!c->req.body.done)
			n = proxy_body_take(&c->req.body, c->up.data + c->up.at + before,
					    c->up.len - before);
		if (n < 0)
			return false;
		c->up.len = before + (size_t)n;
	}
	/* half a request is none */
	if (!c->req.connect && c->up.eof && !c->req.body.done)
		return false;
	/* a server may take the end of a plain request's connection for the end of the wish */
	before = c->up.len;
	error = drain(&c->up, c->fd[PROXY_SERVER], c->req.connect);
	c->report.bytes_sent += before - c->up.len;
	if (error < 0) {
		/* it hears no more, but may have something to say */
		c->up.eof = c->up.shut = true;
		c->up.len = 0;
	}
	return true;
}

/* Server to client. */
static bool relay_down(struct proxy_conn *c)
{
	size_t before = c->down.len;
	int error = fill(&c->down, c->fd[PROXY_SERVER], sizeof(c->down.data));

	c->report.bytes_received += c->down.len - before;
	if (error < 0) {
		decide(c, PROXY_CLOSED, -error);
		c->down.eof = true;
	}
	return drain(&c->down, c->fd[PROXY_CLIENT], true) == 0;
}

static void watch(struct proxy_server *s, struct proxy_conn *c)
{
	bool relays = c->state == PROXY_STATE_RELAYING;
	bool hears = c->state <= PROXY_STATE_REQUEST || c->state == PROXY_STATE_ENDING || relays;
	uint32_t client = 0, server = 0;

	if (hears && !c->up.eof && c->up.len < sizeof(c->up.data))
		client |= EPOLLIN;
	if (c->down.len)
		client |= EPOLLOUT;
	if (relays && !c->down.eof && c->down.len < sizeof(c->down.data))
		server |= EPOLLIN;
	if (c->state == PROXY_STATE_CONNECTING || (relays && c->up.len && !c->up.shut))
		server |= EPOLLOUT;
	proxy_watch(s, c, PROXY_CLIENT, client);
	proxy_watch(s, c, PROXY_SERVER, server);
	proxy_watch(s, c, PROXY_HELPER, c->state == PROXY_STATE_RESOLVING ? EPOLLIN : 0);
}

/* False: it is over. */
static bool relay(struct proxy_server *s, struct proxy_conn *c)
{
	set_deadline(s, c, IDLE_S);
	if (!relay_up(c) || !relay_down(c)) {
		decide(c, PROXY_CLOSED, ECONNRESET);
		return false;
	}
	if (!c->down.shut)
		return true;
	if (!c->req.connect) {
		/* the answer is out; what the client may still send is not for us */
		decide(c, PROXY_CLOSED, 0);
		c->state = PROXY_STATE_ENDING;
		set_deadline(s, c, ENDING_S);
		return true;
	}
	if (c->up.shut)
		decide(c, PROXY_CLOSED, 0);
	return !c->up.shut;
}

/* Heard to its end, so that our last words are not lost with the connection. */
static bool end(struct proxy_conn *c)
{
	c->up.at = c->up.len = 0;
	if (fill(&c->up, c->fd[PROXY_CLIENT], sizeof(c->up.data)) < 0 ||
	    drain(&c->down, c->fd[PROXY_CLIENT], true) < 0)
		return false;
	c->up.len = 0;
	return !c->up.eof || c->down.len;
}

/* Before there is a server. False: the client has gone. */
static bool listen_to(struct proxy_server *s, struct proxy_conn *c)
{
	if (fill(&c->up, c->fd[PROXY_CLIENT], PROXY_HEAD_MAX) < 0)
		return false;
	if (c->state == PROXY_STATE_HEAD)
		on_head(s, c);
	else
		on_socks(s, c);
	if (drain(&c->down, c->fd[PROXY_CLIENT], true) < 0)
		return false;
	/* still incomplete, and nothing more will come */
	return c->state > PROXY_STATE_REQUEST || !c->up.eof;
}

void proxy_conn_event(struct proxy_server *s, struct proxy_conn *c, enum proxy_side side)
{
	bool alive = true;

	switch (c->state) {
	case PROXY_STATE_HEAD:
	case PROXY_STATE_REQUEST:
		alive = listen_to(s, c);
		if (!alive)
			decide(c, PROXY_MALFORMED, 0);
		break;
	case PROXY_STATE_RESOLVING:
		if (side == PROXY_HELPER)
			on_answers(s, c);
		break;
	case PROXY_STATE_CONNECTING:
		if (side == PROXY_SERVER)
			on_connected(s, c);
		break;
	case PROXY_STATE_QUEUED:
	case PROXY_STATE_RELAYING:
	case PROXY_STATE_ENDING:
		break;
	}
	/* whichever it has come to by now */
	if (alive && c->state == PROXY_STATE_RELAYING)
		alive = relay(s, c);
	if (alive && c->state == PROXY_STATE_ENDING)
		alive = end(c);
	if (alive)
		watch(s, c);
	else
		proxy_conn_free(s, c);
}

void proxy_conn_tick(struct proxy_server *s, struct proxy_conn *c)
{
	if (c->state == PROXY_STATE_QUEUED && s->helpers < PROXY_HELPERS_MAX)
		start_helper(s, c);
	if (s->now_ns < c->deadline_ns) {
		watch(s, c);
		return;
	}
	switch (c->state) {
	case PROXY_STATE_RESOLVING:
	case PROXY_STATE_QUEUED:
		fail(s, c, ETIMEDOUT);
		break;
	case PROXY_STATE_CONNECTING:
		connect_next(s, c, ETIMEDOUT);
		break;
	case PROXY_STATE_HEAD:
	case PROXY_STATE_REQUEST:
	case PROXY_STATE_RELAYING:
	case PROXY_STATE_ENDING:
		decide(c, PROXY_TIMED_OUT, 0);
		proxy_conn_free(s, c);
		return;
	}
	watch(s, c);
}
