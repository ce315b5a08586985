/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chain over a file of events: a line after at most 256 records that says how many there were,
 * a hash over them and over the line before, and a signature, so that altering, removing or cutting
 * shows (docs/chain.md). One chain is used by one thread at a time.
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
	CHAIN_HEAD_MAX = 512,  /* of a line for --chain-head, newline included */
};

struct chain;     /* the chain of one file; 1,000 of them must stay small: < 4 KiB each */
struct chain_key; /* Ed25519, the private half; shared by all chains of a process */

/* chain_key_load - a private key in PEM, as "openssl genpkey -algorithm ed25519" makes it */
int chain_key_load(struct chain_key **ret, const char *path, struct tt_err *err) TT_MUST_CHECK;
void chain_key_free(struct chain_key *k);
TT_DEFINE_FREEP(struct chain_key *, chain_key_free)

/*
 * chain_new - a chain that begins with a file, or goes on in one
 * @head: JSON text of the keys that stand first in each of its lines from "session_id" to
 * "component", as the events of this file have them: without braces, no comma at its end. Copied.
 * @ids: the same for the keys that stand behind "elapsed_us" and name the file: "run_id", "sensor",
 * "cell_id" and the like, one at least. Copied. Both are the same for all chain lines of a file;
 * together they have at most 1024 bytes, else -E2BIG.
 * @key: or NULL; must outlive the chain
 */
int chain_new(struct chain **ret, const char *head, const char *ids, const struct chain_key *key,
	      struct tt_err *err) TT_MUST_CHECK;
void chain_free(struct chain *c);
TT_DEFINE_FREEP(struct chain *, chain_free)

/*
 * chain_resume - go on behind what a file holds already Reads it from its last chain line on.
 * Records behind that become part of the next block, which is due at once. A line that was torn at
 * the end is told in *ret_torn (its offset; UINT64_MAX: none): the caller begins with a newline.
 * The chain may have been used: after a failed write this makes it fit again what the file really
 * holds. -EINVAL: the last chain line in it has another head, other ids or another key, or one of
 * the two has a key and the other has none. On failure the chain is to be freed, or resumed again.
 */
int chain_resume(struct chain *c, int fd, uint64_t *ret_torn, struct tt_err *err) TT_MUST_CHECK;

/*
 * chain_add - a record: a whole line as it goes to the file, newline included. @now_ms:
 * CLOCK_MONOTONIC
 */
void chain_add(struct chain *c, const void *line, size_t len, uint64_t now_ms);

/*
 * chain_due_ms - when the next line is to be written, CLOCK_MONOTONIC; UINT64_MAX: nothing is open;
 * 0: now, it is full
 */
uint64_t chain_due_ms(const struct chain *c);

/*
 * chain_line - close the block: the line that follows it, newline included
 * @final: nothing follows: cutting the file before it shows
 * @buf: CHAIN_LINE_MAX bytes. Returns the length, 0 if nothing is open and not @final.
 */
size_t chain_line(struct chain *c, bool final, char *buf);

/* chain_head - the newest hash and how many records it covers: for --chain-head */
void chain_head(const struct chain *c, uint8_t ret_hash[CHAIN_HASH_BYTES], uint64_t *ret_records);

/*
 * chain_head_line - the same as a line of JSON, newline included: {"cell_id", "chain_seq",
 * "records", "sha256"} Call it behind chain_line(). @buf: CHAIN_HEAD_MAX bytes. Returns the length;
 * 0: there is no chain line yet, or
 * @cell_id is too long for it (more than 50 bytes may be).
 */
size_t chain_head_line(const struct chain *c, const char *cell_id, char *buf);

#endif
