/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two objects of a guest's agent have in common: whose acts are told, and how a record
 * gets into the ring.
 */
#ifndef TT_BPF_GUEST_STATE_H
#define TT_BPF_GUEST_STATE_H

#include "bpf/core_types.h"

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/arch.h"
#include "bpf/guest.h"

/* The cell: the agent's PID namespace, which scope() finds; 0: nobody's. */
__u64 cell_ns = 0;
__u32 cell_level = 0;
__u32 agent_tgid = 0;
/* The program that the cell's init runs, and who was forked from it and has not run another yet. */
__u64 init_exe = 0;

/*
 * With so many bytes in the ring the agent wants to be woken: it writes this, and the first to wake
 * it takes it away.
 */
__u64 wake_at = 0;
/* Records that had no room. */
__u64 lost = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, GUEST_ACTS_BYTES); /* or what the agent sets */
} ring SEC(".maps");

/* The kernel lends helpers that read memory to programs under the GPL alone. */
char guest_license[] SEC("license") = "GPL";

/* A struct pid's number as the cell counts; 0: it is not in the cell. */
static __always_inline __u32 number_in_cell(struct pid *p)
{
	struct upid *u;

	if (!p || BPF_CORE_READ(p, level) < cell_level)
		return 0;
	u = (void *)p + bpf_core_field_offset(struct pid, numbers) +
	    cell_level * bpf_core_type_size(struct upid);
	return (__u64)BPF_CORE_READ(u, ns) == cell_ns ? BPF_CORE_READ(u, nr) : 0;
}

/* False: this task is none of the workload's. */
static __always_inline bool put_head(struct guest_head *h, struct task_struct *t, __u32 kind)
{
	h->pid = number_in_cell(BPF_CORE_READ(t, group_leader, thread_pid));
	if (!h->pid || t->tgid == agent_tgid)
		return false;
	h->ts_ns = bpf_ktime_get_ns();
	h->start_ns = BPF_CORE_READ(t, group_leader, start_time);
	h->kind = kind;
	h->ppid = number_in_cell(
		BPF_CORE_READ(t, group_leader, real_parent, group_leader, thread_pid));
	h->uid = BPF_CORE_READ(t, cred, uid.val);
	__builtin_memcpy(h->comm, t->comm, sizeof(h->comm));
	return true;
}

/*
 * A wake-up costs more than all the rest, so the agent looks by itself as long as there is
 * something to see. Decided when the record is in the ring: an agent that goes to sleep says so
 * first and looks into the ring after that, so that one of the two sees the other. What wakes it is
 * a record of nothing.
 */
static __always_inline void wake(void)
{
	void *nothing;

	if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) < wake_at)
		return;
	nothing = bpf_ringbuf_reserve(&ring, 8, 0);
	if (!nothing)
		return;
	wake_at = ~0ull;
	bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

static __always_inline void tell(void *record, __u32 size)
{
	if (bpf_ringbuf_output(&ring, record, size, BPF_RB_NO_WAKEUP) < 0)
		__sync_fetch_and_add(&lost, 1);
	wake();
}

/* Run by the agent, once. */
SEC("syscall")
int scope(void *ctx)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct pid *p = BPF_CORE_READ(t, thread_pid);
	__u32 level = BPF_CORE_READ(p, level);
	struct upid *u = (void *)p + bpf_core_field_offset(struct pid, numbers) +
			 level * bpf_core_type_size(struct upid);
	struct pid_namespace *ns = BPF_CORE_READ(u, ns);

	cell_level = level;
	init_exe = (__u64)BPF_CORE_READ(ns, child_reaper, mm, exe_file);
	cell_ns = (__u64)ns;
	agent_tgid = t->tgid;
	return 0;
}

#endif
