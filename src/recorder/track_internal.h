/* SPDX-License-Identifier: Apache-2.0 */
/* What track.c and drain.c share. */
#ifndef TT_RECORDER_TRACK_INTERNAL_H
#define TT_RECORDER_TRACK_INTERNAL_H

#include "recorder/track.h"

/* One record of a pass: sorted by time, then by arrival. */
struct recorder_entry {
	uint64_t ts;     /* as the record has it */
	uint32_t offset; /* of its struct ring_taken in the arena */
};

/* recorder_track_put - complete the ids of an event and write it */
void recorder_track_put(struct recorder_track *t, struct event *ev, const struct recorder_span *s);

/*
 * recorder_track_wants - whether the configuration lets a call through; those that sampling leaves
 * out are counted and take a number
 */
bool recorder_track_wants(struct recorder_track *t, struct recorder_span *s,
			  const struct event *ev);

/* recorder_track_put_sampled - say how many calls of @s sampling left out, if any */
void recorder_track_put_sampled(struct recorder_track *t, struct recorder_span *s);

struct recorder_process *recorder_track_process(struct recorder_track *t, pid_t own_pid,
						pid_t own_ppid);

/* recorder_track_inherit - what a forked or spawned span starts with: its parent's */
void recorder_track_inherit(struct recorder_span *s, const struct recorder_span *from);

/* recorder_track_inherit_root - the "/" of an image goes on to what it makes or executes */
void recorder_track_inherit_root(struct recorder_span *s, const struct recorder_span *from);

/* recorder_track_bind - @s is the image that @p runs now; @p may be NULL */
void recorder_track_bind(struct recorder_span *s, struct recorder_process *p);
struct recorder_span *recorder_track_begin(struct recorder_track *t, const struct tt_uuid *id,
					   const struct event_span *parent, enum event_how how,
					   struct recorder_process *p);

/*
 * recorder_track_replace - the image gave way to another at @ts
 * Its span is ended by recorder_track_end_gone(), once a whole pass has taken what its threads left
 * in the ring.
 */
void recorder_track_replace(struct recorder_track *t, struct recorder_span *s, uint64_t ts);
/*
 * recorder_track_no_room - an exec took the caller's environment: what it started is not followed
 */
void recorder_track_no_room(struct recorder_track *t, struct recorder_span *s);
void recorder_track_end_gone(struct recorder_track *t, bool all);
/*
 * recorder_track_unheard - images whose first record the ring refused have a gap; their slots are
 * free again
 * @all: the run is over; else only those of processes that are gone, if anything was refused lately
 */
void recorder_track_unheard(struct recorder_track *t, bool all);
void recorder_track_end(struct recorder_track *t, struct recorder_process *p);

/*
 * recorder_resolve_fds - give the fds of a call the paths that are known
 * @bufs: where those lie that /proc told, until the line is written
 */
void recorder_resolve_fds(const struct recorder_track *t, struct recorder_span *s, struct event *ev,
			  uint32_t flags, char bufs[2][EVENT_PATH_MAX]);

/* recorder_resolve_path - join the path of a call once, for all who ask; @buf: where it lies */
void recorder_resolve_path(struct event *ev, char buf[EVENT_PATH_MAX]);

/* recorder_resolve_is_noise - whether the call makes no line; its paths are resolved */
bool recorder_resolve_is_noise(const struct recorder_span *s, const struct event *ev,
			       uint32_t flags);

/* recorder_resolve_follow - what the call did to the image's fds; @quiet: it makes no line */
void recorder_resolve_follow(struct recorder_span *s, const struct event *ev, uint32_t flags,
			     bool quiet);

/* recorder_resolve_launch - the command's first image has our standard fds */
void recorder_resolve_launch(struct recorder_span *s);

/* recorder_resolve_keep_open - the fds that the image's end leaves open; NULL: it goes on */
void recorder_resolve_keep_open(struct recorder_span *s, const struct event_text *block);
void recorder_resolve_put_open(const struct recorder_span *s, struct event *ev);

#endif
