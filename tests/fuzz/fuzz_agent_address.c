/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as the address that a workload hands to connect(2): a text of bounded length, or none. */
#include <stdlib.h>

#include "agent/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_frame f = {.content_version = 2, .source = WIRE_NET_CONNECT_ATTEMPTED};
	char buf[AGENT_ADDRESS_MAX];
	uint8_t encoded[WIRE_FRAME_MAX];

	if (!agent_address_put(&f, buf, data, size))
		return 0;
	f.has |= WIRE_HAS(seq);
	if (f.addr.data != buf || f.addr.len > sizeof(buf) ||
	    wire_encode(&f, encoded, sizeof(encoded)) <= 0)
		abort();
	return 0;
}
