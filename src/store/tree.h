/* SPDX-License-Identifier: Apache-2.0 */
/* Spans as a tree of processes: fork and exec folded, one row per process. */
#ifndef TT_STORE_TREE_H
#define TT_STORE_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "store/view.h"

struct store_tree_row {
	uint32_t
		/* the first span of the process; tree->next_image leads on, STORE_NONE ends */
		image;
	uint32_t last;   /* the last one: what the process was in the end */
	uint32_t parent; /* row, STORE_NONE: a root */
	uint32_t depth;
	bool is_last; /* no sibling follows */
	/*
	 * The image that was seen worst, of those whose ends say who saw them; STORE_NONE: none
	 * says so. What the recorder's own child does before the command begins is not looked at.
	 */
	uint32_t worst;
};

struct store_tree {
	struct store_tree_row *rows; /* parents before children, siblings by their start */
	uint32_t count;
	uint32_t *next_image; /* by span */
};

/*
 * store_tree_build - the processes of a view
 * Every span that has an event of its own is in exactly one row, however wrong the trace: where
 * parents go round in a circle, it is cut. Returns 0 or -ENOMEM.
 */
int store_tree_build(struct store_tree *ret, const struct store_view *v) TT_MUST_CHECK;
void store_tree_done(struct store_tree *tree);

#endif
