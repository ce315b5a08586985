/* SPDX-License-Identifier: Apache-2.0 */
/* The recorder's tables: add, find, remove, and who owns what. */
#include "recorder/tree.h"

#include <stdlib.h>

#include "tap.h"

static struct recorder_tree *new_tree(void)
{
	struct recorder_tree *t = calloc(1, sizeof(*t));

	recorder_tree_init(t);
	return t;
}

static void drop_tree(struct recorder_tree *t)
{
	recorder_tree_done(t);
	free(t);
}

static void spans_are_found_by_id(void)
{
	enum { COUNT = 20000 };
	struct tt_uuid *ids = calloc(COUNT, sizeof(*ids));
	struct recorder_tree *t = new_tree();
	struct event_span none = {0};
	int found = 0, left = 0;

	for (int i = 0; i < COUNT; i++) {
		ids[i] = tt_uuid_make();
		recorder_span_add(t, &ids[i], &none, EVENT_HOW_FORK)->ppid = i;
	}
	for (int i = 0; i < COUNT; i++)
		found += recorder_span_find(t, &ids[i])->ppid == i;
	CHECK_INT(found, COUNT);
	for (int i = 0; i < COUNT; i += 2)
		recorder_span_remove(t, recorder_span_find(t, &ids[i]));
	CHECK(!t->last); /* it was removed */
	for (int i = 0; i < COUNT; i++)
		left += recorder_span_find(t, &ids[i]) != NULL;
	CHECK_INT(left, COUNT / 2);
	drop_tree(t);
	free(ids);
}

static void parent_text_is_copied(void)
{
	struct recorder_tree *t = new_tree();
	char outer[] = "from outside";
	struct event_span parent = {.text = {outer, 4}};
	struct tt_uuid id = tt_uuid_make();
	struct recorder_span *s = recorder_span_add(t, &id, &parent, EVENT_HOW_EXEC);

	memset(outer, 'x', sizeof(outer) - 1);
	CHECK_INT(s->parent.text.len, 4);
	CHECK(memcmp(s->parent.text.data, "from", 4) == 0);
	CHECK_INT(s->slot, -1);
	drop_tree(t);
}

static void texts_are_replaced(void)
{
	char *field = NULL;

	recorder_text_set(&field, "abcdef", 3);
	CHECK_STR(field, "abc");
	recorder_text_set(&field, "xy", 2);
	CHECK_STR(field, "xy");
	recorder_text_set(&field, NULL, 0);
	CHECK(field == NULL);
}

static void processes_are_found_under_both_pids(void)
{
	struct recorder_tree *t = new_tree();
	struct recorder_process *plain = recorder_process_add(t, 4711, 4711);
	struct recorder_process *inner = recorder_process_add(t, 4712, 2);

	CHECK(recorder_process_find(t, 4711) == plain);
	CHECK(recorder_process_find(t, 2) == inner);
	CHECK(recorder_process_find(t, 4712) == NULL);
	CHECK(recorder_process_find_real(t, 4712) == inner);
	CHECK(recorder_process_find_real(t, 2) == NULL);
	recorder_process_remove(t, inner);
	CHECK(recorder_process_find(t, 2) == NULL);
	CHECK(recorder_process_find_real(t, 4711) == plain);
	drop_tree(t);
}

static void a_removed_process_leaves_its_span(void)
{
	struct recorder_tree *t = new_tree();
	struct recorder_process *p = recorder_process_add(t, 10, 10);
	struct event_span none = {0};
	struct tt_uuid id = tt_uuid_make();
	struct recorder_span *s = recorder_span_add(t, &id, &none, EVENT_HOW_LAUNCH);

	p->span = s;
	s->process = p;
	recorder_process_remove(t, p);
	CHECK(s->process == NULL);
	CHECK(recorder_span_find(t, &id) == s);
	drop_tree(t);
}

int main(void)
{
	TAP_RUN(spans_are_found_by_id);
	TAP_RUN(parent_text_is_copied);
	TAP_RUN(texts_are_replaced);
	TAP_RUN(processes_are_found_under_both_pids);
	TAP_RUN(a_removed_process_leaves_its_span);
	return tap_done();
}
