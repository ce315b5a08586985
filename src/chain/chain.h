/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chain over a file of events: a line after at most 256 records that says how many there were, a hash
 * over them and over the line before, and a signature, so that altering, removing or cutting shows
 * (docs/chain.md). One chain is used by one thread at a time.
 */
#ifndef TT_CHAIN_CHAIN_H
#define TT_CHAIN_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "util/err.h"

enum {
	CHAIN_HASH_BYTES = 32, /* SHA-256 */
	CHAIN_RECORDS_MAX = 256,
	CHAIN_WAIT_MS = 100,
	CHAIN_LINE_MAX = 4096, /* of a chain line, newline included */
};

struct chain;     /* the chain of one file; 1,000 of them must stay small: < 4 KiB each */
struct chain_key; /* Ed25519, the private half; shared by all chains of a process */

/* chain_key_load - a private key in PEM, as "openssl genpkey -algorithm ed25519" makes it */
int chain_key_load(struct chain_key **ret, const char *path, struct tt_err *err) TT_MUST_CHECK;
void chain_key_free(struct chain_key *k);
TT_DEFINE_FREEP(struct chain_key *, chain_key_free)

/*
 * chain_new - a chain that begins with a file, or goes on in one
 * @head: JSON text of the keys that stand first in each of its lines from "session_id" to "component", as the events of
 * this file have them: without braces, no comma at its end. Copied.
 * @key: or NULL; must outlive the chain
 */
int chain_new(struct chain **ret, const char *head, const struct chain_key *key,
	      struct tt_err *err) TT_MUST_CHECK;
void chain_free(struct chain *c);
TT_DEFINE_FREEP(struct chain *, chain_free)

/*
 * chain_resume - go on behind what a file holds already
 * Reads it from its last chain line on. Records behind that become part of the next block. A line that was torn
 * at the end is told in *ret_torn (its offset; UINT64_MAX: none): the caller begins with a newline.
 */
int chain_resume(struct chain *c, int fd, uint64_t *ret_torn, struct tt_err *err) TT_MUST_CHECK;

/* chain_add - a record: a whole line as it goes to the file, newline included */
void chain_add(struct chain *c, const void *line, size_t len, uint64_t now_ms);

/* chain_due_ms - when the next line is to be written, CLOCK_MONOTONIC; UINT64_MAX: nothing is open; 0: now, it is full */
uint64_t chain_due_ms(const struct chain *c);

/*
 * chain_line - close the block: the line that follows it, newline included
 * @final: nothing follows: cutting the file before it shows
 * @buf: CHAIN_LINE_MAX bytes. Returns the length, 0 if nothing is open and not @final.
 */
size_t chain_line(struct chain *c, bool final, char *buf);

/* chain_head - the newest hash and how many records it covers: for --chain-head */
void chain_head(const struct chain *c, uint8_t ret_hash[CHAIN_HASH_BYTES], uint64_t *ret_records);

#endif
