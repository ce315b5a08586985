/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name that is there already belongs to somebody, unless connecting to it says that nobody
 * listens.
 */
#include "receiver/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* <linux/vm_sockets.h> needs types of the kernel's own headers */
#include <linux/vm_sockets.h>

#define BACKLOG 8

/* What of that name may be replaced; st_ino 0: there is nothing. */
static int find_stale(const char *path, struct stat *ret, struct tt_err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	TT_CLEANUP(tt_closep) int probe = -1;

	memset(ret, 0, sizeof(*ret));
	if (lstat(path, ret) < 0)
		return errno == ENOENT ? 0 : tt_fail(err, errno, "look at '%s'", path);
	if (!S_ISSOCK(ret->st_mode))
		return tt_fail_text(err, EADDRINUSE, "'%s' is there, and is no socket", path);
	strcpy(addr.sun_path, path);
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return tt_fail(err, errno, "make a socket");
	if (connect(probe, (const struct sockaddr *)&addr, sizeof(addr)) == 0 ||
	    errno != ECONNREFUSED)
		return tt_fail_text(err, EADDRINUSE, "somebody listens on '%s'", path);
	return 0;
}

/*
 * The name appears when somebody listens there already: until then another receiver could take it
 * for a stale one. What has the name meanwhile is not replaced, unless it is what was found to be
 * stale.
 */
static int give_name(const char *from, const char *name, const struct stat *stale,
		     struct tt_err *err)
{
	struct stat st;

	if (!stale->st_ino) {
		if (renameat2(AT_FDCWD, from, AT_FDCWD, name, RENAME_NOREPLACE) == 0)
			return 0;
		return errno == EEXIST ? tt_fail_text(err, EADDRINUSE, "'%s' was just made", name)
				       : tt_fail(err, errno, "rename '%s'", from);
	}
	if (renameat2(AT_FDCWD, from, AT_FDCWD, name, RENAME_EXCHANGE) < 0)
		return tt_fail(err, errno, "replace the stale socket '%s'", name);
	if (lstat(from, &st) == 0 && st.st_ino == stale->st_ino && st.st_dev == stale->st_dev) {
		(void)unlink(from);
		return 0;
	}
	(void)renameat2(AT_FDCWD, from, AT_FDCWD, name, RENAME_EXCHANGE);
	return tt_fail_text(err, EADDRINUSE, "'%s' was just made", name);
}

/* A socket that listens under the name @path. */
static int listen_on(const char *path, struct stat *ret_st, struct tt_err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	TT_CLEANUP(tt_closep) int fd = -1;
	mode_t before;
	int r;

	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return tt_fail(err, errno, "make a socket");
	before = umask(0177); /* nobody else's from its first moment on */
	r = bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	(void)umask(before);
	if (r < 0)
		return tt_fail(err, -r, "bind '%s'", path);
	if (lstat(path, ret_st) < 0 || listen(fd, BACKLOG) < 0) {
		r = tt_fail(err, errno, "listen on '%s'", path);
		(void)unlink(path);
		return r;
	}
	return tt_take_fd(&fd);
}

int receiver_bind(struct receiver_bound *ret, const char *base, unsigned port, struct tt_err *err)
{
	struct receiver_bound b = {.fd = -1};
	char first[sizeof(b.path)];
	TT_CLEANUP(tt_closep) int fd = -1;
	struct stat st, stale;
	int n = snprintf(first, sizeof(first), "%s_%u.%x", base, port, (unsigned)getpid()), r;

	if (n < 0 || (size_t)n >= sizeof(first))
		return tt_fail_text(err, ENAMETOOLONG, "'%.60s...': no socket has so long a name",
				    base);
	(void)snprintf(b.path, sizeof(b.path), "%s_%u", base, port);
	r = find_stale(b.path, &stale, err);
	if (r < 0)
		return r;
	fd = listen_on(first, &st, err);
	if (fd < 0)
		return fd;
	r = give_name(first, b.path, &stale, err);
	if (r < 0) {
		(void)unlink(first);
		return r;
	}
	b.dev = st.st_dev;
	b.ino = st.st_ino;
	b.fd = tt_take_fd(&fd);
	*ret = b;
	return 0;
}

void receiver_unbind(struct receiver_bound *b)
{
	struct stat st;

	if (b->fd < 0)
		return;
	if (lstat(b->path, &st) == 0 && st.st_dev == b->dev && st.st_ino == b->ino)
		(void)unlink(b->path);
	tt_closep(&b->fd);
	b->fd = -1;
}

int receiver_bind_vsock(unsigned port, struct tt_err *err)
{
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK, .svm_port = port, .svm_cid = VMADDR_CID_ANY};
	TT_CLEANUP(tt_closep)
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return tt_fail(err, errno, "make an AF_VSOCK socket (vhost-vsock is needed)");
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 128) < 0)
		return tt_fail(err, errno, "listen on AF_VSOCK port %u", port);
	return tt_take_fd(&fd);
}

int receiver_accept(int listener, uint32_t *ret_cid)
{
	struct sockaddr_storage addr = {0};
	socklen_t len = sizeof(addr);
	int fd;

	*ret_cid = 0;
	do
		fd = accept4(listener, (struct sockaddr *)&addr, &len,
			     SOCK_CLOEXEC | SOCK_NONBLOCK);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return -errno;
	if (addr.ss_family == AF_VSOCK)
		*ret_cid = ((const struct sockaddr_vm *)&addr)->svm_cid;
	return fd;
}
