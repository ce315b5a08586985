/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the programs of a guest's agent write into their rings. Both sides are built from this
 * header: fixed sizes, no padding that is not named, no pointers.
 */
#ifndef TT_BPF_GUEST_H
#define TT_BPF_GUEST_H

#ifdef __bpf__
#include "bpf/core_types.h"
#else
#include <linux/types.h>
#endif

#define GUEST_LIVES_BYTES (256u << 10) /* the ring of births, programs and deaths */
#define GUEST_ACTS_BYTES  (128u << 10) /* the ring of the rest */
#define GUEST_EXE_MAX     1024         /* with a NUL; powers of two */
#define GUEST_ARGV_MAX    1024
#define GUEST_ADDR_MAX    128 /* sizeof(struct sockaddr_storage) */

enum guest_kind {
	GUEST_FORK = 1,
	GUEST_EXEC,
	GUEST_EXIT,
	GUEST_CAPABILITY,
	GUEST_CONNECT,
	GUEST_REFUSED, /* a call, by the gate */
	GUEST_THERE,   /* a process that was there before us */
};

/* Each record begins with this. Times: CLOCK_MONOTONIC; pids: as the cell counts them. */
struct guest_head {
	__u64 ts_ns;
	__u64 start_ns; /* of the process */
	__u32 kind;     /* enum guest_kind */
	__u32 pid, ppid, uid;
	char comm[16];
};
_Static_assert(sizeof(struct guest_head) == 48, "no padding");

/* exe, then argv as the program has it, a NUL behind each; exe_len + argv_len bytes */
struct guest_exec {
	struct guest_head head;
	__u16 exe_len, argv_len;
	__u32 argv_left; /* bytes of argv that are not here */
};

/*
 * Also of a GUEST_CAPABILITY: which; of a GUEST_REFUSED: the call's number; of a GUEST_EXIT: as
 * wait(2) has it.
 */
struct guest_number {
	struct guest_head head;
	__u32 number, pad;
};

struct guest_connect {
	struct guest_head head;
	__u32 len, pad;
	char addr[GUEST_ADDR_MAX]; /* len bytes */
};

#endif
