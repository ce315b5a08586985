/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The namespaces that init makes for itself. The PID namespace, and the user namespace that owns
 * it, came with clone(2); the others are made here: with clone they would be made in the caller's
 * time, who has other things to do.
 */
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "sandbox/sandbox_internal.h"

/* Linux 5.6; glibc 2.36 has it in no header */
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static const struct {
	uint32_t bit;
	int flag;
} kinds[] = {
	{POLICY_NS_MOUNT, CLONE_NEWNS},
	{POLICY_NS_IPC, CLONE_NEWIPC},
	{POLICY_NS_UTS, CLONE_NEWUTS},
	{POLICY_NS_NET, CLONE_NEWNET},
	{POLICY_NS_CGROUP, CLONE_NEWCGROUP},
	{POLICY_NS_TIME, CLONE_NEWTIME}, /* the command's, who is forked into it */
};

static void make(struct sandbox_plan *plan)
{
	int flags = 0;

	for (size_t i = 0; i < TT_ARRAY_SIZE(kinds); i++)
		if (plan->namespaces & kinds[i].bit)
			flags |= kinds[i].flag;
	if (!flags || unshare(flags) == 0)
		return;
	if (!plan->spec->degrade)
		sandbox_child_fail(plan, SANDBOX_STEP_NAMESPACES, errno, flags);
	/* which of them? */
	for (size_t i = 0; i < TT_ARRAY_SIZE(kinds); i++) {
		if (!(plan->namespaces & kinds[i].bit) || unshare(kinds[i].flag) == 0)
			continue;
		sandbox_child_lack(plan, SANDBOX_STEP_NAMESPACES, errno, kinds[i].flag);
		plan->namespaces &= ~kinds[i].bit;
	}
}

/* 127.0.0.1 and ::1 come with the flag. */
int sandbox_raise_loopback(void)
{
	TT_CLEANUP(tt_closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0 ? -errno : 0;
}

void sandbox_namespaces_enter(struct sandbox_plan *plan)
{
	const struct policy *p = plan->spec->policy;
	int r;

	make(plan);
	if (p->network == POLICY_NET_LOOPBACK && (plan->namespaces & POLICY_NS_NET)) {
		r = sandbox_raise_loopback();
		if (r < 0)
			sandbox_child_lack(plan, SANDBOX_STEP_LOOPBACK, -r, 0);
	}
	if (p->hostname && (plan->namespaces & POLICY_NS_UTS) &&
	    sethostname(p->hostname, strlen(p->hostname)) < 0)
		sandbox_child_lack(plan, SANDBOX_STEP_HOSTNAME, errno, 0);
}
