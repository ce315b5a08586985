/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing over SipHash-1-3 with a random key: names cannot be chosen to collide. */
#include "store/names.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void store_text_key(uint8_t ret_key[16])
{
	uintptr_t address = (uintptr_t)ret_key;

	memset(ret_key, 0, 16);
	if (getrandom(ret_key, 16, GRND_NONBLOCK) != 16)
		memcpy(ret_key, &address, sizeof(address)); /* early at boot: better than nothing */
}

void store_names_init(struct store_names *n, uint32_t max)
{
	memset(n, 0, sizeof(*n));
	n->max = max;
	store_text_key(n->key);
}

void store_names_done(struct store_names *n)
{
	for (uint32_t i = 0; i < n->count; i++)
		free((char *)n->items[i].data);
	free(n->items);
	free(n->slots);
	memset(n, 0, sizeof(*n));
}

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

uint64_t store_text_hash(const uint8_t key[16], struct store_text text)
{
	uint64_t k0, k1, word, v[4];
	size_t at = 0;

	memcpy(&k0, key, 8);
	memcpy(&k1, key + 8, 8);
	v[0] = k0 ^ 0x736f6d6570736575;
	v[1] = k1 ^ 0x646f72616e646f6d;
	v[2] = k0 ^ 0x6c7967656e657261;
	v[3] = k1 ^ 0x7465646279746573;
	for (; at + 8 <= text.len; at += 8) {
		memcpy(&word, text.data + at, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = (uint64_t)text.len << 56;
	for (int i = 0; at + (size_t)i < text.len; i++)
		word |= (uint64_t)(unsigned char)text.data[at + (size_t)i] << (8 * i);
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The slot that holds @text, or the empty one where it belongs. There is always an empty one. */
static uint32_t find_slot(const struct store_names *n, struct store_text text)
{
	uint32_t mask = n->slot_count - 1;

	for (uint32_t i = (uint32_t)store_text_hash(n->key, text) & mask;; i = (i + 1) & mask) {
		const struct store_text *item;

		if (!n->slots[i])
			return i;
		item = &n->items[n->slots[i] - 1];
		if (item->len == text.len && memcmp(item->data, text.data, text.len) == 0)
			return i;
	}
}

static bool grow(struct store_names *n)
{
	uint32_t room = n->room ? n->room * 2 : 64;
	struct store_text *items = realloc(n->items, room * sizeof(*items));
	uint32_t *slots;

	if (!items)
		return false;
	n->items = items;
	slots = calloc(room * 2, sizeof(*slots));
	if (!slots)
		return false;
	free(n->slots);
	n->slots = slots;
	n->slot_count = room * 2;
	n->room = room;
	for (uint32_t i = 0; i < n->count; i++)
		n->slots[find_slot(n, n->items[i])] = i + 1;
	return true;
}

uint32_t store_names_find(const struct store_names *n, struct store_text text)
{
	uint32_t slot;

	if (!n->slot_count)
		return STORE_NONE;
	slot = n->slots[find_slot(n, text)];
	return slot ? slot - 1 : STORE_NONE;
}

uint32_t store_names_add(struct store_names *n, struct store_text text, bool *ret_is_new)
{
	uint32_t i = store_names_find(n, text);
	char *copy;

	*ret_is_new = false;
	if (i != STORE_NONE)
		return i;
	if (n->count >= n->max || (n->count == n->room && !grow(n))) {
		n->refused++;
		return STORE_NONE;
	}
	copy = malloc(text.len + 1);
	if (!copy) {
		n->refused++;
		return STORE_NONE;
	}
	if (text.len)
		memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	n->items[n->count] = (struct store_text){copy, text.len};
	n->slots[find_slot(n, text)] = n->count + 1;
	*ret_is_new = true;
	return n->count++;
}
