/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted most: exact while it fits, and what is known once it does not. */
#include <stdlib.h>

#include "store/busiest.h"
#include "store/tally.h"
#include "tap.h"

static void hit(struct store_tally *t, const char *name)
{
	struct store_tally_row *row = store_tally_get(t, (struct store_text){name, strlen(name)});

	store_tally_count(t, row);
}

static const struct store_tally_row *first(const struct store_tally *t,
					   enum store_tally_order order)
{
	const struct store_tally_row *rows[1];

	return store_tally_top(t, order, rows, 1) ? rows[0] : NULL;
}

static void test_exact(void)
{
	struct store_tally *t = store_tally_new(4);
	const struct store_tally_row *rows[8];

	CHECK(first(t, STORE_TALLY_BY_COUNT) == NULL);
	for (int i = 0; i < 10; i++) {
		hit(t, "a");
		if (i % 2)
			hit(t, "b");
		if (i < 2)
			hit(t, i ? "d" : "c");
	}
	CHECK(store_tally_is_exact(t));
	CHECK_INT(store_tally_top(t, STORE_TALLY_BY_COUNT, rows, 8), 4);
	CHECK_STR(rows[0]->name.data, "a");
	CHECK_INT(rows[0]->count, 10);
	CHECK_STR(rows[1]->name.data, "b");
	CHECK_INT(rows[1]->count, 5);
	CHECK_STR(rows[2]->name.data, "c"); /* as many as d: by name */
	CHECK_STR(rows[3]->name.data, "d");
	CHECK_INT(rows[3]->over, 0);
	CHECK_INT(store_tally_top(t, STORE_TALLY_BY_COUNT, rows, 1), 1);
	store_tally_free(t);
}

/*
 * More things than room, some of them often: a true count lies between what a row says at least and
 * at most, and what has more than its share of the room is there.
 */
static void test_too_many(void)
{
	enum { ROOM = 32, THINGS = 500, ACTS = 200000 };
	static uint64_t truth[THINGS];
	static bool kept[THINGS];
	struct store_tally *t = store_tally_new(ROOM);
	const struct store_tally_row *rows[ROOM];
	uint32_t random = 12345, wrong = 0, missing = 0;
	uint64_t before = UINT64_MAX;
	char name[16];
	size_t count;

	for (int i = 0; i < ACTS; i++) {
		int thing;

		random = random * 1664525 + 1013904223;
		/* every other act is one of eight things */
		thing = (int)(random >> 16) % (random & 0x8000 ? 8 : THINGS);
		truth[thing]++;
		(void)snprintf(name, sizeof(name), "%d", thing);
		hit(t, name);
	}
	CHECK(!store_tally_is_exact(t));
	count = store_tally_top(t, STORE_TALLY_BY_COUNT, rows, ROOM);
	CHECK_INT(count, ROOM);
	for (size_t i = 0; i < count; i++) {
		int thing = atoi(rows[i]->name.data);

		kept[thing] = true;
		wrong += truth[thing] < rows[i]->count ||
			 truth[thing] > rows[i]->count + rows[i]->over ||
			 rows[i]->over > ACTS / ROOM || rows[i]->count > before;
		before = rows[i]->count;
	}
	for (int i = 0; i < THINGS; i++)
		missing += truth[i] > ACTS / ROOM && !kept[i];
	CHECK_INT(wrong, 0);
	CHECK_INT(missing, 0);
	for (size_t i = 0; i < 8; i++)
		CHECK(atoi(rows[i]->name.data) < 8);
	store_tally_free(t);
}

static void test_recent(void)
{
	struct store_tally *t = store_tally_new(4);

	hit(t, "old");
	hit(t, "old");
	hit(t, "old");
	store_tally_tick(t);
	CHECK_INT(first(t, STORE_TALLY_BY_RECENT)->recent, 3);
	hit(t, "new");
	store_tally_tick(t);
	CHECK_STR(first(t, STORE_TALLY_BY_RECENT)->name.data, "new");
	CHECK_INT(first(t, STORE_TALLY_BY_RECENT)->recent, 1);
	CHECK_STR(first(t, STORE_TALLY_BY_COUNT)->name.data, "old");
	CHECK_INT(first(t, STORE_TALLY_BY_COUNT)->recent, 0);
	store_tally_free(t);
}

/* Names that differ behind what is kept of them are two things. */
static void test_long_names(void)
{
	static char a[STORE_TALLY_TEXT_MAX + 100], b[STORE_TALLY_TEXT_MAX + 100];
	struct store_tally *t = store_tally_new(4);

	memset(a, 'x', sizeof(a) - 1);
	memset(b, 'x', sizeof(b) - 1);
	b[sizeof(b) - 2] = 'y';
	hit(t, a);
	hit(t, b);
	hit(t, b);
	CHECK_INT(store_tally_rows(t), 2);
	CHECK_INT(first(t, STORE_TALLY_BY_COUNT)->count, 2);
	CHECK_INT(first(t, STORE_TALLY_BY_COUNT)->name.len, STORE_TALLY_TEXT_MAX);
	store_tally_free(t);
}

static void test_retired(void)
{
	struct store_tally *t = store_tally_new(2);

	hit(t, "1");
	hit(t, "1");
	store_tally_retire(t, store_tally_get(t, (struct store_text){"1", 1}));
	hit(t, "1");
	CHECK_INT(store_tally_rows(t), 2);
	CHECK_INT(first(t, STORE_TALLY_BY_COUNT)->count, 2);
	CHECK_INT(store_tally_get(t, (struct store_text){"1", 1})->count, 1);
	hit(t, "2"); /* the second of that name has the fewest, and makes room */
	CHECK_INT(store_tally_rows(t), 2);
	CHECK_INT(first(t, STORE_TALLY_BY_COUNT)->count, 2);
	store_tally_free(t);
}

static void add(struct store_busiest *b, const char *rest)
{
	struct store_item item = {.kind = STORE_ITEM_LINE, .ts_ns = 1};
	char text[512];

	(void)snprintf(text, sizeof(text), "{%s}", rest);
	item.json = json_loads(text, 0, NULL);
	if (!item.json)
		abort();
	store_busiest_add(b, &item);
	json_decref(item.json);
}

#define CALL(span, pid, name)                                                                     \
	"\"event_type\":\"syscall\",\"span_id\":\"" span "\",\"pid\":" pid ",\"syscall\":\"" name \
	"\""
#define PROCESS(span, pid, what)                                                                  \
	"\"event_type\":\"process\",\"span_id\":\"" span "\",\"pid\":" pid ",\"syscall\":\"" what \
	"\""

/* A number that a process had and another has now is not one process. */
static void test_pid_again(void)
{
	struct store_busiest b;
	const struct store_tally_row *rows[4];

	if (store_busiest_init(&b) < 0)
		abort();
	add(&b, PROCESS("a", "7", "start") ",\"how\":\"fork\"");
	add(&b, CALL("a", "7", "open") ",\"result\":3");
	add(&b, PROCESS("a", "7", "replaced"));
	add(&b, PROCESS("b", "7", "start") ",\"how\":\"exec\",\"argv\":[\"x\",\"y\"]");
	add(&b, CALL("b", "7", "open") ",\"result\":3");
	add(&b, CALL("b", "7", "open") ",\"result\":-1,\"error\":\"EPERM\"");
	add(&b, PROCESS("b", "7", "exit") ",\"exit_code\":5");
	add(&b, PROCESS("a", "7", "replaced")); /* late */
	CHECK_INT(store_tally_rows(b.tables[STORE_BUSIEST_PROCESSES]), 1);
	add(&b, PROCESS("c", "7", "start") ",\"how\":\"fork\"");
	add(&b, PROCESS("c", "7", "start") ",\"how\":\"fork\""); /* told by both */
	add(&b, CALL("c", "7", "open") ",\"result\":3");
	CHECK_INT(b.started, 2);
	CHECK_INT(b.ended, 1);
	CHECK_INT(store_tally_top(b.tables[STORE_BUSIEST_PROCESSES], STORE_TALLY_BY_COUNT, rows, 4),
		  2);
	CHECK_INT(rows[0]->count, 3);
	CHECK_INT(rows[0]->failed, 1);
	CHECK_INT(rows[0]->exit_code, 5);
	CHECK_INT(rows[0]->words_len, 4);
	CHECK_STR(rows[0]->words, "x");
	CHECK_INT(rows[1]->count, 1);
	CHECK_INT(rows[1]->end, STORE_TALLY_RUNNING);
	CHECK_INT(store_tally_rows(b.tables[STORE_BUSIEST_CALLS]), 1);
	/* a start with nothing in between, as where an end was lost */
	add(&b, PROCESS("d", "7", "start") ",\"how\":\"vfork\"");
	CHECK_INT(store_tally_rows(b.tables[STORE_BUSIEST_PROCESSES]), 3);
	store_busiest_done(&b);
}

/* Bytes are told when an fd is closed, at the end of those left open, and there as a sum, too. */
static void test_bytes(void)
{
	struct store_busiest b;
	const struct store_tally_row *rows[4];

	if (store_busiest_init(&b) < 0)
		abort();
	add(&b, CALL("a", "7", "openat") ",\"result\":3,\"path\":\"/f\"");
	add(&b, CALL("a", "7", "close") ",\"result\":0,\"path\":\"/f\",\"bytes_read\":10");
	add(&b,
	    PROCESS("a", "7",
		    "replaced") ",\"bytes_read\":15,\"bytes_written\":4,"
				"\"open_fds\":[{\"fd\":0,\"bytes_read\":5},{\"fd\":1,\"path\":\"/g\",\"bytes_written\":4}]");
	add(&b, CALL("b", "7", "close") ",\"result\":0,\"path\":\"/f\",\"bytes_read\":100");
	add(&b, PROCESS("b", "7", "exit") ",\"exit_code\":null,\"signal\":\"SIGKILL\"");
	store_tally_top(b.tables[STORE_BUSIEST_PROCESSES], STORE_TALLY_BY_COUNT, rows, 4);
	CHECK_INT(rows[0]->bytes_read, 115);
	CHECK_INT(rows[0]->bytes_written, 4);
	CHECK_INT(rows[0]->end, STORE_TALLY_KILLED);
	CHECK_INT(rows[0]->exit_code, -1);
	CHECK_INT(store_tally_top(b.tables[STORE_BUSIEST_FILES], STORE_TALLY_BY_BYTES, rows, 4), 2);
	CHECK_STR(rows[0]->name.data, "/f");
	CHECK_INT(rows[0]->count, 1); /* closing is no act on the file */
	CHECK_INT(rows[0]->bytes_read, 110);
	CHECK_STR(rows[1]->name.data, "/g");
	CHECK_INT(rows[1]->bytes_written, 4);
	store_busiest_done(&b);
}

int main(void)
{
	TAP_RUN(test_exact);
	TAP_RUN(test_too_many);
	TAP_RUN(test_recent);
	TAP_RUN(test_long_names);
	TAP_RUN(test_retired);
	TAP_RUN(test_pid_again);
	TAP_RUN(test_bytes);
	return tap_done();
}
