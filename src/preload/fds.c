/* SPDX-License-Identifier: Apache-2.0 */
/* The table of fds. */
#include "preload/fds.h"

struct pl_fd pl_fds_rest[PL_FDS_MAX - PL_FDS_LOW];

void pl_fds_raise(int fd)
{
	uint32_t high = __atomic_load_n(&pl_process.fds.high, __ATOMIC_RELAXED),
		 want = (uint32_t)fd + 1;

	while (high < want && !__atomic_compare_exchange_n(&pl_process.fds.high, &high, want, false,
							   __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

/* Most fds are read or written, not both: each figure costs a locked instruction. */
static void add(struct event_fd_counts *to, const struct event_fd_counts *n)
{
	if (n->bytes_read)
		__atomic_fetch_add(&to->bytes_read, n->bytes_read, __ATOMIC_RELAXED);
	if (n->bytes_written)
		__atomic_fetch_add(&to->bytes_written, n->bytes_written, __ATOMIC_RELAXED);
	if (n->reads)
		__atomic_fetch_add(&to->reads, n->reads, __ATOMIC_RELAXED);
	if (n->writes)
		__atomic_fetch_add(&to->writes, n->writes, __ATOMIC_RELAXED);
}

static void subtract(struct event_fd_counts *from, const struct event_fd_counts *n)
{
	if (n->bytes_read)
		__atomic_fetch_sub(&from->bytes_read, n->bytes_read, __ATOMIC_RELAXED);
	if (n->bytes_written)
		__atomic_fetch_sub(&from->bytes_written, n->bytes_written, __ATOMIC_RELAXED);
	if (n->reads)
		__atomic_fetch_sub(&from->reads, n->reads, __ATOMIC_RELAXED);
	if (n->writes)
		__atomic_fetch_sub(&from->writes, n->writes, __ATOMIC_RELAXED);
}

static struct event_fd_counts look(const struct event_fd_counts *n)
{
	return (struct event_fd_counts){
		.bytes_read = __atomic_load_n(&n->bytes_read, __ATOMIC_RELAXED),
		.bytes_written = __atomic_load_n(&n->bytes_written, __ATOMIC_RELAXED),
		.reads = __atomic_load_n(&n->reads, __ATOMIC_RELAXED),
		.writes = __atomic_load_n(&n->writes, __ATOMIC_RELAXED),
	};
}

static bool is_used(const struct event_fd_counts *n)
{
	return n->reads | n->writes;
}

/* What came through the fd that bore the number before goes to the image's closed ones. */
static bool take(struct pl_fd *e, struct event_fd_counts *ret)
{
	*ret = look(&e->counts);
	if (TT_LIKELY(!is_used(ret)))
		return false;
	subtract(&e->counts, ret);
	add(&pl_process.fds.closed, ret);
	return true;
}

/* The entry, which from now on is part of the table that is looked through. */
static struct pl_fd *enter(int fd)
{
	struct pl_fd *e = pl_thread.in_vfork ? NULL : pl_fd_at(fd);

	if (e && (unsigned)fd >= __atomic_load_n(&pl_process.fds.high, __ATOMIC_RELAXED))
		pl_fds_raise(fd);
	return e;
}

enum pl_fd_state pl_fd_state(int fd)
{
	const struct pl_fd *e = pl_thread.in_vfork ? NULL : pl_fd_at(fd);

	/* a look at a number that was never used would cost a page */
	if (!e || (unsigned)fd >= __atomic_load_n(&pl_process.fds.high, __ATOMIC_RELAXED))
		return PL_FD_UNKNOWN;
	return (enum pl_fd_state)__atomic_load_n(&e->state, __ATOMIC_RELAXED);
}

void pl_fd_copied(int to, enum pl_fd_state state)
{
	struct pl_fd *e = enter(to);
	struct event_fd_counts unused;

	if (!e)
		return;
	(void)take(e, &unused);
	__atomic_store_n(&e->state, state, __ATOMIC_RELAXED);
}

void pl_fd_opened(int fd, bool quiet)
{
	pl_fd_copied(fd, quiet ? PL_FD_QUIET : PL_FD_RECORDED);
}

void pl_fd_gone(int fd)
{
	uint32_t unknown = PL_FD_UNKNOWN;
	struct pl_fd *e = enter(fd);

	if (e)
		(void)__atomic_compare_exchange_n(&e->state, &unknown, PL_FD_NONE, false,
						  __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

enum pl_fd_end pl_fd_ends(int fd, struct event_fd_counts *ret)
{
	bool in_ring = pl_process.mode == PL_RING, used;
	enum pl_fd_state state = pl_fd_state(fd);
	struct pl_fd *e;

	*ret = (struct event_fd_counts){0};
	/* never touched: any number, of a program that closes all there could be */
	if (pl_thread.in_vfork ||
	    (unsigned)fd >= __atomic_load_n(&pl_process.fds.high, __ATOMIC_RELAXED))
		return in_ring && fd >= 0 ? PL_END_SILENT : PL_END_NOTHING;
	e = pl_fd_at(fd);
	used = take(e, ret);
	__atomic_store_n(&e->state, PL_FD_NONE, __ATOMIC_RELAXED);
	switch (state) {
	case PL_FD_QUIET:
		return PL_END_NOTHING;
	case PL_FD_RECORDED:
		if (pl_process.fds.io == EVENT_IO_EVENTS)
			return PL_END_EVENT;
		/* fall through */
	case PL_FD_UNKNOWN:
		return used ? PL_END_EVENT : in_ring ? PL_END_SILENT : PL_END_NOTHING;
	case PL_FD_NONE:
		break;
	}
	return used ? PL_END_EVENT : PL_END_NOTHING;
}

void pl_fd_stays(int fd, enum pl_fd_state state, const struct event_fd_counts *counts)
{
	struct pl_fd *e = enter(fd);

	if (!e)
		return;
	__atomic_store_n(&e->state, state, __ATOMIC_RELAXED);
	subtract(&pl_process.fds.closed, counts);
	add(&e->counts, counts);
}

size_t pl_fds_open(struct event_open_fd *block)
{
	uint32_t high = __atomic_load_n(&pl_process.fds.high, __ATOMIC_RELAXED);
	struct event_open_fd *at = block + 1;

	block->fd = EVENT_FD_TOTAL;
	block->counts = look(&pl_process.fds.closed);
	for (uint32_t fd = 0; fd < high; fd++) {
		struct event_fd_counts n = look(&pl_fd_at((int)fd)->counts);

		if (!is_used(&n))
			continue;
		add(&block->counts, &n);
		if (at == block + 1 + EVENT_OPEN_FDS_MAX)
			block->fd = EVENT_FD_TOTAL_CUT;
		else
			*at++ = (struct event_open_fd){(int64_t)fd, n};
	}
	return is_used(&block->counts) ? (size_t)((char *)at - (char *)block) : 0;
}

void pl_fds_fork_child(void)
{
	for (uint32_t fd = 0; fd < pl_process.fds.high; fd++)
		pl_fd_at((int)fd)->counts = (struct event_fd_counts){0};
	pl_process.fds.closed = (struct event_fd_counts){0};
}
