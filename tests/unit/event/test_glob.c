/* SPDX-License-Identifier: Apache-2.0 */
/* Path globs: what matches, what is refused, and that no pattern takes for ever. */
#include "event/glob.h"

#include <stdlib.h>

#include "tap.h"

/* In buffers of exact size: nothing is read behind them. */
static bool match(const char *glob, const char *path)
{
	size_t g = strlen(glob), n = strlen(path);
	char *exact_glob = malloc(g), *exact_path = malloc(n);
	bool valid, r;

	memcpy(exact_glob, glob, g);
	memcpy(exact_path, path, n);
	valid = event_glob_is_valid(exact_glob, g);
	if (!valid)
		CHECK_STR(glob, "a valid glob");
	r = event_glob_match(exact_glob, g, exact_path, n);
	free(exact_glob);
	free(exact_path);
	return r;
}

static void matches(void)
{
	static const char *const yes[][2] = {
		{"/a", "/a"},
		{"/*", "/a"},
		{"/*", "/"},
		{"/**", "/"},
		{"/**", "/a/b/c"},
		{"**", "/a/b"},
		{"**.o", "/a/b.o"},
		{"**.o", "/.o"},
		{"/a/**/b", "/a/b"},
		{"/a/**/b", "/a/x/b"},
		{"/a/**/b", "/a/x/y/b"},
		{"/a/**/**/b", "/a/b"},
		{"/a**b", "/a/x/b"},
		{"/a**b", "/ab"},
		{"/a?c", "/abc"},
		{"/a*c*e", "/abcde"},
		{"/a*c*e", "/accee"},
		{"/[abc]", "/b"},
		{"/[a-c]x", "/bx"},
		{"/[!a-c]", "/d"},
		{"/[]]", "/]"},
		{"/[!]]", "/a"},
		{"/[a-]", "/-"},
		{"/[*]", "/*"},
		{"/\\*", "/*"},
		{"/\\[a]", "/[a]"},
		{"/a***b", "/a/x/yb"},
		{"/\xff?", "/\xff\xfe"},
	};
	static const char *const no[][2] = {
		{"/a", "/ab"},     {"/a", "/"},        {"/a", ""},           {"/*", "/a/b"},
		{"/a*", "/b"},     {"/*.o", "/a/b.o"}, {"/a/**/b", "/a/xb"}, {"/a/**/b", "/ab"},
		{"/a/**", "/a"},   {"/a?c", "/a/c"},   {"/a?c", "/ac"},      {"/[a-c]", "/d"},
		{"/[!a-c]", "/b"}, {"/[!a]b", "//b"},  {"/[*]", "/a"},       {"/\\*", "/a"},
		{"/\\*", "/\\*"},  {"**.o", "/a.oo"},
	};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (!match(yes[i][0], yes[i][1]))
			CHECK_STR(yes[i][0], yes[i][1]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (match(no[i][0], no[i][1]))
			CHECK_STR(no[i][1], "no match");
	CHECK(match("/x", "/x"));
}

static void refused(void)
{
	char longest[EVENT_GLOB_MAX + 2];

	CHECK(!event_glob_is_valid("", 0));
	CHECK(!event_glob_is_valid("a", 1));
	CHECK(!event_glob_is_valid("*.o", 3));
	CHECK(!event_glob_is_valid("/[", 2));
	CHECK(!event_glob_is_valid("/[]", 3));
	CHECK(!event_glob_is_valid("/[!]", 4));
	CHECK(!event_glob_is_valid("/[a/b]", 6));
	CHECK(!event_glob_is_valid("/a\\", 3));
	memset(longest, '/', sizeof(longest));
	CHECK(event_glob_is_valid(longest, EVENT_GLOB_MAX));
	CHECK(!event_glob_is_valid(longest, EVENT_GLOB_MAX + 1));
	CHECK(!event_glob_match(longest, EVENT_GLOB_MAX + 1, longest, EVENT_GLOB_MAX + 1));
	CHECK(event_glob_match(longest, EVENT_GLOB_MAX, longest, EVENT_GLOB_MAX));
}

/* Matchers that go back would need longer than anybody waits for these. */
static void bounded(void)
{
	char glob[EVENT_GLOB_MAX], *path = malloc(8192);

	for (size_t i = 0; i < sizeof(glob); i++)
		glob[i] = "/**a"[i % 4];
	memset(path, 'a', 8192);
	for (size_t i = 0; i < 8192; i += 2)
		path[i] = '/';
	path[8191] = 'b';
	glob[sizeof(glob) - 1] = 'c';
	CHECK(event_glob_is_valid(glob, sizeof(glob)));
	CHECK(!event_glob_match(glob, sizeof(glob), path, 8192));
	for (size_t i = 1; i < sizeof(glob); i++)
		glob[i] = "*a"[i % 2];
	glob[1] = '*';
	glob[2] = '*';
	glob[sizeof(glob) - 1] = 'c';
	CHECK(!event_glob_match(glob, sizeof(glob), path, 8192));
	free(path);
}

int main(void)
{
	TAP_RUN(matches);
	TAP_RUN(refused);
	TAP_RUN(bounded);
	return tap_done();
}
