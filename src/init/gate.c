/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passing the gate: from a process of root to one that has nothing but its own ids.
 *
 * The order is that of what each step needs: the bounding set and securebits need capabilities,
 * which end with the ids; Landlock and seccomp need no_new_privs, and seccomp comes last, as it
 * would refuse nothing of what comes before, but should not have to be asked.
 */
#include "init/gate.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <string.h>

#include "base/sys.h"
#include "init/gate_internal.h"

#define LAST_CAP       63 /* the two words of capset(2) hold 64 */
#define CLOSE_ON_EXEC  4  /* CLOSE_RANGE_CLOEXEC */
#define FDS_ONE_BY_ONE 4096
#define LOCKED_SECUREBITS                                                       \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED | \
	 SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |                \
	 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

const char *init_gate_step_name(enum gate_step step)
{
	static const char *const names[] = {
		[GATE_VIEW] = "view",         [GATE_SESSION] = "session",
		[GATE_FDS] = "fds",           [GATE_BOUNDING] = "bounding",
		[GATE_IDS] = "ids",           [GATE_NO_NEW_PRIVS] = "no_new_privs",
		[GATE_LANDLOCK] = "landlock", [GATE_FILTER] = "filter",
	};

	return step < GATE_STEPS ? names[step] : "?";
}

static int control(long option, long a, long b)
{
	return (int)tt_sys6(SYS_prctl, option, a, b, 0, 0, 0);
}

/* kill(0, ...) reaches a group without naming it: it must not be that of init or agent. */
static int own_session(void)
{
	long r;

	if (tt_sys1(SYS_getsid, 0) == tt_sys0(SYS_getpid))
		return 0;
	r = tt_sys0(SYS_setsid);
	return r < 0 ? (int)r : 0;
}

/*
 * An open fd is a road past all that follows. Each was born CLOEXEC, but one that was not would not
 * be seen.
 */
static int close_fds_at_exec(void)
{
	long r = tt_sys3(SYS_close_range, 3, ~0U, CLOSE_ON_EXEC);

	if (r != -ENOSYS && r != -EINVAL)
		return (int)r;
	/* before Linux 5.11 */
	for (int fd = 3; fd < FDS_ONE_BY_ONE; fd++) {
		r = tt_sys3(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
		if (r < 0 && r != -EBADF)
			return (int)r;
	}
	return 0;
}

static int drop_bounding(void)
{
	int r = control(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0);

	for (int cap = 0; r == 0 && cap <= LAST_CAP; cap++) {
		int has = control(PR_CAPBSET_READ, cap, 0);

		if (has < 0)
			break; /* -EINVAL: past the last one of this kernel */
		r = control(PR_CAPBSET_DROP, cap, 0);
	}
	return r < 0 ? r : control(PR_SET_SECUREBITS, LOCKED_SECUREBITS, 0);
}

/*
 * Believed only when seen. Looked up, not tried out: a try would be on the record as the first
 * refused act.
 */
static bool is_without_rights(const struct gate_options *o)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct caps[2];
	uid_t u[3];
	gid_t g[3];

	memset(caps, 0xff, sizeof(caps));
	if (tt_sys3(SYS_getresuid, &u[0], &u[1], &u[2]) < 0 ||
	    tt_sys3(SYS_getresgid, &g[0], &g[1], &g[2]) < 0 ||
	    tt_sys2(SYS_getgroups, 0, NULL) != 0 || tt_sys2(SYS_capget, &head, caps) < 0)
		return false;
	for (int i = 0; i < 3; i++)
		if (u[i] != o->uid || g[i] != o->gid)
			return false;
	for (int i = 0; i < 2; i++)
		if (caps[i].effective || caps[i].permitted || caps[i].inheritable)
			return false;
	return true;
}

static int change_ids(const struct gate_options *o)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct caps[2] = {{0}};
	long r;

	/* (uid_t)-1 would mean "as it is" */
	if (o->uid == 0 || o->gid == 0 || o->uid == o->agent_uid || o->uid == (uid_t)-1 ||
	    o->gid == (gid_t)-1)
		return -EINVAL;
	r = tt_sys2(SYS_setgroups, 0, NULL);
	if (r == 0)
		r = tt_sys3(SYS_setresgid, o->gid, o->gid, o->gid);
	if (r == 0)
		r = tt_sys3(SYS_setresuid, o->uid, o->uid, o->uid);
	if (r == 0) /* also what can be inherited */
		r = tt_sys2(SYS_capset, &head, caps);
	if (r == 0 && !is_without_rights(o))
		r = -EPERM;
	return (int)r;
}

int init_gate_drop(const struct gate_options *o, enum gate_step *ret_step)
{
	int r;

	*ret_step = GATE_SESSION;
	r = own_session();
	if (r < 0)
		return r;
	*ret_step = GATE_FDS;
	r = close_fds_at_exec();
	if (r < 0)
		return r;
	*ret_step = GATE_BOUNDING;
	r = drop_bounding();
	if (r < 0)
		return r;
	*ret_step = GATE_IDS;
	r = change_ids(o);
	if (r < 0)
		return r;
	*ret_step = GATE_NO_NEW_PRIVS;
	return control(PR_SET_NO_NEW_PRIVS, 1, 0);
}

int init_gate_pass(const struct gate_options *o, int *ret_landlock, enum gate_step *ret_step)
{
	int r = init_gate_drop(o, ret_step);

	if (r < 0)
		return r;
	*ret_step = GATE_LANDLOCK;
	r = init_gate_landlock(o, ret_landlock);
	if (r < 0)
		return r;
	*ret_step = GATE_FILTER;
	return init_gate_load();
}
