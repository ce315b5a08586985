/* SPDX-License-Identifier: Apache-2.0 */
/* A name that is there already belongs to somebody, unless connecting to it says that nobody listens. */
#include "receiver/bind.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* <linux/vm_sockets.h> needs types of the kernel's own headers */
#include <linux/vm_sockets.h>

#define BACKLOG 8

/* 0: nothing of that name is there any more. */
static int clear_name(const struct sockaddr_un *addr, struct tt_err *err)
{
	TT_CLEANUP(tt_closep) int probe = -1;
	struct stat st;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : tt_fail(err, errno, "look at '%s'", addr->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return tt_fail_text(err, EADDRINUSE, "'%s' is there, and is no socket",
				    addr->sun_path);
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return tt_fail(err, errno, "make a socket");
	if (connect(probe, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ||
	    errno != ECONNREFUSED)
		return tt_fail_text(err, EADDRINUSE, "somebody listens on '%s'", addr->sun_path);
	if (unlink(addr->sun_path) < 0)
		return tt_fail(err, errno, "remove the stale socket '%s'", addr->sun_path);
	return 0;
}

int receiver_bind(struct receiver_bound *ret, const char *base, unsigned port, struct tt_err *err)
{
	struct receiver_bound b = {.fd = -1};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	TT_CLEANUP(tt_closep) int fd = -1;
	struct stat st;
	mode_t before;
	int n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s_%u", base, port), r;

	if (n < 0 || (size_t)n >= sizeof(addr.sun_path))
		return tt_fail_text(err, ENAMETOOLONG, "'%.60s...': no socket has so long a name",
				    base);
	r = clear_name(&addr, err);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return tt_fail(err, errno, "make a socket");
	before = umask(0177); /* nobody else's from its first moment on */
	r = bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	(void)umask(before);
	if (r < 0)
		return tt_fail(err, -r, "bind '%s'", addr.sun_path);
	if (lstat(addr.sun_path, &st) < 0 || listen(fd, BACKLOG) < 0) {
		r = tt_fail(err, errno, "listen on '%s'", addr.sun_path);
		(void)unlink(addr.sun_path);
		return r;
	}
	b.dev = st.st_dev;
	b.ino = st.st_ino;
	memcpy(b.path, addr.sun_path, sizeof(b.path));
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
