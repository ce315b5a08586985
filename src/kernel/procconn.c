/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the proc connector, and who of them is followed: see procconn.h. */
#include "kernel/procconn.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/procevent.h"
#include "base/time.h"
#include "kernel/caller.h"

#define RECEIVE_BYTES (8 << 20) /* a burst of 20,000 forks */
#define DATAGRAM      8192
#define CPUS          1024 /* whose numbers are followed */
#define PIDS_MAX      (1U << 22)

struct kernel_procconn {
	int fd;
	uint64_t lost;
	int32_t top; /* whom _follow() named, while it lives; its birth may be told after that */
	uint32_t seqs[CPUS];
	bool heard[CPUS]; /* seqs[] is known */
	uint64_t *pids;   /* a bit each: followed */
	size_t len, at;   /* of the datagram */
	_Alignas(8) char datagram[DATAGRAM];
};

static bool is_followed(const struct kernel_procconn *c, int32_t pid)
{
	return pid > 0 && (uint32_t)pid < PIDS_MAX && (c->pids[pid / 64] >> (pid % 64) & 1);
}

static void set_followed(struct kernel_procconn *c, int32_t pid, bool on)
{
	uint64_t bit = pid > 0 && (uint32_t)pid < PIDS_MAX ? 1ull << (pid % 64) : 0;

	if (bit && on)
		c->pids[pid / 64] |= bit;
	else if (bit)
		c->pids[pid / 64] &= ~bit;
}

int kernel_procconn_follow(struct kernel_procconn *c, pid_t pid)
{
	if (pid <= 0 || (uint32_t)pid >= PIDS_MAX)
		return -EINVAL;
	set_followed(c, pid, true);
	c->top = pid;
	return 0;
}

/* What is missing between two messages of one CPU did not arrive. */
static void count_lost(struct kernel_procconn *c, const struct tt_proc_event *e)
{
	uint32_t cpu = e->cpu;

	if (cpu >= CPUS)
		return;
	if (c->heard[cpu] && e->seq - c->seqs[cpu] - 1 < UINT32_MAX / 2)
		c->lost += e->seq - c->seqs[cpu] - 1;
	c->heard[cpu] = true;
	c->seqs[cpu] = e->seq;
}

/* Whether it is of the run; threads are not told of. */
static bool is_of_interest(struct kernel_procconn *c, const struct tt_proc_event *e)
{
	if (e->kind == TT_PROC_OTHER || e->pid != e->tid)
		return false;
	if (e->kind == TT_PROC_FORK) {
		if (e->pid == c->top)
			return false;
		/* a number that was used before belongs to the new one */
		set_followed(c, e->pid, is_followed(c, e->parent_pid));
		return is_followed(c, e->pid);
	}
	if (!is_followed(c, e->pid))
		return false;
	if (e->kind == TT_PROC_EXIT) {
		set_followed(c, e->pid, false);
		if (e->pid == c->top)
			c->top = 0;
	}
	return true;
}

static bool receive(struct kernel_procconn *c)
{
	struct sockaddr_nl from;
	socklen_t from_len;
	ssize_t n;

	for (;;) {
		from_len = sizeof(from);
		n = recvfrom(c->fd, c->datagram, sizeof(c->datagram), MSG_DONTWAIT,
			     (struct sockaddr *)&from, &from_len);
		/* ENOBUFS: messages were dropped; their numbers say how many */
		if (n < 0 && (errno == ENOBUFS || errno == EINTR))
			continue;
		if (n <= 0)
			return false;
		c->len = c->at = 0;
		if (from_len == sizeof(from) && from.nl_pid == 0) {
			c->len = (size_t)n;
			return true;
		}
	}
}

static void put_fact(const struct tt_proc_event *e, struct kernel_fact *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->kind = e->kind == TT_PROC_FORK   ? KERNEL_FACT_FORK
		    : e->kind == TT_PROC_EXEC ? KERNEL_FACT_EXEC
					      : KERNEL_FACT_EXIT;
	ret->by = KERNEL_BY_PROC;
	ret->ts_ns = e->ts_ns;
	ret->pid = e->pid;
	ret->tid = e->tid;
	ret->ppid = e->parent_pid;
	ret->status = e->status;
	if (e->kind != TT_PROC_EXIT)
		ret->start_ns = kernel_caller_start(e->pid);
}

int kernel_procconn_next(struct kernel_procconn *c, struct kernel_fact *ret)
{
	struct tt_proc_event e;
	int r;

	for (;;) {
		r = tt_proc_event_parse(c->datagram, c->len, &c->at, &e);
		if (r <= 0) {
			c->len = c->at = 0;
			if (!receive(c))
				return 0;
			continue;
		}
		count_lost(c, &e);
		if (!is_of_interest(c, &e))
			continue;
		put_fact(&e, ret);
		return 1;
	}
}

uint64_t kernel_procconn_lost(const struct kernel_procconn *c)
{
	return c->lost;
}

int kernel_procconn_open(struct kernel_procconn **ret, struct tt_err *err)
{
	TT_CLEANUP(kernel_procconn_closep) struct kernel_procconn *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return tt_fail(err, ENOMEM, "listen to the proc connector");
	c->fd = -1;
	c->pids = calloc(PIDS_MAX / 64, sizeof(*c->pids));
	if (!c->pids)
		return tt_fail(err, ENOMEM, "listen to the proc connector");
	r = c->fd = tt_proc_listen(RECEIVE_BYTES);
	if (r < 0)
		return tt_fail(err, -r, "listen to the proc connector%s",
			       r == -EPERM ? " (needs root)"
			       : r == -EOPNOTSUPP
				       ? " (the kernel is silent, as outside its first namespaces)"
				       : "");
	*ret = TT_TAKE(c);
	return 0;
}

void kernel_procconn_close(struct kernel_procconn *c)
{
	if (!c)
		return;
	if (c->fd >= 0) {
		tt_proc_ignore(c->fd);
		(void)close(c->fd);
	}
	free(c->pids);
	free(c);
}
