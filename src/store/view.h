/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run as the report shows it, computed from run.json and the trace. Either may be missing: a
 * recorder that was killed leaves no run.json, and then all there is to know stands in the trace.
 */
#ifndef TT_STORE_VIEW_H
#define TT_STORE_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "store/names.h"
#include "store/runs.h"
#include "util/err.h"

/* A trace is hostile: what is kept of it has limits, and what is refused at them is counted. */
#define STORE_MAX_SPANS  200000
#define STORE_MAX_FILES  200000
#define STORE_MAX_HOSTS  50000
#define STORE_MAX_ERRORS 50000
#define STORE_MAX_ACTS   10000
#define STORE_MAX_DENIED 10000
#define STORE_MAX_GAPS   1000

enum store_how {
	STORE_HOW_UNKNOWN,
	STORE_HOW_LAUNCH,
	STORE_HOW_FORK,
	STORE_HOW_VFORK,
	STORE_HOW_SPAWN,
	STORE_HOW_EXEC,
};

enum store_end {
	STORE_END_UNKNOWN, /* no exit or replaced event */
	STORE_END_EXITED,
	STORE_END_REPLACED,
};

/* Who saw an image, the worst first. */
enum store_coverage {
	STORE_COVERAGE_UNKNOWN, /* nobody compared: no kernel sensor, or no end was seen */
	STORE_COVERAGE_NONE,
	STORE_COVERAGE_DECLARED, /* the library alone */
	STORE_COVERAGE_KERNEL,   /* the kernel sensor alone */
	STORE_COVERAGE_FULL,
	STORE_COVERAGES,
};

/* Who told of a thing, as bits. */
enum {
	STORE_TOLD_LIBRARY = 1 << 0,
	STORE_TOLD_KERNEL = 1 << 1,    /* a line of the kernel sensor's own */
	STORE_TOLD_CONFIRMED = 1 << 2, /* the library, and the kernel the same */
	STORE_TOLD_OBSERVER =
		1 << 3,            /* a line of the rootless observer's: seen before it was made */
	STORE_TOLD_GUEST = 1 << 4, /* of the agent in a guest */
};

/* One process image. JSON values are referenced, not copied. */
struct store_span {
	uint32_t parent; /* index of the parent span, STORE_NONE: outside the run or unknown */
	int64_t pid, ppid;
	enum store_how how;
	enum store_end end;
	int64_t exit_code;                        /* -1: unknown */
	json_t *exe, *argv, *comm, *cwd, *signal; /* NULL: unknown */
	uint64_t start_ns, end_ns;                /* 0: unknown */
	bool started;                             /* there was a start event */
	bool by_library;  /* the library was loaded: it sent events of this span */
	bool by_guest;    /* the agent of a guest told of it */
	bool by_recorder; /* the recorder saw its start or end from outside */
	bool by_kernel;   /* some calls were told by the kernel sensor or the observer alone */
	uint64_t calls;
	uint64_t denied;   /* violations */
	uint64_t lost;     /* events known to be lost */
	bool lost_unknown; /* and some more, nobody knows how many */
	enum store_coverage coverage;
	json_t *cause;    /* why it is not full; NULL: not said */
	bool has_evasion; /* run.json has a finding of this kind of it */
	/* calls that both told alike, that the kernel alone, that the library alone told of */
	uint64_t lines_confirmed, lines_kernel, lines_declared;
};

enum {
	STORE_FILE_READ = 1 << 0,
	STORE_FILE_WRITTEN = 1 << 1, /* opened for writing, or created */
	STORE_FILE_MADE = 1 << 2,    /* a folder or link that was made */
	STORE_FILE_DELETED = 1 << 3,
	STORE_FILE_RENAMED = 1 << 4, /* away from this name */
	STORE_FILE_ARRIVED = 1 << 5, /* to this name */
	STORE_FILE_GONE = 1 << 6,    /* deleted or renamed away, and not made again since */
	STORE_FILE_CHANGED = 1 << 7, /* its mode, owner, times or attributes */
};

struct store_file {
	unsigned what; /* STORE_FILE_* */
	unsigned told; /* STORE_TOLD_* */
	uint64_t reads, writes;
	uint32_t other; /* RENAMED: the file it became; ARRIVED: the file it was; else STORE_NONE */
	bool unresolved; /* the name is relative to a folder nobody knows */
};

enum store_host_kind {
	STORE_HOST_CONNECT,
	STORE_HOST_BIND,
	STORE_HOST_ACCEPT,
	STORE_HOST_LOOKUP,
	STORE_HOST_SEND, /* messages that name their address */
};

struct store_host {
	enum store_host_kind kind;
	unsigned told;          /* STORE_TOLD_* */
	struct store_text name; /* the address, or the host that was looked up */
	uint64_t tries, failed;
	uint64_t
		begun; /* CONNECT: nobody saw how it ended: EINPROGRESS, or an attempt in a guest */
	json_t *error; /* of the last failure, NULL: none */
	json_t *answers; /* LOOKUP: of the last one that worked; NULL: none */
	json_t *host;    /* the name that the address was looked up by; NULL: not known */
};

/* Failed calls of one kind: same call, same object, same error. */
struct store_error {
	struct store_text call, object, name; /* "open", "/etc/shadow", "EACCES" */
	uint64_t count;
	bool writes; /* it tried to change or create something */
	bool is_exec;
	bool is_net;
};

/*
 * Calls that worked and concern identity, mounts, roots, other processes, and code from odd places.
 */
struct store_act {
	struct store_text call, what; /* "mount", "none /mnt tmpfs" */
	unsigned told;                /* STORE_TOLD_* */
	uint64_t count;
};

enum store_denied_action {
	STORE_DENIED_KILL,
	STORE_DENIED_DENY,
	STORE_DENIED_QUIET,
	STORE_DENIED_LOG,        /* it took place */
	STORE_DENIED_CAPABILITY, /* one that was asked for: no profile had a say in it */
	STORE_DENIED_ACTIONS,
};

/* System calls that the profile did not simply allow: same call, arguments, program and answer. */
struct store_denied {
	enum store_denied_action action;
	json_t *call, *args, *error, *comm, *allow, *capability; /* NULL: not said */
	uint64_t count;
};

struct store_gap {
	json_t *sensor, *reason; /* NULL: not said */
	uint64_t events;         /* known to be lost */
	uint64_t stretches;
	bool at_least; /* the number is not the whole */
};

struct store_view {
	json_t *doc;       /* run.json, NULL: none */
	char *doc_problem; /* why there is none, although the file exists; NULL: no problem */
	bool has_trace;
	bool is_guest; /* a receiver wrote it: all of it is what the agent of a guest told */
	json_t *opening, *closing;  /* the `run` lines, NULL: none */
	uint64_t first_ns, last_ns; /* of the events */
	uint64_t events, calls, samples;
	uint64_t confirmed, by_kernel, by_observer; /* of the calls */
	uint64_t apart; /* told by the library alone, and of a kind that nobody else tells */
	uint64_t starts_declared, starts_observed;
	uint64_t in_flight;
	uint64_t unreadable; /* damaged stretches */
	uint64_t not_found;  /* reads and program searches that found no file */
	uint64_t other_dirs; /* chdir and the like: counted, not shown */
	uint64_t listens;    /* sockets on which somebody waited for connections */
	uint64_t io_urings;  /* what went through them is not known */

	uint64_t denied_calls[STORE_DENIED_ACTIONS];

	/* span, file, host, error, act and denied i have the name i of their set */
	struct store_names span_names, file_names, host_names, error_names, act_names, denied_names;
	struct store_span *spans;
	struct store_file *files;
	struct store_host *hosts;
	struct store_error *errors;
	struct store_act *acts;
	struct store_denied *denied;
	struct store_gap *gaps;
	size_t gap_count;
	uint64_t
		/* things past a STORE_MAX_ limit, or without memory: the view is not the whole */
		left_out;

	/* from samples: what is known without run.json */
	uint64_t peak_memory_kb, peak_processes;
	double peak_cpu;
};

/*
 * store_view_load - read all there is of one run
 * Damage in either file is part of the view, not an error. Returns 0; -errno if neither can be
 * read.
 */
int store_view_load(struct store_view **ret, const struct store_run *run,
		    struct tt_err *err) TT_MUST_CHECK;
void store_view_free(struct store_view *v);
TT_DEFINE_FREEP(struct store_view *, store_view_free)

/*
 * store_call_find - the number (enum event_call) of a call in the event table; false if it is not
 * there
 */
bool store_call_find(struct store_text name, int *ret);

/* store_told - who told of a line, as STORE_TOLD_* */
unsigned store_told(const json_t *line);

/* store_coverage_name - "full", "kernel-only", "declared-only", "none"; NULL: not known */
const char *store_coverage_name(enum store_coverage coverage);

/* store_summary_int - a figure of run.json's summary, -1 if it is null or there is none */
int64_t store_summary_int(const struct store_view *v, const char *figure);

/* store_source - what run.json says of where a figure came from; data NULL: nothing */
struct store_text store_source(const struct store_view *v, const char *figure);

#endif
