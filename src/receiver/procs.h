/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a cell that live, as its agent tells of them: which span each has. Grows with
 * their number, up to a limit; what is past it has the cell's own span, and is counted.
 */
#ifndef TT_RECEIVER_PROCS_H
#define TT_RECEIVER_PROCS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"

#define RECEIVER_PROCS_MAX 32768u /* of one cell: what its pids limit should be far below */

struct receiver_proc {
	uint32_t pid; /* 0: free */
	bool born;    /* its start was told */
	uint64_t start_ns;
	struct tt_uuid span, parent;
};

struct receiver_procs {
	struct receiver_proc *slots; /* NULL: none yet */
	uint32_t room;               /* a power of two */
	uint32_t count;
	uint32_t key; /* so that pids cannot be chosen to collide */
	uint64_t untracked;
};

void receiver_procs_done(struct receiver_procs *p);

/* receiver_procs_find - NULL if there is none. Valid until the table changes. */
struct receiver_proc *receiver_procs_find(const struct receiver_procs *p, uint32_t pid);

/* receiver_procs_add - a process, all zero but its pid; NULL past the limit or without memory */
struct receiver_proc *receiver_procs_add(struct receiver_procs *p, uint32_t pid);

void receiver_procs_remove(struct receiver_procs *p, uint32_t pid);

#endif
