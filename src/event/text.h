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

/* event_put_file_flags - of mount, umount2, unshare, memfd_create: by the letter of calls.def */
void event_put_file_flags(struct tt_out *o, char letter, int64_t flags);

/* event_put_owner - a uid or gid; -1, which stands for "leave it", as such */
void event_put_owner(struct tt_out *o, int64_t id);

/* event_put_device - "8:1" */
void event_put_device(struct tt_out *o, uint64_t dev);

/* event_put_typed_mode - "S_IFIFO|0600" */
void event_put_typed_mode(struct tt_out *o, uint64_t mode);

/*
 * event_put_times - "1756907714.921517011, UTIME_NOW": access, then modification
 * @two: two struct timespec, or struct timeval, any alignment; what is shorter is said to be
 */
void event_put_times(struct tt_out *o, const void *two, size_t len, int is_timespec);
void event_put_accept_flags(struct tt_out *o, int64_t flags);
void event_put_msg_flags(struct tt_out *o, int64_t flags);
void event_put_dlopen_flags(struct tt_out *o, int64_t flags);
void event_put_clone_flags(struct tt_out *o, int64_t flags);

/* One of a set, by name; the number where it has none. */
void event_put_signal(struct tt_out *o, int64_t num);
void event_put_domain(struct tt_out *o, int64_t num);
void event_put_socket_type(struct tt_out *o, int64_t num);
void event_put_protocol(struct tt_out *o, int64_t domain, int64_t num);
void event_put_shutdown(struct tt_out *o, int64_t num);
void event_put_ptrace(struct tt_out *o, int64_t num);

/* event_put_fcntl_command - "F_DUPFD", or its number */
void event_put_fcntl_command(struct tt_out *o, int64_t command);

/*
 * event_put_addr - "192.0.2.1:9", "[::1]:80", "unix:/path", "unix:@name", "family:16"
 * @sa: @len bytes of a socket address, any alignment, any content
 * The text is raw: a unix path may hold any byte. Nothing is written for a length of 0.
 */
void event_put_addr(struct tt_out *o, const void *sa, size_t len);

#endif
