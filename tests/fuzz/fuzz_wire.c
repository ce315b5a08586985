/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a stream of frames, whole and cut short. What strict mode takes is encoded back byte
 * for byte; what lenient mode takes is encoded to something strict mode takes. The same bytes as a
 * process's name come back through the escape.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void want(int truth)
{
	if (!truth)
		abort();
}

static void check_error(int r, size_t offset, size_t n)
{
	want(r == -EAGAIN || wire_error_name(-r));
	want(offset <= n);
}

static void check_frame(const uint8_t *data, int size, const struct wire_frame *f,
			enum wire_mode mode)
{
	uint8_t out[WIRE_FRAME_MAX];
	struct wire_frame again;
	int n = wire_encode(f, out, sizeof(out));

	want(n > 0 && n <= size);
	if (mode == WIRE_STRICT)
		want(n == size && memcmp(out, data, (size_t)n) == 0);
	want(wire_decode(out, (size_t)n, WIRE_STRICT, &again, NULL) == n);
	want(again.source == f->source && again.has == f->has);
	/* No beginning of a frame is one. */
	want(wire_decode(data, (size_t)size - 1, mode, &again, NULL) == -EAGAIN);
}

static void check_escape(const uint8_t *data, size_t size)
{
	uint8_t out[WIRE_FRAME_MAX];
	char bytes[WIRE_PAYLOAD_MAX];
	struct wire_frame again, f = {
					 .content_version = 1,
					 .source = WIRE_PROCESS_SPAWNED,
					 .guest_comm = {(const char *)data, size},
				 };
	int n = wire_encode(&f, out, sizeof(out));

	if (n == -EMSGSIZE)
		return;
	want(n > 0);
	want(wire_decode(out, (size_t)n, WIRE_STRICT, &again, NULL) == n);
	want(wire_unescape(again.guest_comm, bytes) == size);
	want(!size || memcmp(bytes, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int mode = WIRE_STRICT; mode <= WIRE_LENIENT; mode++) {
		size_t at = 0;

		while (at < size) {
			struct wire_frame f;
			size_t offset = 0;
			int n = wire_frame_size(data + at, size - at);
			int r = wire_decode(data + at, size - at, (enum wire_mode)mode, &f,
					    &offset);

			if (r < 0)
				check_error(r, offset, size - at);
			else
				check_frame(data + at, r, &f, (enum wire_mode)mode);
			if (n < 0)
				break;
			want(r < 0 || r == n);
			at += (size_t)n;
		}
		want(at <= size);
		if (wire_stream_end(data + at, size - at) != 0)
			want(at < size);
	}
	check_escape(data, size);
	return 0;
}
