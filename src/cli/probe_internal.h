/* SPDX-License-Identifier: Apache-2.0 */
/* Between probe.c and probe_kernel.c. */
#ifndef TT_CLI_PROBE_INTERNAL_H
#define TT_CLI_PROBE_INTERNAL_H

#include "base/compiler.h"
#include "cli/probe.h"

/* cli_probe_found - what the probe says; cut is fine: it is for people */
void cli_probe_found(struct cli_finding *f, enum cli_probe_state state, const char *fmt, ...)
	TT_PRINTF(3, 4);

/* The probes of probe_kernel.c. */
void cli_probe_sensor(struct cli_finding *f);
void cli_probe_capabilities(struct cli_finding *f);
void cli_probe_uring(struct cli_finding *f);
void cli_probe_procconn(struct cli_finding *f);

#endif
