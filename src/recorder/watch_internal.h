/* SPDX-License-Identifier: Apache-2.0 */
/* What watch.c and watch_wait.c share. */
#ifndef TT_RECORDER_WATCH_INTERNAL_H
#define TT_RECORDER_WATCH_INTERNAL_H

#include "recorder/watch.h"

/* Facts that wait, and calls that may explain them. */
struct recorder_waits *recorder_waits_new(void);
void recorder_waits_free(struct recorder_waits *w);

/* recorder_waits_add - a copy of @f waits; false: there is no room for it */
bool recorder_waits_add(struct recorder_waits *w, const struct kernel_fact *f);

/* recorder_waits_told - the library tells of a call; @entered: CLOCK_MONOTONIC */
void recorder_waits_told(struct recorder_waits *w, const struct recorder_span *s,
			 const struct event *ev, uint64_t entered);

/* recorder_waits_blocked - a thread is in a call; recorder_waits_unblock - no more of them are */
void recorder_waits_blocked(struct recorder_waits *w, const struct ring_lane_state *lane);
void recorder_waits_unblock(struct recorder_waits *w);

/* recorder_waits_settle - what is not explained gets its line; @all: nothing more will come */
void recorder_waits_settle(struct recorder_watch *o, struct recorder_track *t, bool all);

/* recorder_watch_process - a fact of a process's life */
void recorder_watch_process(struct recorder_track *t, const struct kernel_fact *f);

/* recorder_watch_put - @f becomes a line; @span: of the image that made it, NULL: not known */
void recorder_watch_put(struct recorder_watch *o, struct recorder_track *t,
			const struct kernel_fact *f, const struct tt_uuid *span);

#endif
