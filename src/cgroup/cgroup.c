/* SPDX-License-Identifier: Apache-2.0 */
/* Making, entering, ending and removing the group of a run. */
#include "cgroup/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cgroup/cgroup_internal.h"

#define NAME_BEGINS  "telltale-"
#define REMOVE_TRIES 20 /* of 1 ms: a process that was reaped leaves its group a moment later */
#define MAKE_TRIES   5
#define SWEEP_DEPTH  4 /* runs in runs, left over by one SIGKILL */

int cgroup_text_write(int dir, const char *file, const char *text)
{
	TT_CLEANUP(tt_closep) int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

const struct cgroup_folder *cgroup_folder_with(const struct cgroup *g, uint32_t controller)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->folders[i].controllers & controller)
			return &g->folders[i];
	return NULL;
}

const struct cgroup_folder *cgroup_folder_unified(const struct cgroup *g)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->folders[i].v2)
			return &g->folders[i];
	return NULL;
}

static void folder_close(struct cgroup_folder *f)
{
	tt_closep(&f->fd);
	tt_closep(&f->tasks_fd);
	tt_closep(&f->own_tasks_fd);
	tt_closep(&f->parent_fd);
	f->fd = f->tasks_fd = f->own_tasks_fd = f->parent_fd = -1;
}

/* Whether @fd is still the folder @name: before it was held somebody may have swept it away. */
static bool is_there(int parent, const char *name, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(parent, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static int hold_folder(int parent, const char *name)
{
	TT_CLEANUP(tt_closep)
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || !is_there(parent, name, fd))
		return -1;
	return tt_take_fd(&fd);
}

/*
 * Make it and hold it. Another run that ends may take the folder for a leftover before it is held,
 * and sweep it away: then it is made again.
 */
static int make_held(int dir, const char *name)
{
	struct timespec ms = {.tv_nsec = 1000000};
	int fd;

	for (unsigned i = 0; i < MAKE_TRIES; i++) {
		if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
			return -errno;
		fd = hold_folder(dir, name);
		if (fd >= 0)
			return fd;
		(void)nanosleep(&ms, NULL);
	}
	return -EAGAIN;
}

static int folder_make(struct cgroup *g, const struct cgroup_place *place, const char *parent)
{
	int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct cgroup_folder f = {.parent_fd = dir,
				  .v2 = place->v2,
				  .controllers = place->controllers,
				  .fd = -1,
				  .tasks_fd = -1,
				  .own_tasks_fd = -1};
	int r;

	if (dir < 0)
		return -errno;
	f.fd = make_held(dir, g->name);
	if (f.fd < 0) {
		r = f.fd;
		folder_close(&f);
		return r;
	}
	if (!f.v2) {
		f.tasks_fd = openat(f.fd, "tasks", O_WRONLY | O_CLOEXEC);
		f.own_tasks_fd = openat(dir, "tasks", O_WRONLY | O_CLOEXEC);
	}
	if (!f.v2 && (f.tasks_fd < 0 || f.own_tasks_fd < 0)) {
		r = -errno;
		(void)unlinkat(dir, g->name, AT_REMOVEDIR);
		folder_close(&f);
		return r;
	}
	g->folders[g->count++] = f;
	return 0;
}

static uint32_t wanted_by(const uint64_t limits[CGROUP_LIMITS])
{
	/* the peak of memory is what nothing else tells */
	uint32_t wanted = CGROUP_MEMORY;

	if (limits[CGROUP_LIMIT_CPU] != CGROUP_NONE)
		wanted |= CGROUP_CPU;
	if (limits[CGROUP_LIMIT_PIDS] != CGROUP_NONE)
		wanted |= CGROUP_PIDS;
	if (limits[CGROUP_LIMIT_READ] != CGROUP_NONE || limits[CGROUP_LIMIT_WRITE] != CGROUP_NONE)
		wanted |= CGROUP_IO;
	return wanted;
}

/* A controller that a hierarchy of v1 has cannot be had in v2: @possible are the others. */
static void make_unified(struct cgroup *g, struct cgroup_place *place, uint32_t *wanted,
			 uint32_t possible)
{
	char parent[sizeof(place->own)];
	int r;

	place->controllers = cgroup_choose_parent(place, possible, parent);
	r = folder_make(g, place, parent);
	if (r == 0)
		*wanted &= ~place->controllers;
	else if (r == -EACCES || r == -EPERM || r == -EROFS)
		g->reason = "no right to make a group below the one we are in";
}

struct cgroup *cgroup_make(const char *root, const char *name, const uint64_t limits[CGROUP_LIMITS])
{
	struct cgroup *g = calloc(1, sizeof(*g));
	/* large, and each is filled as it is found: not zeroed */
	struct cgroup_place *places = malloc(CGROUP_PLACES_MAX * sizeof(*places));
	uint32_t wanted = wanted_by(limits), in_v1 = 0;
	size_t n = 0;
	int r;

	if (!g || !places) {
		free(g);
		free(places);
		return NULL;
	}
	(void)snprintf(g->root, sizeof(g->root), "%s", root);
	(void)snprintf(g->name, sizeof(g->name), "%s", name);
	memcpy(g->limits, limits, sizeof(g->limits));
	n = cgroup_find(root, wanted | CGROUP_CPUACCT, places, CGROUP_PLACES_MAX);
	if (n == 0)
		g->reason = "no cgroup file system is mounted that shows our group";
	for (size_t i = 0; i < n; i++)
		in_v1 |= places[i].v2 ? 0 : places[i].controllers;
	for (size_t i = 0; i < n; i++)
		if (places[i].v2)
			make_unified(g, &places[i], &wanted, wanted & ~in_v1);
	if (g->count == 0)
		wanted |= CGROUP_CPUACCT;
	for (size_t i = 0; i < n; i++) {
		if (places[i].v2 || !(places[i].controllers & wanted))
			continue;
		r = folder_make(g, &places[i], places[i].own);
		if (r == 0)
			wanted &= ~places[i].controllers;
		else if (r == -EACCES || r == -EPERM || r == -EROFS)
			g->reason = "no right to make a group below the one we are in";
	}
	free(places);
	if ((wanted & CGROUP_MEMORY) && !g->reason)
		g->reason = "the group that can be made here has no memory controller";
	cgroup_limits_write(g);
	return g;
}

/* Removes @name below @parent, and what runs inside that run left in it. */
static int remove_folder(int parent, const char *name, int fd, unsigned depth);

/* Folders of ours that nobody holds and that are empty. */
static void sweep(int dir, const char *but, unsigned depth)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *e;
	int fd;

	if (!d) {
		tt_closep(&copy);
		return;
	}
	while ((e = readdir(d))) {
		if (strncmp(e->d_name, NAME_BEGINS, sizeof(NAME_BEGINS) - 1) != 0 ||
		    (but && strcmp(e->d_name, but) == 0))
			continue;
		fd = hold_folder(dir, e->d_name);
		if (fd >= 0)
			(void)remove_folder(dir, e->d_name, fd, depth);
		tt_closep(&fd);
	}
	(void)closedir(d);
}

static int remove_folder(int parent, const char *name, int fd, unsigned depth)
{
	if (unlinkat(parent, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno != EBUSY || !depth)
		return -errno;
	sweep(fd, NULL, depth - 1);
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static void folder_remove(const struct cgroup *g, struct cgroup_folder *f)
{
	int dir = f->parent_fd;
	struct timespec ms = {.tv_nsec = 1000000};
	struct stat st;

	for (unsigned i = 0; i < REMOVE_TRIES; i++) {
		if (remove_folder(dir, g->name, f->fd, SWEEP_DEPTH) != -EBUSY)
			break;
		(void)nanosleep(&ms, NULL);
	}
	/* two links: no group is below this one */
	if (fstat(dir, &st) < 0 || st.st_nlink != 2)
		sweep(dir, g->name, SWEEP_DEPTH);
	folder_close(f);
}

void cgroup_free(struct cgroup *g)
{
	int saved = errno;

	if (!g)
		return;
	(void)cgroup_leave(g);
	for (size_t i = 0; i < g->count; i++)
		folder_remove(g, &g->folders[i]);
	free(g);
	errno = saved;
}

const char *cgroup_reason(const struct cgroup *g)
{
	return g->reason;
}

const char *cgroup_limit_source(const struct cgroup *g, enum cgroup_limit limit)
{
	return g->limit_source[limit];
}

int cgroup_enter(struct cgroup *g)
{
	int r = cgroup_limits_lift(g);

	for (size_t i = 0; r == 0 && i < g->count; i++) {
		struct cgroup_folder *f = &g->folders[i];

		if (f->v2)
			continue;
		if (write(f->tasks_fd, "0", 1) == 1)
			f->inside = true;
		else
			r = -errno;
	}
	if (r < 0)
		(void)cgroup_leave(g); /* that it was let in is what went wrong */
	return r;
}

int cgroup_leave(struct cgroup *g)
{
	int r = 0;
	bool any = false;

	for (size_t i = 0; i < g->count; i++) {
		struct cgroup_folder *f = &g->folders[i];

		if (!f->inside)
			continue;
		any = true;
		if (write(f->own_tasks_fd, "0", 1) != 1) {
			r = r == 0 ? -errno : r;
			continue;
		}
		f->inside = false;
		tt_closep(&f->tasks_fd);
		tt_closep(&f->own_tasks_fd);
		f->tasks_fd = f->own_tasks_fd = -1;
	}
	return r == 0 && any ? cgroup_limits_restore(g) : r;
}

int cgroup_fork_fd(const struct cgroup *g)
{
	const struct cgroup_folder *f = cgroup_folder_unified(g);

	return f ? f->fd : -1;
}

bool cgroup_has_memory(const struct cgroup *g)
{
	return cgroup_folder_with(g, CGROUP_MEMORY) != NULL;
}

bool cgroup_is_limited(const struct cgroup *g)
{
	const struct cgroup_folder *f = cgroup_folder_unified(g);

	for (unsigned i = 0; f && i < CGROUP_LIMITS; i++)
		if (g->limit_source[i] && cgroup_limit_folder(g, i) == f)
			return true;
	return false;
}

void cgroup_born_outside(struct cgroup *g)
{
	for (size_t i = 0; i < g->count; i++) {
		if (!g->folders[i].v2)
			continue;
		folder_remove(g, &g->folders[i]);
		g->folders[i] = g->folders[--g->count];
		g->reason = "clone3(2) with CLONE_INTO_CGROUP is refused";
		return;
	}
}

bool cgroup_kill(const struct cgroup *g)
{
	const struct cgroup_folder *f = cgroup_folder_unified(g);

	return f && cgroup_text_write(f->fd, "cgroup.kill", "1") == 0;
}
