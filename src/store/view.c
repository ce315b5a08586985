/* SPDX-License-Identifier: Apache-2.0 */
/* Walk the trace once: spans, gaps, samples here; calls in view_calls.c. */
#include "store/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/trace.h"
#include "store/view_internal.h"

void store_view_free(struct store_view *v)
{
	if (!v)
		return;
	for (uint32_t i = 0; i < v->span_names.count; i++) {
		json_decref(v->spans[i].exe);
		json_decref(v->spans[i].argv);
		json_decref(v->spans[i].comm);
		json_decref(v->spans[i].cwd);
		json_decref(v->spans[i].signal);
		json_decref(v->spans[i].cause);
	}
	for (uint32_t i = 0; i < v->host_names.count; i++) {
		json_decref(v->hosts[i].error);
		json_decref(v->hosts[i].answers);
		json_decref(v->hosts[i].host);
	}
	for (size_t i = 0; i < v->gap_count; i++) {
		json_decref(v->gaps[i].sensor);
		json_decref(v->gaps[i].reason);
	}
	store_view_drop_denied(v);
	json_decref(v->doc);
	json_decref(v->opening);
	json_decref(v->closing);
	free(v->doc_problem);
	free(v->spans);
	free(v->files);
	free(v->hosts);
	free(v->errors);
	free(v->acts);
	free(v->denied);
	free(v->gaps);
	store_names_done(&v->span_names);
	store_names_done(&v->file_names);
	store_names_done(&v->host_names);
	store_names_done(&v->error_names);
	store_names_done(&v->act_names);
	store_names_done(&v->denied_names);
	free(v);
}

uint32_t store_view_name(struct store_view *v, struct store_names *names, void **items, size_t size,
			 struct store_text text, bool *ret_is_new)
{
	uint32_t room, i = store_names_find(names, text);
	void *grown;

	*ret_is_new = false;
	if (i != STORE_NONE)
		return i;
	/* the array first: a name without its element must not be */
	room = names->count;
	if (room < names->max && (room & (room - 1)) == 0) {
		grown = realloc(*items, (room ? (size_t)room * 2 : 1) * size);
		if (!grown) {
			v->left_out++;
			return STORE_NONE;
		}
		*items = grown;
	}
	i = store_names_add(names, text, ret_is_new);
	if (i == STORE_NONE) {
		v->left_out++;
		return STORE_NONE;
	}
	memset((char *)*items + i * size, 0, size);
	return i;
}

/* The span of that id, made if it is new. */
static uint32_t span_number(struct store_view *v, struct store_text id)
{
	void *items = v->spans;
	bool is_new;
	uint32_t i;

	if (!id.data)
		return STORE_NONE;
	i = store_view_name(v, &v->span_names, &items, sizeof(*v->spans), id, &is_new);
	v->spans = items;
	if (is_new) {
		v->spans[i].parent = STORE_NONE;
		v->spans[i].exit_code = -1;
	}
	return i;
}

static void set_once(json_t **slot, json_t *value)
{
	if (!*slot && value && !json_is_null(value))
		*slot = json_incref(value);
}

static enum store_how how_of(struct store_text how)
{
	static const char *const names[] = {
		[STORE_HOW_LAUNCH] = "launch", [STORE_HOW_FORK] = "fork",
		[STORE_HOW_VFORK] = "vfork",   [STORE_HOW_SPAWN] = "spawn",
		[STORE_HOW_EXEC] = "exec",
	};

	for (size_t i = 1; i < TT_ARRAY_SIZE(names); i++)
		if (store_text_is(how, names[i]))
			return (enum store_how)i;
	return STORE_HOW_UNKNOWN;
}

static const char *const coverages[STORE_COVERAGES] = {
	[STORE_COVERAGE_NONE] = "none",
	[STORE_COVERAGE_DECLARED] = "declared-only",
	[STORE_COVERAGE_KERNEL] = "kernel-only",
	[STORE_COVERAGE_FULL] = "full",
};

const char *store_coverage_name(enum store_coverage coverage)
{
	return coverages[coverage];
}

static enum store_coverage coverage_of(struct store_text name)
{
	for (size_t i = 1; i < STORE_COVERAGES; i++)
		if (store_text_is(name, coverages[i]))
			return (enum store_coverage)i;
	return STORE_COVERAGE_UNKNOWN;
}

unsigned store_told(const json_t *line)
{
	struct store_text sensor = store_get_text(line, "sensor");

	if (store_text_is(sensor, "kernel"))
		return STORE_TOLD_KERNEL;
	if (store_text_is(sensor, "guest"))
		return STORE_TOLD_GUEST;
	if (store_text_is(sensor, "seccomp"))
		return STORE_TOLD_OBSERVER;
	if (store_text_is(store_get_text(line, "confirmed_by"), "kernel"))
		return STORE_TOLD_LIBRARY | STORE_TOLD_CONFIRMED;
	return STORE_TOLD_LIBRARY;
}

static json_t *string_or_null(const json_t *line, const char *key)
{
	json_t *value = json_object_get(line, key);

	return json_is_string(value) ? value : NULL;
}

static uint64_t figure_of(const json_t *line, const char *key)
{
	int64_t n = store_get_int(line, key, 0);

	return n > 0 ? (uint64_t)n : 0;
}

/* What the end of an image says of who saw it. */
static void add_coverage(struct store_span *s, const json_t *line)
{
	enum store_coverage coverage = coverage_of(store_get_text(line, "coverage"));

	if (!coverage)
		return;
	s->coverage = coverage;
	json_decref(s->cause);
	s->cause = json_incref(string_or_null(line, "cause"));
	s->lines_confirmed = figure_of(line, "lines_confirmed");
	s->lines_kernel = figure_of(line, "lines_kernel");
	s->lines_declared = figure_of(line, "lines_declared");
}

static void add_process(struct store_view *v, struct store_span *s, const json_t *line,
			uint64_t ts_ns)
{
	struct store_text act = store_get_text(line, "syscall");
	struct store_text standing = store_get_text(line, "standing");
	bool observed = store_text_is(standing, "observed") || store_text_is(standing, "attested");
	json_t *argv = json_object_get(line, "argv");

	if (observed)
		s->by_recorder = true;
	if (store_text_is(act, "start")) {
		if (observed)
			v->starts_observed++;
		else
			v->starts_declared++;
		/*
		 * Both the library and the recorder may report one start: the earlier moment is the
		 * better.
		 */
		if (!s->started || ts_ns < s->start_ns)
			s->start_ns = ts_ns;
		s->started = true;
		if (!s->how)
			s->how = how_of(store_get_text(line, "how"));
		set_once(&s->exe, string_or_null(line, "exe"));
		set_once(&s->cwd, string_or_null(line, "cwd"));
		if (json_is_array(argv))
			set_once(&s->argv, argv);
	} else if (store_text_is(act, "exit")) {
		/* The recorder's word on an end stands above the library's. */
		if (s->end != STORE_END_EXITED || observed) {
			s->end = STORE_END_EXITED;
			s->end_ns = ts_ns;
			s->exit_code = store_get_int(line, "exit_code", -1);
			if (observed) {
				json_decref(s->signal);
				s->signal = NULL;
			}
			set_once(&s->signal, string_or_null(line, "signal"));
		}
	} else if (store_text_is(act, "replaced") && s->end == STORE_END_UNKNOWN) {
		s->end = STORE_END_REPLACED;
		s->end_ns = ts_ns;
	}
	add_coverage(s, line);
}

static struct store_gap *find_gap(struct store_view *v, json_t *sensor, json_t *reason)
{
	struct store_gap *gaps;

	for (size_t i = 0; i < v->gap_count; i++) {
		struct store_gap *g = &v->gaps[i];

		if ((g->sensor ? json_equal(g->sensor, sensor) : !sensor) &&
		    (g->reason ? json_equal(g->reason, reason) : !reason))
			return g;
	}
	if (v->gap_count >= STORE_MAX_GAPS) {
		v->left_out++;
		return NULL;
	}
	gaps = realloc(v->gaps, (v->gap_count + 1) * sizeof(*gaps));
	if (!gaps) {
		v->left_out++;
		return NULL;
	}
	v->gaps = gaps;
	v->gaps[v->gap_count] = (struct store_gap){
		.sensor = json_incref(sensor),
		.reason = json_incref(reason),
	};
	return &v->gaps[v->gap_count++];
}

static void add_gap(struct store_view *v, struct store_span *s, const json_t *line)
{
	struct store_gap *g =
		find_gap(v, string_or_null(line, "sensor"), string_or_null(line, "reason"));
	int64_t count = store_get_int(line, "count", -1);
	bool at_least = json_is_true(json_object_get(line, "at_least")) || count < 0;

	if (g) {
		g->stretches++;
		g->events += count > 0 ? (uint64_t)count : 0;
		g->at_least |= at_least;
	}
	if (s) {
		s->lost += count > 0 ? (uint64_t)count : 0;
		s->lost_unknown |= at_least;
	}
}

static void add_unreadable(struct store_view *v)
{
	json_t *reason = json_string("unreadable");
	struct store_gap *g = find_gap(v, NULL, reason);

	v->unreadable++;
	if (g) {
		g->stretches++;
		g->at_least = true;
	}
	json_decref(reason);
}

static void add_sample(struct store_view *v, const json_t *line)
{
	int64_t memory = store_get_int(line, "memory_kb", 0),
		processes = store_get_int(line, "processes", 0);
	double cpu = json_number_value(json_object_get(line, "cpu_percent"));

	v->samples++;
	if (memory > (int64_t)v->peak_memory_kb)
		v->peak_memory_kb = (uint64_t)memory;
	if (processes > (int64_t)v->peak_processes)
		v->peak_processes = (uint64_t)processes;
	if (cpu > v->peak_cpu)
		v->peak_cpu = cpu;
}

/* A file that something happened to: by whom, inotify does not say. */
static void add_inotify(struct store_view *v, const json_t *line)
{
	static const struct {
		const char *bit;
		unsigned what;
	} meanings[] = {
		{"IN_CREATE", STORE_FILE_MADE},
		{"IN_MODIFY", STORE_FILE_WRITTEN},
		{"IN_CLOSE_WRITE", STORE_FILE_WRITTEN},
		{"IN_MOVED_TO", STORE_FILE_WRITTEN},
		{"IN_ATTRIB", STORE_FILE_CHANGED},
		{"IN_DELETE", STORE_FILE_DELETED | STORE_FILE_GONE},
		{"IN_DELETE_SELF", STORE_FILE_DELETED | STORE_FILE_GONE},
		{"IN_MOVED_FROM", STORE_FILE_DELETED | STORE_FILE_GONE},
	};
	struct store_text path = store_get_text(line, "path");
	const json_t *mask = json_object_get(line, "mask");
	void *items = v->files;
	struct store_file *f;
	bool is_new;
	uint32_t n;

	if (!path.data)
		return;
	n = store_view_name(v, &v->file_names, &items, sizeof(*v->files), path, &is_new);
	v->files = items;
	if (n == STORE_NONE)
		return;
	f = &v->files[n];
	if (is_new)
		f->other = STORE_NONE;
	f->told |= STORE_TOLD_GUEST;
	for (size_t i = 0; i < json_array_size(mask); i++)
		for (size_t k = 0; k < TT_ARRAY_SIZE(meanings); k++) {
			if (!store_text_is(store_text_of(json_array_get(mask, i)), meanings[k].bit))
				continue;
			if (!(meanings[k].what & STORE_FILE_GONE))
				f->what &= ~(unsigned)STORE_FILE_GONE;
			f->what |= meanings[k].what;
			f->writes++;
		}
}

static void add_line(struct store_view *v, const struct store_item *item)
{
	const json_t *line = item->json;
	struct store_text type = store_get_text(line, "event_type");
	struct store_text parent_id = store_get_text(line, "parent_span");
	uint32_t parent = STORE_NONE, span;
	struct store_span *s;
	bool is_run = store_text_is(type, "run");
	unsigned told;

	if (store_text_is(type, "chain"))
		return; /* no event: it holds the others together */
	v->events++;
	if (!v->first_ns || item->ts_ns < v->first_ns)
		v->first_ns = item->ts_ns;
	if (item->ts_ns > v->last_ns)
		v->last_ns = item->ts_ns;
	if (is_run) {
		v->is_guest |= json_is_string(json_object_get(line, "cell_id"));
		set_once(store_text_is(store_get_text(line, "phase"), "end") ? &v->closing
									     : &v->opening,
			 item->json);
		return;
	}
	if (store_text_is(type, "sample")) {
		add_sample(v, line);
		return;
	}
	if (store_text_is(type, "inotify")) {
		add_inotify(v, line);
		return;
	}
	span = span_number(v, store_get_text(line, "span_id"));
	s = span == STORE_NONE ? NULL : &v->spans[span];
	if (store_text_is(type, "gap")) {
		add_gap(v, s, line);
		return;
	}
	if (s && s->parent == STORE_NONE && parent_id.data) {
		/*
		 * A parent that never says a word of its own is known by its id alone: it is
		 * outside the run, or its events were lost. It gets no span here, but one that does
		 * gets its number early.
		 */
		parent = span_number(v, parent_id);
		s = &v->spans[span];
		if (parent != span)
			s->parent = parent;
	}
	if (s) {
		set_once(&s->comm, string_or_null(line, "comm"));
		if (!s->pid)
			s->pid = store_get_int(line, "pid", 0);
		if (!s->ppid)
			s->ppid = store_get_int(line, "ppid", 0);
		if (store_text_is(store_get_text(line, "sensor"), "preload"))
			s->by_library = true;
		s->by_guest |= store_told(line) == STORE_TOLD_GUEST;
	}
	if (store_text_is(type, "denied")) {
		store_view_add_denied(v, s, line);
	} else if (store_text_is(type, "process") && s) {
		/* in a guest they come in batches: its own clock says more */
		add_process(
			v, s, line,
			(uint64_t)store_get_int(line, "guest_monotonic_ns", (int64_t)item->ts_ns));
	} else if (store_text_is(type, "syscall")) {
		told = store_told(line);
		v->calls++;
		v->confirmed += (told & STORE_TOLD_CONFIRMED) != 0;
		v->by_kernel += (told & STORE_TOLD_KERNEL) != 0;
		v->by_observer += (told & STORE_TOLD_OBSERVER) != 0;
		if (s && !(told & (STORE_TOLD_LIBRARY | STORE_TOLD_GUEST)))
			s->by_kernel = true;
		if (s)
			s->calls++;
		if (json_is_true(json_object_get(line, "in_flight")))
			v->in_flight++;
		store_view_add_call(v, line);
	}
}

/* Parents that never said a word are outside the run. */
static void drop_silent_parents(struct store_view *v)
{
	for (uint32_t i = 0; i < v->span_names.count; i++) {
		uint32_t parent = v->spans[i].parent;

		if (parent != STORE_NONE && !v->spans[parent].started && !v->spans[parent].calls &&
		    v->spans[parent].end == STORE_END_UNKNOWN)
			v->spans[i].parent = STORE_NONE;
	}
}

static int read_trace(struct store_view *v, const char *path, struct tt_err *err)
{
	TT_CLEANUP(store_trace_freep) struct store_trace *trace = NULL;
	struct store_item item;
	int r = store_trace_open(&trace, path, err);

	if (r < 0)
		return r;
	v->has_trace = true;
	for (;;) {
		r = store_trace_next(trace, &item, err);
		if (r < 0)
			return tt_wrap(err, r, "'%s'", path);
		if (r == 0)
			break;
		if (item.kind == STORE_ITEM_LINE)
			add_line(v, &item);
		else
			add_unreadable(v);
	}
	drop_silent_parents(v);
	return 0;
}

/* Findings name spans. */
static void mark_evasions(struct store_view *v)
{
	const json_t *findings = json_object_get(json_object_get(v->doc, "coverage"), "findings");

	for (size_t i = 0; i < json_array_size(findings); i++) {
		const json_t *f = json_array_get(findings, i);
		struct store_text id = store_get_text(f, "span_id");
		uint32_t span = id.data ? store_names_find(&v->span_names, id) : STORE_NONE;

		if (span != STORE_NONE && store_text_is(store_get_text(f, "kind"), "evasion"))
			v->spans[span].has_evasion = true;
	}
}

int store_view_load(struct store_view **ret, const struct store_run *run, struct tt_err *err)
{
	TT_CLEANUP(store_view_freep) struct store_view *v = calloc(1, sizeof(*v));
	struct tt_err problem = {""};
	int r;

	if (!v)
		return tt_fail(err, ENOMEM, "read the run");
	store_names_init(&v->span_names, STORE_MAX_SPANS);
	store_names_init(&v->file_names, STORE_MAX_FILES);
	store_names_init(&v->host_names, STORE_MAX_HOSTS);
	store_names_init(&v->error_names, STORE_MAX_ERRORS);
	store_names_init(&v->act_names, STORE_MAX_ACTS);
	store_names_init(&v->denied_names, STORE_MAX_DENIED);
	if (run->has_json) {
		r = store_run_load(run, &v->doc, &problem);
		if (r < 0) {
			v->doc_problem = strdup(problem.text);
			if (!run->has_trace)
				return tt_fail_text(err, -r, "%s", problem.text);
		}
	}
	if (run->has_trace) {
		r = read_trace(v, run->trace_path, err);
		if (r < 0)
			return r;
		mark_evasions(v);
	}
	if (!v->doc && !v->has_trace)
		return tt_fail_text(err, ENOENT,
				    "the run has neither a run.json nor a trace that can be read");
	*ret = TT_TAKE(v);
	return 0;
}

int64_t store_summary_int(const struct store_view *v, const char *figure)
{
	return store_get_int(json_object_get(v->doc, "summary"), figure, -1);
}

struct store_text store_source(const struct store_view *v, const char *figure)
{
	return store_get_text(json_object_get(v->doc, "sources"), figure);
}
