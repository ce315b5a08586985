/* SPDX-License-Identifier: Apache-2.0 */
/* telltale top: the busiest processes, calls, files and hosts of a run. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/cli.h"
#include "cli/pick.h"
#include "cli/style.h"
#include "cli/top.h"

#define ITEMS_BETWEEN_LOOKS 512 /* at the clock */

static const char *const orders[STORE_TALLY_ORDERS] = {
	[STORE_TALLY_BY_COUNT] = "count",   [STORE_TALLY_BY_RECENT] = "recent",
	[STORE_TALLY_BY_FAILED] = "failed", [STORE_TALLY_BY_TIME] = "time",
	[STORE_TALLY_BY_BYTES] = "bytes",
};

bool cli_top_order(const char *name, enum store_tally_order *ret)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(orders); i++)
		if (strcmp(name, orders[i]) == 0) {
			*ret = (enum store_tally_order)i;
			return true;
		}
	return false;
}

const char *cli_top_order_name(enum store_tally_order order)
{
	return orders[order];
}

int cli_top_read(struct cli_top *t, unsigned ms, struct tt_err *err)
{
	uint64_t end = tt_clock_ns(CLOCK_MONOTONIC) + ms * TT_NS_PER_MS;
	struct store_item item;
	struct stat st;
	bool over;
	int r;

	/* looked at before the trace is read to its end: then nothing follows what was read */
	over = t->busiest.closing || (t->json_path && stat(t->json_path, &st) == 0);
	for (unsigned n = 1;; n++) {
		r = store_trace_next(t->trace, &item, err);
		if (r < 0)
			return r;
		if (r == 0)
			break;
		store_busiest_add(&t->busiest, &item);
		if (ms && n % ITEMS_BETWEEN_LOOKS == 0 && tt_clock_ns(CLOCK_MONOTONIC) >= end)
			return 1;
	}
	if (!over || t->ended)
		return 0;
	t->ended = true;
	store_trace_follow(t->trace, false); /* a last line without its newline counts, too */
	return 1;
}

static int print_once(struct cli_top *t, bool json, const char *verb)
{
	struct tt_err err;
	json_t *doc;
	int r;

	do
		r = cli_top_read(t, 0, &err);
	while (r > 0);
	if (r < 0)
		return cli_fail(verb, &err);
	if (!json) {
		cli_top_print(t, 0, false);
		return CLI_OK;
	}
	doc = cli_top_json(t);
	r = doc ? json_dumpf(doc, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) : -1;
	fputc('\n', stdout);
	json_decref(doc);
	return r == 0 ? CLI_OK : CLI_FAILED;
}

/* @once: the table is printed as it is now. */
static int show_top(struct cli_top *t, const struct store_run *run, bool once, bool json,
		    const char *verb)
{
	struct tt_err err;
	struct stat st;

	if (!run->has_trace) {
		(void)tt_fail_text(&err, ENOENT, "the run has no trace '%s'",
				   run->trace_path ? run->trace_path : "");
		return cli_fail(verb, &err);
	}
	if (store_trace_open(&t->trace, run->trace_path, &err) < 0)
		return cli_fail(verb, &err);
	if (store_busiest_init(&t->busiest) < 0) {
		(void)tt_fail(&err, ENOMEM, "count what the trace has");
		return cli_fail(verb, &err);
	}
	t->json_path = run->json_path;
	/* a run that is over does not change any more: nothing to watch */
	once |= json || !cli_width() || !isatty(STDIN_FILENO) ||
		(t->json_path && stat(t->json_path, &st) == 0);
	store_trace_follow(t->trace, true);
	if (once)
		return print_once(t, json, verb);
	return cli_top_watch(t, &err) < 0 ? cli_fail(verb, &err) : CLI_OK;
}

static bool parse_lines(const char *text, size_t *ret)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < 1 || n > CLI_TOP_LINES_MAX)
		return false;
	*ret = (size_t)n;
	return true;
}

int cli_cmd_top(int argc, char **argv)
{
	static const struct option options[] = {
		{"last", no_argument, NULL, 256},        {"json", no_argument, NULL, 257},
		{"once", no_argument, NULL, 258},        {"sort", required_argument, NULL, 's'},
		{"lines", required_argument, NULL, 'n'}, {0},
	};
	TT_CLEANUP(store_run_done) struct store_run run = {0};
	struct cli_top t = {.order = STORE_TALLY_BY_COUNT};
	bool last = false, json = false, once = false;
	int c, status = -1;

	cli_begin();
	optind = 0;
	while ((c = cli_next_option(argc, argv, options, &status)) != -1) {
		last |= c == 256;
		json |= c == 257;
		once |= c == 258;
		if (c == 's' && !cli_top_order(optarg, &t.order))
			return cli_usage(argv[0],
					 "unknown order '%s': count, recent, failed, time or bytes",
					 optarg);
		if (c == 'n' && !parse_lines(optarg, &t.lines))
			return cli_usage(argv[0], "'%s' is no number of lines from 1 to %d", optarg,
					 CLI_TOP_LINES_MAX);
	}
	if (status >= 0)
		return cli_end(status);
	status = cli_pick_run(argc, argv, last, &run);
	if (status != CLI_OK)
		return status;
	status = show_top(&t, &run, once, json, argv[0]);
	if (t.trace)
		store_trace_free(t.trace);
	store_busiest_done(&t.busiest);
	return cli_end(status);
}
