/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who makes a call, as /proc tells while the call is held. Asked again and again it costs one read:
 * an fd of /proc/TID/comm answers for as long as the thread that it was opened for lives, and not
 * for a later one of its number. Internal to this folder; one thread at a time; nothing is
 * allocated after _new().
 */
#ifndef TT_KERNEL_CALLER_H
#define TT_KERNEL_CALLER_H

#include <stdint.h>
#include <sys/types.h>

#include "kernel/notifier.h"

struct kernel_caller {
	int32_t tid, pid, ppid, ns_pid;
	char comm[16]; /* of the process */
	int comm_fd;   /* of the thread */
	uint8_t chain_len;
	struct kernel_link chain[KERNEL_CHAIN_MAX];
};

struct kernel_callers;

/* kernel_callers_new - NULL without memory. @chains: look up parents, too. */
struct kernel_callers *kernel_callers_new(bool chains);
void kernel_callers_free(struct kernel_callers *c);

/*
 * kernel_caller_find - what is known of the thread @tid; NULL if it cannot be looked up
 * @top: parents are listed up to this one, without it. Valid until the next call.
 */
const struct kernel_caller *kernel_caller_find(struct kernel_callers *c, pid_t tid, pid_t top);

#endif
