/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second wall behind the read-only mounts, where the kernel has Landlock: no writing to files.
 *
 * Read-only mounts leave three ways to write. A FIFO or a device node opens for writing whatever
 * its mount says. And a file that the caller opened for reading, as in "telltale run ... <file",
 * lies on the caller's own mount: through /proc/self/fd/0 it could be opened again, for writing.
 * Landlock asks for the file and not for the mount.
 */
#include "sandbox/sandbox_internal.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>

/* Linux 6.2; remove when the oldest headers we build with have it */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

/*
 * What is refused but where a rule allows it. Moving between folders is refused by every ruleset,
 * so it must be handled to be allowed, in /tmp.
 */
static uint64_t handled_rights(long abi)
{
	uint64_t rights = LANDLOCK_ACCESS_FS_WRITE_FILE;

	if (abi >= 2)
		rights |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		rights |= LANDLOCK_ACCESS_FS_TRUNCATE;
	return rights;
}

static int allow(int ruleset, int fd, uint64_t rights)
{
	struct landlock_path_beneath_attr attr = {.allowed_access = rights, .parent_fd = fd};

	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) == 0)
		return 0;
	/* EBADFD: a pipe or socket, which has no name to be opened by */
	return errno == EBADFD ? 0 : -errno;
}

static int allow_folder(int ruleset, const char *path, uint64_t rights)
{
	TT_CLEANUP(tt_closep) int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return allow(ruleset, fd, rights);
}

/* What the command was given to write to it may open again: scripts do, by the name /dev/stderr. */
static int allow_fd(int ruleset, int fd, uint64_t rights)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & O_PATH) || (flags & O_ACCMODE) == O_RDONLY)
		return 0;
	return allow(ruleset, fd, rights & ~(uint64_t)LANDLOCK_ACCESS_FS_REFER);
}

static int allow_all(const struct sandbox_plan *plan, int ruleset, uint64_t rights)
{
	static const char *const folders[] = {"/dev", "/tmp", "/var/tmp"};
	const struct sandbox_spec *spec = plan->spec;
	int r = 0;

	for (size_t i = 0; r == 0 && i < TT_ARRAY_SIZE(folders); i++)
		r = allow_folder(ruleset, folders[i], rights);
	for (int fd = 0; r == 0 && fd < 3; fd++)
		r = allow_fd(ruleset, fd, rights);
	for (size_t i = 0; r == 0 && i < spec->keep_fd_count; i++)
		r = allow_fd(ruleset, spec->keep_fds[i], rights);
	return r;
}

int sandbox_landlock(const struct sandbox_plan *plan)
{
	TT_CLEANUP(tt_closep) int ruleset = -1;
	struct landlock_ruleset_attr attr = {0};
	long abi;
	int r;

	abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
	attr.handled_access_fs = handled_rights(abi);
	ruleset =
		(int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	if (ruleset < 0)
		return -errno;
	r = allow_all(plan, ruleset, attr.handled_access_fs);
	if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		r = -errno;
	return r;
}
