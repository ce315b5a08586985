/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recorder's two tables: spans by id and processes by pid, and how one becomes the other.
 * Internal to the recorder; owned by one struct recorder_tree; not thread-safe.
 */
#ifndef TT_RECORDER_TREE_H
#define TT_RECORDER_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "event/event.h"
#include "recorder/causes.h"
#include "recorder/fds.h"
#include "recorder/hosts.h"

struct recorder_process;
struct recorder_held;
struct recorder_doubt;

struct recorder_span {
	struct recorder_span *next; /* in its hash chain */
	struct tt_uuid id;
	struct event_span parent;
	char *parent_text; /* owns parent.text.data */
	/* NULL: pid not known (posix_spawn, system), or image replaced */
	struct recorder_process *process;
	int32_t pid, own_pid; /* of the process it last was the image of; 0: not known */
	/* replaced by another image; its last records may still lie in the ring */
	bool gone;
	uint64_t gone_ts, gone_pass;
	struct recorder_span *next_gone;
	enum event_how how;
	bool heard; /* EVENT_HOW_SPAWN: the image that the child became has spoken */
	int32_t ppid;
	char comm[16];
	char *cwd, *exe;   /* NULL: not known */
	char *root;        /* its "/", after chroot(2); NULL: as it began */
	bool root_unknown; /* ... and nobody can say what it is now */
	struct recorder_fds fds;
	struct recorder_names *names; /* of addresses that its process knows; NULL: none */
	char *open_fds; /* what its end leaves open, as in event.extra; NULL: not known */
	size_t open_fds_len;
	bool preload;      /* the library speaks for it */
	int slot;          /* in the ring, or -1 */
	uint64_t next_seq; /* of the lines written */
	uint64_t chosen;   /* calls that sampling chose from */
	uint64_t sampled;  /* ... and left out */
	uint64_t torn;     /* records cut off by death, at least */
	char *exec_path;   /* an exec was tried and has not been seen to fail */
	uint64_t exec_ts;
	bool exec_unfollowed; /* ... of a program that cannot load the library */
	bool blinded;         /* it has an io_uring: what goes through that is not seen */
	/*
	 * With facts of the kernel (images.h). What lines call it: an image that spoke late has had
	 * another id by then.
	 */
	struct tt_uuid told;
	struct recorder_span *prev_pending, *next_pending;
	bool pending;     /* nobody knows yet whether the library speaks for it: it has no line */
	bool claimed;     /* ... but somebody named it by the id that the library gave it */
	bool loads;       /* it opened the library */
	bool has_loader;  /* a dynamic linker opened something for it */
	bool is_unlooked; /* nobody could look at its program */
	bool observed;    /* the kernel told of its beginning */
	uint8_t mute;     /* enum recorder_mute */
	uint32_t image;   /* as in its facts */
	uint64_t born_ns; /* CLOCK_MONOTONIC */
	uint64_t over_ns; /* the same; 0: it goes on, as far as is known */
	char *argv;       /* of the exec, each string with its NUL */
	size_t argv_len;
	bool argv_cut;
	uint64_t exe_dev, exe_ino; /* of its program file; 0: not known */
	uint64_t kernel_seq;       /* of the lines of the kernel sensor */
	/* held.h: what waits to be explained, and whose word waits to be proven */
	struct recorder_held *held, *held_last;
	uint64_t exec_entered; /* when its thread exec_tid told that it is about to exec */
	int32_t exec_tid;
	struct recorder_doubt *doubts;
	unsigned doubt_count;
	struct recorder_gone *let_go; /* the last facts that were not waited for any longer */
	unsigned let_go_at;
	struct recorder_span *prev_holder, *next_holder;
	bool is_holder;
	uint64_t spoke_ns; /* CLOCK_MONOTONIC: the library's first word */
	uint64_t unmatched[RECORDER_UNMATCHED];
	uint64_t loading_ns; /* when dlopen(3) was called last, CLOCK_MONOTONIC */
	int32_t loading_tid;
	bool was_late;       /* it had a line of ours before the library spoke */
	bool has_unsaid;     /* it forked a child that the library does not know of */
	bool lost_events;    /* there is a gap in what the library told of it */
	bool lost_facts;     /* the kernel sensor had no room for some of its facts */
	bool has_foreign;    /* calls of another ABI were made in it */
	bool is_scribbled;   /* its part of the ring was written over */
	bool is_interposed;  /* other libraries may answer its calls, in front of the kernel */
	bool is_found_out;   /* ... and what the kernel saw meanwhile is a finding */
	uint8_t seen, cause; /* enum recorder_seen, recorder_cause: once it is over */
	uint64_t lines_confirmed, lines_kernel, lines_declared;
	bool has_exit; /* the library said how it ends */
	int exit_code;
	uint64_t exit_ts;
};

struct recorder_process {
	struct recorder_process *next; /* in its hash chain */
	struct recorder_process *prev_live, *next_live;
	int32_t pid;                /* ours; 0: could not be verified */
	int32_t own_pid;            /* as it calls itself */
	int pidfd;                  /* -1: none */
	struct recorder_span *span; /* the image it runs now */
	bool observed;              /* the kernel tells of its end: no pidfd is needed */
	uint64_t start_ns;          /* as in its facts; 0: not known */
	int32_t maker;              /* our number for the process that forked it; 0: not known */
	uint64_t lost, lost_told;   /* facts of it that had no room; said in a gap */
	bool is_told_dead;          /* ... and it has told */
	unsigned waits;             /* passes in which it was dead and the kernel had not told */
	bool dead;                  /* no more records will come */
	bool drained;               /* ... and a whole pass has run since: to be ended */
	bool status_known;
	int status; /* as wait(2) has it */
};

/* No run has as many images at once: whoever claims so invents them. */
#define RECORDER_SPANS_MAX (1u << 17)

struct recorder_tree {
	uint64_t hash_key[2];
	uint32_t span_count;
	struct recorder_span *spans[4096];
	struct recorder_span *last; /* the one found last: most records follow one of the same */
	struct recorder_process *processes[1024];
	struct recorder_process live; /* list head of all processes */
	struct recorder_fds_room fds_room;
	struct recorder_hosts hosts;
};

/* recorder_tree_init - @t is all zero, as from calloc(3) */
void recorder_tree_init(struct recorder_tree *t);
void recorder_tree_done(struct recorder_tree *t);

struct recorder_span *recorder_span_find(struct recorder_tree *t, const struct tt_uuid *id);

/*
 * recorder_span_add - a new span; NULL when out of memory or past RECORDER_SPANS_MAX. Parent text
 * is copied.
 */
struct recorder_span *recorder_span_add(struct recorder_tree *t, const struct tt_uuid *id,
					const struct event_span *parent, enum event_how how);
void recorder_span_remove(struct recorder_tree *t, struct recorder_span *s);

/* recorder_span_rekey - @s is found by @id from here on */
void recorder_span_rekey(struct recorder_tree *t, struct recorder_span *s,
			 const struct tt_uuid *id);

/* recorder_text_set - replace an owned string by a copy of @len bytes; NULL @text clears it */
void recorder_text_set(char **field, const char *text, size_t len);

/* recorder_process_find - by the pid it calls itself by; recorder_process_find_real - by ours */
struct recorder_process *recorder_process_find(struct recorder_tree *t, int32_t own_pid);
struct recorder_process *recorder_process_find_real(struct recorder_tree *t, int32_t pid);
struct recorder_process *recorder_process_add(struct recorder_tree *t, int32_t pid,
					      int32_t own_pid);

/*
 * recorder_process_retire - another process has its pid now: it is dead, and found by no number any
 * more
 */
void recorder_process_retire(struct recorder_tree *t, struct recorder_process *p);

/*
 * recorder_process_is_gone - dead and reaped, as far as its pidfd tells: the number may be
 * another's
 */
bool recorder_process_is_gone(const struct recorder_process *p);
void recorder_process_remove(struct recorder_tree *t, struct recorder_process *p);

#endif
