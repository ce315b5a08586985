/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel itself tells of the processes of a run, whoever asked it: facts. The eBPF sensor
 * (kernel/sensor.h), the rootless observer (kernel/observer.h) and the proc connector each yield
 * the same struct, and the recorder holds it against what the processes say of themselves.
 */
#ifndef TT_KERNEL_FACT_H
#define TT_KERNEL_FACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"

enum kernel_fact_kind {
	KERNEL_FACT_FORK,       /* a process was made; not of threads */
	KERNEL_FACT_EXEC,       /* a process runs another program from here on */
	KERNEL_FACT_EXIT,       /* a process is over: its last thread ended */
	KERNEL_FACT_CALL,       /* a system call returned (observer: is about to be made) */
	KERNEL_FACT_CAPABILITY, /* a capability was asked for and refused */
	KERNEL_FACT_URING,      /* an operation was handed over through an io_uring */
	KERNEL_FACT_DNS,        /* an answer from port 53 was received */
	KERNEL_FACT_FOREIGN,    /* calls of another ABI are made, which are not told */
};

/* Who looked. */
enum kernel_fact_by { KERNEL_BY_BPF, KERNEL_BY_SECCOMP, KERNEL_BY_PROC };

/* Which code made a call, by the address it was made from. */
enum kernel_origin {
	KERNEL_ORIGIN_UNKNOWN,
	KERNEL_ORIGIN_FILE,      /* mapped from the file origin_dev, origin_ino */
	KERNEL_ORIGIN_ANONYMOUS, /* memory of no file: a JIT's, or made at run time */
};

struct kernel_file {
	uint64_t dev; /* as stat(2) has it; 0: not known */
	uint64_t ino;
};

/* Times are CLOCK_MONOTONIC, pids those of the recorder's namespace. Absent texts: data NULL. */
struct kernel_fact {
	enum kernel_fact_kind kind;
	enum kernel_fact_by by;
	uint64_t ts_ns; /* CALL: BPF when it returned, observer when it was held */
	int32_t pid, tid, ppid;
	int32_t ns_pid;    /* the process's own view of pid; 0: not known */
	int32_t ns_tid;    /* ... and of tid, where that is not the first thread; 0: the same */
	uint64_t start_ns; /* of the process, CLOCK_BOOTTIME; with pid its identity; 0: not known */
	uint32_t image; /* execs that the process had seen before, its ancestors' included or not:
			    * it differs from one image of a process to the next */
	uint64_t lost;  /* facts of this process that were lost so far, and had no room */
	char comm[16];

	/* FORK: pid, ns_pid, start_ns and image are the child's; ppid the maker's */
	uint64_t parent_start_ns;

	/* EXEC: the program as the kernel has it */
	struct event_text path, argv, cwd; /* argv: each string with its NUL */
	bool argv_cut;
	struct kernel_file exe;
	uint32_t uid, euid, gid, egid;
	bool secure;    /* AT_SECURE: set-user-id and its like; ld.so ignores LD_PRELOAD */
	bool anonymous; /* a memfd, or a file that has no name any more */

	/* EXIT */
	int status; /* as wait(2) has it */
	uint64_t user_ns, system_ns, max_rss_kb, minor_faults, major_faults, voluntary, involuntary;
	uint64_t read_calls, write_calls, bytes_read, bytes_written;

	/* CALL, URING: a row of calls.def; its arguments as struct event has them */
	enum event_call call;
	/* of the call made; CAPABILITY: in which it was asked for, -1: none; FOREIGN: theirs */
	int32_t nr;
	/* a text that could not be read is absent and cut; where none was passed, absent */
	struct event_arg args[EVENT_ARGS_MAX];
	int64_t result; /* as the function would return it: -1 with @error */
	int error;      /* errno, 0: none */
	bool has_result;
	/*
	 * Where it led: of an open that succeeded the file's own path, whatever the text said; of
	 * another call with a relative path the folder that it starts from, of one with an fd the
	 * fd's file. Absolute. Of EXEC the program file's own path; @path is as it was called.
	 */
	struct event_text where, where2; /* where2: of a second relative path */
	bool where_is_file;
	struct kernel_file file; /* of an fd that the call made */
	enum kernel_origin origin;
	struct kernel_file origin_file;
	uint64_t ip;     /* of the instruction that made it */
	bool own_memory; /* nobody else could write the memory that the arguments were read from */

	/* CAPABILITY; its call failed with @error */
	int capability;

	/* DNS: the datagram as received, hostile */
	struct event_text datagram;
};

#endif
