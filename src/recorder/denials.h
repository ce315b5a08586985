/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refused calls: what the notifier says of each becomes lines of the trace, figures and lists of
 * run.json, and a stream for whoever asked for one. All three are capped for each call site (one
 * process, one call, the same flags): the first lines one by one, then one at each power of two,
 * which says how many calls it stands for. The totals are exact whatever is capped. Internal to the
 * recorder; not thread-safe.
 */
#ifndef TT_RECORDER_DENIALS_H
#define TT_RECORDER_DENIALS_H

#include <jansson.h>

#include "kernel/notifier.h"
#include "recorder/denials_words.h"
#include "recorder/track.h"

#define RECORDER_SITES_MAX     1024 /* further ones are counted by call alone */
#define RECORDER_SITE_LINES    32   /* written one by one, before the powers of two */
#define RECORDER_DENIALS_LATER 1024 /* taken before the library's records of the same moment */

/* One call site. Of one that was not looked at (see kernel/notifier.h) pid is 0. */
struct recorder_site {
	struct recorder_site *next; /* in its hash chain */
	int32_t nr, pid, tid, ppid, ns_pid;
	struct policy_verdict verdict;
	uint64_t keys[6];
	char comm[16];
	uint64_t count, told; /* calls, and those that lines stand for */
	uint64_t first_ns, last_ns;
	struct event_span span, parent; /* @parent.text never points to what a span owns */
	struct recorder_words words;    /* of the first one */
	bool as_seen;
	char allow[128]; /* a line for the profile; "": it was allowed */
};

struct recorder_stream;

/* A denial, and the image that its process was known to run when it was taken. */
struct recorder_later {
	struct kernel_denial denial;
	bool known;
	struct event_span span, parent;
};

struct recorder_denials {
	struct kernel_notifier *notifier; /* NULL: no filter */
	const struct policy *policy;
	struct recorder_stream *stream; /* NULL: nobody asked for one */
	struct event_span run_span, run_parent;
	int32_t command; /* pid of the command; 0: not known, its own is 2 then */
	bool command_killed;
	uint64_t totals[POLICY_KILL + 1]; /* by action */
	char first[32];                   /* the first call denied or killed; "": none */
	struct recorder_site *sites[RECORDER_SITES_MAX + 1];
	size_t site_count;
	struct recorder_site *hash[1024];
	struct recorder_site
		*others; /* past the limit, or not looked at: one per call and action */
	struct recorder_later *later;
	size_t later_count;
};

/*
 * recorder_denials_new - make the notifier, too, which serves from recorder_denials_begin() on
 * @stream_fd: for recorder_stream_new(), -1: none; stays the caller's
 * @watch: its observer shares the listener; NULL: there is none
 */
struct recorder_watch;
int recorder_denials_new(struct recorder_denials **ret, const struct policy *policy, int stream_fd,
			 struct recorder_watch *watch, struct tt_err *err) TT_MUST_CHECK;
void recorder_denials_free(struct recorder_denials *d);

/* recorder_denials_begin - the command runs: answer its calls. @listener is taken over. */
void recorder_denials_begin(struct recorder_denials *d, int listener, pid_t top, pid_t command);

/*
 * recorder_denials_take - take what has come. To be called before processes that have ended are
 * forgotten, and recorder_denials_settle() after the library's records were taken, which tell of
 * new processes and images. One that neither knows of is told under its parent, or under the run.
 */
void recorder_denials_take(struct recorder_denials *d, struct recorder_track *t);
void recorder_denials_settle(struct recorder_denials *d, struct recorder_track *t);

/* recorder_denials_finish - nothing more is answered; take the rest, say what was not said yet */
void recorder_denials_finish(struct recorder_denials *d, struct recorder_track *t);

/* recorder_denials_add - one denial, for settle and for tests: @span NULL: the run's */
void recorder_denials_add(struct recorder_denials *d, struct recorder_track *t,
			  const struct kernel_denial *denial, const struct event_span *span,
			  const struct event_span *parent);

/*
 * recorder_denials_is_told - whether the refusal of a site that makes it @count has a line: one by
 * one at first, then by powers of two
 */
bool recorder_denials_is_told(uint64_t count);

/* recorder_action_name - "deny" */
const char *recorder_action_name(enum policy_action action);

/* recorder_call_name - of a system call; where nobody knows it "syscall_N", from @buf */
const char *recorder_call_name(int nr, char buf[24]);

/*
 * recorder_denials_list - the call sites of some actions, as run.json has them
 * @actions: bits, 1 << enum policy_action
 */
json_t *recorder_denials_list(const struct recorder_denials *d, unsigned actions);

/*
 * recorder_allow_line - the smallest line of a profile with which the call would have been allowed
 * Of the arguments it names those that the refusing rule looked at. Returns the length; the text
 * ends with NUL.
 */
size_t recorder_allow_line(char *buf, size_t cap, const struct policy *p, int nr,
			   const uint64_t args[6]);

/*
 * recorder_stream_new - one JSON object per line for each denial told, to an open fd
 * It never blocks: what does not fit is dropped and counted, and the next line says how many. NULL
 * without memory.
 */
struct recorder_stream *recorder_stream_new(int fd, const char *profile);
void recorder_stream_free(struct recorder_stream *s);
void recorder_stream_put(struct recorder_stream *s, const struct recorder_site *site,
			 const struct kernel_denial *denial, uint64_t count);

#endif
