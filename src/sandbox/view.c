/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sandboxed command sees of the file system.
 *
 *	/            the caller's root and all mounts below it: read-only, nosuid, nodev, private
 *	/dev         tmpfs, read-only: null zero full random urandom tty, the caller's terminal
 *	/dev/shm  /tmp  /var/tmp     tmpfs each, empty, limited in size
 *	/proc        of the new PID namespace, read-only
 *	exposed      files that lie below one of these, bound to where they were
 *
 * There is no pivot_root(2): the namespace is our own copy, every mount in it is changed where it
 * is, and so nothing writable is left behind to pivot away from. This also works on the rootfs of
 * an initramfs, which cannot be pivoted, and spares the detached umount its RCU waits.
 */
#include "sandbox/sandbox_internal.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define PRIVATE_FLAGS (MS_NOSUID | MS_NODEV)

static void restrict_mounts(const struct sandbox_plan *plan, int dirfd, const char *path,
			    unsigned int flags, struct mount_attr attr, enum sandbox_step step,
			    int index)
{
	if (mount_setattr(dirfd, path, flags, &attr, sizeof(attr)) < 0)
		sandbox_child_fail(plan, step, errno, index);
}

/* Mounts of single files, taken while everything is still visible and devices still work. */
static void take_binds(const struct sandbox_plan *plan)
{
	for (size_t i = 0; i < plan->bind_count; i++) {
		struct sandbox_bind *b = &plan->binds[i];

		b->fd = open_tree(AT_FDCWD, b->from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (b->fd < 0 && !(b->dev && (errno == ENOENT || errno == ENOTDIR)))
			sandbox_child_fail(plan,
					   b->dev ? SANDBOX_STEP_CLONE_DEV : SANDBOX_STEP_EXPOSE,
					   errno, (int)i);
	}
}

/* mkdir -p of the folders above @path, then an empty file: something to mount on. */
static int make_mount_point(const char *path)
{
	static char buf[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(buf))
		return -ENAMETOOLONG;
	memcpy(buf, path, len + 1);
	for (char *p = strchr(buf + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		/* EROFS comes before EEXIST on a read-only file system: the last step tells */
		if (mkdir(buf, 0755) < 0 && errno != EEXIST && errno != EROFS)
			return -errno;
		*p = '/';
	}
	if (mknod(path, S_IFREG | 0644, 0) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

static int place(const struct sandbox_bind *b)
{
	int r = make_mount_point(b->to);

	if (r < 0)
		return r;
	return move_mount(b->fd, "", AT_FDCWD, b->to, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

static void mount_dev(const struct sandbox_plan *plan)
{
	const struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
	};
	static const char *const links[][2] = {
		{"/proc/self/fd", "/dev/fd"},
		{"/proc/self/fd/0", "/dev/stdin"},
		{"/proc/self/fd/1", "/dev/stdout"},
		{"/proc/self/fd/2", "/dev/stderr"},
	};
	int r;

	if (mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k") < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_DEV, errno, 0);
	for (size_t i = 0; i < plan->bind_count && plan->binds[i].dev; i++) {
		r = plan->binds[i].fd < 0 ? 0 : place(&plan->binds[i]);
		if (r < 0)
			sandbox_child_fail(plan, SANDBOX_STEP_DEV, -r, (int)i);
	}
	for (size_t i = 0; i < TT_ARRAY_SIZE(links); i++)
		if (symlink(links[i][0], links[i][1]) < 0)
			sandbox_child_fail(plan, SANDBOX_STEP_DEV, errno, 0);
	if (mkdir("/dev/shm", 0755) < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_DEV, errno, 0);
	restrict_mounts(plan, AT_FDCWD, "/dev", AT_RECURSIVE, attr, SANDBOX_STEP_DEV, 0);
}

/* A folder that does not exist hides nothing; the command goes without. */
static void mount_tmp(const struct sandbox_plan *plan, const char *path, const char *options,
		      enum sandbox_step step)
{
	if (mount("tmpfs", path, "tmpfs", PRIVATE_FLAGS, options) < 0 && errno != ENOENT)
		sandbox_child_fail(plan, step, errno, 0);
}

static void place_exposed(const struct sandbox_plan *plan)
{
	const struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	};
	struct stat want, now;
	int r;

	for (size_t i = 0; i < plan->bind_count; i++) {
		const struct sandbox_bind *b = &plan->binds[i];

		if (b->dev)
			continue;
		if (fstat(b->fd, &want) < 0)
			sandbox_child_fail(plan, SANDBOX_STEP_EXPOSE, errno, (int)i);
		if (stat(b->from, &now) == 0 && now.st_dev == want.st_dev &&
		    now.st_ino == want.st_ino)
			continue;
		restrict_mounts(plan, b->fd, "", AT_EMPTY_PATH, attr, SANDBOX_STEP_EXPOSE, (int)i);
		r = place(b);
		if (r < 0)
			sandbox_child_fail(plan, SANDBOX_STEP_EXPOSE, -r, (int)i);
		if (stat(b->from, &now) < 0)
			sandbox_child_fail(plan, SANDBOX_STEP_EXPOSE, errno, (int)i);
	}
}

void sandbox_view_enter(const struct sandbox_plan *plan)
{
	const struct policy *p = plan->spec->policy;
	/*
	 * Private, not slave: what the host mounts later would come in writable. nodev: the file
	 * modes of device nodes know nothing of read-only mounts.
	 */
	struct mount_attr attr = {.propagation = MS_PRIVATE};
	mode_t mask = umask(0);

	if (p->read_only_root)
		attr.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	take_binds(plan);
	restrict_mounts(plan, AT_FDCWD, "/", AT_RECURSIVE, attr, SANDBOX_STEP_READ_ONLY, 0);
	if (p->read_only_root)
		mount_dev(plan);
	if (p->private_tmp) {
		mount_tmp(plan, "/dev/shm", plan->tmp_options, SANDBOX_STEP_SHM);
		mount_tmp(plan, "/tmp", plan->tmp_options, SANDBOX_STEP_TMP);
		mount_tmp(plan, "/var/tmp", plan->tmp_options, SANDBOX_STEP_VAR_TMP);
	}
	(void)umask(022);
	place_exposed(plan);
	(void)umask(mask);
	/*
	 * Read-only, or uid 0 could still write /proc/sys, which asks for the owner and not for a
	 * capability.
	 */
	if (p->private_proc &&
	    mount("proc", "/proc", "proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_PROC, errno, 0);
	/* By name and not by inode: the present folder may be one that a private tmpfs hides. */
	if ((!plan->cwd || chdir(plan->cwd) < 0) && chdir("/") < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_CWD, errno, 0);
}
