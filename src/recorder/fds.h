/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which path each fd of a process image has, as far as its calls told: the recorder resolves with
 * it what the library only names by number. The numbers are the workload's word, so a table and all
 * tables together are bounded; what does not fit is not known. Not thread-safe.
 */
#ifndef TT_RECORDER_FDS_H
#define TT_RECORDER_FDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "event/event.h"

#define RECORDER_FDS_MAX      4096        /* of one image */
#define RECORDER_FDS_ROOM_MAX (64u << 20) /* bytes of all tables of a run */

/* What all tables share. Zero: nothing is used. */
struct recorder_fds_room {
	size_t bytes;
	uint64_t refused; /* fds that found no room */
};

struct recorder_fd_path; /* text with a count of its users: a fork copies no paths */

struct recorder_fd {
	int32_t fd;
	bool quiet;                    /* the default filter left its opening out */
	bool cloexec;                  /* known to be closed by an exec */
	bool unsure;                   /* came over an exec: may have been closed by it after all */
	struct recorder_fd_path *path; /* NULL: it has none (a socket) */
};

struct recorder_fds {
	struct recorder_fds_room *room;
	struct recorder_fd *entries; /* sorted by fd */
	uint32_t count, cap;
	bool distrusted; /* nothing is kept any more */
};

void recorder_fds_init(struct recorder_fds *fds, struct recorder_fds_room *room);
void recorder_fds_done(struct recorder_fds *fds);

/* recorder_fds_find - NULL: not known. Valid until the table changes. */
struct recorder_fd *recorder_fds_find(const struct recorder_fds *fds, int64_t fd);

/* recorder_fd_path_text - the absolute path of an fd; false: it has none */
bool recorder_fd_path_text(const struct recorder_fd *fd, struct event_text *ret);

/*
 * recorder_fds_put - @fd is open now
 * @path: NULL: it has none
 * An fd that finds no room is forgotten and counted.
 */
void recorder_fds_put(struct recorder_fds *fds, int64_t fd, const struct event_text *path,
		      bool quiet, bool cloexec);

/* recorder_fds_copy - @to is another number for @from; not known if @from is not */
void recorder_fds_copy(struct recorder_fds *fds, int64_t from, int64_t to, bool cloexec);

/* recorder_fds_distrust - calls are missing: from now on nothing is known */
void recorder_fds_distrust(struct recorder_fds *fds);

void recorder_fds_remove(struct recorder_fds *fds, int64_t fd);

/* recorder_fds_remove_range - first and last included */
void recorder_fds_remove_range(struct recorder_fds *fds, uint64_t first, uint64_t last);
void recorder_fds_cloexec_range(struct recorder_fds *fds, uint64_t first, uint64_t last);

/*
 * recorder_fds_inherit - @to, which is empty, starts with what @from knows
 * @exec: without those known to be closed by an exec; the others are unsure
 */
void recorder_fds_inherit(struct recorder_fds *to, const struct recorder_fds *from, bool exec);

#endif
