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

void event_path_join(struct tt_out *o, const char *base, size_t base_len, const char *path,
		     size_t len)
{
	const char *p = path, *end = path + len;
	bool climbing = false, any = false;
	struct part part;

	if (!len || path[0] != '/') {
		climbing = true;
		while (base_len && base[base_len - 1] == '/')
			base_len--;
	} else {
		base_len = 0;
	}
	while (next_part(&p, end, &part)) {
		if (climbing && is_dotdot(&part)) {
			while (base_len && base[base_len - 1] != '/')
				base_len--;
			while (base_len && base[base_len - 1] == '/')
				base_len--;
			continue;
		}
		if (climbing)
			tt_out_mem(o, base, base_len);
		climbing = false;
		any = true;
		tt_out_char(o, '/');
		tt_out_mem(o, part.at, part.len);
	}
	if (climbing)
		tt_out_mem(o, base, base_len);
	if (!any && (!climbing || !base_len))
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

bool event_path_is_quiet(const char *path, size_t len)
{
	static const char leads_out[][10] = {"..", "root", "cwd", "exe", "fd", "map_files"};
	static const char not_noise[][16] = {
		"/dev/fd",  "/dev/stdin",  "/dev/stdout",    "/dev/stderr",
		"/dev/shm", "/dev/mqueue", "/dev/hugepages",
	};
	const char *p = path;
	struct part part;
	bool in_proc = has_prefix(path, len, "/proc");

	if (!in_proc && !has_prefix(path, len, "/sys") && !has_prefix(path, len, "/dev"))
		return false;
	for (size_t i = 0; i < sizeof(not_noise) / sizeof(not_noise[0]); i++)
		if (has_prefix(path, len, not_noise[i]))
			return false;
	while (next_part(&p, path + len, &part))
		for (size_t i = 0; i < (in_proc ? sizeof(leads_out) / sizeof(leads_out[0]) : 1);
		     i++)
			if (part_is(&part, leads_out[i]))
				return false;
	return true;
}

bool event_path_is_sink(const char *path, size_t len)
{
	static const char sinks[][14] = {"/dev/null", "/dev/tty", "/dev/console", "/dev/ptmx",
					 "/dev/pts"};

	for (size_t i = 0; i < sizeof(sinks) / sizeof(sinks[0]); i++)
		if (has_prefix(path, len, sinks[i]))
			return event_path_is_quiet(path, len);
	/* /dev/tty1, /dev/ttyS0 */
	return len > 8 && memcmp(path, "/dev/tty", 8) == 0 && !memchr(path + 8, '/', len - 8);
}
