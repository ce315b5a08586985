/* SPDX-License-Identifier: Apache-2.0 */
/* Records through the ring: what goes in comes out; what does not fit its own length is refused. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "ring/clock.h"
#include "ring/consumer.h"
#include "ring/put.h"
#include "tap.h"

static struct ring_consumer *consumer;
static struct ring_producer producer;
static struct ring_writer writer;
static const struct ring_who owner = {.span = {{0x22}}, .pid = 1, .ppid = 2, .tid = 3};
static struct ring_lane_state state;
static _Alignas(8) char record[RING_TAKEN_MAX];

static struct ring_taken *const taken = (struct ring_taken *)record;

static int take(struct event *ret)
{
	CHECK(ring_lane_look(consumer, 0, &state));
	CHECK_INT(ring_lane_next(consumer, 0, record, true, &state), 1);
	ring_consumer_sync(consumer);
	return ring_record_event(consumer, taken, ret);
}

static struct ring_record *begin(const struct event *ev)
{
	return ring_call_begin(&writer, ev->call, ev->args, event_call_argc(ev->call), NULL,
			       ring_ticks(producer.header->clock));
}

static bool same(const void *a, size_t an, const void *b, size_t bn)
{
	return an == bn && (!an || memcmp(a, b, an) == 0);
}

static void every_call(void)
{
	for (int call = 0; call < EVENT_CALL_COUNT; call++) {
		const char *layout = event_call_info((enum event_call)call)->layout;
		struct event in = {.call = (enum event_call)call}, out;
		size_t argc = strlen(layout);
		uint64_t before;
		struct ring_record *r;

		for (size_t i = 0; i < argc; i++)
			in.args[i] = (struct event_arg){.data = "/abcdefghijk",
							.len = 1 + i * 2,
							.num = (int64_t)i - 2,
							.cut = i & 1};
		if (event_call_has_extra(in.call))
			in.args[argc] = (struct event_arg){.absent = true, .len = 20};
		r = begin(&in);
		CHECK(r != NULL);
		if (event_call_has_extra(in.call))
			ring_arg_fill(r, (unsigned)argc, "/extra", 6);
		before = tt_clock_ns(CLOCK_MONOTONIC);
		ring_call_end(r, -5, 13, 10);
		CHECK_INT(take(&out), 0);
		CHECK_INT(out.type, EVENT_SYSCALL);
		CHECK_INT(out.call, call);
		CHECK(out.ts_ns <= before + TT_NS_PER_MS &&
		      out.ts_ns + 2000 * TT_NS_PER_MS > before);
		CHECK(out.elapsed_ns <= 10);
		CHECK(out.pid == 1 && out.ppid == 2 && out.tid == 3 && !out.in_flight &&
		      out.has_result);
		CHECK_INT(out.result, -5);
		CHECK_INT(out.error, 13);
		CHECK(tt_uuid_equal(&owner.span, &out.span.id));
		for (size_t i = 0; i < argc; i++) {
			CHECK(same(in.args[i].data, in.args[i].len, out.args[i].data,
				   out.args[i].len));
			CHECK_INT(out.args[i].num, in.args[i].num);
			CHECK_INT(out.args[i].cut, in.args[i].cut);
			CHECK(!out.args[i].absent);
		}
		if (event_call_has_extra(in.call))
			CHECK(same("/extra", 6, out.extra.data, out.extra.len));
	}
}

static void absent_and_empty(void)
{
	struct event in = {.call = EVENT_CALL_open,
			   .args = {{.data = "", .len = 0}, {.num = 3}, {.absent = true}}},
		     out;

	ring_call_end(begin(&in), 0, 0, 0);
	CHECK_INT(take(&out), 0);
	CHECK(out.args[0].data && !out.args[0].len && !out.args[0].absent);
	CHECK(out.args[2].absent && !out.args[2].data);
	/* an accept that returned nothing: its room stays absent */
	in = (struct event){.call = EVENT_CALL_accept,
			    .args = {{.num = 3}, {.absent = true, .len = 128}}};
	CHECK(begin(&in) != NULL);
	CHECK_INT(take(&out), 0);
	CHECK(out.in_flight && !out.has_result && out.args[1].absent && !out.args[1].len);
}

static void start_and_exit(void)
{
	struct event_text nothing = {NULL, 0}, open_fds = {"forty bytes of one fd", 21};
	struct event in = {.how = EVENT_HOW_SPAWN,
			   .exe = {"/x", 2},
			   .argv = {"x\0", 3},
			   .cwd = {"/c", 2},
			   .comm = {"x", 1}},
		     out;

	CHECK(ring_start_put(&writer, &in, NULL, 0, RING_FLAG_NO_ROOM));
	CHECK_INT(take(&out), 0);
	CHECK_INT(out.type, EVENT_PROCESS);
	CHECK_INT(out.act, EVENT_ACT_START);
	CHECK_INT(out.how, EVENT_HOW_SPAWN);
	CHECK(same(out.exe.data, out.exe.len, "/x", 2) &&
	      same(out.argv.data, out.argv.len, "x\0", 3));
	CHECK(same(out.cwd.data, out.cwd.len, "/c", 2) &&
	      same(out.comm.data, out.comm.len, "x", 1));
	CHECK(!out.parent.text.data && tt_uuid_is_nil(&out.parent.id));
	CHECK_INT(taken->record.flags, RING_FLAG_NO_ROOM);
	memset(in.parent.id.b, 0x33, 16);
	CHECK(ring_start_put(&writer, &in, NULL, 0, 0));
	CHECK_INT(take(&out), 0);
	CHECK(tt_uuid_equal(&out.parent.id, &in.parent.id));
	in.parent.text = (struct event_text){"0123456789abcdef", 16};
	CHECK(ring_start_put(&writer, &in, NULL, 0, 0));
	CHECK_INT(take(&out), 0);
	CHECK(same(out.parent.text.data, out.parent.text.len, "0123456789abcdef", 16));
	CHECK(ring_exit_put(&writer, 300, &nothing, NULL, 0));
	CHECK_INT(take(&out), 0);
	CHECK_INT(out.act, EVENT_ACT_EXIT);
	CHECK_INT(out.exit_code, 300 & 0xff);
	CHECK(!out.extra.data);
	CHECK(ring_exit_put(&writer, 0, &open_fds, NULL, 0));
	CHECK_INT(take(&out), 0);
	CHECK(same(out.extra.data, out.extra.len, "forty bytes of one fd", 21));
}

/* Arguments too long for a record are cut, and say so; the record never grows past its limit. */
static void cut_to_fit(void)
{
	char *text = malloc(100000);

	memset(text, 'a', 100000);
	for (size_t len = 65536 - 300; len < 65536 + 40; len++) {
		struct event in = {.call = EVENT_CALL_rename,
				   .args = {{.data = text, .len = len}, {.data = text, .len = 9}}},
			     out;

		ring_call_end(begin(&in), 0, 0, 0);
		CHECK_INT(take(&out), 0);
		CHECK(taken->record.size <= RING_RECORD_MAX);
		CHECK_INT(out.args[0].cut, out.args[0].len < len);
		CHECK(out.args[0].len >= 32768);
		CHECK(out.args[1].len == 9 && !out.args[1].cut);
	}
	free(text);
}

/*
 * Every length a record could claim, every byte of it all ones: refused or sound, never read past.
 */
static void mangled(void)
{
	struct event in = {.call = EVENT_CALL_renameat2,
			   .args = {{.num = 1},
				    {.data = "abc", .len = 3},
				    {.num = 2},
				    {.data = "d", .len = 1}}},
		     out;
	int refused = 0;

	for (int kind = 0; kind < 2; kind++) {
		size_t size;
		char *copy;

		if (kind)
			CHECK(ring_start_put(&writer, &in, NULL, 0, 0));
		else
			ring_call_end(begin(&in), 0, 0, 0);
		(void)take(&out);
		size = sizeof(taken->who) + taken->record.size;
		copy = malloc(size);
		for (size_t n = sizeof(*taken); n < size; n++) {
			struct ring_taken *cut = malloc(n);

			memcpy(cut, taken, n);
			cut->record.size = (uint32_t)(n - sizeof(cut->who));
			refused += ring_record_event(consumer, cut, &out) == -EBADMSG;
			free(cut);
		}
		for (size_t at = sizeof(taken->who) + 12; at < size; at++) {
			memcpy(copy, taken, size);
			copy[at] = '\xff';
			refused += ring_record_event(consumer, (struct ring_taken *)copy, &out) ==
				   -EBADMSG;
		}
		free(copy);
	}
	CHECK(refused > 100);
	/* a parent that is marked absent and yet has the length of a span */
	memset(in.parent.id.b, 0x33, 16);
	CHECK(ring_start_put(&writer, &in, NULL, 0, 0));
	(void)take(&out);
	((struct ring_arg *)(taken + 1))->flags = RING_ARG_ABSENT;
	CHECK_INT(ring_record_event(consumer, taken, &out), 0);
	CHECK(tt_uuid_is_nil(&out.parent.id));
}

int main(void)
{
	CHECK_INT(ring_consumer_new(&(struct ring_options){0}, &consumer), 0);
	CHECK_INT(ring_producer_attach(&producer, ring_consumer_fd(consumer)), 0);
	CHECK_INT(ring_lane_claim(&producer, &writer, ring_consumer_fd(consumer), &owner), 0);
	TAP_RUN(every_call);
	TAP_RUN(absent_and_empty);
	TAP_RUN(start_and_exit);
	TAP_RUN(cut_to_fit);
	TAP_RUN(mangled);
	ring_consumer_free(consumer);
	return tap_done();
}
