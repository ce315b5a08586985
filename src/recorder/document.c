/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.json: docs/run-format.md. Valid JSON whatever the program is called; a figure that was not
 * had is null.
 */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/time.h"
#include "event/redact.h"
#include "event/text.h"
#include "recorder/facts.h"
#include "recorder/run.h"

/* Bytes as a JSON string: what is not UTF-8 becomes U+FFFD, secrets become ***. */
static json_t *text_json(const char *text, size_t len, bool secret)
{
	/* each byte can become the three of U+FFFD; "***" replaces at least one byte */
	size_t room = 3 * len + 4;
	char *buf = malloc(room);
	struct tt_out o;
	json_t *json;

	if (!buf)
		return NULL;
	tt_out_init(&o, buf, room);
	if (secret)
		tt_out_str(&o, "***");
	else
		event_redact_text(&o, text, len);
	json = json_stringn_nocheck(buf, o.len);
	free(buf);
	return json;
}

static json_t *string_json(const char *s)
{
	return s ? text_json(s, strlen(s), false) : json_null();
}

static json_t *argv_json(char *const *argv)
{
	json_t *list = json_array();
	bool secret = false;

	for (; *argv; argv++) {
		(void)json_array_append_new(list, text_json(*argv, strlen(*argv), secret));
		secret = event_redact_is_flag(*argv, strlen(*argv));
	}
	return list;
}

static json_t *time_json(uint64_t ns)
{
	char text[TT_TIME_TEXT_LEN + 1];

	tt_time_text(text, ns);
	return json_string(text);
}

static json_t *int_json(uint64_t v)
{
	return json_integer(v < INT64_MAX ? (json_int_t)v : INT64_MAX);
}

/* One decimal: more would pretend. */
static json_t *percent_json(double v)
{
	return json_real((double)(uint64_t)(v * 10 + 0.5) / 10);
}

static json_t *span_json(const struct tt_uuid *id)
{
	char text[4 + TT_UUID_TEXT_LEN + 1] = "spn_";

	tt_uuid_text(text + 4, id);
	return json_string(text);
}

static json_t *timeline_json(const struct recorder_sampler *s)
{
	json_t *time = json_array(), *cpu = json_array(), *memory = json_array(),
	       *reads = json_array(), *writes = json_array(), *processes = json_array();

	for (size_t i = 0; i < s->count; i++) {
		const struct recorder_sample *x = &s->samples[i];

		(void)json_array_append_new(time, int_json(x->time_ms));
		(void)json_array_append_new(cpu, percent_json(x->cpu_percent));
		(void)json_array_append_new(memory, int_json(x->memory_kb));
		(void)json_array_append_new(reads, int_json(x->read_calls));
		(void)json_array_append_new(writes, int_json(x->write_calls));
		(void)json_array_append_new(processes, int_json(x->processes));
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "time_ms", time, "cpu_percent", cpu,
			 "memory_kb", memory, "read_syscalls", reads, "write_syscalls", writes,
			 "processes", processes);
}

static bool is_launched(const struct recorder_run_state *r)
{
	return r->failure == SANDBOX_OK;
}

/*
 * By the notifier, or by the kernel for a call of a foreign ABI. What became of the
 * command itself counts: a run whose child was killed is over when the command is.
 */
static bool is_killed_by_policy(const struct recorder_run_state *r)
{
	if (!r->opts->policy->sandboxed || !WIFSIGNALED(r->status))
		return false;
	return WTERMSIG(r->status) == SIGSYS ||
	       (WTERMSIG(r->status) == SIGKILL && r->denials && r->denials->command_killed);
}

static const char *termination(const struct recorder_run_state *r)
{
	if (!is_launched(r))
		return "launch_failed";
	if (r->timed_out)
		return "timeout";
	if (!WIFSIGNALED(r->status))
		return "exited";
	return is_killed_by_policy(r) ? "killed_by_policy" : "signaled";
}

void recorder_run_exit_reason(const struct recorder_run_state *r, char *buf, size_t cap)
{
	const char *how = termination(r), *limit = NULL;

	if (is_launched(r) && !r->timed_out)
		limit = recorder_limits_reason(&r->bounds, &r->sampler.group_figures, r->status);
	if (limit)
		(void)snprintf(buf, cap, "%s", limit);
	else if (strcmp(how, "exited") == 0)
		(void)snprintf(buf, cap, "EXITED(%d)", WEXITSTATUS(r->status));
	else
		(void)snprintf(buf, cap, "%s",
			       !is_launched(r)                        ? "LAUNCH_FAILED"
			       : r->timed_out                         ? "TIMEOUT"
			       : strcmp(how, "killed_by_policy") == 0 ? "SECURITY_VIOLATION"
								      : "SIGNALED");
}

int recorder_run_exit_status(const struct recorder_run_state *r)
{
	switch (r->failure) {
	case SANDBOX_SETUP_FAILED:
		return 125;
	case SANDBOX_NOT_EXECUTABLE:
		return 126;
	case SANDBOX_NOT_FOUND:
		return 127;
	case SANDBOX_OK:
		break;
	}
	if (r->timed_out)
		return 124;
	if (is_killed_by_policy(r))
		return 128 + SIGSYS;
	return WIFSIGNALED(r->status) ? 128 + WTERMSIG(r->status) : WEXITSTATUS(r->status);
}

static uint64_t denied(const struct recorder_run_state *r, enum policy_action action)
{
	return r->denials ? r->denials->totals[action] : 0;
}

static bool facts_are_whole(const struct recorder_run_state *r)
{
	return is_launched(r) && recorder_facts_are_whole(r->track.facts);
}

static json_t *summary_json(const struct recorder_run_state *r)
{
	const struct recorder_sampler *s = &r->sampler;
	uint64_t runtime_ns = r->ended_mono_ns - r->started_mono_ns,
		 cpu_ns = s->user_ns + s->system_ns;
	uint64_t peak_kb = s->group_figures.memory_source
				   ? s->group_figures.peak_memory_bytes / 1024
			   : s->peak_memory_kb > s->max_rss_kb ? s->peak_memory_kb
							       : s->max_rss_kb;
	uint64_t peak_processes = facts_are_whole(r)  ? r->track.facts->images.peak
				  : s->peak_processes ? s->peak_processes
						      : is_launched(r);
	double avg = runtime_ns ? 100.0 * (double)cpu_ns / (double)runtime_ns : 0;
	bool exited = is_launched(r) && WIFEXITED(r->status);
	char reason[32];
	json_t *j = json_object();

	recorder_run_exit_reason(r, reason, sizeof(reason));
	(void)json_object_set_new(j, "runtime_ms", int_json(runtime_ns / TT_NS_PER_MS));
	/* a run shorter than a sample has no better peak than its average */
	(void)json_object_set_new(j, "peak_cpu",
				  percent_json(s->peak_cpu > avg ? s->peak_cpu : avg));
	(void)json_object_set_new(j, "avg_cpu", percent_json(avg));
	(void)json_object_set_new(j, "user_ms", int_json(s->user_ns / TT_NS_PER_MS));
	(void)json_object_set_new(j, "system_ms", int_json(s->system_ns / TT_NS_PER_MS));
	(void)json_object_set_new(j, "peak_memory_kb", int_json(peak_kb));
	(void)json_object_set_new(j, "page_faults_minor", int_json(s->minor_faults));
	(void)json_object_set_new(j, "page_faults_major", int_json(s->major_faults));
	(void)json_object_set_new(j, "read_syscalls", int_json(s->io.read_calls));
	(void)json_object_set_new(j, "write_syscalls", int_json(s->io.write_calls));
	(void)json_object_set_new(j, "blocked_syscalls",
				  int_json(denied(r, POLICY_DENY) + denied(r, POLICY_KILL)));
	(void)json_object_set_new(j, "quiet_syscalls", int_json(denied(r, POLICY_DENY_QUIET)));
	(void)json_object_set_new(j, "logged_syscalls", int_json(denied(r, POLICY_LOG)));
	(void)json_object_set_new(j, "bytes_read", int_json(s->io.bytes_read));
	(void)json_object_set_new(j, "bytes_written", int_json(s->io.bytes_written));
	(void)json_object_set_new(j, "peak_rss_kb", int_json(s->max_rss_kb));
	(void)json_object_set_new(j, "context_switches_voluntary", int_json(s->voluntary));
	(void)json_object_set_new(j, "context_switches_involuntary", int_json(s->involuntary));
	(void)json_object_set_new(j, "processes", int_json(r->track.processes));
	(void)json_object_set_new(j, "peak_processes", int_json(peak_processes));
	(void)json_object_set_new(j, "exit_reason", json_string(reason));
	(void)json_object_set_new(j, "exit_code",
				  exited ? json_integer(WEXITSTATUS(r->status)) : json_null());
	(void)json_object_set_new(j, "termination", json_string(termination(r)));
	(void)json_object_set_new(
		j, "blocked_syscall",
		r->denials && r->denials->first[0] ? json_string(r->denials->first) : json_null());
	return j;
}

static void put_seen(const struct recorder_causes *c, json_t *j)
{
	static const char *const keys[] = {"full", "kernel_only", "declared_only", "none"};

	_Static_assert(TT_ARRAY_SIZE(keys) == RECORDER_SEENS, "one each");
	for (size_t i = 0; i < TT_ARRAY_SIZE(keys); i++)
		(void)json_object_set_new(j, keys[i], int_json(c->seen[i]));
	recorder_causes_put(c, j);
}

/* What the observer had no room for, and what the kernel said of it to nobody. */
static void put_watch_gaps(const struct recorder_run_state *r, json_t *gaps)
{
	uint64_t lost = recorder_watch_lost(r->watch), strays = recorder_watch_strays(r->watch);

	if (lost)
		(void)json_array_append_new(gaps, json_pack("{s:s, s:s, s:I, s:i}", "sensor",
							    "seccomp", "reason", "ring_full",
							    "count", (json_int_t)lost, "spans", 0));
	if (strays)
		(void)json_array_append_new(gaps,
					    json_pack("{s:s, s:s, s:n, s:i}", "sensor", "proc",
						      "reason", "ring_full", "count", "spans", 0));
}

static json_t *coverage_json(const struct recorder_run_state *r)
{
	const struct recorder_track *t = &r->track;
	json_t *gaps = json_array(), *sensors = json_array();
	/* a filter holds for all that the command makes */
	uint64_t seen = r->watch && r->watch->watching ? t->spans - t->spans_preload : 0;
	uint64_t lost = 0, torn;
	bool known = true;
	json_t *j;
	int num;

	for (unsigned i = 0; i < RECORDER_GAP_KINDS; i++) {
		const struct recorder_gap *g = &t->gaps[i];
		json_t *gap;

		if (!g->spans)
			continue;
		if (i != RECORDER_GAP_SAMPLED)
			lost += g->count;
		known = known && !g->at_least;
		gap = json_pack("{s:s, s:s, s:I, s:I}", "sensor", "preload", "reason", g->reason,
				"count", (json_int_t)g->count, "spans", (json_int_t)g->spans);
		if (g->at_least)
			(void)json_object_set_new(gap, "at_least", json_true());
		(void)json_array_append_new(gaps, gap);
	}
	lost += recorder_watch_lost(r->watch);
	put_watch_gaps(r, gaps);
	known = known && !recorder_watch_strays(r->watch);
	torn = recorder_output_lost(r->out, &num);
	if (torn) {
		lost += torn;
		(void)json_array_append_new(
			gaps,
			json_pack("{s:s, s:s, s:I, s:I, s:s}", "sensor", "recorder", "reason",
				  "log_error", "count", (json_int_t)torn, "spans", (json_int_t)0,
				  "error", event_errno_name(num) ? event_errno_name(num) : "EIO"));
	}
	if (t->ring)
		(void)json_array_append_new(sensors, json_string("preload"));
	(void)json_array_append_new(sensors, json_string("proc"));
	if (t->facts)
		(void)json_array_append_new(sensors, json_string("kernel"));
	if (r->denials && (!r->watch || r->watch->watching || r->opts->policy->filter))
		(void)json_array_append_new(sensors, json_string("seccomp"));
	if (r->connections)
		(void)json_array_append_new(sensors, json_string("proxy"));
	if (t->facts && t->facts->lost)
		(void)json_array_append_new(
			gaps, json_pack("{s:s, s:s, s:I, s:I}", "sensor", "kernel", "reason",
					"ring_full", "count", (json_int_t)t->facts->lost, "spans",
					(json_int_t)t->facts->lost_spans));
	j = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o, s:o}", "spans",
		      (json_int_t)t->spans, "full", (json_int_t)0, "kernel_only", (json_int_t)seen,
		      "declared_only", (json_int_t)t->spans_preload, "none",
		      (json_int_t)(t->spans - t->spans_preload - seen), "io_uring",
		      (json_int_t)t->spans_blinded, "events", (json_int_t)t->events, "lost",
		      (json_int_t)(lost + (t->facts ? t->facts->lost : 0)), "lost_exact", known,
		      "gaps", gaps, "sensors", sensors);
	if (t->facts)
		put_seen(&t->facts->causes, j);
	return j;
}

/* The group's file, as text. */
static json_t *group_source(const char *file, const char *what)
{
	return json_sprintf("%s of the run's control group%s", file, what);
}

static void put_group_sources(const struct recorder_run_state *r, json_t *j)
{
	const struct cgroup_figures *f = &r->sampler.group_figures;
	static const char *const cpu[] = {"user_ms", "system_ms", "avg_cpu"};

	for (size_t i = 0; r->sampler.group_knows_more && i < TT_ARRAY_SIZE(cpu); i++)
		(void)json_object_set_new(j, cpu[i],
					  group_source(f->cpu_source,
						       ": processes vanished unreaped, which wait4 "
						       "does not see"));
	if (r->sampler.group && f->cpu_source)
		(void)json_object_set_new(j, "peak_cpu",
					  group_source(f->cpu_source,
						       ", sampled; of a run shorter than a sample "
						       "the average"));
	if (f->memory_source)
		(void)json_object_set_new(j, "peak_memory_kb",
					  group_source(f->memory_source, ", page cache included"));
}

/*
 * Why what was reaped may not be all: children of a process that ignores SIGCHLD vanish. The group
 * has their CPU time, the library tells of the process; "": there is one of them, and it does not.
 */
static const char *what_vanished(const struct recorder_run_state *r)
{
	const struct recorder_track *t = &r->track;

	if (r->sampler.from_facts)
		return "";
	if (t->children_ignored)
		return "; lower_bound: a process let its children vanish unreaped (SIGCHLD "
		       "ignored)";
	if (r->sampler.group_knows_more)
		return "; lower_bound: the control group knows of more CPU time than was reaped";
	if (is_launched(r) && !r->sampler.group_figures.cpu_source &&
	    (!t->ring || t->spans != t->spans_preload))
		return "; lower_bound: children that vanish unreaped (SIGCHLD ignored) are seen by "
		       "a control group or the library alone";
	return "";
}

/* Where each figure came from, and how far it can be trusted. */
static json_t *sources_json(const struct recorder_run_state *r)
{
	static const char *const by_rusage[] = {
		"user_ms",
		"system_ms",
		"avg_cpu",
		"page_faults_minor",
		"page_faults_major",
		"context_switches_voluntary",
		"context_switches_involuntary",
	};
	static const char *const by_io[] = {"read_syscalls", "write_syscalls", "bytes_read",
					    "bytes_written"};
	const char *rusage =
		r->sampler.from_facts ? "the kernel sensor, at the end of every process"
		: r->reap_last
			? "getrusage(RUSAGE_CHILDREN) of the sandbox's init, which reaped all"
			: "wait4 of the command and of every orphan, with the children they reaped";
	const char *io = r->sampler.from_facts ? rusage
			 : r->reap_last ? "/proc/PID/io of the sandbox's init, which reaped all"
					: "/proc/PID/io of the same, read before they are reaped";
	const char *vanished = what_vanished(r);
	const char *unread = "; lower_bound: the figures of an orphan could not be read";
	char text[320];
	json_t *j = json_object();

	if (!r->sampler.io_unread || r->sampler.from_facts)
		unread = "";
	(void)snprintf(text, sizeof(text), "%s%s", rusage, vanished);
	for (size_t i = 0; i < TT_ARRAY_SIZE(by_rusage); i++)
		(void)json_object_set_new(j, by_rusage[i], json_string(text));
	(void)snprintf(text, sizeof(text), "%s%s", io, *vanished ? vanished : unread);
	for (size_t i = 0; i < TT_ARRAY_SIZE(by_io); i++)
		(void)json_object_set_new(j, by_io[i], json_string(text));
	(void)json_object_set_new(j, "runtime_ms",
				  json_string("CLOCK_MONOTONIC, launch to end of the command"));
	(void)json_object_set_new(
		j, "peak_cpu",
		json_string(
			"/proc/PID/stat of the tree, sampled; of a run shorter than a sample the "
			"average"));
	(void)json_object_set_new(
		j, "peak_rss_kb",
		json_string("wait4: the largest ru_maxrss of one process, that of the launcher "
			    "included"));
	(void)json_object_set_new(
		j, "peak_memory_kb",
		json_string("the largest sampled sum of RSS of the tree, or peak_rss_kb if that is "
			    "more; lower_bound: a peak between two samples is not seen"));
	put_group_sources(r, j);
	(void)json_object_set_new(
		j, "peak_processes",
		json_string(facts_are_whole(r)
				    ? "the kernel sensor, every fork and end"
				    : "/proc, sampled; lower_bound: processes between two samples "
				      "are not seen"));
	(void)json_object_set_new(
		j, "processes",
		json_string(facts_are_whole(r) ? "the kernel sensor, every fork"
			    : r->track.ring
				    ? "the library's accounts and /proc; lower_bound: children "
				      "of programs that do not load it may be missed"
				    : "/proc, sampled; lower_bound: short processes are not "
				      "seen"));
	(void)json_object_set_new(
		j, "blocked_syscalls",
		json_string(r->opts->policy->filter
				    ? "the seccomp notifier, which answered each of them"
				    : "no filter was installed"));
	if (r->opts->observe)
		(void)json_object_set_new(
			j, "observer",
			json_string(r->watch ? r->watch->text
					     : "not used: the kernel sensor sees what it would, "
					       "and more (--no-kernel runs without that)"));
	if (r->preload_reason)
		(void)json_object_set_new(j, "preload", string_json(r->preload_reason));
	if (r->kernel_reason[0])
		(void)json_object_set_new(j, "kernel", string_json(r->kernel_reason));
	return j;
}

/* An array of the lines of @text, which may be NULL. */
static json_t *lines_json(const char *text)
{
	json_t *list = json_array();

	for (const char *end; text && (end = strchr(text, '\n')); text = end + 1)
		(void)json_array_append_new(list, text_json(text, (size_t)(end - text), false));
	return list;
}

static json_t *asked_limit_json(const struct recorder_run_state *r, enum recorder_limit which)
{
	const struct recorder_limit_state *e = &r->bounds.each[which];
	json_t *j = json_pack("{s:s, s:o, s:o, s:b}", "name", recorder_limit_name(which),
			      recorder_limit_key(which), int_json(e->value), "enforced",
			      e->how ? json_string(e->how) : json_null(), "hit", e->hit);

	if (which == RECORDER_LIMIT_PIDS && r->bounds.group &&
	    r->sampler.group_figures.pids_refused != CGROUP_NONE)
		(void)json_object_set_new(j, "refused",
					  int_json(r->sampler.group_figures.pids_refused));
	return j;
}

static json_t *limits_json(const struct recorder_run_state *r)
{
	json_t *hit = json_array(), *asked = json_array(), *j = json_object();

	/* a run that was not launched asked for them all the same */
	for (unsigned i = 0; i < RECORDER_LIMITS; i++)
		if (r->bounds.opened && r->bounds.each[i].value != POLICY_NO_LIMIT)
			(void)json_array_append_new(asked, asked_limit_json(r, i));
	if (r->timed_out && !r->bounds.each[RECORDER_LIMIT_WALL].hit)
		(void)json_array_append_new(hit, json_string("timeout"));
	for (unsigned i = 0; i < RECORDER_LIMITS; i++)
		if (r->bounds.each[i].hit)
			(void)json_array_append_new(hit, json_string(recorder_limit_name(i)));
	(void)json_object_set_new(j, "asked", asked);
	(void)json_object_set_new(j, "hit", hit);
	(void)json_object_set_new(
		j, "timeout_ms", r->opts->timeout_ms ? int_json(r->opts->timeout_ms) : json_null());
	(void)json_object_set_new(j, "orphans_ended", json_boolean(r->orphans_ended));
	(void)json_object_set_new(j, "orphans_left", json_boolean(r->orphans_left));
	(void)json_object_set_new(j, "degraded", lines_json(r->child.lacking));
	return j;
}

char *recorder_document_make(const struct recorder_run_state *r)
{
	size_t seed;
	json_t *j;
	char *text;

	/* random bits that are there already: jansson would open /dev/urandom */
	memcpy(&seed, r->span.b + sizeof(r->span.b) - sizeof(seed), sizeof(seed));
	json_object_seed(seed);
	j = json_object();
	(void)json_object_set_new(j, "schema", json_string("telltale.run/1"));
	(void)json_object_set_new(j, "run_id", json_string(r->run_id));
	(void)json_object_set_new(j, "session_id", string_json(r->session));
	(void)json_object_set_new(j, "span_id", span_json(&r->span));
	(void)json_object_set_new(j, "pid",
				  is_launched(r) ? int_json((uint64_t)r->child.pid) : json_null());
	(void)json_object_set_new(j, "program", string_json(r->opts->argv[0]));
	(void)json_object_set_new(j, "argv", argv_json(r->opts->argv));
	(void)json_object_set_new(j, "cwd", string_json(r->cwd));
	(void)json_object_set_new(j, "profile", json_string(r->opts->policy->name));
	(void)json_object_set_new(j, "started_at", time_json(r->started_ns));
	(void)json_object_set_new(j, "ended_at", time_json(r->ended_ns));
	if (!is_launched(r))
		(void)json_object_set_new(j, "error", string_json(r->failure_text));
	(void)json_object_set_new(j, "timeline", timeline_json(&r->sampler));
	(void)json_object_set_new(j, "summary", summary_json(r));
	(void)json_object_set_new(
		j, "blocked",
		recorder_denials_list(r->denials, 1u << POLICY_DENY | 1u << POLICY_KILL));
	(void)json_object_set_new(j, "quiet",
				  recorder_denials_list(r->denials, 1u << POLICY_DENY_QUIET));
	(void)json_object_set_new(j, "logged", recorder_denials_list(r->denials, 1u << POLICY_LOG));
	if (r->track.facts)
		(void)json_object_set_new(
			j, "capabilities",
			recorder_capabilities_list(&r->track.facts->capabilities));
	(void)json_object_set_new(j, "connections", recorder_connections_list(r->connections));
	(void)json_object_set_new(j, "limits", limits_json(r));
	(void)json_object_set_new(j, "coverage", coverage_json(r));
	(void)json_object_set_new(j, "sources", sources_json(r));
	recorder_count_put(r, j, json_object_get(j, "summary"), json_object_get(j, "sources"));
	text = json_dumps(j, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	json_decref(j);
	return text;
}
