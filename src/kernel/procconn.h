/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proc connector: the kernel tells over netlink of every fork, exec and exit on the machine,
 * and this keeps those below one process. For root in the initial namespaces alone; another root
 * process can switch it off for all. So it corroborates and proves nothing.
 *
 * Facts are KERNEL_BY_PROC. EXEC says no more than that another image runs: what it is, /proc has
 * to tell; EXIT is the end of a process's first thread. Not thread-safe.
 */
#ifndef TT_KERNEL_PROCCONN_H
#define TT_KERNEL_PROCCONN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "kernel/fact.h"
#include "util/err.h"

/* One message of the kernel's that is of interest. */
struct kernel_proc_event {
	enum kernel_fact_kind kind; /* FORK, EXEC or EXIT */
	uint32_t cpu, seq;          /* seq goes up by one with each message of a CPU, of any kind */
	uint64_t ts_ns;             /* CLOCK_MONOTONIC */
	int32_t pid, tid;
	int32_t parent_pid; /* FORK */
	int status;         /* EXIT: as wait(2) has it */
	bool other;         /* of another kind: only its number counts */
};

/*
 * kernel_procconn_parse - the message at *@at of a datagram from the kernel
 * @at: moved behind it
 * Returns 1 and a message; 0: no more; -EBADMSG: what follows is none. Pure.
 */
int kernel_procconn_parse(const void *datagram, size_t len, size_t *at,
			  struct kernel_proc_event *ret);

struct kernel_procconn;

/*
 * kernel_procconn_open - listen, and keep what happens to @pid and below
 * Returns 0 or -errno: -EPERM without root; -EOPNOTSUPP where the kernel says nothing, as outside
 * the initial namespaces.
 */
int kernel_procconn_open(struct kernel_procconn **ret, struct tt_err *err) TT_MUST_CHECK;
void kernel_procconn_close(struct kernel_procconn *c);
TT_DEFINE_FREEP(struct kernel_procconn *, kernel_procconn_close)

/* kernel_procconn_follow - tell of @pid, and what it makes from now on; once. -EINVAL: no pid. */
int kernel_procconn_follow(struct kernel_procconn *c, pid_t pid) TT_MUST_CHECK;

/* kernel_procconn_next - 1 and a fact; 0: none now */
int kernel_procconn_next(struct kernel_procconn *c, struct kernel_fact *ret);

/* kernel_procconn_lost - messages, of all processes of the machine, that did not arrive */
uint64_t kernel_procconn_lost(const struct kernel_procconn *c);

#endif
