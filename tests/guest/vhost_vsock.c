/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost_vsock --fd FD --base BASE [--cid N] [--half-close]: a vsock device for a guest of QEMU, in
 * a process of its own (vhost-user). The host's kernel has no part in it. A connection of the guest
 * to port P of CID 2 becomes one to the unix socket BASE_P, as with Firecracker. FD is one end of a
 * socket pair whose other end QEMU has; this program ends with QEMU. One thread, one epoll loop.
 *
 * With --half-close the host sees when the guest stops to send but goes on to listen, as it does
 * with the vsock of a host's kernel; with Firecracker it does not.
 */
#include "vhost.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Requests of vhost-user, docs/interop/vhost-user.rst of QEMU. */
enum {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	RESET_OWNER = 4,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	SET_VRING_ERR = 14,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	GET_QUEUE_NUM = 17,
	SET_VRING_ENABLE = 18,
	GET_CONFIG = 24,
	SET_CONFIG = 25,
	RESET_DEVICE = 34,
};

#define FEATURE_VERSION_1 (UINT64_C(1) << 32)
#define FEATURE_PROTOCOL  (UINT64_C(1) << 30)
#define PROTOCOL_ACK      (UINT64_C(1) << 3)
#define PROTOCOL_CONFIG   (UINT64_C(1) << 9)

enum { FLAG_VERSION = 1, FLAG_REPLY = 4, FLAG_NEED_REPLY = 8 };

struct message {
	struct {
		uint32_t request, flags, size;
	} head;
	union {
		uint64_t number;
		struct {
			uint32_t index, number;
		} ring;
		struct {
			uint32_t index, flags;
			uint64_t desc, used, avail, log;
		} place;
		struct {
			uint32_t count, zero;
			struct {
				uint64_t guest, size, user, offset;
			} region[REGIONS_MAX];
		} memory;
		struct {
			uint32_t offset, size, flags;
			uint8_t data[256];
		} config;
		uint8_t bytes[512];
	} body;
	int fds[REGIONS_MAX];
	unsigned fd_count;
};

static struct source qemu = {.kind = SOURCE_QEMU, .fd = -1};
static int epoll_fd;

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("vhost_vsock: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

void give_up(const char *what)
{
	say("%s: %s", what, strerror(errno));
	exit(1);
}

void source_watch(struct source *s, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = s};
	int op = EPOLL_CTL_MOD;

	if (events == s->watched || s->fd < 0)
		return;
	/* Nothing asked for still means EPOLLHUP, again and again: then it is taken out. */
	if (!s->watched)
		op = EPOLL_CTL_ADD;
	else if (!events)
		op = EPOLL_CTL_DEL;
	if (epoll_ctl(epoll_fd, op, s->fd, &e) < 0)
		give_up("epoll_ctl");
	s->watched = events;
}

void source_close(struct source *s)
{
	source_watch(s, 0); /* QEMU has the same open file: it would stay */
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static bool receive(struct message *m)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * REGIONS_MAX)];
	} control;
	struct iovec part = {&m->head, sizeof(m->head)};
	struct msghdr h = {.msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	ssize_t n;

	m->fd_count = 0;
	memset(&m->body, 0, sizeof(m->body));
	do
		n = recvmsg(qemu.fd, &h, MSG_CMSG_CLOEXEC | MSG_WAITALL);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(m->head))
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			m->fd_count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(m->fds, CMSG_DATA(c), m->fd_count * sizeof(int));
		}
	if (m->head.size > sizeof(m->body))
		return false;
	return !m->head.size ||
	       recv(qemu.fd, &m->body, m->head.size, MSG_WAITALL) == (ssize_t)m->head.size;
}

static bool reply(struct message *m, uint32_t size)
{
	struct iovec part[2] = {{&m->head, sizeof(m->head)}, {&m->body, size}};
	struct msghdr h = {.msg_iov = part, .msg_iovlen = 2};

	m->head.flags = FLAG_VERSION | FLAG_REPLY;
	m->head.size = size;
	return sendmsg(qemu.fd, &h, MSG_NOSIGNAL) == (ssize_t)(sizeof(m->head) + size);
}

static bool reply_number(struct message *m, uint64_t number)
{
	m->body.number = number;
	return reply(m, sizeof(number));
}

static bool set_memory(const struct message *m)
{
	memory_drop();
	if (m->body.memory.count > REGIONS_MAX || m->fd_count != m->body.memory.count)
		return false;
	for (unsigned i = 0; i < m->fd_count; i++)
		if (!memory_add(m->body.memory.region[i].guest, m->body.memory.region[i].size,
				m->body.memory.region[i].user, m->body.memory.region[i].offset,
				m->fds[i]))
			return false;
	for (unsigned i = 0; i < QUEUES; i++)
		if (queues[i].desc_at && !queue_place(&queues[i]))
			return false;
	return true;
}

static bool set_place(struct queue *q, const struct message *m)
{
	q->desc_at = m->body.place.desc;
	q->avail_at = m->body.place.avail;
	q->used_at = m->body.place.used;
	if (!queue_place(q))
		return false;
	q->used_next = __atomic_load_n(&q->used->idx, __ATOMIC_RELAXED);
	return true;
}

static bool set_length(struct queue *q, uint32_t length)
{
	if (!length || length > QUEUE_LENGTH_MAX || (length & (length - 1)) || q->desc)
		return false;
	q->length = length;
	return true;
}

/* An fd of the message becomes the queue's. */
static int taken_fd(struct message *m)
{
	if (!m->fd_count)
		return -1;
	return m->fds[--m->fd_count];
}

static bool send_config(struct message *m)
{
	struct virtio_vsock_config config = {.guest_cid = guest_cid};
	uint32_t at = m->body.config.offset, size = m->body.config.size;

	if (at > sizeof(config) || size > sizeof(config) - at)
		return false;
	memcpy(m->body.config.data, (const uint8_t *)&config + at, size);
	return reply(m, m->head.size);
}

static bool about_a_queue(uint32_t request)
{
	return (request >= SET_VRING_NUM && request <= SET_VRING_ERR) ||
	       request == SET_VRING_ENABLE;
}

static bool about_a_queue_done(struct message *m, struct queue *q, bool *ret_replied)
{
	switch (m->head.request) {
	case SET_VRING_NUM:
		return set_length(q, m->body.ring.number);
	case SET_VRING_ADDR:
		return set_place(q, m);
	case SET_VRING_BASE:
		q->next = (uint16_t)m->body.ring.number;
		return true;
	case GET_VRING_BASE: /* the device is reset: the guest has forgotten its connections */
		m->body.ring.number = q->next;
		source_close(&q->kick);
		q->desc = NULL;
		q->desc_at = 0;
		streams_drop();
		*ret_replied = true;
		return reply(m, sizeof(m->body.ring));
	case SET_VRING_KICK:
		source_close(&q->kick);
		q->kick.fd = taken_fd(m);
		source_watch(&q->kick, EPOLLIN);
		return true;
	case SET_VRING_CALL:
		if (q->call >= 0)
			close(q->call);
		q->call = taken_fd(m);
		return true;
	case SET_VRING_ENABLE:
		q->enabled = m->body.ring.number;
		return true;
	default: /* SET_VRING_ERR */
		return true;
	}
}

static bool other_done(struct message *m, bool *ret_replied)
{
	*ret_replied = true;
	switch (m->head.request) {
	case GET_FEATURES:
		return reply_number(m, FEATURE_VERSION_1 | FEATURE_PROTOCOL);
	case GET_PROTOCOL_FEATURES:
		return reply_number(m, PROTOCOL_CONFIG | PROTOCOL_ACK);
	case GET_QUEUE_NUM:
		return reply_number(m, QUEUES);
	case GET_CONFIG:
		return send_config(m);
	default:
		break;
	}
	*ret_replied = false;
	switch (m->head.request) {
	case SET_FEATURES:
		if (!(m->body.number & FEATURE_PROTOCOL))
			queues[QUEUE_RX].enabled = queues[QUEUE_TX].enabled = true;
		return true;
	case SET_MEM_TABLE:
		return set_memory(m);
	case RESET_OWNER:
	case RESET_DEVICE:
		queues[QUEUE_RX].enabled = queues[QUEUE_TX].enabled = false;
		streams_drop();
		return true;
	default: /* SET_OWNER, SET_PROTOCOL_FEATURES, SET_CONFIG */
		return true;
	}
}

/* One message of QEMU's. False: it has gone, or says what we cannot do. */
static bool serve(void)
{
	struct message m;
	bool ok = false, replied = false, wants_ack;

	if (!receive(&m))
		return false;
	wants_ack = m.head.flags & FLAG_NEED_REPLY;
	if (about_a_queue(m.head.request)) {
		/* The number of the queue stands at the same place in all of them. */
		uint32_t index = m.body.ring.index & 0xff;

		if (index < QUEUES)
			ok = about_a_queue_done(&m, &queues[index], &replied);
	} else {
		ok = other_done(&m, &replied);
	}
	for (unsigned i = 0; i < m.fd_count; i++)
		close(m.fds[i]);
	if (!ok)
		say("request %u of QEMU's cannot be done", m.head.request);
	if (wants_ack && !replied)
		return reply_number(&m, !ok);
	return ok;
}

static bool dispatch(const struct epoll_event *e)
{
	struct source *s = e->data.ptr;
	uint64_t count;

	switch (s->kind) {
	case SOURCE_QEMU:
		return serve();
	case SOURCE_KICK:
		if (s->fd >= 0 && read(s->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
			give_up("kick");
		return true;
	case SOURCE_STREAM:
		stream_event(s, e->events);
		return true;
	}
	return true;
}

int main(int argc, char **argv)
{
	bool goes_on = true;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--half-close") == 0)
			half_close = true;
		else if (strcmp(argv[i], "--fd") == 0 && i + 1 < argc)
			qemu.fd = atoi(argv[++i]);
		else if (strcmp(argv[i], "--base") == 0 && i + 1 < argc)
			base_path = argv[++i];
		else if (strcmp(argv[i], "--cid") == 0 && i + 1 < argc)
			guest_cid = strtoull(argv[++i], NULL, 10);
		else
			argc = 0;
	}
	if (!argc || !base_path || qemu.fd < 0) {
		say("usage: vhost_vsock --fd FD --base BASE [--cid N] [--half-close]");
		return 2;
	}
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		give_up("epoll_create1");
	source_watch(&qemu, EPOLLIN);
	while (goes_on) {
		struct epoll_event events[64];
		int n = epoll_wait(epoll_fd, events, 64, streams_expire());

		if (n < 0 && errno != EINTR)
			give_up("epoll_wait");
		for (int i = 0; i < n && goes_on; i++)
			goes_on = dispatch(&events[i]);
		streams_from_guest();
		streams_to_guest();
		streams_sweep();
	}
	return 0;
}
