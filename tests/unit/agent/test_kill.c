/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent that is killed at any instruction of its queue's steps leaves a queue that is whole: a
 * child goes through them one instruction at a time, and after each the memory is looked at as the
 * next agent would.
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "agent/hello.h"
#include "queue_model.h"
#include "tap.h"

enum { STEPS_MAX = 400000 };

/* Every kind of step, by a child that is killed somewhere in it. */
static void steps(struct agent_sink *q)
{
	tell_path(q, 5);
	tell_path(q, 40);
	agent_lost(q, AGENT_SENSOR_FULL, 3);
	tell_path(q, 5);
	agent_lost(q, AGENT_SENSOR_FULL, 0);
	(void)agent_queue_settle(q);
	agent_queue_hello_sent(q);
	agent_queue_hello_reserve(q);
	agent_hello_beat(q);
}

static void sending(struct agent_sink *q)
{
	size_t rest = agent_queue_sent(q, 150);

	rest = agent_queue_sent(q, rest + 100);
	tell_path(q, 5);
	(void)agent_queue_sent(q, rest + 10000);
}

static struct agent_sink q;
static struct host host;

/* What the next agent finds. Numbers that were neither sent nor are there: @ret_gone. */
static void look(int fd, int copy, uint64_t *ret_gone, enum agent_queue_found *ret_found)
{
	static uint8_t bytes[8192];
	size_t cut = 0;

	/* all that the steps use: the rest of the ring is empty */
	if (pread(fd, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes) ||
	    pwrite(copy, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		_exit(3);
	memset(&host, 0, offsetof(struct host, part));
	host.part_len = 0;
	if (agent_queue_open(&q, copy, 2, ret_found) != 0)
		_exit(3);
	host_drain(&host, &q, &cut);
	/* each hello that was reserved has a number without a frame: at most two */
	*ret_gone = taken(&q) - told_sum(&host);
	agent_queue_close(&q);
}

static void each_instruction(void (*act)(struct agent_sink *), bool loses)
{
	int fd = new_memory(), copy = new_memory(), status = 0;
	uint64_t count = 0, bad = 0, gone, most = 0;
	enum agent_queue_found found;
	static struct agent_sink mine;
	pid_t child;

	CHECK_INT(ftruncate(copy, sizeof(struct agent_queue_memory)), 0);
	CHECK_INT(agent_queue_open(&mine, fd, 2, &found), 0);
	for (int i = 0; i < 8; i++)
		tell_path(&mine, 5);
	child = fork();
	if (child == 0) {
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)raise(SIGSTOP);
		act(&mine);
		_exit(0);
	}
	CHECK_INT(waitpid(child, &status, 0), child);
	for (; WIFSTOPPED(status) && count < STEPS_MAX; count++) {
		if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) < 0 ||
		    waitpid(child, &status, 0) != child)
			break;
		look(fd, copy, &gone, &found);
		bad += found != AGENT_QUEUE_KEPT || host.broken || host.out_of_order ||
		       (!loses && host.acts < 8) || (!loses && gone > 2);
		most = host.acts > most ? host.acts : most;
	}
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK_INT(bad, 0);
	CHECK(count > 1000);
	CHECK(most > 8 || loses);
	printf("# %ju instructions\n", (uintmax_t)count);
	if (!WIFEXITED(status)) {
		(void)kill(child, SIGKILL);
		(void)waitpid(child, NULL, 0);
	}
	close(fd);
	close(copy);
	agent_queue_close(&mine);
}

static void while_it_tells(void)
{
	each_instruction(steps, false);
}

static void while_it_sends(void)
{
	each_instruction(sending, true);
}

/* For real: killed at any time, again and again; each goes on where the one before it stood. */
static void killed_for_real(void)
{
	int fd = new_memory();
	enum agent_queue_found found;
	uint64_t broken = 0, deaths = 0, told = 0;
	size_t cut = 0;

	memset(&host, 0, sizeof(host));
	for (int i = 0; i < 100; i++) {
		int go[2];
		char byte;
		pid_t child;

		CHECK_INT(pipe(go), 0);
		child = fork();
		if (child == 0) {
			if (agent_queue_open(&q, fd, 2, &found) || write(go[1], "x", 1) != 1)
				_exit(3);
			for (;;)
				tell_path(&q, (size_t)(rand() % 30));
		}
		/* it runs when this returns; then a moment that no clock decides */
		CHECK_INT(read(go[0], &byte, 1), 1);
		for (volatile int spin = 0; spin < i * 5000; spin++)
			;
		(void)kill(child, SIGKILL);
		(void)waitpid(child, NULL, 0);
		close(go[0]);
		close(go[1]);
		CHECK_INT(agent_queue_open(&q, fd, 2, &found), 0);
		broken += found == AGENT_QUEUE_BROKEN;
		host_drain(&host, &q, &cut);
		deaths += host.unknown[AGENT_DIED] > 0;
		told = taken(&q);
		agent_queue_close(&q);
	}
	CHECK_INT(broken, 0);
	CHECK_INT(deaths, 100);
	CHECK_INT(host.broken, 0);
	CHECK_INT(host.out_of_order, 0);
	CHECK_INT(told_sum(&host), told);
	close(fd);
}

int main(void)
{
	TAP_RUN(while_it_tells);
	TAP_RUN(while_it_sends);
	TAP_RUN(killed_for_real);
	return tap_done();
}
