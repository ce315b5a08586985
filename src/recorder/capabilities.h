/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities that calls were refused: a line of the trace for each, the first ones of a site
 * (one image, one call, one capability) one by one and then one at each power of two, which says
 * how many it stands for. Internal to the recorder; not thread-safe.
 */
#ifndef TT_RECORDER_CAPABILITIES_H
#define TT_RECORDER_CAPABILITIES_H

#include <jansson.h>

#include "kernel/fact.h"
#include "recorder/track.h"

#define RECORDER_CAPABILITY_SITES 512 /* further ones are counted as a whole */

struct recorder_capability_site {
	struct tt_uuid span;
	struct event_span parent;
	int32_t pid, ns_pid, ppid, tid, nr, capability;
	int error;
	char comm[16];
	uint64_t count, told;
	uint64_t first_ns, last_ns;
};

struct recorder_capabilities {
	struct recorder_capability_site *sites; /* NULL: none yet */
	size_t count;
	uint64_t more; /* refusals that found no site */
};

/* recorder_capabilities_add - @f, of the image @s */
void recorder_capabilities_add(struct recorder_track *t, const struct recorder_span *s,
			       const struct kernel_fact *f);

/* recorder_capabilities_finish - the run is over: what was not said yet */
void recorder_capabilities_finish(struct recorder_track *t);
void recorder_capabilities_done(struct recorder_capabilities *c);

/* recorder_capabilities_list - run.json's `capabilities` */
json_t *recorder_capabilities_list(const struct recorder_capabilities *c);

#endif
