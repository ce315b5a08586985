/* SPDX-License-Identifier: Apache-2.0 */
/* What `show` prints: the parts of the readable report, and the same as one JSON document. */
#ifndef TT_CLI_REPORT_H
#define TT_CLI_REPORT_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/style.h"
#include "store/names.h"
#include "store/runs.h"
#include "store/view.h"

struct cli_report {
	const struct store_run *run;
	const struct store_view *view;
	struct store_text cwd; /* data NULL: unknown */
	int width;
	bool all;
};

/* One program and how often it was started. */
struct cli_program {
	struct store_text path;
	uint64_t count;
	uint64_t unseen; /* of these, so many where the library was not loaded */
};

void cli_report_head(const struct cli_report *r);
void cli_report_programs(const struct cli_report *r);
void cli_report_files(const struct cli_report *r);
void cli_report_network(const struct cli_report *r);
void cli_report_acts(const struct cli_report *r);
void cli_report_denied(const struct cli_report *r);
void cli_report_capabilities(const struct cli_report *r);
void cli_report_hosts(const struct cli_report *r);
void cli_report_failures(const struct cli_report *r);
void cli_report_known(const struct cli_report *r);
void cli_report_findings(const struct cli_report *r);
void cli_report_syscalls(const struct cli_report *r);

/*
 * cli_report_guest_head - of a guest's run: the cell, and findings, which come first
 * cli_report_guest_known - how much of it is known, and from whom
 */
void cli_report_guest_head(const struct cli_report *r);
void cli_report_guest_known(const struct cli_report *r);

/*
 * cli_report_certificate - who saw each process; false where nobody compared: without a kernel
 * sensor
 */
bool cli_report_certificate(const struct cli_report *r);

/* cli_certificate_json - the same; null */
json_t *cli_certificate_json(const struct store_view *v);

/* cli_cause_words - why not everybody saw a process, in few words; NULL: there is no cause */
const char *cli_cause_words(struct store_text cause);

/*
 * cli_report_heading, cli_report_label - begin a line that heads a part, or one with a word in
 * front
 */
void cli_report_heading(struct cli_line *l, const struct cli_report *r, const char *fmt, ...)
	TT_PRINTF(3, 4);
void cli_report_label(struct cli_line *l, const struct cli_report *r, const char *word);

/*
 * cli_report_remark - "what: text", both hostile, wrapped at the width: the end of it says what is
 * wrong
 */
void cli_report_remark(const struct cli_report *r, enum cli_color color, const char *what,
		       struct store_text text);

/* cli_report_sentence - one of ours, wrapped at the width */
void cli_report_sentence(const struct cli_report *r, enum cli_color color, const char *fmt, ...)
	TT_PRINTF(3, 4);

/* cli_is_lower_bound - whether a figure with that entry in `sources` may be too low */
bool cli_is_lower_bound(struct store_text source);

/* cli_report_json - the document; NULL without memory */
json_t *cli_report_json(const struct cli_report *r);

/*
 * cli_run_fact - a value of run.json, or else of the line that opens the trace; NULL if neither has
 * it. Borrowed.
 */
json_t *cli_run_fact(const struct store_view *v, const char *key);

/*
 * cli_verdict - how the run ended, in words
 * @ret_good: it exited with 0
 */
const char *cli_verdict(const struct store_view *v, char buf[128], bool *ret_good);

/*
 * cli_programs - the programs that were started, most often first; an array to free, NULL if there
 * are none
 */
struct cli_program *cli_programs(const struct store_view *v, size_t *ret_count);

/* cli_span_is_real - whether a span had any event of its own */
bool cli_span_is_real(const struct store_span *s);

/*
 * cli_report_place - room for a word of @need columns in a list that goes over lines
 * @lines: how many it has taken; false: another one would be more than @limit
 */
bool cli_report_place(struct cli_line *l, const struct cli_report *r, int need, int *lines,
		      int limit);

/* cli_line_path - a path, relative to the run's folder where it lies below it */
void cli_line_path(struct cli_line *l, const struct cli_report *r, struct store_text path);

/* cli_denied_json - refused calls, for the document of `show` */
json_t *cli_denied_json(const struct store_view *v);

/* cli_line_denied - a system call and its arguments, as a denied event has them */
void cli_line_denied(struct cli_line *l, const json_t *call, const json_t *args);
/* cli_line_host - a host asked for through the proxy, as an event or run.json has it */
void cli_line_host(struct cli_line *l, const json_t *host);

/* cli_line_argv - a command line from a JSON array of strings, quoted as for a shell */
void cli_line_argv(struct cli_line *l, const json_t *argv);

#endif
