/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every interleaving forced: a child makes one record, and its parent steps it instruction by
 * instruction (ptrace(2)). At each boundary in turn a signal handler makes a record of its own, or
 * jumps away having made it, or the child is killed; the parent reads the ring before and after.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring/consumer.h"
#include "ring/put.h"
#include "tap.h"

#define STEPS_MAX 4000 /* far more instructions than a record takes */
#define TEXT_LEN  100

enum act { INTERRUPT, JUMP, KILL };

/* Records by name: made before, the one that is stepped through, in the handler, afterwards. */
enum name { BEFORE = 1, STEPPED, NESTED, AFTER, NAMES };

static struct shared {
	volatile int phase; /* 1: the record is being made, 2: it is made */
} * shared;

static struct ring_consumer *consumer;
static struct ring_producer producer;
static struct ring_writer writer;
static struct ring_lane_state state;
static _Alignas(8) char buf[RING_TAKEN_MAX];
static const struct ring_taken *const got = (const struct ring_taken *)buf;
static sigjmp_buf out;
static bool jumps;

static unsigned taken[NAMES], in_flight[NAMES];

static void make(enum name name, size_t len)
{
	static char text[RING_RECORD_MAX];
	struct event_arg arg = {.data = text, .len = len};
	struct ring_record *r;

	memset(text, 'a' + (int)name, TEXT_LEN);
	r = ring_call_begin(&writer, EVENT_CALL_system, &arg, 1, NULL, (uint64_t)name);
	if (r)
		ring_call_end(r, (int64_t)name, 0, 0);
}

/* What the record costs, with its pad: the text is ready, the rest is stepped through. */
static void make_stepped(void)
{
	static char text[TEXT_LEN];
	struct event_arg arg = {.data = text, .len = sizeof(text)};
	struct ring_record *r;

	memset(text, 'a' + STEPPED, sizeof(text));
	shared->phase = 1;
	r = ring_call_begin(&writer, EVENT_CALL_system, &arg, 1, NULL, STEPPED);
	if (r)
		ring_call_end(r, STEPPED, 0, 0);
	shared->phase = 2;
}

static void on_signal(int sig)
{
	(void)sig;
	make(NESTED, TEXT_LEN);
	if (jumps)
		siglongjmp(out, 1);
}

/* Leave less room at the end of a new lane than the next record takes. */
static void go_to_the_end(void)
{
	size_t fixed = sizeof(struct ring_record) + sizeof(struct ring_arg);

	for (uint64_t at = RING_LANE_BYTES; at > 2 * RING_RECORD_MAX; at -= RING_RECORD_MAX)
		make(BEFORE, RING_RECORD_MAX - fixed);
	make(BEFORE, RING_RECORD_MAX - fixed);
	make(BEFORE, RING_RECORD_MAX - fixed - 96);
}

static void child(bool at_the_end)
{
	if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
		_exit(77);
	if (signal(SIGUSR1, on_signal) == SIG_ERR)
		_exit(1);
	if (at_the_end)
		go_to_the_end();
	else
		make(BEFORE, TEXT_LEN);
	(void)raise(SIGSTOP);
	if (sigsetjmp(out, 1) == 0)
		make_stepped();
	shared->phase = 2;
	make(AFTER, TEXT_LEN);
	_exit(0);
}

/* Take what there is. Whatever is taken was written to the end. */
static void drain(bool dead)
{
	struct ring_lane_state look;

	if (!ring_lane_look(consumer, 0, &look))
		return;
	while (ring_lane_next(consumer, 0, buf, dead, &state) == 1) {
		uint64_t name = got->record.entered;
		const struct ring_record *r = &got->record;
		char want[TEXT_LEN];
		struct event ev;

		if (name < BEFORE || name >= NAMES || ring_record_event(consumer, got, &ev) < 0 ||
		    ev.args[0].len < TEXT_LEN) {
			TAP_FAIL_AT("a record that nobody made: %" PRIu64, name);
			return;
		}
		memset(want, 'a' + (int)name, sizeof(want));
		CHECK(memcmp(ev.args[0].data, want, sizeof(want)) == 0);
		CHECK(dead || r->state == RING_DONE);
		CHECK(r->state != RING_DONE || r->result == (int64_t)name);
		taken[name]++;
		in_flight[name] += r->state != RING_DONE;
	}
	CHECK(!state.scribbled);
}

/* Let the child go on, with or without a signal or a single step; false: it is gone. */
static bool go_on(pid_t pid, int how, int sig, int *ret_status)
{
	if (ptrace(how, pid, 0, sig) < 0 || waitpid(pid, ret_status, 0) != pid)
		return false;
	return WIFSTOPPED(*ret_status);
}

static void new_ring(void)
{
	if (producer.header)
		(void)munmap(producer.header, ring_directory_size(RING_SLOTS, RING_LANES));
	if (writer.data)
		(void)munmap(writer.data, RING_LANE_BYTES);
	memset(&producer, 0, sizeof(producer));
	memset(&writer, 0, sizeof(writer));
	consumer = ring_consumer_free(consumer);
	if (ring_consumer_new(&(struct ring_options){.on_full = RING_FULL_COUNT}, &consumer) < 0 ||
	    ring_producer_attach(&producer, ring_consumer_fd(consumer)) < 0)
		exit(1);
}

static pid_t start(bool at_the_end, int *ret_status)
{
	pid_t pid;

	if (at_the_end || !consumer)
		new_ring();
	shared->phase = 0;
	memset(&state, 0, sizeof(state));
	memset(taken, 0, sizeof(taken));
	memset(in_flight, 0, sizeof(in_flight));
	if (ring_lane_claim(&producer, &writer, ring_consumer_fd(consumer),
			    &(struct ring_who){.pid = 1}) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		child(at_the_end);
	if (pid > 0 && waitpid(pid, ret_status, 0) != pid)
		return -1;
	return pid;
}

/* Step until the record is begun, and @steps further; false: it was made by then. */
static bool step(pid_t pid, unsigned steps, int *ret_status)
{
	for (unsigned n = 0; n < STEPS_MAX && shared->phase == 0; n++)
		if (!go_on(pid, PTRACE_SINGLESTEP, 0, ret_status))
			return false;
	for (unsigned n = 0; n < steps && shared->phase == 1; n++)
		if (!go_on(pid, PTRACE_SINGLESTEP, 0, ret_status))
			return false;
	return shared->phase == 1;
}

/* One run of the child, interfered with after so many instructions; false: past the record. */
static bool interfere(enum act act, bool at_the_end, unsigned steps)
{
	unsigned before = at_the_end ? RING_LANE_BYTES / RING_RECORD_MAX : 1, made;
	int status = 0;
	pid_t pid = start(at_the_end, &status);
	bool inside;

	CHECK(pid > 0 && WIFSTOPPED(status));
	if (pid <= 0 || !WIFSTOPPED(status))
		return false;
	drain(false);
	CHECK_INT(taken[BEFORE], before);
	inside = step(pid, steps, &status);
	drain(false);
	if (act == KILL || !inside)
		(void)kill(pid, SIGKILL);
	else
		(void)go_on(pid, PTRACE_CONT, SIGUSR1, &status);
	if (act == KILL || !inside)
		(void)waitpid(pid, &status, 0);
	CHECK(act == KILL || !inside ? WIFSIGNALED(status) : WIFEXITED(status));
	if (act == INTERRUPT)
		drain(false);
	made = act == INTERRUPT && inside;
	CHECK(!made || (taken[STEPPED] == 1 && taken[NESTED] == 1 && taken[AFTER] == 1));
	/* its place may lie there, reserved or not, but the others' are found behind it */
	drain(true);
	CHECK_INT(taken[BEFORE], before);
	CHECK(taken[STEPPED] <= 1);
	CHECK_INT(taken[NESTED], act != KILL && inside);
	CHECK_INT(taken[AFTER], act != KILL && inside);
	CHECK_INT(in_flight[BEFORE] + in_flight[NESTED] + in_flight[AFTER], 0);
	CHECK(!made || (state.torn == 0 && in_flight[STEPPED] == 0));
	CHECK(state.torn == 0 || taken[STEPPED] == 0);
	ring_lane_release(consumer, 0);
	return inside;
}

static void series(enum act act, bool at_the_end)
{
	unsigned steps = 0, torn = 0, open = 0, whole = 0;

	while (steps < STEPS_MAX && !tap_bad && interfere(act, at_the_end, steps)) {
		torn += state.torn != 0;
		open += in_flight[STEPPED];
		whole += taken[STEPPED] && !in_flight[STEPPED];
		steps++;
	}
	printf("# %u boundaries: %u cut off, %u in flight, %u whole\n", steps, torn, open, whole);
	CHECK(steps > 20 && steps < STEPS_MAX);
	if (act == INTERRUPT)
		CHECK_INT(whole, steps);
	else
		CHECK(torn > 5 && open > 0 && torn + open + whole < steps);
}

static void a_handler_interrupts(void)
{
	series(INTERRUPT, false);
}

static void a_handler_interrupts_at_the_end_of_the_lane(void)
{
	series(INTERRUPT, true);
}

static void a_handler_jumps(void)
{
	jumps = true;
	series(JUMP, false);
	jumps = false;
}

static void killed(void)
{
	series(KILL, false);
}

static void killed_at_the_end_of_the_lane(void)
{
	series(KILL, true);
}

int main(void)
{
	int status = 0;
	pid_t pid;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return 1;
	pid = start(false, &status);
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		printf("1..0 # SKIP ptrace is not allowed here\n");
		return 0;
	}
	if (pid <= 0 || !WIFSTOPPED(status))
		return 1;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	drain(true);
	ring_lane_release(consumer, 0);
	TAP_RUN(a_handler_interrupts);
	TAP_RUN(a_handler_interrupts_at_the_end_of_the_lane);
	TAP_RUN(a_handler_jumps);
	TAP_RUN(killed);
	TAP_RUN(killed_at_the_end_of_the_lane);
	ring_consumer_free(consumer);
	return tap_done();
}
