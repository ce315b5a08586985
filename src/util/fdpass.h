/* SPDX-License-Identifier: Apache-2.0 */
/* An fd that goes with a message over a unix socket: SCM_RIGHTS of unix(7). */
#ifndef TT_UTIL_FDPASS_H
#define TT_UTIL_FDPASS_H

#include <stddef.h>

#include "base/compiler.h"

/*
 * tt_fd_send - send @len bytes, one at least, and a copy of @fd, which stays the caller's
 * @flags: of sendmsg(2); MSG_NOSIGNAL is added
 * Returns 0 or -errno. Never sends less than all on a socket that keeps messages. Thread- and
 * signal-safe.
 */
int tt_fd_send(int sock, int fd, const void *data, size_t len, int flags) TT_MUST_CHECK;

/*
 * tt_fd_recv - receive a message of at most @len bytes and the fd that came with it
 * @flags: of recvmsg(2); the fd is close-on-exec
 * @ret_fd: the caller's from here on; -1 if there was none, and on failure
 * Returns the bytes received, 0 at the end, or -errno. A message with more than one fd gives none.
 * Thread- and signal-safe.
 */
long tt_fd_recv(int sock, void *data, size_t len, int flags, int *ret_fd) TT_MUST_CHECK;

#endif
