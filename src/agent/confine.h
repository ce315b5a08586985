/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent gives up before it looks at anything that a workload made. */
#ifndef TT_AGENT_CONFINE_H
#define TT_AGENT_CONFINE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

/*
 * agent_confine_oom - the last one to be killed for want of memory; -errno: it is one as any other
 */
int agent_confine_oom(const char *proc) TT_MUST_CHECK;

/*
 * agent_confine - as root: another user for good, with these capabilities (bits, 1 << CAP_...) and
 * no others, nothing to be had from an exec; nobody but root can trace it
 * Whoever is not root stays who he is, and loses what capabilities he has.
 * @connecting: one more, in force only inside agent_confine_connecting(true) .. (false); 0: none
 * Returns 0 or -errno, then *ret_why says what could not be done.
 */
int agent_confine(uid_t uid, gid_t gid, uint64_t keep, uint64_t connecting,
		  const char **ret_why) TT_MUST_CHECK;
void agent_confine_connecting(int is_connecting);

#endif
