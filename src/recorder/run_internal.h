/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of recorder_run() share. */
#ifndef TT_RECORDER_RUN_INTERNAL_H
#define TT_RECORDER_RUN_INTERNAL_H

#include "recorder/run.h"

/* recorder_run_identify - fill the ids, the span and the cwd of a run */
void recorder_run_identify(struct recorder_run_state *r);

/*
 * recorder_run_configure - read the configuration file, if there is one
 * A mistake in it is kept for recorder_run_put_start() to say.
 */
void recorder_run_configure(struct recorder_run_state *r);

/* recorder_run_open_output - make the files of the record */
int recorder_run_open_output(struct recorder_run_state *r, struct tt_err *err);

/*
 * recorder_run_prepare - set up the ring, the environment, the record and the sandbox, which goes
 * on building its walls
 */
int recorder_run_prepare(struct recorder_run_state *r, struct tt_err *err);

/*
 * recorder_run_put_start - write the run's first line: what is about to run is on disk before it
 * runs
 */
void recorder_run_put_start(struct recorder_run_state *r);

/* recorder_run_connections - what recorder_connections_take() is to be told of the run */
struct recorder_connections_run recorder_run_connections(const struct recorder_run_state *r);

/* recorder_run_start - the command runs; see recorder.c for what follows */
int recorder_run_start(struct recorder_run_state *r, struct tt_err *err);

/* recorder_run_start_timer - a tick for each sample, the first one soon */
void recorder_run_start_timer(struct recorder_run_state *r);

/* recorder_run_loop - record until command and orphans are gone */
int recorder_run_loop(struct recorder_run_state *r, struct tt_err *err);

#endif
