/* SPDX-License-Identifier: Apache-2.0 */
/* The consumer against a workload that writes what it likes: it drops, says so, and goes on. */
#include <errno.h>
#include <sys/mman.h>

#include "ring/consumer.h"
#include "ring/put.h"
#include "tap.h"

static struct ring_consumer *consumer;
static struct ring_producer producer;
static struct ring_writer writer;
static struct ring_lane_state state;
static _Alignas(8) char buf[RING_TAKEN_MAX];

static void set_up(void)
{
	memset(&producer, 0, sizeof(producer));
	memset(&writer, 0, sizeof(writer));
	CHECK_INT(ring_consumer_new(&(struct ring_options){0}, &consumer), 0);
	CHECK_INT(ring_producer_attach(&producer, ring_consumer_fd(consumer)), 0);
	CHECK_INT(ring_lane_claim(&producer, &writer, ring_consumer_fd(consumer),
				  &(struct ring_who){.pid = 7, .tid = 8}),
		  0);
}

static void tear_down(void)
{
	CHECK_INT(munmap(producer.header, ring_directory_size(RING_SLOTS, RING_LANES)), 0);
	CHECK_INT(munmap(writer.data, RING_LANE_BYTES), 0);
	consumer = ring_consumer_free(consumer);
}

static struct ring_record *put(uint64_t seq)
{
	struct event_arg arg = {.data = "x", .len = 1};
	struct ring_record *r = ring_call_begin(&writer, EVENT_CALL_system, &arg, 1, NULL, seq);

	if (r)
		ring_call_end(r, 0, 0, 0);
	return r;
}

static int next(bool dead)
{
	struct ring_lane_state look;

	(void)ring_lane_look(consumer, 0, &look);
	state.scribbled = state.blocked = false;
	return ring_lane_next(consumer, 0, buf, dead, &state);
}

/* After each scribble: -EBADMSG once, then a sound record comes through again. */
static void recovers(int *rounds)
{
	CHECK_INT(next(false), -EBADMSG);
	CHECK(state.scribbled);
	CHECK_INT(next(false), 0);
	CHECK(put(99) != NULL);
	CHECK_INT(next(false), 1);
	CHECK_INT(((struct ring_taken *)buf)->record.entered, 99);
	++*rounds;
}

static void sizes(void)
{
	static const uint32_t bad[] = {0,
				       1,
				       8,
				       15,
				       17,
				       63,
				       24,
				       RING_RECORD_MAX + 16,
				       96,
				       4096,
				       RING_LANE_BYTES,
				       RING_LANE_BYTES * 2,
				       1u << 31,
				       UINT32_MAX,
				       UINT32_MAX & ~15u};
	int rounds = 0;

	set_up();
	for (size_t i = 0; i < TT_ARRAY_SIZE(bad); i++) {
		if (bad[i] == 96)
			continue; /* its own size: sound */
		put(1)->size = bad[i];
		recovers(&rounds);
	}
	put(1)->size = 48; /* shorter than a record, yet no pad */
	recovers(&rounds);
	CHECK_INT(rounds, TT_ARRAY_SIZE(bad));
	tear_down();
}

static void heads(void)
{
	static const uint64_t far[] = {RING_LANE_BYTES + 16, UINT64_MAX - 15, 1ull << 63,
				       0x1000000000ull};
	int rounds = 0;

	set_up();
	for (size_t i = 0; i < TT_ARRAY_SIZE(far); i++) {
		writer.lane->head += far[i];
		recovers(&rounds);
	}
	for (uint64_t off = 1; off < RING_ALIGN; off++) {
		CHECK(put(1) != NULL);
		writer.lane->head += off;
		recovers(&rounds);
	}
	/* a tail of theirs is not believed */
	CHECK(put(5) != NULL);
	writer.lane->tail = 0x123450;
	CHECK_INT(next(false), 1);
	CHECK(writer.lane->tail != 0x123450);
	writer.lane->tail = 0x123450;
	ring_lane_release(consumer, 0);
	CHECK(writer.lane->tail == writer.lane->head);
	CHECK(writer.lane->who.pid == 0 && writer.lane->state == RING_FREE);
	tear_down();
}

static struct ring_record *at_place(uint64_t pos, uint32_t size, uint8_t kind)
{
	struct ring_record *r = (struct ring_record *)(writer.data + (pos & (RING_LANE_BYTES - 1)));

	r->tag = pos + 1;
	r->size = size;
	r->kind = kind;
	return r;
}

/*
 * A pad ends where the lane wraps: any other stands where a record was. A lane full of pads, and
 * one that never ends, cost one bounded walk.
 */
static void pads(void)
{
	uint64_t pos;

	set_up();
	for (uint32_t at = 0; at < RING_LANE_BYTES; at += RING_ALIGN)
		(void)at_place(at, RING_ALIGN, RING_PAD);
	writer.lane->head = RING_LANE_BYTES;
	CHECK_INT(next(false), -EBADMSG);
	CHECK_INT(next(false), 0);
	CHECK(put(3) != NULL);
	CHECK_INT(next(false), 1);
	/* a record that would go past the end of its lane, into the next one's data */
	for (pos = writer.lane->tail; (pos & (RING_LANE_BYTES - 1)) != RING_LANE_BYTES - 128;) {
		uint32_t left = RING_LANE_BYTES - 128 - (uint32_t)(pos & (RING_LANE_BYTES - 1));
		uint32_t size = left < RING_RECORD_MAX ? left : RING_RECORD_MAX;
		struct ring_record *r = at_place(pos, size, RING_CALL);

		r->state = RING_DONE;
		r->flags = 0;
		pos += size;
		writer.lane->head = pos;
		CHECK_INT(next(false), 1);
	}
	at_place(pos, 256, RING_CALL)->state = RING_DONE;
	writer.lane->head = pos + 256;
	CHECK_INT(next(false), -EBADMSG);
	CHECK_INT(next(false), 0);
	/* the pad that a producer makes */
	pos = writer.lane->tail;
	(void)at_place(pos, RING_LANE_BYTES - (uint32_t)(pos & (RING_LANE_BYTES - 1)), RING_PAD);
	writer.lane->head = pos + RING_LANE_BYTES - (pos & (RING_LANE_BYTES - 1));
	CHECK_INT(next(false), 0);
	put(4)->kind = RING_PAD;
	CHECK_INT(next(true), -EBADMSG);
	tear_down();
}

/* A record that says whom it speaks of, and is too short to do so. */
static void who(void)
{
	struct ring_who child = {.span = {{9}}, .pid = 11, .ppid = 12, .tid = 13};
	const struct ring_taken *taken = (const struct ring_taken *)buf;
	struct event_arg arg = {.data = "abc", .len = 3};
	struct ring_record *r;
	int rounds = 0;

	set_up();
	r = ring_call_begin(&writer, EVENT_CALL_system, &arg, 1, &child, 1);
	ring_call_end(r, 4, 0, 0);
	CHECK_INT(next(false), 1);
	CHECK(taken->who.pid == 11 && taken->who.ppid == 12 && taken->who.tid == 13);
	CHECK(tt_uuid_equal(&taken->who.span, &child.span));
	CHECK(taken->record.result == 4 && taken->record.size == 64 + 16 + 16);
	CHECK(memcmp((const char *)(&taken->record + 1) + 16, "abc", 3) == 0);
	CHECK(put(2) != NULL);
	CHECK_INT(next(false), 1);
	CHECK(taken->who.pid == 7 && taken->who.tid == 8);
	r = put(3);
	r->flags = RING_FLAG_WHO;
	r->size = 80;
	writer.lane->head -= 16;
	recovers(&rounds);
	tear_down();
}

static void directory(void)
{
	uint64_t refused, no_slot;
	struct tt_uuid id = {{1}};

	set_up();
	producer.header->lane_high = UINT64_MAX;
	CHECK_INT(ring_lane_count(consumer), RING_LANES);
	producer.lanes[RING_LANES - 1].state = 77;
	CHECK(ring_lane_look(consumer, RING_LANES - 1, &state));
	CHECK_INT(state.state, RING_CLOSED);
	CHECK(ring_lane_look(consumer, 0, &state));
	CHECK_INT(state.bytes, 0);
	producer.lanes[0].head += 64;
	CHECK(ring_lane_look(consumer, 0, &state));
	CHECK_INT(state.bytes, 64);
	producer.lanes[0].head += UINT64_MAX / 2;
	CHECK(ring_lane_look(consumer, 0, &state));
	CHECK_INT(state.bytes, RING_LANE_BYTES);
	producer.lanes[0].head -= UINT64_MAX / 2 + 64;
	CHECK(state.who.pid == 7 && state.who.tid == 8);
	CHECK(!ring_lane_look(consumer, 1, &state));
	producer.header->slot_hint = UINT64_MAX - 1;
	CHECK(ring_slot_claim(&producer, 1, &id) != NULL);
	CHECK(ring_slot_find(consumer, &id) >= 0);
	producer.header->refused = 5;
	ring_consumer_refused(consumer, &refused, &no_slot);
	CHECK(refused == 5 && no_slot == 0);
	tear_down();
	CHECK(ring_consumer_free(NULL) == NULL);
}

int main(void)
{
	TAP_RUN(sizes);
	TAP_RUN(heads);
	TAP_RUN(pads);
	TAP_RUN(who);
	TAP_RUN(directory);
	return tap_done();
}
