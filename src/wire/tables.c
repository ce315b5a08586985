/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of keys, sources and errors, and look-ups in them. */
#include <string.h>

#include "wire/frame.h"

_Static_assert(WIRE_FIELD_COUNT <= 64, "wire_frame.has has a bit for each key");

#define ROW(name, kind, max)                                               \
	[WIRE_FIELD_##name] = {#name, sizeof(#name) - 1, WIRE_KIND_##kind, \
			       offsetof(struct wire_frame, name), max},
const struct wire_field_info wire_fields[WIRE_FIELD_COUNT] = {
#define WIRE_UINT(name, max) ROW(name, UINT, max)
#define WIRE_TEXT(name)      ROW(name, TEXT, 0)
#define WIRE_LIST(name)      ROW(name, LIST, 0)
#include "wire/fields.def"
};

static const struct {
	const char *name;
	size_t len;
	uint64_t version;
	uint64_t needs;
} sources[WIRE_SOURCE_END] = {
#define NEED(name) WIRE_HAS(name)
#define WIRE_SOURCE(constant, name, version, needs) \
	[WIRE_##constant] = {name, sizeof(name) - 1, version, needs},
#include "wire/sources.def"
};

static const struct {
	const char *name;
	const char *words;
} errors[WIRE_E_END - WIRE_E_FIRST] = {
#define WIRE_ERROR(constant, name, words) [WIRE_E_##constant - WIRE_E_FIRST] = {name, words},
#include "wire/errors.def"
};

const char *wire_error_name(int error)
{
	return error > WIRE_E_FIRST && error < WIRE_E_END ? errors[error - WIRE_E_FIRST].name
							  : NULL;
}

const char *wire_error_words(int error)
{
	return error > WIRE_E_FIRST && error < WIRE_E_END ? errors[error - WIRE_E_FIRST].words
							  : NULL;
}

const char *wire_source_name(enum wire_source source)
{
	return (unsigned)source < WIRE_SOURCE_END ? sources[source].name : NULL;
}

enum wire_source wire_source_find(const char *name, size_t len, uint64_t version)
{
	for (unsigned i = WIRE_NO_SOURCE + 1; i < WIRE_SOURCE_END; i++)
		if (sources[i].len == len && sources[i].version <= version &&
		    memcmp(sources[i].name, name, len) == 0)
			return (enum wire_source)i;
	return WIRE_NO_SOURCE;
}

enum wire_field wire_field_find(const char *name, size_t len)
{
	for (unsigned i = 0; i < WIRE_FIELD_COUNT; i++)
		if (wire_fields[i].name_len == len && memcmp(wire_fields[i].name, name, len) == 0)
			return (enum wire_field)i;
	return WIRE_FIELD_COUNT;
}

uint64_t wire_needs(uint64_t version, enum wire_source source)
{
	return version >= 2 && (unsigned)source < WIRE_SOURCE_END ? sources[source].needs : 0;
}
