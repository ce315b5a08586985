/* SPDX-License-Identifier: Apache-2.0 */
/* Colour, width and the escaping of everything that a workload may have named. */
#include "cli/style.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/utf8.h"

#define PIECE_MAX 16 /* the longest escape of one letter: \u{10ffff} */

static bool use_color, use_utf8;
static int terminal_width;

void cli_style_begin(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize ws;

	use_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	if (!isatty(STDOUT_FILENO))
		return;
	use_color = !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
	terminal_width = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col)
		terminal_width = ws.ws_col < 60 ? 60 : ws.ws_col;
}

bool cli_is_utf8(void)
{
	return use_utf8;
}

int cli_width(void)
{
	return terminal_width;
}

const char *cli_uni(const char *pretty, const char *plain)
{
	return use_utf8 ? pretty : plain;
}

static uint32_t decode(const unsigned char *p, size_t len)
{
	static const uint8_t first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t cp = p[0] & first_bits[len];

	for (size_t i = 1; i < len; i++)
		cp = cp << 6 | (p[i] & 0x3f);
	return cp;
}

/*
 * Letters that change how others are read, or that show nothing: direction marks, joiners, line
 * ends.
 */
static bool is_deceptive(uint32_t cp)
{
	return cp == 0xad || cp == 0x61c || cp == 0x180e || (cp >= 0x200b && cp <= 0x200f) ||
	       (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff ||
	       (cp >= 0xfff0 && cp <= 0xfffb) || (cp >= 0xe0000 && cp <= 0xe0fff);
}

/*
 * The first letter of @text as it may be shown, in @piece, with its width in columns.
 * @plain: set if it is shown as it is. Returns how many bytes of @text it took.
 */
static size_t next_piece(const char *text, size_t len, char piece[PIECE_MAX], int *ret_width,
			 bool *plain)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n = tt_utf8_len(p, len);
	uint32_t cp = n ? decode(p, n) : 0;
	int width = 1;

	*plain = false;
	if (!n) {
		n = 1;
		(void)snprintf(piece, PIECE_MAX, "\\x%02x", p[0]);
	} else if (cp == '\n') {
		memcpy(piece, "\\n", 3);
	} else if (cp == '\t') {
		memcpy(piece, "\\t", 3);
	} else if (cp == '\r') {
		memcpy(piece, "\\r", 3);
	} else if (cp == '\\') {
		memcpy(piece, "\\\\", 3);
	} else if (cp < 0x20 || cp == 0x7f) {
		(void)snprintf(piece, PIECE_MAX, "\\x%02x", (unsigned)cp);
	} else if (cp < 0x7f) {
		piece[0] = (char)cp;
		piece[1] = '\0';
		*plain = true;
	} else if (!use_utf8 || cp < 0xa0 || is_deceptive(cp) ||
		   (width = wcwidth((wchar_t)cp)) < 0) {
		(void)snprintf(piece, PIECE_MAX, "\\u{%x}", (unsigned)cp);
	} else {
		memcpy(piece, p, n);
		piece[n] = '\0';
		*plain = true;
	}
	*ret_width = *plain ? width : (int)strlen(piece);
	return n;
}

void cli_put_text(FILE *f, const char *text, size_t len)
{
	char piece[PIECE_MAX];
	bool plain;
	int width;

	while (len) {
		size_t n = next_piece(text, len, piece, &width, &plain);

		fputs(piece, f);
		text += n;
		len -= n;
	}
}

int cli_text_width(const char *text, size_t len)
{
	char piece[PIECE_MAX];
	int width, sum = 0;
	bool plain;

	while (len) {
		size_t n = next_piece(text, len, piece, &width, &plain);

		sum += width;
		text += n;
		len -= n;
	}
	return sum;
}

void cli_line_begin(struct cli_line *l, int width)
{
	l->col = 0;
	l->width = width;
	l->cut = false;
	l->color = CLI_PLAIN;
}

void cli_line_color(struct cli_line *l, enum cli_color color)
{
	static const char *const codes[] = {
		[CLI_PLAIN] = "\033[0m",   [CLI_BOLD] = "\033[1m",   [CLI_DIM] = "\033[2m",
		[CLI_GOOD] = "\033[32m",   [CLI_BAD] = "\033[1;31m", [CLI_WARN] = "\033[33m",
		[CLI_ACCENT] = "\033[36m",
	};

	if (!use_color || l->color == color)
		return;
	if (l->color != CLI_PLAIN && color != CLI_PLAIN)
		fputs(codes[CLI_PLAIN], stdout);
	fputs(codes[color], stdout);
	l->color = color;
}

static void put_piece(struct cli_line *l, const char *piece, int width)
{
	/* The last column is kept for the mark of a cut. */
	if (l->cut || (l->width && l->col + width > l->width - 1)) {
		l->cut = true;
		return;
	}
	fputs(piece, stdout);
	l->col += width;
}

void cli_line_str(struct cli_line *l, const char *s)
{
	size_t len = strlen(s);
	char piece[8];

	while (len) {
		size_t n = tt_utf8_len((const unsigned char *)s, len);

		if (!n)
			n = 1;
		memcpy(piece, s, n);
		piece[n] = '\0';
		put_piece(l, piece, 1);
		s += n;
		len -= n;
	}
}

void cli_line_fmt(struct cli_line *l, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* numbers and our own words: they fit */
	va_end(ap);
	cli_line_str(l, text);
}

void cli_line_text(struct cli_line *l, const char *text, size_t len)
{
	char piece[PIECE_MAX];
	bool plain;
	int width;

	while (len && !l->cut) {
		size_t n = next_piece(text, len, piece, &width, &plain);

		put_piece(l, piece, width);
		text += n;
		len -= n;
	}
}

static bool is_safe_in_shell(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c >= 0x80 || (c && strchr("_-+=:,./@%^", c));
}

void cli_line_word(struct cli_line *l, const char *text, size_t len)
{
	bool quote = len == 0, escape = false, plain;
	char piece[PIECE_MAX];
	int width;

	for (size_t at = 0; at < len;) {
		size_t n = next_piece(text + at, len - at, piece, &width, &plain);

		quote |= !is_safe_in_shell((unsigned char)text[at]);
		escape |= (!plain && text[at] != '\\') || text[at] == '\'';
		at += n;
	}
	if (escape)
		cli_line_str(l, "$'");
	else if (quote)
		cli_line_str(l, "'");
	for (size_t at = 0; at < len && !l->cut;) {
		size_t n = next_piece(text + at, len - at, piece, &width, &plain);

		if (escape && text[at] == '\'')
			put_piece(l, "\\'", 2);
		else if (!escape && text[at] == '\\')
			put_piece(l, "\\", 1); /* inside '...' it stands for itself */
		else
			put_piece(l, piece, width);
		at += n;
	}
	if (escape || quote)
		cli_line_str(l, "'");
}

void cli_line_pad(struct cli_line *l, int col)
{
	do
		put_piece(l, " ", 1);
	while (l->col < col && !l->cut);
}

void cli_line_end(struct cli_line *l)
{
	if (l->cut)
		fputs(use_utf8 ? "…" : ">", stdout);
	cli_line_color(l, CLI_PLAIN);
	fputc('\n', stdout);
}
