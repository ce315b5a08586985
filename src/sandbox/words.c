/* SPDX-License-Identifier: Apache-2.0 */
/* What the child says in numbers, in words. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/sandbox_internal.h"

#define LACKING_BYTES_MAX 16384

/* What a step does, to stand between "launch 'x': " and the reason. */
static const char *const step_words[SANDBOX_STEP_COUNT] = {
	[SANDBOX_STEP_PARENT] = "tie the sandbox to its caller's life",
	[SANDBOX_STEP_IDS] = "become the profile's user and group",
	[SANDBOX_STEP_LISTEN] = "listen in the sandbox's network",
	[SANDBOX_STEP_LOOPBACK] = "bring up the loopback network",
	[SANDBOX_STEP_HOSTNAME] = "set the host's name",
	[SANDBOX_STEP_PRIVATE] = "make every mount private",
	[SANDBOX_STEP_READ_ONLY] = "make every mount read-only",
	[SANDBOX_STEP_EMPTY] = "enter an empty root",
	[SANDBOX_STEP_CWD] = "enter the working folder",
	[SANDBOX_STEP_BOUNDING] = "empty the capability bounding set",
	[SANDBOX_STEP_NO_NEW_PRIVS] = "forbid new privileges",
	[SANDBOX_STEP_FORK] = "fork",
	[SANDBOX_STEP_CAPS] = "drop capabilities",
	[SANDBOX_STEP_FDS] = "sort out file descriptors",
	[SANDBOX_STEP_FILTER] = "load the syscall filter",
	[SANDBOX_STEP_WATCH] = "watch system calls",
};

static const char *const mount_words[] = {
	[POLICY_MOUNT_READ] = "read",   [POLICY_MOUNT_WRITE] = "write",
	[POLICY_MOUNT_TMPFS] = "tmpfs", [POLICY_MOUNT_PROC] = "proc",
	[POLICY_MOUNT_DEV] = "dev",     [POLICY_MOUNT_HIDE] = "hide",
};

static const struct {
	int flag;
	const char *name;
} namespaces[] = {
	{CLONE_NEWUSER, "user"},     {CLONE_NEWPID, "pid"},
	{CLONE_NEWNS, "mount"},      {CLONE_NEWIPC, "ipc"},
	{CLONE_NEWUTS, "uts"},       {CLONE_NEWNET, "net"},
	{CLONE_NEWCGROUP, "cgroup"}, {0x80 /* CLONE_NEWTIME */, "time"},
};

/* Why that is, where a number says too little; "" if it does not. */
static const char *hint(const struct sandbox_launch *l, const struct sandbox_message *m)
{
	const struct policy *p = l->spec.policy;

	switch (m->step) {
	case SANDBOX_STEP_NAMESPACES:
		/* or it was made, and lent no rights */
		if ((m->index & CLONE_NEWUSER) ||
		    ((l->plan.namespaces & POLICY_NS_USER) && m->err == EPERM))
			return " (unprivileged user namespaces seem to be off here: allow them, "
			       "run as root, or choose another profile)";
		return "";
	case SANDBOX_STEP_PRIVATE:
	case SANDBOX_STEP_FILTER:
	case SANDBOX_STEP_WATCH:
		return m->err == EBUSY
			       ? " (an outer sandbox answers the refused calls of all that runs in "
				 "it, and the kernel allows one such: give this run or the outer one "
				 "a profile without a filter)"
			       : "";
	case SANDBOX_STEP_READ_ONLY:
		if (m->err == EINVAL)
			return " ('/' is no mount point: in a chroot, bind-mount it on itself)";
		return m->err == ENOSYS ? " (needs Linux 5.12 or newer)" : "";
	case SANDBOX_STEP_EMPTY:
		return m->err == EINVAL ? " (a root that is an initramfs cannot be left)" : "";
	case SANDBOX_STEP_MOUNT:
		if (p->mounts[m->index].kind == POLICY_MOUNT_PROC && m->err == EPERM)
			return " (parts of /proc are hidden here, as in a container)";
		return "";
	default:
		return "";
	}
}

static int tell_namespaces(const struct sandbox_launch *l, const struct sandbox_message *m,
			   struct tt_err *err)
{
	char names[64] = "";
	size_t used = 0;

	for (size_t i = 0; i < TT_ARRAY_SIZE(namespaces); i++)
		if (m->index & namespaces[i].flag)
			used += (size_t)snprintf(names + used, sizeof(names) - used, " %s",
						 namespaces[i].name);
	return tt_fail(err, m->err, "make namespaces%s%s", names, hint(l, m));
}

static int tell_mount(const struct sandbox_launch *l, const struct sandbox_message *m,
		      struct tt_err *err)
{
	const struct sandbox_mount *s = &l->plan.mounts[m->index];
	const char *what = mount_words[l->spec.policy->mounts[m->index].kind];

	if (s->from && strcmp(s->from, s->to) != 0)
		return tt_fail(err, m->err, "mount %s '%s' on '%s'", what, s->from, s->to);
	return tt_fail(err, m->err, "mount %s on '%s'%s", what, s->to, hint(l, m));
}

static int tell_landlock(const struct sandbox_message *m, struct tt_err *err)
{
	switch (m->index) {
	case SANDBOX_LANDLOCK_TRUNCATE:
		return tt_fail_text(err, m->err,
				    "landlock: truncating files is refused by Linux 6.2 or newer "
				    "only (ABI 3)");
	case SANDBOX_LANDLOCK_PORTS:
		return tt_fail_text(err, m->err,
				    "landlock: rules for TCP need Linux 6.7 or newer (ABI 4)");
	case SANDBOX_LANDLOCK_SCOPE:
		return tt_fail_text(err, m->err,
				    "landlock: scopes need Linux 6.12 or newer (ABI 6)");
	default:
		return tt_fail(err, m->err, "confine the command with Landlock%s",
			       m->err == ENOSYS || m->err == EOPNOTSUPP
				       ? " (this kernel has it not, or switched off)"
				       : "");
	}
}

static int tell_rlimit(const struct sandbox_launch *l, const struct sandbox_message *m,
		       struct tt_err *err)
{
	return tt_fail(err, m->err, "set resource limit %d",
		       l->spec.policy->rlimits[m->index].resource);
}

static int tell_step(const struct sandbox_launch *l, const struct sandbox_message *m,
		     struct tt_err *err)
{
	const struct policy *p = l->spec.policy;

	switch (m->step) {
	case SANDBOX_STEP_EXPOSE:
		return tt_fail(err, m->err,
			       l->binds[m->index].guard ? "close the record '%s' for the command"
							: "show '%s' in the sandbox",
			       l->binds[m->index].from);
	case SANDBOX_STEP_CLONE_DEV:
		return tt_fail(err, m->err, "take device '%s'", l->binds[m->index].from);
	case SANDBOX_STEP_NAMESPACES:
		return tell_namespaces(l, m, err);
	case SANDBOX_STEP_MOUNT:
		return tell_mount(l, m, err);
	case SANDBOX_STEP_LANDLOCK:
		return tell_landlock(m, err);
	case SANDBOX_STEP_LANDLOCK_PATH:
		return tt_fail(err, m->err, "landlock: look at '%s'",
			       p->landlock.paths[m->index].path);
	case SANDBOX_STEP_RLIMIT:
		return tell_rlimit(l, m, err);
	default:
		if (m->step >= SANDBOX_STEP_COUNT || !step_words[m->step])
			return tt_fail(err, m->err, "step %u", m->step);
		return tt_fail(err, m->err, "%s%s", step_words[m->step], hint(l, m));
	}
}

static int tell_exec_failure(const struct sandbox_launch *l, const struct sandbox_message *m,
			     enum sandbox_failure *failure, struct tt_err *err)
{
	const struct sandbox_spec *spec = l->plan.spec;

	*failure = SANDBOX_NOT_EXECUTABLE;
	if (m->step == SANDBOX_STEP_INTERPRETER)
		return tt_fail_text(err, m->err,
				    "the interpreter or loader that it names is missing");
	if (m->err == ENOEXEC)
		return tt_fail_text(
			err, m->err,
			"neither a program for this machine nor a script that begins with '#!'");
	if (m->err != ENOENT && m->err != ENOTDIR)
		return tt_fail(err, m->err, "execute it");
	*failure = SANDBOX_NOT_FOUND;
	if (!strchr(spec->file, '/') && *spec->file)
		return tt_fail_text(err, m->err, "command not found in PATH");
	if (l->plan.view && access(spec->file, F_OK) == 0)
		return tt_fail_text(err, m->err,
				    "profile %s hides it behind a folder of its own: move it to "
				    "one that the profile shows",
				    spec->policy->name);
	return tt_fail(err, m->err, "find it");
}

/* Steps whose failure --degrade allows. */
static bool is_droppable(const struct sandbox_message *m)
{
	switch (m->step) {
	case SANDBOX_STEP_NAMESPACES:
	case SANDBOX_STEP_LOOPBACK:
	case SANDBOX_STEP_HOSTNAME:
	case SANDBOX_STEP_READ_ONLY:
	case SANDBOX_STEP_MOUNT:
		return true;
	case SANDBOX_STEP_LANDLOCK:
		return m->err == ENOSYS || m->err == EOPNOTSUPP;
	default:
		return false;
	}
}

int sandbox_tell_failure(const struct sandbox_launch *l, const struct sandbox_message *m,
			 enum sandbox_failure *failure, struct tt_err *err)
{
	size_t used;

	if (m->step == SANDBOX_STEP_EXEC || m->step == SANDBOX_STEP_INTERPRETER)
		return tell_exec_failure(l, m, failure, err);
	(void)tell_step(l, m, err);
	used = err ? strlen(err->text) : 0;
	if (err && is_droppable(m) && !l->spec.degrade)
		(void)snprintf(err->text + used, sizeof(err->text) - used,
			       "; --degrade runs without it");
	return -m->err;
}

int sandbox_tell_lacking(struct sandbox_launch *l, const struct sandbox_message *m,
			 struct tt_err *err)
{
	struct tt_err text = {""};
	char *all;

	(void)tell_step(l, m, &text);
	if (l->lacking && strlen(l->lacking) > LACKING_BYTES_MAX)
		return 0; /* enough is named */
	if (asprintf(&all, "%s%s\n", l->lacking ? l->lacking : "", text.text) < 0)
		return tt_fail(err, ENOMEM, "list what is left out");
	free(l->lacking);
	l->lacking = all;
	return 0;
}
