/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the programs in the kernel write into the ring buffers and the sensor reads. Both sides are
 * built from this header: fixed sizes, no padding that is not named, no pointers.
 */
#ifndef TT_BPF_RECORD_H
#define TT_BPF_RECORD_H

#ifdef __bpf__
#include "bpf/core_types.h"
#else
#include <linux/types.h>
#endif

#define SENSOR_TEXT_MAX  4096 /* of one path, its NUL included: PATH_MAX */
#define SENSOR_ARGV_MAX  4096
#define SENSOR_ADDR_MAX  128        /* sizeof(struct sockaddr_storage) */
#define SENSOR_NUMBERS   512        /* system calls that are told and counted each by itself */
#define SENSOR_DGRAM_MAX 512        /* a power of two */
#define SENSOR_LIVES     (1u << 20) /* bytes of the ring of births, programs and deaths */

enum sensor_kind {
	SENSOR_FORK = 1,
	SENSOR_EXEC,
	SENSOR_EXIT,
	SENSOR_CALL,
	SENSOR_CAPABILITY,
	SENSOR_URING,
	SENSOR_DNS,
	SENSOR_FOREIGN,
};

/* Each record begins with this. Times: CLOCK_MONOTONIC; pids: as the recorder counts them. */
struct sensor_head {
	__u64 ts_ns;
	__u64 start_ns; /* of the process, CLOCK_BOOTTIME */
	__u64 lost;     /* records of this process that had no room so far */
	__s32 pid, tid, ppid;
	__s32 ns_pid, ns_tid; /* their own view; ns_tid 0: of the first thread */
	__u32 image;
	__u32 kind; /* enum sensor_kind */
	__u32 pad;
	char comm[16];
};
_Static_assert(sizeof(struct sensor_head) == 72, "no padding");

struct sensor_file {
	__u64 ino;
	__u32 dev; /* MAJOR << 20 | MINOR, as the kernel has it */
	__u32 pad;
};
_Static_assert(sizeof(struct sensor_file) == 16, "no padding");

struct sensor_fork {
	struct sensor_head head;
	__u64 parent_start_ns;
};

struct sensor_exit {
	struct sensor_head head;
	__u64 user_ns, system_ns, run_ns, max_rss_pages;
	__u64 minor_faults, major_faults, voluntary, involuntary;
	__u64 read_calls, write_calls, bytes_read, bytes_written;
	__s32 status;
	__u32 pad;
};

#define SENSOR_EXEC_SECURE    1u
#define SENSOR_EXEC_ANONYMOUS 2u
#define SENSOR_EXEC_ARGV_CUT  4u

/* path, argv, cwd follow, path_len + argv_len + cwd_len + exe_len bytes; paths without a NUL */
struct sensor_exec {
	struct sensor_head head;
	struct sensor_file exe;
	__u32 uid, euid, gid, egid;
	__u32 flags;
	__u16 path_len, argv_len, cwd_len, exe_len; /* exe: of the program file itself */
	__u32 pad;
	__u64 pad2[11];
};

enum sensor_origin { SENSOR_ORIGIN_UNKNOWN, SENSOR_ORIGIN_FILE, SENSOR_ORIGIN_ANONYMOUS };

#define SENSOR_CALL_OWN_MEMORY 1u /* nobody else could write the memory of the arguments */
#define SENSOR_CALL_FILE       2u /* `where` is the file that was opened, not a folder */
#define SENSOR_CALL_NO_RESULT  4u /* told before it was complete */
#define SENSOR_CALL_HAS(i)     (1u << (8 + (i)))  /* text i could be read, be it empty */
#define SENSOR_CALL_CUT(i)     (1u << (16 + (i))) /* ... and was longer */

#define SENSOR_TEXTS 3
#define SENSOR_PATHS 2 /* of them, that start from a folder */

/* the texts, addr, where follow, without NULs: as many bytes as their lengths say */
struct sensor_call {
	struct sensor_head head;
	__s64 result;
	__u64 args[6];
	__u64 ip;
	__u64 how[2]; /* openat2: flags and mode */
	struct sensor_file file, origin_file;
	__u32 flags;
	__u16 nr;
	__u8 origin; /* enum sensor_origin */
	__u8 pad;
	__u16 text_len[SENSOR_TEXTS];
	__u16 addr_len;
	__u16 where_len[SENSOR_PATHS];
	__u16 pad2[2];
};
_Static_assert(sizeof(struct sensor_call) == 208 && sizeof(struct sensor_exec) == 208,
	       "both are put together in the same place, with their texts behind them");

/* The nr of SENSOR_URING, which is a struct sensor_call; its args are in the order of records.c */
enum sensor_op {
	SENSOR_OP_SENDMSG = 9,
	SENSOR_OP_ACCEPT = 13,
	SENSOR_OP_CONNECT = 16,
	SENSOR_OP_OPENAT = 18,
	SENSOR_OP_SEND = 26,
	SENSOR_OP_OPENAT2 = 28,
	SENSOR_OP_RENAMEAT = 35,
	SENSOR_OP_UNLINKAT = 36,
	SENSOR_OP_MKDIRAT = 37,
	SENSOR_OP_SYMLINKAT = 38,
	SENSOR_OP_LINKAT = 39,
	SENSOR_OP_SOCKET = 45,
	SENSOR_OP_SEND_ZC = 47,
	SENSOR_OP_SENDMSG_ZC = 48,
	SENSOR_OP_BIND = 56,
	SENSOR_OP_LISTEN = 57,
};

struct sensor_capability {
	struct sensor_head head;
	__s32 capability, nr, error;
	__u32 pad;
};

/* The first call of another ABI that a thread makes in an image; the others are counted. */
struct sensor_foreign {
	struct sensor_head head;
	__s32 nr; /* as that ABI counts */
	__u32 pad;
};

struct sensor_dns {
	struct sensor_head head;
	__u32 len, pad;
	char data[SENSOR_DGRAM_MAX];
};

/* How a number is told: what its arguments point to. Indices count from 1; 0: none. */
struct sensor_shape {
	__u8 told;               /* enum sensor_told */
	__u8 special;            /* enum sensor_special */
	__u8 text[SENSOR_TEXTS]; /* paths and other texts */
	__u8 path[SENSOR_PATHS]; /* which of them are paths: 1 is text[0] */
	__u8 dir[SENSOR_PATHS];  /* the dirfd that one starts from; 0: the cwd, if it is relative */
	__u8 addr;               /* a socket address, its length is the next argument */
	__u8 fd;                 /* an fd whose file's path is told */
	__u8 pad;
};
_Static_assert(sizeof(struct sensor_shape) == 12, "an array of them is read-only data");

enum sensor_told {
	SENSOR_COUNTED, /* only */
	SENSOR_TOLD,
	SENSOR_MAPS,  /* counted, and may put code where other code was */
	SENSOR_BIRTH, /* told where it makes namespaces: the child itself is told at its birth */
};

enum sensor_special {
	SENSOR_PLAIN,
	SENSOR_OPENS,    /* the result is an fd of the path */
	SENSOR_OPENS_FD, /* ... of no path */
	SENSOR_HOW,      /* opens; its third argument is a struct open_how */
	SENSOR_PEER,     /* accept: the call writes the address, and its length behind a pointer */
	SENSOR_MSG,      /* sendmsg: the address lies in the struct msghdr; told only with one */
	SENSOR_DEST,     /* sendto: told only with an address */
	SENSOR_TIMES,    /* the argument @addr points to two times */
};

/* What can be lost: a record for want of room, a child for want of memory to follow it. */
enum sensor_lost { SENSOR_LOST_RECORDS, SENSOR_LOST_CHILDREN, SENSOR_LOST_KINDS };

struct sensor_count {
	__u64 calls, ns;
};

#endif
