/* SPDX-License-Identifier: Apache-2.0 */
/* From a policy to what the child will do: rights, fds, ids. Changes nothing. */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sandbox/sandbox_internal.h"

#define CAP(name) (1ULL << CAP_##name)

const char *sandbox_plan_own(struct sandbox_launch *l, char *text)
{
	char **texts;

	if (!text)
		return NULL;
	texts = realloc(l->texts, (l->text_count + 1) * sizeof(*texts));
	if (!texts) {
		free(text);
		return NULL;
	}
	l->texts = texts;
	l->texts[l->text_count++] = text;
	return text;
}

/* What would make one half of a policy do nothing, or harm the caller. */
static int check_policy(const struct policy *p, struct tt_err *err)
{
	bool view = p->root != POLICY_ROOT_KEEP || p->mount_count;

	if (view && !(p->namespaces & POLICY_NS_MOUNT))
		return tt_fail_text(err, EINVAL, "root and mounts need the namespace mount");
	if (p->hostname && !(p->namespaces & POLICY_NS_UTS))
		return tt_fail_text(err, EINVAL, "hostname needs the namespace uts");
	if (p->filter && !p->no_new_privs && !(p->keep_caps & CAP(SYS_ADMIN)))
		return tt_fail_text(err, EINVAL, "a syscall filter needs no_new_privs");
	return 0;
}

/* The capabilities that this policy takes; what is missing a user namespace has to lend. */
static uint64_t needed_caps(const struct sandbox_plan *plan)
{
	const struct policy *p = plan->spec->policy;
	uint64_t need = plan->caps.all ? 0 : p->keep_caps;

	if (plan->namespaces & ~(uint32_t)POLICY_NS_USER)
		need |= CAP(SYS_ADMIN) | CAP(KILL);
	if (p->network == POLICY_NET_LOOPBACK)
		need |= CAP(NET_ADMIN);
	if (p->uid >= 0 || p->gid >= 0)
		need |= CAP(SETUID) | CAP(SETGID);
	/* who has no capability and can gain none needs no bounding set, either */
	if (!plan->caps.all && (need || !p->no_new_privs))
		need |= CAP(SETPCAP);
	if (!p->no_new_privs &&
	    (p->landlock.handled || p->landlock.bind || p->landlock.connect || p->landlock.scope))
		need |= CAP(SYS_ADMIN);
	return need;
}

/* One that the command has not: it closes init to the command. */
static uint64_t init_cap(uint64_t command)
{
	uint64_t others = ~command & ((1ULL << (CAP_LAST_CAP + 1)) - 1);

	return command & CAP(KILL) ? others & -others : CAP(KILL);
}

static int plan_rights(struct sandbox_plan *plan, struct tt_err *err)
{
	const struct policy *p = plan->spec->policy;
	uint64_t have;
	int r = sandbox_caps_read(&have);

	if (r < 0)
		return tt_fail(err, -r, "read own capabilities");
	plan->namespaces = p->namespaces;
	if (p->network != POLICY_NET_HOST)
		plan->namespaces |= POLICY_NS_NET;
	plan->caps.all = p->keep_caps == UINT64_MAX;
	if (p->uid_map_count || p->gid_map_count || (needed_caps(plan) & ~have))
		plan->namespaces |= POLICY_NS_USER;
	plan->caps.command = p->keep_caps & ((1ULL << (CAP_LAST_CAP + 1)) - 1);
	plan->caps.init = init_cap(plan->caps.command);
	/* Private mounts are as much of a view as any: what is mounted later stays outside. */
	plan->view = (plan->namespaces & POLICY_NS_MOUNT) != 0;
	sandbox_plan_ids(plan);
	plan->wait = plan->namespaces & POLICY_NS_USER;
	return 0;
}

/*
 * openat(2) on a folder from outside reaches what lies in it, writable: never hand one in, but
 * where the root is the caller's own.
 */
static int check_fds(const struct sandbox_spec *spec, struct tt_err *err)
{
	struct stat st;

	for (size_t i = 0; i < 3 + spec->keep_fd_count; i++) {
		int fd = i < 3 ? (int)i : spec->keep_fds[i - 3];

		if (fstat(fd, &st) < 0) {
			if (i < 3 && errno == EBADF)
				continue;
			return tt_fail(err, errno, "look at file descriptor %d", fd);
		}
		if (S_ISDIR(st.st_mode) && spec->policy->root != POLICY_ROOT_KEEP)
			return tt_fail_text(
				err, EISDIR,
				"file descriptor %d is a folder, which leads out of the sandbox: "
				"redirect it from a file or /dev/null",
				fd);
	}
	return 0;
}

static int compare_ints(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static int plan_fds(struct sandbox_launch *l, struct tt_err *err)
{
	const struct sandbox_spec *spec = l->plan.spec;
	size_t n = 0;

	l->plan.fds = calloc(spec->keep_fd_count + 1, sizeof(*l->plan.fds));
	if (!l->plan.fds)
		return tt_fail(err, ENOMEM, "list file descriptors");
	for (size_t i = 0; i < spec->keep_fd_count; i++)
		if (spec->keep_fds[i] > 2)
			l->plan.fds[n++] = spec->keep_fds[i];
	l->plan.fds[n++] = l->plan.err_fd;
	qsort(l->plan.fds, n, sizeof(*l->plan.fds), compare_ints);
	l->plan.fd_count = n;
	return 0;
}

int sandbox_plan_make(struct sandbox_launch *l, struct tt_err *err)
{
	int r = check_policy(l->spec.policy, err);

	if (r == 0)
		r = plan_rights(&l->plan, err);
	if (r == 0)
		r = check_fds(&l->spec, err);
	if (r == 0)
		r = plan_fds(l, err);
	return r < 0 ? r : sandbox_plan_mounts(l, err);
}
