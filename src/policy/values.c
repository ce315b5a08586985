/* SPDX-License-Identifier: Apache-2.0 */
/* Words for numbers: errnos, capabilities, rlimits, constants of arguments, names of arguments. */
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>

#include "policy/policy_internal.h"

struct value {
	const char *name;
	int number;
};

/* clang-format off */
#define E(name) {#name, name}
static const struct value errnos[] = {
	E(E2BIG), E(EACCES), E(EADDRINUSE), E(EADDRNOTAVAIL), E(EAFNOSUPPORT), E(EAGAIN),
	E(EALREADY), E(EBADF), E(EBADMSG), E(EBUSY), E(ECANCELED), E(ECHILD), E(ECONNABORTED),
	E(ECONNREFUSED), E(ECONNRESET), E(EDEADLK), E(EDESTADDRREQ), E(EDOM), E(EDQUOT),
	E(EEXIST), E(EFAULT), E(EFBIG), E(EHOSTDOWN), E(EHOSTUNREACH), E(EIDRM), E(EILSEQ),
	E(EINPROGRESS), E(EINTR), E(EINVAL), E(EIO), E(EISCONN), E(EISDIR), E(EKEYEXPIRED),
	E(EKEYREJECTED), E(EKEYREVOKED), E(ELIBACC), E(ELOOP), E(EMEDIUMTYPE), E(EMFILE),
	E(EMLINK), E(EMSGSIZE), E(ENAMETOOLONG), E(ENETDOWN), E(ENETRESET), E(ENETUNREACH),
	E(ENFILE), E(ENOBUFS), E(ENODATA), E(ENODEV), E(ENOENT), E(ENOEXEC), E(ENOKEY),
	E(ENOLCK), E(ENOLINK), E(ENOMEDIUM), E(ENOMEM), E(ENOMSG), E(ENONET), E(ENOPKG),
	E(ENOPROTOOPT), E(ENOSPC), E(ENOSYS), E(ENOTBLK), E(ENOTCONN), E(ENOTDIR), E(ENOTEMPTY),
	E(ENOTSOCK), E(ENOTTY), E(ENOTUNIQ), E(ENXIO), E(EOPNOTSUPP), E(EOVERFLOW), E(EPERM),
	E(EPFNOSUPPORT), E(EPIPE), E(EPROTO), E(EPROTONOSUPPORT), E(EPROTOTYPE), E(ERANGE),
	E(EREMOTE), E(EROFS), E(ESHUTDOWN), E(ESOCKTNOSUPPORT), E(ESPIPE), E(ESRCH), E(ESTALE),
	E(ETIME), E(ETIMEDOUT), E(ETXTBSY), E(EUSERS), E(EXDEV), E(ENOTSUP), E(EWOULDBLOCK),
};
#undef E

#define C(name) {#name, CAP_##name}
static const struct value caps[] = {
	C(CHOWN), C(DAC_OVERRIDE), C(DAC_READ_SEARCH), C(FOWNER), C(FSETID), C(KILL), C(SETGID),
	C(SETUID), C(SETPCAP), C(LINUX_IMMUTABLE), C(NET_BIND_SERVICE), C(NET_BROADCAST),
	C(NET_ADMIN), C(NET_RAW), C(IPC_LOCK), C(IPC_OWNER), C(SYS_MODULE), C(SYS_RAWIO),
	C(SYS_CHROOT), C(SYS_PTRACE), C(SYS_PACCT), C(SYS_ADMIN), C(SYS_BOOT), C(SYS_NICE),
	C(SYS_RESOURCE), C(SYS_TIME), C(SYS_TTY_CONFIG), C(MKNOD), C(LEASE), C(AUDIT_WRITE),
	C(AUDIT_CONTROL), C(SETFCAP), C(MAC_OVERRIDE), C(MAC_ADMIN), C(SYSLOG), C(WAKE_ALARM),
	C(BLOCK_SUSPEND), C(AUDIT_READ), C(PERFMON), C(BPF), C(CHECKPOINT_RESTORE),
};
#undef C
/* clang-format on */

static const struct value rlimits[] = {
	{"as", RLIMIT_AS},
	{"core", RLIMIT_CORE},
	{"cpu", RLIMIT_CPU},
	{"data", RLIMIT_DATA},
	{"fsize", RLIMIT_FSIZE},
	{"locks", RLIMIT_LOCKS},
	{"memlock", RLIMIT_MEMLOCK},
	{"msgqueue", RLIMIT_MSGQUEUE},
	{"nice", RLIMIT_NICE},
	{"nofile", RLIMIT_NOFILE},
	{"nproc", RLIMIT_NPROC},
	{"rss", RLIMIT_RSS},
	{"rtprio", RLIMIT_RTPRIO},
	{"rttime", RLIMIT_RTTIME},
	{"sigpending", RLIMIT_SIGPENDING},
	{"stack", RLIMIT_STACK},
};

static int number_of(const struct value *table, size_t n, const char *name)
{
	if (!*name)
		return -ENOENT;
	for (size_t i = 0; i < n; i++)
		/* many begin with "E": the second letter tells sooner than a call */
		if (((table[i].name[1] ^ name[1]) & ~0x20) == 0 &&
		    strcasecmp(table[i].name, name) == 0)
			return table[i].number;
	return -ENOENT;
}

static const char *name_of(const struct value *table, size_t n, int number)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].number == number)
			return table[i].name;
	return NULL;
}

int policy_errno_find(const char *name)
{
	return number_of(errnos, TT_ARRAY_SIZE(errnos), name);
}

const char *policy_errno_name(int num)
{
	return name_of(errnos, TT_ARRAY_SIZE(errnos), num);
}

const char *policy_errno_at(size_t i)
{
	return i < TT_ARRAY_SIZE(errnos) ? errnos[i].name : NULL;
}

int policy_cap_find(const char *name)
{
	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	return number_of(caps, TT_ARRAY_SIZE(caps), name);
}

const char *policy_cap_name(int cap)
{
	return name_of(caps, TT_ARRAY_SIZE(caps), cap);
}

const char *policy_cap_at(size_t i)
{
	return i < TT_ARRAY_SIZE(caps) ? caps[i].name : NULL;
}

int policy_rlimit_find(const char *name)
{
	if (strncasecmp(name, "RLIMIT_", 7) == 0)
		name += 7;
	return number_of(rlimits, TT_ARRAY_SIZE(rlimits), name);
}

const char *policy_rlimit_name(int resource)
{
	return name_of(rlimits, TT_ARRAY_SIZE(rlimits), resource);
}

const char *policy_rlimit_at(size_t i)
{
	return i < TT_ARRAY_SIZE(rlimits) ? rlimits[i].name : NULL;
}
