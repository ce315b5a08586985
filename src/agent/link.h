/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to the host: a stream socket that is connected again whenever it breaks, and never waited
 * for. A connection begins with agent.hello, then come the frames of the queue, whole and in order.
 * Single-threaded; nothing allocates.
 */
#ifndef TT_AGENT_LINK_H
#define TT_AGENT_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/hello.h"
#include "agent/queue.h"
#include "base/endpoint.h"

enum agent_link_state {
	AGENT_LINK_DOWN,    /* until retry_ns */
	AGENT_LINK_PENDING, /* the connection is being made, until retry_ns */
	AGENT_LINK_UP,
	AGENT_LINK_ENDING, /* all is sent and said to be the end; the host may still read */
	AGENT_LINK_ENDED,
};

enum { AGENT_LINK_REASONS = 6 };

struct agent_link {
	const struct tt_endpoint *endpoint;
	const char *endpoint_text;
	const struct agent_hello *hello;
	struct agent_sink *queue;
	int epoll;
	uint32_t tag; /* of its events */

	int fd;
	enum agent_link_state state;
	bool wants_out; /* EPOLLOUT is asked for: the socket was full */
	uint64_t retry_ns, up_ns;
	uint64_t sent_ns; /* when something was sent last */
	unsigned wait_ms;
	size_t cut; /* bytes of the first frame that the host has already */
	size_t hello_len, hello_sent;
	uint8_t hello_frame[AGENT_HELLO_MAX];

	/* of this outage: why connections failed, or broke; error 0: the host closed it */
	struct {
		int error;
		uint64_t count;
	} reasons[AGENT_LINK_REASONS];
	unsigned reason_count;
	bool is_told; /* that there is an outage */
};

/* agent_link_init - down, due at once. All is borrowed; @tag: in epoll_event.data.u32 */
void agent_link_init(struct agent_link *l, const struct tt_endpoint *endpoint, const char *text,
		     const struct agent_hello *hello, struct agent_sink *queue, int epoll,
		     uint32_t tag);

/* agent_link_due_ns - when _step() has something to do, CLOCK_MONOTONIC; UINT64_MAX: never */
uint64_t agent_link_due_ns(const struct agent_link *l);

/* agent_link_step - connect if it is time; send what there is, as far as there is room */
void agent_link_step(struct agent_link *l);

/* agent_link_event - what epoll said of its socket */
void agent_link_event(struct agent_link *l, uint32_t events);

/*
 * agent_link_finish - when all is sent: end the connection and wait until the host has it
 * On a unix socket the end of this side is told and the host's is waited for. Between a guest and a
 * host there is no half of a connection as a rule: there the socket is closed, which waits until
 * @deadline_ns, rounded up to a second. Returns true when nothing is left to do.
 */
bool agent_link_finish(struct agent_link *l, uint64_t deadline_ns);

#endif
