/* SPDX-License-Identifier: Apache-2.0 */
/* A timeline that is longer than its room, and figures of children that are known. */
#include "recorder/sampler.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "tap.h"

static struct recorder_sampler *sampler;
static struct recorder_track *track;
static char folder[] = "/tmp/telltale-sampler-XXXXXX";

static void set_up(void)
{
	struct tt_err err;

	sampler = calloc(1, sizeof(*sampler));
	track = calloc(1, sizeof(*track));
	if (!sampler || !track || !mkdtemp(folder) || recorder_track_init(track) < 0 ||
	    recorder_output_open(&track->out, folder, "run", "utc", &err) < 0)
		abort();
	track->epoll_fd = -1;
	track->root = getpid();
}

static void tear_down(void)
{
	char command[64];

	recorder_sampler_done(sampler);
	recorder_track_done(track);
	recorder_output_free(track->out);
	(void)snprintf(command, sizeof(command), "rm -r '%s'", folder);
	if (system(command) != 0)
		abort();
	free(sampler);
	free(track);
}

/* Ticks without end: never more samples than there is room for, never a stop. */
static void resolution_halves(void)
{
	uint32_t period = 10, last = 0;
	bool bounded = true, ordered = true, alive = true;

	recorder_sampler_init(sampler, period);
	for (uint32_t i = 1; i <= 5 * RECORDER_SAMPLES_MAX; i++) {
		/* as if 10 ms had gone by */
		sampler->started_ns -= 10 * TT_NS_PER_MS;
		sampler->last_ns -= 10 * TT_NS_PER_MS;
		recorder_sampler_close(sampler, track);
		bounded = bounded && sampler->count <= RECORDER_SAMPLES_MAX;
		alive = alive && sampler->samples[sampler->count - 1].time_ms >= 10 * i;
	}
	CHECK(bounded);
	CHECK(alive);
	CHECK(sampler->count > RECORDER_SAMPLES_MAX / 2);
	for (size_t i = 0; i < sampler->count; i++) {
		ordered = ordered && sampler->samples[i].time_ms >= last;
		last = sampler->samples[i].time_ms;
	}
	CHECK(ordered);
	/* full at 4096, and then after each 2048 more */
	CHECK_INT(sampler->period_ms, 10u << 8);
	/* what is left of the beginning: one in 256, and the first of those */
	CHECK(sampler->samples[0].time_ms <= 10 * 257 && sampler->samples[0].time_ms >= 10 * 250);
}

static void children_are_added_up(void)
{
	uint64_t before = sampler->minor_faults;
	int status = 0;

	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();
		siginfo_t si;

		if (pid == 0)
			_exit(3);
		(void)waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT);
		CHECK_INT(recorder_sampler_reap(sampler, pid, -1, &status), 0);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	}
	CHECK(sampler->minor_faults > before);
	CHECK(sampler->max_rss_kb > 0);
	CHECK(recorder_sampler_reap(sampler, getpid(), -1, &status) < 0);
}

/* What parent and child share is counted once. */
static void shared_memory_counts_once(void)
{
	size_t size = 20 << 20;
	/* not malloc(3): a compiler knows that nobody reads what is written there */
	char *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct recorder_running run;
	uint64_t shared;
	int pipes[2], go;
	pid_t pid[3];

	if (block == MAP_FAILED || pipe(pipes) < 0)
		abort();
	memset(block, 1, size);
	for (int i = 0; i < 3; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			(void)close(pipes[1]);
			_exit(read(pipes[0], &go, 1) < 0);
		}
	}
	recorder_sampler_running(sampler, track, true, &run);
	shared = recorder_sampler_shared_kb(sampler, track);
	CHECK(run.memory_kb > 3 * (size / 1024));
	CHECK(shared < run.memory_kb / 2);
	(void)close(pipes[1]);
	for (int i = 0; i < 3; i++)
		(void)waitpid(pid[i], NULL, 0);
	(void)close(pipes[0]);
	(void)munmap(block, size);
}

int main(void)
{
	set_up();
	TAP_RUN(resolution_halves);
	TAP_RUN(children_are_added_up);
	TAP_RUN(shared_memory_counts_once);
	tear_down();
	return tap_done();
}
