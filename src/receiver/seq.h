/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which numbers of a cell's frames are accounted for. Every number below @next is one of: received,
 * told as dropped by the agent, refused by us, lost on the way, or still in an open hole. Numbers
 * come in order, but for those of agent.hello, which overtakes what waits in the agent's queue. No
 * allocation.
 */
#ifndef TT_RECEIVER_SEQ_H
#define TT_RECEIVER_SEQ_H

#include <stdbool.h>
#include <stdint.h>

enum {
	RECEIVER_HOLES_MAX = 16, /* at once; the oldest one is closed when there are more */
	RECEIVER_HOLE_WAIT = 64, /* frames after which nobody will explain a hole any more */
};
#define RECEIVER_SEQ_MAX ((UINT64_C(1) << 53) - 1) /* what every reader of JSON has exactly */

struct receiver_hole {
	uint64_t from, to;
	uint64_t missing; /* of these numbers, not explained yet */
	uint64_t proven;  /* s.received when it was clear that they do not come; 0: it is not */
};

struct receiver_seq {
	uint64_t next;    /* all below it are accounted for */
	uint64_t numbers; /* how many there were, all boots together */
	uint64_t received, dropped, rejected, lost;
	uint64_t rejects; /* refused frames, whose numbers nobody knows, not found as missing yet */
	unsigned hole_count;
	bool has_unproven;
	struct receiver_hole holes[RECEIVER_HOLES_MAX]; /* the oldest first */
};

/* A hole that is closed: @lost of its numbers went lost between agent and receiver. */
struct receiver_loss {
	uint64_t from, to, lost;
};

/*
 * receiver_seq_take - a frame arrived
 * @overtakes: it may come before others with smaller numbers
 * @ret_loss: a hole that had to be closed for want of room; lost is 0 if there is none
 * Returns false if that number was there before.
 */
bool receiver_seq_take(struct receiver_seq *s, uint64_t seq, bool overtakes,
		       struct receiver_loss *ret_loss);

/*
 * receiver_seq_dropped - the agent says that it dropped @count of the numbers @first to @last
 * Returns how many of these were missing and are explained by it.
 */
uint64_t receiver_seq_dropped(struct receiver_seq *s, uint64_t count, uint64_t first,
			      uint64_t last);

/* receiver_seq_reject - a frame was refused, its number not looked at */
void receiver_seq_reject(struct receiver_seq *s);

/*
 * receiver_seq_settle - close the next hole that nobody will explain any more; @all: whatever is
 * open Returns false if there is none. A hole that refused frames explain has lost 0.
 */
bool receiver_seq_settle(struct receiver_seq *s, bool all, struct receiver_loss *ret);

/* receiver_seq_close - a hole was closed as lost, as the record says: for who reads it again */
void receiver_seq_close(struct receiver_seq *s, const struct receiver_loss *loss);

/* receiver_seq_restart - numbers begin anew, at @first. Holes must be settled. */
void receiver_seq_restart(struct receiver_seq *s, uint64_t first);

/*
 * receiver_seq_awaits - whether a number may still come: nothing that has to follow it was there
 * yet
 */
bool receiver_seq_awaits(const struct receiver_seq *s, uint64_t seq);

/* receiver_seq_open - numbers in holes that are still open */
uint64_t receiver_seq_open(const struct receiver_seq *s);

#endif
