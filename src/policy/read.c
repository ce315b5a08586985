/* SPDX-License-Identifier: Apache-2.0 */
/* The directives of a profile: the table, the simple ones, and what all of them use. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy_internal.h"

struct directive {
	const char *name;
	policy_directive_fn take;
	unsigned min, max; /* words behind it; max 0: any number */
	const char *usage;
};

static void tell_includes(const struct policy_source *s, char *buf, size_t cap)
{
	size_t used = strlen(buf);

	for (; s && s->parent && used < cap; s = s->parent)
		used += (size_t)snprintf(buf + used, cap - used, " (included from %s:%u)",
					 s->parent->name, s->parent_line);
}

TT_PRINTF(3, 0)
static int complain_va(struct policy_reader *r, const struct policy_place *at, const char *fmt,
		       va_list ap)
{
	struct tt_err text;
	size_t n;

	n = (size_t)snprintf(text.text, sizeof(text.text), "%s:%u:%u: ", at->file, at->line,
			     at->column);
	if (n < sizeof(text.text))
		(void)vsnprintf(text.text + n, sizeof(text.text) - n, fmt, ap);
	if (r->source && at->file == r->source->name)
		tell_includes(r->source, text.text, sizeof(text.text));
	if (r->complaints++ == 0 && r->err)
		*r->err = text;
	if (r->tell && r->complaints <= POLICY_COMPLAINTS_MAX)
		r->tell(r->tell_arg, text.text);
	return -EINVAL;
}

int policy_complain(struct policy_reader *r, const struct policy_word *at, const char *fmt, ...)
{
	struct policy_place place = {.file = r->source->name, .line = r->source->line, .column = 1};
	va_list ap;
	int ret;

	if (at) {
		place.line = at->line;
		place.column = at->column;
	}
	va_start(ap, fmt);
	ret = complain_va(r, &place, fmt, ap);
	va_end(ap);
	return ret;
}

int policy_complain_at(struct policy_reader *r, const struct policy_place *at, const char *fmt, ...)
{
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = complain_va(r, at, fmt, ap);
	va_end(ap);
	return ret;
}

int policy_no_memory(struct policy_reader *r)
{
	return tt_fail(r->err, ENOMEM, "read profile '%s'", r->source->name);
}

void policy_note(struct policy_reader *r, enum policy_key key, const struct policy_word *at)
{
	r->places[key] = (struct policy_place){
		.file = r->source->name,
		.line = at->line,
		.column = at->column,
	};
}

char *policy_keep(struct policy_reader *r, const char *text)
{
	return policy_arena_text(&r->own->arena, text, strlen(text));
}

int policy_grow(struct policy_reader *r, const struct policy_word *at, void *array, size_t count,
		size_t max, size_t size, const char *what)
{
	void *old, *more;

	if (count >= max)
		return policy_complain(r, at, "more than %zu %s", max, what);
	if (count & (count - 1) || (count && count < 8))
		return 0; /* there is room up to the next power of two */
	memcpy(&old, array, sizeof(old));
	more = realloc(old, (count < 8 ? 8 : count * 2) * size);
	if (!more)
		return policy_no_memory(r);
	memcpy(array, &more, sizeof(more));
	return 0;
}

/* Edit distance (insert, delete, replace, exchange neighbours) of two short words. */
static int distance(const char *a, const char *b)
{
	enum { LONGEST = 40 };
	int rows[3][LONGEST + 1], *before = rows[0], *above = rows[1], *row = rows[2], *free_row;
	size_t n = strlen(b), m = strlen(a);

	if (n > LONGEST || m > LONGEST)
		return LONGEST;
	for (size_t j = 0; j <= n; j++)
		row[j] = before[j] = above[j] = (int)j;
	for (size_t i = 1; i <= m; i++) {
		free_row = before;
		before = above;
		above = row;
		row = free_row;
		row[0] = (int)i;
		for (size_t j = 1; j <= n; j++) {
			char x = a[i - 1] | 0x20, y = b[j - 1] | 0x20;

			row[j] = above[j - 1] + (x != y);
			if (above[j] + 1 < row[j])
				row[j] = above[j] + 1;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
			if (i > 1 && j > 1 && x == (b[j - 2] | 0x20) && y == (a[i - 2] | 0x20) &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
	}
	return row[n];
}

void policy_nearest_try(struct policy_nearest *n, const char *candidate)
{
	int d = distance(n->word, candidate);
	int limit = (int)strlen(candidate) > 5 ? 3 : 2;

	if (d >= limit || d >= (int)strlen(candidate) || (n->best && d >= n->distance))
		return;
	n->best = candidate;
	n->distance = d;
}

int policy_pick(struct policy_reader *r, const struct policy_word *w, const char *what,
		const char *const *words)
{
	struct policy_nearest n = {.word = w->text};
	char all[160] = "";
	size_t used = 0;

	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], w->text) == 0)
			return i;
	for (int i = 0; words[i]; i++) {
		policy_nearest_try(&n, words[i]);
		if (used < sizeof(all))
			used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s",
						 i ? ", " : "", words[i]);
	}
	if (n.best)
		return policy_complain(r, w, "no %s '%.40s': did you mean '%s'?", what, w->text,
				       n.best);
	return policy_complain(r, w, "no %s '%.40s': there are %s", what, w->text, all);
}

int policy_take_path(struct policy_reader *r, const struct policy_word *w, const char **ret)
{
	const char *rest = w->text;

	if (*rest == '.' || *rest == '~')
		rest++;
	if (w->len >= 4096)
		return policy_complain(r, w, "a path of %zu bytes: at most 4095", w->len);
	if ((*rest && *rest != '/') || !*w->text)
		return policy_complain(r, w, "path '%.60s': it begins with '/', './' or '~/'",
				       w->text);
	for (const char *p = rest; (p = strstr(p, "/..")); p += 3)
		if (!p[3] || p[3] == '/')
			return policy_complain(r, w, "path '%.60s': without '..', please", w->text);
	*ret = w->text;
	return 0;
}

static int take_digits(const char *text, uint64_t *ret, const char **ret_end)
{
	uint64_t v = 0;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*text - '0'), &v))
			return -ERANGE;
	*ret = v;
	*ret_end = text;
	return 0;
}

int policy_take_number(struct policy_reader *r, const struct policy_word *w, uint64_t min,
		       uint64_t max, uint64_t *ret)
{
	const char *end = "";
	uint64_t v = 0;

	if (take_digits(w->text, &v, &end) < 0 || *end)
		return policy_complain(r, w, "'%.40s' is no number", w->text);
	if (v < min || v > max)
		return policy_complain(r, w, "'%.40s' is not between %llu and %llu", w->text,
				       (unsigned long long)min, (unsigned long long)max);
	*ret = v;
	return 0;
}

int policy_take_size(struct policy_reader *r, const struct policy_word *w, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const char *end, *unit;
	uint64_t v;
	int bits = 0;

	if (take_digits(w->text, &v, &end) < 0)
		return policy_complain(r, w, "'%.40s' is no size: 4096, 64K, 256M, 4G", w->text);
	if (*end) {
		unit = strchr(units, *end & ~0x20);
		if (!unit || !*unit || end[1])
			return policy_complain(r, w, "'%.40s' is no size: 4096, 64K, 256M, 4G",
					       w->text);
		bits = 10 * (int)(unit - units + 1);
	}
	if (v > (uint64_t)INT64_MAX >> bits)
		return policy_complain(r, w, "'%.40s' is too large", w->text);
	*ret = v << bits;
	return 0;
}

static int take_summary(struct policy_reader *r)
{
	if (r->words[1].len > 200 || strchr(r->words[1].text, '\n'))
		return policy_complain(r, &r->words[1], "a summary is one line of 200 bytes");
	/* what an included profile says of itself is not about this one */
	if (r->source->depth == 0)
		r->p->summary = r->words[1].text;
	return 0;
}

static int take_include(struct policy_reader *r)
{
	return policy_include(r, &r->words[1]);
}

/* In the order of enum policy_namespace. */
static const char *const namespace_words[] = {"mount",  "pid",  "ipc",  "uts", "net",
					      "cgroup", "time", "user", NULL};

/* "mount pid" sets them all; "+net -pid" changes what was said before. */
static int take_namespaces(struct policy_reader *r)
{
	uint32_t set = 0, add = 0, drop = 0;
	bool none = strcmp(r->words[1].text, "none") == 0;

	if (none && r->count > 2)
		return policy_complain(r, &r->words[2], "'none' stands alone");
	for (size_t i = 1; i < r->count && !none; i++) {
		struct policy_word w = r->words[i];
		char sign = *w.text;
		int ns;

		if (sign == '+' || sign == '-') {
			w.text++;
			w.column++;
		}
		ns = policy_pick(r, &w, "namespace", namespace_words);
		if (ns < 0)
			return ns;
		if (sign == '+')
			add |= 1U << ns;
		else if (sign == '-')
			drop |= 1U << ns;
		else
			set |= 1U << ns;
	}
	if (set && (add || drop))
		return policy_complain(
			r, &r->words[1],
			"names with and without '+' and '-': either the whole set or "
			"changes of it");
	if (add || drop)
		set = (r->p->namespaces | add) & ~drop;
	r->p->namespaces = set;
	policy_note(r, POLICY_KEY_NAMESPACES, &r->words[0]);
	return 0;
}

static int take_network(struct policy_reader *r)
{
	static const char *const words[] = {"host", "loopback", "off", NULL};
	int n = policy_pick(r, &r->words[1], "network", words);

	if (n < 0)
		return n;
	r->p->network = (enum policy_network)n;
	if (n == POLICY_NET_HOST)
		r->p->namespaces &= ~(uint32_t)POLICY_NS_NET;
	else
		r->p->namespaces |= POLICY_NS_NET;
	policy_note(r, POLICY_KEY_NETWORK, &r->words[0]);
	return 0;
}

static int take_root(struct policy_reader *r)
{
	static const char *const words[] = {"keep", "read-only", "empty", NULL};
	int n = policy_pick(r, &r->words[1], "root", words);

	if (n < 0)
		return n;
	r->p->root = (enum policy_root)n;
	policy_note(r, POLICY_KEY_ROOT, &r->words[0]);
	return 0;
}

static int take_hostname(struct policy_reader *r)
{
	const struct policy_word *w = &r->words[1];

	if (strcmp(w->text, "keep") == 0) {
		r->p->hostname = NULL;
		return 0;
	}
	if (!w->len || w->len > 64 || strpbrk(w->text, " /\n\t"))
		return policy_complain(r, w, "a host name has 1 to 64 characters, no blanks");
	r->p->hostname = w->text;
	policy_note(r, POLICY_KEY_HOSTNAME, &r->words[0]);
	return 0;
}

static int take_id(struct policy_reader *r, enum policy_key key, int64_t *ret)
{
	uint64_t v;
	int n;

	if (strcmp(r->words[1].text, "keep") == 0) {
		*ret = -1;
		return 0;
	}
	n = policy_take_number(r, &r->words[1], 0, UINT32_MAX - 1, &v);
	if (n < 0)
		return n;
	*ret = (int64_t)v;
	policy_note(r, key, &r->words[0]);
	return 0;
}

static int take_uid(struct policy_reader *r)
{
	return take_id(r, POLICY_KEY_UID, &r->p->uid);
}

static int take_gid(struct policy_reader *r)
{
	return take_id(r, POLICY_KEY_GID, &r->p->gid);
}

static int take_caps(struct policy_reader *r)
{
	uint64_t set = 0;

	for (size_t i = 1; i < r->count; i++) {
		const struct policy_word *w = &r->words[i];
		struct policy_nearest n = {.word = w->text};
		int cap;

		if (r->count == 2 && strcmp(w->text, "none") == 0)
			break;
		cap = policy_cap_find(w->text);
		if (cap >= 0) {
			set |= 1ULL << cap;
			continue;
		}
		for (size_t k = 0; policy_cap_at(k); k++)
			policy_nearest_try(&n, policy_cap_at(k));
		if (n.best)
			return policy_complain(r, w, "no capability '%.40s': did you mean '%s'?",
					       w->text, n.best);
		return policy_complain(r, w, "no capability '%.40s': see capabilities(7)", w->text);
	}
	r->p->keep_caps = set;
	policy_note(r, POLICY_KEY_CAPS, &r->words[0]);
	return 0;
}

static int take_yes_no(struct policy_reader *r, bool *ret)
{
	static const char *const words[] = {"no", "yes", NULL};
	int n = policy_pick(r, &r->words[1], "answer", words);

	if (n < 0)
		return n;
	*ret = n;
	return 0;
}

static int take_no_new_privs(struct policy_reader *r)
{
	policy_note(r, POLICY_KEY_NO_NEW_PRIVS, &r->words[0]);
	return take_yes_no(r, &r->p->no_new_privs);
}

static int take_learn(struct policy_reader *r)
{
	return take_yes_no(r, &r->p->learn);
}

static int take_count(struct policy_reader *r)
{
	static const char *const words[] = {"auto", "off", "ptrace", NULL};
	int n = policy_pick(r, &r->words[1], "way to count", words);

	if (n < 0)
		return n;
	r->p->count = (enum policy_count)n;
	policy_note(r, POLICY_KEY_COUNT_CALLS, &r->words[0]);
	return 0;
}

/* What an including profile does not want of the included. */
static int take_forget(struct policy_reader *r)
{
	static const char *const words[] = {"mounts",  "landlock",    "rules", "limits",
					    "rlimits", "environment", "maps",  NULL};
	static const struct policy_limits none = POLICY_LIMITS_NONE;
	struct policy *p = r->p;

	for (size_t i = 1; i < r->count; i++) {
		int n = policy_pick(r, &r->words[i], "such list", words);

		if (n < 0)
			return n;
		switch (n) {
		case 0:
			p->mount_count = 0;
			break;
		case 1:
			p->landlock.handled = 0;
			p->landlock.bind = p->landlock.connect = p->landlock.scope = false;
			p->landlock.path_count = p->landlock.port_count = 0;
			break;
		case 2:
			p->rule_count = 0;
			p->fallback = (struct policy_verdict){.action = POLICY_ALLOW};
			break;
		case 3:
			p->limits = none;
			break;
		case 4:
			p->rlimit_count = 0;
			break;
		case 5:
			p->env.mode = POLICY_ENV_ALL;
			p->env.pass_count = p->env.drop_count = p->env.set_count = 0;
			break;
		default:
			p->uid_map_count = p->gid_map_count = 0;
			break;
		}
	}
	return 0;
}

static const struct directive directives[] = {
	{"allow", policy_take_rule, 1, 0, "NAME|@GROUP... [when CONDITION]"},
	{"allow-host", policy_take_allow_host, 1, 0, "HOST[:PORT]..."},
	{"count", take_count, 1, 1, "auto|off|ptrace"},
	{"default", policy_take_default, 1, 2, "allow|log|deny|deny-quiet|kill [ERRNO]"},
	{"deny", policy_take_rule, 1, 0, "[ERRNO] NAME|@GROUP... [when CONDITION]"},
	{"deny-quiet", policy_take_rule, 1, 0, "[ERRNO] NAME|@GROUP... [when CONDITION]"},
	{"environment", policy_take_environment, 1, 0,
	 "all|listed|pass NAME...|drop NAME...|set NAME=VALUE..."},
	{"forget", take_forget, 1, 0, "mounts|landlock|rules|limits|rlimits|environment|maps..."},
	{"gid", take_gid, 1, 1, "N|keep"},
	{"hostname", take_hostname, 1, 1, "NAME|keep"},
	{"include", take_include, 1, 1, "NAME|FILE"},
	{"keep-capability", take_caps, 1, 0, "NAME...|none"},
	{"kill", policy_take_rule, 1, 0, "NAME|@GROUP... [when CONDITION]"},
	{"landlock", policy_take_landlock, 1, 0,
	 "handle RIGHT...|RIGHT[,RIGHT] PATH [optional]|bind PORT...|connect PORT..."},
	{"learn", take_learn, 1, 1, "yes|no"},
	{"limit", policy_take_limit, 2, 2, "NAME VALUE|none"},
	{"log", policy_take_rule, 1, 0, "NAME|@GROUP... [when CONDITION]"},
	{"map-gid", policy_take_map_gid, 3, 3, "INSIDE OUTSIDE COUNT"},
	{"map-uid", policy_take_map_uid, 3, 3, "INSIDE OUTSIDE COUNT"},
	{"mount", policy_take_mount, 1, 0, "read|write|tmpfs|proc|dev|hide ..."},
	{"namespaces", take_namespaces, 1, 0, "none|NAME...|+NAME|-NAME..."},
	{"network", take_network, 1, 1, "off|loopback|host"},
	{"no-new-privs", take_no_new_privs, 1, 1, "yes|no"},
	{"rlimit", policy_take_rlimit, 2, 3, "NAME SOFT [HARD]"},
	{"root", take_root, 1, 1, "keep|read-only|empty"},
	{"summary", take_summary, 1, 1, "\"TEXT\""},
	{"uid", take_uid, 1, 1, "N|keep"},
};

static int take_line(struct policy_reader *r)
{
	const struct policy_word *w = &r->words[0];
	struct policy_nearest n = {.word = w->text};

	for (size_t i = 0; i < TT_ARRAY_SIZE(directives); i++) {
		const struct directive *d = &directives[i];

		if (strcmp(d->name, w->text) != 0)
			continue;
		if (r->count - 1 < d->min || (d->max && r->count - 1 > d->max))
			return policy_complain(r, r->count - 1 < d->min ? w : &r->words[d->max + 1],
					       "%s: %s %s",
					       r->count - 1 < d->min ? "something is missing"
								     : "one word too many",
					       d->name, d->usage);
		return d->take(r);
	}
	for (size_t i = 0; i < TT_ARRAY_SIZE(directives); i++)
		policy_nearest_try(&n, directives[i].name);
	if (n.best)
		return policy_complain(r, w, "unknown key '%.40s': did you mean '%s'?", w->text,
				       n.best);
	return policy_complain(r, w, "unknown key '%.40s': see telltale-profile(5)", w->text);
}

int policy_read_source(struct policy_reader *r, struct policy_source *s)
{
	struct policy_source *above = r->source;
	int n, first = 0;

	r->source = s;
	if (s->len >= 3 && memcmp(s->text, "\xef\xbb\xbf", 3) == 0)
		s->at = 3;
	s->line = s->column = 1;
	while ((n = policy_next_line(r)) != 0) {
		if (n > 0)
			n = take_line(r);
		if (n >= 0)
			continue;
		if (!first)
			first = n;
		/* a check goes on where the text is wrong, nobody where the machine is */
		if (n != -EINVAL || !r->tell || r->complaints >= POLICY_COMPLAINTS_MAX)
			break;
	}
	r->source = above;
	return first;
}
