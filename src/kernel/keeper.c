/* SPDX-License-Identifier: Apache-2.0 */
/* One process that sleeps until it is needed: see keeper.h. */
#include "kernel/keeper.h"

#include <errno.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/fdpass.h"

struct kernel_keeper {
	pid_t pid;
	int sock;
	void *room;
};

union notif {
	struct seccomp_notif n;
	char room[KERNEL_KEEPER_ROOM];
};

static void let_go_on(int listener, uint64_t id)
{
	union {
		struct seccomp_notif_resp r;
		char room[KERNEL_KEEPER_ROOM];
	} to = {.room = {0}};

	to.r.id = id;
	to.r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	/* ENOENT: it is answered, or gone */
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &to);
}

/* false: nobody is left who could ask */
static bool serve(int listener)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};
	union notif from = {.room = {0}};

	if (poll(&p, 1, -1) < 0)
		return errno == EINTR;
	if (!(p.revents & POLLIN)) {
		/* POLLERR alone: the kernel was interrupted while it looked */
		return !(p.revents & (POLLHUP | POLLNVAL));
	}
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &from) == 0)
		let_go_on(listener, from.n.id);
	return true;
}

/*
 * Until the caller says something on the socket, closes it, or is gone: a child that he had just
 * forked may hold the socket still.
 */
static void sleep_on(int sock, int caller)
{
	struct pollfd p[2] = {{.fd = sock, .events = POLLIN}, {.fd = caller, .events = POLLIN}};

	while (poll(p, 2, -1) < 0 && errno == EINTR)
		;
}

/* Sleeps while the caller lives, whatever the listener has: it is the caller's to serve. */
static void keep(int sock, int caller, const struct seccomp_notif *held)
{
	int listener;
	char byte;

	sleep_on(sock, caller);
	if (tt_fd_recv(sock, &byte, 1, MSG_DONTWAIT, &listener) != 1 || listener < 0)
		_exit(0);
	sleep_on(sock, caller);
	if (held->id)
		let_go_on(listener, held->id);
	if (poll(&(struct pollfd){.fd = listener}, 1, 0) == 1 && !serve(listener))
		_exit(0);
	/* who closed the other end, and is still there, need not wait for us */
	(void)close(sock);
	while (serve(listener))
		;
	_exit(0);
}

static void become_keeper(int sock, pid_t parent, const struct seccomp_notif *held)
{
	int caller = (int)syscall(SYS_pidfd_open, parent, 0);
	unsigned low = (unsigned)(sock < caller ? sock : caller),
		 high = (unsigned)(sock + caller) - low;
	sigset_t all;

	/* asked for after it was opened: who is our parent then is whom it holds */
	if (caller < 0 || getppid() != parent)
		_exit(125);

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)setsid();
	(void)!chdir("/");
	(void)prctl(PR_SET_NAME, "telltale-keeper");
	if ((low > 0 && close_range(0, low - 1, 0) < 0) ||
	    (high > low + 1 && close_range(low + 1, high - 1, 0) < 0) ||
	    close_range(high + 1, UINT_MAX, 0) < 0)
		_exit(125);
	keep(sock, caller, held);
}

int kernel_keeper_new(struct kernel_keeper **ret, struct tt_err *err)
{
	struct kernel_keeper *k = calloc(1, sizeof(*k));
	int pair[2], num;
	pid_t parent;

	if (!k)
		return tt_fail(err, ENOMEM, "keep the listener");
	k->room = mmap(NULL, KERNEL_KEEPER_ROOM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (k->room == MAP_FAILED ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		num = errno;
		if (k->room != MAP_FAILED)
			(void)munmap(k->room, KERNEL_KEEPER_ROOM);
		free(k);
		return tt_fail(err, num, "keep the listener");
	}
	k->sock = pair[0];
	parent = getpid();
	k->pid = fork();
	num = errno;
	if (k->pid == 0)
		become_keeper(pair[1], parent, k->room);
	(void)close(pair[1]);
	if (k->pid < 0) {
		k->pid = 0;
		kernel_keeper_free(k);
		return tt_fail(err, num, "fork the keeper of the listener");
	}
	*ret = k;
	return 0;
}

int kernel_keeper_give(struct kernel_keeper *k, int listener)
{
	return tt_fd_send(k->sock, listener, "", 1, 0);
}

void *kernel_keeper_room(struct kernel_keeper *k)
{
	return k->room;
}

void kernel_keeper_free(struct kernel_keeper *k)
{
	char byte;

	if (!k)
		return;
	(void)shutdown(k->sock, SHUT_WR);
	/* its end is closed when it has gone, or has decided to stay */
	while (k->pid && recv(k->sock, &byte, 1, 0) < 0 && errno == EINTR)
		;
	(void)close(k->sock);
	if (k->pid)
		(void)waitpid(k->pid, NULL, WNOHANG);
	(void)munmap(k->room, KERNEL_KEEPER_ROOM);
	free(k);
}
