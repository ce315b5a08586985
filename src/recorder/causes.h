/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who saw what, and why not everybody: counters of a run, and what no innocent cause explains.
 * Internal to the recorder.
 */
#ifndef TT_RECORDER_CAUSES_H
#define TT_RECORDER_CAUSES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"
#include "event/event.h"

/* Acts that the kernel alone told of. */
enum recorder_unmatched {
	RECORDER_UNMATCHED_STARTUP,     /* before the library's first word: ld.so at work */
	RECORDER_UNMATCHED_INSIDE,      /* part of a call that the library told of */
	RECORDER_UNMATCHED_LIBC,        /* by libc for its own sake: NSS, locales */
	RECORDER_UNMATCHED_DIRECT,      /* a system call by other code than libc */
	RECORDER_UNMATCHED_URING,       /* through an io_uring */
	RECORDER_UNMATCHED_MUTE,        /* in an image that the library does not speak for */
	RECORDER_UNMATCHED_SENSOR_LOSS, /* the library lost events of this image */
	RECORDER_UNMATCHED_UNKNOWN,
	RECORDER_UNMATCHED
};

/* Why a span is not seen by both. The first ones are enum recorder_mute. */
enum recorder_cause {
	RECORDER_CAUSE_NONE,
	RECORDER_CAUSE_OFF,
	RECORDER_CAUSE_STATIC,
	RECORDER_CAUSE_OTHER_CLASS,
	RECORDER_CAUSE_SECURE,
	RECORDER_CAUSE_ENVIRONMENT,
	RECORDER_CAUSE_BRIEF,
	RECORDER_CAUSE_UNSAID,
	RECORDER_CAUSE_DIRECT,
	RECORDER_CAUSE_URING,
	RECORDER_CAUSE_KERNEL_LOSS,
	RECORDER_CAUSE_FOREIGN,
	RECORDER_CAUSE_SENSOR_LOSS,
	RECORDER_CAUSES
};

enum recorder_seen {
	RECORDER_SEEN_FULL,
	RECORDER_SEEN_KERNEL,
	RECORDER_SEEN_DECLARED,
	RECORDER_SEEN_NONE,
	RECORDER_SEENS
};

/* recorder_cause_name - as in the trace and run.json; recorder_seen_name - "full", "kernel-only" */
const char *recorder_cause_name(enum recorder_cause cause);
const char *recorder_seen_name(enum recorder_seen seen);

#define RECORDER_FINDINGS_MAX       64
#define RECORDER_FINDING_EVENTS_MAX 8

enum recorder_finding_kind {
	RECORDER_FINDING_UNSEEN,    /* told as done, and the kernel saw nothing of it */
	RECORDER_FINDING_DIFFERS,   /* the kernel saw it done with other arguments */
	RECORDER_FINDING_SCRIBBLED, /* the library's memory was overwritten, and there were acts */
	RECORDER_FINDING_DIRECT,    /* system calls past libc: no evasion by itself */
	RECORDER_FINDING_ANSWERED, /* as the first two, with a library like fakeroot's in between */
	RECORDER_FINDING_URING,    /* acts through an io_uring: the same */
	RECORDER_FINDING_FOREIGN,  /* calls of another ABI, of which there is only the number */
};

struct recorder_finding {
	enum recorder_finding_kind kind;
	struct tt_uuid span;
	int32_t pid;
	char comm[16];
	uint64_t count;
	char *events[RECORDER_FINDING_EVENTS_MAX]; /* one line each, for people; owned */
	unsigned event_count;
};

struct recorder_causes {
	uint64_t seen[RECORDER_SEENS]; /* spans that are over */
	uint64_t causes[RECORDER_CAUSES];
	uint64_t unmatched[RECORDER_UNMATCHED];
	uint64_t confirmed, declared, kernel; /* lines */
	struct recorder_finding findings[RECORDER_FINDINGS_MAX];
	size_t finding_count;
	uint64_t findings_more; /* found no place */
};

/*
 * recorder_causes_find - count a finding of a span
 * @text: describes the event; may be NULL
 */
void recorder_causes_find(struct recorder_causes *c, enum recorder_finding_kind kind,
			  const struct tt_uuid *span, int32_t pid, const char *comm,
			  const char *text);
void recorder_causes_done(struct recorder_causes *c);

/* recorder_causes_put - what run.json's `coverage` says of them */
void recorder_causes_put(const struct recorder_causes *c, json_t *coverage);

#endif
