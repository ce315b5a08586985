/* SPDX-License-Identifier: Apache-2.0 */
/* The readable report: system calls by name, as they were counted, and the time in them. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli/figures.h"
#include "cli/report.h"
#include "store/trace.h"

#define ROWS_MAX 8

struct counted {
	const char *name;
	uint64_t count, ns;
};

static int by_time(const void *a, const void *b)
{
	const struct counted *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? 1 : -1;
	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->name, y->name);
}

/* An array to free, the most time or the most calls first; NULL: nothing was counted. */
static struct counted *sort_counts(const json_t *doc, size_t *ret_count)
{
	json_t *counts = json_object_get(doc, "syscalls"), *value;
	const json_t *times = json_object_get(doc, "syscall_ns");
	struct counted *list;
	const char *name;
	size_t n = 0;

	*ret_count = 0;
	if (!json_object_size(counts))
		return NULL;
	list = calloc(json_object_size(counts), sizeof(*list));
	if (!list)
		return NULL;
	json_object_foreach(counts, name, value)
	{
		int64_t count = store_get_int(counts, name, 0), ns = store_get_int(times, name, 0);

		if (count > 0)
			list[n++] =
				(struct counted){name, (uint64_t)count, ns > 0 ? (uint64_t)ns : 0};
	}
	qsort(list, n, sizeof(*list), by_time);
	*ret_count = n;
	return list;
}

static void put_times(const struct cli_report *r, const struct counted *list, size_t count)
{
	size_t limit = r->all ? count : ROWS_MAX;
	char a[CLI_FIGURE_MAX];
	struct cli_line l;

	for (size_t i = 0; i < count && i < limit; i++) {
		cli_line_begin(&l, r->width);
		cli_line_fmt(&l, "  %10s", cli_duration(a, list[i].ns));
		cli_line_fmt(&l, "  %10s each", cli_duration(a, list[i].ns / list[i].count));
		cli_line_fmt(&l, "  %10s  ", cli_count(a, list[i].count));
		cli_line_text(&l, list[i].name, strlen(list[i].name));
		cli_line_end(&l);
	}
	if (count > limit)
		cli_report_sentence(r, CLI_DIM, "+ %zu more: telltale show --all", count - limit);
}

static void put_counts(const struct cli_report *r, const struct counted *list, size_t count)
{
	int lines = 1;
	char a[CLI_FIGURE_MAX];
	struct cli_line l;
	size_t i;

	cli_line_begin(&l, r->width);
	cli_line_str(&l, "  ");
	for (i = 0; i < count; i++) {
		int need =
			(int)strlen(list[i].name) + (int)strlen(cli_count(a, list[i].count)) + 10;

		if (!cli_report_place(&l, r, need, &lines, r->all ? INT_MAX : 2))
			break;
		cli_line_text(&l, list[i].name, strlen(list[i].name));
		cli_line_color(&l, CLI_DIM);
		cli_line_fmt(&l, "%s%s", cli_uni(" ×", " x"), a);
		cli_line_color(&l, CLI_PLAIN);
		if (i + 1 < count)
			cli_line_str(&l, ",");
	}
	if (i < count)
		cli_line_fmt(&l, " + %zu", count - i);
	cli_line_end(&l);
}

void cli_report_syscalls(const struct cli_report *r)
{
	int64_t total = store_summary_int(r->view, "total_syscalls");
	size_t count;
	struct counted *list = sort_counts(r->view->doc, &count);
	char a[CLI_FIGURE_MAX];
	struct cli_line l;

	if (total > 0 && count) {
		cli_report_heading(&l, r, "Made %s system calls", cli_count(a, (uint64_t)total));
		cli_line_end(&l);
		if (json_is_object(json_object_get(r->view->doc, "syscall_ns")))
			put_times(r, list, count);
		else
			put_counts(r, list, count);
	}
	free(list);
}
