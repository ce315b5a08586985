/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sensor of the agent: where acts come from, and how they reach the queue. Single-threaded;
 * nothing is allocated after _open(); a sensor reads what is there and never waits.
 */
#ifndef TT_AGENT_SENSOR_H
#define TT_AGENT_SENSOR_H

#include <stdint.h>

#include "base/compiler.h"
#include "wire/frame.h"

/* Why something is not on the wire; the names stand in telemetry.dropped. */
enum agent_cause {
	AGENT_QUEUE_FULL,  /* queue_full: the host does not read */
	AGENT_SENSOR_FULL, /* sensor_full: the kernel had no room to keep it for us */
	AGENT_TOO_LARGE,   /* too_large: it did not fit in a frame even without its texts */
	AGENT_DIED, /* agent_died: an agent before this one ended; count 0: not known how many */
	AGENT_CAUSES,
};

struct agent_sink;

/*
 * agent_tell - put an act into the queue: sets content_version and seq, and drops the keys that the
 * major in use does not have. What is too long is cut (argv from its end, then exe, path),
 * "truncated" counts it. Without room it is dropped and counted.
 * @frame: source, guest_pid, guest_comm, guest_monotonic_ns and what else is known, with @has
 */
void agent_tell(struct agent_sink *sink, struct wire_frame *frame);

/*
 * agent_lost - @count acts were lost before they could be told. Each takes a number of seq, so that
 * a hole and a count always agree.
 */
void agent_lost(struct agent_sink *sink, enum agent_cause cause, uint64_t count);

/* One sensor that runs. @surface: a bit (1 << enum wire_source) for each source that it tells. */
struct agent_sensor {
	const char *name; /* "ebpf", "proc-connector", "proc-walk", "inotify" */
	uint32_t surface;
	int fd;             /* readable when there is something to read; -1: none */
	unsigned period_ms; /* run() is due this often, too; 0: only when fd is readable */
	/* Read all that is there, bounded: at most some thousand acts a call. */
	void (*run)(struct agent_sensor *s, struct agent_sink *sink);
	void (*close)(struct agent_sensor *s);
};

/* What the sensors need to know. Paths borrowed, for as long as the sensor runs. */
struct agent_watch {
	/* subscribed to the proc connector outside the cell's PID namespace; -1: none */
	int connector_fd;
	/* /proc of that namespace: whose numbers the connector tells; -1: none */
	int outer_proc_fd;
	const char *proc; /* /proc of the cell */
	const char *const *inotify_paths;
	unsigned inotify_count;
	unsigned walk_ms; /* between two walks; 0: 100 */
};

/*
 * Each opens one sensor. 0; or -errno, then *ret_why says in a word or two what is missing, and
 * nothing is left open. The memory of each is static: one of each kind can run.
 *
 * agent_ebpf_open       processes, refused capabilities, connects, calls that the gate refused, of
 *                       the PID namespace of this process and below. s->surface says what this
 *                       kernel lets it tell.
 * agent_connector_open  processes, from @connector_fd
 * agent_walk_open       processes, from /proc every walk_ms
 * agent_inotify_open    changed files
 */
int agent_ebpf_open(struct agent_sensor *s, const struct agent_watch *w,
		    const char **ret_why) TT_MUST_CHECK;
int agent_connector_open(struct agent_sensor *s, const struct agent_watch *w,
			 const char **ret_why) TT_MUST_CHECK;
int agent_walk_open(struct agent_sensor *s, const struct agent_watch *w,
		    const char **ret_why) TT_MUST_CHECK;
int agent_inotify_open(struct agent_sensor *s, const struct agent_watch *w,
		       const char **ret_why) TT_MUST_CHECK;

#endif
