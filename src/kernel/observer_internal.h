/* SPDX-License-Identifier: Apache-2.0 */
/* What the observer's parts and the notifier share; all of it for the notifier's thread. */
#ifndef TT_KERNEL_OBSERVER_INTERNAL_H
#define TT_KERNEL_OBSERVER_INTERNAL_H

#include <linux/seccomp.h>

#include "kernel/caller.h"
#include "kernel/observer.h"

/*
 * A call that can be watched. @spec: what each argument is, as in event/numbers.def
 */
struct kernel_watched {
	int nr;
	enum event_call call;
	const char *spec;
	uint8_t what;      /* enum kernel_observed */
	int8_t arg;        /* -1, or it is watched only where (argument & mask) is not 0 */
	uint64_t arg_mask; /* more than 32 bits: all 64 */
};

/* kernel_watched_at - the table, from @i = 0; NULL at the end */
const struct kernel_watched *kernel_watched_at(size_t i);

/* Room for all that is told of one call: two paths, where they start from, and an argv. */
#define OBSERVED_PATH 4096
#define OBSERVED_ROOM (6 * OBSERVED_PATH)

/* Where texts of a fact go. */
struct kernel_room {
	char *at, *end;
};

/* A stretch of code: what lies there tells one image of a process from another. */
struct kernel_stamp {
	uint64_t at;
	char code[24]; /* zeroes where it could not be read */
	bool known;
};

/*
 * kernel_look_call - what the registers and the memory of a held call say, into @f
 * @memory: /proc/TID/mem, as of lately, or -1
 * @stamp: filled for an exec
 */
void kernel_look_call(const struct kernel_watched *w, const struct seccomp_notif *held, int memory,
		      struct kernel_fact *f, struct kernel_room *room, struct kernel_stamp *stamp);

/* 1: @pid runs another image than when @stamp was made; 0: the same; -1: it is gone */
int kernel_look_replaced(pid_t pid, const struct kernel_stamp *stamp);

/*
 * kernel_look_image - what /proc says of the image of f->pid; false: it is gone
 * @brief: which program it is, and no more: somebody waits
 */
bool kernel_look_image(struct kernel_fact *f, struct kernel_room *room, bool brief);

/*
 * kernel_observer_hold - look at a call that is held; false: it is not watched
 * Afterwards it is answered, and kernel_observer_told() comes before the next one.
 */
bool kernel_observer_hold(struct kernel_observer *o, const struct seccomp_notif *held,
			  struct kernel_callers *callers, pid_t top);

/* kernel_observer_told - the call goes on: say who made it, and put it into the queue */
void kernel_observer_told(struct kernel_observer *o, struct kernel_callers *callers, pid_t top);

/*
 * kernel_observer_settle - look whether execs have taken place
 * @idle: no call came for as long as was asked for; else nothing is looked at before it is due
 * Returns in how many ms it should be called again, -1: not before the next call.
 */
int kernel_observer_settle(struct kernel_observer *o, bool idle);

#endif
