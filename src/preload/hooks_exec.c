/* SPDX-License-Identifier: Apache-2.0 */
/* The exec family: recorded before the attempt, and once more if it fails. */
#include "preload/fds.h"
#include "preload/preload.h"

#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

struct exec {
	enum event_call call;
	bool raw;  /* through syscall(2) */
	int dirfd; /* execveat; fexecve: the fd */
	const char *file;
	char *const *argv;
	char *const *envp;
	int flags; /* execveat */
};

static bool searches_path(enum event_call call)
{
	return call == EVENT_CALL_execvp || call == EVENT_CALL_execvpe || call == EVENT_CALL_execlp;
}

/*
 * The real thing. The l variants go through their v twins: the same function with another way of
 * passing.
 */
static int real_exec(const struct exec *x, char *const *envp)
{
	if (searches_path(x->call))
		return PL_NEXT(execvpe)(x->file, x->argv, envp);
	if (x->call == EVENT_CALL_fexecve)
		return PL_NEXT(fexecve)(x->dirfd, x->argv, envp);
	/* by number, as it was asked for: musl has no function of this name */
	if (x->call == EVENT_CALL_execveat && x->raw)
		return (int)PL_NEXT(syscall)(SYS_execveat, x->dirfd, x->file, x->argv, envp,
					     x->flags);
	if (x->call == EVENT_CALL_execveat)
		return PL_NEXT(execveat)(x->dirfd, x->file, x->argv, envp, x->flags);
	return PL_NEXT(execve)(x->file, x->argv, envp);
}

static void put_args(struct pl_call *c, const struct exec *x, struct pl_follow *f)
{
	char *dir = f->room ? f->room->dir : NULL;
	size_t cap = f->room ? sizeof(f->room->dir) : 0;
	unsigned i = 0;

	if (x->call == EVENT_CALL_fexecve) {
		/* "" with a dirfd names the fd itself: the same look-up serves */
		pl_arg_dirfd(c, i++, x->dirfd, "", dir, cap);
	} else {
		if (x->call == EVENT_CALL_execveat)
			pl_arg_dirfd(c, i++, x->dirfd, x->file, dir, cap);
		pl_arg_text(c, i++, x->file);
	}
	pl_follow_argv(c, i++, x->argv, f);
	if (x->call == EVENT_CALL_execveat)
		pl_arg_num(c, i, x->flags);
}

/* What fexecve and execveat name, for the look at the file. */
static const char *named_file(const struct exec *x, char *buf, size_t cap, int *ret_dirfd)
{
	struct tt_out o;

	*ret_dirfd = x->call == EVENT_CALL_execveat ? x->dirfd : AT_FDCWD;
	if (x->call != EVENT_CALL_fexecve &&
	    !(x->call == EVENT_CALL_execveat && pl_can_read(x->file, 1) && !*x->file))
		return x->file;
	tt_out_init(&o, buf, cap);
	tt_out_str(&o, "/proc/self/fd/");
	tt_out_i64(&o, x->dirfd);
	tt_out_char(&o, '\0');
	*ret_dirfd = AT_FDCWD;
	return buf;
}

static int do_exec(const struct exec *x)
{
	char fd_path[32];
	struct event_open_fd open_fds[EVENT_OPEN_FDS_MAX + 1];
	unsigned extra = (unsigned)strlen(event_call_info(x->call)->layout);
	struct pl_follow follow;
	struct pl_call c;
	int r, dirfd, saved = errno;
	const char *file;

	if (!pl_enter(&c, x->call))
		return real_exec(x, x->envp);
	file = named_file(x, fd_path, sizeof(fd_path), &dirfd);
	pl_follow_prepare(&follow, dirfd, file, searches_path(x->call), x->envp,
			  &pl_image_now()->span);
	pl_mark_raw(&c, x->raw);
	if (!follow.follows)
		c.flags |= RING_FLAG_UNFOLLOWED;
	put_args(&c, x, &follow);
	pl_arg_bytes(&c, extra, open_fds, pl_thread.in_vfork ? 0 : pl_fds_open(open_fds));
	pl_point(&c);
	errno = saved;
	r = real_exec(x, follow.envp);
	if (errno == E2BIG && follow.follows) {
		/*
		 * our variables were the last straw: the caller's environment goes through
		 * untouched
		 */
		pl_follow_withdraw(&follow);
		c.flags |= RING_FLAG_NO_ROOM | RING_FLAG_UNFOLLOWED;
		pl_point(&c);
		r = real_exec(x, x->envp);
	}
	saved = errno;
	pl_follow_withdraw(&follow);
	pl_arg_bytes(&c, extra, NULL, 0); /* the image goes on, and so do its counts */
	pl_begin(&c);
	pl_mark_raw(&c, x->raw);
	pl_end_error(&c, r, saved);
	pl_follow_done(&follow);
	errno = saved;
	return r;
}

int pl_exec_raw(const char *path, char *const *argv, char *const *envp)
{
	return do_exec(&(struct exec){EVENT_CALL_execve, true, AT_FDCWD, path, argv, envp, 0});
}

int pl_execveat_raw(int dirfd, const char *path, char *const *argv, char *const *envp, int flags)
{
	return do_exec(&(struct exec){EVENT_CALL_execveat, true, dirfd, path, argv, envp, flags});
}

TT_PUBLIC int execve(const char *path, char *const argv[], char *const envp[])
{
	return do_exec(&(struct exec){EVENT_CALL_execve, false, AT_FDCWD, path, argv, envp, 0});
}

TT_PUBLIC int execv(const char *path, char *const argv[])
{
	return do_exec(&(struct exec){EVENT_CALL_execv, false, AT_FDCWD, path, argv, environ, 0});
}

TT_PUBLIC int execvp(const char *file, char *const argv[])
{
	return do_exec(&(struct exec){EVENT_CALL_execvp, false, AT_FDCWD, file, argv, environ, 0});
}

TT_PUBLIC int execvpe(const char *file, char *const argv[], char *const envp[])
{
	return do_exec(&(struct exec){EVENT_CALL_execvpe, false, AT_FDCWD, file, argv, envp, 0});
}

TT_PUBLIC int fexecve(int fd, char *const argv[], char *const envp[])
{
	return do_exec(&(struct exec){EVENT_CALL_fexecve, false, fd, NULL, argv, envp, 0});
}

TT_PUBLIC int execveat(int dirfd, const char *path, char *const argv[], char *const envp[],
		       int flags)
{
	return do_exec(&(struct exec){EVENT_CALL_execveat, false, dirfd, path, argv, envp, flags});
}

/*
 * The list becomes a vector on the stack, as in libc's own execl: it must not allocate. A macro,
 * since the stack space has to belong to the function that execs.
 */
#define COLLECT(argv, first, tail)                                                   \
	do {                                                                         \
		size_t count_ = 0;                                                   \
		va_list ap_;                                                         \
                                                                                     \
		va_start(ap_, first);                                                \
		for (const char *a_ = (first); a_; a_ = va_arg(ap_, char *))         \
			count_++;                                                    \
		va_end(ap_);                                                         \
		(argv) = alloca((count_ + 1) * sizeof(char *));                      \
		va_start(ap_, first);                                                \
		for (size_t i_ = 0; i_ < count_; i_++)                               \
			(argv)[i_] = i_ ? va_arg(ap_, char *) : (char *)(first);     \
		(argv)[count_] = NULL;                                               \
		if (count_)                                                          \
			(void)va_arg(ap_, char *); /* the NULL that ends the list */ \
		tail;                                                                \
		va_end(ap_);                                                         \
	} while (0)

TT_PUBLIC int execl(const char *path, const char *arg, ...)
{
	char **argv;

	COLLECT(argv, arg, (void)0);
	return do_exec(&(struct exec){EVENT_CALL_execl, false, AT_FDCWD, path, argv, environ, 0});
}

TT_PUBLIC int execlp(const char *file, const char *arg, ...)
{
	char **argv;

	COLLECT(argv, arg, (void)0);
	return do_exec(&(struct exec){EVENT_CALL_execlp, false, AT_FDCWD, file, argv, environ, 0});
}

TT_PUBLIC int execle(const char *path, const char *arg, ...)
{
	char **argv, **envp;

	COLLECT(argv, arg, envp = va_arg(ap_, char **));
	return do_exec(&(struct exec){EVENT_CALL_execle, false, AT_FDCWD, path, argv, envp, 0});
}
