/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of direct mode, inside of the preload library:
 *
 *	direct.c   which events become lines, and what is said of those that do not
 *	log.c      the file behind the name, opened again when the name leads to another
 *	rotate.c   a log that has grown too large gets another name
 *	work.c     memory to work in, per thread: the stack may be a signal handler's
 */
#ifndef TT_PRELOAD_LOG_H
#define TT_PRELOAD_LOG_H

#include <sys/stat.h>

#include "event/config.h"
#include "preload/preload.h"

#define PL_LOG_KEEP 3 /* rotated logs kept where nobody says how many */

/* All zero until pl_log_open(), which comes before any use. */
struct pl_log {
	uint64_t dev, ino;               /* the file that was opened */
	uint64_t folder_dev, folder_ino; /* where it lay; 0: not known yet */
	uint64_t max;                    /* bytes; 0: no limit */
	uint32_t keep;
	uint32_t opening; /* a thread exchanges the fd at this moment */
	int fd;
	bool torn;    /* the last write was short: begin with a newline */
	bool foreign; /* this image sees another file system than the one that named the log */
	char *path, *folder; /* in pl_process.kept */
};
extern struct pl_log pl_log;

/* The log as it is to be written to at this moment. */
struct pl_log_file {
	struct stat st;
	int fd;
	bool close; /* of this caller alone: pl_log_put_back() closes it */
};

/* pl_log_ready - 0, or -errno: there is nothing to write to */
int pl_log_ready(struct pl_log_file *ret);
void pl_log_put_back(struct pl_log_file *f);

/*
 * What a thread works in. Lines are formatted behind one spare byte, for the newline after a torn
 * line.
 */
struct pl_work {
	bool busy, temporary;
	struct event ev, gap;
	char cwd[EVENT_PATH_MAX];
	char path[2 * EVENT_PATH_MAX];
	char line[EVENT_BUF_MAX + 1];
};

/*
 * pl_work_take - the thread's memory; of its own for a signal handler that interrupts its use, and
 * for a vfork child
 * NULL: there is none to be had.
 */
struct pl_work *pl_work_take(void);
void pl_work_give(struct pl_work *w);

/* pl_log_rotate - give the log another name, unless somebody else does that at this moment */
void pl_log_rotate(struct pl_work *w);

/* pl_log_is_same_view - whether the log's folder still is the one that was noted */
bool pl_log_is_same_view(void);

#endif
