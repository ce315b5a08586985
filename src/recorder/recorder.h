/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run one command and record it: trace.jsonl while it runs, run.json when it is over.
 *
 * The command stays in the caller's process group and keeps its terminal and standard fds.
 * Everything it leaves behind is adopted (PR_SET_CHILD_SUBREAPER) and waited for, then ended: see
 * enum recorder_orphans. Changes signal masks and child handling of the whole process: one run at a
 * time, single-threaded.
 */
#ifndef TT_RECORDER_RECORDER_H
#define TT_RECORDER_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/policy.h"
#include "util/err.h"

/* What happens to processes that outlive the command. */
enum recorder_orphans {
	RECORDER_ORPHANS_WAIT,  /* wait @orphan_grace_ms, then TERM, 2 s later KILL */
	RECORDER_ORPHANS_LEAVE, /* stop recording and leave them be */
};

#define RECORDER_SAMPLE_MS     100
#define RECORDER_SAMPLE_MS_MIN 10

struct recorder_options {
	const struct policy *policy;
	char *const *argv;      /* the command; argv[0] is searched in PATH */
	const char *library;    /* absolute path of the library, or NULL: no preload sensor */
	bool audit;             /* it is the flavour for LD_AUDIT */
	const char *session;    /* NULL: SUBSTRATE_SESSION_ID, or a new one */
	const char *output_dir; /* NULL: the state folder */
	const char *config;     /* file of telltale-preload(5), or NULL */
	const char *version;
	uint64_t timeout_ms; /* 0: none */
	enum recorder_orphans orphans;
	uint64_t orphan_grace_ms;
	bool wait_when_full;   /* a full ring makes the command wait instead of losing events */
	const int *denials_fd; /* NULL: none; where denials are told as they happen */
	const uint32_t *io;    /* enum event_io_mode; NULL: as the config says */
	const int *keep_fds;   /* for the command, besides 0-2 */
	size_t keep_fd_count;
	const char *const *allow_hosts; /* besides those of the policy */
	size_t allow_host_count;
	bool degrade; /* do without those parts of the policy that this machine does not allow */
	struct policy_limits limits;    /* of the profile and of the options */
	bool no_cgroup;                 /* make no control group */
	uint32_t sample_ms;             /* between two samples, RECORDER_SAMPLE_MS_MIN at least */
	const enum policy_count *count; /* of system calls; NULL: as the policy says */
	unsigned observe;               /* enum kernel_observed, bits; 0: no rootless observer */
	bool no_kernel;                 /* do without the kernel sensor */
	bool must_kernel;               /* without it the run fails */
};

struct recorder_outcome {
	int exit_status; /* what telltale exits with: telltale(1) */
	char run_id[40];
	char folder[4096]; /* where the record is */
	uint64_t lost;     /* events known to be lost */
	char *lacking;    /* NULL, or a line for each part that was left out; the caller frees it */
	uint64_t counted; /* system calls, with ptrace; 0: they were not counted */
	uint64_t count_ns; /* what counting one took, about */
};

/*
 * recorder_run - do it
 * @ret: exit_status is always set
 * Returns 0 if the command was started and recorded, whatever became of it; -errno with a text if
 * it could not be started (exit_status 125, 126, 127), or if the record is not whole (exit_status
 * is the command's).
 */
int recorder_run(const struct recorder_options *opts, struct recorder_outcome *ret,
		 struct tt_err *err) TT_MUST_CHECK;

#endif
