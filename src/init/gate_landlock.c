/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate's Landlock layer (landlock(7)): no writing to /proc and /sys whatever their mounts say;
 * no tracing, no signals and no abstract sockets from here to a process outside.
 *
 * Rights are given, never taken away: so all folders of the root but those two are given. What the
 * kernel's ABI has not: before 2 no file could be moved between folders, which breaks programs, and
 * the layer is left out; truncating (3) and scopes (6) are added where they are. Ioctls of devices
 * (5) are not asked about: there is no device but those of the gate's own /dev.
 */
#include "init/gate_internal.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sys.h"

/* The kernel's interface, of which the oldest headers that we build with have a part. */
#define FS_WRITE_FILE (1ULL << 1)
#define FS_CHANGE_DIR 0x1ff0ULL    /* REMOVE_DIR to MAKE_SYM */
#define FS_REFER      (1ULL << 13) /* ABI 2 */
#define FS_TRUNCATE   (1ULL << 14) /* ABI 3 */
#define FS_OF_FILES   (FS_WRITE_FILE | FS_TRUNCATE)
#define SCOPE_ALL     3ULL /* abstract unix sockets and signals: ABI 6 */

#define OLDEST_ABI 2

struct ruleset {
	uint64_t fs, net, scoped;
};

struct entry { /* struct linux_dirent64 */
	uint64_t ino, off;
	uint16_t size;
	uint8_t type;
	char name[];
};

static int allow_fd(int ruleset, int fd, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};
	struct stat st;
	long r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return 0;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= FS_OF_FILES;
	if (!rule.allowed_access)
		return 0;
	r = tt_sys4(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	/* EBADFD: a pipe, a socket or a file of the kernel's own: it asks about none of these */
	return r == -EBADFD ? 0 : (int)r;
}

static int allow_path(int ruleset, const char *path, uint64_t rights)
{
	TT_CLEANUP(tt_closep) int fd = open(path, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : allow_fd(ruleset, fd, rights);
}

/* What it was given open for writing it may open again: scripts do, by the name /dev/stderr. */
static int allow_given(int ruleset, uint64_t rights)
{
	for (int fd = 0; fd < 3; fd++) {
		int flags = fcntl(fd, F_GETFL), r;

		if (flags < 0 || (flags & O_PATH) || (flags & O_ACCMODE) == O_RDONLY)
			continue;
		r = allow_fd(ruleset, fd, rights);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_closed(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "proc") == 0 ||
	       strcmp(name, "sys") == 0;
}

/*
 * Everything in the root folder but what is closed. A link gives nothing: what it leads to stands
 * here itself, or is closed.
 */
static int allow_root(int ruleset, uint64_t rights)
{
	static _Alignas(struct entry) char buf[4096];
	TT_CLEANUP(tt_closep) int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	if (root < 0)
		return -errno;
	while ((n = tt_sys3(SYS_getdents64, root, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct entry *e = (const void *)(buf + at);
			TT_CLEANUP(tt_closep) int fd = -1;
			int r = 0;

			at += e->size;
			if (is_closed(e->name))
				continue;
			fd = openat(root, e->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
			if (fd >= 0)
				r = allow_fd(ruleset, fd, rights);
			if (r < 0)
				return r;
		}
	}
	return (int)n;
}

static int allow_all(int ruleset, const char *const *writable, uint64_t rights)
{
	int r = allow_given(ruleset, rights);

	if (r < 0)
		return r;
	if (!writable)
		return allow_root(ruleset, rights);
	/* devices, as "2>/dev/null" is in every script; nothing can be made there but terminals */
	r = allow_path(ruleset, "/dev", rights & FS_OF_FILES);
	for (; r == 0 && *writable; writable++)
		r = allow_path(ruleset, *writable, rights);
	return r;
}

int init_gate_landlock(const struct gate_options *o, int *ret_abi)
{
	TT_CLEANUP(tt_closep) int ruleset = -1;
	struct ruleset set = {.fs = FS_WRITE_FILE | FS_CHANGE_DIR | FS_REFER};
	long abi = tt_sys3(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	long r;

	if (abi < OLDEST_ABI) {
		*ret_abi = 0;
		/* ENOSYS: not built in; EOPNOTSUPP: switched off */
		return abi >= 0 || abi == -ENOSYS || abi == -EOPNOTSUPP ? 0 : (int)abi;
	}
	set.fs |= abi >= 3 ? FS_TRUNCATE : 0;
	set.scoped = abi >= 6 ? SCOPE_ALL : 0;
	/* as much of it as this kernel knows: it refuses what is longer */
	r = tt_sys3(SYS_landlock_create_ruleset, &set, abi >= 6 ? sizeof(set) : sizeof(set.fs), 0);
	if (r < 0)
		return (int)r;
	ruleset = (int)r;
	r = allow_all(ruleset, o->writable, set.fs);
	if (r == 0)
		r = tt_sys2(SYS_landlock_restrict_self, ruleset, 0);
	if (r == 0)
		*ret_abi = (int)abi;
	return (int)r;
}
