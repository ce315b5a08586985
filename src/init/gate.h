/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate: what stands between the workload of a cell and the agent beside it. docs/gate.md says
 * what it closes and why. Runs in the child that becomes the workload, and before that in the
 * cell's PID 1. No allocation; async-signal-safe; a process with one thread.
 */
#ifndef TT_INIT_GATE_H
#define TT_INIT_GATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/compiler.h"

struct gate_options {
	uid_t uid; /* of the workload: neither 0 nor the agent's */
	gid_t gid; /* not 0: that group sees all of /proc */
	uid_t agent_uid;
	/* Where the workload may write, ended by NULL; NULL: everywhere but in /proc and /sys. */
	const char *const *writable;
};

/* In the order in which they are done. */
enum gate_step {
	GATE_VIEW,     /* mounts and masks */
	GATE_SESSION,  /* a session of its own */
	GATE_FDS,      /* none but the first three goes through the exec */
	GATE_BOUNDING, /* bounding and ambient set, securebits */
	GATE_IDS,
	GATE_NO_NEW_PRIVS,
	GATE_LANDLOCK,
	GATE_FILTER,
	GATE_STEPS,
};

/* init_gate_step_name - "filter"; of what could not be done */
const char *init_gate_step_name(enum gate_step step);

/*
 * init_gate_view - in the cell's PID 1, once, in its own mount namespace, where the cell's /proc is
 *
 * Then /proc hides the processes of other users; what no workload needs (sysrq-trigger, kcore,
 * keys, ...) is covered; /proc/sys and /sys are read-only; there is no cgroupfs, a small /dev of
 * its own, and nosuid everywhere. Mounts of this namespace stop to propagate.
 * Returns 0 or -errno, and *ret_step.
 */
int init_gate_view(const struct gate_options *o, enum gate_step *ret_step) TT_MUST_CHECK;

/*
 * init_gate_pass - in the workload's process, as root, last before its exec: session, fds,
 * capabilities, ids, no_new_privs, Landlock (where the kernel has it; *ret_landlock: its ABI or 0),
 * seccomp
 *
 * All or nothing: after a failure (-errno, and *ret_step) the process must end. What wants a
 * controlling terminal makes its session before; what leads one keeps it.
 */
int init_gate_pass(const struct gate_options *o, int *ret_landlock,
		   enum gate_step *ret_step) TT_MUST_CHECK;

#endif
