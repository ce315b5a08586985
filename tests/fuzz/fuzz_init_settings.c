/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a kernel command line, as options, and as the JSON of a list. Whatever comes out
 * lies inside of what went in; a problem has its words.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/out.h"
#include "init/list.h"
#include "init/settings.h"

#define ARGS 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct init_settings s;

/* A text of the @size bytes at @from. */
static void inside(const char *text, const char *from, size_t size)
{
	if (!text)
		return;
	if (text < from || text >= from + size || !memchr(text, '\0', (size_t)(from + size - text)))
		abort();
}

static void all_inside(char *const *words, const char *from, size_t size)
{
	for (unsigned i = 0; words && words[i]; i++) {
		if (i > INIT_WORDS_MAX)
			abort();
		inside(words[i], from, size);
	}
}

static void check(int r, const struct init_problem *p, const char *from, size_t size)
{
	if (r != 0 && (r != -EINVAL || !p->why || !*p->why))
		abort();
	if (s.argv == s.words)
		all_inside(s.argv, from, size);
	all_inside(s.env, from, size);
	inside(s.endpoint, from, size);
	inside(s.cwd, from, size);
	inside(s.hostname, from, size);
	inside(s.agent, from, size);
	inside(s.modules, from, size);
	inside(s.walk_ms, from, size);
	inside(s.major, from, size);
	if (s.inotify_count > INIT_PATHS_MAX || s.exit.len > sizeof(s.exit.addr))
		abort();
	for (unsigned i = 0; i < s.inotify_count; i++)
		inside(s.inotify[i], from, size);
	if (s.uid == 0 || s.gid == 0 || s.agent_uid == 0 || s.uid == UINT32_MAX)
		abort();
}

/* A copy of exactly that size, NUL included. */
static char *copy(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

static void as_cmdline(const uint8_t *data, size_t size)
{
	struct init_problem p = {0};
	char *text = copy(data, size);

	init_settings_defaults(&s);
	check(init_settings_cmdline(&s, text, &p), &p, text, size + 1);
	(void)!init_settings_check(&s, &p);
	free(text);
}

static void as_options(const uint8_t *data, size_t size)
{
	char *text = copy(data, size), *args[ARGS + 1], *at = text;
	struct init_problem p = {0};
	unsigned n = 0;

	while (n < ARGS && (args[n] = strsep(&at, "\n")))
		n++;
	args[n] = NULL;
	init_settings_defaults(&s);
	s.cell = true;
	check(init_settings_options(&s, args, &p), &p, text, size + 1);
	(void)!init_settings_check(&s, &p);
	free(text);
}

static void as_list(const uint8_t *data, size_t size)
{
	char *words[INIT_WORDS_MAX + 1];
	size_t cap = (size + 2) / 3 * 4;
	char *text = malloc(cap + 1);
	const char *why = NULL;
	struct tt_b64 b = {0};
	struct tt_out o;
	int n;

	if (!text)
		abort();
	tt_out_init(&o, text, cap);
	tt_b64_put(&b, &o, data, size);
	tt_b64_end(&b, &o);
	text[o.len] = '\0';
	n = init_list_decode(text, words, INIT_WORDS_MAX, &why);
	if (n < 0 ? !why : n > INIT_WORDS_MAX || words[n])
		abort();
	if (n >= 0)
		all_inside(words, text, cap + 1);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	as_cmdline(data, size);
	as_options(data, size);
	as_list(data, size);
	return 0;
}
