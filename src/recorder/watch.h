/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --observe: what the rootless observer tells of a run, and where its listener is not to be had,
 * the proc connector; under both there is the walk through /proc (sampler.h). Internal to the
 * recorder; not thread-safe.
 */
#ifndef TT_RECORDER_WATCH_H
#define TT_RECORDER_WATCH_H

#include "kernel/keeper.h"
#include "kernel/observer.h"
#include "recorder/track.h"
#include "sandbox/sandbox.h"

struct recorder_watch {
	struct kernel_observer *observer;
	struct kernel_keeper *keeper; /* NULL: the sandbox ends with us */
	struct kernel_procconn *procconn;
	struct event_span run_span, run_parent;
	bool watching; /* there is a listener */
	bool follows;  /* the command loads the library: it speaks for what nobody else does */
	struct recorder_waits *waits;
	uint64_t dropped;   /* facts that had no room to wait */
	uint64_t stray_seq; /* of lines of processes that nobody spoke of: the run's */
	char text[512];     /* which source there is, for run.json */
};

/*
 * recorder_watch_new - prepare to observe
 * @what: enum kernel_observed
 * @keep: processes may outlive us under the filter
 */
int recorder_watch_new(struct recorder_watch **ret, unsigned what, bool keep,
		       struct tt_err *err) TT_MUST_CHECK;
void recorder_watch_free(struct recorder_watch *o);

/* recorder_watch_begin - the command was launched; what its launch brought is in @child */
void recorder_watch_begin(struct recorder_watch *o, const struct sandbox_child *child);

/* recorder_watch_next - 1 and the next fact, valid until the next call; 0: none now */
int recorder_watch_next(struct recorder_watch *o, struct kernel_fact *ret);

/*
 * recorder_watch_take - what has come waits to be explained; before the library's records of the
 * same pass are told of
 */
void recorder_watch_take(struct recorder_watch *o);

/*
 * recorder_watch_told - the library tells of a call; @entered: CLOCK_MONOTONIC
 * A fact of it is no line of its own.
 */
void recorder_watch_told(struct recorder_watch *o, const struct recorder_span *s,
			 const struct event *ev, uint64_t entered);

/* recorder_watch_blocked - a thread is in a call not told of yet; NULL: a pass begins */
void recorder_watch_blocked(struct recorder_watch *o, const struct ring_lane_state *lane);

/* recorder_watch_settle - after the records: what was made past the library gets its line */
void recorder_watch_settle(struct recorder_watch *o, struct recorder_track *t);

/* recorder_watch_finish - the run is over: say what was missed */
void recorder_watch_finish(struct recorder_watch *o, struct recorder_track *t);

/* recorder_watch_lost - calls that were not told of; @o may be NULL */
uint64_t recorder_watch_lost(const struct recorder_watch *o);

/* recorder_watch_strays - messages of the proc connector that did not arrive: whose is not known */
uint64_t recorder_watch_strays(const struct recorder_watch *o);

#endif
