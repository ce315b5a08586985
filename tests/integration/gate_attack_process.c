/* SPDX-License-Identifier: Apache-2.0 */
/* Roads to a process: signals to it, looking into it, slowing it down. */
#include "gate_attack.h"

#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/kcmp.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <asm/ioctls.h>
#include <linux/fanotify.h>
#include <linux/sockios.h>

#define HIGH_BITS  (0x5aL << 32) /* which the kernel does not look at */
#define AGENT_UID  990
#define SCHED_CORE 62

#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif

static long act_kill(int t)
{
	return attack_result(syscall(SYS_kill, (long)t, SIGTERM));
}

static long act_kill_probe(int t)
{
	return attack_result(syscall(SYS_kill, (long)t, 0));
}

static long act_kill_high(int t)
{
	return attack_result(syscall(SYS_kill, HIGH_BITS | t, SIGKILL));
}

static long act_kill_group(int t)
{
	return attack_result(syscall(SYS_kill, -(long)t, SIGTERM));
}

static long act_kill_all(int t)
{
	(void)t;
	return attack_result(syscall(SYS_kill, -1L, SIGTERM));
}

static long act_tkill(int t)
{
	return attack_result(syscall(SYS_tkill, (long)t, SIGUSR1));
}

static long act_tkill_high(int t)
{
	return attack_result(syscall(SYS_tkill, HIGH_BITS | t, SIGUSR1));
}

/* A thread is of the agent's group. */
static int group_of(int t)
{
	return t == ATTACK_INIT ? ATTACK_INIT : ATTACK_AGENT;
}

static long act_tgkill(int t)
{
	return attack_result(syscall(SYS_tgkill, (long)group_of(t), (long)t, SIGUSR1));
}

static void queued(siginfo_t *info, int sig)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = SI_QUEUE;
}

static long act_queue(int t)
{
	siginfo_t info;

	queued(&info, SIGUSR2);
	return attack_result(syscall(SYS_rt_sigqueueinfo, (long)t, SIGUSR2, &info));
}

static long act_queue_thread(int t)
{
	siginfo_t info;

	queued(&info, SIGUSR2);
	return attack_result(
		syscall(SYS_rt_tgsigqueueinfo, (long)group_of(t), (long)t, SIGUSR2, &info));
}

static long act_pidfd_open(int t)
{
	return attack_opened(syscall(SYS_pidfd_open, (long)t, 0));
}

/*
 * A pidfd of the target, or one of this process where none is to be had: then the call itself is
 * tried.
 */
static int some_pidfd(int t)
{
	int fd = (int)syscall(SYS_pidfd_open, (long)t, 0);

	return fd >= 0 ? fd : (int)syscall(SYS_pidfd_open, (long)getpid(), 0);
}

static long act_pidfd_signal(int t)
{
	int fd = some_pidfd(t);
	long r = attack_result(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));

	(void)close(fd);
	return r;
}

/* Its folder in /proc is a pidfd, too. */
static long act_proc_signal(int t)
{
	char path[32];
	int fd;
	long r;

	(void)snprintf(path, sizeof(path), "/proc/%d", t);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = attack_result(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
	(void)close(fd);
	return r;
}

/* A file that tells @owner of what comes: then something comes. */
static long act_owner(int cmd, long owner)
{
	int pair[2];
	long r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	(void)syscall(SYS_fcntl, pair[0], (long)F_SETSIG, (long)SIGKILL);
	(void)fcntl(pair[0], F_SETFL, O_ASYNC);
	r = attack_result(cmd == (int)FIOSETOWN || cmd == (int)SIOCSPGRP
				  ? ioctl(pair[0], (unsigned)cmd, &owner)
				  : syscall(SYS_fcntl, pair[0], (long)cmd, owner));
	(void)!write(pair[1], "x", 1);
	(void)close(pair[0]);
	(void)close(pair[1]);
	return r;
}

static long act_setown(int t)
{
	return act_owner(F_SETOWN, t);
}

static long act_setown_group(int t)
{
	return act_owner(F_SETOWN, -t);
}

static long act_setown_high(int t)
{
	return act_owner(F_SETOWN, HIGH_BITS | t);
}

static long act_setown_ex(int t)
{
	struct f_owner_ex owner = {F_OWNER_TID, t};

	return act_owner(F_SETOWN_EX, (long)(uintptr_t)&owner);
}

static long act_fiosetown(int t)
{
	return act_owner((int)FIOSETOWN, t);
}

static long act_siocspgrp(int t)
{
	return act_owner((int)SIOCSPGRP, t);
}

static long act_setsig(int t)
{
	(void)t;
	return attack_result(syscall(SYS_fcntl, 0, (long)F_SETSIG, 0L));
}

/* clang-format off */
const struct attack_road attack_signals[] = {
	/*				   all     ids       filter  landlock */
	{"kill", act_kill, 't',		  {EPERM,  EPERM,    EPERM,  EPERM}},
	{"kill, signal 0", act_kill_probe, 't', {EPERM, EPERM, EPERM, EPERM}},
	{"kill, high bits", act_kill_high, 't', {EPERM, EPERM, EPERM, EPERM}},
	{"kill, group", act_kill_group, 'a', {EPERM, EPERM, EPERM, EPERM}},
	{"kill, everybody", act_kill_all, '-', {EPERM, ANYTHING, EPERM, ANYTHING}},
	{"tkill", act_tkill, 't',	  {EPERM,  EPERM,    EPERM,  EPERM}},
	{"tkill, high bits", act_tkill_high, 't', {EPERM, EPERM, EPERM, EPERM}},
	{"tgkill", act_tgkill, 't',	  {EPERM,  EPERM,    EPERM,  EPERM}},
	{"rt_sigqueueinfo", act_queue, 't', {EPERM, EPERM,   EPERM,  EPERM}},
	{"rt_tgsigqueueinfo", act_queue_thread, 't', {EPERM, EPERM, EPERM, EPERM}},
	{"pidfd_open", act_pidfd_open, 'p', {EPERM, 0,	     EPERM,  0}},
	{"pidfd_send_signal", act_pidfd_signal, 'p', {ENOSYS, EPERM, ENOSYS, EPERM}},
	{"pidfd_send_signal by /proc", act_proc_signal, 'p', {ENOENT, EPERM, ENOSYS, EPERM}},
	{"fcntl F_SETOWN", act_setown, 'p', {EPERM, 0,	     EPERM,  0}},
	{"fcntl F_SETOWN, group", act_setown_group, 'a', {EPERM, 0, EPERM, 0}},
	{"fcntl F_SETOWN, high bits", act_setown_high, 'p', {EPERM, 0, EPERM, 0}},
	{"fcntl F_SETOWN_EX", act_setown_ex, 'p', {EINVAL, 0, EINVAL, 0}},
	{"fcntl F_SETSIG", act_setsig, '-', {EINVAL, 0,	     EINVAL, 0}},
	{"ioctl FIOSETOWN", act_fiosetown, 'p', {EPERM, 0,   EPERM,  0}},
	{"ioctl SIOCSPGRP", act_siocspgrp, 'p', {EPERM, 0,   EPERM,  0}},
	{NULL},
};
/* clang-format on */

static long act_attach(int t)
{
	return attack_result(ptrace(PTRACE_ATTACH, t, NULL, NULL));
}

static long act_seize(int t)
{
	return attack_result(syscall(SYS_ptrace, PTRACE_SEIZE, HIGH_BITS | t, NULL, NULL));
}

/* Where init is the parent: it must not take the stop for an end, and must let it go on. */
static volatile sig_atomic_t came;

static void take(int sig)
{
	came = sig;
}

static long act_traceme(int t)
{
	struct sigaction action = {.sa_handler = take}, before;

	(void)t;
	if (getppid() != ATTACK_INIT)
		return 0;
	(void)sigaction(SIGUSR1, &action, &before);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		return -errno;
	(void)raise(SIGUSR1);
	(void)sigaction(SIGUSR1, &before, NULL);
	return came == SIGUSR1 ? 0 : -EBADMSG;
}

static char vm_bytes[16];

static long act_vm(long call, int t)
{
	struct iovec mine = {vm_bytes, sizeof(vm_bytes)}, its = {vm_bytes, sizeof(vm_bytes)};

	return attack_result(syscall(call, (long)t, &mine, 1, &its, 1, 0));
}

static long act_vm_read(int t)
{
	return act_vm(SYS_process_vm_readv, t);
}

static long act_vm_write(int t)
{
	return act_vm(SYS_process_vm_writev, t);
}

static long act_madvise(int t)
{
	struct iovec v = {vm_bytes, 1};
	int fd = some_pidfd(t);
	long r = attack_result(syscall(SYS_process_madvise, fd, &v, 1, 4 /* MADV_DONTNEED */, 0));

	(void)close(fd);
	return r;
}

static long act_mrelease(int t)
{
	int fd = some_pidfd(t);
	long r = attack_result(syscall(SYS_process_mrelease, fd, 0));

	(void)close(fd);
	return r;
}

static long act_getfd(int t)
{
	int fd = some_pidfd(t);
	long r = attack_opened(syscall(SYS_pidfd_getfd, fd, 0, 0));

	(void)close(fd);
	return r;
}

static long act_kcmp(int t)
{
	return attack_result(syscall(SYS_kcmp, (long)t, (long)getpid(), KCMP_VM, 0, 0));
}

static long act_robust(int t)
{
	void *head;
	size_t len;

	return attack_result(syscall(SYS_get_robust_list, (long)t, &head, &len));
}

static long act_perf(int t)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .exclude_kernel = 1};

	return attack_opened(syscall(SYS_perf_event_open, &attr, (long)t, -1, -1, 0));
}

static long act_fanotify(int t)
{
	(void)t;
	return attack_opened(syscall(SYS_fanotify_init,
				     FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_CLOEXEC, O_RDONLY));
}

static long act_prlimit(int t)
{
	struct rlimit none = {0, 0};

	return attack_result(syscall(SYS_prlimit64, (long)t, RLIMIT_CORE, &none, NULL));
}

static long act_prlimit_high(int t)
{
	struct rlimit none = {0, 0};

	return attack_result(syscall(SYS_prlimit64, HIGH_BITS | t, RLIMIT_CORE, &none, NULL));
}

static long act_nice(int t)
{
	return attack_result(syscall(SYS_setpriority, PRIO_PROCESS, (long)t, 19));
}

static long act_nice_group(int t)
{
	return attack_result(syscall(SYS_setpriority, HIGH_BITS | PRIO_PGRP, (long)t, 19));
}

static long act_nice_user(int t)
{
	(void)t;
	return attack_result(syscall(SYS_setpriority, PRIO_USER, AGENT_UID, 19));
}

static long act_io(int who, long id)
{
	return attack_result(
		syscall(SYS_ioprio_set, who, id, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)));
}

static long act_io_process(int t)
{
	return act_io(IOPRIO_WHO_PROCESS, t);
}

static long act_io_group(int t)
{
	return act_io(IOPRIO_WHO_PGRP, t);
}

static long act_io_user(int t)
{
	(void)t;
	return act_io(IOPRIO_WHO_USER, AGENT_UID);
}

static long act_scheduler(int t)
{
	struct sched_param p = {0};

	return attack_result(syscall(SYS_sched_setscheduler, (long)t, SCHED_IDLE, &p));
}

static long act_param(int t)
{
	struct sched_param p = {0};

	return attack_result(syscall(SYS_sched_setparam, (long)t, &p));
}

static long act_affinity(int t)
{
	unsigned long mask = 1;

	return attack_result(syscall(SYS_sched_setaffinity, (long)t, sizeof(mask), &mask));
}

static long act_attr(int t)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = {.size = sizeof(attr), .policy = SCHED_IDLE, .nice = 19};

	return attack_result(syscall(SYS_sched_setattr, (long)t, &attr, 0));
}

static long act_time(int t)
{
	const clockid_t clock = (clockid_t)(~(unsigned)t << 3 | 2); /* its CPU time */
	struct sigevent quiet = {.sigev_notify = SIGEV_NONE};
	int timer = 0;

	return attack_result(syscall(SYS_timer_create, clock, &quiet, &timer));
}

static long act_time_sleep(int t)
{
	const clockid_t clock = (clockid_t)(~(unsigned)t << 3 | 2);
	struct timespec soon = {0, 1};

	return attack_result(syscall(SYS_clock_nanosleep, clock, 0, &soon, NULL));
}

static long act_migrate(int t)
{
	unsigned long from = 1, to = 1;

	return attack_result(syscall(SYS_migrate_pages, (long)t, 8 * sizeof(from), &from, &to));
}

static long act_move(int t)
{
	void *page = vm_bytes;
	int status;

	return attack_result(syscall(SYS_move_pages, (long)t, 1UL, &page, NULL, &status, 0));
}

static long act_core(int t)
{
	return attack_result(syscall(SYS_prctl, SCHED_CORE, 2L /* share to */, (long)t, 0L, 0L));
}

static long act_open(int t, const char *file, int flags)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", t, file);
	return attack_opened(open(path, flags | O_CLOEXEC));
}

static long act_mem(int t)
{
	return act_open(t, "mem", O_RDWR);
}

static long act_fds(int t)
{
	return act_open(t, "fd/0", O_RDONLY);
}

static long act_status(int t)
{
	return act_open(t, "status", O_RDONLY);
}

static long act_oom(int t)
{
	return act_open(t, "oom_score_adj", O_WRONLY);
}

static long act_slack(int t)
{
	return act_open(t, "timerslack_ns", O_WRONLY);
}

static long act_refs(int t)
{
	return act_open(t, "clear_refs", O_WRONLY);
}

static long act_comm(int t)
{
	return act_open(t, "comm", O_WRONLY);
}

/* clang-format off */
const struct attack_road attack_looks[] = {
	/*				   all     ids      filter  landlock */
	{"ptrace, attach", act_attach, 't', {EPERM, EPERM,  EPERM,  EPERM}},
	{"ptrace, seize", act_seize, 't', {EPERM,  EPERM,   EPERM,  EPERM}},
	{"process_vm_readv", act_vm_read, 't', {ENOSYS, EPERM, ENOSYS, EPERM}},
	{"process_vm_writev", act_vm_write, 't', {ENOSYS, EPERM, ENOSYS, EPERM}},
	{"process_madvise", act_madvise, 'p', {ENOSYS, REFUSED, ENOSYS, REFUSED}},
	{"process_mrelease", act_mrelease, 'p', {ENOSYS, REFUSED, ENOSYS, REFUSED}},
	{"pidfd_getfd", act_getfd, 'p', {ENOSYS, EPERM, ENOSYS, EPERM}},
	{"kcmp", act_kcmp, 'p', {ENOSYS, REFUSED, ENOSYS, REFUSED}},
	{"get_robust_list", act_robust, 'p', {EPERM, EPERM, EPERM, EPERM}},
	{"perf_event_open", act_perf, 'p', {EACCES, REFUSED, EACCES, NOT_RUN}},
	{"fanotify_init", act_fanotify, '-', {EPERM, ANYTHING, EPERM, NOT_RUN}},
	{"prlimit64", act_prlimit, 'p', {EPERM, EPERM, EPERM, NOT_RUN}},
	{"prlimit64, high bits", act_prlimit_high, 'p', {EPERM, EPERM, EPERM, NOT_RUN}},
	{"setpriority", act_nice, 'p', {EPERM, EPERM, EPERM, NOT_RUN}},
	{"setpriority, group", act_nice_group, 'a', {EPERM, EPERM, EPERM, NOT_RUN}},
	{"setpriority, user", act_nice_user, '-', {EPERM, REFUSED, EPERM, NOT_RUN}},
	{"ioprio_set", act_io_process, 'p', {EPERM, EPERM, EPERM, NOT_RUN}},
	{"ioprio_set, group", act_io_group, 'a', {EPERM, EPERM, EPERM, NOT_RUN}},
	{"ioprio_set, user", act_io_user, '-', {EPERM, REFUSED, EPERM, NOT_RUN}},
	{"sched_setscheduler", act_scheduler, 'p', {EPERM, EPERM, EPERM, NOT_RUN}},
	{"sched_setparam", act_param, 'p', {EPERM, EPERM, EPERM, NOT_RUN}},
	{"sched_setaffinity", act_affinity, 'p', {EPERM, EPERM, EPERM, NOT_RUN}},
	{"sched_setattr", act_attr, 'p', {EPERM, EPERM, EPERM, NOT_RUN}},
	{"timer_create", act_time, 'p', {EINVAL, NOT_RUN, EINVAL, NOT_RUN}},
	{"clock_nanosleep", act_time_sleep, 'p', {EINVAL, NOT_RUN, EINVAL, NOT_RUN}},
	{"migrate_pages", act_migrate, 'p', {EPERM, REFUSED, EPERM, REFUSED}},
	{"move_pages", act_move, 'p', {EPERM, REFUSED, EPERM, REFUSED}},
	{"prctl PR_SCHED_CORE", act_core, 'p', {EINVAL, REFUSED, EINVAL, REFUSED}},
	{"/proc/PID/mem", act_mem, 't', {ENOENT, EACCES, NOT_RUN, EACCES}},
	{"/proc/PID/fd/0", act_fds, 't', {ENOENT, EACCES, NOT_RUN, EACCES}},
	{"/proc/PID/status", act_status, 't', {ENOENT, 0, NOT_RUN, 0}},
	{"/proc/PID/oom_score_adj", act_oom, 't', {ENOENT, EACCES, NOT_RUN, EACCES}},
	{"/proc/PID/timerslack_ns", act_slack, 't', {ENOENT, ANYTHING, NOT_RUN, EACCES}},
	{"/proc/PID/clear_refs", act_refs, 't', {ENOENT, EACCES, NOT_RUN, EACCES}},
	{"/proc/PID/comm", act_comm, 't', {ENOENT, EACCES, NOT_RUN, EACCES}},
	{"ptrace, traced by init", act_traceme, '-', {0, 0, 0, 0}},
	{NULL},
};
/* clang-format on */
