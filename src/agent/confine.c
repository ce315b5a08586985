/* SPDX-License-Identifier: Apache-2.0 */
/* Users, capabilities and the few switches of a process, once and for all. */
#include "agent/confine.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "agent/say.h"

static uint64_t kept, for_connecting;

int agent_confine_oom(const char *proc)
{
	static const char never[] = "-1000";
	TT_CLEANUP(tt_closep) int fd = -1;
	char path[256];

	fd = open(agent_join(path, sizeof(path), proc, "/self/oom_score_adj", NULL),
		  O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, never, sizeof(never) - 1) < 0)
		return -errno;
	return 0;
}

static int set_caps(uint64_t effective, uint64_t permitted)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{(uint32_t)effective, (uint32_t)permitted, 0},
		{(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), 0},
	};

	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

void agent_confine_connecting(int is_connecting)
{
	/* if it fails, so does the connect, which says so */
	if (for_connecting)
		(void)set_caps(kept | (is_connecting ? for_connecting : 0), kept | for_connecting);
}

static int empty_bounding_set(void)
{
	/* up to the last that this kernel knows */
	for (unsigned long cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return errno == EINVAL && cap ? 0 : -errno;
	return 0;
}

static int change_user(uid_t uid, gid_t gid)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

int agent_confine(uid_t uid, gid_t gid, uint64_t keep, uint64_t connecting, const char **ret_why)
{
	int r;

	if (geteuid() == 0) {
		*ret_why = "emptying the bounding set";
		r = empty_bounding_set();
		if (r)
			return r;
		*ret_why = "changing to the agent's user";
		r = change_user(uid, gid);
		if (r)
			return r;
	} else {
		keep = connecting = 0;
	}
	*ret_why = "giving up capabilities";
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	r = set_caps(keep, keep | connecting);
	if (r)
		return r;
	kept = keep;
	for_connecting = connecting & ~keep;
	*ret_why = "setting no_new_privs";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	*ret_why = "forbidding to be traced";
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}
