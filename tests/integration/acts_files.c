/* SPDX-License-Identifier: Apache-2.0 */
/* Acts on files: reading what is secret, writing what lies outside, by every way to a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "acts_probe.h"

#define PATH_BYTES 4352

/* One byte out of @fd, or none: both are a reading. */
static int take(int fd)
{
	char c;

	return fd < 0 || read(fd, &c, 1) < 0 ? -1 : 0;
}

static int put(int fd)
{
	return fd < 0 || write(fd, "x", 1) != 1 ? -1 : 0;
}

static int again(int fd, int flags)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fd < 0 ? -1 : open(path, flags);
}

static int act_read(const char *const arg[])
{
	return take(open(arg[0], O_RDONLY | O_NONBLOCK | O_NOCTTY));
}

static int act_read_through_root(const char *const arg[])
{
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof(path), "/proc/self/root%s", arg[0]);
	return take(open(path, O_RDONLY));
}

static int act_write(const char *const arg[])
{
	return put(open(arg[0], O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY));
}

static int act_open_write(const char *const arg[])
{
	return open(arg[0], O_WRONLY | O_NONBLOCK | O_NOCTTY);
}

static int act_open_both(const char *const arg[])
{
	return open(arg[0], O_RDWR | O_NONBLOCK | O_NOCTTY);
}

static int act_create(const char *const arg[])
{
	return put(open(arg[0], O_WRONLY | O_CREAT | O_EXCL, 0600));
}

static int act_open_truncate(const char *const arg[])
{
	return open(arg[0], O_RDONLY | O_TRUNC);
}

static int act_truncate(const char *const arg[])
{
	return truncate(arg[0], 1);
}

static int act_write_through_root(const char *const arg[])
{
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof(path), "/proc/self/root%s", arg[0]);
	return put(open(path, O_WRONLY | O_APPEND));
}

/* arg[1]: where a symbolic link may be made */
static int act_write_through_link(const char *const arg[])
{
	(void)unlink(arg[1]);
	if (symlink(arg[0], arg[1]) < 0)
		return -1;
	return put(open(arg[1], O_WRONLY | O_APPEND));
}

static int act_write_through_hard_link(const char *const arg[])
{
	(void)unlink(arg[1]);
	if (link(arg[0], arg[1]) < 0)
		return -1;
	return put(open(arg[1], O_WRONLY | O_APPEND));
}

static int act_write_path_only(const char *const arg[])
{
	return put(again(open(arg[0], O_PATH), O_WRONLY | O_APPEND));
}

static int act_write_read_only(const char *const arg[])
{
	return put(again(open(arg[0], O_RDONLY), O_WRONLY | O_APPEND));
}

/* What the caller opened for reading, fd 0. */
static int act_write_stdin(const char *const arg[])
{
	(void)arg;
	return put(again(STDIN_FILENO, O_WRONLY | O_APPEND));
}

static int act_truncate_stdin(const char *const arg[])
{
	(void)arg;
	return again(STDIN_FILENO, O_WRONLY | O_TRUNC);
}

static int act_set_user_id_stdin(const char *const arg[])
{
	(void)arg;
	return fchmod(STDIN_FILENO, 04755) == 0 || chmod("/proc/self/fd/0", 04755) == 0 ? 0 : -1;
}

static int act_map_stdin(const char *const arg[])
{
	void *p = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, STDIN_FILENO, 0);

	(void)arg;
	if (p == MAP_FAILED)
		return -1;
	*(volatile char *)p = 'x';
	return 0;
}

/* A folder that the caller had open: any fd that is one. */
static int act_inherited_folder(const char *const arg[])
{
	struct stat st;
	int fd;

	for (int n = 0; n < 1024; n++) {
		if (fstat(n, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		fd = openat(n, arg[0], O_WRONLY | O_APPEND);
		if (fd >= 0)
			return put(fd);
	}
	errno = EBADF;
	return -1;
}

static int act_chmod(const char *const arg[])
{
	return chmod(arg[0], 0642);
}

static int act_chown(const char *const arg[])
{
	return chown(arg[0], getuid(), getgid());
}

static int act_utimes(const char *const arg[])
{
	struct timespec at[2] = {{1, 0}, {1, 0}};

	return utimensat(AT_FDCWD, arg[0], at, 0);
}

static int act_setxattr(const char *const arg[])
{
	return setxattr(arg[0], "user.act", "x", 1, 0);
}

static int act_unlink(const char *const arg[])
{
	return unlink(arg[0]);
}

static int act_rename(const char *const arg[])
{
	return rename(arg[0], arg[1]);
}

/* arg[0]: made here, in a folder where one may write; then moved over arg[1] */
static int act_rename_over(const char *const arg[])
{
	int fd = open(arg[0], O_WRONLY | O_CREAT, 0600);

	if (put(fd) < 0)
		return -1;
	return rename(arg[0], arg[1]);
}

static int act_mkdir(const char *const arg[])
{
	return mkdir(arg[0], 0700);
}

static int act_symlink(const char *const arg[])
{
	return symlink("nowhere", arg[0]);
}

static int act_mkfifo(const char *const arg[])
{
	return mknod(arg[0], S_IFIFO | 0600, 0);
}

/* The null device, where another would be a device, too. */
static int act_mknod_device(const char *const arg[])
{
	(void)unlink(arg[0]);
	if (mknod(arg[0], S_IFCHR | 0600, makedev(1, 3)) < 0)
		return -1;
	return open(arg[0], O_RDWR);
}

static int act_set_user_id(const char *const arg[])
{
	int fd = open(arg[0], O_WRONLY | O_CREAT, 0700);

	return fd < 0 ? -1 : fchmod(fd, 04755);
}

/* Fills a folder, @arg[1] MiB at most. Refused if it ends before. */
static int act_fill(const char *const arg[])
{
	static char block[1 << 20];
	int fd = open(arg[0], O_WRONLY | O_CREAT | O_TRUNC, 0600), err = 0;

	memset(block, 'x', sizeof(block));
	for (long n = atol(arg[1]); fd >= 0 && n > 0 && !err; n--)
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			err = errno ? errno : ENOSPC;
	(void)unlink(arg[0]);
	if (fd < 0)
		return -1;
	(void)close(fd);
	errno = err;
	return err ? -1 : 0;
}

/* Empty files take memory, too. */
static int act_fill_with_names(const char *const arg[])
{
	char path[PATH_BYTES];
	int fd, err = 0;
	long n;

	for (n = 0; n < atol(arg[1]) && !err; n++) {
		(void)snprintf(path, sizeof(path), "%s/act-%ld", arg[0], n);
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		err = fd < 0 ? errno : 0;
		if (fd >= 0)
			(void)close(fd);
	}
	while (n-- > 0) {
		(void)snprintf(path, sizeof(path), "%s/act-%ld", arg[0], n);
		(void)unlink(path);
	}
	errno = err;
	return err ? -1 : 0;
}

static int act_open_by_handle(const char *const arg[])
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = {.h.handle_bytes = MAX_HANDLE_SZ};
	int mount, folder = open("/", O_RDONLY | O_DIRECTORY);

	if (folder < 0 || name_to_handle_at(AT_FDCWD, arg[0], &u.h, &mount, 0) < 0)
		return -1;
	return put(open_by_handle_at(folder, &u.h, O_WRONLY | O_APPEND));
}

/* What the recorder and the library share may change neither size nor seals. */
static int act_shrink_memfds(const char *const arg[])
{
	int shrunk = -1;

	(void)arg;
	errno = EBADF;
	for (int n = 3; n < 1024; n++)
		if (fcntl(n, F_GET_SEALS) >= 0 && ftruncate(n, 0) == 0)
			shrunk = 0;
	return shrunk;
}

static int act_reopen_memfds(const char *const arg[])
{
	struct stat st;
	int fd;

	(void)arg;
	for (int n = 3; n < 1024; n++) {
		if (fcntl(n, F_GET_SEALS) < 0)
			continue;
		fd = again(n, O_RDWR | O_TRUNC);
		if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size == 0)
			return 0;
	}
	errno = EPERM;
	return -1;
}

/* Any fd above 2, but for memory that is shared on purpose, is the recorder's or the caller's. */
static int act_foreign_fds(const char *const arg[])
{
	(void)arg;
	for (int n = 3; n < 4096; n++)
		if (fcntl(n, F_GETFD) >= 0 && fcntl(n, F_GET_SEALS) < 0)
			return 0;
	errno = EBADF;
	return -1;
}

/* Rubbish over all that is shared with the recorder. */
static int act_scribble(const char *const arg[])
{
	int done = -1;

	(void)arg;
	for (int n = 3; n < 1024; n++) {
		struct stat st;
		unsigned char *p;

		if (fcntl(n, F_GET_SEALS) < 0 || fstat(n, &st) < 0 || st.st_size == 0)
			continue;
		p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, n, 0);
		if (p == MAP_FAILED)
			continue;
		for (size_t i = 0; i < (size_t)st.st_size; i += 7)
			p[i] = (unsigned char)(i * 31 + 0x5a);
		done = 0;
	}
	errno = EBADF;
	return done;
}

const struct act acts_files[] = {
	{"read", act_read},
	{"read-through-root", act_read_through_root},
	{"write", act_write},
	{"open-write", act_open_write},
	{"open-both", act_open_both},
	{"create", act_create},
	{"open-truncate", act_open_truncate},
	{"truncate", act_truncate},
	{"write-through-root", act_write_through_root},
	{"write-through-link", act_write_through_link},
	{"write-through-hard-link", act_write_through_hard_link},
	{"write-path-only", act_write_path_only},
	{"write-read-only", act_write_read_only},
	{"write-stdin", act_write_stdin},
	{"truncate-stdin", act_truncate_stdin},
	{"set-user-id-stdin", act_set_user_id_stdin},
	{"map-stdin", act_map_stdin},
	{"inherited-folder", act_inherited_folder},
	{"chmod", act_chmod},
	{"chown", act_chown},
	{"utimes", act_utimes},
	{"setxattr", act_setxattr},
	{"unlink", act_unlink},
	{"rename", act_rename},
	{"rename-over", act_rename_over},
	{"mkdir", act_mkdir},
	{"symlink", act_symlink},
	{"mkfifo", act_mkfifo},
	{"mknod-device", act_mknod_device},
	{"set-user-id", act_set_user_id},
	{"fill", act_fill},
	{"fill-with-names", act_fill_with_names},
	{"open-by-handle", act_open_by_handle},
	{"shrink-memfds", act_shrink_memfds},
	{"reopen-memfds", act_reopen_memfds},
	{"foreign-fds", act_foreign_fds},
	{"scribble", act_scribble},
	{0},
};
