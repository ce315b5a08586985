/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits on memory and processes of the workload: control groups of v2, of v1 or of both, below the
 * group that init is in. The agent and init stay in a group of their own beside it:
 *
 *	telltale-init-PID/agent       init, the agent
 *	telltale-init-PID/workload    what the limits hold for
 */
#ifndef TT_INIT_LIMITS_H
#define TT_INIT_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "init/settings.h"

enum init_controller { INIT_MEMORY, INIT_PIDS, INIT_CPU, INIT_CONTROLLERS };

/* One hierarchy in which there are groups of ours. */
struct init_tree {
	int own, top, agent, workload; /* folders: where init was, and the three that were made */
	bool v2, is_root;
	uint32_t has, lent; /* controllers, a bit each: that limit; that were switched on in @own */
	char name[40];
};

struct init_limits {
	struct init_tree trees[INIT_CONTROLLERS];
	unsigned count;
};

/*
 * init_limits_make - make the groups and set the limits; this process moves into the agent's
 * Returns 0, or -1 and it is said what cannot be limited.
 */
int init_limits_make(struct init_limits *l, const struct init_settings *s) TT_MUST_CHECK;

/* init_limits_enter - this process moves into the workload's. 0 or -errno. */
int init_limits_enter(const struct init_limits *l) TT_MUST_CHECK;

/* init_limits_report - say which limits were hit */
void init_limits_report(const struct init_limits *l);

/* init_limits_remove - undo init_limits_make(); nobody is left in them */
void init_limits_remove(struct init_limits *l);

#endif
