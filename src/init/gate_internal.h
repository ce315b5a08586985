/* SPDX-License-Identifier: Apache-2.0 */
/* The gate's parts: seccomp's filter as a program, Landlock, what of gate_pass stands alone. */
#ifndef TT_INIT_GATE_INTERNAL_H
#define TT_INIT_GATE_INTERNAL_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "init/gate.h"

/* Instructions of one filter at most: about twice what the table needs. */
#define INIT_GATE_INSNS 1024

/*
 * A refused call is either a try on something (loud: the kernel reports it, and so does the agent)
 * or what programs ask at each start to see whether the kernel is new enough (quiet). Two filters,
 * as the kernel reports a filter's refusals all or not at all.
 */
enum init_gate_filter { INIT_GATE_QUIET, INIT_GATE_LOUD };

/*
 * init_gate_compile - one of the two filters for @audit_arch (AUDIT_ARCH_X86_64,
 * AUDIT_ARCH_AARCH64)
 * @ret: INIT_GATE_INSNS of them
 * Returns how many, -EINVAL for another architecture, -E2BIG.
 */
int init_gate_compile(uint32_t audit_arch, enum init_gate_filter which,
		      struct sock_filter *ret) TT_MUST_CHECK;

/* init_gate_load - both filters into this process, which has no_new_privs. 0 or -errno. */
int init_gate_load(void) TT_MUST_CHECK;

/* init_gate_landlock - 0 or -errno; *ret_abi: 0 where the kernel has none that serves */
int init_gate_landlock(const struct gate_options *o, int *ret_abi) TT_MUST_CHECK;

/* init_gate_drop - session, fds, capabilities, ids, no_new_privs: gate_pass without what filters */
int init_gate_drop(const struct gate_options *o, enum gate_step *ret_step) TT_MUST_CHECK;

#endif
