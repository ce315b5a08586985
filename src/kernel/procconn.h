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
