/* SPDX-License-Identifier: Apache-2.0 */
/* What the producer refuses: files that are no ring, lanes that were scribbled on. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring/consumer.h"
#include "ring/put.h"
#include "tap.h"

static void no_ring(void)
{
	struct ring_producer p = {.header = NULL};
	uint32_t bad_version = RING_VERSION + 1, bad_size = RING_LANE_BYTES / 2;
	struct ring_consumer *c = NULL;
	int fd = memfd_create("t", MFD_CLOEXEC);

	CHECK_INT(ring_producer_attach(&p, -1), -EBADF);
	CHECK_INT(ring_producer_attach(&p, fd), -EPROTO); /* empty: a look at it would be SIGBUS */
	CHECK_INT(ftruncate(fd, (off_t)ring_total_size(RING_SLOTS, RING_LANES, RING_LANE_BYTES)),
		  0);
	CHECK_INT(ring_producer_attach(&p, fd), -EPROTO); /* all zero */
	close(fd);
	CHECK_INT(ring_consumer_new(&(struct ring_options){0}, &c), 0);
	fd = ring_consumer_fd(c);
	CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
	/* nobody can pull the file out from under the recorder */
	CHECK(ftruncate(fd, 0) < 0 && errno == EPERM);
	CHECK(ftruncate(fd, 1ll << 40) < 0 && errno == EPERM);
	CHECK_INT(pwrite(fd, &bad_version, 4, offsetof(struct ring_header, version)), 4);
	CHECK_INT(ring_producer_attach(&p, fd), -EPROTO);
	bad_version = RING_VERSION;
	CHECK_INT(pwrite(fd, &bad_version, 4, offsetof(struct ring_header, version)), 4);
	CHECK_INT(pwrite(fd, &bad_size, 4, offsetof(struct ring_header, lane_bytes)), 4);
	CHECK_INT(ring_producer_attach(&p, fd), -EPROTO);
	CHECK(p.header == NULL);
	ring_consumer_free(c);
}

static void scribbled_head(void)
{
	static char text[4096];
	struct ring_producer p = {.header = NULL};
	struct ring_writer w = {.lane = NULL};
	struct ring_consumer *c = NULL;
	struct event_arg arg = {.data = text, .len = sizeof(text)};
	struct ring_who who = {.pid = 1};
	uint64_t lost = 0;

	CHECK(ring_call_begin(&w, EVENT_CALL_system, &arg, 1, NULL, 0) == NULL); /* no lane */
	CHECK_INT(ring_consumer_new(&(struct ring_options){0}, &c), 0);
	CHECK_INT(ring_producer_attach(&p, ring_consumer_fd(c)), 0);
	CHECK_INT(ring_lane_claim(&p, &w, ring_consumer_fd(c), &who), 0);
	/* a pad of a few bytes at the very end of the mapping would be written past it */
	for (uint64_t off = 1; off < RING_ALIGN; off++) {
		w.lane->head = RING_LANE_BYTES - off;
		w.lane->tail = RING_LANE_BYTES - RING_ALIGN;
		CHECK(ring_call_begin(&w, EVENT_CALL_system, &arg, 1, NULL, 0) == NULL);
		CHECK_INT(p.header->refused, ++lost);
	}
	for (uint64_t head = UINT64_MAX - 15 - 64; head; head += 16) {
		w.lane->head = w.lane->tail = head;
		CHECK(ring_call_begin(&w, EVENT_CALL_system, &arg, 1, NULL, 0) != NULL);
	}
	w.lane->head = UINT64_MAX - 15;
	w.lane->tail = 0;
	CHECK(ring_call_begin(&w, EVENT_CALL_system, &arg, 1, NULL, 0) != NULL ||
	      p.header->refused > lost);
	CHECK_INT(munmap(w.data, RING_LANE_BYTES), 0);
	CHECK_INT(munmap(p.header, ring_directory_size(RING_SLOTS, RING_LANES)), 0);
	ring_consumer_free(c);
}

int main(void)
{
	TAP_RUN(no_ring);
	TAP_RUN(scribbled_head);
	return tap_done();
}
