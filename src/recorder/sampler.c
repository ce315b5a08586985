/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling the tree. A sum over the living and the reaped only grows, whoever dies in between. */
#include "recorder/sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "recorder/facts.h"

#define WALK_MAX (1u << 17) /* processes looked at in one sample */
/* So much more may the group's CPU time be without anybody missing: the launch is in it. */
#define LAUNCH_CPU_NS (10 * TT_NS_PER_MS)

struct totals {
	uint64_t cpu_ns, memory_kb, major_faults;
	struct recorder_io io;
	uint32_t processes;
	bool shared; /* memory that several share counts once */
};

void recorder_sampler_init(struct recorder_sampler *s, uint32_t period_ms)
{
	s->period_ms = period_ms;
	s->started_ns = s->last_ns = tt_clock_ns(CLOCK_MONOTONIC);
}

void recorder_sampler_done(struct recorder_sampler *s)
{
	free(s->work);
	s->work = NULL;
}

static void add_io(struct recorder_io *to, const struct recorder_io *io)
{
	to->bytes_read += io->bytes_read;
	to->bytes_written += io->bytes_written;
	to->read_calls += io->read_calls;
	to->write_calls += io->write_calls;
}

static void look_at(struct recorder_track *track, pid_t pid, struct totals *sum)
{
	struct recorder_stat st;
	struct recorder_io io;
	uint64_t kb;

	if (recorder_stat_read(pid, &st) < 0)
		return;
	if (sum->shared && recorder_pss_read(pid, &kb) == 0)
		st.rss_kb = kb;
	sum->cpu_ns += st.cpu_ns + st.children_cpu_ns;
	sum->memory_kb += st.rss_kb;
	sum->major_faults += st.major_faults + st.children_major_faults;
	if (st.state != 'Z')
		sum->processes++;
	if (recorder_io_read(pid, &io) == 0)
		add_io(&sum->io, &io);
	if (st.state != 'Z' && st.state != 'X')
		recorder_track_seen(track, pid, &st);
}

/* Room for @more further pids in the work list; false at the limit. */
static bool make_room(struct recorder_sampler *s, size_t used, size_t more)
{
	size_t want = s->work_cap ? s->work_cap : 256;
	pid_t *grown;

	while (want < used + more)
		want *= 2;
	if (want > WALK_MAX) {
		s->missed = true;
		return false;
	}
	if (want == s->work_cap)
		return true;
	grown = realloc(s->work, want * sizeof(*grown));
	if (!grown)
		return false;
	s->work = grown;
	s->work_cap = want;
	return true;
}

static void walk(struct recorder_sampler *s, struct recorder_track *track, struct totals *sum)
{
	size_t n = 0, at = 0;
	pid_t from = track->root;

	for (;;) {
		if (!make_room(s, n, 128))
			return;
		n += recorder_children_read(from, s->work + n, s->work_cap - n, &s->missed);
		if (at == n)
			return;
		from = s->work[at++];
		if (recorder_track_is_foreign(track, from))
			from = 0; /* has no children in /proc */
		else
			look_at(track, from, sum);
	}
}

/* Every second sample goes and the period doubles. */
static void halve(struct recorder_sampler *s)
{
	for (size_t i = 0; i < s->count / 2; i++)
		s->samples[i] = s->samples[2 * i + 1];
	s->count /= 2;
	s->period_ms *= 2;
}

/* The group knows of everybody, and to the nanosecond; what it does not know stays as it is. */
static void look_at_group(struct recorder_sampler *s, struct totals *sum)
{
	struct cgroup_figures *f = &s->group_figures;

	sum->cpu_ns += s->user_ns + s->system_ns;
	sum->major_faults += s->major_faults;
	if (!s->group)
		return;
	cgroup_figures(s->group, f);
	if (f->cpu_source)
		sum->cpu_ns = f->user_ns + f->system_ns;
	if (f->memory_bytes != CGROUP_NONE)
		sum->memory_kb = f->memory_bytes / 1024;
	/* a walk through /proc takes time: it may meet those that end and those that come then */
	if (sum->processes > f->peak_pids)
		sum->processes = (uint32_t)f->peak_pids;
}

static void add_sample(struct recorder_sampler *s, struct recorder_track *track, struct totals *sum)
{
	uint64_t now = tt_clock_ns(CLOCK_MONOTONIC), span = now - s->last_ns;
	struct recorder_sample *sample;
	struct event ev = {
		.type = EVENT_SAMPLE,
		.source = EVENT_FROM_PROC,
		.ts_ns = recorder_track_now(),
		.ids = &track->ids,
	};

	look_at_group(s, sum);
	add_io(&sum->io, &s->io);
	if (s->count == RECORDER_SAMPLES_MAX)
		halve(s);
	sample = &s->samples[s->count++];
	sample->time_ms = (uint32_t)((now - s->started_ns) / TT_NS_PER_MS);
	sample->processes = sum->processes;
	sample->memory_kb = sum->memory_kb;
	sample->read_calls = sum->io.read_calls;
	sample->write_calls = sum->io.write_calls;
	/* clock ticks and exact figures meet here: a sum may seem to shrink by less than a tick */
	sample->cpu_percent =
		span && sum->cpu_ns > s->last_cpu_ns
			? 100.0 * (double)(sum->cpu_ns - s->last_cpu_ns) / (double)span
			: 0;
	if (sum->cpu_ns > s->last_cpu_ns)
		s->last_cpu_ns = sum->cpu_ns;
	s->last_ns = now;
	if (sum->memory_kb > s->peak_memory_kb)
		s->peak_memory_kb = sum->memory_kb;
	if (sum->processes > s->peak_processes)
		s->peak_processes = sum->processes;
	/* over less than half a period the tick is larger than what it measures */
	if (span >= s->period_ms * TT_NS_PER_MS / 2 && sample->cpu_percent > s->peak_cpu)
		s->peak_cpu = sample->cpu_percent;
	ev.cpu_percent = sample->cpu_percent;
	ev.memory_kb = sample->memory_kb;
	ev.processes = sample->processes;
	ev.read_syscalls = sample->read_calls;
	ev.write_syscalls = sample->write_calls;
	recorder_output_event(track->out, &ev);
}

void recorder_sampler_take(struct recorder_sampler *s, struct recorder_track *track)
{
	struct totals sum = {0};

	walk(s, track, &sum);
	add_sample(s, track, &sum);
}

void recorder_sampler_running(struct recorder_sampler *s, struct recorder_track *track,
			      bool walk_it, struct recorder_running *ret)
{
	struct totals sum = {0};

	if (walk_it || !s->group || !s->group_figures.cpu_source)
		walk(s, track, &sum);
	ret->memory_kb = sum.memory_kb;
	look_at_group(s, &sum);
	ret->cpu_ns = sum.cpu_ns;
	ret->major_faults = sum.major_faults;
}

uint64_t recorder_sampler_shared_kb(struct recorder_sampler *s, struct recorder_track *track)
{
	struct totals sum = {.shared = true};

	walk(s, track, &sum);
	return sum.memory_kb;
}

static uint64_t timeval_ns(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * TT_NS_PER_SEC + (uint64_t)tv->tv_usec * TT_NS_PER_US;
}

static void add_usage(struct recorder_sampler *s, const struct rusage *ru)
{
	s->user_ns += timeval_ns(&ru->ru_utime);
	s->system_ns += timeval_ns(&ru->ru_stime);
	s->minor_faults += (uint64_t)ru->ru_minflt;
	s->major_faults += (uint64_t)ru->ru_majflt;
	s->voluntary += (uint64_t)ru->ru_nvcsw;
	s->involuntary += (uint64_t)ru->ru_nivcsw;
	if ((uint64_t)ru->ru_maxrss > s->max_rss_kb)
		s->max_rss_kb = (uint64_t)ru->ru_maxrss;
}

static void count_io(struct recorder_sampler *s, int r, const struct recorder_io *io)
{
	if (r == 0)
		add_io(&s->io, io);
	else
		s->io_unread++;
}

int recorder_sampler_reap(struct recorder_sampler *s, pid_t pid, int io_fd, int *ret_status)
{
	struct recorder_io io;
	struct rusage ru;

	count_io(s, io_fd >= 0 ? recorder_io_read_fd(io_fd, &io) : recorder_io_read(pid, &io), &io);
	if (wait4(pid, ret_status, 0, &ru) < 0)
		return -errno;
	add_usage(s, &ru);
	return 0;
}

void recorder_sampler_add(struct recorder_sampler *s, const struct rusage *ru, int io_fd, pid_t pid)
{
	struct recorder_io io;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) == 0)
		s->init_ns = tt_clock_ns(clock);

	count_io(s, recorder_io_read_fd(io_fd, &io), &io);
	add_usage(s, ru);
}

/*
 * Where it may be that not all were reaped: what the kernel told of each, if it told the end of
 * every one.
 */
static void take_from_facts(struct recorder_sampler *s, const struct recorder_track *t)
{
	const struct recorder_facts *facts = t->facts;
	const struct recorder_facts_figures *f;

	if (!recorder_facts_are_whole(facts) || !(t->children_ignored || s->group_knows_more ||
						  s->io_unread || !s->group_figures.cpu_source))
		return;
	f = &facts->ended;
	s->from_facts = true;
	s->group_knows_more = false;
	s->user_ns = f->user_ns;
	s->system_ns = f->system_ns;
	s->minor_faults = f->minor_faults;
	s->major_faults = f->major_faults;
	s->voluntary = f->voluntary;
	s->involuntary = f->involuntary;
	s->io = (struct recorder_io){.bytes_read = f->bytes_read,
				     .bytes_written = f->bytes_written,
				     .read_calls = f->read_calls,
				     .write_calls = f->write_calls};
}

void recorder_sampler_close(struct recorder_sampler *s, struct recorder_track *track)
{
	struct cgroup_figures *f = &s->group_figures;
	struct totals sum = {0};

	add_sample(s, track, &sum);
	/* nobody reaped some process, and maybe no library told us so */
	if (f->cpu_source &&
	    f->user_ns + f->system_ns > s->user_ns + s->system_ns + s->init_ns +
						(track->children_ignored ? 0 : LAUNCH_CPU_NS)) {
		s->group_knows_more = true;
		s->user_ns = f->user_ns;
		s->system_ns = f->system_ns > s->init_ns ? f->system_ns - s->init_ns : 0;
	}
	take_from_facts(s, track);
}
