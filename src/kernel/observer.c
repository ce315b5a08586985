/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The observer's queue, and execs that are still to be seen taking place: see observer.h.
 *
 *	held ──► record begun, text and folders read ──► the call goes on ──► who it was ──► queue
 *
 * What costs a look into /proc and can wait comes after the answer. Records are as long as what
 * they tell; one that would not fit before the end of the ring begins at its start.
 */
#include "kernel/observer.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/time.h"
#include "kernel/observer_internal.h"

#define RING_BYTES   (2U << 20)
#define RECORD_BYTES ((uint32_t)sizeof(struct record) + OBSERVED_ROOM)
#define NUMBERS      512 /* of system calls, each has its place */
#define EXECS        128 /* held lately, and not yet seen to have taken place or failed */
#define LOOK_MS      2
#define SETTLED_NS   (1000 * TT_NS_PER_MS) /* an exec that took longer has failed */

struct record {
	uint32_t bytes; /* with this; a multiple of 16 */
	bool skip;      /* nothing follows up to the end of the ring */
	struct kernel_fact fact;
};
_Static_assert(RING_BYTES % 16 == 0, "records are aligned");

/* An exec that was let go on. */
struct exec {
	pid_t pid; /* 0: none */
	uint64_t at_ns, start_ns;
	struct kernel_stamp stamp;
};

struct kernel_observer {
	struct policy watch;
	const struct kernel_watched *by_nr[NUMBERS];
	struct record *open; /* begun, not yet in the queue */
	struct kernel_room room;
	struct kernel_stamp stamp;
	struct exec execs[EXECS];
	unsigned exec_count;
	uint64_t settled_ns; /* when they were looked at last */
	_Atomic uint64_t missed[EVENT_CALL_COUNT], lost;
	_Alignas(64) _Atomic uint64_t head; /* next to be written */
	_Alignas(64) _Atomic uint64_t tail; /* next to be read */
	uint64_t taken;                     /* what the reader still holds ends here */
	_Alignas(64) char ring[RING_BYTES];
};

static void add_rule(struct kernel_observer *o, struct policy_rule *r,
		     const struct kernel_watched *w)
{
	*r = (struct policy_rule){.nr = w->nr, .verdict = {.action = POLICY_LOG}};
	if (w->arg >= 0) {
		r->condition_count = 1;
		r->conditions[0] = (struct policy_condition){.arg = (uint8_t)w->arg,
							     .wide = w->arg_mask > UINT32_MAX,
							     .compare = POLICY_NE,
							     .mask = w->arg_mask};
	}
	if ((unsigned)w->nr < NUMBERS)
		o->by_nr[w->nr] = w;
}

static int by_number(const void *a, const void *b)
{
	const struct policy_rule *x = a, *y = b;

	return (x->nr > y->nr) - (x->nr < y->nr);
}

int kernel_observer_new(struct kernel_observer **ret, unsigned what, struct tt_err *err)
{
	/* zeroed by the kernel, and only what is used takes memory */
	struct kernel_observer *o =
		mmap(NULL, sizeof(*o), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct kernel_watched *w;
	struct policy_rule *rules;
	size_t n = 0;

	if (o == MAP_FAILED)
		return tt_fail(err, ENOMEM, "make the observer");
	while (kernel_watched_at(n))
		n++;
	rules = calloc(n, sizeof(*rules));
	if (!rules) {
		(void)munmap(o, sizeof(*o));
		return tt_fail(err, ENOMEM, "make the observer");
	}
	n = 0;
	for (size_t i = 0; (w = kernel_watched_at(i)); i++)
		if (w->what & what)
			add_rule(o, &rules[n++], w);
	qsort(rules, n, sizeof(*rules), by_number);
	o->watch = (struct policy){
		.name = "observer", .filter = true, .rules = rules, .rule_count = n};
	*ret = o;
	return 0;
}

void kernel_observer_free(struct kernel_observer *o)
{
	if (!o)
		return;
	free((void *)o->watch.rules);
	(void)munmap(o, sizeof(*o));
}

const struct policy *kernel_observer_watch(const struct kernel_observer *o)
{
	return &o->watch;
}

/* The record at a place of the queue that is not its end. */
static struct record *record_at(struct kernel_observer *o, uint64_t at)
{
	return (struct record *)(void *)(o->ring + at % RING_BYTES);
}

static uint64_t next_round(uint64_t at)
{
	return (at / RING_BYTES + 1) * RING_BYTES;
}

/* Room for the longest record, or NULL: the reader is behind. */
static struct record *begin(struct kernel_observer *o)
{
	uint64_t head = atomic_load_explicit(&o->head, memory_order_relaxed), at = head;
	uint64_t tail = atomic_load_explicit(&o->tail, memory_order_acquire);

	if (RING_BYTES - at % RING_BYTES < RECORD_BYTES)
		at = next_round(at);
	if (at + RECORD_BYTES - tail > RING_BYTES)
		return NULL;
	if (at != head) {
		record_at(o, head)->skip = true;
		record_at(o, head)->bytes = (uint32_t)(at - head);
		atomic_store_explicit(&o->head, at, memory_order_release);
	}
	o->open = record_at(o, at);
	memset(o->open, 0, sizeof(*o->open));
	o->room = (struct kernel_room){(char *)(o->open + 1), (char *)o->open + RECORD_BYTES};
	return o->open;
}

static void commit(struct kernel_observer *o)
{
	uint32_t bytes = ((uint32_t)(o->room.at - (char *)o->open) + 15) & ~15U;

	o->open->bytes = bytes;
	o->open = NULL;
	(void)atomic_fetch_add_explicit(&o->head, bytes, memory_order_release);
}

static void miss(struct kernel_observer *o, enum event_call call)
{
	(void)atomic_fetch_add_explicit(&o->missed[call], 1, memory_order_relaxed);
	(void)atomic_fetch_add_explicit(&o->lost, 1, memory_order_relaxed);
}

int kernel_observer_next(struct kernel_observer *o, struct kernel_fact *ret)
{
	uint64_t at = o->taken;
	struct record *r;

	do {
		atomic_store_explicit(&o->tail, at, memory_order_release);
		o->taken = at;
		if (at == atomic_load_explicit(&o->head, memory_order_acquire))
			return 0;
		r = record_at(o, at);
		at += r->bytes;
	} while (r->skip);
	o->taken = at;
	*ret = r->fact;
	return 1;
}

uint64_t kernel_observer_missed(struct kernel_observer *o, enum event_call call)
{
	return atomic_exchange_explicit(&o->missed[call], 0, memory_order_relaxed);
}

uint64_t kernel_observer_lost(const struct kernel_observer *o)
{
	return atomic_load_explicit(&o->lost, memory_order_relaxed);
}

static const struct kernel_watched *watched(const struct kernel_observer *o,
					    const struct seccomp_data *d)
{
	const struct kernel_watched *w = (unsigned)d->nr < NUMBERS ? o->by_nr[d->nr] : NULL;

	return w && (w->arg < 0 || (d->args[w->arg] & w->arg_mask)) ? w : NULL;
}

/* The exec took place: say which image that is. */
static void put_image(struct kernel_observer *o, const struct exec *e, bool brief)
{
	struct record *r = begin(o);
	struct kernel_fact *f = r ? &r->fact : NULL;

	if (!f)
		return; /* the exec itself has been told of, or counted */
	f->kind = KERNEL_FACT_EXEC;
	f->by = KERNEL_BY_SECCOMP;
	f->ts_ns = e->at_ns + 1;
	f->pid = f->tid = e->pid;
	if (!brief)
		f->start_ns = kernel_caller_start(e->pid);
	if (kernel_look_image(f, &o->room, brief) &&
	    (!e->start_ns || !f->start_ns || f->start_ns == e->start_ns))
		commit(o);
	else
		o->open = NULL;
}

/* false: it need not be asked again */
static bool is_pending(struct kernel_observer *o, const struct exec *e, uint64_t now, bool brief)
{
	int replaced = kernel_look_replaced(e->pid, &e->stamp);

	if (replaced > 0)
		put_image(o, e, brief);
	return replaced == 0 && now - e->at_ns < SETTLED_NS;
}

/* A process that asks again has come back from its exec, as one image or the other. */
static void settle_one(struct kernel_observer *o, pid_t pid, uint64_t now, bool brief)
{
	for (unsigned i = 0; i < o->exec_count; i++) {
		if (o->execs[i].pid != pid || o->execs[i].at_ns >= now)
			continue;
		(void)is_pending(o, &o->execs[i], now, brief);
		o->execs[i] = o->execs[--o->exec_count];
		return;
	}
}

int kernel_observer_settle(struct kernel_observer *o, bool idle)
{
	uint64_t now = o->exec_count ? tt_clock_ns(CLOCK_MONOTONIC) : 0;
	unsigned n = 0;

	/* in a storm, too, once every LOOK_MS */
	if (!o->exec_count || (!idle && now - o->settled_ns < LOOK_MS * TT_NS_PER_MS))
		return o->exec_count ? LOOK_MS : -1;
	o->settled_ns = now;
	for (unsigned i = 0; i < o->exec_count; i++)
		if (is_pending(o, &o->execs[i], now, false))
			o->execs[n++] = o->execs[i];
	o->exec_count = n;
	return n ? LOOK_MS : -1;
}

static void remember_exec(struct kernel_observer *o, const struct kernel_fact *f)
{
	struct exec e = {f->pid, f->ts_ns, f->start_ns, o->stamp};

	if (!o->stamp.known)
		return;
	/* in a storm the oldest are not waited for: most of them are gone */
	if (o->exec_count == EXECS)
		memmove(o->execs, o->execs + 1, --o->exec_count * sizeof(o->execs[0]));
	o->execs[o->exec_count++] = e;
}

bool kernel_observer_hold(struct kernel_observer *o, const struct seccomp_notif *held,
			  struct kernel_callers *callers)
{
	const struct kernel_watched *w = watched(o, &held->data);
	uint64_t now = tt_clock_ns(CLOCK_MONOTONIC);
	struct kernel_fact *f;

	if (!w)
		return false;
	/* its image comes before what it does, and another exec may end it */
	if (o->exec_count)
		settle_one(o, (pid_t)held->pid, now, true);
	o->stamp.known = false;
	if (!begin(o)) {
		miss(o, w->call);
		return true;
	}
	f = &o->open->fact;
	f->kind = KERNEL_FACT_CALL;
	f->by = KERNEL_BY_SECCOMP;
	f->ts_ns = now;
	f->pid = f->tid = (int32_t)held->pid;
	f->call = w->call;
	kernel_look_call(w, held, kernel_caller_memory(callers, f->tid, now), f, &o->room,
			 &o->stamp);
	return true;
}

void kernel_observer_told(struct kernel_observer *o, struct kernel_callers *callers, pid_t top)
{
	const struct kernel_caller *c;
	struct kernel_fact *f;

	if (!o->open)
		return;
	f = &o->open->fact;
	if (event_call_execs(f->call))
		c = kernel_caller_glance(callers, f->tid, top);
	else
		c = kernel_caller_find_soon(callers, f->tid, top, f->ts_ns);
	if (c) {
		f->pid = c->pid;
		f->ppid = c->ppid;
		f->ns_pid = c->ns_pid;
		f->start_ns = c->start_ns;
		memcpy(f->comm, c->comm, sizeof(f->comm));
	}
	if (event_call_execs(f->call))
		remember_exec(o, f);
	commit(o);
}
