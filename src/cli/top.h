/* SPDX-License-Identifier: Apache-2.0 */
/* What `top` shows, and the screen it is shown on while the run goes on. */
#ifndef TT_CLI_TOP_H
#define TT_CLI_TOP_H

#include <jansson.h>
#include <stdbool.h>

#include "store/busiest.h"
#include "util/err.h"

#define CLI_TOP_LINES_MAX 1000

struct cli_top {
	struct store_busiest busiest;
	struct store_trace *trace;
	const char *json_path; /* of run.json, which is written at the end of the run; NULL: none */
	enum store_tally_order order;
	size_t lines; /* rows of each table; 0: as many as fit */
	bool ended;   /* the run is over: the trace does not grow any more */
};

/*
 * cli_top_read - take what the trace has by now, for at most about @ms milliseconds (0: all)
 * Returns 1 if there may be more at once, 0 if not, -errno.
 */
int cli_top_read(struct cli_top *t, unsigned ms, struct tt_err *err) TT_MUST_CHECK;

/*
 * cli_top_print - the tables on stdout
 * @rows: lines that there are; 0: as many as it takes
 * @live: a screen is drawn over, and there is a column for what is recent
 */
void cli_top_print(const struct cli_top *t, size_t rows, bool live);

/* cli_top_json - the document; NULL without memory */
json_t *cli_top_json(const struct cli_top *t);

/* cli_top_order - the order of that name; false if there is none */
bool cli_top_order(const char *name, enum store_tally_order *ret);
const char *cli_top_order_name(enum store_tally_order order);

/*
 * cli_top_watch - show it once a second until the run ends or the user does not want to see more
 * The terminal is left as it was found, whatever ends it. Returns 0 or -errno.
 */
int cli_top_watch(struct cli_top *t, struct tt_err *err) TT_MUST_CHECK;

#endif
