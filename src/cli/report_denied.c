/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the report about calls that the profile refused. */
#include <stdlib.h>
#include <string.h>

#include "cli/figures.h"
#include "cli/report.h"
#include "store/trace.h"

#define LINES_MAX 8
#define LABEL_COL 13

static int by_weight(const void *a, const void *b)
{
	const struct store_denied *x = *(const struct store_denied *const *)a,
				  *y = *(const struct store_denied *const *)b;

	if (x->action != y->action)
		return x->action < y->action ? -1 : 1;
	return (x->count < y->count) - (x->count > y->count);
}

void cli_line_denied(struct cli_line *l, const json_t *call, const json_t *args)
{
	struct store_text name = store_text_of(call);

	cli_line_color(l, CLI_BOLD);
	if (name.data)
		cli_line_text(l, name.data, name.len);
	cli_line_color(l, CLI_PLAIN);
	cli_line_str(l, "(");
	for (size_t i = 0; i < json_array_size(args); i++) {
		struct store_text arg = store_text_of(json_array_get(args, i));

		if (i)
			cli_line_str(l, ", ");
		if (arg.data)
			cli_line_text(l, arg.data, arg.len);
	}
	cli_line_str(l, ")");
}

static void put_denied(const struct cli_report *r, const struct store_denied *d)
{
	static const char *const words[] = {
		[STORE_DENIED_KILL] = "killed at", [STORE_DENIED_DENY] = "denied",
		[STORE_DENIED_QUIET] = "quietly",  [STORE_DENIED_LOG] = "let happen",
		[STORE_DENIED_CAPABILITY] = "",
	};
	struct store_text error = store_text_of(d->error), comm = store_text_of(d->comm),
			  allow = store_text_of(d->allow);
	char a[CLI_FIGURE_MAX];
	struct cli_line l;

	cli_report_label(&l, r, words[d->action]);
	cli_line_denied(&l, d->call, d->args);
	if (error.data) {
		cli_line_color(&l, CLI_BAD);
		cli_line_str(&l, "  ");
		cli_line_text(&l, error.data, error.len);
		cli_line_color(&l, CLI_PLAIN);
	}
	if (d->count > 1)
		cli_line_fmt(&l, "%s%s", cli_uni("  ×", "  x"), cli_count(a, d->count));
	if (comm.data) {
		cli_line_color(&l, CLI_DIM);
		cli_line_str(&l, "  by ");
		cli_line_text(&l, comm.data, comm.len);
		cli_line_color(&l, CLI_PLAIN);
	}
	cli_line_end(&l);
	if (!allow.data || d->action == STORE_DENIED_QUIET)
		return;
	cli_line_begin(&l, r->width);
	cli_line_pad(&l, LABEL_COL);
	cli_line_color(&l, CLI_DIM);
	cli_line_str(&l, "to allow it: ");
	cli_line_text(&l, allow.data, allow.len);
	cli_line_color(&l, CLI_PLAIN);
	cli_line_end(&l);
}

void cli_report_denied(const struct cli_report *r)
{
	const struct store_view *v = r->view;
	uint64_t refused = v->denied_calls[STORE_DENIED_DENY] + v->denied_calls[STORE_DENIED_KILL],
		 quiet = v->denied_calls[STORE_DENIED_QUIET];
	const struct store_denied **list;
	size_t count = v->denied_names.count, shown = 0, limit = r->all ? count : LINES_MAX;
	char a[CLI_FIGURE_MAX], b[CLI_FIGURE_MAX];
	struct cli_line l;

	if (!refused && !v->denied_calls[STORE_DENIED_LOG] && !(r->all && quiet))
		return;
	list = malloc(count * sizeof(*list));
	if (!list)
		return;
	for (size_t i = 0; i < count; i++)
		list[i] = &v->denied[i];
	qsort(list, count, sizeof(*list), by_weight);
	cli_report_heading(&l, r, "Refused %s call%s", cli_count(a, refused),
			   refused == 1 ? "" : "s");
	if (quiet)
		cli_line_fmt(&l, ", and %s quietly, as usual", cli_count(b, quiet));
	cli_line_end(&l);
	for (size_t i = 0; i < count; i++) {
		if ((list[i]->action == STORE_DENIED_QUIET && !r->all) ||
		    list[i]->action == STORE_DENIED_CAPABILITY)
			continue;
		if (shown++ < limit)
			put_denied(r, list[i]);
	}
	if (shown > limit) {
		cli_line_begin(&l, r->width);
		cli_line_pad(&l, LABEL_COL);
		cli_line_fmt(&l, "+ %zu", shown - limit);
		cli_line_end(&l);
	}
	free(list);
}

/* Capabilities that were asked for and that the kernel refused: no profile had a say in it. */
void cli_report_capabilities(const struct cli_report *r)
{
	const struct store_view *v = r->view;
	uint64_t all = v->denied_calls[STORE_DENIED_CAPABILITY];
	size_t shown = 0, count = 0, limit = r->all ? SIZE_MAX : LINES_MAX;
	char a[CLI_FIGURE_MAX];
	struct cli_line l;

	if (!all)
		return;
	cli_report_heading(&l, r, "Lacked a capability %s time%s", cli_count(a, all),
			   all == 1 ? "" : "s");
	cli_line_end(&l);
	for (size_t i = 0; i < v->denied_names.count; i++) {
		const struct store_denied *d = &v->denied[i];
		struct store_text name = store_text_of(d->capability),
				  call = store_text_of(d->call), comm = store_text_of(d->comm);

		if (d->action != STORE_DENIED_CAPABILITY || count++ >= limit)
			continue;
		shown++;
		cli_line_begin(&l, r->width);
		cli_line_str(&l, "  ");
		cli_line_text(&l, name.data ? name.data : "?", name.data ? name.len : 1);
		if (call.len) {
			cli_line_str(&l, " in ");
			cli_line_text(&l, call.data, call.len);
		}
		if (d->count > 1)
			cli_line_fmt(&l, "%s%s", cli_uni(" ×", " x"), cli_count(a, d->count));
		cli_line_color(&l, CLI_DIM);
		if (comm.data) {
			cli_line_str(&l, "  by ");
			cli_line_text(&l, comm.data, comm.len);
		}
		cli_line_end(&l);
	}
	if (count > shown)
		cli_report_sentence(r, CLI_DIM, "+ %zu more: telltale show --all", count - shown);
}

json_t *cli_denied_json(const struct store_view *v)
{
	static const char *const words[] = {
		[STORE_DENIED_KILL] = "kill",
		[STORE_DENIED_DENY] = "deny",
		[STORE_DENIED_QUIET] = "deny-quiet",
		[STORE_DENIED_LOG] = "log",
		[STORE_DENIED_CAPABILITY] = "capability",
	};
	json_t *array = json_array();

	for (uint32_t i = 0; i < v->denied_names.count; i++) {
		const struct store_denied *d = &v->denied[i];

		(void)json_array_append_new(
			array, json_pack("{sO* sO* ss sO* sO* sO* sO* sI}", "syscall", d->call,
					 "args", d->args, "action", words[d->action], "error",
					 d->error, "comm", d->comm, "allow", d->allow, "capability",
					 d->capability, "count", (json_int_t)d->count));
	}
	return array;
}
