/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's side of the proxy: start it, hand it the socket, hear of it, end it. */
#include "proxy/proxy.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "proxy/proxy_internal.h"
#include "util/fdpass.h"

struct proxy {
	pid_t pid;
	int pid_fd;
	int channel;
};

static void run(const struct proxy_options *opts, int channel) TT_NORETURN;
static void run(const struct proxy_options *opts, int channel)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	if (proxy_confine(channel) == 0)
		proxy_serve(opts, 3);
	_exit(0);
}

int proxy_start(const struct proxy_options *opts, struct proxy **ret, struct tt_err *err)
{
	struct proxy *p = calloc(1, sizeof(*p));
	int pair[2], r;

	if (!p)
		return tt_fail(err, ENOMEM, "start the proxy");
	p->pid_fd = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		r = tt_fail(err, errno, "make a socket to the proxy");
		free(p);
		return r;
	}
	p->channel = pair[0];
	p->pid = fork();
	if (p->pid == 0)
		run(opts, pair[1]);
	r = p->pid < 0 ? tt_fail(err, errno, "start the proxy") : 0;
	(void)close(pair[1]);
	if (r == 0) {
		p->pid_fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
		if (p->pid_fd < 0)
			r = tt_fail(err, errno, "watch the proxy");
	}
	if (r < 0) {
		proxy_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

pid_t proxy_pid(const struct proxy *p)
{
	return p->pid;
}

int proxy_fd(const struct proxy *p)
{
	return p ? p->channel : -1;
}

int proxy_give(struct proxy *p, int listen_fd, struct tt_err *err)
{
	int r = tt_fd_send(p->channel, listen_fd, "", 1, 0);

	if (r < 0)
		return tt_fail(err, -r, "hand the sandbox's socket to the proxy");
	return 0;
}

int proxy_read(struct proxy *p, struct proxy_report *ret)
{
	ssize_t n;

	do
		n = recv(p->channel, ret, sizeof(*ret), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(*ret))
		return 1;
	return n < 0 && errno == EAGAIN ? 0 : -EPIPE;
}

void proxy_finish(struct proxy *p)
{
	(void)shutdown(p->channel, SHUT_WR);
}

void proxy_free(struct proxy *p)
{
	siginfo_t si;

	if (!p)
		return;
	if (p->pid_fd >= 0) {
		/* by its fd: somebody may have reaped it, and its number may be another's */
		(void)syscall(SYS_pidfd_send_signal, p->pid_fd, SIGKILL, NULL, 0);
		while (waitid(P_PIDFD, (id_t)p->pid_fd, &si, WEXITED) < 0 && errno == EINTR)
			;
	} else if (p->pid > 0) {
		(void)kill(p->pid, SIGKILL);
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	tt_closep(&p->pid_fd);
	tt_closep(&p->channel);
	free(p);
}
