/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of the group, from whatever file this kernel has for them. */
#include <errno.h>
#include <unistd.h>

#include "base/time.h"
#include "cgroup/cgroup_internal.h"
#include "util/textfile.h"

static uint64_t number_in(const struct cgroup_folder *f, const char *file)
{
	char text[64];
	uint64_t v;

	if (!f || tt_text_read(f->fd, file, text, sizeof(text)) < 0 ||
	    cgroup_parse_number(text, &v) < 0)
		return CGROUP_NONE;
	return v;
}

static uint64_t key_in(const struct cgroup_folder *f, const char *file, const char *key)
{
	char text[CGROUP_TEXT_MAX];
	uint64_t v;

	if (!f || tt_text_read(f->fd, file, text, sizeof(text)) < 0 ||
	    cgroup_parse_key(text, key, &v) < 0)
		return CGROUP_NONE;
	return v;
}

/* cpuacct.usage is exact; how much of it is user time cpuacct.stat tells in clock ticks. */
static void read_cpuacct(const struct cgroup_folder *f, struct cgroup_figures *ret)
{
	uint64_t total = number_in(f, "cpuacct.usage"), user = key_in(f, "cpuacct.stat", "user"),
		 system = key_in(f, "cpuacct.stat", "system");

	if (total == CGROUP_NONE || user == CGROUP_NONE || system == CGROUP_NONE)
		return;
	ret->user_ns = user + system
			       ? (uint64_t)((double)total * (double)user / (double)(user + system))
			       : total;
	ret->system_ns = total - ret->user_ns;
	ret->cpu_source = "cpuacct.usage";
}

static void read_cpu(const struct cgroup *g, struct cgroup_figures *ret)
{
	const struct cgroup_folder *f = cgroup_folder_unified(g);
	char text[CGROUP_TEXT_MAX];
	uint64_t user, system;

	ret->user_ns = ret->system_ns = CGROUP_NONE;
	if (!f || tt_text_read(f->fd, "cpu.stat", text, sizeof(text)) < 0 ||
	    cgroup_parse_key(text, "user_usec", &user) < 0 ||
	    cgroup_parse_key(text, "system_usec", &system) < 0) {
		read_cpuacct(cgroup_folder_with(g, CGROUP_CPUACCT), ret);
		return;
	}
	ret->user_ns = user * TT_NS_PER_US;
	ret->system_ns = system * TT_NS_PER_US;
	ret->cpu_source = "cpu.stat";
}

static void read_memory(const struct cgroup *g, struct cgroup_figures *ret)
{
	const struct cgroup_folder *f = cgroup_folder_with(g, CGROUP_MEMORY);
	bool v2 = f && f->v2;

	ret->memory_bytes = number_in(f, v2 ? "memory.current" : "memory.usage_in_bytes");
	ret->peak_memory_bytes = number_in(f, v2 ? "memory.peak" : "memory.max_usage_in_bytes");
	if (ret->peak_memory_bytes != CGROUP_NONE)
		ret->memory_source = v2 ? "memory.peak" : "memory.max_usage_in_bytes";
	ret->oom_kills = key_in(f, v2 ? "memory.events" : "memory.oom_control", "oom_kill");
	if (g->limits[CGROUP_LIMIT_MEMORY] == CGROUP_NONE)
		return; /* none that could be run into */
	ret->memory_refused =
		v2 ? key_in(f, "memory.events", "max") : number_in(f, "memory.failcnt");
}

void cgroup_figures(const struct cgroup *g, struct cgroup_figures *ret)
{
	*ret = (struct cgroup_figures){0};
	read_cpu(g, ret);
	read_memory(g, ret);
	ret->pids_refused = key_in(cgroup_folder_with(g, CGROUP_PIDS), "pids.events", "max");
	ret->peak_pids = number_in(cgroup_folder_with(g, CGROUP_PIDS), "pids.peak");
}
