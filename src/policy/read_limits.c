/* SPDX-License-Identifier: Apache-2.0 */
/* Directives about how much the command may use, and its environment. */
#include <string.h>
#include <sys/resource.h>

#include "policy/policy_internal.h"

#define WRITABLE(type, list) ((type *)(uintptr_t)(list))

static int take_rlimit_value(struct policy_reader *r, const struct policy_word *w, uint64_t *ret)
{
	if (strcmp(w->text, "unlimited") != 0)
		return policy_take_size(r, w, ret);
	*ret = RLIM_INFINITY;
	return 0;
}

int policy_take_rlimit(struct policy_reader *r)
{
	struct policy *p = r->p;
	const struct policy_word *name = &r->words[1];
	struct policy_nearest near = {.word = name->text};
	struct policy_rlimit l = {.resource = policy_rlimit_find(name->text)};
	size_t at = 0;
	int n;

	if (l.resource < 0) {
		for (size_t i = 0; policy_rlimit_at(i); i++)
			policy_nearest_try(&near, policy_rlimit_at(i));
		return policy_complain(r, name, "no rlimit '%.40s': %s%s%s", name->text,
				       near.best ? "did you mean '" : "see setrlimit(2)",
				       near.best ? near.best : "", near.best ? "'?" : "");
	}
	n = take_rlimit_value(r, &r->words[2], &l.soft);
	l.hard = l.soft;
	if (n == 0 && r->count == 4)
		n = take_rlimit_value(r, &r->words[3], &l.hard);
	if (n < 0)
		return n;
	if (l.soft > l.hard)
		return policy_complain(r, &r->words[2], "the soft limit is above the hard one");
	while (at < p->rlimit_count && p->rlimits[at].resource != l.resource)
		at++;
	if (at == p->rlimit_count) {
		n = policy_grow(r, name, &p->rlimits, at, POLICY_LIST_MAX, sizeof(l), "rlimits");
		if (n < 0)
			return n;
		p->rlimit_count++;
	}
	WRITABLE(struct policy_rlimit, p->rlimits)[at] = l;
	return 0;
}

/* "150%" or "150" */
static int take_percent(struct policy_reader *r, const struct policy_word *w, uint64_t *ret)
{
	struct policy_word number = *w;
	char text[32] = "";

	if (w->len && w->len < sizeof(text)) {
		memcpy(text, w->text, w->len);
		if (text[w->len - 1] == '%')
			text[w->len - 1] = '\0';
		number.text = text;
	}
	return policy_take_number(r, &number, 0, 1000000, ret);
}

/* "90", "90s", "250ms", "5m", "2h", "1d" as milliseconds */
static int take_time(struct policy_reader *r, const struct policy_word *w, uint64_t *ret)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"", 1000},   {"ms", 1},      {"s", 1000},
		     {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	size_t digits = strspn(w->text, "0123456789");
	struct policy_word number = *w;
	char text[16] = "";
	uint64_t v;
	int n;

	for (size_t i = 0; digits && digits < sizeof(text) && i < TT_ARRAY_SIZE(units); i++) {
		if (strcmp(w->text + digits, units[i].unit) != 0)
			continue;
		memcpy(text, w->text, digits);
		number.text = text;
		n = policy_take_number(r, &number, 0, UINT32_MAX, &v);
		if (n < 0)
			return n;
		*ret = v * units[i].ms;
		return 0;
	}
	return policy_complain(r, w, "'%.40s' is no time: 90s, 250ms, 5m, 2h", w->text);
}

static int take_count(struct policy_reader *r, const struct policy_word *w, uint64_t *ret)
{
	return policy_take_number(r, w, 0, INT64_MAX, ret);
}

int policy_take_limit(struct policy_reader *r)
{
	struct policy_limits *l = &r->p->limits;
	static const char *const words[] = {"memory", "swap", "cpu",      "pids",         "read",
					    "write",  "wall", "cpu-time", "major-faults", NULL};
	const struct {
		uint64_t *value;
		int (*take)(struct policy_reader *r, const struct policy_word *w, uint64_t *ret);
		bool may_be_zero;
	} rows[] = {
		{&l->memory_bytes, policy_take_size, false},
		{&l->swap_bytes, policy_take_size, true},
		{&l->cpu_percent, take_percent, false},
		{&l->pids, take_count, false},
		{&l->read_bytes_per_s, policy_take_size, false},
		{&l->write_bytes_per_s, policy_take_size, false},
		{&l->wall_ms, take_time, false},
		{&l->cpu_ms, take_time, false},
		{&l->major_faults, take_count, true},
	};
	const struct policy_word *w = &r->words[2];
	int which = policy_pick(r, &r->words[1], "limit", words), n;
	uint64_t v = 0;

	if (which < 0)
		return which;
	if (strcmp(w->text, "none") == 0) {
		*rows[which].value = POLICY_NO_LIMIT;
		return 0;
	}
	n = rows[which].take(r, w, &v);
	if (n < 0)
		return n;
	if (!v && !rows[which].may_be_zero)
		return policy_complain(r, w, "a limit of 0: nothing could run ('none': no limit)");
	*rows[which].value = v;
	return 0;
}

static bool is_variable(const char *name, size_t n, bool pattern)
{
	if (pattern && n && name[n - 1] == '*')
		n--;
	else if (!n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (name[i] == '=' || name[i] == '*')
			return false;
	return true;
}

/* How much of "NAME=value" two of them must share to be about the same variable. */
static size_t name_length(const char *text, bool set)
{
	return set ? (size_t)(strchr(text, '=') - text) + 1 : strlen(text) + 1;
}

static int put_variable(struct policy_reader *r, const struct policy_word *w,
			const char *const **list, size_t *count, bool set)
{
	const char **texts = WRITABLE(const char *, *list);
	size_t at = 0, n = name_length(w->text, set);
	int ret;

	while (at < *count && strncmp(texts[at], w->text, n) != 0)
		at++;
	if (at == *count) {
		ret = policy_grow(r, w, list, *count, POLICY_LIST_MAX, sizeof(**list),
				  "names of variables");
		if (ret < 0)
			return ret;
		texts = WRITABLE(const char *, *list);
		(*count)++;
	}
	texts[at] = w->text;
	return 0;
}

int policy_take_environment(struct policy_reader *r)
{
	static const char *const words[] = {"all", "listed", "pass", "drop", "set", NULL};
	struct policy_env *e = &r->p->env;
	int what = policy_pick(r, &r->words[1], "word about the environment", words), n;

	if (what < 0)
		return what;
	policy_note(r, POLICY_KEY_ENVIRONMENT, &r->words[0]);
	if (what < 2) {
		if (r->count > 2)
			return policy_complain(r, &r->words[2],
					       "one word too many: 'environment %s'", words[what]);
		e->mode = (enum policy_env_mode)what;
		return 0;
	}
	if (r->count == 2)
		return policy_complain(r, &r->words[1], "environment %s: which variables?",
				       words[what]);
	for (size_t i = 2; i < r->count; i++) {
		const struct policy_word *w = &r->words[i];
		const char *equal = strchr(w->text, '=');

		if (what == 4 &&
		    (!equal || !is_variable(w->text, (size_t)(equal - w->text), false)))
			return policy_complain(r, w, "'%.60s' is not NAME=VALUE", w->text);
		if (what != 4 && !is_variable(w->text, w->len, true))
			return policy_complain(
				r, w, "'%.60s' is no variable's name ('*' at its end: any)",
				w->text);
		n = what == 2   ? put_variable(r, w, &e->pass, &e->pass_count, false)
		    : what == 3 ? put_variable(r, w, &e->drop, &e->drop_count, false)
				: put_variable(r, w, &e->set, &e->set_count, true);
		if (n < 0)
			return n;
	}
	return 0;
}
