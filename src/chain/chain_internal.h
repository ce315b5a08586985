/* SPDX-License-Identifier: Apache-2.0 */
/* What a chain line looks like, for those who write it and those who read it; hashes and keys. */
#ifndef TT_CHAIN_CHAIN_INTERNAL_H
#define TT_CHAIN_CHAIN_INTERNAL_H

#include "base/out.h"
#include "base/time.h"
#include "chain/chain.h"

enum {
	CHAIN_NAMES_MAX = 1024, /* head and ids together */
	CHAIN_KEY_BYTES = 32,
	CHAIN_SIGNATURE_BYTES = 64,
};

/* Text inside of a line, or of the chain's own memory. */
struct chain_text {
	const char *data;
	size_t len;
};

/* A chain line, all but its time. */
struct chain_fields {
	struct chain_text head, ids;
	uint64_t chain_seq;    /* of the line, from 0 */
	uint64_t records;      /* in its block */
	uint64_t first_record; /* records in the file before the block */
	uint8_t hash[CHAIN_HASH_BYTES];
	uint8_t previous[CHAIN_HASH_BYTES];
	uint32_t crcs[CHAIN_RECORDS_MAX]; /* of its records, of the first 256 if there are more */
	bool final;
	bool has_signature;
	uint8_t key[CHAIN_KEY_BYTES]; /* the public half */
	uint8_t signature[CHAIN_SIGNATURE_BYTES];
	size_t signed_len; /* the beginning of the line that the signature covers */
};

/* How many of the records have a checksum. */
static inline size_t chain_crc_count(uint64_t records)
{
	return records < CHAIN_RECORDS_MAX ? (size_t)records : CHAIN_RECORDS_MAX;
}

/*
 * chain_line_put - the line up to what a signature covers: neither key, signature, brace nor
 * newline
 * chain_line_end - the rest
 */
void chain_line_put(struct tt_out *o, const struct chain_fields *f, uint64_t now_ns);
void chain_line_end(struct tt_out *o, const struct chain_fields *f);

/* chain_put_hex - 64 digits */
void chain_put_hex(struct tt_out *o, const uint8_t hash[CHAIN_HASH_BYTES]);

/* Bytes that chain_line_is() has to see. */
#define CHAIN_LINE_PROBE \
	(sizeof("{\"ts\": \"\", \"event_type\": \"chain\", ") - 1 + TT_TIME_TEXT_LEN)

/* chain_line_is - whether a line begins as chain lines do */
bool chain_line_is(const char *line, size_t len);

/*
 * chain_line_parse - a whole line, without its newline, in exactly the form in which it is written
 * Returns 0 or -EBADMSG. Texts of *ret lie in @line.
 */
int chain_line_parse(const char *line, size_t len, struct chain_fields *ret) TT_MUST_CHECK;

/* chain_genesis - what stands as "previous" in the first line: made of the names in it */
void chain_genesis(struct chain_text head, struct chain_text ids, uint8_t ret[CHAIN_HASH_BYTES]);

/* chain_crc - CRC-32C (RFC 3720, appendix B.4), to go on with: begin with 0 */
uint32_t chain_crc(uint32_t crc, const void *data, size_t len);

/* chain_key_public - its public half */
const uint8_t *chain_key_public(const struct chain_key *k);

/* chain_key_sign - over the beginning of a chain line */
void chain_key_sign(const struct chain_key *k, const char *line, size_t len,
		    uint8_t ret[CHAIN_SIGNATURE_BYTES]);

/* chain_key_check - whether that signature is of that key and over that beginning of a line */
bool chain_key_check(const uint8_t key[CHAIN_KEY_BYTES], const char *line, size_t len,
		     const uint8_t signature[CHAIN_SIGNATURE_BYTES]);

#endif
