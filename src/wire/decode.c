/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder: one pass over bytes that nobody vouches for, no recursion, no memory of its own. */
#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "wire/cbor.h"
#include "wire/frame.h"

struct reader {
	const uint8_t *p;
	size_t n;
	size_t at;   /* next byte */
	size_t item; /* where the item began that is looked at: errors are told there */
	bool is_strict;
};

/* The beginning of one item. Returns 0 or -enum wire_error. */
static int read_head(struct reader *r, unsigned *ret_major, uint64_t *ret_value)
{
	unsigned major, info, bytes;
	uint64_t v = 0;

	r->item = r->at;
	if (r->at == r->n)
		return -WIRE_E_UNEXPECTED_END;
	major = r->p[r->at] >> 5;
	info = r->p[r->at] & 31;
	if (major != CBOR_UINT && major != CBOR_TEXT && major != CBOR_ARRAY && major != CBOR_MAP)
		return -WIRE_E_MAJOR_TYPE;
	if (info > CBOR_INFO_U64)
		return -WIRE_E_ADDITIONAL_INFO;
	r->at++;
	*ret_major = major;
	if (info < CBOR_INFO_U8) {
		*ret_value = info;
		return 0;
	}
	bytes = 1U << (info - CBOR_INFO_U8);
	if (r->n - r->at < bytes)
		return -WIRE_E_UNEXPECTED_END;
	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | r->p[r->at++];
	if (r->is_strict && (bytes == 1 ? v < CBOR_INFO_U8 : !(v >> 4 * bytes)))
		return -WIRE_E_NOT_SHORTEST;
	*ret_value = v;
	return 0;
}

/* The @len bytes of a text whose head was read. */
static int take_text(struct reader *r, uint64_t len, struct wire_text *ret)
{
	if (len > r->n - r->at)
		return -WIRE_E_UNEXPECTED_END;
	if (!tt_utf8_is_valid(r->p + r->at, (size_t)len))
		return -WIRE_E_INVALID_UTF8;
	*ret = (struct wire_text){(const char *)r->p + r->at, (size_t)len};
	r->at += (size_t)len;
	return 0;
}

static int read_text(struct reader *r, struct wire_text *ret)
{
	uint64_t len = 0;
	unsigned major = 0;
	int e = read_head(r, &major, &len);

	if (e)
		return e;
	return major == CBOR_TEXT ? take_text(r, len, ret) : -WIRE_E_FIELD_TYPE;
}

static int read_uint(struct reader *r, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;
	unsigned major = 0;
	int e = read_head(r, &major, &v);

	if (e)
		return e;
	if (major != CBOR_UINT)
		return -WIRE_E_FIELD_TYPE;
	if (v > max)
		return -WIRE_E_INTEGER_OVERFLOW;
	*ret = v;
	return 0;
}

static int read_list(struct reader *r, struct wire_list *ret)
{
	struct wire_list list = {0};
	struct wire_text text;
	uint64_t count = 0;
	unsigned major = 0;
	int e = read_head(r, &major, &count);

	if (e)
		return e;
	if (major != CBOR_ARRAY)
		return -WIRE_E_FIELD_TYPE;
	if (count > r->n - r->at)
		return -WIRE_E_UNEXPECTED_END; /* each text has one byte at least */
	list.count = (size_t)count;
	list.raw = r->p + r->at;
	for (size_t i = 0; i < list.count; i++) {
		e = read_text(r, &text);
		if (e)
			return e;
	}
	list.raw_bytes = (size_t)(r->p + r->at - list.raw);
	*ret = list;
	return 0;
}

/* Past one item of any type, whatever lies in it. */
static int skip_item(struct reader *r)
{
	struct wire_text text;
	uint64_t left = 1, v = 0;
	unsigned major = 0;

	while (left) {
		int e = read_head(r, &major, &v);

		if (e)
			return e;
		left--;
		if (major == CBOR_TEXT) {
			e = take_text(r, v, &text);
			if (e)
				return e;
		} else if (major != CBOR_UINT) {
			/* So that the sum stays small. */
			if (v > r->n - r->at)
				return -WIRE_E_UNEXPECTED_END;
			left += major == CBOR_MAP ? 2 * v : v;
		}
	}
	return 0;
}

static int read_value(struct reader *r, enum wire_field field, struct wire_frame *frame)
{
	const struct wire_field_info *info = &wire_fields[field];
	void *value = (char *)frame + info->offset;

	switch (info->kind) {
	case WIRE_KIND_UINT:
		return read_uint(r, info->max, value);
	case WIRE_KIND_TEXT:
		return read_text(r, value);
	case WIRE_KIND_LIST:
		break;
	}
	return read_list(r, value);
}

/* The map's head and its first key and value, which say what may follow. */
static int read_version(struct reader *r, uint64_t *ret_count, struct wire_frame *frame)
{
	const struct wire_field_info *info = &wire_fields[WIRE_FIELD_content_version];
	struct wire_text key = {0};
	unsigned major = 0;
	int e = read_head(r, &major, ret_count);
	size_t map = r->item;

	if (e)
		return e;
	if (major != CBOR_MAP || *ret_count < WIRE_FIELD_FIRST_OPTIONAL)
		return -WIRE_E_NOT_MAP_OF_FIVE;
	e = read_text(r, &key);
	if (e)
		return e;
	if (key.len != info->name_len || memcmp(key.data, info->name, key.len) != 0)
		return -WIRE_E_VERSION_NOT_FIRST;
	e = read_value(r, WIRE_FIELD_content_version, frame);
	if (e)
		return e;
	if (frame->content_version != 1 && frame->content_version != 2)
		return -WIRE_E_UNSUPPORTED_VERSION;
	if (frame->content_version == 1 && *ret_count != WIRE_FIELD_FIRST_OPTIONAL) {
		r->item = map;
		return -WIRE_E_NOT_MAP_OF_FIVE;
	}
	return 0;
}

/* One key and its value. @last: the key before it. */
static int read_pair(struct reader *r, struct wire_frame *frame, uint64_t *seen,
		     enum wire_field *last)
{
	struct wire_frame unused;
	struct wire_text key = {0};
	enum wire_field field;
	uint64_t bit;
	int e = read_text(r, &key);

	if (e)
		return e;
	field = wire_field_find(key.data, key.len);
	if (frame->content_version == 1 && field >= WIRE_FIELD_FIRST_OPTIONAL)
		return skip_item(r); /* one of the five will be missing, and that is said */
	if (field == WIRE_FIELD_COUNT)
		return r->is_strict ? -WIRE_E_UNKNOWN_KEY : skip_item(r);
	bit = UINT64_C(1) << field;
	if (*seen & bit)
		return r->is_strict ? -WIRE_E_DUPLICATE_KEY : read_value(r, field, &unused);
	if (field < *last && r->is_strict)
		return -WIRE_E_KEY_ORDER;
	*seen |= bit;
	*last = field;
	return read_value(r, field, frame);
}

static int read_map(struct reader *r, struct wire_frame *frame)
{
	const uint64_t five = WIRE_HAS(seq) - 1;
	enum wire_field last = WIRE_FIELD_content_version;
	uint64_t count = 0, seen = WIRE_HAS(content_version), needs;
	size_t source_at = 0;
	int e = read_version(r, &count, frame);

	/* Each round takes a byte at least, whatever the count says. */
	for (uint64_t i = 1; i < count && !e; i++) {
		bool had_source = seen & WIRE_HAS(probe_source);

		e = read_pair(r, frame, &seen, &last);
		if (!had_source && seen & WIRE_HAS(probe_source))
			source_at = r->item;
	}
	if (e)
		return e;
	r->item = 0;
	if ((seen & five) != five)
		return -WIRE_E_MISSING_FIELD;
	frame->source = wire_source_find(frame->probe_source.data, frame->probe_source.len,
					 frame->content_version);
	if (frame->source == WIRE_NO_SOURCE) {
		r->item = source_at;
		return -WIRE_E_UNKNOWN_SOURCE;
	}
	frame->has = seen & ~five;
	needs = wire_needs(frame->content_version, frame->source);
	if ((frame->has & needs) != needs)
		return -WIRE_E_MISSING_FIELD;
	r->item = r->at;
	return r->is_strict && r->at != r->n ? -WIRE_E_TRAILING_BYTES : 0;
}

int wire_frame_size(const void *buf, size_t n)
{
	const uint8_t *p = buf;
	uint32_t len;

	if (n < WIRE_HEADER_BYTES)
		return -EAGAIN;
	len = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
	if (len > WIRE_PAYLOAD_MAX)
		return -WIRE_E_FRAME_TOO_LARGE;
	if (n - WIRE_HEADER_BYTES < len)
		return -EAGAIN;
	return (int)(WIRE_HEADER_BYTES + len);
}

int wire_stream_end(const void *buf, size_t n)
{
	int size = wire_frame_size(buf, n);

	if (!n)
		return 0;
	if (size != -EAGAIN)
		return size < 0 ? size : 0;
	return n < WIRE_HEADER_BYTES ? -WIRE_E_SHORT_HEADER : -WIRE_E_FRAME_TRUNCATED;
}

int wire_decode(const void *buf, size_t n, enum wire_mode mode, struct wire_frame *ret_frame,
		size_t *ret_offset)
{
	struct wire_frame frame;
	struct reader r = {.is_strict = mode == WIRE_STRICT};
	int size = wire_frame_size(buf, n);
	int e;

	if (size < 0) {
		if (ret_offset)
			*ret_offset = 0;
		return size;
	}
	r.p = (const uint8_t *)buf + WIRE_HEADER_BYTES;
	r.n = (size_t)size - WIRE_HEADER_BYTES;
	frame.is_escaped = true;
	e = read_map(&r, &frame);
	if (e) {
		if (ret_offset)
			*ret_offset = WIRE_HEADER_BYTES + r.item;
		return e;
	}
	*ret_frame = frame;
	return size;
}

int wire_list_next(const struct wire_list *list, struct wire_list_at *at,
		   struct wire_text *ret_text)
{
	struct reader r = {.p = list->raw, .n = list->raw_bytes, .at = at->offset};

	if (at->index == list->count)
		return 0;
	if (list->items) {
		*ret_text = list->items[at->index];
	} else {
		if (read_text(&r, ret_text) < 0)
			return 0; /* not from the decoder, which looked at each */
		at->offset = r.at;
	}
	at->index++;
	return 1;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t wire_unescape(struct wire_text text, void *buf)
{
	char *out = buf;
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		const char *p = text.data + i;

		if (text.len - i >= 4 && p[0] == '\\' && p[1] == 'x' && hex_digit(p[2]) >= 0 &&
		    hex_digit(p[3]) >= 0) {
			out[n++] = (char)(hex_digit(p[2]) << 4 | hex_digit(p[3]));
			i += 3;
		} else {
			out[n++] = *p;
		}
	}
	return n;
}
