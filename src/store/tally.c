/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows in an array, found by chains of a keyed hash. From the first time that one has to make room
 * on they stand in a heap, the smallest count on top; before that nobody needs an order.
 */
#include "store/tally.h"

#include <stdlib.h>
#include <string.h>

struct store_tally {
	struct store_tally_row *rows;
	uint32_t *chains; /* row + 1, 0: the end */
	uint32_t *heap;   /* rows; NULL: none made room yet */
	uint32_t count, room, chain_count;
	uint8_t key[16];
	bool lost; /* without memory */
};

struct store_tally *store_tally_new(uint32_t room)
{
	struct store_tally *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->room = room;
	for (t->chain_count = 64; t->chain_count < room;)
		t->chain_count *= 2;
	t->rows = calloc(room, sizeof(*t->rows)); /* untouched pages cost nothing */
	t->chains = calloc(t->chain_count, sizeof(*t->chains));
	if (!t->rows || !t->chains) {
		store_tally_free(t);
		return NULL;
	}
	store_text_key(t->key);
	return t;
}

void store_tally_free(struct store_tally *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->count; i++) {
		free((char *)t->rows[i].name.data);
		free(t->rows[i].words);
	}
	free(t->rows);
	free(t->chains);
	free(t->heap);
	free(t);
}

static uint32_t *chain_of(struct store_tally *t, uint64_t hash)
{
	return &t->chains[hash & (t->chain_count - 1)];
}

static size_t kept(size_t len)
{
	return len < STORE_TALLY_TEXT_MAX ? len : STORE_TALLY_TEXT_MAX;
}

static void unchain(struct store_tally *t, uint32_t row)
{
	uint32_t *at = chain_of(t, t->rows[row].hash);

	while (*at != row + 1)
		at = &t->rows[*at - 1].next;
	*at = t->rows[row].next;
}

static void chain(struct store_tally *t, uint32_t row)
{
	uint32_t *head = chain_of(t, t->rows[row].hash);

	t->rows[row].next = *head;
	*head = row + 1;
}

static uint64_t at_most(const struct store_tally *t, uint32_t place)
{
	const struct store_tally_row *r = &t->rows[t->heap[place]];

	return r->count + r->over;
}

static void put_in_heap(struct store_tally *t, uint32_t place, uint32_t row)
{
	t->heap[place] = row;
	t->rows[row].heap_at = place;
}

/* The row at @place has grown: those below it that are smaller go up. */
static void sink(struct store_tally *t, uint32_t place)
{
	for (;;) {
		uint32_t least = 2 * place + 1, row = t->heap[place];

		if (least >= t->count)
			return;
		if (least + 1 < t->count && at_most(t, least + 1) < at_most(t, least))
			least++;
		if (at_most(t, least) >= at_most(t, place))
			return;
		put_in_heap(t, place, t->heap[least]);
		put_in_heap(t, least, row);
		place = least;
	}
}

static bool make_heap(struct store_tally *t)
{
	t->heap = calloc(t->room, sizeof(*t->heap));
	if (!t->heap)
		return false;
	for (uint32_t i = 0; i < t->count; i++)
		put_in_heap(t, i, i);
	for (uint32_t i = t->count / 2; i-- > 0;)
		sink(t, i);
	return true;
}

/* A row for a new thing: the next free one, or the one with the smallest count. */
static uint32_t take_row(struct store_tally *t)
{
	uint64_t over = 0;
	uint32_t row;

	if (t->count < t->room) {
		row = t->count++;
	} else if (t->heap || make_heap(t)) {
		row = t->heap[0];
		over = at_most(t, 0);
		unchain(t, row);
		free((char *)t->rows[row].name.data);
		free(t->rows[row].words);
	} else {
		return STORE_NONE;
	}
	memset(&t->rows[row], 0, sizeof(t->rows[row]));
	t->rows[row].over = over;
	t->rows[row].exit_code = -1;
	return row;
}

struct store_tally_row *store_tally_get(struct store_tally *t, struct store_text name)
{
	uint64_t hash = store_text_hash(t->key, name);
	size_t len = kept(name.len);
	struct store_tally_row *r;
	uint32_t row;
	char *copy;

	for (uint32_t at = *chain_of(t, hash); at; at = t->rows[at - 1].next) {
		r = &t->rows[at - 1];
		if (r->hash == hash && r->len == name.len &&
		    memcmp(r->name.data, name.data, len) == 0)
			return r;
	}
	copy = malloc(len + 1);
	row = copy ? take_row(t) : STORE_NONE;
	if (row == STORE_NONE) {
		free(copy);
		t->lost = true;
		return NULL;
	}
	memcpy(copy, name.data, len);
	copy[len] = '\0';
	r = &t->rows[row];
	r->name = (struct store_text){copy, len};
	r->len = name.len;
	r->hash = hash;
	chain(t, row);
	return r;
}

void store_tally_count(struct store_tally *t, struct store_tally_row *row)
{
	row->count++;
	row->now++;
	if (t->heap)
		sink(t, row->heap_at);
}

void store_tally_retire(struct store_tally *t, struct store_tally_row *row)
{
	uint32_t i = (uint32_t)(row - t->rows);

	unchain(t, i);
	row->len = SIZE_MAX; /* which no name has */
	chain(t, i);
}

void store_tally_tick(struct store_tally *t)
{
	for (uint32_t i = 0; i < t->count; i++) {
		t->rows[i].recent = t->rows[i].now;
		t->rows[i].now = 0;
	}
}

bool store_tally_is_exact(const struct store_tally *t)
{
	return !t->heap && !t->lost;
}

uint32_t store_tally_rows(const struct store_tally *t)
{
	return t->count;
}

static uint64_t rank(const struct store_tally_row *r, enum store_tally_order order)
{
	switch (order) {
	case STORE_TALLY_BY_RECENT:
		return r->recent;
	case STORE_TALLY_BY_FAILED:
		return r->failed;
	case STORE_TALLY_BY_TIME:
		return r->elapsed_us;
	case STORE_TALLY_BY_BYTES:
		return r->bytes_read + r->bytes_written;
	case STORE_TALLY_BY_COUNT:
	case STORE_TALLY_ORDERS:
		break;
	}
	return r->count;
}

/* Whether @a stands before @b: by the order asked for, then by count, then by name. */
static bool is_before(const struct store_tally_row *a, const struct store_tally_row *b,
		      enum store_tally_order order)
{
	uint64_t x = rank(a, order), y = rank(b, order);
	size_t n = a->name.len < b->name.len ? a->name.len : b->name.len;
	int r;

	if (x != y)
		return x > y;
	if (a->count != b->count)
		return a->count > b->count;
	r = memcmp(a->name.data, b->name.data, n);
	return r ? r < 0 : a->name.len < b->name.len;
}

size_t store_tally_top(const struct store_tally *t, enum store_tally_order order,
		       const struct store_tally_row **ret, size_t max)
{
	size_t found = 0;

	/* @max is a screen: insertion is quick, and most rows come behind its last */
	for (uint32_t i = 0; i < t->count; i++) {
		const struct store_tally_row *r = &t->rows[i];
		size_t at = found;

		while (at && is_before(r, ret[at - 1], order))
			at--;
		if (at == max)
			continue;
		if (found < max)
			found++;
		memmove(&ret[at + 1], &ret[at], (found - at - 1) * sizeof(*ret));
		ret[at] = r;
	}
	return found;
}
