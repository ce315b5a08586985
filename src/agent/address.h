/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket addresses that a workload named, as text. Pure; no stdio, which inet_ntop() would bring.
 */
#ifndef TT_AGENT_ADDRESS_H
#define TT_AGENT_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "wire/frame.h"

#define AGENT_ADDRESS_MAX 128

/*
 * agent_address_put - addr and port of a frame, from the @len bytes of a struct sockaddr
 * @buf: of AGENT_ADDRESS_MAX bytes; the frame borrows it
 * Returns false for what is neither inet, inet6 nor unix, or too short for what it says it is.
 */
bool agent_address_put(struct wire_frame *f, char *buf, const void *addr, size_t len) TT_MUST_CHECK;

#endif
