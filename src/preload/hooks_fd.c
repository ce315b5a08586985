/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our one fd stays out of the way. A program that closes "everything above 2" never had ours, so
 * for it the number behaves as one that is not open; without this, every program that cleans up
 * before exec would lose its children's record. Nothing here is recorded.
 */
#include "preload/preload.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int own_fd(void)
{
	if (pl_process.mode == PL_RING)
		return pl_process.ring_fd;
	return pl_process.mode == PL_DIRECT ? pl_log_fd() : -1;
}

/* Whether @fd is ours and still the file we know: only then is it hidden. */
static bool is_own(int fd)
{
	if (TT_LIKELY(fd < 0 || fd != own_fd()))
		return false;
	return pl_process.mode == PL_RING ? pl_ring_is_ours() : pl_log_is_ours();
}

TT_PUBLIC int close(int fd)
{
	if (TT_UNLIKELY(is_own(fd))) {
		errno = EBADF;
		return -1;
	}
	return PL_NEXT(close)(fd);
}

TT_PUBLIC int close_range(unsigned first, unsigned last, int flags)
{
	int own = own_fd(), r;

	if (own < 0 || first > (unsigned)own || last < (unsigned)own || first > last ||
	    !is_own(own))
		return PL_NEXT(close_range)(first, last, flags);
	if ((unsigned)own > first) {
		r = PL_NEXT(close_range)(first, (unsigned)own - 1, flags);
		if (r < 0)
			return r;
	}
	if (last > (unsigned)own)
		return PL_NEXT(close_range)((unsigned)own + 1, last, flags);
	return 0;
}

TT_PUBLIC void closefrom(int first)
{
	int own = own_fd();

	if (own < 0 || first > own || !is_own(own)) {
		PL_NEXT(closefrom)(first);
		return;
	}
	if (first < own)
		(void)PL_NEXT(close_range)(first < 0 ? 0 : (unsigned)first, (unsigned)own - 1, 0);
	PL_NEXT(closefrom)(own + 1);
}

/* A program that puts a file of its own on our number takes it: ours moves away first. */
static void make_way(int fd)
{
	int saved = errno;

	if (is_own(fd) && pl_process.mode == PL_RING) {
		long moved = tt_sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, fd + 1);

		if (moved >= 0) {
			pl_process.ring_fd = (int)moved;
			pl_process.contract.ring_fd = (int)moved;
		}
	}
	errno = saved;
}

TT_PUBLIC int dup2(int from, int to)
{
	if (TT_UNLIKELY(is_own(from))) {
		errno = EBADF;
		return -1;
	}
	make_way(to);
	return PL_NEXT(dup2)(from, to);
}

TT_PUBLIC int dup3(int from, int to, int flags)
{
	if (TT_UNLIKELY(is_own(from))) {
		errno = EBADF;
		return -1;
	}
	make_way(to);
	return PL_NEXT(dup3)(from, to, flags);
}
