/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes as the kernel's proc connector tells of them. It counts as the PID namespace outside
 * the cell does, which is where the socket comes from, and tells of every process there. So the
 * cell's processes are followed from parent to child; what they are called inside is looked up in
 * the /proc of outside as soon as they are heard of. Of those that are gone by then the number
 * inside stays unknown (0); start_ns, the moment of the message, still says which is which.
 */
#include "agent/sensor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "agent/process.h"
#include "base/procevent.h"
#include "base/time.h"

#define FOLLOWED_MAX 3072
#define INDEX_SIZE   4096 /* a power of two, and more than FOLLOWED_MAX: a search ends */
#define CPUS         1024 /* whose numbers are followed */
#define DATAGRAM     8192
#define MESSAGES_MAX 4096                /* of one call */
#define TICK_NS      (10 * TT_NS_PER_MS) /* of the times in /proc */
#define DEPTH_MAX    32                  /* PID namespaces in one another: the kernel's own limit */

/* A process of the cell. */
struct followed {
	uint64_t start_ns;
	uint64_t counted_ns;     /* when /proc told how many threads it has; 0: it did not */
	int32_t pid;             /* outside; 0: this place is free */
	uint32_t number, parent; /* inside; 0: not known. Of a free place: the next one, + 1 */
	uint32_t threads, uid;
	char comm[16];
	bool has_uid, seen;
	bool was_found; /* in /proc, which knows its start less exactly than a message */
	bool is_own;    /* the cell's init or this agent, of which nothing is told */
};

static struct {
	int fd, proc;
	unsigned depth; /* how many numbers a process of the cell has, outside first */
	ino_t ns;
	/*
	 * Places that were given back are taken first: what is resident is what ran at once, not
	 * what ever ran. The index leads from a pid to its place, + 1.
	 */
	struct followed followed[FOLLOWED_MAX];
	uint16_t index[INDEX_SIZE];
	unsigned used; /* places that ever were */
	unsigned free; /* first of those that were given back, + 1 */
	uint32_t seqs[CPUS];
	uint8_t heard[CPUS / 8];
	uint64_t lost;
	bool overflowed;
	struct agent_sink *sink;
	_Alignas(8) char datagram[DATAGRAM];
} conn;

/* Where the index has @pid, or where it would have it. */
static uint32_t search(int32_t pid)
{
	uint32_t i = (uint32_t)pid & (INDEX_SIZE - 1);

	while (conn.index[i] && conn.followed[conn.index[i] - 1].pid != pid)
		i = (i + 1) & (INDEX_SIZE - 1);
	return i;
}

static struct followed *find(int32_t pid)
{
	unsigned place = conn.index[search(pid)];

	return place ? &conn.followed[place - 1] : NULL;
}

/* @pid is not there yet. NULL: there is no place left. */
static struct followed *add(int32_t pid)
{
	unsigned place = conn.free;

	if (place)
		conn.free = conn.followed[place - 1].number;
	else if (conn.used < FOLLOWED_MAX)
		place = ++conn.used;
	else
		return NULL;
	conn.index[search(pid)] = (uint16_t)place;
	conn.followed[place - 1] = (struct followed){.pid = pid, .threads = 1};
	return &conn.followed[place - 1];
}

/* In the index those behind it move up, but for those that stand where they belong. */
static void drop(struct followed *p)
{
	uint32_t free_at = search(p->pid), i = free_at;
	unsigned place = conn.index[free_at];

	while (conn.index[i = (i + 1) & (INDEX_SIZE - 1)]) {
		uint32_t home = (uint32_t)conn.followed[conn.index[i] - 1].pid;

		if (((i - home) & (INDEX_SIZE - 1)) >= ((i - free_at) & (INDEX_SIZE - 1))) {
			conn.index[free_at] = conn.index[i];
			free_at = i;
		}
	}
	conn.index[free_at] = 0;
	*p = (struct followed){.number = conn.free};
	conn.free = place;
}

/* What /proc/PID/status tells: the process's numbers, from outside on, and its user. */
struct status {
	uint32_t numbers[DEPTH_MAX], uid;
	unsigned count; /* of numbers; 0: it is gone */
};

static void status_read(int32_t pid, struct status *ret)
{
	char path[64], text[2048];
	int fd = openat(conn.proc, agent_process_path(path, (uint32_t)pid, "status"),
			O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	const char *at, *end = text + n;
	uint64_t v;

	if (fd >= 0)
		(void)close(fd);
	ret->count = 0;
	if (n <= 0)
		return;
	ret->uid = 0;
	if (agent_process_field(text, (size_t)n, "Uid", &at) && agent_process_number(&at, end, &v))
		ret->uid = (uint32_t)v;
	if (!agent_process_field(text, (size_t)n, "NSpid", &at))
		return;
	while (ret->count < DEPTH_MAX && agent_process_number(&at, end, &v)) {
		ret->numbers[ret->count++] = (uint32_t)v;
		at += at < end && *at == '\t';
	}
}

static uint32_t number_in(const struct status *s)
{
	return s->count >= conn.depth ? s->numbers[conn.depth - 1] : 0;
}

static void put_status(struct followed *p, const struct status *s)
{
	p->number = number_in(s);
	p->uid = s->uid;
	p->has_uid = s->count != 0;
}

static struct wire_frame frame_of(const struct followed *p, enum wire_source source, uint64_t ts_ns)
{
	return (struct wire_frame){
		.source = source,
		.guest_pid = p->number,
		.guest_comm = {p->comm, strnlen(p->comm, sizeof(p->comm))},
		.guest_monotonic_ns = ts_ns,
		.ppid = p->parent,
		.start_ns = p->start_ns,
		.uid = p->uid,
		.has = WIRE_HAS(start_ns) | (p->parent ? WIRE_HAS(ppid) : 0) |
		       (p->has_uid ? WIRE_HAS(uid) : 0),
	};
}

static void put_comm(struct followed *p, const struct agent_stat *s)
{
	memset(p->comm, 0, sizeof(p->comm));
	memcpy(p->comm, s->comm, s->comm_len < sizeof(p->comm) ? s->comm_len : sizeof(p->comm));
}

/* Two accounts of when a process began, one of them in ticks of the clock and read from /proc. */
static bool is_same_start(uint64_t exact_ns, uint64_t in_ticks_ns)
{
	return in_ticks_ns < exact_ns + TICK_NS && exact_ns < in_ticks_ns + 2 * TICK_NS;
}

/* Its end was not heard of. */
static void tell_gone(struct followed *p)
{
	struct wire_frame f = frame_of(p, WIRE_PROCESS_EXITED, tt_clock_ns(CLOCK_MONOTONIC));

	if (!p->is_own)
		agent_tell(conn.sink, &f);
	drop(p);
}

/* Whether it is in the cell's own namespace; one in a namespace below is found by its parents. */
static bool is_in_cell(int32_t pid, const struct status *s)
{
	struct stat st;
	char path[64];

	if (s->count != conn.depth)
		return s->count > conn.depth;
	return fstatat(conn.proc, agent_process_path(path, (uint32_t)pid, "ns/pid"), &st, 0) == 0 &&
	       st.st_ino == conn.ns;
}

/* What messages from before that say of its threads is in that number already. */
static void put_threads(struct followed *p, const struct agent_stat *s, uint64_t counted_ns)
{
	bool first_ended = s->state == 'Z' && s->threads > 1;

	p->threads = s->threads ? s->threads - first_ended : 1;
	p->counted_ns = counted_ns;
}

/* One that was there before we listened, or whose birth was lost; @arg: nothing. */
static void find_one(uint32_t pid, void *arg)
{
	struct followed *p = find((int32_t)pid);
	uint64_t now = tt_clock_ns(CLOCK_MONOTONIC);
	struct agent_stat stat;
	struct wire_frame f;
	struct status s;

	(void)arg;
	if (agent_stat_read(conn.proc, pid, &stat) < 0)
		return;
	if (p && (p->is_own || is_same_start(p->start_ns, agent_stat_start_ns(&stat)))) {
		p->seen = true;
		put_threads(p, &stat, now);
		return;
	}
	if (p) /* another one with its number; of the one we knew nothing more was heard */
		tell_gone(p);
	status_read((int32_t)pid, &s);
	if (!is_in_cell((int32_t)pid, &s))
		return;
	p = add((int32_t)pid);
	if (!p) {
		conn.lost++;
		return;
	}
	p->seen = p->was_found = true;
	p->start_ns = agent_stat_start_ns(&stat);
	put_comm(p, &stat);
	put_status(p, &s);
	put_threads(p, &stat, now);
	p->is_own = p->number == 1 || p->number == (uint32_t)getpid();
	status_read((int32_t)stat.ppid, &s);
	p->parent = number_in(&s);
	f = frame_of(p, WIRE_PROCESS_SPAWNED, tt_clock_ns(CLOCK_MONOTONIC));
	agent_process_put(conn.proc, pid, &f);
	if (!p->is_own)
		agent_tell(conn.sink, &f);
}

static void take_fork(const struct tt_proc_event *e)
{
	struct followed *parent, *p = find(e->pid);
	struct wire_frame f;
	struct status s;

	if (e->pid != e->tid) {
		if (p && e->ts_ns > p->counted_ns)
			p->threads++;
		return;
	}
	/* found before its message was read */
	if (p && p->was_found && is_same_start(e->ts_ns, p->start_ns))
		return;
	/* else its end was lost */
	if (p)
		drop(p);
	parent = find(e->parent_pid);
	if (!parent)
		return;
	p = add(e->pid);
	if (!p) {
		conn.lost++;
		return;
	}
	p->start_ns = e->ts_ns;
	p->parent = parent->number;
	/* what it is called by now may be another program's name already */
	memcpy(p->comm, parent->comm, sizeof(p->comm));
	status_read(e->pid, &s);
	put_status(p, &s);
	f = frame_of(p, WIRE_PROCESS_SPAWNED, e->ts_ns);
	agent_tell(conn.sink, &f);
}

static void take_exec(const struct tt_proc_event *e)
{
	struct followed *p = find(e->pid);
	struct agent_stat stat;
	struct wire_frame f;
	struct status s;

	if (!p) {
		/* it may have come in from outside */
		find_one((uint32_t)e->pid, NULL);
		return;
	}
	if (p->is_own)
		return;
	if (!p->number) {
		status_read(e->pid, &s);
		put_status(p, &s);
	}
	if (agent_stat_read(conn.proc, (uint32_t)p->pid, &stat) == 0)
		put_comm(p, &stat);
	f = frame_of(p, WIRE_PROCESS_SPAWNED, e->ts_ns);
	agent_process_put(conn.proc, (uint32_t)p->pid, &f);
	agent_tell(conn.sink, &f);
}

static void take_exit(const struct tt_proc_event *e)
{
	struct followed *p = find(e->pid);
	struct wire_frame f;

	if (!p || (p->threads > 1 && (e->ts_ns < p->counted_ns || p->threads--)))
		return;
	f = frame_of(p, WIRE_PROCESS_EXITED, e->ts_ns);
	agent_process_put_status(&f, (uint32_t)e->status);
	if (!p->is_own)
		agent_tell(conn.sink, &f);
	drop(p);
}

/*
 * What is missing between two messages of one CPU did not arrive; it may have been of others than
 * the cell's.
 */
static void count_lost(const struct tt_proc_event *e)
{
	uint32_t cpu = e->cpu, missing;

	if (cpu >= CPUS)
		return;
	missing = e->seq - conn.seqs[cpu] - 1;
	if ((conn.heard[cpu / 8] >> (cpu % 8) & 1) && missing < UINT32_MAX / 2)
		conn.lost += missing;
	conn.heard[cpu / 8] |= (uint8_t)(1u << (cpu % 8));
	conn.seqs[cpu] = e->seq;
}

/* 1: a datagram of the kernel's; 0: none now */
static int receive(size_t *ret_len)
{
	struct sockaddr_nl from;
	socklen_t from_len;
	ssize_t n;

	for (;;) {
		from_len = sizeof(from);
		n = recvfrom(conn.fd, conn.datagram, sizeof(conn.datagram), MSG_DONTWAIT,
			     (struct sockaddr *)&from, &from_len);
		if (n < 0 && errno == ENOBUFS)
			conn.overflowed = true;
		else if (n <= 0 && errno != EINTR)
			return 0;
		else if (n > 0 && from_len == sizeof(from) && from.nl_pid == 0) {
			*ret_len = (size_t)n;
			return 1;
		}
	}
}

static void take(const struct tt_proc_event *e)
{
	count_lost(e);
	switch (e->kind) {
	case TT_PROC_FORK:
		take_fork(e);
		break;
	case TT_PROC_EXEC:
		take_exec(e);
		break;
	case TT_PROC_EXIT:
		take_exit(e);
		break;
	case TT_PROC_OTHER:
		break;
	}
}

/* Our list against the one of /proc: at the beginning, and when messages were lost. */
static void look_around(void)
{
	for (unsigned i = 0; i < conn.used; i++)
		conn.followed[i].seen = false;
	if (agent_process_pids(conn.proc, find_one, NULL) < 0)
		return;
	for (unsigned i = 0; i < conn.used; i++)
		if (conn.followed[i].pid && !conn.followed[i].seen)
			tell_gone(&conn.followed[i]);
}

static void read_all(void)
{
	struct tt_proc_event e;
	size_t len, at;

	for (unsigned i = 0; i < MESSAGES_MAX && receive(&len); i++)
		for (at = 0; tt_proc_event_parse(conn.datagram, len, &at, &e) == 1;)
			take(&e);
}

/*
 * A message of our own from each CPU: its number shows how many before it are missing. What we are
 * called is one.
 */
static void provoke(void)
{
	cpu_set_t all, one;
	char name[16] = "";

	(void)prctl(PR_GET_NAME, name);
	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one) == 0)
			(void)prctl(PR_SET_NAME, name);
	}
	(void)sched_setaffinity(0, sizeof(all), &all);
}

static void connector_run(struct agent_sensor *s, struct agent_sink *sink)
{
	bool is_first = !conn.sink;

	(void)s;
	conn.sink = sink;
	conn.overflowed = false;
	conn.lost = 0;
	/* from where on to count */
	if (is_first)
		provoke();
	read_all();
	if (conn.overflowed) {
		provoke();
		read_all();
	}
	if (conn.lost || conn.overflowed)
		agent_lost(sink, AGENT_SENSOR_FULL, conn.lost);
	if (is_first || conn.lost || conn.overflowed)
		look_around();
}

static void connector_close(struct agent_sensor *s)
{
	(void)s;
	(void)close(conn.proc);
	conn.proc = -1;
}

/* Who we are outside: there /proc/self leads to our number, which tells how deep the cell is. */
static int find_cell(void)
{
	struct status s;
	struct stat st;
	char self[16];
	ssize_t n = readlinkat(conn.proc, "self", self, sizeof(self));
	const char *at = self;
	uint64_t own;

	if (n < 0)
		return -errno;
	if (!agent_process_number(&at, self + n, &own))
		return -ENOENT;
	status_read((int32_t)own, &s);
	conn.depth = s.count;
	if (!conn.depth)
		return -ENOENT;
	if (fstatat(conn.proc, "self/ns/pid", &st, 0) < 0)
		return -errno;
	conn.ns = st.st_ino;
	return 0;
}

int agent_connector_open(struct agent_sensor *s, const struct agent_watch *w, const char **ret_why)
{
	int n;

	*ret_why = "none was handed down";
	if (w->connector_fd < 0 || w->outer_proc_fd < 0)
		return -ENOENT;
	conn.fd = w->connector_fd;
	conn.sink = NULL;
	conn.proc = fcntl(w->outer_proc_fd, F_DUPFD_CLOEXEC, 0);
	if (conn.proc < 0)
		return -errno;
	n = find_cell();
	if (n < 0) {
		*ret_why = "the /proc handed down does not show this process";
		(void)close(conn.proc);
		return n;
	}
	*s = (struct agent_sensor){
		.name = "proc-connector",
		.surface = 1u << WIRE_PROCESS_SPAWNED | 1u << WIRE_PROCESS_EXITED,
		.fd = conn.fd,
		.run = connector_run,
		.close = connector_close,
	};
	return 0;
}
