/* SPDX-License-Identifier: Apache-2.0 */
/* Another implementation of CBOR reads what we write and writes what we read, with one meaning. */
#if __has_include(<cbor.h>)
#include <cbor.h>
#include <stdlib.h>

#include "samples.h"
#include "tap.h"

static cbor_item_t *shortest(uint64_t v)
{
	return v <= UINT8_MAX    ? cbor_build_uint8((uint8_t)v)
	       : v <= UINT16_MAX ? cbor_build_uint16((uint16_t)v)
	       : v <= UINT32_MAX ? cbor_build_uint32((uint32_t)v)
				 : cbor_build_uint64(v);
}

static cbor_item_t *string_of(struct wire_text text)
{
	return cbor_build_stringn(text.data, text.len);
}

static cbor_item_t *array_of(const struct wire_list *list)
{
	cbor_item_t *array = cbor_new_definite_array(list->count);
	struct wire_list_at at = {0};
	struct wire_text text;

	while (wire_list_next(list, &at, &text))
		CHECK(cbor_array_push(array, cbor_move(string_of(text))));
	return array;
}

/* A frame as the other implementation builds it, without the length. */
static size_t build(const struct wire_frame *f, unsigned char **ret)
{
	unsigned count = 5 + (unsigned)__builtin_popcountll(f->has);
	cbor_item_t *map = cbor_new_definite_map(count);
	size_t size = 0, n;

	for (unsigned k = 0; k < WIRE_FIELD_COUNT; k++) {
		const void *value = (const char *)f + wire_fields[k].offset;
		cbor_item_t *item = NULL;

		if (k >= WIRE_FIELD_FIRST_OPTIONAL && !(f->has & UINT64_C(1) << k))
			continue;
		switch (wire_fields[k].kind) {
		case WIRE_KIND_UINT:
			item = shortest(*(const uint64_t *)value);
			break;
		case WIRE_KIND_TEXT:
			item = string_of(*(const struct wire_text *)value);
			break;
		case WIRE_KIND_LIST:
			item = array_of(value);
			break;
		}
		CHECK(cbor_map_add(
			map, (struct cbor_pair){cbor_move(cbor_build_string(wire_fields[k].name)),
						cbor_move(item)}));
	}
	n = cbor_serialize_alloc(map, ret, &size);
	cbor_decref(&map);
	return n;
}

static void test_same_bytes(void)
{
	for (size_t i = 0; i < SAMPLE_COUNT; i++) {
		uint8_t out[WIRE_FRAME_MAX], theirs[WIRE_FRAME_MAX] = {0};
		int n = wire_encode(&samples[i], out, sizeof(out));
		unsigned char *built = NULL;
		struct wire_frame f;
		size_t size;

		CHECK(wire_decode(out, (size_t)n, WIRE_STRICT, &f, NULL) == n);
		size = build(&f, &built);
		CHECK_INT(size, n - WIRE_HEADER_BYTES);
		if (size != (size_t)n - WIRE_HEADER_BYTES)
			continue;
		CHECK(memcmp(out + WIRE_HEADER_BYTES, built, size) == 0);
		memcpy(theirs, out, WIRE_HEADER_BYTES);
		memcpy(theirs + WIRE_HEADER_BYTES, built, size);
		CHECK(wire_decode(theirs, (size_t)n, WIRE_STRICT, &f, NULL) == n);
		free(built);
	}
}

static bool is_text(const cbor_item_t *item, struct wire_text text)
{
	return cbor_isa_string(item) && cbor_string_length(item) == text.len &&
	       memcmp(cbor_string_handle(item), text.data, text.len) == 0;
}

static bool is_list(const cbor_item_t *item, const struct wire_list *list)
{
	struct wire_list_at at = {0};
	struct wire_text text;
	size_t i = 0;

	if (!cbor_isa_array(item) || cbor_array_size(item) != list->count)
		return false;
	while (wire_list_next(list, &at, &text))
		if (!is_text(cbor_array_handle(item)[i++], text))
			return false;
	return i == list->count;
}

static bool is_value(const cbor_item_t *item, const struct wire_frame *f, unsigned k)
{
	const void *value = (const char *)f + wire_fields[k].offset;

	switch (wire_fields[k].kind) {
	case WIRE_KIND_UINT:
		return cbor_isa_uint(item) && cbor_get_int(item) == *(const uint64_t *)value;
	case WIRE_KIND_TEXT:
		return is_text(item, *(const struct wire_text *)value);
	case WIRE_KIND_LIST:
		break;
	}
	return is_list(item, value);
}

/* What we take is CBOR, and says what we say. */
static void check_against(const uint8_t *payload, size_t n, const struct wire_frame *f)
{
	struct cbor_load_result result;
	cbor_item_t *map = cbor_load(payload, n, &result);
	unsigned k = 0;

	CHECK(map && cbor_isa_map(map) && result.read == n);
	if (!map)
		return;
	for (size_t i = 0; i < cbor_map_size(map); i++, k++) {
		const struct cbor_pair *p = &cbor_map_handle(map)[i];

		while (k >= WIRE_FIELD_FIRST_OPTIONAL && k < WIRE_FIELD_COUNT &&
		       !(f->has & UINT64_C(1) << k))
			k++;
		CHECK(k < WIRE_FIELD_COUNT);
		if (k >= WIRE_FIELD_COUNT)
			break;
		CHECK(is_text(p->key,
			      (struct wire_text){wire_fields[k].name, wire_fields[k].name_len}));
		CHECK(is_value(p->value, f, k));
	}
	cbor_decref(&map);
}

/* Bytes changed here and there, by a generator whose numbers are always the same. */
static void test_changed_bytes(void)
{
	uint64_t state = 88172645463325252U;
	unsigned taken = 0;

	for (unsigned round = 0; round < 100000; round++) {
		uint8_t out[WIRE_FRAME_MAX];
		int n = wire_encode(&samples[round % SAMPLE_COUNT], out, sizeof(out));
		struct wire_frame f;

		for (unsigned i = 0; i < 1 + round % 3; i++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			out[4 + state % (unsigned)(n - 4)] = (uint8_t)(state >> 32);
		}
		if (wire_decode(out, (size_t)n, WIRE_STRICT, &f, NULL) < 0)
			continue;
		taken++;
		check_against(out + 4, (size_t)n - 4, &f);
	}
	CHECK(taken > 1000);
}

int main(void)
{
	TAP_RUN(test_same_bytes);
	TAP_RUN(test_changed_bytes);
	return tap_done();
}
#else
#include <stdio.h>

int main(void)
{
	printf("1..0 # SKIP no libcbor\n");
	return 0;
}
#endif
