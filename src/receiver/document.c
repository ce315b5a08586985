/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.json of a cell: docs/run-format.md. What a host cannot know of a guest is null, and says why.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/text.h"
#include "receiver/receiver_internal.h"

static json_t *number(uint64_t v)
{
	return json_integer(v < INT64_MAX ? (json_int_t)v : INT64_MAX);
}

static json_t *time_json(uint64_t ns)
{
	char text[TT_TIME_TEXT_LEN + 1];

	tt_time_text(text, ns);
	return json_string(text);
}

static json_t *span_json(const struct receiver_cell *c)
{
	char text[TT_UUID_TEXT_LEN + 1];

	tt_uuid_text(text, &c->span);
	return json_sprintf("spn_%s", text);
}

static const char *const unknown[] = {
	"peak_cpu",
	"avg_cpu",
	"user_ms",
	"system_ms",
	"peak_memory_kb",
	"page_faults_minor",
	"page_faults_major",
	"read_syscalls",
	"write_syscalls",
	"total_syscalls",
	"bytes_read",
	"bytes_written",
	"peak_rss_kb",
	"context_switches_voluntary",
	"context_switches_involuntary",
	"peak_processes",
	"blocked_syscall",
};

static uint64_t runtime_ms(const struct receiver_cell *c)
{
	uint64_t end = c->exit_ns ? c->exit_ns : c->ended_ns;

	/* the clock may have been set in between */
	return c->first_ns && end > c->first_ns ? (end - c->first_ns) / TT_NS_PER_MS : 0;
}

static json_t *summary_json(const struct receiver_cell *c)
{
	json_t *j = json_object();

	for (size_t i = 0; i < TT_ARRAY_SIZE(unknown); i++)
		(void)json_object_set_new(j, unknown[i], json_null());
	(void)json_object_set_new(j, "runtime_ms", number(runtime_ms(c)));
	(void)json_object_set_new(j, "processes", number(c->spans - c->executions));
	(void)json_object_set_new(j, "blocked_syscalls", number(c->denied));
	(void)json_object_set_new(j, "exit_reason",
				  receiver_has_exit_code(c)
					  ? json_sprintf("EXITED(%" PRIu32 ")", c->exit_status)
					  : json_string("UNKNOWN"));
	(void)json_object_set_new(j, "exit_code",
				  receiver_has_exit_code(c) ? number(c->exit_status) : json_null());
	(void)json_object_set_new(j, "termination",
				  json_string(receiver_has_exit_code(c) ? "exited" : "unknown"));
	return j;
}

static json_t *sources_json(const struct receiver_cell *c)
{
	json_t *j = json_object();

	for (size_t i = 0; i < TT_ARRAY_SIZE(unknown); i++)
		(void)json_object_set_new(
			j, unknown[i],
			json_string("unavailable: a guest's figures do not reach the host"));
	(void)json_object_set_new(
		j, "runtime_ms",
		json_string("CLOCK_REALTIME of the host, first frame to exit code or end"));
	(void)json_object_set_new(j, "processes",
				  json_string("process.spawned of the guest's agent, as declared"));
	(void)json_object_set_new(j, "blocked_syscalls",
				  json_string("gate.denied of the guest's agent, as declared"));
	(void)json_object_set_new(
		j, "exit_code",
		json_string(c->has_exit ? "the exit port"
					: "unavailable: nothing came on the exit port"));
	(void)json_object_set_new(j, "syscalls",
				  json_string("unavailable: nobody counts the calls of a guest"));
	return j;
}

static void add_gap(json_t *gaps, const char *reason, uint64_t count, bool at_least)
{
	json_t *gap;

	if (!count && !at_least)
		return;
	gap = json_pack("{s:s, s:s, s:o, s:i}", "sensor", "guest", "reason", reason, "count",
			count ? number(count) : json_null(), "spans", 0);
	if (at_least)
		(void)json_object_set_new(gap, "at_least", json_true());
	(void)json_array_append_new(gaps, gap);
}

static uint64_t sum_rejects(const struct receiver_cell *c)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < RECEIVER_REJECTS; i++)
		sum += c->rejects[i];
	return sum;
}

static json_t *findings_json(const struct receiver_cell *c)
{
	static const char *const texts[RECEIVER_FINDINGS] = {
		[RECEIVER_UNDECLARED] = "sources outside the declaration",
		[RECEIVER_WENT_SILENT] = "the agent sent nothing, and the cell had not ended",
		[RECEIVER_REPEATED] = "frames whose number was there before",
		[RECEIVER_WENT_BACK] = "numbers began anew without a word",
		[RECEIVER_OVERCLAIMED] = "more was said to be dropped than was missing",
		[RECEIVER_NO_HELLO] = "connections that did not begin with agent.hello",
		[RECEIVER_AGENT_CHANGED] = "the agent was started anew in the same boot",
		[RECEIVER_REFUSED_SECOND] = "connections beside one that was there",
		[RECEIVER_BOOTED] = "other boots, where a cell has one",
		[RECEIVER_FULL] = "the record reached --max-bytes, and nothing was taken any more",
	};
	json_t *array = json_array();

	for (unsigned i = 0; i < RECEIVER_FINDINGS; i++)
		if (c->findings[i])
			(void)json_array_append_new(
				array,
				json_pack("{s:s, s:o, s:i, s:s, s:o, s:[], s:s}", "kind",
					  receiver_finding_names[i], "span_id", span_json(c), "pid",
					  0, "comm", "", "count", number(c->findings[i]), "events",
					  "text", texts[i]));
	return array;
}

static json_t *coverage_json(const struct receiver_cell *c)
{
	json_t *gaps = json_array(), *j;
	uint64_t lost = 0;
	const uint64_t losses[] = {c->seq.dropped, c->seq.lost, c->undeclared, sum_rejects(c)};

	for (size_t i = 0; i < TT_ARRAY_SIZE(losses); i++)
		if (__builtin_add_overflow(lost, losses[i], &lost))
			lost = UINT64_MAX; /* what a hostile agent counts can be any number */

	for (size_t i = 0; i < RECEIVER_CAUSES; i++)
		add_gap(gaps, receiver_drop_causes[i], c->drops_by_cause[i], false);
	add_gap(gaps, "agent_died", 0, c->dropped_unknown);
	add_gap(gaps, "transport", c->seq.lost, false);
	add_gap(gaps, "rejected", sum_rejects(c), false);
	add_gap(gaps, "undeclared", c->undeclared, false);
	j = json_pack("{s:I, s:i, s:i, s:I, s:i, s:I, s:o, s:b, s:o, s:[s], s:o}", "spans",
		      (json_int_t)c->spans, "full", 0, "kernel_only", 0, "declared_only",
		      (json_int_t)c->spans, "none", 0, "events", (json_int_t)c->acts, "lost",
		      number(lost), "lost_exact", !c->dropped_unknown && c->major != 1, "gaps",
		      gaps, "sensors", "guest", "findings", findings_json(c));
	if (c->trace.lost || c->events.lost)
		(void)json_array_append_new(
			gaps, json_pack("{s:s, s:s, s:I, s:i}", "sensor", "recorder", "reason",
					"log_error", "count",
					(json_int_t)(c->trace.lost + c->events.lost), "spans", 0));
	return j;
}

static json_t *source_names(uint32_t bits)
{
	json_t *array = json_array();

	for (unsigned i = 1; i < WIRE_SOURCE_END; i++)
		if (bits & 1u << i)
			(void)json_array_append_new(
				array, json_string(wire_source_name((enum wire_source)i)));
	return array;
}

static json_t *counts_json(const struct receiver_cell *c)
{
	const struct receiver_seq *s = &c->seq;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "numbers", number(s->numbers),
			 "received", number(s->received), "dropped", number(s->dropped), "rejected",
			 number(s->rejected), "transport", number(s->lost), "repeated",
			 number(c->repeated));
}

/* Texts of the agent are kept as they stand in a line of JSON. */
static json_t *kept_json(const char *text)
{
	char quoted[160];
	json_t *json;

	(void)snprintf(quoted, sizeof(quoted), "\"%s\"", text);
	json = json_loads(quoted, JSON_DECODE_ANY, NULL);
	return json ? json : json_string("");
}

static json_t *agent_json(const struct receiver_agent *a)
{
	json_t *sensors = a->sensors[0] ? json_loads(a->sensors, 0, NULL) : NULL;

	if (!a->known)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "boot_id", kept_json(a->boot_id),
			 "agent_version", kept_json(a->version), "kernel_version",
			 kept_json(a->kernel), "restarts", number(a->restarts), "sensors",
			 sensors ? sensors : json_array());
}

static json_t *guest_json(const struct receiver_cell *c)
{
	json_t *rejects = json_object(), *states = json_object(), *j;

	for (unsigned i = 0; i < RECEIVER_REJECTS; i++)
		if (c->rejects[i])
			(void)json_object_set_new(rejects, receiver_reject_name(i),
						  number(c->rejects[i]));
	for (unsigned i = 0; i < RECEIVER_STATES; i++)
		(void)json_object_set_new(states, receiver_state_names[i],
					  number(c->state_count[i]));
	j = json_pack("{s:s, s:s, s:o, s:o, s:i, s:o, s:o, s:o, s:o}", "cell_id", c->id,
		      "spec_signature_hash", c->spec.hash, "authorized",
		      source_names(c->spec.authorized), "declared", source_names(c->spec.declared),
		      "major", (int)c->major, "states", states, "seq", counts_json(c), "rejects",
		      rejects, "exit_status", c->has_exit ? number(c->exit_status) : json_null());
	(void)json_object_set_new(j, "agent", agent_json(&c->agent));
	(void)json_object_set_new(j, "frames", number(c->frames));
	(void)json_object_set_new(j, "heartbeats", number(c->heartbeats));
	(void)json_object_set_new(j, "connections", number(c->connections));
	(void)json_object_set_new(j, "connections_refused", number(c->refused));
	(void)json_object_set_new(j, "attribution_ignored", number(c->attribution));
	(void)json_object_set_new(j, "undeclared", number(c->undeclared));
	(void)json_object_set_new(j, "untracked_processes", number(c->procs.untracked));
	(void)json_object_set_new(j, "resumed", json_boolean(c->resumed));
	(void)json_object_set_new(j, "write_errors",
				  json_pack("{s:o, s:o}", "failures",
					    number(c->trace.failures + c->events.failures),
					    "lines_lost", number(c->trace.lost + c->events.lost)));
	return j;
}

static json_t *argv_json(const struct receiver_cell *c)
{
	const char *text = c->command ? c->command : c->spec.argv;
	json_t *argv = text ? json_loads(text, 0, NULL) : NULL;

	return argv ? argv : json_pack("[s]", c->id);
}

int receiver_document(struct receiver_cell *c, struct tt_err *err)
{
	json_t *j = json_object();
	char *text;
	int r;

	(void)json_object_set_new(j, "schema", json_string("telltale.run/1"));
	(void)json_object_set_new(j, "run_id", json_string(c->run_id));
	(void)json_object_set_new(j, "session_id", json_sprintf("ses_%s", c->run_id));
	(void)json_object_set_new(j, "span_id", span_json(c));
	(void)json_object_set_new(j, "pid", json_null());
	(void)json_object_set_new(j, "program", json_string(c->id));
	(void)json_object_set_new(j, "argv", argv_json(c));
	(void)json_object_set_new(j, "cwd", json_string("/"));
	(void)json_object_set_new(j, "profile", json_string("GUEST"));
	(void)json_object_set_new(j, "started_at", time_json(c->opened_ns));
	(void)json_object_set_new(j, "ended_at", time_json(c->ended_ns));
	(void)json_object_set_new(j, "timeline",
				  json_pack("{s:[], s:[], s:[], s:[], s:[], s:[]}", "time_ms",
					    "cpu_percent", "memory_kb", "read_syscalls",
					    "write_syscalls", "processes"));
	(void)json_object_set_new(j, "summary", summary_json(c));
	(void)json_object_set_new(j, "blocked", json_array());
	(void)json_object_set_new(j, "syscalls", json_null());
	(void)json_object_set_new(j, "limits", json_pack("{s:[], s:[]}", "asked", "hit"));
	(void)json_object_set_new(j, "guest", guest_json(c));
	(void)json_object_set_new(j, "coverage", coverage_json(c));
	(void)json_object_set_new(j, "sources", sources_json(c));
	text = json_dumps(j, JSON_INDENT(2));
	json_decref(j);
	if (!text)
		return tt_fail(err, ENOMEM, "make run.json");
	r = receiver_file_replace(c->folder, "run.json", text, strlen(text), err);
	free(text);
	return r;
}
