/* SPDX-License-Identifier: Apache-2.0 */
/* The exit channel: how the command ended, told to the host. */
#ifndef TT_INIT_EXIT_H
#define TT_INIT_EXIT_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/endpoint.h"

/*
 * init_exit_send - 4 bytes, little-endian, on a connection of their own
 * Waits for half a second until the other side has ended it, and until the bytes are gone. Tries
 * again for 5 seconds where nobody listens or nobody reads: then they may come twice. 0, or -errno
 * of the last try.
 */
int init_exit_send(const struct tt_endpoint *to, uint32_t code) TT_MUST_CHECK;

#endif
