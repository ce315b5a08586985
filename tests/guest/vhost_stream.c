/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: a connection of the guest to port P of its host is one to the unix socket BASE_P. As
 * Firecracker does it, nobody who listens is a reset; the host's end is a shutdown, and a reset 2 s
 * later; a write that fails is a reset; what the host does not read stays with the guest, but for a
 * buffer.
 */
#include "vhost.h"

#include <errno.h>
#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	STREAMS_MAX = 1023,
	RESETS_MAX = 256,
	PAYLOAD_MAX = 64 << 10,
	LOW_CREDIT =
		4
		<< 10, /* with so little left as the guest sees it, it is told of what was freed */
	SHUTDOWN_MS = 2000,
};

enum stream_state { OPEN, CLOSED_BY_HOST, CLOSED_BY_GUEST, KILLED };

/* What is to be sent to the guest. */
enum { OWE_RESET = 1, OWE_RESPONSE = 2, OWE_DATA = 4, OWE_CREDIT = 8 };

struct stream {
	struct source source; /* first: events name it */
	struct stream *next;
	enum stream_state state;
	bool dead;
	uint32_t host_port, guest_port;
	unsigned owed;
	uint32_t shut;         /* what the guest will do no more */
	uint32_t passed, told; /* bytes from the guest that were passed on; as it was told last */
	uint32_t sent;         /* bytes to the guest */
	uint32_t guest_took, room; /* what it said of them */
	uint64_t expires_ms;       /* 0: never */
	uint32_t begin, held;      /* of @buffer, a circle */
	uint8_t buffer[STREAM_BUFFER];
};

uint64_t guest_cid = 3;
const char *base_path;
bool half_close;

static struct stream *streams;
static unsigned stream_count;
static struct {
	uint32_t host_port, guest_port;
} resets[RESETS_MAX]; /* for packets that belong to no stream */
static unsigned reset_count;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct stream *find(uint32_t host_port, uint32_t guest_port)
{
	for (struct stream *s = streams; s; s = s->next)
		if (!s->dead && s->host_port == host_port && s->guest_port == guest_port)
			return s;
	return NULL;
}

static void end(struct stream *s)
{
	s->dead = true;
	source_close(&s->source);
}

static void reset(struct stream *s)
{
	s->state = KILLED;
	s->owed |= OWE_RESET;
	s->held = 0;
}

static void reset_unknown(uint32_t host_port, uint32_t guest_port)
{
	if (reset_count == RESETS_MAX)
		return; /* it will ask again, or time out */
	resets[reset_count].host_port = host_port;
	resets[reset_count++].guest_port = guest_port;
}

/* How much the guest can take. */
static uint32_t credit(const struct stream *s)
{
	uint32_t on_the_way = s->sent - s->guest_took;

	return on_the_way >= s->room ? 0 : s->room - on_the_way;
}

static void watch(struct stream *s)
{
	bool wants = s->state == OPEN ||
		     (s->state == CLOSED_BY_GUEST && !(s->shut & VIRTIO_VSOCK_SHUTDOWN_RCV));

	if (s->dead)
		return;
	source_watch(&s->source,
		     (s->held ? (uint32_t)EPOLLOUT : 0) |
			     (wants && !(s->owed & OWE_DATA) && credit(s) ? (uint32_t)EPOLLIN : 0));
}

static void passed_on(struct stream *s, size_t bytes)
{
	s->passed += (uint32_t)bytes;
	if (s->passed - s->told > STREAM_BUFFER - LOW_CREDIT)
		s->owed |= OWE_CREDIT;
}

/* How many bytes the host's socket took; -1: it takes no more, ever. */
static ssize_t pass_on(struct stream *s, const uint8_t *data, size_t size)
{
	ssize_t n = send(s->source.fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	passed_on(s, (size_t)n);
	return n;
}

static void flush(struct stream *s)
{
	while (s->held) {
		uint32_t straight = STREAM_BUFFER - s->begin;
		ssize_t n =
			pass_on(s, s->buffer + s->begin, straight < s->held ? straight : s->held);

		if (n < 0) {
			reset(s);
			return;
		}
		if (n == 0)
			return;
		s->begin = (s->begin + (uint32_t)n) % STREAM_BUFFER;
		s->held -= (uint32_t)n;
	}
	if (s->state == CLOSED_BY_GUEST &&
	    s->shut == VIRTIO_VSOCK_SHUTDOWN_RCV + VIRTIO_VSOCK_SHUTDOWN_SEND)
		s->owed |= OWE_RESET;
}

static void data_came(struct stream *s, const uint8_t *data, uint32_t size)
{
	if (!s->held) {
		ssize_t n = pass_on(s, data, size);

		if (n < 0) {
			reset(s);
			return;
		}
		data += n;
		size -= (uint32_t)n;
	}
	if (size > STREAM_BUFFER - s->held) { /* more than it was allowed */
		reset(s);
		return;
	}
	while (size) {
		uint32_t at = (s->begin + s->held) % STREAM_BUFFER;
		uint32_t part = STREAM_BUFFER - at < size ? STREAM_BUFFER - at : size;

		memcpy(s->buffer + at, data, part);
		s->held += part;
		data += part;
		size -= part;
	}
}

static void request_came(const struct virtio_vsock_hdr *h)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s_%u", base_path,
			 h->dst_port);
	struct stream *s = NULL;
	int fd = -1;

	if (n < (int)sizeof(address.sun_path) && stream_count < STREAMS_MAX)
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		if (fd >= 0)
			close(fd);
		reset_unknown(h->dst_port, h->src_port);
		return;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		give_up("memory");
	s->source = (struct source){.kind = SOURCE_STREAM, .fd = fd};
	s->host_port = h->dst_port;
	s->guest_port = h->src_port;
	s->room = h->buf_alloc;
	s->guest_took = h->fwd_cnt;
	s->owed = OWE_RESPONSE;
	s->next = streams;
	streams = s;
	stream_count++;
	watch(s);
}

static void half_closed(struct stream *s)
{
	if (half_close && s->shut == VIRTIO_VSOCK_SHUTDOWN_SEND && !s->held)
		(void)shutdown(s->source.fd, SHUT_WR);
}

static void shutdown_came(struct stream *s, uint32_t flags)
{
	const uint32_t both = VIRTIO_VSOCK_SHUTDOWN_RCV + VIRTIO_VSOCK_SHUTDOWN_SEND;

	if (s->state != OPEN && s->state != CLOSED_BY_GUEST)
		return;
	s->state = CLOSED_BY_GUEST;
	s->shut |= flags & both;
	if (s->shut != both) {
		half_closed(s);
	} else if (!s->held) {
		s->owed |= OWE_RESET;
	} else if (!s->expires_ms) {
		s->expires_ms = now_ms() + SHUTDOWN_MS;
	}
}

static void packet_came(const struct virtio_vsock_hdr *h, const uint8_t *payload)
{
	struct stream *s;

	if (h->dst_cid != HOST_CID || h->src_cid != guest_cid)
		return;
	s = find(h->dst_port, h->src_port);
	if (h->type != VIRTIO_VSOCK_TYPE_STREAM || !s) {
		if (h->type == VIRTIO_VSOCK_TYPE_STREAM && h->op == VIRTIO_VSOCK_OP_REQUEST)
			request_came(h);
		else if (h->op != VIRTIO_VSOCK_OP_RST)
			reset_unknown(h->dst_port, h->src_port);
		return;
	}
	s->room = h->buf_alloc;
	s->guest_took = h->fwd_cnt;
	switch (h->op) {
	case VIRTIO_VSOCK_OP_RST:
		end(s);
		break;
	case VIRTIO_VSOCK_OP_RW:
		if (h->len && (s->state == OPEN || (s->state == CLOSED_BY_GUEST &&
						    !(s->shut & VIRTIO_VSOCK_SHUTDOWN_SEND))))
			data_came(s, payload, h->len);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		shutdown_came(s, h->flags);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		s->owed |= OWE_CREDIT;
		break;
	case VIRTIO_VSOCK_OP_REQUEST: /* its port is in use again while we knew it */
		reset(s);
		break;
	default:
		break;
	}
	watch(s);
}

void streams_from_guest(void)
{
	static uint8_t payload[PAYLOAD_MAX];
	struct queue *q = &queues[QUEUE_TX];
	struct chain c;

	while (queue_take(q, false, &c) > 0) {
		struct virtio_vsock_hdr h;

		if (chain_read(&c, 0, &h, sizeof(h)) == sizeof(h) && h.len <= PAYLOAD_MAX &&
		    (h.op != VIRTIO_VSOCK_OP_RW ||
		     chain_read(&c, sizeof(h), payload, h.len) == h.len))
			packet_came(&h, payload);
		queue_give(q, c.head, 0);
	}
	queue_tell(q);
}

static int fill_data(struct stream *s, struct virtio_vsock_hdr *h, uint8_t *data, uint32_t size)
{
	uint32_t most = credit(s);
	ssize_t n;

	s->owed &= ~(unsigned)OWE_DATA;
	if (!most) {
		h->op = VIRTIO_VSOCK_OP_CREDIT_REQUEST;
		return 0;
	}
	n = recv(s->source.fd, data, most < size ? most : size, MSG_DONTWAIT);
	if (n > 0) {
		h->op = VIRTIO_VSOCK_OP_RW;
		s->sent += (uint32_t)n;
		s->owed |= OWE_DATA;
		return (int)n;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -1;
	if (n < 0) {
		reset(s);
		h->op = VIRTIO_VSOCK_OP_RST;
		return 0;
	}
	h->op = VIRTIO_VSOCK_OP_SHUTDOWN;
	h->flags = VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND;
	s->state = CLOSED_BY_HOST;
	s->expires_ms = now_ms() + SHUTDOWN_MS;
	return 0;
}

/* What a stream owes, as one packet: bytes of payload, or -1: nothing after all. */
static int fill(struct stream *s, struct virtio_vsock_hdr *h, uint8_t *data, uint32_t size)
{
	int n = 0;

	if (s->owed & OWE_RESET) {
		h->op = VIRTIO_VSOCK_OP_RST;
	} else if (s->owed & OWE_RESPONSE) {
		s->owed &= ~(unsigned)OWE_RESPONSE;
		h->op = VIRTIO_VSOCK_OP_RESPONSE;
	} else if (s->owed & OWE_DATA) {
		n = fill_data(s, h, data, size);
	} else {
		s->owed &= ~(unsigned)OWE_CREDIT;
		h->op = VIRTIO_VSOCK_OP_CREDIT_UPDATE;
	}
	h->buf_alloc = STREAM_BUFFER;
	h->fwd_cnt = s->told = s->passed;
	return n;
}

/* One packet to the guest. False: it has no room for one. */
static bool put(struct stream *s, uint32_t host_port, uint32_t guest_port)
{
	static uint8_t data[PAYLOAD_MAX];
	struct queue *q = &queues[QUEUE_RX];
	struct virtio_vsock_hdr h = {.src_cid = HOST_CID,
				     .dst_cid = guest_cid,
				     .src_port = host_port,
				     .dst_port = guest_port,
				     .type = VIRTIO_VSOCK_TYPE_STREAM,
				     .op = VIRTIO_VSOCK_OP_RST};
	struct chain c;
	int n = 0;

	if (queue_take(q, true, &c) <= 0)
		return false;
	if (c.total <= sizeof(h)) {
		say("the guest left no room for a packet: its queue is stopped");
		q->enabled = false;
		return false;
	}
	if (s) {
		uint32_t room = c.total - (uint32_t)sizeof(h);

		n = fill(s, &h, data, room < PAYLOAD_MAX ? room : PAYLOAD_MAX);
	}
	if (n < 0) {
		queue_untake(q);
		return true;
	}
	h.len = (uint32_t)n;
	chain_write(&c, 0, &h, sizeof(h));
	chain_write(&c, sizeof(h), data, (size_t)n);
	queue_give(q, c.head, (uint32_t)sizeof(h) + (uint32_t)n);
	if (s && h.op == VIRTIO_VSOCK_OP_RST)
		end(s);
	return true;
}

void streams_to_guest(void)
{
	bool room = queue_is_ready(&queues[QUEUE_RX]), any = true;
	unsigned done = 0;

	while (room && done < reset_count) {
		room = put(NULL, resets[done].host_port, resets[done].guest_port);
		done += room;
	}
	memmove(resets, resets + done, (reset_count - done) * sizeof(resets[0]));
	reset_count -= done;
	while (room && any) { /* one packet of each at a time */
		any = false;
		for (struct stream *s = streams; s && room; s = s->next)
			if (!s->dead && s->owed) {
				room = put(s, s->host_port, s->guest_port);
				any = true;
			}
	}
	queue_tell(&queues[QUEUE_RX]);
	for (struct stream *s = streams; s; s = s->next)
		watch(s);
}

void stream_event(struct source *source, uint32_t events)
{
	struct stream *s = (struct stream *)source;

	if (s->dead)
		return;
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && (source->watched & EPOLLIN))
		s->owed |= OWE_DATA;
	if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) && s->held) {
		flush(s);
		half_closed(s);
	}
	watch(s);
}

int streams_expire(void)
{
	uint64_t now = now_ms(), soonest = UINT64_MAX;

	for (struct stream *s = streams; s; s = s->next) {
		if (s->dead || !s->expires_ms)
			continue;
		if (s->expires_ms <= now) {
			s->expires_ms = 0;
			reset(s);
			soonest = now;
		} else if (s->expires_ms < soonest) {
			soonest = s->expires_ms;
		}
	}
	return soonest == UINT64_MAX ? -1 : (int)(soonest - now);
}

void streams_sweep(void)
{
	for (struct stream **at = &streams, *s; (s = *at);) {
		if (!s->dead) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		stream_count--;
		free(s);
	}
}

void streams_drop(void)
{
	for (struct stream *s = streams; s; s = s->next)
		if (!s->dead)
			end(s);
	reset_count = 0;
}
