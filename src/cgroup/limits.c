/* SPDX-License-Identifier: Apache-2.0 */
/* Limits, in the words of v1 and of v2. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cgroup/cgroup_internal.h"
#include "util/textfile.h"

#define CPU_PERIOD_US 100000

static bool write_number(const struct cgroup_folder *f, const char *file, uint64_t v)
{
	char text[32];

	/* v1 takes no number past INT64_MAX for a size */
	(void)snprintf(text, sizeof(text), "%llu",
		       (unsigned long long)(v > INT64_MAX ? INT64_MAX : v));
	return cgroup_text_write(f->fd, file, text) == 0;
}

static const char *limit_memory(const struct cgroup_folder *f, uint64_t bytes)
{
	const char *file = f->v2 ? "memory.max" : "memory.limit_in_bytes";

	return write_number(f, file, bytes) ? file : NULL;
}

/* Whether there is any: the first line is the heading. */
static bool has_swap(const struct cgroup *g)
{
	char path[PATH_MAX + 32], text[4096], *line;

	(void)snprintf(path, sizeof(path), "%s/proc/swaps", g->root);
	if (tt_text_read(AT_FDCWD, path, text, sizeof(text)) < 0)
		return true;
	line = strchr(text, '\n');
	return line && line[1];
}

/* v1 limits memory and swap together, and never to less than memory alone. */
static const char *limit_swap(const struct cgroup *g, const struct cgroup_folder *f, uint64_t bytes)
{
	uint64_t memory = g->limits[CGROUP_LIMIT_MEMORY];

	if (!has_swap(g))
		return "/proc/swaps: there is none";
	if (!f)
		return NULL;
	if (f->v2)
		return write_number(f, "memory.swap.max", bytes) ? "memory.swap.max" : NULL;
	if (!g->limit_source[CGROUP_LIMIT_MEMORY] || memory > INT64_MAX || bytes > INT64_MAX)
		return NULL;
	return write_number(f, "memory.memsw.limit_in_bytes", memory + bytes)
		       ? "memory.memsw.limit_in_bytes"
		       : NULL;
}

static const char *limit_cpu(const struct cgroup_folder *f, uint64_t percent)
{
	char text[64];

	if (percent > 100000000)
		return NULL;
	if (f->v2) {
		(void)snprintf(text, sizeof(text), "%llu %u",
			       (unsigned long long)(percent * CPU_PERIOD_US / 100), CPU_PERIOD_US);
		return cgroup_text_write(f->fd, "cpu.max", text) == 0 ? "cpu.max" : NULL;
	}
	return write_number(f, "cpu.cfs_period_us", CPU_PERIOD_US) &&
			       write_number(f, "cpu.cfs_quota_us", percent * CPU_PERIOD_US / 100)
		       ? "cpu.cfs_quota_us"
		       : NULL;
}

static const char *limit_pids(const struct cgroup_folder *f, uint64_t n)
{
	return write_number(f, "pids.max", n) ? "pids.max" : NULL;
}

static bool limit_disk(const struct cgroup_folder *f, const char *dev, bool write, uint64_t bytes)
{
	char text[96];

	(void)snprintf(text, sizeof(text), f->v2 ? "%s %s=%llu" : "%s %s%llu", dev,
		       !f->v2  ? ""
		       : write ? "wbps"
			       : "rbps",
		       (unsigned long long)bytes);
	return cgroup_text_write(f->fd,
				 f->v2   ? "io.max"
				 : write ? "blkio.throttle.write_bps_device"
					 : "blkio.throttle.read_bps_device",
				 text) == 0;
}

/* Each disk of the machine; what is only in memory, or another name for a file, is none. */
static const char *limit_io(const struct cgroup *g, const struct cgroup_folder *f, bool write,
			    uint64_t bytes)
{
	char path[PATH_MAX + 320], dev[32];
	bool any = false, all = true;
	struct dirent *e;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/sys/block", g->root);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.' || strncmp(e->d_name, "loop", 4) == 0 ||
		    strncmp(e->d_name, "ram", 3) == 0 || strncmp(e->d_name, "zram", 4) == 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/sys/block/%s/dev", g->root, e->d_name);
		if (tt_text_read(AT_FDCWD, path, dev, sizeof(dev)) <= 0)
			continue;
		dev[strcspn(dev, "\n")] = '\0';
		any = true;
		all = limit_disk(f, dev, write, bytes) && all;
	}
	if (d)
		(void)closedir(d);
	if (!any || !all)
		return NULL;
	return f->v2   ? "io.max"
	       : write ? "blkio.throttle.write_bps_device (direct writes alone)"
		       : "blkio.throttle.read_bps_device";
}

const struct cgroup_folder *cgroup_limit_folder(const struct cgroup *g, enum cgroup_limit limit)
{
	static const uint32_t needs[CGROUP_LIMITS] = {
		[CGROUP_LIMIT_MEMORY] = CGROUP_MEMORY, [CGROUP_LIMIT_SWAP] = CGROUP_MEMORY,
		[CGROUP_LIMIT_CPU] = CGROUP_CPU,       [CGROUP_LIMIT_PIDS] = CGROUP_PIDS,
		[CGROUP_LIMIT_READ] = CGROUP_IO,       [CGROUP_LIMIT_WRITE] = CGROUP_IO,
	};

	return cgroup_folder_with(g, needs[limit]);
}

static const char *limit_one(const struct cgroup *g, enum cgroup_limit which, uint64_t v)
{
	const struct cgroup_folder *f = cgroup_limit_folder(g, which);

	if (which == CGROUP_LIMIT_SWAP)
		return limit_swap(g, f, v);
	if (!f)
		return NULL;
	switch (which) {
	case CGROUP_LIMIT_MEMORY:
		return limit_memory(f, v);
	case CGROUP_LIMIT_CPU:
		return limit_cpu(f, v);
	case CGROUP_LIMIT_PIDS:
		return limit_pids(f, v);
	case CGROUP_LIMIT_READ:
	case CGROUP_LIMIT_WRITE:
		return limit_io(g, f, which == CGROUP_LIMIT_WRITE, v);
	case CGROUP_LIMIT_SWAP:
	case CGROUP_LIMITS:
		break;
	}
	return NULL;
}

void cgroup_limits_write(struct cgroup *g)
{
	for (unsigned i = 0; i < CGROUP_LIMITS; i++)
		if (g->limits[i] != CGROUP_NONE)
			g->limit_source[i] = limit_one(g, i, g->limits[i]);
}

/*
 * The folder of a limit that this process would run into, and pay for, while it is in the run's
 * group to fork; NULL: there is none.
 */
static const struct cgroup_folder *lifted(const struct cgroup *g, enum cgroup_limit limit)
{
	const struct cgroup_folder *f =
		g->limit_source[limit] ? cgroup_limit_folder(g, limit) : NULL;

	return f && !f->v2 ? f : NULL;
}

bool cgroup_lifts(const struct cgroup *g)
{
	return lifted(g, CGROUP_LIMIT_PIDS) || lifted(g, CGROUP_LIMIT_MEMORY);
}

static int rewrite_pids(const struct cgroup *g, bool lift)
{
	const struct cgroup_folder *f = lifted(g, CGROUP_LIMIT_PIDS);

	if (!f)
		return 0;
	if (lift)
		return cgroup_text_write(f->fd, "pids.max", "max");
	return limit_pids(f, g->limits[CGROUP_LIMIT_PIDS]) ? 0 : -EIO;
}

static int rewrite_memory(const struct cgroup *g, bool lift)
{
	const struct cgroup_folder *f = lifted(g, CGROUP_LIMIT_MEMORY);

	if (!f)
		return 0;
	if (lift) {
		/* memory may not be let past memory and swap together: that one first */
		(void)cgroup_text_write(f->fd, "memory.memsw.limit_in_bytes", "-1");
		return cgroup_text_write(f->fd, "memory.limit_in_bytes", "-1");
	}
	if (!limit_memory(f, g->limits[CGROUP_LIMIT_MEMORY]))
		return -EBUSY;
	return g->limits[CGROUP_LIMIT_SWAP] == CGROUP_NONE || !g->limit_source[CGROUP_LIMIT_SWAP] ||
			       limit_swap(g, f, g->limits[CGROUP_LIMIT_SWAP])
		       ? 0
		       : -EBUSY;
}

int cgroup_limits_lift(const struct cgroup *g)
{
	int r = rewrite_pids(g, true);

	return r < 0 ? r : rewrite_memory(g, true);
}

int cgroup_limits_restore(const struct cgroup *g)
{
	int r = rewrite_pids(g, false);

	return r < 0 ? r : rewrite_memory(g, false);
}
