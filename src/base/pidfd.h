/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pidfd tells (ioctl_pidfs(2), linux/pidfd.h): since Linux 6.13, the exit code since 6.15.
 * Debian 12's headers have neither.
 */
#ifndef TT_BASE_PIDFD_H
#define TT_BASE_PIDFD_H

#include <stdint.h>
#include <sys/ioctl.h>

struct tt_pidfd_info {
	uint64_t mask; /* asked for, and on return what was found */
	uint64_t cgroup_id;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};
_Static_assert(sizeof(struct tt_pidfd_info) == 64, "PIDFD_INFO_SIZE_VER0");

#define TT_PIDFD_GET_INFO  _IOWR(0xFF, 11, struct tt_pidfd_info)
#define TT_PIDFD_INFO_PID  (1ull << 0)
#define TT_PIDFD_INFO_EXIT (1ull << 3)

#endif
