/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as what a hostile workload does to the recorder from the ring to the trace (drain.c,
 * track.c): the input is a list of acts. Spans begin, call, end, exec and fork in any order and
 * under any pid; records lie in flight, are overwritten byte by byte, lanes are closed and claimed
 * anew; passes, deaths, the sampler and facts of the kernel come in between. Afterwards the run is
 * finished, and the trace must hold one end for every beginning.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"
#include "recorder/facts.h"
#include "recorder/track.h"
#include "ring/put.h"

#define LANES_USED  3
#define PENDING_MAX 8
#define ACTS_MAX    128 /* the slow part is /proc */
#define TRACE_MAX   (8u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	const uint8_t *at;
	size_t left;
} input;

static char folder[] = "/tmp/fuzz-track-XXXXXX";
static struct recorder_output *output;
static struct recorder_track track;
static struct ring_producer producer;
static struct ring_writer writers[LANES_USED];
static struct ring_record *pending[PENDING_MAX];

static uint8_t byte(void)
{
	if (!input.left)
		return 0;
	input.left--;
	return *input.at++;
}

static struct event_text text(void)
{
	size_t len = byte();
	struct event_text t;

	len = len < input.left ? len : input.left;
	t = (struct event_text){(const char *)input.at, len};
	input.at += len;
	input.left -= len;
	return t;
}

/* Few of them, so that they meet: ours, a kernel thread, a stranger, one too high, nonsense. */
static int32_t pid_of(uint8_t b)
{
	const int32_t pids[] = {0,       1,  2,       (int32_t)getpid(), (1 << 22) + 1,
				INT_MAX, -1, INT_MIN, (1 << 22) + 2,     (1 << 22) + 3};

	return pids[b % TT_ARRAY_SIZE(pids)];
}

static struct tt_uuid span_of(uint8_t b)
{
	struct tt_uuid id;

	memset(&id, 0, sizeof(id));
	memcpy(&id, (const uint8_t[]){b % 8}, 1); /* 0: the nil UUID */
	return id;
}

/* Whose a record is, and when it was made. */
struct subject {
	struct ring_who who;
	const struct ring_who *named; /* NULL: the lane's owner */
	uint64_t ticks;
};

static void take_subject(struct subject *s)
{
	s->who.span = span_of(byte());
	s->who.pid = pid_of(byte());
	s->who.ppid = pid_of(byte());
	s->who.tid = s->who.pid;
	s->ticks = byte();
	s->named = s->ticks & 128 ? NULL : &s->who;
}

static void act_start(struct ring_writer *w)
{
	struct event ev = {.type = EVENT_PROCESS};
	struct subject s = {.named = NULL};
	uint8_t parent;

	take_subject(&s);
	parent = byte();
	ev.act = EVENT_ACT_START;
	ev.how = (enum event_how)(byte() % (EVENT_HOW_EXEC + 2));
	if (parent & 128)
		ev.parent.text = text();
	else
		ev.parent.id = span_of(parent);
	ev.exe = text();
	ev.argv = text();
	ev.cwd = text();
	ev.comm = text();
	(void)ring_start_put(w, &ev, s.named, s.ticks, byte());
	if (parent & 64)
		(void)ring_slot_claim(&producer, s.who.pid, &s.who.span);
}

static void act_exit(struct ring_writer *w)
{
	struct subject s = {.named = NULL};
	struct event_text open_fds;
	int code;

	take_subject(&s);
	code = byte();
	open_fds = text();
	(void)ring_exit_put(w, code, &open_fds, s.named, s.ticks);
}

static void act_call(struct ring_writer *w)
{
	struct event_arg args[EVENT_ARGS_MAX] = {{.data = NULL}};
	struct subject s = {.named = NULL};
	struct ring_record *r, **keep;
	enum event_call call;
	unsigned argc;
	uint8_t how;

	take_subject(&s);
	call = (enum event_call)(byte() % EVENT_CALL_COUNT);
	argc = (unsigned)strlen(event_call_info(call)->layout);
	argc += event_call_has_extra(call);
	for (unsigned i = 0; i < argc; i++) {
		struct event_text t = text();

		args[i].data = t.len ? t.data : NULL;
		args[i].len = t.len;
		args[i].absent = !t.len;
		args[i].num = (int8_t)byte();
	}
	how = byte();
	r = ring_call_begin(w, call, args, argc, s.named, s.ticks);
	if (!r)
		return;
	keep = &pending[how % PENDING_MAX];
	if (how & 128 && !*keep)
		*keep = r;
	else if (how & 64)
		/* an exec that did not return */
		r->flags |= RING_FLAG_NO_RESULT | (how & 7);
	if (*keep != r)
		ring_call_end(r, (int8_t)byte(), byte(), byte());
}

static void act_complete(void)
{
	struct ring_record **r = &pending[byte() % PENDING_MAX];

	if (*r)
		ring_call_end(*r, (int8_t)byte(), byte(), byte());
	*r = NULL;
}

/* Where a record lies in its lane is known by where its header's fields are: low offsets first. */
static void act_scribble(struct ring_writer *w)
{
	size_t at = (size_t)(byte() | byte() << 8), room = RING_LANE_BYTES;
	struct event_text t = text();
	char *to = w->data;

	if (at & 1) {
		to = (char *)producer.slots;
		room = 16 * sizeof(struct ring_slot);
	} else if (at & 2) {
		to = (char *)producer.lanes;
		room = LANES_USED * sizeof(struct ring_lane);
	}
	at = (at & ~3u) % room;
	memcpy(to + at, t.data, t.len < room - at ? t.len : room - at);
}

static void act_lane(struct ring_writer *w)
{
	struct ring_who who = {.pid = pid_of(byte())};

	who.span = span_of((uint8_t)who.pid);
	/* what is in flight in it stays so: nobody may write there once the lane is closed */
	memset(pending, 0, sizeof(pending));
	if (w->lane)
		ring_lane_close(w);
	else if (ring_lane_claim(&producer, w, ring_consumer_fd(track.ring), &who) < 0)
		abort();
}

static void act_died(void)
{
	struct recorder_process *p = recorder_process_find(&track.tree, pid_of(byte()));
	uint8_t status = byte();

	if (p)
		recorder_track_died(&track, p, status & 1, status);
}

static void act_seen(void)
{
	int32_t pid = pid_of(byte());
	struct recorder_stat st = {.comm = "seen", .ppid = pid_of(byte())};

	/* the sampler asks for what it read from /proc */
	if (pid > 0)
		recorder_track_seen(&track, pid, &st);
}

/* What the kernel tells is true, but any part of it may be lost, and pids are used again. */
static void act_fact(void)
{
	struct kernel_fact f = {.kind = (enum kernel_fact_kind)(byte() % 7)};
	uint8_t life = byte();

	f.pid = f.tid = pid_of(byte());
	f.ppid = pid_of(byte());
	f.start_ns = life % 4;
	f.image = life / 4 % 4;
	f.ns_pid = life & 128 ? f.pid : 0;
	f.ts_ns = byte();
	f.status = byte();
	f.secure = life & 64;
	f.call = (enum event_call)(byte() % EVENT_CALL_COUNT);
	f.path = text();
	f.argv = text();
	f.where = text();
	f.where_is_file = life & 32;
	for (unsigned i = 0; i < EVENT_ARGS_MAX; i++) {
		f.args[i].data = f.path.len ? f.path.data : NULL;
		f.args[i].len = f.path.len;
		f.args[i].absent = !f.path.len;
		f.args[i].num = (int8_t)life;
	}
	if (f.pid > 0)
		recorder_facts_add(&track, &f);
}

static void act(void)
{
	struct ring_writer *w = &writers[byte() % LANES_USED];

	switch (byte() % (track.facts ? 16 : 11)) {
	case 0:
	case 1:
		act_start(w);
		break;
	case 2:
		act_exit(w);
		break;
	case 3:
	case 4:
	case 5:
		act_call(w);
		break;
	case 6:
		act_complete();
		break;
	case 7:
		act_scribble(w);
		break;
	case 8:
		act_lane(w);
		break;
	case 9:
		act_died();
		break;
	case 10:
		act_seen();
		(void)recorder_track_drain(&track);
		break;
	default:
		act_fact();
		break;
	}
}

static unsigned count(const char *haystack, const char *needle)
{
	unsigned n = 0;

	for (const char *p = haystack; (p = strstr(p, needle)); p += strlen(needle))
		n++;
	return n;
}

/* Text of the workload cannot look like this: its quotes are escaped. */
static void check_trace(void)
{
	static char trace[TRACE_MAX];
	FILE *f = fopen(recorder_output_trace_path(output), "re");
	int num;
	size_t n;

	if (!f)
		abort();
	n = fread(trace, 1, sizeof(trace) - 1, f);
	trace[n] = '\0';
	(void)fclose(f);
	if (truncate(recorder_output_trace_path(output), 0) < 0)
		abort();
	if (recorder_output_lost(output, &num) || n == sizeof(trace) - 1 || strlen(trace) != n)
		abort();
	/* an image whose first record was lost has an end alone */
	if (count(trace, "\"syscall\": \"start\"") >
	    count(trace, "\"syscall\": \"exit\"") + count(trace, "\"syscall\": \"replaced\""))
		abort();
}

static void set_up(void)
{
	static const struct event_span none;
	struct tt_uuid span = span_of(7);
	struct ring_who owner = {.span = span_of(1), .pid = getpid(), .tid = getpid()};
	struct ring_consumer *ring = NULL;
	uint8_t how;

	memset(&track, 0, sizeof(track));
	memset(writers, 0, sizeof(writers));
	memset(pending, 0, sizeof(pending));
	if (recorder_track_init(&track) < 0 ||
	    ring_consumer_new(&(struct ring_options){0}, &ring) < 0 ||
	    ring_producer_attach(&producer, ring_consumer_fd(ring)) < 0)
		abort();
	track.ring = ring;
	track.out = output;
	track.ids.session = (struct event_text){"s", 1};
	track.root = getpid();
	track.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < LANES_USED; i++)
		if (ring_lane_claim(&producer, &writers[i], ring_consumer_fd(ring), &owner) < 0)
			abort();
	how = byte();
	track.own_pid_namespace = how & 1;
	track.realtime_offset = 1000 * TT_NS_PER_SEC; /* as a pass has it */
	track.facts = how & 2 ? recorder_facts_new() : NULL;
	recorder_track_launch(&track, getpid(), getpid(), &span, &none, NULL, 1);
}

static void tear_down(void)
{
	recorder_track_finish(&track);
	if (track.tree.live.next_live != &track.tree.live || track.gone)
		abort();
	for (size_t i = 0; i < TT_ARRAY_SIZE(track.tree.spans); i++)
		if (track.tree.spans[i])
			abort();
	recorder_facts_free(track.facts);
	recorder_track_done(&track);
	(void)close(track.epoll_fd);
	for (int i = 0; i < LANES_USED; i++)
		(void)munmap(writers[i].data, RING_LANE_BYTES);
	(void)munmap(producer.header, ring_directory_size(RING_SLOTS, RING_LANES));
	ring_consumer_free(track.ring);
}

static void remove_folder(void)
{
	(void)unlink(recorder_output_trace_path(output));
	recorder_output_free(output);
	(void)rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tt_err err;

	if (!output) {
		if (!mkdtemp(folder) || recorder_output_open(&output, folder, "r", "t", &err) < 0)
			abort();
		(void)atexit(remove_folder);
	}
	input.at = data;
	input.left = size;
	set_up();
	for (int i = 0; i < ACTS_MAX && input.left; i++)
		act();
	tear_down();
	check_trace();
	return 0;
}
