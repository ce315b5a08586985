/* SPDX-License-Identifier: Apache-2.0 */
/* One run as the recorder holds it. Internal: recorder.c drives it, document.c writes it down. */
#ifndef TT_RECORDER_RUN_H
#define TT_RECORDER_RUN_H

#include <jansson.h>
#include <sys/resource.h>

#include "base/program.h"
#include "recorder/bounds.h"
#include "recorder/denials.h"
#include "recorder/connections.h"
#include "recorder/door.h"
#include "recorder/watch.h"
#include "recorder/output.h"
#include "recorder/recorder.h"
#include "recorder/sampler.h"
#include "recorder/track.h"
#include "sandbox/sandbox.h"

enum run_phase { RUN_STARTING, RUN_RUNNING, RUN_ORPHANS, RUN_DONE };

struct recorder_run_state {
	const struct recorder_options *opts;
	char run_id[TT_UUID_TEXT_LEN + 1];
	char session[128], world[128], agent[128], policy_id[128], traceparent[128];
	char cwd[4096];
	struct event_config config;
	char config_message[EVENT_CONFIG_MESSAGE_MAX]; /* what is wrong with its file */
	size_t config_message_len;                     /* 0: nothing */
	struct tt_uuid span;                           /* the launched process before its exec */
	struct event_span parent;
	char parent_text[128];
	struct recorder_output *out;
	struct recorder_track track;
	struct recorder_sampler sampler;
	struct recorder_limits bounds;
	struct sandbox_launch *launch; /* between prepare and start */
	char **environ;                /* what the profile lets through of ours; the strings are */
	void *env_buf;                 /* the command's environment, until it runs; may be NULL */
	int *keep_fds;                 /* those of the options, and the ring */
	sigset_t mask, ignored;        /* as we were given them, for the command */
	bool follows;                  /* the command loads the library */
	struct tt_program program;     /* ... and this is what it asks for */
	const char *exposed[2];        /* libraries that a sandbox must show */
	size_t exposed_count;
	char *musl_library; /* one of them, or NULL */
	struct sandbox_child child;
	pid_t command_pid;                   /* of the command's first process, as itself has it */
	struct recorder_denials *denials;    /* NULL: no filter */
	struct recorder_watch *watch;        /* NULL: --observe was not asked for */
	struct sandbox_count *count;         /* of system calls; NULL: nobody counts */
	const struct sandbox_counts *counts; /* what it found, once the run is over */
	const char *count_reason;            /* why there is none */
	char count_text[256];
	int epoll_fd, signal_fd, timer_fd;
	struct rlimit limits[5]; /* as the caller left them: start.c */
	int ring_fd;             /* the number the command gets */
	struct recorder_door door;
	struct recorder_connections *connections; /* NULL: no host was named */
	enum run_phase phase;
	uint64_t started_ns, ended_ns; /* CLOCK_REALTIME */
	uint64_t started_mono_ns, ended_mono_ns;
	int status;        /* of the command, as wait(2) has it */
	bool status_known; /* sandboxed: init reported it */
	bool reap_last;    /* the sandbox's init is accounted for, but not reaped yet */
	bool timed_out;
	uint64_t kill_at_ns, term_at_ns; /* CLOCK_MONOTONIC; 0: not planned */
	bool orphans_ended;              /* something that outlived the command was ended */
	bool orphans_left;               /* ... and something could not be */
	unsigned kill_rounds;
	enum sandbox_failure failure;
	char failure_text[256];
	const char *preload_reason; /* why there is no preload sensor, or NULL */
	char kernel_reason[256];    /* why there is no kernel sensor, or "" */
};

/* recorder_run_exit_reason - "EXITED(0)", ... */
void recorder_run_exit_reason(const struct recorder_run_state *r, char *buf, size_t cap);

/* recorder_run_exit_status - what telltale exits with */
int recorder_run_exit_status(const struct recorder_run_state *r);

/* recorder_count_total - all calls that were counted */
uint64_t recorder_count_total(const struct sandbox_counts *c);

/*
 * recorder_count_put - `syscalls`, `syscall_arguments` and what `summary` and `sources` say of them
 * @document, @summary, @sources: JSON objects
 */
void recorder_count_put(const struct recorder_run_state *r, json_t *document, json_t *summary,
			json_t *sources);

/* recorder_document_make - run.json as text, to be freed by the caller; NULL when out of memory */
char *recorder_document_make(const struct recorder_run_state *r);

#endif
