/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes as a walk over /proc finds them, again and again: where nothing else can be had. What
 * came and went between two walks is not seen. A process is known by its number and its start; that
 * it runs another program shows in where its stack begins, or where that may not be known, in its
 * name. A zombie tells how it ended, one that is gone does not.
 */
#include "agent/sensor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "agent/process.h"
#include "base/time.h"

#define KNOWN_MAX 1024
#define WALK_MS   100

struct known {
	uint64_t start_ticks, stack;
	uint32_t pid, ppid;
	char comm[16];
	uint8_t comm_len;
	bool seen, ended;
};

static struct {
	int proc;
	uint32_t own;
	struct known known[KNOWN_MAX];
	unsigned count, next; /* next: where the one that is listed next should stand */
	uint64_t beyond, beyond_told;
	struct agent_sink *sink;
} walk;

static struct wire_frame frame_of(const struct known *k, enum wire_source source)
{
	struct agent_stat s = {.start_ticks = k->start_ticks};

	return (struct wire_frame){
		.source = source,
		.guest_pid = k->pid,
		.guest_comm = {k->comm, k->comm_len},
		.guest_monotonic_ns = tt_clock_ns(CLOCK_MONOTONIC),
		.ppid = k->ppid,
		.start_ns = agent_stat_start_ns(&s),
		.has = WIRE_HAS(ppid) | WIRE_HAS(start_ns),
	};
}

static void tell_spawned(const struct known *k)
{
	struct wire_frame f = frame_of(k, WIRE_PROCESS_SPAWNED);

	agent_process_put(walk.proc, k->pid, &f);
	agent_tell(walk.sink, &f);
}

static void tell_exited(struct known *k, const struct agent_stat *zombie)
{
	struct wire_frame f = frame_of(k, WIRE_PROCESS_EXITED);

	if (zombie && zombie->has_status)
		agent_process_put_status(&f, zombie->status);
	agent_tell(walk.sink, &f);
	k->ended = true;
}

/* Both lists are in the order of numbers as a rule: the next one stands where we were. */
static struct known *find(uint32_t pid)
{
	for (unsigned i = 0; i < walk.count; i++) {
		unsigned at = (walk.next + i) % walk.count;

		if (walk.known[at].pid == pid) {
			walk.next = at + 1;
			return &walk.known[at];
		}
	}
	return NULL;
}

static void put(struct known *k, const struct agent_stat *s)
{
	k->pid = s->pid;
	k->ppid = s->ppid;
	k->start_ticks = s->start_ticks;
	k->stack = s->stack;
	k->comm_len = s->comm_len < sizeof(k->comm) ? (uint8_t)s->comm_len : sizeof(k->comm);
	memcpy(k->comm, s->comm, k->comm_len);
}

static bool runs_another(const struct known *k, const struct agent_stat *s)
{
	if (k->stack && s->stack)
		return k->stack != s->stack;
	return k->comm_len != (s->comm_len < sizeof(k->comm) ? s->comm_len : sizeof(k->comm)) ||
	       memcmp(k->comm, s->comm, k->comm_len) != 0;
}

static void see(uint32_t pid, void *arg)
{
	struct agent_stat s;
	struct known *k;
	bool is_new, is_zombie;

	(void)arg;
	/* the cell's init and we are none of the workload; who is gone meanwhile is missed below */
	if (pid == 1 || pid == walk.own || agent_stat_read(walk.proc, pid, &s) < 0)
		return;
	k = find(pid);
	if (k && k->start_ticks != s.start_ticks) {
		if (!k->ended)
			tell_exited(k, NULL);
		*k = (struct known){0};
		is_new = true;
	} else {
		is_new = !k;
	}
	if (!k && walk.count == KNOWN_MAX) {
		walk.beyond++;
		return;
	}
	if (!k)
		k = &walk.known[walk.count++];
	is_zombie = s.state == 'Z' || s.state == 'X';
	if (is_new || (!is_zombie && runs_another(k, &s))) {
		put(k, &s);
		k->ended = false;
		tell_spawned(k);
	}
	k->seen = true;
	if (is_zombie && !k->ended)
		tell_exited(k, &s);
}

static void walk_run(struct agent_sensor *s, struct agent_sink *sink)
{
	unsigned kept = 0;

	(void)s;
	walk.sink = sink;
	walk.beyond = 0;
	walk.next = 0;
	for (unsigned i = 0; i < walk.count; i++)
		walk.known[i].seen = false;
	if (agent_process_pids(walk.proc, see, NULL) < 0)
		return;
	for (unsigned i = 0; i < walk.count; i++) {
		struct known *k = &walk.known[i];

		if (!k->seen && !k->ended)
			tell_exited(k, NULL);
		if (k->seen)
			walk.known[kept++] = *k;
	}
	walk.count = kept;
	/* each walk finds the same ones beyond the table: they are told of once */
	if (walk.beyond > walk.beyond_told)
		agent_lost(sink, AGENT_SENSOR_FULL, walk.beyond - walk.beyond_told);
	walk.beyond_told = walk.beyond;
}

static void walk_close(struct agent_sensor *s)
{
	(void)s;
	(void)close(walk.proc);
	walk.proc = -1;
}

int agent_walk_open(struct agent_sensor *s, const struct agent_watch *w, const char **ret_why)
{
	int fd = open(w->proc ? w->proc : "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		*ret_why = "no /proc";
		return -errno;
	}
	/* the rest is zero: memory that was never written takes none */
	walk.count = 0;
	walk.beyond_told = 0;
	walk.proc = fd;
	walk.own = (uint32_t)getpid();
	*s = (struct agent_sensor){
		.name = "proc-walk",
		.surface = 1u << WIRE_PROCESS_SPAWNED | 1u << WIRE_PROCESS_EXITED,
		.fd = -1,
		.period_ms = w->walk_ms ? w->walk_ms : WALK_MS,
		.run = walk_run,
		.close = walk_close,
	};
	return 0;
}
