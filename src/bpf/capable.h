/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities that were asked for and refused. Many are asked for just in case: what becomes of
 * the call says whether it was wanted. So they are noted in the task, and told when its call fails
 * for want of rights.
 *
 * Newer kernels have a tracepoint. On others the function itself is watched as it returns, by a
 * second object that differs in that alone (SENSOR_FEXIT).
 */
#ifndef TT_BPF_CAPABLE_H
#define TT_BPF_CAPABLE_H

#include "bpf/state.h"

#define CAP_OPT_NOAUDIT 2u /* nobody is to complain */
#define ERROR_PERM      1
#define ERROR_ACCESS    13

static __always_inline void note_refused(const struct cred *cred, int capability)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct task_state *s;

	s = state_of(t);
	if (!s || !s->armed || cred != BPF_CORE_READ(t, cred))
		return;
	if (s->refused_count >= REFUSED_MAX || (s->refused_bits >> (capability & 63) & 1))
		return;
	s->refused_bits |= 1ull << (capability & 63);
	s->refused[s->refused_count++ & (REFUSED_MAX - 1)] = capability;
}

#ifdef SENSOR_FEXIT
SEC("fexit/cap_capable")
int BPF_PROG(on_capability, const struct cred *cred, struct user_namespace *ns, int capability,
	     unsigned int opts, int result)
{
	if (result && !(opts & CAP_OPT_NOAUDIT))
		note_refused(cred, capability);
	return 0;
}
#else
/* cred, the namespace asked for, the one that has it, capability, result */
SEC("raw_tp/cap_capable")
int on_capability(struct bpf_raw_tracepoint_args *ctx)
{
	if ((int)ctx->args[4])
		note_refused((void *)ctx->args[0], (int)ctx->args[3]);
	return 0;
}
#endif

/* The call is over: it failed for want of them, or it did without. */
__noinline int tell_refused(struct task_state *s, long nr, long result)
{
	struct task_struct *t = bpf_get_current_task_btf();
	__u32 count;

	if (!s)
		return 0;
	count = s->refused_count;
	if (result != -ERROR_PERM && result != -ERROR_ACCESS)
		count = 0;
	for (__u32 i = 0; i < REFUSED_MAX && i < count; i++) {
		struct sensor_capability *r = bpf_ringbuf_reserve(&acts, sizeof(*r), 0);

		if (!r) {
			count_lost(t, s, SENSOR_LOST_RECORDS);
			continue;
		}
		put_head(&r->head, t, s, SENSOR_CAPABILITY);
		r->capability = s->refused[i];
		r->nr = nr;
		r->error = -result;
		r->pad = 0;
		bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	}
	s->refused_count = 0;
	s->refused_bits = 0;
	return 0;
}

#endif
