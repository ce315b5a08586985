/* SPDX-License-Identifier: Apache-2.0 */
/* Each error of the decoder by a frame that has it and no other; beginnings; flipped bits. */
#include <errno.h>
#include <stdlib.h>

#include "samples.h"
#include "tap.h"

/* A frame put together by hand. */
static uint8_t buf[2 * WIRE_FRAME_MAX];
static size_t len;

static void begin(void)
{
	len = WIRE_HEADER_BYTES;
}

static void byte(unsigned b)
{
	buf[len++] = (uint8_t)b;
}

static void text(const char *s)
{
	size_t n = strlen(s);

	if (n < 24) {
		byte(0x60 | (unsigned)n);
	} else {
		byte(0x78);
		byte((unsigned)n);
	}
	memcpy(buf + len, s, n);
	len += n;
}

static void pair(const char *key, unsigned small)
{
	text(key);
	byte(small);
}

static void pair_text(const char *key, const char *value)
{
	text(key);
	text(value);
}

/* The first @n of the five keys, in a map that says it has @count. */
static void five(unsigned count, unsigned version, unsigned n)
{
	begin();
	byte(0xa0 | count);
	if (n > 0)
		pair("content_version", version);
	if (n > 1)
		pair_text("probe_source", "process.spawned");
	if (n > 2)
		pair("guest_pid", 3);
	if (n > 3)
		pair_text("guest_comm", "sh");
	if (n > 4)
		pair("guest_monotonic_ns", 0);
}

static uint64_t met; /* a bit for each error that was seen */

static int decode_as(enum wire_mode mode, size_t *ret_offset)
{
	/* As large as it is: a sanitizer sees a read past the end. */
	uint8_t *exact = malloc(len);
	struct wire_frame f;
	int r;

	for (unsigned i = 0; i < WIRE_HEADER_BYTES; i++)
		buf[i] = (uint8_t)((len - WIRE_HEADER_BYTES) >> 8 * i);
	memcpy(exact, buf, len);
	r = wire_decode(exact, len, mode, &f, ret_offset);
	free(exact);
	if (r <= -WIRE_E_FIRST)
		met |= UINT64_C(1) << (-r - WIRE_E_FIRST);
	return r;
}

/* Wrong in both modes, at that offset. */
static void wrong(enum wire_error error, size_t offset)
{
	size_t at = SIZE_MAX;

	CHECK_STR(wire_error_name(-decode_as(WIRE_STRICT, &at)), wire_error_name(error));
	CHECK_INT(at, offset);
	at = SIZE_MAX;
	CHECK_STR(wire_error_name(-decode_as(WIRE_LENIENT, &at)), wire_error_name(error));
	CHECK_INT(at, offset);
}

/* Wrong in strict mode alone. */
static void wrong_strictly(enum wire_error error, size_t offset)
{
	size_t at = SIZE_MAX;

	CHECK_STR(wire_error_name(-decode_as(WIRE_STRICT, &at)), wire_error_name(error));
	CHECK_INT(at, offset);
	CHECK_INT(decode_as(WIRE_LENIENT, NULL), len);
}

static void test_lengths(void)
{
	static const uint8_t largest[] = {0x00, 0x10, 0, 0}, past[] = {0x01, 0x10, 0, 0},
			     huge[] = {0xff, 0xff, 0xff, 0xff}, two[] = {2, 0, 0, 0, 0xa5};
	struct wire_frame f;

	CHECK_INT(wire_frame_size(largest, 4), -EAGAIN);
	CHECK_INT(wire_frame_size(past, 4), -WIRE_E_FRAME_TOO_LARGE);
	CHECK_INT(wire_frame_size(huge, 4), -WIRE_E_FRAME_TOO_LARGE);
	CHECK_INT(wire_decode(huge, 4, WIRE_LENIENT, &f, NULL), -WIRE_E_FRAME_TOO_LARGE);
	CHECK_INT(wire_stream_end(past, 4), -WIRE_E_FRAME_TOO_LARGE);
	CHECK_INT(wire_stream_end(NULL, 0), 0);
	CHECK_INT(wire_frame_size(NULL, 0), -EAGAIN);
	for (size_t n = 1; n < 4; n++) {
		CHECK_INT(wire_frame_size(past, n), -EAGAIN);
		CHECK_INT(wire_stream_end(past, n), -WIRE_E_SHORT_HEADER);
	}
	CHECK_INT(wire_stream_end(two, 4), -WIRE_E_FRAME_TRUNCATED);
	CHECK_INT(wire_stream_end(two, 5), -WIRE_E_FRAME_TRUNCATED);
	met |= UINT64_C(1) << (WIRE_E_FRAME_TOO_LARGE - WIRE_E_FIRST) |
	       UINT64_C(1) << (WIRE_E_SHORT_HEADER - WIRE_E_FIRST) |
	       UINT64_C(1) << (WIRE_E_FRAME_TRUNCATED - WIRE_E_FIRST);
}

static void test_types(void)
{
	static const unsigned majors[] = {1, 2, 6, 7};

	begin();
	wrong(WIRE_E_UNEXPECTED_END, 4); /* nothing */
	for (size_t i = 0; i < TT_ARRAY_SIZE(majors); i++) {
		begin();
		byte(majors[i] << 5);
		wrong(WIRE_E_MAJOR_TYPE, 4);
		five(5, 1, 4);
		text("guest_monotonic_ns");
		byte(majors[i] << 5);
		wrong(WIRE_E_MAJOR_TYPE, len - 1);
	}
	for (unsigned info = 28; info < 32; info++) {
		begin();
		byte(0xa0 | info);
		wrong(WIRE_E_ADDITIONAL_INFO, 4);
		five(5, 1, 3);
		text("guest_comm");
		byte(0x60 | info);
		wrong(WIRE_E_ADDITIONAL_INFO, len - 1);
	}
	five(5, 1, 2);
	pair_text("guest_pid", "3");
	wrong(WIRE_E_FIELD_TYPE, len - 2);
	five(5, 1, 3);
	pair("guest_comm", 3);
	wrong(WIRE_E_FIELD_TYPE, len - 1);
	five(5, 1, 1);
	pair("probe_source", 1);
	wrong(WIRE_E_FIELD_TYPE, len - 1);
	five(5, 1, 3);
	byte(0); /* a number as a key */
	wrong(WIRE_E_FIELD_TYPE, len - 1);
	five(7, 2, 5);
	pair("seq", 0);
	pair("argv", 0x61);
	byte('a');
	wrong(WIRE_E_FIELD_TYPE, len - 2);
	len -= 2;
	byte(0x81); /* a list of a number */
	byte(0);
	wrong(WIRE_E_FIELD_TYPE, len - 1);
}

static void test_map(void)
{
	for (unsigned count = 0; count < 8; count++) {
		five(count, 1, 5);
		if (count != 5)
			wrong(WIRE_E_NOT_MAP_OF_FIVE, 4);
		else
			CHECK_INT(decode_as(WIRE_STRICT, NULL), len);
	}
	five(5, 1, 5);
	buf[4] = 0x85; /* a list */
	wrong(WIRE_E_NOT_MAP_OF_FIVE, 4);
	five(4, 2, 4);
	wrong(WIRE_E_NOT_MAP_OF_FIVE, 4);
	begin();
	byte(0xa5);
	pair_text("probe_source", "process.spawned");
	pair("content_version", 1);
	wrong(WIRE_E_VERSION_NOT_FIRST, 5);
	begin();
	byte(0xa5);
	pair("content_versioN", 1);
	wrong(WIRE_E_VERSION_NOT_FIRST, 5);
	five(5, 0, 5);
	wrong(WIRE_E_UNSUPPORTED_VERSION, 21);
	five(5, 3, 5);
	wrong(WIRE_E_UNSUPPORTED_VERSION, 21);
	five(5, 1, 1);
	pair_text("probe_source", "process.spawneD");
	pair("guest_pid", 3);
	pair_text("guest_comm", "sh");
	pair("guest_monotonic_ns", 0);
	wrong(WIRE_E_UNKNOWN_SOURCE, 35);
	five(5, 1, 1);
	pair_text("probe_source", "agent.hello");
	pair("guest_pid", 3);
	pair_text("guest_comm", "sh");
	pair("guest_monotonic_ns", 0);
	wrong(WIRE_E_UNKNOWN_SOURCE, 35);
}

static void test_missing(void)
{
	five(5, 1, 4);
	pair("guest_pod", 3);
	wrong(WIRE_E_MISSING_FIELD, 4);
	five(5, 1, 4);
	pair("seq", 3); /* no key of major 1 */
	wrong(WIRE_E_MISSING_FIELD, 4);
	five(5, 2, 5);
	wrong(WIRE_E_MISSING_FIELD, 4); /* seq */
	/* Each key that a source needs. */
	for (size_t i = 0; i < SAMPLE_COUNT; i++) {
		struct wire_frame f = samples[i];
		uint64_t needs = wire_needs(f.content_version, f.source);

		for (unsigned k = 0; k < WIRE_FIELD_COUNT; k++) {
			int n = wire_encode(&f, buf, sizeof(buf));
			const char *name = wire_fields[k].name;
			uint8_t *at;

			if (!(needs & UINT64_C(1) << k))
				continue;
			at = memmem(buf + 60, (size_t)n - 60, name, strlen(name));
			CHECK(at);
			if (!at)
				continue;
			*at ^= 0x20; /* another key: what a lenient reader passes over */
			len = (size_t)n;
			CHECK_INT(decode_as(WIRE_LENIENT, NULL), -WIRE_E_MISSING_FIELD);
			CHECK_INT(decode_as(WIRE_STRICT, NULL), -WIRE_E_UNKNOWN_KEY);
		}
	}
}

static void test_values(void)
{
	five(5, 1, 2);
	pair("guest_pid", 0x1b);
	for (unsigned i = 0; i < 8; i++)
		byte(i == 3); /* 2^32 */
	wrong(WIRE_E_INTEGER_OVERFLOW, len - 9);
	for (unsigned k = WIRE_FIELD_FIRST_OPTIONAL; k < WIRE_FIELD_COUNT; k++) {
		uint64_t past = wire_fields[k].max + 1;

		if (wire_fields[k].kind != WIRE_KIND_UINT || !past)
			continue;
		five(7, 2, 5);
		pair("seq", 0);
		pair(wire_fields[k].name, 0x1b);
		for (unsigned i = 0; i < 8; i++)
			byte((unsigned)(past >> (56 - 8 * i)) & 255);
		CHECK_INT(decode_as(WIRE_LENIENT, NULL), -WIRE_E_INTEGER_OVERFLOW);
	}
	five(5, 1, 3);
	pair_text("guest_comm", "a\xc3");
	pair("guest_monotonic_ns", 0);
	wrong(WIRE_E_INVALID_UTF8, len - 23);
	five(5, 1, 4);
	pair("guest_monotonic\xffns", 0);
	wrong(WIRE_E_INVALID_UTF8, len - 20);
	/* Lengths that no frame could have. */
	five(5, 1, 3);
	pair("guest_comm", 0x7b);
	for (unsigned i = 0; i < 8; i++)
		byte(0xff);
	wrong(WIRE_E_UNEXPECTED_END, len - 9);
	five(7, 2, 5);
	pair("seq", 0);
	pair("argv", 0x9b);
	for (unsigned i = 0; i < 8; i++)
		byte(0xff);
	wrong(WIRE_E_UNEXPECTED_END, len - 9);
	five(7, 2, 5);
	pair("seq", 0);
	pair("other", 0xbb);
	for (unsigned i = 0; i < 8; i++)
		byte(0xff);
	CHECK_INT(decode_as(WIRE_LENIENT, NULL), -WIRE_E_UNEXPECTED_END);
	buf[len - 8] = 0x80; /* 2^63 pairs: twice as many items are none, to 64 bits */
	memset(buf + len - 7, 0, 7);
	CHECK_INT(decode_as(WIRE_LENIENT, NULL), -WIRE_E_UNEXPECTED_END);
	begin();
	byte(0xbb); /* a map of 2^64-1 pairs of major 2, of which there is one */
	for (unsigned i = 0; i < 8; i++)
		byte(0xff);
	pair("content_version", 2);
	wrong(WIRE_E_UNEXPECTED_END, len);
}

static void test_strict_numbers(void)
{
	static const unsigned zeros[] = {1, 2, 4, 8};

	for (unsigned i = 0; i < 4; i++) {
		five(5, 1, 2);
		pair("guest_pid", 24 + i);
		for (unsigned k = 1; k < zeros[i]; k++)
			byte(0);
		byte(23);
		pair_text("guest_comm", "sh");
		pair("guest_monotonic_ns", 0);
		wrong_strictly(WIRE_E_NOT_SHORTEST, len - 35 - zeros[i]);
	}
	/* One less than each size begins with, in that size; and what it begins with. */
	for (unsigned i = 1; i < 4; i++) {
		for (unsigned first = 0; first < 2; first++) {
			five(5, 1, 4);
			pair("guest_monotonic_ns", 24 + i);
			for (unsigned k = 0; k < zeros[i]; k++)
				byte(k < zeros[i] / 2 ? first && k == zeros[i] / 2 - 1
				     : first          ? 0
						      : 0xff);
			if (first)
				CHECK_INT(decode_as(WIRE_STRICT, NULL), len);
			else
				wrong_strictly(WIRE_E_NOT_SHORTEST, len - 1 - zeros[i]);
		}
	}
	five(5, 1, 4);
	pair("guest_monotonic_ns", 24);
	byte(24);
	CHECK_INT(decode_as(WIRE_STRICT, NULL), len);
}

static void test_strict(void)
{
	five(5, 1, 2);
	pair_text("guest_comm", "sh");
	pair("guest_pid", 3);
	pair("guest_monotonic_ns", 0);
	wrong_strictly(WIRE_E_KEY_ORDER, len - 31);
	five(8, 2, 5);
	pair("seq", 1);
	pair("uid", 0);
	pair("ppid", 0);
	wrong_strictly(WIRE_E_KEY_ORDER, len - 6);
	five(7, 2, 5);
	pair("seq", 1);
	pair("seq", 2);
	wrong_strictly(WIRE_E_DUPLICATE_KEY, len - 5);
	five(7, 2, 5);
	pair("sequence", 0xa1); /* an unknown key: lists and maps are passed over */
	byte(0x82);
	byte(1);
	byte(0x80);
	text("a");
	pair("seq", 1);
	wrong_strictly(WIRE_E_UNKNOWN_KEY, len - 20);
	five(5, 1, 5);
	byte(0);
	wrong_strictly(WIRE_E_TRAILING_BYTES, len - 1);
}

/* Of a key that stands twice the first counts. */
static void test_first_counts(void)
{
	struct wire_frame f;

	five(7, 2, 5);
	pair("seq", 1);
	pair("seq", 2);
	CHECK_INT(decode_as(WIRE_LENIENT, NULL), len);
	CHECK_INT(wire_decode(buf, len, WIRE_LENIENT, &f, NULL), len);
	CHECK_INT(f.seq, 1);
}

/* Every beginning of a frame: more is to come. As a frame of that length: an error. */
static void test_beginnings(void)
{
	for (size_t i = 0; i < SAMPLE_COUNT; i++) {
		uint8_t whole[WIRE_FRAME_MAX];
		int n = wire_encode(&samples[i], whole, sizeof(whole));

		for (size_t k = 0; k < (size_t)n; k++) {
			uint8_t *exact = malloc(k ? k : 1);
			struct wire_frame f;

			memcpy(exact, whole, k);
			CHECK_INT(wire_decode(exact, k, WIRE_STRICT, &f, NULL), -EAGAIN);
			CHECK_INT(wire_stream_end(exact, k), !k      ? 0
							     : k < 4 ? -WIRE_E_SHORT_HEADER
								     : -WIRE_E_FRAME_TRUNCATED);
			free(exact);
			if (k < WIRE_HEADER_BYTES)
				continue;
			memcpy(buf, whole, k);
			len = k;
			CHECK_INT(decode_as(WIRE_STRICT, NULL), -WIRE_E_UNEXPECTED_END);
			CHECK_INT(decode_as(WIRE_LENIENT, NULL), -WIRE_E_UNEXPECTED_END);
		}
	}
}

/*
 * Every bit flipped: refused, or another frame that is encoded to exactly these bytes; in lenient
 * mode to what strict mode takes.
 */
static void test_flips(void)
{
	for (size_t i = 0; i < SAMPLE_COUNT; i++) {
		uint8_t whole[WIRE_FRAME_MAX], again[WIRE_FRAME_MAX];
		int n = wire_encode(&samples[i], whole, sizeof(whole));

		for (int bit = 0; bit < 8 * n; bit++) {
			uint8_t *exact = malloc((size_t)n);
			struct wire_frame f;
			int r;

			memcpy(exact, whole, (size_t)n);
			exact[bit / 8] ^= (uint8_t)(1 << bit % 8);
			r = wire_decode(exact, (size_t)n, WIRE_STRICT, &f, NULL);
			if (r > 0) {
				CHECK_INT(r, n);
				CHECK_INT(wire_encode(&f, again, sizeof(again)), n);
				CHECK(memcmp(again, exact, (size_t)n) == 0);
			} else {
				CHECK(r == -EAGAIN || wire_error_name(-r));
			}
			r = wire_decode(exact, (size_t)n, WIRE_LENIENT, &f, NULL);
			CHECK(r > 0 || r == -EAGAIN || wire_error_name(-r));
			if (r > 0) {
				r = wire_encode(&f, again, sizeof(again));
				CHECK(r > 0 &&
				      wire_decode(again, (size_t)r, WIRE_STRICT, &f, NULL) == r);
			}
			free(exact);
		}
	}
}

static void test_all_were_met(void)
{
	for (int e = WIRE_E_FIRST + 1; e < WIRE_E_END; e++) {
		CHECK(wire_error_words(e));
		if (!(met & UINT64_C(1) << (e - WIRE_E_FIRST)))
			TAP_FAIL_AT("no case for %s", wire_error_name(e));
	}
	CHECK(!wire_error_name(0) && !wire_error_name(WIRE_E_FIRST) &&
	      !wire_error_name(WIRE_E_END));
	CHECK(!wire_error_words(EAGAIN));
}

int main(void)
{
	TAP_RUN(test_lengths);
	TAP_RUN(test_types);
	TAP_RUN(test_map);
	TAP_RUN(test_missing);
	TAP_RUN(test_values);
	TAP_RUN(test_strict_numbers);
	TAP_RUN(test_strict);
	TAP_RUN(test_first_counts);
	TAP_RUN(test_beginnings);
	TAP_RUN(test_flips);
	TAP_RUN(test_all_were_met);
	return tap_done();
}
