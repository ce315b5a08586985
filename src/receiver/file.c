/* SPDX-License-Identifier: Apache-2.0 */
/* Output files: append, hold, replace. */
#include "receiver/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int receiver_file_open(struct receiver_file *ret, int folder, const char *name, struct tt_err *err)
{
	TT_CLEANUP(tt_closep)
	int fd = openat(folder, name,
			O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return tt_fail(err, errno, "open '%s'", name);
	if (!S_ISREG(st.st_mode))
		return tt_fail_text(err, EINVAL, "'%s' is no regular file", name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return tt_fail_text(err, EBUSY, "'%s' is written by another receiver", name);
	*ret = (struct receiver_file){.fd = tt_take_fd(&fd)};
	return 0;
}

int receiver_file_end_line(struct receiver_file *f)
{
	struct stat st;
	char last = '\n';

	if (fstat(f->fd, &st) < 0 || (st.st_size > 0 && pread(f->fd, &last, 1, st.st_size - 1) < 0))
		return -errno;
	return last == '\n' || write(f->fd, "\n", 1) == 1 ? 0 : -errno;
}

/* How much of it was written. */
static size_t write_some(struct receiver_file *f, const char *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = write(f->fd, text + at, len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			f->error = n < 0 ? errno : EIO;
			f->failures++;
			break;
		}
		at += (size_t)n;
	}
	return at;
}

static void hold(struct receiver_file *f, const char *text, size_t len)
{
	char *grown = realloc(f->held, f->held_len + len);

	if (!grown) {
		for (size_t i = 0; i < len; i++)
			f->lost += text[i] == '\n';
		return;
	}
	memcpy(grown + f->held_len, text, len);
	f->held = grown;
	f->held_len += len;
}

bool receiver_file_put(struct receiver_file *f, const char *text, size_t len)
{
	size_t n = 0;

	if (f->fd < 0 || !len)
		return true;
	if (!f->held_len)
		n = write_some(f, text, len);
	if (n < len)
		hold(f, text + n, len - n);
	return !f->held_len;
}

bool receiver_file_retry(struct receiver_file *f)
{
	size_t n;

	if (!f->held_len)
		return true;
	n = write_some(f, f->held, f->held_len);
	f->held_len -= n;
	memmove(f->held, f->held + n, f->held_len);
	if (f->held_len)
		return false;
	free(f->held);
	f->held = NULL;
	return true;
}

void receiver_file_close(struct receiver_file *f)
{
	if (f->fd < 0)
		return;
	if (!receiver_file_retry(f))
		for (size_t i = 0; i < f->held_len; i++)
			f->lost += f->held[i] == '\n';
	free(f->held);
	f->held = NULL;
	f->held_len = 0;
	tt_closep(&f->fd);
	f->fd = -1;
}

int receiver_folder_open(const char *path, struct tt_err *err)
{
	char part[PATH_MAX];
	int fd;

	if (strlen(path) >= sizeof(part))
		return tt_fail(err, ENAMETOOLONG, "make folder '%.80s...'", path);
	strcpy(part, path);
	for (char *p = strchr(part + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return tt_fail(err, errno, "make folder '%s'", part);
		*p = '/';
	}
	if (mkdir(part, 0700) < 0 && errno != EEXIST)
		return tt_fail(err, errno, "make folder '%s'", part);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? tt_fail(err, errno, "open folder '%s'", path) : fd;
}

int receiver_file_replace(int folder, const char *name, const char *text, size_t len,
			  struct tt_err *err)
{
	char tmp[NAME_MAX + 1];
	struct receiver_file f = {0};
	size_t n;

	(void)snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	(void)unlinkat(folder, tmp, 0);
	f.fd = openat(folder, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f.fd < 0)
		return tt_fail(err, errno, "create '%s'", tmp);
	n = write_some(&f, text, len);
	(void)close(f.fd);
	if (n == len && renameat(folder, tmp, folder, name) == 0)
		return 0;
	n = n == len ? (size_t)errno : (size_t)f.error;
	(void)unlinkat(folder, tmp, 0);
	return tt_fail(err, (int)n, "write '%s'", name);
}
