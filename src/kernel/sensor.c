/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading, attaching and reading. The programs come as a light skeleton: a small program of its own
 * that makes maps and programs inside the kernel, where the ordinary way would read megabytes of
 * BTF here first (2 to 5 ms instead of 20).
 */
#include "kernel/sensor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/time.h"
#include "bpf/record.h"
#include "kernel/records.h"
#include "util/textfile.h"

#include <sensor.skel.h>
#include <sensor_fexit.skel.h>

#define ACTS_BYTES  (4u << 20)
#define FACTS_MAX   (1u << 16) /* of one pass; the rest comes in the next */
#define PARTS_MAX   1024
#define RECORD_BUSY (1u << 31)
#define RECORD_DROP (1u << 30)
#define BUSY_LOOKS  1000
#define HEADER_SIZE 8u /* linux/bpf.h: BPF_RINGBUF_HDR_SZ */

/*
 * A ring buffer as the kernel shows it: a page that we write how far we have read, a page that
 * says how far was written, and the data, mapped twice in a row so that no record is in two pieces.
 */
struct ring {
	uint64_t *read, *written;
	const char *data;
	size_t size, mapped;
	uint64_t taken; /* read in this pass, to be given back in the next */
};

/* Two builds of the same programs: what is read of one skeleton is where it is in the other. */
_Static_assert(sizeof(struct sensor_bpf) == sizeof(struct sensor_fexit_bpf) &&
		       offsetof(struct sensor_bpf, maps.acts) ==
			       offsetof(struct sensor_fexit_bpf, maps.acts) &&
		       offsetof(struct sensor_bpf, maps.lives) ==
			       offsetof(struct sensor_fexit_bpf, maps.lives) &&
		       offsetof(struct sensor_bpf, maps.tasks) ==
			       offsetof(struct sensor_fexit_bpf, maps.tasks) &&
		       offsetof(struct sensor_bpf, maps.counts) ==
			       offsetof(struct sensor_fexit_bpf, maps.counts) &&
		       offsetof(struct sensor_bpf, maps.lost_by_cpu) ==
			       offsetof(struct sensor_fexit_bpf, maps.lost_by_cpu) &&
		       offsetof(struct sensor_bpf, progs.on_return) ==
			       offsetof(struct sensor_fexit_bpf, progs.on_return) &&
		       offsetof(struct sensor_bpf, links.on_return_fd) ==
			       offsetof(struct sensor_fexit_bpf, links.on_return_fd),
	       "the second is used by the first one's struct");

struct entry {
	uint64_t ts;
	const char *record;
	uint32_t len;
};

struct kernel_sensor {
	struct sensor_bpf *skel;
	struct ring rings[2];
	struct entry *entries;
	size_t count, next;
	unsigned fill;
	bool latency;
	int cpus;
	char parts[PARTS_MAX];
};

static int ring_open(struct ring *r, int fd, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *map = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	r->read = (uint64_t *)map;
	map = mmap(NULL, page + 2 * size, PROT_READ, MAP_SHARED, fd, (off_t)page);
	if (map == MAP_FAILED)
		return -errno;
	r->written = (uint64_t *)map;
	r->data = map + page;
	r->size = size;
	r->mapped = page + 2 * size;
	return 0;
}

static void ring_close(struct ring *r)
{
	if (r->read)
		(void)munmap(r->read, (size_t)sysconf(_SC_PAGESIZE));
	if (r->written)
		(void)munmap(r->written, r->mapped);
}

/* A record's head, once it is written: that is not interrupted, but its CPU may be taken away. */
static uint32_t await_head(const char *p)
{
	uint32_t head = __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);

	for (int i = 0; (head & RECORD_BUSY) && i < BUSY_LOOKS; i++)
		head = __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
	return head;
}

/* Note what the ring holds, up to a record that is being written or is later than @until. */
static void ring_take(struct kernel_sensor *s, struct ring *r, uint64_t until)
{
	uint64_t at, end = __atomic_load_n(r->written, __ATOMIC_ACQUIRE);
	unsigned fill;

	__atomic_store_n(r->read, r->taken, __ATOMIC_RELEASE);
	fill = (unsigned)((end - r->taken) * 100 / r->size);
	if (fill > s->fill)
		s->fill = fill;
	for (at = r->taken; at < end && s->count < FACTS_MAX;) {
		const char *p = r->data + (at & (r->size - 1));
		uint32_t head = await_head(p);
		uint32_t len = head & ~(RECORD_BUSY | RECORD_DROP);
		const struct sensor_head *h = (const struct sensor_head *)(p + HEADER_SIZE);

		if (head & RECORD_BUSY || (!(head & RECORD_DROP) && h->ts_ns > until))
			break;
		if (!(head & RECORD_DROP) && len >= sizeof(*h))
			s->entries[s->count++] = (struct entry){h->ts_ns, p + HEADER_SIZE, len};
		at += (len + HEADER_SIZE + 7) & ~7ull;
	}
	r->taken = at;
}

static int by_time(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->ts != y->ts)
		return x->ts < y->ts ? -1 : 1;
	return x->record < y->record ? -1 : x->record > y->record;
}

void kernel_sensor_take(struct kernel_sensor *s)
{
	uint64_t until;

	s->count = s->next = 0;
	s->fill = 0;
	/*
	 * Up to this moment both rings hold all there was: no act comes before its process's birth
	 * or after its end.
	 */
	until = tt_clock_ns(CLOCK_MONOTONIC);
	for (size_t i = 0; i < TT_ARRAY_SIZE(s->rings); i++)
		ring_take(s, &s->rings[i], until);
	for (size_t i = 1; i < s->count; i++)
		if (by_time(&s->entries[i - 1], &s->entries[i]) > 0) {
			qsort(s->entries, s->count, sizeof(*s->entries), by_time);
			break;
		}
}

int kernel_sensor_next(struct kernel_sensor *s, struct kernel_fact *ret)
{
	while (s->next < s->count) {
		const struct entry *e = &s->entries[s->next++];

		if (kernel_record_fact(e->record, e->len, ret) > 0)
			return 1;
	}
	return 0;
}

unsigned kernel_sensor_fill(const struct kernel_sensor *s)
{
	return s->fill;
}

static int look_up(int map_fd, const void *key, void *value)
{
	union bpf_attr attr = {.map_fd = (uint32_t)map_fd};

	attr.key = (uint64_t)(uintptr_t)key;
	attr.value = (uint64_t)(uintptr_t)value;
	return (int)syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

/*
 * For how many CPUs a per-CPU map has values: those that are possible. The kernel itself is asked,
 * as it fills just so many places: /sys need not be there.
 */
static int count_cpus(const struct kernel_sensor *s, int *ret)
{
	const size_t room = 8192 * sizeof(uint64_t); /* the largest CONFIG_NR_CPUS */
	const uint32_t kind = SENSOR_LOST_RECORDS;
	uint64_t *each = malloc(room);
	int r = each ? 0 : -ENOMEM;

	if (r == 0) {
		memset(each, 0xff, room);
		r = look_up(s->skel->maps.lost_by_cpu.map_fd, &kind, each);
		for (*ret = 0; (size_t)*ret < room / sizeof(*each) && each[*ret] != UINT64_MAX;)
			++*ret;
	}
	free(each);
	return r;
}

uint64_t kernel_sensor_lost(const struct kernel_sensor *s)
{
	uint64_t *each = calloc((size_t)s->cpus, sizeof(*each)), sum = 0;

	for (uint32_t kind = 0; each && kind < SENSOR_LOST_KINDS; kind++)
		if (look_up(s->skel->maps.lost_by_cpu.map_fd, &kind, each) == 0)
			for (int i = 0; i < s->cpus; i++)
				sum += each[i];
	free(each);
	return sum;
}

#define COUNTS_AT_ONCE 64 /* numbers that one call fetches: one for each would be hundreds */

/* Up to that many of the counts, from where @at says on; how many, or -errno. */
static int look_up_some(const struct kernel_sensor *s, uint32_t *at, bool first,
			struct sensor_count *each)
{
	uint32_t keys[COUNTS_AT_ONCE];
	union bpf_attr attr = {.batch = {
				       .in_batch = first ? 0 : (uint64_t)(uintptr_t)at,
				       .out_batch = (uint64_t)(uintptr_t)at,
				       .keys = (uint64_t)(uintptr_t)keys,
				       .values = (uint64_t)(uintptr_t)each,
				       .count = COUNTS_AT_ONCE,
				       .map_fd = (uint32_t)s->skel->maps.counts.map_fd,
			       }};

	/* ENOENT: these were the last */
	if (syscall(SYS_bpf, BPF_MAP_LOOKUP_BATCH, &attr, sizeof(attr)) < 0 && errno != ENOENT)
		return -errno;
	return (int)attr.batch.count;
}

static struct sensor_count sum_up(const struct sensor_count *each, int cpus)
{
	struct sensor_count sum = {0};

	for (int i = 0; i < cpus; i++) {
		sum.calls += each[i].calls;
		sum.ns += each[i].ns;
	}
	return sum;
}

int kernel_sensor_counts(const struct kernel_sensor *s, struct kernel_counts *ret)
{
	struct sensor_count *each = calloc((size_t)COUNTS_AT_ONCE * (size_t)s->cpus, sizeof(*each));
	uint32_t nr = 0, at = 0;
	int n = 0;

	if (!each)
		return -ENOMEM;
	memset(ret, 0, sizeof(*ret));
	ret->has_ns = s->latency;
	while (nr < SENSOR_NUMBERS + 2 && (n = look_up_some(s, &at, nr == 0, each)) > 0) {
		for (int i = 0; i < n; i++, nr++) {
			struct sensor_count sum =
				sum_up(each + (size_t)i * (size_t)s->cpus, s->cpus);

			if (nr < SENSOR_NUMBERS) {
				ret->calls[nr] = sum.calls;
				ret->ns[nr] = sum.ns;
			} else if (nr == SENSOR_NUMBERS) {
				ret->other = sum.calls;
			} else {
				ret->foreign = sum.calls;
			}
		}
	}
	free(each);
	return n < 0 ? n : nr < SENSOR_NUMBERS + 2 ? -EIO : 0;
}
_Static_assert(KERNEL_COUNTED == SENSOR_NUMBERS, "one count for each number");

int kernel_sensor_follow(struct kernel_sensor *s, int pidfd)
{
	/* not armed, nothing known: all zero; as large as the programs' struct task_state */
	static const char zero[512];

	return skel_map_update_elem(s->skel->maps.tasks.map_fd, &pidfd, zero, 0) < 0 ? -errno : 0;
}

const char *kernel_sensor_parts(const struct kernel_sensor *s)
{
	return s->parts;
}

static void part(struct kernel_sensor *s, const char *name, int result)
{
	size_t at = strlen(s->parts);

	(void)snprintf(s->parts + at, sizeof(s->parts) - at, "%s\t%s\n", name,
		       result < 0 ? strerror(-result) : "ok");
}

/* In lockdown for confidentiality nothing may read the kernel's memory, root or not. */
static bool is_locked_down(void)
{
	char text[128];

	return tt_text_read(AT_FDCWD, "/sys/kernel/security/lockdown", text, sizeof(text)) > 0 &&
	       strstr(text, "[confidentiality]");
}

/* Whose numbers our pids are. */
static int learn_level(struct sensor_bpf *skel)
{
	union bpf_attr attr = {.test.prog_fd = (uint32_t)skel->progs.recorder.prog_fd};

	return (int)syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

/* The programs in the kernel, not attached. @by_function: of the second build */
static int make(struct sensor_bpf **ret, const struct kernel_sensor_options *opts, bool by_function)
{
	struct sensor_bpf *skel = sensor_bpf__open();
	int n;

	if (!skel)
		return -ENOMEM;
	skel->rodata->with_counts = !opts->no_counts;
	kernel_record_shapes(skel->rodata->shapes, opts->families);
	skel->maps.acts.max_entries = opts->ring_bytes ? opts->ring_bytes : ACTS_BYTES;
	n = by_function ? sensor_fexit_bpf__load((struct sensor_fexit_bpf *)skel)
			: sensor_bpf__load(skel);
	if (n < 0) {
		sensor_bpf__destroy(skel);
		return n;
	}
	*ret = skel;
	return 0;
}

/* The tracepoint of refused capabilities, or else the function: then all is loaded again. */
static void attach_capabilities(struct kernel_sensor *s, const struct kernel_sensor_options *opts)
{
	struct sensor_bpf *other;
	int n = sensor_bpf__on_capability__attach(s->skel) < 0 ? -errno : 0;

	if (n < 0 && make(&other, opts, true) == 0) {
		n = sensor_fexit_bpf__on_capability__attach((struct sensor_fexit_bpf *)other);
		n = n < 0 ? -errno : 0;
		sensor_bpf__destroy(n < 0 ? other : s->skel);
		s->skel = n < 0 ? s->skel : other;
	}
	part(s, "capabilities", n);
}

static int load(struct kernel_sensor *s, const struct kernel_sensor_options *opts,
		struct tt_err *err)
{
	int n = make(&s->skel, opts, false);

	if (n == -ENOMEM)
		return tt_fail(err, ENOMEM, "open the kernel sensor");
	if (n == -EPERM)
		return tt_fail_text(err, EPERM,
				    "the kernel sensor needs root, or CAP_BPF and CAP_PERFMON");
	if (n < 0 && is_locked_down())
		return tt_fail_text(err, EPERM,
				    "the kernel sensor may not look: this kernel is locked down "
				    "for confidentiality; boot it with lockdown=integrity or none");
	if (n == -ENOENT || n == -ENOSYS || n == -EINVAL || n == -EOPNOTSUPP)
		return tt_fail_text(
			err, EOPNOTSUPP,
			"this kernel does not take the sensor's programs (%s): it needs "
			"Linux 5.17 or later with BPF and BTF",
			strerror(-n));
	if (n < 0)
		return tt_fail(err, -n, "load the kernel sensor");
	return 0;
}

/* By one of two names; what came of an operation is worth less than that it was asked for. */
static int attach_uring(struct sensor_bpf *skel)
{
	if (sensor_bpf__on_complete__attach(skel) < 0)
		return -errno;
	if (sensor_bpf__on_submit__attach(skel) >= 0)
		return 0;
	skel->links.on_submit_fd =
		skel_raw_tracepoint_open("io_uring_submit_sqe", skel->progs.on_submit.prog_fd);
	return skel->links.on_submit_fd < 0 ? -errno : 0;
}

static int attach(struct kernel_sensor *s, struct tt_err *err)
{
	static int (*const must[])(struct sensor_bpf *) = {
		sensor_bpf__on_fork__attach,
		sensor_bpf__on_exec__attach,
		sensor_bpf__on_exit__attach,
		sensor_bpf__on_return__attach,
	};

	for (size_t i = 0; i < TT_ARRAY_SIZE(must); i++)
		if (must[i](s->skel) < 0)
			return tt_fail(err, errno, "attach the kernel sensor");
	part(s, "processes and calls", 0);
	if (s->latency)
		s->latency = sensor_bpf__on_enter__attach(s->skel) >= 0;
	part(s, "io_uring", attach_uring(s->skel));
	return 0;
}

int kernel_sensor_open(struct kernel_sensor **ret, const struct kernel_sensor_options *opts,
		       struct tt_err *err)
{
	TT_CLEANUP(kernel_sensor_closep) struct kernel_sensor *s = calloc(1, sizeof(*s));
	int n;

	if (!s)
		return tt_fail(err, ENOMEM, "open the kernel sensor");
	s->latency = opts->latency;
	s->entries = mmap(NULL, FACTS_MAX * sizeof(*s->entries), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->entries == MAP_FAILED) {
		s->entries = NULL;
		return tt_fail(err, errno, "open the kernel sensor");
	}
	n = load(s, opts, err);
	if (n < 0)
		return n;
	attach_capabilities(s, opts);
	n = learn_level(s->skel);
	if (n == 0)
		n = count_cpus(s, &s->cpus);
	if (n == 0)
		n = ring_open(&s->rings[0], s->skel->maps.lives.map_fd, SENSOR_LIVES);
	if (n == 0)
		n = ring_open(&s->rings[1], s->skel->maps.acts.map_fd,
			      opts->ring_bytes ? opts->ring_bytes : ACTS_BYTES);
	if (n < 0)
		return tt_fail(err, -n, "map the kernel sensor's rings");
	n = attach(s, err);
	if (n < 0)
		return n;
	*ret = TT_TAKE(s);
	return 0;
}

void kernel_sensor_close(struct kernel_sensor *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < TT_ARRAY_SIZE(s->rings); i++)
		ring_close(&s->rings[i]);
	if (s->skel)
		sensor_bpf__destroy(s->skel);
	if (s->entries)
		(void)munmap(s->entries, FACTS_MAX * sizeof(*s->entries));
	free(s);
}
