/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which image an act belongs to, where the kernel tells of forks, execs and ends: each of them
 * makes or ends a span at once. Whose id it gets is known a little later: its own, if the library
 * speaks in it, else one of ours. Until then it is pending, and has no line. Internal to the
 * recorder.
 */
#ifndef TT_RECORDER_IMAGES_H
#define TT_RECORDER_IMAGES_H

#include "kernel/fact.h"
#include "recorder/track.h"

/* Why the library does not speak for an image. */
enum recorder_mute {
	RECORDER_MUTE_NOT,         /* it does, or may yet */
	RECORDER_MUTE_OFF,         /* there is no library in this run */
	RECORDER_MUTE_STATIC,      /* no dynamic linker that could load it */
	RECORDER_MUTE_OTHER_CLASS, /* another word size or another libc */
	RECORDER_MUTE_SECURE,      /* set-user-id and the like */
	RECORDER_MUTE_ENVIRONMENT, /* could have loaded it, but did not have it */
	RECORDER_MUTE_BRIEF,       /* gone before it could speak */
	RECORDER_MUTE_UNSAID,      /* forked past libc by a program that the library speaks for */
	RECORDER_MUTES
};

#define RECORDER_PROGRAMS 1024 /* looked at, and remembered */

struct recorder_images {
	struct recorder_span pending; /* list head, the oldest first */
	uint32_t living, peak;        /* processes */
	/* programs looked at lately, by device and inode */
	struct recorder_looked {
		struct kernel_file file;
		uint8_t mute;
	} looked[RECORDER_PROGRAMS];
};

void recorder_images_init(struct recorder_images *im);

/* recorder_images_fork, _exec, _exit - what the kernel told */
void recorder_images_fork(struct recorder_track *t, const struct kernel_fact *f);
void recorder_images_exec(struct recorder_track *t, const struct kernel_fact *f);
void recorder_images_exit(struct recorder_track *t, const struct kernel_fact *f);

/* recorder_images_knows - whether the beginning of the image that @f tells of has been told */
bool recorder_images_knows(struct recorder_track *t, const struct kernel_fact *f);

/* recorder_images_of - the image that @f tells of: what its process runs now; NULL: none of ours */
struct recorder_span *recorder_images_of(struct recorder_track *t, const struct kernel_fact *f);

/* recorder_images_of_pid - the last that waits for its word and calls itself @own_pid; or NULL */
struct recorder_span *recorder_images_of_pid(struct recorder_track *t, int32_t own_pid);

/*
 * recorder_images_claim - the library tells of the beginning of an image, at @ts (CLOCK_MONOTONIC)
 * Returns the span that waited for it, or that had to do without, known by the library's id now;
 * NULL: the kernel did not tell of one. @ret_late: its beginning has been told already.
 */
struct recorder_span *recorder_images_claim(struct recorder_track *t, const struct event *ev,
					    uint64_t ts, bool *ret_late);

/*
 * recorder_images_adopt - the library tells of a call of an image whose beginning was lost
 * Returns the span of the process that waited for it, or had to do without; NULL: there is none.
 */
struct recorder_span *recorder_images_adopt(struct recorder_track *t, const struct event *ev,
					    uint64_t ts);

/*
 * recorder_images_settle - those of whom it is known by now that the library does not speak for
 * them begin; @all: the run is over
 */
void recorder_images_settle(struct recorder_track *t, bool all);

/* recorder_images_begin - it is not waited for any longer: its beginning is a line of ours */
void recorder_images_begin(struct recorder_track *t, struct recorder_span *s,
			   enum recorder_mute mute);

#endif
