/* SPDX-License-Identifier: Apache-2.0 */
/*
 * system and popen. Inside libc both hand `environ` to the shell; other threads use it meanwhile.
 *
 * system() lasts as long as its command, so environ cannot be exchanged for it: where the shell can
 * be followed, this file does what libc does (system(3): SIGINT and SIGQUIT ignored, SIGCHLD
 * blocked, the child killed if the thread is cancelled) with an environment of its own. popen()
 * keeps a list that pclose() needs, so it stays libc's; environ is exchanged for the moment it
 * takes to start the shell, by one thread at a time.
 */
#include "preload/preload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

/*
 * about a second: popen in a signal handler that interrupted popen must not wait for itself for
 * ever
 */
#define LOCK_TRIES 10000

/* @users: system() calls now; the first ignores the signals, the last restores them */
static struct {
	uint32_t lock;
	unsigned users;
	struct sigaction intr, quit;
} shell_signals;

/*
 * @own: environ as it was, @ours: what stood there for the last popen(). A thread that read environ
 *   at that moment may
 * use it long after, so it lies in memory that is never given back, and goes on standing for @own.
 */
static struct {
	uint32_t lock;
	char **own, **ours;
	size_t size;
} swapped;

static bool take(uint32_t *lock, unsigned tries)
{
	const struct timespec pause = {.tv_nsec = 50000};

	while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE)) {
		if (!tries--)
			return false;
		(void)tt_sys2(SYS_nanosleep, &pause, 0);
	}
	return true;
}

static void give_back(uint32_t *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

char *const *pl_shell_environ(char *const *envp)
{
	char **ours = __atomic_load_n(&swapped.ours, __ATOMIC_ACQUIRE);

	return TT_UNLIKELY(ours != NULL) && envp == ours ? swapped.own : envp;
}

void pl_shell_fork_child(void)
{
	give_back(&shell_signals.lock);
	if (swapped.ours && environ == swapped.ours)
		environ = swapped.own;
	give_back(&swapped.lock);
}

static void ignore_signals(sigset_t *ret_mask)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t child;

	(void)take(&shell_signals.lock, UINT32_MAX);
	if (shell_signals.users++ == 0) {
		(void)sigaction(SIGINT, &ignore, &shell_signals.intr);
		(void)sigaction(SIGQUIT, &ignore, &shell_signals.quit);
	}
	give_back(&shell_signals.lock);
	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &child, ret_mask);
}

static void restore_signals(const sigset_t *mask)
{
	(void)take(&shell_signals.lock, UINT32_MAX);
	if (--shell_signals.users == 0) {
		(void)sigaction(SIGINT, &shell_signals.intr, NULL);
		(void)sigaction(SIGQUIT, &shell_signals.quit, NULL);
	}
	give_back(&shell_signals.lock);
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
}

/* What the shell starts with: the signals as they were before this call. */
static int spawn_shell(pid_t *pid, const char *command, char *const *envp, const sigset_t *mask)
{
	char name[] = "sh", option[] = "-c";
	char *argv[] = {name, option, (char *)command, NULL};
	posix_spawnattr_t attr;
	sigset_t reset;
	int r;

	(void)sigemptyset(&reset);
	if (shell_signals.intr.sa_handler != SIG_IGN)
		(void)sigaddset(&reset, SIGINT);
	if (shell_signals.quit.sa_handler != SIG_IGN)
		(void)sigaddset(&reset, SIGQUIT);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawnattr_setsigmask(&attr, mask);
	(void)posix_spawnattr_setsigdefault(&attr, &reset);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	r = PL_NEXT(posix_spawn)(pid, "/bin/sh", NULL, &attr, argv, envp);
	(void)posix_spawnattr_destroy(&attr);
	return r;
}

struct shell {
	pid_t pid;
	sigset_t mask;
};

static void cancelled(void *arg)
{
	struct shell *s = arg;

	(void)tt_sys2(SYS_kill, s->pid, SIGKILL);
	while (tt_sys4(SYS_wait4, s->pid, 0, 0, 0) == -EINTR)
		;
	restore_signals(&s->mask);
}

/* A cancellation point, as system() is. */
static int wait_for(struct shell *s)
{
	int status = -1;
	pid_t r;

	pthread_cleanup_push(cancelled, s);
	do
		r = waitpid(s->pid, &status, 0);
	while (r < 0 && errno == EINTR);
	if (r != s->pid)
		status = -1;
	pthread_cleanup_pop(0);
	return status;
}

static int run_shell(const char *command, struct pl_follow *follow, const struct tt_uuid *span)
{
	struct shell s;
	int r, status, saved;

	ignore_signals(&s.mask);
	r = spawn_shell(&s.pid, command, follow->envp, &s.mask);
	if (r == E2BIG)
		r = spawn_shell(&s.pid, command, environ, &s.mask);
	/* the shell has what it needs; others that start meanwhile must not inherit the ring */
	pl_follow_withdraw(follow);
	if (r == 0) {
		pl_spawn_start(span, s.pid);
		status = wait_for(&s);
		saved = errno;
	} else {
		status = 127 << 8; /* as if the shell had ended so: POSIX */
		saved = r;
	}
	restore_signals(&s.mask);
	errno = saved;
	return status;
}

TT_PUBLIC int system(const char *command)
{
	struct pl_follow follow;
	struct tt_uuid span;
	struct pl_call c;
	int r;

	if (!command || !pl_enter(&c, EVENT_CALL_system))
		return PL_NEXT(system)(command);
	pl_arg_text(&c, 0, command);
	span = tt_uuid_make();
	pl_follow_prepare(&follow, AT_FDCWD, "/bin/sh", false, environ, &span);
	pl_begin(&c);
	r = follow.follows ? run_shell(command, &follow, &span) : PL_NEXT(system)(command);
	pl_end(&c, r, r == -1);
	c.saved_errno = errno;
	pl_follow_done(&follow);
	errno = c.saved_errno;
	return r;
}

/* Under the lock. Grows by leaps, so that little is left behind. */
static void *room_for_environ(size_t size)
{
	long map;

	swapped.own = environ;
	if (size <= swapped.size)
		return swapped.ours;
	size = 2 * size + 65536;
	map = tt_sys6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (map < 0 && map > -4096)
		return NULL;
	swapped.size = size;
	__atomic_store_n(&swapped.ours, (char **)map, __ATOMIC_RELEASE);
	return swapped.ours;
}

static FILE *popen_followed(const char *command, const char *mode, struct pl_follow *follow)
{
	char **ours = (char **)follow->envp;
	FILE *f;

	environ = ours;
	f = PL_NEXT(popen)(command, mode);
	if (environ == ours)
		environ = swapped.own;
	return f;
}

TT_PUBLIC FILE *popen(const char *command, const char *mode)
{
	struct pl_follow follow = {.follows = false};
	struct tt_uuid span;
	struct pl_call c;
	bool locked, followed;
	FILE *f = NULL;

	if (!pl_enter(&c, EVENT_CALL_popen))
		return PL_NEXT(popen)(command, mode);
	pl_arg_text(&c, 0, command);
	pl_arg_text(&c, 1, mode);
	span = tt_uuid_make();
	locked = take(&swapped.lock, LOCK_TRIES);
	if (locked)
		pl_follow_prepare_shell(&follow, environ, &span, room_for_environ);
	pl_begin(&c);
	if (follow.follows)
		f = popen_followed(command, mode, &follow);
	followed = f != NULL;
	if (!f) /* not followed, or no room for our variables: popen does not say E2BIG */
		f = PL_NEXT(popen)(command, mode);
	pl_end(&c, f ? fileno_unlocked(f) : -1, !f);
	c.saved_errno = errno;
	if (followed) /* the pid stays inside libc */
		pl_spawn_start(&span, 0);
	if (locked) {
		pl_follow_done(&follow);
		give_back(&swapped.lock);
	}
	errno = c.saved_errno;
	return f;
}
