/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts of the kernel held against what the library tells of the same image. A fact waits in its
 * image's queue until a call that the library told of turns out to be the same act, or nothing can
 * explain it any more. Internal to the recorder.
 *
 * The kernel tells of a call before the call returns, so the fact of a call that the library has
 * completed is there when its record is taken. Both clocks are CLOCK_MONOTONIC; the ring's may be
 * converted from the time stamp counter, which is good for far less than RECORDER_SLACK_NS. Within
 * that slack order, call, result and text decide.
 *
 * What is no evasion, though the two accounts differ: calls that need no system call or several;
 * functions that fail before they ask the kernel; images in which other preloaded libraries may
 * answer calls (fakeroot); text that another thread could change; an image that forked a child past
 * libc, which speaks in its parent's name; a run in which the kernel sensor lost anything; a record
 * that was left by a jump, or cut.
 */
#ifndef TT_RECORDER_HELD_H
#define TT_RECORDER_HELD_H

#include "kernel/fact.h"
#include "recorder/track.h"

#define RECORDER_SLACK_NS 50000

struct recorder_held {
	struct recorder_held *next;
	size_t bytes;
	uint64_t take;           /* in which it came early */
	bool inside;             /* made during a call that the library told of */
	struct kernel_fact fact; /* its texts follow */
};

/* recorder_held_keep - a copy of @f, to be freed; NULL without memory */
struct recorder_held *recorder_held_keep(const struct kernel_fact *f);

/* recorder_held_add - @f, of the image @s, waits */
void recorder_held_add(struct recorder_track *t, struct recorder_span *s,
		       const struct kernel_fact *f);

/*
 * recorder_held_match - the library tells of a call of @s
 * @entered: CLOCK_MONOTONIC; @silent: it is no event
 * Sets ev->confirmed if the kernel told the same.
 */
void recorder_held_match(struct recorder_track *t, struct recorder_span *s, struct event *ev,
			 uint64_t entered, bool silent);

/* recorder_held_blocked - a lane's next record is not complete: its thread is in a call */
void recorder_held_blocked(struct recorder_track *t, const struct ring_lane_state *lane);

/* recorder_held_settle - a pass is over: what nothing will explain becomes lines */
void recorder_held_settle(struct recorder_track *t);

/* recorder_held_since - when the oldest fact that waits was told; 0: none does */
uint64_t recorder_held_since(const struct recorder_span *s);

/* recorder_held_end - the image is over, and all it told has been taken: nothing waits any more */
void recorder_held_end(struct recorder_track *t, struct recorder_span *s);

#endif
