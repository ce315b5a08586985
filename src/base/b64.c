/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 encoding (RFC 4648 section 4). */
#include "base/out.h"

static void put_quad(struct tt_out *o, const uint8_t in[3], unsigned count)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
	char quad[4];

	quad[0] = digit[v >> 18];
	quad[1] = digit[v >> 12 & 63];
	quad[2] = count > 1 ? digit[v >> 6 & 63] : '=';
	quad[3] = count > 2 ? digit[v & 63] : '=';
	tt_out_mem(o, quad, 4);
}

void tt_b64_put(struct tt_b64 *b, struct tt_out *o, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++) {
		b->held[b->count++] = p[i];
		if (b->count == 3) {
			put_quad(o, b->held, 3);
			b->count = 0;
		}
	}
}

void tt_b64_end(struct tt_b64 *b, struct tt_out *o)
{
	if (!b->count)
		return;
	for (unsigned i = b->count; i < 3; i++)
		b->held[i] = 0;
	put_quad(o, b->held, b->count);
	b->count = 0;
}
