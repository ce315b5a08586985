/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the processes of a cell tried, for the agent of a guest: refused capabilities, addresses
 * they wanted to talk to, calls that the gate refused. Built three times, for what kernels can
 * watch:
 *
 *	plain        tracepoints. A refused capability is told when its call fails for want of
 *	             rights, for this tracepoint tells of questions asked just in case, too; an
 *	             address as user memory has it when the call begins; a call that seccomp
 *	             refused is one that returns and did not begin
 *	GUEST_ENTRY  functions of the kernel, where the address is the kernel's own copy
 *	GUEST_GATE   ... and the one that takes note of calls that seccomp refused, which costs
 *	             the others nothing
 */
#include "bpf/guest_state.h"

#define CAP_OPT_NOAUDIT 2u /* nobody is to complain */
#define AF_UNIX         1
#define AF_INET         2
#define AF_INET6        10

/* The cell's init is none of the workload, nor is what it forks before that runs its program. */
static __always_inline bool put_act(struct guest_head *h, __u32 kind)
{
	struct task_struct *t = bpf_get_current_task_btf();

	return (__u64)BPF_CORE_READ(t, mm, exe_file) != init_exe && put_head(h, t, kind);
}

static __always_inline void tell_number(__u32 kind, __u32 number)
{
	struct guest_number r;

	if (!put_act(&r.head, kind))
		return;
	r.number = number;
	r.pad = 0;
	tell(&r, sizeof(r));
}

#ifdef GUEST_ENTRY
#define READ_ADDRESS bpf_probe_read_kernel
#else
#define READ_ADDRESS bpf_probe_read_user
#endif

static __noinline int tell_address(const void *addr, __u32 len)
{
	struct guest_connect r;
	__u16 family = 0;

	if (!addr || len < sizeof(family) || !put_act(&r.head, GUEST_CONNECT))
		return 0;
	if (len > GUEST_ADDR_MAX)
		len = GUEST_ADDR_MAX;
	if (READ_ADDRESS(r.addr, len, addr) < 0)
		return 0;
	__builtin_memcpy(&family, r.addr, sizeof(family));
	if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
		return 0;
	r.len = len;
	r.pad = 0;
	tell(&r, __builtin_offsetof(struct guest_connect, addr) + len);
	return 0;
}

#ifdef GUEST_ENTRY

SEC("fexit/cap_capable")
int BPF_PROG(on_capability, const struct cred *cred, struct user_namespace *ns, int capability,
	     unsigned int opts, int result)
{
	struct task_struct *t = bpf_get_current_task_btf();

	if (result && !(opts & CAP_OPT_NOAUDIT) && cred == BPF_CORE_READ(t, cred))
		tell_number(GUEST_CAPABILITY, capability);
	return 0;
}

SEC("fentry/security_socket_connect")
int BPF_PROG(on_connect, struct socket *sock, void *addr, int len)
{
	tell_address(addr, len);
	return 0;
}

SEC("fentry/security_socket_sendmsg")
int BPF_PROG(on_send, struct socket *sock, struct msghdr *msg, int size)
{
	void *name = BPF_CORE_READ(msg, msg_name);

	if (name)
		tell_address(name, BPF_CORE_READ(msg, msg_namelen));
	return 0;
}

#endif

#ifdef GUEST_GATE

#define RET_ACTION_FULL 0xffff0000u
#define RET_LOG         0x7ffc0000u
#define RET_ALLOW       0x7fff0000u

SEC("fentry/audit_seccomp")
int BPF_PROG(on_refused, unsigned long nr, long signr, int action)
{
	__u32 what = (__u32)action & RET_ACTION_FULL;

	if (what != RET_LOG && what != RET_ALLOW)
		tell_number(GUEST_REFUSED, nr);
	return 0;
}

#else

#define ERROR_PERM   1
#define ERROR_ACCESS 13
#define ERROR_NOSYS  38
#define MESSAGES_MAX 1024 /* UIO_MAXIOV */

#define SECCOMP_MODE_FILTER 2

/*
 * What programs try at each start to see what the kernel can do: pidfd_send_signal, io_uring_*,
 * clone3, and what is newer than the gate. The gate asks the kernel to take no note of them
 * (QUIET in src/init/gate_rules.def).
 */
#define GATE_QUIET(n)       ((n) == 424 || (n) == 425 || (n) == 426 || (n) == 427 || (n) == 435)
#define GATE_LAST           469

/* Of a thread that was refused a capability, or is under a seccomp filter. */
struct state {
	__u64 refused; /* capabilities, by the call under way */
	__u32 entered; /* the call under way has passed seccomp */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct state);
} states SEC(".maps");

/* From when on all calls are seen; 0: not yet. */
__u64 since_ns = 0;

#ifdef GUEST_ENTRY

/* told by the functions of the kernel */
static __always_inline void tell_refused(struct state *s, long result)
{
}

static __always_inline void tell_addresses(struct task_struct *t, struct pt_regs *regs, long nr)
{
}

#else

/* cred, the namespace asked for, the one that has it, capability, result */
SEC("raw_tp/cap_capable")
int on_capability(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct state *s;

	if (!(int)ctx->args[4] || (void *)ctx->args[0] != (void *)BPF_CORE_READ(t, cred) ||
	    !number_in_cell(BPF_CORE_READ(t, thread_pid)))
		return 0;
	s = bpf_task_storage_get(&states, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (s)
		s->refused |= 1ull << (ctx->args[3] & 63);
	else
		__sync_fetch_and_add(&lost, 1);
	return 0;
}

static long tell_bit(__u32 i, void *arg)
{
	if (*(__u64 *)arg >> (i & 63) & 1)
		tell_number(GUEST_CAPABILITY, i);
	return 0;
}

static __always_inline void tell_refused(struct state *s, long result)
{
	__u64 all = s->refused;

	s->refused = 0;
	if (all && (result == -ERROR_PERM || result == -ERROR_ACCESS))
		bpf_loop(64, tell_bit, &all, 0);
}

static __always_inline void tell_message(const struct user_msghdr *from)
{
	struct user_msghdr m;

	if (bpf_probe_read_user(&m, sizeof(m), from) == 0 && m.msg_name)
		tell_address(m.msg_name, m.msg_namelen);
}

static long tell_each(__u32 i, void *arg)
{
	struct user_mmsghdr *messages = *(struct user_mmsghdr **)arg;

	tell_message(&messages[i].msg);
	return 0;
}

/* Where a call says that it wants to go. */
static __always_inline void tell_addresses(struct task_struct *t, struct pt_regs *regs, long nr)
{
	__u64 args[6];
	__u32 count;

	if (nr != NR_CONNECT && nr != NR_SENDTO && nr != NR_SENDMSG && nr != NR_SENDMMSG)
		return;
	if (arch_foreign(t, nr) || !number_in_cell(BPF_CORE_READ(t, thread_pid)))
		return;
	arch_args(regs, args);
	switch (nr) {
	case NR_CONNECT:
		tell_address((void *)args[1], args[2]);
		break;
	case NR_SENDTO:
		tell_address((void *)args[4], args[5]);
		break;
	case NR_SENDMSG:
		tell_message((void *)args[1]);
		break;
	default:
		count = args[2];
		bpf_loop(count < MESSAGES_MAX ? count : MESSAGES_MAX, tell_each, &args[1], 0);
	}
}

#endif

/*
 * A call that seccomp refuses never gets to on_call(), but returns all the same. Of a thread that
 * was in a call when we came, that is not known before its next one. In a cell a thread is under
 * the gate's filter from its first call on: none gets its filter while it is in a call.
 */
static __always_inline bool is_refused(struct task_struct *t, struct state *s, long nr, long result)
{
	if (BPF_CORE_READ(t, seccomp.mode) != SECCOMP_MODE_FILTER ||
	    (result == -ERROR_NOSYS && (GATE_QUIET(nr) || nr > GATE_LAST)))
		return false;
	return s ? !s->entered : since_ns && BPF_CORE_READ(t, start_time) > since_ns;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_return, struct pt_regs *regs, long result)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct state *s = NULL;

	/* most have none of anybody's */
	if (t->bpf_storage)
		s = bpf_task_storage_get(&states, t, NULL, 0);
	if (result < 0 && is_refused(t, s, arch_nr(regs), result))
		tell_number(GUEST_REFUSED, arch_nr(regs));
	if (!s)
		return 0;
	s->entered = 0;
	tell_refused(s, result);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_call, struct pt_regs *regs, long nr)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct state *s;

	if (BPF_CORE_READ(t, seccomp.mode) == SECCOMP_MODE_FILTER &&
	    number_in_cell(BPF_CORE_READ(t, thread_pid))) {
		s = bpf_task_storage_get(&states, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (s)
			s->entered = 1;
	}
	tell_addresses(t, regs, nr);
	return 0;
}

#endif
