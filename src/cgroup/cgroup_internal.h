/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a run's control group share. Never leaves this folder. */
#ifndef TT_CGROUP_CGROUP_INTERNAL_H
#define TT_CGROUP_CGROUP_INTERNAL_H

#include "cgroup/cgroup.h"
#include "cgroup/parse.h"

/* One folder that was made, in one hierarchy. */
struct cgroup_folder {
	bool v2;
	uint32_t controllers; /* that it has */
	int parent_fd;        /* the folder it was made in */
	int fd;               /* the folder, held with flock(2) */
	int tasks_fd;         /* v1: its "tasks", and that of the group we are in */
	int own_tasks_fd;
	bool inside; /* this process is in it */
};

struct cgroup {
	char root[PATH_MAX];
	char name[64];
	uint64_t limits[CGROUP_LIMITS];
	const char *limit_source[CGROUP_LIMITS];
	const char *reason;
	struct cgroup_folder folders[CGROUP_PLACES_MAX];
	size_t count;
};

#define CGROUP_TEXT_MAX 16384 /* no file of cgroupfs that is read here is longer */

/* cgroup_text_write - in one write(2). 0 or -errno. */
int cgroup_text_write(int dir, const char *file, const char *text);

/* cgroup_folder_with - the folder that has that controller, NULL if none has */
const struct cgroup_folder *cgroup_folder_with(const struct cgroup *g, uint32_t controller);

/* cgroup_folder_unified - that of v2, NULL if there is none */
const struct cgroup_folder *cgroup_folder_unified(const struct cgroup *g);

/*
 * find.c: where to make folders: in v2, and in those of v1 that have some of @wanted, maybe others
 * Returns how many; never more than @cap.
 */
size_t cgroup_find(const char *root, uint32_t wanted, struct cgroup_place *ret, size_t cap);

/*
 * find.c: v2: the group to make a folder in, so that it has as many of @wanted as can be
 * @parent: room for PATH_MAX. Returns the controllers that it will have.
 */
uint32_t cgroup_choose_parent(const struct cgroup_place *place, uint32_t wanted, char *parent);

/* limits.c: the folder through which a limit would hold, NULL if there is none */
const struct cgroup_folder *cgroup_limit_folder(const struct cgroup *g, enum cgroup_limit limit);

/* limits.c: write the limits into the folders, note which hold */
void cgroup_limits_write(struct cgroup *g);

/* limits.c: v1: lift the limits that would hit this process while it is inside; set them again */
int cgroup_limits_lift(const struct cgroup *g) TT_MUST_CHECK;
int cgroup_limits_restore(const struct cgroup *g) TT_MUST_CHECK;

#endif
