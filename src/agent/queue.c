/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of frames, and what is kept in it when an agent dies. */
#include "agent/queue.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/time.h"

#define QUEUE_MAGIC 0x7474717565756531ull /* "ttqueue1" */

const char *agent_cause_name(enum agent_cause cause)
{
	static const char *const names[AGENT_CAUSES] = {
		[AGENT_QUEUE_FULL] = "queue_full",
		[AGENT_SENSOR_FULL] = "sensor_full",
		[AGENT_TOO_LARGE] = "too_large",
		[AGENT_DIED] = "agent_died",
	};

	return names[cause];
}

/* Whatever was stored before is there when this is: to whom looks after a SIGKILL. */
static void commit(struct agent_sink *q, const struct agent_queue_state *state)
{
	uint64_t next = !(q->memory->current & 1);

	q->memory->states[next] = *state;
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile uint64_t *)&q->memory->current = next;
	atomic_signal_fence(memory_order_seq_cst);
}

static void ring_write(struct agent_sink *q, uint64_t at, const void *bytes, size_t n)
{
	size_t pos = at % AGENT_QUEUE_BYTES, first = AGENT_QUEUE_BYTES - pos;

	if (first > n)
		first = n;
	memcpy(q->memory->ring + pos, bytes, first);
	memcpy(q->memory->ring, (const uint8_t *)bytes + first, n - first);
}

static void ring_read(const struct agent_sink *q, uint64_t at, void *ret, size_t n)
{
	size_t pos = at % AGENT_QUEUE_BYTES, first = AGENT_QUEUE_BYTES - pos;

	if (first > n)
		first = n;
	memcpy(ret, q->memory->ring + pos, first);
	memcpy((uint8_t *)ret + first, q->memory->ring, n - first);
}

/* With @state, which becomes that of the queue once the frame is in it. */
static int put(struct agent_sink *q, struct wire_frame *frame, struct agent_queue_state *state)
{
	int n;

	if (state->events == AGENT_QUEUE_EVENTS)
		return -ENOSPC;
	frame->content_version = q->major;
	frame->seq = state->next_seq;
	if (q->major > 1)
		frame->has |= WIRE_HAS(seq);
	else
		frame->has = 0;
	n = wire_encode(frame, q->scratch, sizeof(q->scratch));
	if (n < 0)
		return n;
	if ((uint64_t)n > AGENT_QUEUE_BYTES - (state->tail - state->head))
		return -ENOSPC;
	ring_write(q, state->tail, q->scratch, (size_t)n);
	state->tail += (uint64_t)n;
	state->events++;
	state->next_seq++;
	commit(q, state);
	return 0;
}

int agent_queue_put(struct agent_sink *q, struct wire_frame *frame)
{
	struct agent_queue_state state = *agent_queue_state(q);

	return put(q, frame, &state);
}

static int put_dropped(struct agent_sink *q, enum agent_cause cause, bool is_known)
{
	struct agent_queue_state state = *agent_queue_state(q);
	struct agent_drop *drop = &state.drops[cause];
	const char *name = agent_cause_name(cause);
	static const char comm[] = "telltale-agent";
	struct wire_frame frame = {
		.source = WIRE_TELEMETRY_DROPPED,
		.has = WIRE_HAS(count) | WIRE_HAS(cause) | WIRE_HAS(first_seq) | WIRE_HAS(last_seq),
		.guest_pid = q->pid,
		.guest_comm = {comm, sizeof(comm) - 1},
		.guest_monotonic_ns = tt_clock_ns(CLOCK_MONOTONIC),
		.cause = {name, strlen(name)},
		/* of what nobody counted, no number is lost: the record names its own */
		.first_seq = state.next_seq,
		.last_seq = state.next_seq,
	};

	if (is_known) {
		frame.count = drop->count;
		frame.first_seq = drop->first_seq;
		frame.last_seq = drop->last_seq;
		drop->count = 0;
	} else {
		drop->unknown = 0;
	}
	return put(q, &frame, &state);
}

bool agent_queue_settle(struct agent_sink *q)
{
	for (unsigned i = 0; i < AGENT_CAUSES && q->major > 1; i++) {
		if (agent_queue_state(q)->drops[i].count &&
		    put_dropped(q, (enum agent_cause)i, true) < 0)
			return false;
		if (agent_queue_state(q)->drops[i].unknown &&
		    put_dropped(q, (enum agent_cause)i, false) < 0)
			return false;
	}
	return true;
}

void agent_lost(struct agent_sink *q, enum agent_cause cause, uint64_t count)
{
	struct agent_queue_state state = *agent_queue_state(q);
	struct agent_drop *drop = &state.drops[cause];

	if (!count) {
		drop->unknown = 1;
	} else {
		if (!drop->count)
			drop->first_seq = state.next_seq;
		drop->count += count;
		state.next_seq += count;
		drop->last_seq = state.next_seq - 1;
	}
	commit(q, &state);
}

int agent_queue_peek(const struct agent_sink *q, size_t skip, struct iovec ret_parts[2])
{
	const struct agent_queue_state *state = agent_queue_state(q);
	size_t n = (size_t)(state->tail - state->head) - skip;
	size_t pos = (state->head + skip) % AGENT_QUEUE_BYTES, first = AGENT_QUEUE_BYTES - pos;

	if (!n)
		return 0;
	if (first > n)
		first = n;
	ret_parts[0] = (struct iovec){q->memory->ring + pos, first};
	ret_parts[1] = (struct iovec){q->memory->ring, n - first};
	return n > first ? 2 : 1;
}

/* The size of the frame at that place, which is whole. */
static size_t frame_size(const struct agent_sink *q, uint64_t at)
{
	uint8_t n[WIRE_HEADER_BYTES];

	ring_read(q, at, n, sizeof(n));
	return WIRE_HEADER_BYTES +
	       (n[0] | (size_t)n[1] << 8 | (size_t)n[2] << 16 | (size_t)n[3] << 24);
}

size_t agent_queue_sent(struct agent_sink *q, size_t bytes)
{
	struct agent_queue_state state = *agent_queue_state(q);
	size_t size;

	while (state.events && bytes >= (size = frame_size(q, state.head))) {
		bytes -= size;
		state.head += size;
		state.events--;
	}
	/* the same few pages are used again and again, while the host keeps up */
	if (!state.events)
		state.head = state.tail = 0;
	commit(q, &state);
	return bytes;
}

void agent_queue_hello_reserve(struct agent_sink *q)
{
	struct agent_queue_state state = *agent_queue_state(q);

	if (state.hello_seq != AGENT_NO_SEQ)
		return;
	state.hello_seq = state.next_seq++;
	commit(q, &state);
}

void agent_queue_hello_sent(struct agent_sink *q)
{
	struct agent_queue_state state = *agent_queue_state(q);

	state.hello_seq = AGENT_NO_SEQ;
	commit(q, &state);
}

/* Whether a record of drops can be true; @next_seq: none has this number or a greater one. */
static bool is_sound(const struct agent_drop *drop, uint64_t next_seq)
{
	if (drop->unknown > 1)
		return false;
	return !drop->count || (drop->first_seq <= drop->last_seq && drop->last_seq < next_seq &&
				drop->count <= drop->last_seq - drop->first_seq + 1);
}

/*
 * Look at every frame that an agent left. The first that is none ends them: it and all behind it
 * are dropped, with their numbers. Returns whether all were whole.
 */
static bool keep_frames(struct agent_sink *q, struct agent_queue_state *state)
{
	struct wire_frame frame = {0};
	uint64_t at = state->head, seq = 0, events = 0;

	for (; events < state->events; events++) {
		size_t left = (size_t)(state->tail - at), n = left;
		int size;

		if (n > sizeof(q->scratch))
			n = sizeof(q->scratch);
		ring_read(q, at, q->scratch, n);
		size = wire_decode(q->scratch, n, WIRE_STRICT, &frame, NULL);
		if (size < 0 || frame.content_version != q->major)
			break;
		if (q->major > 1 && (frame.seq < seq || frame.seq >= state->next_seq))
			break;
		seq = frame.seq + 1;
		at += (uint64_t)size;
	}
	if (events == state->events && at == state->tail)
		return true;
	if (state->events - events <= state->next_seq - seq && state->events > events) {
		struct agent_drop *drop = &state->drops[AGENT_DIED];

		if (!drop->count)
			drop->first_seq = seq;
		drop->count += state->events - events;
		drop->last_seq = state->next_seq - 1;
	}
	state->events = events;
	state->tail = at;
	return false;
}

/* Go on with what an agent left; false if nothing of it can be believed. */
static bool adopt(struct agent_sink *q, bool *ret_whole)
{
	struct agent_queue_state state;
	bool whole = true;

	if (q->memory->magic != QUEUE_MAGIC || q->memory->current > 1)
		return false;
	state = *agent_queue_state(q);
	if (state.tail < state.head || state.tail - state.head > AGENT_QUEUE_BYTES ||
	    state.events > AGENT_QUEUE_EVENTS || state.next_seq > UINT64_MAX / 2)
		return false;
	for (unsigned i = 0; i < AGENT_CAUSES; i++)
		if (!is_sound(&state.drops[i], state.next_seq)) {
			state.drops[i] = (struct agent_drop){.unknown = 1};
			whole = false;
		}
	whole &= keep_frames(q, &state);
	if (state.hello_seq >= state.next_seq)
		state.hello_seq = state.next_seq++;
	commit(q, &state);
	*ret_whole = whole;
	return true;
}

/* As memory that was never used: seq 0 is the first agent.hello's. */
static void begin(struct agent_sink *q)
{
	q->memory->magic = 0;
	atomic_signal_fence(memory_order_seq_cst);
	q->memory->current = 0;
	q->memory->states[0] = (struct agent_queue_state){.next_seq = 1};
	atomic_signal_fence(memory_order_seq_cst);
	q->memory->magic = QUEUE_MAGIC;
}

int agent_queue_open(struct agent_sink *q, int fd, unsigned major,
		     enum agent_queue_found *ret_found)
{
	const size_t size = sizeof(struct agent_queue_memory);
	bool is_new = fd < 0, whole;
	struct stat st;
	void *at;

	if (fd >= 0) {
		if (fstat(fd, &st) < 0)
			return -errno;
		is_new = !st.st_size;
		/* a page that the file lacks would be a SIGBUS later */
		if ((size_t)st.st_size < size && ftruncate(fd, (off_t)size) < 0)
			return -errno;
		/* where it can be: then it lacks none for good */
		(void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
	}
	at = mmap(NULL, size, PROT_READ | PROT_WRITE,
		  fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	q->memory = at;
	q->major = major;
	q->pid = (uint32_t)getpid();
	if (is_new || (!q->memory->magic && !q->memory->current)) {
		begin(q);
		*ret_found = AGENT_QUEUE_NEW;
		return 0;
	}
	if (!adopt(q, &whole)) {
		whole = false;
		begin(q);
	}
	*ret_found = whole ? AGENT_QUEUE_KEPT : AGENT_QUEUE_BROKEN;
	agent_lost(q, AGENT_DIED, 0);
	return 0;
}

void agent_queue_close(struct agent_sink *q)
{
	(void)munmap(q->memory, sizeof(*q->memory));
	q->memory = NULL;
}
