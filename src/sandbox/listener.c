/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of the seccomp listener from the command to the caller.
 *
 *	command                    init (shares its table of fds)     caller
 *	"loading", futex wake  ──► looks at the shared page
 *	seccomp(2), the number ──► takes the fd, has a table of its own ──► SCM_RIGHTS
 *	exec, maybe refused                                 lets it pass until exec is done
 *
 * From seccomp(2) on every call of the command may be one that is refused, exec and exit included.
 * So it makes none to hand the listener over, and until its exec has closed the error socket the
 * caller lets pass what it asks for: all that is the launch itself. A call of the new program
 * cannot pass that way, for the socket is closed before its first instruction.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "sandbox/sandbox_internal.h"
#include "util/fdpass.h"

/* Linux 5.19: a call that was received is not interrupted by signals, so that it counts once. */
#define FLAG_WAIT_KILLABLE_RECV (1UL << 5)

#define WAIT_MS    50 /* between two looks at whether the command still lives */
#define YIELDS     2000
#define PAUSE_NS   20000
#define NOTIF_ROOM 256 /* of a notification or an answer: the kernel says how long they are */

static void wake(struct sandbox_shared *s, int state)
{
	atomic_store(&s->state, state);
	(void)syscall(SYS_futex, &s->state, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void sandbox_listener_give_up(const struct sandbox_plan *plan)
{
	/* one that is made is passed on: it answers our last calls */
	if (plan->shared && atomic_load(&plan->shared->state) != SANDBOX_LISTENER_MADE)
		wake(plan->shared, SANDBOX_LISTENER_GIVEN_UP);
}

static int load(const struct sock_fprog *filter)
{
	unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | FLAG_WAIT_KILLABLE_RECV;
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, filter);

	if (fd < 0 && errno == EINVAL)
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			     filter);
	return fd < 0 ? -errno : (int)fd;
}

int sandbox_listener_load(const struct sock_fprog *filter, bool *ret_no_new_privs)
{
	int fd = load(filter);

	*ret_no_new_privs = fd == -EACCES && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
	return *ret_no_new_privs ? load(filter) : fd;
}

int sandbox_listener_make(const struct sandbox_plan *plan, const struct sock_fprog *filter)
{
	bool unused;
	int fd;

	wake(plan->shared, SANDBOX_LISTENER_LOADING);
	fd = sandbox_listener_load(filter, &unused);
	if (fd < 0)
		return fd;
	/* no call from here on */
	atomic_store(&plan->shared->fd, fd);
	atomic_store(&plan->shared->state, SANDBOX_LISTENER_MADE);
	return 0;
}

static bool has_ended(pid_t command)
{
	siginfo_t si = {0};

	return waitid(P_PID, (id_t)command, &si, WEXITED | WNOHANG | WNOWAIT) < 0 || si.si_pid;
}

/* Not unshare(2): filters of containers refuse it whatever is asked for. */
int sandbox_own_fds(void)
{
	return close_range(UINT_MAX, UINT_MAX, CLOSE_RANGE_UNSHARE) < 0 ? -errno : 0;
}

/* The number of the listener, in the table that we share; -1: there will be none. */
static int await(struct sandbox_shared *s, pid_t command)
{
	const struct timespec wait = {.tv_nsec = WAIT_MS * 1000000L}, pause = {.tv_nsec = PAUSE_NS};
	unsigned rounds = 0;

	for (;;) {
		int state = atomic_load(&s->state);
		/* asked first: what it did before it ended must not be missed */
		bool ended = (state == SANDBOX_LISTENER_NONE || rounds % YIELDS == YIELDS - 1) &&
			     has_ended(command);

		state = atomic_load(&s->state);
		if (state == SANDBOX_LISTENER_MADE)
			return atomic_load(&s->fd);
		if (ended || state == SANDBOX_LISTENER_GIVEN_UP)
			return -1;
		if (state == SANDBOX_LISTENER_NONE)
			(void)syscall(SYS_futex, &s->state, FUTEX_WAIT, SANDBOX_LISTENER_NONE,
				      &wait, NULL, 0);
		else if (++rounds < YIELDS)
			(void)sched_yield();
		else
			(void)nanosleep(&pause, NULL);
	}
}

/* One message to the caller, with the fd. */
static void send_fd(int sock, int fd)
{
	const struct sandbox_report rep = {.kind = SANDBOX_LISTENER};

	/* if it fails the caller finds no listener and ends us */
	while (tt_fd_send(sock, fd, &rep, sizeof(rep), 0) == -EINTR)
		;
}

void sandbox_listener_pass_on(const struct sandbox_plan *plan, pid_t command)
{
	int fd = await(plan->shared, command);

	/*
	 * From here on the tables are two. Our end of the error socket goes before the listener is
	 * sent: its end must say that the command has executed, and nothing later.
	 */
	if (sandbox_own_fds() < 0)
		_exit(125);
	(void)close(plan->err_fd);
	if (fd >= 0)
		send_fd(plan->report_fd, fd);
}

int sandbox_listener_take(int report_fd)
{
	struct pollfd p = {.fd = report_fd, .events = POLLIN};
	struct sandbox_report rep;
	int fd, high;

	/* it comes, or init ends */
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	if (tt_fd_recv(report_fd, &rep, sizeof(rep), MSG_DONTWAIT, &fd) != (long)sizeof(rep) ||
	    rep.kind != SANDBOX_LISTENER) {
		tt_closep(&fd);
		return -1;
	}
	if (fd < 0 || fd > 2)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	(void)close(fd);
	return high;
}

void sandbox_listener_let_pass(int listener, int err_fd)
{
	struct pollfd p = {.fd = err_fd};
	/* room for what a newer kernel may add */
	union {
		struct seccomp_notif n;
		char room[NOTIF_ROOM];
	} notif = {.room = {0}};
	union {
		struct seccomp_notif_resp r;
		char room[NOTIF_ROOM];
	} answer = {.room = {0}};

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notif) < 0)
		return; /* it was killed, or a signal interrupted the call: it comes again */
	answer.r.id = notif.n.id;
	/*
	 * Asked after it was received: whoever made the call stands in it since, so what is open
	 * now was open when he made it.
	 */
	if (poll(&p, 1, 0) == 0)
		answer.r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else
		answer.r.error = -EPERM;
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}
