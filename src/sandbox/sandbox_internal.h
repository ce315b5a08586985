/* SPDX-License-Identifier: Apache-2.0 */
/* What the parent prepares and the forked child carries out. Never leaves this folder. */
#ifndef TT_SANDBOX_SANDBOX_INTERNAL_H
#define TT_SANDBOX_SANDBOX_INTERNAL_H

#include <linux/filter.h>
#include <stdbool.h>

#include "sandbox/sandbox.h"

/*
 * What the child does, in about this order; the parent holds the words (sandbox.c). A step that
 * fails ends the child. SANDBOX_STEP_READY is no failure: it says that exec comes next.
 */
enum sandbox_step {
	SANDBOX_STEP_READY,
	SANDBOX_STEP_PARENT,
	SANDBOX_STEP_NAMESPACES,
	SANDBOX_STEP_CLONE_DEV,
	SANDBOX_STEP_EXPOSE,
	SANDBOX_STEP_READ_ONLY,
	SANDBOX_STEP_DEV,
	SANDBOX_STEP_SHM,
	SANDBOX_STEP_TMP,
	SANDBOX_STEP_VAR_TMP,
	SANDBOX_STEP_PROC,
	SANDBOX_STEP_CWD,
	SANDBOX_STEP_BOUNDING,
	SANDBOX_STEP_NO_NEW_PRIVS,
	SANDBOX_STEP_FORK,
	SANDBOX_STEP_LANDLOCK,
	SANDBOX_STEP_CAPS,
	SANDBOX_STEP_FDS,
	SANDBOX_STEP_FILTER,
	SANDBOX_STEP_EXEC,
	SANDBOX_STEP_INTERPRETER,
	SANDBOX_STEP_COUNT,
};

struct sandbox_message {
	uint32_t step;
	int32_t err;   /* positive errno */
	int32_t index; /* which bind, for SANDBOX_STEP_EXPOSE and SANDBOX_STEP_CLONE_DEV */
};

/*
 * A file of the old view that the new view shows: a device node, the terminal or an exposed file.
 */
struct sandbox_bind {
	const char *from; /* absolute */
	const char *to;   /* absolute, free of symlinks that a private tmpfs hides */
	bool dev;         /* below /dev; may be missing */
	int fd;           /* the child's: a detached mount of @from, or -1 */
};

#define SANDBOX_DEV_BINDS 9 /* six nodes and at most three terminals */

/*
 * Everything the child needs, made before the fork: between fork and exec nothing is allocated.
 * The filter comes later, on err_fd: it is compiled while the child builds its view.
 */
struct sandbox_plan {
	const struct sandbox_spec *spec;
	sigset_t ignored;
	bool user_ns;
	bool wait; /* for one byte on err_fd: user_ns: before the view; OFF: before anything else */
	mode_t umask;
	const char *cwd;         /* NULL: unknown, use "/" */
	const char *tmp_options; /* for mount(2) of the private tmpfs */
	const char *shm_options;
	struct sandbox_bind *binds; /* device nodes first, then the exposed files */
	size_t bind_count;
	int *fds; /* ascending, no doubles: what the command keeps, and err_fd */
	size_t fd_count;
	int err_fd;    /* child to parent: struct sandbox_message, one per send(2); CLOEXEC */
	int report_fd; /* init's end of the report socket; -1 if not sandboxed */
	int parent_err_fd, parent_report_fd; /* closed by the child */
};

/* All below run in the child: async-signal-safe, no heap. Where a step fails they do not return. */

/* exec.c: name the step that failed and end this process. */
void sandbox_child_fail(const struct sandbox_plan *plan, enum sandbox_step step, int err,
			int index) TT_NORETURN;

/* exec.c: wait until the parent is ready, if plan->wait. It may die meanwhile: then end. */
void sandbox_child_wait(const struct sandbox_plan *plan);

/* exec.c: put each signal that has a handler back to its default. */
void sandbox_reset_handlers(void);

/* exec.c: become the command, when the parent lets it: sandboxed, when it sends the filter. */
void sandbox_exec(const struct sandbox_plan *plan) TT_NORETURN;

/* view.c: rearrange this mount namespace. Needs CAP_SYS_ADMIN. */
void sandbox_view_enter(const struct sandbox_plan *plan);

/* landlock.c: refuse writing but where the view allows it. 0 without Landlock; or -errno. */
int sandbox_landlock(const struct sandbox_plan *plan) TT_MUST_CHECK;

/* init.c: be PID 1: confine, start the command, forward, reap, report, exit as it did. */
void sandbox_init(const struct sandbox_plan *plan) TT_NORETURN;

#endif
