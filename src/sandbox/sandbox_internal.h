/* SPDX-License-Identifier: Apache-2.0 */
/* What the parent prepares and the forked child carries out. Never leaves this folder. */
#ifndef TT_SANDBOX_SANDBOX_INTERNAL_H
#define TT_SANDBOX_SANDBOX_INTERNAL_H

#include <linux/filter.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "sandbox/sandbox.h"

/*
 * What the child does, in about this order; words.c has them in words. A step that fails ends the
 * child. SANDBOX_STEP_READY is no failure: it says that exec comes next.
 */
enum sandbox_step {
	SANDBOX_STEP_READY,
	SANDBOX_STEP_PARENT,
	SANDBOX_STEP_NAMESPACES, /* index: the CLONE_NEW* flags */
	SANDBOX_STEP_IDS,
	SANDBOX_STEP_LOOPBACK,
	SANDBOX_STEP_LISTEN,
	SANDBOX_STEP_HOSTNAME,
	SANDBOX_STEP_CLONE_DEV, /* index: of the bind, as in EXPOSE */
	SANDBOX_STEP_EXPOSE,
	SANDBOX_STEP_PRIVATE,
	SANDBOX_STEP_READ_ONLY,
	SANDBOX_STEP_EMPTY,
	SANDBOX_STEP_MOUNT, /* index: of policy->mounts */
	SANDBOX_STEP_CWD,
	SANDBOX_STEP_BOUNDING,
	SANDBOX_STEP_NO_NEW_PRIVS,
	SANDBOX_STEP_FORK,
	SANDBOX_STEP_LANDLOCK,      /* index: enum sandbox_landlock_part */
	SANDBOX_STEP_LANDLOCK_PATH, /* index: of policy->landlock.paths */
	SANDBOX_STEP_RLIMIT,        /* index: of policy->rlimits */
	SANDBOX_STEP_CAPS,
	SANDBOX_STEP_FDS,
	SANDBOX_STEP_FILTER,
	SANDBOX_STEP_WATCH, /* index: no_new_privs was set; err 0: the listener comes with it */
	SANDBOX_STEP_EXEC,
	SANDBOX_STEP_INTERPRETER,
	SANDBOX_STEP_COUNT,
};

enum sandbox_landlock_part {
	SANDBOX_LANDLOCK_ALL,
	SANDBOX_LANDLOCK_TRUNCATE,
	SANDBOX_LANDLOCK_PORTS,
	SANDBOX_LANDLOCK_SCOPE,
};

struct sandbox_message {
	uint16_t step;
	uint16_t lacking; /* 1: the child goes on without it, as it was told to */
	int32_t err;      /* positive errno */
	int32_t index;
};

/*
 * A file of the old view that the new view shows: a device node, the terminal or an exposed file.
 */
struct sandbox_bind {
	const char *from; /* absolute */
	const char *to;   /* absolute, free of symlinks that a private tmpfs hides */
	bool dev;         /* below /dev; may be missing */
	bool make;        /* the place for it can be made: it lies in a file system of our own */
	bool guard;       /* is not to be shown, but closed for writing where it is seen */
	int fd;           /* the child's: a detached mount of @from, or -1 */
};

/* policy->mounts[i], ready to be carried out. */
struct sandbox_mount {
	const char *from, *to; /* absolute, or NULL */
	const char *take;      /* @from, for open_tree(2): see plan_mount() */
	char options[96];      /* of a tmpfs, for mount(2) */
	bool make;             /* as above */
	int fd;                /* as above */
};

/* A page that the command and init share: listener.c. */
enum {
	SANDBOX_LISTENER_NONE,
	SANDBOX_LISTENER_LOADING,
	SANDBOX_LISTENER_MADE,
	SANDBOX_LISTENER_GIVEN_UP,
};
struct sandbox_shared {
	_Atomic int state;
	_Atomic int fd;
};

#define SANDBOX_DEV_BINDS 9 /* six nodes and at most three terminals */

/* What the init keeps for itself, so that the command cannot look into it: see caps.c. */
struct sandbox_caps {
	uint64_t command, init;
	bool all; /* the policy leaves them alone */
};

/*
 * Everything the child needs, made before the fork: between fork and exec nothing is allocated.
 * The filter comes later, on err_fd: it is compiled while the child builds its view.
 */
struct sandbox_plan {
	const struct sandbox_spec *spec;
	sigset_t ignored;
	uint32_t namespaces; /* enum policy_namespace: those to be made */
	bool view;           /* there are mounts to change */
	bool switch_ids;     /* init, too, has to become somebody who is mapped */
	bool wait;           /* for one byte on err_fd */
	uid_t uid;           /* what the command becomes, with switch_ids init, too; -1: as it is */
	gid_t gid;
	bool drop_groups;
	struct sandbox_caps caps;
	mode_t umask;
	const char *cwd; /* NULL: unknown, use "/" */
	struct sandbox_mount *mounts;
	int cover_fd;                /* the child's: what it hides files with */
	const char **landlock_paths; /* as policy->landlock.paths, absolute */
	struct sandbox_bind *binds;  /* device nodes first, then the exposed files */
	size_t bind_count;
	int *fds; /* ascending, no doubles: what the command keeps, and err_fd */
	size_t fd_count;
	pid_t caller;  /* as the caller counts */
	int err_fd;    /* child to parent: struct sandbox_message, one per send(2); CLOEXEC */
	int report_fd; /* init's end of the report socket; -1 if not sandboxed */
	int parent_err_fd, parent_report_fd; /* closed by the child */
	struct sandbox_shared *shared;       /* NULL: no filter, or OFF */
	struct sock_fprog watch;             /* OFF: the filter of an observer; len 0: none */
};

/* The parent's part of a launch; all zero or -1 at first. */
struct sandbox_launch {
	struct sandbox_spec spec;
	struct sandbox_plan plan;
	pid_t pid; /* the child, or 0 */
	struct sandbox_bind *binds;
	char **texts; /* all that the plan points to and that is freed with it */
	size_t text_count;
	int err_fd; /* the parent's ends */
	int report_fd;
	int io_fd;
	int listener_fd;
	char *lacking; /* see struct sandbox_child */
	bool cgroup_missed;
	int watch_err;
	bool watch_no_new_privs;
	struct sandbox_message first; /* of the child's, taken before its turn; READY: none */
};

/* plan.c: all that a sandboxed child needs but the sockets. Nothing is done yet. */
int sandbox_plan_make(struct sandbox_launch *l, struct tt_err *err) TT_MUST_CHECK;

/* plan_mounts.c: the part of it that is about files. */
int sandbox_plan_mounts(struct sandbox_launch *l, struct tt_err *err) TT_MUST_CHECK;

/* plan.c: hand a text of the heap to the plan; NULL (and out of memory) stays NULL. */
const char *sandbox_plan_own(struct sandbox_launch *l, char *text);

/* ids.c: what the child becomes. */
void sandbox_plan_ids(struct sandbox_plan *plan);

/* ids.c: the maps of a new user namespace, written by the parent. */
int sandbox_write_maps(const struct sandbox_plan *plan, pid_t pid,
		       struct tt_err *err) TT_MUST_CHECK;

/* caps.c: the effective capabilities of this process. */
int sandbox_caps_read(uint64_t *ret) TT_MUST_CHECK;

/* words.c: what a failed launch is told as. */
int sandbox_tell_failure(const struct sandbox_launch *l, const struct sandbox_message *m,
			 enum sandbox_failure *failure, struct tt_err *err);

/* words.c: add a line to l->lacking. */
int sandbox_tell_lacking(struct sandbox_launch *l, const struct sandbox_message *m,
			 struct tt_err *err) TT_MUST_CHECK;

/* listener.c, the caller: the listener that init sends, CLOEXEC, above 2; -1: there is none */
int sandbox_listener_take(int report_fd);

/*
 * listener.c, the caller: let one call pass that the launch itself makes
 * @err_fd: the caller's end of the error socket, which the exec of the command closes
 */
void sandbox_listener_let_pass(int listener, int err_fd);

/* All below run in the child: async-signal-safe, no heap. Where a step fails they do not return. */

/* exec.c: name the step that failed and end this process. */
void sandbox_child_fail(const struct sandbox_plan *plan, enum sandbox_step step, int err,
			int index) TT_NORETURN;

/* exec.c: the same for a step that --degrade allows to be left out: then it returns. */
void sandbox_child_lack(const struct sandbox_plan *plan, enum sandbox_step step, int err,
			int index);

/* exec.c: let the counter trace this process, and say so. */
void sandbox_child_allow_trace(const struct sandbox_plan *plan);

/* exec.c: wait until the parent is ready. It may die meanwhile: then end. */
void sandbox_child_wait(const struct sandbox_plan *plan);

/* exec.c: put each signal that has a handler back to its default. */
void sandbox_reset_handlers(void);

/* exec.c: become the command, when the parent lets it: sandboxed, when it sends the filter. */
void sandbox_exec(const struct sandbox_plan *plan) TT_NORETURN;

/* namespaces.c: make those of the plan that did not come with clone(2), and furnish them. */
void sandbox_namespaces_enter(struct sandbox_plan *plan);

/*
 * listener.c, the command: load a filter with a listener, which is returned, or -errno
 * Where it takes no_new_privs, that is set, and *ret_no_new_privs.
 */
int sandbox_listener_load(const struct sock_fprog *filter, bool *ret_no_new_privs) TT_MUST_CHECK;

/* listener.c, the command: the same, for init to pass on. 0 or -errno; then calls may wait. */
int sandbox_listener_make(const struct sandbox_plan *plan,
			  const struct sock_fprog *filter) TT_MUST_CHECK;

/* listener.c, the command: there will be no listener */
void sandbox_listener_give_up(const struct sandbox_plan *plan);

/* listener.c, init: take the listener of @command, leave its table of fds, send it to the caller */
void sandbox_listener_pass_on(const struct sandbox_plan *plan, pid_t command);

/* listener.c: leave a table of fds that is shared. 0 or -errno. */
int sandbox_own_fds(void) TT_MUST_CHECK;

/* namespaces.c: 127.0.0.1 and ::1 of this network. 0 or -errno. */
int sandbox_raise_loopback(void) TT_MUST_CHECK;

/* listen.c: what spec->listen_port asks for. In the network that it is for. */
void sandbox_listen(const struct sandbox_plan *plan);

/* view.c: rearrange this mount namespace. Needs CAP_SYS_ADMIN. */
void sandbox_view_enter(struct sandbox_plan *plan);

/* dev.c: POLICY_MOUNT_DEV. 0 or -errno. */
int sandbox_mount_dev(const struct sandbox_plan *plan, const struct sandbox_mount *m) TT_MUST_CHECK;

/* view.c: attach the mount @fd at @to; with @make the place for it is made. 0 or -errno. */
int sandbox_place(int fd, const char *to, bool make, bool folder) TT_MUST_CHECK;

/* landlock.c: the policy's, and what the command was given open. */
void sandbox_landlock(const struct sandbox_plan *plan);

/* ids.c: become plan->uid and plan->gid. 0 or -errno. */
int sandbox_switch_ids(const struct sandbox_plan *plan) TT_MUST_CHECK;

/* caps.c: make every permitted capability effective again. 0 or -errno. */
int sandbox_caps_raise(void) TT_MUST_CHECK;

/* caps.c: empty the bounding set but for what the command keeps. 0 or -errno. */
int sandbox_caps_bound(const struct sandbox_plan *plan) TT_MUST_CHECK;

/* caps.c: what init goes on with, and the command. 0 or -errno. */
int sandbox_caps_of_init(const struct sandbox_plan *plan) TT_MUST_CHECK;
int sandbox_caps_of_command(const struct sandbox_plan *plan) TT_MUST_CHECK;

/* init.c: be PID 1: confine, start the command, forward, reap, report, exit as it did. */
void sandbox_init(struct sandbox_plan *plan) TT_NORETURN;

#endif
