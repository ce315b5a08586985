/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read trace.jsonl line by line. The file is hostile input, may be torn anywhere by a SIGKILL, and
 * may still grow. After damage the reader goes on at the next `{"ts":` and reports the stretch in
 * between as a gap.
 */
#ifndef TT_STORE_TRACE_H
#define TT_STORE_TRACE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "store/names.h"
#include "util/err.h"

#define STORE_LINE_MAX 65536 /* bytes of one line, newline included; a longer one is unreadable */

struct store_trace;

enum store_item_kind {
	STORE_ITEM_LINE,
	/* bytes that were no whole line: one or more events are missing here */
	STORE_ITEM_UNREADABLE,
};

struct store_item {
	enum store_item_kind kind;
	json_t *json; /* LINE: an object with the strings `ts` and `event_type`; borrowed */
	struct store_text text; /* LINE: as it is in the file, without the newline; borrowed */
	uint64_t ts_ns;         /* LINE: `ts` */
	uint64_t bytes;         /* UNREADABLE: how many were passed over */
};

/*
 * store_trace_open - begin to read
 * Refuses what is not a regular file. -ENOENT if there is none.
 */
int store_trace_open(struct store_trace **ret, const char *path, struct tt_err *err) TT_MUST_CHECK;

/* store_trace_take - the same for an open fd, which belongs to the reader even on failure */
int store_trace_take(struct store_trace **ret, int fd, struct tt_err *err) TT_MUST_CHECK;
void store_trace_free(struct store_trace *t);
TT_DEFINE_FREEP(struct store_trace *, store_trace_free)

/*
 * store_trace_follow - whether the file may still grow (default: no)
 * Then a last line without newline waits for the rest; without, it is given as it is.
 */
void store_trace_follow(struct store_trace *t, bool follow);

/*
 * store_trace_next - the next line or damaged stretch
 * Returns 1 and sets @ret, what it points to being valid until the next call; 0 at the end (ask
 * again if the file may have grown); -errno if the file cannot be read.
 */
int store_trace_next(struct store_trace *t, struct store_item *ret,
		     struct tt_err *err) TT_MUST_CHECK;

/* store_trace_fd - to wait on; stays the reader's */
int store_trace_fd(const struct store_trace *t);

/*
 * store_get_text - a string of a JSON object; data NULL if it is not there or no string. Borrowed.
 */
struct store_text store_get_text(const json_t *object, const char *key);

/* store_text_of - the text of a JSON string; data NULL if it is none. Borrowed. */
struct store_text store_text_of(const json_t *string);

/* store_text_is - whether @text is exactly @word */
bool store_text_is(struct store_text text, const char *word);

/*
 * store_get_int - an integer of a JSON object, or @fallback. Numbers with a fraction are rounded
 * down.
 */
int64_t store_get_int(const json_t *object, const char *key, int64_t fallback);

/* store_time_parse - nanoseconds since the epoch of an RFC 3339 time in UTC; false if it is none */
bool store_time_parse(struct store_text text, uint64_t *ret_ns);

#endif
