/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a stream socket leads, as text: vsock:CID:PORT (vsock(7)) or unix:PATH (unix(7)).
 * No allocation; signal- and thread-safe.
 */
#ifndef TT_BASE_ENDPOINT_H
#define TT_BASE_ENDPOINT_H

#include <sys/socket.h>

#include "base/compiler.h"

#define TT_ENDPOINT_FORMS "vsock:CID:PORT or unix:PATH"

struct tt_endpoint {
	struct sockaddr_storage addr; /* ss_family: AF_VSOCK or AF_UNIX */
	socklen_t len;
};

/*
 * tt_endpoint_parse - 0; -EINVAL for what has neither form, -ENAMETOOLONG for a path that no socket
 * can have
 * CID and PORT are decimal and fit 32 bits. A unix path that begins with '@' is abstract.
 */
int tt_endpoint_parse(const char *text, struct tt_endpoint *ret) TT_MUST_CHECK;

/*
 * tt_endpoint_connect - a socket that is connected to it, or about to be: CLOEXEC, non-blocking
 * Returns the fd; *ret_pending: EINPROGRESS, wait for EPOLLOUT. Or -errno.
 */
int tt_endpoint_connect(const struct tt_endpoint *e, int *ret_pending) TT_MUST_CHECK;

#endif
