/* SPDX-License-Identifier: Apache-2.0 */
/* A spec, a list of sources, a line of --cells: the same bytes as each of them. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "receiver/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char any[] = "{\"telemetry\": {\"authorized\": [\"process.spawned\"]}}";
	const char *text = (const char *)data;
	struct receiver_request q;
	struct receiver_spec s;
	struct tt_err err;

	if (receiver_spec_parse(&s, text, size, NULL, 0, &err) == 0) {
		if (s.declared & ~s.authorized & ~receiver_own_sources())
			abort();
		receiver_spec_done(&s);
	}
	if (receiver_spec_parse(&s, any, sizeof(any) - 1, text, size, &err) == 0) {
		if (s.declared & ~s.authorized & ~receiver_own_sources())
			abort();
		receiver_spec_done(&s);
	}
	if (receiver_request_parse(&q, text, size, &err) == 0) {
		if (q.cell.cell_id && receiver_id_is_valid(q.cell.cell_id) &&
		    strchr(q.cell.cell_id, '/'))
			abort();
		receiver_request_done(&q);
	}
	return 0;
}
