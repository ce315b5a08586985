/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way out of a sandbox without a network: a process outside it that accepts on a socket inside
 * it, speaks HTTP CONNECT, plain HTTP and SOCKS5 on the same port, connects to the hosts that were
 * named and to no others, and tells of every attempt.
 *
 * The decision is made on the name asked for, by a process that the command cannot reach into; the
 * name is resolved outside; an address of this machine or of a private network that the name may
 * lead to is refused, unless a rule names that very address.
 *
 * The process is a child of the caller, in a process group of its own, without rights and without
 * the caller's fds. It ends with the caller. Not thread-safe, not signal-safe: start it while the
 * caller has one thread.
 */
#ifndef TT_PROXY_PROXY_H
#define TT_PROXY_PROXY_H

#include <sys/types.h>

#include "proxy/hosts.h"
#include "util/err.h"

/* Where a sandbox listens, on 127.0.0.1 of its own network: nobody else can have the port there. */
#define PROXY_PORT      3128
#define PROXY_PORT_TEXT "3128"

#define PROXY_ADDRS_MAX 8 /* of one name that are tried */

struct proxy_answer {
	struct proxy_addr addr;
	bool inner; /* see proxy_addr_is_inner(); or an address of an interface of this machine */
};

struct proxy_options {
	const struct proxy_rule *rules;
	size_t rule_count;
	/*
	 * The addresses of a name, in a process of its own that may block: their number, or -errno.
	 * NULL: what getaddrinfo(3) says.
	 */
	int (*resolve)(const char *name, struct proxy_answer ret[PROXY_ADDRS_MAX]);
};

enum proxy_outcome {
	PROXY_CLOSED, /* both sides were heard to the end; @error: unless one of them broke off */
	PROXY_FAILED, /* allowed, but no connection came about: @error */
	PROXY_TIMED_OUT, /* nothing moved for too long */
	PROXY_CUT,       /* still open when the run ended */
	/* refused */
	PROXY_NOT_NAMED,  /* no rule names host and port */
	PROXY_INNER_ADDR, /* the name leads to an address that is not public and not named */
	PROXY_MALFORMED,  /* no request that can be understood in one way only */
};

enum proxy_protocol { PROXY_HTTP, PROXY_CONNECT, PROXY_SOCKS };

/* One attempt, told of when it is over. */
struct proxy_report {
	uint64_t started_ns; /* CLOCK_REALTIME */
	uint64_t elapsed_ns;
	uint64_t bytes_sent, bytes_received; /* as the server sees them come and go */
	uint8_t outcome, protocol;
	bool has_addr;
	uint16_t port;
	int32_t error;
	struct proxy_addr addr;
	char host[256]; /* as asked for; what is longer is cut */
};

struct proxy;

/*
 * proxy_start - fork the process; it waits for a socket
 * @opts: copied by the fork
 */
int proxy_start(const struct proxy_options *opts, struct proxy **ret,
		struct tt_err *err) TT_MUST_CHECK;

/* proxy_pid - of the process: a child of ours that is no part of the run */
pid_t proxy_pid(const struct proxy *p);

/* proxy_fd - readable when there is something to read; -1 without a proxy (NULL) */
int proxy_fd(const struct proxy *p);

/* proxy_give - hand over the listening socket, which stays the caller's to close */
int proxy_give(struct proxy *p, int listen_fd, struct tt_err *err) TT_MUST_CHECK;

/* proxy_read - the next report: 1, 0 if there is none now, -EPIPE if there will be none */
int proxy_read(struct proxy *p, struct proxy_report *ret) TT_MUST_CHECK;

/* proxy_finish - ask it to end: reports of what is still open follow, then -EPIPE */
void proxy_finish(struct proxy *p);

/* proxy_free - end and reap it. @p may be NULL. */
void proxy_free(struct proxy *p);

static inline bool proxy_is_refused(const struct proxy_report *r)
{
	return r->outcome >= PROXY_NOT_NAMED;
}

#endif
