/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chain line, written and read. It is read in exactly the form in which it is written, so that
 * what is read is all that is in it: {"ts", "event_type", HEAD, "syscall" .. "elapsed_us", IDS, the
 * keys of the chain}.
 */
#include <errno.h>
#include <nettle/base64.h>
#include <nettle/sha2.h>
#include <string.h>

#include "chain/chain_internal.h"

#define BEGIN    "{\"ts\": \""
#define TYPE     "\", \"event_type\": \"chain\", "
#define NO_CALL  ", \"syscall\": \"\", \"args\": [], \"result\": null, \"elapsed_us\": 0, "
#define SEQ      ", \"chain_seq\": "
#define RECORDS  ", \"records\": "
#define FIRST    ", \"first_record\": "
#define HASH     ", \"sha256\": \""
#define PREVIOUS "\", \"previous\": \""
#define CRCS     "\", \"crcs\": \""
#define FINAL    ", \"final\": true"
#define KEY      ", \"key\": \""
#define SIGN     "\", \"signature\": \""
#define LEN(s)   (sizeof(s) - 1)

_Static_assert(CHAIN_LINE_PROBE == LEN(BEGIN) + TT_TIME_TEXT_LEN + LEN(TYPE),
	       "how a chain line begins");

void chain_put_hex(struct tt_out *o, const uint8_t hash[CHAIN_HASH_BYTES])
{
	char text[2 * CHAIN_HASH_BYTES];

	for (size_t i = 0; i < CHAIN_HASH_BYTES; i++) {
		text[2 * i] = "0123456789abcdef"[hash[i] >> 4];
		text[2 * i + 1] = "0123456789abcdef"[hash[i] & 15];
	}
	tt_out_mem(o, text, sizeof(text));
}

static void put_b64(struct tt_out *o, const void *bytes, size_t n)
{
	struct tt_b64 b64 = {0};

	tt_b64_put(&b64, o, bytes, n);
	tt_b64_end(&b64, o);
}

static void put_crcs(struct tt_out *o, const struct chain_fields *f)
{
	struct tt_b64 b64 = {0};

	for (size_t i = 0; i < chain_crc_count(f->records); i++) {
		uint32_t v = f->crcs[i];
		uint8_t bytes[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
				    (uint8_t)v};

		tt_b64_put(&b64, o, bytes, sizeof(bytes));
	}
	tt_b64_end(&b64, o);
}

static void put_number(struct tt_out *o, const char *key, uint64_t v)
{
	tt_out_str(o, key);
	tt_out_u64(o, v);
}

void chain_line_put(struct tt_out *o, const struct chain_fields *f, uint64_t now_ns)
{
	char ts[TT_TIME_TEXT_LEN + 1];

	tt_time_text(ts, now_ns);
	tt_out_str(o, BEGIN);
	tt_out_str(o, ts);
	tt_out_str(o, TYPE);
	tt_out_mem(o, f->head.data, f->head.len);
	tt_out_str(o, NO_CALL);
	tt_out_mem(o, f->ids.data, f->ids.len);
	put_number(o, SEQ, f->chain_seq);
	put_number(o, RECORDS, f->records);
	put_number(o, FIRST, f->first_record);
	tt_out_str(o, HASH);
	chain_put_hex(o, f->hash);
	tt_out_str(o, PREVIOUS);
	chain_put_hex(o, f->previous);
	tt_out_str(o, CRCS);
	put_crcs(o, f);
	tt_out_char(o, '"');
	if (f->final)
		tt_out_str(o, FINAL);
}

void chain_line_end(struct tt_out *o, const struct chain_fields *f)
{
	if (f->has_signature) {
		tt_out_str(o, KEY);
		put_b64(o, f->key, sizeof(f->key));
		tt_out_str(o, SIGN);
		put_b64(o, f->signature, sizeof(f->signature));
		tt_out_char(o, '"');
	}
	tt_out_str(o, "}\n");
}

bool chain_line_is(const char *line, size_t len)
{
	return len >= CHAIN_LINE_PROBE && memcmp(line, BEGIN, LEN(BEGIN)) == 0 &&
	       memcmp(line + LEN(BEGIN) + TT_TIME_TEXT_LEN, TYPE, LEN(TYPE)) == 0;
}

/* What is left to read; the first error stays. */
struct reader {
	const char *p, *end;
	bool bad;
};

static bool take(struct reader *r, const char *literal)
{
	size_t n = strlen(literal);

	if (r->bad || (size_t)(r->end - r->p) < n || memcmp(r->p, literal, n) != 0)
		return false;
	r->p += n;
	return true;
}

static void must(struct reader *r, const char *literal)
{
	if (!take(r, literal))
		r->bad = true;
}

/*
 * Up to the literal, which is taken, too. No text of JSON has a bare quote inside, so the first one
 * is the right one.
 */
static struct chain_text text_until(struct reader *r, const char *literal)
{
	struct chain_text t = {r->p, 0};
	const char *at =
		r->bad ? NULL : memmem(r->p, (size_t)(r->end - r->p), literal, strlen(literal));

	if (!at) {
		r->bad = true;
		return t;
	}
	t.len = (size_t)(at - r->p);
	r->p = at + strlen(literal);
	return t;
}

/*
 * Decimal as it is written: no sign, no leading zero, below 2^53 so that every reader of JSON can
 * have it.
 */
static uint64_t number(struct reader *r, const char *key)
{
	const char *from;
	uint64_t v = 0;

	must(r, key);
	from = r->p;
	while (!r->bad && r->p < r->end && *r->p >= '0' && *r->p <= '9') {
		v = v * 10 + (uint64_t)(*r->p++ - '0');
		if (v > UINT64_C(1) << 53)
			r->bad = true;
	}
	if (r->p == from || (*from == '0' && r->p - from > 1))
		r->bad = true;
	return v;
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void hash_value(struct reader *r, const char *key, uint8_t ret[CHAIN_HASH_BYTES])
{
	must(r, key);
	if (r->bad || (size_t)(r->end - r->p) < 2 * (size_t)CHAIN_HASH_BYTES) {
		r->bad = true;
		return;
	}
	for (size_t i = 0; i < CHAIN_HASH_BYTES; i++, r->p += 2) {
		int high = nibble(r->p[0]), low = nibble(r->p[1]);

		if (high < 0 || low < 0) {
			r->bad = true;
			return;
		}
		ret[i] = (uint8_t)(high << 4 | low);
	}
}

/* Exactly @n bytes, in the one way to write them: encoded again they must be the same text. */
static void b64_value(struct reader *r, const char *key, uint8_t *ret, size_t n)
{
	size_t len = (n + 2) / 3 * 4, got = n + 3;
	struct base64_decode_ctx b64;
	char again[CHAIN_RECORDS_MAX * 6];
	uint8_t bytes[CHAIN_RECORDS_MAX * 4 + 3];
	struct tt_out o;

	must(r, key);
	if (r->bad || (size_t)(r->end - r->p) < len) {
		r->bad = true;
		return;
	}
	base64_decode_init(&b64);
	if (!base64_decode_update(&b64, &got, bytes, len, r->p) || !base64_decode_final(&b64) ||
	    got != n) {
		r->bad = true;
		return;
	}
	tt_out_init(&o, again, sizeof(again));
	put_b64(&o, bytes, n);
	if (o.len != len || memcmp(again, r->p, len) != 0) {
		r->bad = true;
		return;
	}
	memcpy(ret, bytes, n);
	r->p += len;
}

static void crcs_value(struct reader *r, struct chain_fields *f)
{
	size_t n = chain_crc_count(f->records);
	uint8_t bytes[CHAIN_RECORDS_MAX * 4];

	b64_value(r, CRCS, bytes, n * 4);
	must(r, "\"");
	for (size_t i = 0; i < n && !r->bad; i++)
		f->crcs[i] = (uint32_t)bytes[4 * i] << 24 | (uint32_t)bytes[4 * i + 1] << 16 |
			     (uint32_t)bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
}

int chain_line_parse(const char *line, size_t len, struct chain_fields *ret)
{
	struct reader r = {line, line + len, false};

	if (len >= CHAIN_LINE_MAX || !chain_line_is(line, len))
		return -EBADMSG;
	r.p += CHAIN_LINE_PROBE;
	ret->head = text_until(&r, NO_CALL);
	ret->ids = text_until(&r, SEQ);
	if (ret->head.len + ret->ids.len > CHAIN_NAMES_MAX)
		return -EBADMSG;
	ret->chain_seq = number(&r, "");
	ret->records = number(&r, RECORDS);
	ret->first_record = number(&r, FIRST);
	hash_value(&r, HASH, ret->hash);
	hash_value(&r, PREVIOUS, ret->previous);
	crcs_value(&r, ret);
	ret->final = take(&r, FINAL);
	ret->signed_len = (size_t)(r.p - line);
	ret->has_signature = !r.bad && r.p < r.end && *r.p == ',';
	if (ret->has_signature) {
		b64_value(&r, KEY, ret->key, sizeof(ret->key));
		b64_value(&r, SIGN, ret->signature, sizeof(ret->signature));
		must(&r, "\"");
	}
	must(&r, "}");
	return r.bad || r.p != r.end ? -EBADMSG : 0;
}

void chain_genesis(struct chain_text head, struct chain_text ids, uint8_t ret[CHAIN_HASH_BYTES])
{
	static const char domain[] = "telltale.chain/1\n";
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, LEN(domain), (const uint8_t *)domain);
	sha256_update(&sha, head.len, (const uint8_t *)head.data);
	sha256_update(&sha, 1, (const uint8_t *)"\n");
	sha256_update(&sha, ids.len, (const uint8_t *)ids.data);
	sha256_digest(&sha, CHAIN_HASH_BYTES, ret);
}
