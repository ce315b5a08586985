/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's queue: its limits and one past them, its account of drops against a model, what is
 * left of it.
 */
#include <sys/stat.h>

#include "agent/hello.h"
#include "queue_model.h"
#include "tap.h"

static struct agent_sink q, other;
static struct host host;
static enum agent_queue_found found;
static size_t cut;

static void begin(int fd, unsigned major)
{
	memset(&host, 0, sizeof(host));
	cut = 0;
	CHECK_INT(agent_queue_open(&q, fd, major, &found), 0);
}

static void limit_of_events(void)
{
	begin(-1, 2);
	for (int i = 0; i < AGENT_QUEUE_EVENTS; i++)
		tell_path(&q, 1);
	CHECK_INT(agent_queue_state(&q)->events, 1024);
	CHECK_INT(agent_queue_state(&q)->drops[AGENT_QUEUE_FULL].count, 0);
	tell_path(&q, 1);
	CHECK_INT(agent_queue_state(&q)->events, 1024);
	CHECK_INT(agent_queue_state(&q)->drops[AGENT_QUEUE_FULL].count, 1);
	/* the first number is the hello's */
	CHECK_INT(agent_queue_state(&q)->drops[AGENT_QUEUE_FULL].first_seq, 1025);
	/* one place is free: the record takes it, before any act that comes later */
	while (host.frames < 2)
		host_take(&host, &q, &cut, 1);
	CHECK_INT(agent_queue_state(&q)->events, 1022);
	tell_path(&q, 1);
	CHECK_INT(agent_queue_state(&q)->events, 1024);
	host_drain(&host, &q, &cut);
	CHECK_INT(host.acts, 1025);
	CHECK_INT(host.records, 1);
	CHECK_INT(host.counted[AGENT_QUEUE_FULL], 1);
	CHECK_INT(host.broken + host.out_of_order, 0);
	CHECK_INT(told_sum(&host), taken(&q));
	agent_queue_close(&q);
}

static void limit_of_bytes(void)
{
	struct iovec parts[2];
	size_t one, fits;

	begin(-1, 2);
	tell_path(&q, 300);
	one = agent_queue_state(&q)->tail;
	/*
	 * frames of 4096 bytes with their length: 32 of them are all there is; seq takes one byte
	 * more from 24 on
	 */
	agent_queue_close(&q);
	begin(-1, 2);
	fits = 4096 - one + 300;
	for (int i = 1; i <= 32; i++)
		tell_path(&q, fits - (i > 23));
	CHECK_INT(agent_queue_state(&q)->tail, AGENT_QUEUE_BYTES);
	CHECK_INT(agent_queue_state(&q)->events, 32);
	CHECK_INT(agent_queue_state(&q)->drops[AGENT_QUEUE_FULL].count, 0);
	tell_path(&q, 1);
	tell_path(&q, 1);
	CHECK_INT(agent_queue_state(&q)->drops[AGENT_QUEUE_FULL].count, 2);
	CHECK_INT(agent_queue_peek(&q, 0, parts), 1);
	/* not the first byte of a frame more is free before all of a frame has gone */
	host_take(&host, &q, &cut, 4095);
	CHECK(!agent_queue_settle(&q));
	host_take(&host, &q, &cut, 1);
	CHECK(agent_queue_settle(&q));
	CHECK_INT(agent_queue_peek(&q, 0, parts), 2);
	host_drain(&host, &q, &cut);
	CHECK_INT(host.acts, 32);
	CHECK_INT(host.counted[AGENT_QUEUE_FULL], 2);
	CHECK_INT(host.broken + host.out_of_order, 0);
	CHECK_INT(told_sum(&host), taken(&q));
	/* empty again: from the front */
	CHECK_INT(agent_queue_state(&q)->head, 0);
	agent_queue_close(&q);
}

static unsigned asked;

static void take_one(void *arg)
{
	(void)arg;
	asked++;
	/* a host that takes a frame each time it is asked, but for the third time */
	if (asked != 3)
		cut = agent_queue_sent(&q, agent_queue_state(&q)->tail / AGENT_QUEUE_EVENTS);
}

/* Before an act is dropped, what the host takes is sent. */
static void room_is_made(void)
{
	begin(-1, 2);
	for (int i = 0; i < AGENT_QUEUE_EVENTS; i++)
		tell_path(&q, i < 23    ? 3
			      : i < 255 ? 2
					: 1); /* all of one size, whatever their seq */
	q.make_room = take_one;
	asked = 0;
	tell_path(&q, 1);
	tell_path(&q, 1);
	CHECK_INT(asked, 2);
	CHECK_INT(agent_queue_state(&q)->drops[AGENT_QUEUE_FULL].count, 0);
	CHECK_INT(agent_queue_state(&q)->events, AGENT_QUEUE_EVENTS);
	tell_path(&q, 1);
	CHECK_INT(asked, 3);
	CHECK_INT(agent_queue_state(&q)->drops[AGENT_QUEUE_FULL].count, 1);
	q.make_room = NULL;
	agent_queue_close(&q);
}

/* Random steps; the model is a counter of what went in, for each cause. */
static void model(void)
{
	for (unsigned seed = 1; seed <= 20; seed++) {
		uint64_t acts = 0, lost[AGENT_CAUSES] = {0}, unknown = 0, beats = 0;
		uint64_t full_before;

		srand(seed);
		begin(-1, 2);
		for (int i = 0; i < 6000; i++) {
			int what = rand() % 100;

			if (what < 80) {
				tell_path(&q, rand() % 8 ? (size_t)(rand() % 60)
							 : (size_t)(rand() % 9000));
				acts++;
			} else if (what < 84) {
				enum agent_cause cause =
					rand() % 2 ? AGENT_SENSOR_FULL : AGENT_DIED;
				uint64_t n = (uint64_t)(rand() % 50);

				agent_lost(&q, cause, n);
				lost[cause] += n;
				unknown += !n;
			} else if (what < 86) {
				full_before = agent_queue_state(&q)->next_seq;
				agent_hello_beat(&q);
				beats += agent_queue_state(&q)->next_seq != full_before;
			} else if (what < 88) {
				(void)agent_queue_settle(&q);
			} else {
				host_take(&host, &q, &cut,
					  (size_t)(rand() % (seed % 2 ? 3000 : 900)));
			}
			if (agent_queue_state(&q)->events > AGENT_QUEUE_EVENTS ||
			    agent_queue_state(&q)->tail - agent_queue_state(&q)->head >
				    AGENT_QUEUE_BYTES)
				host.broken++;
		}
		host_drain(&host, &q, &cut);
		CHECK_INT(host.broken, 0);
		CHECK_INT(host.out_of_order, 0);
		CHECK_INT(host.acts + host.counted[AGENT_QUEUE_FULL], acts);
		CHECK(host.counted[AGENT_QUEUE_FULL] > 0);
		CHECK_INT(host.counted[AGENT_TOO_LARGE], 0);
		CHECK_INT(host.counted[AGENT_SENSOR_FULL], lost[AGENT_SENSOR_FULL]);
		CHECK_INT(host.counted[AGENT_DIED], lost[AGENT_DIED]);
		CHECK_INT(host.beats, beats);
		CHECK(!unknown || host.unknown[AGENT_SENSOR_FULL] + host.unknown[AGENT_DIED] > 0);
		/* no number is without its frame or its count */
		CHECK_INT(told_sum(&host), taken(&q));
		agent_queue_close(&q);
	}
}

static struct wire_frame decoded;
static uint8_t bytes[WIRE_FRAME_MAX];

/* The one frame that is in the queue. */
static const struct wire_frame *only_frame(void)
{
	struct iovec parts[2];
	int n = agent_queue_peek(&q, 0, parts);

	CHECK_INT(n, 1);
	memcpy(bytes, parts[0].iov_base, parts[0].iov_len);
	CHECK_INT(wire_decode(bytes, parts[0].iov_len, WIRE_STRICT, &decoded, NULL),
		  parts[0].iov_len);
	return &decoded;
}

static void cutting(void)
{
	static char long_text[9000];
	struct wire_text args[300];
	struct wire_frame f = {.source = WIRE_PROCESS_SPAWNED};
	struct wire_list_at at = {0};
	struct wire_text text;
	size_t kept = 0;

	/* argv first, from its end */
	memset(long_text, 'a', sizeof(long_text));
	for (unsigned i = 0; i < 5; i++)
		args[i] = (struct wire_text){long_text, 1000};
	f.has = WIRE_HAS(exe) | WIRE_HAS(argv);
	f.exe = (struct wire_text){long_text, 500};
	f.argv = (struct wire_list){.count = 5, .items = args};
	begin(-1, 2);
	agent_tell(&q, &f);
	CHECK_INT(only_frame()->exe.len, 500);
	CHECK_INT(decoded.argv.count, 4);
	while (wire_list_next(&decoded.argv, &at, &text))
		kept += text.len + 1;
	CHECK_INT(decoded.truncated, 5 * 1001 - kept);
	/*
	 * as much as goes in: with "truncated" as large as it can be there are four bytes of room
	 * at most
	 */
	CHECK(agent_queue_state(&q)->tail > WIRE_FRAME_MAX - 8);
	agent_queue_close(&q);

	/* an exe that leaves no room for any argument, and a path that is cut after it */
	f.has |= WIRE_HAS(path);
	f.exe.len = 9000;
	f.path = (struct wire_text){long_text, 200};
	f.argv.items = args;
	f.argv.count = 2;
	begin(-1, 2);
	agent_tell(&q, &f);
	CHECK_INT(only_frame()->argv.count, 0);
	CHECK_INT(decoded.path.len, 200);
	CHECK_INT(decoded.truncated, 2 * 1001 + 9000 - decoded.exe.len);
	CHECK(decoded.exe.len > 3000);
	agent_queue_close(&q);
	begin(-1, 2);
	tell_path(&q, 9000);
	CHECK_INT(only_frame()->truncated, 9000 - decoded.path.len);
	agent_queue_close(&q);

	/* what the sensor cut already is added */
	f = (struct wire_frame){.source = WIRE_FS_INOTIFY_FIRED,
				.has = WIRE_HAS(path) | WIRE_HAS(truncated),
				.path = {long_text, 5000},
				.truncated = 7};
	begin(-1, 2);
	agent_tell(&q, &f);
	CHECK_INT(only_frame()->truncated, 7 + 5000 - decoded.path.len);
	agent_queue_close(&q);

	/* each byte becomes four; characters stay whole */
	memset(long_text, 0xff, sizeof(long_text));
	f.has = WIRE_HAS(path);
	f.path.len = 3000;
	begin(-1, 2);
	agent_tell(&q, &f);
	CHECK_INT(only_frame()->path.len % 4, 0);
	CHECK_INT(decoded.truncated, 3000 - decoded.path.len / 4);
	agent_queue_close(&q);
	for (size_t i = 0; i + 3 <= sizeof(long_text); i += 3)
		memcpy(long_text + i, "\xe2\x82\xac", 3);
	f.has = WIRE_HAS(path);
	f.path.len = 9000;
	begin(-1, 2);
	agent_tell(&q, &f);
	CHECK_INT(only_frame()->path.len % 3, 0);
	CHECK(!memchr(decoded.path.data, '\\', decoded.path.len));
	agent_queue_close(&q);

	/* many arguments: of those that are cut a fixed number stays */
	memset(long_text, 'b', sizeof(long_text));
	for (unsigned i = 0; i < 300; i++)
		args[i] = (struct wire_text){long_text, 20};
	f = (struct wire_frame){.source = WIRE_PROCESS_SPAWNED,
				.has = WIRE_HAS(argv),
				.argv = {.count = 300, .items = args}};
	begin(-1, 2);
	agent_tell(&q, &f);
	CHECK_INT(only_frame()->argv.count, AGENT_QUEUE_ARGS);
	CHECK_INT(decoded.truncated, (300 - AGENT_QUEUE_ARGS) * 21);
	agent_queue_close(&q);

	/* it does not fit even without its texts */
	f = (struct wire_frame){.source = WIRE_PROCESS_SPAWNED, .guest_comm = {long_text, 5000}};
	begin(-1, 2);
	agent_tell(&q, &f);
	CHECK_INT(agent_queue_state(&q)->events, 0);
	CHECK_INT(agent_queue_state(&q)->drops[AGENT_TOO_LARGE].count, 1);
	agent_queue_close(&q);
}

static void major_one(void)
{
	struct wire_frame f = {.source = WIRE_GATE_DENIED, .has = WIRE_HAS(syscall)};

	begin(-1, 1);
	agent_tell(&q, &f);
	CHECK_INT(agent_queue_state(&q)->events, 0);
	tell_path(&q, 5000);
	CHECK_INT(only_frame()->content_version, 1);
	CHECK_INT(decoded.has, 0);
	for (int i = 0; i < 2000; i++)
		tell_path(&q, 1);
	CHECK_INT(agent_queue_state(&q)->drops[AGENT_QUEUE_FULL].count, 2001 - 1024);
	host_drain(&host, &q, &cut);
	CHECK_INT(host.records, 0);
	CHECK_INT(host.acts, 1024);
	CHECK_INT(host.broken, 0);
	agent_queue_close(&q);
}

static void after_a_death(void)
{
	int fd = new_memory();
	uint64_t seq;

	begin(fd, 2);
	CHECK_INT(found, AGENT_QUEUE_NEW);
	CHECK_INT(agent_queue_state(&q)->hello_seq, 0);
	agent_queue_hello_sent(&q);
	for (int i = 0; i < 1100; i++)
		tell_path(&q, (size_t)(i % 20));
	host_take(&host, &q, &cut, 10000);
	seq = agent_queue_state(&q)->next_seq;
	/*
	 * dead: all that is left is the memory. Of the frame that was cut the host keeps nothing.
	 */
	agent_queue_close(&q);
	cut = host.part_len = 0;
	CHECK_INT(agent_queue_open(&q, fd, 2, &found), 0);
	CHECK_INT(found, AGENT_QUEUE_KEPT);
	CHECK_INT(agent_queue_state(&q)->hello_seq, seq);
	host_drain(&host, &q, &cut);
	CHECK_INT(host.acts, 1024);
	CHECK_INT(host.counted[AGENT_QUEUE_FULL], 76);
	CHECK_INT(host.unknown[AGENT_DIED], 1);
	CHECK_INT(host.broken + host.out_of_order, 0);
	/* the second hello has a number, too */
	CHECK_INT(told_sum(&host) + 1, taken(&q));
	/* a number that was not used is not taken again */
	agent_queue_close(&q);
	CHECK_INT(agent_queue_open(&q, fd, 2, &found), 0);
	CHECK_INT(agent_queue_state(&q)->hello_seq, seq);
	agent_queue_hello_reserve(&q);
	CHECK_INT(agent_queue_state(&q)->hello_seq, seq);
	agent_queue_close(&q);
	close(fd);
}

/* Spoil what an agent left; what the next one makes of it. */
static void spoil(int fd, size_t at, uint64_t mask)
{
	struct agent_queue_memory *m =
		mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	*(uint64_t *)(void *)((char *)m + at) ^= mask;
	munmap(m, sizeof(*m));
	memset(&host, 0, sizeof(host));
	cut = 0;
	CHECK_INT(agent_queue_open(&q, fd, 2, &found), 0);
}

static void what_is_not_whole(void)
{
	/* the second state is in force after an odd number of steps */
	size_t state = offsetof(struct agent_queue_memory, states);
	size_t ring = offsetof(struct agent_queue_memory, ring);
	int fd = new_memory();
	uint64_t first;

	/* the sixth frame is none: five stay, the other five are counted */
	begin(fd, 2);
	tell_path(&q, 8);
	first = agent_queue_state(&q)->tail;
	for (int i = 0; i < 9; i++)
		tell_path(&q, 8);
	agent_queue_close(&q);
	spoil(fd, ring + ((first * 5 + 4) & ~7ull), 0xffffffffffffffff);
	CHECK_INT(found, AGENT_QUEUE_BROKEN);
	host_drain(&host, &q, &cut);
	CHECK_INT(host.acts, 5);
	CHECK_INT(host.counted[AGENT_DIED], 5);
	CHECK_INT(host.unknown[AGENT_DIED], 1);
	CHECK_INT(told_sum(&host), taken(&q));
	agent_queue_close(&q);

	/* fields that cannot be true, one at a time: nothing of it is believed */
	static const size_t fields[] = {offsetof(struct agent_queue_state, head),
					offsetof(struct agent_queue_state, tail),
					offsetof(struct agent_queue_state, events),
					offsetof(struct agent_queue_state, next_seq)};
	for (size_t i = 0; i < TT_ARRAY_SIZE(fields); i++) {
		size_t in_force;

		CHECK_INT(ftruncate(fd, 0), 0);
		begin(fd, 2);
		for (int n = 0; n < 10; n++)
			tell_path(&q, 8);
		in_force = q.memory->current * sizeof(struct agent_queue_state);
		agent_queue_close(&q);
		spoil(fd, state + in_force + fields[i], UINT64_C(1) << 63);
		CHECK_INT(found, AGENT_QUEUE_BROKEN);
		host_drain(&host, &q, &cut);
		CHECK_INT(host.acts, 0);
		CHECK_INT(host.unknown[AGENT_DIED], 1);
		agent_queue_close(&q);
	}
	/* drops that cannot be: their number is not known any more, the frames stay */
	CHECK_INT(ftruncate(fd, 0), 0);
	begin(fd, 2);
	tell_path(&q, 8);
	agent_lost(&q, AGENT_SENSOR_FULL, 3);
	first = q.memory->current * sizeof(struct agent_queue_state);
	agent_queue_close(&q);
	spoil(fd,
	      state + first + offsetof(struct agent_queue_state, drops[AGENT_SENSOR_FULL].count),
	      1 << 20);
	CHECK_INT(found, AGENT_QUEUE_BROKEN);
	host_drain(&host, &q, &cut);
	CHECK_INT(host.acts, 1);
	CHECK_INT(host.unknown[AGENT_SENSOR_FULL], 1);
	agent_queue_close(&q);
	/* a file of zeros, as init makes it, is a new queue; one of other bytes is none */
	CHECK_INT(ftruncate(fd, 0), 0);
	CHECK_INT(ftruncate(fd, sizeof(struct agent_queue_memory)), 0);
	begin(fd, 2);
	CHECK_INT(found, AGENT_QUEUE_NEW);
	agent_queue_close(&q);
	spoil(fd, 0, 1);
	CHECK_INT(found, AGENT_QUEUE_BROKEN);
	CHECK_INT(agent_queue_state(&q)->hello_seq, 0);
	agent_queue_close(&q);
	close(fd);
}

/* Memory that is too short grows: no page is missing when it is used. */
static void short_memory(void)
{
	int fd = new_memory();
	struct stat st;

	CHECK_INT(ftruncate(fd, 100), 0);
	begin(fd, 2);
	CHECK_INT(found, AGENT_QUEUE_NEW);
	for (int i = 0; i < 1024; i++)
		tell_path(&q, 100);
	CHECK_INT(fstat(fd, &st), 0);
	CHECK_INT(st.st_size, sizeof(struct agent_queue_memory));
	agent_queue_close(&q);
	close(fd);
	CHECK_INT(agent_queue_open(&other, 1000, 2, &found), -EBADF);
}

int main(void)
{
	TAP_RUN(limit_of_events);
	TAP_RUN(limit_of_bytes);
	TAP_RUN(room_is_made);
	TAP_RUN(model);
	TAP_RUN(cutting);
	TAP_RUN(major_one);
	TAP_RUN(after_a_death);
	TAP_RUN(what_is_not_whole);
	TAP_RUN(short_memory);
	return tap_done();
}
