/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that change, by inotify(7). A path may not be there yet, and what it names may be replaced:
 * each folder on the way to it is watched, too, for names that come and go.
 *
 *	/data/in/file      watched: what happens to it is told
 *	/data/in, /data, /   watched: the next name on the way comes or goes: we look again
 *
 * A watch belongs to a file, not to a name: paths may share one.
 */
#include "agent/sensor.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/time.h"

#define PATHS_MAX 32
#define NAMES_MAX 32  /* of one path: folders further up are not watched */
#define READS_MAX 256 /* of one call */

#define WAY_MASK \
	(IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF)
#define END_MASK                                                                                  \
	(IN_ACCESS | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_OPEN | IN_CREATE | IN_MOVED_TO | \
	 IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF)

struct watched {
	const char *path;         /* borrowed */
	uint16_t ends[NAMES_MAX]; /* where the path of each folder on the way ends; the last: all */
	int wds[NAMES_MAX];       /* -1: not there */
	unsigned count;
};

static struct {
	int fd;
	struct watched paths[PATHS_MAX];
	unsigned count;
	bool look_again, is_full;
	char told[PATH_MAX + NAME_MAX + 2];
	_Alignas(struct inotify_event) char events[2048];
} watch;

/* The paths of the folders on the way. False: it is no absolute path, or too long. */
static bool split(struct watched *p, const char *path)
{
	size_t len = strlen(path), at;

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (path[0] != '/' || len >= PATH_MAX)
		return false;
	p->path = path;
	p->count = 0;
	for (at = len;;) {
		p->ends[p->count++] = (uint16_t)at;
		if (at <= 1 || p->count == NAMES_MAX)
			break;
		while (at > 1 && p->path[at - 1] != '/')
			at--;
		while (at > 1 && p->path[at - 1] == '/')
			at--;
	}
	for (unsigned i = 0; i < p->count / 2; i++) {
		uint16_t end = p->ends[i];

		p->ends[i] = p->ends[p->count - 1 - i];
		p->ends[p->count - 1 - i] = end;
	}
	for (unsigned i = 0; i < p->count; i++)
		p->wds[i] = -1;
	return true;
}

/* What of the path comes behind its folder number @i. */
static const char *name_behind(const struct watched *p, unsigned i, size_t *ret_len)
{
	const char *at = p->path + p->ends[i], *end = p->path + p->ends[i + 1];

	while (at < end && *at == '/')
		at++;
	*ret_len = (size_t)(end - at);
	return at;
}

static bool is_used(int wd)
{
	for (unsigned i = 0; i < watch.count; i++)
		for (unsigned k = 0; k < watch.paths[i].count; k++)
			if (watch.paths[i].wds[k] == wd)
				return true;
	return false;
}

static void set_wd(struct watched *p, unsigned i, int wd)
{
	int old = p->wds[i];

	p->wds[i] = wd;
	if (old >= 0 && old != wd && !is_used(old))
		(void)inotify_rm_watch(watch.fd, old);
}

/* Watch what is there of a path, as far as it is there. */
static void look(struct watched *p)
{
	bool is_there = true;

	for (unsigned i = 0; i < p->count; i++) {
		bool is_end = i + 1 == p->count;
		int wd = -1;

		memcpy(watch.told, p->path, p->ends[i]);
		watch.told[p->ends[i]] = '\0';
		if (is_there)
			wd = inotify_add_watch(watch.fd, watch.told,
					       IN_MASK_ADD |
						       (is_end ? END_MASK : WAY_MASK | IN_ONLYDIR));
		if (wd < 0 && is_there && (errno == ENOSPC || errno == ENOMEM))
			watch.is_full = true;
		is_there = wd >= 0;
		set_wd(p, i, wd);
	}
}

static void tell(struct agent_sink *sink, const char *path, size_t len, const char *name,
		 uint32_t mask)
{
	struct wire_frame f = {
		.source = WIRE_FS_INOTIFY_FIRED,
		.guest_monotonic_ns = tt_clock_ns(CLOCK_MONOTONIC),
		.guest_comm = {"", 0},
		.mask = mask,
		.has = WIRE_HAS(path) | WIRE_HAS(mask),
	};
	size_t more = strnlen(name, NAME_MAX);

	memcpy(watch.told, path, len);
	if (more && path[len - 1] != '/')
		watch.told[len++] = '/';
	memcpy(watch.told + len, name, more);
	f.path = (struct wire_text){watch.told, len + more};
	agent_tell(sink, &f);
}

static void tell_path(struct agent_sink *sink, struct watched *p, const struct inotify_event *e)
{
	const char *name = e->len ? e->name : "";
	uint32_t mask = e->mask & (END_MASK | IN_ISDIR | IN_UNMOUNT);
	bool is_told = false;

	for (unsigned i = 0; i < p->count; i++) {
		const char *next;
		size_t len;

		if (p->wds[i] != e->wd)
			continue;
		if (e->mask & (IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF))
			watch.look_again = true;
		if (i + 1 == p->count) {
			if (mask && !is_told)
				tell(sink, p->path, p->ends[i], name, mask);
			continue;
		}
		next = name_behind(p, i, &len);
		if (!(e->mask & WAY_MASK) || strlen(name) != len || memcmp(name, next, len) != 0)
			continue;
		watch.look_again = true;
		/* the watch of what comes comes too late to see it come */
		if (i + 2 == p->count) {
			tell(sink, p->path, p->ends[i + 1], "", mask);
			is_told = true;
		}
	}
}

/* A watch that the kernel took away must not be taken for another one that gets its number. */
static void forget(int wd)
{
	for (unsigned i = 0; i < watch.count; i++)
		for (unsigned k = 0; k < watch.paths[i].count; k++)
			if (watch.paths[i].wds[k] == wd)
				watch.paths[i].wds[k] = -1;
}

static void take(struct agent_sink *sink, const struct inotify_event *e)
{
	if (e->mask & IN_Q_OVERFLOW) {
		agent_lost(sink, AGENT_SENSOR_FULL, 0);
		watch.look_again = true;
		return;
	}
	for (unsigned i = 0; i < watch.count; i++)
		tell_path(sink, &watch.paths[i], e);
	if (e->mask & IN_IGNORED)
		forget(e->wd);
}

static void look_at_all(struct agent_sink *sink)
{
	watch.look_again = watch.is_full = false;
	for (unsigned i = 0; i < watch.count; i++)
		look(&watch.paths[i]);
	/* what happens there from now on is not seen */
	if (watch.is_full && sink)
		agent_lost(sink, AGENT_SENSOR_FULL, 0);
}

static void inotify_run(struct agent_sensor *s, struct agent_sink *sink)
{
	(void)s;
	for (int reads = 0; reads < READS_MAX; reads++) {
		ssize_t n = read(watch.fd, watch.events, sizeof(watch.events));

		if (n <= 0)
			return;
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e =
				(const struct inotify_event *)(watch.events + at);

			take(sink, e);
			at += (ssize_t)(sizeof(*e) + e->len);
		}
		if (watch.look_again)
			look_at_all(sink);
	}
}

static void inotify_close(struct agent_sensor *s)
{
	(void)s;
	(void)close(watch.fd);
	watch.fd = -1;
}

int agent_inotify_open(struct agent_sensor *s, const struct agent_watch *w, const char **ret_why)
{
	watch.count = 0;
	*ret_why = "no paths";
	if (!w->inotify_count)
		return -ENOENT;
	*ret_why = "too many paths";
	if (w->inotify_count > PATHS_MAX)
		return -E2BIG;
	*ret_why = "a path is not absolute, or too long";
	for (; watch.count < w->inotify_count; watch.count++)
		if (!split(&watch.paths[watch.count], w->inotify_paths[watch.count]))
			return -EINVAL;
	*ret_why = "no inotify";
	watch.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch.fd < 0)
		return -errno;
	look_at_all(NULL);
	if (watch.is_full) {
		*ret_why = "no room for watches";
		(void)close(watch.fd);
		return -ENOSPC;
	}
	*s = (struct agent_sensor){
		.name = "inotify",
		.surface = 1u << WIRE_FS_INOTIFY_FIRED,
		.fd = watch.fd,
		.run = inotify_run,
		.close = inotify_close,
	};
	return 0;
}
