/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of the queue share: acts of a wished size, and what a host would make of the frames.
 */
#ifndef TT_TESTS_QUEUE_MODEL_H
#define TT_TESTS_QUEUE_MODEL_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/queue.h"

/* A host's account of a stream of frames. */
struct host {
	uint64_t frames, acts, beats, records;
	uint64_t counted[AGENT_CAUSES]; /* as telemetry.dropped said */
	uint64_t unknown[AGENT_CAUSES];
	uint64_t last_seq;
	unsigned broken, out_of_order;
	uint8_t part[WIRE_FRAME_MAX];
	size_t part_len;
};

static inline void host_frame(struct host *h, const struct wire_frame *f)
{
	h->frames++;
	if (h->frames > 1 && f->has & WIRE_HAS(seq) && f->seq <= h->last_seq)
		h->out_of_order++;
	h->last_seq = f->seq;
	switch ((int)f->source) {
	case WIRE_TELEMETRY_DROPPED:
		h->records++;
		for (unsigned i = 0; i < AGENT_CAUSES; i++) {
			const char *name = agent_cause_name((enum agent_cause)i);

			if (f->cause.len == strlen(name) &&
			    memcmp(f->cause.data, name, f->cause.len) == 0) {
				h->counted[i] += f->count;
				h->unknown[i] += !f->count;
			}
		}
		if (f->first_seq > f->last_seq || f->last_seq > f->seq ||
		    (f->count && f->last_seq == f->seq) ||
		    f->count > f->last_seq - f->first_seq + 1)
			h->broken++;
		break;
	case WIRE_AGENT_HEARTBEAT:
		h->beats++;
		break;
	default:
		h->acts++;
	}
}

/* Bytes as they come, cut anywhere. */
static inline void host_read(struct host *h, const uint8_t *p, size_t n)
{
	struct wire_frame f;

	while (n) {
		size_t take = sizeof(h->part) - h->part_len;
		int r;

		if (take > n)
			take = n;
		memcpy(h->part + h->part_len, p, take);
		h->part_len += take;
		p += take;
		n -= take;
		while ((r = wire_decode(h->part, h->part_len, WIRE_STRICT, &f, NULL)) > 0) {
			host_frame(h, &f);
			h->part_len -= (size_t)r;
			memmove(h->part, h->part + r, h->part_len);
		}
		if (r != -EAGAIN) {
			h->broken++;
			return;
		}
	}
}

/*
 * Send at most @max bytes, as the link does; *cut: bytes of the first frame that went before.
 * Returns how many.
 */
static inline size_t host_take(struct host *h, struct agent_sink *q, size_t *cut, size_t max)
{
	struct iovec parts[2];
	int n = agent_queue_peek(q, *cut, parts);
	size_t sent = 0;

	for (int i = 0; i < n && sent < max; i++) {
		size_t part = parts[i].iov_len;

		if (part > max - sent)
			part = max - sent;
		host_read(h, parts[i].iov_base, part);
		sent += part;
	}
	if (sent)
		*cut = agent_queue_sent(q, *cut + sent);
	return sent;
}

static inline void host_drain(struct host *h, struct agent_sink *q, size_t *cut)
{
	while (host_take(h, q, cut, SIZE_MAX) || agent_queue_state(q)->events ||
	       !agent_queue_settle(q))
		;
	while (host_take(h, q, cut, SIZE_MAX))
		;
}

/* An act with a path of @len bytes. */
static inline void tell_path(struct agent_sink *q, size_t len)
{
	static char path[3 * WIRE_FRAME_MAX];
	struct wire_frame f = {
		.source = WIRE_FS_INOTIFY_FIRED,
		.has = WIRE_HAS(path) | WIRE_HAS(mask),
		.path = {path, len},
		.mask = 2,
	};

	if (!*path)
		memset(path, 'p', sizeof(path));
	agent_tell(q, &f);
}

/* Numbers that were taken for acts, records and beats; one hello has its own. */
static inline uint64_t taken(const struct agent_sink *q)
{
	return agent_queue_state(q)->next_seq - 1;
}

static inline uint64_t told_sum(const struct host *h)
{
	uint64_t sum = h->frames;

	for (unsigned i = 0; i < AGENT_CAUSES; i++)
		sum += h->counted[i];
	return sum;
}

static inline int new_memory(void)
{
	return (int)syscall(SYS_memfd_create, "queue", 1u);
}

#endif
