/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trace reader and all that is computed from a trace, on any bytes. What must hold of every
 * input: each byte is accounted for once, and each span is in the tree once.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/compiler.h"
#include "store/busiest.h"
#include "store/trace.h"
#include "store/tree.h"
#include "store/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(expr)                                                                           \
	do {                                                                                 \
		if (!(expr)) {                                                               \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #expr); \
			abort();                                                             \
		}                                                                            \
	} while (0)

static uint64_t count_newlines(const uint8_t *data, size_t size)
{
	uint64_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += data[i] == '\n';
	return n;
}

/* No line says more than once that something was done. */
static void check_busiest(const struct store_busiest *b)
{
	const struct store_tally_row *rows[8];
	uint64_t counted;
	size_t count;

	for (size_t k = 0; k < STORE_BUSIEST_KINDS; k++) {
		count = store_tally_top(b->tables[k], STORE_TALLY_BY_COUNT, rows, 8);
		counted = 0;
		for (size_t i = 0; i < count; i++)
			counted += rows[i]->count;
		MUST(counted <= 2 * b->events); /* a rename is an act on two files */
	}
	MUST(b->calls <= b->events && b->failed <= b->calls);
}

static void read_lines(int fd, const uint8_t *data, size_t size)
{
	struct store_trace *trace;
	struct store_item item;
	struct store_busiest busiest;
	uint64_t bytes = 0;

	MUST(store_busiest_init(&busiest) == 0);
	MUST(store_trace_take(&trace, fd, NULL) == 0);
	while (store_trace_next(trace, &item, NULL) == 1) {
		store_busiest_add(&busiest, &item);
		if (item.kind == STORE_ITEM_LINE) {
			MUST(json_is_object(item.json) && item.text.len < STORE_LINE_MAX);
			bytes += item.text.len;
		} else {
			MUST(item.bytes > 0);
			bytes += item.bytes;
		}
	}
	/*
	 * a newline inside a dropped stretch counts as one of its bytes or as an end: either way
	 * once
	 */
	MUST(bytes <= size && bytes + count_newlines(data, size) >= size);
	store_trace_free(trace);
	check_busiest(&busiest);
	store_busiest_done(&busiest);
}

static void build_view(const char *path)
{
	struct store_run run = {.trace_path = (char *)path, .has_trace = true};
	struct store_view *view;
	struct store_tree tree;
	uint32_t real = 0, images = 0;

	MUST(store_view_load(&view, &run, NULL) == 0);
	MUST(store_tree_build(&tree, view) == 0);
	for (uint32_t i = 0; i < view->span_names.count; i++) {
		const struct store_span *s = &view->spans[i];

		real += s->started || s->calls || s->end != STORE_END_UNKNOWN;
	}
	for (uint32_t i = 0; i < tree.count; i++) {
		MUST(tree.rows[i].parent == STORE_NONE || tree.rows[i].parent < i);
		for (uint32_t s = tree.rows[i].image; s != STORE_NONE; s = tree.next_image[s])
			MUST(++images <= real);
	}
	MUST(images == real);
	store_tree_done(&tree);
	store_view_free(view);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("trace", MFD_CLOEXEC);
	char path[32];

	MUST(fd >= 0);
	MUST(write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	build_view(path);
	read_lines(fd, data, size); /* closes it */
	return 0;
}
