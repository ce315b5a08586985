/* SPDX-License-Identifier: Apache-2.0 */
/* The cell: its namespaces, its first process, and in it the agent and the workload. */
#ifndef TT_INIT_CELL_H
#define TT_INIT_CELL_H

#include "base/compiler.h"
#include "init/settings.h"

enum { INIT_FAILED = 125 }; /* the cell could not be, or not go on */

/*
 * init_cell - make the cell, run the command in it, end it
 * Signals that come meanwhile go to the command. Returns its exit code, 128+n if signal n ended it,
 * INIT_FAILED if there was no cell for it; why is said.
 */
int init_cell(const struct init_settings *s) TT_MUST_CHECK;

#endif
