/* SPDX-License-Identifier: Apache-2.0 */
/*
 * True histories of threads, with losses and lies put in: the lies are found, and nothing else is.
 * A history is made act by act from a number, so that a failure can be seen again.
 */
#include "recorder/held.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/time.h"
#include "recorder/facts.h"
#include "recorder/kinds.h"
#include "recorder/track_internal.h"
#include "tap.h"

#define HISTORIES 120
#define ACTS      900
#define THREADS   4
#define PID       100
#define BEGAN     (1000 * TT_NS_PER_SEC)
#define JITTER_NS 4000 /* between the ring's clock and the kernel's */
#define PASS_NS   (5 * TT_NS_PER_MS)
#define LIES_MAX  5

static char folder[] = "/tmp/test-held-XXXXXX";
static struct recorder_output *output;
static struct recorder_track track;
static struct recorder_facts *facts;
static struct recorder_span *span;
static uint64_t seed;

static uint64_t number(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

/* What a thread's lane and the kernel's ring hold until the next pass. */
struct said {
	struct event ev;
	uint64_t entered;
	bool lost;
	char text[2][40];
	struct sockaddr_un addr;
};
struct seen {
	struct kernel_fact f;
	bool lost;
	char text[2][40];
	struct sockaddr_un addr;
};
static struct said *said;
static struct seen *seen;
static size_t said_count, seen_count;
static uint64_t clocks[THREADS];
static bool shared_memory, own_namespace, numbered;

/* What must come out. */
static struct {
	unsigned confirmed, lines, found, direct;
	char lies[LIES_MAX][40];
	unsigned lie_count;
} want;
static unsigned confirmed;

static struct event_arg text_arg(const char *text)
{
	return (struct event_arg){.data = text, .len = strlen(text)};
}

static struct kernel_file file_of(enum recorder_origin origin)
{
	for (size_t i = 0; i < facts->library_count; i++)
		if (facts->libraries[i].origin == origin)
			return facts->libraries[i].file;
	return (struct kernel_file){0, 0};
}

/* One act, as the kernel sees it and as the library tells of it. */
struct act {
	struct said *l;
	struct seen *k;
	unsigned thread;
};

static struct seen *new_fact(unsigned thread, uint64_t ts)
{
	struct seen *k = &seen[seen_count++];

	memset(k, 0, sizeof(*k));
	k->f.kind = KERNEL_FACT_CALL;
	k->f.pid = PID;
	k->f.tid = PID + (int32_t)thread;
	k->f.ns_tid = numbered && thread ? 10 + (int32_t)thread : 0;
	k->f.ts_ns = ts;
	k->f.has_result = true;
	k->f.own_memory = !shared_memory;
	k->f.origin = KERNEL_ORIGIN_FILE;
	k->f.origin_file = file_of(RECORDER_ORIGIN_LIBC);
	return k;
}

static struct said *new_call(unsigned thread, uint64_t entered, uint64_t elapsed)
{
	struct said *l = &said[said_count++];

	memset(l, 0, sizeof(*l));
	l->ev.type = EVENT_SYSCALL;
	l->ev.pid = own_namespace ? 1 : PID;
	l->ev.tid = own_namespace && thread ? 10 + (int32_t)thread : l->ev.pid + (int32_t)thread;
	l->ev.has_result = true;
	l->ev.elapsed_ns = elapsed;
	l->entered = entered;
	return l;
}

static unsigned next_name;

static void name_it(char text[40])
{
	/* few names, so that the same one comes again and again; and some that are relative */
	(void)snprintf(text, 40, number(4) ? "/tmp/f%u" : "f%u", (unsigned)number(6));
}

static void name_once(char text[40])
{
	(void)snprintf(text, 40, "/tmp/only%u", next_name++);
}

static void put_open(struct act *a)
{
	static const enum event_call calls[] = {EVENT_CALL_open, EVENT_CALL_open64,
						EVENT_CALL_fopen, EVENT_CALL_openat,
						EVENT_CALL_opendir};
	enum event_call call = calls[number(TT_ARRAY_SIZE(calls))];
	unsigned at = call == EVENT_CALL_openat, write = number(2) && call != EVENT_CALL_opendir;

	a->l->ev.call = call;
	a->k->f.call = EVENT_CALL_openat;
	a->k->f.args[0].num = AT_FDCWD;
	if (at)
		a->l->ev.args[0].num = a->k->f.args[0].num = number(2) ? 7 : AT_FDCWD;
	a->l->ev.args[at] = text_arg(a->l->text[0]);
	a->k->f.args[1] = text_arg(a->k->text[0]);
	a->k->f.args[2].num = write ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY | O_CLOEXEC;
	a->l->ev.args[at + 1].num = a->k->f.args[2].num;
	if (call == EVENT_CALL_fopen)
		a->l->ev.args[1] = text_arg(write ? "w" : "re,ccs=latin1+");
	a->k->f.args[3].num = a->l->ev.args[at + 2].num = 0644;
	a->k->f.args[3].absent = !write;
	if (!a->k->f.error)
		a->l->ev.result = a->k->f.result = 3 + (int64_t)number(4);
}

static void put_change(struct act *a)
{
	static const struct {
		enum event_call said, done;
	} calls[] = {
		{EVENT_CALL_unlink, EVENT_CALL_unlink},   {EVENT_CALL_rmdir, EVENT_CALL_rmdir},
		{EVENT_CALL_remove, EVENT_CALL_unlink},   {EVENT_CALL_mkdir, EVENT_CALL_mkdir},
		{EVENT_CALL_chmod, EVENT_CALL_chmod},     {EVENT_CALL_rename, EVENT_CALL_rename},
		{EVENT_CALL_symlink, EVENT_CALL_symlink}, {EVENT_CALL_connect, EVENT_CALL_connect},
	};
	size_t i = number(TT_ARRAY_SIZE(calls));
	struct event_arg *l = a->l->ev.args, *k = a->k->f.args;

	a->l->ev.call = calls[i].said;
	a->k->f.call = calls[i].done;
	if (a->l->ev.call == EVENT_CALL_connect) {
		l[0].num = k[0].num = 5;
		a->l->addr.sun_family = AF_UNIX;
		memcpy(a->l->addr.sun_path, a->l->text[0], 40);
		a->k->addr = a->l->addr;
		l[1] = (struct event_arg){.data = &a->l->addr, .len = sizeof(a->l->addr)};
		k[1] = (struct event_arg){.data = &a->k->addr, .len = sizeof(a->k->addr)};
		return;
	}
	l[0] = text_arg(a->l->text[0]);
	k[0] = text_arg(a->k->text[0]);
	if (a->l->ev.call == EVENT_CALL_rename || a->l->ev.call == EVENT_CALL_symlink) {
		l[1] = text_arg(a->l->text[1]);
		k[1] = text_arg(a->k->text[1]);
	} else {
		l[1].num = k[1].num = 0700;
	}
}

/* A call of @thread that takes place at its time. */
static struct act call_of(unsigned thread, bool fails, bool once)
{
	uint64_t entered = clocks[thread], elapsed = 500 + number(3000);
	struct act a = {.thread = thread};
	int64_t shift = (int64_t)number(2 * JITTER_NS) - JITTER_NS;

	a.l = new_call(thread, entered + (uint64_t)shift, elapsed);
	a.k = new_fact(thread, entered + 100 + number(elapsed - 200));
	if (once)
		name_once(a.l->text[0]);
	else
		name_it(a.l->text[0]);
	name_it(a.l->text[1]);
	memcpy(a.k->text, a.l->text, sizeof(a.k->text));
	if (fails) {
		a.l->ev.error = a.k->f.error = number(2) ? ENOENT : EACCES;
		a.l->ev.result = a.k->f.result = -1;
	}
	if (number(2))
		put_open(&a);
	else
		put_change(&a);
	clocks[thread] = entered + elapsed + number(6000);
	return a;
}

static void tell_truth(unsigned thread)
{
	bool fails = number(4) == 0;

	(void)call_of(thread, fails, false);
	want.confirmed++;
}

/* An interruption, a first try, and a name looked up: parts of a call that is told of. */
static void tell_parts(unsigned thread)
{
	uint64_t entered = clocks[thread], elapsed = 40000;
	struct said *l = new_call(thread, entered, elapsed);
	struct seen *k;

	switch (number(3)) {
	case 0:
		/* at times for longer than a fact waits for a thread that is in no call */
		if (number(8) == 0)
			l->ev.elapsed_ns = elapsed = 60 * TT_NS_PER_MS;
		l->ev.call = EVENT_CALL_accept4;
		l->ev.args[0].num = 4;
		l->ev.result = 9;
		for (unsigned i = 0; i < 3; i++) {
			k = new_fact(thread, entered + 9000 * (i + 1));
			k->f.call = EVENT_CALL_accept4;
			k->f.args[0].num = 4;
			k->f.args[1].absent = true;
			k->f.result = i == 2 ? 9 : -1;
			k->f.error = i == 2 ? 0 : EINTR;
		}
		l->ev.args[1].absent = true;
		want.confirmed++;
		break;
	case 1:
		l->ev.call = EVENT_CALL_mkstemp;
		(void)snprintf(l->text[0], 40, "/tmp/tXXXXXX");
		(void)snprintf(l->text[1], 40, "/tmp/tAAAAAA");
		l->ev.args[0] = text_arg(l->text[0]);
		l->ev.extra = (struct event_text){l->text[1], 12};
		l->ev.result = 5;
		for (unsigned i = 0; i < 2; i++) {
			k = new_fact(thread, entered + 9000 * (i + 1));
			k->f.call = EVENT_CALL_openat;
			(void)snprintf(k->text[0], 40, i ? "/tmp/tAAAAAA" : "/tmp/tBBBBBB");
			k->f.args[0].num = AT_FDCWD;
			k->f.args[1] = text_arg(k->text[0]);
			k->f.args[2].num = O_RDWR | O_CREAT | O_EXCL;
			k->f.result = i ? 5 : -1;
			k->f.error = i ? 0 : EEXIST;
		}
		want.confirmed++;
		break;
	default:
		l->ev.call = EVENT_CALL_getaddrinfo;
		l->ev.args[0] = text_arg("localhost");
		l->ev.args[1].absent = true;
		k = new_fact(thread, entered + 9000);
		k->f.call = EVENT_CALL_openat;
		k->f.args[0].num = AT_FDCWD;
		k->f.args[1] = text_arg("/etc/hosts");
		k->f.result = 3;
		k = new_fact(thread, entered + 12000);
		k->f.call = EVENT_CALL_connect;
		k->addr.sun_family = AF_UNIX;
		k->f.args[1] = (struct event_arg){.data = &k->addr, .len = 2};
		want.lines++;
		break;
	}
	clocks[thread] = entered + elapsed + 1000;
}

/* What the kernel alone sees. */
static void keep_quiet(unsigned thread)
{
	struct seen *k = new_fact(thread, clocks[thread]);

	k->f.call = EVENT_CALL_openat;
	name_once(k->text[0]);
	k->f.args[0].num = AT_FDCWD;
	k->f.args[1] = text_arg(k->text[0]);
	k->f.result = 3;
	if (number(3) == 0) {
		k->f.origin = KERNEL_ORIGIN_ANONYMOUS;
		want.direct++;
	}
	want.lines++;
	clocks[thread] += number(4000);
}

static void lie(unsigned thread)
{
	struct act a = call_of(thread, false, true);
	bool two = a.l->ev.call == EVENT_CALL_rename || a.l->ev.call == EVENT_CALL_symlink;
	unsigned how = (unsigned)number(6);

	want.lines++; /* what was done in truth */
	want.found++;
	(void)snprintf(want.lies[want.lie_count++], 40, "%s", a.l->text[0]);
	if (a.l->ev.call == EVENT_CALL_connect) {
		a.k->addr.sun_path[1] = '!';
		return;
	}
	switch (how) {
	case 0: /* told of, and not made */
		seen_count--;
		want.lines--;
		return;
	case 1: /* told as failed */
		if (recorder_kind_is_one(a.l->ev.call)) {
			a.l->ev.result = -1;
			a.l->ev.error = ENOENT;
			return;
		}
		break;
	case 2:
		if (two) {
			a.k->text[1][0] = '!';
			return;
		}
		break;
	case 3:
		if (a.l->ev.call == EVENT_CALL_chmod || a.l->ev.call == EVENT_CALL_mkdir) {
			a.k->f.args[1].num = 0777;
			return;
		}
		break;
	case 4: /* told as read, and written */
		if (event_opens(a.l->ev.call) && a.k->f.args[2].num == (O_RDONLY | O_CLOEXEC)) {
			a.k->f.args[2].num = O_WRONLY;
			return;
		}
		break;
	default:
		break;
	}
	a.k->text[0][1] = '!';
}

static void set_up(uint64_t from)
{
	struct tt_uuid id;
	static const struct event_span none;

	seed = from * 0x9e3779b97f4a7c15ull + 1;
	memset(&track, 0, sizeof(track));
	memset(&want, 0, sizeof(want));
	confirmed = next_name = 0;
	said_count = seen_count = 0;
	CHECK_INT(recorder_track_init(&track), 0);
	track.out = output;
	track.facts = facts = recorder_facts_new();
	facts->tells_all = true;
	id = tt_uuid_make();
	span = recorder_span_add(&track.tree, &id, &none, EVENT_HOW_EXEC);
	span->told = id;
	span->observed = span->preload = true;
	span->pid = PID;
	span->own_pid = own_namespace ? 1 : PID;
	span->spoke_ns = 1;
	for (unsigned i = 0; i < THREADS; i++)
		clocks[i] = BEGAN + i * 777;
}

static int facts_by_time(const void *a, const void *b)
{
	const struct seen *const *x = a, *const *y = b;

	return (*x)->f.ts_ns < (*y)->f.ts_ns ? -1 : (*x)->f.ts_ns > (*y)->f.ts_ns;
}

static int calls_by_time(const void *a, const void *b)
{
	const struct said *const *x = a, *const *y = b;

	return (*x)->entered < (*y)->entered ? -1 : (*x)->entered > (*y)->entered;
}

static void in_flight(const struct said *l)
{
	const struct ring_lane_state lane = {
		.caller = {.span = span->id, .pid = l->ev.pid, .tid = l->ev.tid},
		.since_ns = l->entered,
	};

	recorder_held_blocked(&track, &lane);
}

/* All of it, pass by pass, as the recorder takes it. */
static void replay(void)
{
	const struct seen **k = calloc(seen_count + 1, sizeof(const struct seen *));
	const struct said **l = calloc(said_count + 1, sizeof(const struct said *));
	bool *done = calloc(said_count + 1, sizeof(bool));
	size_t nk = 0, first = 0;

	if (!k || !l || !done)
		abort();
	for (size_t i = 0; i < seen_count; i++)
		k[i] = &seen[i];
	for (size_t i = 0; i < said_count; i++)
		l[i] = &said[i];
	qsort(k, seen_count, sizeof(const struct seen *), facts_by_time);
	qsort(l, said_count, sizeof(const struct said *), calls_by_time);
	for (uint64_t now = BEGAN; nk < seen_count || first < said_count; now += number(PASS_NS)) {
		facts->blocked_count = 0;
		facts->pass_ns = now;
		for (; nk < seen_count && k[nk]->f.ts_ns <= now; nk++)
			if (!k[nk]->lost)
				recorder_held_add(&track, span, &k[nk]->f);
		for (size_t i = first; i < said_count && l[i]->entered <= now; i++) {
			struct event ev = l[i]->ev;

			if (done[i])
				continue;
			if (l[i]->lost) {
				done[i] = true;
				continue;
			}
			if (l[i]->entered + ev.elapsed_ns + JITTER_NS > now) {
				in_flight(l[i]);
				continue;
			}
			done[i] = true;
			recorder_held_match(&track, span, &ev, l[i]->entered, false);
			confirmed += ev.confirmed;
		}
		while (first < said_count && done[first])
			first++;
		recorder_held_settle(&track);
	}
	facts->pass_ns += TT_NS_PER_SEC;
	recorder_held_settle(&track);
	recorder_held_end(&track, span);
	free(k);
	free(l);
	free(done);
}

static uint64_t count_of(enum recorder_finding_kind kind)
{
	uint64_t n = 0;

	for (size_t i = 0; i < facts->causes.finding_count; i++)
		if (facts->causes.findings[i].kind == kind)
			n += facts->causes.findings[i].count;
	return n;
}

static bool is_named(const char *text)
{
	for (size_t i = 0; i < facts->causes.finding_count; i++)
		for (unsigned e = 0; e < facts->causes.findings[i].event_count; e++)
			if (strstr(facts->causes.findings[i].events[e], text))
				return true;
	return false;
}

static void tear_down(void)
{
	CHECK_INT(facts->held_bytes, 0);
	CHECK(!span->held && !span->doubts);
	recorder_span_remove(&track.tree, span);
	recorder_facts_free(facts);
	recorder_track_done(&track);
	CHECK_INT(truncate(recorder_output_trace_path(output), 0), 0);
}

static void make(unsigned lies)
{
	for (unsigned i = 0; i < ACTS; i++) {
		unsigned thread = (unsigned)number(THREADS);

		if (lies && i % (ACTS / LIES_MAX) == 100)
			lie(thread), lies--;
		else if (number(12) == 0)
			tell_parts(thread);
		else if (number(12) == 0)
			keep_quiet(thread);
		else
			tell_truth(thread);
	}
}

static void check(uint64_t from)
{
	int bad = tap_bad;

	CHECK_INT(confirmed, want.confirmed);
	CHECK_INT(facts->causes.kernel, want.lines);
	CHECK_INT(count_of(RECORDER_FINDING_UNSEEN) + count_of(RECORDER_FINDING_DIFFERS),
		  want.found);
	CHECK_INT(count_of(RECORDER_FINDING_DIRECT), want.direct);
	for (unsigned i = 0; i < want.lie_count; i++)
		if (!is_named(want.lies[i]))
			TAP_FAIL_AT("not found: %s", want.lies[i]);
	if (tap_bad != bad)
		printf("# history %" PRIu64 "\n", from);
}

static void the_lies_are_found_and_nothing_else(void)
{
	for (uint64_t i = 1; i <= HISTORIES; i++) {
		set_up(i);
		make(i % (LIES_MAX + 1));
		replay();
		check(i);
		tear_down();
	}
}

static void nothing_is_found_where_memory_is_shared(void)
{
	shared_memory = true;
	for (uint64_t i = 1; i <= HISTORIES / 4; i++) {
		set_up(i);
		make(0);
		replay();
		check(i);
		tear_down();
	}
	shared_memory = false;
}

static void threads_are_counted_otherwise_inside(void)
{
	own_namespace = true;
	numbered = true;
	for (uint64_t i = 1; i <= HISTORIES / 4; i++) {
		set_up(i);
		make(i % (LIES_MAX + 1));
		replay();
		check(i);
		tear_down();
	}
	numbered = false;
	for (uint64_t i = 1; i <= HISTORIES / 4; i++) {
		set_up(i);
		make(0);
		replay();
		CHECK_INT(count_of(RECORDER_FINDING_UNSEEN), 0);
		CHECK_INT(count_of(RECORDER_FINDING_DIFFERS), 0);
		tear_down();
	}
	own_namespace = false;
}

/* Records that had no room: their facts are lines, and accuse nobody. */
static void what_the_library_lost_is_no_lie(void)
{
	for (uint64_t i = 1; i <= HISTORIES / 4; i++) {
		set_up(i);
		make(0);
		for (size_t n = 0; n < said_count; n++)
			said[n].lost = number(3) == 0;
		replay();
		CHECK_INT(count_of(RECORDER_FINDING_UNSEEN), 0);
		CHECK_INT(count_of(RECORDER_FINDING_DIFFERS), 0);
		tear_down();
	}
}

/* Facts that had no room: once that is known, what is missing proves nothing. */
static void what_the_kernel_lost_is_no_lie(void)
{
	for (uint64_t i = 1; i <= HISTORIES / 4; i++) {
		set_up(i);
		make(LIES_MAX);
		for (size_t n = 0; n < seen_count; n++)
			seen[n].lost = number(10) == 0;
		facts->is_lossy = true;
		replay();
		CHECK_INT(count_of(RECORDER_FINDING_UNSEEN), 0);
		CHECK_INT(count_of(RECORDER_FINDING_DIFFERS), 0);
		tear_down();
	}
}

static void a_call_covers_only_what_it_may_bring_along(void)
{
	static const enum event_call calls[] = {EVENT_CALL_open, EVENT_CALL_getaddrinfo};

	for (size_t i = 0; i < TT_ARRAY_SIZE(calls); i++) {
		struct said *l;
		struct seen *k;

		set_up(1);
		l = new_call(0, BEGAN, 10 * TT_NS_PER_MS);
		l->ev.call = calls[i];
		l->ev.result = -1;
		l->ev.error = ENOENT;
		l->ev.args[0] = text_arg("name");
		l->ev.args[1].absent = calls[i] == EVENT_CALL_getaddrinfo;
		for (unsigned n = 0; n < 2; n++) {
			k = new_fact(0, BEGAN + TT_NS_PER_MS);
			k->f.call = EVENT_CALL_openat;
			k->f.args[0].num = AT_FDCWD;
			k->f.args[1] = text_arg(n ? "/etc/shadow" : "/etc/hosts");
			k->f.result = 3;
		}
		replay();
		CHECK_INT(facts->causes.kernel, 1);
		CHECK_INT(facts->causes.unmatched[RECORDER_UNMATCHED_INSIDE], i ? 2 : 0);
		tear_down();
	}
}

/* Of two acts that are alike the one within the call is its own, not the one just before it. */
static void the_nearest_is_its_own(void)
{
	struct said *l;
	struct event ev;

	set_up(1);
	for (unsigned i = 0; i < 2; i++) {
		struct seen *k = new_fact(0, BEGAN + i * 10000);

		k->f.call = EVENT_CALL_unlink;
		k->f.args[0] = text_arg("/tmp/x");
		recorder_held_add(&track, span, &k->f);
	}
	l = new_call(0, BEGAN + 9000, 2000);
	l->ev.call = EVENT_CALL_unlink;
	l->ev.args[0] = text_arg("/tmp/x");
	ev = l->ev;
	recorder_held_match(&track, span, &ev, l->entered, false);
	CHECK(ev.confirmed);
	CHECK(span->held && span->held->fact.ts_ns == BEGAN);
	recorder_held_end(&track, span);
	tear_down();
}

/* What another thread wrote into the path between the two looks at it. */
static void of_shared_memory_the_file_tells(void)
{
	char joined[] = "/tmp/same";
	struct said *l;
	struct seen *k;
	struct event ev;

	shared_memory = true;
	set_up(1);
	l = new_call(0, BEGAN, 1000);
	l->ev.call = EVENT_CALL_open;
	l->ev.result = 3;
	l->ev.args[0] = text_arg(joined);
	l->ev.args[2].absent = true;
	l->ev.joined = (struct event_text){joined, strlen(joined)};
	k = new_fact(0, BEGAN + 500);
	k->f.call = EVENT_CALL_openat;
	k->f.args[0].num = AT_FDCWD;
	k->f.args[1] = text_arg(joined);
	k->f.result = 3;
	k->f.where = (struct event_text){"/etc/same", 9};
	k->f.where_is_file = true;
	recorder_held_add(&track, span, &k->f);
	ev = l->ev;
	recorder_held_match(&track, span, &ev, l->entered, false);
	CHECK(ev.confirmed);
	CHECK(ev.joined.len == 9 && memcmp(ev.joined.data, "/etc/same", 9) == 0);
	recorder_held_end(&track, span);
	tear_down();
	shared_memory = false;
}

/* Who calls his file as a dynamic linker's is called reads what he reads for all to see. */
static void before_the_first_word_libraries_are_loaded(void)
{
	static const char *const paths[] = {"/lib/libx.so.1", "/etc/ld.so.cache", "/etc/shadow",
					    "/tmp/own"};

	set_up(1);
	span->spoke_ns = BEGAN + TT_NS_PER_SEC;
	span->exe_dev = 1;
	span->exe_ino = 2;
	for (size_t i = 0; i < TT_ARRAY_SIZE(paths); i++) {
		struct seen *k = new_fact(0, BEGAN + i * 1000);

		k->f.call = EVENT_CALL_openat;
		k->f.args[0].num = AT_FDCWD;
		k->f.args[1] = text_arg(paths[i]);
		k->f.origin_file =
			i < 3 ? file_of(RECORDER_ORIGIN_LOADER) : (struct kernel_file){1, 2};
	}
	replay();
	CHECK_INT(facts->causes.unmatched[RECORDER_UNMATCHED_STARTUP], 3);
	CHECK_INT(facts->causes.unmatched[RECORDER_UNMATCHED_DIRECT], 1);
	CHECK_INT(facts->causes.kernel, 2);
	tear_down();
}

int main(void)
{
	struct tt_err err;

	said = calloc((size_t)ACTS * 2, sizeof(*said));
	seen = calloc((size_t)ACTS * 4, sizeof(*seen));
	if (!said || !seen || !mkdtemp(folder) ||
	    recorder_output_open(&output, folder, "r", "t", &err) < 0)
		return 1;
	TAP_RUN(the_lies_are_found_and_nothing_else);
	TAP_RUN(nothing_is_found_where_memory_is_shared);
	TAP_RUN(threads_are_counted_otherwise_inside);
	TAP_RUN(what_the_library_lost_is_no_lie);
	TAP_RUN(what_the_kernel_lost_is_no_lie);
	TAP_RUN(a_call_covers_only_what_it_may_bring_along);
	TAP_RUN(the_nearest_is_its_own);
	TAP_RUN(of_shared_memory_the_file_tells);
	TAP_RUN(before_the_first_word_libraries_are_loaded);
	(void)unlink(recorder_output_trace_path(output));
	recorder_output_free(output);
	(void)rmdir(folder);
	free(said);
	free(seen);
	return tap_done();
}
