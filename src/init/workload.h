/* SPDX-License-Identifier: Apache-2.0 */
/* The workload's first process, from its birth to its exec. */
#ifndef TT_INIT_WORKLOAD_H
#define TT_INIT_WORKLOAD_H

#include <stdbool.h>

#include "base/compiler.h"
#include "init/gate.h"
#include "init/limits.h"
#include "init/settings.h"

struct init_workload {
	const struct init_settings *s;
	const struct init_limits *limits;
	struct gate_options gate;
	const char *oom_score; /* what init had, before it made itself safe */
	bool terminal;         /* stdin is a terminal that it may have for itself */
};

/*
 * init_workload_run - in the new process: limits, session, fds, gate, exec
 * Ends with 125 if that cannot be, 126 and 127 as a shell does if the program cannot be started.
 */
TT_NORETURN void init_workload_run(const struct init_workload *w);

#endif
