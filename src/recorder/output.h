/* SPDX-License-Identifier: Apache-2.0 */
/* Where a run is written: its folder, the trace, the run document. Not thread-safe. */
#ifndef TT_RECORDER_OUTPUT_H
#define TT_RECORDER_OUTPUT_H

#include "base/compiler.h"
#include "event/event.h"
#include "util/err.h"

struct recorder_output;

/*
 * recorder_output_open - make the files of a run
 * @dir: --output-dir, or NULL for $XDG_STATE_HOME/telltale/runs/<run_id>/
 * @run_id, @utc: name the files where @dir gathers many runs
 * Folders are 0700, files 0600, the trace is O_APPEND|O_EXCL|O_NOFOLLOW.
 */
int recorder_output_open(struct recorder_output **ret, const char *dir, const char *run_id,
			 const char *utc, struct tt_err *err) TT_MUST_CHECK;
void recorder_output_free(struct recorder_output *o);
TT_DEFINE_FREEP(struct recorder_output *, recorder_output_free)

/*
 * recorder_output_event - add one line. It reaches the file at the next flush, or when half a MiB
 * has come together.
 */
void recorder_output_event(struct recorder_output *o, const struct event *ev);

/* recorder_output_flush - write what is pending; lines are never parted between two writes */
void recorder_output_flush(struct recorder_output *o);

/* recorder_output_tick - the same, if something has been pending for 50 ms: call often */
void recorder_output_tick(struct recorder_output *o);

/*
 * recorder_output_lost - lines that the file did not take (full disk, ...), and the errno of the
 * last
 */
uint64_t recorder_output_lost(const struct recorder_output *o, int *ret_errno);

/* recorder_output_document - write run.json: temporary name, then rename */
int recorder_output_document(struct recorder_output *o, const char *text, size_t len,
			     struct tt_err *err) TT_MUST_CHECK;

/*
 * recorder_output_records - the folder of this run's record and of others, a real path: no command
 * may write it
 */
const char *recorder_output_records(const struct recorder_output *o);

/* recorder_output_folder - for messages */
const char *recorder_output_folder(const struct recorder_output *o);
const char *recorder_output_trace_path(const struct recorder_output *o);
const char *recorder_output_run_path(const struct recorder_output *o);

#endif
