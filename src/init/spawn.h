/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New processes, with a number of one's choice (clone3(2)), and what init does to itself.
 * Signal-safe.
 */
#ifndef TT_INIT_SPAWN_H
#define TT_INIT_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

/*
 * init_spawn - as fork(2)
 * @namespaces: CLONE_NEW*
 * @pid: which number it gets in the newest PID namespace; 0: the next
 * Returns its number, 0 in the child, or -errno; -EEXIST: somebody has that number.
 */
pid_t init_spawn(uint64_t namespaces, pid_t pid) TT_MUST_CHECK;

/* init_now_ms - CLOCK_MONOTONIC */
uint64_t init_now_ms(void);

/* init_close_from - all fds from this one on; @at_exec: not before the exec */
int init_close_from(int first, int at_exec);

/* init_write_text - to a file below @dirfd. 0 or -errno. */
int init_write_text(int dirfd, const char *path, const char *text);

/* init_default_signals - each does what it does in a new machine; none is blocked */
void init_default_signals(void);

#endif
