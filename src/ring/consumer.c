/* SPDX-License-Identifier: Apache-2.0 */
/* The consumer side: private indices over shared memory that nobody vouches for. */
#include "ring/consumer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
	uint64_t lost_seen[RING_LANES];
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

int ring_consumer_new(struct ring_consumer **ret)
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
	c->slots = (struct ring_slot *)(c->map + ring_slots_offset());
	c->lanes = (struct ring_lane *)(c->map + ring_lanes_offset(RING_SLOTS));
	c->data = c->map + ring_directory_size(RING_SLOTS, RING_LANES);
	c->header->version = RING_VERSION;
	c->header->slots = RING_SLOTS;
	c->header->lanes = RING_LANES;
	c->header->lane_bytes = RING_LANE_BYTES;
	c->header->recorder_pid = (uint32_t)getpid();
	c->header->magic = RING_MAGIC;

	*ret = TT_TAKE(c);
	return 0;
}

int ring_consumer_fd(const struct ring_consumer *c)
{
	return c->fd;
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
	uint64_t lost;

	if (state == RING_FREE)
		return false;
	lost = __atomic_load_n(&l->lost, __ATOMIC_RELAXED);
	ret->state = state == RING_CLAIMED ? RING_CLAIMED : RING_CLOSED;
	ret->pid = __atomic_load_n(&l->pid, __ATOMIC_RELAXED);
	ret->tid = __atomic_load_n(&l->tid, __ATOMIC_RELAXED);
	ret->blocked = ret->scribbled = false;
	memset(&ret->blocked_span, 0, sizeof(ret->blocked_span));
	ret->blocked_pid = 0;
	ret->lost = lost > c->lost_seen[lane] ? lost - c->lost_seen[lane] : 0;
	c->lost_seen[lane] = lost;
	return true;
}

static void set_tail(struct ring_consumer *c, uint32_t lane, uint64_t tail)
{
	c->tail[lane] = tail;
	__atomic_store_n(&c->lanes[lane].tail, tail, __ATOMIC_RELEASE);
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
	if (head & (RING_ALIGN - 1))
		__atomic_store_n(&c->lanes[lane].head, c->tail[lane], __ATOMIC_RELEASE);
	return -EBADMSG;
}

int ring_lane_next(struct ring_consumer *c, uint32_t lane, void *buf, bool owner_dead,
		   struct ring_lane_state *ret)
{
	struct ring_lane *l = &c->lanes[lane];

	/* at most a lane's worth of records per call, pads and unfinished ones included */
	for (uint32_t steps = 0; steps <= RING_LANE_BYTES / RING_ALIGN; steps++) {
		uint64_t head = __atomic_load_n(&l->head, __ATOMIC_ACQUIRE), tail = c->tail[lane];
		uint32_t place = (uint32_t)(tail & (RING_LANE_BYTES - 1)), size;
		struct ring_record *r =
			(struct ring_record *)(c->data + (size_t)lane * RING_LANE_BYTES + place);
		struct ring_record *copy = buf;

		if (head == tail)
			return 0;
		if (head - tail > RING_LANE_BYTES || (head & (RING_ALIGN - 1)))
			return drop_pending(c, lane, head, ret);
		if (__atomic_load_n(&r->tag, __ATOMIC_ACQUIRE) != tail + 1) {
			ret->blocked = true;
			if (!owner_dead)
				return 0;
			/*
			 * cut off in the middle of writing it: where the next one begins is not
			 * known
			 */
			return drop_pending(c, lane, head, ret);
		}
		size = __atomic_load_n(&r->size, __ATOMIC_RELAXED);
		if (size < RING_ALIGN || (size & (RING_ALIGN - 1)) || size > head - tail ||
		    size > RING_LANE_BYTES - place)
			return drop_pending(c, lane, head, ret);
		if (__atomic_load_n(&r->kind, __ATOMIC_RELAXED) == RING_PAD) {
			set_tail(c, lane, tail + size);
			continue;
		}
		if (size < sizeof(*r) || size > RING_RECORD_MAX)
			return drop_pending(c, lane, head, ret);
		if (__atomic_load_n(&r->state, __ATOMIC_ACQUIRE) != RING_DONE && !owner_dead) {
			ret->blocked = true;
			ret->blocked_span = r->span;
			ret->blocked_pid = r->pid;
			return 0;
		}
		memcpy(copy, r, size);
		copy->size = size;
		set_tail(c, lane, tail + size);
		return 1;
	}
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
	__atomic_store_n(&l->lost, 0, __ATOMIC_RELAXED);
	c->lost_seen[lane] = 0;
	/*
	 * the next owner's tail is ours to set; his pid is not known until he says it: the old one
	 * is dead
	 */
	set_tail(c, lane, c->tail[lane]);
	__atomic_store_n(&l->pid, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&l->tid, 0, __ATOMIC_RELAXED);
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

uint64_t ring_slot_made(const struct ring_consumer *c, uint32_t slot)
{
	return __atomic_load_n(&c->slots[slot].next_seq, __ATOMIC_RELAXED);
}

uint64_t ring_slot_release(struct ring_consumer *c, uint32_t slot)
{
	struct ring_slot *s = &c->slots[slot];
	uint64_t made = ring_slot_made(c, slot);

	memset(&s->span, 0, sizeof(s->span));
	__atomic_store_n(&s->state, RING_FREE, __ATOMIC_RELEASE);
	return made;
}

void ring_consumer_unplaced(const struct ring_consumer *c, uint64_t *ret_no_lane,
			    uint64_t *ret_no_slot)
{
	*ret_no_lane = __atomic_load_n(&c->header->lost_no_lane, __ATOMIC_RELAXED);
	*ret_no_slot = __atomic_load_n(&c->header->lost_no_slot, __ATOMIC_RELAXED);
}
