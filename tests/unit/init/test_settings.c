// SPDX-License-Identifier: Apache-2.0
/* Settings of telltale-init: each of them, both ways to say it, each way to get it wrong. */
#include "init/settings.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

#include "base/out.h"
#include "init/list.h"
#include "tap.h"

static struct init_settings s;
static struct init_problem problem;
static char line[65536];

static const char *encode(const char *json)
{
	static char texts[4][32768];
	static unsigned next;
	char *text = texts[next++ % 4];
	struct tt_b64 b = {0};
	struct tt_out o;

	tt_out_init(&o, text, sizeof(texts[0]) - 1);
	tt_b64_put(&b, &o, json, strlen(json));
	tt_b64_end(&b, &o);
	text[o.len] = '\0';
	return text;
}

/* "NAME: WHY" of the first problem, "" if there is none. */
static const char *cmdline(const char *text)
{
	static char said[256];

	init_settings_defaults(&s);
	snprintf(line, sizeof(line), "%s", text);
	said[0] = '\0';
	if (init_settings_cmdline(&s, line, &problem) < 0)
		snprintf(said, sizeof(said), "%s: %s", problem.name, problem.why);
	return said;
}

static const char *one(const char *name, const char *value)
{
	static char text[40000];

	snprintf(text, sizeof(text), "%s=%s", name, value);
	return cmdline(text);
}

static const char *check(bool cell)
{
	s.cell = cell;
	problem = (struct init_problem){0};
	if (init_settings_check(&s, &problem) == 0)
		return "";
	return problem.why;
}

static void test_defaults(void)
{
	CHECK_STR(cmdline("quiet console=ttyS0 telltale"), "");
	CHECK_INT(s.uid, 1000);
	CHECK_INT(s.gid, 1000);
	CHECK_INT(s.agent_uid, 990);
	CHECK(!s.argv && !s.env[0] && !s.endpoint && !s.exit.len && !s.cwd && !s.agent && !s.major);
	CHECK(s.memory == INIT_UNSET && s.pids == INIT_UNSET);
	CHECK(!s.agent_degrade && !s.limit_degrade && !s.at_end_set);
	CHECK_STR(check(false), "it is missing: there is nothing to run");
}

static void test_all(void)
{
	char text[4096];
	const struct sockaddr_vm *vm = (const struct sockaddr_vm *)&s.exit.addr;

	snprintf(
		text, sizeof(text),
		"quiet cellos.argv=%s telltale.endpoint=vsock:2:9001 telltale.exit=vsock:2:9000 "
		"telltale.uid=5 telltale.gid=6 telltale.agent-uid=7 telltale.cwd=/a telltale.env=%s "
		"telltale.agent=/b telltale.on-agent-failure=degrade telltale.memory=3K telltale.pids=9 "
		"telltale.inotify=/c telltale.inotify=\"/d e\" telltale.major=1 telltale.modules=/f:/g "
		"telltale.heartbeat-ms=11 telltale.walk-ms=12 telltale.flush-ms=0 telltale.sensor=ebpf "
		"telltale.hostname=h telltale.on-limit-failure=degrade telltale.at-end=restart "
		"cellos.other=1 -- telltale.uid=0",
		encode("[\"/bin/sh\", \"-c\", \"exit 1\"]"), encode("[\"A=1\",\"B=\"]"));
	CHECK_STR(cmdline(text), "");
	CHECK_STR(check(false), "");
	CHECK_STR(s.argv[0], "/bin/sh");
	CHECK_STR(s.argv[2], "exit 1");
	CHECK(!s.argv[3]);
	CHECK_STR(s.env[0], "A=1");
	CHECK_STR(s.env[1], "B=");
	CHECK(!s.env[2]);
	CHECK_STR(s.endpoint, "vsock:2:9001");
	CHECK_INT(vm->svm_cid, 2);
	CHECK_INT(vm->svm_port, 9000);
	CHECK_INT(s.uid * 100 + s.gid * 10 + s.agent_uid, 567);
	CHECK_STR(s.cwd, "/a");
	CHECK_STR(s.agent, "/b");
	CHECK_INT(s.inotify_count, 2);
	CHECK_STR(s.inotify[0], "/c");
	CHECK_STR(s.inotify[1], "/d e");
	CHECK_STR(s.modules, "/f:/g");
	CHECK_STR(s.major, "1");
	CHECK_STR(s.heartbeat_ms, "11");
	CHECK_STR(s.walk_ms, "12");
	CHECK_STR(s.flush_ms, "0");
	CHECK_STR(s.sensor, "ebpf");
	CHECK_STR(s.hostname, "h");
	CHECK_INT((intmax_t)s.memory, 3072);
	CHECK_INT((intmax_t)s.pids, 9);
	CHECK(s.agent_degrade && s.limit_degrade && s.at_end_set && s.restart);
}

static void test_values(void)
{
	static const struct {
		const char *name, *value, *why;
	} bad[] = {
		{"uid", "0", "not a number from 1 to 4294967294"},
		{"uid", "4294967295", "not a number from 1 to 4294967294"},
		{"uid", "", "not a number from 1 to 4294967294"},
		{"uid", "-1", "not a number from 1 to 4294967294"},
		{"uid", "+1", "not a number from 1 to 4294967294"},
		{"uid", "1x", "not a number from 1 to 4294967294"},
		{"uid", "18446744073709551617", "not a number from 1 to 4294967294"},
		{"gid", "0", "not a number from 1 to 4294967294"},
		{"agent-uid", "0", "not a number from 1 to 4294967294"},
		{"cwd", "", "not a path that begins with '/'"},
		{"agent", "a", "not a path that begins with '/'"},
		{"inotify", "a", "not a path that begins with '/'"},
		{"modules", "a", "not a path that begins with '/'"},
		{"hostname", "", "not 1 to 64 bytes"},
		{"hostname", "12345678901234567890123456789012345678901234567890123456789012345",
		 "not 1 to 64 bytes"},
		{"endpoint", "vsock:2", "not vsock:CID:PORT or unix:PATH"},
		{"exit", "", "not vsock:CID:PORT or unix:PATH"},
		{"major", "0", "not 1 or 2"},
		{"major", "3", "not 1 or 2"},
		{"sensor", "EBPF", "not auto, ebpf, connector or walk"},
		{"walk-ms", "0", "not milliseconds from 1 to 60000"},
		{"flush-ms", "60001", "not milliseconds from 0 to 60000"},
		{"heartbeat-ms", "9", "not milliseconds from 10 to 3600000"},
		{"memory", "", "not bytes, with K, M or G behind them, nor max"},
		{"memory", "M", "not bytes, with K, M or G behind them, nor max"},
		{"memory", "0", "not bytes, with K, M or G behind them, nor max"},
		{"memory", "1m", "not bytes, with K, M or G behind them, nor max"},
		{"memory", "8589934592G", "not bytes, with K, M or G behind them, nor max"},
		{"memory", "9223372036854775808", "not bytes, with K, M or G behind them, nor max"},
		{"pids", "0", "not a number from 1 to 4194304, nor max"},
		{"pids", "4194305", "not a number from 1 to 4194304, nor max"},
		{"on-agent-failure", "fail", "not fail-cell or degrade"},
		{"on-limit-failure", "degraded", "not fail-cell or degrade"},
		{"at-end", "reboot", "not power-off or restart"},
		{"env", "WyJBIl0=", "a text in it is not NAME=VALUE"},
		{"env", "WyI9QSJd", "a text in it is not NAME=VALUE"},
		{"nothing", "1", "there is no such setting"},
		{"", "1", "there is no such setting"},
		{"argv", "WyJhIl0=", "there is no such setting"},
		{"ui", "1", "there is no such setting"},
		{"uidd", "1", "there is no such setting"},
	};
	char name[64], want[256];

	for (size_t i = 0; i < TT_ARRAY_SIZE(bad); i++) {
		snprintf(name, sizeof(name), "telltale.%s", bad[i].name);
		snprintf(want, sizeof(want), "%s: %s", name, bad[i].why);
		CHECK_STR(one(name, bad[i].value), want);
	}
	CHECK_STR(cmdline("telltale.uid"), "telltale.uid: it has no value");
	CHECK_STR(cmdline("telltale.uid=1 telltale.uid=1"), "telltale.uid: it stands there twice");
	CHECK_STR(one("cellos.argv", "WyIiXQ=="), "cellos.argv: it names no program");
	CHECK_STR(one("cellos.argv", "W10="), "cellos.argv: it names no program");
	CHECK_STR(one("telltale.memory", "8589934591G"), "");
	CHECK_INT((intmax_t)s.memory, (intmax_t)8589934591 << 30);
	CHECK_STR(one("telltale.memory", "max"), "");
	CHECK(s.memory == INIT_UNLIMITED);
	CHECK_STR(one("telltale.pids", "max"), "");
	CHECK(s.pids == INIT_UNLIMITED);
	CHECK_STR(one("telltale.uid", "4294967294"), "");
	CHECK(s.uid == 4294967294u);
}

/* So that the host hears of it even if something else is wrong. */
static void test_behind_a_problem(void)
{
	CHECK_STR(cmdline("telltale.uid=0 telltale.gid=0 telltale.exit=unix:/x"),
		  "telltale.uid: not a number from 1 to 4294967294");
	CHECK_STR(((const struct sockaddr_un *)&s.exit.addr)->sun_path, "/x");
}

static void test_many(void)
{
	char text[1024] = "";

	for (int i = 0; i < INIT_PATHS_MAX; i++)
		strcat(text, "telltale.inotify=/p ");
	CHECK_STR(cmdline(text), "");
	CHECK_INT(s.inotify_count, INIT_PATHS_MAX);
	strcat(text, "telltale.inotify=/p ");
	CHECK_STR(cmdline(text), "telltale.inotify: more than 16 paths");
	CHECK_INT(s.inotify_count, INIT_PATHS_MAX);
}

static const char *options(const char *words)
{
	static char said[256];
	char *args[16], *at = line;
	unsigned n = 0;

	init_settings_defaults(&s);
	s.cell = true;
	snprintf(line, sizeof(line), "%s", words);
	while ((args[n] = strsep(&at, " ")))
		n++;
	said[0] = '\0';
	if (init_settings_options(&s, args, &problem) < 0)
		snprintf(said, sizeof(said), "%s: %s", problem.name ? problem.name : "-",
			 problem.why);
	return said;
}

static void test_options(void)
{
	CHECK_STR(options("--uid 5 --gid=6 --endpoint unix:/a -- sh -c --uid"), "");
	CHECK_INT(s.uid * 10 + s.gid, 56);
	CHECK_STR(s.argv[0], "sh");
	CHECK_STR(s.argv[2], "--uid");
	CHECK(!s.argv[3]);
	CHECK_STR(check(true), "");
	CHECK_STR(options("--argv WyJhIl0="), "");
	CHECK_STR(s.argv[0], "a");
	CHECK_STR(check(true), "it is missing: the agent has nobody to tell");
	CHECK_STR(options("--argv WyJhIl0= --on-agent-failure=degrade"), "");
	CHECK_STR(check(true), "");
	CHECK_STR(options("--argv WyJhIl0= -- b"),
		  "--argv: the command stands behind '--' as well");
	CHECK_STR(options("--uid=5 --"), "-: no command behind '--'");
	CHECK_STR(options("--uid=5"), "");
	CHECK_STR(check(true), "no command");
	CHECK_STR(options("--uid"), "--uid: it has no value");
	CHECK_STR(options("--uid -- a"), "--uid: it has no value");
	CHECK_STR(options("--uid 990 --endpoint=unix:/a -- a"), "");
	CHECK_STR(check(true), "the agent has that one");
	CHECK_STR(options("a"), "a: no option; the command stands behind '--'");
	CHECK_STR(options("-uid 5 -- a"), "-uid: no option; the command stands behind '--'");
	CHECK_STR(options("--telltale.uid=5 -- a"), "--telltale.uid: there is no such setting");
	CHECK_STR(options("--at-end=restart -- a"), "--at-end: there is no such setting");
	CHECK_STR(options("--u=5 -- a"), "--u: there is no such setting");
	CHECK_STR(options("--=5 -- a"), "--: there is no such setting");
}

/* The words, one behind the other with a '|' after each; or what is wrong. */
static const char *list(const char *base64, unsigned cap)
{
	static char said[1024], text[32768];
	char *words[INIT_WORDS_MAX + 1];
	const char *why = NULL;
	int n;

	snprintf(text, sizeof(text), "%s", base64);
	n = init_list_decode(text, words, cap, &why);
	if (n < 0)
		return why ? why : "nothing said";
	said[0] = '\0';
	for (int i = 0; i < n; i++)
		snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s|", words[i]);
	return words[n] ? "no end" : said;
}

static const char *json(const char *text)
{
	return list(encode(text), INIT_WORDS_MAX);
}

static void test_base64(void)
{
	static const char no[] = "it is no base64";

	CHECK_STR(list("WyJhIl0=", 9), "a|");
	CHECK_STR(list("WyJhYiJd", 9), "ab|");
	CHECK_STR(list("WyJhYmMiXQ==", 9), "abc|");
	CHECK_STR(list("WyLDvz8+Il0=", 9), "\xc3\xbf?>|");
	CHECK_STR(list("WyJhIl0", 9), no);
	CHECK_STR(list("WyJhIl0=\n", 9), no);
	CHECK_STR(list("WyJhIl0=WyJhIl0=", 9), no);
	CHECK_STR(list("WyJhYmMiXR==", 9), no); /* a bit that says nothing */
	CHECK_STR(list("WyJhIl1=", 9), no);
	CHECK_STR(list("W=Jh", 9), no);
	CHECK_STR(list("W===", 9), no);
	CHECK_STR(list("====", 9), no);
	CHECK_STR(list("WyJh-l0_", 9), no);
	CHECK_STR(list("", 9), "it is no JSON array of strings");
}

static void test_json(void)
{
	static const char none[] = "it is no JSON array of strings",
			  half[] = "a \\u in its JSON is half of a pair",
			  open[] = "a text in it does not end";

	CHECK_STR(json("[]"), "");
	CHECK_STR(json(" [ \"a\" ,\n\t\"\" , \"b c\"\r] "), "a||b c|");
	CHECK_STR(json("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"), "\"\\/\b\f\n\r\t|");
	CHECK_STR(json("[\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"]"),
		  "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80|");
	CHECK_STR(json("[\"\\uffff\\ud800\\udc00\\udbff\\udfff\"]"),
		  "\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf|");
	CHECK_STR(json("[\"\x7f\xc3\xa9\"]"), "\x7f\xc3\xa9|");
	CHECK_STR(json("\"a\""), none);
	CHECK_STR(json("{}"), none);
	CHECK_STR(json("[1]"), none);
	CHECK_STR(json("[null]"), none);
	CHECK_STR(json("[[\"a\"]]"), none);
	CHECK_STR(json("[\"a\",]"), none);
	CHECK_STR(json("[,\"a\"]"), none);
	CHECK_STR(json("[\"a\" \"b\"]"), none);
	CHECK_STR(json("[\"a\""), none);
	CHECK_STR(json("[\"a\","), none);
	CHECK_STR(json("["), none);
	CHECK_STR(json("[\"a\"] x"), "something follows its JSON array");
	CHECK_STR(json("[\"a\"]]"), "something follows its JSON array");
	CHECK_STR(json("[\"a]"), open);
	CHECK_STR(json("[\"a\\"), open);
	CHECK_STR(json("[\"\\x41\"]"), "its JSON has an escape that there is not");
	CHECK_STR(json("[\"\\'\"]"), "its JSON has an escape that there is not");
	CHECK_STR(json("[\"\\u0000\"]"), "a text in it holds a NUL");
	CHECK_STR(json("[\"\\u00g0\"]"), "a \\u in its JSON lacks digits");
	CHECK_STR(json("[\"\\u00"), "a \\u in its JSON lacks digits");
	CHECK_STR(json("[\"\\ud800\"]"), half);
	CHECK_STR(json("[\"\\ud800\\n00000\"]"), half);
	CHECK_STR(json("[\"\\ud800\\ud800\"]"), half);
	CHECK_STR(json("[\"\\udc00\\ud800\"]"), half);
	CHECK_STR(json("[\"\n\"]"), "a text in it holds a control byte that is not escaped");
	CHECK_STR(json("[\"\xff\"]"), "its JSON is not UTF-8");
	CHECK_STR(json("[\"\xed\xa0\x80\"]"), "its JSON is not UTF-8");
	/* a NUL among the bytes, which snprintf could not have put there */
	CHECK_STR(list("WyIAIl0=", 9), "a text in it holds a control byte that is not escaped");
	CHECK_STR(list("WyJhIl0A", 9), "something follows its JSON array");
	CHECK_STR(list(encode("[\"a\",\"b\"]"), 2), "a|b|");
	CHECK_STR(list(encode("[\"a\",\"b\"]"), 1), "it has too many texts");
	CHECK_STR(list(encode("[\"a\"]"), 0), "it has too many texts");
}

int main(void)
{
	TAP_RUN(test_defaults);
	TAP_RUN(test_all);
	TAP_RUN(test_values);
	TAP_RUN(test_behind_a_problem);
	TAP_RUN(test_many);
	TAP_RUN(test_options);
	TAP_RUN(test_base64);
	TAP_RUN(test_json);
	return tap_done();
}
