/* SPDX-License-Identifier: Apache-2.0 */
/* Symbolic flags and socket addresses. */
#include "event/text.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/compiler.h"
#include "event/flags.h"

static void put_bits(struct tt_out *o, int64_t left, bool begun, const struct flag *flags, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((left & flags[i].bit) != flags[i].bit)
			continue;
		if (begun)
			tt_out_char(o, '|');
		tt_out_str(o, flags[i].name);
		left &= ~flags[i].bit;
		begun = true;
	}
	if (left || !begun) {
		if (begun)
			tt_out_char(o, '|');
		if (left)
			tt_out_hex(o, (uint64_t)left & 0xffffffffu);
		else
			tt_out_char(o, '0');
	}
}

void event_put_flags(struct tt_out *o, int64_t left, bool begun, const struct flag *flags, size_t n)
{
	put_bits(o, left, begun, flags, n);
}

/* Compound flags before their parts: O_TMPFILE holds O_DIRECTORY, O_SYNC holds O_DSYNC. */
static const struct flag open_flags[] = {
	FLAG(O_CREAT),
	FLAG(O_EXCL),
	FLAG(O_NOCTTY),
	FLAG(O_TRUNC),
	FLAG(O_APPEND),
	FLAG(O_NONBLOCK),
	FLAG(O_SYNC),
	FLAG(O_DSYNC),
	FLAG(O_ASYNC),
	FLAG(O_DIRECT),
	FLAG(O_TMPFILE),
	FLAG(O_PATH),
	FLAG(O_DIRECTORY),
	FLAG(O_NOFOLLOW),
	FLAG(O_NOATIME),
	FLAG(O_CLOEXEC),
#ifdef __x86_64__
	{0100000, "O_LARGEFILE"}, /* the libc constant is 0 where files are always large */
#else
	{0400000, "O_LARGEFILE"},
#endif
};

void event_put_open_flags(struct tt_out *o, int64_t flags)
{
	static const char access[][10] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};

	if ((flags & O_PATH) && (flags & O_ACCMODE) == 0) {
		put_bits(o, flags, false, open_flags, TT_ARRAY_SIZE(open_flags));
		return;
	}
	tt_out_str(o, access[flags & O_ACCMODE]);
	if (flags & ~(int64_t)O_ACCMODE)
		put_bits(o, flags & ~(int64_t)O_ACCMODE, true, open_flags,
			 TT_ARRAY_SIZE(open_flags));
}

void event_put_more_open_flags(struct tt_out *o, int64_t flags)
{
	put_bits(o, flags, false, open_flags, TT_ARRAY_SIZE(open_flags));
}

void event_put_at_flags(struct tt_out *o, int64_t flags, int is_unlink)
{
	static const struct flag at_flags[] = {
		FLAG(AT_SYMLINK_NOFOLLOW),
		FLAG(AT_SYMLINK_FOLLOW),
		FLAG(AT_EMPTY_PATH),
		FLAG(AT_NO_AUTOMOUNT),
	};
	static const struct flag remove_dir[] = {FLAG(AT_REMOVEDIR)};

	if (is_unlink)
		put_bits(o, flags, false, remove_dir, 1);
	else
		put_bits(o, flags, false, at_flags, TT_ARRAY_SIZE(at_flags));
}

void event_put_rename_flags(struct tt_out *o, int64_t flags)
{
	static const struct flag rename_flags[] = {
		FLAG(RENAME_NOREPLACE),
		FLAG(RENAME_EXCHANGE),
		FLAG(RENAME_WHITEOUT),
	};

	put_bits(o, flags, false, rename_flags, TT_ARRAY_SIZE(rename_flags));
}

void event_put_accept_flags(struct tt_out *o, int64_t flags)
{
	static const struct flag accept_flags[] = {FLAG(SOCK_NONBLOCK), FLAG(SOCK_CLOEXEC)};

	put_bits(o, flags, false, accept_flags, TT_ARRAY_SIZE(accept_flags));
}

void event_put_fcntl_command(struct tt_out *o, int64_t command)
{
	switch (command) {
	case F_DUPFD:
		tt_out_str(o, "F_DUPFD");
		break;
	case F_DUPFD_CLOEXEC:
		tt_out_str(o, "F_DUPFD_CLOEXEC");
		break;
	default:
		tt_out_i64(o, command);
	}
}

static void put_ipv4(struct tt_out *o, const uint8_t a[4])
{
	for (int i = 0; i < 4; i++) {
		if (i)
			tt_out_char(o, '.');
		tt_out_u64(o, a[i]);
	}
}

static void put_group(struct tt_out *o, unsigned v)
{
	static const char digit[] = "0123456789abcdef";
	bool begun = false;

	for (int shift = 12; shift >= 0; shift -= 4) {
		unsigned d = v >> shift & 15;

		begun = begun || d || shift == 0;
		if (begun)
			tt_out_char(o, digit[d]);
	}
}

/* RFC 5952: lower case, the first longest run of two or more zero groups becomes "::". */
static void put_ipv6(struct tt_out *o, const uint8_t a[16])
{
	unsigned group[8];
	int best = -1, best_len = 1;

	for (int i = 0; i < 8; i++)
		group[i] = (unsigned)a[2 * i] << 8 | a[2 * i + 1];
	for (int i = 0; i < 8; i++) {
		int n = 0;

		while (i + n < 8 && group[i + n] == 0)
			n++;
		if (n > best_len) {
			best = i;
			best_len = n;
		}
	}
	if (best == 0 && best_len == 5 && group[5] == 0xffff) {
		tt_out_str(o, "::ffff:");
		put_ipv4(o, a + 12);
		return;
	}
	for (int i = 0; i < 8; i++) {
		if (i == best) {
			tt_out_str(o, "::");
			i += best_len - 1;
			continue;
		}
		if (i && !(best >= 0 && i == best + best_len))
			tt_out_char(o, ':');
		put_group(o, group[i]);
	}
}

static void put_unix(struct tt_out *o, const char *path, size_t len)
{
	tt_out_str(o, "unix:");
	if (len && path[0] == '\0') {
		tt_out_char(o, '@');
		for (size_t i = 1; i < len; i++)
			tt_out_char(o, path[i] ? path[i] : '@');
	} else {
		tt_out_mem(o, path, strnlen(path, len));
	}
}

void event_put_addr(struct tt_out *o, const void *sa, size_t len)
{
	uint16_t family = 0, port;
	uint32_t scope;

	if (!len)
		return;
	if (len < sizeof(family)) {
		tt_out_str(o, "short");
		return;
	}
	memcpy(&family, sa, sizeof(family));
	if (family == AF_UNIX) {
		size_t at = offsetof(struct sockaddr_un, sun_path);

		put_unix(o, (const char *)sa + at, len - at);
	} else if (family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		memcpy(&port, (const char *)sa + offsetof(struct sockaddr_in, sin_port), 2);
		put_ipv4(o, (const uint8_t *)sa + offsetof(struct sockaddr_in, sin_addr));
		tt_out_char(o, ':');
		tt_out_u64(o, ntohs(port));
	} else if (family == AF_INET6 && len >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
		memcpy(&port, (const char *)sa + offsetof(struct sockaddr_in6, sin6_port), 2);
		tt_out_char(o, '[');
		put_ipv6(o, (const uint8_t *)sa + offsetof(struct sockaddr_in6, sin6_addr));
		if (len >= sizeof(struct sockaddr_in6)) {
			memcpy(&scope,
			       (const char *)sa + offsetof(struct sockaddr_in6, sin6_scope_id), 4);
			if (scope) {
				tt_out_char(o, '%');
				tt_out_u64(o, scope);
			}
		}
		tt_out_str(o, "]:");
		tt_out_u64(o, ntohs(port));
	} else {
		tt_out_str(o, "family:");
		tt_out_u64(o, family);
	}
}

void event_put_msg_flags(struct tt_out *o, int64_t flags)
{
	static const struct flag msg_flags[] = {
		FLAG(MSG_OOB),      FLAG(MSG_PEEK),     FLAG(MSG_DONTROUTE), FLAG(MSG_DONTWAIT),
		FLAG(MSG_EOR),      FLAG(MSG_CONFIRM),  FLAG(MSG_NOSIGNAL),  FLAG(MSG_MORE),
		FLAG(MSG_ZEROCOPY), FLAG(MSG_FASTOPEN),
	};

	put_bits(o, flags, false, msg_flags, TT_ARRAY_SIZE(msg_flags));
}

void event_put_dlopen_flags(struct tt_out *o, int64_t flags)
{
	static const struct flag dlopen_flags[] = {
		FLAG(RTLD_LAZY),      FLAG(RTLD_NOW),    FLAG(RTLD_NOLOAD),
		{8, "RTLD_DEEPBIND"}, FLAG(RTLD_GLOBAL), FLAG(RTLD_NODELETE),
	};

	put_bits(o, flags, false, dlopen_flags, TT_ARRAY_SIZE(dlopen_flags));
}

/* The low byte is the signal that the parent gets when the child ends. */
void event_put_clone_flags(struct tt_out *o, int64_t flags)
{
	static const struct flag clone_flags[] = {
		FLAG(CLONE_VM),
		FLAG(CLONE_FS),
		FLAG(CLONE_FILES),
		FLAG(CLONE_SIGHAND),
		FLAG(CLONE_PIDFD),
		FLAG(CLONE_PTRACE),
		FLAG(CLONE_VFORK),
		FLAG(CLONE_PARENT),
		FLAG(CLONE_THREAD),
		FLAG(CLONE_NEWNS),
		FLAG(CLONE_SYSVSEM),
		FLAG(CLONE_SETTLS),
		FLAG(CLONE_PARENT_SETTID),
		FLAG(CLONE_CHILD_CLEARTID),
		FLAG(CLONE_DETACHED),
		FLAG(CLONE_UNTRACED),
		FLAG(CLONE_CHILD_SETTID),
		FLAG(CLONE_NEWCGROUP),
		FLAG(CLONE_NEWUTS),
		FLAG(CLONE_NEWIPC),
		FLAG(CLONE_NEWUSER),
		FLAG(CLONE_NEWPID),
		FLAG(CLONE_NEWNET),
		FLAG(CLONE_IO),
	};
	int64_t bits = flags & 0xffffff00, signal = flags & 0xff;

	if (bits || !signal)
		put_bits(o, bits, false, clone_flags, TT_ARRAY_SIZE(clone_flags));
	if (!signal)
		return;
	if (bits)
		tt_out_char(o, '|');
	event_put_signal(o, signal);
}

static void put_one(struct tt_out *o, int64_t num, const struct flag *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (names[i].bit == num) {
			tt_out_str(o, names[i].name);
			return;
		}
	tt_out_i64(o, num);
}

void event_put_signal(struct tt_out *o, int64_t num)
{
	const char *name = num > 0 && num < 64 ? event_signal_name((int)num) : NULL;

	if (name)
		tt_out_str(o, name);
	else
		tt_out_i64(o, num);
}

void event_put_domain(struct tt_out *o, int64_t num)
{
	static const struct flag domains[] = {
		FLAG(AF_UNSPEC),    FLAG(AF_UNIX),   FLAG(AF_INET),  FLAG(AF_INET6),
		FLAG(AF_NETLINK),   FLAG(AF_PACKET), FLAG(AF_CAN),   FLAG(AF_TIPC),
		FLAG(AF_BLUETOOTH), FLAG(AF_ALG),    FLAG(AF_VSOCK), FLAG(AF_XDP),
	};

	put_one(o, num, domains, TT_ARRAY_SIZE(domains));
}

void event_put_socket_type(struct tt_out *o, int64_t num)
{
	static const struct flag types[] = {
		FLAG(SOCK_STREAM), FLAG(SOCK_DGRAM),     FLAG(SOCK_RAW),
		FLAG(SOCK_RDM),    FLAG(SOCK_SEQPACKET), FLAG(SOCK_PACKET),
	};
	int64_t flags = num & ~(int64_t)0xf;

	put_one(o, num & 0xf, types, TT_ARRAY_SIZE(types));
	if (flags) {
		tt_out_char(o, '|');
		event_put_accept_flags(o, flags);
	}
}

/* What a number means depends on the domain. */
void event_put_protocol(struct tt_out *o, int64_t domain, int64_t num)
{
	static const struct flag protocols[] = {
		FLAG(IPPROTO_ICMP),   FLAG(IPPROTO_TCP),     FLAG(IPPROTO_UDP),
		FLAG(IPPROTO_ICMPV6), FLAG(IPPROTO_UDPLITE), FLAG(IPPROTO_SCTP),
		FLAG(IPPROTO_MPTCP),  FLAG(IPPROTO_RAW),
	};

	if (domain == AF_INET || domain == AF_INET6)
		put_one(o, num, protocols, TT_ARRAY_SIZE(protocols));
	else
		tt_out_i64(o, num);
}

void event_put_shutdown(struct tt_out *o, int64_t num)
{
	static const struct flag ways[] = {FLAG(SHUT_RD), FLAG(SHUT_WR), FLAG(SHUT_RDWR)};

	put_one(o, num, ways, TT_ARRAY_SIZE(ways));
}

void event_put_ptrace(struct tt_out *o, int64_t num)
{
	static const struct flag requests[] = {
		FLAG(PTRACE_TRACEME),     FLAG(PTRACE_PEEKTEXT),
		FLAG(PTRACE_PEEKDATA),    FLAG(PTRACE_PEEKUSER),
		FLAG(PTRACE_POKETEXT),    FLAG(PTRACE_POKEDATA),
		FLAG(PTRACE_POKEUSER),    FLAG(PTRACE_CONT),
		FLAG(PTRACE_KILL),        FLAG(PTRACE_SINGLESTEP),
#ifdef __x86_64__
		FLAG(PTRACE_GETREGS),     FLAG(PTRACE_SETREGS),
		FLAG(PTRACE_GETFPREGS),   FLAG(PTRACE_SETFPREGS),
#endif
		FLAG(PTRACE_ATTACH),      FLAG(PTRACE_DETACH),
		FLAG(PTRACE_SYSCALL),     FLAG(PTRACE_SETOPTIONS),
		FLAG(PTRACE_GETEVENTMSG), FLAG(PTRACE_GETSIGINFO),
		FLAG(PTRACE_SETSIGINFO),  FLAG(PTRACE_GETREGSET),
		FLAG(PTRACE_SETREGSET),   FLAG(PTRACE_SEIZE),
		FLAG(PTRACE_INTERRUPT),   FLAG(PTRACE_LISTEN),
		FLAG(PTRACE_PEEKSIGINFO), {0x420e, "PTRACE_GET_SYSCALL_INFO"},
	};

	put_one(o, num, requests, TT_ARRAY_SIZE(requests));
}
