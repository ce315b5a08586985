/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile's text as lines of words.
 *
 *	word "quoted words" key="a value"   # a comment
 *	a line that \
 *	goes on
 */
#include <string.h>

#include "base/utf8.h"
#include "policy/policy_internal.h"

static bool is_end(const struct policy_source *s)
{
	return s->at >= s->len;
}

/* One character further; a column is a character, not a byte. */
static void step(struct policy_source *s)
{
	unsigned char c = (unsigned char)s->text[s->at];
	size_t n =
		c < 0x80 ? 1 : tt_utf8_len((const unsigned char *)s->text + s->at, s->len - s->at);

	if (c == '\n') {
		s->line++;
		s->column = 1;
	} else {
		s->column++;
	}
	s->at += n ? n : 1;
}

/* Past characters of a word or a comment that mean nothing but themselves: most of a profile. */
static void step_plain(struct policy_source *s, bool comment)
{
	size_t from = s->at;

	while (s->at < s->len) {
		unsigned char c = (unsigned char)s->text[s->at];

		if (c < ' ' || c >= 0x7f || (!comment && (c == ' ' || c == '"' || c == '\\')))
			break;
		s->at++;
	}
	s->column += (unsigned)(s->at - from);
}

static struct policy_word here(const struct policy_source *s)
{
	return (struct policy_word){.line = s->line, .column = s->column};
}

static int bad_byte(struct policy_reader *r)
{
	struct policy_source *s = r->source;
	struct policy_word at = here(s);
	unsigned char c = (unsigned char)s->text[s->at];

	if (c == 0)
		return policy_complain(r, &at, "a NUL byte: this is no text");
	if (!tt_utf8_len((const unsigned char *)s->text + s->at, s->len - s->at))
		return policy_complain(r, &at, "byte 0x%02x: this is not UTF-8", c);
	return policy_complain(r, &at, "control character 0x%02x: write it as \"\\x%02x\"", c, c);
}

static bool is_bad(const struct policy_source *s)
{
	unsigned char c = (unsigned char)s->text[s->at];

	if (c >= 0x80)
		return !tt_utf8_len((const unsigned char *)s->text + s->at, s->len - s->at);
	return (c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

static bool is_crlf(const struct policy_source *s)
{
	return s->text[s->at] == '\r' && s->at + 1 < s->len && s->text[s->at + 1] == '\n';
}

static bool is_continued(const struct policy_source *s)
{
	size_t at = s->at + 1;

	if (s->text[s->at] != '\\')
		return false;
	if (at < s->len && s->text[at] == '\r')
		at++;
	return at < s->len && s->text[at] == '\n';
}

/* A line that is too long is not read at all. */
static int check_length(struct policy_reader *r)
{
	struct policy_source *s = r->source;
	size_t n = s->len - s->at;
	struct policy_word at = here(s);

	if (n > POLICY_LINE_MAX)
		n = POLICY_LINE_MAX;
	if (n < POLICY_LINE_MAX || memchr(s->text + s->at, '\n', n))
		return 0;
	return policy_complain(r, &at, "a line of more than %d bytes", POLICY_LINE_MAX);
}

/* To the next word of this line. 1: there is one, 0: the line ends, -errno. */
static int skip_blanks(struct policy_reader *r)
{
	struct policy_source *s = r->source;
	bool comment = false;
	int ret;

	while (!is_end(s)) {
		if (is_bad(s))
			return bad_byte(r);
		if (s->text[s->at] == '\n')
			return 0;
		if (comment || s->text[s->at] == ' ' || s->text[s->at] == '\t' || is_crlf(s)) {
			step(s);
		} else if (s->text[s->at] == '#') {
			comment = true;
			step_plain(s, true);
		} else if (is_continued(s)) {
			while (s->text[s->at] != '\n')
				step(s);
			step(s);
			ret = check_length(r);
			if (ret < 0)
				return ret;
		} else {
			return 1;
		}
	}
	return 0;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind a backslash within quotes. */
static int take_escape(struct policy_reader *r, char *ret)
{
	struct policy_source *s = r->source;
	struct policy_word at = here(s);
	int high, low;

	step(s);
	switch (is_end(s) ? '\0' : s->text[s->at]) {
	case '"':
	case '\\':
		*ret = s->text[s->at];
		break;
	case 'n':
		*ret = '\n';
		break;
	case 't':
		*ret = '\t';
		break;
	case 'x':
		high = s->at + 2 < s->len ? hex(s->text[s->at + 1]) : -1;
		low = s->at + 2 < s->len ? hex(s->text[s->at + 2]) : -1;
		if (high < 0 || low < 0)
			return policy_complain(r, &at, "\\x takes two hexadecimal digits");
		*ret = (char)(high << 4 | low);
		if (!*ret)
			return policy_complain(r, &at, "\\x00: a word cannot hold a NUL byte");
		step(s);
		step(s);
		break;
	default:
		return policy_complain(
			r, &at, "unknown escape: within quotes there are \\\" \\\\ \\n \\t \\xNN");
	}
	step(s);
	return 0;
}

static int take_quoted(struct policy_reader *r, char *buf, size_t *len)
{
	struct policy_source *s = r->source;
	struct policy_word at = here(s);
	int ret;

	step(s);
	while (!is_end(s) && s->text[s->at] != '"' && s->text[s->at] != '\n') {
		size_t from = s->at;

		if (is_bad(s))
			return bad_byte(r);
		if (s->text[s->at] == '\\') {
			ret = take_escape(r, &buf[*len]);
			if (ret < 0)
				return ret;
			(*len)++;
			continue;
		}
		step(s);
		memcpy(buf + *len, s->text + from, s->at - from);
		*len += s->at - from;
	}
	if (is_end(s) || s->text[s->at] != '"')
		return policy_complain(r, &at, "quotes that are not closed on this line");
	step(s);
	return 0;
}

/* @buf has room for all that is left of the line. */
static int take_word(struct policy_reader *r, char *buf, size_t *ret_len)
{
	struct policy_source *s = r->source;
	struct policy_word at;
	size_t len = 0;
	int ret;

	for (;;) {
		size_t from = s->at;

		step_plain(s, false);
		memcpy(buf + len, s->text + from, s->at - from);
		len += s->at - from;
		if (is_end(s) || strchr(" \t\n", s->text[s->at]) || is_crlf(s) || is_continued(s))
			break;
		from = s->at;
		if (is_bad(s))
			return bad_byte(r);
		if (s->text[s->at] == '"') {
			ret = take_quoted(r, buf, &len);
			if (ret < 0)
				return ret;
			continue;
		}
		if (s->text[s->at] == '\\') {
			at = here(s);
			return policy_complain(r, &at,
					       "a backslash outside quotes: write \"\\\\\"");
		}
		step(s);
		memcpy(buf + len, s->text + from, s->at - from);
		len += s->at - from;
	}
	*ret_len = len;
	return 0;
}

static int take_words(struct policy_reader *r)
{
	struct policy_source *s = r->source;
	size_t begin = s->at, len = 0;
	char buf[POLICY_LINE_MAX];
	struct policy_word *w;
	int ret;

	while ((ret = skip_blanks(r)) > 0) {
		struct policy_word at = here(s);

		if (r->count == POLICY_WORDS_MAX)
			return policy_complain(r, &at, "more than %d words on one line",
					       POLICY_WORDS_MAX);
		ret = take_word(r, buf, &len);
		if (ret < 0)
			return ret;
		w = &r->words[r->count];
		*w = at;
		w->text = policy_arena_text(&r->own->arena, buf, len);
		w->len = len;
		if (!w->text)
			return policy_no_memory(r);
		if (s->at - begin > POLICY_LINE_MAX)
			return policy_complain(r, &at, "a line of more than %d bytes",
					       POLICY_LINE_MAX);
		r->count++;
	}
	return ret;
}

int policy_next_line(struct policy_reader *r)
{
	struct policy_source *s = r->source;
	int ret;

	for (;;) {
		if (is_end(s))
			return 0;
		r->count = 0;
		ret = check_length(r);
		if (ret == 0)
			ret = take_words(r);
		if (ret < 0 || r->count) {
			/* to the next line, past what was not understood */
			const char *end =
				is_end(s) ? NULL : memchr(s->text + s->at, '\n', s->len - s->at);

			if (end) {
				s->at = (size_t)(end - s->text);
				step(s);
			} else {
				s->at = s->len;
			}
			return ret < 0 ? ret : 1;
		}
		if (!is_end(s))
			step(s); /* the end of an empty line */
	}
}
