/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at a file that the workload named, without being held up by it: a file system of its own
 * making (FUSE), or one that does not answer, could keep us waiting for ever. Internal to the
 * recorder; no allocation.
 */
#ifndef TT_RECORDER_LOOK_H
#define TT_RECORDER_LOOK_H

#include <stdint.h>

#include "event/event.h"

struct recorder_sight {
	uint64_t dev, ino;
	uint32_t uid, mode;
	uint64_t changed_ns; /* ctime, CLOCK_REALTIME */
};

/*
 * recorder_look - what the kernel has at hand of a file, links followed
 * Returns 0; -EAGAIN if only its file system could tell; -ENOSYS before Linux 5.12; or another
 * -errno.
 */
int recorder_look(struct event_text path, struct recorder_sight *ret) TT_MUST_CHECK;

#endif
