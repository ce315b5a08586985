/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acts as programs in the kernel see them: src/bpf/guest_lives.bpf.c and guest_acts.bpf.c, which
 * come as light skeletons. Each has a ring; what both hold is told in the order in which it
 * happened.
 *
 * Asleep, the first record wakes us. After that we look every LOOK_MS by ourselves and are woken
 * only if a ring gets full faster, until there was nothing: wake-ups cost more than the acts.
 */
#include "agent/sensor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "agent/address.h"
#include "agent/process.h"
#include "base/time.h"
#include "bpf/guest.h"

#include <guest_acts.skel.h>
#include <guest_acts_entry.skel.h>
#include <guest_acts_gate.skel.h>
#include <guest_lives.skel.h>

#define LOOK_MS     20
#define RECORDS_MAX 4096 /* of one call */
#define RECORD_BUSY (1u << 31)
#define RECORD_DROP (1u << 30)
#define HEADER_SIZE 8u /* linux/bpf.h: BPF_RINGBUF_HDR_SZ */
#define RECORD_MAX  (sizeof(struct guest_exec) + GUEST_EXE_MAX + GUEST_ARGV_MAX)

/*
 * A ring as the kernel shows it: a page that we write how far we have read, a page that says how
 * far was written, and the data. The kernel would map them twice in a row, so that no record is in
 * two pieces; once is half the memory, and few records are.
 */
struct ring {
	uint64_t *read, *written;
	const char *data;
	size_t size, mapped;
	uint64_t at;
	uint64_t *wake_at, *lost; /* the programs' own variables */
	uint64_t lost_told;
};

static struct {
	struct guest_lives_bpf *lives;
	struct guest_acts_bpf *acts;
	struct guest_acts_entry_bpf *entry;
	struct guest_acts_gate_bpf *gate;
	struct ring rings[2];
	unsigned ring_count;
	int epoll, timer, proc;
	char whole[2][RECORD_MAX]; /* of each ring: a record that was in two pieces */
	char addr[AGENT_ADDRESS_MAX];
} ebpf;

static int ring_open(struct ring *r, int fd, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
	char *map = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	r->read = (uint64_t *)map;
	map = mmap(NULL, page + size, PROT_READ, MAP_SHARED, fd, (off_t)page);
	if (map == MAP_FAILED)
		return -errno;
	r->written = (uint64_t *)map;
	r->data = map + page;
	r->size = size;
	r->mapped = page + size;
	return epoll_ctl(ebpf.epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static void ring_close(struct ring *r)
{
	if (r->read)
		(void)munmap(r->read, (size_t)sysconf(_SC_PAGESIZE));
	if (r->written)
		(void)munmap(r->written, r->mapped);
}

static void ring_pass(struct ring *r, uint32_t len)
{
	r->at += (HEADER_SIZE + len + 7) & ~7u;
	__atomic_store_n(r->read, r->at, __ATOMIC_RELEASE);
}

/* @at: where in the ring; a head is never in two pieces. */
static const struct guest_head *record_at(const struct ring *r, size_t at, uint32_t len)
{
	char *whole = ebpf.whole[r - ebpf.rings];
	size_t first = r->size - at;

	if (len <= first)
		return (const struct guest_head *)(r->data + at);
	if (len > RECORD_MAX)
		len = RECORD_MAX;
	memcpy(whole, r->data + at, first);
	memcpy(whole + first, r->data, len - first);
	return (const struct guest_head *)whole;
}

/* The next record that is whole, or NULL. What is no record is passed over. */
static const struct guest_head *ring_peek(struct ring *r, uint32_t *ret_len)
{
	uint64_t end = __atomic_load_n(r->written, __ATOMIC_ACQUIRE);

	while (r->at < end) {
		const char *p = r->data + (r->at & (r->size - 1));
		uint32_t head = __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);

		*ret_len = head & ~(RECORD_BUSY | RECORD_DROP);
		if (head & RECORD_BUSY)
			return NULL;
		if (!(head & RECORD_DROP))
			return record_at(r, (r->at + HEADER_SIZE) & (r->size - 1), *ret_len);
		ring_pass(r, *ret_len);
	}
	return NULL;
}

static struct wire_text text_of(const char *data, size_t cap)
{
	return (struct wire_text){data, strnlen(data, cap)};
}

static void put_exec(struct wire_frame *f, const struct guest_exec *r)
{
	const char *texts = (const char *)(r + 1);

	f->source = WIRE_PROCESS_SPAWNED;
	f->exe = (struct wire_text){texts, r->exe_len};
	f->has |= WIRE_HAS(exe);
	agent_process_put_argv(f, texts + r->exe_len, r->argv_len, r->argv_left);
}

static void tell(struct agent_sink *sink, const struct guest_head *h)
{
	struct wire_frame f = {
		.guest_pid = h->pid,
		.guest_comm = text_of(h->comm, sizeof(h->comm)),
		.guest_monotonic_ns = h->ts_ns,
		.ppid = h->ppid,
		.start_ns = h->start_ns,
		.uid = h->uid,
		.has = WIRE_HAS(ppid) | WIRE_HAS(start_ns) | WIRE_HAS(uid),
	};
	const struct guest_number *number = (const struct guest_number *)h;
	const struct guest_connect *connect = (const struct guest_connect *)h;

	switch ((enum guest_kind)h->kind) {
	case GUEST_FORK:
		f.source = WIRE_PROCESS_SPAWNED;
		break;
	case GUEST_THERE:
		f.source = WIRE_PROCESS_SPAWNED;
		agent_process_put(ebpf.proc, h->pid, &f);
		break;
	case GUEST_EXEC:
		put_exec(&f, (const struct guest_exec *)h);
		break;
	case GUEST_EXIT:
		f.source = WIRE_PROCESS_EXITED;
		agent_process_put_status(&f, number->number);
		break;
	case GUEST_CAPABILITY:
		f.source = WIRE_CAPABILITY_DENIED;
		f.capability = number->number;
		f.has |= WIRE_HAS(capability);
		break;
	case GUEST_CONNECT:
		f.source = WIRE_NET_CONNECT_ATTEMPTED;
		if (!agent_address_put(&f, ebpf.addr, connect->addr, connect->len))
			return;
		break;
	case GUEST_REFUSED:
		f.source = WIRE_GATE_DENIED;
		f.syscall = number->number;
		f.has |= WIRE_HAS(syscall);
		break;
	}
	agent_tell(sink, &f);
}

/* All that is there, in the order of time. Returns how many were told. */
static unsigned drain(struct agent_sink *sink)
{
	const struct guest_head *h, *first;
	unsigned told, i, from = 0;
	uint32_t len, first_len = 0;

	for (told = 0; told < RECORDS_MAX; told++) {
		first = NULL;
		for (i = 0; i < ebpf.ring_count; i++) {
			h = ring_peek(&ebpf.rings[i], &len);
			if (h && (!first || h->ts_ns < first->ts_ns)) {
				first = h;
				first_len = len;
				from = i;
			}
		}
		if (!first)
			break;
		tell(sink, first);
		ring_pass(&ebpf.rings[from], first_len);
	}
	return told;
}

static void set_timer(long ns)
{
	struct itimerspec t = {.it_value = {ns / 1000000000, ns % 1000000000}};

	(void)timerfd_settime(ebpf.timer, 0, &t, NULL);
}

/* From when on the programs shall wake us. */
static void set_wake(bool asleep)
{
	for (unsigned i = 0; i < ebpf.ring_count; i++)
		__atomic_store_n(ebpf.rings[i].wake_at, asleep ? 0 : ebpf.rings[i].size / 4,
				 __ATOMIC_SEQ_CST);
}

static bool is_empty(void)
{
	for (unsigned i = 0; i < ebpf.ring_count; i++)
		if (__atomic_load_n(ebpf.rings[i].written, __ATOMIC_SEQ_CST) != ebpf.rings[i].at)
			return false;
	return true;
}

static void ebpf_run(struct agent_sensor *s, struct agent_sink *sink)
{
	struct epoll_event ev[3];
	unsigned told;

	(void)s;
	/* the edges are seen */
	(void)epoll_wait(ebpf.epoll, ev, TT_ARRAY_SIZE(ev), 0);
	told = drain(sink);
	for (unsigned i = 0; i < ebpf.ring_count; i++) {
		struct ring *r = &ebpf.rings[i];
		uint64_t lost = __atomic_load_n(r->lost, __ATOMIC_RELAXED);

		if (lost != r->lost_told)
			agent_lost(sink, AGENT_SENSOR_FULL, lost - r->lost_told);
		r->lost_told = lost;
	}
	set_wake(told == 0);
	if (told == RECORDS_MAX || (told == 0 && !is_empty()))
		set_timer(1);
	else
		set_timer(told ? LOOK_MS * (long)TT_NS_PER_MS : 0);
}

static void ebpf_close(struct agent_sensor *s)
{
	(void)s;
	for (size_t i = 0; i < TT_ARRAY_SIZE(ebpf.rings); i++)
		ring_close(&ebpf.rings[i]);
	guest_lives_bpf__destroy(ebpf.lives);
	guest_acts_bpf__destroy(ebpf.acts);
	guest_acts_entry_bpf__destroy(ebpf.entry);
	guest_acts_gate_bpf__destroy(ebpf.gate);
	if (ebpf.timer > 0)
		(void)close(ebpf.timer);
	if (ebpf.epoll > 0)
		(void)close(ebpf.epoll);
	if (ebpf.proc > 0)
		(void)close(ebpf.proc);
	memset(&ebpf, 0, sizeof(ebpf));
}

/* Whose acts are to be told: of our PID namespace. */
static int set_scope(int prog_fd)
{
	union bpf_attr attr = {.test.prog_fd = (uint32_t)prog_fd};

	return syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

/* Loaded, aimed, its ring mapped; not attached yet. */
#define PREPARE(skel, name, bytes)                                              \
	({                                                                      \
		struct ring *ring_ = &ebpf.rings[ebpf.ring_count];              \
		int n_;                                                         \
                                                                                \
		(skel) = name##__open();                                        \
		if (skel)                                                       \
			(skel)->maps.ring.max_entries = (bytes);                \
		n_ = !(skel) ? -ENOMEM : name##__load(skel);                    \
		if (n_ == 0)                                                    \
			n_ = set_scope((skel)->progs.scope.prog_fd);            \
		if (n_ == 0) {                                                  \
			ring_->wake_at = (uint64_t *)&(skel)->bss->wake_at;     \
			ring_->lost = (uint64_t *)&(skel)->bss->lost;           \
			n_ = ring_open(ring_, (skel)->maps.ring.map_fd, bytes); \
		}                                                               \
		n_;                                                             \
	})

/* Takes back what PREPARE() did. */
#define DISCARD(skel, name)                                                                   \
	do {                                                                                  \
		ring_close(&ebpf.rings[ebpf.ring_count]);                                     \
		memset(&ebpf.rings[ebpf.ring_count], 0, sizeof(ebpf.rings[ebpf.ring_count])); \
		name##__destroy(skel);                                                        \
		(skel) = NULL;                                                                \
	} while (0)

#define BIT(source) (1u << WIRE_##source)

/* Tracepoints, as far as there are. */
static uint32_t attach_acts(void)
{
	uint32_t surface = 0;
	bool begins = guest_acts_bpf__on_call__attach(ebpf.acts) >= 0;
	bool returns = guest_acts_bpf__on_return__attach(ebpf.acts) >= 0;

	if (begins)
		surface |= BIT(NET_CONNECT_ATTEMPTED);
	if (begins && returns) {
		surface |= BIT(GATE_DENIED);
		ebpf.acts->bss->since_ns = tt_clock_ns(CLOCK_MONOTONIC);
	}
	/* not all kernels have it */
	if (returns && guest_acts_bpf__on_capability__attach(ebpf.acts) >= 0)
		surface |= BIT(CAPABILITY_DENIED);
	return surface;
}

/*
 * The functions of the kernel, with the one that takes note of refused calls; or without it; or
 * tracepoints. Returns the surface.
 */
static uint32_t open_acts(void)
{
	const uint32_t all = BIT(CAPABILITY_DENIED) | BIT(NET_CONNECT_ATTEMPTED) | BIT(GATE_DENIED);
	uint32_t surface;

	if (PREPARE(ebpf.gate, guest_acts_gate_bpf, GUEST_ACTS_BYTES) == 0 &&
	    guest_acts_gate_bpf__attach(ebpf.gate) == 0) {
		ebpf.ring_count++;
		return all;
	}
	DISCARD(ebpf.gate, guest_acts_gate_bpf);
	if (PREPARE(ebpf.entry, guest_acts_entry_bpf, GUEST_ACTS_BYTES) == 0 &&
	    guest_acts_entry_bpf__attach(ebpf.entry) == 0) {
		ebpf.entry->bss->since_ns = tt_clock_ns(CLOCK_MONOTONIC);
		ebpf.ring_count++;
		return all;
	}
	DISCARD(ebpf.entry, guest_acts_entry_bpf);
	surface = PREPARE(ebpf.acts, guest_acts_bpf, GUEST_ACTS_BYTES) == 0 ? attach_acts() : 0;
	if (surface)
		ebpf.ring_count++;
	else
		DISCARD(ebpf.acts, guest_acts_bpf);
	return surface;
}

/* Those that are there already, as after an agent that died: each becomes a record. */
static void look_around(int link_fd)
{
	union bpf_attr attr = {.iter_create.link_fd = (uint32_t)link_fd};
	int fd = (int)syscall(SYS_bpf, BPF_ITER_CREATE, &attr, sizeof(attr));
	char nothing[64];

	while (fd >= 0 && read(fd, nothing, sizeof(nothing)) > 0)
		;
	if (fd >= 0)
		(void)close(fd);
}

static int open_lives(void)
{
	int n = PREPARE(ebpf.lives, guest_lives_bpf, GUEST_LIVES_BYTES);

	if (n < 0)
		return n;
	if (guest_lives_bpf__on_fork__attach(ebpf.lives) < 0 ||
	    guest_lives_bpf__on_exec__attach(ebpf.lives) < 0 ||
	    guest_lives_bpf__on_exit__attach(ebpf.lives) < 0)
		return -errno;
	if (guest_lives_bpf__on_each__attach(ebpf.lives) >= 0)
		look_around(ebpf.lives->links.on_each_fd);
	ebpf.ring_count++;
	return 0;
}

int agent_ebpf_open(struct agent_sensor *s, const struct agent_watch *w, const char **ret_why)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
	int n = 0;

	*ret_why = "no room for fds";
	ebpf.epoll = epoll_create1(EPOLL_CLOEXEC);
	ebpf.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (ebpf.epoll < 0 || ebpf.timer < 0 ||
	    epoll_ctl(ebpf.epoll, EPOLL_CTL_ADD, ebpf.timer, &ev) < 0)
		n = -errno;
	ebpf.proc = open(w->proc ? w->proc : "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (n == 0) {
		n = open_lives();
		*ret_why = n == -EPERM || n == -EACCES
				   ? "the kernel refuses eBPF programs"
				   : "no eBPF with BTF in this kernel (5.17 or later)";
	}
	if (n < 0) {
		ebpf_close(s);
		return n;
	}
	*s = (struct agent_sensor){
		.name = "ebpf",
		.surface = BIT(PROCESS_SPAWNED) | BIT(PROCESS_EXITED) | open_acts(),
		.fd = ebpf.epoll,
		.run = ebpf_run,
		.close = ebpf_close,
	};
	set_wake(true);
	return 0;
}
