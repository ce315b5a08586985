/* SPDX-License-Identifier: Apache-2.0 */
/* Maps and settings of the programs, and how a record gets into a ring. */
#ifndef TT_BPF_STATE_H
#define TT_BPF_STATE_H

#include "bpf/core_types.h"

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/arch.h"
#include "bpf/record.h"
#include "bpf/walk.h"

#define SF_GROUP_EXIT 4u /* SIGNAL_GROUP_EXIT */
#define REFUSED_MAX   4  /* capabilities noted of one call */
#define ORIGINS       4  /* mappings that a thread's calls were made from lately */

/* A mapping with code. */
struct origin {
	__u64 from, to; /* to 0: none */
	struct sensor_file file;
	__u32 kind; /* enum sensor_origin */
	__u32 pad;
};

/* What is known of a thread that is followed. */
struct task_state {
	__u32 armed;    /* a program of the run was started: calls are told */
	__u32 image;    /* execs before */
	__u64 start_ns; /* of the process */
	__u64 enter_ns;
	__u32 ended;  /* of a leader: its process's end was told */
	__u32 shared; /* its memory is, or was, that of another task, too */
	__u32 next_origin;
	__u32 maps; /* what code_maps said when @origins were found */
	__s32 ppid, ns_pid, ns_tid;
	__u32 foreign; /* that calls of another ABI are made was told */
	__u32 pad;
	__u32 refused_count;
	__u64 refused_bits; /* capabilities that this call was refused */
	__u32 refused[REFUSED_MAX];
	struct origin origins[ORIGINS];
};

struct process_key {
	__u64 start_ns;
	__s32 tgid;
	__u32 pad;
};

/* Set before the programs are loaded. */
const volatile bool with_counts = true;
const volatile struct sensor_shape shapes[SENSOR_NUMBERS];

/* The level of the recorder's PID namespace, which recorder() finds. */
__u32 pid_level = 0;
/* Its root folder, which paths are told from. */
__u64 root_mount = 0, root_dentry = 0;
/* Where two fields lie that recorder() alone looks up: core_types.h says why. */
__u32 pwd_at = 0, fdt_at = 0;
/* Goes up when code was mapped in a process; several may share a place, which harms nobody. */
#define CODE_MAPS 1024
__u32 code_maps[CODE_MAPS] = {0};
/* Anything was lost: from then on each record looks how much. */
__u32 any_lost = 0;
/* Somebody has asked a name server: from then on it is looked at what is received. */
__u32 any_dns = 0;

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_state);
} tasks SEC(".maps");

/* Births, programs and deaths: not crowded out by the many calls. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SENSOR_LIVES);
} lives SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} acts SEC(".maps");

/* Records that had no room: by process, and by CPU over all. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct process_key);
	__type(value, __u64);
} lost SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SENSOR_LOST_KINDS);
	__type(key, __u32);
	__type(value, __u64);
} lost_by_cpu SEC(".maps");

/* One more than there are numbers: the rest; two more: those of another ABI. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SENSOR_NUMBERS + 2);
	__type(key, __u32);
	__type(value, struct sensor_count);
} counts SEC(".maps");

/*
 * Where a record of changing length is put together: by CPU, for nothing of ours interrupts a
 * program in the middle. One for calls, one for execs, one for io_uring.
 */
#define DATA_ROOM (4 * SENSOR_TEXT_MAX)
struct room {
	union {
		struct sensor_call call;
		struct sensor_exec exec;
	};
	char data[DATA_ROOM +
		  2 * SENSOR_TEXT_MAX]; /* behind the record at once; @at bytes are used */
	char path[PATH_ROOM + 256];     /* one that is being put together, from its end */
	__u32 at;
	__u32 pad;
};

enum { ROOM_CALL, ROOM_EXEC, ROOM_URING, ROOMS };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ROOMS);
	__type(key, __u32);
	__type(value, struct room);
} rooms SEC(".maps");

static __always_inline struct room *room_of(__u32 which)
{
	return bpf_map_lookup_elem(&rooms, &which);
}

static __always_inline struct task_state *state_of(struct task_struct *t)
{
	return bpf_task_storage_get(&tasks, t, NULL, 0);
}

/*
 * Pointers of the kernel's are followed by BPF_CORE_READ but in the few places where a helper asks
 * for a typed one: of each pointer that a program loads, the verifier looks its type up by name
 * among all there are, a millisecond each.
 */
static __always_inline __u64 start_of(struct task_struct *t, struct task_state *s)
{
	if (!s->start_ns)
		s->start_ns = BPF_CORE_READ(t, group_leader, start_boottime);
	return s->start_ns;
}

static __always_inline void count_lost_at(struct process_key key, __u32 kind)
{
	__u64 *n = bpf_map_lookup_elem(&lost_by_cpu, &kind), one = 1;

	if (n)
		(*n)++;
	n = bpf_map_lookup_elem(&lost, &key);
	if (n)
		__sync_fetch_and_add(n, 1);
	else if (bpf_map_update_elem(&lost, &key, &one, BPF_NOEXIST) < 0) {
		n = bpf_map_lookup_elem(&lost, &key);
		if (n)
			__sync_fetch_and_add(n, 1);
	}
	any_lost = 1;
}

static __always_inline void count_lost(struct task_struct *t, struct task_state *s, __u32 kind)
{
	struct process_key key = {.start_ns = start_of(t, s), .tgid = t->tgid};

	count_lost_at(key, kind);
}

static __always_inline __u64 lost_of(struct task_struct *t, struct task_state *s)
{
	struct process_key key = {.start_ns = s->start_ns, .tgid = t->tgid};
	__u64 *n = any_lost ? bpf_map_lookup_elem(&lost, &key) : NULL;

	return n ? *n : 0;
}

/* A struct pid's number as a namespace of that level counts. */
static __always_inline __s32 number_of(struct pid *p, __u32 level)
{
	struct upid u = {0};

	if (!p || bpf_probe_read_kernel(&u, sizeof(u),
					(void *)p + bpf_core_field_offset(struct pid, numbers) +
						level * bpf_core_type_size(struct upid)) < 0)
		return 0;
	return u.nr;
}

/* The folder that a task's relative paths start from. */
static __always_inline struct path pwd_of(struct task_struct *t)
{
	struct path p = {0};

	bpf_probe_read_kernel(&p, sizeof(p), (void *)BPF_CORE_READ(t, fs) + pwd_at);
	return p;
}

static __always_inline void put_head(struct sensor_head *h, struct task_struct *t,
				     struct task_state *s, __u32 kind)
{
	h->ts_ns = bpf_ktime_get_ns();
	h->start_ns = start_of(t, s);
	h->lost = lost_of(t, s);
	if (pid_level == 0) {
		h->pid = t->tgid;
		h->tid = t->pid;
	} else {
		h->pid = number_of(BPF_CORE_READ(t, group_leader, thread_pid), pid_level);
		h->tid = number_of(BPF_CORE_READ(t, thread_pid), pid_level);
	}
	h->ppid = s->ppid;
	h->ns_pid = s->ns_pid;
	h->ns_tid = s->ns_tid;
	h->pad = 0;
	h->image = s->image;
	h->kind = kind;
	__builtin_memcpy(h->comm, t->comm, sizeof(h->comm));
}

/* ... what is looked up anew at births, starts of programs and deaths */
static __always_inline void put_family(struct sensor_head *h, struct task_struct *t,
				       struct task_state *s)
{
	struct pid *p = BPF_CORE_READ(t, group_leader, thread_pid);

	h->ppid = pid_level == 0 ? BPF_CORE_READ(t, group_leader, real_parent, tgid)
				 : number_of(BPF_CORE_READ(t, group_leader, real_parent,
							   group_leader, thread_pid),
					     pid_level);
	h->ns_pid = number_of(p, p ? BPF_CORE_READ(p, level) : 0);
	s->ppid = h->ppid;
	s->ns_pid = h->ns_pid;
}

#endif
