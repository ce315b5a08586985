/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities: what a launch has, and what init and the command go on with.
 *
 * The command keeps what the policy names, as ambient ones: under no_new_privs exec gives nothing
 * to nobody, not even to uid 0, so these alone survive it. The bounding set holds no more.
 *
 * Init keeps one capability that the command has not, CAP_KILL if it can: by the rules of ptrace(2)
 * that alone closes /proc/PID of init to the command, while the caller, outside, can go on reading
 * init's figures (which PR_SET_DUMPABLE would have hidden).
 */
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "sandbox/sandbox_internal.h"

int sandbox_caps_read(uint64_t *ret)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	*ret = (uint64_t)data[1].effective << 32 | data[0].effective;
	return 0;
}

static int set_caps(uint64_t caps, bool inheritable)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].effective = data[i].permitted = (uint32_t)(caps >> 32 * i);
		data[i].inheritable = inheritable ? data[i].effective : 0;
	}
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

int sandbox_caps_raise(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted;
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* CAP_SETPCAP is missing only where the policy asks for nothing that needs it: see plan.c. */
int sandbox_caps_bound(const struct sandbox_plan *plan)
{
	uint64_t have;
	int r = sandbox_caps_read(&have);

	if (r < 0 || plan->caps.all)
		return r;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	if (!(have & 1ULL << CAP_SETPCAP))
		return 0;
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (plan->caps.command & 1ULL << cap)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return errno == EINVAL ? 0 : -errno; /* EINVAL: past the last one */
	}
	return 0;
}

int sandbox_caps_of_init(const struct sandbox_plan *plan)
{
	uint64_t have;
	int r = sandbox_caps_read(&have);

	return r < 0 ? r : set_caps(plan->caps.init & have, false);
}

int sandbox_caps_of_command(const struct sandbox_plan *plan)
{
	int r;

	if (plan->caps.all)
		return 0;
	r = set_caps(plan->caps.command, true);
	for (unsigned long cap = 0; r == 0 && cap < 64; cap++)
		if (plan->caps.command & 1ULL << cap &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			r = -errno;
	return r;
}
