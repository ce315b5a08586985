/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs of the sensor: at tracepoints that all processes pass, for those that are followed.
 *
 *	sched_process_fork  a child of a followed task is followed, too
 *	sched_process_exec  ... and armed: its calls are told from here on
 *	sched_process_exit  how it ended and what it used
 *	sys_exit            a call returned: counted, and told if its number has a shape
 *	sys_enter           when it began, where latency was asked for
 *
 * Whoever is not followed leaves after two loads. Nothing here changes what a program does.
 */
#include "bpf/state.h"

#include "bpf/path.h"

/* Helpers that read memory are for programs under the GPL alone; this one may be had under either. */
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
		count_lost(parent, SENSOR_LOST_CHILDREN);
		return 0;
	}
	to->armed = from->armed;
	to->image = from->image;
	__builtin_memcpy(to->origins, from->origins, sizeof(to->origins));
	if (child->pid != child->tgid)
		return 0;
	r = bpf_ringbuf_reserve(&lives, sizeof(*r), 0);
	if (!r) {
		count_lost(parent, SENSOR_LOST_RECORDS);
		return 0;
	}
	put_head(&r->head, child, to, SENSOR_FORK);
	put_family(&r->head, child);
	/* CLONE_PARENT makes a sibling, but it is still us who made it */
	r->head.ppid = pid_level == 0 ? parent->tgid : number_at(parent->group_leader, pid_level);
	r->parent_start_ns = parent->group_leader->start_boottime;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

static __always_inline void put_file(struct sensor_file *f, const struct inode *inode)
{
	f->ino = BPF_CORE_READ(inode, i_ino);
	f->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	f->mode = BPF_CORE_READ(inode, i_mode);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *t, int old_pid, struct linux_binprm *bprm)
{
	struct task_state *s = state_of(t);
	const struct cred *cred;
	struct sensor_exec *r;
	struct exec_room *room;
	struct file *file;
	__u32 first = 0, at = 0;
	unsigned long from, len;
	long n;

	if (!s)
		return 0;
	s->armed = 1;
	s->image++;
	for (int i = 0; i < ORIGINS; i++)
		s->origins[i].to = 0;
	room = bpf_map_lookup_elem(&exec_rooms, &first);
	if (!room)
		return 0;
	r = &room->exec;
	put_head(&r->head, t, s, SENSOR_EXEC);
	put_family(&r->head, t);
	file = bprm->file;
	put_file(&r->exe, file->f_inode);
	cred = t->cred;
	r->uid = cred->uid.val;
	r->euid = cred->euid.val;
	r->gid = cred->gid.val;
	r->egid = cred->egid.val;
	r->flags = BPF_CORE_READ_BITFIELD_PROBED(bprm, secureexec) ? SENSOR_EXEC_SECURE : 0;
	if (BPF_CORE_READ(file, f_inode, i_nlink) == 0)
		r->flags |= SENSOR_EXEC_ANONYMOUS;
	n = bpf_probe_read_kernel_str(room->data, SENSOR_TEXT_MAX, bprm->filename);
	at = n > 0 ? (n - 1) & (SENSOR_TEXT_MAX - 1) : 0;
	r->path_len = at;
	from = t->mm->arg_start;
	len = t->mm->arg_end - from;
	if (len >= SENSOR_ARGV_MAX) {
		len = SENSOR_ARGV_MAX - 1;
		r->flags |= SENSOR_EXEC_ARGV_CUT;
	}
	if (bpf_probe_read_user(room->data + (at & (SENSOR_TEXT_MAX - 1)),
				len & (SENSOR_ARGV_MAX - 1), (void *)from) < 0)
		len = 0;
	r->argv_len = len;
	at += len & (SENSOR_ARGV_MAX - 1);
	n = path_put(room->data + (at & (DATA_ROOM - 1)), t->fs->pwd.mnt, t->fs->pwd.dentry,
		     room->path);
	r->cwd_len = n;
	at += n & (SENSOR_TEXT_MAX - 1);
	n = path_put(room->data + (at & (DATA_ROOM - 1)), file->f_path.mnt, file->f_path.dentry,
		     room->path);
	r->exe_len = n;
	at += n & (SENSOR_TEXT_MAX - 1);
	if (bpf_ringbuf_output(&lives, r, sizeof(*r) + (at & (DATA_ROOM - 1)), BPF_RB_NO_WAKEUP) <
	    0)
		count_lost(t, SENSOR_LOST_RECORDS);
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

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *t)
{
	struct task_state *s = state_of(t), *leaders;
	struct task_struct *leader = t->group_leader;
	struct signal_struct *sig = t->signal;
	struct sensor_exit *r;
	bool alone = t->pid == t->tgid;

	if (!s)
		return 0;
	if (with_counts && s->armed)
		count_last(t);
	if (sig->live.counter != 0)
		return 0;
	/* two threads that end together may both find nobody left */
	leaders = alone ? s : bpf_task_storage_get(&tasks, leader, NULL, 0);
	if (!leaders || __sync_fetch_and_add(&leaders->ended, 1))
		return 0;
	r = bpf_ringbuf_reserve(&lives, sizeof(*r), 0);
	if (!r) {
		count_lost(t, SENSOR_LOST_RECORDS);
		return 0;
	}
	put_head(&r->head, t, s, SENSOR_EXIT);
	put_family(&r->head, t);
	/* threads that are gone left theirs in the signal struct; a leader's stay its own till it is reaped */
	r->user_ns = sig->utime + t->utime + (alone ? 0 : leader->utime);
	r->system_ns = sig->stime + t->stime + (alone ? 0 : leader->stime);
	r->run_ns = sig->sum_sched_runtime + t->se.sum_exec_runtime +
		    (alone ? 0 : leader->se.sum_exec_runtime);
	r->max_rss_pages = sig->maxrss;
	r->minor_faults = sig->min_flt + t->min_flt + (alone ? 0 : leader->min_flt);
	r->major_faults = sig->maj_flt + t->maj_flt + (alone ? 0 : leader->maj_flt);
	r->voluntary = sig->nvcsw + t->nvcsw + (alone ? 0 : leader->nvcsw);
	r->involuntary = sig->nivcsw + t->nivcsw + (alone ? 0 : leader->nivcsw);
	r->read_calls = sig->ioac.syscr + t->ioac.syscr + (alone ? 0 : leader->ioac.syscr);
	r->write_calls = sig->ioac.syscw + t->ioac.syscw + (alone ? 0 : leader->ioac.syscw);
	r->bytes_read = sig->ioac.rchar + t->ioac.rchar + (alone ? 0 : leader->ioac.rchar);
	r->bytes_written = sig->ioac.wchar + t->ioac.wchar + (alone ? 0 : leader->ioac.wchar);
	r->status = sig->flags & SF_GROUP_EXIT ? sig->group_exit_code : leader->exit_code;
	r->pad = 0;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

static long see_mapping(struct task_struct *t, struct vm_area_struct *vma, void *arg)
{
	struct origin *o = arg;
	struct file *f = vma->vm_file;

	o->from = vma->vm_start;
	o->to = vma->vm_end;
	o->kind = f ? SENSOR_ORIGIN_FILE : SENSOR_ORIGIN_ANONYMOUS;
	if (f)
		put_file(&o->file, f->f_inode);
	return 0;
}

/* Which mapping the instruction lies in that made the call. */
static __always_inline void put_origin(struct sensor_call *r, struct task_struct *t,
				       struct task_state *s)
{
	struct origin o = {0};
	__u32 i;

	for (i = 0; i < ORIGINS; i++)
		if (r->ip >= s->origins[i].from && r->ip < s->origins[i].to) {
			r->origin = s->origins[i].kind;
			r->origin_file = s->origins[i].file;
			return;
		}
	r->origin = SENSOR_ORIGIN_UNKNOWN;
	__builtin_memset(&r->origin_file, 0, sizeof(r->origin_file));
	if (bpf_find_vma(t, r->ip, see_mapping, &o, 0) < 0 || !o.to)
		return;
	i = s->next_origin++ & (ORIGINS - 1);
	s->origins[i] = o;
	r->origin = o.kind;
	r->origin_file = o.file;
}

/* The file behind an fd of the calling task, or NULL. */
static __always_inline struct file *file_of(struct task_struct *t, long fd)
{
	struct fdtable *table = BPF_CORE_READ(t, files, fdt);
	struct file **fds = BPF_CORE_READ(table, fd), *f = NULL;

	if (fd < 0 || fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&f, sizeof(f), fds + fd);
	return f;
}

static __always_inline __u64 arg_of(const struct sensor_call *r, __u32 i)
{
	return i == 1   ? r->args[0]
	       : i == 2 ? r->args[1]
	       : i == 3 ? r->args[2]
	       : i == 4 ? r->args[3]
	       : i == 5 ? r->args[4]
			: r->args[5];
}

static __always_inline __u32 put_addr(struct sensor_call *r, struct call_room *room, __u32 at,
				      const void *addr, __u32 len)
{
	if (!addr || !len)
		return at;
	if (len > SENSOR_ADDR_MAX)
		len = SENSOR_ADDR_MAX;
	if (bpf_probe_read_user(room->data + (at & (DATA_ROOM - 1)), len, addr) < 0)
		return at;
	r->addr_len = len;
	return at + len;
}

/* Where a call led; false: it is not to be told at all. */
static __always_inline bool put_net(struct sensor_call *r, struct call_room *room, __u32 *at,
				    __u32 addr, __u32 special)
{
	struct user_msghdr msg;
	int len = 0;

	switch (special) {
	case SENSOR_PEER:
		if (r->result >= 0 && r->args[1] &&
		    bpf_probe_read_user(&len, sizeof(len), (void *)r->args[2]) == 0)
			*at = put_addr(r, room, *at, (void *)r->args[1], len);
		return true;
	case SENSOR_MSG:
		if (bpf_probe_read_user(&msg, sizeof(msg), (void *)r->args[1]) < 0 || !msg.msg_name)
			return false;
		*at = put_addr(r, room, *at, msg.msg_name, msg.msg_namelen);
		return true;
	case SENSOR_DEST:
		if (!r->args[4])
			return false;
		*at = put_addr(r, room, *at, (void *)r->args[4], r->args[5]);
		return true;
	default:
		if (addr)
			*at = put_addr(r, room, *at, (void *)arg_of(r, addr), arg_of(r, addr + 1));
		return true;
	}
}

/* Whether the last name of the text is the file's own: no link, and nobody changed it. */
static __always_inline bool names_file(const char *text, __u32 len, struct file *f)
{
	struct qstr name;
	char last[2], first = 0;
	__u32 n = BPF_CORE_READ(f, f_path.dentry, d_name.len);

	name.name = BPF_CORE_READ(f, f_path.dentry, d_name.name);
	if (!n || n >= len || n > 255)
		return false;
	/* cheap, not a proof: the slash before it, its first and its last byte */
	if (bpf_probe_read_kernel(&first, 1, name.name) < 0 ||
	    bpf_probe_read_kernel(&last[0], 1, name.name + n - 1) < 0)
		return false;
	return text[(len - n - 1) & (SENSOR_TEXT_MAX - 1)] == '/' &&
	       text[(len - n) & (SENSOR_TEXT_MAX - 1)] == first &&
	       text[(len - 1) & (SENSOR_TEXT_MAX - 1)] == last[0];
}

static __always_inline __u32 put_where(struct sensor_call *r, struct task_struct *t,
				       struct call_room *room, __u32 at,
				       const volatile struct sensor_shape *shape)
{
	__u32 special = shape->special, dir;
	struct file *f = NULL;
	__u32 n;

	if (t->mm->mm_users.counter == 1)
		r->flags |= SENSOR_CALL_OWN_MEMORY;
	if (special == SENSOR_OPENS || special == SENSOR_HOW || special == SENSOR_OPENS_FD) {
		if (r->result >= 0) {
			f = file_of(t, r->result);
			if (!f)
				return at;
			put_file(&r->file, BPF_CORE_READ(f, f_inode));
			if ((r->flags & SENSOR_CALL_OWN_MEMORY) && room->data[0] == '/' &&
			    names_file(room->data, r->text_len[0], f))
				return at;
			r->flags |= SENSOR_CALL_FILE;
			n = path_put(room->data + (at & (DATA_ROOM - 1)),
				     BPF_CORE_READ(f, f_path.mnt), BPF_CORE_READ(f, f_path.dentry),
				     room->path);
			r->where_len = n;
			return at + (n & (SENSOR_TEXT_MAX - 1));
		}
	}
	if (!(shape->paths & 1) || !(r->flags & SENSOR_CALL_HAS0) || room->data[0] == '/')
		return at;
	dir = shape->dir[0];
	if (dir && (int)arg_of(r, dir) >= 0) {
		f = file_of(t, (int)arg_of(r, dir));
		if (!f)
			return at;
		n = path_put(room->data + (at & (DATA_ROOM - 1)), BPF_CORE_READ(f, f_path.mnt),
			     BPF_CORE_READ(f, f_path.dentry), room->path);
	} else {
		n = path_put(room->data + (at & (DATA_ROOM - 1)), t->fs->pwd.mnt, t->fs->pwd.dentry,
			     room->path);
	}
	r->where_len = n;
	return at + (n & (SENSOR_TEXT_MAX - 1));
}

static __always_inline void tell(struct task_struct *t, struct task_state *s, struct pt_regs *regs,
				 long result, __u32 nr)
{
	const volatile struct sensor_shape *shape = &shapes[nr & (SENSOR_NUMBERS - 1)];
	__u32 first = 0, at = 0;
	struct sensor_call *r;
	struct call_room *room;

	room = bpf_map_lookup_elem(&call_rooms, &first);
	if (!room)
		return;
	r = &room->call;
	put_head(&r->head, t, s, SENSOR_CALL);
	r->result = result;
	r->nr = nr;
	r->flags = 0;
	r->pad = 0;
	r->text_len[0] = r->text_len[1] = r->addr_len = r->where_len = 0;
	__builtin_memset(&r->file, 0, sizeof(r->file));
	arch_args(regs, r->args);
	r->ip = arch_ip(regs);
	put_origin(r, t, s);
	if (shape->text[0]) {
		long n = bpf_probe_read_user_str(room->data, SENSOR_TEXT_MAX,
						 (void *)arg_of(r, shape->text[0]));

		if (n > 0) {
			r->flags |= SENSOR_CALL_HAS0;
			if (n == SENSOR_TEXT_MAX)
				r->flags |= SENSOR_CALL_CUT0;
			at = (n - 1) & (SENSOR_TEXT_MAX - 1);
			r->text_len[0] = at;
		}
	}
	if (shape->text[1]) {
		long n =
			bpf_probe_read_user_str(room->data + (at & (DATA_ROOM - 1)),
						SENSOR_TEXT_MAX, (void *)arg_of(r, shape->text[1]));

		if (n > 0) {
			r->flags |= SENSOR_CALL_HAS1;
			if (n == SENSOR_TEXT_MAX)
				r->flags |= SENSOR_CALL_CUT1;
			r->text_len[1] = (n - 1) & (SENSOR_TEXT_MAX - 1);
			at += (n - 1) & (SENSOR_TEXT_MAX - 1);
		}
	}
	if (!put_net(r, room, &at, shape->addr, shape->special))
		return;
	if (shape->special == SENSOR_HOW &&
	    bpf_probe_read_user(r->how, sizeof(r->how), (void *)r->args[2]) < 0)
		r->how[0] = r->how[1] = 0;
	at = put_where(r, t, room, at, shape);
	if (bpf_ringbuf_output(&acts, r, sizeof(*r) + (at & (DATA_ROOM - 1)), BPF_RB_NO_WAKEUP) < 0)
		count_lost(t, SENSOR_LOST_RECORDS);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_return, struct pt_regs *regs, long result)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct task_state *s = state_of(t);
	__u64 ns = 0;
	long nr;

	if (!s || !s->armed)
		return 0;
	nr = arch_nr(regs);
	if (s->enter_ns) {
		ns = bpf_ktime_get_ns() - s->enter_ns;
		s->enter_ns = 0;
	}
	if (nr == -1)
		nr = NR_SIGRETURN; /* which put the registers of another moment in place */
	if (arch_foreign(t, nr)) {
		if (with_counts)
			count_foreign();
		return 0;
	}
	/* a child comes back from the call that made it, too */
	if (with_counts && !(result == 0 && (nr == NR_CLONE || nr == NR_FORK || nr == NR_VFORK ||
					     nr == NR_CLONE3)))
		count_call(nr, ns);
	if (nr < 0 || nr >= SENSOR_NUMBERS || !shapes[nr & (SENSOR_NUMBERS - 1)].told)
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

/* Run by the recorder, once: which PID namespace its numbers are of. */
SEC("syscall")
int recorder(void *ctx)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct pid *p = t->thread_pid;

	if (p)
		pid_level = p->level;
	return 0;
}
