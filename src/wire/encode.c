/* SPDX-License-Identifier: Apache-2.0 */
/* The encoder: keeps its first error, and is asked once at the end. */
#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "wire/cbor.h"
#include "wire/frame.h"

struct writer {
	uint8_t *buf;
	size_t cap;
	size_t len;
	int error; /* the first, negative */
};

static void fail(struct writer *w, int error)
{
	if (!w->error)
		w->error = error;
}

static void put(struct writer *w, const void *bytes, size_t n)
{
	if (w->error)
		return;
	/* What no buffer could hold is no matter of the buffer. */
	if (n > WIRE_FRAME_MAX - w->len)
		fail(w, -EMSGSIZE);
	else if (w->len > w->cap || n > w->cap - w->len)
		fail(w, -ENOBUFS);
	else if (n) {
		memcpy(w->buf + w->len, bytes, n);
		w->len += n;
	}
}

static void put_head(struct writer *w, unsigned major, uint64_t v)
{
	uint8_t out[9] = {(uint8_t)(major << 5)};
	unsigned bytes = v < CBOR_INFO_U8  ? 0
			 : v <= UINT8_MAX  ? 1
			 : v <= UINT16_MAX ? 2
			 : v <= UINT32_MAX ? 4
					   : 8;

	if (!bytes)
		out[0] |= (uint8_t)v;
	else
		out[0] |= (uint8_t)(CBOR_INFO_U8 + __builtin_ctz(bytes));
	for (unsigned i = 0; i < bytes; i++)
		out[1 + i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
	put(w, out, 1 + bytes);
}

/*
 * How the bytes at @i go out: returns how many they are, and whether they are escaped. So are bytes
 * that are not UTF-8, and a backslash that would look like the beginning of an escape.
 */
static size_t next_piece(const unsigned char *p, size_t n, size_t i, bool *ret_escape)
{
	size_t len = tt_utf8_len(p + i, n - i);

	*ret_escape = !len || (p[i] == '\\' && n - i > 1 && p[i + 1] == 'x');
	return len ? len : 1;
}

static void put_bytes_escaped(struct writer *w, const unsigned char *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	size_t size = 0;
	bool escape;

	for (size_t i = 0; i < n;) {
		size_t len = next_piece(p, n, i, &escape);

		size += escape ? 4 : len;
		i += len;
	}
	put_head(w, CBOR_TEXT, size);
	for (size_t i = 0; i < n && !w->error;) {
		size_t len = next_piece(p, n, i, &escape);
		char hex[4] = {'\\', 'x', digits[p[i] >> 4], digits[p[i] & 15]};

		put(w, escape ? (const void *)hex : p + i, escape ? 4 : len);
		i += len;
	}
}

static void put_text(struct writer *w, struct wire_text text, bool is_escaped)
{
	if (text.len > WIRE_PAYLOAD_MAX) {
		fail(w, -EMSGSIZE);
	} else if (!is_escaped) {
		put_bytes_escaped(w, (const unsigned char *)text.data, text.len);
	} else if (!tt_utf8_is_valid(text.data, text.len)) {
		fail(w, -EILSEQ);
	} else {
		put_head(w, CBOR_TEXT, text.len);
		put(w, text.data, text.len);
	}
}

static void put_list(struct writer *w, const struct wire_list *list, bool is_escaped)
{
	struct wire_list_at at = {0};
	struct wire_text text;

	put_head(w, CBOR_ARRAY, list->count);
	while (!w->error && wire_list_next(list, &at, &text))
		put_text(w, text, is_escaped);
}

static void put_value(struct writer *w, const struct wire_frame *frame, enum wire_field field)
{
	const struct wire_field_info *info = &wire_fields[field];
	const void *value = (const char *)frame + info->offset;
	const char *source = wire_source_name(frame->source);

	put_head(w, CBOR_TEXT, info->name_len);
	put(w, info->name, info->name_len);
	switch (info->kind) {
	case WIRE_KIND_UINT:
		if (*(const uint64_t *)value > info->max)
			fail(w, -ERANGE);
		put_head(w, CBOR_UINT, *(const uint64_t *)value);
		break;
	case WIRE_KIND_TEXT:
		if (field == WIRE_FIELD_probe_source)
			put_text(w, (struct wire_text){source, strlen(source)}, true);
		else
			put_text(w, *(const struct wire_text *)value, frame->is_escaped);
		break;
	case WIRE_KIND_LIST:
		put_list(w, value, frame->is_escaped);
		break;
	}
}

static bool is_sound(const struct wire_frame *frame)
{
	const char *name = wire_source_name(frame->source);
	uint64_t needs = wire_needs(frame->content_version, frame->source);
	uint64_t optional = (UINT64_C(1) << WIRE_FIELD_COUNT) - WIRE_HAS(seq);

	if (frame->content_version != 1 && frame->content_version != 2)
		return false;
	if (!name || !wire_source_find(name, strlen(name), frame->content_version))
		return false;
	if (frame->content_version == 1)
		return !frame->has;
	return !(frame->has & ~optional) && (frame->has & needs) == needs;
}

int wire_encode(const struct wire_frame *frame, void *buf, size_t cap)
{
	struct writer w = {.buf = buf, .cap = cap};
	static const uint8_t no_length[WIRE_HEADER_BYTES];
	unsigned count = WIRE_FIELD_FIRST_OPTIONAL;

	if (!is_sound(frame))
		return -EINVAL;
	put(&w, no_length, sizeof(no_length));
	for (uint64_t bits = frame->has; bits; bits &= bits - 1)
		count++;
	put_head(&w, CBOR_MAP, count);
	for (unsigned i = 0; i < WIRE_FIELD_COUNT && !w.error; i++)
		if (i < WIRE_FIELD_FIRST_OPTIONAL || frame->has & UINT64_C(1) << i)
			put_value(&w, frame, (enum wire_field)i);
	if (w.error)
		return w.error;
	for (unsigned i = 0; i < WIRE_HEADER_BYTES; i++)
		w.buf[i] = (uint8_t)((w.len - WIRE_HEADER_BYTES) >> 8 * i);
	return (int)w.len;
}
