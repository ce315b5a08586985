/* SPDX-License-Identifier: Apache-2.0 */
/* From text to struct policy: what the files of this folder share. Never leaves it. */
#ifndef TT_POLICY_POLICY_INTERNAL_H
#define TT_POLICY_POLICY_INTERNAL_H

#include "policy/policy.h"

/* What an outsider can make grow. A profile that passes one of these is refused by its name. */
#define POLICY_FILE_MAX       (1U << 20) /* bytes of one file */
#define POLICY_FILES_MAX      64         /* files in all */
#define POLICY_DEPTH_MAX      8          /* includes within includes */
#define POLICY_LINE_MAX       16384      /* bytes of one line, with its continuations */
#define POLICY_WORDS_MAX      512        /* words of one line */
#define POLICY_NAME_MAX       64         /* bytes of a profile's name */
#define POLICY_RULES_MAX      16384      /* rules, one for each call that a line names */
#define POLICY_LIST_MAX       1024       /* mounts, Landlock paths, ports, maps, variables: each */
#define POLICY_COMPLAINTS_MAX 20         /* that one check tells of */

/* A profile that came with the program. */
struct policy_shipped {
	const char *name;
	const char *text;
	size_t len;
};
extern const struct policy_shipped policy_shipped[]; /* ended by a row without a name */

/* arena.c: memory that is freed at once */
struct policy_arena {
	struct policy_chunk *chunks;
};
void *policy_arena_take(struct policy_arena *a, size_t n); /* zeroed; NULL: no memory */
char *policy_arena_text(struct policy_arena *a, const char *text, size_t n);
void policy_arena_done(struct policy_arena *a);

/* A policy as the loader owns it. Its arrays are malloc'd, its texts lie in the arena. */
struct policy_owned {
	struct policy p; /* first */
	struct policy_arena arena;
};

struct policy_word {
	const char *text; /* unquoted, NUL-terminated; no NUL inside */
	size_t len;
	unsigned line, column;
};

/* One file being read. */
struct policy_source {
	const char *name; /* for messages: the path as it was found, or the name of a shipped one */
	const char *folder; /* of the file; NULL: shipped, or text without a file */
	const char *real;   /* what tells it from others: its real path */
	const char *text;
	size_t len, at;
	unsigned line, column; /* of text[at], from 1 */
	const struct policy_source *parent;
	unsigned parent_line; /* of the include */
	int depth;
};

/* Things that finish.c has to hold against each other; where each was said last. */
enum policy_key {
	POLICY_KEY_NAMESPACES,
	POLICY_KEY_NETWORK,
	POLICY_KEY_ALLOW_HOST,
	POLICY_KEY_ROOT,
	POLICY_KEY_MOUNT,
	POLICY_KEY_PROC,
	POLICY_KEY_HOSTNAME,
	POLICY_KEY_UID,
	POLICY_KEY_GID,
	POLICY_KEY_UID_MAP,
	POLICY_KEY_GID_MAP,
	POLICY_KEY_NO_NEW_PRIVS,
	POLICY_KEY_LANDLOCK,
	POLICY_KEY_LANDLOCK_PATH,
	POLICY_KEY_LANDLOCK_PORT,
	POLICY_KEY_RULE,
	POLICY_KEY_COUNT_CALLS,
	POLICY_KEY_CAPS,
	POLICY_KEY_ENVIRONMENT,
	POLICY_KEY_COUNT,
};

struct policy_reader {
	struct policy_owned *own;
	struct policy *p; /* &own->p */
	struct policy_source *source;
	struct policy_word *words; /* POLICY_WORDS_MAX, of the present line */
	size_t count;
	struct policy_place places[POLICY_KEY_COUNT]; /* file NULL: not said */
	int files;
	bool ports_bind, ports_connect; /* said at all */
	policy_tell_fn tell;            /* NULL: stop at the first complaint */
	void *tell_arg;
	int complaints;
	struct tt_err *err; /* the first complaint */
};

/*
 * Complain about @at (NULL: the line). Returns -EINVAL. The first complaint becomes the error text;
 * each is told.
 */
int policy_complain(struct policy_reader *r, const struct policy_word *at, const char *fmt, ...)
	TT_PRINTF(3, 4);
int policy_complain_at(struct policy_reader *r, const struct policy_place *at, const char *fmt, ...)
	TT_PRINTF(3, 4);
int policy_no_memory(struct policy_reader *r);

/* read.c: read @text, line for line; *r is ready for it. 0 or -errno. */
int policy_read_source(struct policy_reader *r, struct policy_source *s) TT_MUST_CHECK;
/* words.c: the words of the next line: 1 there are some, 0 the end, -errno */
int policy_next_line(struct policy_reader *r) TT_MUST_CHECK;
/* load.c: read another profile in the place of this line */
int policy_include(struct policy_reader *r, const struct policy_word *name) TT_MUST_CHECK;
/* finish.c: complete the policy and look for contradictions */
int policy_finish(struct policy_reader *r) TT_MUST_CHECK;

/* Directives: the words of the line are r->words, the directive the first. 0 or -errno. */
typedef int (*policy_directive_fn)(struct policy_reader *r);
int policy_take_mount(struct policy_reader *r); /* read_view.c, also the next */
int policy_take_landlock(struct policy_reader *r);
int policy_take_map_uid(struct policy_reader *r);
int policy_take_map_gid(struct policy_reader *r);
int policy_take_rlimit(struct policy_reader *r); /* read_limits.c, also the next */
int policy_take_limit(struct policy_reader *r);
int policy_take_environment(struct policy_reader *r);
int policy_take_allow_host(struct policy_reader *r); /* read_hosts.c */
int policy_take_rule(struct policy_reader *r);       /* read_rules.c, also the next */
int policy_take_default(struct policy_reader *r);

/* read.c: helpers of the directives */
void policy_note(struct policy_reader *r, enum policy_key key, const struct policy_word *at);
char *policy_keep(struct policy_reader *r, const char *text); /* a copy that lives as the policy */
int policy_grow(struct policy_reader *r, const struct policy_word *at, void *array, size_t count,
		size_t max, size_t size, const char *what); /* *array has room for one more */
int policy_take_path(struct policy_reader *r, const struct policy_word *w, const char **ret);
int policy_take_number(struct policy_reader *r, const struct policy_word *w, uint64_t min,
		       uint64_t max, uint64_t *ret);
int policy_take_size(struct policy_reader *r, const struct policy_word *w, uint64_t *ret);
/* the index in @words (ended by NULL) of @w, or a complaint that names the nearest */
int policy_pick(struct policy_reader *r, const struct policy_word *w, const char *what,
		const char *const *words);

/* The nearest of many words to one that was misspelt: start from {.word = ...}. */
struct policy_nearest {
	const char *word;
	const char *best; /* NULL: none is near */
	int distance;
};
void policy_nearest_try(struct policy_nearest *n, const char *candidate);

/* names.c */
bool policy_call_is_known(const char *name);     /* on any machine */
const char *policy_call_at(size_t i);            /* all names, sorted; NULL: the end */
int policy_group_find(const char *name);         /* without the "@"; -ENOENT */
int policy_group_next(int group, size_t *state); /* numbers on this machine; -ENOENT: the end */

/* values.c: named constants of arguments, errnos, capabilities, rlimits, arguments' names */
int policy_value_find(const char *name, uint64_t *ret);
const char *policy_value_at(size_t i);
int policy_errno_find(const char *name);
const char *policy_errno_name(int num); /* NULL: none */
const char *policy_errno_at(size_t i);
int policy_cap_find(const char *name);
const char *policy_cap_at(size_t i);
int policy_rlimit_find(const char *name);
const char *policy_rlimit_at(size_t i);
int policy_argument_find(int nr, const char *name); /* the index of a call's argument */

#endif
