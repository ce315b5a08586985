/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sandboxed command sees of the file system.
 *
 *	1. what will be shown is taken as detached mounts, while everything is still there
 *	2. the root: as it is; or read-only with all below it, nosuid, nodev; or an empty tmpfs
 *	3. the policy's mounts, in order
 *	4. exposed files that lie below one of these, bound to where they were; the records, closed
 *	   for writing where one of these opens them
 *	5. an empty root is closed for writing, and the old one let go: not before, or the kernel
 *	   would find no /proc that it could take as the measure for a new one
 *
 * Where the root is kept or read-only there is no pivot_root(2): the namespace is our own copy,
 * every mount in it is changed where it is, and so nothing writable is left behind to pivot away
 * from. This also works on the rootfs of an initramfs, which cannot be pivoted, and spares the
 * detached umount its RCU waits.
 *
 * Nothing is made in the caller's folders: a place to mount on is made in file systems of our own
 * alone, elsewhere it must be there.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sandbox/sandbox_internal.h"

#define PRIVATE_FLAGS (MS_NOSUID | MS_NODEV)

static int set_mount(int dirfd, const char *path, unsigned int flags, uint64_t attr_set,
		     uint64_t propagation)
{
	struct mount_attr attr = {.attr_set = attr_set, .propagation = propagation};

	return mount_setattr(dirfd, path, flags, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

static bool is_missing(int err)
{
	return err == ENOENT || err == ENOTDIR;
}

/* Mounts of single files, taken while everything is still visible and devices still work. */
static void take_binds(const struct sandbox_plan *plan)
{
	for (size_t i = 0; i < plan->bind_count; i++) {
		struct sandbox_bind *b = &plan->binds[i];

		b->fd = open_tree(AT_FDCWD, b->from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (b->fd < 0 && !(b->dev && is_missing(errno)))
			sandbox_child_fail(plan,
					   b->dev ? SANDBOX_STEP_CLONE_DEV : SANDBOX_STEP_EXPOSE,
					   errno, (int)i);
	}
}

/* What files are hidden with: see cover_file(). */
static void take_cover(struct sandbox_plan *plan, int index)
{
	int fd = open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int r = fd < 0 ? -errno
		       : set_mount(fd, "", AT_EMPTY_PATH,
				   MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
				   MS_PRIVATE);

	/* or files could be opened that the policy hides */
	if (r < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_MOUNT, -r, index);
	plan->cover_fd = fd;
}

/* The same of what the policy binds, with all that is mounted below it. */
static void take_mounts(struct sandbox_plan *plan)
{
	const struct policy *p = plan->spec->policy;

	plan->cover_fd = -1;
	for (size_t i = 0; i < p->mount_count; i++) {
		struct sandbox_mount *m = &plan->mounts[i];
		uint64_t attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
		int r = 0;

		if (p->mounts[i].kind == POLICY_MOUNT_HIDE && plan->cover_fd < 0)
			take_cover(plan, (int)i);
		if (!m->from)
			continue;
		if (p->mounts[i].kind == POLICY_MOUNT_READ)
			attr |= MOUNT_ATTR_RDONLY;
		m->fd = open_tree(AT_FDCWD, m->take,
				  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		if (m->fd < 0 && p->mounts[i].optional && is_missing(errno))
			continue;
		if (m->fd >= 0)
			r = set_mount(m->fd, "", AT_EMPTY_PATH | AT_RECURSIVE, attr, MS_PRIVATE);
		if (m->fd >= 0 && r == 0)
			continue;
		sandbox_child_lack(plan, SANDBOX_STEP_MOUNT, m->fd < 0 ? errno : -r, (int)i);
		tt_closep(&m->fd);
		m->fd = -1;
	}
}

static int make_empty(const char *path, bool folder)
{
	int r = folder ? mkdir(path, 0755) : mknod(path, S_IFREG | 0644, 0);

	return r < 0 && errno != EEXIST && errno != EROFS ? -errno : 0;
}

/* An empty file or folder, something to mount on; with the folders above it if they are missing. */
static int make_mount_point(const char *path, bool folder)
{
	static char buf[PATH_MAX];
	size_t len = strlen(path);
	int r = make_empty(path, folder);

	if (r != -ENOENT)
		return r;
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
	return make_empty(path, folder);
}

int sandbox_place(int fd, const char *to, bool make, bool folder)
{
	int r = make ? make_mount_point(to, folder) : 0;

	if (r < 0)
		return r;
	return move_mount(fd, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

static int place_bind(const struct sandbox_mount *m)
{
	struct stat st;

	if (fstat(m->fd, &st) < 0)
		return -errno;
	return sandbox_place(m->fd, m->to, m->make, S_ISDIR(st.st_mode));
}

static int mount_new(const struct sandbox_mount *m, const char *type, unsigned long flags,
		     const char *options)
{
	int r = m->make ? make_mount_point(m->to, true) : 0;

	if (r < 0)
		return r;
	return mount(type, m->to, type, flags, options) < 0 ? -errno : 0;
}

/*
 * A file is covered by a device node on a mount without devices: nobody opens that, whatever his
 * rights. @cover is moved there the first time, and copied from where it then lies.
 */
static int cover_file(int cover, bool *is_placed, const char *path)
{
	TT_CLEANUP(tt_closep) int copy = -1;
	int r;

	if (!*is_placed) {
		r = sandbox_place(cover, path, false, false);
		*is_placed = r == 0;
		return r;
	}
	copy = open_tree(cover, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return copy < 0 ? -errno : sandbox_place(copy, path, false, false);
}

static int hide(const struct sandbox_plan *plan, const struct sandbox_mount *m)
{
	static bool is_placed;
	struct stat st;

	if (stat(m->to, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return cover_file(plan->cover_fd, &is_placed, m->to);
	return mount_new(m, "tmpfs", PRIVATE_FLAGS | MS_NOEXEC | MS_RDONLY, "mode=0,size=4k");
}

static int mount_one(const struct sandbox_plan *plan, const struct sandbox_mount *m,
		     enum policy_mount_kind kind)
{
	switch (kind) {
	case POLICY_MOUNT_READ:
	case POLICY_MOUNT_WRITE:
		return m->fd < 0 ? 0 : place_bind(m);
	case POLICY_MOUNT_TMPFS:
		return mount_new(m, "tmpfs", PRIVATE_FLAGS, m->options);
	case POLICY_MOUNT_PROC:
		/*
		 * Read-only, or uid 0 could still write /proc/sys, which asks for the owner and not
		 * for a capability.
		 */
		return mount_new(m, "proc", MS_RDONLY | PRIVATE_FLAGS | MS_NOEXEC, NULL);
	case POLICY_MOUNT_DEV:
		return sandbox_mount_dev(plan, m);
	case POLICY_MOUNT_HIDE:
		return hide(plan, m);
	}
	return -EINVAL;
}

/*
 * What init may not walk to the command may not either: it has the same ids and no more
 * capabilities. Somebody else's home, say.
 */
static bool is_closed_to_all(const struct policy *p, const struct policy_mount *m, int err)
{
	return m->kind == POLICY_MOUNT_HIDE && err == EACCES && p->uid < 0 && p->gid < 0;
}

static void mount_all(const struct sandbox_plan *plan)
{
	const struct policy *p = plan->spec->policy;

	for (size_t i = 0; i < p->mount_count; i++) {
		const struct sandbox_mount *m = &plan->mounts[i];
		int r = m->to ? mount_one(plan, m, p->mounts[i].kind) : 0;

		if (r == 0 || (p->mounts[i].optional &&
			       (is_missing(-r) || is_closed_to_all(p, &p->mounts[i], -r))))
			continue;
		sandbox_child_lack(plan, SANDBOX_STEP_MOUNT, -r, (int)i);
	}
}

static void place_exposed(const struct sandbox_plan *plan)
{
	const uint64_t attr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	struct stat want, now;
	int r;

	for (size_t i = 0; i < plan->bind_count; i++) {
		const struct sandbox_bind *b = &plan->binds[i];

		if (b->dev)
			continue;
		if (fstat(b->fd, &want) < 0)
			sandbox_child_fail(plan, SANDBOX_STEP_EXPOSE, errno, (int)i);
		if (!b->guard && stat(b->from, &now) == 0 && now.st_dev == want.st_dev &&
		    now.st_ino == want.st_ino)
			continue;
		r = set_mount(b->fd, "", AT_EMPTY_PATH, attr, MS_PRIVATE);
		if (r == 0)
			r = sandbox_place(b->fd, b->to, b->make, false);
		if (r == 0 && !b->guard && stat(b->from, &now) < 0)
			r = -errno;
		if (r < 0)
			sandbox_child_fail(plan, SANDBOX_STEP_EXPOSE, -r, (int)i);
	}
}

/*
 * Private, not slave: what the host mounts later would come in writable. nodev: the file modes of
 * device nodes know nothing of read-only mounts.
 */
static void change_root(const struct sandbox_plan *plan)
{
	const uint64_t attr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	bool read_only = plan->spec->policy->root == POLICY_ROOT_READ_ONLY;
	int r = set_mount(AT_FDCWD, "/", AT_RECURSIVE, read_only ? attr : 0, MS_PRIVATE);

	if (r == 0)
		return;
	if (read_only)
		sandbox_child_lack(plan, SANDBOX_STEP_READ_ONLY, -r, 0);
	/* as old as namespaces, and enough to keep our mounts to ourselves */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_PRIVATE, errno, 0);
}

/* A detached tmpfs. */
static int make_tmpfs(void)
{
	TT_CLEANUP(tt_closep) int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "size", "1m", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	return fd < 0 ? -errno : fd;
}

/* Returns the new root's fd. The old one lies on top of it, under the same name, until let_go(). */
static int enter_empty(const struct sandbox_plan *plan)
{
	int fd = make_tmpfs();

	if (fd < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_EMPTY, -fd, 0);
	if (move_mount(fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 || fchdir(fd) < 0 ||
	    syscall(SYS_pivot_root, ".", ".") < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_EMPTY, errno, 0);
	return fd;
}

static void let_go(const struct sandbox_plan *plan, int fd)
{
	int r = 0;

	if (fchdir(fd) < 0 || umount2(".", MNT_DETACH) < 0)
		r = -errno;
	if (r == 0)
		r = set_mount(fd, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0);
	if (r < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_EMPTY, -r, 0);
	(void)close(fd);
}

void sandbox_view_enter(struct sandbox_plan *plan)
{
	bool empty = plan->spec->policy->root == POLICY_ROOT_EMPTY;
	mode_t mask = umask(0);
	int root = -1;

	take_binds(plan);
	take_mounts(plan);
	change_root(plan);
	if (empty)
		root = enter_empty(plan);
	mount_all(plan);
	(void)umask(022);
	place_exposed(plan);
	if (empty)
		let_go(plan, root);
	(void)umask(mask);
	/* By name and not by inode: the present folder may be one that a mount hides. */
	if ((!plan->cwd || chdir(plan->cwd) < 0) && chdir("/") < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_CWD, errno, 0);
}
