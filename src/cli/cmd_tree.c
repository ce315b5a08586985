/* SPDX-License-Identifier: Apache-2.0 */
/* telltale tree: the processes of one run. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/figures.h"
#include "cli/pick.h"
#include "cli/report.h"
#include "cli/style.h"
#include "store/trace.h"
#include "store/tree.h"

#define DEPTH_MAX 40 /* deeper processes are drawn at this depth */

struct tree_out {
	const struct store_view *view;
	const struct store_tree *tree;
	bool open[DEPTH_MAX + 1]; /* by depth: a sibling is still to come */
};

static void put_branch(struct tree_out *t, struct cli_line *l, const struct store_tree_row *row)
{
	uint32_t depth = row->depth < DEPTH_MAX ? row->depth : DEPTH_MAX;

	t->open[depth] = !row->is_last;
	cli_line_color(l, CLI_DIM);
	for (uint32_t d = 1; d < depth; d++)
		cli_line_str(l, t->open[d] ? cli_uni("│  ", "|  ") : "   ");
	if (depth)
		cli_line_str(l, row->is_last ? cli_uni("└─ ", "`- ") : cli_uni("├─ ", "|- "));
	cli_line_color(l, CLI_PLAIN);
}

static void put_whole_name(struct cli_line *l, const struct store_span *s)
{
	struct store_text exe = store_text_of(s->exe), comm = store_text_of(s->comm);

	if (json_array_size(s->argv)) {
		cli_line_argv(l, s->argv);
	} else if (exe.data) {
		cli_line_word(l, exe.data, exe.len);
	} else {
		cli_line_str(l, "(");
		if (comm.data)
			cli_line_text(l, comm.data, comm.len);
		else
			cli_line_str(l, "unknown");
		cli_line_str(l, ")");
	}
}

#define WIDTH_FILE 140 /* where stdout is no terminal */
#define TAIL_WIDTH 40  /* kept for what stands behind the command line */
#define NAME_MIN   24

/* Cut by itself: how the process ended is on the screen however long its command line is. */
static void put_name(struct cli_line *l, const struct store_span *s)
{
	int width = l->width, limit = (width ? width : WIDTH_FILE) - TAIL_WIDTH;

	l->width = limit > l->col + NAME_MIN ? limit : l->col + NAME_MIN;
	put_whole_name(l, s);
	l->width = width;
	if (l->cut) {
		l->cut = false;
		cli_line_str(l, cli_uni("…", "..."));
	}
}

/* The images before the last one that had a program of their own: a fork has none. */
static void put_earlier(struct tree_out *t, struct cli_line *l, const struct store_tree_row *row)
{
	bool first = true;

	for (uint32_t i = row->image; i != row->last && i != STORE_NONE;
	     i = t->tree->next_image[i]) {
		struct store_text exe = store_text_of(t->view->spans[i].exe);

		if (!exe.data || t->view->spans[i].how != STORE_HOW_EXEC)
			continue;
		cli_line_str(l, first ? ", was " : ", ");
		cli_line_word(l, exe.data, exe.len);
		first = false;
	}
}

static void put_end(struct cli_line *l, const struct store_span *s)
{
	struct store_text signal = store_text_of(s->signal);

	if (s->end == STORE_END_UNKNOWN) {
		cli_line_color(l, CLI_WARN);
		cli_line_str(l, ", end not seen");
	} else if (s->end == STORE_END_REPLACED) {
		cli_line_color(l, CLI_WARN);
		cli_line_str(l, ", went on as a program not seen");
	} else if (signal.data) {
		cli_line_color(l, CLI_BAD);
		cli_line_str(l, ", killed by ");
		cli_line_text(l, signal.data, signal.len);
	} else if (s->exit_code > 0) {
		cli_line_color(l, CLI_BAD);
		cli_line_fmt(l, ", exited %lld", (long long)s->exit_code);
	} else if (s->exit_code < 0) {
		cli_line_color(l, CLI_WARN);
		cli_line_str(l, ", exit status not seen");
	} else {
		cli_line_str(l, ", exited 0");
	}
	cli_line_color(l, CLI_PLAIN);
}

/* Who saw the process, unless everybody did. */
static void put_coverage(struct cli_line *l, const struct store_span *worst)
{
	const char *cause = cli_cause_words(store_text_of(worst->cause));

	if (worst->coverage == STORE_COVERAGE_FULL)
		return;
	cli_line_color(l, CLI_WARN);
	cli_line_fmt(l, ", %s", store_coverage_name(worst->coverage));
	if (cause)
		cli_line_fmt(l, " (%s)", cause);
}

static void put_row(struct tree_out *t, const struct store_tree_row *row)
{
	const struct store_span *first = &t->view->spans[row->image],
				*last = &t->view->spans[row->last];
	bool unseen = false, outside = false, lost = false, evasion = false;
	uint64_t denied = 0;
	char buf[CLI_FIGURE_MAX];
	struct cli_line l;

	for (uint32_t i = row->image; i != STORE_NONE; i = t->tree->next_image[i]) {
		unseen |= !t->view->spans[i].by_library && !t->view->spans[i].by_guest &&
			  t->view->spans[i].how != STORE_HOW_LAUNCH;
		outside |= t->view->spans[i].by_kernel;
		evasion |= t->view->spans[i].has_evasion;
		denied += t->view->spans[i].denied;
		lost |= t->view->spans[i].lost || t->view->spans[i].lost_unknown;
	}
	cli_line_begin(&l, cli_width());
	put_branch(t, &l, row);
	put_name(&l, last);
	cli_line_color(&l, CLI_DIM);
	if (first->pid)
		cli_line_fmt(&l, "  %lld", (long long)first->pid);
	else
		cli_line_str(&l, "  pid not known");
	if (first->start_ns && last->end_ns >= first->start_ns)
		cli_line_fmt(&l, ", %s", cli_duration(buf, last->end_ns - first->start_ns));
	put_end(&l, last);
	if (row->worst != STORE_NONE) {
		put_coverage(&l, &t->view->spans[row->worst]);
	} else if (unseen) {
		cli_line_color(&l, CLI_WARN);
		cli_line_str(&l, outside ? ", watched from outside alone" : ", not watched");
	}
	if (lost && (row->worst != STORE_NONE || !unseen)) {
		cli_line_color(&l, CLI_WARN);
		cli_line_str(&l, ", events lost");
	}
	if (evasion) {
		cli_line_color(&l, CLI_BAD);
		cli_line_str(&l, ", evasion");
	}
	if (denied) {
		cli_line_color(&l, CLI_BAD);
		cli_line_fmt(&l, ", %s refused", cli_count(buf, denied));
	}
	cli_line_color(&l, CLI_DIM);
	put_earlier(t, &l, row);
	cli_line_end(&l);
}

static json_t *image_json(const struct store_view *v, uint32_t i)
{
	const struct store_span *s = &v->spans[i];
	static const char *const hows[] = {NULL, "launch", "fork", "vfork", "spawn", "exec"};
	static const char *const ends[] = {NULL, "exited", "replaced"};

	/* sO* takes another reference and leaves the key out for NULL */
	return json_pack(
		"{ss% sI ss* ss* sO* sO* sO* sO* sb sb sI sI sI sb ss* sO* sI sI sI sb}", "span_id",
		v->span_names.items[i].data, v->span_names.items[i].len, "pid", (json_int_t)s->pid,
		"how", hows[s->how], "end", ends[s->end], "exe", s->exe, "argv", s->argv, "comm",
		s->comm, "signal", s->signal, "by_library", s->by_library, "by_recorder",
		s->by_recorder, "calls", (json_int_t)s->calls, "denied", (json_int_t)s->denied,
		"lost", (json_int_t)s->lost, "lost_at_least", s->lost_unknown, "coverage",
		store_coverage_name(s->coverage), "cause", s->cause, "lines_confirmed",
		(json_int_t)s->lines_confirmed, "lines_kernel", (json_int_t)s->lines_kernel,
		"lines_declared", (json_int_t)s->lines_declared, "evasion", s->has_evasion);
}

static json_t *row_json(const struct store_view *v, const struct store_tree *tree,
			const struct store_tree_row *row)
{
	const struct store_span *first = &v->spans[row->image], *last = &v->spans[row->last];
	json_t *images = json_array(), *node;
	const struct store_span *worst = row->worst == STORE_NONE ? NULL : &v->spans[row->worst];
	bool timed = first->start_ns && last->end_ns >= first->start_ns;

	for (uint32_t i = row->image; i != STORE_NONE; i = tree->next_image[i])
		(void)json_array_append_new(images,
					    image_json(v, i)); /* NULL without memory: refused */
	node = json_pack(
		"{sI so so so ss? sO? so}", "pid", (json_int_t)first->pid, "parent",
		row->parent == STORE_NONE ? json_null() : json_integer(row->parent), "elapsed_us",
		timed ? json_integer((json_int_t)((last->end_ns - first->start_ns) / 1000))
		      : json_null(),
		"exit_code", last->exit_code < 0 ? json_null() : json_integer(last->exit_code),
		"coverage", worst ? store_coverage_name(worst->coverage) : NULL, "cause",
		worst ? worst->cause : NULL, "images", images);
	return node;
}

static int put_json(const struct store_view *v, const struct store_tree *tree)
{
	json_t *processes = json_array(), *doc;
	int r;

	for (uint32_t i = 0; i < tree->count; i++)
		(void)json_array_append_new(processes, row_json(v, tree, &tree->rows[i]));
	doc = json_pack("{ss sO* so}", "schema", "telltale.tree/1", "run_id",
			cli_run_fact(v, "run_id"), "processes", processes);
	r = doc ? json_dumpf(doc, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) : -1;
	fputc('\n', stdout);
	json_decref(doc);
	return r == 0 ? CLI_OK : CLI_FAILED;
}

int cli_cmd_tree(int argc, char **argv)
{
	static const struct option options[] = {
		{"last", no_argument, NULL, 256},
		{"json", no_argument, NULL, 257},
		{0},
	};
	TT_CLEANUP(store_run_done) struct store_run run = {0};
	TT_CLEANUP(store_view_freep) struct store_view *view = NULL;
	TT_CLEANUP(store_tree_done) struct store_tree tree = {0};
	struct tree_out out = {0};
	bool last = false, json = false;
	struct tt_err err;
	int c, status = -1;

	cli_begin();
	optind = 0;
	while ((c = cli_next_option(argc, argv, options, &status)) != -1) {
		last |= c == 256;
		json |= c == 257;
	}
	if (status >= 0)
		return cli_end(status);
	status = cli_pick_view(argc, argv, last, &run, &view);
	if (status != CLI_OK)
		return status;
	if (!view->has_trace) {
		(void)tt_fail_text(&err, ENOENT,
				   "the run has no trace, so its processes are not known");
		return cli_fail(argv[0], &err);
	}
	if (store_tree_build(&tree, view) < 0) {
		(void)tt_fail(&err, ENOMEM, "build the tree");
		return cli_fail(argv[0], &err);
	}
	if (json)
		return cli_end(put_json(view, &tree));
	out.view = view;
	out.tree = &tree;
	for (uint32_t i = 0; i < tree.count && !cli_is_gone(); i++)
		put_row(&out, &tree.rows[i]);
	if (!view->closing && !view->doc && view->opening)
		printf("(the trace has no end: the run is still going, or its "
		       "recorder was killed)\n");
	if (view->unreadable)
		printf("(damaged lines in the trace: processes may be missing)\n");
	return cli_end(CLI_OK);
}
