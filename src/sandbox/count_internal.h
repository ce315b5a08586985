/* SPDX-License-Identifier: Apache-2.0 */
/* What the counter's process and its caller share. Never leaves this folder. */
#ifndef TT_SANDBOX_COUNT_INTERNAL_H
#define TT_SANDBOX_COUNT_INTERNAL_H

#include "sandbox/count.h"

/* Memory that both see; only the counter writes. */
struct sandbox_count_shared {
	struct sandbox_counts counts;
	bool done;                                /* nothing is left to be traced */
	bool many[SANDBOX_COUNT_CALLS];           /* its shapes are not told apart any more */
	uint16_t kinds[SANDBOX_COUNT_CALLS];      /* how many shapes it has */
	uint16_t index[2 * SANDBOX_COUNT_SHAPES]; /* hash table: 1 + number of the shape, 0: free */
};

/* count_trace.c: be the counter; @fd: the socket on which the caller names whom to attach to */
void sandbox_count_trace(struct sandbox_count_shared *s, int fd) TT_NORETURN;

/*
 * count_args.c: note the arguments of one call. @pid: whose memory to read where the kernel takes
 * them from there.
 */
void sandbox_count_note(struct sandbox_count_shared *s, pid_t pid, int nr, const uint64_t args[6]);

#endif
