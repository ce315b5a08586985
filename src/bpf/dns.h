/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the domain name system, as a process receives them: datagrams from port 53. */
#ifndef TT_BPF_DNS_H
#define TT_BPF_DNS_H

#include "bpf/path.h"
#include "bpf/state.h"

#define PORT_DNS      0x3500 /* 53, as it lies on the wire, read on a little-endian machine */
#define PROTOCOL_UDP  17
#define MODE_TYPE     0170000
#define MODE_SOCKET   0140000
#define FAMILY_INET   2
#define FAMILY_INET6  10
#define DATAGRAMS_MAX 4 /* looked at of one recvmmsg(2) */

/* The first bytes of an address that a call names. */
static __always_inline bool is_dns_port(const char *addr)
{
	__u16 family, port;

	__builtin_memcpy(&family, addr, 2);
	__builtin_memcpy(&port, addr + 2, 2);
	return (family == FAMILY_INET || family == FAMILY_INET6) && port == PORT_DNS;
}

static __always_inline bool comes_from_dns(struct sock *sk, const void *from)
{
	char addr[8];

	if (BPF_CORE_READ(sk, __sk_common.skc_dport) == PORT_DNS)
		return true;
	return from && bpf_probe_read_user(addr, sizeof(addr), from) == 0 && is_dns_port(addr);
}

static __always_inline void tell_datagram(struct task_struct *t, struct task_state *s,
					  const void *data, unsigned long len)
{
	struct sensor_dns *r = bpf_ringbuf_reserve(&acts, sizeof(*r), 0);

	if (!r) {
		count_lost(t, s, SENSOR_LOST_RECORDS);
		return;
	}
	if (len > SENSOR_DGRAM_MAX)
		len = SENSOR_DGRAM_MAX;
	put_head(&r->head, t, s, SENSOR_DNS);
	r->len = len;
	r->pad = 0;
	/* 1 to SENSOR_DGRAM_MAX, said in a way that older verifiers see */
	if (bpf_probe_read_user(r->data, ((len - 1) & (SENSOR_DGRAM_MAX - 1)) + 1, data) < 0)
		r->len = 0;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

/* One message: into the first of its pieces, which is all there is of an answer. */
__noinline int tell_message(struct task_state *s, __u64 socket, __u64 at, __u64 len)
{
	struct user_msghdr msg;
	struct user_iovec iov;

	if (!s || bpf_probe_read_user(&msg, sizeof(msg), (void *)at) < 0 || !msg.msg_iovlen ||
	    !comes_from_dns((struct sock *)socket, msg.msg_name) ||
	    bpf_probe_read_user(&iov, sizeof(iov), msg.msg_iov) < 0)
		return 0;
	tell_datagram(bpf_get_current_task_btf(), s, iov.base, len < iov.len ? len : iov.len);
	return 0;
}

static __always_inline struct sock *udp_socket(struct task_struct *t, int fd)
{
	struct file *f = file_of(t, fd);
	struct socket *socket;
	struct sock *sk;

	if (!f || (BPF_CORE_READ(f, f_inode, i_mode) & MODE_TYPE) != MODE_SOCKET)
		return NULL;
	socket = BPF_CORE_READ(f, private_data);
	sk = BPF_CORE_READ(socket, sk);
	return sk && BPF_CORE_READ(sk, sk_protocol) == PROTOCOL_UDP ? sk : NULL;
}

/* A call that receives has returned @result > 0; its arguments lie in the room of calls. */
__noinline int tell_dns(struct task_state *s, long nr, long result)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct room *room = room_of(ROOM_CALL);
	struct sock *sk;
	__u64 *args;

	if (!s || !room)
		return 0;
	args = room->call.args;
	sk = udp_socket(t, (int)args[0]);
	if (!sk)
		return 0;
	if (nr == NR_READ || nr == NR_RECVFROM) {
		if (comes_from_dns(sk, nr == NR_RECVFROM ? (void *)args[4] : NULL))
			tell_datagram(t, s, (void *)args[1],
				      (__u64)result < args[2] ? (__u64)result : args[2]);
	} else if (nr == NR_RECVMSG) {
		tell_message(s, (__u64)sk, args[1], result);
	} else {
		for (int i = 0; i < DATAGRAMS_MAX && i < result; i++) {
			struct user_mmsghdr *m = (struct user_mmsghdr *)args[1] + i;
			__u32 len = 0;

			if (bpf_probe_read_user(&len, sizeof(len), &m->len) == 0)
				tell_message(s, (__u64)sk, (__u64)&m->msg, len);
		}
	}
	return 0;
}

static __always_inline bool receives(long nr)
{
	return nr == NR_READ || nr == NR_RECVFROM || nr == NR_RECVMSG || nr == NR_RECVMMSG;
}

#endif
