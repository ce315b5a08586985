/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cell may send, from its spec; and lines that describe cells. Both are JSON of somebody
 * else.
 */
#ifndef TT_RECEIVER_SPEC_H
#define TT_RECEIVER_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "receiver/receiver.h"
#include "util/err.h"

#define RECEIVER_SPEC_MAX (1u << 20) /* bytes of a spec */
#define RECEIVER_ARGV_MAX 32768      /* of its "argv", as JSON */

/* Sources are bits: 1 << enum wire_source. */
struct receiver_spec {
	char hash[2 * 32 + 1];         /* SHA-256 of its exact bytes */
	uint32_t authorized, declared; /* declared is part of authorized */
	char *argv;                    /* JSON text of its "argv", redacted; NULL: it has none */
};

/*
 * receiver_spec_parse - a spec, and a list that takes the place of its "declared"; NULL: none
 * -EINVAL, and @err says where, for what is no spec, for an unknown source and for one declared but
 * not authorized; -E2BIG for an "argv" that has no room in a line.
 */
int receiver_spec_parse(struct receiver_spec *ret, const char *text, size_t len,
			const char *declared, size_t declared_len,
			struct tt_err *err) TT_MUST_CHECK;
void receiver_spec_done(struct receiver_spec *s);

/* receiver_spec_read - the same of files */
int receiver_spec_read(struct receiver_spec *ret, const char *path, const char *declared_path,
		       struct tt_err *err) TT_MUST_CHECK;

/* receiver_own_sources - of the agent itself: they need no declaration */
uint32_t receiver_own_sources(void);

struct receiver_request {
	struct receiver_cell_spec cell;
	const char *remove; /* the cell that goes; NULL: @cell comes */
	void *json;         /* what the texts above lie in */
};

/* receiver_request_parse - a line of --cells. -EINVAL, and @err says why. */
int receiver_request_parse(struct receiver_request *ret, const char *line, size_t len,
			   struct tt_err *err) TT_MUST_CHECK;
void receiver_request_done(struct receiver_request *q);

/* receiver_id_is_valid - whether it can be a cell's id: a part of paths, URIs and lines */
bool receiver_id_is_valid(const char *id);

#endif
