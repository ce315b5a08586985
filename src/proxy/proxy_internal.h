/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the proxy's own process. Never leaves this folder. */
#ifndef TT_PROXY_PROXY_INTERNAL_H
#define TT_PROXY_PROXY_INTERNAL_H

#include "proxy/proxy.h"
#include "proxy/socks.h"

#define PROXY_CONNS_MAX   256
#define PROXY_HELPERS_MAX 16 /* names looked up at the same time */

/* What a helper writes. */
struct proxy_answers {
	int32_t error; /* errno; 0: @count of them */
	uint32_t count;
	struct proxy_answer answers[PROXY_ADDRS_MAX];
};

/* One direction of a connection. */
struct proxy_pipe {
	/* a head written anew and what came behind the old one */
	char data[PROXY_HEAD_OUT_MAX + PROXY_HEAD_MAX];
	size_t at, len; /* bytes to be passed on */
	bool eof;       /* nothing more comes in */
	bool shut;      /* and the other side knows */
};

enum proxy_state {
	PROXY_STATE_HEAD,    /* the client says what it wants */
	PROXY_STATE_REQUEST, /* SOCKS: greeted, now it says so */
	PROXY_STATE_QUEUED,  /* until there is a helper */
	PROXY_STATE_RESOLVING,
	PROXY_STATE_CONNECTING,
	PROXY_STATE_RELAYING,
	PROXY_STATE_ENDING, /* it has been told no; until it has read that */
};

enum proxy_side { PROXY_CLIENT, PROXY_SERVER, PROXY_HELPER, PROXY_SIDES };

struct proxy_conn {
	enum proxy_state state;
	uint32_t slot, generation;
	int fd[PROXY_SIDES];
	uint32_t watched[PROXY_SIDES]; /* epoll events, 0: none */
	pid_t helper;
	uint64_t started_ns, deadline_ns; /* CLOCK_MONOTONIC */
	struct proxy_request req;         /* its slices hold until the head is dropped */
	struct proxy_pipe up, down;
	struct proxy_answer answers[PROXY_ADDRS_MAX];
	size_t answer_count, answer_at;
	bool decided; /* @report is complete but for figures */
	struct proxy_report report;
};

struct proxy_server {
	const struct proxy_options *opts;
	int epoll_fd, listen_fd, channel;
	bool listening; /* it is watched */
	bool starved;   /* no fd or memory for one more, until the next tick */
	struct proxy_conn *conns[PROXY_CONNS_MAX];
	uint32_t generation;
	unsigned count, helpers;
	uint64_t now_ns;
};

/* confine.c: give up every right and every fd but @channel, which gets number 3. 0 or -errno. */
int proxy_confine(int channel) TT_MUST_CHECK;

/* resolve.c: fork a helper that looks @name up and writes struct proxy_answers to @ret_fd */
int proxy_helper_start(const struct proxy_options *opts, const char *name, int *ret_fd,
		       pid_t *ret_pid) TT_MUST_CHECK;

/* serve.c: until the caller is gone or has had enough */
void proxy_serve(const struct proxy_options *opts, int channel);

/* conn.c: one connection. Those that return false have freed it. */
struct proxy_conn *proxy_conn_new(struct proxy_server *s, int fd);
void proxy_conn_free(struct proxy_server *s, struct proxy_conn *c);
void proxy_conn_event(struct proxy_server *s, struct proxy_conn *c, enum proxy_side side);
void proxy_conn_tick(struct proxy_server *s, struct proxy_conn *c);

/* serve.c: what to wait for on one side of a connection */
void proxy_watch(struct proxy_server *s, struct proxy_conn *c, enum proxy_side side,
		 uint32_t events);

#endif
