/* SPDX-License-Identifier: Apache-2.0 */
/* Keys keep their names and their order; texts stay as they stand on the wire. */
#include "cli/wire_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Past this, many readers of JSON round: a string of digits stands for the number. */
#define EXACT_MAX (UINT64_C(1) << 53)

static json_t *text_json(struct wire_text text)
{
	return json_stringn(text.data, text.len);
}

static json_t *uint_json(uint64_t v)
{
	char digits[24];

	if (v <= EXACT_MAX)
		return json_integer((json_int_t)v);
	(void)snprintf(digits, sizeof(digits), "%" PRIu64, v); /* 20 digits at most */
	return json_string(digits);
}

static json_t *list_json(const struct wire_list *list)
{
	struct wire_list_at at = {0};
	struct wire_text text;
	json_t *array = json_array();

	while (array && wire_list_next(list, &at, &text)) {
		if (json_array_append_new(array, text_json(text)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

json_t *cli_wire_to_json(const struct wire_frame *frame)
{
	json_t *object = json_object();

	for (unsigned i = 0; object && i < WIRE_FIELD_COUNT; i++) {
		const struct wire_field_info *info = &wire_fields[i];
		const void *value = (const char *)frame + info->offset;
		json_t *item = NULL;

		if (i >= WIRE_FIELD_FIRST_OPTIONAL && !(frame->has & UINT64_C(1) << i))
			continue;
		switch (info->kind) {
		case WIRE_KIND_UINT:
			item = uint_json(*(const uint64_t *)value);
			break;
		case WIRE_KIND_TEXT:
			item = text_json(*(const struct wire_text *)value);
			break;
		case WIRE_KIND_LIST:
			item = list_json(value);
			break;
		}
		/* takes the item in any case, and refuses NULL */
		if (json_object_set_new(object, info->name, item) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

/* A number, or the digits of one. */
static int json_uint(const json_t *json, uint64_t *ret)
{
	const char *s = json_string_value(json);
	uint64_t v = 0;

	if (json_is_integer(json)) {
		if (json_integer_value(json) < 0)
			return -EINVAL;
		*ret = (uint64_t)json_integer_value(json);
		return 0;
	}
	if (!s || !*s || strlen(s) != json_string_length(json))
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -EINVAL;
	}
	*ret = v;
	return 0;
}

static int json_text(const json_t *json, struct wire_text *ret)
{
	if (!json_is_string(json))
		return -EINVAL;
	*ret = (struct wire_text){json_string_value(json), json_string_length(json)};
	return 0;
}

static int json_list(const json_t *json, struct cli_wire_frame *to, struct wire_list *ret)
{
	size_t count = json_array_size(json);

	if (!json_is_array(json))
		return -EINVAL;
	if (count > WIRE_PAYLOAD_MAX - to->item_count)
		return -EMSGSIZE;
	*ret = (struct wire_list){.count = count, .items = to->items + to->item_count};
	for (size_t i = 0; i < count; i++)
		if (json_text(json_array_get(json, i), &to->items[to->item_count++]) < 0)
			return -EINVAL;
	return 0;
}

static int json_value(const json_t *json, enum wire_field field, struct cli_wire_frame *to)
{
	void *value = (char *)&to->frame + wire_fields[field].offset;

	switch (wire_fields[field].kind) {
	case WIRE_KIND_UINT:
		return json_uint(json, value);
	case WIRE_KIND_TEXT:
		return json_text(json, value);
	case WIRE_KIND_LIST:
		break;
	}
	return json_list(json, to, value);
}

/* What wire_encode() has one number for, in words. */
static int check(const struct wire_frame *f, struct tt_err *err)
{
	uint64_t lacks = wire_needs(f->content_version, f->source) & ~f->has;

	if (f->content_version != 1 && f->content_version != 2)
		return tt_fail_text(err, EINVAL, "'content_version' is neither 1 nor 2");
	if (f->source == WIRE_NO_SOURCE)
		return tt_fail_text(err, EINVAL, "major version %d has no probe_source '%.*s'",
				    (int)f->content_version,
				    f->probe_source.len > 64 ? 64 : (int)f->probe_source.len,
				    f->probe_source.data);
	if (f->content_version == 1 && f->has)
		return tt_fail_text(err, EINVAL, "major version 1 has no key '%s'",
				    wire_fields[__builtin_ctzll(f->has)].name);
	if (lacks)
		return tt_fail_text(err, EINVAL, "'%s' needs a key '%s'",
				    wire_source_name(f->source),
				    wire_fields[__builtin_ctzll(lacks)].name);
	for (unsigned i = 0; i < WIRE_FIELD_COUNT; i++) {
		const struct wire_field_info *info = &wire_fields[i];

		if (i >= WIRE_FIELD_FIRST_OPTIONAL && !(f->has & UINT64_C(1) << i))
			continue;
		if (info->kind == WIRE_KIND_UINT &&
		    *(const uint64_t *)((const char *)f + info->offset) > info->max)
			return tt_fail_text(err, ERANGE, "'%s' is past %" PRIu64, info->name,
					    info->max);
	}
	return 0;
}

int cli_wire_from_json(const json_t *json, struct cli_wire_frame *ret, struct tt_err *err)
{
	struct wire_frame *f = &ret->frame;
	uint64_t seen = 0;
	const char *key;
	json_t *value;

	if (!json_is_object(json))
		return tt_fail_text(err, EINVAL, "not a JSON object");
	*f = (struct wire_frame){.is_escaped = true};
	ret->item_count = 0;
	/* The macro that jansson has for it casts const away. */
	for (void *it = json_object_iter((json_t *)json); it;
	     it = json_object_iter_next((json_t *)json, it)) {
		enum wire_field field;

		key = json_object_iter_key(it);
		value = json_object_iter_value(it);
		field = wire_field_find(key, strlen(key));
		if (field == WIRE_FIELD_COUNT)
			return tt_fail_text(err, EINVAL, "unknown key '%.64s'", key);
		if (json_value(value, field, ret) < 0)
			return tt_fail_text(err, EINVAL, "'%s' cannot have this value", key);
		seen |= UINT64_C(1) << field;
	}
	for (unsigned i = 0; i < WIRE_FIELD_FIRST_OPTIONAL; i++)
		if (!(seen & UINT64_C(1) << i))
			return tt_fail_text(err, EINVAL, "no key '%s'", wire_fields[i].name);
	f->has = seen & ~(WIRE_HAS(seq) - 1);
	f->source = wire_source_find(f->probe_source.data, f->probe_source.len, f->content_version);
	return check(f, err);
}
