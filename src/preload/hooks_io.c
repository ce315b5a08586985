/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes through fds. By default a call adds to its fd's figures and nothing more, which costs less
 * than a look at the clock; with io = events each is an event. What stdio reads and writes inside
 * libc does not come by here.
 */
#include "preload/fds.h"
#include "preload/preload.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef TT_MUSL
/* one function each under two names */
#undef preadv64
#undef pwritev64
#undef sendfile64
#undef pread64
#undef pwrite64
ssize_t pread64(int fd, void *buf, size_t n, off64_t at);
ssize_t pwrite64(int fd, const void *buf, size_t n, off64_t at);
ssize_t preadv64(int fd, const struct iovec *v, int n, off64_t at);
ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t at);
ssize_t sendfile64(int out, int in, off64_t *at, size_t n);
#define MESSAGES_FLAGS unsigned
#else
#define MESSAGES_FLAGS int
#endif

/* Not in any header: what _FORTIFY_SOURCE makes of calls whose buffer is known. */
ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);
ssize_t __pread_chk(int fd, void *buf, size_t n, off_t at, size_t room);
ssize_t __pread64_chk(int fd, void *buf, size_t n, off64_t at, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags,
		       struct sockaddr *restrict from, socklen_t *restrict len);

/*
 * One function: its prototype, how its arguments go on, how they are recorded, and what it counts;
 * @r is what it returned.
 */
#define DEFINE_IO(type, name, fd, prototype, passed, args, count)                         \
	TT_PUBLIC type name prototype                                                     \
	{                                                                                 \
		struct pl_call c;                                                         \
		type r;                                                                   \
                                                                                          \
		if (TT_LIKELY(pl_process.fds.io != EVENT_IO_EVENTS) ||                    \
		    pl_fd_state(fd) == PL_FD_QUIET || !pl_enter(&c, EVENT_CALL_##name)) { \
			r = PL_NEXT(name) passed;                                         \
			count;                                                            \
			return r;                                                         \
		}                                                                         \
		pl_arg_fd(&c, 0, fd);                                                     \
		args;                                                                     \
		pl_begin(&c);                                                             \
		r = PL_NEXT(name) passed;                                                 \
		pl_end(&c, r, r < 0);                                                     \
		count;                                                                    \
		return r;                                                                 \
	}

#define READS     pl_count_read(fd, r)
#define WRITES    pl_count_write(fd, r)
#define NUM(i, v) pl_arg_num(&c, i, (int64_t)(v))

#define DEFINE_PLAIN(name, buf_type, count)                                                     \
	DEFINE_IO(ssize_t, name, fd, (int fd, buf_type buf, size_t n), (fd, buf, n), NUM(1, n), \
		  count)

#define DEFINE_AT(name, buf_type, off_type, count)                                  \
	DEFINE_IO(ssize_t, name, fd, (int fd, buf_type buf, size_t n, off_type at), \
		  (fd, buf, n, at), (NUM(1, n), NUM(2, at)), count)

#define DEFINE_VECTOR(name, count)                                                       \
	DEFINE_IO(ssize_t, name, fd, (int fd, const struct iovec *v, int n), (fd, v, n), \
		  NUM(1, n), count)

#define DEFINE_VECTOR_AT(name, off_type, count)                                           \
	DEFINE_IO(ssize_t, name, fd, (int fd, const struct iovec *v, int n, off_type at), \
		  (fd, v, n, at), (NUM(1, n), NUM(2, at)), count)

#define DEFINE_VECTOR_FLAGS(name, off_type, count)                                \
	DEFINE_IO(ssize_t, name, fd,                                              \
		  (int fd, const struct iovec *v, int n, off_type at, int flags), \
		  (fd, v, n, at, flags), (NUM(1, n), NUM(2, at), NUM(3, flags)), count)

DEFINE_PLAIN(read, void *, READS)
DEFINE_PLAIN(write, const void *, WRITES)
DEFINE_AT(pread, void *, off_t, READS)
DEFINE_AT(pread64, void *, off64_t, READS)
DEFINE_AT(pwrite, const void *, off_t, WRITES)
DEFINE_AT(pwrite64, const void *, off64_t, WRITES)
DEFINE_VECTOR(readv, READS)
DEFINE_VECTOR(writev, WRITES)
DEFINE_VECTOR_AT(preadv, off_t, READS)
DEFINE_VECTOR_AT(preadv64, off64_t, READS)
DEFINE_VECTOR_AT(pwritev, off_t, WRITES)
DEFINE_VECTOR_AT(pwritev64, off64_t, WRITES)
DEFINE_VECTOR_FLAGS(preadv2, off_t, READS)
DEFINE_VECTOR_FLAGS(preadv64v2, off64_t, READS)
DEFINE_VECTOR_FLAGS(pwritev2, off_t, WRITES)
DEFINE_VECTOR_FLAGS(pwritev64v2, off64_t, WRITES)

DEFINE_IO(ssize_t, __read_chk, fd, (int fd, void *buf, size_t n, size_t room), (fd, buf, n, room),
	  NUM(1, n), READS)
DEFINE_IO(ssize_t, __pread_chk, fd, (int fd, void *buf, size_t n, off_t at, size_t room),
	  (fd, buf, n, at, room), (NUM(1, n), NUM(2, at)), READS)
DEFINE_IO(ssize_t, __pread64_chk, fd, (int fd, void *buf, size_t n, off64_t at, size_t room),
	  (fd, buf, n, at, room), (NUM(1, n), NUM(2, at)), READS)

DEFINE_IO(ssize_t, send, fd, (int fd, const void *buf, size_t n, int flags), (fd, buf, n, flags),
	  (NUM(1, n), NUM(2, flags)), WRITES)
DEFINE_IO(ssize_t, recv, fd, (int fd, void *buf, size_t n, int flags), (fd, buf, n, flags),
	  (NUM(1, n), NUM(2, flags)), READS)
DEFINE_IO(ssize_t, __recv_chk, fd, (int fd, void *buf, size_t n, size_t room, int flags),
	  (fd, buf, n, room, flags), (NUM(1, n), NUM(2, flags)), READS)
DEFINE_IO(ssize_t, recvfrom, fd,
	  (int fd, void *restrict buf, size_t n, int flags, struct sockaddr *restrict from,
	   socklen_t *restrict len),
	  (fd, buf, n, flags, from, len), (NUM(1, n), NUM(2, flags)), READS)
DEFINE_IO(ssize_t, __recvfrom_chk, fd,
	  (int fd, void *buf, size_t n, size_t room, int flags, struct sockaddr *restrict from,
	   socklen_t *restrict len),
	  (fd, buf, n, room, flags, from, len), (NUM(1, n), NUM(2, flags)), READS)
DEFINE_IO(ssize_t, recvmsg, fd, (int fd, struct msghdr *msg, int flags), (fd, msg, flags),
	  NUM(1, flags), READS)

int64_t pl_bytes_of(const struct mmsghdr *v, int n)
{
	int64_t sum = n < 0 ? -1 : 0;

	for (int i = 0; i < n; i++)
		sum += v[i].msg_len;
	return sum;
}

DEFINE_IO(int, recvmmsg, fd,
	  (int fd, struct mmsghdr *v, unsigned n, MESSAGES_FLAGS flags, struct timespec *timeout),
	  (fd, v, n, flags, timeout), (NUM(1, n), NUM(2, flags)),
	  pl_count_read(fd, pl_bytes_of(v, r)))

/* From one fd to another without passing by the program. */
#define MOVES (pl_count_read(in, r), pl_count_write(out, r))

DEFINE_IO(ssize_t, sendfile, out, (int out, int in, off_t *at, size_t n), (out, in, at, n),
	  (NUM(1, in), NUM(2, n)), MOVES)
DEFINE_IO(ssize_t, sendfile64, out, (int out, int in, off64_t *at, size_t n), (out, in, at, n),
	  (NUM(1, in), NUM(2, n)), MOVES)
DEFINE_IO(ssize_t, copy_file_range, in,
	  (int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags),
	  (in, in_at, out, out_at, n, flags), (NUM(1, out), NUM(2, n), NUM(3, flags)), MOVES)
DEFINE_IO(ssize_t, splice, in,
	  (int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags),
	  (in, in_at, out, out_at, n, flags), (NUM(1, out), NUM(2, n), NUM(3, flags)), MOVES)
DEFINE_IO(ssize_t, tee, in, (int in, int out, size_t n, unsigned flags), (in, out, n, flags),
	  (NUM(1, out), NUM(2, n), NUM(3, flags)), MOVES)
