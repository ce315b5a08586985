/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent:
 *
 *	options -> sensors (as root) -> confine -> ready -> loop
 *	                                                     |
 *	   wait for a sensor, the host, SIGTERM, a deadline <+
 *	   sensors  -> queue                                 |
 *	   queue -> host, as far as it reads                 +
 */
#include "agent/agent.h"

#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "agent/confine.h"
#include "agent/link.h"
#include "agent/sensors.h"
#include "base/time.h"

enum {
	TAG_SIGNAL = 100,
	TAG_LINK = 101,
	/*
	 * At the end sensors are read until nothing comes any more, but not by a workload's will
	 * for ever.
	 */
	DRAIN_ROUNDS = 64,
};

static struct agent {
	struct agent_options options;
	struct agent_sensors sensors;
	struct agent_sink queue;
	struct agent_hello hello;
	struct agent_link link;
	int epoll, signals;
	uint64_t ran_ns[AGENT_SENSORS_MAX];
	uint64_t end_ns; /* after SIGTERM: when to be gone at the latest; 0: not yet */
} self;

/* To init, which waits for it. */
static void tell_init(struct agent *a, const char *text)
{
	if (a->options.ready_fd < 0)
		return;
	/* an init that is gone needs no answer */
	(void)!send(a->options.ready_fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	tt_closep(&a->options.ready_fd);
	a->options.ready_fd = -1;
}

static int fail(struct agent *a, const char *what, int error, int status)
{
	char text[AGENT_LINE_MAX];

	(void)agent_join(text, sizeof(text), "failed ", what, ": ", strerror(error), NULL);
	agent_say(text + strlen("failed "), NULL);
	tell_init(a, text);
	return status;
}

static int watch(struct agent *a, int fd, uint32_t tag)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = tag};

	return epoll_ctl(a->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t sensor_due_ns(const struct agent *a, unsigned i)
{
	const struct agent_sensor *s = &a->sensors.each[i];

	return s->period_ms ? a->ran_ns[i] + s->period_ms * TT_NS_PER_MS : UINT64_MAX;
}

/* A sign of life is due only where nothing else is on its way. */
static uint64_t beat_due_ns(const struct agent *a)
{
	if (a->queue.major == 1 || a->link.state != AGENT_LINK_UP || a->end_ns ||
	    agent_queue_state(&a->queue)->events)
		return UINT64_MAX;
	return a->link.sent_ns + a->options.heartbeat_ms * TT_NS_PER_MS;
}

static int wait_ms(const struct agent *a)
{
	uint64_t due = sooner(agent_link_due_ns(&a->link), beat_due_ns(a));
	uint64_t now = tt_clock_ns(CLOCK_MONOTONIC);

	for (unsigned i = 0; i < a->sensors.count && !a->end_ns; i++)
		due = sooner(due, sensor_due_ns(a, i));
	if (a->end_ns)
		due = sooner(due, a->end_ns);
	if (due == UINT64_MAX)
		return -1;
	/* rounded up: to wake up too early is to wake up twice */
	return due <= now ? 0 : (int)((due - now + TT_NS_PER_MS - 1) / TT_NS_PER_MS);
}

static void run_sensor(struct agent *a, unsigned i)
{
	a->sensors.each[i].run(&a->sensors.each[i], &a->queue);
	a->ran_ns[i] = tt_clock_ns(CLOCK_MONOTONIC);
}

/* SIGTERM: what the sensors still have, then nothing but sending. */
static void begin_end(struct agent *a)
{
	uint64_t before;
	unsigned rounds = 0;

	if (a->end_ns)
		return;
	a->end_ns = tt_clock_ns(CLOCK_MONOTONIC) + a->options.flush_ms * TT_NS_PER_MS;
	do {
		before = agent_queue_state(&a->queue)->next_seq;
		for (unsigned i = 0; i < a->sensors.count; i++)
			run_sensor(a, i);
		agent_link_step(&a->link);
	} while (agent_queue_state(&a->queue)->next_seq != before && ++rounds < DRAIN_ROUNDS);
	for (unsigned i = 0; i < a->sensors.count; i++)
		if (a->sensors.each[i].fd >= 0)
			(void)epoll_ctl(a->epoll, EPOLL_CTL_DEL, a->sensors.each[i].fd, NULL);
}

/* One turn. 0: go on, 1: the end, or -errno. */
static int turn(struct agent *a)
{
	struct epoll_event events[AGENT_SENSORS_MAX + 2];
	int n = epoll_wait(a->epoll, events, TT_ARRAY_SIZE(events), wait_ms(a));
	bool ready[AGENT_SENSORS_MAX] = {false}, is_asked_to_end = false;
	uint64_t now = tt_clock_ns(CLOCK_MONOTONIC);

	if (n < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 == TAG_LINK)
			agent_link_event(&a->link, events[i].events);
		else if (events[i].data.u32 == TAG_SIGNAL)
			is_asked_to_end = true;
		else
			ready[events[i].data.u32] = true;
	}
	if (is_asked_to_end) {
		struct signalfd_siginfo info;

		(void)!read(a->signals, &info, sizeof(info));
		begin_end(a);
	}
	for (unsigned i = 0; i < a->sensors.count && !a->end_ns; i++)
		if (ready[i] || now >= sensor_due_ns(a, i))
			run_sensor(a, i);
	(void)agent_queue_settle(&a->queue);
	if (now >= beat_due_ns(a))
		agent_hello_beat(&a->queue);
	agent_link_step(&a->link);
	if (!a->end_ns)
		return 0;
	return agent_link_finish(&a->link, a->end_ns) || now >= a->end_ns;
}

static int open_epoll(struct agent *a)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	/* stderr can be a pipe that nobody reads any more */
	(void)signal(SIGPIPE, SIG_IGN);
	a->epoll = epoll_create1(EPOLL_CLOEXEC);
	a->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (a->epoll < 0 || a->signals < 0)
		return -errno;
	r = watch(a, a->signals, TAG_SIGNAL);
	for (unsigned i = 0; i < a->sensors.count && !r; i++)
		if (a->sensors.each[i].fd >= 0)
			r = watch(a, a->sensors.each[i].fd, i);
	return r;
}

static void tell_left(const struct agent *a)
{
	const struct agent_queue_state *state = agent_queue_state(&a->queue);
	char number[AGENT_NUMBER_MAX];

	if (state->events)
		agent_say("ends with ", agent_number(number, state->events), " frames not sent",
			  NULL);
	for (unsigned i = 0; i < AGENT_CAUSES; i++)
		if (state->drops[i].count)
			agent_say("ends with ", agent_number(number, state->drops[i].count),
				  " acts dropped and not told: ",
				  agent_cause_name((enum agent_cause)i), NULL);
}

static void send_some(void *arg)
{
	struct agent *a = arg;

	agent_link_step(&a->link);
}

static int loop(struct agent *a)
{
	int r;

	agent_link_init(&a->link, &a->options.endpoint, a->options.endpoint_text, &a->hello,
			&a->queue, a->epoll, TAG_LINK);
	a->queue.make_room = send_some;
	a->queue.make_room_arg = a;
	do
		r = turn(a);
	while (!r);
	tell_left(a);
	if (r > 0)
		return 0;
	agent_say("the loop failed: ", strerror(-r), NULL);
	return 3;
}

static uint64_t caps_to_keep(const struct agent *a)
{
	uint64_t caps = 0;

	if (a->options.inotify_count)
		caps |= UINT64_C(1) << CAP_DAC_READ_SEARCH;
	/* to read where /proc/PID/exe leads */
	if (a->sensors.processes != AGENT_CHOOSE_EBPF)
		caps |= UINT64_C(1) << CAP_SYS_PTRACE;
	return caps;
}

/*
 * A receiver's socket in the file system is its owner's alone; on vsock there is nothing like that.
 */
static uint64_t caps_to_connect(const struct agent *a)
{
	bool is_path = a->options.endpoint.addr.ss_family == AF_UNIX;

	return is_path ? UINT64_C(1) << CAP_DAC_OVERRIDE : 0;
}

static int open_queue(struct agent *a)
{
	enum agent_queue_found found;
	int r = agent_queue_open(&a->queue, a->options.queue_fd, a->options.major, &found);

	if (r)
		return r;
	if (found == AGENT_QUEUE_BROKEN)
		agent_say("the queue that was left was not whole", NULL);
	if (found == AGENT_QUEUE_NEW && a->options.restarts)
		agent_lost(&a->queue, AGENT_DIED, 0);
	return 0;
}

static void tell_ready(struct agent *a)
{
	char text[AGENT_LINE_MAX];
	const struct agent_sensors *s = &a->sensors;

	(void)agent_join(text, sizeof(text), "ready ", s->each[0].name, s->count > 1 ? " " : "",
			 s->count > 1 ? s->each[1].name : "", *s->tried ? "; " : "", s->tried,
			 NULL);
	if (*s->tried)
		agent_say(text, NULL);
	tell_init(a, text);
}

static int start(struct agent *a)
{
	const struct agent_options *o = &a->options;
	const char *why = "";
	char what[AGENT_LINE_MAX];
	int r;

	r = agent_confine_oom(o->proc);
	if (r)
		agent_say("oom_score_adj: ", strerror(-r), NULL);
	r = agent_sensors_open(&a->sensors, o);
	if (r)
		return fail(a,
			    agent_join(what, sizeof(what),
				       "no sensor tells of processes: ", a->sensors.tried, NULL),
			    -r, 1);
	r = open_queue(a);
	if (r)
		return fail(a, "the queue's memory", -r, 1);
	agent_hello_init(&a->hello, a->sensors.each, a->sensors.count, o->proc, o->restarts);
	r = agent_confine((uid_t)o->uid, (gid_t)o->gid, caps_to_keep(a), caps_to_connect(a), &why);
	if (r)
		return fail(a, why, -r, 1);
	r = open_epoll(a);
	if (r)
		return fail(a, "epoll", -r, 3);
	tell_ready(a);
	return loop(a);
}

static int print(const char *text)
{
	size_t n = strlen(text);

	return write(STDOUT_FILENO, text, n) == (ssize_t)n ? 0 : 1;
}

int agent_main(int argc, char **argv)
{
	struct agent *a = &self;
	pid_t child;
	int status;

	if (agent_options_parse(&a->options, argc, argv, getenv("CELLOS_TELEMETRY_INOTIFY_PATH"))) {
		agent_say(a->options.why, NULL);
		return 2;
	}
	if (a->options.wants_help)
		return print(agent_help);
	if (a->options.wants_version)
		return print("telltale-agent " TT_VERSION "\n");
	if (a->options.does_fork) {
		child = fork();
		if (child < 0) {
			agent_say("fork: ", strerror(errno), NULL);
			return 2;
		}
		if (child)
			return 0;
		(void)setsid();
	}
	status = start(a);
	agent_sensors_close(&a->sensors);
	return status;
}
