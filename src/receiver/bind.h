/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that guests connect to, bound before they boot. */
#ifndef TT_RECEIVER_BIND_H
#define TT_RECEIVER_BIND_H

#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "util/err.h"

/* A unix socket that listens. All zero but for fd -1: none. */
struct receiver_bound {
	int fd;
	dev_t dev; /* of the name it made */
	ino_t ino;
	char path[108];
};

/*
 * receiver_bind - listen on "@base_@port", which only our user can open
 * A socket of that name on which nobody listens any more is replaced; anything else is left alone:
 * -EADDRINUSE.
 */
int receiver_bind(struct receiver_bound *ret, const char *base, unsigned port,
		  struct tt_err *err) TT_MUST_CHECK;

/* receiver_unbind - close it, and take its name away if that still is its own */
void receiver_unbind(struct receiver_bound *b);

/* receiver_bind_vsock - listen on that port of AF_VSOCK; the fd or -errno */
int receiver_bind_vsock(unsigned port, struct tt_err *err) TT_MUST_CHECK;

/* receiver_accept - the fd, or -errno; *ret_cid: of an AF_VSOCK peer */
int receiver_accept(int listener, uint32_t *ret_cid) TT_MUST_CHECK;

#endif
