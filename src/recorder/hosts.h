/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which name a process knew an address by: what it looked up, or who forked it had before that. Fed
 * by the answers that the library tells of and by those that the kernel sensor saw arrive; an
 * address that nobody looked up has no name, whoever else may know one. Internal to the recorder.
 */
#ifndef TT_RECORDER_HOSTS_H
#define TT_RECORDER_HOSTS_H

#include "event/event.h"
#include "kernel/fact.h"

#define RECORDER_HOSTS_MAX     256   /* addresses kept of one process, the last ones */
#define RECORDER_HOSTS_ALL_MAX 16384 /* ... of a run */
#define RECORDER_HOSTS_DEPTH   64    /* forks that are looked back over */

struct recorder_span;
struct recorder_names; /* of one process, shared by all its images */

/* All of one run. */
struct recorder_hosts {
	uint32_t count;
};

/* recorder_hosts_fork - @child's process was forked at @ts_ns by @from's */
void recorder_hosts_fork(struct recorder_span *child, struct recorder_span *from, uint64_t ts_ns);

/* recorder_hosts_exec - @next is another image of the same process */
void recorder_hosts_exec(struct recorder_span *next, struct recorder_span *from);

void recorder_hosts_forget(struct recorder_hosts *h, struct recorder_span *s);

/* recorder_hosts_told - the library tells of a look-up that is over; other calls are left alone */
void recorder_hosts_told(struct recorder_hosts *h, struct recorder_span *s, const struct event *ev);

/* recorder_hosts_answer - a datagram from port 53 was received at @ts_ns since the epoch */
void recorder_hosts_answer(struct recorder_hosts *h, struct recorder_span *s,
			   const struct kernel_fact *f, uint64_t ts_ns);

/* recorder_hosts_find - set ev->host where the call names an address that its process looked up */
void recorder_hosts_find(const struct recorder_hosts *h, const struct recorder_span *s,
			 struct event *ev);

#endif
