/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames between a guest's agent and its host: CBOR maps with a length in front, described in
 * docs/wire.md. Nothing here allocates, does I/O or keeps state: thread- and signal-safe, and the
 * decoder is meant for bytes of an enemy.
 */
#ifndef TT_WIRE_FRAME_H
#define TT_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

enum {
	WIRE_HEADER_BYTES = 4,   /* the length, little-endian */
	WIRE_PAYLOAD_MAX = 4096, /* the largest length */
	WIRE_FRAME_MAX = WIRE_HEADER_BYTES + WIRE_PAYLOAD_MAX,
};

/* Returned negated by what decodes; above every errno value. */
enum wire_error {
	WIRE_E_FIRST = 5000,
#define WIRE_ERROR(constant, name, words) WIRE_E_##constant,
#include "wire/errors.def"
#undef WIRE_ERROR
	WIRE_E_END,
};

enum wire_source {
	WIRE_NO_SOURCE,
#define WIRE_SOURCE(constant, name, version, needs) WIRE_##constant,
#include "wire/sources.def"
#undef WIRE_SOURCE
	WIRE_SOURCE_END,
};

enum wire_field {
#define WIRE_UINT(name, max) WIRE_FIELD_##name,
#define WIRE_TEXT(name)      WIRE_FIELD_##name,
#define WIRE_LIST(name)      WIRE_FIELD_##name,
#include "wire/fields.def"
#undef WIRE_UINT
#undef WIRE_TEXT
#undef WIRE_LIST
	WIRE_FIELD_COUNT,
	WIRE_FIELD_FIRST_OPTIONAL = WIRE_FIELD_seq,
};

/* WIRE_HAS - the bit of a key in wire_frame.has */
#define WIRE_HAS(name) (UINT64_C(1) << WIRE_FIELD_##name)

/* Borrowed bytes, not ended by NUL. */
struct wire_text {
	const char *data;
	size_t len;
};

/* Texts: @items of the caller's to be encoded; from the decoder bytes of the frame instead. */
struct wire_list {
	size_t count;
	const struct wire_text *items; /* NULL: use @raw */
	const uint8_t *raw;
	size_t raw_bytes;
};

/* Where a walk over a list stands. Starts from all zero. */
struct wire_list_at {
	size_t index;
	size_t offset;
};

/*
 * One frame. content_version and @source say what it is (probe_source is set by the decoder and not
 * looked at by the encoder), @has which optional keys are there. What is decoded borrows from the
 * decoded bytes.
 */
struct wire_frame {
	uint64_t has; /* WIRE_HAS() of each optional key; the five others are always there */
	enum wire_source source;
	/*
	 * Texts are as they stand on the wire, UTF-8 and escaped: so the decoder hands them out. If
	 * false they are any bytes, and the encoder escapes what needs it.
	 */
	bool is_escaped;
#define WIRE_UINT(name, max) uint64_t name;
#define WIRE_TEXT(name)      struct wire_text name;
#define WIRE_LIST(name)      struct wire_list name;
#include "wire/fields.def"
#undef WIRE_UINT
#undef WIRE_TEXT
#undef WIRE_LIST
};

enum wire_mode {
	WIRE_STRICT,
	/*
	 * Takes numbers that are not shortest, keys in any order after content_version, repeated
	 * keys (the first counts), unknown keys of major 2, and bytes after the map.
	 */
	WIRE_LENIENT,
};

/*
 * wire_encode - write a frame, its length in front
 * Returns its size, or
 *	-ENOBUFS   @cap is too small
 *	-EMSGSIZE  it is past WIRE_PAYLOAD_MAX
 *	-EINVAL    no such version, source or key in it, or a key of the source is missing
 *	-ERANGE    a number past what its key can have
 *	-EILSEQ    is_escaped, and a text is not UTF-8
 * Of several errors the first counts; @buf is then of no use.
 */
int wire_encode(const struct wire_frame *frame, void *buf, size_t cap) TT_MUST_CHECK;

/*
 * wire_frame_size - how many bytes the frame that @buf begins with has, its length included
 * Returns that, or -EAGAIN (not all of it is there yet), or -WIRE_E_FRAME_TOO_LARGE, which is known
 * from the first four bytes on.
 */
int wire_frame_size(const void *buf, size_t n) TT_MUST_CHECK;

/*
 * wire_stream_end - judge the @n bytes that are left where a stream ended, after -EAGAIN
 * Returns 0 if there are none, else -WIRE_E_SHORT_HEADER or -WIRE_E_FRAME_TRUNCATED (or what else
 * wire_frame_size() says of them).
 */
int wire_stream_end(const void *buf, size_t n) TT_MUST_CHECK;

/*
 * wire_decode - read the frame that @buf begins with
 * @ret_offset: where in @buf an error was found; untouched on success; may be NULL
 * Returns the frame's size, or what wire_frame_size() returns, or -enum wire_error. After an error
 * in the map wire_frame_size() tells where the next frame begins.
 */
int wire_decode(const void *buf, size_t n, enum wire_mode mode, struct wire_frame *ret_frame,
		size_t *ret_offset) TT_MUST_CHECK;

/* wire_list_next - 1 and the next text of a list, or 0 at its end */
int wire_list_next(const struct wire_list *list, struct wire_list_at *at,
		   struct wire_text *ret_text);

/*
 * wire_unescape - the bytes that the agent had, from a text as it stands on the wire
 * @buf: at least text.len bytes
 * Returns their number.
 */
size_t wire_unescape(struct wire_text text, void *buf);

/* wire_error_name, wire_error_words - of a positive enum wire_error; NULL if it is none */
const char *wire_error_name(int error);
const char *wire_error_words(int error);

/* wire_source_name - "process.spawned"; NULL for what is no source */
const char *wire_source_name(enum wire_source source);

/* wire_source_find - the source of that name that major @version has, or WIRE_NO_SOURCE */
enum wire_source wire_source_find(const char *name, size_t len, uint64_t version);

enum wire_kind {
	WIRE_KIND_UINT, /* uint64_t */
	WIRE_KIND_TEXT, /* struct wire_text */
	WIRE_KIND_LIST, /* struct wire_list */
};

/* One row per key, in the order of enum wire_field. */
struct wire_field_info {
	const char *name;
	size_t name_len;
	enum wire_kind kind;
	size_t offset; /* of its value in struct wire_frame */
	uint64_t max;  /* of a WIRE_KIND_UINT */
};
extern const struct wire_field_info wire_fields[WIRE_FIELD_COUNT];

/* wire_field_find - the key of that name, or WIRE_FIELD_COUNT */
enum wire_field wire_field_find(const char *name, size_t len);

/* wire_needs - the optional keys that a frame of that version and source must have */
uint64_t wire_needs(uint64_t version, enum wire_source source);

#endif
