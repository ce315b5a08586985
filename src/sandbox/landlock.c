/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second wall behind the mounts, or the only one: files by right, TCP ports, scopes.
 *
 * Read-only mounts leave three ways to write. A FIFO or a device node opens for writing whatever
 * its mount says. And a file that the caller opened for reading, as in "telltale run ... <file",
 * lies on the caller's own mount: through /proc/self/fd/0 it could be opened again, for writing.
 * Landlock asks for the file and not for the mount.
 *
 * What the kernel's ABI has not: moving between folders (before 2) is refused then, which is
 * stricter; ioctls of device files (before 5) are left alone; truncating (before 3) stays possible,
 * which only a root of read-only mounts makes up for, so that elsewhere it is refused by name. So
 * are scopes (before 6), but where PID and network namespaces leave nobody outside to be reached.
 */
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sandbox/sandbox_internal.h"

/* The kernel's interface, of which the oldest headers that we build with have a part. */
#define FS_EXECUTE    (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE  (1ULL << 2)
#define FS_READ_DIR   (1ULL << 3)
#define FS_REFER      (1ULL << 13) /* ABI 2 */
#define FS_TRUNCATE   (1ULL << 14) /* ABI 3 */
#define FS_IOCTL_DEV  (1ULL << 15) /* ABI 5 */
#define FS_CHANGE_DIR 0x1ff0ULL    /* REMOVE_DIR to MAKE_SYM */
#define FS_OF_FILES   (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define NET_BIND      (1ULL << 0) /* ABI 4 */
#define NET_CONNECT   (1ULL << 1)
#define SCOPE_ALL     3ULL /* abstract unix sockets and signals, ABI 6 */
#define RULE_NET_PORT 2

struct ruleset {
	uint64_t fs, net, scoped;
};

struct net_port {
	uint64_t allowed, port;
};

/* What a policy's rights are in this ABI. */
static uint64_t rights_of(unsigned int words, long abi)
{
	uint64_t rights = 0;

	if (words & POLICY_LANDLOCK_READ)
		rights |= FS_READ_FILE | FS_READ_DIR;
	if (words & POLICY_LANDLOCK_EXECUTE)
		rights |= FS_EXECUTE;
	if (words & POLICY_LANDLOCK_WRITE) {
		rights |= FS_WRITE_FILE | FS_CHANGE_DIR;
		rights |= abi >= 2 ? FS_REFER : 0;
		rights |= abi >= 3 ? FS_TRUNCATE : 0;
		rights |= abi >= 5 ? FS_IOCTL_DEV : 0;
	}
	return rights;
}

static int allow(int ruleset, int fd, uint64_t rights)
{
	struct landlock_path_beneath_attr attr = {.allowed_access = rights, .parent_fd = fd};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		attr.allowed_access &= FS_OF_FILES;
	if (!attr.allowed_access)
		return 0;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) == 0)
		return 0;
	/* EBADFD: a pipe or socket, which has no name to be opened by */
	return errno == EBADFD ? 0 : -errno;
}

static int allow_path(int ruleset, const char *path, uint64_t rights)
{
	TT_CLEANUP(tt_closep) int fd = open(path, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : allow(ruleset, fd, rights);
}

/* What the command was given open it may open again: scripts do, by the name /dev/stderr. */
static int allow_fd(int ruleset, int fd, uint64_t handled)
{
	int flags = fcntl(fd, F_GETFL);
	uint64_t rights = FS_READ_FILE | FS_READ_DIR;

	if (flags < 0 || (flags & O_PATH))
		return 0;
	if ((flags & O_ACCMODE) == O_WRONLY)
		rights = 0;
	if ((flags & O_ACCMODE) != O_RDONLY)
		rights |= FS_WRITE_FILE | FS_CHANGE_DIR | FS_TRUNCATE | FS_IOCTL_DEV;
	return allow(ruleset, fd, rights & handled);
}

static int allow_port(int ruleset, const struct policy_landlock_port *port, uint64_t handled)
{
	struct net_port attr = {(port->bind ? NET_BIND : NET_CONNECT) & handled, port->port};

	if (!attr.allowed)
		return 0;
	return syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &attr, 0) < 0 ? -errno : 0;
}

static void allow_paths(const struct sandbox_plan *plan, int ruleset, uint64_t handled, long abi)
{
	const struct policy_landlock *k = &plan->spec->policy->landlock;

	for (size_t i = 0; i < k->path_count; i++) {
		const char *path = plan->landlock_paths[i];
		int r = path ? allow_path(ruleset, path,
					  rights_of(k->paths[i].rights, abi) & handled)
			     : -ENOENT;

		if (r < 0 && !(k->paths[i].optional && (r == -ENOENT || r == -ENOTDIR)))
			sandbox_child_fail(plan, SANDBOX_STEP_LANDLOCK_PATH, -r, (int)i);
	}
}

/* The exposed libraries and the open fds are the launcher's promise, not the policy's. */
static int allow_given(const struct sandbox_plan *plan, int ruleset, uint64_t handled)
{
	const struct sandbox_spec *spec = plan->spec;
	int r = 0;

	for (size_t i = 0; r == 0 && i < spec->expose_count; i++)
		r = allow_path(ruleset, spec->expose[i], (FS_READ_FILE | FS_EXECUTE) & handled);
	for (int fd = 0; r == 0 && fd < 3; fd++)
		r = allow_fd(ruleset, fd, handled);
	for (size_t i = 0; r == 0 && i < spec->keep_fd_count; i++)
		r = allow_fd(ruleset, spec->keep_fds[i], handled);
	return r;
}

/* What of the policy this ABI can do; the rest is refused, or dropped, by name. */
static struct ruleset choose(const struct sandbox_plan *plan, long abi)
{
	const struct policy *p = plan->spec->policy;
	const uint32_t alone = POLICY_NS_PID | POLICY_NS_NET;
	struct ruleset set = {.fs = rights_of(p->landlock.handled, abi)};

	if ((p->landlock.handled & POLICY_LANDLOCK_WRITE) && abi < 3 && p->root == POLICY_ROOT_KEEP)
		sandbox_child_lack(plan, SANDBOX_STEP_LANDLOCK, EOPNOTSUPP,
				   SANDBOX_LANDLOCK_TRUNCATE);
	if ((p->landlock.bind || p->landlock.connect) && abi < 4)
		sandbox_child_lack(plan, SANDBOX_STEP_LANDLOCK, EOPNOTSUPP, SANDBOX_LANDLOCK_PORTS);
	else
		set.net =
			(p->landlock.bind ? NET_BIND : 0) | (p->landlock.connect ? NET_CONNECT : 0);
	if (p->landlock.scope && abi < 6 && (plan->namespaces & alone) != alone)
		sandbox_child_lack(plan, SANDBOX_STEP_LANDLOCK, EOPNOTSUPP, SANDBOX_LANDLOCK_SCOPE);
	else if (p->landlock.scope && abi >= 6)
		set.scoped = SCOPE_ALL;
	return set;
}

/* As much of the structure as this kernel knows: it refuses what is longer, unless it is zero. */
static int make_ruleset(const struct ruleset *set)
{
	size_t size = set->scoped ? sizeof(*set) : set->net ? 2 * sizeof(set->fs) : sizeof(set->fs);
	long fd = syscall(SYS_landlock_create_ruleset, set, size, 0);

	return fd < 0 ? -errno : (int)fd;
}

void sandbox_landlock(const struct sandbox_plan *plan)
{
	const struct policy_landlock *k = &plan->spec->policy->landlock;
	TT_CLEANUP(tt_closep) int ruleset = -1;
	struct ruleset set;
	long abi;
	int r;

	if (!k->handled && !k->bind && !k->connect && !k->scope)
		return;
	abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 0) {
		sandbox_child_lack(plan, SANDBOX_STEP_LANDLOCK, errno, SANDBOX_LANDLOCK_ALL);
		return;
	}
	set = choose(plan, abi);
	if (!set.fs && !set.net && !set.scoped)
		return;
	ruleset = make_ruleset(&set);
	r = ruleset < 0 ? ruleset : 0;
	if (r == 0 && set.fs)
		allow_paths(plan, ruleset, set.fs, abi);
	if (r == 0 && set.fs)
		r = allow_given(plan, ruleset, set.fs);
	for (size_t i = 0; r == 0 && i < k->port_count; i++)
		r = allow_port(ruleset, &k->ports[i], set.net);
	if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		r = -errno;
	if (r < 0)
		sandbox_child_fail(plan, SANDBOX_STEP_LANDLOCK, -r, SANDBOX_LANDLOCK_ALL);
}
