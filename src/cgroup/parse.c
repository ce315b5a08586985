/* SPDX-License-Identifier: Apache-2.0 */
/* Parsers of cgroupfs and of mountinfo. */
#include "cgroup/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	uint32_t controller;
} names[] = {
	{"memory", CGROUP_MEMORY}, {"cpu", CGROUP_CPU},  {"cpuacct", CGROUP_CPUACCT},
	{"pids", CGROUP_PIDS},     {"blkio", CGROUP_IO}, {"io", CGROUP_IO},
};

static uint32_t by_name(const char *name, size_t len)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(names); i++)
		if (strlen(names[i].name) == len && memcmp(names[i].name, name, len) == 0)
			return names[i].controller;
	return 0;
}

/* Of a list whose words end at any byte of @stops. */
static uint32_t by_list(const char *list, size_t len, const char *stops)
{
	uint32_t found = 0;

	for (const char *end = list + len; list < end;) {
		size_t n = strcspn(list, stops);

		if (n > (size_t)(end - list))
			n = (size_t)(end - list);
		found |= by_name(list, n);
		list += n + 1;
	}
	return found;
}

uint32_t cgroup_parse_controllers(const char *text)
{
	return by_list(text, strlen(text), " \n");
}

uint32_t cgroup_parse_list(const char *list, size_t len)
{
	return by_list(list, len, ",:");
}

static int number(const char *text, char **ret_end, uint64_t *ret)
{
	uint64_t v;

	if (!isdigit((unsigned char)*text))
		return -EBADMSG;
	errno = 0;
	v = strtoull(text, ret_end, 10);
	if (errno)
		return -EBADMSG;
	*ret = v;
	return 0;
}

int cgroup_parse_number(const char *text, uint64_t *ret)
{
	uint64_t v = UINT64_MAX;
	char *end = NULL;
	int r;

	if (strcmp(text, "max\n") == 0 || strcmp(text, "max") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	r = number(text, &end, &v);
	if (r < 0 || (*end && *end != '\n'))
		return -EBADMSG;
	*ret = v;
	return 0;
}

const char *cgroup_next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : NULL;
}

int cgroup_parse_key(const char *text, const char *key, uint64_t *ret)
{
	size_t n = strlen(key);
	uint64_t v;
	char *end;

	for (const char *at = text; at && *at; at = cgroup_next_line(at)) {
		if (strncmp(at, key, n) != 0 || at[n] != ' ')
			continue;
		/* without its end the number may be cut */
		if (number(at + n + 1, &end, &v) < 0 || *end != '\n')
			return -EBADMSG;
		*ret = v;
		return 0;
	}
	return -ENOENT;
}

/* The next field of a line, split at blanks; NULL at its end. */
static const char *field(const char **at, size_t *ret_len)
{
	const char *start = *at;

	if (!*start || *start == '\n')
		return NULL;
	*ret_len = strcspn(start, " \n");
	*at = start + *ret_len + (start[*ret_len] == ' ');
	return start;
}

/* mountinfo writes blanks as \040. False if it does not fit. */
static bool unescape(const char *text, size_t len, char *buf, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < len; n++) {
		if (n + 1 >= cap)
			return false;
		if (text[i] == '\\' && len - i >= 4 && strspn(text + i + 1, "01234567") >= 3) {
			buf[n] = (char)((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
					(text[i + 3] - '0'));
			i += 4;
		} else {
			buf[n] = text[i++];
		}
	}
	buf[n] = '\0';
	return n > 0;
}

/*
 * The path of our group in the hierarchy with these controllers (0: v2), from lines like
 * "4:memory:/a/b" and "0::/a/b".
 */
static const char *own_path(const char *self, bool v2, uint32_t controllers, size_t *ret_len)
{
	for (const char *line = self; line && *line; line = cgroup_next_line(line)) {
		size_t len = strcspn(line, "\n");
		const char *list = memchr(line, ':', len), *path;

		list = list ? list + 1 : NULL;
		path = list ? memchr(list, ':', len - (size_t)(list - line)) : NULL;
		if (!path || line[len] != '\n')
			continue;
		if (v2 ? path != list || *line != '0'
		       : !(by_list(list, (size_t)(path - list), ",:") & controllers))
			continue;
		path++;
		*ret_len = len - (size_t)(path - line);
		return *path == '/' ? path : NULL;
	}
	return NULL;
}

/* The group's folder: the mount shows the hierarchy from @root on. */
static bool join(struct cgroup_place *p, const char *root, const char *path, size_t len)
{
	size_t root_len = strcmp(root, "/") == 0 ? 0 : strlen(root), n = p->mount_len;

	/* "/../x": outside of what a cgroup namespace shows */
	if (len >= 3 && memcmp(path, "/..", 3) == 0)
		return false;
	if (len < root_len || memcmp(path, root, root_len) != 0 ||
	    (len > root_len && path[root_len] != '/'))
		return false;
	path += root_len;
	len -= root_len;
	if (len == 1)
		len = 0; /* "/" */
	if (n + len >= sizeof(p->own))
		return false;
	memcpy(p->own + n, path, len);
	p->own[n + len] = '\0';
	return true;
}

/* 36 35 0:31 /below /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory */
static bool parse_mount(const char *line, const char *self, struct cgroup_place *p)
{
	const char *root = NULL, *mount = NULL, *type = NULL, *options = NULL, *f, *own;
	size_t root_len = 0, mount_len = 0, type_len = 0, options_len = 0, len = 0;
	char root_path[PATH_MAX];
	int i = 0, dash = 0;

	while ((f = field(&line, &len))) {
		i++;
		if (i == 4) {
			root = f;
			root_len = len;
		} else if (i == 5) {
			mount = f;
			mount_len = len;
		} else if (i > 6 && !dash && len == 1 && *f == '-') {
			dash = i;
		} else if (dash && i == dash + 1) {
			type = f;
			type_len = len;
		} else if (dash && i == dash + 3) {
			options = f;
			options_len = len;
		}
	}
	if (!options || *line != '\n')
		return false;
	p->v2 = type_len == 7 && memcmp(type, "cgroup2", 7) == 0;
	if (!p->v2 && !(type_len == 6 && memcmp(type, "cgroup", 6) == 0))
		return false;
	p->controllers = p->v2 ? 0 : by_list(options, options_len, ", \n");
	if (!p->v2 && !p->controllers)
		return false;
	own = own_path(self, p->v2, p->controllers, &len);
	if (!own || !unescape(mount, mount_len, p->own, sizeof(p->own)) ||
	    !unescape(root, root_len, root_path, sizeof(root_path)))
		return false;
	p->mount_len = strlen(p->own);
	return join(p, root_path, own, len);
}

static bool is_known(const struct cgroup_place *p, const struct cgroup_place *known, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (known[i].v2 == p->v2 && known[i].controllers == p->controllers)
			return true;
	return false;
}

size_t cgroup_parse_places(const char *mountinfo, const char *self, struct cgroup_place *ret,
			   size_t cap)
{
	size_t n = 0;

	for (const char *line = mountinfo; line && *line && n < cap; line = cgroup_next_line(line))
		/* the same hierarchy may be mounted twice */
		if (parse_mount(line, self, &ret[n]) && !is_known(&ret[n], ret, n))
			n++;
	return n;
}
