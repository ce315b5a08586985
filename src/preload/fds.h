/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What went through each fd of this image, and whether the recorder knows the fd: a table by number
 * that the hooks of read(2) and the like add to without making an event. Signal-safe; threads may
 * meet in it: each figure is added to atomically, a close takes an fd's figures out.
 *
 * A vfork child borrows our memory but has fds of its own: nothing it does is entered here.
 */
#ifndef TT_PRELOAD_FDS_H
#define TT_PRELOAD_FDS_H

#include "event/config.h"
#include "preload/preload.h"

#define PL_FDS_MAX 4096 /* numbers above are counted for the image as a whole only */

/* How the end of an fd is to be told. */
enum pl_fd_end {
	PL_END_NOTHING,
	PL_END_EVENT,  /* as an event */
	PL_END_SILENT, /* to the recorder alone, if it really was open */
};

extern struct pl_fd pl_fds_rest[PL_FDS_MAX - PL_FDS_LOW];

static inline struct pl_fd *pl_fd_at(int fd)
{
	if (TT_LIKELY((unsigned)fd < PL_FDS_LOW))
		return &pl_process.fds.low[fd];
	return (unsigned)fd < PL_FDS_MAX ? &pl_fds_rest[fd - PL_FDS_LOW] : NULL;
}

/* pl_fds_raise - the first use of a high number */
void pl_fds_raise(int fd);

static inline struct event_fd_counts *pl_fd_counts(int fd)
{
	if (TT_UNLIKELY((unsigned)fd >= PL_FDS_MAX))
		return &pl_process.fds.closed;
	if (TT_UNLIKELY((unsigned)fd >= __atomic_load_n(&pl_process.fds.high, __ATOMIC_RELAXED)))
		pl_fds_raise(fd);
	return &pl_fd_at(fd)->counts;
}

/* pl_count_read, pl_count_write - a call on @fd returned @n; failures do not count. Keep errno. */
static inline void pl_count_read(int fd, int64_t n)
{
	struct event_fd_counts *counts;

	if (n < 0 || pl_thread.in_vfork || pl_process.fds.io == EVENT_IO_OFF)
		return;
	counts = pl_fd_counts(fd);
	__atomic_fetch_add(&counts->bytes_read, (uint64_t)n, __ATOMIC_RELAXED);
	__atomic_fetch_add(&counts->reads, 1, __ATOMIC_RELAXED);
}

static inline void pl_count_write(int fd, int64_t n)
{
	struct event_fd_counts *counts;

	if (n < 0 || pl_thread.in_vfork || pl_process.fds.io == EVENT_IO_OFF)
		return;
	counts = pl_fd_counts(fd);
	__atomic_fetch_add(&counts->bytes_written, (uint64_t)n, __ATOMIC_RELAXED);
	__atomic_fetch_add(&counts->writes, 1, __ATOMIC_RELAXED);
}

/* pl_bytes_of - what went through recvmmsg(2) or sendmmsg(2), which return a number of messages */
struct mmsghdr;
int64_t pl_bytes_of(const struct mmsghdr *v, int n);

/* pl_fd_is_used - something went through a low number */
TT_INLINE bool pl_fd_is_used(int fd)
{
	const struct event_fd_counts *n = &pl_process.fds.low[fd].counts;

	return __atomic_load_n(&n->reads, __ATOMIC_RELAXED) |
	       __atomic_load_n(&n->writes, __ATOMIC_RELAXED);
}

/*
 * What most fds are: pl_fd_is_plain - one of the low numbers, recorded when it was opened;
 * pl_fd_is_entered - part of the table already, with nothing left of the fd before
 */
TT_INLINE bool pl_fd_is_plain(int fd)
{
	return (unsigned)fd < PL_FDS_LOW &&
	       __atomic_load_n(&pl_process.fds.low[fd].state, __ATOMIC_RELAXED) == PL_FD_RECORDED;
}

TT_INLINE bool pl_fd_is_entered(int fd)
{
	return (unsigned)fd < PL_FDS_LOW &&
	       (unsigned)fd < __atomic_load_n(&pl_process.fds.high, __ATOMIC_RELAXED) &&
	       !pl_fd_is_used(fd);
}

/* pl_fd_is_opened - such a one is open, and recorded; pl_fd_is_closed - it is about to be closed */
TT_INLINE void pl_fd_is_opened(int fd)
{
	__atomic_store_n(&pl_process.fds.low[fd].state, PL_FD_RECORDED, __ATOMIC_RELAXED);
}

TT_INLINE void pl_fd_is_closed(int fd)
{
	__atomic_store_n(&pl_process.fds.low[fd].state, PL_FD_NONE, __ATOMIC_RELAXED);
}

/* pl_fd_state - UNKNOWN in a vfork child, whose fds are not entered */
enum pl_fd_state pl_fd_state(int fd);

/* pl_fd_copied - @to is another number for @from, which is in @state */
void pl_fd_copied(int to, enum pl_fd_state state);

/* pl_fd_gone - a number never met before was closed, unless it is met just now */
void pl_fd_gone(int fd);

/* pl_fd_ends - @fd is about to be closed: takes its figures out */
enum pl_fd_end pl_fd_ends(int fd, struct event_fd_counts *ret);

/* pl_fd_stays - it was not closed after all: puts them back; @state: what it was */
void pl_fd_stays(int fd, enum pl_fd_state state, const struct event_fd_counts *counts);

/*
 * pl_fds_open - the image's total, then the fds that something went through and that are open
 * @block: room for EVENT_OPEN_FDS_MAX + 1. Returns the number of bytes; 0: nothing ever moved.
 */
size_t pl_fds_open(struct event_open_fd *block);

/* pl_fds_fork_child - what was counted so far is the parent's */
void pl_fds_fork_child(void);

#endif
