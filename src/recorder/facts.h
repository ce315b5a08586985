/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel tells of a run: taken in the same pass as what the library tells, and held
 * against it. Internal to the recorder.
 */
#ifndef TT_RECORDER_FACTS_H
#define TT_RECORDER_FACTS_H

#include "kernel/sensor.h"
#include "recorder/capabilities.h"
#include "recorder/causes.h"
#include "recorder/images.h"
#include "recorder/track.h"

/* Sums over the processes that the kernel told the end of. */
struct recorder_facts_figures {
	uint64_t processes;
	uint64_t user_ns, system_ns, max_rss_kb, minor_faults, major_faults, voluntary, involuntary;
	uint64_t read_calls, write_calls, bytes_read, bytes_written;
};

/* Which code made a call. */
enum recorder_origin {
	RECORDER_ORIGIN_UNKNOWN,
	RECORDER_ORIGIN_LIBC,   /* or one of its parts */
	RECORDER_ORIGIN_LOADER, /* the dynamic linker */
	RECORDER_ORIGIN_OURS,   /* the library that tells */
	RECORDER_ORIGIN_OTHER,
};

#define RECORDER_LIBRARIES 64 /* files known to be libc's */

/* A thread that is in a call which the library told the beginning of. */
struct recorder_blocked {
	struct tt_uuid span;
	int32_t tid;    /* as it calls itself */
	uint64_t since; /* CLOCK_MONOTONIC */
};

/* A record that is told a little later. */
struct recorder_put_off {
	struct recorder_put_off *next;
	unsigned passes;
	_Alignas(8) char taken[]; /* struct ring_taken and what belongs to it */
};

struct recorder_facts {
	struct kernel_sensor *sensor; /* NULL: somebody else tells, or nobody any more */
	struct recorder_images images;
	struct recorder_process *last; /* whom the last fact told of; within one take */
	uint64_t strays;               /* processes whose beginning was not told */
	uint64_t taken, lost, lost_spans;
	bool tells_all;    /* of every call that has a row: what it does not tell was not made */
	bool over;         /* the run is: nothing waits any longer */
	bool is_lossy;     /* something was lost: what is missing proves nothing */
	uint64_t began_ns; /* when the run began, CLOCK_REALTIME */
	uint64_t pass_ns;  /* when the pass began, CLOCK_MONOTONIC */
	struct recorder_span holders; /* list head of those with facts that wait */
	size_t held_bytes;
	char where[EVENT_PATH_MAX]; /* of the event in work: its file, as the kernel has it */
	uint64_t let_go;            /* facts that had no room to wait */
	struct recorder_held *early, **early_end; /* calls of images whose beginning is not there */
	uint64_t takes;
	struct recorder_put_off *put_off;
	struct recorder_blocked blocked[256];
	size_t blocked_count;
	struct {
		struct kernel_file file;
		uint8_t origin; /* enum recorder_origin */
	} libraries[RECORDER_LIBRARIES];
	size_t library_count;
	struct recorder_causes causes;
	struct recorder_capabilities capabilities;
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

/* recorder_facts_origin - by the file that the code was mapped from */
enum recorder_origin recorder_facts_origin(const struct recorder_facts *facts,
					   const struct kernel_fact *f);

/* recorder_observed_is_quiet - whether the default filter leaves @f out */
bool recorder_observed_is_quiet(const struct kernel_fact *f);

/* recorder_observed_put - @f as a line of @s; false: the configuration leaves it out */
bool recorder_observed_put(struct recorder_track *t, struct recorder_span *s,
			   const struct kernel_fact *f);

#endif
