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

#include "ring/consumer.h"
#include "ring/producer.h"
#include "tap.h"

static struct ring_consumer *consumer;
static struct ring_producer producer;
static struct ring_writer writer;
static struct ring_lane_state state;
static _Alignas(8) char buf[RING_RECORD_MAX];
static char fill[RING_RECORD_MAX];
static const struct ring_record *const got = (const struct ring_record *)buf;

static void set_up(void)
{
	memset(&producer, 0, sizeof(producer));
	memset(&writer, 0, sizeof(writer));
	CHECK_INT(ring_consumer_new(&consumer), 0);
	CHECK_INT(ring_producer_attach(&producer, ring_consumer_fd(consumer)), 0);
	CHECK_INT(
		ring_lane_claim(&producer, &writer, ring_consumer_fd(consumer), getpid(), getpid()),
		0);
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
	struct event ev = {
		.call = EVENT_CALL_system, .seq = seq, .args = {{.data = fill, .len = len}}};

	return ring_call_begin(&writer, &ev);
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

			CHECK_INT(got->seq, taken);
			CHECK_INT(ring_record_event(got, &ev), 0);
			CHECK_INT(ev.args[0].len, (taken * 7919) % 5000);
			taken++;
		}
	}
	CHECK_INT(taken, made);
	CHECK(ring_lane_look(consumer, 0, &state));
	CHECK_INT(state.lost, 0);
	CHECK(!state.scribbled && !state.blocked);
	tear_down();
}

static void full_lane_counts(void)
{
	uint64_t made = 0, lost = 0;

	set_up();
	while (put(made, 1000))
		made++;
	lost = 1;
	for (int i = 0; i < 10; i++)
		lost += !put(0, 1000);
	CHECK_INT(lost, 11);
	CHECK_INT(made, RING_LANE_BYTES / 1120);
	CHECK(ring_lane_look(consumer, 0, &state));
	CHECK_INT(state.lost, 11);
	CHECK(ring_lane_look(consumer, 0, &state));
	CHECK_INT(state.lost, 0);
	for (uint64_t i = 0; i < made; i++) {
		CHECK_INT(next(false), 1);
		CHECK_INT(got->seq, i);
	}
	CHECK_INT(next(false), 0);
	CHECK(put(77, 1000));
	CHECK_INT(next(false), 1);
	CHECK_INT(got->seq, 77);
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
	CHECK(got->seq == 1 && got->result == 5 && got->state == RING_DONE);
	CHECK_INT(next(false), 1);
	CHECK_INT(got->seq, 2);
	/* the owner dies in a call: it is taken as what it is */
	CHECK(begin(3, 10) != NULL);
	CHECK_INT(next(false), 0);
	CHECK_INT(next(true), 1);
	CHECK(got->seq == 3 && got->state == RING_IN_FLIGHT);
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
	CHECK(state.blocked && !state.scribbled);
	CHECK_INT(next(true), -EBADMSG);
	CHECK(state.scribbled);
	CHECK_INT(next(true), 0);
	/* the lane is as good as new for the next owner */
	ring_lane_release(consumer, 0);
	CHECK(!ring_lane_look(consumer, 0, &state));
	CHECK_INT(ring_lane_claim(&producer, &writer, ring_consumer_fd(consumer), 5, 6), 0);
	CHECK(ring_lane_look(consumer, 0, &state));
	CHECK(state.pid == 5 && state.tid == 6 && state.state == RING_CLAIMED && !state.lost);
	CHECK(put(3, 10));
	CHECK_INT(next(false), 1);
	CHECK_INT(got->seq, 3);
	tear_down();
}

static void lanes_and_slots(void)
{
	struct ring_writer *w = calloc(RING_LANES, sizeof(*w));
	struct tt_uuid ids[3] = {{{1}}, {{2}}, {{3}}};
	struct ring_slot *slot;
	uint64_t no_lane, no_slot;
	int n;

	set_up();
	CHECK_INT(ring_lane_count(consumer), 1);
	for (unsigned i = 1; i < RING_LANES; i++)
		CHECK_INT(ring_lane_claim(&producer, &w[i], ring_consumer_fd(consumer), 1, 1), 0);
	CHECK_INT(ring_lane_count(consumer), RING_LANES);
	CHECK_INT(ring_lane_claim(&producer, &w[0], ring_consumer_fd(consumer), 1, 1), -EUSERS);
	CHECK(w[0].lane == NULL);
	ring_lane_close(&w[5]);
	CHECK(ring_lane_look(consumer, 5, &state));
	CHECK_INT(state.state, RING_CLOSED);
	CHECK_INT(ring_lane_claim(&producer, &w[0], ring_consumer_fd(consumer), 1, 1), -EUSERS);
	ring_lane_release(consumer, 5);
	CHECK_INT(ring_lane_claim(&producer, &w[0], ring_consumer_fd(consumer), 1, 1), 0);
	CHECK(w[0].lane == &producer.lanes[5]);
	for (unsigned i = 0; i < RING_LANES; i++)
		if (w[i].data)
			CHECK_INT(munmap(w[i].data, RING_LANE_BYTES), 0);
	/* slots: found by their span, count what was made, give way to others, run out */
	slot = ring_slot_claim(&producer, 42, &ids[0]);
	CHECK(slot != NULL && slot->pid == 42);
	CHECK(ring_slot_claim(&producer, 43, &ids[1]) != NULL);
	__atomic_fetch_add(&slot->next_seq, 9, __ATOMIC_RELAXED);
	n = ring_slot_find(consumer, &ids[0]);
	CHECK(n >= 0 && ring_slot_find(consumer, &ids[1]) >= 0 &&
	      n != ring_slot_find(consumer, &ids[1]));
	CHECK_INT(ring_slot_find(consumer, &ids[2]), -ENOENT);
	CHECK_INT(ring_slot_made(consumer, (uint32_t)n), 9);
	CHECK_INT(ring_slot_release(consumer, (uint32_t)n), 9);
	CHECK_INT(ring_slot_find(consumer, &ids[0]), -ENOENT);
	for (unsigned i = 0; i < RING_SLOTS - 1; i++)
		CHECK(ring_slot_claim(&producer, 1, &ids[2]) != NULL);
	CHECK(ring_slot_claim(&producer, 1, &ids[2]) == NULL);
	ring_consumer_unplaced(consumer, &no_lane, &no_slot);
	CHECK(no_lane == 0 && no_slot == 1);
	n = ring_slot_find(consumer, &ids[1]);
	CHECK_INT(ring_slot_release(consumer, (uint32_t)n), 0);
	slot = ring_slot_claim(&producer, 2, &ids[0]);
	CHECK(slot && slot->next_seq == 0 && ring_slot_find(consumer, &ids[0]) == n);
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
				bool nested = got->seq >> 32;

				CHECK_INT(got->seq & 0xffffffff,
					  nested ? handler_taken : main_taken);
				*(nested ? &handler_taken : &main_taken) += 1;
			}
		}
	}
	CHECK_INT(setitimer(ITIMER_REAL, &off, NULL), 0);
	CHECK_INT(sigaction(SIGALRM, &old, NULL), 0);
	while (next(false) == 1)
		*(got->seq >> 32 ? &handler_taken : &main_taken) += 1;
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
			CHECK_INT(got->seq & 0xffffffff, taken[got->seq >> 32 & 1]);
			taken[got->seq >> 32 & 1]++;
		}
		if (waitpid(-1, &status, WNOHANG) > 0) {
			CHECK_INT(status, 0);
			live--;
		}
	}
	while (next(false) == 1)
		taken[got->seq >> 32 & 1]++;
	CHECK_INT(taken[0], EACH);
	CHECK_INT(taken[1], EACH);
	tear_down();
}

/* Children killed at any moment: no record is torn, what did not come was counted. */
static void killed(void)
{
	set_up();
	ring_lane_close(&writer);
	ring_lane_release(consumer, 0);
	for (int round = 0; round < 60; round++) {
		uint64_t taken = 0, after = 0, lost = 0, made;
		struct tt_uuid span = tt_uuid_make();
		struct event ev;
		int status, r, slot, dropped = 0;
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			struct ring_slot *s = ring_slot_claim(&producer, getpid(), &span);

			alarm(30);
			if (!s || ring_lane_claim(&producer, &writer, ring_consumer_fd(consumer),
						  getpid(), getpid()) < 0)
				_exit(1);
			for (;;) {
				uint64_t n = __atomic_fetch_add(&s->next_seq, 1, __ATOMIC_RELAXED);

				(void)put(n, n % 999);
			}
		}
		usleep((useconds_t)(200 + round * 37));
		CHECK_INT(kill(pid, SIGKILL), 0);
		CHECK_INT(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status));
		if (ring_lane_look(consumer, 0, &state)) {
			lost = state.lost;
			while ((r = next(true)) != 0) {
				if (r < 0) {
					dropped++;
					continue;
				}
				CHECK(dropped == 0 && got->seq >= after);
				after = got->seq + 1;
				CHECK_INT(ring_record_event(got, &ev), 0);
				taken++;
			}
			CHECK(dropped <= 1);
			ring_lane_release(consumer, 0);
		}
		slot = ring_slot_find(consumer, &span);
		made = slot >= 0 ? ring_slot_release(consumer, (uint32_t)slot) : 0;
		/* all but the one that was never reserved or never finished */
		CHECK(made >= taken + lost && made - taken - lost <= 1);
	}
	CHECK_INT(ring_lane_count(consumer), 1); /* one lane, used again each time */
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
	return tap_done();
}
