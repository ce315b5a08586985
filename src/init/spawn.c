/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that libc lacks, or wraps in more than is wanted here. */
#include "init/spawn.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>

#include "base/sys.h"
#include "base/time.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

pid_t init_spawn(uint64_t namespaces, pid_t pid)
{
	int32_t want = pid;
	struct clone_args args = {
		.flags = namespaces,
		.exit_signal = SIGCHLD,
		.set_tid = pid ? (uint64_t)(uintptr_t)&want : 0,
		.set_tid_size = pid ? 1 : 0,
	};

	return (pid_t)tt_sys2(SYS_clone3, &args, sizeof(args));
}

uint64_t init_now_ms(void)
{
	return tt_clock_ns(CLOCK_MONOTONIC) / TT_NS_PER_MS;
}

int init_close_from(int first, int at_exec)
{
	return (int)tt_sys3(SYS_close_range, first, UINT_MAX, at_exec ? CLOSE_RANGE_CLOEXEC : 0);
}

int init_write_text(int dirfd, const char *path, const char *text)
{
	TT_CLEANUP(tt_closep) int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

void init_default_signals(void)
{
	/* the kernel's struct sigaction: SIG_DFL, no flags, no restorer, no mask */
	static const unsigned long dfl[4];
	sigset_t none;

	/*
	 * Past libc, which would not touch the signals that it keeps for itself: what glibc's
	 * posix_spawn starts has them ignored. SIGKILL and SIGSTOP are refused.
	 */
	for (int sig = 1; sig < _NSIG; sig++)
		(void)tt_sys4(SYS_rt_sigaction, sig, dfl, NULL, 64 / 8);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}
