/* SPDX-License-Identifier: Apache-2.0 */
/* What `top` shows, as tables for people and as one document, telltale.top/1. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/figures.h"
#include "cli/report.h"
#include "cli/style.h"
#include "cli/top.h"

#define LINES_DEFAULT 10 /* of each table where there is no screen to fill */
#define WIDTH_DEFAULT 120
#define NAME_MIN      36 /* columns that a name should have: figures give way */

enum column { COUNT, RECENT, FAILED, TIME, IN, OUT, COLUMNS };

static const struct {
	const char *title;
	int width;
} columns[COLUMNS] = {
	[COUNT] = {"COUNT", 10}, [RECENT] = {"LAST S", 8}, [FAILED] = {"FAILED", 8},
	[TIME] = {"TIME", 11},   [IN] = {"READ", 9},       [OUT] = {"WRITTEN", 9},
};

static const struct {
	const char *key, *title;
	bool has_bytes;
} tables[STORE_BUSIEST_KINDS] = {
	[STORE_BUSIEST_PROCESSES] = {"processes", "PROCESSES", true},
	[STORE_BUSIEST_CALLS] = {"calls", "CALLS", false},
	[STORE_BUSIEST_FILES] = {"files", "FILES", true},
	[STORE_BUSIEST_HOSTS] = {"hosts", "HOSTS", true},
};

/* Which columns there is room for, as bits. */
static unsigned fitting(int width, bool live)
{
	static const enum column give_way[] = {TIME, FAILED, IN, OUT};
	unsigned shown = (1u << COLUMNS) - 1;
	int left = width;

	if (!live)
		shown &= ~(1u << RECENT);
	for (size_t i = 0; i < COLUMNS; i++)
		left -= shown & 1u << i ? columns[i].width : 0;
	for (size_t i = 0; i < TT_ARRAY_SIZE(give_way) && left < NAME_MIN; i++) {
		shown &= ~(1u << give_way[i]);
		left += columns[give_way[i]].width;
	}
	return shown;
}

static void begin(struct cli_line *l, int width, bool live)
{
	if (live)
		fputs("\033[K", stdout); /* what stood there before */
	cli_line_begin(l, width);
}

/* Right-aligned in the next @width columns; @mark stands before it. */
static void put_right(struct cli_line *l, int width, const char *mark, const char *text)
{
	int need = (*mark ? 1 : 0) + (int)strlen(text), end = l->col + width;

	if (end - need > l->col)
		cli_line_pad(l, end - need);
	cli_line_str(l, mark);
	cli_line_str(l, text);
}

static void put_column(struct cli_line *l, const struct store_tally_row *row, enum column c,
		       bool has_bytes)
{
	const char *mark = c == COUNT && row->over ? cli_uni("\u2265", ">") : "", *text = "";
	uint64_t n = c == COUNT    ? row->count
		     : c == RECENT ? row->recent
		     : c == FAILED ? row->failed
		     : c == TIME   ? row->elapsed_us * 1000
		     : c == IN     ? row->bytes_read
				   : row->bytes_written;
	char buf[CLI_FIGURE_MAX];

	if (c == COUNT || (n && (c == RECENT || c == FAILED)))
		text = cli_count(buf, n);
	else if (n && c == TIME)
		text = cli_duration(buf, n);
	else if (n && has_bytes)
		text = cli_bytes(buf, n);
	if (c == FAILED && *text)
		cli_line_color(l, CLI_BAD);
	put_right(l, columns[c].width, mark, text);
	cli_line_color(l, CLI_PLAIN);
}

#define PID_WIDTH 9
#define END_WIDTH 11

static void put_process(struct cli_line *l, const struct store_tally_row *row)
{
	int col = l->col;

	if (row->pid)
		cli_line_fmt(l, "%lld", (long long)row->pid);
	cli_line_pad(l, col + PID_WIDTH);
	if (row->end == STORE_TALLY_KILLED)
		cli_line_str(l, "killed");
	else if (row->end == STORE_TALLY_EXITED && row->exit_code < 0)
		cli_line_str(l, "ended");
	else if (row->end == STORE_TALLY_EXITED)
		cli_line_fmt(l, "exited %lld", (long long)row->exit_code);
	cli_line_pad(l, col + PID_WIDTH + END_WIDTH);
	for (size_t at = 0; at < row->words_len;) {
		size_t n = strlen(row->words + at);

		if (at)
			cli_line_str(l, " ");
		cli_line_word(l, row->words + at, n);
		at += n + 1;
	}
}

static void put_heading(const struct cli_top *t, enum store_busiest_kind kind, unsigned shown,
			int width, bool live)
{
	const struct store_tally *table = t->busiest.tables[kind];
	char buf[CLI_FIGURE_MAX];
	struct cli_line l;

	begin(&l, width, live);
	cli_line_color(&l, CLI_BOLD);
	for (size_t i = 0; i < COLUMNS; i++)
		if (shown & 1u << i)
			put_right(&l, columns[i].width, "",
				  tables[kind].has_bytes || (i != IN && i != OUT) ? columns[i].title
										  : "");
	cli_line_str(&l, "  ");
	cli_line_str(&l, tables[kind].title);
	cli_line_color(&l, CLI_DIM);
	if (store_tally_is_exact(table))
		cli_line_fmt(&l, " %s", cli_count(buf, store_tally_rows(table)));
	else
		cli_line_fmt(&l, " more than %s: counts are at least what they say",
			     cli_count(buf, store_tally_rows(table)));
	cli_line_end(&l);
}

static void put_table(const struct cli_top *t, enum store_busiest_kind kind, size_t max, int width,
		      bool live)
{
	const struct store_tally_row *rows[CLI_TOP_LINES_MAX];
	size_t count = store_tally_top(t->busiest.tables[kind], t->order, rows, max);
	unsigned shown = fitting(width, live);
	struct cli_line l;

	begin(&l, width, live);
	cli_line_end(&l);
	put_heading(t, kind, shown, width, live);
	for (size_t i = 0; i < count; i++) {
		begin(&l, width, live);
		for (size_t c = 0; c < COLUMNS; c++)
			if (shown & 1u << c)
				put_column(&l, rows[i], (enum column)c, tables[kind].has_bytes);
		cli_line_str(&l, "  ");
		if (kind == STORE_BUSIEST_PROCESSES)
			put_process(&l, rows[i]);
		else
			cli_line_text(&l, rows[i]->name.data, rows[i]->name.len);
		cli_line_end(&l);
	}
}

static void put_head(const struct cli_top *t, int width, bool live)
{
	const struct store_busiest *b = &t->busiest;
	const struct store_view v = {.closing = b->closing};
	const json_t *argv = json_object_get(b->opening, "argv");
	char buf[CLI_FIGURE_MAX], verdict[128];
	struct cli_line l;
	bool good;

	begin(&l, width, live);
	cli_line_color(&l, CLI_BOLD);
	cli_line_str(&l, "$ ");
	if (argv)
		cli_line_argv(&l, argv);
	else
		cli_line_str(&l, "(a trace without a recorder: the command is not known)");
	cli_line_end(&l);
	begin(&l, width, live);
	if (b->closing) {
		cli_verdict(&v, verdict, &good);
		cli_line_color(&l, good ? CLI_GOOD : CLI_BAD);
		cli_line_text(&l, verdict, strlen(verdict));
	} else {
		cli_line_color(&l, t->ended ? CLI_BAD : CLI_ACCENT);
		cli_line_str(&l, t->ended ? "ended, end unproven" : "not ended");
	}
	cli_line_color(&l, CLI_PLAIN);
	cli_line_fmt(&l, " after %s: ", cli_duration(buf, b->last_ns - b->first_ns));
	cli_line_fmt(&l, "%s calls, ", cli_count(buf, b->calls));
	cli_line_fmt(&l, "%s failed, ", cli_count(buf, b->failed));
	if (b->denied)
		cli_line_fmt(&l, "%s refused, ", cli_count(buf, b->denied));
	if (b->lost || b->lost_unknown)
		cli_line_color(&l, CLI_BAD);
	cli_line_fmt(&l, "%s%s lost", b->lost_unknown ? "at least " : "", cli_count(buf, b->lost));
	cli_line_color(&l, CLI_PLAIN);
	if (!t->ended && b->processes >= 0) {
		cli_line_fmt(&l, "; now %s processes, ", cli_count(buf, (uint64_t)b->processes));
		cli_line_fmt(&l, "%.0f %% CPU, %s", b->cpu_percent,
			     cli_bytes(buf, b->memory_kb > 0 ? (uint64_t)b->memory_kb * 1024 : 0));
	}
	cli_line_end(&l);
}

/* How many rows each table gets of a screen: one each in turn, as long as they have more. */
static void share(const struct cli_top *t, size_t rows, size_t got[STORE_BUSIEST_KINDS])
{
	size_t limit = t->lines ? t->lines : rows ? rows : LINES_DEFAULT;
	size_t frame = 4; /* two lines on top, two at the bottom */
	bool any = true;

	memset(got, 0, STORE_BUSIEST_KINDS * sizeof(*got));
	for (size_t k = 0; k < STORE_BUSIEST_KINDS; k++)
		frame += store_tally_rows(t->busiest.tables[k]) ? 2 : 0;
	for (size_t left = rows > frame ? rows - frame : 0; any && (left || !rows);) {
		any = false;
		for (size_t k = 0; k < STORE_BUSIEST_KINDS && (left || !rows); k++) {
			size_t has = store_tally_rows(t->busiest.tables[k]);

			if (got[k] >= has || got[k] >= limit || got[k] >= CLI_TOP_LINES_MAX)
				continue;
			got[k]++;
			left -= rows != 0;
			any = true;
		}
	}
}

void cli_top_print(const struct cli_top *t, size_t rows, bool live)
{
	int width = cli_width() ? cli_width() : WIDTH_DEFAULT;
	size_t got[STORE_BUSIEST_KINDS];

	put_head(t, width, live);
	share(t, rows, got);
	for (size_t k = 0; k < STORE_BUSIEST_KINDS; k++)
		if (got[k])
			put_table(t, (enum store_busiest_kind)k, got[k], width, live);
}

/* Text that may have been cut inside a letter. */
static json_t *text_json(const char *text, size_t len)
{
	json_t *json = NULL;

	for (size_t cut = 0; !json && cut < 4 && cut <= len; cut++)
		json = json_stringn(text, len - cut);
	return json ? json : json_string("?");
}

static json_t *words_json(const struct store_tally_row *row)
{
	json_t *array = json_array();

	for (size_t at = 0; at < row->words_len;) {
		size_t n = strlen(row->words + at);

		(void)json_array_append_new(array, text_json(row->words + at, n));
		at += n + 1;
	}
	return array;
}

static json_t *row_json(const struct store_tally_row *row, enum store_busiest_kind kind)
{
	static const char *const ends[] = {NULL, "exited", "killed"};
	json_t *json =
		json_pack("{sI sI sI sI}", "count", (json_int_t)row->count, "count_at_most",
			  (json_int_t)(row->count + row->over), "failed", (json_int_t)row->failed,
			  "elapsed_us", (json_int_t)row->elapsed_us);

	/* without memory a key is missing */
	if (tables[kind].has_bytes) {
		(void)json_object_set_new(json, "bytes_read",
					  json_integer((json_int_t)row->bytes_read));
		(void)json_object_set_new(json, "bytes_written",
					  json_integer((json_int_t)row->bytes_written));
	}
	if (kind != STORE_BUSIEST_PROCESSES) {
		(void)json_object_set_new(json, "name", text_json(row->name.data, row->name.len));
		return json;
	}
	(void)json_object_set_new(json, "pid",
				  row->pid ? json_integer((json_int_t)row->pid) : json_null());
	(void)json_object_set_new(json, "argv", words_json(row));
	(void)json_object_set_new(json, "end",
				  ends[row->end] ? json_string(ends[row->end]) : json_null());
	(void)json_object_set_new(json, "exit_code",
				  row->exit_code >= 0 ? json_integer((json_int_t)row->exit_code)
						      : json_null());
	return json;
}

static json_t *table_json(const struct cli_top *t, enum store_busiest_kind kind, size_t max)
{
	const struct store_tally *table = t->busiest.tables[kind];
	const struct store_tally_row *rows[CLI_TOP_LINES_MAX];
	size_t count = store_tally_top(table, t->order, rows, max);
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(array, row_json(rows[i], kind));
	return json_pack("{sb sI so}", "exact", store_tally_is_exact(table), "kept",
			 (json_int_t)store_tally_rows(table), "rows", array);
}

json_t *cli_top_json(const struct cli_top *t)
{
	const struct store_busiest *b = &t->busiest;
	size_t max = t->lines ? t->lines : LINES_DEFAULT;
	json_t *doc =
		json_pack("{ss sO? sb ss sI sI sI sI sI sb}", "schema", "telltale.top/1", "run_id",
			  json_object_get(b->opening, "run_id"), "ended", t->ended, "order",
			  cli_top_order_name(t->order), "events", (json_int_t)b->events,
			  "total_calls", (json_int_t)b->calls, "total_failed",
			  (json_int_t)b->failed, "denied", (json_int_t)b->denied, "lost",
			  (json_int_t)b->lost, "lost_at_least", b->lost_unknown);

	for (size_t k = 0; k < STORE_BUSIEST_KINDS; k++)
		(void)json_object_set_new(doc, tables[k].key,
					  table_json(t, (enum store_busiest_kind)k, max));
	return doc;
}
