/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue between sensors and host: encoded frames in a ring of fixed size, and the numbers of
 * what had no room. Its memory can outlive the agent: whatever instruction an agent is killed at,
 * the next one finds all frames that were in it, whole. Single-threaded; nothing allocates after
 * _open().
 */
#ifndef TT_AGENT_QUEUE_H
#define TT_AGENT_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "agent/sensor.h"

enum {
	AGENT_QUEUE_EVENTS = 1024,
	AGENT_QUEUE_BYTES = 128 * 1024,
	AGENT_QUEUE_ARGS = 128, /* of an argv that is cut, these many at most stay */
};

#define AGENT_NO_SEQ UINT64_MAX

/* Acts of one cause that no telemetry.dropped has told yet. */
struct agent_drop {
	uint64_t count;
	uint64_t first_seq, last_seq;
	uint64_t unknown; /* 1: and some of which nobody knows how many */
};

struct agent_queue_state {
	uint64_t head, tail; /* bytes since it was last empty: frames lie between */
	uint64_t events;
	uint64_t next_seq;
	uint64_t hello_seq; /* the number that the next agent.hello has already, or AGENT_NO_SEQ */
	struct agent_drop drops[AGENT_CAUSES];
};

/*
 * The memory. Of the two states one counts: a step makes the other one whole, then a single store
 * puts it in force. An agent of another layout begins anew.
 */
struct agent_queue_memory {
	uint64_t magic;
	uint64_t current;
	struct agent_queue_state states[2];
	uint8_t pad[4096 - 2 * sizeof(uint64_t) - 2 * sizeof(struct agent_queue_state)];
	uint8_t ring[AGENT_QUEUE_BYTES];
};
_Static_assert(sizeof(struct agent_queue_memory) == 4096 + AGENT_QUEUE_BYTES,
	       "a page, then the ring");

struct agent_sink {
	struct agent_queue_memory *memory;
	unsigned major;
	uint32_t pid; /* of the agent */
	/* Asked before an act is dropped: send what the host takes. NULL: nobody can. */
	void (*make_room)(void *arg);
	void *make_room_arg;
	uint8_t scratch[WIRE_FRAME_MAX];
	struct wire_text args[AGENT_QUEUE_ARGS];
};

enum agent_queue_found {
	AGENT_QUEUE_NEW,
	AGENT_QUEUE_KEPT,   /* an agent before this one used it: all that was in it is there */
	AGENT_QUEUE_BROKEN, /* it was no queue, or not whole: what could be kept is there */
};

/*
 * agent_queue_open - a queue in memory of its own, or in that of @fd
 * @fd: -1, or a memfd that is kept for the agents to come; an empty one gets its size here.
 * Borrowed. What an agent left there goes on: its frames, its numbers, and one "agent_died" with
 * count 0.
 */
int agent_queue_open(struct agent_sink *q, int fd, unsigned major,
		     enum agent_queue_found *ret_found) TT_MUST_CHECK;
void agent_queue_close(struct agent_sink *q);

static inline const struct agent_queue_state *agent_queue_state(const struct agent_sink *q)
{
	return &q->memory->states[q->memory->current & 1];
}

/*
 * agent_queue_put - a frame as it is, without cutting; seq is set. 0, -ENOSPC: no room, or of
 * wire_encode()
 */
int agent_queue_put(struct agent_sink *q, struct wire_frame *frame) TT_MUST_CHECK;

/*
 * agent_queue_settle - as many telemetry.dropped as there are causes, and room; true: all are told
 */
bool agent_queue_settle(struct agent_sink *q);

/*
 * agent_queue_peek - what is to be sent, from @skip bytes on; returns how many of @ret_parts are
 * used
 */
int agent_queue_peek(const struct agent_sink *q, size_t skip, struct iovec ret_parts[2]);

/*
 * agent_queue_sent - @bytes from the front were sent
 * The frames that are wholly among them leave. Returns how many bytes of the next one are sent.
 */
size_t agent_queue_sent(struct agent_sink *q, size_t bytes);

/*
 * agent_queue_hello_reserve - take a number for the next agent.hello, unless it has one; before
 * those of acts to come
 * agent_queue_hello_sent - that number is used
 */
void agent_queue_hello_reserve(struct agent_sink *q);
void agent_queue_hello_sent(struct agent_sink *q);

/* agent_cause_name - "queue_full" */
const char *agent_cause_name(enum agent_cause cause);

#endif
