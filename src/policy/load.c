/* SPDX-License-Identifier: Apache-2.0 */
/* Where profiles come from: the program, the folders of the user and the system, files. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/utf8.h"
#include "policy/policy_internal.h"

static void free_text(char **text)
{
	free(*text);
}

const char *policy_shipped_at(size_t i, const char **ret_text, size_t *ret_len)
{
	const struct policy_shipped *s = policy_shipped;

	while (s->name && i--)
		s++;
	if (s->name && ret_text)
		*ret_text = s->text;
	if (s->name && ret_len)
		*ret_len = s->len;
	return s->name;
}

static const struct policy_shipped *find_shipped(const char *name)
{
	for (const struct policy_shipped *s = policy_shipped; s->name; s++)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

int policy_folder(size_t i, char *buf, size_t cap)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	int n;

	if (i == 1)
		n = snprintf(buf, cap, "/etc/telltale/profiles");
	else if (i > 1)
		return -ENOENT;
	else if (config && *config == '/')
		n = snprintf(buf, cap, "%s/telltale/profiles", config);
	else if (home && *home == '/')
		n = snprintf(buf, cap, "%s/.config/telltale/profiles", home);
	else
		n = snprintf(buf, cap, "/etc/telltale/profiles");
	return n < 0 || (size_t)n >= cap ? -ENAMETOOLONG : 0;
}

static bool is_name(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == '/' || name[i] == 0x7f)
			return false;
	return n > 0 && n < POLICY_NAME_MAX && name[0] != '.';
}

/* A name that is a file of one of the folders: its path into @buf. */
static int find_in_folders(const char *folder, const char *name, char *buf, size_t cap)
{
	char base[PATH_MAX];
	int n;

	if (folder) {
		n = snprintf(buf, cap, "%s/%s.profile", folder, name);
		if (n > 0 && (size_t)n < cap && access(buf, F_OK) == 0)
			return 0;
	}
	for (size_t i = 0; (n = policy_folder(i, base, sizeof(base))) != -ENOENT; i++) {
		if (n < 0)
			continue;
		n = snprintf(buf, cap, "%s/%s.profile", base, name);
		if (n > 0 && (size_t)n < cap && access(buf, F_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

/* "unknown profile 'x': did you mean 'X'?" or what there is, into @buf. */
static void tell_unknown(const char *name, char *buf, size_t cap)
{
	struct policy_nearest near = {.word = name};
	size_t used;

	for (const struct policy_shipped *s = policy_shipped; s->name; s++)
		policy_nearest_try(&near, s->name);
	used = (size_t)snprintf(buf, cap, "unknown profile '%.64s': ", name);
	if (near.best) {
		(void)snprintf(buf + used, cap - used, "did you mean '%s'?", near.best);
		return;
	}
	used += (size_t)snprintf(buf + used, cap - used, "the profiles are ");
	for (const struct policy_shipped *s = policy_shipped; s->name && used < cap; s++)
		used += (size_t)snprintf(buf + used, cap - used, "%s%s",
					 s == policy_shipped ? "" : ", ", s->name);
	if (used < cap)
		(void)snprintf(buf + used, cap - used, " (a file has a '/' in its name)");
}

static int read_text(const char *path, char **ret, size_t *ret_len)
{
	char *text = malloc(POLICY_FILE_MAX), *less;
	long n;

	if (!text)
		return -ENOMEM;
	n = tt_file_read(path, text, POLICY_FILE_MAX);
	if (n < 0) {
		free(text);
		return (int)n;
	}
	less = realloc(text, (size_t)n + 1);
	*ret = less ? less : text;
	*ret_len = (size_t)n;
	return 0;
}

/* A word about why a file could not be read. */
static const char *reason(int n)
{
	static _Thread_local char buf[80];

	if (n == -EFBIG)
		return "more than 1 MiB of text";
	if (n == -EINVAL)
		return "no regular file";
	return strerror_r(-n, buf, sizeof(buf));
}

static int check_loop(struct policy_reader *r, const struct policy_word *at, const char *real)
{
	const struct policy_source *s = r->source;
	char chain[160] = "";
	size_t used = 0;

	for (; s; s = s->parent) {
		if (used < sizeof(chain))
			used += (size_t)snprintf(chain + used, sizeof(chain) - used, " < %s",
						 s->name);
		if (strcmp(s->real, real) == 0)
			return policy_complain(r, at, "it includes itself: %s%s", s->name, chain);
	}
	return 0;
}

static int read_file(struct policy_reader *r, const struct policy_word *at, const char *path)
{
	TT_CLEANUP(free_text) char *text = NULL;
	struct policy_source s = {.parent = r->source, .parent_line = at ? at->line : 0};
	char real[PATH_MAX], *slash;
	int n;

	if (!realpath(path, real))
		(void)snprintf(real, sizeof(real), "%s", path);
	s.depth = r->source ? r->source->depth + 1 : 0;
	s.name = policy_keep(r, path);
	s.real = policy_keep(r, real);
	slash = strrchr(real, '/');
	if (slash)
		*slash = '\0';
	s.folder = policy_keep(r, slash == real ? "/" : real);
	if (!s.name || !s.real || !s.folder)
		return tt_fail(r->err, ENOMEM, "read profile '%s'", path);
	if (at) {
		n = check_loop(r, at, s.real);
		if (n < 0)
			return n;
	}
	n = read_text(path, &text, &s.len);
	if (n < 0 && at)
		return policy_complain(r, at, "read '%.100s': %s", path, reason(n));
	if (n < 0)
		return tt_fail_text(r->err, -n, "read profile '%s': %s", path, reason(n));
	s.text = text;
	return policy_read_source(r, &s);
}

static int read_shipped(struct policy_reader *r, const struct policy_word *at,
			const struct policy_shipped *shipped)
{
	struct policy_source s = {
		.name = shipped->name,
		.real = shipped->name,
		.text = shipped->text,
		.len = shipped->len,
		.parent = r->source,
		.parent_line = at ? at->line : 0,
		.depth = r->source ? r->source->depth + 1 : 0,
	};
	int n = at ? check_loop(r, at, s.real) : 0;

	return n < 0 ? n : policy_read_source(r, &s);
}

int policy_include(struct policy_reader *r, const struct policy_word *name)
{
	const struct policy_shipped *shipped = find_shipped(name->text);
	char path[PATH_MAX], text[200];
	int n;

	if (r->source->depth + 1 > POLICY_DEPTH_MAX)
		return policy_complain(r, name, "more than %d includes within each other",
				       POLICY_DEPTH_MAX);
	if (++r->files > POLICY_FILES_MAX)
		return policy_complain(r, name, "more than %d files", POLICY_FILES_MAX);
	/* what came with the program cannot be replaced by a file of that name */
	if (shipped)
		return read_shipped(r, name, shipped);
	if (strchr(name->text, '/')) {
		if (*name->text == '/' || !r->source->folder)
			n = snprintf(path, sizeof(path), "%s", name->text);
		else
			n = snprintf(path, sizeof(path), "%s/%s", r->source->folder, name->text);
		if (n < 0 || (size_t)n >= sizeof(path))
			return policy_complain(r, name, "too long a path");
		return read_file(r, name, path);
	}
	if (is_name(name->text) &&
	    find_in_folders(r->source->folder, name->text, path, sizeof(path)) == 0)
		return read_file(r, name, path);
	tell_unknown(name->text, text, sizeof(text));
	return policy_complain(r, name, "%s", text);
}

/* A name is shown and written to records: what is no text in it becomes "?". */
static void clean_name(char *name)
{
	unsigned char *c = (unsigned char *)name;

	while (*c) {
		size_t n = tt_utf8_len(c, strlen((char *)c));

		if (!n || *c < ' ' || *c == 0x7f)
			*c = '?';
		c += n ? n : 1;
	}
}

static struct policy_owned *make_policy(const char *name)
{
	static const struct policy_limits no_limits = POLICY_LIMITS_NONE;
	struct policy_owned *own = calloc(1, sizeof(*own));
	const char *base = strrchr(name, '/');
	char *name_copy;
	size_t n;

	if (!own)
		return NULL;
	base = base ? base + 1 : name;
	n = strlen(base);
	if (n > 8 && strcmp(base + n - 8, ".profile") == 0)
		n -= 8;
	own->p.uid = own->p.gid = -1;
	own->p.limits = no_limits;
	own->p.name = name_copy = policy_arena_text(&own->arena, base, n);
	if (name_copy)
		clean_name(name_copy);
	return own;
}

void policy_free(struct policy *p)
{
	struct policy_owned *own = (struct policy_owned *)p;
	const void *lists[] = {
		p ? p->mounts : NULL,   p ? p->uid_map : NULL,        p ? p->gid_map : NULL,
		p ? p->rlimits : NULL,  p ? p->landlock.paths : NULL, p ? p->landlock.ports : NULL,
		p ? p->env.pass : NULL, p ? p->env.drop : NULL,       p ? p->env.set : NULL,
		p ? p->rules : NULL,    p ? p->rule_places : NULL,    p ? p->allow_hosts : NULL,
	};

	if (!p)
		return;
	for (size_t i = 0; i < TT_ARRAY_SIZE(lists); i++)
		free((void *)(uintptr_t)lists[i]);
	policy_arena_done(&own->arena);
	free(own);
}

/* Reads either @path, or @shipped, or @text. */
struct origin {
	const char *path;
	const struct policy_shipped *shipped;
};

static int load(const char *name, const struct origin *from, policy_tell_fn tell, void *arg,
		struct policy **ret, struct tt_err *err)
{
	TT_CLEANUP(policy_freep) struct policy *p = NULL;
	struct policy_owned *own = make_policy(name);
	struct policy_reader r = {.own = own, .tell = tell, .tell_arg = arg, .err = err};
	int n;

	if (!own || !own->p.name) {
		free(own);
		return tt_fail(err, ENOMEM, "read profile '%s'", name);
	}
	p = r.p = &own->p;
	r.words = policy_arena_take(&own->arena, POLICY_WORDS_MAX * sizeof(*r.words));
	if (!r.words)
		return tt_fail(err, ENOMEM, "read profile '%s'", name);
	r.files = 1;
	n = from->path ? read_file(&r, NULL, from->path) : read_shipped(&r, NULL, from->shipped);
	if (n == 0)
		n = policy_finish(&r);
	if (n < 0)
		return n;
	*ret = TT_TAKE(p);
	return 0;
}

int policy_check(const char *name_or_path, policy_tell_fn tell, void *arg, struct policy **ret,
		 struct tt_err *err)
{
	struct origin from = {.shipped = find_shipped(name_or_path)};
	char path[PATH_MAX], text[200];

	if (!from.shipped) {
		from.path = name_or_path;
		if (!strchr(name_or_path, '/')) {
			if (!is_name(name_or_path) ||
			    find_in_folders(NULL, name_or_path, path, sizeof(path)) < 0) {
				tell_unknown(name_or_path, text, sizeof(text));
				return tt_fail_text(err, ENOENT, "%s", text);
			}
			from.path = path;
		}
	}
	return load(name_or_path, &from, tell, arg, ret, err);
}

int policy_load(const char *name_or_path, struct policy **ret, struct tt_err *err)
{
	return policy_check(name_or_path, NULL, NULL, ret, err);
}

int policy_load_text(const char *name, const char *text, size_t len, struct policy **ret,
		     struct tt_err *err)
{
	const struct policy_shipped shipped = {name, text, len};
	struct origin from = {.shipped = &shipped};

	return load(name, &from, NULL, NULL, ret, err);
}
