/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing into the ring from inside the workload; calls are put.h's. No allocation, no locks, no
 * libc state; signal-safe. The only system calls after set-up are the mmap of a thread's lane and,
 * with RING_FULL_WAIT, the sleep until a full one has room. errno is the caller's to keep.
 */
#ifndef TT_RING_PRODUCER_H
#define TT_RING_PRODUCER_H

#include <stdbool.h>

#include "base/compiler.h"
#include "event/event.h"
#include "ring/layout.h"

/* The directory as this process has it mapped. Zero: no ring. */
struct ring_producer {
	struct ring_header *header;
	struct ring_slot *slots;
	struct ring_lane *lanes;
	uint32_t slot_count, lane_count, lane_bytes;
};

/* One thread's lane. Zero: none yet. */
struct ring_writer {
	struct ring_lane *lane;
	char *data;
	struct ring_header *header;
	uint64_t tail_seen; /* the lane's tail at the last look: it is on a cache line of others */
	uint32_t lane_bytes;
	uint32_t deaf; /* ring_header.alive when waiting for the recorder was given up */
};

/*
 * ring_producer_attach - map the ring behind @fd, up to the near lanes. 0, -errno, or -EPROTO if it
 * is no ring.
 */
int ring_producer_attach(struct ring_producer *p, int fd) TT_MUST_CHECK;

/* ring_slot_claim - a slot for a new image, or NULL (counted) if all are taken */
struct ring_slot *ring_slot_claim(struct ring_producer *p, int32_t pid, const struct tt_uuid *span);

/* ring_lane_claim_near - one of those that are mapped already; -EUSERS: none of them is free */
int ring_lane_claim_near(struct ring_producer *p, struct ring_writer *w,
			 const struct ring_who *who);

/*
 * ring_lane_claim - a lane for the calling thread; an old mapping in @w is given back
 * @who: its owner, whose records need not name him
 * The lane is mapped through @fd, the ring, which the caller has verified to be still the ring;
 * with -1 by way of the directory's own mapping, which takes address space for the whole ring for a
 * moment. 0, or -errno with @w->lane NULL: no lane free or no memory.
 */
int ring_lane_claim(struct ring_producer *p, struct ring_writer *w, int fd,
		    const struct ring_who *who);

/*
 * ring_lane_close - the thread ends: the recorder may give the lane to another once it has drained
 * it
 */
void ring_lane_close(struct ring_writer *w);

/* ring_lane_unmap - gives its memory back, if that is a mapping of its own */
void ring_lane_unmap(const struct ring_producer *p, struct ring_writer *w);

/*
 * ring_start_put, ring_exit_put - complete records of the other kinds; false: lost
 * @ev: what they say; its ts_ns and ids are not looked at
 */
bool ring_start_put(struct ring_writer *w, const struct event *ev, const struct ring_who *who,
		    uint64_t entered, uint32_t flags);
bool ring_exit_put(struct ring_writer *w, int exit_code, const struct event_text *open_fds,
		   const struct ring_who *who, uint64_t entered);

/*
 * ring_arg_fill - set the bytes of argument @i of a record in flight; @len is at most the room
 * reserved for it
 */
void ring_arg_fill(struct ring_record *r, unsigned i, const void *bytes, size_t len);

/* ring_call_end - complete a record */
static inline void ring_call_end(struct ring_record *r, int64_t result, int error, uint64_t elapsed)
{
	r->result = result;
	r->error = error;
	r->elapsed = elapsed;
	__atomic_store_n(&r->state, RING_DONE, __ATOMIC_RELEASE);
}

#endif
