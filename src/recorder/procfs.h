/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading /proc about one process (proc(5)). A process that is gone yields -ESRCH. Thread-safe; no
 * allocation.
 */
#ifndef TT_RECORDER_PROCFS_H
#define TT_RECORDER_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

struct recorder_stat {
	char comm[16];
	char state; /* 'Z': dead, not reaped */
	pid_t ppid;
	uint64_t cpu_ns;          /* user and system, of its own threads */
	uint64_t children_cpu_ns; /* of the children it reaped */
	uint64_t start_ns;        /* CLOCK_BOOTTIME, to a clock tick */
	uint64_t rss_kb;
	uint64_t minor_faults, major_faults;
	uint64_t children_major_faults; /* as children_cpu_ns */
	int exit_status;                /* as wait(2) has it; of a zombie, else 0 */
};

/* What a process and the children it reaped read and wrote; a zombie still tells. */
struct recorder_io {
	uint64_t bytes_read, bytes_written; /* rchar, wchar: through calls, from whatever file */
	uint64_t read_calls, write_calls;   /* syscr, syscw */
};

int recorder_stat_read(pid_t pid, struct recorder_stat *ret) TT_MUST_CHECK;
int recorder_io_read(pid_t pid, struct recorder_io *ret) TT_MUST_CHECK;
int recorder_io_read_fd(int fd, struct recorder_io *ret) TT_MUST_CHECK;

/*
 * recorder_pss_read - its memory, each page divided by how many processes share it; kB
 * Slow: the kernel looks at every page.
 */
int recorder_pss_read(pid_t pid, uint64_t *ret_kb) TT_MUST_CHECK;

/*
 * recorder_children_read - the children of all threads of a process
 * Returns how many were put into @pids, at most @cap; what does not fit is left out and sets
 * *ret_more.
 */
size_t recorder_children_read(pid_t pid, pid_t *pids, size_t cap, bool *ret_more);

/* recorder_child_read - the first child of a process with one thread, or 0 */
pid_t recorder_child_read(pid_t pid);

/* recorder_ns_pid_read - the pid it has in its innermost namespace, or -errno */
int recorder_ns_pid_read(pid_t pid);

/* recorder_exe_read - the path of its program. Returns the length, or -errno. */
int recorder_exe_read(pid_t pid, char *buf, size_t cap);

#endif
