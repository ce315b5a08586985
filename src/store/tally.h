/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted most of any number of things, in a table of fixed size. As long as all fit the
 * counts are exact. After that a new thing takes the place of the one with the smallest count, and
 * begins with that as its uncertainty ("Space-Saving", Metwally and others 2005): what was counted
 * more often than all counts divided by the room is in the table for sure.
 */
#ifndef TT_STORE_TALLY_H
#define TT_STORE_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "store/names.h"

#define STORE_TALLY_TEXT_MAX 1024 /* bytes that are kept of a name or a command line */

enum store_tally_end { STORE_TALLY_RUNNING, STORE_TALLY_EXITED, STORE_TALLY_KILLED };

/* One thing. Counted at least @count times, at most @count + @over. */
struct store_tally_row {
	struct store_text name; /* its beginning, if it is longer than STORE_TALLY_TEXT_MAX */
	uint64_t count, over;
	uint64_t recent; /* between the last two ticks */
	uint64_t failed, elapsed_us, bytes_read, bytes_written;

	/* of processes */
	int64_t pid; /* 0: not known */
	char *words; /* the command line, a NUL behind each word; NULL: not known */
	size_t words_len;
	enum store_tally_end end;
	int64_t exit_code; /* -1: not known */
	bool started;      /* its start was seen */
	uint64_t made; /* hash of the span that a fork or the launch began it with; 0: not seen */

	/* the table's own */
	uint64_t hash, now;
	size_t len; /* of the whole name */
	uint32_t next, heap_at;
};

struct store_tally;

/* store_tally_new - for at most @room things; NULL without memory */
struct store_tally *store_tally_new(uint32_t room);
void store_tally_free(struct store_tally *t);

/*
 * store_tally_get - the row of that name, made if there is none
 * Valid until the next call of this one; NULL without memory: then nothing is known any more, and
 * store_tally_is_exact() says so.
 */
struct store_tally_row *store_tally_get(struct store_tally *t, struct store_text name);

/* store_tally_count - once more */
void store_tally_count(struct store_tally *t, struct store_tally_row *row);

/* store_tally_retire - the row stays, but its name means another thing from here on */
void store_tally_retire(struct store_tally *t, struct store_tally_row *row);

/* store_tally_tick - what was counted since the last tick becomes what is recent */
void store_tally_tick(struct store_tally *t);

/* store_tally_is_exact - whether nothing had to make room so far */
bool store_tally_is_exact(const struct store_tally *t);

uint32_t store_tally_rows(const struct store_tally *t);

enum store_tally_order {
	STORE_TALLY_BY_COUNT,
	STORE_TALLY_BY_RECENT,
	STORE_TALLY_BY_FAILED,
	STORE_TALLY_BY_TIME,
	STORE_TALLY_BY_BYTES,
	STORE_TALLY_ORDERS,
};

/*
 * store_tally_top - the first @max rows of an order, the highest first
 * Rows are the table's, valid until it changes. Returns how many there are.
 */
size_t store_tally_top(const struct store_tally *t, enum store_tally_order order,
		       const struct store_tally_row **ret, size_t max);

#endif
