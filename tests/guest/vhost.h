/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of vhost_vsock: the guest's memory and its two queues (vhost_queue.c), streams between
 * the guest's ports and unix sockets (vhost_stream.c), and the conversation with QEMU
 * (vhost_vsock.c). What lies in the guest's memory is an enemy's: each word is read once, and
 * checked before it is used.
 */
#ifndef TT_TESTS_VHOST_H
#define TT_TESTS_VHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

struct vring_desc;
struct vring_avail;
struct vring_used;

enum {
	QUEUE_RX, /* to the guest */
	QUEUE_TX, /* from it */
	QUEUES,
	QUEUE_LENGTH_MAX = 1024,
	CHAIN_PIECES_MAX = 64,
	REGIONS_MAX = 8,
	STREAM_BUFFER =
		64 << 10, /* what the guest may send before we told it that we have passed it on */
	HOST_CID = 2,
};

/* What epoll waits for. */
enum source_kind { SOURCE_QEMU, SOURCE_KICK, SOURCE_STREAM };

struct source {
	enum source_kind kind;
	int fd; /* -1: none */
	uint32_t watched;
};

void source_watch(struct source *s, uint32_t events);
void source_close(struct source *s);

struct region {
	uint64_t guest, size, user; /* where it begins for the guest, for QEMU */
	uint8_t *map;
	size_t map_size;
	uint8_t *data;
};

struct queue {
	struct source kick;
	int call;
	unsigned length;
	bool enabled;
	uint64_t desc_at, avail_at, used_at; /* as QEMU counts its memory */
	struct vring_desc *desc;             /* NULL: not there */
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t next, used_next;
	bool said; /* something was put back since the guest was told */
};

/* A packet's memory in the guest. */
struct chain {
	uint16_t head;
	unsigned count;
	uint32_t total;
	struct {
		uint8_t *data;
		uint32_t size;
	} piece[CHAIN_PIECES_MAX];
};

extern struct queue queues[QUEUES];

/* memory_add - one region from @fd, which stays the caller's. False: it cannot be had. */
bool memory_add(uint64_t guest, uint64_t size, uint64_t user, uint64_t offset, int fd);
void memory_drop(void);

bool queue_is_ready(const struct queue *q);
/* queue_place - look its parts up in the memory that there is now. False: they are not there. */
bool queue_place(struct queue *q);
/* queue_take - 1 and the next packet; 0: there is none; -1: nonsense, the queue is stopped */
int queue_take(struct queue *q, bool for_writing, struct chain *ret);
/* queue_untake - the packet taken last was not used */
void queue_untake(struct queue *q);
void queue_give(struct queue *q, uint16_t head, uint32_t written);
void queue_tell(struct queue *q);

/* Bytes copied, @at bytes into the packet: fewer than asked for if it ends before. */
size_t chain_read(const struct chain *c, size_t at, void *data, size_t size);
size_t chain_write(const struct chain *c, size_t at, const void *data, size_t size);

extern uint64_t guest_cid;
extern const char *base_path;
extern bool half_close; /* the host sees when the guest sends no more */

void streams_from_guest(void);
void streams_to_guest(void);
void stream_event(struct source *s, uint32_t events);
/* streams_expire - end what took too long; milliseconds until the next is due, -1: none is */
int streams_expire(void);
/* streams_sweep - free what ended; not while events that name it are being worked off */
void streams_sweep(void);
void streams_drop(void);

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void give_up(const char *what);

#endif
