/* SPDX-License-Identifier: Apache-2.0 */
/* What `doctor` tries, one probe per ability of the machine. */
#ifndef TT_CLI_PROBE_H
#define TT_CLI_PROBE_H

enum cli_probe_state {
	CLI_PROBE_OK,
	CLI_PROBE_LIMITED,
	CLI_PROBE_MISSING,
};

/* What a probe found. Sent over a pipe from the child that tried: plain data. */
struct cli_finding {
	int state; /* enum cli_probe_state */
	char text[180];
};

struct cli_probe {
	const char *name;
	/* Runs in a child of its own, which may change namespaces, filters, anything. Fills @f. */
	void (*try)(struct cli_finding *f);
	const char *consequence; /* what is missing then */
	const char *way_out;     /* what would help, or NULL */
	int is_needed;           /* without it no command can be recorded */
};

/* cli_probes - the table, ended by a row without a name */
extern const struct cli_probe cli_probes[];

/* cli_probe_run - try one thing in a forked child, for at most 5 s */
void cli_probe_run(const struct cli_probe *probe, struct cli_finding *ret);

#endif
