/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs of the sensor: at tracepoints that all processes pass, for those that are followed.
 *
 *	sched_process_fork  a child of a followed task is followed, too
 *	sched_process_exec  ... and armed: its calls are told from here on
 *	sched_process_exit  how it ended and what it used
 *	sys_exit            a call returned: counted, and told if its number has a shape
 *	sys_enter           when it began, where latency was asked for
 *	cap_capable         a capability was refused: capable.h
 *	io_uring_submit_req an operation that is no system call: uring.h
 *	io_uring_complete   ... and what came of it
 *
 * Whoever is not followed leaves after two loads. Nothing here changes what a program does.
 */
#include "bpf/state.h"

#include "bpf/capable.h"
#include "bpf/dns.h"
#include "bpf/path.h"
#include "bpf/uring.h"

/* The kernel lends helpers that read memory to programs under the GPL alone. */
char sensor_license[] SEC("license") = "GPL";

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	struct task_state *from = state_of(parent), *to;
	struct sensor_fork *r;

	if (!from)
		return 0;
	to = bpf_task_storage_get(&tasks, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!to) {
		count_lost(parent, from, SENSOR_LOST_CHILDREN);
		return 0;
	}
	to->start_ns = child->pid == child->tgid ? child->start_boottime : start_of(parent, from);
	to->armed = from->armed;
	to->image = from->image;
	to->maps = from->maps;
	to->ppid = from->ppid;
	to->ns_pid = from->ns_pid;
	if (child->pid != child->tgid) {
		struct pid *p = BPF_CORE_READ(child, thread_pid);

		to->ns_tid = number_of(p, p ? BPF_CORE_READ(p, level) : 0);
	}
	if (BPF_CORE_READ(child, mm) == BPF_CORE_READ(parent, mm))
		from->shared = to->shared = 1;
	__builtin_memcpy(to->origins, from->origins, sizeof(to->origins));
	if (child->pid != child->tgid)
		return 0;
	r = bpf_ringbuf_reserve(&lives, sizeof(*r), 0);
	if (!r) {
		count_lost(parent, from, SENSOR_LOST_RECORDS);
		return 0;
	}
	put_head(&r->head, child, to, SENSOR_FORK);
	put_family(&r->head, child, to);
	/* CLONE_PARENT makes a sibling, but it is still us who made it */
	r->head.ppid = pid_level == 0 ? parent->tgid
				      : number_of(BPF_CORE_READ(parent, group_leader, thread_pid),
						  pid_level);
	to->ppid = r->head.ppid;
	r->parent_start_ns = start_of(parent, from);
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

/*
 * Two fields of a struct that lie near each other, in one look: each costs as much as a short text.
 * Where they lie is known when the programs are loaded, and so is which way is taken.
 */
#define NEAR 64
static __always_inline bool read_two(const void *from, __u32 one, void *ret_one, __u32 one_size,
				     __u32 two, void *ret_two, __u32 two_size)
{
	__u32 first = one < two ? one : two, last = one < two ? two + two_size : one + one_size;
	char bytes[NEAR];

	if (last - first > NEAR)
		return bpf_probe_read_kernel(ret_one, one_size, from + one) == 0 &&
		       bpf_probe_read_kernel(ret_two, two_size, from + two) == 0;
	if (bpf_probe_read_kernel(bytes, (last - first) & (2 * NEAR - 1), from + first) < 0)
		return false;
	__builtin_memcpy(ret_one, bytes + (one - first), one_size);
	__builtin_memcpy(ret_two, bytes + (two - first), two_size);
	return true;
}

static __always_inline void put_file(struct sensor_file *f, const struct inode *inode)
{
	struct super_block *sb = NULL;
	unsigned long ino = 0;

	(void)read_two(inode, bpf_core_field_offset(struct inode, i_ino), &ino, sizeof(ino),
		       bpf_core_field_offset(struct inode, i_sb), &sb, sizeof(sb));
	f->ino = ino;
	f->dev = BPF_CORE_READ(sb, s_dev);
	f->pad = 0;
}

/* A text of the program's memory, behind what lies in the room; -1: it cannot be read. */
static __always_inline int text_put(struct room *room, __u64 from, bool *cut)
{
	__u32 to = room->at & (DATA_ROOM - 1);
	/* one more than a path can have: what fills it was longer */
	long n = bpf_probe_read_user_str(room->data + to, SENSOR_TEXT_MAX + 1, (void *)from);

	if (n <= 0)
		return -1;
	*cut = n > SENSOR_TEXT_MAX;
	n = *cut ? SENSOR_TEXT_MAX - 1 : n - 1;
	room->at = to + n;
	return n;
}

/* What the program was called with lies in its own memory from now on. */
static __always_inline void put_argv(struct room *room, struct task_struct *t)
{
	unsigned long from = BPF_CORE_READ(t, mm, arg_start);
	unsigned long len = BPF_CORE_READ(t, mm, arg_end) - from;
	__u32 to = room->at & (DATA_ROOM - 1);

	if (len >= SENSOR_ARGV_MAX) {
		len = SENSOR_ARGV_MAX - 1;
		room->exec.flags |= SENSOR_EXEC_ARGV_CUT;
	}
	len &= SENSOR_ARGV_MAX - 1;
	if (bpf_probe_read_user(room->data + to, len, (void *)from) < 0)
		len = 0;
	room->exec.argv_len = len;
	room->at = to + len;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *t, int old_pid, struct linux_binprm *bprm)
{
	struct task_state *s = state_of(t);
	const struct cred *cred;
	struct sensor_exec *r;
	struct room *room;
	struct file *file;
	struct path pwd;
	long n;

	if (!s)
		return 0;
	s->armed = 1;
	s->image++;
	s->shared = 0;
	s->ns_tid = 0;
	s->foreign = 0;
	for (int i = 0; i < ORIGINS; i++)
		s->origins[i].to = 0;
	room = room_of(ROOM_EXEC);
	if (!room)
		return 0;
	r = &room->exec;
	put_head(&r->head, t, s, SENSOR_EXEC);
	put_family(&r->head, t, s);
	file = BPF_CORE_READ(bprm, file);
	put_file(&r->exe, BPF_CORE_READ(file, f_inode));
	cred = BPF_CORE_READ(t, cred);
	r->uid = BPF_CORE_READ(cred, uid.val);
	r->euid = BPF_CORE_READ(cred, euid.val);
	r->gid = BPF_CORE_READ(cred, gid.val);
	r->egid = BPF_CORE_READ(cred, egid.val);
	r->flags = BPF_CORE_READ_BITFIELD_PROBED(bprm, secureexec) ? SENSOR_EXEC_SECURE : 0;
	if (BPF_CORE_READ(file, f_inode, i_nlink) == 0)
		r->flags |= SENSOR_EXEC_ANONYMOUS;
	n = bpf_probe_read_kernel_str(room->data, SENSOR_TEXT_MAX, BPF_CORE_READ(bprm, filename));
	r->path_len = n > 0 ? (n - 1) & (SENSOR_TEXT_MAX - 1) : 0;
	room->at = r->path_len;
	put_argv(room, t);
	pwd = pwd_of(t);
	r->cwd_len = path_put(ROOM_EXEC, (__u64)pwd.mnt, (__u64)pwd.dentry);
	r->exe_len = path_put(ROOM_EXEC, (__u64)BPF_CORE_READ(file, f_path.mnt),
			      (__u64)BPF_CORE_READ(file, f_path.dentry));
	if (bpf_ringbuf_output(&lives, r, sizeof(*r) + (room->at & (DATA_ROOM - 1)),
			       BPF_RB_NO_WAKEUP) < 0)
		count_lost(t, s, SENSOR_LOST_RECORDS);
	return 0;
}

static __always_inline void count_call(long nr, __u64 ns)
{
	__u32 i = nr >= 0 && nr < SENSOR_NUMBERS ? nr : SENSOR_NUMBERS;
	struct sensor_count *c = bpf_map_lookup_elem(&counts, &i);

	if (c) {
		c->calls++;
		c->ns += ns;
	}
}

static __always_inline void count_foreign(void)
{
	__u32 i = SENSOR_NUMBERS + 1;
	struct sensor_count *c = bpf_map_lookup_elem(&counts, &i);

	if (c)
		c->calls++;
}

/* Calls that do not return are counted here: exit(2), exit_group(2). */
static __always_inline void count_last(struct task_struct *t)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(t);
	long nr = arch_nr(regs);

	if (nr != NR_EXIT && nr != NR_EXIT_GROUP)
		return;
	if (arch_foreign(t, nr))
		count_foreign();
	else
		count_call(nr, 0);
}

/* What a process used: of threads that are gone in the signal struct, of a leader in its own. */
#define USED(field, own)                                     \
	(BPF_CORE_READ(sig, field) + BPF_CORE_READ(t, own) + \
	 (alone ? 0 : BPF_CORE_READ(leader, own)))

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *t)
{
	struct signal_struct *sig = BPF_CORE_READ(t, signal);
	struct task_struct *leader = t;
	struct task_state *s = state_of(t), *leaders = s;
	bool alone = t->pid == t->tgid;
	struct sensor_exit *r;

	if (!s)
		return 0;
	if (with_counts && s->armed)
		count_last(t);
	if (BPF_CORE_READ(sig, live.counter) != 0)
		return 0;
	if (!alone) {
		leader = t->group_leader;
		leaders = bpf_task_storage_get(&tasks, leader, NULL, 0);
	}
	/* two threads that end together may both find nobody left */
	if (!leaders || __sync_fetch_and_add(&leaders->ended, 1))
		return 0;
	r = bpf_ringbuf_reserve(&lives, sizeof(*r), 0);
	if (!r) {
		count_lost(t, s, SENSOR_LOST_RECORDS);
		return 0;
	}
	put_head(&r->head, t, s, SENSOR_EXIT);
	put_family(&r->head, t, s);
	r->user_ns = USED(utime, utime);
	r->system_ns = USED(stime, stime);
	r->run_ns = USED(sum_sched_runtime, se.sum_exec_runtime);
	r->max_rss_pages = BPF_CORE_READ(sig, maxrss);
	r->minor_faults = USED(min_flt, min_flt);
	r->major_faults = USED(maj_flt, maj_flt);
	r->voluntary = USED(nvcsw, nvcsw);
	r->involuntary = USED(nivcsw, nivcsw);
	r->read_calls = USED(ioac.syscr, ioac.syscr);
	r->write_calls = USED(ioac.syscw, ioac.syscw);
	r->bytes_read = USED(ioac.rchar, ioac.rchar);
	r->bytes_written = USED(ioac.wchar, ioac.wchar);
	r->status = BPF_CORE_READ(sig, flags) & SF_GROUP_EXIT ? BPF_CORE_READ(sig, group_exit_code)
							      : BPF_CORE_READ(leader, exit_code);
	r->pad = 0;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

static long see_mapping(struct task_struct *t, struct vm_area_struct *vma, void *arg)
{
	struct origin *o = arg;
	struct file *f = BPF_CORE_READ(vma, vm_file);

	o->from = BPF_CORE_READ(vma, vm_start);
	o->to = BPF_CORE_READ(vma, vm_end);
	o->kind = f ? SENSOR_ORIGIN_FILE : SENSOR_ORIGIN_ANONYMOUS;
	if (f)
		put_file(&o->file, BPF_CORE_READ(f, f_inode));
	return 0;
}

/* Which mapping the instruction lies in that made the call. */
__noinline int origin_put(struct task_state *s)
{
	struct task_struct *t = bpf_get_current_task_btf();
	__u32 maps = code_maps[t->tgid & (CODE_MAPS - 1)], i;
	struct room *room = room_of(ROOM_CALL);
	struct origin o = {0};

	if (!s || !room)
		return 0;
	if (s->maps != maps) {
		s->maps = maps;
		for (int k = 0; k < ORIGINS; k++)
			s->origins[k].to = 0;
	}
	for (i = 0; i < ORIGINS; i++)
		if (room->call.ip >= s->origins[i].from && room->call.ip < s->origins[i].to) {
			room->call.origin = s->origins[i].kind;
			room->call.origin_file = s->origins[i].file;
			return 0;
		}
	room->call.origin = SENSOR_ORIGIN_UNKNOWN;
	__builtin_memset(&room->call.origin_file, 0, sizeof(room->call.origin_file));
	if (bpf_find_vma(t, room->call.ip, see_mapping, &o, 0) < 0 || !o.to)
		return 0;
	i = s->next_origin++ & (ORIGINS - 1);
	s->origins[i] = o;
	room->call.origin = o.kind;
	room->call.origin_file = o.file;
	return 0;
}

/* Argument @i, from 1. What lies behind the sixth is the record's own, and nobody asks for it. */
static __always_inline __u64 arg_of(const struct sensor_call *r, __u32 i)
{
	return *(const __u64 *)((const char *)r + __builtin_offsetof(struct sensor_call, args) +
				((i - 1) & 7) * sizeof(__u64));
}

static __always_inline void put_addr(struct room *room, __u64 addr, __u32 len)
{
	__u32 to = room->at & (DATA_ROOM - 1);

	if (!addr || !len)
		return;
	if (len > SENSOR_ADDR_MAX)
		len = SENSOR_ADDR_MAX;
	if (bpf_probe_read_user(room->data + to, len, (void *)addr) < 0)
		return;
	room->call.addr_len = len;
	room->at = to + len;
}

/* The address of a call; 0: without one it is not to be told. */
__noinline int address_put(__u32 addr, __u32 special)
{
	struct room *room = room_of(ROOM_CALL);
	struct user_msghdr msg = {0};
	struct sensor_call *r;
	int len = 0;

	if (!room)
		return 0;
	r = &room->call;
	switch (special) {
	case SENSOR_PEER:
		if (r->result >= 0 && r->args[1] &&
		    bpf_probe_read_user(&len, sizeof(len), (void *)r->args[2]) == 0)
			put_addr(room, r->args[1], len);
		return 1;
	case SENSOR_MSG:
		if (bpf_probe_read_user(&msg, sizeof(msg), (void *)r->args[1]) < 0 || !msg.msg_name)
			return 0;
		put_addr(room, (__u64)msg.msg_name, msg.msg_namelen);
		return 1;
	case SENSOR_TIMES:
		put_addr(room, arg_of(r, addr), 2 * sizeof(__u64[2]));
		return 1;
	case SENSOR_DEST:
		if (!r->args[4])
			return 0;
		put_addr(room, r->args[4], r->args[5]);
		return 1;
	default:
		put_addr(room, arg_of(r, addr), arg_of(r, addr + 1));
		return 1;
	}
}

struct names {
	const char *said, *own; /* where the one lies in the room, and the other in the kernel */
	__u32 len, differ;
};

static long names_step(__u32 i, void *arg)
{
	struct names *n = arg;
	__u32 at = i * sizeof(__u64);
	__u64 said = 0, own = 0;

	if (at >= n->len)
		return 1;
	/* bytes past the end of either are nobody's name */
	if (at + sizeof(__u64) > n->len)
		at = n->len > sizeof(__u64) ? n->len - sizeof(__u64) : 0;
	if (bpf_probe_read_kernel(&said, sizeof(said), n->said + at) < 0 ||
	    bpf_probe_read_kernel(&own, sizeof(own), n->own + at) < 0)
		own = ~said;
	if (n->len < sizeof(__u64))
		said = (said ^ own) << ((64 - 8 * n->len) & 63), own = 0;
	n->differ = said != own;
	return n->differ;
}

/* Whether the last name of the text is the file's own: where a link led elsewhere, they differ. */
static __always_inline bool names_file(struct room *room, const struct dentry *d)
{
	__u32 len = room->call.text_len[0], at;
	struct names n = {.len = 0};
	struct qstr name;

	if (bpf_core_read(&name, sizeof(name), &d->d_name) < 0)
		return false;
	if (!name.len || name.len >= len || name.len > 255)
		return false;
	at = (len - name.len) & (SENSOR_TEXT_MAX - 1);
	if (room->data[(at - 1) & (SENSOR_TEXT_MAX - 1)] != '/')
		return false;
	n.said = room->data + at;
	n.own = (const char *)name.name;
	n.len = name.len;
	bpf_loop(32, names_step, &n, 0);
	return !n.differ;
}

/* The file that was opened: its number, and its path where the text alone does not tell. */
__noinline int file_put(long fd)
{
	struct room *room = room_of(ROOM_CALL);
	struct file *f = file_of(bpf_get_current_task_btf(), fd);
	struct inode *inode = NULL;
	struct sensor_call *r;
	struct path path = {0};

	if (!room || !f ||
	    !read_two(f, bpf_core_field_offset(struct file, f_inode), &inode, sizeof(inode),
		      bpf_core_field_offset(struct file, f_path), &path, sizeof(path)))
		return 0;
	r = &room->call;
	put_file(&r->file, inode);
	if ((r->flags & SENSOR_CALL_OWN_MEMORY) && r->text_len[0] && room->data[0] == '/' &&
	    names_file(room, path.dentry))
		return 0;
	r->flags |= SENSOR_CALL_FILE;
	r->where_len[0] = path_put(ROOM_CALL, (__u64)path.mnt, (__u64)path.dentry);
	return 0;
}

/* The folder that a relative path starts from. @which: of the paths of the call. */
__noinline int folder_put(__u32 which, __u32 dir)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct room *room = room_of(ROOM_CALL);
	__u64 mount, dentry;
	struct file *f;
	int len;

	if (!room)
		return 0;
	if (!dir || (int)arg_of(&room->call, dir) < 0) {
		struct path pwd = pwd_of(t);

		mount = (__u64)pwd.mnt;
		dentry = (__u64)pwd.dentry;
	} else {
		f = file_of(t, (int)arg_of(&room->call, dir));
		if (!f)
			return 0;
		mount = (__u64)BPF_CORE_READ(f, f_path.mnt);
		dentry = (__u64)BPF_CORE_READ(f, f_path.dentry);
	}
	len = path_put(ROOM_CALL, mount, dentry);
	if (which)
		room->call.where_len[1] = len;
	else
		room->call.where_len[0] = len;
	return 0;
}

static __always_inline bool is_open(__u32 special)
{
	return special == SENSOR_OPENS || special == SENSOR_HOW || special == SENSOR_OPENS_FD;
}

/*
 * The texts of a call. Returns a bit for each that is no absolute path, from bit 1 on. As the other
 * functions that are not static, it is looked at by the verifier once and not in every state that a
 * call of it is reached in.
 */
__noinline int texts_put(__u32 nr)
{
	const volatile struct sensor_shape *shape = &shapes[nr & (SENSOR_NUMBERS - 1)];
	struct room *room = room_of(ROOM_CALL);
	int relative = 0;

	if (!room)
		return 0;
	for (__u32 i = 0; i < SENSOR_TEXTS; i++) {
		__u32 arg = shape->text[i], at = room->at & (DATA_ROOM - 1);
		bool cut = false;
		int n;

		if (!arg)
			return relative;
		n = text_put(room, arg_of(&room->call, arg), &cut);
		if (n < 0)
			continue;
		room->call.flags |= SENSOR_CALL_HAS(i) | (cut ? SENSOR_CALL_CUT(i) : 0);
		room->call.text_len[i] = n;
		if (n == 0 || room->data[at] != '/')
			relative |= 2 << i;
	}
	return relative;
}

/* Where the call led to, or started from. */
__noinline int where_put(__u32 nr, __u32 relative)
{
	const volatile struct sensor_shape *shape = &shapes[nr & (SENSOR_NUMBERS - 1)];
	struct room *room = room_of(ROOM_CALL);
	__u32 special = shape->special;
	__u32 first = shape->path[0] & 3, second = shape->path[1] & 3;

	if (!room)
		return 0;
	if (special == SENSOR_HOW && bpf_probe_read_user(room->call.how, sizeof(room->call.how),
							 (void *)room->call.args[2]) < 0)
		room->call.how[0] = room->call.how[1] = 0;
	if (is_open(special) && room->call.result >= 0)
		return file_put(room->call.result);
	if (shape->fd)
		return file_put((int)room->call.args[0]);
	if (first && (relative >> first & 1))
		folder_put(0, shape->dir[0]);
	if (second && (relative >> second & 1))
		folder_put(1, shape->dir[1]);
	return 0;
}

#define NAMESPACES 0x7e020000ull /* CLONE_NEWNS and the like */

/* The flags of a call that makes a process. */
static __always_inline __u64 birth_flags(__u32 nr, __u64 arg)
{
	__u64 flags = 0;

	if (nr != NR_CLONE3)
		return arg;
	if (bpf_probe_read_user(&flags, sizeof(flags), (void *)arg) < 0)
		return 0;
	return flags;
}

static __always_inline bool makes_namespaces(struct pt_regs *regs, __u32 nr, long result)
{
	__u64 args[6];

	/* the child comes back from it, too */
	if (result == 0)
		return false;
	arch_args(regs, args);
	return birth_flags(nr, args[0]) & NAMESPACES;
}

static __always_inline void tell(struct task_struct *t, struct task_state *s, struct pt_regs *regs,
				 long result, __u32 nr)
{
	const volatile struct sensor_shape *shape = &shapes[nr & (SENSOR_NUMBERS - 1)];
	struct room *room = room_of(ROOM_CALL);
	__u32 special = shape->special;
	struct sensor_call *r;
	int relative = 0;

	if (!room)
		return;
	r = &room->call;
	r->result = result;
	r->nr = nr;
	r->flags = s->shared ? 0 : SENSOR_CALL_OWN_MEMORY;
	r->pad = 0;
	__builtin_memset(r->text_len, 0,
			 sizeof(*r) - __builtin_offsetof(struct sensor_call, text_len));
	__builtin_memset(&r->file, 0, sizeof(r->file));
	arch_args(regs, r->args);
	if (nr == NR_CLONE3)
		r->args[0] = birth_flags(nr, r->args[0]);
	r->ip = arch_ip(regs);
	room->at = 0;
	if (shape->text[0])
		relative = texts_put(nr);
	if ((shape->addr || special >= SENSOR_PEER) && !address_put(shape->addr, special))
		return;
	/* what has an address has no text before it */
	if (r->addr_len && is_dns_port(room->data))
		any_dns = 1;
	put_head(&r->head, t, s, SENSOR_CALL);
	origin_put(s);
	if (special || relative || shape->fd)
		where_put(nr, relative);
	if (bpf_ringbuf_output(&acts, r, sizeof(*r) + (room->at & (DATA_ROOM - 1)),
			       BPF_RB_NO_WAKEUP) < 0)
		count_lost(t, s, SENSOR_LOST_RECORDS);
}

/* Code may lie where other code lay: what was learned of it is forgotten. */
static __always_inline void note_maps(struct task_struct *t, struct pt_regs *regs, __u32 nr)
{
	__u64 args[6];

	arch_args(regs, args);
	if (!shapes[nr & (SENSOR_NUMBERS - 1)].special || (args[2] & PROT_EXEC))
		__sync_fetch_and_add(&code_maps[t->tgid & (CODE_MAPS - 1)], 1);
}

/*
 * A call of another ABI: int 0x80, or a program of 32 bits. Its arguments are not ours to read;
 * that there are such calls is told once.
 */
static __always_inline void tell_foreign(struct task_struct *t, struct task_state *s, long nr)
{
	struct sensor_foreign *r;

	if (s->foreign)
		return;
	r = bpf_ringbuf_reserve(&acts, sizeof(*r), 0);
	if (!r) {
		count_lost(t, s, SENSOR_LOST_RECORDS);
		return;
	}
	s->foreign = 1;
	put_head(&r->head, t, s, SENSOR_FOREIGN);
	r->nr = nr;
	r->pad = 0;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_return, struct pt_regs *regs, long result)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct task_state *s;
	__u64 ns = 0;
	__u32 told;
	bool foreign;
	long nr;

	/* most tasks of the machine are none of ours, and have no storage of anybody's */
	if (!t->bpf_storage)
		return 0;
	s = state_of(t);
	if (!s || !s->armed)
		return 0;
	nr = arch_nr(regs);
	if (s->enter_ns) {
		ns = bpf_ktime_get_ns() - s->enter_ns;
		s->enter_ns = 0;
	}
	if (nr == -1)
		nr = NR_SIGRETURN; /* which put the registers of another moment in place */
	foreign = arch_foreign(t, nr);
	if (s->refused_count)
		tell_refused(s, foreign ? -1 : nr, result);
	if (foreign) {
		if (with_counts)
			count_foreign();
		tell_foreign(t, s, nr);
		return 0;
	}
	if (any_dns && result > 0 && receives(nr)) {
		struct room *room = room_of(ROOM_CALL);

		if (room) {
			arch_args(regs, room->call.args);
			tell_dns(s, nr, result);
		}
	}
	/* a child comes back from the call that made it, too */
	if (with_counts && !(result == 0 && (nr == NR_CLONE || nr == NR_FORK || nr == NR_VFORK ||
					     nr == NR_CLONE3)))
		count_call(nr, ns);
	if (nr < 0 || nr >= SENSOR_NUMBERS)
		return 0;
	told = shapes[nr & (SENSOR_NUMBERS - 1)].told;
	if (told == SENSOR_COUNTED)
		return 0;
	if (told == SENSOR_MAPS) {
		if (result >= 0 || result < -4095)
			note_maps(t, regs, nr);
		return 0;
	}
	if (told == SENSOR_BIRTH && !makes_namespaces(regs, nr, result))
		return 0;
	/* one that took place was told when it did, and has no arguments any more */
	if ((nr == NR_EXECVE || nr == NR_EXECVEAT) && result == 0)
		return 0;
	tell(t, s, regs, result, nr);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_enter, struct pt_regs *regs, long nr)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct task_state *s = state_of(t);

	if (s && s->armed)
		s->enter_ns = bpf_ktime_get_ns();
	return 0;
}

/* Run by the recorder, once: which PID namespace its numbers are of, and where its root is. */
SEC("syscall")
int recorder(void *ctx)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct pid *p = BPF_CORE_READ(t, thread_pid);

	if (p)
		pid_level = BPF_CORE_READ(p, level);
	pwd_at = bpf_core_field_offset(struct fs_struct, pwd);
	fdt_at = bpf_core_field_offset(struct files_struct, fdt);
	root_dentry = (__u64)BPF_CORE_READ(t, fs, root.dentry);
	root_mount =
		(__u64)BPF_CORE_READ(t, fs, root.mnt) - bpf_core_field_offset(struct mount, mnt);
	return 0;
}
