/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Launch one command under a policy, or not at all.
 *
 *	sandbox_start()    the child exists and builds its walls; nothing of the command runs
 *	                   meanwhile the caller does what must be done before the command runs
 *	sandbox_release()  the child gets its syscall filter, and the command runs
 *	sandbox_abandon()  or it never does
 *
 * OFF: fork, exec, both at release. The child stays in the caller's session and process group: the
 * terminal is its own. Sandboxed: the child becomes init (namespaces, mounts, drops, reaps), PID 1
 * where the policy asks for a PID namespace, and the command is its child, in the caller's session
 * and process group too. Every step that fails stops the launch; nothing runs half-confined. With
 * @degrade a wall that this machine does not let us build is left out, and named.
 *
 * Landlock stands behind read-only mounts: by them alone a FIFO, and a file that the caller opened
 * for reading as one of the fds, could be opened for writing.
 *
 * Signals: kill(2) init, not the command. Init hands on what it is sent from outside its
 * namespace, except SIGKILL (which ends the whole namespace), SIGSTOP (which would stop init
 * alone: send SIGTSTP) and SIGCHLD. What the terminal sends reaches the command directly and is
 * not handed on. A signal sent to the whole process group reaches the command twice, like any
 * program behind a forwarder.
 *
 * If the caller dies, started or released, init and all below it get SIGKILL: by the kernel where
 * there is a PID namespace; else by init, which ends what it finds below itself and what falls to
 * it until nothing is left (it can be killed itself by a command that is the same user; the kernel
 * then kills the command's first process). An OFF command lives on.
 *
 * Not thread-safe, not signal-safe: the caller must be single-threaded (the death of the thread
 * that launched counts as the caller's) and must not have SIGCHLD ignored.
 */
#ifndef TT_SANDBOX_SANDBOX_H
#define TT_SANDBOX_SANDBOX_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "policy/policy.h"
#include "sandbox/count.h"
#include "util/err.h"

struct sandbox_spec {
	const struct policy *policy;
	const char *file; /* as the user typed it: searched in PATH of @envp if it has no slash */
	char *const *argv;
	char *const *envp;
	const sigset_t *mask; /* the signal mask the command starts with */
	/*
	 * The signals that are ignored when the command starts, all others being at their
	 * default: what sandbox_ignored_signals() gave before the caller changed any. NULL: those
	 * ignored now.
	 */
	const sigset_t *ignored;
	/*
	 * These reach the command, close-on-exec or not. Sandboxed: all others but 0-2 are
	 * closed.
	 */
	const int *keep_fds;
	size_t keep_fd_count;
	/* absolute file paths that must stay visible, read-only, even below a private /tmp */
	const char *const *expose;
	size_t expose_count;
	/*
	 * The folder of records, and the file in it that is being written: real paths, or NULL.
	 * What the policy binds for writing leaves out the folder; where it is this very folder,
	 * the file.
	 */
	const char *guard_folder, *guard_file;
	/*
	 * A socket that listens on 127.0.0.1 in the sandbox's own network, at this port, is sent
	 * over this AF_UNIX socket before the command runs; loopback is up there then. 0: none.
	 */
	uint16_t listen_port;
	int listen_channel;
	bool degrade; /* go without what cannot be had here, but for ids, capabilities and filter */
	/*
	 * Right before and right after the fork, in the caller: for the sake of the groups that the
	 * child is to be born in. 0, or -errno and the launch fails. May be NULL.
	 */
	int (*fork_enter)(void *arg);
	int (*fork_leave)(void *arg);
	void *fork_arg;
	bool fork_hold;   /* nothing of the command runs before fork_leave() is over */
	int cgroup_fd;    /* a folder of cgroup v2 that the child is born in; 0: none */
	bool cgroup_must; /* ... or the launch fails; else sandbox_child says so */
	/*
	 * NULL, or calls that the listener is asked about besides those the policy refuses: see
	 * policy_filter_make_watching(). OFF gets a filter for it, if that can be had.
	 */
	const struct policy *watch;
	struct sandbox_count *count; /* traces the command from its exec on; NULL: nobody does */
};

/* A launch between start and release. */
struct sandbox_launch;

struct sandbox_child {
	pid_t pid; /* what the caller waits for: the command, or the init of its sandbox */
	bool own_pid_namespace; /* the command is PID 2 of one */
	/*
	 * NULL, or what was left out: a line each, as "mount proc on '/proc': Operation not
	 * permitted". The caller frees it.
	 */
	char *lacking;
	/*
	 * Sandboxed: init's reports, one struct sandbox_report per read(2), 0 once init is gone.
	 * A socket, never below 3, CLOEXEC, non-blocking. OFF: -1.
	 */
	int report_fd;
	/*
	 * /proc/PID/io of @pid, CLOEXEC, never below 3, to be read with pread(2), also once @pid is
	 * a zombie: then only root could still open it, and a short command is one before the
	 * caller gets round to it. -1 if there is none.
	 */
	int io_fd;
	/*
	 * The listener of the syscall filter, CLOEXEC, never below 3: whoever holds it answers the
	 * calls that the filter does not allow. Closed, they fail with ENOSYS. -1: no filter.
	 */
	int listener_fd;
	int watch_err;           /* OFF: errno for which nothing is watched; 0: it is */
	bool watch_no_new_privs; /* OFF: set for its sake: set-user-id programs do not work */
	bool cgroup_missed;      /* it could not be born in cgroup_fd */
};

/*
 * What the init tells the caller, one message each. Stops must reach the caller, or Ctrl-Z would
 * leave the terminal hanging: init itself cannot be stopped from inside. A socket and not a pipe:
 * send(2) is not counted in /proc/PID/io, whose figures for init are thus those of the command
 * and nothing else.
 */
enum sandbox_report_kind {
	SANDBOX_STOPPED = 1, /* value: the signal */
	SANDBOX_CONTINUED = 2,
	SANDBOX_LISTENER = 4, /* comes with the listener, before the others; not for the caller */
	SANDBOX_ENDED = 3,    /* value: the command's wait(2) status; init exits with n or 128+n */
};
struct sandbox_report {
	uint32_t kind;
	int32_t value;
	/* ENDED: 1 if nothing is left in the namespace but init itself: its figures are final */
	uint32_t alone;
	uint32_t pad;
	struct rusage usage; /* ENDED: of the command and all that init reaped, without init */
};

/* How far a launch that failed had come. */
enum sandbox_failure {
	SANDBOX_OK = 0,
	SANDBOX_SETUP_FAILED,   /* exit status 125 */
	SANDBOX_NOT_EXECUTABLE, /* 126: found, but exec refused it (EACCES, ENOEXEC, ...) */
	SANDBOX_NOT_FOUND,      /* 127 */
};

/*
 * sandbox_start - sandboxed: fork the child, which confines itself as far as it can by itself
 * @spec: what it points to must stay as it is until release
 * @ret: to be given to sandbox_release() or sandbox_abandon()
 * Returns 0 or -errno with the step and the reason in @err; then no process is left behind. What
 * the child fails at is told at release. The command sees the caller's open fds, limits and
 * environment of this moment; OFF those of the release. Sandboxed, a folder among fds 0-2 and
 * @keep_fds is refused: it would lead out of the read-only root.
 */
int sandbox_start(const struct sandbox_spec *spec, struct sandbox_launch **ret,
		  struct tt_err *err) TT_MUST_CHECK;

/*
 * sandbox_release - let the command run; returns once exec has succeeded or something failed
 * @launch: freed, also on failure
 * @ret: set on success; the caller reaps @ret->pid and closes its fds
 * @failure: always set; a start that failed counts as SANDBOX_SETUP_FAILED
 * Returns 0 or -errno with the step and the reason in @err; then no process is left behind. A
 * file without "#!" that the kernel refuses with ENOEXEC is not handed to a shell: 126. So is a
 * script or program whose interpreter is missing.
 */
int sandbox_release(struct sandbox_launch *launch, struct sandbox_child *ret,
		    enum sandbox_failure *failure, struct tt_err *err) TT_MUST_CHECK;

/* sandbox_abandon - end and reap the child, free @launch, which may be NULL */
void sandbox_abandon(struct sandbox_launch *launch);

/*
 * sandbox_env_make - the environment that policy @p makes of @envp
 * @ret: a list to be freed by the caller; it points into @envp and @p
 */
int sandbox_env_make(const struct policy *p, char *const *envp, char ***ret,
		     struct tt_err *err) TT_MUST_CHECK;

/* sandbox_ignored_signals - the signals that this process ignores now. Thread- and signal-safe. */
void sandbox_ignored_signals(sigset_t *ret);

#endif
