/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Count every system call of a command and of all below it, with ptrace(2).
 *
 * A process of its own, the counter, attaches to the command before its exec and, by itself, to
 * everything that the command makes. It is not the command's parent: who waits for whom, what is
 * inherited and which figures add up is as it would be without it. It never changes a call or a
 * register, passes signals on as they came, and if it dies the command goes on uncounted.
 *
 * What the command can notice: it is slower (two stops for each call); TracerPid in /proc; nobody
 * else can trace it (a debugger in it fails with EPERM); and unless the counter is root, a
 * set-user-ID program runs without the rights it would have gained. What is not seen: calls
 * answered by the vDSO, work that goes through an io_uring, and children made with CLONE_UNTRACED,
 * of which the result says that there were some.
 *
 * Not thread-safe, not signal-safe.
 */
#ifndef TT_SANDBOX_COUNT_H
#define TT_SANDBOX_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "util/err.h"

#define SANDBOX_COUNT_CALLS    1024 /* numbers of the native ABI from 0 */
#define SANDBOX_COUNT_ARGS_MAX 3
#define SANDBOX_COUNT_SHAPES   4096
#define SANDBOX_COUNT_MANY     64 /* more shapes of one call than this are not told apart */

/* One argument of a shape: (argument @arg & @mask) was @value. */
struct sandbox_count_arg {
	uint8_t arg;
	uint64_t mask, value;
};

/* How often a call was made with these arguments: count_args.c says which ones are looked at. */
struct sandbox_count_shape {
	int nr;
	uint8_t arg_count; /* 0: all that were too many to tell apart */
	struct sandbox_count_arg args[SANDBOX_COUNT_ARGS_MAX];
	uint64_t count;
};

struct sandbox_counts {
	uint64_t calls[SANDBOX_COUNT_CALLS];
	uint64_t unknown; /* of the native ABI with a number past the end of the table */
	uint64_t foreign; /* of another ABI: int 0x80, x32 */
	struct sandbox_count_shape shapes[SANDBOX_COUNT_SHAPES];
	size_t shape_count;
	bool untraced;    /* somebody made a child that cannot be followed */
	bool cut;         /* the counter was gone before the command and all below it were */
	uint64_t cost_ns; /* what a call costs more, measured before the command began */
};

struct sandbox_count;

/*
 * sandbox_count_start - make the counter
 * It is a child of the caller, in a session of its own, and dies with the caller. Returns 0 or
 * -errno; -EPERM or -ENOSYS where ptrace(2) is not allowed.
 */
int sandbox_count_start(struct sandbox_count **ret, struct tt_err *err) TT_MUST_CHECK;

/* sandbox_count_pid - of the counter: to be reaped by whoever reaps all */
pid_t sandbox_count_pid(const struct sandbox_count *c);

/*
 * sandbox_count_attach - trace @pid, which waits for something before its first exec: what it does
 * from that exec on is counted, the exec included
 */
int sandbox_count_attach(struct sandbox_count *c, pid_t pid, struct tt_err *err) TT_MUST_CHECK;

/*
 * sandbox_count_finish - the counts, once everything that was traced has been reaped
 * What is still traced then goes on uncounted, and @cut says so. Valid until
 * sandbox_count_free().
 */
const struct sandbox_counts *sandbox_count_finish(struct sandbox_count *c);

/* sandbox_count_free - end the counter if it is still there; NULL is fine */
void sandbox_count_free(struct sandbox_count *c);

#endif
