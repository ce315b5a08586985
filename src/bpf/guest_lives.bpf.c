/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a cell, for the agent of a guest: their births, programs and deaths, at
 * tracepoints that every kernel with BTF has. A ring of their own: no flood of other acts crowds
 * them out.
 */
#include "bpf/guest_state.h"
#include "bpf/walk.h"

#define SF_GROUP_EXIT 4u /* SIGNAL_GROUP_EXIT */

/* Where the record of an exec is put together, by CPU. */
struct room {
	struct guest_exec exec;
	char data[GUEST_EXE_MAX + 2 * GUEST_ARGV_MAX];
	char path[PATH_ROOM + 256];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct room);
} rooms SEC(".maps");

/* Of a process with threads, whose end was told. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} ended SEC(".maps");

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	struct guest_head h;

	if (child->pid == child->tgid && put_head(&h, child, GUEST_FORK))
		tell(&h, sizeof(h));
	return 0;
}

/* The program's own file; its length, 0: it has no name. Looked at by the verifier once. */
__noinline int exe_put(__u64 program)
{
	__u32 zero = 0, len;
	struct room *room = bpf_map_lookup_elem(&rooms, &zero);
	struct walk w = {.at = PATH_ROOM - 1};
	struct file *f = (struct file *)program;
	struct mount *from;
	struct dentry *d;

	if (!room || !f)
		return 0;
	d = BPF_CORE_READ(f, f_path.dentry);
	from = (void *)BPF_CORE_READ(f, f_path.mnt) - bpf_core_field_offset(struct mount, mnt);
	w.dentry = (__u64)d;
	w.mount = (__u64)from;
	w.mount_root = (__u64)BPF_CORE_READ(from, mnt.mnt_root);
	w.buf = room->path;
	if (!BPF_CORE_READ(d, d_hash.pprev))
		return 0;
	bpf_loop(NAMES_MAX, walk_step, &w, 0);
	len = PATH_ROOM - 1 - w.at;
	if (!w.whole || len >= GUEST_EXE_MAX)
		return 0;
	if (bpf_probe_read_kernel(room->data, len & (GUEST_EXE_MAX - 1),
				  room->path + (w.at & (PATH_ROOM - 1))) < 0)
		return 0;
	return len;
}

/* What the program was called with lies in its own memory from now on. */
static __always_inline void argv_put(struct room *room, struct task_struct *t)
{
	unsigned long from = BPF_CORE_READ(t, mm, arg_start);
	unsigned long all = BPF_CORE_READ(t, mm, arg_end) - from, len = all;
	__u32 to = room->exec.exe_len & (GUEST_EXE_MAX - 1);

	if (len >= GUEST_ARGV_MAX)
		len = GUEST_ARGV_MAX - 1;
	len &= GUEST_ARGV_MAX - 1;
	if (bpf_probe_read_user(room->data + to, len, (void *)from) < 0)
		len = 0;
	room->exec.argv_len = len;
	room->exec.argv_left = all - len;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *t, int old_pid, struct linux_binprm *bprm)
{
	__u32 zero = 0;
	struct room *room = bpf_map_lookup_elem(&rooms, &zero);
	long len;

	if (!room || !put_head(&room->exec.head, t, GUEST_EXEC))
		return 0;
	len = exe_put((__u64)BPF_CORE_READ(bprm, file));
	if (len <= 0) {
		/* as the caller named it */
		len = bpf_probe_read_kernel_str(room->data, GUEST_EXE_MAX,
						BPF_CORE_READ(bprm, filename));
		len = len > 0 ? len - 1 : 0;
	}
	room->exec.exe_len = len & (GUEST_EXE_MAX - 1);
	argv_put(room, t);
	len = room->exec.exe_len + room->exec.argv_len;
	tell(&room->exec, sizeof(room->exec) + (len & (2 * GUEST_ARGV_MAX - 1)));
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *t)
{
	struct signal_struct *sig = BPF_CORE_READ(t, signal);
	struct guest_number r;
	__u32 *told;

	if (BPF_CORE_READ(sig, live.counter) != 0 || !put_head(&r.head, t, GUEST_EXIT))
		return 0;
	if (BPF_CORE_READ(sig, nr_threads) > 1) {
		/* two threads that end together may both find nobody left */
		told = bpf_task_storage_get(&ended, t->group_leader, NULL,
					    BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (told && __sync_fetch_and_add(told, 1))
			return 0;
	}
	r.number = BPF_CORE_READ(sig, flags) & SF_GROUP_EXIT
			   ? BPF_CORE_READ(sig, group_exit_code)
			   : BPF_CORE_READ(t, group_leader, exit_code);
	r.pad = 0;
	tell(&r, sizeof(r));
	return 0;
}

/* Run by the agent, once: who is there already. */
SEC("iter/task")
int on_each(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct guest_head h;

	if (t && t->pid == t->tgid && put_head(&h, t, GUEST_THERE) && h.pid != 1)
		tell(&h, sizeof(h));
	return 0;
}
