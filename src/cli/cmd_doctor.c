/* SPDX-License-Identifier: Apache-2.0 */
/* telltale doctor: try what Telltale builds on, and say what is missing where it does not work. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/cli.h"
#include "cli/probe.h"
#include "cli/style.h"

#define NAME_COL 11
#define TEXT_COL 34

static const char *const states[] = {"ok", "limited", "missing"};

static void put_finding(const struct cli_probe *p, const struct cli_finding *f)
{
	static const enum cli_color colors[] = {CLI_GOOD, CLI_WARN, CLI_BAD};
	struct cli_line l;

	cli_line_begin(&l, 0);
	cli_line_color(&l, colors[f->state]);
	cli_line_str(&l, "  ");
	cli_line_str(&l, states[f->state]);
	cli_line_color(&l, CLI_PLAIN);
	cli_line_pad(&l, NAME_COL);
	cli_line_str(&l, p->name);
	cli_line_pad(&l, TEXT_COL);
	cli_line_text(&l, f->text, strlen(f->text));
	cli_line_end(&l);
	if (f->state == CLI_PROBE_OK)
		return;
	cli_line_begin(&l, 0);
	cli_line_pad(&l, TEXT_COL);
	cli_line_color(&l, CLI_DIM);
	cli_line_fmt(&l, "%s %s", cli_uni("→", "->"), p->consequence);
	if (p->way_out)
		cli_line_fmt(&l, "; %s", p->way_out);
	cli_line_end(&l);
}

static json_t *finding_json(const struct cli_probe *p, const struct cli_finding *f)
{
	bool ok = f->state == CLI_PROBE_OK;

	return json_pack("{ss ss ss ss? ss? sb}", "name", p->name, "state", states[f->state],
			 "finding", f->text, "consequence", ok ? NULL : p->consequence, "way_out",
			 ok ? NULL : p->way_out, "needed", p->is_needed);
}

int cli_cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 257},
		{0},
	};
	json_t *checks = NULL, *doc;
	bool json = false, works = true;
	struct utsname host;
	int c, status = -1;

	cli_begin();
	optind = 0;
	while ((c = cli_next_option(argc, argv, options, &status)) != -1)
		json |= c == 257;
	if (status >= 0)
		return cli_end(status);
	if (optind < argc)
		return cli_usage(argv[0], "'%s' is too much", argv[optind]);
	(void)uname(&host); /* cannot fail */
	if (json)
		checks = json_array();
	else
		printf("telltale %s on %s %s, %s\n\n", cli_version, host.sysname, host.release,
		       host.machine);
	for (const struct cli_probe *p = cli_probes; p->name; p++) {
		struct cli_finding f;

		(void)fflush(stdout); /* the child must not inherit what is not written yet */
		cli_probe_run(p, &f);
		if (json)
			(void)json_array_append_new(checks, finding_json(p, &f)); /* refuses NULL */
		else
			put_finding(p, &f);
		works &= !p->is_needed || f.state != CLI_PROBE_MISSING;
	}
	status = works ? CLI_OK : CLI_FAILED;
	if (!json) {
		printf("\n%s\n", works ? "Commands can be recorded on this machine."
				       : "Commands cannot be recorded on this machine.");
		return cli_end(status);
	}
	doc = json_pack("{ss ss ss ss sb so}", "schema", "telltale.doctor/1", "version",
			cli_version, "kernel", host.release, "machine", host.machine, "works",
			works, "checks", checks);
	if (!doc || json_dumpf(doc, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) != 0)
		status = CLI_FAILED;
	fputc('\n', stdout);
	json_decref(doc);
	return cli_end(status);
}
