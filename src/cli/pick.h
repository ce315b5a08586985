/* SPDX-License-Identifier: Apache-2.0 */
/* The [RUN | --last] of the verbs that look at one run. */
#ifndef TT_CLI_PICK_H
#define TT_CLI_PICK_H

#include <stdbool.h>

#include "store/runs.h"
#include "store/view.h"

/*
 * cli_pick_run - the run that the operands behind the options name
 * @last: --last was given: then there may be no operand
 * Returns CLI_OK and a run to free with store_run_done(); else the exit status, the message
 * printed.
 */
int cli_pick_run(int argc, char **argv, bool last, struct store_run *ret);

/* cli_pick_view - the same, and all that is known of the run */
int cli_pick_view(int argc, char **argv, bool last, struct store_run *ret,
		  struct store_view **ret_view);

#endif
