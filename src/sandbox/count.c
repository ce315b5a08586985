/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's side of the counter: make it, name the command to it, read what it counted. */
#include "sandbox/count.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/count_internal.h"

#define DONE_WAIT_MS 1000 /* for the counter to see that nothing is left: it takes one wait(2) */

struct sandbox_count {
	struct sandbox_count_shared *shared;
	pid_t pid;
	int fd; /* to the counter, which answers each pid with an errno */
};

/* In a session of its own: what the terminal sends to the job is not meant for it. */
static void become_counter(struct sandbox_count_shared *shared, int fd, pid_t parent)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	(void)prctl(PR_SET_NAME, "telltale-count");
	(void)setsid();
	/* a pipe of the command's must not stay open for us */
	if (dup2(fd, 0) < 0)
		_exit(1);
	(void)close_range(1, UINT_MAX, 0);
	sandbox_count_trace(shared, 0);
}

int sandbox_count_start(struct sandbox_count **ret, struct tt_err *err)
{
	struct sandbox_count *c = calloc(1, sizeof(*c));
	pid_t parent = getpid();
	int pair[2], num, fd;
	int32_t answer = 0;

	if (!c)
		return tt_fail(err, ENOMEM, "count system calls");
	c->fd = -1;
	c->shared = mmap(NULL, sizeof(*c->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->shared == MAP_FAILED) {
		c->shared = NULL;
		num = errno;
		sandbox_count_free(c);
		return tt_fail(err, num, "count system calls: share memory");
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		num = errno;
		sandbox_count_free(c);
		return tt_fail(err, num, "count system calls: make a socket");
	}
	c->pid = _Fork();
	if (c->pid == 0)
		become_counter(c->shared, pair[1], parent);
	num = errno;
	(void)close(pair[1]);
	/* above 2: the command may have been given closed standard fds */
	fd = fcntl(pair[0], F_DUPFD_CLOEXEC, 3);
	(void)close(pair[0]);
	c->fd = fd;
	if (c->pid < 0 || fd < 0) {
		sandbox_count_free(c);
		return tt_fail(err, num, "count system calls: fork");
	}
	if (recv(fd, &answer, sizeof(answer), 0) != (ssize_t)sizeof(answer))
		answer = ECHILD;
	if (answer) {
		sandbox_count_free(c);
		return tt_fail(err, answer,
			       "count system calls with ptrace (is it allowed here? --count=off "
			       "goes without)");
	}
	*ret = c;
	return 0;
}

pid_t sandbox_count_pid(const struct sandbox_count *c)
{
	return c->pid;
}

int sandbox_count_attach(struct sandbox_count *c, pid_t pid, struct tt_err *err)
{
	int32_t number = pid, answer;

	if (send(c->fd, &number, sizeof(number), MSG_NOSIGNAL) != (ssize_t)sizeof(number) ||
	    recv(c->fd, &answer, sizeof(answer), 0) != (ssize_t)sizeof(answer))
		answer = ECHILD;
	return answer ? tt_fail(err, answer, "count its system calls with ptrace") : 0;
}

const struct sandbox_counts *sandbox_count_finish(struct sandbox_count *c)
{
	struct pollfd p = {.fd = c->fd};

	/* its end closes the socket, and it ends when there is nothing left */
	if (c->fd >= 0) {
		(void)shutdown(c->fd, SHUT_WR);
		(void)poll(&p, 1, DONE_WAIT_MS);
	}
	c->shared->counts.cut = !c->shared->done;
	return &c->shared->counts;
}

void sandbox_count_free(struct sandbox_count *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		(void)close(c->fd);
	/* -ECHILD: whoever reaps all has reaped it; then its number is nobody's business of ours */
	if (c->pid > 0 && waitpid(c->pid, NULL, WNOHANG) == 0) {
		(void)kill(c->pid, SIGKILL);
		(void)waitpid(c->pid, NULL, 0);
	}
	if (c->shared)
		(void)munmap(c->shared, sizeof(*c->shared));
	free(c);
}
