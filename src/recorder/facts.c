/* SPDX-License-Identifier: Apache-2.0 */
/* Facts in, processes and lines out. */
#include "recorder/facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "recorder/track_internal.h"

struct recorder_facts *recorder_facts_new(void)
{
	struct recorder_facts *f = calloc(1, sizeof(*f));

	if (f)
		recorder_images_init(&f->images);
	return f;
}

void recorder_facts_free(struct recorder_facts *f)
{
	if (!f)
		return;
	kernel_sensor_close(f->sensor);
	free(f);
}

int recorder_facts_open(struct recorder_facts **ret, const struct event_config *config, bool count,
			bool latency, struct tt_err *err)
{
	TT_CLEANUP(recorder_facts_freep) struct recorder_facts *f = recorder_facts_new();
	struct kernel_sensor_options opts = {
		.families = event_config_families(config),
		.no_counts = !count,
		.latency = latency,
	};
	int n, pidfd;

	if (!f)
		return tt_fail(err, ENOMEM, "open the kernel sensor");
	f->counting = count;
	n = kernel_sensor_open(&f->sensor, &opts, err);
	if (n < 0)
		return n;
	/* nothing of ours is told but that we fork the command */
	pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	n = pidfd < 0 ? -errno : kernel_sensor_follow(f->sensor, pidfd);
	tt_closep(&pidfd);
	if (n < 0)
		return tt_fail(err, -n, "follow the command with the kernel sensor");
	*ret = TT_TAKE(f);
	return 0;
}

static void add_figures(struct recorder_facts_figures *to, const struct kernel_fact *f)
{
	to->processes++;
	to->user_ns += f->user_ns;
	to->system_ns += f->system_ns;
	to->minor_faults += f->minor_faults;
	to->major_faults += f->major_faults;
	to->voluntary += f->voluntary;
	to->involuntary += f->involuntary;
	to->read_calls += f->read_calls;
	to->write_calls += f->write_calls;
	to->bytes_read += f->bytes_read;
	to->bytes_written += f->bytes_written;
	if (f->max_rss_kb > to->max_rss_kb)
		to->max_rss_kb = f->max_rss_kb;
}

void recorder_facts_add(struct recorder_track *t, const struct kernel_fact *f)
{
	struct recorder_span *s;

	t->facts->taken++;
	switch (f->kind) {
	case KERNEL_FACT_FORK:
		recorder_images_fork(t, f);
		break;
	case KERNEL_FACT_EXEC:
		recorder_images_exec(t, f);
		break;
	case KERNEL_FACT_EXIT:
		if (f->pid != t->init && f->pid != t->root)
			add_figures(&t->facts->ended, f);
		recorder_images_exit(t, f);
		break;
	case KERNEL_FACT_CALL:
	case KERNEL_FACT_URING:
		s = recorder_images_of(t, f);
		if (s && s->mute != RECORDER_MUTE_NOT)
			recorder_observed_put(t, s, f);
		break;
	case KERNEL_FACT_CAPABILITY:
	case KERNEL_FACT_DNS:
		break;
	}
}

void recorder_facts_take(struct recorder_track *t)
{
	struct recorder_facts *facts = t->facts;
	struct kernel_fact f;

	facts->last = NULL;
	if (!facts->sensor)
		return;
	kernel_sensor_take(facts->sensor);
	facts->fill = kernel_sensor_fill(facts->sensor);
	while (kernel_sensor_next(facts->sensor, &f) > 0)
		recorder_facts_add(t, &f);
	facts->last = NULL;
}

bool recorder_facts_are_whole(const struct recorder_facts *f)
{
	return f && f->ended.processes && !f->images.living && !f->strays &&
	       !(f->sensor ? kernel_sensor_lost(f->sensor) : f->lost);
}

void recorder_facts_close(struct recorder_track *t)
{
	struct recorder_facts *f = t->facts;

	if (!f->sensor)
		return;
	f->has_counts = f->counting && kernel_sensor_counts(f->sensor, &f->counts) == 0;
	f->lost = kernel_sensor_lost(f->sensor);
	(void)snprintf(f->parts, sizeof(f->parts), "%s", kernel_sensor_parts(f->sensor));
	kernel_sensor_close(f->sensor);
	f->sensor = NULL;
}
