/* SPDX-License-Identifier: Apache-2.0 */
/* Frames there and back, byte for byte; escapes; every limit and one past it. */
#include <errno.h>
#include <stdlib.h>

#include "samples.h"
#include "tap.h"

/* As the agents that exist write them. */
static const char *const vectors[] = {
	"5c000000a56f636f6e74656e745f76657273696f6e016c70726f62655f736f757263656f70726f636573732e73"
	"7061776e65646967756573745f706964036a67756573745f636f6d6d6273687267756573745f6d6f6e6f746f6e"
	"69635f6e7300",
	"66000000a56f636f6e74656e745f76657273696f6e016c70726f62655f736f757263656e70726f636573732e65"
	"78697465646967756573745f70696419012c6a67756573745f636f6d6d67707974686f6e337267756573745f6d"
	"6f6e6f746f6e69635f6e731a3b9aca00",
	"6c000000a56f636f6e74656e745f76657273696f6e016c70726f62655f736f75726365756e65742e636f6e6e65"
	"63745f617474656d707465646967756573745f7069641affffffff6a67756573745f636f6d6d60726775657374"
	"5f6d6f6e6f746f6e69635f6e731bffffffffffffffff",
};

static uint8_t out[WIRE_FRAME_MAX];

static const char *hex_of(const uint8_t *p, int n)
{
	static char hex[2 * WIRE_FRAME_MAX + 1];

	hex[0] = '\0';
	for (int i = 0; i < n; i++)
		(void)snprintf(hex + (size_t)2 * (size_t)i, 3, "%02x", p[i]);
	return hex;
}

static void test_vectors(void)
{
	for (size_t i = 0; i < 3; i++)
		CHECK_STR(hex_of(out, wire_encode(&samples[i], out, sizeof(out))), vectors[i]);
}

static bool is_same(struct wire_text a, struct wire_text b)
{
	static char bytes[WIRE_FRAME_MAX];
	size_t n = wire_unescape(a, bytes);

	return n == b.len && (!n || memcmp(bytes, b.data, n) == 0);
}

static void check_list(const struct wire_list *got, const struct wire_list *want)
{
	struct wire_list_at at = {0};
	struct wire_text text;

	CHECK_INT(got->count, want->count);
	for (size_t i = 0; i < want->count; i++) {
		CHECK_INT(wire_list_next(got, &at, &text), 1);
		CHECK(is_same(text, want->items[i]));
	}
	CHECK_INT(wire_list_next(got, &at, &text), 0);
}

static void check_value(const struct wire_frame *got, const struct wire_frame *want,
			const struct wire_field_info *info)
{
	const void *a = (const char *)got + info->offset;
	const void *b = (const char *)want + info->offset;

	switch (info->kind) {
	case WIRE_KIND_UINT:
		CHECK(*(const uint64_t *)a == *(const uint64_t *)b);
		break;
	case WIRE_KIND_TEXT:
		CHECK(is_same(*(const struct wire_text *)a, *(const struct wire_text *)b));
		break;
	case WIRE_KIND_LIST:
		check_list(a, b);
		break;
	}
}

static void test_there_and_back(void)
{
	uint64_t keys = 0;
	unsigned sources[3] = {0};

	for (size_t i = 0; i < SAMPLE_COUNT; i++) {
		const struct wire_frame *f = &samples[i];
		int n = wire_encode(f, out, sizeof(out));
		uint8_t again[WIRE_FRAME_MAX];
		struct wire_frame got;

		CHECK(n > 0);
		CHECK_INT(wire_decode(out, (size_t)n, WIRE_STRICT, &got, NULL), n);
		CHECK_INT(got.source, f->source);
		CHECK(got.has == f->has);
		for (unsigned k = 0; k < WIRE_FIELD_COUNT; k++)
			if (k != WIRE_FIELD_probe_source &&
			    (k < WIRE_FIELD_FIRST_OPTIONAL || f->has & UINT64_C(1) << k))
				check_value(&got, f, &wire_fields[k]);
		CHECK_INT(wire_encode(&got, again, sizeof(again)), n);
		CHECK(memcmp(out, again, (size_t)n) == 0);
		keys |= f->has;
		sources[f->content_version] |= 1U << f->source;
	}
	CHECK(keys == (UINT64_C(1) << WIRE_FIELD_COUNT) - WIRE_HAS(seq));
	for (unsigned s = WIRE_NO_SOURCE + 1; s < WIRE_SOURCE_END; s++) {
		const char *name = wire_source_name((enum wire_source)s);

		CHECK(sources[2] & 1U << s);
		if (wire_source_find(name, strlen(name), 1))
			CHECK(sources[1] & 1U << s);
	}
}

/* From no room at all to enough: an error or the frame, and not a byte past the end. */
static void test_every_size(void)
{
	for (size_t i = 0; i < SAMPLE_COUNT; i++) {
		int n = wire_encode(&samples[i], out, sizeof(out));

		for (int cap = 0; cap <= n; cap++) {
			uint8_t *exact = malloc(cap ? (size_t)cap : 1);
			int got = wire_encode(&samples[i], exact, (size_t)cap);

			CHECK_INT(got, cap < n ? -ENOBUFS : n);
			if (cap == n)
				CHECK(memcmp(exact, out, (size_t)n) == 0);
			free(exact);
		}
	}
}

static void check_escape(const char *bytes, size_t n, const char *wire)
{
	struct wire_frame got, f = {.content_version = 1,
				    .source = WIRE_PROCESS_SPAWNED,
				    .guest_comm = {bytes, n}};
	int size = wire_encode(&f, out, sizeof(out));
	char text[64] = "";

	CHECK_INT(wire_decode(out, (size_t)size, WIRE_STRICT, &got, NULL), size);
	memcpy(text, got.guest_comm.data, got.guest_comm.len);
	CHECK_STR(text, wire);
	CHECK(is_same(got.guest_comm, f.guest_comm));
}

static void test_escape(void)
{
	check_escape("caf\xc3\xa9 \\ \\n", 10, "caf\xc3\xa9 \\ \\n");
	check_escape("\xff", 1, "\\xff");
	check_escape("a\xc3", 2, "a\\xc3");
	check_escape("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");
	check_escape("\\xff", 4, "\\x5cxff");
	check_escape("\\\xff", 2, "\\\\xff");
	check_escape("\\\\x", 3, "\\\\x5cx");
	check_escape("\\", 1, "\\");
}

/* What is no escape stays what it is, and so does the wire's text that is sent on. */
static void test_unescape(void)
{
	static const struct {
		const char *wire, *bytes;
	} rows[] = {
		{"\\x", "\\x"},     {"\\x4", "\\x4"}, {"\\xFF", "\\xFF"},
		{"\\x4g", "\\x4g"}, {"\\x41", "A"},   {"\\x5cx41", "\\x41"},
	};

	for (size_t i = 0; i < TT_ARRAY_SIZE(rows); i++) {
		struct wire_text wire = {rows[i].wire, strlen(rows[i].wire)};
		char bytes[16] = "";
		struct wire_frame got, f = {.content_version = 1,
					    .source = WIRE_PROCESS_SPAWNED,
					    .guest_comm = wire,
					    .is_escaped = true};
		int n = wire_encode(&f, out, sizeof(out));

		CHECK_INT(wire_unescape(wire, bytes), strlen(rows[i].bytes));
		CHECK_STR(bytes, rows[i].bytes);
		CHECK_INT(wire_decode(out, (size_t)n, WIRE_STRICT, &got, NULL), n);
		CHECK_INT(got.guest_comm.len, wire.len);
		CHECK(memcmp(got.guest_comm.data, wire.data, wire.len) == 0);
	}
}

/* The largest frame there is, and one byte more. */
static void test_largest(void)
{
	static char long_text[WIRE_PAYLOAD_MAX + 1];
	struct wire_frame got, f = {.content_version = 1, .source = WIRE_PROCESS_SPAWNED};
	int n = wire_encode(&f, out, sizeof(out));
	/* the head of a long text is two bytes longer than that of an empty one */
	size_t room = (size_t)(WIRE_FRAME_MAX - n - 2);

	memset(long_text, 'x', sizeof(long_text));
	f.guest_comm = (struct wire_text){long_text, room};
	CHECK_INT(wire_encode(&f, out, sizeof(out)), WIRE_FRAME_MAX);
	CHECK_INT(wire_decode(out, sizeof(out), WIRE_STRICT, &got, NULL), WIRE_FRAME_MAX);
	CHECK_INT(got.guest_comm.len, room);
	for (f.guest_comm.len++; f.guest_comm.len <= sizeof(long_text); f.guest_comm.len += 97) {
		uint8_t large[2 * WIRE_FRAME_MAX];

		CHECK_INT(wire_encode(&f, large, sizeof(large)), -EMSGSIZE);
	}
	/* Escapes count as they go out. */
	long_text[0] = '\xff';
	f.guest_comm.len = room - 3;
	CHECK_INT(wire_encode(&f, out, sizeof(out)), WIRE_FRAME_MAX);
	f.guest_comm.len++;
	CHECK_INT(wire_encode(&f, out, sizeof(out)), -EMSGSIZE);
}

/* Each number at its greatest, and one past it, in the encoder and on the wire. */
static void test_numbers(void)
{
	for (unsigned k = WIRE_FIELD_guest_pid; k < WIRE_FIELD_COUNT; k++) {
		const struct wire_field_info *info = &wire_fields[k];
		struct wire_frame got, f = {.content_version = 2,
					    .source = WIRE_PROCESS_SPAWNED,
					    .has = WIRE_HAS(seq)};
		uint64_t *value = (void *)((char *)&f + info->offset);
		int n;

		if (info->kind != WIRE_KIND_UINT)
			continue;
		if (k >= WIRE_FIELD_FIRST_OPTIONAL)
			f.has |= UINT64_C(1) << k;
		*value = info->max;
		n = wire_encode(&f, out, sizeof(out));
		CHECK(n > 0);
		CHECK_INT(wire_decode(out, (size_t)n, WIRE_STRICT, &got, NULL), n);
		if (info->max == UINT64_MAX)
			continue;
		*value = info->max + 1;
		CHECK_INT(wire_encode(&f, out, sizeof(out)), -ERANGE);
	}
}

static void test_refused(void)
{
	struct wire_frame f = samples[0];

	f.content_version = 0;
	CHECK_INT(wire_encode(&f, out, sizeof(out)), -EINVAL);
	f.content_version = 3;
	CHECK_INT(wire_encode(&f, out, sizeof(out)), -EINVAL);
	f.content_version = 1;
	f.has = WIRE_HAS(seq);
	CHECK_INT(wire_encode(&f, out, sizeof(out)), -EINVAL);
	f.has = 0;
	f.source = WIRE_AGENT_HELLO;
	CHECK_INT(wire_encode(&f, out, sizeof(out)), -EINVAL);
	f.source = WIRE_NO_SOURCE;
	CHECK_INT(wire_encode(&f, out, sizeof(out)), -EINVAL);
	f.source = WIRE_SOURCE_END;
	CHECK_INT(wire_encode(&f, out, sizeof(out)), -EINVAL);
	f = samples[0];
	f.content_version = 2; /* without seq */
	CHECK_INT(wire_encode(&f, out, sizeof(out)), -EINVAL);
	f.has = WIRE_HAS(seq) | UINT64_C(1) << 63;
	CHECK_INT(wire_encode(&f, out, sizeof(out)), -EINVAL);
	f = samples[0];
	f.is_escaped = true;
	f.guest_comm = (struct wire_text)TEXT("\xff");
	CHECK_INT(wire_encode(&f, out, sizeof(out)), -EILSEQ);
	/* Each key that a source needs, missing. */
	for (size_t i = 0; i < SAMPLE_COUNT; i++) {
		uint64_t needs = wire_needs(samples[i].content_version, samples[i].source);

		for (unsigned k = 0; k < WIRE_FIELD_COUNT; k++) {
			if (!(needs & UINT64_C(1) << k))
				continue;
			f = samples[i];
			f.has &= ~(UINT64_C(1) << k);
			CHECK_INT(wire_encode(&f, out, sizeof(out)), -EINVAL);
		}
	}
}

/* An escape that is cut where the text ends is none, whatever stands behind the text. */
static void test_cut_escape(void)
{
	static const char whole[] = "\\x41";

	for (size_t n = 0; n < 4; n++) {
		char bytes[8] = "";

		CHECK_INT(wire_unescape((struct wire_text){whole, n}, bytes), n);
		CHECK(memcmp(bytes, whole, n) == 0);
	}
}

int main(void)
{
	TAP_RUN(test_vectors);
	TAP_RUN(test_there_and_back);
	TAP_RUN(test_every_size);
	TAP_RUN(test_escape);
	TAP_RUN(test_unescape);
	TAP_RUN(test_cut_escape);
	TAP_RUN(test_largest);
	TAP_RUN(test_numbers);
	TAP_RUN(test_refused);
	return tap_done();
}
