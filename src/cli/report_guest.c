/* SPDX-License-Identifier: Apache-2.0 */
/* What the report says of a guest's run: the cell, what its agent told, and how far that goes. */
#include <string.h>

#include "cli/figures.h"
#include "cli/report.h"
#include "store/trace.h"

static const json_t *guest_of(const struct cli_report *r)
{
	return json_object_get(r->view->doc, "guest");
}

static uint64_t figure(const json_t *object, const char *key)
{
	int64_t n = store_get_int(object, key, 0);

	return n > 0 ? (uint64_t)n : 0;
}

/* Kinds of findings, and what the gate refused: nobody should have to look for them. */
static void put_alarms(const struct cli_report *r)
{
	const json_t *findings =
		json_object_get(json_object_get(r->view->doc, "coverage"), "findings");
	uint64_t refused = r->view->denied_calls[STORE_DENIED_DENY];
	char a[CLI_FIGURE_MAX];
	struct cli_line l;

	if (!json_array_size(findings) && !refused)
		return;
	cli_report_label(&l, r, "Look at");
	cli_line_color(&l, CLI_BAD);
	for (size_t i = 0; i < json_array_size(findings); i++) {
		const json_t *finding = json_array_get(findings, i);
		struct store_text kind = store_get_text(finding, "kind");

		cli_line_str(&l, i ? ", " : "");
		if (kind.data)
			cli_line_text(&l, kind.data, kind.len);
		if (figure(finding, "count") > 1)
			cli_line_fmt(&l, "%s%s", cli_uni(" ×", " x"),
				     cli_count(a, figure(finding, "count")));
	}
	if (refused)
		cli_line_fmt(&l, "%s%s call%s that the gate refused",
			     json_array_size(findings) ? ", " : "", cli_count(a, refused),
			     refused == 1 ? "" : "s");
	cli_line_end(&l);
}

void cli_report_guest_head(const struct cli_report *r)
{
	struct store_text cell = store_get_text(r->view->opening, "cell_id");
	struct cli_line l;

	if (!r->view->is_guest)
		return;
	cli_report_label(&l, r, "cell");
	if (cell.data)
		cli_line_text(&l, cell.data, cell.len);
	cli_line_end(&l);
	put_alarms(r);
}

static void put_agent(const struct cli_report *r)
{
	const json_t *agent = json_object_get(guest_of(r), "agent");
	struct store_text version = store_get_text(agent, "agent_version"),
			  kernel = store_get_text(agent, "kernel_version");
	const json_t *sensors = json_object_get(agent, "sensors");
	char text[512];
	size_t len = 0;
	struct cli_line l;

	if (!version.data)
		return;
	cli_line_begin(&l, r->width);
	cli_line_str(&l, "  agent ");
	cli_line_text(&l, version.data, version.len);
	if (kernel.len) {
		cli_line_str(&l, " on kernel ");
		cli_line_text(&l, kernel.data, kernel.len);
	}
	cli_line_end(&l);
	for (size_t i = 0; i < json_array_size(sensors); i++) {
		struct store_text word = store_text_of(json_array_get(sensors, i));

		if (!word.data || len + word.len + 2 > sizeof(text))
			break;
		if (len) {
			memcpy(text + len, ", ", 2);
			len += 2;
		}
		memcpy(text + len, word.data, word.len);
		len += word.len;
	}
	if (len)
		cli_report_remark(r, CLI_PLAIN, "sensors", (struct store_text){text, len});
}

static void put_account(const struct cli_report *r)
{
	const json_t *guest = guest_of(r), *seq = json_object_get(guest, "seq"), *count;
	json_t *rejects = json_object_get(guest, "rejects");
	uint64_t refused = 0;
	char a[CLI_FIGURE_MAX], b[CLI_FIGURE_MAX], c[CLI_FIGURE_MAX], d[CLI_FIGURE_MAX];
	const char *name;

	if (!guest)
		return;
	json_object_foreach(rejects, name, count) refused += (uint64_t)json_integer_value(count);
	if (figure(guest, "major") == 1)
		cli_report_sentence(
			r, CLI_WARN,
			"%s frames of major version 1, which have no numbers: what was lost on the "
			"way, or dropped by the agent, nobody can tell.",
			cli_count(a, figure(guest, "frames")));
	else
		cli_report_sentence(
			r, CLI_PLAIN,
			"Frames received: %s; acts that the agent dropped: %s; lost on the way: "
			"%s; frames refused: %s. All numbers of the agent are accounted for.",
			cli_count(a, figure(seq, "received")), cli_count(b, figure(seq, "dropped")),
			cli_count(c, figure(seq, "transport")), cli_count(d, refused));
	if (figure(json_object_get(guest, "states"), "silent"))
		cli_report_sentence(
			r, CLI_WARN, "The agent was silent %s time%s, and came back %s.",
			cli_count(a, figure(json_object_get(guest, "states"), "silent")),
			figure(json_object_get(guest, "states"), "silent") == 1 ? "" : "s",
			cli_count(b, figure(json_object_get(guest, "states"), "recovered")));
}

void cli_report_guest_known(const struct cli_report *r)
{
	put_agent(r);
	put_account(r);
	cli_report_sentence(
		r, CLI_PLAIN,
		"All of this the agent in the guest told; the host stamped and chained it as it "
		"came. A guest whose kernel was taken over could lie or keep silent from then on; "
		"what it had said by then it could not change. telltale verify checks the chain.");
	cli_report_sentence(r, CLI_DIM,
			    "CPU time, memory and I/O of a guest do not reach the host.");
}
