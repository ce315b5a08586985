/* SPDX-License-Identifier: Apache-2.0 */
/* A frame of the guest wire as a JSON object and back, without loss. */
#ifndef TT_CLI_WIRE_JSON_H
#define TT_CLI_WIRE_JSON_H

#include <jansson.h>

#include "base/compiler.h"
#include "util/err.h"
#include "wire/frame.h"

/* A frame that borrows from the JSON it came from; its lists lie here: it is not to be copied. */
struct cli_wire_frame {
	struct wire_frame frame;
	struct wire_text items[WIRE_PAYLOAD_MAX];
	size_t item_count;
};

/* cli_wire_to_json - a new reference; NULL if there is no memory */
json_t *cli_wire_to_json(const struct wire_frame *frame) TT_MUST_CHECK;

/*
 * cli_wire_from_json - @json is kept by the caller as long as *@ret is used
 * Returns 0 or -errno with the text of what is wrong.
 */
int cli_wire_from_json(const json_t *json, struct cli_wire_frame *ret,
		       struct tt_err *err) TT_MUST_CHECK;

#endif
