/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as what a hostile workload leaves in the shared memory. The input is a list of writes: one
 * byte says where (header, slots, lane directory, data of lane 0, 1, 2), two bytes the offset in
 * units of 8, one byte the length, then the bytes. A few sound records lie in the lanes before. The
 * consumer then reads all lanes, of owners alive and dead; every record it yields becomes an event
 * and a line.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "event/event.h"
#include "ring/consumer.h"
#include "ring/put.h"

#define LANES_USED  3
#define TURNS_MAX   (RING_LANE_BYTES / RING_ALIGN + 8)
#define FORMATS_MAX 64 /* lines made per lane: they are the slow part */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ring_writer writers[LANES_USED];
static struct ring_producer producer;

static void fill(void)
{
	struct event_arg args[] = {{.data = "/x", .len = 2}, {.absent = true, .len = 64}};
	struct ring_who child = {.pid = 2};
	struct event_text open_fds = {"0123456789", 10};
	struct event ev = {.exe = {"/x", 2}};

	/* those of lane 0 stay in flight; there is room for all of them */
	for (uint64_t i = 0; i < 4; i++) {
		const struct ring_who *who = i & 1 ? &child : NULL;

		(void)ring_call_begin(&writers[0], EVENT_CALL_chdir, args, 2, who, i);
		(void)ring_start_put(&writers[1], &ev, who, i, 0);
		(void)ring_exit_put(&writers[2], 3, &open_fds, who, i);
	}
}

static void scribble(const uint8_t *data, size_t size)
{
	char *base[] = {(char *)producer.header, (char *)producer.slots, (char *)producer.lanes,
			writers[0].data,         writers[1].data,        writers[2].data};
	static const size_t room[] = {RING_HEADER_SIZE,
				      RING_SLOTS * sizeof(struct ring_slot),
				      RING_LANES * sizeof(struct ring_lane),
				      RING_LANE_BYTES,
				      RING_LANE_BYTES,
				      RING_LANE_BYTES};

	while (size >= 4) {
		size_t where = data[0] % 6, at = (size_t)(data[1] | data[2] << 8) * 8, n = data[3];

		data += 4;
		size -= 4;
		n = n < size ? n : size;
		if (at < room[where]) {
			size_t fits = n < room[where] - at ? n : room[where] - at;

			memcpy(base[where] + at, data, fits);
		}
		data += n;
		size -= n;
	}
}

/* The record in exact room: a look past its size is seen. */
static void use(const struct ring_consumer *c, const struct ring_taken *taken)
{
	static const struct event_ids ids = {.session = {"s", 1}};
	static char line[EVENT_BUF_MAX];
	size_t size = sizeof(taken->who) + taken->record.size;
	void *exact = malloc(size);
	struct event ev;

	if (!exact)
		abort();
	memcpy(exact, taken, size);
	if (ring_record_event(c, exact, &ev) == 0) {
		ev.ids = &ids;
		(void)event_is_quiet(&ev);
		if (event_format(&ev, line, sizeof(line)) <= 0)
			abort();
	}
	free(exact);
}

static void drain(struct ring_consumer *c, bool dead)
{
	static _Alignas(8) char record[RING_TAKEN_MAX];

	for (uint32_t lane = 0; lane < ring_lane_count(c); lane++) {
		struct ring_lane_state state;
		unsigned turns = 0, used = 0;
		int r;

		if (!ring_lane_look(c, lane, &state))
			continue;
		while ((r = ring_lane_next(c, lane, record, dead, &state)) != 0) {
			if (r == 1 && used++ < FORMATS_MAX)
				use(c, (const struct ring_taken *)record);
			if (turns++ > TURNS_MAX)
				abort(); /* more records than a lane can hold */
		}
		if (dead)
			ring_lane_release(c, lane);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ring_consumer *c = NULL;
	struct ring_losses lost;
	uint64_t refused, no_slot;
	struct tt_uuid span = {{1}};
	int slot;

	memset(writers, 0, sizeof(writers));
	if (ring_consumer_new(&(struct ring_options){0}, &c) < 0 ||
	    ring_producer_attach(&producer, ring_consumer_fd(c)) < 0)
		abort();
	for (int i = 0; i < LANES_USED; i++)
		if (ring_lane_claim(&producer, &writers[i], ring_consumer_fd(c),
				    &(struct ring_who){.pid = 1, .tid = 1}) < 0)
			abort();
	fill();
	scribble(data, size);
	drain(c, false);
	scribble(data, size); /* and again, at where the consumer is now */
	drain(c, true);
	slot = ring_slot_find(c, &span);
	if (slot >= (int)RING_SLOTS)
		abort();
	if (slot >= 0)
		ring_slot_release(c, (uint32_t)slot, &lost);
	ring_consumer_refused(c, &refused, &no_slot);
	for (int i = 0; i < LANES_USED; i++)
		(void)munmap(writers[i].data, RING_LANE_BYTES);
	(void)munmap(producer.header, ring_directory_size(RING_SLOTS, RING_LANES));
	ring_consumer_free(c);
	return 0;
}
