/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counter's process: ptrace(2), as a loop that remembers nothing about whom it traces.
 *
 * Every stop says what it is by itself: PTRACE_O_TRACESYSGOOD marks those at calls, of which
 * PTRACE_GET_SYSCALL_INFO tells entry from exit; PTRACE_SEIZE makes group-stops look unlike
 * signals. So there is no table to go wrong when a thread executes and takes its leader's number,
 * or when a number is used again.
 *
 * Two stops for each call and not one, which a filter with SECCOMP_RET_TRACE would cost: such a
 * filter needs no_new_privs, stays for ever, and makes every call fail with ENOSYS when the tracer
 * dies.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "sandbox/count_internal.h"

#ifdef __x86_64__
#define NATIVE AUDIT_ARCH_X86_64
#define X32    0x40000000U /* in the number of a call of the x32 ABI */
#else
#define NATIVE AUDIT_ARCH_AARCH64
#define X32    0U
#endif

#define TRIAL_CALLS 400 /* of the measurement: some milliseconds */
#define OPTIONS                                                                                   \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | \
	 PTRACE_O_TRACEEXEC)

#define FOLLOW_EVERY 64 /* stops between two looks at where the traced run */

struct tracer {
	struct sandbox_count_shared *shared;
	bool counting; /* the command has executed */
	unsigned stops;
	int cpu; /* that we keep to; -1: none yet */
};

static void count_call(struct tracer *t, pid_t pid, const struct __ptrace_syscall_info *si)
{
	struct sandbox_counts *c = &t->shared->counts;
	uint64_t nr = si->entry.nr;

	if (si->arch != NATIVE || (X32 && nr < UINT32_MAX && (nr & X32))) {
		c->foreign++;
	} else if (nr >= SANDBOX_COUNT_CALLS) {
		c->unknown++;
	} else {
		c->calls[nr]++;
		sandbox_count_note(t->shared, pid, (int)nr, (const uint64_t *)si->entry.args);
	}
}

static void on_call(struct tracer *t, pid_t pid)
{
	struct __ptrace_syscall_info si;

	if (t->counting && ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(si), &si) > 0 &&
	    si.op == PTRACE_SYSCALL_INFO_ENTRY)
		count_call(t, pid, &si);
}

static bool is_stop_signal(int sig)
{
	return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
}

/* The CPU that @pid last ran on, -1 if nobody knows: field 39 of proc_pid_stat(5). */
static int cpu_of(pid_t pid)
{
	TT_CLEANUP(tt_closep) int fd = -1;
	char text[1024];
	const char *p;
	ssize_t n;

	(void)snprintf(text, sizeof(text), "/proc/%d/stat", (int)pid);
	fd = open(text, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	p = strrchr(text, ')'); /* field 2 may hold anything */
	for (int field = 3; p && field <= 39; field++)
		p = strchr(p + 1, ' ');
	return p ? atoi(p + 1) : -1;
}

/*
 * Who is woken on another CPU wakes late: a call costs several times as much there. So we go where
 * the traced are; they themselves are left where they want to be.
 */
static void stay_near(struct tracer *t, pid_t pid)
{
	cpu_set_t set;
	int cpu;

	if (t->stops++ % FOLLOW_EVERY)
		return;
	cpu = cpu_of(pid);
	if (cpu < 0 || cpu == t->cpu || cpu >= CPU_SETSIZE)
		return;
	t->cpu = cpu;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* One stop: look, and let it go on. Who was killed meanwhile does not, and that is all right. */
static void on_stop(struct tracer *t, pid_t pid, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	stay_near(t, pid);
	if (sig == (SIGTRAP | 0x80)) {
		on_call(t, pid);
		sig = 0;
	} else if (event == PTRACE_EVENT_STOP) {
		if (is_stop_signal(sig)) {
			/* stopped, for its own parent too, until it gets SIGCONT */
			(void)ptrace(PTRACE_LISTEN, pid, NULL, NULL);
			return;
		}
		sig = 0; /* a new thread or process, or the end of a stop */
	} else if (event) {
		if (event == PTRACE_EVENT_EXEC && !t->counting) {
			t->counting = true;
			t->shared->counts.calls[SYS_execve]++;
		}
		sig = 0;
	}
	(void)ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)sig);
}

/* Until nothing is left. */
static void follow(struct tracer *t)
{
	int status;
	pid_t pid;

	for (;;) {
		pid = waitpid(-1, &status, __WALL);
		if (pid < 0 && errno == ECHILD)
			return;
		if (pid > 0 && WIFSTOPPED(status))
			on_stop(t, pid, status);
	}
}

/* Its parent may wait for it, so that it does nothing before it is told to. 0 or an errno. */
static int attach(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(intptr_t)OPTIONS) < 0)
		return errno;
	/* calls are told from the first stop on */
	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0)
		return errno;
	if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
		return ESRCH;
	return ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0 ? errno : 0;
}

static void trial_calls(int fd)
{
	uint64_t begin;
	char go;

	if (recv(fd, &go, 1, 0) != 1)
		_exit(1);
	begin = tt_clock_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < TRIAL_CALLS; i++)
		(void)syscall(SYS_getppid);
	begin = tt_clock_ns(CLOCK_MONOTONIC) - begin;
	_exit(send(fd, &begin, sizeof(begin), MSG_NOSIGNAL) < 0);
}

/*
 * What being counted adds to a call, tried on a child. It also finds out whether tracing is allowed
 * at all. 0 or an errno.
 */
static int measure(struct sandbox_count_shared *shared)
{
	struct tracer t = {.shared = shared, .counting = true, .cpu = -1};
	uint64_t ns = 0;
	int pair[2], status, r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		return errno;
	pid = _Fork();
	if (pid < 0)
		return errno;
	if (pid == 0) {
		(void)close(pair[0]);
		trial_calls(pair[1]);
	}
	(void)close(pair[1]);
	r = attach(pid);
	if (r) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, __WALL);
	} else {
		(void)send(pair[0], "", 1, MSG_NOSIGNAL);
		while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
			on_stop(&t, pid, status);
		if (recv(pair[0], &ns, sizeof(ns), MSG_DONTWAIT) != (ssize_t)sizeof(ns))
			ns = 0;
		if (shared->counts.calls[SYS_getppid] != TRIAL_CALLS)
			r = ENOSYS; /* no PTRACE_GET_SYSCALL_INFO before Linux 5.3 */
	}
	(void)close(pair[0]);
	/* none of the trial's calls has arguments that are noted */
	memset(shared->counts.calls, 0, sizeof(shared->counts.calls));
	shared->counts.cost_ns = ns / TRIAL_CALLS;
	return r;
}

void sandbox_count_trace(struct sandbox_count_shared *s, int fd)
{
	struct tracer t = {.shared = s, .cpu = -1};
	int32_t pid, answer = measure(s);

	if (send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) < 0 || answer)
		_exit(1);
	if (recv(fd, &pid, sizeof(pid), 0) == (ssize_t)sizeof(pid)) {
		answer = attach(pid);
		if (send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
			_exit(1);
		follow(&t);
	}
	s->done = true;
	_exit(0);
}
