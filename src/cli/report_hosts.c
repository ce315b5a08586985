/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the report about hosts that the command asked for, out of a sandbox. */
#include "cli/figures.h"
#include "cli/report.h"
#include "store/trace.h"

#define HOSTS_MAX 12 /* shown without --all */

void cli_line_host(struct cli_line *l, const json_t *host)
{
	struct store_text name = store_get_text(host, "host"),
			  outcome = store_get_text(host, "outcome");
	bool refused =
		json_object_get(host, "action") || json_is_false(json_object_get(host, "allowed"));
	int64_t port = store_get_int(host, "port", 0), count = store_get_int(host, "count", 1);
	char a[CLI_FIGURE_MAX], b[CLI_FIGURE_MAX];

	cli_line_color(l, refused ? CLI_BAD : CLI_PLAIN);
	cli_line_str(l, refused ? "refused " : "allowed ");
	cli_line_color(l, CLI_PLAIN);
	if (name.data)
		cli_line_text(l, name.data, name.len);
	else
		cli_line_str(l, "others");
	if (port)
		cli_line_fmt(l, ":%lld", (long long)port);
	if (count > 1)
		cli_line_fmt(l, "%s%s", cli_uni("  ×", "  x"), cli_count(a, (uint64_t)count));
	if (!refused)
		cli_line_fmt(l, "  %s sent, %s received",
			     cli_bytes(a, (uint64_t)store_get_int(host, "bytes_sent", 0)),
			     cli_bytes(b, (uint64_t)store_get_int(host, "bytes_received", 0)));
	if (outcome.data && !store_text_is(outcome, "closed")) {
		cli_line_color(l, CLI_DIM);
		cli_line_str(l, "  ");
		cli_line_text(l, outcome.data, outcome.len);
		cli_line_color(l, CLI_PLAIN);
	}
}

void cli_report_hosts(const struct cli_report *r)
{
	const json_t *hosts = json_object_get(r->view->doc, "connections");
	size_t count = json_array_size(hosts),
	       shown = r->all || count < HOSTS_MAX ? count : HOSTS_MAX;
	uint64_t attempts = 0;
	char a[CLI_FIGURE_MAX];
	struct cli_line l;

	if (!count)
		return;
	for (size_t i = 0; i < count; i++)
		attempts += (uint64_t)store_get_int(json_array_get(hosts, i), "count", 0);
	cli_report_heading(&l, r, "Asked for hosts %s time%s", cli_count(a, attempts),
			   attempts == 1 ? "" : "s");
	cli_line_end(&l);
	for (size_t i = 0; i < shown; i++) {
		cli_report_label(&l, r, "");
		cli_line_host(&l, json_array_get(hosts, i));
		cli_line_end(&l);
	}
	if (shown < count) {
		cli_report_label(&l, r, "");
		cli_line_fmt(&l, "+ %zu", count - shown);
		cli_line_end(&l);
	}
}
