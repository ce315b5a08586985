/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a chain again: whether anything was altered, removed, put in, moved or cut, and how much
 * of that is proven (docs/chain.md). For files of any size and from anybody: memory is bounded.
 */
#ifndef TT_CHAIN_VERIFY_H
#define TT_CHAIN_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "chain/chain.h"
#include "util/err.h"

enum {
	CHAIN_PUBLIC_BYTES = 32,
	CHAIN_SAID_MAX = 200,
	CHAIN_IDS_MAX = 1026, /* of the names in a chain line, with braces */
};

/* chain_key_load_public - a public key in PEM, as "openssl pkey -in FILE -pubout" makes it */
int chain_key_load_public(uint8_t ret[CHAIN_PUBLIC_BYTES], const char *path,
			  struct tt_err *err) TT_MUST_CHECK;

enum chain_problem {
	CHAIN_SOUND,
	CHAIN_NONE,      /* there is no chain line */
	CHAIN_ALTERED,   /* a record or a chain line is not what it was */
	CHAIN_REMOVED,   /* records are missing, with or without their chain line */
	CHAIN_INSERTED,  /* there are more records than there were */
	CHAIN_MOVED,     /* the same records or chain lines in another order */
	CHAIN_LINE_GONE, /* a chain line is missing, its records are there */
	CHAIN_FOREIGN,   /* a chain line of another run */
	CHAIN_UNSIGNED,  /* a chain line without a signature where there should be one */
	CHAIN_WRONG_KEY, /* signed by another key */
	CHAIN_FORGED,    /* the signature does not fit the line */
	CHAIN_CUT,       /* the head that is known lies behind the end, or is not of this chain */
	CHAIN_OPEN,      /* nothing proves that this is the end */
};

/* What the caller knows from elsewhere. */
struct chain_known {
	bool has_key, has_head, has_records;
	uint8_t key[CHAIN_PUBLIC_BYTES];
	uint8_t head[CHAIN_HASH_BYTES];
	uint64_t records; /* that the head covers */
};

struct chain_verdict {
	enum chain_problem problem; /* the first one */
	uint64_t line;              /* where, from 1; 0: of the file as a whole */
	char said[CHAIN_SAID_MAX];  /* what it is, in words; numbers of records count from 0 */
	uint64_t records;           /* that were found right, each covered by a chain line */
	uint64_t chain_lines;
	uint64_t uncovered; /* lines behind the last chain line */
	uint64_t torn;      /* lines that their writer did not finish, as it was killed */
	uint64_t first_torn;
	uint64_t head_records; /* that the head covers which is known and was found */
	bool is_signed;        /* all chain lines, by one key */
	bool is_closed;        /* the last chain line says that nothing follows, and nothing does */
	bool head_found;       /* the head that is known is in the chain */
	bool end_proven;       /* by a closing line signed by the known key, or by the known head */
	uint8_t key[CHAIN_PUBLIC_BYTES]; /* that signed, whether or not it is known */
	uint8_t head[CHAIN_HASH_BYTES];  /* the newest hash */
	char ids[CHAIN_IDS_MAX + 1]; /* of what it is, as a JSON object; "" before a line fits */
};

/*
 * chain_verify - read @fd to its end, or to the first problem
 * Returns 0 with *ret filled, whatever was found, or -errno if the file could not be read.
 */
int chain_verify(int fd, const struct chain_known *known, struct chain_verdict *ret,
		 struct tt_err *err) TT_MUST_CHECK;

/* chain_problem_name - a word for programs: "altered" */
const char *chain_problem_name(enum chain_problem problem);

#endif
