/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel tells, held against what the library tells: images, lines, causes, findings. */
#include "recorder/facts.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/time.h"
#include "ring/clock.h"
#include "ring/put.h"
#include "tap.h"

#define CHILD 4194303 /* no process has this number */

static char folder[] = "/tmp/test-facts-XXXXXX";
static struct recorder_output *output;
static struct recorder_track track;
static struct ring_producer producer;
static struct ring_writer lane;
static struct recorder_facts *facts;
static char trace[1u << 20];
static struct tt_uuid launched, spoken;
static uint32_t clock_kind;

static uint64_t now(void)
{
	return tt_clock_ns(CLOCK_MONOTONIC);
}

static void tell(struct kernel_fact f)
{
	f.ts_ns = f.ts_ns ? f.ts_ns : now();
	f.tid = f.tid ? f.tid : f.pid;
	f.start_ns = f.start_ns ? f.start_ns : (uint64_t)f.pid;
	facts->pass_ns = now();
	facts->last = NULL;
	recorder_facts_add(&track, &f);
}

static struct event_text text(const char *s)
{
	return (struct event_text){s, strlen(s)};
}

static void exec_of(int32_t pid, const char *path, bool secure)
{
	tell((struct kernel_fact){.kind = KERNEL_FACT_EXEC,
				  .pid = pid,
				  .path = text(path),
				  .argv = {"x", 2},
				  .cwd = text("/"),
				  .secure = secure});
}

static struct kernel_fact open_fact(const char *path, int64_t result)
{
	struct kernel_fact f = {.kind = KERNEL_FACT_CALL,
				.pid = getpid(),
				.call = EVENT_CALL_openat,
				.result = result,
				.has_result = true,
				.own_memory = true,
				.origin = KERNEL_ORIGIN_FILE};

	f.args[0].num = -100;
	f.args[1] = (struct event_arg){.data = path, .len = strlen(path)};
	for (size_t i = 0; i < facts->library_count; i++)
		if (facts->libraries[i].origin == RECORDER_ORIGIN_LIBC)
			f.origin_file = facts->libraries[i].file;
	return f;
}

/* The library tells of open(@path); @f is what the kernel tells meanwhile. */
static void lib_open(const char *path, int64_t result, const struct kernel_fact *f)
{
	struct event_arg args[3] = {
		{.data = path, .len = strlen(path)}, {.num = 0}, {.absent = true}};
	uint64_t began = ring_ticks(clock_kind);
	struct ring_record *r = ring_call_begin(&lane, EVENT_CALL_open, args, 3, NULL, began);

	CHECK(r != NULL);
	if (f)
		tell(*f);
	ring_call_end(r, result, 0, ring_ticks(clock_kind) - began);
}

/* Passes until all that waits for time has had it. */
static void pass(unsigned ms)
{
	for (unsigned i = 0; i < ms; i += 10) {
		facts->pass_ns = now();
		(void)recorder_track_drain(&track);
		(void)usleep(10000);
	}
	facts->pass_ns = now();
	(void)recorder_track_drain(&track);
}

static void set_up(bool speaks)
{
	struct ring_who owner = {.pid = getpid(), .tid = getpid(), .ppid = 1};
	static const struct event_span none;
	struct event start = {.type = EVENT_PROCESS, .act = EVENT_ACT_START, .how = EVENT_HOW_EXEC};
	struct ring_consumer *ring = NULL;

	memset(&track, 0, sizeof(track));
	CHECK_INT(recorder_track_init(&track), 0);
	CHECK_INT(ring_consumer_new(&(struct ring_options){0}, &ring), 0);
	CHECK_INT(ring_producer_attach(&producer, ring_consumer_fd(ring)), 0);
	clock_kind = producer.header->clock;
	track.ring = ring;
	track.out = output;
	track.ids.session = text("s");
	track.root = 1;
	track.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	track.facts = facts = recorder_facts_new();
	facts->tells_all = true;
	launched = tt_uuid_make();
	spoken = tt_uuid_make();
	recorder_track_launch(&track, getpid(), getpid(), &launched, &none, NULL,
			      recorder_track_now());
	tell((struct kernel_fact){.kind = KERNEL_FACT_FORK, .pid = getpid(), .ppid = 1});
	(void)recorder_track_drain(&track); /* the clock of the trace */
	exec_of(getpid(), "/proc/self/exe", false);
	owner.span = spoken;
	memset(&lane, 0, sizeof(lane));
	CHECK_INT(ring_lane_claim(&producer, &lane, ring_consumer_fd(ring), &owner), 0);
	if (!speaks)
		return;
	(void)ring_slot_claim(&producer, getpid(), &spoken);
	start.parent.id = launched;
	start.exe = text("/bin/prog");
	start.comm = text("prog");
	(void)ring_start_put(&lane, &start, NULL, ring_ticks(clock_kind), 0);
	pass(0);
}

static void finish(void)
{
	size_t n;
	FILE *f;

	tell((struct kernel_fact){.kind = KERNEL_FACT_EXIT, .pid = getpid(), .status = 3 << 8});
	pass(0);
	recorder_track_finish(&track);
	f = fopen(recorder_output_trace_path(output), "re");
	n = fread(trace, 1, sizeof(trace) - 1, f);
	trace[n] = '\0';
	(void)fclose(f);
	CHECK_INT(truncate(recorder_output_trace_path(output), 0), 0);
}

static void tear_down(void)
{
	recorder_facts_free(facts);
	recorder_track_done(&track);
	(void)close(track.epoll_fd);
	(void)munmap(lane.data, RING_LANE_BYTES);
	(void)munmap(producer.header, ring_directory_size(RING_SLOTS, RING_LANES));
	ring_consumer_free(track.ring);
}

/* How many lines hold all of @a, @b and @c. */
static unsigned lines(const char *a, const char *b, const char *c)
{
	unsigned found = 0;

	for (char *at = trace, *end; (end = strchr(at, '\n')); at = end + 1) {
		*end = '\0';
		found += strstr(at, a) && strstr(at, b) && strstr(at, c);
		*end = '\n';
	}
	return found;
}

static unsigned starts(void)
{
	return lines("\"syscall\": \"start\"", "", "");
}

static unsigned ends(void)
{
	return lines("\"syscall\": \"exit\"", "", "") + lines("\"syscall\": \"replaced\"", "", "");
}

static void what_both_tell_is_one_line(void)
{
	struct kernel_fact f;

	set_up(true);
	f = open_fact("/tmp/a", 3);
	lib_open("/tmp/a", 3, &f);
	pass(50);
	finish();
	CHECK_INT(lines("/tmp/a", "", ""), 1);
	CHECK_INT(lines("/tmp/a", "\"confirmed_by\": \"kernel\"", "\"standing\": \"observed\""), 1);
	CHECK_INT(
		lines("\"syscall\": \"exit\"", "\"coverage\": \"full\"", "\"lines_confirmed\": 1"),
		1);
	CHECK_INT(facts->causes.finding_count, 0);
	CHECK_INT(starts(), ends());
	CHECK_INT(lines("\"exit_code\": 3", "", ""), 1);
	tear_down();
}

static void what_the_kernel_alone_tells_is_a_line(void)
{
	struct kernel_fact f;

	set_up(true);
	f = open_fact("/tmp/direct", 4);
	f.origin = KERNEL_ORIGIN_ANONYMOUS;
	tell(f);
	f = open_fact("/tmp/libc", 5);
	tell(f);
	f = open_fact("/proc/self/maps", 5);
	tell(f);
	pass(50);
	finish();
	CHECK_INT(lines("/tmp/direct", "\"sensor\": \"kernel\"", "\"seq\": 0"), 1);
	CHECK_INT(lines("/tmp/libc", "\"sensor\": \"kernel\"", "\"seq\": 1"), 1);
	CHECK_INT(lines("/proc/self/maps", "", ""), 0);
	CHECK_INT(facts->causes.unmatched[RECORDER_UNMATCHED_DIRECT], 1);
	CHECK_INT(facts->causes.unmatched[RECORDER_UNMATCHED_LIBC], 1);
	CHECK_INT(facts->causes.finding_count, 1);
	CHECK_INT(facts->causes.findings[0].kind, RECORDER_FINDING_DIRECT);
	CHECK_INT(lines("\"coverage\": \"kernel-only\"", "\"cause\": \"direct\"", ""), 1);
	tear_down();
}

static void a_lie_is_found(void)
{
	struct kernel_fact f;

	set_up(true);
	lib_open("/tmp/never", 3, NULL);
	f = open_fact("/tmp/truth", 4);
	lib_open("/tmp/lie", 4, &f);
	pass(50);
	finish();
	CHECK_INT(facts->causes.finding_count, 2);
	for (size_t i = 0; i < facts->causes.finding_count; i++) {
		const struct recorder_finding *g = &facts->causes.findings[i];

		CHECK(g->event_count == 1);
		if (g->kind == RECORDER_FINDING_UNSEEN)
			CHECK(strstr(g->events[0], "/tmp/never") != NULL);
		else
			CHECK(strstr(g->events[0], "/tmp/lie") &&
			      strstr(g->events[0], "/tmp/truth"));
	}
	CHECK_INT(lines("/tmp/truth", "\"sensor\": \"kernel\"", ""), 1);
	tear_down();
}

static void innocent_differences_are_no_findings(void)
{
	struct kernel_fact f;

	/* text that another could have changed */
	set_up(true);
	f = open_fact("/tmp/one", 3);
	f.own_memory = false;
	lib_open("/tmp/two", 3, &f);
	pass(50);
	finish();
	CHECK_INT(facts->causes.finding_count, 0);
	tear_down();
	/* the kernel sensor lost something */
	set_up(true);
	lib_open("/tmp/never", 3, NULL);
	facts->is_lossy = true;
	pass(50);
	finish();
	CHECK_INT(facts->causes.finding_count, 0);
	tear_down();
	/* a child that was forked past libc speaks in its parent's name */
	set_up(true);
	tell((struct kernel_fact){.kind = KERNEL_FACT_FORK, .pid = CHILD, .ppid = getpid()});
	lib_open("/tmp/childs", 3, NULL);
	f = open_fact("/tmp/childs", 3);
	f.pid = CHILD;
	tell(f);
	tell((struct kernel_fact){.kind = KERNEL_FACT_EXIT, .pid = CHILD});
	pass(50);
	finish();
	CHECK_INT(facts->causes.finding_count, 0);
	CHECK_INT(starts(), ends());
	tear_down();
}

static void an_image_that_cannot_speak_begins_at_once(void)
{
	struct kernel_fact f;

	set_up(true);
	tell((struct kernel_fact){.kind = KERNEL_FACT_FORK, .pid = CHILD, .ppid = getpid()});
	exec_of(CHILD, "/bin/su", true);
	f = open_fact("/etc/shadow", 3);
	f.pid = CHILD;
	tell(f);
	pass(0);
	tell((struct kernel_fact){.kind = KERNEL_FACT_EXIT, .pid = CHILD, .status = 9});
	pass(0);
	finish();
	CHECK_INT(lines("\"syscall\": \"start\"", "/bin/su", "\"sensor\": \"kernel\""), 1);
	CHECK_INT(lines("/etc/shadow", "\"sensor\": \"kernel\"", ""), 1);
	CHECK_INT(lines("\"coverage\": \"kernel-only\"", "\"cause\": \"secure\"", "SIGKILL"), 1);
	CHECK_INT(lines("\"cause\": \"brief\"", "", ""), 1); /* what forked it never said so */
	CHECK_INT(starts(), ends());
	tear_down();
}

static void an_image_that_does_not_speak_is_waited_for(void)
{
	set_up(false);
	pass(50);
	CHECK(facts->images.pending.next_pending->pending);
	pass(150);
	CHECK(facts->images.pending.next_pending == &facts->images.pending);
	finish();
	CHECK_INT(lines("\"cause\": \"environment\"", "\"lines_kernel\": 0", ""), 1);
	CHECK_INT(starts(), ends());
	tear_down();
}

/* After its line was written under an id of ours. */
static void one_that_speaks_late_keeps_its_line(void)
{
	struct event start = {.type = EVENT_PROCESS, .act = EVENT_ACT_START, .how = EVENT_HOW_EXEC};
	struct kernel_fact f;

	set_up(false);
	pass(200);
	start.parent.id = launched;
	(void)ring_slot_claim(&producer, getpid(), &spoken);
	(void)ring_start_put(&lane, &start, NULL, ring_ticks(clock_kind), 0);
	f = open_fact("/tmp/late", 3);
	lib_open("/tmp/late", 3, &f);
	pass(50);
	finish();
	CHECK_INT(lines("/tmp/late", "\"confirmed_by\"", ""), 1);
	CHECK_INT(lines("\"coverage\": \"full\"", "\"syscall\": \"exit\"", ""), 1);
	CHECK_INT(starts(), 2);
	CHECK_INT(ends(), 2);
	tear_down();
}

static void what_a_call_brings_along_is_inside(void)
{
	struct event_arg args[3] = {{.data = "host", .len = 4}, {.absent = true}, {.absent = true}};
	uint64_t began;
	struct ring_record *r;
	struct kernel_fact f;

	set_up(true);
	began = ring_ticks(clock_kind);
	r = ring_call_begin(&lane, EVENT_CALL_getaddrinfo, args, 3, NULL, began);
	CHECK(r != NULL);
	(void)usleep(200);
	tell(open_fact("/etc/hosts", 3));
	f = open_fact("/tmp/written", 3);
	f.args[2].num = 01101; /* O_WRONLY|O_CREAT|O_TRUNC */
	tell(f);
	(void)usleep(40000); /* longer than any fact waits for a thread that is in no call */
	pass(50);
	ring_call_end(r, 0, 0, ring_ticks(clock_kind) - began);
	pass(50);
	finish();
	CHECK_INT(facts->causes.unmatched[RECORDER_UNMATCHED_INSIDE], 2);
	CHECK_INT(lines("/etc/hosts", "", ""), 0);
	CHECK_INT(lines("/tmp/written", "\"sensor\": \"kernel\"", ""), 1);
	tear_down();
}

/* The library says so before it tries, and again when it failed; the kernel speaks in between. */
static void an_exec_that_failed_is_looked_for_since_it_was_announced(void)
{
	struct event_arg args[3] = {
		{.data = "/tmp/none", .len = 9}, {.data = "x", .len = 2}, {.absent = true}};
	struct ring_record *r;
	struct kernel_fact f;

	set_up(true);
	f = open_fact("/tmp/none", -1);
	r = ring_call_begin(&lane, EVENT_CALL_execve, args, 3, NULL, ring_ticks(clock_kind));
	CHECK(r != NULL);
	r->flags |= RING_FLAG_NO_RESULT;
	ring_call_end(r, 0, 0, 0);
	(void)usleep(1000);
	f.call = EVENT_CALL_execve;
	f.error = ENOENT;
	f.args[0] = args[0];
	f.args[1] = args[1];
	tell(f);
	(void)usleep(1000);
	r = ring_call_begin(&lane, EVENT_CALL_execve, args, 3, NULL, ring_ticks(clock_kind));
	CHECK(r != NULL);
	ring_call_end(r, -1, ENOENT, 0);
	pass(50);
	finish();
	CHECK_INT(lines("\"error\": \"ENOENT\"", "\"confirmed_by\": \"kernel\"", ""), 1);
	CHECK_INT(lines("/tmp/none", "\"sensor\": \"kernel\"", ""), 0);
	tear_down();
}

/* Nobody can say of it that all of it was seen. */
static void an_image_with_losses_is_not_full(void)
{
	struct kernel_fact f;

	set_up(true);
	f = open_fact("/tmp/one", 3);
	lib_open("/tmp/one", 3, &f);
	f = open_fact("/tmp/two", 3);
	f.lost = 3;
	lib_open("/tmp/two", 3, &f);
	pass(50);
	finish();
	CHECK_INT(lines("\"coverage\": \"declared-only\"", "\"cause\": \"kernel_loss\"",
			"\"lines_confirmed\": 2"),
		  1);
	tear_down();
}

int main(void)
{
	struct tt_err err;

	if (!mkdtemp(folder) || recorder_output_open(&output, folder, "r", "t", &err) < 0)
		return 1;
	TAP_RUN(what_both_tell_is_one_line);
	TAP_RUN(what_the_kernel_alone_tells_is_a_line);
	TAP_RUN(a_lie_is_found);
	TAP_RUN(innocent_differences_are_no_findings);
	TAP_RUN(an_image_that_cannot_speak_begins_at_once);
	TAP_RUN(an_image_that_does_not_speak_is_waited_for);
	TAP_RUN(one_that_speaks_late_keeps_its_line);
	TAP_RUN(what_a_call_brings_along_is_inside);
	TAP_RUN(an_image_with_losses_is_not_full);
	TAP_RUN(an_exec_that_failed_is_looked_for_since_it_was_announced);
	(void)unlink(recorder_output_trace_path(output));
	recorder_output_free(output);
	(void)rmdir(folder);
	return tap_done();
}
