/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's memory and its queues: split rings as the virtio standard has them, without indirect
 * descriptors.
 */
#include "vhost.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct region regions[REGIONS_MAX];
static unsigned region_count;

struct queue queues[QUEUES] = {
	{.kick = {.kind = SOURCE_KICK, .fd = -1}, .call = -1},
	{.kick = {.kind = SOURCE_KICK, .fd = -1}, .call = -1},
};

bool memory_add(uint64_t guest, uint64_t size, uint64_t user, uint64_t offset, int fd)
{
	struct stat st;
	uint64_t end;
	void *map;

	if (region_count == REGIONS_MAX || __builtin_add_overflow(offset, size, &end) ||
	    fstat(fd, &st) < 0 || end > (uint64_t)st.st_size)
		return false; /* past the file's end every access would be a SIGBUS */
	map = mmap(NULL, end, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (map == MAP_FAILED)
		return false;
	regions[region_count++] = (struct region){
		.guest = guest,
		.size = size,
		.user = user,
		.map = map,
		.map_size = end,
		.data = (uint8_t *)map + offset,
	};
	return true;
}

void memory_drop(void)
{
	for (unsigned i = 0; i < QUEUES; i++)
		queues[i].desc = NULL;
	while (region_count > 0) {
		region_count--;
		(void)munmap(regions[region_count].map, regions[region_count].map_size);
	}
}

static uint8_t *in_region(const struct region *r, uint64_t begin, uint64_t at, uint64_t size)
{
	if (at < begin || at - begin > r->size || size > r->size - (at - begin))
		return NULL;
	return r->data + (at - begin);
}

static uint8_t *guest_memory(uint64_t at, uint64_t size)
{
	uint8_t *data = NULL;

	for (unsigned i = 0; i < region_count && !data; i++)
		data = in_region(&regions[i], regions[i].guest, at, size);
	return data;
}

static uint8_t *user_memory(uint64_t at, uint64_t size)
{
	uint8_t *data = NULL;

	for (unsigned i = 0; i < region_count && !data; i++)
		data = in_region(&regions[i], regions[i].user, at, size);
	return data;
}

bool queue_is_ready(const struct queue *q)
{
	return q->enabled && q->desc && q->kick.fd >= 0;
}

bool queue_place(struct queue *q)
{
	uint8_t *desc = user_memory(q->desc_at, sizeof(struct vring_desc) * q->length);
	uint8_t *avail = user_memory(q->avail_at, 6 + 2 * (uint64_t)q->length);
	uint8_t *used = user_memory(q->used_at, 6 + 8 * (uint64_t)q->length);

	q->desc = NULL;
	if (!q->length || !desc || !avail || !used || (uintptr_t)desc % 16 ||
	    (uintptr_t)avail % 2 || (uintptr_t)used % 4)
		return false;
	q->desc = (struct vring_desc *)desc;
	q->avail = (struct vring_avail *)avail;
	q->used = (struct vring_used *)used;
	return true;
}

/* False: it is no packet. */
static bool gather(const struct queue *q, uint16_t at, bool for_writing, struct chain *c)
{
	for (unsigned steps = 0; steps < q->length; steps++) {
		struct vring_desc d;

		if (at >= q->length)
			return false;
		d = *(volatile struct vring_desc *)&q->desc[at];
		if ((d.flags & VRING_DESC_F_INDIRECT) ||
		    !!(d.flags & VRING_DESC_F_WRITE) != for_writing)
			return false;
		if (d.len) {
			uint8_t *data = guest_memory(d.addr, d.len);

			if (!data || c->count == CHAIN_PIECES_MAX ||
			    __builtin_add_overflow(c->total, d.len, &c->total))
				return false;
			c->piece[c->count].data = data;
			c->piece[c->count++].size = d.len;
		}
		if (!(d.flags & VRING_DESC_F_NEXT))
			return true;
		at = d.next;
	}
	return false; /* a circle */
}

int queue_take(struct queue *q, bool for_writing, struct chain *ret)
{
	uint16_t there;

	if (!queue_is_ready(q))
		return 0;
	there = __atomic_load_n(&q->avail->idx, __ATOMIC_ACQUIRE);
	if (there == q->next)
		return 0;
	*ret = (struct chain){.head = 0};
	if ((uint16_t)(there - q->next) <= q->length) {
		ret->head = __atomic_load_n(&q->avail->ring[q->next % q->length], __ATOMIC_RELAXED);
		if (gather(q, ret->head, for_writing, ret)) {
			q->next++;
			return 1;
		}
	}
	say("the guest wrote no packet into its queue %td: it is stopped", q - queues);
	q->enabled = false;
	return -1;
}

void queue_untake(struct queue *q)
{
	q->next--;
}

void queue_give(struct queue *q, uint16_t head, uint32_t written)
{
	q->used->ring[q->used_next % q->length] = (struct vring_used_elem){head, written};
	__atomic_store_n(&q->used->idx, ++q->used_next, __ATOMIC_RELEASE);
	q->said = true;
}

void queue_tell(struct queue *q)
{
	if (!q->said)
		return;
	q->said = false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* the guest may ask for silence meanwhile */
	if (q->call < 0 || !q->desc ||
	    (__atomic_load_n(&q->avail->flags, __ATOMIC_RELAXED) & VRING_AVAIL_F_NO_INTERRUPT))
		return;
	if (eventfd_write(q->call, 1) < 0 && errno != EAGAIN)
		say("tell the guest: %s", strerror(errno));
}

static size_t copy(const struct chain *c, size_t at, uint8_t *data, size_t size, bool to_guest)
{
	size_t done = 0;

	for (unsigned i = 0; i < c->count && done < size; i++) {
		size_t part;

		if (at >= c->piece[i].size) {
			at -= c->piece[i].size;
			continue;
		}
		part = c->piece[i].size - at;
		if (part > size - done)
			part = size - done;
		if (to_guest)
			memcpy(c->piece[i].data + at, data + done, part);
		else
			memcpy(data + done, c->piece[i].data + at, part);
		done += part;
		at = 0;
	}
	return done;
}

size_t chain_read(const struct chain *c, size_t at, void *data, size_t size)
{
	return copy(c, at, data, size, false);
}

size_t chain_write(const struct chain *c, size_t at, const void *data, size_t size)
{
	return copy(c, at, (uint8_t *)(uintptr_t)data, size, true);
}
