/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to other processes: signals, tracing, and their memory read and written. */
#include "preload/preload.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#ifdef __GLIBC__
#define PTRACE_REQUEST enum __ptrace_request
#else
#define PTRACE_REQUEST int
#endif

/* glibc 2.36 and later; <sys/pidfd.h> would bring in a header that others lack. */
int pidfd_send_signal(int pidfd, int signal, siginfo_t *info, unsigned flags);

/*
 * A signal to oneself concerns nobody else, and 0 only asks whether there is such a process. The
 * kernel is asked: a child made past libc has a pid that nobody told us of.
 */
static bool is_for_others(pid_t pid, int signal)
{
	return signal != 0 && pid != (pid_t)tt_sys0(SYS_getpid);
}

TT_PUBLIC int kill(pid_t pid, int signal)
{
	struct pl_call c;
	int r;

	if (!is_for_others(pid, signal) || !pl_enter(&c, EVENT_CALL_kill))
		return PL_NEXT(kill)(pid, signal);
	pl_arg_num(&c, 0, pid);
	pl_arg_num(&c, 1, signal);
	pl_begin(&c);
	r = PL_NEXT(kill)(pid, signal);
	pl_end(&c, r, r < 0);
	return r;
}

/* A group is never oneself alone. */
TT_PUBLIC int killpg(pid_t group, int signal)
{
	struct pl_call c;
	int r;

	if (!signal || !pl_enter(&c, EVENT_CALL_killpg))
		return PL_NEXT(killpg)(group, signal);
	pl_arg_num(&c, 0, group);
	pl_arg_num(&c, 1, signal);
	pl_begin(&c);
	r = PL_NEXT(killpg)(group, signal);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int tgkill(pid_t pid, pid_t tid, int signal)
{
	struct pl_call c;
	int r;

	if (!is_for_others(pid, signal) || !pl_enter(&c, EVENT_CALL_tgkill))
		return PL_NEXT(tgkill)(pid, tid, signal);
	pl_arg_num(&c, 0, pid);
	pl_arg_num(&c, 1, tid);
	pl_arg_num(&c, 2, signal);
	pl_begin(&c);
	r = PL_NEXT(tgkill)(pid, tid, signal);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int sigqueue(pid_t pid, int signal, const union sigval value)
{
	struct pl_call c;
	int r;

	if (!is_for_others(pid, signal) || !pl_enter(&c, EVENT_CALL_sigqueue))
		return PL_NEXT(sigqueue)(pid, signal, value);
	pl_arg_num(&c, 0, pid);
	pl_arg_num(&c, 1, signal);
	pl_begin(&c);
	r = PL_NEXT(sigqueue)(pid, signal, value);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int pidfd_send_signal(int pidfd, int signal, siginfo_t *info, unsigned flags)
{
	struct pl_call c;
	int r;

	if (!signal || !pl_enter(&c, EVENT_CALL_pidfd_send_signal))
		return PL_NEXT(pidfd_send_signal)(pidfd, signal, info, flags);
	pl_arg_fd(&c, 0, pidfd);
	pl_arg_num(&c, 1, signal);
	pl_begin(&c);
	r = PL_NEXT(pidfd_send_signal)(pidfd, signal, info, flags);
	pl_end(&c, r, r < 0);
	return r;
}

/* Like libc's own, it takes three more arguments whether or not they were passed. */
TT_PUBLIC long ptrace(PTRACE_REQUEST request, ...)
{
	struct pl_call c;
	void *addr, *data;
	va_list ap;
	pid_t pid;
	long r;

	va_start(ap, request);
	pid = va_arg(ap, pid_t);
	addr = va_arg(ap, void *);
	data = va_arg(ap, void *);
	va_end(ap);
	if (!pl_enter(&c, EVENT_CALL_ptrace))
		return PL_NEXT(ptrace)(request, pid, addr, data);
	pl_arg_num(&c, 0, request);
	pl_arg_num(&c, 1, pid);
	pl_begin(&c);
	r = PL_NEXT(ptrace)(request, pid, addr, data);
	/* a word that was peeked may be -1: then errno is 0 */
	pl_end(&c, r, r == -1);
	return r;
}

#define DEFINE_PROCESS_VM(name)                                                            \
	TT_PUBLIC ssize_t name(pid_t pid, const struct iovec *local, unsigned long locals, \
			       const struct iovec *remote, unsigned long remotes,          \
			       unsigned long flags)                                        \
	{                                                                                  \
		struct pl_call c;                                                          \
		ssize_t r;                                                                 \
                                                                                           \
		if (!pl_enter(&c, EVENT_CALL_##name))                                      \
			return PL_NEXT(name)(pid, local, locals, remote, remotes, flags);  \
		pl_arg_num(&c, 0, pid);                                                    \
		pl_arg_num(&c, 1, (int64_t)locals);                                        \
		pl_arg_num(&c, 2, (int64_t)remotes);                                       \
		pl_arg_num(&c, 3, (int64_t)flags);                                         \
		pl_begin(&c);                                                              \
		r = PL_NEXT(name)(pid, local, locals, remote, remotes, flags);             \
		pl_end(&c, r, r < 0);                                                      \
		return r;                                                                  \
	}

DEFINE_PROCESS_VM(process_vm_readv)
DEFINE_PROCESS_VM(process_vm_writev)
