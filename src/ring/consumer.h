/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the ring in the recorder. Everything in the shared memory is hostile: the consumer keeps
 * its own indices, copies before it checks, and never allocates or loops by a number found there.
 * Not thread-safe.
 */
#ifndef TT_RING_CONSUMER_H
#define TT_RING_CONSUMER_H

#include <stdbool.h>

#include "base/compiler.h"
#include "event/event.h"
#include "ring/layout.h"

struct ring_consumer;

/*
 * ring_consumer_new - make a ring of the default size. 0 or -errno; on success the caller owns
 * @ret.
 */
int ring_consumer_new(struct ring_consumer **ret) TT_MUST_CHECK;
struct ring_consumer *ring_consumer_free(struct ring_consumer *c);
TT_DEFINE_FREEP(struct ring_consumer *, ring_consumer_free)

/* ring_consumer_fd - the memfd, CLOEXEC; owned by the consumer */
int ring_consumer_fd(const struct ring_consumer *c);

/* What happened to a lane while it was read. */
struct ring_lane_state {
	enum ring_state state;
	/* as the owner said; 0: claimed a moment ago, he has not said it yet */
	int32_t pid, tid;
	bool blocked;                /* stopped at a call in flight or at a record being written */
	struct tt_uuid blocked_span; /* whose call in flight it is; nil: a record being written */
	int32_t blocked_pid;
	bool scribbled; /* contents made no sense: what was pending in it is lost */
	uint64_t lost;  /* events refused for want of room since the last call */
};

/* ring_lane_count - lanes that were ever claimed are 0 .. count-1 */
uint32_t ring_lane_count(const struct ring_consumer *c);

/* ring_lane_look - the state of a lane without reading records; false if it is free */
bool ring_lane_look(struct ring_consumer *c, uint32_t lane, struct ring_lane_state *ret);

/*
 * ring_lane_next - copy the next record of a lane out
 * @buf: RING_RECORD_MAX bytes, aligned to 8
 * @owner_dead: take records in flight too (their state tells), skip what was never completed
 * Returns 1 and the record in @buf, sizes and arguments checked; 0 if there is nothing to take now;
 * -EBADMSG if the lane was scribbled over: its pending contents are dropped.
 */
int ring_lane_next(struct ring_consumer *c, uint32_t lane, void *buf, bool owner_dead,
		   struct ring_lane_state *ret);

/* ring_lane_release - the lane is drained and its owner gone: give it to others */
void ring_lane_release(struct ring_consumer *c, uint32_t lane);

/*
 * ring_slot_find, ring_slot_release - the sequence counter of a span
 * find returns the slot number or -ENOENT; release reads the count of events made and frees the
 * slot.
 */
int ring_slot_find(struct ring_consumer *c, const struct tt_uuid *span);
uint64_t ring_slot_release(struct ring_consumer *c, uint32_t slot);

/* ring_slot_count - slots that were ever claimed are 0 .. count-1 */
uint32_t ring_slot_count(struct ring_consumer *c);

/* ring_slot_look - whose a slot is; false if it is free */
bool ring_slot_look(const struct ring_consumer *c, uint32_t slot, struct tt_uuid *ret_span,
		    int32_t *ret_pid);

/* ring_slot_made - how many events that image says it made so far */
uint64_t ring_slot_made(const struct ring_consumer *c, uint32_t slot);

/* ring_consumer_unplaced - events that found no lane, and images that found no slot */
void ring_consumer_unplaced(const struct ring_consumer *c, uint64_t *ret_no_lane,
			    uint64_t *ret_no_slot);

/*
 * ring_record_event - the record as an event whose pointers lie in the record
 * Fills everything but ts, ids, comm, parent and cwd of calls (RING_START sets parent, exe, argv,
 * cwd, comm).
 * @ret->ts_ns is the record's CLOCK_MONOTONIC. Returns 0, or -EBADMSG for a record whose parts do
 * not fit.
 */
int ring_record_event(const struct ring_record *r, struct event *ret) TT_MUST_CHECK;

#endif
