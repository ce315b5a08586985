/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate: what stands between the workload of a cell and the agent beside it. docs/GUEST.md says what
 * it closes and why. Runs in the child that becomes the workload, and before that in the cell's PID 1.
 * No allocation; async-signal-safe.
 */
#ifndef TT_INIT_GATE_H
#define TT_INIT_GATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/compiler.h"

struct gate_options {
	uid_t uid; /* of the workload: neither 0 nor the agent's */
	gid_t gid;
	uid_t agent_uid;
	const char *const *
		writable; /* folders where the workload may write, ended by NULL; NULL: all but what is masked */
};

enum gate_step {
	GATE_VIEW, /* mounts and masks */
	GATE_IDS,
	GATE_BOUNDING,
	GATE_NO_NEW_PRIVS,
	GATE_LANDLOCK,
	GATE_FILTER,
	GATE_STEPS,
};

/* gate_step_name - "filter"; of what could not be done */
const char *gate_step_name(enum gate_step step);

/*
 * gate_view - in the cell's PID 1, once, in its own mount namespace with the cell's /proc mounted: /proc so that
 * other users' processes are not to be seen, masks over what no workload needs (sysrq-trigger, kcore, keys, ...),
 * /proc/sys and /sys read-only, no cgroupfs
 * Returns 0 or -errno, and *ret_step.
 */
int gate_view(const struct gate_options *o, enum gate_step *ret_step) TT_MUST_CHECK;

/*
 * gate_pass - in the workload's process, last before its exec: ids, capabilities, no_new_privs, Landlock (where the
 * kernel has it; *ret_landlock: its ABI or 0), seccomp
 * All or nothing: after a failure the process must end.
 */
int gate_pass(const struct gate_options *o, int *ret_landlock,
	      enum gate_step *ret_step) TT_MUST_CHECK;

#endif
