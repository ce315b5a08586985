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

/* What the producers are told. All zero is the default. */
struct ring_options {
	enum ring_on_full on_full;
	uint32_t families;     /* one bit per enum event_family that is recorded; 0: all but IO */
	uint32_t argument_max; /* bytes kept of one argument; 0: what fits */
	uint32_t io_mode;      /* enum event_io_mode */
};

/*
 * ring_consumer_new - make a ring of the default size. 0 or -errno; on success the caller owns
 * @ret.
 */
int ring_consumer_new(const struct ring_options *opts, struct ring_consumer **ret) TT_MUST_CHECK;
struct ring_consumer *ring_consumer_free(struct ring_consumer *c);
TT_DEFINE_FREEP(struct ring_consumer *, ring_consumer_free)

/* ring_consumer_pass - a pass begins: the producers see that somebody reads */
void ring_consumer_pass(struct ring_consumer *c);

/* ring_consumer_sync - look at the clocks, once what a pass converts has been taken */
void ring_consumer_sync(struct ring_consumer *c);

/* ring_consumer_fd - the memfd, CLOEXEC; owned by the consumer */
int ring_consumer_fd(const struct ring_consumer *c);

/* What happened to a lane while it was read. */
struct ring_lane_state {
	enum ring_state state;
	struct ring_who
		who;    /* as the owner said; pid 0: claimed a moment ago, he has not said it */
	uint32_t bytes; /* that it held at the look */
	bool blocked;   /* stopped at a call in flight or at a record being written */
	struct ring_who caller; /* blocked: who makes that call, and since when (CLOCK_MONOTONIC) */
	uint64_t since_ns;      /* ... 0: not known */
	bool scribbled;         /* contents made no sense: what was pending in it is lost */
	/* records whose writing was cut off by their owner's death, at least; never reset here */
	uint64_t torn;
};

/* A record as it was taken, and who it speaks of. Both lie in the buffer given. */
struct ring_taken {
	struct ring_who who;
	struct ring_record record; /* its arguments follow */
};
#define RING_TAKEN_MAX (sizeof(struct ring_who) + RING_RECORD_MAX)

/* ring_lane_count - lanes that were ever claimed are 0 .. count-1 */
uint32_t ring_lane_count(const struct ring_consumer *c);

/*
 * ring_lane_look - the state of a lane without reading records; false if it is free
 * What the lane holds now is what ring_lane_next() will yield: a consumer that runs after a busy
 * producer, record by record, would take the cache lines from it that it writes to.
 */
bool ring_lane_look(struct ring_consumer *c, uint32_t lane, struct ring_lane_state *ret);

/*
 * ring_lane_next - copy the next record of a lane out
 * @buf: RING_TAKEN_MAX bytes, aligned to 8, for a struct ring_taken
 * @owner_dead: take records in flight too (their state tells), skip what was never completed
 * Returns 1 and the record in @buf, sizes checked; 0 if there is nothing to take now; -EBADMSG if
 * the lane was scribbled over: its pending contents are dropped.
 */
int ring_lane_next(struct ring_consumer *c, uint32_t lane, void *buf, bool owner_dead,
		   struct ring_lane_state *ret);

/* ring_lane_release - the lane is drained and its owner gone: give it to others */
void ring_lane_release(struct ring_consumer *c, uint32_t lane);

/* ring_slot_find - the slot of a span, or -ENOENT */
int ring_slot_find(struct ring_consumer *c, const struct tt_uuid *span);

/* What an image says it lost; hostile like the rest. */
struct ring_losses {
	uint64_t full, no_lane;
};

/* ring_slot_release - read the losses of an image that is over and free its slot */
void ring_slot_release(struct ring_consumer *c, uint32_t slot, struct ring_losses *ret);

/* ring_slot_lost - whether the image lost anything so far */
bool ring_slot_lost(const struct ring_consumer *c, uint32_t slot);

/* ring_slot_count - slots that were ever claimed are 0 .. count-1 */
uint32_t ring_slot_count(struct ring_consumer *c);

/* ring_slot_look - whose a slot is; false if it is free */
bool ring_slot_look(const struct ring_consumer *c, uint32_t slot, struct tt_uuid *ret_span,
		    int32_t *ret_pid);

/* ring_consumer_refused - reservations refused so far; images that found no slot */
void ring_consumer_refused(const struct ring_consumer *c, uint64_t *ret_refused,
			   uint64_t *ret_no_slot);

/* ring_record_times - when the call was entered, by CLOCK_MONOTONIC, and how long it took */
void ring_record_times(const struct ring_consumer *c, const struct ring_record *r,
		       uint64_t *ret_entered_ns, uint64_t *ret_elapsed_ns);

/*
 * ring_record_event - the record as an event whose pointers lie in the record
 * Fills everything but ids, comm, parent and cwd of calls (RING_START sets parent, exe, argv, cwd,
 * comm). @ret->ts_ns is CLOCK_MONOTONIC, never later than the last ring_consumer_sync(). Returns 0,
 * or -EBADMSG for a record whose parts do not fit.
 */
int ring_record_event(const struct ring_consumer *c, const struct ring_taken *t,
		      struct event *ret) TT_MUST_CHECK;

#endif
