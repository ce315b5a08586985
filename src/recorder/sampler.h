/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures of the whole process tree: sampled while it runs, exact at the end. Internal to the
 * recorder.
 */
#ifndef TT_RECORDER_SAMPLER_H
#define TT_RECORDER_SAMPLER_H

#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "cgroup/cgroup.h"
#include "recorder/procfs.h"
#include "recorder/track.h"

#define RECORDER_SAMPLES_MAX 4096 /* a long run halves its resolution instead of growing */

struct recorder_sample {
	uint32_t time_ms, processes;
	uint64_t memory_kb, read_calls, write_calls;
	double cpu_percent;
};

struct recorder_sampler {
	struct recorder_sample samples[RECORDER_SAMPLES_MAX];
	size_t count;
	uint32_t period_ms;
	uint64_t started_ns, last_ns; /* CLOCK_MONOTONIC */
	uint64_t last_cpu_ns;
	uint64_t peak_memory_kb;
	uint32_t peak_processes;
	double peak_cpu;
	bool missed; /* a list of children was longer than we read */

	/* of the children that the recorder reaped, and theirs: exact */
	uint64_t user_ns, system_ns;
	uint64_t minor_faults, major_faults, voluntary, involuntary, max_rss_kb;
	struct recorder_io io;
	uint64_t io_unread; /* children whose I/O figures could not be had */
	pid_t *work;        /* the walk's list, kept between samples */
	size_t work_cap;

	const struct cgroup *group;          /* NULL: none */
	struct cgroup_figures group_figures; /* of the last look at it */
	/* more CPU time was used than by those that were reaped: user_ns and system_ns are its */
	bool group_knows_more;
	bool from_facts;  /* all of them are what the kernel told at the end of each process */
	uint64_t init_ns; /* CPU time of the sandbox's init, which is in the group, too */
};

/* Where the run stands. */
struct recorder_running {
	uint64_t cpu_ns, memory_kb, major_faults;
};

/*
 * recorder_sampler_init - @s is all zero: fresh pages that a short run never touches are not
 * cleared again
 */
void recorder_sampler_init(struct recorder_sampler *s, uint32_t period_ms);
void recorder_sampler_done(struct recorder_sampler *s);

/*
 * recorder_sampler_take - walk the tree below the recorder, tell @track whom it met, add a sample
 * to trace and timeline
 */
void recorder_sampler_take(struct recorder_sampler *s, struct recorder_track *track);

/*
 * recorder_sampler_running - CPU time so far; with @walk, or where no group tells, also memory and
 * faults
 */
void recorder_sampler_running(struct recorder_sampler *s, struct recorder_track *track, bool walk,
			      struct recorder_running *ret);

/*
 * recorder_sampler_shared_kb - memory of the tree now, what processes share counted once (as far as
 * /proc tells us): slow
 */
uint64_t recorder_sampler_shared_kb(struct recorder_sampler *s, struct recorder_track *track);

/*
 * recorder_sampler_reap - account for a child that is about to be reaped
 * @pid: a zombie (waitid WNOWAIT). Reads its I/O figures, reaps it.
 * @io_fd: its /proc/PID/io if that is open already, else -1: of a zombie only root may still open
 *   it
 * Returns 0 and sets @ret_status (wait(2)), or -errno.
 */
int recorder_sampler_reap(struct recorder_sampler *s, pid_t pid, int io_fd, int *ret_status);

/*
 * recorder_sampler_add - as recorder_sampler_reap(), for processes that somebody else reaped: @ru
 * is theirs. @pid, still there, is the one who did; what it used itself is none of the run's.
 */
void recorder_sampler_add(struct recorder_sampler *s, const struct rusage *ru, int io_fd,
			  pid_t pid);

/* recorder_sampler_close - the last sample: all is reaped, the totals are exact */
void recorder_sampler_close(struct recorder_sampler *s, struct recorder_track *track);

#endif
