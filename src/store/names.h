/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of byte strings, each with a small number: 0, 1, 2, ... in the order they came. For
 * counting by name. The strings come from a trace, which is hostile: keyed hash, and a limit on how
 * many are kept.
 */
#ifndef TT_STORE_NAMES_H
#define TT_STORE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define STORE_NONE UINT32_MAX

struct store_text {
	const char
		*data; /* may hold any byte, NUL too; a NUL behind the last byte is not counted */
	size_t len;
};

struct store_names {
	struct store_text *items;
	uint32_t count;
	uint32_t room;
	uint32_t *slots;     /* item number + 1, 0: empty */
	uint32_t slot_count; /* a power of two */
	uint32_t max;
	uint64_t refused; /* additions that were turned away at @max, or for want of memory */
	uint8_t key[16];
};

/* store_names_init - empty, for at most @max strings. Allocates nothing. */
void store_names_init(struct store_names *n, uint32_t max);
void store_names_done(struct store_names *n);

/*
 * store_names_add - the number of that string; it is copied if it is new
 * Returns STORE_NONE, and counts it in @refused, if it is new and there is no room.
 */
uint32_t store_names_add(struct store_names *n, struct store_text text, bool *ret_is_new);

/* store_names_find - the number of that string, or STORE_NONE */
uint32_t store_names_find(const struct store_names *n, struct store_text text);

/* store_text_key - a key for store_text_hash(), at random: nobody chooses strings that collide */
void store_text_key(uint8_t ret_key[16]);
uint64_t store_text_hash(const uint8_t key[16], struct store_text text);

#endif
