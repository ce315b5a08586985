/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trace as it grows: which processes, calls, files and hosts are the busiest so far. Memory is
 * bounded however long the trace: see store/tally.h.
 */
#ifndef TT_STORE_BUSIEST_H
#define TT_STORE_BUSIEST_H

#include <jansson.h>

#include "store/tally.h"
#include "store/trace.h"

#define STORE_BUSIEST_ROOM 8192 /* things that are told apart, of each kind */

enum store_busiest_kind {
	STORE_BUSIEST_PROCESSES,
	STORE_BUSIEST_CALLS,
	STORE_BUSIEST_FILES,
	STORE_BUSIEST_HOSTS, /* "connect 192.0.2.1:9", "look up localhost" */
	STORE_BUSIEST_KINDS,
};

struct store_busiest {
	struct store_tally *tables[STORE_BUSIEST_KINDS];
	json_t *opening, *closing; /* the `run` lines, NULL: none so far */
	uint64_t first_ns, last_ns;
	uint64_t events, calls, failed;
	uint64_t denied;         /* violations */
	uint64_t lost;           /* events known to be lost */
	bool lost_unknown;       /* and some more, nobody knows how many */
	uint64_t started, ended; /* processes, as far as their starts and ends were told */

	/* of the last sample; -1: none so far */
	double cpu_percent;
	int64_t memory_kb, processes;
};

/* store_busiest_init - nothing counted; -ENOMEM */
int store_busiest_init(struct store_busiest *b) TT_MUST_CHECK;
void store_busiest_done(struct store_busiest *b);

/* store_busiest_add - one more item of the trace */
void store_busiest_add(struct store_busiest *b, const struct store_item *item);

/* store_busiest_tick - what comes from here on is recent */
void store_busiest_tick(struct store_busiest *b);

#endif
