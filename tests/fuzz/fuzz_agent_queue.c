/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as the memory that an agent left: whatever is in it, the queue that the next one makes of
 * it is whole. The input is the states' page, without what pads it, then the beginning of the ring.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "agent/queue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct agent_sink q;

/* All that is in the queue can be read, in order, and takes as much room as the queue says. */
static void read_all(void)
{
	uint8_t bytes[WIRE_FRAME_MAX];
	struct wire_frame frame;
	uint64_t last = 0;
	size_t n = 0;

	while (agent_queue_state(&q)->events) {
		struct iovec parts[2];
		int count = agent_queue_peek(&q, 0, parts), size;

		n = 0;
		for (int i = 0; i < count; i++) {
			size_t take = parts[i].iov_len;

			if (take > sizeof(bytes) - n)
				take = sizeof(bytes) - n;
			memcpy(bytes + n, parts[i].iov_base, take);
			n += take;
		}
		size = wire_decode(bytes, n, WIRE_STRICT, &frame, NULL);
		if (size <= 0 || frame.seq < last || frame.seq >= agent_queue_state(&q)->next_seq)
			abort();
		last = frame.seq;
		if (agent_queue_sent(&q, (size_t)size))
			abort();
	}
	if (agent_queue_state(&q)->head != agent_queue_state(&q)->tail)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t states = offsetof(struct agent_queue_memory, pad);
	static struct agent_queue_memory image;
	enum agent_queue_found found;
	static int fd = -1;
	size_t first = size < states ? size : states, more = size - first;

	if (fd < 0)
		fd = (int)syscall(SYS_memfd_create, "queue", 1u);
	if (more > sizeof(image.ring))
		more = sizeof(image.ring);
	memset(&image, 0, sizeof(image));
	memcpy(&image, data, first);
	memcpy(image.ring, data + first, more);
	if (fd < 0 || pwrite(fd, &image, sizeof(image), 0) != (ssize_t)sizeof(image))
		abort();
	if (agent_queue_open(&q, fd, 2, &found))
		abort();
	read_all();
	/* the counts that are left make records that can be sent */
	if (!agent_queue_settle(&q))
		abort();
	read_all();
	agent_queue_close(&q);
	/* what was made of it is a queue that the next one finds whole */
	if (agent_queue_open(&q, fd, 2, &found) || found != AGENT_QUEUE_KEPT)
		abort();
	agent_queue_close(&q);
	return 0;
}
