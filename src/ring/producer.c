/* SPDX-License-Identifier: Apache-2.0 */
/* The producer side: claim, reserve, fill, publish. */
#include "ring/producer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/sys.h"

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
	size_t size = ring_directory_size(RING_SLOTS, RING_LANES);
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
	p->slots = (struct ring_slot *)((char *)dir + ring_slots_offset());
	p->lanes = (struct ring_lane *)((char *)dir + ring_lanes_offset(RING_SLOTS));
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
		__atomic_store_n(&s->next_seq, 0, __ATOMIC_RELAXED);
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

int ring_lane_claim(struct ring_producer *p, struct ring_writer *w, int fd, int32_t pid,
		    int32_t tid)
{
	int fixed = w->data ? MAP_FIXED : 0;

	w->lane = NULL;
	/* as in ring_producer_attach() */
	(void)__atomic_fetch_or(&p->lanes[0].touched, 1, __ATOMIC_RELAXED);
	for (uint32_t n = 0; n < p->lane_count; n++) {
		struct ring_lane *lane = &p->lanes[n];
		uint64_t at = ring_directory_size(p->slot_count, p->lane_count) +
			      (uint64_t)n * p->lane_bytes;
		void *data;
		int r;

		if (!claim_state(&lane->state))
			continue;
		r = map(w->data, p->lane_bytes, fixed, fd, at, &data);
		if (r < 0) {
			__atomic_store_n(&lane->state, RING_FREE, __ATOMIC_RELEASE);
			w->data = NULL; /* MAP_FIXED may have unmapped it all the same */
			return r;
		}
		raise_high(p, n + 1);
		w->data = data;
		w->lane = lane;
		w->lane_bytes = p->lane_bytes;
		__atomic_store_n(&lane->tid, tid, __ATOMIC_RELAXED);
		__atomic_store_n(&lane->pid, pid, __ATOMIC_RELEASE);
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

static size_t align_up(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

/*
 * Reserve @size bytes that do not wrap; NULL if the lane is full. @size is at most RING_RECORD_MAX.
 */
static struct ring_record *reserve(struct ring_writer *w, size_t size, uint64_t *ret_pos)
{
	uint32_t lane_bytes = w->lane_bytes;
	struct ring_lane *lane = w->lane;
	uint64_t head = __atomic_load_n(&lane->head, __ATOMIC_RELAXED);
	uint64_t pad;

	do {
		uint64_t place = head & (lane_bytes - 1);

		pad = place + size > lane_bytes ? lane_bytes - place : 0;
		/* a head off its alignment was scribbled on: the consumer puts it right */
		if ((head & (RING_ALIGN - 1)) ||
		    head + pad + size - __atomic_load_n(&lane->tail, __ATOMIC_ACQUIRE) >
			    lane_bytes) {
			__atomic_fetch_add(&lane->lost, 1, __ATOMIC_RELAXED);
			return NULL;
		}
	} while (!__atomic_compare_exchange_n(&lane->head, &head, head + pad + size, false,
					      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	if (pad) {
		struct ring_record *r = (struct ring_record *)(w->data + (head & (lane_bytes - 1)));

		/* a pad may be as short as RING_ALIGN: only tag, size and kind are there */
		r->size = (uint32_t)pad;
		r->kind = RING_PAD;
		__atomic_store_n(&r->tag, head + 1, __ATOMIC_RELEASE);
		head += pad;
	}
	*ret_pos = head;
	return (struct ring_record *)(w->data + (head & (lane_bytes - 1)));
}
_Static_assert(offsetof(struct ring_record, kind) < RING_ALIGN, "a pad record shows its kind");

/* Room an argument takes when at most @limit bytes of it are kept. */
static size_t arg_room(const struct event_arg *arg, size_t limit)
{
	if (!arg->data && !arg->absent)
		return 0;
	return align_up(arg->len < limit ? arg->len : limit, 8);
}

/* How many bytes of each argument are kept, so that the record stays below RING_RECORD_MAX. */
static size_t fit(const struct event_arg *args, unsigned argc, size_t *ret_limit)
{
	size_t limit = RING_RECORD_MAX, size;

	for (;;) {
		size = sizeof(struct ring_record) + argc * sizeof(struct ring_arg);
		for (unsigned i = 0; i < argc; i++)
			size += arg_room(&args[i], limit);
		if (size <= RING_RECORD_MAX)
			break;
		limit /= 2;
	}
	*ret_limit = limit;
	return size;
}

static struct ring_record *put(struct ring_writer *w, const struct event *ev, enum ring_kind kind,
			       const struct event_arg *args, unsigned argc, uint64_t *ret_pos)
{
	struct ring_record *r;
	size_t limit, size = align_up(fit(args, argc, &limit), RING_ALIGN);
	char *at;

	if (!w->lane)
		return NULL;
	r = reserve(w, size, ret_pos);
	if (!r)
		return NULL;
	r->size = (uint32_t)size;
	r->kind = (uint8_t)kind;
	r->argc = (uint8_t)argc;
	r->pad0 = 0;
	r->state = RING_IN_FLIGHT;
	r->flags = 0;
	r->seq = ev->seq;
	r->entered_ns = ev->ts_ns;
	r->elapsed_ns = 0;
	r->result = ev->result;
	r->error = 0;
	r->pid = ev->pid;
	r->ppid = ev->ppid;
	r->tid = ev->tid;
	r->span = ev->span.id;
	at = (char *)(r + 1);
	for (unsigned i = 0; i < argc; i++) {
		struct ring_arg *a = (struct ring_arg *)at;
		size_t len = !args[i].data ? 0 : args[i].len < limit ? args[i].len : limit;
		bool cut = args[i].cut || (args[i].data && len < args[i].len);

		a->len = (uint32_t)len;
		a->flags = (uint16_t)((args[i].absent ? RING_ARG_ABSENT : 0) |
				      (cut ? RING_ARG_CUT : 0));
		a->room = (uint16_t)(arg_room(&args[i], limit) / 8);
		a->num = args[i].num;
		if (len)
			memcpy(a + 1, args[i].data, len);
		at = (char *)(a + 1) + a->room * 8;
	}
	return r;
}

static void publish(struct ring_record *r, uint64_t pos)
{
	__atomic_store_n(&r->tag, pos + 1, __ATOMIC_RELEASE);
}

struct ring_record *ring_call_begin(struct ring_writer *w, const struct event *ev)
{
	unsigned argc = (unsigned)strlen(event_call_info(ev->call)->layout);
	struct ring_record *r;
	uint64_t pos;

	if (event_call_has_extra(ev->call))
		argc++;
	r = put(w, ev, RING_CALL, ev->args, argc, &pos);
	if (!r)
		return NULL;
	r->call = (uint8_t)ev->call;
	publish(r, pos);
	return r;
}

void ring_arg_fill(struct ring_record *r, unsigned i, const void *bytes, size_t len)
{
	struct ring_arg *a = (struct ring_arg *)(r + 1);

	while (i--)
		a = (struct ring_arg *)((char *)(a + 1) + a->room * 8);
	if (len > (size_t)a->room * 8)
		len = (size_t)a->room * 8;
	memcpy(a + 1, bytes, len);
	a->len = (uint32_t)len;
	a->flags &= ~RING_ARG_ABSENT;
}

bool ring_start_put(struct ring_writer *w, const struct event *ev, uint32_t flags)
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
	r = put(w, ev, RING_START, args, RING_START_ARGC, &pos);
	if (!r)
		return false;
	r->call = (uint8_t)ev->how;
	r->flags = flags;
	r->state = RING_DONE;
	publish(r, pos);
	return true;
}

bool ring_exit_put(struct ring_writer *w, const struct event *ev)
{
	uint64_t pos;
	struct ring_record *r = put(w, ev, RING_EXIT, NULL, 0, &pos);

	if (!r)
		return false;
	r->result = ev->exit_code;
	r->state = RING_DONE;
	publish(r, pos);
	return true;
}
