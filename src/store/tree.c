/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three steps, none of them recursive (a hostile trace is as deep as it is long): heads, the first
 * span of each process; lists of children by start; a walk with a stack of its own.
 */
#include "store/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct work {
	const struct store_view *v;
	uint32_t count;
	uint32_t *order;   /* spans by start */
	uint32_t *head;    /* by span: the first span of its process */
	uint32_t *last;    /* by head: the last span */
	uint32_t *child;   /* by head: its first child, a head */
	uint32_t *sibling; /* by head: the next child of its parent */
	uint32_t *stack;
	uint32_t *row; /* by head: its row */
};

static bool is_real(const struct store_span *s)
{
	return s->started || s->calls || s->end != STORE_END_UNKNOWN;
}

/*
 * The span whose process @i goes on with, after an exec; STORE_NONE: @i is the first of its
 * process.
 */
static uint32_t earlier_image(const struct store_view *v, uint32_t i)
{
	const struct store_span *s = &v->spans[i], *p;

	if (s->how != STORE_HOW_EXEC || s->parent == STORE_NONE)
		return STORE_NONE;
	p = &v->spans[s->parent];
	return is_real(p) && (!p->pid || !s->pid || p->pid == s->pid) ? s->parent : STORE_NONE;
}

static void find_heads(struct work *w)
{
	const uint32_t on_the_way = STORE_NONE - 1;

	memset(w->head, 0xff, w->count * sizeof(*w->head)); /* STORE_NONE */
	for (uint32_t i = 0; i < w->count; i++) {
		uint32_t at = i, depth = 0, found;

		while (w->head[at] == STORE_NONE) {
			uint32_t up = earlier_image(w->v, at);

			w->head[at] = on_the_way;
			w->stack[depth++] = at;
			if (up == STORE_NONE)
				break;
			at = up;
		}
		/* either a head, or known already, or a circle: then it is cut here */
		found = w->head[at] == on_the_way ? at : w->head[at];
		while (depth)
			w->head[w->stack[--depth]] = found;
	}
}

static const struct store_span *compared; /* for by_start(): qsort() passes nothing along */

static int by_start(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (compared[x].start_ns != compared[y].start_ns)
		return compared[x].start_ns < compared[y].start_ns ? -1 : 1;
	return x < y ? -1 : x > y;
}

static uint32_t parent_head(const struct work *w, uint32_t head)
{
	uint32_t parent = w->v->spans[head].parent;

	if (parent == STORE_NONE || !is_real(&w->v->spans[parent]) || w->head[parent] == head)
		return STORE_NONE;
	return w->head[parent];
}

static void link_children(struct work *w, struct store_tree *tree)
{
	memset(w->last, 0xff, w->count * sizeof(*w->last));
	memset(w->child, 0xff, w->count * sizeof(*w->child));
	memset(w->sibling, 0xff, w->count * sizeof(*w->sibling));
	memset(tree->next_image, 0xff, w->count * sizeof(*tree->next_image));
	for (uint32_t i = 0; i < w->count; i++)
		w->order[i] = i;
	compared = w->v->spans;
	qsort(w->order, w->count, sizeof(*w->order), by_start);
	for (uint32_t k = 0; k < w->count; k++) {
		uint32_t i = w->order[k], head = w->head[i];

		if (i != head && is_real(&w->v->spans[i])) {
			uint32_t before = w->last[head] == STORE_NONE ? head : w->last[head];

			tree->next_image[before] = i;
			w->last[head] = i;
		}
	}
	/* backwards, each put in front: the lists come out by start */
	for (uint32_t k = w->count; k-- > 0;) {
		uint32_t i = w->order[k], parent;

		if (w->head[i] != i || !is_real(&w->v->spans[i]))
			continue;
		parent = parent_head(w, i);
		if (parent == STORE_NONE)
			continue;
		w->sibling[i] = w->child[parent];
		w->child[parent] = i;
	}
}

/*
 * One root and all below it. Rows that exist already are passed over: a circle comes back to its
 * start.
 */
static void walk(struct work *w, struct store_tree *tree, uint32_t root)
{
	uint32_t depth = 0;

	w->stack[depth++] = root;
	while (depth) {
		uint32_t head = w->stack[depth - 1], next;

		if (w->row[head] == STORE_NONE) {
			struct store_tree_row *row = &tree->rows[tree->count];

			row->image = head;
			row->last = w->last[head] == STORE_NONE ? head : w->last[head];
			row->parent = depth > 1 ? w->row[w->stack[depth - 2]] : STORE_NONE;
			row->depth = depth - 1;
			row->is_last = true;
			w->row[head] = tree->count++;
			next = w->child[head];
			if (next != STORE_NONE && w->row[next] == STORE_NONE) {
				w->stack[depth++] = next;
				continue;
			}
		}
		depth--;
		if (!depth)
			break;
		next = w->sibling[head];
		while (next != STORE_NONE && w->row[next] != STORE_NONE)
			next = w->sibling[next];
		if (next != STORE_NONE) {
			tree->rows[w->row[head]].is_last = false;
			w->stack[depth++] = next;
		}
	}
}

static void work_done(struct work *w)
{
	free(w->order);
	free(w->head);
	free(w->last);
	free(w->child);
	free(w->sibling);
	free(w->stack);
	free(w->row);
}

static uint32_t worst_image(const struct work *w, const struct store_tree *tree, uint32_t image)
{
	uint32_t worst = STORE_NONE;

	for (; image != STORE_NONE; image = tree->next_image[image]) {
		const struct store_span *s = &w->v->spans[image];

		if (s->coverage == STORE_COVERAGE_UNKNOWN || s->how == STORE_HOW_LAUNCH)
			continue;
		if (worst == STORE_NONE || s->coverage < w->v->spans[worst].coverage)
			worst = image;
	}
	return worst;
}

int store_tree_build(struct store_tree *ret, const struct store_view *v)
{
	TT_CLEANUP(work_done) struct work w = {.v = v, .count = v->span_names.count};
	struct store_tree tree = {0};
	size_t n = w.count ? w.count : 1;

	w.order = calloc(n, sizeof(uint32_t));
	w.head = calloc(n, sizeof(uint32_t));
	w.last = calloc(n, sizeof(uint32_t));
	w.child = calloc(n, sizeof(uint32_t));
	w.sibling = calloc(n, sizeof(uint32_t));
	w.stack = calloc(n + 1, sizeof(uint32_t));
	w.row = calloc(n, sizeof(uint32_t));
	tree.rows = calloc(n, sizeof(*tree.rows));
	tree.next_image = calloc(n, sizeof(uint32_t));
	if (!w.order || !w.head || !w.last || !w.child || !w.sibling || !w.stack || !w.row ||
	    !tree.rows || !tree.next_image) {
		store_tree_done(&tree);
		return -ENOMEM;
	}
	find_heads(&w);
	link_children(&w, &tree);
	memset(w.row, 0xff, w.count * sizeof(*w.row));
	for (int pass = 0; pass < 2; pass++)
		for (uint32_t k = 0; k < w.count; k++) {
			uint32_t i = w.order[k];

			/* first the roots, then what hangs on a circle */
			if (w.head[i] == i && is_real(&v->spans[i]) && w.row[i] == STORE_NONE &&
			    (pass || parent_head(&w, i) == STORE_NONE))
				walk(&w, &tree, i);
		}
	for (uint32_t i = 0, last = STORE_NONE; i < tree.count; i++)
		if (tree.rows[i].parent == STORE_NONE) {
			if (last != STORE_NONE)
				tree.rows[last].is_last = false;
			last = i;
		}
	for (uint32_t i = 0; i < tree.count; i++)
		tree.rows[i].worst = worst_image(&w, &tree, tree.rows[i].image);
	*ret = tree;
	return 0;
}

void store_tree_done(struct store_tree *tree)
{
	free(tree->rows);
	free(tree->next_image);
	memset(tree, 0, sizeof(*tree));
}
