/* SPDX-License-Identifier: Apache-2.0 */
/* Which sensors there are, and which of them this kernel lets us have. */
#ifndef TT_AGENT_SENSORS_H
#define TT_AGENT_SENSORS_H

#include "agent/options.h"
#include "agent/sensor.h"

enum { AGENT_SENSORS_MAX = 2 };

struct agent_sensors {
	struct agent_sensor each[AGENT_SENSORS_MAX];
	unsigned count;
	enum agent_choice processes; /* the kind that tells of processes */
	char tried[256]; /* "ebpf: no BTF (No such file or directory)"; those that did not open */
};

/*
 * agent_sensors_open - one that tells of processes, the best that opens or the one that is asked
 * for; and inotify if there are paths
 * Returns 0, or -errno if nothing tells of processes. What @o points to must stay.
 */
int agent_sensors_open(struct agent_sensors *s, const struct agent_options *o) TT_MUST_CHECK;
void agent_sensors_close(struct agent_sensors *s);

#endif
