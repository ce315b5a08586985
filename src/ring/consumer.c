/* SPDX-License-Identifier: Apache-2.0 */
/* The consumer side: private indices over shared memory that nobody vouches for. */
#include "ring/consumer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ring/clock.h"

/* Sleepers are woken once this much of their lane is free: a wake-up costs more than a record. */
#define WAKE_BYTES (RING_LANE_BYTES / 4)

struct ring_consumer {
	int fd;
	char *map;
	size_t map_size;
	struct ring_header *header;
	struct ring_slot *slots;
	struct ring_lane *lanes;
	char *data;
	uint32_t slot_high;
	uint64_t tail[RING_LANES]; /* the only tails that count */
	uint64_t head[RING_LANES]; /* as it was at the last ring_lane_look() */
	uint64_t woken_at[RING_LANES];
	uint64_t entered[RING_LANES]; /* of the last record taken */
	struct ring_clock_map clock;
};

struct ring_consumer *ring_consumer_free(struct ring_consumer *c)
{
	if (!c)
		return NULL;
	if (c->map)
		(void)munmap(c->map, c->map_size);
	tt_closep(&c->fd);
	free(c);
	return NULL;
}

int ring_consumer_new(const struct ring_options *opts, struct ring_consumer **ret)
{
	TT_CLEANUP(ring_consumer_freep) struct ring_consumer *c = calloc(1, sizeof(*c));
	void *map;

	if (!c)
		return -ENOMEM;
	c->fd = memfd_create("telltale-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (c->fd < 0)
		return -errno;
	c->map_size = ring_total_size(RING_SLOTS, RING_LANES, RING_LANE_BYTES);
	if (ftruncate(c->fd, (off_t)c->map_size) < 0 ||
	    /* without the seals the workload could shrink the file and kill us with SIGBUS */
	    fcntl(c->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	map = mmap(NULL, c->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, c->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	c->map = map;
	c->header = map;
	c->slots = (struct ring_slot *)(c->map + ring_slots_offset(RING_LANES));
	c->lanes = (struct ring_lane *)(c->map + ring_lanes_offset());
	c->data = c->map + ring_directory_size(RING_SLOTS, RING_LANES);
	c->header->version = RING_VERSION;
	c->header->slots = RING_SLOTS;
	c->header->lanes = RING_LANES;
	c->header->lane_bytes = RING_LANE_BYTES;
	c->header->recorder_pid = (uint32_t)getpid();
	c->header->alive = 1; /* 0 is what nobody gave up at */
	c->header->on_full = opts->on_full;
	c->header->families = opts->families;
	c->header->argument_max = opts->argument_max;
	c->header->io_mode = opts->io_mode;
	ring_clock_start(&c->clock, ring_clock_best());
	c->header->clock = c->clock.clock;
	c->header->magic = RING_MAGIC;

	*ret = TT_TAKE(c);
	return 0;
}

int ring_consumer_fd(const struct ring_consumer *c)
{
	return c->fd;
}

void ring_consumer_pass(struct ring_consumer *c)
{
	__atomic_fetch_add(&c->header->alive, 1, __ATOMIC_RELAXED);
}

void ring_consumer_sync(struct ring_consumer *c)
{
	ring_clock_sync(&c->clock);
}

uint32_t ring_lane_count(const struct ring_consumer *c)
{
	uint64_t high = __atomic_load_n(&c->header->lane_high, __ATOMIC_ACQUIRE);

	return high < RING_LANES ? (uint32_t)high : RING_LANES;
}

bool ring_lane_look(struct ring_consumer *c, uint32_t lane, struct ring_lane_state *ret)
{
	struct ring_lane *l = &c->lanes[lane];
	uint32_t state = __atomic_load_n(&l->state, __ATOMIC_ACQUIRE);

	if (state == RING_FREE)
		return false;
	c->head[lane] = __atomic_load_n(&l->head, __ATOMIC_ACQUIRE);
	memset(ret, 0, sizeof(*ret));
	ret->bytes = c->head[lane] - c->tail[lane] < RING_LANE_BYTES
			     ? (uint32_t)(c->head[lane] - c->tail[lane])
			     : RING_LANE_BYTES;
	ret->state = state == RING_CLAIMED ? RING_CLAIMED : RING_CLOSED;
	if (__atomic_load_n(&l->who.pid, __ATOMIC_ACQUIRE))
		memcpy(&ret->who, &l->who, sizeof(ret->who));
	return true;
}

static void wake(struct ring_consumer *c, uint32_t lane)
{
	struct ring_lane *l = &c->lanes[lane];

	c->woken_at[lane] = c->tail[lane];
	/* against the sleeper's: he says that he waits, then looks at the tail once more */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&l->waiting, __ATOMIC_RELAXED) &&
	    __atomic_exchange_n(&l->waiting, 0, __ATOMIC_SEQ_CST))
		(void)syscall(SYS_futex, &l->tail, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void set_tail(struct ring_consumer *c, uint32_t lane, uint64_t tail)
{
	c->tail[lane] = tail;
	__atomic_store_n(&c->lanes[lane].tail, tail, __ATOMIC_RELEASE);
	if (tail - c->woken_at[lane] >= WAKE_BYTES)
		wake(c, lane);
}

/*
 * The lane makes no sense: skip to where its owner says it is, whatever that is, and start afresh
 * there.
 */
static int drop_pending(struct ring_consumer *c, uint32_t lane, uint64_t head,
			struct ring_lane_state *ret)
{
	ret->scribbled = true;
	set_tail(c, lane, head & ~(uint64_t)(RING_ALIGN - 1));
	c->head[lane] = c->tail[lane];
	if (head & (RING_ALIGN - 1))
		__atomic_store_n(&c->lanes[lane].head, c->tail[lane], __ATOMIC_RELEASE);
	return -EBADMSG;
}

static struct ring_record *record_at(const struct ring_consumer *c, uint32_t lane, uint64_t pos)
{
	return (struct ring_record *)(c->data + (size_t)lane * RING_LANE_BYTES +
				      (pos & (RING_LANE_BYTES - 1)));
}

/*
 * A record that its writer's death cut off: how long it was to be is not known, but the next one
 * bears its own position, which no other bytes at that place ever were unless somebody scribbled.
 */
static void skip_torn(struct ring_consumer *c, uint32_t lane, uint64_t head,
		      struct ring_lane_state *ret)
{
	uint64_t pos = c->tail[lane] + RING_ALIGN;

	while (pos != head &&
	       __atomic_load_n(&record_at(c, lane, pos)->tag, __ATOMIC_ACQUIRE) != pos + 1)
		pos += RING_ALIGN;
	ret->torn++;
	set_tail(c, lane, pos);
}

/* Copy the record at @pos, @size bytes; what does not fit its own size is scribble. */
static bool copy_record(const struct ring_consumer *c, uint32_t lane, uint64_t pos, uint32_t size,
			struct ring_taken *to)
{
	const struct ring_record *r = record_at(c, lane, pos);
	size_t fixed = sizeof(*r);

	if (size < sizeof(*r) || size > RING_RECORD_MAX)
		return false;
	memcpy(&to->record, r, sizeof(*r));
	if (to->record.flags & RING_FLAG_WHO) {
		fixed += sizeof(to->who);
		if (size < fixed)
			return false;
		memcpy(&to->who, r + 1, sizeof(to->who));
	} else {
		memcpy(&to->who, &c->lanes[lane].who, sizeof(to->who));
	}
	memcpy(&to->record + 1, (const char *)r + fixed, size - fixed);
	to->record.size = (uint32_t)(size - fixed + sizeof(*r));
	return true;
}

/* A note, as the record it stands for. */
static void expand_note(const struct ring_consumer *c, uint32_t lane, uint64_t pos,
			struct ring_taken *to)
{
	struct ring_note n;
	struct ring_arg fd = {.len = 0};

	memcpy(&n, record_at(c, lane, pos), sizeof(n));
	fd.num = n.fd[0] | n.fd[1] << 8 | n.fd[2] << 16;
	memcpy(&to->who, &c->lanes[lane].who, sizeof(to->who));
	to->record = (struct ring_record){
		.size = sizeof(to->record) + sizeof(fd),
		.kind = RING_CALL,
		.call = EVENT_CALL_close,
		.argc = 1,
		.state = RING_DONE,
		.flags = RING_FLAG_SILENT,
		.entered = c->entered[lane],
	};
	memcpy(&to->record + 1, &fd, sizeof(fd));
}

int ring_lane_next(struct ring_consumer *c, uint32_t lane, void *buf, bool owner_dead,
		   struct ring_lane_state *ret)
{
	/* at most a lane's worth of records per call, pads and unfinished ones included */
	for (uint32_t steps = 0; steps <= RING_LANE_BYTES / RING_ALIGN; steps++) {
		uint64_t head = c->head[lane], tail = c->tail[lane];
		uint32_t place = (uint32_t)(tail & (RING_LANE_BYTES - 1)), size;
		struct ring_record *r = record_at(c, lane, tail);

		/* a dead owner is not run after, and may have written since the look */
		if (head == tail && owner_dead)
			head = c->head[lane] =
				__atomic_load_n(&c->lanes[lane].head, __ATOMIC_ACQUIRE);
		if (head == tail)
			break;
		if (head - tail > RING_LANE_BYTES || (head & (RING_ALIGN - 1)))
			return drop_pending(c, lane, head, ret);
		if (__atomic_load_n(&r->tag, __ATOMIC_ACQUIRE) != tail + 1) {
			ret->blocked = true;
			ret->caller = ret->who;
			if (!owner_dead)
				break;
			skip_torn(c, lane, head, ret);
			continue;
		}
		size = __atomic_load_n(&r->size, __ATOMIC_RELAXED);
		if (size < RING_ALIGN || (size & (RING_ALIGN - 1)) || size > head - tail ||
		    size > RING_LANE_BYTES - place)
			return drop_pending(c, lane, head, ret);
		if (__atomic_load_n(&r->kind, __ATOMIC_RELAXED) == RING_PAD) {
			/* a producer pads up to where the lane wraps, and nowhere else */
			if (size != RING_LANE_BYTES - place)
				return drop_pending(c, lane, head, ret);
			set_tail(c, lane, tail + size);
			continue;
		}
		if (size == sizeof(struct ring_note) &&
		    __atomic_load_n(&r->kind, __ATOMIC_RELAXED) == RING_NOTE) {
			expand_note(c, lane, tail, buf);
			set_tail(c, lane, tail + size);
			return 1;
		}
		if (__atomic_load_n(&r->state, __ATOMIC_ACQUIRE) != RING_DONE && !owner_dead) {
			ret->blocked = true;
			ret->caller = ret->who;
			if (__atomic_load_n(&r->flags, __ATOMIC_RELAXED) & RING_FLAG_WHO &&
			    size >= sizeof(*r) + sizeof(ret->caller))
				memcpy(&ret->caller, r + 1, sizeof(ret->caller));
			ret->since_ns = ring_clock_ns(
				&c->clock, __atomic_load_n(&r->entered, __ATOMIC_RELAXED));
			break;
		}
		if (!copy_record(c, lane, tail, size, buf))
			return drop_pending(c, lane, head, ret);
		c->entered[lane] = ((const struct ring_taken *)buf)->record.entered;
		set_tail(c, lane, tail + size);
		return 1;
	}
	wake(c, lane);
	return 0;
}

void ring_lane_release(struct ring_consumer *c, uint32_t lane)
{
	struct ring_lane *l = &c->lanes[lane];

	/*
	 * whatever is left half-written lies behind the next owner: positions only grow, so old
	 * tags never match
	 */
	__atomic_store_n(&l->head, c->tail[lane], __ATOMIC_RELAXED);
	/*
	 * the next owner's tail is ours to set; his pid is not known until he says it: the old one
	 * is dead
	 */
	set_tail(c, lane, c->tail[lane]);
	memset(&l->who, 0, sizeof(l->who));
	__atomic_store_n(&l->state, RING_FREE, __ATOMIC_RELEASE);
}

/* The hint only grows, whatever the workload makes of it: so do we. */
uint32_t ring_slot_count(struct ring_consumer *c)
{
	uint64_t hint = __atomic_load_n(&c->header->slot_hint, __ATOMIC_RELAXED);

	if (hint > c->slot_high)
		c->slot_high = hint < RING_SLOTS ? (uint32_t)hint : RING_SLOTS;
	return c->slot_high;
}

int ring_slot_find(struct ring_consumer *c, const struct tt_uuid *span)
{
	/*
	 * New slots lie just below the hint, and none was ever claimed above it until it has gone
	 * round once. A wrong hint only costs time.
	 */
	uint64_t from = __atomic_load_n(&c->header->slot_hint, __ATOMIC_RELAXED);
	uint32_t count = ring_slot_count(c);

	for (uint32_t i = 0; i < count; i++) {
		uint32_t n = (uint32_t)((from - 1 - i) % count);
		struct ring_slot *s = &c->slots[n];
		struct tt_uuid id;

		if (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == RING_FREE)
			continue;
		memcpy(&id, &s->span, sizeof(id));
		if (tt_uuid_equal(&id, span))
			return (int)n;
	}
	return -ENOENT;
}

bool ring_slot_look(const struct ring_consumer *c, uint32_t slot, struct tt_uuid *ret_span,
		    int32_t *ret_pid)
{
	const struct ring_slot *s = &c->slots[slot];

	if (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == RING_FREE)
		return false;
	*ret_pid = __atomic_load_n(&s->pid, __ATOMIC_ACQUIRE);
	memcpy(ret_span, &s->span, sizeof(*ret_span));
	return true;
}

bool ring_slot_lost(const struct ring_consumer *c, uint32_t slot)
{
	const struct ring_slot *s = &c->slots[slot];

	return __atomic_load_n(&s->lost_full, __ATOMIC_RELAXED) ||
	       __atomic_load_n(&s->lost_no_lane, __ATOMIC_RELAXED) ||
	       __atomic_load_n(&s->lost_silent, __ATOMIC_RELAXED);
}

void ring_slot_release(struct ring_consumer *c, uint32_t slot, struct ring_losses *ret)
{
	struct ring_slot *s = &c->slots[slot];

	ret->full = __atomic_load_n(&s->lost_full, __ATOMIC_RELAXED);
	ret->no_lane = __atomic_load_n(&s->lost_no_lane, __ATOMIC_RELAXED);
	memset(&s->span, 0, sizeof(s->span));
	__atomic_store_n(&s->state, RING_FREE, __ATOMIC_RELEASE);
}

void ring_consumer_refused(const struct ring_consumer *c, uint64_t *ret_refused,
			   uint64_t *ret_no_slot)
{
	*ret_refused = __atomic_load_n(&c->header->refused, __ATOMIC_RELAXED);
	*ret_no_slot = __atomic_load_n(&c->header->lost_no_slot, __ATOMIC_RELAXED);
}

/* Times that the workload wrote are only converted here, against clocks of our own. */
void ring_record_times(const struct ring_consumer *c, const struct ring_record *r,
		       uint64_t *ret_entered_ns, uint64_t *ret_elapsed_ns)
{
	*ret_entered_ns = ring_clock_ns(&c->clock, r->entered);
	*ret_elapsed_ns = ring_clock_length_ns(&c->clock, r->elapsed);
}
