/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what runs did to the smallest profile under which they would have passed. Pure: evidence as
 * data in, text out. docs/learning.md says what is kept, what is widened, and why.
 */
#ifndef TT_POLICY_LEARN_H
#define TT_POLICY_LEARN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/policy.h"

/* A call with the arguments it was made with; those of no call stand together. */
struct policy_learn_call {
	const char *name;
	uint8_t condition_count;                                   /* 0: whatever the arguments */
	struct policy_condition conditions[POLICY_CONDITIONS_MAX]; /* all POLICY_EQ, narrow */
};

enum {
	POLICY_LEARN_READ = 1 << 0,
	POLICY_LEARN_WRITTEN = 1 << 1, /* changed in any way, itself or its entry in its folder */
	POLICY_LEARN_MADE = 1 << 2,    /* it was not there before */
	POLICY_LEARN_GONE = 1 << 3,    /* it was not there afterwards */
};

struct policy_learn_path {
	const char *path; /* absolute */
	unsigned what;    /* POLICY_LEARN_* */
};

/* What becomes of the paths. */
enum policy_generalise {
	POLICY_GENERALISE_NONE, /* the folders that were written */
	POLICY_GENERALISE_DIRS, /* of what is named at random, by number or version: its folder */
};

struct policy_evidence {
	const char *name; /* of the profile, for the comment on top; NULL: none */
	/* Of all runs together; the same may stand there twice. */
	const struct policy_learn_call *calls;
	size_t call_count;
	const struct policy_learn_path *paths;
	size_t path_count;
	const char *const *addresses; /* that were connected to or sent to, as in the trace */
	size_t address_count;
	const char *const *own_addresses; /* that were bound */
	size_t own_address_count;
	uint64_t memory_kb, wall_ms, cpu_ms; /* the largest */
	uint64_t tasks;                      /* processes and threads that were made, the largest */
	enum policy_generalise generalise;
	const char *const *notes; /* lines of the comment that says what all this rests on */
	size_t note_count;
};

/*
 * policy_learn - write the profile
 * @ret: the text, to be freed
 * Returns 0; -ENOMEM; -E2BIG where there are more folders than a profile may name.
 */
int policy_learn(const struct policy_evidence *e, char **ret, struct tt_err *err) TT_MUST_CHECK;

#endif
