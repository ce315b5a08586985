/* SPDX-License-Identifier: Apache-2.0 */
/* Names and texts of the values that events carry. Signal-safe; see event.h. */
#ifndef TT_EVENT_TEXT_H
#define TT_EVENT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/out.h"

/* event_errno_name - "ENOENT", or NULL for a number Linux does not define */
const char *event_errno_name(int num);

/* event_signal_name - "SIGKILL", or NULL */
const char *event_signal_name(int num);

/* Symbolic flags joined by '|', unknown bits in hex at the end, "0" for none. */
void event_put_open_flags(struct tt_out *o, int64_t flags);
void event_put_at_flags(struct tt_out *o, int64_t flags, int is_unlink);
void event_put_rename_flags(struct tt_out *o, int64_t flags);
void event_put_accept_flags(struct tt_out *o, int64_t flags);

/*
 * event_put_addr - "192.0.2.1:9", "[::1]:80", "unix:/path", "unix:@name", "family:16"
 * @sa: @len bytes of a socket address, any alignment, any content
 * The text is raw: a unix path may hold any byte. Nothing is written for a length of 0.
 */
void event_put_addr(struct tt_out *o, const void *sa, size_t len);

#endif
