/* SPDX-License-Identifier: Apache-2.0 */
/* The readable report: result, figures, programs, and what is known of the whole. */
#include "cli/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/figures.h"
#include "store/trace.h"

#define LABEL_COL 13

json_t *cli_run_fact(const struct store_view *v, const char *key)
{
	json_t *value = json_object_get(v->doc, key);

	if (!value || json_is_null(value))
		value = json_object_get(v->opening, key);
	return value;
}

bool cli_span_is_real(const struct store_span *s)
{
	return s->started || s->calls || s->end != STORE_END_UNKNOWN;
}

void cli_line_argv(struct cli_line *l, const json_t *argv)
{
	for (size_t i = 0; i < json_array_size(argv) && !l->cut; i++) {
		struct store_text word = store_text_of(json_array_get(argv, i));

		if (i)
			cli_line_str(l, " ");
		cli_line_word(l, word.data ? word.data : "", word.len);
	}
}

void cli_line_path(struct cli_line *l, const struct cli_report *r, struct store_text path)
{
	size_t n = r->cwd.len;

	if (n > 1 && path.len == n && memcmp(path.data, r->cwd.data, n) == 0) {
		path = (struct store_text){".", 1};
	} else if (r->cwd.data && n > 1 && path.len > n + 1 &&
		   memcmp(path.data, r->cwd.data, n) == 0 && path.data[n] == '/') {
		path.data += n + 1;
		path.len -= n + 1;
	}
	cli_line_word(l, path.data, path.len);
}

/* The signal that ended the first process of the run. */
static struct store_text first_signal(const struct store_view *v)
{
	int64_t pid = store_get_int(v->doc, "pid", 0);

	for (uint32_t i = 0; i < v->span_names.count; i++)
		if (pid && v->spans[i].pid == pid && v->spans[i].signal)
			return store_text_of(v->spans[i].signal);
	return (struct store_text){NULL, 0};
}

/* The call that a process was killed for, else the first that was refused. */
static struct store_text killing_call(const struct store_view *v)
{
	const json_t *blocked = json_object_get(v->doc, "blocked");

	for (size_t i = 0; i < json_array_size(blocked); i++) {
		const json_t *site = json_array_get(blocked, i);

		if (store_text_is(store_get_text(site, "action"), "kill"))
			return store_get_text(site, "syscall");
	}
	return store_get_text(json_object_get(v->doc, "summary"), "blocked_syscall");
}

const char *cli_verdict(const struct store_view *v, char buf[128], bool *ret_good)
{
	const json_t *summary = json_object_get(v->doc, "summary");
	const json_t *end = summary ? summary : v->closing;
	struct store_text reason = store_get_text(end, "exit_reason");
	struct store_text termination = store_get_text(summary, "termination");
	struct store_text blocked = killing_call(v);
	int64_t code = store_get_int(end, "exit_code", -1);

	*ret_good = false;
	if (!end || !reason.data) {
		(void)snprintf(buf, 128, "end unproven");
	} else if (store_text_is(reason, "UNKNOWN")) {
		(void)snprintf(buf, 128, "no exit code came");
	} else if (store_text_is(reason, "TIMEOUT")) {
		(void)snprintf(buf, 128, "timed out");
	} else if (store_text_is(reason, "OOM_KILLED")) {
		(void)snprintf(buf, 128, "killed: out of memory");
	} else if (store_text_is(reason, "KILLED_BY_OS")) {
		(void)snprintf(buf, 128, "killed by the operating system");
	} else if (store_text_is(reason, "SECURITY_VIOLATION")) {
		(void)snprintf(buf, 128, "stopped by its profile at %.40s",
			       blocked.data ? blocked.data : "a refused call");
	} else if (store_text_is(reason, "LAUNCH_FAILED") ||
		   store_text_is(termination, "launch_failed")) {
		(void)snprintf(buf, 128, "not started");
	} else if (store_text_is(reason, "SIGNALED")) {
		struct store_text name = first_signal(v);

		if (name.data)
			(void)snprintf(buf, 128, "killed by %.40s", name.data);
		else
			(void)snprintf(buf, 128, "killed by a signal");
	} else if (reason.len > 7 && memcmp(reason.data, "EXITED(", 7) == 0 && code >= 0) {
		(void)snprintf(buf, 128, "exited %" PRId64, code);
		*ret_good = code == 0;
	} else {
		(void)snprintf(buf, 128, "%.100s", reason.data);
	}
	return buf;
}

void cli_report_heading(struct cli_line *l, const struct cli_report *r, const char *fmt, ...)
{
	char text[128];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* our own words */
	va_end(ap);
	fputc('\n', stdout);
	cli_line_begin(l, r->width);
	cli_line_color(l, CLI_BOLD);
	cli_line_str(l, text);
	cli_line_color(l, CLI_PLAIN);
}

void cli_report_label(struct cli_line *l, const struct cli_report *r, const char *word)
{
	cli_line_begin(l, r->width);
	cli_line_str(l, "  ");
	cli_line_color(l, CLI_DIM);
	cli_line_str(l, word);
	cli_line_color(l, CLI_PLAIN);
	cli_line_pad(l, LABEL_COL);
}

bool cli_is_lower_bound(struct store_text source)
{
	return source.data && strstr(source.data, "lower_bound");
}

static const char *bound(const struct store_view *v, const char *figure)
{
	return cli_is_lower_bound(store_source(v, figure)) ? cli_uni("≥ ", ">= ") : "";
}

static void spark(struct cli_line *l, const struct cli_report *r, const char *series, int col)
{
	char buf[CLI_SPARK_MAX * 3 + 1];
	const json_t *timeline = json_object_get(r->view->doc, "timeline");

	cli_sparkline(buf, json_object_get(timeline, series),
		      r->width - col - 4 < 30 ? r->width - col - 4 : 30);
	if (!buf[0])
		return;
	cli_line_pad(l, col);
	cli_line_color(l, CLI_ACCENT);
	cli_line_str(l, buf);
	cli_line_color(l, CLI_PLAIN);
}

#define SPARK_COL 66

static void put_cpu(const struct cli_report *r)
{
	const struct store_view *v = r->view;
	const json_t *summary = json_object_get(v->doc, "summary");
	int64_t user = store_summary_int(v, "user_ms"), sys = store_summary_int(v, "system_ms");
	char a[CLI_FIGURE_MAX], b[CLI_FIGURE_MAX], c[CLI_FIGURE_MAX];
	struct cli_line l;

	if (user < 0 || sys < 0)
		return;
	cli_report_label(&l, r, "CPU");
	cli_line_fmt(&l, "%s%s (%s user, %s system)", bound(v, "user_ms"),
		     cli_duration(a, (uint64_t)(user + sys) * 1000000),
		     cli_duration(b, (uint64_t)user * 1000000),
		     cli_duration(c, (uint64_t)sys * 1000000));
	if (json_is_number(json_object_get(summary, "avg_cpu")))
		cli_line_fmt(&l, ", %.0f %% on average",
			     json_number_value(json_object_get(summary, "avg_cpu")));
	spark(&l, r, "cpu_percent", SPARK_COL);
	cli_line_end(&l);
}

static void put_memory(const struct cli_report *r)
{
	const struct store_view *v = r->view;
	int64_t peak = store_summary_int(v, "peak_memory_kb"),
		largest = store_summary_int(v, "peak_rss_kb");
	char a[CLI_FIGURE_MAX];
	struct cli_line l;

	if (!v->doc && v->samples) {
		cli_report_label(&l, r, "Memory");
		cli_line_fmt(&l, "%s%s peak, as sampled", cli_uni("≥ ", ">= "),
			     cli_bytes(a, v->peak_memory_kb * 1024));
		cli_line_end(&l);
	}
	if (peak < 0 && largest < 0)
		return;
	cli_report_label(&l, r, "Memory");
	if (peak >= 0)
		cli_line_fmt(&l, "%s%s peak", bound(v, "peak_memory_kb"),
			     cli_bytes(a, (uint64_t)peak * 1024));
	if (largest >= 0)
		cli_line_fmt(&l, "%s%s%s in the largest process", peak >= 0 ? ", " : "",
			     bound(v, "peak_rss_kb"), cli_bytes(a, (uint64_t)largest * 1024));
	spark(&l, r, "memory_kb", SPARK_COL);
	cli_line_end(&l);
}

static void put_io(const struct cli_report *r)
{
	static const struct {
		const char *figure, *unit;
		bool bytes;
	} figures[] = {
		{"read_syscalls", "reads", false},
		{"bytes_read", "read", true},
		{"write_syscalls", "writes", false},
		{"bytes_written", "written", true},
		{"page_faults_major", "major faults", false},
	};
	const struct store_view *v = r->view;
	char a[CLI_FIGURE_MAX];
	struct cli_line l;
	bool any = false;

	for (size_t i = 0; i < TT_ARRAY_SIZE(figures); i++) {
		int64_t n = store_summary_int(v, figures[i].figure);

		if (n < 0)
			continue;
		if (!any)
			cli_report_label(&l, r, "I/O");
		cli_line_fmt(&l, "%s%s%s %s", any ? ", " : "", bound(v, figures[i].figure),
			     figures[i].bytes ? cli_bytes(a, (uint64_t)n)
					      : cli_count(a, (uint64_t)n),
			     figures[i].unit);
		any = true;
	}
	if (any)
		cli_line_end(&l);
}

/* Processes as the trace alone shows them: spans that are not a mere exec of a known one. */
static uint64_t count_processes(const struct store_view *v)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < v->span_names.count; i++) {
		const struct store_span *s = &v->spans[i];

		n += cli_span_is_real(s) && !(s->how == STORE_HOW_EXEC && s->parent != STORE_NONE);
	}
	return n;
}

static void put_processes(const struct cli_report *r)
{
	const struct store_view *v = r->view;
	int64_t all = store_summary_int(v, "processes"),
		peak = store_summary_int(v, "peak_processes");
	char a[CLI_FIGURE_MAX];
	struct cli_line l;

	if (all < 0 && !v->has_trace)
		return;
	cli_report_label(&l, r, "Processes");
	if (all >= 0)
		cli_line_fmt(&l, "%s%s", bound(v, "processes"), cli_count(a, (uint64_t)all));
	else
		cli_line_fmt(&l, "%s seen", cli_count(a, count_processes(v)));
	if (peak > 1)
		cli_line_fmt(&l, ", at most %s%s at once", bound(v, "peak_processes"),
			     cli_count(a, (uint64_t)peak));
	spark(&l, r, "processes", SPARK_COL);
	cli_line_end(&l);
}

void cli_report_head(const struct cli_report *r)
{
	const struct store_view *v = r->view;
	struct store_text program = store_text_of(cli_run_fact(v, "program"));
	struct store_text id = store_text_of(cli_run_fact(v, "run_id"));
	struct store_text profile = store_text_of(cli_run_fact(v, "profile"));
	struct store_text error = store_get_text(v->doc, "error");
	int64_t runtime = store_summary_int(v, "runtime_ms");
	uint64_t start = v->first_ns,
		 took = runtime >= 0 ? (uint64_t)runtime * 1000000 : v->last_ns - v->first_ns;
	const json_t *argv = cli_run_fact(v, "argv");
	char buf[128], when[CLI_FIGURE_MAX];
	struct cli_line l;
	bool good;

	(void)store_time_parse(store_get_text(v->doc, "started_at"),
			       &start); /* else the first event's */
	cli_line_begin(&l, r->width);
	cli_line_color(&l, CLI_BOLD);
	cli_line_str(&l, "$ ");
	if (json_array_size(argv))
		cli_line_argv(&l, argv);
	else if (program.data)
		cli_line_word(&l, program.data, program.len);
	else
		cli_line_str(&l, "(a trace without a recorder: the command is not known)");
	cli_line_end(&l);

	cli_line_begin(&l, r->width);
	cli_verdict(v, buf, &good);
	cli_line_color(&l, good ? CLI_GOOD : CLI_BAD);
	cli_line_fmt(&l, "  %s ", good ? cli_uni("✓", "ok:") : cli_uni("✗", "!!"));
	cli_line_text(&l, buf, strlen(buf));
	cli_line_color(&l, CLI_PLAIN);
	cli_duration(when, took);
	if (v->doc || v->closing)
		cli_line_fmt(&l, " after %s", when);
	else
		cli_line_fmt(&l, ", %s recorded", when);
	cli_line_fmt(&l, ", started %s", cli_when(when, start));
	cli_line_end(&l);
	if (error.data) {
		cli_report_label(&l, r, "because");
		cli_line_text(&l, error.data, error.len);
		cli_line_end(&l);
	}
	if (r->cwd.data && !v->is_guest) {
		cli_report_label(&l, r, "in");
		cli_line_text(&l, r->cwd.data, r->cwd.len);
		cli_line_end(&l);
	}
	if (id.data) {
		cli_report_label(&l, r, "run");
		cli_line_text(&l, id.data, id.len);
		if (profile.data) {
			cli_line_str(&l, ", profile ");
			cli_line_text(&l, profile.data, profile.len);
		}
		cli_line_end(&l);
	}
	cli_report_guest_head(r);
	put_cpu(r);
	put_memory(r);
	put_processes(r);
	put_io(r);
}

static int by_count(const void *a, const void *b)
{
	const struct cli_program *x = a, *y = b;
	size_t n = x->path.len < y->path.len ? x->path.len : y->path.len;
	int r;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	r = memcmp(x->path.data, y->path.data, n);
	return r ? r : (x->path.len > y->path.len) - (x->path.len < y->path.len);
}

struct cli_program *cli_programs(const struct store_view *v, size_t *ret_count)
{
	struct cli_program *programs = calloc(v->span_names.count + 1, sizeof(*programs));
	struct store_names names;

	*ret_count = 0;
	if (!programs)
		return NULL;
	store_names_init(&names, v->span_names.count);
	for (uint32_t i = 0; i < v->span_names.count; i++) {
		const struct store_span *s = &v->spans[i];
		struct store_text exe = store_text_of(s->exe);
		bool is_new;
		uint32_t n;

		if (s->how != STORE_HOW_EXEC)
			continue;
		if (!exe.data)
			exe = store_text_of(s->comm);
		if (!exe.data)
			continue;
		n = store_names_add(&names, exe, &is_new);
		if (n == STORE_NONE)
			continue;
		programs[n].path = exe; /* lives as long as the view */
		programs[n].count++;
		programs[n].unseen += !s->by_library && !s->by_guest;
		*ret_count = names.count;
	}
	store_names_done(&names);
	qsort(programs, *ret_count, sizeof(*programs), by_count);
	return programs;
}

static struct store_text last_part(struct store_text path)
{
	const char *slash = memrchr(path.data, '/', path.len);

	if (!slash || slash + 1 == path.data + path.len)
		return path;
	return (struct store_text){slash + 1, path.len - (size_t)(slash + 1 - path.data)};
}

/* The last part of a program's path, or all of it where another has the same last part. */
static struct store_text short_name(const struct cli_program *programs, size_t i, bool whole)
{
	struct store_text name = last_part(programs[i].path);

	for (size_t k = 0; k < i && !whole; k++) {
		struct store_text other = last_part(programs[k].path);

		whole = other.len == name.len && memcmp(other.data, name.data, name.len) == 0;
	}
	return whole ? programs[i].path : name;
}

bool cli_report_place(struct cli_line *l, const struct cli_report *r, int need, int *lines,
		      int limit)
{
	if (l->col > 2 && l->col + need > r->width) {
		if ((*lines)++ == limit)
			return false;
		cli_line_end(l);
		cli_line_begin(l, r->width);
		cli_line_str(l, "  ");
	}
	if (l->col > 2)
		cli_line_str(l, " ");
	return true;
}

void cli_report_programs(const struct cli_report *r)
{
	struct cli_program *programs;
	int lines = 1, limit = r->all ? 1000 : 3;
	char a[CLI_FIGURE_MAX], b[CLI_FIGURE_MAX];
	uint64_t images = 0;
	struct cli_line l;
	size_t count, i;

	programs = cli_programs(r->view, &count);
	for (i = 0; i < count; i++)
		images += programs[i].count;
	if (!images) {
		free(programs);
		return;
	}
	cli_report_heading(&l, r, "Ran %s program%s", cli_count(a, count), count == 1 ? "" : "s");
	if (images > count)
		cli_line_fmt(&l, ", %s times", cli_count(b, images));
	cli_line_end(&l);
	cli_line_begin(&l, r->width);
	cli_line_str(&l, "  ");
	for (i = 0; i < count; i++) {
		struct store_text name = short_name(programs, i, r->all);
		int need = cli_text_width(name.data, name.len) + 10;

		if (!cli_report_place(&l, r, need, &lines, limit))
			break;
		cli_line_word(&l, name.data, name.len);
		if (programs[i].count > 1) {
			cli_line_color(&l, CLI_DIM);
			cli_line_fmt(&l, "%s%s", cli_uni(" ×", " x"),
				     cli_count(a, programs[i].count));
			cli_line_color(&l, CLI_PLAIN);
		}
		if (i + 1 < count)
			cli_line_str(&l, ",");
	}
	if (i < count)
		cli_line_fmt(&l, " + %zu", count - i);
	cli_line_end(&l);
	free(programs);
}
