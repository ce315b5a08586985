/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of a run: by control group where there is one, else by whatever else holds them. */
#include "recorder/bounds.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "recorder/sampler.h"

#define LOOK_NEAR_MS 10  /* between two looks, when a limit is near */
#define LOOK_FAR_MS  100 /* ... and when it is not */

#define FAULTS_PER_MS 20         /* a disk serves no more */
#define BYTES_PER_MS  (4u << 20) /* nor is memory touched any faster */

static const struct {
	const char *name, *key;
} words[RECORDER_LIMITS] = {
	[CGROUP_LIMIT_MEMORY] = {"memory", "memory_bytes"},
	[CGROUP_LIMIT_SWAP] = {"swap", "swap_bytes"},
	[CGROUP_LIMIT_CPU] = {"cpu", "cpu_percent"},
	[CGROUP_LIMIT_PIDS] = {"pids", "pids"},
	[CGROUP_LIMIT_READ] = {"read", "read_bytes_per_s"},
	[CGROUP_LIMIT_WRITE] = {"write", "write_bytes_per_s"},
	[RECORDER_LIMIT_WALL] = {"wall", "wall_ms"},
	[RECORDER_LIMIT_CPU_TIME] = {"cpu_time", "cpu_ms"},
	[RECORDER_LIMIT_MAJOR_FAULTS] = {"major_faults", "major_faults"},
};

const char *recorder_limit_name(enum recorder_limit limit)
{
	return words[limit].name;
}

const char *recorder_limit_key(enum recorder_limit limit)
{
	return words[limit].key;
}

/* How many processes this kernel has ended for want of memory, whosesoever. */
static uint64_t count_machine_oom(void)
{
	TT_CLEANUP(tt_closep) int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	static const char key[] = "\noom_kill ";
	char text[16384];
	const char *at;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	at = strstr(text, key);
	return at ? strtoull(at + sizeof(key) - 1, NULL, 10) : 0;
}

static void take(struct recorder_limits *l, const struct policy_limits *asked)
{
	const uint64_t values[RECORDER_LIMITS] = {
		[CGROUP_LIMIT_MEMORY] = asked->memory_bytes,
		[CGROUP_LIMIT_SWAP] = asked->swap_bytes,
		[CGROUP_LIMIT_CPU] = asked->cpu_percent,
		[CGROUP_LIMIT_PIDS] = asked->pids,
		[CGROUP_LIMIT_READ] = asked->read_bytes_per_s,
		[CGROUP_LIMIT_WRITE] = asked->write_bytes_per_s,
		[RECORDER_LIMIT_WALL] = asked->wall_ms,
		[RECORDER_LIMIT_CPU_TIME] = asked->cpu_ms,
		[RECORDER_LIMIT_MAJOR_FAULTS] = asked->major_faults,
	};

	for (unsigned i = 0; i < RECORDER_LIMITS; i++)
		l->each[i] = (struct recorder_limit_state){.value = values[i]};
	l->opened = true;
}

static bool is_asked(const struct recorder_limits *l, enum recorder_limit which)
{
	return l->each[which].value != POLICY_NO_LIMIT;
}

static void make_group(struct recorder_limits *l, const struct policy *policy, const char *run_id)
{
	uint64_t limits[CGROUP_LIMITS];
	char name[64];

	for (unsigned i = 0; i < CGROUP_LIMITS; i++)
		limits[i] = l->each[i].value;
	/* the sandbox's init is one of them, too */
	if (is_asked(l, RECORDER_LIMIT_PIDS) && policy->sandboxed)
		limits[CGROUP_LIMIT_PIDS]++;
	(void)snprintf(name, sizeof(name), "telltale-%s", run_id);
	l->group = cgroup_make("", name, limits);
	for (unsigned i = 0; l->group && i < CGROUP_LIMITS; i++)
		if (l->each[i].value != POLICY_NO_LIMIT)
			l->each[i].how = cgroup_limit_source(l->group, i);
}

/* Whether uid 0 is an ordinary user outside the user namespace that we are in. */
static bool is_user_outside(void)
{
	TT_CLEANUP(tt_closep) int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	char text[128];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	char *end;

	if (n <= 0)
		return false;
	text[n] = '\0';
	return strtoul(text, &end, 10) == 0 && strtoul(end, NULL, 10) != 0;
}

/*
 * Without a group: in a user namespace of its own a uid's processes are counted apart (Linux 5.14),
 * so that RLIMIT_NPROC counts the run's alone. Root is not counted, but for that of a namespace
 * which a user has made.
 */
static int limit_pids_by_rlimit(struct recorder_limits *l, const struct policy *policy)
{
	uint64_t n = l->each[RECORDER_LIMIT_PIDS].value + 1; /* init */

	if (!policy->sandboxed || (geteuid() == 0 && !is_user_outside()))
		return 0;
	l->rlimits = calloc(policy->rlimit_count + 1, sizeof(*l->rlimits));
	if (!l->rlimits)
		return -ENOMEM;
	if (policy->rlimit_count)
		memcpy(l->rlimits, policy->rlimits, policy->rlimit_count * sizeof(*l->rlimits));
	l->rlimits[policy->rlimit_count] =
		(struct policy_rlimit){.resource = RLIMIT_NPROC, .soft = n, .hard = n};
	l->copy = *policy;
	l->copy.namespaces |= POLICY_NS_USER;
	l->copy.rlimits = l->rlimits;
	l->copy.rlimit_count = policy->rlimit_count + 1;
	l->launch = &l->copy;
	l->each[RECORDER_LIMIT_PIDS].how = "RLIMIT_NPROC in the user namespace";
	return 0;
}

/* What no group holds, and the recorder can. */
static int take_over(struct recorder_limits *l, const struct policy *policy)
{
	struct recorder_limit_state *e = l->each;

	if (is_asked(l, RECORDER_LIMIT_WALL))
		e[RECORDER_LIMIT_WALL].how = "the recorder's clock";
	if (is_asked(l, RECORDER_LIMIT_CPU_TIME))
		e[RECORDER_LIMIT_CPU_TIME].how = "the recorder, every 10 ms when it is near";
	if (is_asked(l, RECORDER_LIMIT_MAJOR_FAULTS))
		e[RECORDER_LIMIT_MAJOR_FAULTS].how = "the recorder, every 10 ms when it is near";
	if (is_asked(l, RECORDER_LIMIT_MEMORY) && !e[RECORDER_LIMIT_MEMORY].how) {
		e[RECORDER_LIMIT_MEMORY].how =
			"the recorder: the sum of PSS, every 10 ms when it is near; more may be used in "
			"between, and files in memory that are not mapped count for nothing";
		l->watched = true;
	}
	if (is_asked(l, RECORDER_LIMIT_CPU_TIME) || is_asked(l, RECORDER_LIMIT_MAJOR_FAULTS))
		l->watched = true;
	if (is_asked(l, RECORDER_LIMIT_PIDS) && !e[RECORDER_LIMIT_PIDS].how)
		return limit_pids_by_rlimit(l, policy);
	return 0;
}

int recorder_limits_open(struct recorder_limits *l, const struct policy_limits *asked,
			 const struct policy *policy, const char *run_id, bool group_wanted,
			 bool degrade, struct tt_err *err)
{
	const char *why;
	int r;

	take(l, asked);
	l->launch = policy;
	if (group_wanted)
		make_group(l, policy, run_id);
	if (!l->group || !cgroup_has_memory(l->group))
		l->machine_oom = count_machine_oom();
	r = take_over(l, policy);
	if (r < 0)
		return tt_fail(err, -r, "set limits");
	why = l->group ? cgroup_reason(l->group) : "control groups are not used";
	for (unsigned i = 0; i < RECORDER_LIMITS && !degrade; i++)
		if (is_asked(l, i) && !l->each[i].how)
			return tt_fail_text(err, ENOTSUP,
					    "limit '%s' cannot be enforced here (%s); without it: "
					    "--degrade, or --limit %s=none",
					    words[i].name,
					    why ? why : "its control group refused it",
					    words[i].name);
	return 0;
}

void recorder_limits_close(struct recorder_limits *l)
{
	cgroup_free(l->group);
	l->group = NULL;
	free(l->rlimits);
	l->rlimits = NULL;
}

int recorder_limits_wait_ms(const struct recorder_limits *l, int ms)
{
	uint64_t now;

	if (!l->watched || l->killed)
		return ms;
	now = tt_clock_ns(CLOCK_MONOTONIC);
	if (l->due_ns <= now)
		return 0;
	return l->due_ns - now < (uint64_t)ms * TT_NS_PER_MS
		       ? (int)((l->due_ns - now) / TT_NS_PER_MS) + 1
		       : ms;
}

/* Whether the recorder has to see to it that memory is not exceeded. */
static bool watches_memory(const struct recorder_limits *l)
{
	return is_asked(l, RECORDER_LIMIT_MEMORY) &&
	       !(l->group && cgroup_limit_source(l->group, CGROUP_LIMIT_MEMORY));
}

/* How many ms it takes at least until @used reaches the limit, if so much is used in each. */
static uint64_t left_ms(const struct recorder_limits *l, enum recorder_limit which, uint64_t used,
			uint64_t per_ms)
{
	uint64_t limit = l->each[which].value;

	return !is_asked(l, which) ? LOOK_FAR_MS : used >= limit ? 0 : (limit - used) / per_ms;
}

/* The next look is before anything can be used up, with all CPUs busy and all memory touched. */
static uint64_t next_look_ms(const struct recorder_limits *l, const struct recorder_running *run)
{
	static long cpus;
	uint64_t ms = LOOK_FAR_MS, each[3];

	if (!cpus)
		cpus = sysconf(_SC_NPROCESSORS_ONLN);
	each[0] = left_ms(l, RECORDER_LIMIT_CPU_TIME, run->cpu_ns / TT_NS_PER_MS,
			  cpus > 0 ? (uint64_t)cpus : 1);
	each[1] = left_ms(l, RECORDER_LIMIT_MAJOR_FAULTS, run->major_faults, FAULTS_PER_MS);
	each[2] = watches_memory(l)
			  ? left_ms(l, RECORDER_LIMIT_MEMORY, run->memory_kb * 1024, BYTES_PER_MS)
			  : LOOK_FAR_MS;
	for (size_t i = 0; i < TT_ARRAY_SIZE(each); i++)
		ms = each[i] < ms ? each[i] : ms;
	return ms < LOOK_NEAR_MS ? LOOK_NEAR_MS : ms;
}

static bool is_over(struct recorder_limits *l, enum recorder_limit which, uint64_t v)
{
	if (!is_asked(l, which) || v <= l->each[which].value)
		return false;
	l->each[which].hit = true;
	return true;
}

bool recorder_limits_check(struct recorder_limits *l, struct recorder_sampler *s,
			   struct recorder_track *track)
{
	uint64_t now = tt_clock_ns(CLOCK_MONOTONIC);
	struct recorder_running run;
	bool over;

	if (!l->watched || l->killed || now < l->due_ns)
		return false;
	/* the tree is walked only for what the group does not tell */
	recorder_sampler_running(
		s, track, is_asked(l, RECORDER_LIMIT_MAJOR_FAULTS) || watches_memory(l), &run);
	over = is_over(l, RECORDER_LIMIT_CPU_TIME, run.cpu_ns / TT_NS_PER_MS);
	over = is_over(l, RECORDER_LIMIT_MAJOR_FAULTS, run.major_faults) || over;
	/* a sum of RSS that is within the limit needs no second look */
	if (watches_memory(l) && run.memory_kb > l->each[RECORDER_LIMIT_MEMORY].value / 1024)
		over = is_over(l, RECORDER_LIMIT_MEMORY,
			       recorder_sampler_shared_kb(s, track) * 1024) ||
		       over;
	l->killed = over;
	if (!over)
		l->due_ns = now + next_look_ms(l, &run) * TT_NS_PER_MS;
	return over;
}

void recorder_limits_finish(struct recorder_limits *l, const struct cgroup_figures *f)
{
	if (!l->group)
		return;
	if (is_asked(l, RECORDER_LIMIT_MEMORY) && f->oom_kills != CGROUP_NONE && f->oom_kills &&
	    f->memory_refused != CGROUP_NONE && f->memory_refused)
		l->each[RECORDER_LIMIT_MEMORY].hit = true;
	if (is_asked(l, RECORDER_LIMIT_PIDS) && f->pids_refused != CGROUP_NONE && f->pids_refused)
		l->each[RECORDER_LIMIT_PIDS].hit = true;
}

/* A shell tells of its child's death by SIGKILL with 137. */
static bool is_killed(int status)
{
	return WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL
				   : WEXITSTATUS(status) == 128 + SIGKILL;
}

const char *recorder_limits_reason(const struct recorder_limits *l, const struct cgroup_figures *f,
				   int status)
{
	/* what the command left behind may have been ended after it: limits.hit tells of that */
	if (!is_killed(status))
		return NULL;
	if (l->killed)
		return l->each[RECORDER_LIMIT_CPU_TIME].hit ||
				       l->each[RECORDER_LIMIT_MAJOR_FAULTS].hit
			       ? "POLICY_ADAPTATION_KILL"
			       : "OOM_KILLED";
	if (l->group && f->oom_kills != CGROUP_NONE)
		return f->oom_kills ? "OOM_KILLED" : NULL;
	/* somebody was ended for want of memory meanwhile, and nobody can say who */
	return WIFSIGNALED(status) && count_machine_oom() > l->machine_oom ? "KILLED_BY_OS" : NULL;
}
