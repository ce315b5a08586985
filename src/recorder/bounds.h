/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run may use: set where the kernel holds it, watched where it does not, and told of in
 * run.json. Internal to the recorder.
 */
#ifndef TT_RECORDER_BOUNDS_H
#define TT_RECORDER_BOUNDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "cgroup/cgroup.h"
#include "policy/policy.h"

struct recorder_sampler;
struct recorder_track;

/* The first ones are the control group's, in its order. */
enum recorder_limit {
	RECORDER_LIMIT_MEMORY = CGROUP_LIMIT_MEMORY,
	RECORDER_LIMIT_PIDS = CGROUP_LIMIT_PIDS,
	RECORDER_LIMIT_WALL = CGROUP_LIMITS,
	RECORDER_LIMIT_CPU_TIME,
	RECORDER_LIMIT_MAJOR_FAULTS,
	RECORDER_LIMITS
};

struct recorder_limit_state {
	uint64_t value;  /* POLICY_NO_LIMIT: not asked for */
	const char *how; /* what enforces it, static; NULL: nothing does */
	bool hit;
};

struct recorder_limits {
	struct recorder_limit_state each[RECORDER_LIMITS];
	struct cgroup *group; /* NULL: out of memory, or not wanted */
	uint64_t due_ns;      /* CLOCK_MONOTONIC: the next look at those that are watched */
	bool opened;          /* the rest is filled in */
	bool watched;         /* some are */
	bool killed;          /* at a limit, by us */
	uint64_t machine_oom; /* processes that the kernel ended for want of memory, so far */
	const struct policy
		*launch; /* the profile, or the copy below that holds what no group can */
	struct policy copy;
	struct policy_rlimit *rlimits;
};

/* recorder_limit_name - as in limits.hit; recorder_limit_key - as in limits.asked */
const char *recorder_limit_name(enum recorder_limit limit);
const char *recorder_limit_key(enum recorder_limit limit);

/*
 * recorder_limits_open - make the group and set what can be set
 * @group_wanted: false: do without
 * @degrade: what cannot be enforced is passed over
 * Returns 0, or -errno with a text that names the limit that nothing here enforces.
 */
int recorder_limits_open(struct recorder_limits *l, const struct policy_limits *asked,
			 const struct policy *policy, const char *run_id, bool group_wanted,
			 bool degrade, struct tt_err *err) TT_MUST_CHECK;

/* recorder_limits_close - remove the group: all its processes are reaped */
void recorder_limits_close(struct recorder_limits *l);

/*
 * recorder_limits_check - look at those that are watched, if it is time
 * Returns true once, when the run has to be ended.
 */
bool recorder_limits_check(struct recorder_limits *l, struct recorder_sampler *s,
			   struct recorder_track *track);

/* recorder_limits_wait_ms - how long the loop may sleep, at most @ms */
int recorder_limits_wait_ms(const struct recorder_limits *l, int ms);

/* recorder_limits_finish - all is over: which of those the kernel holds were run into */
void recorder_limits_finish(struct recorder_limits *l, const struct cgroup_figures *f);

/*
 * recorder_limits_reason - the exit reason of a command that ended with @status, as far as limits
 * and want of memory are one; else NULL. @f: of its group.
 */
const char *recorder_limits_reason(const struct recorder_limits *l, const struct cgroup_figures *f,
				   int status);

#endif
