/* SPDX-License-Identifier: Apache-2.0 */
/* What the two sides of a cell share: who makes it, and its first process. */
#ifndef TT_INIT_CELL_INTERNAL_H
#define TT_INIT_CELL_INTERNAL_H

#include <signal.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "init/agent.h"
#include "init/limits.h"
#include "init/settings.h"
#include "init/workload.h"

enum { INIT_SPARE = -1 }; /* in place of an exit code: the agent does not need the proc connector */

struct init_cell {
	const struct init_settings *s;
	struct init_limits limits;
	char oom_score[16];
	bool terminal; /* ours to give away */
	int report_fd; /* of the inside: the exit code goes out here; its other end closed: alone */
	int signal_fd; /* every signal; each side has its own */
	int connector_fd, outer_proc_fd;
};

/* init_cell_signals - from now on they come through an fd: that, or -errno */
int init_cell_signals(void);

/* init_cell_inside - the cell's first process, from its first instruction to its end */
TT_NORETURN void init_cell_inside(struct init_cell *c);

#endif
