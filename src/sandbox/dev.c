/* SPDX-License-Identifier: Apache-2.0 */
/* A small /dev: a few harmless nodes, the caller's terminal, and shm. */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "sandbox/sandbox_internal.h"

static const char *const links[][2] = {
	{"/proc/self/fd", "/dev/fd"},
	{"/proc/self/fd/0", "/dev/stdin"},
	{"/proc/self/fd/1", "/dev/stdout"},
	{"/proc/self/fd/2", "/dev/stderr"},
};

static int fill(const struct sandbox_plan *plan)
{
	int r;

	for (size_t i = 0; i < plan->bind_count && plan->binds[i].dev; i++) {
		const struct sandbox_bind *b = &plan->binds[i];

		r = b->fd < 0 ? 0 : sandbox_place(b->fd, b->to, true, false);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < TT_ARRAY_SIZE(links); i++)
		if (symlink(links[i][0], links[i][1]) < 0)
			return -errno;
	return mkdir("/dev/shm", 0755) < 0 ? -errno : 0;
}

int sandbox_mount_dev(const struct sandbox_plan *plan, const struct sandbox_mount *m)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
	};
	int r;

	if (m->make && mkdir(m->to, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (mount("tmpfs", m->to, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k") < 0)
		return -errno;
	r = fill(plan);
	if (r == 0 && mount_setattr(AT_FDCWD, m->to, AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		r = -errno;
	if (r == 0 && mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, m->options) < 0)
		r = -errno;
	return r;
}
