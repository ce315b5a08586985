/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file that direct mode writes to. Its fd is high and CLOEXEC, and checked by device and inode
 * before each use, since a program may close every fd it does not know and get the number back for
 * a file of its own. The name is looked at, too: when it leads to another file, or to none, the log
 * was deleted, renamed or rotated, and is opened again. But only in the folder where it lay: behind
 * a chroot or a private mount the same name means another place, where no log of ours should come
 * into being; there the old fd goes on.
 */
#include "preload/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LOG_FD_MIN 240 /* out of the way of programs that count fds from below */

struct pl_log pl_log;

static bool is_file(const struct stat *st, uint64_t dev, uint64_t ino)
{
	return st->st_dev == dev && st->st_ino == ino;
}

/*
 * A number that no program counts up to: at the top of what RLIMIT_NOFILE leaves, where that is
 * low.
 */
static long move_high(long fd)
{
	struct rlimit files;
	long high = tt_sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, LOG_FD_MIN);

	if (high != -EINVAL || tt_sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &files) < 0)
		return high;
	for (long n = (long)files.rlim_cur - 1; high < 0 && n > (long)files.rlim_cur / 2; n--)
		high = tt_sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, n);
	return high;
}

static bool look_at_folder(struct stat *ret)
{
	return tt_sys4(SYS_newfstatat, AT_FDCWD, pl_log.folder, ret, 0) == 0;
}

/*
 * What a folder and a name are called in TELLTALE_CTX, in front of PL_LOG_UNSAID_BITS. The next
 * image compares: the same name in another folder is another view of the file system. Another name
 * is the program's own doing.
 */
#define NAME_SHIFT   44
#define FOLDER_SHIFT PL_LOG_UNSAID_BITS
#define FOLDER_MASK  0xffffff

static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
	return hash;
}

static uint64_t name_mark(void)
{
	return mix(0xcbf29ce484222325u, pl_log.path, strlen(pl_log.path)) >> NAME_SHIFT;
}

static uint64_t folder_mark(const struct stat *st)
{
	uint64_t both[2] = {st->st_dev, st->st_ino};

	return mix(0xcbf29ce484222325u, both, sizeof(both)) >> 32 & FOLDER_MASK;
}

static void note_folder(void)
{
	struct stat st;

	if (pl_log.folder_ino || !look_at_folder(&st))
		return;
	pl_log.folder_dev = st.st_dev;
	pl_log.folder_ino = st.st_ino;
	if (pl_process.contract.value[CONTRACT_TRACE_LOG])
		pl_process.contract.log_mark = name_mark() << NAME_SHIFT | folder_mark(&st)
										   << FOLDER_SHIFT;
}

bool pl_log_is_same_view(void)
{
	struct stat st;

	if (pl_log.foreign || !look_at_folder(&st))
		return false;
	return !pl_log.folder_ino || is_file(&st, pl_log.folder_dev, pl_log.folder_ino);
}

/* The log under a number that programs do not meet. */
static long open_file(struct stat *ret)
{
	long fd, high, n;

	if (!pl_log_is_same_view())
		return -ENOENT;
	fd = tt_sys4(SYS_openat, AT_FDCWD, pl_log.path,
		     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
		     0600);
	if (fd < 0)
		return fd;
	high = move_high(fd);
	(void)tt_sys1(SYS_close, fd);
	if (high < 0)
		return high;
	n = tt_sys2(SYS_fstat, high, ret);
	if (n < 0) {
		(void)tt_sys1(SYS_close, high);
		return n;
	}
	note_folder();
	return high;
}

/* What the fd of all threads stands for now. */
static void adopt(int fd, const struct stat *st)
{
	pl_log.dev = st->st_dev;
	pl_log.ino = st->st_ino;
	__atomic_store_n(&pl_log.fd, fd, __ATOMIC_RELEASE);
}

static bool is_ours(int fd, struct stat *ret)
{
	return fd >= 0 && tt_sys2(SYS_fstat, fd, ret) == 0 && is_file(ret, pl_log.dev, pl_log.ino);
}

bool pl_log_is_ours(void)
{
	struct stat st;

	return is_ours(pl_log.fd, &st);
}

int pl_log_fd(void)
{
	return pl_log.fd;
}

/*
 * The new file takes the old one's number, in one step: another thread may be about to write to it,
 * and the number must never be the program's in between.
 */
static void exchange(struct pl_log_file *f)
{
	struct stat st;
	int fd = pl_log.fd;

	/* what bears the number, if not our file, belongs to the program: not touched */
	if (is_ours(fd, &st) && tt_sys3(SYS_dup3, f->fd, fd, O_CLOEXEC) >= 0) {
		(void)tt_sys1(SYS_close, f->fd);
		f->fd = fd;
	}
	adopt(f->fd, &f->st);
	f->close = false;
}

int pl_log_ready(struct pl_log_file *ret)
{
	struct stat named;
	bool ours, there;
	int fd = __atomic_load_n(&pl_log.fd, __ATOMIC_ACQUIRE);
	long opened;

	ret->close = false;
	ret->fd = fd;
	ours = is_ours(fd, &ret->st);
	there = tt_sys4(SYS_newfstatat, AT_FDCWD, pl_log.path, &named, AT_SYMLINK_NOFOLLOW) == 0;
	if (ours && there && is_file(&named, ret->st.st_dev, ret->st.st_ino))
		return 0;
	opened = open_file(&named);
	if (opened < 0) {
		/* a file that nobody can find any more is no place to write to */
		return ours && ret->st.st_nlink ? 0 : (int)opened;
	}
	ret->fd = (int)opened;
	ret->st = named;
	ret->close = true;
	/* a vfork child has fds of its own and its parent's memory; a second thread is too late */
	if (!pl_thread.in_vfork && !__atomic_exchange_n(&pl_log.opening, 1, __ATOMIC_ACQUIRE)) {
		exchange(ret);
		__atomic_store_n(&pl_log.opening, 0, __ATOMIC_RELEASE);
	}
	return 0;
}

void pl_log_put_back(struct pl_log_file *f)
{
	if (f->close)
		(void)tt_sys1(SYS_close, f->fd);
}

/* mkdir -p of everything in front of the last slash; what exists already is no error. */
static void make_folders(void)
{
	for (char *p = strchr(pl_log.path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		(void)tt_sys3(SYS_mkdirat, AT_FDCWD, pl_log.path, 0700);
		*p = '/';
	}
}

static const char *find_env(const char *name, size_t len)
{
	extern char **environ;

	for (char **e = environ; e && *e; e++)
		if (strncmp(*e, name, len) == 0)
			return *e + len;
	return NULL;
}

/* The name as it will be used for as long as the image lasts; false if there is none. */
static bool keep_path(const char *path)
{
	const char *state = find_env("XDG_STATE_HOME=", 15), *home = find_env("HOME=", 5);
	char *to = pl_process.kept + pl_process.kept_len;
	size_t room = sizeof(pl_process.kept) - pl_process.kept_len;
	struct tt_out o;

	tt_out_init(&o, to, room - 1);
	if (path && *path) {
		long n = path[0] == '/' ? 0 : tt_sys2(SYS_getcwd, to, room);

		/* made absolute now: the program may change directory before it is opened again */
		if (n > 1 && to[0] == '/') {
			o.len = (size_t)n - 1;
			tt_out_char(&o, '/');
		}
		tt_out_str(&o, path);
	} else if (state && state[0] == '/') {
		tt_out_str(&o, state);
		tt_out_str(&o, "/telltale/trace.jsonl");
	} else if (home && home[0] == '/') {
		tt_out_str(&o, home);
		tt_out_str(&o, "/.local/state/telltale/trace.jsonl");
	}
	if (!o.len || tt_out_is_full(&o))
		return false;
	to[o.len] = '\0';
	pl_log.path = to;
	pl_process.kept_len += o.len + 1;
	return true;
}

static void keep_folder(void)
{
	const char *slash = strrchr(pl_log.path, '/');
	size_t len = slash ? (size_t)(slash - pl_log.path) : 1;

	pl_log.folder =
		(char *)(slash ? pl_keep(len ? pl_log.path : "/", len ? len : 1) : pl_keep(".", 1));
}

void pl_log_open(const char *path, uint64_t mark)
{
	struct stat st;
	long fd;

	pl_log.fd = -1;
	if (!keep_path(path)) {
		pl_process.mode = PL_OFF;
		return;
	}
	keep_folder();
	if (!pl_log.folder) {
		pl_process.mode = PL_OFF;
		return;
	}
	if (!path || !*path)
		make_folders();
	else
		pl_process.contract.value[CONTRACT_TRACE_LOG] = pl_log.path;
	mark &= ~PL_LOG_UNSAID_MAX;
	pl_log.foreign =
		mark && name_mark() == mark >> NAME_SHIFT &&
		(!look_at_folder(&st) || folder_mark(&st) != (mark >> FOLDER_SHIFT & FOLDER_MASK));
	if (pl_log.foreign) {
		pl_process.contract.log_mark = mark;
		return;
	}
	fd = open_file(&st); /* tried again at each event */
	if (fd >= 0)
		adopt((int)fd, &st);
	else
		note_folder();
}
