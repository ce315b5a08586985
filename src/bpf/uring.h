/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations handed over through an io_uring, which no system call tells of. Seen when the kernel
 * has taken them over, and told when they are complete: what they name was copied by then and is
 * nobody's to change. Whoever submits, a thread of the process or the kernel's for it, it is the
 * process's operation.
 */
#ifndef TT_BPF_URING_H
#define TT_BPF_URING_H

#include "bpf/dns.h"
#include "bpf/path.h"
#include "bpf/state.h"

#define URING_ROOM     8192 /* of texts kept until the operation is complete */
#define URING_PENDING  256
#define URING_FIXED    (1ull << 0) /* the fd is a place in a table of the ring */
#define URING_NO_CQE   (1ull << 6) /* success is not told to anybody */
#define URING_AT_FDCWD (-100)

/* As a room begins; `how`, which no operation needs, says whose it is. */
struct uring_pending {
	struct sensor_call call;
	char data[URING_ROOM];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, URING_PENDING);
	__type(key, __u64);
	__type(value, struct uring_pending);
} uring_pending SEC(".maps");

/*
 * What an operation keeps in the first 64 bytes of its request: laid out like this since Linux
 * 5.15. Not by BTF: each type that is looked up there makes every start a millisecond longer.
 */
union uring_command {
	struct {
		void *file;
		int dfd;
		__u32 flags; /* of unlinkat; of mkdirat the mode */
		const char **name;
		__u64 how_flags, how_mode;
	} at;
	struct {
		void *file;
		int from_dir, to_dir;
		const char **from, **to;
		__u32 flags;
	} two; /* renameat, linkat, symlinkat */
	struct {
		void *file, *addr;
		int len;
	} connect;
	struct {
		void *file;
		int numbers[3];
	} plain; /* bind, listen, socket */
	struct {
		void *file, *addr, *addr_len;
		__u32 flags;
	} accept;
	struct {
		void *file, *msg;
	} send;
	char all[64];
};

/* Behind the text that is there already. @name: a struct filename, which begins with its text */
__noinline int uring_text(__u64 name, __u32 which)
{
	struct room *room = room_of(ROOM_URING);
	const char *text;
	__u32 to;
	long n;

	if (!room || bpf_probe_read_kernel(&text, sizeof(text), (void *)name) < 0)
		return 0;
	to = room->at & (DATA_ROOM - 1);
	n = bpf_probe_read_kernel_str(room->data + to, SENSOR_TEXT_MAX, text);
	if (n <= 0)
		return 0;
	n = (n - 1) & (SENSOR_TEXT_MAX - 1);
	room->call.flags |= which ? SENSOR_CALL_HAS(1) : SENSOR_CALL_HAS(0);
	room->call.text_len[which & 1] = n;
	room->at = to + n;
	return 0;
}

/* An address that the kernel has copied, or the caller's own. */
__noinline int uring_addr(__u64 copied, __u64 user, __u32 len)
{
	struct room *room = room_of(ROOM_URING);
	__u32 to;
	long n;

	if (!room || !len || (!copied && !user))
		return 0;
	if (len > SENSOR_ADDR_MAX)
		len = SENSOR_ADDR_MAX;
	to = room->at & (DATA_ROOM - 1);
	n = copied ? bpf_probe_read_kernel(room->data + to, len, (void *)copied)
		   : bpf_probe_read_user(room->data + to, len, (void *)user);
	if (n < 0)
		return 0;
	room->call.addr_len = len;
	room->at = to + len;
	return 0;
}

static __always_inline void uring_send(struct io_async_msghdr *copied, const void *user,
				       bool whole_msg)
{
	struct user_msghdr msg;

	if (copied) {
		if (BPF_CORE_READ(copied, msg.msg_name))
			uring_addr((__u64)copied + bpf_core_field_offset(copied->addr), 0,
				   BPF_CORE_READ(copied, msg.msg_namelen));
	} else if (whole_msg && bpf_probe_read_user(&msg, sizeof(msg), user) == 0) {
		uring_addr(0, (__u64)msg.msg_name, msg.msg_namelen);
	}
}

/* Alone, or behind what a message needs, which begins with a pointer or nothing. */
static __always_inline const void *bound_addr(struct io_async_msghdr *copied)
{
	__u64 first;

	if (!copied || bpf_probe_read_kernel(&first, sizeof(first), copied) < 0)
		return NULL;
	if (!first || (!(first & 7) && first >> 47 == 0x1ffff))
		return (void *)copied + bpf_core_field_offset(copied->addr);
	return copied;
}

/* Its arguments and texts; 0: it is none to be told of. */
__noinline int uring_fill(__u64 request, __u32 op)
{
	struct io_kiocb *req = (struct io_kiocb *)request;
	struct io_async_msghdr *copied = BPF_CORE_READ(req, async_data);
	struct room *room = room_of(ROOM_URING);
	union uring_command cmd;
	struct sensor_call *r;
	int fd = BPF_CORE_READ(req, cqe.fd);

	if (!room || bpf_probe_read_kernel(&cmd, sizeof(cmd), req) < 0)
		return 0;
	r = &room->call;
	if (BPF_CORE_READ(req, flags) & URING_FIXED)
		fd = -1;
	r->args[0] = (long)fd;
	switch (op) {
	case SENSOR_OP_OPENAT:
	case SENSOR_OP_OPENAT2:
		r->args[0] = (long)cmd.at.dfd;
		r->args[2] = cmd.at.how_flags;
		r->args[3] = cmd.at.how_mode;
		uring_text((__u64)cmd.at.name, 0);
		return 1;
	case SENSOR_OP_UNLINKAT:
	case SENSOR_OP_MKDIRAT:
		r->args[0] = (long)cmd.at.dfd;
		r->args[2] = op == SENSOR_OP_MKDIRAT ? (__u16)cmd.at.flags : cmd.at.flags;
		uring_text((__u64)cmd.at.name, 0);
		return 1;
	case SENSOR_OP_RENAMEAT:
	case SENSOR_OP_LINKAT:
	case SENSOR_OP_SYMLINKAT:
		r->args[0] = (long)cmd.two.from_dir;
		r->args[2] = (long)cmd.two.to_dir;
		r->args[4] = cmd.two.flags;
		if (op == SENSOR_OP_SYMLINKAT)
			r->args[1] = r->args[2];
		uring_text((__u64)cmd.two.from, 0);
		uring_text((__u64)cmd.two.to, 1);
		return 1;
	case SENSOR_OP_CONNECT:
		/* kernels differ in where they keep their copy */
		uring_addr(0, (__u64)cmd.connect.addr, cmd.connect.len);
		return 1;
	case SENSOR_OP_BIND:
		uring_addr((__u64)bound_addr(copied), 0, cmd.plain.numbers[0]);
		return 1;
	case SENSOR_OP_SENDMSG:
	case SENSOR_OP_SENDMSG_ZC:
	case SENSOR_OP_SEND:
	case SENSOR_OP_SEND_ZC:
		r->args[1] = BPF_CORE_READ((struct io_sr_msg *)req, len);
		r->args[2] = BPF_CORE_READ((struct io_sr_msg *)req, msg_flags);
		uring_send(copied, cmd.send.msg,
			   op == SENSOR_OP_SENDMSG || op == SENSOR_OP_SENDMSG_ZC);
		/* without an address it is bytes to a peer that connect told of */
		return r->addr_len != 0;
	case SENSOR_OP_LISTEN:
		r->args[1] = cmd.plain.numbers[0];
		return 1;
	case SENSOR_OP_SOCKET:
		r->args[0] = cmd.plain.numbers[0];
		r->args[1] = cmd.plain.numbers[1];
		r->args[2] = cmd.plain.numbers[2];
		return 1;
	case SENSOR_OP_ACCEPT:
		r->args[2] = cmd.accept.flags;
		return 1;
	default:
		return 0;
	}
}

static __always_inline bool has_path(__u32 op)
{
	return op == SENSOR_OP_OPENAT || op == SENSOR_OP_OPENAT2 || op == SENSOR_OP_UNLINKAT ||
	       op == SENSOR_OP_MKDIRAT || op == SENSOR_OP_RENAMEAT || op == SENSOR_OP_LINKAT;
}

/* The folder that a relative path starts from: of the process, whoever submits. */
static __always_inline void uring_base(struct room *room, struct task_struct *t, int dfd)
{
	struct file *f;

	if (dfd == URING_AT_FDCWD) {
		struct path pwd = pwd_of(t);

		room->call.where_len[0] = path_put(ROOM_URING, (__u64)pwd.mnt, (__u64)pwd.dentry);
		return;
	}
	f = file_of(t, dfd);
	if (f)
		room->call.where_len[0] = path_put(ROOM_URING, (__u64)BPF_CORE_READ(f, f_path.mnt),
						   (__u64)BPF_CORE_READ(f, f_path.dentry));
}

/* An operation was taken over. Before Linux 6.3 the place has another name, io_uring_submit_sqe. */
SEC("raw_tp/io_uring_submit_req")
int on_submit(struct bpf_raw_tracepoint_args *ctx)
{
	struct io_kiocb *req = (void *)ctx->args[0];
	struct task_struct *t = bpf_get_current_task_btf();
	struct task_state *s = state_of(t);
	struct room *room = room_of(ROOM_URING);
	__u64 request = ctx->args[0];
	struct sensor_call *r;
	__u32 op;

	/* the kernel's own thread for a ring is one of the process's, and not seen to be born */
	if (!s && t->group_leader)
		s = state_of(t->group_leader);
	if (!s || !s->armed || !room)
		return 0;
	r = &room->call;
	op = BPF_CORE_READ(req, opcode);
	__builtin_memset(r, 0, sizeof(*r));
	room->at = 0;
	if (!uring_fill(request, op))
		return 0;
	put_head(&r->head, t, s, SENSOR_URING);
	r->nr = op;
	/* what is text lies in the kernel by now */
	if (op != SENSOR_OP_CONNECT || !s->shared)
		r->flags |= SENSOR_CALL_OWN_MEMORY;
	r->how[0] = s->start_ns;
	r->how[1] = t->tgid;
	if (has_path(op) && room->data[0] != '/')
		uring_base(room, t, (int)r->args[0]);
	if (room->at < URING_ROOM && !(BPF_CORE_READ(req, flags) & URING_NO_CQE) &&
	    bpf_map_update_elem(&uring_pending, &request, room, BPF_ANY) == 0)
		return 0;
	r->flags |= SENSOR_CALL_NO_RESULT;
	if (bpf_ringbuf_output(&acts, r, sizeof(*r) + (room->at & (DATA_ROOM - 1)),
			       BPF_RB_NO_WAKEUP) < 0)
		count_lost(t, s, SENSOR_LOST_RECORDS);
	return 0;
}

/* The ring, the request, and what older kernels and newer ones say in different ways. */
SEC("raw_tp/io_uring_complete")
int on_complete(struct bpf_raw_tracepoint_args *ctx)
{
	struct io_kiocb *req = (void *)ctx->args[1];
	struct uring_pending *p;
	__u64 request = ctx->args[1];
	__u32 len;

	p = request ? bpf_map_lookup_elem(&uring_pending, &request) : NULL;
	if (!p)
		return 0;
	p->call.head.ts_ns = bpf_ktime_get_ns();
	p->call.result = BPF_CORE_READ(req, cqe.res);
	len = (__u32)p->call.text_len[0] + p->call.text_len[1] + p->call.addr_len +
	      p->call.where_len[0];
	if (len < URING_ROOM &&
	    bpf_ringbuf_output(&acts, p, sizeof(p->call) + (len & (URING_ROOM - 1)),
			       BPF_RB_NO_WAKEUP) < 0) {
		struct process_key owner = {.start_ns = p->call.how[0], .tgid = p->call.how[1]};

		count_lost_at(owner, SENSOR_LOST_RECORDS);
	}
	bpf_map_delete_elem(&uring_pending, &request);
	return 0;
}

#endif
