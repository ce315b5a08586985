/* SPDX-License-Identifier: Apache-2.0 */
/* Joining and judging paths as text. */
#include "event/path.h"

#include <string.h>

struct part {
	const char *at;
	size_t len;
};

/* The next component of a path, skipping slashes and "."; false at the end. */
static bool next_part(const char **p, const char *end, struct part *ret)
{
	for (;;) {
		const char *slash;

		while (*p < end && **p == '/')
			(*p)++;
		if (*p == end)
			return false;
		slash = memchr(*p, '/', (size_t)(end - *p));
		ret->at = *p;
		ret->len = (size_t)((slash ? slash : end) - *p);
		*p += ret->len;
		if (ret->len != 1 || ret->at[0] != '.')
			return true;
	}
}

static bool is_dotdot(const struct part *part)
{
	return part->len == 2 && part->at[0] == '.' && part->at[1] == '.';
}

/* Follows the ".." at the front of a relative path up in @base, of which so many bytes are left. */
static size_t climb(const char *base, size_t base_len, const char **path, size_t *len)
{
	const char *p = *path, *end = *path + *len;
	struct part part;

	while (base_len && base[base_len - 1] == '/')
		base_len--;
	while (next_part(&p, end, &part) && is_dotdot(&part)) {
		*path = p;
		while (base_len && base[base_len - 1] != '/')
			base_len--;
		while (base_len && base[base_len - 1] == '/')
			base_len--;
	}
	*len = (size_t)(end - *path);
	return base_len;
}

void event_path_join(struct tt_out *o, const char *base, size_t base_len, const char *path,
		     size_t len)
{
	const char *p;
	bool any = false;
	struct part part;

	base_len = len && path[0] == '/' ? 0 : climb(base, base_len, &path, &len);
	p = path;
	if (base_len)
		tt_out_mem(o, base, base_len);
	while (next_part(&p, path + len, &part)) {
		any = true;
		tt_out_char(o, '/');
		tt_out_mem(o, part.at, part.len);
	}
	if (!any && !base_len)
		tt_out_char(o, '/');
}

static bool has_prefix(const char *path, size_t len, const char *prefix)
{
	size_t n = strlen(prefix);

	return len >= n && memcmp(path, prefix, n) == 0 && (len == n || path[n] == '/');
}

static bool part_is(const struct part *part, const char *name)
{
	return part->len == strlen(name) && memcmp(part->at, name, part->len) == 0;
}

/* An absolute path in two pieces, so that nobody needs room to join them. */
struct joined {
	const char *base, *rest;
	size_t base_len, rest_len;
	char head[32]; /* how it begins: longer than every name below */
	size_t head_len;
};

static void put_head(struct joined *j, const struct part *part)
{
	size_t room = sizeof(j->head) - j->head_len, n = part->len;

	if (!room)
		return;
	j->head[j->head_len++] = '/';
	n = n < room - 1 ? n : room - 1;
	memcpy(j->head + j->head_len, part->at, n);
	j->head_len += n;
}

static void join(struct joined *j)
{
	const char *ends[2] = {j->base + j->base_len, j->rest + j->rest_len};
	const char *from[2] = {j->base, j->rest};
	struct part part;

	j->head_len = 0;
	for (int i = 0; i < 2; i++)
		while (j->head_len < sizeof(j->head) && next_part(&from[i], ends[i], &part))
			put_head(j, &part);
}

static bool leads_out(const char *piece, size_t len, bool in_proc)
{
	static const char names[][10] = {"..", "root", "cwd", "exe", "fd", "map_files"};
	const char *p = piece;
	struct part part;

	while (next_part(&p, piece + len, &part))
		for (size_t i = 0; i < (in_proc ? sizeof(names) / sizeof(names[0]) : 1); i++)
			if (part_is(&part, names[i]))
				return true;
	return false;
}

static bool is_quiet(const struct joined *j)
{
	static const char not_noise[][16] = {
		"/dev/fd",  "/dev/stdin",  "/dev/stdout",    "/dev/stderr",
		"/dev/shm", "/dev/mqueue", "/dev/hugepages",
	};
	bool in_proc = has_prefix(j->head, j->head_len, "/proc");

	if (!in_proc && !has_prefix(j->head, j->head_len, "/sys") &&
	    !has_prefix(j->head, j->head_len, "/dev"))
		return false;
	for (size_t i = 0; i < sizeof(not_noise) / sizeof(not_noise[0]); i++)
		if (has_prefix(j->head, j->head_len, not_noise[i]))
			return false;
	return !leads_out(j->base, j->base_len, in_proc) &&
	       !leads_out(j->rest, j->rest_len, in_proc);
}

static bool is_sink(const struct joined *j)
{
	static const char sinks[][14] = {"/dev/null", "/dev/tty", "/dev/console", "/dev/ptmx",
					 "/dev/pts"};

	for (size_t i = 0; i < sizeof(sinks) / sizeof(sinks[0]); i++)
		if (has_prefix(j->head, j->head_len, sinks[i]))
			return is_quiet(j);
	/* /dev/tty1, /dev/ttyS0; no terminal's name fills the head */
	return j->head_len > 8 && j->head_len < sizeof(j->head) &&
	       memcmp(j->head, "/dev/tty", 8) == 0 && !memchr(j->head + 8, '/', j->head_len - 8);
}

bool event_path_is_quiet(const char *path, size_t len)
{
	struct joined j = {.base = path, .base_len = len, .rest = path};

	join(&j);
	return len && path[0] == '/' && is_quiet(&j);
}

bool event_path_is_sink(const char *path, size_t len)
{
	struct joined j = {.base = path, .base_len = len, .rest = path};

	join(&j);
	return len && path[0] == '/' && is_sink(&j);
}

/* What begins like this is neither quiet nor a sink, however it goes on. */
static bool begins_elsewhere(const char *path, size_t len)
{
	return len > 1 && path[0] == '/' && !strchr("pds./", path[1]);
}

bool event_path_is_noise(const char *base, size_t base_len, const char *path, size_t len,
			 bool writes)
{
	struct joined j = {.base = base, .rest = path, .rest_len = len};

	if (begins_elsewhere(path, len))
		return false;
	if (!len || path[0] != '/')
		j.base_len = climb(base, base_len, &j.rest, &j.rest_len);
	join(&j);
	return writes ? is_sink(&j) : is_quiet(&j);
}
