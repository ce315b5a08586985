/* SPDX-License-Identifier: Apache-2.0 */
/* A system call's registers, at its return: the one place that knows the machine. */
#ifndef TT_BPF_ARCH_H
#define TT_BPF_ARCH_H

#include "bpf/core_types.h"

#define PROT_EXEC 4

#if defined(__TARGET_ARCH_x86)

#define NR_READ       0
#define NR_SIGRETURN  15
#define NR_CONNECT    42
#define NR_SENDTO     44
#define NR_RECVFROM   45
#define NR_SENDMSG    46
#define NR_RECVMSG    47
#define NR_CLONE      56
#define NR_FORK       57
#define NR_VFORK      58
#define NR_EXECVE     59
#define NR_EXIT       60
#define NR_EXIT_GROUP 231
#define NR_RECVMMSG   299
#define NR_SENDMMSG   307
#define NR_EXECVEAT   322
#define NR_CLONE3     435
#define TS_COMPAT     2u
#define X32_BIT       0x40000000

static inline long arch_nr(const struct pt_regs *r)
{
	return (long)r->orig_ax;
}

static inline unsigned long arch_ip(const struct pt_regs *r)
{
	return r->ip;
}

static inline void arch_args(const struct pt_regs *r, __u64 *ret)
{
	ret[0] = r->di;
	ret[1] = r->si;
	ret[2] = r->dx;
	ret[3] = r->r10;
	ret[4] = r->r8;
	ret[5] = r->r9;
}

static inline bool arch_foreign(const struct task_struct *t, long nr)
{
	return (t->thread_info.status & TS_COMPAT) || (nr >= 0 && (nr & X32_BIT));
}

#elif defined(__TARGET_ARCH_arm64)

#define NR_READ       63
#define NR_SIGRETURN  139
#define NR_CONNECT    203
#define NR_SENDTO     206
#define NR_RECVFROM   207
#define NR_SENDMSG    211
#define NR_RECVMSG    212
#define NR_RECVMMSG   243
#define NR_SENDMMSG   269
#define NR_CLONE      220
#define NR_FORK       (-2)
#define NR_VFORK      (-3)
#define NR_EXECVE     221
#define NR_EXIT       93
#define NR_EXIT_GROUP 94
#define NR_EXECVEAT   281
#define NR_CLONE3     435

static inline long arch_nr(const struct pt_regs *r)
{
	return r->syscallno;
}

static inline unsigned long arch_ip(const struct pt_regs *r)
{
	return r->pc;
}

/* the first argument's register has the result by now */
static inline void arch_args(const struct pt_regs *r, __u64 *ret)
{
	ret[0] = r->orig_x0;
	ret[1] = r->regs[1];
	ret[2] = r->regs[2];
	ret[3] = r->regs[3];
	ret[4] = r->regs[4];
	ret[5] = r->regs[5];
}

static inline bool arch_foreign(const struct task_struct *t, long nr)
{
	return false;
}

#endif

#endif
