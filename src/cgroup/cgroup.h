/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A control group of its own for one run: limits that hold for its whole tree, and figures of it
 * that are exact. Whatever the machine has is used, v1, v2 or both, as far as the caller may.
 *
 *	cgroup_make()    folders below the group this process is in, limits written
 *	  cgroup_enter()   ┐ around the fork: the child is born inside, before anything of it
 *	  cgroup_fork_fd() │ runs (v2: clone3(2) with CLONE_INTO_CGROUP; v1: this process itself
 *	  cgroup_leave()   ┘ goes in and comes back, since that is free)
 *	cgroup_figures(), cgroup_kill()
 *	cgroup_free()    the folders are removed
 *
 * Moving a process that exists costs the kernel a grace period of RCU, 10 ms and more; a thread
 * that moves itself through "tasks" does not, nor does one that is born in a group.
 *
 * The folders are held with flock(2): one that is empty and not held is left over from a run whose
 * recorder was killed, and cgroup_free() removes such as well. Groups of others are never changed,
 * but that a controller may be switched on for the children of the root group of v2.
 *
 * Not thread-safe: the caller must be single-threaded between enter and leave. Not signal-safe.
 */
#ifndef TT_CGROUP_CGROUP_H
#define TT_CGROUP_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "util/err.h"

enum cgroup_limit {
	CGROUP_LIMIT_MEMORY, /* bytes */
	CGROUP_LIMIT_SWAP,   /* bytes */
	CGROUP_LIMIT_CPU,    /* per cent of one CPU */
	CGROUP_LIMIT_PIDS,   /* processes and threads at once */
	CGROUP_LIMIT_READ,   /* bytes per second, from each disk */
	CGROUP_LIMIT_WRITE,
	CGROUP_LIMITS
};

#define CGROUP_NONE UINT64_MAX /* no limit; a figure that could not be had */

struct cgroup_figures {
	uint64_t user_ns, system_ns;              /* CPU time of all that ever were in the group */
	uint64_t memory_bytes, peak_memory_bytes; /* page cache included */
	uint64_t oom_kills;                       /* processes ended for want of memory */
	uint64_t memory_refused; /* how often that limit was run into; 0 where there is none */
	uint64_t pids_refused;   /* forks that the limit on pids refused */
	uint64_t peak_pids;      /* processes and threads at once */
	const char *cpu_source, *memory_source; /* static, the file that told; NULL: none did */
};

struct cgroup;

/*
 * cgroup_make - make the folders and set limits
 * @root: "", or a folder that stands for "/" (tests)
 * @name: of the folders, begins with "telltale-"
 * @limits: CGROUP_LIMITS of them, CGROUP_NONE where there is none
 * Returns the group, never NULL but when out of memory. It may be one without any folder, of which
 * nothing can be said and by which nothing is limited; cgroup_reason() says why.
 */
struct cgroup *cgroup_make(const char *root, const char *name,
			   const uint64_t limits[CGROUP_LIMITS]);

/*
 * cgroup_free - remove what was made, unless processes are left in it. NULL is fine. Keeps errno.
 */
void cgroup_free(struct cgroup *g);

/* cgroup_reason - why there is no group, or not a better one; NULL if nothing is missing */
const char *cgroup_reason(const struct cgroup *g);

/*
 * cgroup_limit_source - the file that a limit was written to, static; NULL if it does not hold
 */
const char *cgroup_limit_source(const struct cgroup *g, enum cgroup_limit limit);

/*
 * cgroup_enter, cgroup_leave - go in, and come back, once
 * Return 0 or -errno: enter, and this process is where it was; leave, and a limit does not hold.
 */
int cgroup_enter(struct cgroup *g) TT_MUST_CHECK;
int cgroup_leave(struct cgroup *g);

/* cgroup_fork_fd - the folder to be born in, or -1. Owned by @g. */
int cgroup_fork_fd(const struct cgroup *g);

/*
 * cgroup_lifts - whether cgroup_enter() lifts a limit until cgroup_leave(): what is born between
 * the two must not run before the second
 */
bool cgroup_lifts(const struct cgroup *g);

/* cgroup_has_memory - whether the group tells of memory, and of who was ended for want of it */
bool cgroup_has_memory(const struct cgroup *g);

/* cgroup_is_limited - whether some limit holds through the folder of cgroup_fork_fd() */
bool cgroup_is_limited(const struct cgroup *g);

/* cgroup_born_outside - the child could not be born in it: nothing is known from that folder */
void cgroup_born_outside(struct cgroup *g);

void cgroup_figures(const struct cgroup *g, struct cgroup_figures *ret);

/* cgroup_kill - SIGKILL to every process in it, at once. False where that needs a walk instead. */
bool cgroup_kill(const struct cgroup *g);

#endif
