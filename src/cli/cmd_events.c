/* SPDX-License-Identifier: Apache-2.0 */
/* telltale events: one line per event, while the run goes on if asked for. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/cli.h"
#include "cli/figures.h"
#include "cli/pick.h"
#include "cli/report.h"
#include "cli/style.h"
#include "event/event.h"
#include "store/trace.h"

#define POLL_MS 500 /* how late a change is seen where inotify cannot tell */

enum kind {
	KIND_MOST,
	KIND_ALL,
	KIND_EXEC,
	KIND_FILE,
	KIND_NET,
	KIND_LOAD,
	KIND_PRIV,
	KIND_PROC,
	KIND_IO,
	KIND_PROCESS,
	KIND_DENIED,
};

struct events {
	const struct store_run *run;
	struct store_trace *trace;
	enum kind kind;
	const char *sensor, *standing; /* NULL: any */
	bool confirmed, failed, follow, json;
	bool ended;  /* the closing line was seen */
	bool is_run; /* so was the opening one: the trace should have an end */
	uint64_t first_ns;
	json_t *last; /* the last line read, for what a made-up gap needs */
};

static bool parse_kind(const char *word, enum kind *ret)
{
	static const char *const names[] = {
		[KIND_MOST] = "",           [KIND_ALL] = "all",       [KIND_EXEC] = "exec",
		[KIND_FILE] = "file",       [KIND_NET] = "net",       [KIND_LOAD] = "load",
		[KIND_PRIV] = "priv",       [KIND_PROC] = "proc",     [KIND_IO] = "io",
		[KIND_PROCESS] = "process", [KIND_DENIED] = "denied",
	};

	for (size_t i = 1; i < TT_ARRAY_SIZE(names); i++)
		if (strcmp(word, names[i]) == 0) {
			*ret = (enum kind)i;
			return true;
		}
	return false;
}

static const char *const sensors[] = {"preload", "kernel",  "seccomp", "proc",
				      "proxy",   "inotify", "guest",   NULL};
static const char *const standings[] = {"declared", "observed", "attested", NULL};

static bool parse_word(const char *word, const char *const *known, const char **ret)
{
	for (; *known; known++)
		if (strcmp(word, *known) == 0) {
			*ret = *known;
			return true;
		}
	return false;
}

static bool has_failed(const json_t *line, bool is_call)
{
	int64_t code = store_get_int(line, "exit_code", 0);
	int call;

	if (json_is_string(json_object_get(line, "error")) ||
	    json_is_string(json_object_get(line, "signal")))
		return true;
	if (!is_call)
		return code > 0;
	if (store_call_find(store_get_text(line, "syscall"), &call) &&
	    event_call_looks_up((enum event_call)call))
		return store_get_int(line, "result", 0) != 0;
	return store_get_int(line, "result", 0) < 0;
}

static bool is_refused_host(const json_t *line)
{
	return store_text_is(store_get_text(line, "event_type"), "connection") &&
	       json_object_get(line, "action");
}

/* Whether it comes from whom was asked for, and can be believed as far. */
static bool is_told_so(const struct events *e, const json_t *line)
{
	if (e->sensor && !store_text_is(store_get_text(line, "sensor"), e->sensor))
		return false;
	if (e->standing && !store_text_is(store_get_text(line, "standing"), e->standing))
		return false;
	return !e->confirmed || (store_told(line) & STORE_TOLD_CONFIRMED);
}

static bool is_wanted(const struct events *e, const json_t *line)
{
	static const int families[] = {
		[KIND_EXEC] = EVENT_FAMILY_EXEC, [KIND_FILE] = EVENT_FAMILY_FILE,
		[KIND_NET] = EVENT_FAMILY_NET,   [KIND_LOAD] = EVENT_FAMILY_LOAD,
		[KIND_PRIV] = EVENT_FAMILY_PRIV, [KIND_PROC] = EVENT_FAMILY_PROC,
		[KIND_IO] = EVENT_FAMILY_IO,
	};
	struct store_text type = store_get_text(line, "event_type");
	bool is_call = store_text_is(type, "syscall");
	int call;

	if (store_text_is(type, "gap"))
		return true; /* no silent loss */
	/* what comes again and again, and what only verify reads */
	if (store_text_is(type, "chain") ||
	    store_text_is(store_get_text(line, "reason"), "heartbeat"))
		return e->kind == KIND_ALL && !e->failed;
	if (store_text_is(type, "notice"))
		return !e->failed;
	if (e->failed && !has_failed(line, is_call))
		return false;
	if (!is_told_so(e, line))
		return false;
	switch (e->kind) {
	case KIND_ALL:
		return true;
	case KIND_MOST:
		return !store_text_is(type, "sample");
	case KIND_PROCESS:
		return store_text_is(type, "process");
	case KIND_DENIED:
		return store_text_is(type, "denied") || is_refused_host(line);
	case KIND_NET:
		if (store_text_is(type, "connection"))
			return true;
		break;
	case KIND_EXEC:
	case KIND_FILE:
	case KIND_LOAD:
	case KIND_PRIV:
	case KIND_PROC:
	case KIND_IO:
		break;
	}
	return is_call && store_call_find(store_get_text(line, "syscall"), &call) &&
	       event_call_info((enum event_call)call)->family == families[e->kind];
}

/* What went through an fd that is closed, or through all of an image. */
static void put_bytes(struct cli_line *l, const json_t *line)
{
	static const struct {
		const char *key, *word;
	} figures[] = {{"bytes_read", "read"}, {"bytes_written", "written"}};
	char buf[CLI_FIGURE_MAX];

	for (size_t i = 0; i < TT_ARRAY_SIZE(figures); i++) {
		int64_t n = store_get_int(line, figures[i].key, 0);

		if (n > 0)
			cli_line_fmt(l, ", %s %s", cli_bytes(buf, (uint64_t)n), figures[i].word);
	}
}

static void put_call(struct cli_line *l, const json_t *line)
{
	const json_t *args = json_object_get(line, "args"),
		     *answers = json_object_get(line, "answers");
	struct store_text call = store_get_text(line, "syscall"),
			  error = store_get_text(line, "error"),
			  path = store_get_text(line, "path"), host = store_get_text(line, "host");
	int number;
	const char *layout = store_call_find(call, &number)
				     ? event_call_info((enum event_call)number)->layout
				     : "";

	cli_line_color(l, CLI_BOLD);
	cli_line_text(l, call.data ? call.data : "?", call.data ? call.len : 1);
	cli_line_color(l, CLI_PLAIN);
	cli_line_str(l, "(");
	for (size_t i = 0; i < json_array_size(args); i++) {
		struct store_text arg = store_text_of(json_array_get(args, i));
		char letter = i < strlen(layout) ? layout[i] : 's';
		bool quoted = strchr("pqxsF", letter) && arg.data;

		if (i)
			cli_line_str(l, ", ");
		if (quoted)
			cli_line_str(l, "\"");
		if (arg.data)
			cli_line_text(l, arg.data, arg.len);
		if (quoted)
			cli_line_str(l, "\"");
		if (letter == 'f' && i == 0 && path.data) {
			cli_line_str(l, "<");
			cli_line_text(l, path.data, path.len);
			cli_line_str(l, ">");
		}
		if (letter == 'a' && host.data) {
			cli_line_str(l, "<");
			cli_line_text(l, host.data, host.len);
			cli_line_str(l, ">");
		}
	}
	cli_line_str(l, ")");
	if (json_is_true(json_object_get(line, "in_flight"))) {
		cli_line_color(l, CLI_BAD);
		cli_line_str(l, " did not return: the process died or jumped out of it");
		return;
	}
	if (json_is_integer(json_object_get(line, "result")))
		cli_line_fmt(l, " = %lld", (long long)store_get_int(line, "result", 0));
	if (error.data) {
		cli_line_color(l, CLI_BAD);
		cli_line_str(l, " ");
		cli_line_text(l, error.data, error.len);
	}
	for (size_t i = 0; i < json_array_size(answers); i++) {
		struct store_text answer = store_text_of(json_array_get(answers, i));

		cli_line_fmt(l, "%s", i ? ", " : cli_uni(" → ", " -> "));
		if (answer.data)
			cli_line_text(l, answer.data, answer.len);
	}
	if (*layout && event_call_makes_name((enum event_call)number) && path.data && !error.data) {
		cli_line_str(l, cli_uni(" → ", " -> "));
		cli_line_text(l, path.data, path.len);
	}
	cli_line_color(l, CLI_DIM);
	put_bytes(l, line);
	if (json_is_true(json_object_get(line, "truncated")))
		cli_line_str(l, " (cut)");
	if (store_told(line) & STORE_TOLD_LIBRARY) /* the others take no time */
		cli_line_fmt(l, " <%lld us>", (long long)store_get_int(line, "elapsed_us", 0));
}

static void put_argv(struct cli_line *l, const json_t *argv)
{
	for (size_t i = 0; i < json_array_size(argv); i++) {
		struct store_text word = store_text_of(json_array_get(argv, i));

		cli_line_str(l, " ");
		cli_line_word(l, word.data ? word.data : "", word.len);
	}
}

static void put_process(struct cli_line *l, const json_t *line)
{
	struct store_text act = store_get_text(line, "syscall"), how = store_get_text(line, "how");
	struct store_text exe = store_get_text(line, "exe"),
			  signal = store_get_text(line, "signal");

	cli_line_color(l, CLI_ACCENT);
	cli_line_text(l, act.data ? act.data : "?", act.data ? act.len : 1);
	if (how.data) {
		cli_line_str(l, " by ");
		cli_line_text(l, how.data, how.len);
	}
	cli_line_color(l, CLI_PLAIN);
	if (exe.data) {
		cli_line_str(l, " ");
		cli_line_word(l, exe.data, exe.len);
		cli_line_str(l, ":");
	}
	put_argv(l, json_object_get(line, "argv"));
	if (signal.data) {
		cli_line_color(l, CLI_BAD);
		cli_line_str(l, " killed by ");
		cli_line_text(l, signal.data, signal.len);
	} else if (json_is_integer(json_object_get(line, "exit_code"))) {
		if (store_get_int(line, "exit_code", 0))
			cli_line_color(l, CLI_BAD);
		cli_line_fmt(l, " %lld", (long long)store_get_int(line, "exit_code", 0));
	}
	cli_line_color(l, CLI_DIM);
	put_bytes(l, line);
}

/* The kernel alone told of it: the library said nothing. */
static void put_sensor(struct cli_line *l, const json_t *line)
{
	struct store_text sensor = store_get_text(line, "sensor");

	if (store_told(line) & (STORE_TOLD_LIBRARY | STORE_TOLD_GUEST))
		return;
	cli_line_color(l, CLI_ACCENT);
	cli_line_str(l, " [");
	cli_line_text(l, sensor.data, sensor.len);
	cli_line_str(l, json_is_true(json_object_get(line, "args_as_seen")) ? ", as seen before]"
									    : "]");
}

static void put_gap(struct cli_line *l, const json_t *line)
{
	struct store_text reason = store_get_text(line, "reason");
	int64_t count = store_get_int(line, "count", -1);
	bool on_purpose = store_text_is(reason, "sampled");

	cli_line_color(l, on_purpose ? CLI_WARN : CLI_BAD);
	cli_line_str(l, "GAP ");
	if (count < 0)
		cli_line_str(l, "nobody knows how many events lost");
	else
		cli_line_fmt(l, "%s%lld event%s %s",
			     json_is_true(json_object_get(line, "at_least")) ? "at least " : "",
			     (long long)count, count == 1 ? "" : "s",
			     on_purpose ? "left out" : "lost");
	if (reason.data) {
		cli_line_str(l, ": ");
		cli_line_text(l, reason.data, reason.len);
	}
}

/* A file that something happened to. */
static void put_inotify(struct cli_line *l, const json_t *line)
{
	const json_t *mask = json_object_get(line, "mask");
	struct store_text path = store_get_text(line, "path");

	cli_line_color(l, CLI_BOLD);
	for (size_t i = 0; i < json_array_size(mask); i++) {
		struct store_text bit = store_text_of(json_array_get(mask, i));

		cli_line_str(l, i ? "|" : "");
		if (bit.data)
			cli_line_text(l, bit.data, bit.len);
	}
	cli_line_color(l, CLI_PLAIN);
	cli_line_str(l, " ");
	if (path.data)
		cli_line_word(l, path.data, path.len);
}

static void put_notice(struct cli_line *l, const json_t *line)
{
	static const char *const keys[] = {"state", "finding", "source"};
	struct store_text message = store_get_text(line, "message");

	cli_line_color(l, CLI_WARN);
	cli_line_str(l, "NOTICE ");
	for (size_t i = 0; i < TT_ARRAY_SIZE(keys); i++) {
		struct store_text word = store_get_text(line, keys[i]);

		if (!word.data)
			continue;
		cli_line_text(l, word.data, word.len);
		cli_line_str(l, ": ");
	}
	cli_line_text(l, message.data, message.len);
}

static void put_denied(struct cli_line *l, const json_t *line)
{
	struct store_text action = store_get_text(line, "action"),
			  error = store_get_text(line, "error"),
			  capability = store_get_text(line, "capability");
	int64_t count = store_get_int(line, "count", 1);

	cli_line_color(l, store_text_is(action, "log") ? CLI_WARN : CLI_BAD);
	cli_line_text(l, action.data ? action.data : "?", action.data ? action.len : 1);
	cli_line_str(l, " ");
	cli_line_color(l, CLI_PLAIN);
	if (capability.data) {
		cli_line_text(l, capability.data, capability.len);
		cli_line_str(l, " in ");
	}
	cli_line_denied(l, json_object_get(line, "syscall"), json_object_get(line, "args"));
	if (error.data) {
		cli_line_str(l, " ");
		cli_line_text(l, error.data, error.len);
	}
	if (count > 1)
		cli_line_fmt(l, "%s%lld", cli_uni(" ×", " x"), (long long)count);
}

static void put_run(struct cli_line *l, const json_t *line)
{
	struct store_text phase = store_get_text(line, "phase"),
			  reason = store_get_text(line, "exit_reason");

	cli_line_color(l, CLI_ACCENT);
	cli_line_str(l, "run ");
	if (phase.data)
		cli_line_text(l, phase.data, phase.len);
	cli_line_color(l, CLI_PLAIN);
	put_argv(l, json_object_get(line, "argv"));
	if (reason.data) {
		cli_line_str(l, " ");
		cli_line_text(l, reason.data, reason.len);
	}
}

static void put_readable(struct events *e, const struct store_item *item)
{
	const json_t *line = item->json;
	struct store_text type = store_get_text(line, "event_type"),
			  comm = store_get_text(line, "comm");
	uint64_t since = item->ts_ns > e->first_ns ? item->ts_ns - e->first_ns : 0;
	int64_t pid = store_get_int(line, "pid", 0);
	struct cli_line l;

	cli_line_begin(&l, cli_width());
	cli_line_color(&l, CLI_DIM);
	cli_line_fmt(&l, "%5" PRIu64 ".%06" PRIu64 "  ", since / UINT64_C(1000000000),
		     since / 1000 % 1000000);
	cli_line_color(&l, CLI_PLAIN);
	if (pid)
		cli_line_fmt(&l, "%lld ", (long long)pid);
	if (comm.data)
		cli_line_text(&l, comm.data, comm.len < 32 ? comm.len : 32);
	cli_line_pad(&l, 34);
	if (store_text_is(type, "syscall")) {
		put_call(&l, line);
		put_sensor(&l, line);
	} else if (store_text_is(type, "process")) {
		put_process(&l, line);
	} else if (store_text_is(type, "gap")) {
		put_gap(&l, line);
	} else if (store_text_is(type, "run")) {
		put_run(&l, line);
	} else if (store_text_is(type, "denied")) {
		put_denied(&l, line);
	} else if (store_text_is(type, "connection")) {
		cli_line_host(&l, line);
	} else if (store_text_is(type, "notice")) {
		put_notice(&l, line);
	} else if (store_text_is(type, "chain")) {
		cli_line_fmt(&l, "chain line %lld: %lld records before it",
			     (long long)store_get_int(line, "chain_seq", 0),
			     (long long)store_get_int(line, "records", 0));
	} else if (store_text_is(type, "inotify")) {
		put_inotify(&l, line);
	} else if (store_text_is(type, "sample")) {
		cli_line_fmt(&l,
			     "sample cpu %.1f %%, memory %lld KiB, processes %lld, "
			     "reads %lld, writes %lld",
			     json_number_value(json_object_get(line, "cpu_percent")),
			     (long long)store_get_int(line, "memory_kb", 0),
			     (long long)store_get_int(line, "processes", 0),
			     (long long)store_get_int(line, "read_syscalls", 0),
			     (long long)store_get_int(line, "write_syscalls", 0));
	} else {
		cli_line_text(&l, type.data, type.len);
		cli_line_str(&l, " ");
		put_call(&l, line);
	}
	cli_line_end(&l);
}

/*
 * Damage in the file is a gap like any other: it is told as one, in JSON as a line of the trace's
 * own kind.
 */
static void put_unreadable(const struct events *e, uint64_t bytes)
{
	struct store_text ts = store_get_text(e->last, "ts"),
			  session = store_get_text(e->last, "session_id");
	struct cli_line l;
	json_t *gap;

	if (!e->json) {
		cli_line_begin(&l, cli_width());
		cli_line_pad(&l, 34);
		cli_line_color(&l, CLI_BAD);
		cli_line_fmt(&l, "GAP unreadable: %" PRIu64 " bytes of the trace are no whole line",
			     bytes);
		cli_line_end(&l);
		return;
	}
	gap = json_pack("{ss ss ss sn sn ss ss s[] sn si sO* ss ss sn}", "ts",
			ts.data ? ts.data : "1970-01-01T00:00:00.000000000+00:00", "event_type",
			"gap", "session_id", session.data ? session.data : "", "span_id",
			"parent_span", "component", "recorder", "syscall", "", "args", "result",
			"elapsed_us", 0, "run_id", json_object_get(e->last, "run_id"), "sensor",
			"preload", "reason", "unreadable", "count");
	if (gap && json_dumpf(gap, stdout, 0) == 0)
		fputc('\n', stdout);
	json_decref(gap);
}

static void put_item(struct events *e, const struct store_item *item)
{
	struct store_text phase;

	if (item->kind == STORE_ITEM_UNREADABLE) {
		put_unreadable(e, item->bytes);
		return;
	}
	json_decref(e->last);
	e->last = json_incref(item->json);
	if (!e->first_ns)
		e->first_ns = item->ts_ns;
	if (store_text_is(store_get_text(item->json, "event_type"), "run")) {
		phase = store_get_text(item->json, "phase");
		e->ended |= store_text_is(phase, "end");
		e->is_run |= store_text_is(phase, "start");
	}
	if (!is_wanted(e, item->json))
		return;
	if (e->json) {
		fwrite(item->text.data, 1, item->text.len, stdout);
		fputc('\n', stdout);
	} else {
		put_readable(e, item);
	}
}

/* Until the file changed, or half a second is over, or nobody reads any more. */
static void wait_for_more(int watch)
{
	struct pollfd fds[2] = {{.fd = STDOUT_FILENO}, {.fd = watch, .events = POLLIN}};
	char buf[4096] __attribute__((__aligned__(8)));

	(void)fflush(stdout); /* a failure shows in cli_is_gone() */
	if (poll(fds, watch < 0 ? 1 : 2, POLL_MS) > 0 && (fds[1].revents & POLLIN))
		(void)read(watch, buf, sizeof(buf)); /* only that there was something counts */
}

static int follow_trace(struct events *e, int watch, struct tt_err *err)
{
	struct store_item item;
	struct stat st;
	bool following = e->follow;
	int r;

	store_trace_follow(e->trace, following);
	while (!cli_is_gone()) {
		r = store_trace_next(e->trace, &item, err);
		if (r < 0)
			return r;
		if (r > 0) {
			put_item(e, &item);
			continue;
		}
		if (!following)
			return 0;
		/*
		 * run.json comes last: then nothing follows, whether or not the trace has its end
		 */
		if (e->ended || (e->run->json_path && stat(e->run->json_path, &st) == 0)) {
			following = false;
			store_trace_follow(e->trace, false);
			continue;
		}
		wait_for_more(watch);
	}
	return 0;
}

static int show_events(struct events *e, const char *verb)
{
	TT_CLEANUP(tt_closep) int watch = -1;
	struct tt_err err;
	int r;

	if (!e->run->has_trace) {
		(void)tt_fail_text(&err, ENOENT, "the run has no trace '%s'",
				   e->run->trace_path ? e->run->trace_path : "");
		return cli_fail(verb, &err);
	}
	if (store_trace_open(&e->trace, e->run->trace_path, &err) < 0)
		return cli_fail(verb, &err);
	if (e->follow) {
		watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (watch >= 0)
			(void)inotify_add_watch(watch, e->run->trace_path,
						IN_MODIFY); /* else it is polled */
	}
	r = follow_trace(e, watch, &err);
	if (r < 0)
		return cli_fail(verb, &err);
	if (e->is_run && !e->ended && !cli_is_gone()) {
		(void)fflush(stdout);
		fprintf(stderr,
			"telltale %s: the trace has no end: the run is "
			"still going, or its recorder "
			"was killed\n",
			verb);
	}
	return CLI_OK;
}

int cli_cmd_events(int argc, char **argv)
{
	static const struct option options[] = {
		{"last", no_argument, NULL, 256},
		{"json", no_argument, NULL, 257},
		{"failed", no_argument, NULL, 258},
		{"follow", no_argument, NULL, 'f'},
		{"kind", required_argument, NULL, 'k'},
		{"sensor", required_argument, NULL, 259},
		{"standing", required_argument, NULL, 260},
		{"confirmed", no_argument, NULL, 261},
		{0},
	};
	TT_CLEANUP(store_run_done) struct store_run run = {0};
	struct events e = {.run = &run};
	bool last = false;
	int c, status = -1;

	cli_begin();
	optind = 0;
	while ((c = cli_next_option(argc, argv, options, &status)) != -1) {
		last |= c == 256;
		e.json |= c == 257;
		e.failed |= c == 258;
		e.follow |= c == 'f';
		e.confirmed |= c == 261;
		if (c == 259 && !parse_word(optarg, sensors, &e.sensor))
			return cli_usage(argv[0],
					 "unknown sensor '%s': preload, kernel, seccomp, proc, "
					 "proxy, inotify or guest",
					 optarg);
		if (c == 260 && !parse_word(optarg, standings, &e.standing))
			return cli_usage(argv[0],
					 "unknown standing '%s': declared, observed or attested",
					 optarg);
		if (c == 'k' && !parse_kind(optarg, &e.kind))
			return cli_usage(
				argv[0],
				"unknown kind '%s': exec, file, net, proc, priv, load, io, process or all",
				optarg);
	}
	if (status >= 0)
		return cli_end(status);
	status = cli_pick_run(argc, argv, last, &run);
	if (status != CLI_OK)
		return status;
	status = show_events(&e, argv[0]);
	store_trace_free(e.trace);
	json_decref(e.last);
	return cli_end(status);
}
