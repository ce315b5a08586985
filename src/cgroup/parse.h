/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of cgroupfs and of /proc about it: cgroups(7), cgroup-v2.rst. Pure: no file is opened,
 * so every layout can be tested anywhere. Text is what a file held, ended by NUL, and may be cut
 * anywhere; thread- and signal-safe. Internal to the folder.
 */
#ifndef TT_CGROUP_PARSE_H
#define TT_CGROUP_PARSE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

enum cgroup_controller {
	CGROUP_MEMORY = 1 << 0,
	CGROUP_CPU = 1 << 1,
	CGROUP_CPUACCT = 1 << 2, /* v1 alone: in v2 every group has its cpu.stat */
	CGROUP_PIDS = 1 << 3,
	CGROUP_IO = 1 << 4, /* "blkio" in v1 */
};

/* A hierarchy that is mounted here, and where this process is in it. */
struct cgroup_place {
	bool v2;
	uint32_t controllers; /* v1: what is mounted here; v2: 0, asked of the folders later */
	char own[PATH_MAX];   /* the folder of the group this process is in */
	size_t mount_len;     /* so much of it is where the hierarchy is mounted */
};

#define CGROUP_PLACES_MAX 16

/*
 * cgroup_parse_places - what /proc/self/mountinfo and /proc/self/cgroup say together
 * Hierarchies whose mount does not show our group are left out. Returns how many.
 */
size_t cgroup_parse_places(const char *mountinfo, const char *self, struct cgroup_place *ret,
			   size_t cap);

/* cgroup_parse_controllers - words like "cpuset cpu io memory"; unknown ones are passed over */
uint32_t cgroup_parse_controllers(const char *text);

/* cgroup_next_line - where the line behind @line begins, or NULL: it is the last, and not ended */
const char *cgroup_next_line(const char *line);

/* cgroup_parse_list - the same of a list like "cpu,cpuacct" that is @len long */
uint32_t cgroup_parse_list(const char *list, size_t len);

/* cgroup_parse_number - a file that is one number; "max" is UINT64_MAX. 0 or -EBADMSG. */
int cgroup_parse_number(const char *text, uint64_t *ret) TT_MUST_CHECK;

/* cgroup_parse_key - the number behind "@key " at the start of a line. 0, -ENOENT or -EBADMSG. */
int cgroup_parse_key(const char *text, const char *key, uint64_t *ret) TT_MUST_CHECK;

#endif
