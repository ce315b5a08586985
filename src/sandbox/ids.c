/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the command is: the maps of a user namespace, and the change of user and groups.
 *
 * Without maps in the policy the namespace knows the caller alone, under the id that the policy
 * gives him: the child is that one as soon as the map is written. With maps of several ids he need
 * not be among them: then init becomes the policy's user before it builds anything, since who is
 * not mapped makes no files. Without a user namespace only the command changes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "sandbox/sandbox_internal.h"

#define MAP_BYTES_MAX 4096 /* of the kernel: one write, less than a page */

/* Of one's own group alone, which needs no privilege, but that groups can never be left. */
static bool is_own_group(const struct policy *p)
{
	return !p->gid_map_count || (p->gid_map_count == 1 && p->gid_map[0].count == 1 &&
				     p->gid_map[0].outside == getegid());
}

static uint32_t first_id(const struct policy_id_map *map, size_t n, int64_t asked, uint32_t own)
{
	if (asked >= 0)
		return (uint32_t)asked;
	for (size_t i = 0; i < n; i++)
		if (own >= map[i].outside && own - map[i].outside < map[i].count)
			return map[i].inside + (own - map[i].outside);
	return map[0].inside;
}

void sandbox_plan_ids(struct sandbox_plan *plan)
{
	const struct policy *p = plan->spec->policy;

	plan->uid = (uid_t)-1;
	plan->gid = (gid_t)-1;
	plan->switch_ids = plan->drop_groups = false;
	if (plan->namespaces & POLICY_NS_USER) {
		if (!p->uid_map_count && !p->gid_map_count)
			return;
		plan->switch_ids = true;
		if (p->uid_map_count)
			plan->uid = first_id(p->uid_map, p->uid_map_count, p->uid, geteuid());
		if (p->gid_map_count)
			plan->gid = first_id(p->gid_map, p->gid_map_count, p->gid, getegid());
		plan->drop_groups = !is_own_group(p);
		return;
	}
	if (p->uid >= 0)
		plan->uid = (uid_t)p->uid;
	if (p->gid >= 0)
		plan->gid = (gid_t)p->gid;
	plan->drop_groups = p->uid >= 0 || p->gid >= 0;
}

static int write_file(pid_t pid, const char *name, const char *text, const char *hint,
		      struct tt_err *err)
{
	TT_CLEANUP(tt_closep) int fd = -1;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return tt_fail(err, errno, "write '%s'%s", path, hint);
	return 0;
}

static int write_map(pid_t pid, const char *name, const struct policy_id_map *map, size_t n,
		     struct tt_err *err)
{
	bool alone = n == 1 && map[0].count == 1;
	char text[MAP_BYTES_MAX] = "";
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		int more = snprintf(text + used, sizeof(text) - used, "%u %u %u\n", map[i].inside,
				    map[i].outside, map[i].count);

		if (more < 0 || (size_t)more >= sizeof(text) - used)
			return tt_fail(err, E2BIG, "write '/proc/%d/%s'", (int)pid, name);
		used += (size_t)more;
	}
	return write_file(
		pid, name, text,
		alone ? "" : " (ids that are not one's own need CAP_SETUID and CAP_SETGID)", err);
}

/* The caller writes them, so that init's own figures stay clean. */
int sandbox_write_maps(const struct sandbox_plan *plan, pid_t pid, struct tt_err *err)
{
	const struct policy *p = plan->spec->policy;
	struct policy_id_map uid = {p->uid < 0 ? geteuid() : (uint32_t)p->uid, geteuid(), 1};
	struct policy_id_map gid = {p->gid < 0 ? getegid() : (uint32_t)p->gid, getegid(), 1};
	int r = p->uid_map_count ? write_map(pid, "uid_map", p->uid_map, p->uid_map_count, err)
				 : write_map(pid, "uid_map", &uid, 1, err);

	/*
	 * Must come before gid_map: who can leave his groups can pass a file that is closed to
	 * them. With a map of several he leaves them all: see sandbox_switch_ids().
	 */
	if (r == 0 && is_own_group(p))
		r = write_file(pid, "setgroups", "deny", "", err);
	if (r == 0)
		r = p->gid_map_count ? write_map(pid, "gid_map", p->gid_map, p->gid_map_count, err)
				     : write_map(pid, "gid_map", &gid, 1, err);
	return r;
}

/* The calls themselves: glibc's would first signal threads that are not there. */
int sandbox_switch_ids(const struct sandbox_plan *plan)
{
	const long gid = plan->gid == (gid_t)-1 ? -1L : (long)plan->gid;
	const long uid = plan->uid == (uid_t)-1 ? -1L : (long)plan->uid;

	/* capabilities outlive the change; what of them is kept is caps.c's */
	if (uid != -1 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -errno;
	if (plan->drop_groups && syscall(SYS_setgroups, 0, NULL) < 0)
		return -errno;
	if (gid != -1 && syscall(SYS_setresgid, gid, gid, gid) < 0)
		return -errno;
	if (uid != -1 && syscall(SYS_setresuid, uid, uid, uid) < 0)
		return -errno;
	return uid != -1 ? sandbox_caps_raise() : 0;
}
