/* SPDX-License-Identifier: Apache-2.0 */
/* The report as one JSON document, telltale.report/1: the same facts, none left out for room. */
#include "cli/report.h"

#include <stdlib.h>

#include "store/trace.h"

/*
 * A name as JSON text; names come out of JSON, but an argument cut at a limit may end inside a
 * letter.
 */
static json_t *text_json(struct store_text text)
{
	json_t *json = json_stringn(text.data, text.len);

	return json ? json : json_stringn_nocheck("?", 1);
}

static void put(json_t *object, const char *key, json_t *value)
{
	if (value)
		(void)json_object_set_new(object, key, value); /* without memory it is missing */
}

static json_t *flag_names(unsigned what)
{
	static const char *const names[] = {"read",    "written", "made", "deleted",
					    "renamed", "arrived", "gone", "changed"};
	json_t *array = json_array();

	for (unsigned bit = 0; bit < TT_ARRAY_SIZE(names); bit++)
		if (what & 1u << bit)
			(void)json_array_append_new(array, json_string(names[bit]));
	return array;
}

/* Who told of it. */
static json_t *told_json(unsigned told)
{
	static const char *const names[] = {"library", "kernel", "confirmed", "observer", "guest"};
	json_t *array = json_array();

	for (unsigned bit = 0; bit < TT_ARRAY_SIZE(names); bit++)
		if (told & 1u << bit)
			(void)json_array_append_new(array, json_string(names[bit]));
	return array;
}

static json_t *files_json(const struct store_view *v)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < v->file_names.count; i++) {
		const struct store_file *f = &v->files[i];
		json_t *file = json_object();

		if (!f->what) {
			json_decref(file); /* named by a rename that had no other end */
			continue;
		}
		put(file, "path", text_json(v->file_names.items[i]));
		put(file, "what", flag_names(f->what));
		put(file, "told", told_json(f->told));
		put(file, "reads", json_integer((json_int_t)f->reads));
		put(file, "writes", json_integer((json_int_t)f->writes));
		if (f->other != STORE_NONE)
			put(file, f->what & STORE_FILE_RENAMED ? "became" : "was",
			    text_json(v->file_names.items[f->other]));
		if (f->unresolved)
			put(file, "unresolved", json_true());
		(void)json_array_append_new(array, file);
	}
	return array;
}

static json_t *hosts_json(const struct store_view *v)
{
	static const char *const kinds[] = {
		[STORE_HOST_CONNECT] = "connect", [STORE_HOST_BIND] = "bind",
		[STORE_HOST_ACCEPT] = "accept",   [STORE_HOST_LOOKUP] = "lookup",
		[STORE_HOST_SEND] = "send",
	};
	json_t *array = json_array();

	for (uint32_t i = 0; i < v->host_names.count; i++) {
		const struct store_host *h = &v->hosts[i];
		json_t *host = json_object();

		put(host, "kind", json_string(kinds[h->kind]));
		put(host, "name", text_json(h->name));
		put(host, "told", told_json(h->told));
		put(host, "tries", json_integer((json_int_t)h->tries));
		put(host, "failed", json_integer((json_int_t)h->failed));
		put(host, "begun", json_integer((json_int_t)h->begun));
		put(host, "error", json_incref(h->error));
		put(host, "host", json_incref(h->host));
		put(host, "answers", json_incref(h->answers));
		(void)json_array_append_new(array, host);
	}
	return array;
}

static json_t *acts_json(const struct store_view *v)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < v->act_names.count; i++) {
		json_t *act = json_object();

		put(act, "syscall", text_json(v->acts[i].call));
		put(act, "args", text_json(v->acts[i].what));
		put(act, "told", told_json(v->acts[i].told));
		put(act, "count", json_integer((json_int_t)v->acts[i].count));
		(void)json_array_append_new(array, act);
	}
	return array;
}

static json_t *errors_json(const struct store_view *v)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < v->error_names.count; i++) {
		const struct store_error *e = &v->errors[i];
		json_t *error = json_object();

		put(error, "syscall", text_json(e->call));
		put(error, "object", text_json(e->object));
		put(error, "error", text_json(e->name));
		put(error, "count", json_integer((json_int_t)e->count));
		(void)json_array_append_new(array, error);
	}
	return array;
}

static json_t *programs_json(const struct store_view *v)
{
	size_t count;
	struct cli_program *programs = cli_programs(v, &count);
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *program = json_object();

		put(program, "path", text_json(programs[i].path));
		put(program, "count", json_integer((json_int_t)programs[i].count));
		put(program, "unwatched", json_integer((json_int_t)programs[i].unseen));
		(void)json_array_append_new(array, program);
	}
	free(programs);
	return array;
}

static json_t *gaps_json(const struct store_view *v)
{
	json_t *array = json_array();

	for (size_t i = 0; i < v->gap_count; i++) {
		const struct store_gap *g = &v->gaps[i];
		json_t *gap = json_object();

		put(gap, "sensor", json_incref(g->sensor));
		put(gap, "reason", json_incref(g->reason));
		put(gap, "count", json_integer((json_int_t)g->events));
		put(gap, "at_least", json_boolean(g->at_least));
		put(gap, "stretches", json_integer((json_int_t)g->stretches));
		(void)json_array_append_new(array, gap);
	}
	return array;
}

static json_t *trace_json(const struct store_view *v)
{
	json_t *trace = json_object();
	uint64_t spans = 0, watched = 0;

	for (uint32_t i = 0; i < v->span_names.count; i++) {
		spans += cli_span_is_real(&v->spans[i]);
		watched += v->spans[i].by_library;
	}
	put(trace, "events", json_integer((json_int_t)v->events));
	put(trace, "calls", json_integer((json_int_t)v->calls));
	put(trace, "confirmed", json_integer((json_int_t)v->confirmed));
	put(trace, "not_compared", json_integer((json_int_t)v->apart));
	put(trace, "by_kernel", json_integer((json_int_t)v->by_kernel));
	put(trace, "by_observer", json_integer((json_int_t)v->by_observer));
	put(trace, "spans", json_integer((json_int_t)spans));
	put(trace, "watched", json_integer((json_int_t)watched));
	put(trace, "in_flight", json_integer((json_int_t)v->in_flight));
	put(trace, "listens", json_integer((json_int_t)v->listens));
	put(trace, "io_urings", json_integer((json_int_t)v->io_urings));
	put(trace, "has_end", json_boolean(v->closing));
	put(trace, "gaps", gaps_json(v));
	put(trace, "left_out", json_integer((json_int_t)v->left_out));
	return trace;
}

json_t *cli_report_json(const struct cli_report *r)
{
	static const char *const facts[] = {"run_id", "session_id", "program",    "argv",
					    "cwd",    "profile",    "started_at", "ended_at"};
	static const char *const parts[] = {"summary",     "syscalls", "syscall_ns", "limits",
					    "connections", "guest",    "coverage",   "sources"};
	const struct store_view *v = r->view;
	json_t *doc = json_object();
	char verdict[128];
	bool good;

	put(doc, "schema", json_string("telltale.report/1"));
	for (size_t i = 0; i < TT_ARRAY_SIZE(facts); i++) {
		json_t *value = cli_run_fact(v, facts[i]);

		put(doc, facts[i], value ? json_incref(value) : json_null());
	}
	put(doc, "verdict", json_string(cli_verdict(v, verdict, &good)));
	put(doc, "success", json_boolean(good));
	for (size_t i = 0; i < TT_ARRAY_SIZE(parts); i++) {
		json_t *value = json_object_get(v->doc, parts[i]);

		put(doc, parts[i], value ? json_incref(value) : json_null());
	}
	put(doc, "certificate", cli_certificate_json(v));
	put(doc, "trace", v->has_trace ? trace_json(v) : json_null());
	put(doc, "programs", programs_json(v));
	put(doc, "files", files_json(v));
	put(doc, "hosts", hosts_json(v));
	put(doc, "acts", acts_json(v));
	put(doc, "denied", cli_denied_json(v));
	put(doc, "failures", errors_json(v));
	return doc;
}
