/* SPDX-License-Identifier: Apache-2.0 */
/* telltale list: the recorded runs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/figures.h"
#include "cli/report.h"
#include "cli/style.h"
#include "store/runs.h"
#include "store/trace.h"

#define LIMIT_DEFAULT 20
#define ID_SHORT      13 /* of a UUIDv7: its milliseconds */
#define HEAD_LINES    8  /* the line that opens a trace is its first, or damage stands before it */

/* What one line of the list needs. */
struct entry {
	json_t *doc; /* run.json; or the opening line of the trace; NULL */
	bool ended;  /* doc is a run.json */
	uint64_t start_ns;
};

static void entry_done(struct entry *e)
{
	json_decref(e->doc);
}

/* A run without run.json: what the first lines of its trace say. */
static void read_opening(struct entry *e, const struct store_run *run)
{
	TT_CLEANUP(store_trace_freep) struct store_trace *trace = NULL;
	struct store_item item;

	if (!run->has_trace || store_trace_open(&trace, run->trace_path, NULL) < 0)
		return;
	for (int i = 0; i < HEAD_LINES && store_trace_next(trace, &item, NULL) == 1; i++) {
		if (item.kind != STORE_ITEM_LINE)
			continue;
		if (!e->start_ns)
			e->start_ns = item.ts_ns;
		if (store_text_is(store_get_text(item.json, "event_type"), "run")) {
			e->doc = json_incref(item.json);
			return;
		}
	}
}

static void read_entry(struct entry *e, const struct store_run *run)
{
	memset(e, 0, sizeof(*e));
	if (run->has_json && store_run_load(run, &e->doc, NULL) == 0) {
		e->ended = true;
		(void)store_time_parse(store_get_text(e->doc, "started_at"),
				       &e->start_ns); /* else "?" */
		return;
	}
	read_opening(e, run);
}

/* How much of the ids tells them all apart, at least the milliseconds. */
static int id_length(const struct store_runs *runs)
{
	int need = ID_SHORT;

	for (size_t i = 1; i < runs->count; i++) {
		const char *a = runs->items[i - 1].id, *b = runs->items[i].id;
		int same = 0;

		while (a[same] && a[same] == b[same])
			same++;
		if (same + 1 > need)
			need = same + 1;
	}
	return need;
}

static size_t count_findings(const struct entry *e, const char *kind)
{
	const json_t *findings = json_object_get(json_object_get(e->doc, "coverage"), "findings");
	size_t n = 0;

	for (size_t i = 0; e->ended && i < json_array_size(findings); i++)
		n += store_text_is(store_get_text(json_array_get(findings, i), "kind"), kind);
	return n;
}

static void put_entry(const struct store_run *run, const struct entry *e, int id_len)
{
	struct store_view v = {.doc = e->ended ? e->doc : NULL};
	const json_t *argv = json_object_get(e->doc, "argv");
	struct store_text profile = store_get_text(e->doc, "profile");
	int64_t ms = store_summary_int(&v, "runtime_ms");
	char when[CLI_FIGURE_MAX], took[CLI_FIGURE_MAX], verdict[128];
	bool good = false;
	struct cli_line l;

	cli_line_begin(&l, cli_width());
	cli_line_color(&l, CLI_ACCENT);
	cli_line_fmt(&l, "%.*s", id_len, run->id);
	cli_line_color(&l, CLI_PLAIN);
	cli_line_fmt(&l, "  %s", cli_when(when, e->start_ns));
	cli_line_fmt(&l, "  %10s  ", ms >= 0 ? cli_duration(took, (uint64_t)ms * 1000000) : "-");
	cli_line_text(&l, profile.data ? profile.data : "-", profile.data ? profile.len : 1);
	cli_line_pad(&l, id_len + 47);
	if (e->ended)
		cli_verdict(&v, verdict, &good);
	else
		(void)snprintf(verdict, sizeof(verdict), "end unproven");
	cli_line_color(&l, good ? CLI_GOOD : CLI_BAD);
	cli_line_text(&l, verdict, strlen(verdict));
	if (count_findings(e, "evasion")) {
		cli_line_color(&l, CLI_BAD);
		cli_line_str(&l, ", evasion");
	}
	cli_line_color(&l, CLI_PLAIN);
	cli_line_pad(&l, id_len + 67);
	cli_line_argv(&l, argv);
	cli_line_end(&l);
}

static json_t *entry_json(const struct store_run *run, const struct entry *e)
{
	const json_t *summary = e->ended ? json_object_get(e->doc, "summary") : NULL;

	return json_pack("{ss sb sO? sO? sO? sO? sO? sO? sO? sO? sI ss? ss?}", "run_id", run->id,
			 "ended", e->ended, "session_id", json_object_get(e->doc, "session_id"),
			 "started_at", json_object_get(e->doc, e->ended ? "started_at" : "ts"),
			 "profile", json_object_get(e->doc, "profile"), "program",
			 json_object_get(e->doc, "program"), "argv",
			 json_object_get(e->doc, "argv"), "runtime_ms",
			 json_object_get(summary, "runtime_ms"), "exit_reason",
			 json_object_get(summary, "exit_reason"), "exit_code",
			 json_object_get(summary, "exit_code"), "evasions",
			 (json_int_t)count_findings(e, "evasion"), "run_json",
			 run->has_json ? run->json_path : NULL, "trace",
			 run->has_trace ? run->trace_path : NULL);
}

/* Returns the limit, or -1. */
static long parse_limit(const char *text)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	return errno || end == text || *end || n < 0 ? -1 : n;
}

int cli_cmd_list(int argc, char **argv)
{
	static const struct option options[] = {
		{"limit", required_argument, NULL, 'n'},
		{"json", no_argument, NULL, 257},
		{0},
	};
	TT_CLEANUP(store_runs_done) struct store_runs runs = {0};
	bool json = false;
	long limit = LIMIT_DEFAULT;
	json_t *array = NULL, *doc;
	struct tt_err err;
	int c, id_len, status = -1;

	cli_begin();
	optind = 0;
	while ((c = cli_next_option(argc, argv, options, &status)) != -1) {
		json |= c == 257;
		if (c == 'n' && (limit = parse_limit(optarg)) < 0)
			return cli_usage(argv[0], "'%s' is no number of runs", optarg);
	}
	if (status >= 0)
		return cli_end(status);
	if (optind < argc)
		return cli_usage(argv[0], "'%s' is too much", argv[optind]);
	if (store_runs_find(&runs, &err) < 0)
		return cli_fail(argv[0], &err);
	id_len = id_length(&runs);
	if (json)
		array = json_array();
	else if (!runs.count)
		printf("no runs yet: record one with 'telltale run -- COMMAND'\n");
	for (size_t i = 0; i < runs.count && (!limit || i < (size_t)limit) && !cli_is_gone(); i++) {
		TT_CLEANUP(entry_done) struct entry e;

		read_entry(&e, &runs.items[i]);
		if (json)
			(void)json_array_append_new(
				array, entry_json(&runs.items[i], &e)); /* refuses NULL */
		else
			put_entry(&runs.items[i], &e, id_len);
	}
	if (!json)
		return cli_end(CLI_OK);
	doc = json_pack("{ss sI so}", "schema", "telltale.list/1", "total", (json_int_t)runs.count,
			"runs", array);
	status = doc && json_dumpf(doc, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) == 0
			 ? CLI_OK
			 : CLI_FAILED;
	fputc('\n', stdout);
	json_decref(doc);
	return cli_end(status);
}
