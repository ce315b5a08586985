/* SPDX-License-Identifier: Apache-2.0 */
/* From a policy's mounts and paths to absolute ones, and to the files that must stay visible. */
#include <limits.h>
#include <mntent.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sandbox/sandbox_internal.h"

#define TMPFS_FILE_BYTES 4096
#define TMPFS_FILES_MIN  1024

static const char *const dev_nodes[] = {
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
};

static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 && path[n] == '/';
}

/* An environment without HOME, as a service has, must not be one where nothing is hidden. */
static const char *home(void)
{
	const char *path = getenv("HOME");
	struct passwd *own;

	if (path && path[0] == '/')
		return path;
	own = getpwuid(geteuid());
	return own ? own->pw_dir : NULL;
}

/*
 * "." and "~" at the front become what they stand for. Neither may be "/": a project that is the
 * whole system is a mistake.
 */
static int expand(struct sandbox_launch *l, const char *text, const char **ret, struct tt_err *err)
{
	const char *front = text[0] == '.' ? l->plan.cwd : text[0] == '~' ? home() : NULL;
	char *whole = NULL;

	if (text[0] == '/') {
		*ret = text;
		return 0;
	}
	if ((text[0] != '.' && text[0] != '~') || (text[1] && text[1] != '/'))
		return tt_fail_text(err, EINVAL, "'%s' is not an absolute path", text);
	/* not ENOENT, which "optional" would pass over */
	if (!front || front[0] != '/')
		return tt_fail_text(err, EINVAL, "'%s': %s", text,
				    text[0] == '.' ? "the present folder is not known"
						   : "HOME is not set");
	if (strspn(front, "/") == strlen(front))
		return tt_fail_text(err, EINVAL, "'%s' would be '/', the whole system: %s", text,
				    text[0] == '.' ? "start in another folder" : "set HOME");
	if (asprintf(&whole, "%s%s", front, text + 1) < 0)
		whole = NULL;
	*ret = sandbox_plan_own(l, whole);
	return *ret ? 0 : tt_fail(err, ENOMEM, "list the mounts");
}

/* Whether the place for @path, as seen by the @n'th mount, lies in a file system of our own. */
static bool can_make(const struct sandbox_launch *l, const char *path, size_t n)
{
	const struct policy *p = l->spec.policy;
	bool ret = p->root == POLICY_ROOT_EMPTY;
	size_t best = 0;

	for (size_t i = 0; i < n; i++) {
		const char *to = l->plan.mounts[i].to;

		if (!to || !is_below(path, to) || strlen(to) < best)
			continue;
		best = strlen(to);
		ret = p->mounts[i].kind == POLICY_MOUNT_TMPFS ||
		      p->mounts[i].kind == POLICY_MOUNT_DEV;
	}
	return ret;
}

/* File systems that are the kernel's own switches, or ways to other processes and devices. */
static bool is_kernels(const char *type)
{
	static const char *const types[] = {
		"proc",        "sysfs",   "devtmpfs", "devpts",     "cgroup",
		"cgroup2",     "debugfs", "tracefs",  "securityfs", "selinuxfs",
		"smackfs",     "bpf",     "configfs", "efivarfs",   "pstore",
		"binfmt_misc", "fusectl", "resctrl",  "apparmorfs",
	};

	for (size_t i = 0; i < TT_ARRAY_SIZE(types); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

/*
 * The present folder and the home are bound with all that is mounted below. A /proc of the caller,
 * there or in a chroot that is worked on, would hand his processes and /proc/sys to the command.
 */
static int check_writable(const char *path, struct tt_err *err)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	char text[PATH_MAX + 4096], around[64] = "", below[PATH_MAX] = "";
	struct mntent m;
	size_t best = 0, len;

	if (!f)
		return tt_fail(err, errno, "read '/proc/self/mounts'");
	while (getmntent_r(f, &m, text, sizeof(text))) {
		len = strcmp(m.mnt_dir, "/") == 0 ? 0 : strlen(m.mnt_dir);
		if (is_below(m.mnt_dir, path) && is_kernels(m.mnt_type))
			(void)snprintf(below, sizeof(below), "%s", m.mnt_dir);
		/* of several on one place the last one counts */
		if (len < best ||
		    (len && strcmp(path, m.mnt_dir) != 0 && !is_below(path, m.mnt_dir)))
			continue;
		best = len;
		/* in a container it is a tmpfs */
		(void)snprintf(around, sizeof(around), "%s",
			       strcmp(m.mnt_dir, "/dev") == 0 ? "devtmpfs" : m.mnt_type);
	}
	(void)endmntent(f);
	if (is_kernels(around))
		return tt_fail_text(err, EINVAL,
				    "'%s' is a part of the kernel's interface, which no command "
				    "gets to write: start in another folder",
				    path);
	if (below[0])
		return tt_fail_text(err, EINVAL,
				    "'%s', below '%s', is a part of the kernel's interface, which "
				    "no command gets to write: unmount it, or start elsewhere",
				    below, path);
	return 0;
}

static int plan_mount(struct sandbox_launch *l, size_t i, struct tt_err *err)
{
	const struct policy_mount *from = &l->spec.policy->mounts[i];
	struct sandbox_mount *m = &l->plan.mounts[i];
	bool bind = from->kind == POLICY_MOUNT_READ || from->kind == POLICY_MOUNT_WRITE;
	const char *source = from->from ? from->from : from->to, *to = from->to ? from->to : source;
	int r = 0;

	*m = (struct sandbox_mount){.fd = -1};
	if (!to)
		return tt_fail_text(err, EINVAL, "a mount without a place");
	if (bind)
		r = expand(l, source, &m->from, err);
	if (r == 0 && from->kind == POLICY_MOUNT_WRITE && source[0] != '/')
		r = check_writable(m->from, err);
	/*
	 * By inode and not by name: who can write above the present folder, as another run may,
	 * could put a link to something else in its place.
	 */
	m->take = source[0] == '.' ? source : m->from;
	if (r == 0)
		r = expand(l, to, &m->to, err);
	if (r < 0) {
		m->from = m->to = NULL;
		return from->optional && r == -ENOENT ? 0 : r;
	}
	if (strspn(m->to, "/") == strlen(m->to))
		return tt_fail_text(err, EINVAL, "nothing can be mounted on '/'");
	if (from->kind == POLICY_MOUNT_DEV && strcmp(m->to, "/dev") != 0)
		return tt_fail_text(err, EINVAL, "mount dev on '%s': its place is /dev", m->to);
	/* empty files, too, take memory: as many as full ones of a page would be */
	(void)snprintf(m->options, sizeof(m->options), "mode=%o,size=%llu,nr_inodes=%llu",
		       from->kind == POLICY_MOUNT_DEV ? 01777 : from->mode,
		       (unsigned long long)from->bytes,
		       (unsigned long long)(from->bytes / TMPFS_FILE_BYTES + TMPFS_FILES_MIN));
	m->make = can_make(l, m->to, i);
	return 0;
}

/* Whether a mount lies over that name, or an empty root round it. */
static bool is_hidden(const struct sandbox_launch *l, const char *path)
{
	const struct policy *p = l->spec.policy;

	if (p->root == POLICY_ROOT_EMPTY)
		return true;
	for (size_t i = 0; i < p->mount_count; i++)
		if (l->plan.mounts[i].to && is_below(path, l->plan.mounts[i].to))
			return true;
	return false;
}

/*
 * Where an exposed file is put back: as it was named if a mount hides the name, else its target,
 * if one hides that. Otherwise it is there anyway, and @ret_needed says no.
 */
static int plan_exposed(struct sandbox_launch *l, size_t i, struct sandbox_bind *b,
			bool *ret_needed, struct tt_err *err)
{
	const char *path = l->plan.spec->expose[i];

	*b = (struct sandbox_bind){.from = path, .to = path, .fd = -1};
	*ret_needed = true;
	if (path[0] != '/')
		return tt_fail_text(err, EINVAL, "show '%s' in the sandbox: not an absolute path",
				    path);
	if (!is_hidden(l, path)) {
		b->to = sandbox_plan_own(l, realpath(path, NULL));
		if (!b->to)
			return tt_fail(err, errno, "show '%s' in the sandbox", path);
		*ret_needed = is_hidden(l, b->to);
	}
	b->make = can_make(l, b->to, l->spec.policy->mount_count);
	return 0;
}

static void add_device(struct sandbox_launch *l, const char *name)
{
	l->binds[l->plan.bind_count++] = (struct sandbox_bind){
		.from = name, .to = name, .dev = true, .make = true, .fd = -1};
}

static void plan_terminals(struct sandbox_launch *l)
{
	char name[PATH_MAX];
	size_t first = l->plan.bind_count;

	for (int fd = 0; fd < 3; fd++) {
		const char *own;
		bool known = false;

		if (ttyname_r(fd, name, sizeof(name)) != 0 || !is_below(name, "/dev"))
			continue;
		for (size_t i = first; i < l->plan.bind_count; i++)
			known |= strcmp(l->binds[i].from, name) == 0;
		if (known)
			continue;
		own = sandbox_plan_own(l, strdup(name));
		if (!own)
			return; /* the command then has its terminal, but no name for it */
		add_device(l, own);
	}
}

/* Whether one of the mounts after the @n'th lies over @path. */
static bool is_covered(const struct sandbox_launch *l, const char *path, size_t n)
{
	for (size_t i = n + 1; i < l->spec.policy->mount_count; i++) {
		const char *to = l->plan.mounts[i].to;

		if (to && (strcmp(path, to) == 0 || is_below(path, to)))
			return true;
	}
	return false;
}

/*
 * A project may be the home, with the records in it: who could write these could forge and cut what
 * is said of him.
 */
static int plan_guard(struct sandbox_launch *l, size_t i, struct tt_err *err)
{
	const char *guard = l->spec.guard_folder, *to = l->plan.mounts[i].to;
	char from[PATH_MAX], *at;

	if (!guard || !to || l->spec.policy->mounts[i].kind != POLICY_MOUNT_WRITE)
		return 0;
	if (!realpath(l->plan.mounts[i].from, from))
		return 0;
	if (strcmp(guard, from) == 0)
		guard = l->spec.guard_file;
	if (!is_below(guard, from))
		return 0;
	if (asprintf(&at, "%s%s", to, guard + strlen(from)) < 0)
		at = NULL;
	if (!sandbox_plan_own(l, at))
		return tt_fail(err, ENOMEM, "list the mounts");
	if (!is_covered(l, at, i))
		l->binds[l->plan.bind_count++] =
			(struct sandbox_bind){.from = guard, .to = at, .guard = true, .fd = -1};
	return 0;
}

static int plan_binds(struct sandbox_launch *l, struct tt_err *err)
{
	const struct sandbox_spec *spec = l->plan.spec;
	bool dev = false, needed;
	int r;

	l->binds = calloc(SANDBOX_DEV_BINDS + spec->expose_count + spec->policy->mount_count,
			  sizeof(*l->binds));
	if (!l->binds)
		return tt_fail(err, ENOMEM, "list the files to show in the sandbox");
	l->plan.binds = l->binds;
	for (size_t i = 0; i < spec->policy->mount_count; i++)
		dev |= spec->policy->mounts[i].kind == POLICY_MOUNT_DEV;
	if (dev) {
		for (size_t i = 0; i < TT_ARRAY_SIZE(dev_nodes); i++)
			add_device(l, dev_nodes[i]);
		plan_terminals(l);
	}
	for (size_t i = 0; i < spec->expose_count; i++) {
		r = plan_exposed(l, i, &l->binds[l->plan.bind_count], &needed, err);
		if (r < 0)
			return r;
		l->plan.bind_count += needed;
	}
	for (size_t i = 0; i < spec->policy->mount_count; i++) {
		r = plan_guard(l, i, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int plan_landlock(struct sandbox_launch *l, struct tt_err *err)
{
	const struct policy_landlock *k = &l->spec.policy->landlock;
	int r;

	for (size_t i = 0; i < k->path_count; i++) {
		r = expand(l, k->paths[i].path, &l->plan.landlock_paths[i], err);
		if (r < 0 && !(k->paths[i].optional && r == -ENOENT))
			return r;
	}
	return 0;
}

int sandbox_plan_mounts(struct sandbox_launch *l, struct tt_err *err)
{
	const struct policy *p = l->spec.policy;
	int r = 0;

	l->plan.cwd = sandbox_plan_own(l, getcwd(NULL, 0));
	l->plan.mounts = calloc(p->mount_count + 1, sizeof(*l->plan.mounts));
	l->plan.landlock_paths =
		calloc(p->landlock.path_count + 1, sizeof(*l->plan.landlock_paths));
	if (!l->plan.mounts || !l->plan.landlock_paths)
		return tt_fail(err, ENOMEM, "list the mounts");
	for (size_t i = 0; r == 0 && i < p->mount_count; i++)
		r = plan_mount(l, i, err);
	if (r == 0)
		r = plan_landlock(l, err);
	return r < 0 ? r : plan_binds(l, err);
}
