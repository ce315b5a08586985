/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The readable report: how much of it is known, from whom, and where a figure is missing or too
 * low.
 */
#include "cli/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/figures.h"
#include "store/trace.h"

#define UNSEEN_MAX  4
#define SOURCES_MAX 6

/*
 * What the trace itself shows of the spans; run.json, where there is one, has the recorder's own
 * count.
 */
struct kinds {
	uint64_t spans, declared, none, lost;
	bool lost_unknown;
};

static struct kinds count_kinds(const struct store_view *v)
{
	const json_t *coverage = json_object_get(v->doc, "coverage");
	struct kinds k = {0};

	for (uint32_t i = 0; i < v->span_names.count; i++) {
		if (!cli_span_is_real(&v->spans[i]))
			continue;
		k.spans++;
		k.declared += v->spans[i].by_library;
		/* the moment between the recorder's fork and the command's exec is its own doing */
		k.none += !v->spans[i].by_library && v->spans[i].how != STORE_HOW_LAUNCH;
	}
	for (size_t i = 0; i < v->gap_count; i++) {
		k.lost += v->gaps[i].events;
		k.lost_unknown |= v->gaps[i].at_least;
	}
	if (json_is_integer(json_object_get(coverage, "spans"))) {
		k.spans = (uint64_t)store_get_int(coverage, "spans", 0);
		k.declared = (uint64_t)store_get_int(coverage, "declared_only", 0);
		k.none = (uint64_t)store_get_int(coverage, "none", 0);
	}
	return k;
}

void cli_report_sentence(const struct cli_report *r, enum cli_color color, const char *fmt, ...)
{
	char text[512], *word, *rest;
	struct cli_line l;
	int indent;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* numbers and our own words */
	va_end(ap);
	indent = 2 + (int)strspn(text, " ");
	rest = text + indent - 2;
	cli_line_begin(&l, r->width);
	cli_line_color(&l, color);
	while ((word = strsep(&rest, " "))) {
		if (l.col && l.col + (int)strlen(word) + 2 > r->width) {
			cli_line_end(&l);
			cli_line_begin(&l, r->width);
			cli_line_color(&l, color);
		}
		cli_line_pad(&l, l.col ? l.col + 1 : indent);
		cli_line_str(&l, word);
	}
	cli_line_end(&l);
}

static void put_unseen(const struct cli_report *r, uint64_t none)
{
	struct cli_program *programs;
	size_t count, shown = 0;
	char a[CLI_FIGURE_MAX];
	struct cli_line l;

	programs = cli_programs(r->view, &count);
	cli_line_begin(&l, r->width);
	cli_line_color(&l, CLI_WARN);
	cli_line_fmt(&l, "  %s of them without the library (static, setuid, killed early)",
		     cli_count(a, none));
	for (size_t i = 0; i < count && shown < UNSEEN_MAX; i++) {
		if (!programs[i].unseen)
			continue;
		cli_line_str(&l, shown++ ? ", " : ": ");
		cli_line_word(&l, programs[i].path.data, programs[i].path.len);
	}
	cli_line_end(&l);
	free(programs);
}

static void put_gaps(const struct cli_report *r)
{
	static const struct {
		const char *reason, *words;
	} known[] = {
		{"ring_full", "events came faster than they could be stored"},
		{"killed", "a process was killed while it was recording"},
		{"log_error", "the trace could not be written"},
		{"scribbled", "the command wrote over the recorder's memory"},
		{"no_room",
		 "no room: in the ring for more threads, or for our variables at an exec"},
		{"unreadable", "damaged lines in the trace"},
		{"sampled", "left out by sampling, as the configuration has it"},
		{"queue_full", "the agent's queue was full: nobody took what it had"},
		{"sensor_full", "events came faster than the agent's sensors took them"},
		{"too_large", "they fit into no frame"},
		{"agent_died", "an agent ended: what happened before the next one was there"},
		{"transport", "on the way from the agent to the receiver"},
		{"rejected", "frames that could not be read"},
		{"undeclared", "frames of sources that the cell does not declare"},
	};
	const struct store_view *v = r->view;
	char a[CLI_FIGURE_MAX];
	struct cli_line l;

	for (size_t i = 0; i < v->gap_count; i++) {
		const struct store_gap *g = &v->gaps[i];
		struct store_text reason = store_text_of(g->reason);
		const char *words = NULL;

		for (size_t k = 0; k < TT_ARRAY_SIZE(known); k++)
			if (store_text_is(reason, known[k].reason))
				words = known[k].words;
		cli_line_begin(&l, r->width);
		cli_line_color(&l, CLI_BAD);
		if (g->at_least && !g->events)
			cli_line_str(&l, "  lost, nobody knows how many: ");
		else
			cli_line_fmt(&l, "  lost %s%s: ", g->at_least ? "at least " : "",
				     cli_count(a, g->events));
		if (words)
			cli_line_str(&l, words);
		else if (reason.data)
			cli_line_text(&l, reason.data, reason.len);
		else
			cli_line_str(&l, "no reason given");
		if (g->stretches > 1)
			cli_line_fmt(&l, " (%s stretches)", cli_count(a, g->stretches));
		cli_line_end(&l);
	}
}

void cli_report_remark(const struct cli_report *r, enum cli_color color, const char *what,
		       struct store_text text)
{
	const char *at = text.data, *end = text.data + text.len;
	struct cli_line l;

	cli_line_begin(&l, r->width);
	cli_line_color(&l, color);
	cli_line_str(&l, "  ");
	cli_line_text(&l, what, strlen(what));
	cli_line_str(&l, ":");
	while (at < end) {
		const char *space = memchr(at, ' ', (size_t)(end - at));
		size_t n = (size_t)((space ?: end) - at);

		if (l.col + 2 + cli_text_width(at, n) > r->width) {
			cli_line_end(&l);
			cli_line_begin(&l, r->width);
			cli_line_color(&l, color);
			cli_line_str(&l, "   ");
		}
		cli_line_str(&l, " ");
		cli_line_text(&l, at, n);
		at += n + 1;
	}
	cli_line_end(&l);
}

/* Parts of the sandbox that were left out with --degrade. */
static void put_degraded(const struct cli_report *r)
{
	json_t *list = json_object_get(json_object_get(r->view->doc, "limits"), "degraded"), *line;
	size_t i;

	json_array_foreach(list, i, line)
	{
		struct store_text text = store_text_of(line);

		if (text.data)
			cli_report_remark(r, CLI_BAD, "the sandbox was without", text);
	}
}

/* Entries of `sources` that say a figure is missing or may be too low. */
static void put_sources(const struct cli_report *r)
{
	json_t *sources = json_object_get(r->view->doc, "sources"), *source;
	const json_t *summary = json_object_get(r->view->doc, "summary");
	const char *figure;
	size_t left = 0, shown = 0;

	json_object_foreach(sources, figure, source)
	{
		struct store_text text = store_text_of(source);
		json_t *value = json_object_get(summary, figure);
		bool missing = !value || json_is_null(value);

		if (!text.data ||
		    (!cli_is_lower_bound(text) && !(missing && strstr(text.data, "unavailable")) &&
		     strcmp(figure, "preload") != 0 && strcmp(figure, "kernel") != 0))
			continue;
		if (!r->all && shown == SOURCES_MAX) {
			left++;
			continue;
		}
		shown++;
		cli_report_remark(r, CLI_DIM, figure, text);
	}
	if (left)
		cli_report_sentence(r, CLI_DIM,
				    "+ %zu more figures with a remark: telltale show --all", left);
}

static void put_state(const struct cli_report *r)
{
	const struct store_view *v = r->view;
	struct cli_line l;

	if (!v->has_trace)
		cli_report_sentence(r, CLI_BAD,
				    "There is no trace: only the figures above are known.");
	if (v->doc_problem) {
		cli_line_begin(&l, r->width);
		cli_line_color(&l, CLI_BAD);
		cli_line_str(&l, "  run.json cannot be used: ");
		cli_line_text(&l, v->doc_problem, strlen(v->doc_problem));
		cli_line_end(&l);
	} else if (!v->doc && v->closing) {
		cli_report_sentence(r, CLI_WARN,
				    "There is no run.json: all of this is from the trace alone.");
	} else if (!v->doc && v->opening) {
		cli_report_sentence(r, CLI_WARN,
				    "There is no run.json: the run is still going, or its recorder "
				    "was killed. All of this "
				    "is from the trace alone.");
	} else if (!v->doc) {
		cli_report_sentence(
			r, CLI_WARN,
			"This is a trace without a recorder: nobody saw the command from outside.");
	}
	if (v->has_trace && v->opening && !v->closing)
		cli_report_sentence(
			r, CLI_BAD,
			"The trace has no end: what came after its last event is not known.");
	if (v->left_out) {
		char a[CLI_FIGURE_MAX];

		cli_report_sentence(r, CLI_BAD,
				    "Too much for this report: %s things are left out of it.",
				    cli_count(a, v->left_out));
	}
}

void cli_report_known(const struct cli_report *r)
{
	const struct store_view *v = r->view;
	struct kinds k = count_kinds(v);
	bool certified;
	char a[CLI_FIGURE_MAX], b[CLI_FIGURE_MAX], c[CLI_FIGURE_MAX];
	struct cli_line l;

	cli_report_heading(&l, r, "How much of this is known");
	cli_line_end(&l);
	put_state(r);
	if (v->is_guest) {
		put_gaps(r);
		cli_report_guest_known(r);
		return;
	}
	certified = v->has_trace && cli_report_certificate(r);
	if (certified) {
		put_gaps(r);
	} else if (v->has_trace) {
		cli_report_sentence(r, CLI_PLAIN,
				    "%s program images (each fork and exec is one), %s watched "
				    "from inside; %s calls%s",
				    cli_count(a, k.spans), cli_count(b, k.declared),
				    cli_count(c, v->calls),
				    v->gap_count ? "," : ", no event lost.");
		put_gaps(r);
		if (k.none)
			put_unseen(r, k.none);
	}
	if (v->has_trace) {
		if (v->by_observer)
			cli_report_sentence(
				r, CLI_PLAIN,
				"%s calls were seen from outside as they were about to be "
				"made [seccomp]: who made them and which is certain, their "
				"text may have changed since.",
				cli_count(a, v->by_observer));
		if (v->io_urings && !certified)
			cli_report_sentence(
				r, CLI_WARN,
				"%s io_uring%s set up: what went through %s passed the library "
				"by.",
				cli_count(a, v->io_urings), v->io_urings == 1 ? " was" : "s were",
				v->io_urings == 1 ? "it" : "them");
		if (v->in_flight)
			cli_report_sentence(
				r, CLI_WARN,
				"%s calls did not return: their process died in them or jumped out.",
				cli_count(a, v->in_flight));
	}
	if (certified)
		cli_report_sentence(
			r, CLI_PLAIN,
			"The figures, the result and what was refused were observed from outside the "
			"command.");
	else if (v->doc && v->has_trace)
		cli_report_sentence(
			r, CLI_PLAIN,
			"The figures, the result and what was refused were observed from outside "
			"the command. "
			"Files, hosts and failed "
			"calls are declared: the library said so from inside the "
			"processes, where a hostile one "
			"could have kept silent.");
	else if (v->has_trace)
		cli_report_sentence(
			r, CLI_PLAIN,
			"Files, hosts and failed calls are declared: the library said so "
			"from inside the processes, "
			"where a hostile one could have kept silent.");
	put_degraded(r);
	put_sources(r);
}
