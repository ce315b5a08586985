/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following the tree of one run: records from the ring and what /proc tells become spans, and every
 * span gets its beginning, its events in order, the gaps that are known, and exactly one end.
 * Internal to the recorder.
 */
#ifndef TT_RECORDER_TRACK_H
#define TT_RECORDER_TRACK_H

#include "event/config.h"
#include "recorder/output.h"
#include "recorder/procfs.h"
#include "recorder/tree.h"
#include "ring/consumer.h"

struct recorder_denials;
struct recorder_facts;
struct recorder_watch;

/* Losses of one kind, over the whole run. */
struct recorder_gap {
	const char *reason; /* static */
	uint64_t count;
	uint64_t spans;
	bool at_least; /* the count is a lower bound */
};

enum {
	RECORDER_GAP_RING_FULL,
	RECORDER_GAP_KILLED,
	RECORDER_GAP_SCRIBBLED,
	RECORDER_GAP_NO_ROOM,
	RECORDER_GAP_SAMPLED, /* left out on purpose, not lost */
	RECORDER_GAP_KINDS
};

struct recorder_track {
	struct recorder_tree tree;
	struct recorder_output *out;
	struct ring_consumer *ring;        /* NULL: no preload sensor */
	struct recorder_denials *denials;  /* NULL: no filter */
	struct recorder_facts *facts;      /* NULL: the kernel is not asked */
	struct recorder_watch *watch;      /* NULL: --observe was not asked for */
	const struct event_config *config; /* NULL: the defaults */
	struct event_ids ids;
	int epoll_fd;
	bool own_pid_namespace; /* processes call themselves by other pids than ours */
	pid_t init;        /* the sandbox's: none of the command's processes; 0: there is none */
	pid_t foreign[64]; /* children we had before the run: an exec hands them over */
	size_t foreign_count;
	unsigned walks_left;      /* searches of the whole tree in this drain */
	pid_t root;               /* where the run's processes hang below: us */
	uint64_t realtime_offset; /* CLOCK_REALTIME - CLOCK_MONOTONIC, refreshed each pass */

	char *arena; /* one pass's records */
	size_t arena_len;
	struct recorder_entry *entries;
	size_t entry_count;
	/* what the lines of a span have in common; by the last byte of its id */
	struct recorder_ready {
		struct tt_uuid span;
		struct event_ready ready;
	} ready[64];
	/* of an image that nobody spoke of, at the last look */
	bool slot_suspect[RING_SLOTS];
	uint64_t refused_seen; /* refusals at the last look at the slots */
	uint64_t looked_ns;    /* CLOCK_MONOTONIC of that */
	uint64_t no_slot;      /* spans known to have found no slot */
	/* parents that images named before those had spoken of themselves, the last ones */
	struct tt_uuid early[256];
	size_t early_count;
	struct recorder_span *gone; /* replaced images, to be ended after one more pass */
	uint64_t pass;
	uint32_t fullest; /* bytes that the fullest lane held in the last drain */

	/* figures for run.json */
	uint64_t events, spans, spans_preload, spans_blinded, processes;
	struct recorder_gap gaps[RECORDER_GAP_KINDS];
	bool children_ignored; /* some process lets its children vanish unreaped */
};

int recorder_track_init(struct recorder_track *t) TT_MUST_CHECK;
void recorder_track_done(struct recorder_track *t);

/*
 * recorder_track_launch - the recorder forked @pid
 * @span: the span it gave to the child as parent; @parent: of that span
 * @exe: set if the program was started and cannot load the library: its image gets a span of ours
 */
void recorder_track_launch(struct recorder_track *t, pid_t pid, pid_t own_pid,
			   const struct tt_uuid *span, const struct event_span *parent,
			   const char *exe, uint64_t ts);

/* recorder_track_drain - take what the ring holds. Returns the number of records taken. */
size_t recorder_track_drain(struct recorder_track *t);

/*
 * recorder_track_dying - the pidfd says that @p is dead: the next drain ends it
 * @reaped_by_us: a pid whose end is told otherwise, with recorder_track_died()
 */
void recorder_track_dying(struct recorder_track *t, struct recorder_process *p, pid_t reaped_by_us);

/* recorder_track_died - a process is dead (pidfd, or our own waitid): drain it and end its span */
void recorder_track_died(struct recorder_track *t, struct recorder_process *p, bool status_known,
			 int status);

/* recorder_track_status - how a process that is dead or dying ended, as far as the kernel tells */
bool recorder_track_status(const struct recorder_process *p, int *ret_status);

/*
 * recorder_track_seen - the sampler met a process: make a span if nobody told of it, resolve a
 * pending exec
 */
void recorder_track_seen(struct recorder_track *t, pid_t pid, const struct recorder_stat *st);

struct kernel_fact;

/*
 * recorder_track_met - the process that an observer's fact tells of; one whose maker the library
 * does not speak for gets a span of ours. NULL: not known yet.
 */
struct recorder_process *recorder_track_met(struct recorder_track *t, const struct kernel_fact *f);

/* recorder_track_executed - it runs another program; what the library tells of itself stays so */
void recorder_track_executed(struct recorder_track *t, struct recorder_process *p, const char *path,
			     uint64_t ts);

/* recorder_track_is_foreign - whether a child of ours is none of the run's */
bool recorder_track_is_foreign(const struct recorder_track *t, pid_t pid);

/*
 * recorder_track_is_ours - whether @pid hangs below the recorder: a pid that a workload names may
 * be anybody's
 */
bool recorder_track_is_ours(struct recorder_track *t, pid_t pid);

/* recorder_track_finish - the run is over: end every span that has no end yet */
void recorder_track_finish(struct recorder_track *t);

/* recorder_track_now - the time for events of our own */
uint64_t recorder_track_now(void);

#endif
