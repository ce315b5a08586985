/* SPDX-License-Identifier: Apache-2.0 */
/* telltale show: the report of one run. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/pick.h"
#include "cli/report.h"
#include "cli/style.h"
#include "store/trace.h"

#define WIDTH_FILE 100 /* where stdout is no terminal */
#define WIDTH_MAX  120

int cli_cmd_show(int argc, char **argv)
{
	static const struct option options[] = {
		{"last", no_argument, NULL, 256},
		{"all", no_argument, NULL, 'a'},
		{"json", no_argument, NULL, 257},
		{0},
	};
	TT_CLEANUP(store_run_done) struct store_run run = {0};
	TT_CLEANUP(store_view_freep) struct store_view *view = NULL;
	struct cli_report r = {.run = &run};
	bool last = false, json = false;
	int c, status = -1;

	cli_begin();
	optind = 0;
	while ((c = cli_next_option(argc, argv, options, &status)) != -1) {
		last |= c == 256;
		r.all |= c == 'a';
		json |= c == 257;
	}
	if (status >= 0)
		return cli_end(status);
	status = cli_pick_view(argc, argv, last, &run, &view);
	if (status != CLI_OK)
		return status;
	r.view = view;
	r.cwd = store_text_of(cli_run_fact(view, "cwd"));
	r.width = cli_width() ? cli_width() : WIDTH_FILE;
	if (r.width > WIDTH_MAX)
		r.width = WIDTH_MAX;
	if (json) {
		json_t *doc = cli_report_json(&r);

		if (doc && json_dumpf(doc, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) == 0)
			fputc('\n', stdout);
		json_decref(doc);
		return cli_end(doc ? CLI_OK : CLI_FAILED);
	}
	cli_report_head(&r);
	cli_report_programs(&r);
	cli_report_files(&r);
	cli_report_network(&r);
	cli_report_hosts(&r);
	cli_report_acts(&r);
	cli_report_denied(&r);
	cli_report_capabilities(&r);
	cli_report_failures(&r);
	cli_report_syscalls(&r);
	cli_report_findings(&r);
	cli_report_known(&r);
	return cli_end(CLI_OK);
}
