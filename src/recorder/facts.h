/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel tells of a run: taken in the same pass as what the library tells, and held
 * against it. Internal to the recorder.
 */
#ifndef TT_RECORDER_FACTS_H
#define TT_RECORDER_FACTS_H

#include "kernel/sensor.h"
#include "recorder/images.h"
#include "recorder/track.h"

/* Sums over the processes that the kernel told the end of. */
struct recorder_facts_figures {
	uint64_t processes;
	uint64_t user_ns, system_ns, max_rss_kb, minor_faults, major_faults, voluntary, involuntary;
	uint64_t read_calls, write_calls, bytes_read, bytes_written;
};

struct recorder_facts {
	struct kernel_sensor *sensor; /* NULL: somebody else tells, or nobody any more */
	struct recorder_images images;
	struct recorder_process *last; /* whom the last fact told of; within one take */
	uint64_t strays;               /* processes whose beginning was not told */
	uint64_t taken, lost;
	unsigned fill; /* of its rings, in per cent, at the last take */
	struct recorder_facts_figures ended;
	struct kernel_counts counts;
	bool counting, has_counts;
	char parts[4096]; /* as kernel_sensor_parts(), once it is closed */
};

/*
 * recorder_facts_open - load and attach the kernel's sensor
 * @latency: sum up how long calls take
 * Follows the caller: the command is to be forked after that.
 */
int recorder_facts_open(struct recorder_facts **ret, const struct event_config *config, bool count,
			bool latency, struct tt_err *err) TT_MUST_CHECK;

/* recorder_facts_new - the same without a sensor, for facts of others; NULL without memory */
struct recorder_facts *recorder_facts_new(void);
void recorder_facts_free(struct recorder_facts *f);
TT_DEFINE_FREEP(struct recorder_facts *, recorder_facts_free)

/* recorder_facts_take - what the kernel has told so far */
void recorder_facts_take(struct recorder_track *t);

/* recorder_facts_add - one fact, whoever looked */
void recorder_facts_add(struct recorder_track *t, const struct kernel_fact *f);

/* recorder_facts_close - the run is over: counts and losses are final, the sensor is detached */
void recorder_facts_close(struct recorder_track *t);

/* recorder_facts_are_whole - every process's beginning and end was told; @f may be NULL */
bool recorder_facts_are_whole(const struct recorder_facts *f);

/* recorder_observed_put - @f as a line of @s, unless the configuration leaves it out */
void recorder_observed_put(struct recorder_track *t, struct recorder_span *s,
			   const struct kernel_fact *f);

#endif
