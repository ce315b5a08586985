/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process as /proc tells of it (proc(5)). Texts go into static memory and hold until the next
 * call: single-threaded, nothing is allocated.
 */
#ifndef TT_AGENT_PROCESS_H
#define TT_AGENT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "wire/frame.h"

/* /proc/PID/stat, the parts that count. */
struct agent_stat {
	uint32_t pid, ppid;
	char comm[64];
	size_t comm_len;
	char state;
	uint32_t threads; /* also a first one that has ended, as long as there are others */
	uint64_t start_ticks;
	uint64_t stack;  /* where it began: differs from program to program; 0: we may not know */
	uint32_t status; /* of a zombie, as wait(2) has it; 0 also where we may not know */
	bool has_status; /* the field is there */
};

/*
 * agent_stat_parse - 0, or -EBADMSG
 * A comm may hold everything, ") " and newlines, too.
 */
int agent_stat_parse(const char *text, size_t len, struct agent_stat *ret) TT_MUST_CHECK;

/* agent_stat_read - of @pid below @proc_fd; -ENOENT or -ESRCH: it is gone */
int agent_stat_read(int proc_fd, uint32_t pid, struct agent_stat *ret) TT_MUST_CHECK;

/* agent_stat_start_ns - when it began, by CLOCK_MONOTONIC: /proc counts the time asleep, too */
uint64_t agent_stat_start_ns(const struct agent_stat *s);

/* agent_process_pids - call @each with every pid that is listed; 0 or -errno */
int agent_process_pids(int proc_fd, void (*each)(uint32_t pid, void *arg), void *arg) TT_MUST_CHECK;

/* agent_process_put - exe, argv and uid, as far as they can be known, into a frame */
void agent_process_put(int proc_fd, uint32_t pid, struct wire_frame *f);

/*
 * agent_process_put_argv - arguments with a NUL behind each, of which @left bytes more are not here
 */
void agent_process_put_argv(struct wire_frame *f, const char *from, size_t len, uint32_t left);

/* agent_process_put_status - how it ended, as wait(2) has it */
void agent_process_put_status(struct wire_frame *f, uint32_t status);

/* agent_process_number - a decimal number at *@at, moved behind it; false: there is none. Pure. */
bool agent_process_number(const char **at, const char *end, uint64_t *ret);

/* agent_process_path - "PID/NAME" into @buf of 64 bytes */
const char *agent_process_path(char *buf, uint32_t pid, const char *name);

/*
 * agent_process_field - the number behind "NAME:\t" in /proc/PID/status; false: there is none.
 * Pure.
 */
bool agent_process_field(const char *status, size_t len, const char *name, const char **ret_value);

#endif
