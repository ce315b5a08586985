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
	uint64_t start_ns;   /* of the process, CLOCK_BOOTTIME, to a clock tick; 0: not asked for */
	char comm[16];       /* of the process */
	int comm_fd;         /* of the thread */
	int memory_fd;       /* the same; -1: not opened */
	bool again;          /* it has been asked for */
	uint64_t checked_ns; /* CLOCK_MONOTONIC, when it last was who it is here; 0: it executes */
	uint8_t chain_len;
	struct kernel_link chain[KERNEL_CHAIN_MAX];
};

struct kernel_callers;

/*
 * kernel_callers_new - NULL without memory
 * @chains: look up parents, too; @starts: start_ns
 * @namespaced: processes call themselves by other numbers, which cannot be had quickly
 */
struct kernel_callers *kernel_callers_new(bool chains, bool starts, bool namespaced);
void kernel_callers_free(struct kernel_callers *c);

/*
 * kernel_caller_find - what is known of the thread @tid; NULL if it cannot be looked up
 * @top: parents are listed up to this one, without it. Valid until the next call.
 */
const struct kernel_caller *kernel_caller_find(struct kernel_callers *c, pid_t tid, pid_t top);

/*
 * kernel_caller_find_soon - the same, but one that was looked up a moment before @now_ns is not
 * asked again
 */
const struct kernel_caller *kernel_caller_find_soon(struct kernel_callers *c, pid_t tid, pid_t top,
						    uint64_t now_ns);

/*
 * kernel_caller_memory - /proc/TID/mem of a thread that was looked up a moment before @now_ns, for
 * the second time at least; else -1. It may be of the image before: then reading it fails.
 */
int kernel_caller_memory(struct kernel_callers *c, pid_t tid, uint64_t now_ns);

/*
 * kernel_caller_glance - of a thread that executes another program now: what is known already, or
 * can be had quickly; then comm is "" and start_ns 0. What is known is not trusted afterwards.
 */
const struct kernel_caller *kernel_caller_glance(struct kernel_callers *c, pid_t tid, pid_t top);

/* kernel_caller_start - when a process began, as start_ns; 0: it cannot be looked up */
uint64_t kernel_caller_start(pid_t pid);

#endif
