/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines on a screen: colour, width, and text that came from the workload. Such text is hostile: a
 * file name may hold escape sequences, newlines or letters that reverse the reading order. It
 * reaches the screen only through cli_put_text(), cli_line_text() and cli_line_word(), which make
 * every such character visible.
 */
#ifndef TT_CLI_STYLE_H
#define TT_CLI_STYLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/compiler.h"

enum cli_color { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_GOOD, CLI_BAD, CLI_WARN, CLI_ACCENT };

/* cli_style_begin - look at stdout, NO_COLOR, TERM and the locale. Called by cli_begin(). */
void cli_style_begin(void);

/* cli_is_utf8 - whether the locale's letters are UTF-8: else everything past ASCII is escaped */
bool cli_is_utf8(void);

/* cli_width - columns of the terminal on stdout, at least 60; 0 if it is none */
int cli_width(void);

/* cli_uni - @pretty where the locale can show it, else @plain */
const char *cli_uni(const char *pretty, const char *plain);

/* cli_put_text - hostile text to @f: control bytes, invalid UTF-8 and invisible letters escaped */
void cli_put_text(FILE *f, const char *text, size_t len);

/* One line on stdout that ends at a width. */
struct cli_line {
	int col;
	int width; /* 0: as long as it comes */
	bool cut;
	enum cli_color color;
};

void cli_line_begin(struct cli_line *l, int width);
void cli_line_color(struct cli_line *l, enum cli_color color);

/* cli_line_str, cli_line_fmt - text of our own: UTF-8, no control bytes */
void cli_line_str(struct cli_line *l, const char *s);
void cli_line_fmt(struct cli_line *l, const char *fmt, ...) TT_PRINTF(2, 3);

/*
 * cli_line_text - hostile text, escaped; cli_line_word - the same, quoted so that a shell reads it
 * back
 */
void cli_line_text(struct cli_line *l, const char *text, size_t len);
void cli_line_word(struct cli_line *l, const char *text, size_t len);

/* cli_line_pad - blanks up to that column, at least one if the line is past it */
void cli_line_pad(struct cli_line *l, int col);

/* cli_line_end - newline and, where the line was cut, a mark before it */
void cli_line_end(struct cli_line *l);

/* cli_text_width - columns that cli_line_text() takes for @text */
int cli_text_width(const char *text, size_t len);

#endif
