/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The readable report: the certificate. Who saw each process, why not everybody did, and where what
 * the library told and what the kernel saw do not go together.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/figures.h"
#include "cli/report.h"
#include "store/trace.h"
#include "store/tree.h"

#define GROUPS_MAX   32
#define FINDINGS_MAX 5
#define EVENTS_MAX   3
#define NAMED_MAX    3 /* programs named behind a cause */

/* Why one side alone saw an image. */
static const struct {
	const char *name, *words, *why;
} causes[] = {
	{"static", "static", "a static program loads no library"},
	{"other_class", "another libc or word size",
	 "there is no build of the library for its libc or word size"},
	{"secure", "set-user-id",
	 "the dynamic linker starts set-user-id programs and their like without the library"},
	{"environment", "scrubbed environment",
	 "it could have loaded the library, but was started without our variables"},
	{"brief", "too brief", "it was over before the library had said a word"},
	{"unsaid", "forked past libc", "it was forked by a call of its own, not by libc's"},
	{"off", "no library", "the run was made without the library"},
	{"direct", "direct system calls",
	 "code other than libc made system calls, which the library cannot see"},
	{"uring", "io_uring", "operations went through an io_uring, past the library"},
	{"kernel_loss", "the kernel sensor lost events",
	 "the kernel sensor lost events, so that what the library alone told cannot be checked"},
	{"sensor_loss", "the library lost events",
	 "the library had no room for events, or its memory was written over"},
	{"foreign_abi", "calls of another ABI",
	 "system calls of another ABI, such as int 0x80, are counted and not told"},
};

/* Acts that the kernel alone saw, by why. */
static const struct {
	const char *name, *words;
} unmatched[] = {
	{"startup", "while programs started, before the library could speak"},
	{"inside", "inside calls that were told (a look-up opens files, too)"},
	{"libc", "for libc's own sake"},
	{"direct", "direct system calls of other code"},
	{"uring", "through an io_uring"},
	{"mute", "by programs without the library"},
	{"sensor_loss", "where the library lost events"},
	{"unknown", "for no reason that is known"},
};

const char *cli_cause_words(struct store_text cause)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(causes); i++)
		if (store_text_is(cause, causes[i].name))
			return causes[i].words;
	return cause.data ? "another cause" : NULL;
}

static const char *cause_why(struct store_text cause)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(causes); i++)
		if (store_text_is(cause, causes[i].name))
			return causes[i].why;
	return NULL;
}

/* Processes that were seen alike. */
struct group {
	enum store_coverage coverage;
	struct store_text cause; /* data NULL: none */
	uint64_t count;
	struct store_text named[NAMED_MAX]; /* some of the programs */
	size_t named_count;
};

struct groups {
	struct group items[GROUPS_MAX];
	size_t count;
	uint64_t processes; /* all of them */
};

static bool same_text(struct store_text a, struct store_text b)
{
	return a.len == b.len && !a.data == !b.data &&
	       (!a.data || memcmp(a.data, b.data, a.len) == 0);
}

static void name_one(struct group *g, const struct store_span *s)
{
	struct store_text exe = store_text_of(s->exe);

	if (!exe.data)
		exe = store_text_of(s->comm);
	if (!exe.data || g->named_count == NAMED_MAX)
		return;
	for (size_t i = 0; i < g->named_count; i++)
		if (same_text(g->named[i], exe))
			return;
	g->named[g->named_count++] = exe;
}

static void add_process(struct groups *all, const struct store_span *worst)
{
	struct store_text cause = store_text_of(worst->cause);
	size_t i = 0;

	all->processes++;
	while (i < all->count && !(all->items[i].coverage == worst->coverage &&
				   same_text(all->items[i].cause, cause)))
		i++;
	if (i == GROUPS_MAX)
		i--; /* more causes than there are: a trace that was made up */
	if (i == all->count)
		all->items[all->count++] =
			(struct group){.coverage = worst->coverage, .cause = cause};
	all->items[i].count++;
	name_one(&all->items[i], worst);
}

static int by_coverage(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->coverage != y->coverage)
		return x->coverage > y->coverage ? -1 : 1;
	return (x->count < y->count) - (x->count > y->count);
}

/* Processes by who saw them; none where no end says so. */
static void group_processes(const struct store_view *v, struct groups *ret)
{
	TT_CLEANUP(store_tree_done) struct store_tree tree = {0};

	memset(ret, 0, sizeof(*ret));
	if (store_tree_build(&tree, v) < 0)
		return;
	for (uint32_t i = 0; i < tree.count; i++)
		if (tree.rows[i].worst != STORE_NONE)
			add_process(ret, &v->spans[tree.rows[i].worst]);
	qsort(ret->items, ret->count, sizeof(ret->items[0]), by_coverage);
}

static size_t count_findings(const json_t *findings, const char *kind)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(findings); i++)
		n += store_text_is(store_get_text(json_array_get(findings, i), "kind"), kind);
	return n;
}

static void put_certificate(const struct cli_report *r, const struct groups *g)
{
	const struct store_view *v = r->view;
	char text[400], found[64] = "", a[CLI_FIGURE_MAX], b[CLI_FIGURE_MAX], c[CLI_FIGURE_MAX];
	const json_t *coverage = json_object_get(v->doc, "coverage");
	int64_t events = store_get_int(coverage, "events", (int64_t)v->events);
	size_t evasions = count_findings(json_object_get(coverage, "findings"), "evasion");
	bool unknown = v->unreadable > 0, whole = true;
	uint64_t lost = 0;
	size_t len;

	for (size_t i = 0; i < v->gap_count; i++) {
		if (store_text_is(store_text_of(v->gaps[i].reason), "sampled"))
			continue;
		lost += v->gaps[i].events;
		unknown |= v->gaps[i].at_least;
	}
	/* the recorder's own account has what found no line, too */
	if (store_get_int(coverage, "lost", 0) > (int64_t)lost)
		lost = (uint64_t)store_get_int(coverage, "lost", 0);
	unknown |= json_is_false(json_object_get(coverage, "lost_exact"));
	len = (size_t)snprintf(text, sizeof(text), "%s process%s:", cli_count(a, g->processes),
			       g->processes == 1 ? "" : "es");
	for (size_t i = 0; i < g->count; i++) {
		const char *words = cli_cause_words(g->items[i].cause);

		whole &= g->items[i].coverage == STORE_COVERAGE_FULL;
		if (len > sizeof(text) - 120)
			break; /* told below, one by one */
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %s %s%s%s%s",
					i ? "," : "", cli_count(a, g->items[i].count),
					store_coverage_name(g->items[i].coverage),
					words ? " (" : "", words ? words : "", words ? ")" : "");
	}
	if (evasions)
		(void)snprintf(found, sizeof(found), "; %s finding%s of evasion",
			       cli_count(c, evasions), evasions == 1 ? "" : "s");
	cli_report_sentence(r,
			    evasions                    ? CLI_BAD
			    : !whole || lost || unknown ? CLI_WARN
							: CLI_GOOD,
			    "%s; %s events, %s%s lost%s", text,
			    cli_count(a, (uint64_t)(events > 0 ? events : 0)),
			    unknown ? "at least " : "", cli_count(b, lost), found);
}

/* Each cause with what it means, and some of the programs it concerns. */
static void put_why(const struct cli_report *r, const struct groups *g)
{
	char a[CLI_FIGURE_MAX];
	struct cli_line l;

	for (size_t i = 0; i < g->count; i++) {
		const struct group *one = &g->items[i];
		const char *words = cli_cause_words(one->cause), *why = cause_why(one->cause);

		if (!words || one->coverage == STORE_COVERAGE_FULL)
			continue;
		cli_line_begin(&l, r->width);
		cli_line_color(&l, CLI_WARN);
		cli_line_fmt(&l, "  %s %s", cli_count(a, one->count), words);
		cli_line_color(&l, CLI_PLAIN);
		for (size_t k = 0; k < one->named_count; k++) {
			cli_line_str(&l, k ? ", " : ": ");
			cli_line_word(&l, one->named[k].data, one->named[k].len);
		}
		if (one->named_count == NAMED_MAX && one->count > NAMED_MAX)
			cli_line_str(&l, ", ...");
		cli_line_end(&l);
		if (why)
			cli_report_sentence(r, CLI_DIM, "  %s", why);
	}
}

/* Acts that one side alone told of: most have an innocent cause, and all are counted. */
static void put_unmatched(const struct cli_report *r)
{
	const json_t *counts =
		json_object_get(json_object_get(r->view->doc, "coverage"), "unmatched");
	char a[CLI_FIGURE_MAX];
	struct cli_line l;

	for (size_t i = 0; i < TT_ARRAY_SIZE(unmatched); i++) {
		int64_t n = store_get_int(counts, unmatched[i].name, 0);

		if (n <= 0)
			continue;
		cli_line_begin(&l, r->width);
		cli_line_color(&l, CLI_DIM);
		cli_line_fmt(&l, "    %s %s", cli_count(a, (uint64_t)n), unmatched[i].words);
		cli_line_end(&l);
	}
}

bool cli_report_certificate(const struct cli_report *r)
{
	const struct store_view *v = r->view;
	char a[CLI_FIGURE_MAX], b[CLI_FIGURE_MAX], c[CLI_FIGURE_MAX], d[CLI_FIGURE_MAX];
	uint64_t declared = v->calls - v->confirmed - v->by_kernel;
	struct groups g;

	group_processes(v, &g);
	if (!g.processes)
		return false;
	put_certificate(r, &g);
	put_why(r, &g);
	if (declared)
		cli_report_sentence(
			r, CLI_PLAIN,
			"Of the calls %s were told alike by the library and the kernel, %s by the kernel "
			"alone, %s by the library alone (%s of a kind that is not compared, such as "
			"closes): these are declared, and a hostile process could have made them up.",
			cli_count(a, v->confirmed), cli_count(b, v->by_kernel),
			cli_count(c, declared), cli_count(d, v->apart));
	else
		cli_report_sentence(
			r, CLI_PLAIN,
			"The kernel saw every call that is told: %s as the library told them, "
			"%s alone.",
			cli_count(a, v->confirmed), cli_count(b, v->by_kernel));
	if (r->all)
		put_unmatched(r);
	return true;
}

json_t *cli_certificate_json(const struct store_view *v)
{
	struct groups g;
	json_t *array;

	group_processes(v, &g);
	if (!g.processes)
		return json_null();
	array = json_array();
	for (size_t i = 0; i < g.count; i++) {
		const struct group *one = &g.items[i];
		json_t *json = json_pack("{ss sI}", "coverage", store_coverage_name(one->coverage),
					 "processes", (json_int_t)one->count);

		/* json_stringn() refuses what is no UTF-8, which text of JSON always is */
		(void)json_object_set_new(json, "cause",
					  one->cause.data
						  ? json_stringn(one->cause.data, one->cause.len)
						  : json_null());
		(void)json_array_append_new(array, json);
	}
	return json_pack("{sI so}", "processes", (json_int_t)g.processes, "seen", array);
}

/* What kinds of findings there are, those that weigh most first. */
static const struct {
	const char *kind, *meaning;
} meanings[] = {
	{"evasion",
	 "What it told and what the kernel saw do not go together, and no innocent cause explains it: "
	 "take the rest of what this process declares for a claim, no more."},
	{"direct_calls",
	 "Its code makes system calls by itself. Many run times do, Go's among them; so does who "
	 "wants to pass the library by. The kernel sensor saw them."},
	{"answered",
	 "A library that was preloaded, such as fakeroot's, answers calls in the kernel's place: what "
	 "the program was told is not what was done."},
	{"uring", "What goes through an io_uring passes the library by. The kernel sensor saw what "
		  "was handed over."},
	{"declaration_violated",
	 "The agent sent, or said that it would send, what the spec of the cell does not declare. None of "
	 "it is in this record."},
	{"agent_silenced",
	 "The agent sent nothing any more while the cell went on. It was stopped, starved or cut off: what "
	 "happened then is not in this record."},
	{"seq_repeated", "Frames with numbers that were there before. No agent of ours sends them: "
			 "somebody may pose as it."},
	{"seq_went_back",
	 "The agent's numbers began anew, and it does not say that it was started anew."},
	{"drop_overclaimed",
	 "The agent said that it dropped more than is missing: its account of losses is wrong."},
	{"hello_missing", "A connection of major 2 that does not begin with agent.hello."},
	{"second_connection", "Somebody connected while the agent was connected, and was refused."},
	{"boot_changed",
	 "A cell boots once. An agent that says that it is in another boot can make its own losses "
	 "go away."},
	{"record_full", "The record reached the size that it may have, and takes nothing more."},
	{"agent_restarted",
	 "The agent ended and was started anew. Between the two nobody saw what happened."},
	{"foreign_abi",
	 "System calls of another ABI, as those of 32-bit programs, are counted. What "
	 "they did is not in this record."},
};

static void put_finding(const struct cli_report *r, const json_t *finding)
{
	struct store_text comm = store_get_text(finding, "comm"),
			  text = store_get_text(finding, "text");
	const json_t *events = json_object_get(finding, "events");
	size_t count = json_array_size(events), limit = r->all ? count : EVENTS_MAX;
	int64_t all = store_get_int(finding, "count", 0);
	char who[80];
	struct cli_line l;

	if (r->view->is_guest)
		(void)snprintf(who, sizeof(who), "  %lld time%s", (long long)all,
			       all == 1 ? "" : "s");
	else
		(void)snprintf(who, sizeof(who), "  %.*s (%lld)",
			       (int)(comm.len < 32 ? comm.len : 32), comm.data ? comm.data : "?",
			       (long long)store_get_int(finding, "pid", 0));
	cli_report_remark(r, CLI_PLAIN, who, text.data ? text : (struct store_text){"", 0});
	for (size_t i = 0; i < count && i < limit; i++) {
		struct store_text event = store_text_of(json_array_get(events, i));

		if (!event.data)
			continue;
		cli_line_begin(&l, r->width);
		cli_line_str(&l, "      ");
		cli_line_text(&l, event.data, event.len);
		cli_line_end(&l);
	}
	if (count < limit)
		limit = count;
	if (all > (int64_t)limit && !r->view->is_guest)
		cli_report_sentence(r, CLI_DIM, "    + %lld more",
				    (long long)all - (long long)limit);
}

/* All findings of one kind, and once what they mean. */
static void put_findings(const struct cli_report *r, const json_t *findings, const char *kind,
			 const char *meaning)
{
	size_t count = count_findings(findings, kind), shown = 0;
	struct cli_line l;

	if (!count)
		return;
	cli_line_begin(&l, r->width);
	cli_line_str(&l, "  ");
	cli_line_color(&l, strcmp(kind, "evasion") == 0 ? CLI_BAD : CLI_WARN);
	cli_line_str(&l, kind);
	cli_line_end(&l);
	for (size_t i = 0; i < json_array_size(findings); i++) {
		const json_t *finding = json_array_get(findings, i);

		if (!store_text_is(store_get_text(finding, "kind"), kind))
			continue;
		if (shown++ < FINDINGS_MAX || r->all)
			put_finding(r, finding);
	}
	if (!r->all && count > FINDINGS_MAX)
		cli_report_sentence(r, CLI_DIM, "  + %zu more processes: telltale show --all",
				    count - FINDINGS_MAX);
	cli_report_sentence(r, CLI_DIM, "  %s", meaning);
}

void cli_report_findings(const struct cli_report *r)
{
	const json_t *findings =
		json_object_get(json_object_get(r->view->doc, "coverage"), "findings");
	char a[CLI_FIGURE_MAX];
	struct cli_line l;

	if (!json_array_size(findings))
		return;
	cli_report_heading(&l, r, "Findings %s", cli_count(a, json_array_size(findings)));
	cli_line_end(&l);
	for (size_t i = 0; i < TT_ARRAY_SIZE(meanings); i++)
		put_findings(r, findings, meanings[i].kind, meanings[i].meaning);
}
