/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file: what each key sets, what is refused and where, what it lets through. */
#include "event/config.h"

#include <errno.h>
#include <stdlib.h>

#include "tap.h"

static struct event_config config;
static struct event_config_error wrong;

/* From a buffer of exact size. */
static int parse(const char *text)
{
	size_t n = strlen(text);
	char *exact = malloc(n);
	int r;

	memcpy(exact, text, n);
	memset(&config, 0x55, sizeof(config));
	wrong = (struct event_config_error){99, "nothing"};
	r = event_config_parse(&config, exact, n, &wrong);
	free(exact);
	return r;
}

static bool is_default(void)
{
	static const struct event_config clean;

	return memcmp(&config, &clean, sizeof(clean)) == 0;
}

static bool has(unsigned family)
{
	return event_config_families(&config) >> family & 1;
}

static void keys(void)
{
	CHECK_INT(parse(""), 0);
	CHECK(is_default());
	CHECK_INT(parse("# only\n\n  \t# comments\r\n"), 0);
	CHECK(has(EVENT_FAMILY_EXEC) && has(EVENT_FAMILY_LOAD) && !has(EVENT_FAMILY_IO));
	CHECK_INT(parse("families = exec , net\nio=events\r\nargument_max = 64\nline_max = 4K\n"
			"redact = PIN\nredact=x-key,y-key\nsample = 1/10\nlog_max = 3M\n"
			"log_keep = 99"),
		  0);
	CHECK(has(EVENT_FAMILY_EXEC));
	CHECK(has(EVENT_FAMILY_NET));
	CHECK(has(EVENT_FAMILY_IO));
	CHECK(!has(EVENT_FAMILY_FILE));
	CHECK(!has(EVENT_FAMILY_LOAD));
	CHECK_INT(config.io_mode, EVENT_IO_EVENTS);
	CHECK_INT(config.argument_max, 64);
	CHECK_INT(config.line_max, 4096);
	CHECK_STR(config.redact, "PIN,x-key,y-key");
	CHECK_INT(config.sample, 10);
	CHECK_INT(config.log_max, 3 << 20);
	CHECK_INT(config.log_keep, 99);
}

static void refused(void)
{
	static const struct {
		const char *text;
		unsigned line;
	} bad[] = {
		{"x = 1", 1},
		{"io = counts\n\nnothing\n", 3},
		{"families = exec\nfamilies = exec,files", 2},
		{"families =", 1},
		{"families = exec,,net", 1},
		{"families = io", 1},
		{"io = some", 1},
		{"include = etc/*", 1},
		{"exclude = /[", 1},
		{"argument_max = 63", 1},
		{"argument_max = 65K", 1},
		{"line_max = 4095", 1},
		{"line_max = -1", 1},
		{"sample = 1/0", 1},
		{"sample = 2/3", 1},
		{"sample = 0.1", 1},
		{"sample = 1/", 1},
		{"log_max = 127K", 1},
		{"log_max = 99999999999999999999", 1},
		{"log_max = 9999999999G", 1},
		{"log_max = 1 M", 1},
		{"log_max = 1T", 1},
		{"log_keep = 0", 1},
		{"log_keep = 100", 1},
		{"redact =", 1},
		{"redact = a b", 1},
		{"= 1", 1},
	};
	char *large = malloc(EVENT_CONFIG_BYTES_MAX + 1);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parse(bad[i].text) != -EINVAL || !is_default() || !wrong.text)
			CHECK_STR(bad[i].text, "to be refused");
		CHECK_INT(wrong.line, bad[i].line);
	}
	CHECK_INT(event_config_parse(&config, "io = off\0", 9, &wrong), -EINVAL);
	memset(large, '\n', EVENT_CONFIG_BYTES_MAX + 1);
	CHECK_INT(event_config_parse(&config, large, EVENT_CONFIG_BYTES_MAX, &wrong), 0);
	CHECK_INT(event_config_parse(&config, large, EVENT_CONFIG_BYTES_MAX + 1, &wrong), -EINVAL);
	CHECK_INT(wrong.line, 0);
	free(large);
}

/* Limits of what is kept: each is met exactly, and one more is refused. */
static void limits(void)
{
	char text[EVENT_CONFIG_BYTES_MAX];
	size_t n = 0;

	for (int i = 0; i < EVENT_CONFIG_RULES_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "exclude = /%d\n", i);
	CHECK_INT(parse(text), 0);
	CHECK_INT(config.rule_count, EVENT_CONFIG_RULES_MAX);
	(void)snprintf(text + n, sizeof(text) - n, "exclude = /x");
	CHECK_INT(parse(text), -EINVAL);
	CHECK_INT(wrong.line, EVENT_CONFIG_RULES_MAX + 1);

	n = (size_t)snprintf(text, sizeof(text), "redact = ");
	memset(text + n, 'a', 1022);
	text[n + 1022] = '\0';
	CHECK_INT(parse(text), 0);
	CHECK_INT(strlen(config.redact), 1022);
	text[n + 1022] = 'a';
	text[n + 1023] = '\0';
	CHECK_INT(parse(text), -EINVAL);
}

static void sizes(void)
{
	uint64_t v = 0;

	CHECK(event_config_size("0", 1, &v) && v == 0);
	CHECK(event_config_size("17", 2, &v) && v == 17);
	CHECK(event_config_size("2K", 2, &v) && v == 2048);
	CHECK(event_config_size("2G", 2, &v) && v == 2ull << 30);
	CHECK(!event_config_size("", 0, &v));
	CHECK(!event_config_size("K", 1, &v));
	CHECK(!event_config_size("1k", 2, &v));
	CHECK(!event_config_size("8589934592G", 11, &v));
	CHECK(event_config_size("8589934591G", 11, &v) && v == 8589934591ull << 30);
}

static bool selects(enum event_call call, const char *path, const char *second)
{
	char buf[2 * EVENT_PATH_MAX];
	struct event ev = {
		.call = call,
		.args = {{.data = path, .len = strlen(path)},
			 {.data = second, .len = second ? strlen(second) : 0, .absent = !second}},
		.cwd = {"/home/me", 8}};

	return event_config_selects(&config, &ev, buf);
}

static void paths(void)
{
	CHECK_INT(parse("exclude = /usr/**\ninclude = /usr/local/**\nexclude = **.o"), 0);
	CHECK(selects(EVENT_CALL_unlink, "/etc/x", NULL));
	CHECK(!selects(EVENT_CALL_unlink, "/usr/x", NULL));
	CHECK(selects(EVENT_CALL_unlink, "/usr/local/x", NULL));
	CHECK(!selects(EVENT_CALL_unlink, "/usr/local/x.o", NULL));
	CHECK(!selects(EVENT_CALL_unlink, "../../usr/x", NULL));
	CHECK(selects(EVENT_CALL_unlink, "usr/x", NULL));
	/* of two paths, one that is wanted is enough */
	CHECK(selects(EVENT_CALL_rename, "/usr/x", "/etc/x"));
	CHECK(selects(EVENT_CALL_rename, "/etc/x", "/usr/x"));
	CHECK(!selects(EVENT_CALL_rename, "/usr/y", "/usr/x"));
	/* programs are always said, and calls without a path are no matter of paths */
	CHECK(selects(EVENT_CALL_execve, "/usr/bin/x", NULL));
	CHECK(selects(EVENT_CALL_fork, "", NULL));
	CHECK_INT(parse("families = net"), 0);
	CHECK(!selects(EVENT_CALL_unlink, "/etc/x", NULL));
	CHECK(!selects(EVENT_CALL_execve, "/etc/x", NULL));
}

static void messages(void)
{
	char buf[EVENT_CONFIG_MESSAGE_MAX], longest[1024];
	struct event_config_error e = {7, "unknown key"};
	size_t n = event_config_message(buf, "/etc/t.conf", &e);

	CHECK(n == 26 && memcmp(buf, "/etc/t.conf:7: unknown key", n) == 0);
	e.line = 0;
	n = event_config_message(buf, "a", &e);
	CHECK(n == 14 && memcmp(buf, "a: unknown key", n) == 0);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	n = event_config_message(buf, longest, &e);
	CHECK(n < sizeof(buf) && memcmp(buf + n - 11, "unknown key", 11) == 0);
}

static void load(void)
{
	static char buf[EVENT_CONFIG_BYTES_MAX + 1];

	CHECK_INT(event_config_load(&config, "/nowhere/at/all", buf, sizeof(buf), &wrong), -EINVAL);
	CHECK_STR(wrong.text, "no such file");
	CHECK(is_default());
	CHECK_INT(event_config_load(&config, "/", buf, sizeof(buf), &wrong), -EINVAL);
	CHECK_STR(wrong.text, "no regular file");
	CHECK_INT(event_config_load(&config, "/dev/null", buf, sizeof(buf), &wrong), -EINVAL);
	CHECK(event_config_set(&config, "log_max", "1M") == NULL);
	CHECK_INT(config.log_max, 1 << 20);
	CHECK_STR(event_config_set(&config, "log_may", "1M"), "unknown key");
}

int main(void)
{
	TAP_RUN(keys);
	TAP_RUN(refused);
	TAP_RUN(limits);
	TAP_RUN(sizes);
	TAP_RUN(paths);
	TAP_RUN(messages);
	TAP_RUN(load);
	return tap_done();
}
