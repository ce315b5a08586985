/* SPDX-License-Identifier: Apache-2.0 */
/* Lines: secrets, bytes that are no text, sizes, and every type of event. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/utf8.h"
#include "event/event.h"
#include "event/redact.h"
#include "tap.h"

#define T(s)                                      \
	{                                         \
		.data = (s), .len = sizeof(s) - 1 \
	}
#define BAD "\xef\xbf\xbd"

static const struct event_ids ids = {.session = {"ses_1", 5}};
static char line[EVENT_BUF_MAX + 1];

/* The line as JSON; every line is held against the promises made for all. */
static json_t *parse(const struct event *ev)
{
	int n = event_format(ev, line, EVENT_BUF_MAX);
	json_t *j;

	CHECK(n > 0 && n <= EVENT_LINE_MAX);
	if (n <= 0)
		return json_object();
	CHECK(line[n - 1] == '\n' && !memchr(line, '\n', (size_t)n - 1));
	CHECK(tt_utf8_is_valid(line, (size_t)n));
	line[n] = '\0';
	j = json_loadb(line, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	CHECK(json_is_object(j));
	return j ? j : json_object();
}

static const char *arg_text(const json_t *j, const char *key, size_t i)
{
	const char *s = json_string_value(json_array_get(json_object_get(j, key), i));

	return s ? s : "(none)";
}

/* Base64, as text with NUL shown as a bar. */
static const char *decode(const char *b64)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static char out[1024];
	unsigned v = 0, bits = 0;
	size_t n = 0;

	for (; *b64 && *b64 != '='; b64++) {
		v = v << 6 | (unsigned)(strchr(digits, *b64) - digits);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[n] = (char)(v >> bits);
			if (!out[n])
				out[n] = '|';
			n++;
		}
	}
	out[n] = '\0';
	return out;
}

static void check_argv(const char *block, size_t len, const char *want)
{
	struct event ev = {.ids = &ids,
			   .call = EVENT_CALL_execv,
			   .args = {T("/x"), {.data = block, .len = len}}};
	json_t *j = parse(&ev), *in;

	CHECK_STR(arg_text(j, "args", 1), want);
	in = json_loads(arg_text(j, "args", 1), 0, NULL);
	CHECK(json_is_array(in)); /* JSON within JSON */
	json_decref(in);
	json_decref(j);
}
#define ARGV(block, want) check_argv(block, sizeof(block) - 1, want)

static void secrets_in_argv(void)
{
	ARGV("m\0--password\0hunter2\0db\0", "[\"m\", \"--password\", \"***\", \"db\"]");
	ARGV("m\0--password=hunter2 & more\0db\0", "[\"m\", \"--password=***\", \"db\"]");
	ARGV("env\0TOKEN=a;b\"c\0x\0", "[\"env\", \"TOKEN=***\", \"x\"]");
	ARGV("sh\0-c\0TOKEN=x make all\0", "[\"sh\", \"-c\", \"TOKEN=*** make all\"]");
	ARGV("curl\0-H\0Authorization: Bearer x\0",
	     "[\"curl\", \"-H\", \"Authorization: Bearer ***\"]");
	ARGV("git\0https://u:p@h/\0", "[\"git\", \"https://u:***@h/\"]");
	ARGV("c\0{\"api_key\": \"x\"}\0", "[\"c\", \"{\\\"api_key\\\": \\\"***\\\"}\"]");
	ARGV("m\0--token\0", "[\"m\", \"--token\"]");
	ARGV("m\0--token\0\0x\0", "[\"m\", \"--token\", \"***\", \"x\"]");
	ARGV("no end", "[\"no end\"]");
	ARGV("q\"\\\n\0\x01\0", "[\"q\\\"\\\\\\n\", \"\\u0001\"]");
	ARGV("", "[]");
	event_redact_configure("pin");
	ARGV("m\0--pin\0x\0--pin=y\0", "[\"m\", \"--pin\", \"***\", \"--pin=***\"]");
	event_redact_configure("off");
	ARGV("m\0--password\0hunter2\0TOKEN=x\0",
	     "[\"m\", \"--password\", \"hunter2\", \"TOKEN=x\"]");
	event_redact_configure(NULL);
}

static void not_utf8(void)
{
	struct event ev = {.ids = &ids,
			   .call = EVENT_CALL_rename,
			   .args = {T("/a\xff TOKEN=secret1"), T("/plain")}};
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/s\xfe"};
	json_t *j = parse(&ev);

	CHECK_STR(arg_text(j, "args", 0), "/a" BAD " TOKEN=***");
	CHECK_STR(decode(arg_text(j, "args_raw", 0)), "/a\xff TOKEN=***");
	CHECK(json_is_null(json_array_get(json_object_get(j, "args_raw"), 1)));
	CHECK_INT(json_array_size(json_object_get(j, "args_raw")), 2);
	json_decref(j);
	ev = (struct event){.ids = &ids,
			    .call = EVENT_CALL_execv,
			    .args = {T("/x"), T("a\xff\0--token\0s\xfe\0z\0")}};
	j = parse(&ev);
	CHECK_STR(arg_text(j, "args", 1), "[\"a" BAD "\", \"--token\", \"***\", \"z\"]");
	CHECK_STR(decode(arg_text(j, "args_raw", 1)), "a\xff|--token|***|z");
	json_decref(j);
	/* a mode that was not used has no entry in either */
	ev = (struct event){.ids = &ids,
			    .call = EVENT_CALL_open,
			    .args = {T("\xff"), {.num = 0}, {.absent = true}}};
	j = parse(&ev);
	CHECK_INT(json_array_size(json_object_get(j, "args")), 2);
	CHECK_INT(json_array_size(json_object_get(j, "args_raw")), 2);
	json_decref(j);
	ev = (struct event){.ids = &ids,
			    .call = EVENT_CALL_connect,
			    .args = {{.num = 3}, {.data = &un, .len = sizeof(un)}}};
	j = parse(&ev);
	CHECK_STR(arg_text(j, "args", 1), "unix:/s" BAD);
	CHECK_STR(decode(arg_text(j, "args_raw", 1)), "unix:/s\xfe");
	json_decref(j);
	ev.args[1].data = NULL; /* all is text: no args_raw */
	ev.args[1].len = 0;
	j = parse(&ev);
	CHECK(!json_object_get(j, "args_raw"));
	json_decref(j);
}

static void long_text(char fill, size_t len, enum event_call call, unsigned i)
{
	char *text = malloc(len);
	struct event ev = {.ids = &ids, .call = call, .cwd = {"/c", 2}};
	json_t *j;

	memset(text, fill, len);
	for (unsigned k = 0; k <= i; k++)
		ev.args[k] = (struct event_arg){.data = text, .len = len};
	j = parse(&ev);
	CHECK_INT(json_is_true(json_object_get(j, "truncated")), len > 60000);
	CHECK(strlen(arg_text(j, "args", i)) >= 16 || len < 16);
	json_decref(j);
	free(text);
}

static void limits(void)
{
	static const char fills[] = {'a', '/', '\xff', '"', '\x01', '\0'};

	for (size_t i = 0; i < sizeof(fills); i++) {
		long_text(fills[i], 20, EVENT_CALL_system, 0);
		long_text(fills[i], 65536, EVENT_CALL_system, 0);
		long_text(fills[i], 65536, EVENT_CALL_open, 0); /* its path overflows, too */
		long_text(fills[i], 65536, EVENT_CALL_rename, 1);
		long_text(fills[i], 300000, EVENT_CALL_execv, 1);
	}
}

/* One byte more than fits: everything is kept, then something is not. */
static void last_byte_that_fits(void)
{
	struct event ev = {.ids = &ids, .call = EVENT_CALL_system};
	char *text = malloc(EVENT_LINE_MAX);
	size_t most;
	json_t *j;

	memset(text, 'a', EVENT_LINE_MAX);
	ev.args[0] = (struct event_arg){.data = text, .len = 0};
	most = EVENT_LINE_MAX - (size_t)event_format(&ev, line, EVENT_BUF_MAX);
	ev.args[0].len = most;
	CHECK_INT(event_format(&ev, line, EVENT_BUF_MAX), EVENT_LINE_MAX);
	j = parse(&ev);
	CHECK(!json_object_get(j, "truncated"));
	CHECK_INT(strlen(arg_text(j, "args", 0)), most);
	json_decref(j);
	ev.args[0].len = most + 1;
	j = parse(&ev);
	CHECK(json_is_true(json_object_get(j, "truncated")));
	json_decref(j);
	free(text);
}

/* Wherever it lies around the cut, no letter of it comes through. */
static void around_the_cut(const char *secret)
{
	size_t len = strlen(secret);
	char *text = malloc(EVENT_LINE_MAX);
	struct event ev = {.ids = &ids,
			   .call = EVENT_CALL_system,
			   .args = {{.data = text, .len = EVENT_LINE_MAX}}};

	for (size_t at = 32768 - len - 1; at <= 32768 + 1; at++) {
		json_t *j;

		memset(text, 'a', EVENT_LINE_MAX);
		memcpy(text + at, secret, len);
		j = parse(&ev);
		CHECK(!strchr(arg_text(j, "args", 0), 'Z'));
		CHECK(json_is_true(json_object_get(j, "truncated")));
		json_decref(j);
	}
	free(text);
}

/* The cut must not part a secret from what tells it: its name in front, its end behind. */
static void secrets_at_the_cut(void)
{
	around_the_cut(" --password ZZZZZZZZZZZZZZZZ ");
	around_the_cut(" https://u:ZZZZZZZZ@h/ ");
	around_the_cut(" ghp_ZZZZZZZZZZZZZZZZZZZZ ");
}

/* A character that the cut would split is left out whole: no U+FFFD, no args_raw. */
static void characters_at_the_cut(void)
{
	char *text = malloc(EVENT_LINE_MAX + 4);

	for (size_t shift = 0; shift < 4; shift++) {
		struct event ev = {.ids = &ids,
				   .call = EVENT_CALL_system,
				   .args = {{.data = text, .len = EVENT_LINE_MAX}}};
		json_t *j;

		for (size_t i = 0; i < EVENT_LINE_MAX; i++)
			text[i] = i < shift ? 'a' : "\xf0\x9f\x90\x9a"[(i - shift) % 4];
		ev.args[0].len -= (EVENT_LINE_MAX - shift) % 4;
		j = parse(&ev);
		CHECK(!json_object_get(j, "args_raw"));
		CHECK(strstr(arg_text(j, "args", 0), BAD) == NULL);
		CHECK(json_is_true(json_object_get(j, "truncated")));
		json_decref(j);
	}
	free(text);
}

/* What no argument limit reaches: a parent that is no UUID, answers without end. */
static void always_succeeds(void)
{
	char *text = malloc(65536), *answers = malloc(65536);
	struct event ev = {.type = EVENT_PROCESS, .ids = &ids, .parent = {.text = {text, 65536}}};
	json_t *j;

	memset(text, '\x01', 65536);
	json_decref(parse(&ev));
	for (size_t i = 0; i < 65536; i++)
		answers[i] = "\x02\x10\x00"[i % 3];
	ev = (struct event){.ids = &ids,
			    .call = EVENT_CALL_getaddrinfo,
			    .args = {T("h"), T("s")},
			    .extra = {answers, 65535}};
	j = parse(&ev);
	CHECK_INT(json_array_size(json_object_get(j, "answers")), EVENT_ANSWERS_MAX);
	CHECK(json_is_true(json_object_get(j, "truncated")));
	json_decref(j);
	free(text);
	free(answers);
}

static void every_size(void)
{
	struct event ev = {.ids = &ids,
			   .call = EVENT_CALL_openat,
			   .args = {{.num = AT_FDCWD},
				    T("../x\xff TOKEN=abc"),
				    {.num = O_CREAT},
				    {.num = 0644}},
			   .cwd = {"/a/b", 4},
			   .has_result = true};
	int want = event_format(&ev, line, EVENT_BUF_MAX), fits = 0;

	CHECK(want > 0);
	for (size_t cap = 0; cap <= 2 * (size_t)want; cap++) {
		char *buf = malloc(cap);
		int n = event_format(&ev, buf, cap);

		if (n > 0) {
			fits++;
			CHECK_INT(n, want);
			CHECK(memcmp(buf, line, (size_t)n) == 0);
		} else {
			CHECK_INT(n, -ENOBUFS);
			CHECK_INT(fits, 0); /* once it fits, it fits in everything larger */
		}
		free(buf);
	}
	CHECK(fits > 0);
}

static void check_line(const struct event *ev, const char *want)
{
	static const char head[] =
		"{\"ts\": \"1970-01-01T00:00:00.000000000+00:00\", \"event_type\": ";

	json_decref(parse(ev));
	line[strcspn(line, "\n")] = '\0';
	CHECK(strncmp(line, head, sizeof(head) - 1) == 0);
	CHECK_STR(line + sizeof(head) - 1, want);
}

#define MIDDLE "\"session_id\": \"ses_1\", \"span_id\": null, \"parent_span\": null, "
#define EMPTY  "\"args\": [], \"result\": null, \"elapsed_us\": 0"

static void other_types(void)
{
	static const struct event_ids all = {{"s", 1}, {"r", 1}, {"w", 1},
					     {"a", 1}, {"p", 1}, {"t", 1}};
	struct event ev = {.type = EVENT_PROCESS,
			   .ids = &ids,
			   .how = EVENT_HOW_EXEC,
			   .exe = {"/x", 2},
			   .argv = {"x\0--token\0y\0", 12},
			   .cwd = {"/", 1},
			   .comm = {"x", 1}};

	check_line(
		&ev,
		"\"process\", " MIDDLE
		"\"component\": \"telemetry\", \"syscall\": \"start\", " EMPTY
		", \"comm\": \"x\", \"sensor\": \"preload\", \"standing\": \"declared\", \"how\": \"exec\", \"exe\": \"/x\", "
		"\"argv\": [\"x\", \"--token\", \"***\"], \"cwd\": \"/\"}");
	ev = (struct event){.type = EVENT_PROCESS,
			    .ids = &ids,
			    .source = EVENT_FROM_PROC,
			    .act = EVENT_ACT_EXIT,
			    .exit_code = -1,
			    .signal = 9};
	check_line(
		&ev,
		"\"process\", " MIDDLE "\"component\": \"recorder\", \"syscall\": \"exit\", " EMPTY
		", \"sensor\": \"proc\", \"standing\": \"observed\", \"exit_code\": null, \"signal\": \"SIGKILL\"}");
	ev.signal = 0;
	ev.exit_code = 3;
	check_line(&ev, "\"process\", " MIDDLE
			"\"component\": \"recorder\", \"syscall\": \"exit\", " EMPTY
			", \"sensor\": \"proc\", \"standing\": \"observed\", \"exit_code\": 3}");
	ev.act = EVENT_ACT_REPLACED;
	check_line(&ev, "\"process\", " MIDDLE
			"\"component\": \"recorder\", \"syscall\": \"replaced\", " EMPTY
			", \"sensor\": \"proc\", \"standing\": \"observed\"}");
	ev = (struct event){.type = EVENT_SAMPLE,
			    .ids = &ids,
			    .source = EVENT_FROM_PROC,
			    .cpu_percent = 99.96,
			    .memory_kb = 1,
			    .processes = 2,
			    .read_syscalls = 3,
			    .write_syscalls = 4};
	check_line(
		&ev,
		"\"sample\", " MIDDLE "\"component\": \"recorder\", \"syscall\": \"\", " EMPTY
		", \"sensor\": \"proc\", \"standing\": \"observed\", \"cpu_percent\": 100.0, \"memory_kb\": 1, "
		"\"processes\": 2, \"read_syscalls\": 3, \"write_syscalls\": 4}");
	ev = (struct event){.ids = &all,
			    .call = EVENT_CALL_fork,
			    .in_flight = true,
			    .error = 9999,
			    .pid = 1,
			    .ppid = 2,
			    .tid = 3,
			    .ns_pid = 4};
	json_decref(parse(&ev));
	CHECK(strstr(line,
		     "\"elapsed_us\": 0, \"error\": \"9999\", \"pid\": 1, \"ppid\": 2, \"tid\": 3, \"ns_pid\": 4, "
		     "\"run_id\": \"r\", \"world_id\": \"w\", \"agent_id\": \"a\", \"policy_id\": \"p\", "
		     "\"sensor\": \"preload\", \"standing\": \"declared\", \"in_flight\": true, "
		     "\"traceparent\": \"t\"}") != NULL);
}

static void connections(void)
{
	struct event_connection link = {
		.host = {"a\"b", 3},
		.protocol = {"socks5", 6},
		.outcome = {"closed", 6},
		.addr = {"[::1]:80", 8},
		.port = 80,
		.bytes_sent = 5,
	};
	struct event ev = {.type = EVENT_CONNECTION,
			   .ids = &ids,
			   .source = EVENT_FROM_PROXY,
			   .error = ECONNRESET,
			   .connection = &link};

	check_line(
		&ev,
		"\"connection\", " MIDDLE "\"component\": \"sandbox\", \"syscall\": \"\", " EMPTY
		", \"error\": \"ECONNRESET\", \"sensor\": \"proxy\", \"standing\": \"observed\", "
		"\"host\": \"a\\\"b\", \"port\": 80, \"addr\": \"[::1]:80\", \"protocol\": \"socks5\", "
		"\"outcome\": \"closed\", \"bytes_sent\": 5, \"bytes_received\": 0}");
	ev.error = 0;
	link = (struct event_connection){.host = {"", 0},
					 .protocol = {"http", 4},
					 .outcome = {"malformed", 9},
					 .refused = true,
					 .count = 7};
	check_line(
		&ev,
		"\"connection\", " MIDDLE "\"component\": \"sandbox\", \"syscall\": \"\", " EMPTY
		", \"sensor\": \"proxy\", \"standing\": \"observed\", \"host\": \"\", \"protocol\": \"http\", "
		"\"outcome\": \"malformed\", \"action\": \"deny\", \"count\": 7}");
}

static void gaps_and_runs(void)
{
	struct event ev = {.type = EVENT_GAP,
			   .ids = &ids,
			   .source = EVENT_FROM_RECORDER,
			   .reason = {"ring_full", 9},
			   .gap_count = 7,
			   .gap_count_known = true,
			   .gap_at_least = true,
			   .gap_has_range = true,
			   .gap_from = 1,
			   .gap_to = 7};
	json_t *j = parse(&ev);

	CHECK_STR(json_string_value(json_object_get(j, "reason")), "ring_full");
	CHECK_STR(json_string_value(json_object_get(j, "component")), "recorder");
	CHECK_INT(json_integer_value(json_object_get(j, "count")), 7);
	CHECK(json_is_true(json_object_get(j, "at_least")));
	CHECK_INT(json_integer_value(json_object_get(j, "seq_from")), 1);
	CHECK_INT(json_integer_value(json_object_get(j, "seq_to")), 7);
	json_decref(j);
	ev.gap_count = UINT64_MAX; /* past what JSON readers take */
	j = parse(&ev);
	CHECK(json_integer_value(json_object_get(j, "count")) == INT64_MAX);
	json_decref(j);
	ev.gap_count_known = ev.gap_at_least = ev.gap_has_range = false;
	j = parse(&ev);
	CHECK(json_is_null(json_object_get(j, "count")));
	CHECK(!json_object_get(j, "at_least") && !json_object_get(j, "seq_from"));
	json_decref(j);
	ev = (struct event){.type = EVENT_RUN,
			    .ids = &ids,
			    .source = EVENT_FROM_RECORDER,
			    .phase = {"start", 5},
			    .argv = {"x\0TOKEN=a\0", 10}};
	j = parse(&ev);
	CHECK_STR(json_string_value(json_object_get(j, "schema")), "telltale.event/1");
	CHECK_STR(arg_text(j, "argv", 1), "TOKEN=***");
	CHECK(!json_object_get(j, "exit_code"));
	json_decref(j);
	ev = (struct event){.type = EVENT_RUN,
			    .ids = &ids,
			    .source = EVENT_FROM_RECORDER,
			    .phase = {"end", 3},
			    .exit_reason = {"EXITED(3)", 9},
			    .exit_code = 3};
	j = parse(&ev);
	CHECK_STR(json_string_value(json_object_get(j, "exit_reason")), "EXITED(3)");
	CHECK_INT(json_integer_value(json_object_get(j, "exit_code")), 3);
	json_decref(j);
}

/* The same event with and without what was made before. */
static void check_ready(struct event *ev, struct event_ready *ready)
{
	static char plain[EVENT_BUF_MAX];
	int n, want;

	ev->ready = NULL;
	want = event_format(ev, plain, sizeof(plain));
	ev->ready = ready;
	for (int i = 0; i < 2; i++) {
		n = event_format(ev, line, EVENT_BUF_MAX);
		CHECK_INT(n, want);
		CHECK(n > 0 && memcmp(line, plain, (size_t)n) == 0);
	}
}

static void ready_lines(void)
{
	static const struct event_ids all = {{"ses", 3}, {"run", 3}, {"w\"", 2},
					     {"a", 1},   {"p", 1},   {"t", 1}};
	static char big[EVENT_LINE_MAX];
	struct event_ready ready = {0};
	struct event ev = {
		.type = EVENT_SYSCALL,
		.ids = &all,
		.call = EVENT_CALL_open,
		.args = {{.data = "/a/b", .len = 4}, {.num = O_RDONLY}, {.absent = true}},
		.ts_ns = 1756907714921517011,
		.span = {.id = {{1, 2, 3}}},
		.comm = {"cat", 3},
		.has_result = true,
		.result = 3};

	memset(big, 'x', sizeof(big));
	check_ready(&ev, &ready);
	CHECK(ready.text_len > 0);
	for (int i = 0; i < 64; i++) {
		ev.pid = i & 1 ? 7 : 0;
		ev.ppid = i & 2 ? 8 : 0;
		ev.tid = i & 4 ? 9 : 7;
		ev.ns_pid = i & 8 ? 2 : 0;
		ev.source = i & 16 ? EVENT_FROM_PROC : EVENT_FROM_PRELOAD;
		ev.error = i & 32 ? ENOENT : 0;
		ev.ts_ns += i % 3 ? 1 : 999999999;
		ev.has_seq = i % 2;
		check_ready(&ev, &ready);
	}
	/* one thing at a time */
	for (int i = 0; i < 12; i++) {
		int32_t *const ids_of[] = {&ev.pid, &ev.ppid, &ev.tid, &ev.ns_pid};

		*ids_of[i % 4] += 1000;
		check_ready(&ev, &ready);
	}
	ev.source = EVENT_FROM_PRELOAD;
	check_ready(&ev, &ready);
	/* a line that must be shortened, ids and all; the next one is whole again */
	ev.args[0] = (struct event_arg){.data = big, .len = sizeof(big)};
	check_ready(&ev, &ready);
	ev.args[0] = (struct event_arg){.data = "b", .len = 1};
	check_ready(&ev, &ready);
	event_format_configure(2, 0);
	check_ready(&ev, &ready);
	event_format_configure(0, 0);
	/* no room in what is kept */
	ev.comm = (struct event_text){big, 2000};
	ready.text_len = 0;
	check_ready(&ev, &ready);
	CHECK_INT(ready.text_len, 0);
}

/* A path said as it was passed is taken over, secrets and all; one that was joined is not. */
static void paths_said_twice(void)
{
	static const char *const rows[][3] = {
		/* passed, joined (NULL: nobody did before), and what the line says */
		{"/a/token=x", NULL, "\"args\": [\"/a/token=***\", \"O_RDONLY\"]"},
		{"/a/token=x", NULL, "\"path\": \"/a/token=***\""},
		{"/a\"b", NULL, "\"path\": \"/a\\\"b\""},
		{"b", NULL, "\"path\": \"/cwd/b\""},
		{"/a//b", NULL, "\"path\": \"/a/b\""},
		{"/a//b", "/a/b", "\"path\": \"/a/b\""},
		{"b", "/x/b", "\"path\": \"/x/b\""},
		{"/y/b", "/x/b", "\"path\": \"/x/b\""},
		{"b", "/x/token=y", "\"path\": \"/x/token=***\""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct event ev = {.type = EVENT_SYSCALL,
				   .ids = &ids,
				   .call = EVENT_CALL_open,
				   .args = {{.data = rows[i][0], .len = strlen(rows[i][0])},
					    {.num = O_RDONLY},
					    {.absent = true}},
				   .cwd = {"/cwd", 4}};

		if (rows[i][1])
			ev.joined = (struct event_text){rows[i][1], strlen(rows[i][1])};
		json_decref(parse(&ev));
		CHECK(strstr(line, rows[i][2]) != NULL);
	}
}

int main(void)
{
	TAP_RUN(secrets_in_argv);
	TAP_RUN(not_utf8);
	TAP_RUN(limits);
	TAP_RUN(last_byte_that_fits);
	TAP_RUN(secrets_at_the_cut);
	TAP_RUN(characters_at_the_cut);
	TAP_RUN(always_succeeds);
	TAP_RUN(every_size);
	TAP_RUN(other_types);
	TAP_RUN(connections);
	TAP_RUN(gaps_and_runs);
	TAP_RUN(ready_lines);
	TAP_RUN(paths_said_twice);
	return tap_done();
}
