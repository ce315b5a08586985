/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Producers and consumer together: full lanes, wrap-around, signals, processes that die anywhere.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "ring/consumer.h"
#include "ring/put.h"
#include "tap.h"

static struct ring_consumer *consumer;
static struct ring_producer producer;
static struct ring_writer writer;
static struct ring_lane_state state;
static _Alignas(8) char buf[RING_TAKEN_MAX];
static char fill[RING_RECORD_MAX];
static const struct ring_record *const got = &((const struct ring_taken *)buf)->record;

static int claim(struct ring_writer *w, int32_t pid, int32_t tid)
{
	return ring_lane_claim(&producer, w, ring_consumer_fd(consumer),
			       &(struct ring_who){.pid = pid, .tid = tid});
}

static void set_up(void)
{
	memset(&producer, 0, sizeof(producer));
	memset(&writer, 0, sizeof(writer));
	CHECK_INT(ring_consumer_new(&(struct ring_options){0}, &consumer), 0);
	CHECK_INT(ring_producer_attach(&producer, ring_consumer_fd(consumer)), 0);
	CHECK_INT(claim(&writer, getpid(), getpid()), 0);
}

static void tear_down(void)
{
	CHECK_INT(munmap(producer.header, ring_directory_size(RING_SLOTS, RING_LANES)), 0);
	if (writer.data)
		CHECK_INT(munmap(writer.data, RING_LANE_BYTES), 0);
	consumer = ring_consumer_free(consumer);
}

static struct ring_record *begin(uint64_t seq, size_t len)
{
	struct event_arg arg = {.data = fill, .len = len};

	/* the number travels as the time, which nobody looks at here */
	return ring_call_begin(&writer, EVENT_CALL_system, &arg, 1, NULL, seq);
}

static bool put(uint64_t seq, size_t len)
{
	struct ring_record *r = begin(seq, len);

	if (r)
		ring_call_end(r, 0, 0, 0);
	return r != NULL;
}

static int next(bool dead)
{
	struct ring_lane_state look;

	(void)ring_lane_look(consumer, 0, &look);
	return ring_lane_next(consumer, 0, buf, dead, &state);
}

/* Sizes that do not divide the lane: pads of every length come and go. */
static void wraps_around(void)
{
	uint64_t made = 0, taken = 0;

	set_up();
	while (made < 20000) {
		for (size_t i = 0; i < 7; i++)
			if (put(made, (made * 7919) % 5000))
				made++;
		while (next(false) == 1) {
			struct event ev;

			CHECK_INT(got->entered, taken);
			CHECK_INT(ring_record_event(consumer, (const struct ring_taken *)buf, &ev),
				  0);
			CHECK_INT(ev.args[0].len, (taken * 7919) % 5000);
			taken++;
		}
	}
	CHECK_INT(taken, made);
	CHECK(ring_lane_look(consumer, 0, &state));
	CHECK(!state.scribbled && !state.blocked);
	tear_down();
}

static void full_lane_counts(void)
{
	uint64_t made = 0, lost = 0, refused, no_slot;

	set_up();
	while (put(made, 1000))
		made++;
	lost = 1;
	for (int i = 0; i < 10; i++)
		lost += !put(0, 1000);
	CHECK_INT(lost, 11);
	CHECK_INT(made, RING_LANE_BYTES / (64 + 16 + 1000 + 8)); /* rounded up to 16 */
	ring_consumer_refused(consumer, &refused, &no_slot);
	CHECK(refused == 11 && no_slot == 0);
	for (uint64_t i = 0; i < made; i++) {
		CHECK_INT(next(false), 1);
		CHECK_INT(got->entered, i);
	}
	CHECK_INT(next(false), 0);
	CHECK(put(77, 1000));
	CHECK_INT(next(false), 1);
	CHECK_INT(got->entered, 77);
	tear_down();
}

static void in_flight(void)
{
	struct ring_record *first;

	set_up();
	first = begin(1, 10);
	CHECK(put(2, 10)); /* of a signal handler, say: done before the first */
	CHECK_INT(next(false), 0);
	CHECK(state.blocked);
	ring_call_end(first, 5, 0, 9);
	CHECK_INT(next(false), 1);
	CHECK(got->entered == 1 && got->result == 5 && got->state == RING_DONE);
	CHECK_INT(next(false), 1);
	CHECK_INT(got->entered, 2);
	/* the owner dies in a call: it is taken as what it is */
	CHECK(begin(3, 10) != NULL);
	CHECK_INT(next(false), 0);
	CHECK_INT(next(true), 1);
	CHECK(got->entered == 3 && got->state == RING_IN_FLIGHT);
	CHECK_INT(next(true), 0);
	tear_down();
}

/* SIGKILL between reserving and writing the tag. */
static void half_written(void)
{
	set_up();
	CHECK(put(1, 10));
	__atomic_fetch_add(&writer.lane->head, 128, __ATOMIC_RELAXED);
	CHECK(put(2, 10));
	CHECK_INT(next(false), 1);
	CHECK_INT(next(false), 0);
	CHECK(state.blocked && !state.scribbled && !state.torn);
	/* what lies behind it is complete, and is found */
	CHECK_INT(next(true), 1);
	CHECK(!state.scribbled && state.torn == 1);
	CHECK_INT(got->entered, 2);
	CHECK_INT(next(true), 0);
	/* nothing behind it */
	__atomic_fetch_add(&writer.lane->head, 96, __ATOMIC_RELAXED);
	CHECK_INT(next(true), 0);
	CHECK(!state.scribbled && state.torn == 2);
	/* the lane is as good as new for the next owner */
	ring_lane_release(consumer, 0);
	CHECK(!ring_lane_look(consumer, 0, &state));
	CHECK_INT(claim(&writer, 5, 6), 0);
	CHECK(ring_lane_look(consumer, 0, &state));
	CHECK(state.who.pid == 5 && state.who.tid == 6 && state.state == RING_CLAIMED);
	CHECK(put(3, 10));
	CHECK_INT(next(false), 1);
	CHECK_INT(got->entered, 3);
	tear_down();
}

static void lanes_and_slots(void)
{
	struct ring_writer *w = calloc(RING_LANES, sizeof(*w));
	struct tt_uuid ids[3] = {{{1}}, {{2}}, {{3}}};
	struct ring_slot *slot;
	struct ring_losses lost;
	uint64_t refused, no_slot;
	int n;

	set_up();
	CHECK_INT(ring_lane_count(consumer), 1);
	for (unsigned i = 1; i < RING_LANES; i++)
		CHECK_INT(claim(&w[i], 1, 1), 0);
	CHECK_INT(ring_lane_count(consumer), RING_LANES);
	CHECK_INT(claim(&w[0], 1, 1), -EUSERS);
	CHECK(w[0].lane == NULL);
	ring_lane_close(&w[5]);
	CHECK(ring_lane_look(consumer, 5, &state));
	CHECK_INT(state.state, RING_CLOSED);
	CHECK_INT(claim(&w[0], 1, 1), -EUSERS);
	ring_lane_release(consumer, 5);
	CHECK_INT(claim(&w[0], 1, 1), 0);
	CHECK(w[0].lane == &producer.lanes[5]);
	for (unsigned i = 0; i < RING_LANES; i++)
		if (w[i].data)
			CHECK_INT(munmap(w[i].data, RING_LANE_BYTES), 0);
	/* slots: found by their span, count what was made, give way to others, run out */
	slot = ring_slot_claim(&producer, 42, &ids[0]);
	CHECK(slot != NULL && slot->pid == 42);
	CHECK(ring_slot_claim(&producer, 43, &ids[1]) != NULL);
	__atomic_fetch_add(&slot->lost_full, 9, __ATOMIC_RELAXED);
	__atomic_fetch_add(&slot->lost_no_lane, 4, __ATOMIC_RELAXED);
	n = ring_slot_find(consumer, &ids[0]);
	CHECK(n >= 0 && ring_slot_find(consumer, &ids[1]) >= 0 &&
	      n != ring_slot_find(consumer, &ids[1]));
	CHECK_INT(ring_slot_find(consumer, &ids[2]), -ENOENT);
	ring_slot_release(consumer, (uint32_t)n, &lost);
	CHECK(lost.full == 9 && lost.no_lane == 4);
	CHECK_INT(ring_slot_find(consumer, &ids[0]), -ENOENT);
	for (unsigned i = 0; i < RING_SLOTS - 1; i++)
		CHECK(ring_slot_claim(&producer, 1, &ids[2]) != NULL);
	CHECK(ring_slot_claim(&producer, 1, &ids[2]) == NULL);
	ring_consumer_refused(consumer, &refused, &no_slot);
	CHECK(refused == 0 && no_slot == 1);
	n = ring_slot_find(consumer, &ids[1]);
	ring_slot_release(consumer, (uint32_t)n, &lost);
	CHECK(lost.full == 0 && lost.no_lane == 0);
	slot = ring_slot_claim(&producer, 2, &ids[0]);
	CHECK(slot && slot->lost_full == 0 && slot->lost_no_lane == 0 &&
	      ring_slot_find(consumer, &ids[0]) == n);
	free(w);
	tear_down();
}

static uint64_t handler_seq;

static void handler(int sig)
{
	(void)sig;
	if (put(1ull << 32 | handler_seq, 20))
		handler_seq++;
}

/* A signal handler that records, at any moment of the same thread's recording. */
static void signal_handlers(void)
{
	struct sigaction act = {.sa_handler = handler}, old;
	struct itimerval timer = {{0, 50}, {0, 50}}, off = {{0, 0}, {0, 0}};
	uint64_t made = 0, main_taken = 0, handler_taken = 0;

	set_up();
	handler_seq = 0;
	CHECK_INT(sigaction(SIGALRM, &act, &old), 0);
	CHECK_INT(setitimer(ITIMER_REAL, &timer, NULL), 0);
	while (made < 200000 && handler_seq < 2000) {
		if (put(made, made % 300))
			made++;
		if (made % 64 == 0) {
			while (next(false) == 1) {
				bool nested = got->entered >> 32;

				CHECK_INT(got->entered & 0xffffffff,
					  nested ? handler_taken : main_taken);
				*(nested ? &handler_taken : &main_taken) += 1;
			}
		}
	}
	CHECK_INT(setitimer(ITIMER_REAL, &off, NULL), 0);
	CHECK_INT(sigaction(SIGALRM, &old, NULL), 0);
	while (next(false) == 1)
		*(got->entered >> 32 ? &handler_taken : &main_taken) += 1;
	CHECK_INT(main_taken, made);
	CHECK_INT(handler_taken, handler_seq);
	CHECK(handler_seq > 0);
	tear_down();
}

/* Two processes on one lane, as a vfork child or a raw clone has it. */
static void two_processes(void)
{
	enum { EACH = 20000 };
	uint64_t taken[2] = {0, 0};
	pid_t pid[2];
	int live = 2;

	set_up();
	for (int i = 0; i < 2; i++) {
		pid[i] = fork();
		CHECK(pid[i] >= 0);
		if (pid[i] == 0) {
			alarm(30);
			for (uint64_t n = 0; n < EACH;)
				n += put((uint64_t)i << 32 | n, n % 200);
			_exit(0);
		}
	}
	while (live) {
		int status;

		while (next(false) == 1) {
			CHECK_INT(got->entered & 0xffffffff, taken[got->entered >> 32 & 1]);
			taken[got->entered >> 32 & 1]++;
		}
		if (waitpid(-1, &status, WNOHANG) > 0) {
			CHECK_INT(status, 0);
			live--;
		}
	}
	while (next(false) == 1)
		taken[got->entered >> 32 & 1]++;
	CHECK_INT(taken[0], EACH);
	CHECK_INT(taken[1], EACH);
	tear_down();
}

/* Children killed at any moment: no record is torn, what did not come was counted. */
static void killed(void)
{
	uint64_t *made = mmap(NULL, sizeof(*made), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(made != MAP_FAILED);
	set_up();
	ring_lane_close(&writer);
	ring_lane_release(consumer, 0);
	for (int round = 0; round < 60; round++) {
		uint64_t taken = 0, after = 0;
		struct tt_uuid span = tt_uuid_make();
		struct ring_losses lost = {0};
		struct event ev;
		int status, slot;
		pid_t pid;

		*made = 0;
		pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			struct ring_slot *s = ring_slot_claim(&producer, getpid(), &span);

			alarm(30);
			if (!s || claim(&writer, getpid(), getpid()) < 0)
				_exit(1);
			for (uint64_t n = 0;; n++) {
				if (!put(n, n % 999))
					s->lost_full++;
				__atomic_store_n(made, n + 1, __ATOMIC_RELEASE);
			}
		}
		usleep((useconds_t)(200 + round * 37));
		CHECK_INT(kill(pid, SIGKILL), 0);
		CHECK_INT(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status));
		if (ring_lane_look(consumer, 0, &state)) {
			while (next(true) == 1) {
				CHECK(state.torn == 0 && got->entered >= after);
				after = got->entered + 1;
				CHECK_INT(ring_record_event(consumer,
							    (const struct ring_taken *)buf, &ev),
					  0);
				taken++;
			}
			CHECK(!state.scribbled && state.torn <= 1);
			ring_lane_release(consumer, 0);
		}
		slot = ring_slot_find(consumer, &span);
		if (slot >= 0)
			ring_slot_release(consumer, (uint32_t)slot, &lost);
		/* all but the one it was at */
		CHECK(taken + lost.full >= *made && taken + lost.full <= *made + 1);
	}
	CHECK_INT(ring_lane_count(consumer), 1); /* one lane, used again each time */
	tear_down();
	CHECK_INT(munmap(made, sizeof(*made)), 0);
}

/* A far lane without an fd, by way of the directory. */
static void without_fd(void)
{
	struct ring_who who = {.pid = 3, .tid = 4};
	struct ring_writer w = {.lane = NULL};
	struct ring_taken *taken = (struct ring_taken *)buf;
	unsigned char in_core;
	void *at;
	const uint32_t far = RING_LANES_NEAR;

	set_up();
	for (unsigned n = 1; n < RING_LANES_NEAR; n++)
		CHECK_INT(ring_lane_claim_near(&producer, &w, &who), 0);
	CHECK_INT(ring_lane_claim_near(&producer, &w, &who), -EUSERS);
	CHECK_INT(ring_lane_claim(&producer, &w, -1, &who), 0);
	CHECK(w.lane == &producer.lanes[far]);
	ring_call_end(ring_call_begin(&w, EVENT_CALL_fork, NULL, 0, NULL, 5), 7, 0, 0);
	CHECK(ring_lane_look(consumer, far, &state) && state.who.pid == 3);
	CHECK_INT(ring_lane_next(consumer, far, buf, false, &state), 1);
	CHECK(taken->record.entered == 5 && taken->record.result == 7 && taken->who.tid == 4);
	/* to its last byte */
	for (uint64_t n = 0; n < 40000; n++) {
		ring_call_end(ring_call_begin(&w, EVENT_CALL_fork, NULL, 0, NULL, n), 0, 0, 0);
		CHECK(ring_lane_look(consumer, far, &state));
		CHECK_INT(ring_lane_next(consumer, far, buf, false, &state), 1);
		CHECK_INT(taken->record.entered, n);
	}
	/* given back, it is gone; a near one is part of the rest */
	at = w.data;
	ring_lane_unmap(&producer, &w);
	CHECK(!w.data && mincore(at, 4096, &in_core) < 0 && errno == ENOMEM);
	w.data = writer.data;
	ring_lane_unmap(&producer, &w);
	CHECK(!w.data && mincore(writer.data, 4096, &in_core) == 0);
	tear_down();
}

static void waits_when_full(void)
{
	enum { MADE = 20000 };
	uint64_t taken = 0, refused, no_slot, began;
	int status = -1;
	pid_t pid;

	set_up();
	producer.header->on_full = RING_FULL_WAIT;
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		alarm(30);
		for (uint64_t n = 0; n < MADE; n++)
			if (!put(n, 400))
				_exit(1);
		_exit(0);
	}
	while (taken < MADE && status == -1) {
		ring_consumer_pass(consumer);
		while (next(false) == 1) {
			CHECK_INT(got->entered, taken);
			taken++;
		}
		usleep(300);
		if (waitpid(pid, &status, WNOHANG) != pid)
			status = -1;
	}
	if (status == -1)
		CHECK_INT(waitpid(pid, &status, 0), pid);
	while (next(false) == 1)
		taken++;
	CHECK_INT(status, 0);
	CHECK_INT(taken, MADE);
	ring_consumer_refused(consumer, &refused, &no_slot);
	CHECK_INT(refused, 0);
	/* full of what this thread itself has in flight: nobody could ever make room */
	CHECK(begin(0, 10) != NULL);
	began = tt_clock_ns(CLOCK_MONOTONIC);
	while (put(1, 5000))
		;
	CHECK(tt_clock_ns(CLOCK_MONOTONIC) - began < TT_NS_PER_SEC);
	tear_down();
}

/* Nobody reads and nobody will: it gives up, and does so once. */
static void does_not_wait_for_the_dead(void)
{
	uint64_t began;

	set_up();
	producer.header->on_full = RING_FULL_WAIT;
	began = tt_clock_ns(CLOCK_MONOTONIC);
	while (put(1, 5000))
		;
	CHECK(tt_clock_ns(CLOCK_MONOTONIC) - began < 20 * TT_NS_PER_SEC);
	began = tt_clock_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < 1000; i++)
		CHECK(!put(1, 5000));
	CHECK(tt_clock_ns(CLOCK_MONOTONIC) - began < TT_NS_PER_SEC);
	tear_down();
}

int main(void)
{
	TAP_RUN(wraps_around);
	TAP_RUN(full_lane_counts);
	TAP_RUN(in_flight);
	TAP_RUN(half_written);
	TAP_RUN(lanes_and_slots);
	TAP_RUN(signal_handlers);
	TAP_RUN(two_processes);
	TAP_RUN(killed);
	TAP_RUN(without_fd);
	TAP_RUN(waits_when_full);
	TAP_RUN(does_not_wait_for_the_dead);
	return tap_done();
}
