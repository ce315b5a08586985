/* SPDX-License-Identifier: Apache-2.0 */
/* The redactor: what goes, what stays, and texts that end in the middle of it. */
#include <stdlib.h>

#include "event/redact.h"
#include "tap.h"

/* @text with every secret as ***, from a buffer of exactly its size. */
static const char *redact(const char *text)
{
	static char out[1024];
	size_t len = strlen(text), at = 0, start, end, n = 0;
	char *exact = malloc(len);

	memcpy(exact, text, len);
	while (event_redact_next(exact, len, at, &start, &end)) {
		CHECK(at <= start && start < end && end <= len);
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s***", (int)(start - at),
				      exact + at);
		at = end;
	}
	snprintf(out + n, sizeof(out) - n, "%.*s", (int)(len - at), exact + at);
	free(exact);
	return out;
}

static void goes(void)
{
	static const char *const rows[][2] = {
		{"mysql --password hunter2 db", "mysql --password *** db"},
		{"--password=hunter2", "--password=***"},
		{"--password   hunter2", "--password   ***"},
		{"--db-password=hunter2 x", "--db-password=*** x"},
		{"TOKEN=x", "TOKEN=***"},
		{"GITHUB_TOKEN=abc make", "GITHUB_TOKEN=*** make"},
		{"env A=1 AWS_SECRET_ACCESS_KEY=abc/d+e= x", "env A=1 AWS_SECRET_ACCESS_KEY=*** x"},
		{"TOKEN='a b' x", "TOKEN='***' x"},
		{"TOKEN=\"a \\\" b\" x", "TOKEN=\"***\" x"},
		{"TOKEN='it'\\''s me' x", "TOKEN='***' x"},
		{"TOKEN=a'b'c x", "TOKEN=*** x"},
		{"TOKEN=a\\ b x", "TOKEN=*** x"},
		{"x?token=abc&y=1", "x?token=***&y=1"},
		{"TOKEN=abc;ls", "TOKEN=***;ls"},
		{"pass=abc", "pass=***"},
		{"api_key = 'abc'", "api_key = '***'"},
		{"Authorization: Bearer x", "Authorization: Bearer ***"},
		{"authorization:bearer abc.def-ghi", "authorization:bearer ***"},
		{"Authorization: Basic YTpi", "Authorization: Basic ***"},
		{"Authorization: token abcdef", "Authorization: token ***"},
		{"Authorization: hunter2", "Authorization: ***"},
		{"Authorization: AWS4-HMAC-SHA256 Credential=A/b, Signature=c",
		 "Authorization: ***"},
		{"Authorization: Digest username=\"u\", response=\"abc\"",
		 "Authorization: Digest ***\"u\", response=\"abc\""},
		{"-H \"Authorization: Bearer x\" https://h/",
		 "-H \"Authorization: Bearer ***\" https://h/"},
		{"-H 'Proxy-Authorization: Basic YTpi' h", "-H 'Proxy-Authorization: Basic ***' h"},
		{"Authorization: Bearer x\nHost: h", "Authorization: Bearer ***\nHost: h"},
		{"X-Api-Key: abc", "X-Api-Key: ***"},
		{"X-Auth-Token: Basic YTpi", "X-Auth-Token: Basic ***"},
		{"say Bearer x", "say Bearer ***"},
		{"Basic dXNlcjpwdw==", "Basic ***"},
		{"https://u:p@h/", "https://u:***@h/"},
		{"git clone https://u:p@ss:w@h/x.git y", "git clone https://u:***@h/x.git y"},
		{"redis://:pw@h:6379/0", "redis://:***@h:6379/0"},
		{"DATABASE_URL=postgres://u:p@h/d", "DATABASE_URL=postgres://u:***@h/d"},
		{"{\"api_key\": \"x\"}", "{\"api_key\": \"***\"}"},
		{"{\"a\":1,\"accessToken\" : \"x\",\"b\":2}",
		 "{\"a\":1,\"accessToken\" : \"***\",\"b\":2}"},
		{"{'password': 'a b', 'c': 1}", "{'password': '***', 'c': 1}"},
		{"{\"password\":\"a\\\"b\",\"c\":1}", "{\"password\":\"***\",\"c\":1}"},
		/* JSON in a string of a shell */
		{"curl -d \"{\\\"password\\\": \\\"a b\\\", \\\"c\\\": 1}\"",
		 "curl -d \"{\\\"password\\\": \\\"***\\\", \\\"c\\\": 1}\""},
		{"\\\"token\\\":\\\"a\\\\\\\"b\\\" c", "\\\"token\\\":\\\"***\\\" c"},
		{"ghp_0123456789abcdefABCDEF", "***"},
		{"x glpat-0123456789abcdef,", "x ***,"},
		{"AKIA0123456789ABCDEF", "***"},
		{"xoxb-123456789012-abcdef", "***"},
		{"TOKEN=a TOKEN=b https://u:c@h/ --secret d",
		 "TOKEN=*** TOKEN=*** https://u:***@h/ --secret ***"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_STR(redact(rows[i][0]), rows[i][1]);
}

static void stays(void)
{
	static const char *const rows[] = {
		"",
		"=",
		":",
		"://",
		"https://h/",
		"https://h:8080",
		"https://h:8080/u:p@x",
		"http://[::1]:80",
		"https://u@h/",
		"https://u:@h/",
		"--password",
		"--password=",
		"--password --user x",
		"--no-password x",
		"--password-file /etc/x",
		"max_tokens=5",
		"\"max_tokens\": 100",
		"bypass=1",
		"PWD=/home/x",
		"OLDPWD=/x",
		"basic stuff",
		"basically",
		"TOKEN=",
		"TOKEN= cmd",
		"if token == x",
		"the token is lost",
		"tokenizer=x",
		"ghp_short",
		"xghp_0123456789abcdefABCDEF",
		"cat /etc/passwd",
		"passwd root",
		"C:\\token\\x",
		"keyboard=us",
		"secretary: Ann",
		"key=1",
		"{\"token\":\"\"}",
		"Bearer",
		"Bearer ",
		"Authorization:",
		"Authorization: Basic ",
		"token",
		"a\\",
		"\"",
		"'\\",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_STR(redact(rows[i]), rows[i]);
}

/* Wherever a text is cut, no byte of a secret of four or more letters comes through. */
static void cut_anywhere(void)
{
	static const char *const rows[] = {
		"run --password ZZZZZZZZ x",      "TOKEN=ZZZZZZZZ x",
		"https://user:ZZZZZZZZ@h/",       "\"api_key\": \"ZZZZZZZZ\"",
		"Authorization: Bearer ZZZZZZZZ", "Authorization: Basic ZZZZZZZZ",
		"TOKEN='ZZ ZZ'\\''ZZ' x",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t n = 0; n <= strlen(rows[i]); n++) {
			char cut[64] = "";

			memcpy(cut, rows[i], n);
			if (strchr(redact(cut), 'Z'))
				CHECK_STR(redact(cut), cut);
		}
	}
	CHECK_STR(redact("https://user:ZZ"), "https://user:***");
}

static void flags(void)
{
	static const char *const yes[] = {"--password", "--token",         "-token",
					  "--api-key",  "--API_KEY",       "--db.password",
					  "--pass",     "--client-secret", "-pass"};
	static const char *const no[] = {
		"password", "--password=x", "--no-password",   "--",       "-",          "",
		"-p",       "--user",       "--password-file", "--bypass", "--pass word"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		CHECK(event_redact_is_flag(yes[i], strlen(yes[i])));
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		CHECK(!event_redact_is_flag(no[i], strlen(no[i])));
}

static size_t value_of(const char *arg)
{
	return event_redact_flag_value(arg, strlen(arg));
}

static void flag_values(void)
{
	CHECK_INT(value_of("--password=a b&c"), 11);
	CHECK_INT(value_of("TOKEN=a&b\"c"), 6);
	CHECK_INT(value_of("-Ddb.password=x"), 14);
	CHECK_INT(value_of("TOKEN=a make all"), 0);
	CHECK_INT(value_of("--user=a"), 0);
	CHECK_INT(value_of("--password="), 0);
	CHECK_INT(value_of("--password"), 0);
	CHECK_INT(value_of("x y token=a"), 0);
	CHECK_INT(value_of("="), 0);
	CHECK_INT(value_of(""), 0);
}

static void configure(void)
{
	CHECK_STR(redact("pin=1234"), "pin=1234");
	event_redact_configure("PIN,,x-my-key");
	CHECK_STR(redact("pin=1234 X_MY_KEY: a TOKEN=b"), "pin=*** X_MY_KEY: *** TOKEN=***");
	CHECK(event_redact_is_flag("--pin", 5));
	event_redact_configure("off");
	CHECK_STR(redact("TOKEN=x https://u:p@h/"), "TOKEN=x https://u:p@h/");
	CHECK(!event_redact_is_flag("--token", 7));
	CHECK_INT(value_of("--token=x"), 0);
	event_redact_configure("");
	CHECK_STR(redact("TOKEN=x pin=1"), "TOKEN=*** pin=1");
	event_redact_configure(NULL);
	CHECK_STR(redact("TOKEN=x"), "TOKEN=***");
}

/* Twice the text may not take four times as long: texts that invite a scan from each byte. */
static void linear(void)
{
	static const char *const units[] = {"token=",    "a:", "://",  "basic '", "--token ",
					    "bearer \"", "_=", "\\\"", "token: "};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t n = strlen(units[i]), len = (256u << 10) / n * n, at = 0, start, end,
		       found = 0;
		char *text = malloc(len);

		for (size_t k = 0; k < len; k += n)
			memcpy(text + k, units[i], n);
		for (; event_redact_next(text, len, at, &start, &end); at = end)
			found++;
		CHECK(found <= len); /* the time limit of the test is the check */
		free(text);
	}
}

/* A text is looked at in pieces: what is to be found lies in each, and across their edges. */
static void anywhere(void)
{
	static const char *const rows[][2] = {
		{"ghp_0123456789abcdef", "***"},  {"glpat-0123456789abcd", "***"},
		{"github_pat_0123456789", "***"}, {"xoxb-0123456789abcdef", "***"},
		{"AKIA0123456789ABCDEF", "***"},  {"ASIA0123456789AB", "***"},
		{"sk-ant-012345678", "***"},      {"token=x", "token=***"},
		{"h://u:p@h", "h://u:***@h"},
	};
	char text[160], want[160];

	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++)
		for (int before = 0; before < 50; before++)
			for (int after = 0; after < 50; after++) {
				(void)snprintf(
					text, sizeof(text), "%.*s/%s/%.*s", before,
					"/high/glib/git/sk/AWAIT/xorg/shell/usr/share/doc/gh",
					rows[row][0], after,
					"/high/glib/git/sk/AWAIT/xorg/shell/usr/share/doc/gh");
				(void)snprintf(
					want, sizeof(want), "%.*s/%s%s%.*s", before, text,
					rows[row][1], row == 7 ? "" : "/", row == 7 ? 0 : after,
					"/high/glib/git/sk/AWAIT/xorg/shell/usr/share/doc/gh");
				CHECK_STR(redact(text), want);
			}
}

int main(void)
{
	TAP_RUN(goes);
	TAP_RUN(stays);
	TAP_RUN(cut_anywhere);
	TAP_RUN(flags);
	TAP_RUN(flag_values);
	TAP_RUN(configure);
	TAP_RUN(anywhere);
	TAP_RUN(linear);
	return tap_done();
}
