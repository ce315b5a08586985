/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a group can be made. In v1: below our own, in each hierarchy. In v2 a group that holds
 * processes cannot lend controllers to groups below it, so the place may have to be further up: as
 * far as no limit is left behind on the way, for the run must not get out of what binds us.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "cgroup/cgroup_internal.h"
#include "util/textfile.h"

#define CLIMB_MAX 32 /* groups on the way up */
#define USUAL_MAX 8192
#define PROC_MIN  (1u << 14)
#define PROC_MAX  (1u << 20)

TT_DEFINE_FREEP(char *, free)

/* The whole of it: a machine may have thousands of mounts. */
static char *read_proc(const char *root, const char *file)
{
	char path[PATH_MAX + 32], *text = NULL, *grown;
	size_t cap = PROC_MIN;
	int n = -1;

	(void)snprintf(path, sizeof(path), "%s%s", root, file);
	for (; cap <= PROC_MAX; cap *= 8) {
		grown = realloc(text, cap);
		if (!grown)
			break;
		text = grown;
		n = tt_text_read(AT_FDCWD, path, text, cap);
		if (n < (int)cap - 1)
			break;
	}
	if (n >= 0)
		return text;
	free(text);
	return NULL;
}

/* Every path begins with @root. */
static bool prefix(struct cgroup_place *p, const char *root, size_t len)
{
	size_t n = strlen(p->own);

	if (len + n >= sizeof(p->own))
		return false;
	memmove(p->own + len, p->own, n + 1);
	memcpy(p->own, root, len);
	p->mount_len += len;
	return true;
}

/* Whether the whole of a hierarchy is mounted there: its first group has the inode number 1. */
static bool is_whole(const char *path, bool v2)
{
	struct statfs fs;
	struct stat st;

	return statfs(path, &fs) == 0 &&
	       fs.f_type == (v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC) &&
	       stat(path, &st) == 0 && st.st_ino == 1;
}

/*
 * What mountinfo would say of a machine like most, at a tenth of the price: the kernel locks all
 * mounts to write it. NULL where a hierarchy of ours is not mounted where it usually is.
 */
static char *usual_mounts(const char *self, uint32_t wanted)
{
	char *text = calloc(1, USUAL_MAX), path[128];
	size_t at = 0;

	for (const char *line = self; text && line && *line; line = cgroup_next_line(line)) {
		const char *list = strchr(line, ':');
		int len = list ? (int)strcspn(list + 1, ":\n") : 0;
		bool v2 = list && len == 0;

		if (!list || (!v2 && !(cgroup_parse_list(list + 1, (size_t)len) & wanted)))
			continue;
		(void)snprintf(path, sizeof(path), "/sys/fs/cgroup/%.*s", len, list + 1);
		if (v2 && !is_whole(path, true))
			(void)snprintf(path, sizeof(path), "/sys/fs/cgroup/unified");
		if (len > 64 || USUAL_MAX - at < 256 || !is_whole(path, v2)) {
			free(text);
			return NULL;
		}
		at += (size_t)snprintf(text + at, USUAL_MAX - at,
				       "0 0 0:0 / %s rw - %s x rw,%.*s\n", path,
				       v2 ? "cgroup2" : "cgroup", len, list + 1);
	}
	return text;
}

size_t cgroup_find(const char *root, uint32_t wanted, struct cgroup_place *ret, size_t cap)
{
	TT_CLEANUP(freep) char *self = read_proc(root, "/proc/self/cgroup");
	TT_CLEANUP(freep) char *mounts = self && !*root ? usual_mounts(self, wanted) : NULL;
	size_t n;

	if (!mounts)
		mounts = read_proc(root, "/proc/self/mountinfo");
	if (!mounts || !self)
		return 0;
	n = cgroup_parse_places(mounts, self, ret, cap);
	for (size_t i = 0; i < n; i++)
		if (!prefix(&ret[i], root, strlen(root)))
			return i;
	return n;
}

static int folder_read(const char *dir, const char *file, char *buf, size_t cap)
{
	char path[PATH_MAX + 64];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	return tt_text_read(AT_FDCWD, path, buf, cap);
}

static bool may_write(const char *dir, const char *file)
{
	char path[PATH_MAX + 64];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	return access(path, W_OK) == 0;
}

/* Whether a group binds its processes to less than the one above it. */
static bool is_limited(const char *dir)
{
	static const char *const files[] = {"memory.max",  "memory.high", "memory.swap.max",
					    "pids.max",    "cpu.max",     "io.max",
					    "cpuset.cpus", "cpuset.mems"};
	char text[512];

	for (size_t i = 0; i < TT_ARRAY_SIZE(files); i++)
		if (folder_read(dir, files[i], text, sizeof(text)) > 0 &&
		    strncmp(text, "max", 3) != 0 && text[0] != '\n')
			return true;
	return false;
}

/* Switch on what groups below @dir may have. */
static void enable(const char *dir, uint32_t wanted)
{
	static const struct {
		uint32_t controller;
		const char *word;
	} words[] = {{CGROUP_MEMORY, "+memory"},
		     {CGROUP_CPU, "+cpu"},
		     {CGROUP_PIDS, "+pids"},
		     {CGROUP_IO, "+io"}};
	char path[PATH_MAX + 64];

	(void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", dir);
	for (size_t i = 0; i < TT_ARRAY_SIZE(words); i++)
		if (words[i].controller & wanted)
			/* refused where processes are in the group: then it is not had */
			(void)cgroup_text_write(AT_FDCWD, path, words[i].word);
}

static uint32_t lent_by(const char *dir)
{
	char text[512];

	return folder_read(dir, "cgroup.subtree_control", text, sizeof(text)) >= 0
		       ? cgroup_parse_controllers(text)
		       : 0;
}

uint32_t cgroup_choose_parent(const struct cgroup_place *place, uint32_t wanted, char *parent)
{
	char dir[sizeof(place->own)], text[512];
	uint32_t best = 0;

	(void)snprintf(parent, sizeof(place->own), "%s", place->own);
	(void)snprintf(dir, sizeof(dir), "%s", place->own);
	for (unsigned i = 0; i < CLIMB_MAX; i++) {
		/* the group that both the old and the new place are below must be ours to write */
		bool ours = access(dir, W_OK) == 0 && may_write(dir, "cgroup.procs");
		bool is_root = strlen(dir) == place->mount_len;
		uint32_t got = ours && wanted ? lent_by(dir) & wanted : 0;

		/* the root group alone may hold processes and lend controllers, too */
		if (ours && is_root && got != wanted &&
		    folder_read(dir, "cgroup.controllers", text, sizeof(text)) >= 0) {
			uint32_t more = cgroup_parse_controllers(text) & wanted & ~got;

			enable(dir, more);
			got = more ? lent_by(dir) & wanted : got;
		}
		if (__builtin_popcount(got) > __builtin_popcount(best)) {
			best = got;
			(void)snprintf(parent, sizeof(place->own), "%s", dir);
		}
		if (best == wanted || is_root || is_limited(dir))
			break;
		*strrchr(dir, '/') = '\0';
		if (strlen(dir) < place->mount_len)
			break;
	}
	return best;
}
