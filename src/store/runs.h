/* SPDX-License-Identifier: Apache-2.0 */
/* The runs on disk: finding them, and finding one by what a user typed. */
#ifndef TT_STORE_RUNS_H
#define TT_STORE_RUNS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "util/err.h"

#define STORE_RUN_JSON_MAX (64u << 20) /* a larger run.json is refused */

/* One run. Either file may be missing; the names are those they would have. */
struct store_run {
	/* the run id as the name of the folder or file has it, "" if the name holds none */
	char *id;
	char *json_path;  /* NULL: there can be none (a bare trace) */
	char *trace_path; /* NULL: there can be none */
	bool has_json;
	bool has_trace;
};

struct store_runs {
	struct store_run *items; /* newest first */
	size_t count;
};

/* store_run_done, store_runs_done - free what it holds, not itself */
void store_run_done(struct store_run *run);
void store_runs_done(struct store_runs *runs);

/*
 * store_state_folder - $XDG_STATE_HOME/telltale, or ~/.local/state/telltale
 * Returns 0 and a string to free; -ENOENT if neither variable holds an absolute path.
 */
int store_state_folder(char **ret, struct tt_err *err) TT_MUST_CHECK;

/*
 * store_runs_find - all runs in the state folder, newest first
 * A run id is a UUIDv7, which begins with its time: the order of the names is the order of the
 * starts. No state folder: 0 runs.
 */
int store_runs_find(struct store_runs *ret, struct tt_err *err) TT_MUST_CHECK;

/*
 * store_run_resolve - the run that @name means
 * @name: run id, or a beginning that fits one run alone, or the path of a run's folder, run.json or
 *	trace; NULL: the newest run
 * Returns 0; -ENOENT if there is none; -ENOTUNIQ if it fits several, which @err lists.
 */
int store_run_resolve(struct store_run *ret, const char *name, struct tt_err *err) TT_MUST_CHECK;

/*
 * store_run_load - parse run.json
 * Returns 0 and an object to decref; -ENOENT if there is none; -EBADMSG if it is no run document.
 */
int store_run_load(const struct store_run *run, json_t **ret, struct tt_err *err) TT_MUST_CHECK;

#endif
