/* SPDX-License-Identifier: Apache-2.0 */
/* The producer side: what is not on the path of every record. */
#include "ring/put.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "base/time.h"

static int map(void *at, size_t size, int flags, int fd, uint64_t offset, void **ret)
{
	long r = tt_sys6(SYS_mmap, (long)at, (long)size, PROT_READ | PROT_WRITE, MAP_SHARED | flags,
			 fd, (long)offset);

	if (r < 0 && r > -4096)
		return (int)r;
	*ret = (void *)r;
	return 0;
}

int ring_producer_attach(struct ring_producer *p, int fd)
{
	size_t size = ring_near_size(RING_SLOTS, RING_LANES, RING_LANE_BYTES);
	struct ring_header *h;
	struct stat st;
	void *dir;
	long r = tt_sys2(SYS_fstat, fd, &st);

	if (r < 0)
		return (int)r;
	/* a shorter file would kill us with SIGBUS at the first look */
	if ((uint64_t)st.st_size < ring_total_size(RING_SLOTS, RING_LANES, RING_LANE_BYTES))
		return -EPROTO;
	r = map(NULL, size, 0, fd, 0, &dir);
	if (r < 0)
		return (int)r;
	h = dir;
	/*
	 * The first touch of a page is a write: a read would map its neighbours too and leave a
	 * second fault to the write that follows.
	 */
	(void)__atomic_fetch_add(&h->attached, 1, __ATOMIC_RELAXED);
	if (h->magic != RING_MAGIC || h->version != RING_VERSION || h->slots != RING_SLOTS ||
	    h->lanes != RING_LANES || h->lane_bytes != RING_LANE_BYTES) {
		(void)tt_sys2(SYS_munmap, dir, size);
		return -EPROTO;
	}
	p->header = h;
	p->slots = (struct ring_slot *)((char *)dir + ring_slots_offset(RING_LANES));
	p->lanes = (struct ring_lane *)((char *)dir + ring_lanes_offset());
	p->slot_count = RING_SLOTS;
	p->lane_count = RING_LANES;
	p->lane_bytes = RING_LANE_BYTES;
	return 0;
}

static bool claim_state(uint32_t *state)
{
	uint32_t expected = RING_FREE;

	return __atomic_load_n(state, __ATOMIC_RELAXED) == RING_FREE &&
	       __atomic_compare_exchange_n(state, &expected, RING_CLAIMED, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

struct ring_slot *ring_slot_claim(struct ring_producer *p, int32_t pid, const struct tt_uuid *span)
{
	uint64_t from = __atomic_fetch_add(&p->header->slot_hint, 1, __ATOMIC_RELAXED);

	for (uint32_t i = 0; i < p->slot_count; i++) {
		struct ring_slot *s = &p->slots[(from + i) % p->slot_count];
		uint32_t expected = RING_FREE;

		if (!__atomic_compare_exchange_n(&s->state, &expected, RING_CLAIMED, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		s->span = *span;
		__atomic_store_n(&s->lost_full, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&s->lost_no_lane, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&s->lost_silent, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&s->pid, pid, __ATOMIC_RELEASE);
		return s;
	}
	__atomic_fetch_add(&p->header->lost_no_slot, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void raise_high(struct ring_producer *p, uint64_t to)
{
	uint64_t high = __atomic_load_n(&p->header->lane_high, __ATOMIC_RELAXED);

	while (high < to && !__atomic_compare_exchange_n(&p->header->lane_high, &high, to, false,
							 __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

/*
 * The lane's data without an fd: mremap(2) of a shared mapping with an old size of 0 maps the same
 * file once more, and as far as it is told. The directory lies at the file's beginning.
 */
static int map_again(const struct ring_producer *p, uint64_t at, void **ret)
{
	long r = tt_sys6(SYS_mremap, (long)p->header, 0, (long)(at + p->lane_bytes), MREMAP_MAYMOVE,
			 0, 0);

	if (r < 0 && r > -4096)
		return (int)r;
	(void)tt_sys2(SYS_munmap, r, at);
	*ret = (char *)r + at;
	return 0;
}

static uint64_t data_offset(const struct ring_producer *p, uint32_t lane)
{
	return ring_directory_size(p->slot_count, p->lane_count) + (uint64_t)lane * p->lane_bytes;
}

/* Whether the data in @w lie in a mapping of their own. */
static bool is_far(const struct ring_producer *p, const struct ring_writer *w)
{
	uint64_t at = (uintptr_t)w->data - (uintptr_t)p->header;

	return w->data && at >= ring_near_size(p->slot_count, p->lane_count, p->lane_bytes);
}

/* The lane is claimed, and its data mapped at @data. */
static void own(struct ring_producer *p, struct ring_writer *w, uint32_t n, char *data,
		const struct ring_who *who)
{
	struct ring_lane *lane = &p->lanes[n];

	raise_high(p, n + 1);
	w->data = data;
	w->lane = lane;
	w->header = p->header;
	w->tail_seen = __atomic_load_n(&lane->tail, __ATOMIC_ACQUIRE);
	w->lane_bytes = p->lane_bytes;
	lane->who.span = who->span;
	lane->who.ppid = who->ppid;
	lane->who.tid = who->tid;
	__atomic_store_n(&lane->who.pid, who->pid, __ATOMIC_RELEASE);
}

int ring_lane_claim_near(struct ring_producer *p, struct ring_writer *w, const struct ring_who *who)
{
	w->lane = NULL;
	for (uint32_t n = 0; n < RING_LANES_NEAR; n++) {
		if (!claim_state(&p->lanes[n].state))
			continue;
		ring_lane_unmap(p, w);
		own(p, w, n, (char *)p->header + data_offset(p, n), who);
		return 0;
	}
	return -EUSERS;
}

int ring_lane_claim(struct ring_producer *p, struct ring_writer *w, int fd,
		    const struct ring_who *who)
{
	if (ring_lane_claim_near(p, w, who) == 0)
		return 0;
	for (uint32_t n = RING_LANES_NEAR; n < p->lane_count; n++) {
		struct ring_lane *lane = &p->lanes[n];
		uint64_t at = data_offset(p, n);
		void *data, *old = is_far(p, w) ? w->data : NULL;
		int r;

		if (!claim_state(&lane->state))
			continue;
		/* in place of the mapping that a forked thread has from its parent */
		r = fd >= 0 ? map(old, p->lane_bytes, old ? MAP_FIXED : 0, fd, at, &data)
			    : map_again(p, at, &data);
		if (r < 0) {
			__atomic_store_n(&lane->state, RING_FREE, __ATOMIC_RELEASE);
			if (fd >= 0)
				w->data = NULL; /* MAP_FIXED may have unmapped it all the same */
			return r;
		}
		if (old != data)
			ring_lane_unmap(p, w);
		own(p, w, n, data, who);
		return 0;
	}
	return -EUSERS;
}

void ring_lane_close(struct ring_writer *w)
{
	if (w->lane)
		__atomic_store_n(&w->lane->state, RING_CLOSED, __ATOMIC_RELEASE);
	w->lane = NULL;
}

void ring_lane_unmap(const struct ring_producer *p, struct ring_writer *w)
{
	if (is_far(p, w))
		(void)tt_sys2(SYS_munmap, w->data, p->lane_bytes);
	w->data = NULL;
}

#define WAIT_NS     (50 * TT_NS_PER_MS) /* one sleep */
#define WAIT_ROUNDS 40                  /* as many without a sign of life: no recorder */

/*
 * Whether the consumer can take the record at @tail: not if it is one of this very thread's that is
 * in flight, which a signal handler interrupted. Waiting for that would last for ever.
 */
static bool can_be_taken(const struct ring_writer *w, uint64_t tail)
{
	const struct ring_record *r =
		(const struct ring_record *)(w->data + (tail & (w->lane_bytes - 1)));

	if (__atomic_load_n(&r->tag, __ATOMIC_ACQUIRE) != tail + 1)
		return false;
	return r->kind == RING_PAD || r->kind == RING_NOTE ||
	       __atomic_load_n(&r->state, __ATOMIC_ACQUIRE) == RING_DONE;
}

/* The lane is full and the user wants all: until the recorder has taken some of it. futex(2) */
static bool wait_for_room(struct ring_writer *w, uint64_t seen)
{
	struct ring_lane *lane = w->lane;
	uint32_t alive = __atomic_load_n(&w->header->alive, __ATOMIC_RELAXED);

	if (w->deaf == alive)
		return false;
	for (int round = 0; round < WAIT_ROUNDS; round++) {
		struct timespec time = {.tv_nsec = (long)WAIT_NS};
		uint64_t tail = __atomic_load_n(&lane->tail, __ATOMIC_ACQUIRE);

		if (tail != seen)
			return true;
		if (!can_be_taken(w, tail))
			return false;
		__atomic_store_n(&lane->waiting, 1, __ATOMIC_SEQ_CST);
		/* the low half: the word that the kernel compares */
		(void)tt_sys6(SYS_futex, (long)&lane->tail, FUTEX_WAIT, (long)(uint32_t)tail,
			      (long)&time, 0, 0);
		if (__atomic_load_n(&w->header->alive, __ATOMIC_RELAXED) != alive) {
			alive = __atomic_load_n(&w->header->alive, __ATOMIC_RELAXED);
			round = 0;
		}
	}
	w->deaf = alive;
	return false;
}

bool ring_make_room(struct ring_writer *w, size_t size)
{
	struct ring_lane *lane = w->lane;

	for (;;) {
		uint64_t tail = __atomic_load_n(&lane->tail, __ATOMIC_ACQUIRE);
		uint64_t head = __atomic_load_n(&lane->head, __ATOMIC_RELAXED);

		w->tail_seen = tail;
		/* a head off its alignment was scribbled on: the consumer puts it right */
		if (head & (RING_ALIGN - 1))
			break;
		if (head + ring_pad_before(head, size, w->lane_bytes) + size - tail <=
		    w->lane_bytes)
			return true;
		if (w->header->on_full != RING_FULL_WAIT || !wait_for_room(w, tail))
			break;
	}
	__atomic_fetch_add(&w->header->refused, 1, __ATOMIC_RELAXED);
	return false;
}

struct ring_note *ring_note_reserve(struct ring_writer *w, uint64_t *ret_pos)
{
	return (struct ring_note *)ring_reserve(w, sizeof(struct ring_note), ret_pos);
}

void ring_arg_fill(struct ring_record *r, unsigned i, const void *bytes, size_t len)
{
	char *at = (char *)(r + 1) + (r->flags & RING_FLAG_WHO ? sizeof(struct ring_who) : 0);
	struct ring_arg *a = (struct ring_arg *)at;

	while (i--)
		a = (struct ring_arg *)((char *)(a + 1) + a->room * 8);
	if (len > (size_t)a->room * 8)
		len = (size_t)a->room * 8;
	memcpy(a + 1, bytes, len);
	a->len = (uint32_t)len;
	a->flags &= ~RING_ARG_ABSENT;
}

bool ring_start_put(struct ring_writer *w, const struct event *ev, const struct ring_who *who,
		    uint64_t entered, uint32_t flags)
{
	struct event_arg args[RING_START_ARGC] = {
		[RING_START_EXE] = {.data = ev->exe.data, .len = ev->exe.len},
		[RING_START_ARGV] = {.data = ev->argv.data, .len = ev->argv.len},
		[RING_START_CWD] = {.data = ev->cwd.data, .len = ev->cwd.len},
		[RING_START_COMM] = {.data = ev->comm.data, .len = ev->comm.len},
	};
	struct event_arg *parent = &args[RING_START_PARENT];
	struct ring_record *r;
	uint64_t pos;

	if (ev->parent.text.data)
		*parent = (struct event_arg){.data = ev->parent.text.data,
					     .len = ev->parent.text.len};
	else if (!tt_uuid_is_nil(&ev->parent.id))
		*parent = (struct event_arg){
			.data = &ev->parent.id, .len = sizeof(ev->parent.id), .num = 1};
	else
		parent->absent = true;
	r = ring_put(w, RING_START, ev->how, args, RING_START_ARGC, who, entered, &pos);
	if (!r)
		return false;
	r->flags |= flags;
	r->state = RING_DONE;
	ring_publish(r, pos);
	return true;
}

bool ring_exit_put(struct ring_writer *w, int exit_code, const struct event_text *open_fds,
		   const struct ring_who *who, uint64_t entered)
{
	struct event_arg arg = {.data = open_fds->data, .len = open_fds->len};
	uint64_t pos;
	struct ring_record *r =
		ring_put(w, RING_EXIT, 0, &arg, open_fds->len ? 1 : 0, who, entered, &pos);

	if (!r)
		return false;
	r->result = exit_code;
	r->state = RING_DONE;
	ring_publish(r, pos);
	return true;
}
