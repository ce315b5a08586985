/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's proc connector (linux/cn_proc.h) and its messages. Signal- and thread-safe. */
#ifndef TT_BASE_PROCEVENT_H
#define TT_BASE_PROCEVENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

enum tt_proc_event_kind {
	TT_PROC_OTHER, /* only its number counts */
	TT_PROC_FORK,
	TT_PROC_EXEC,
	TT_PROC_EXIT,
};

struct tt_proc_event {
	enum tt_proc_event_kind kind;
	uint32_t cpu, seq; /* seq goes up by one with each message of a CPU, of any kind */
	uint64_t ts_ns;    /* CLOCK_MONOTONIC */
	int32_t pid, tid;
	int32_t parent_pid; /* FORK */
	int status;         /* EXIT: as wait(2) has it */
};

/*
 * tt_proc_event_parse - the message at *@at of a datagram from the kernel
 * @at: moved behind it
 * Returns 1 and a message; 0: no more; -EBADMSG: what follows is none. Pure.
 */
int tt_proc_event_parse(const void *datagram, size_t len, size_t *at, struct tt_proc_event *ret);

/*
 * tt_proc_listen - a socket, CLOEXEC and non-blocking, to which the kernel tells of every process
 * @receive_bytes: kept for who does not read in time; past the machine's limit only with
 * CAP_NET_ADMIN
 * Returns the fd or -errno: -EPERM without privileges, -EOPNOTSUPP where the kernel stays silent,
 * as it does outside its first namespaces. tt_proc_ignore() comes before its close().
 */
int tt_proc_listen(int receive_bytes) TT_MUST_CHECK;

/* tt_proc_ignore - listeners are counted: without this the kernel goes on for nobody */
void tt_proc_ignore(int fd);

#endif
