/* SPDX-License-Identifier: Apache-2.0 */
/* Finding secrets in command lines, texts and paths. */
#include "event/redact.h"

#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "base/utf8.h"

/* A name is secret if it ends in one of these; '-' equals '_', case does not matter. */
static const char secret_names[][20] = {
	"token",         "password",      "passwd",     "passphrase",  "secret",     "api_key",
	"apikey",        "access_key",    "secret_key", "private_key", "credential", "credentials",
	"authorization", "client_secret", "auth_key",   "session_key", "_pass",      "_pwd",
};

static const char token_prefixes[][12] = {
	"ghp_",  "gho_",  "ghs_", "ghu_", "github_pat_", "glpat-",
	"xoxb-", "xoxp-", "AKIA", "ASIA", "sk-ant-",
};

#define TOKEN_MIN 16 /* characters a self-telling token has at least, prefix included */

static const char *extra_names, *more_names;
static bool is_off;

void event_redact_configure(const char *spec)
{
	is_off = spec && strcmp(spec, "off") == 0;
	extra_names = spec && *spec && !is_off ? spec : NULL;
}

void event_redact_extend(const char *names)
{
	more_names = names;
}

static char fold(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c == '-' ? '_' : c;
}

#define IN_NAME   1u /* a letter, a digit, '-' or '_' */
#define ENDS_NAME 2u /* may stand between a name and its value */
#define COLON     4u
#define BEGINS    8u /* the first letter of what is only looked for where a word begins */

/* clang-format off */
static const unsigned char kinds[256] = {
	['0' ... '9'] = IN_NAME, ['C' ... 'Z'] = IN_NAME, ['-'] = IN_NAME, ['_'] = IN_NAME,
	['a'] = IN_NAME, ['c' ... 'f'] = IN_NAME, ['h' ... 'r'] = IN_NAME,
	['t' ... 'w'] = IN_NAME, ['y' ... 'z'] = IN_NAME,
	['A' ... 'B'] = IN_NAME | BEGINS, ['b'] = IN_NAME | BEGINS, ['g'] = IN_NAME | BEGINS,
	['s'] = IN_NAME | BEGINS, ['x'] = IN_NAME | BEGINS,
	['='] = ENDS_NAME, [':'] = ENDS_NAME | COLON, ['"'] = ENDS_NAME, ['\''] = ENDS_NAME,
	['\\'] = ENDS_NAME, [' '] = ENDS_NAME, ['\t'] = ENDS_NAME, ['\n'] = ENDS_NAME,
	['\r'] = ENDS_NAME,
};
/* clang-format on */

static unsigned kind_of(char c)
{
	return kinds[(unsigned char)c];
}

static bool is_name_char(char c)
{
	return kind_of(c) & IN_NAME;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool ends_in(const char *name, size_t len, const char *tail, size_t tail_len)
{
	if (len < tail_len)
		return false;
	for (size_t i = 0; i < tail_len; i++)
		if (fold(name[len - tail_len + i]) != fold(tail[i]))
			return false;
	return true;
}

static bool is_listed(const char *list, const char *name, size_t len)
{
	for (const char *p = list; p && *p;) {
		const char *comma = strchr(p, ',');
		size_t n = comma ? (size_t)(comma - p) : strlen(p);

		if (n && ends_in(name, len, p, n))
			return true;
		p += n + (comma != NULL);
	}
	return false;
}

static bool is_secret_name(const char *name, size_t len)
{
	/* the shortest has four: "-o" is not held against each */
	for (size_t i = 0; len >= 4 && i < TT_ARRAY_SIZE(secret_names); i++)
		if (ends_in(name, len, secret_names[i], strlen(secret_names[i])))
			return true;
	if (len == 4 && ends_in(name, len, "pass", 4))
		return true; /* alone: "bypass" is no secret */
	return is_listed(extra_names, name, len) || is_listed(more_names, name, len);
}

/* --no-password and the like ask for nothing. */
static bool is_negated(const char *name, size_t len)
{
	return len > 3 && fold(name[0]) == 'n' && fold(name[1]) == 'o' && fold(name[2]) == '_';
}

bool event_redact_is_flag(const char *arg, size_t len)
{
	size_t dashes = 0;

	while (dashes < len && arg[dashes] == '-')
		dashes++;
	if (is_off || !dashes || dashes == len)
		return false;
	for (size_t i = dashes; i < len; i++)
		if (!is_name_char(arg[i]) && arg[i] != '.')
			return false;
	return !is_negated(arg + dashes, len - dashes) &&
	       is_secret_name(arg + dashes, len - dashes);
}

size_t event_redact_flag_value(const char *arg, size_t len)
{
	size_t dashes = 0, eq;
	const char *at = memchr(arg, '=', len);

	if (is_off || !at)
		return 0;
	eq = (size_t)(at - arg);
	while (dashes < eq && arg[dashes] == '-')
		dashes++;
	for (size_t i = dashes; i < eq; i++)
		if (!is_name_char(arg[i]) && arg[i] != '.')
			return 0;
	/* "TOKEN=x command" is a line of shell: there the value ends at the blank */
	for (size_t i = eq; !dashes && i < len; i++)
		if (is_space(arg[i]))
			return 0;
	return eq + 1 < len && is_secret_name(arg + dashes, eq - dashes) ? eq + 1 : 0;
}

/*
 * The length of a quote at @at: 2 where a backslash stands before it, as in a text within a text;
 * 0: none there.
 */
static size_t quote_at(const char *text, size_t len, size_t at)
{
	size_t n = at < len && text[at] == '\\';

	return at + n < len && (text[at + n] == '"' || text[at + n] == '\'') ? n + 1 : 0;
}

/*
 * Where the text behind an opening quote, whose last byte stands before @at, is closed; @len if it
 * is not.
 */
static size_t quoted_end(const char *text, size_t len, size_t at, size_t quote)
{
	char mark = text[at - 1];

	for (; at < len; at++) {
		if (quote == 1 && text[at] == mark)
			return at;
		if (text[at] != '\\')
			continue;
		if (quote == 2 && at + 1 < len && text[at + 1] == mark)
			return at;
		/* in a text within a text an escaped quote has three backslashes */
		if (quote == 2 && len - at >= 4 && memcmp(text + at, "\\\\\\", 3) == 0 &&
		    text[at + 3] == mark)
			at += 3;
		else
			at++;
	}
	return len;
}

static size_t bare_end(const char *text, size_t len, size_t at)
{
	for (; at < len && !is_space(text[at]) && !strchr("&;|<>", text[at]); at++) {
		if (quote_at(text, len, at) == 2)
			break;
		if (quote_at(text, len, at) == 1 && (at + 1 == len || !is_name_char(text[at + 1])))
			break;
		if (text[at] == '\\' && at + 1 < len)
			at++;
	}
	return at;
}

/*
 * Where the value that begins at @at ends: at its closing quote, else at white space or a
 * separator.
 */
static size_t value_end(const char *text, size_t len, size_t at, size_t *ret_start)
{
	size_t quote = quote_at(text, len, at), end;

	*ret_start = at + quote;
	if (!quote)
		return bare_end(text, len, at);
	end = quoted_end(text, len, at + quote, quote);
	/* 'it'\''s' and 'a'b are one word of a shell */
	while (quote == 1 && len - end >= 4 && text[end + 1] == '\\' && text[end + 3] == text[at])
		end = quoted_end(text, len, end + 4, quote);
	if (quote == 1 && end + 1 < len && is_name_char(text[end + 1]))
		end = bare_end(text, len, end + 1);
	return end;
}

static bool word_at(const char *text, size_t len, size_t at, const char *word)
{
	size_t n = strlen(word);

	return n <= len - at && ends_in(text + at, n, word, n) &&
	       (at == 0 || !is_name_char(text[at - 1]));
}

/*
 * The credentials of an Authorization header: to the end of its line or string, but for a scheme in
 * front.
 */
static bool header_value(const char *text, size_t len, size_t at, size_t *start, size_t *end)
{
	static const char schemes[][8] = {"bearer ", "basic ", "token ", "digest "};

	at += quote_at(text, len, at);
	for (size_t i = 0; i < TT_ARRAY_SIZE(schemes); i++) {
		if (!word_at(text, len, at, schemes[i]))
			continue;
		at += strlen(schemes[i]);
		while (at < len && text[at] == ' ')
			at++;
		break;
	}
	*start = at;
	while (at < len && !quote_at(text, len, at) && text[at] != '\n' && text[at] != '\r')
		at++;
	*end = at;
	return *end > *start;
}

/*
 * The value behind "Bearer " or "Basic ", if it looks like one (8 characters without white space).
 */
static bool scheme_value(const char *text, size_t len, size_t at, size_t *start, size_t *end)
{
	size_t n = word_at(text, len, at, "bearer ") ? 7 : word_at(text, len, at, "basic ") ? 6 : 0;

	if (!n)
		return false;
	while (at + n < len && text[at + n] == ' ')
		n++;
	*end = value_end(text, len, at + n, start);
	return *end > *start && (fold(text[at + 1]) == 'e' || *end - *start >= 8);
}

static size_t skip_spaces(const char *text, size_t len, size_t at)
{
	while (at < len && is_space(text[at]))
		at++;
	return at;
}

/*
 * The value of NAME=value, "name": "value", name: value, --name value, where the name ends at @at.
 */
static bool named_value(const char *text, size_t len, size_t at, size_t *start, size_t *end)
{
	size_t name = at, v;
	bool is_flag, is_header;

	while (name > 0 && is_name_char(text[name - 1]))
		name--;
	while (name < at && fold(text[name]) == '_')
		name++; /* the dashes of a flag */
	if (name == at || !is_secret_name(text + name, at - name) ||
	    is_negated(text + name, at - name))
		return false;
	is_flag = name > 0 && text[name - 1] == '-';
	v = skip_spaces(text, len, at + quote_at(text, len, at));
	is_header = v < len && text[v] == ':';
	/* "name" : value, name = value, name: value; but TOKEN= x is an empty value */
	if (is_header ||
	    (v > at && v + 1 < len && text[v] == '=' && text[v + 1] != '=' && is_space(text[at]))) {
		v = skip_spaces(text, len, v + 1);
	} else if (at < len && text[at] == '=') {
		v = at + 1;
	} else if (is_flag && is_space(text[at])) {
		if (v < len && text[v] == '-')
			return false; /* the next flag, not a value */
	} else {
		return false;
	}
	if (is_header && ends_in(text + name, at - name, "authorization", 13))
		return header_value(text, len, v, start, end);
	*end = value_end(text, len, v, start);
	/* "X-Token: Bearer x": the scheme stays readable, its value goes */
	if (word_at(text, len, *start, "bearer "))
		*end = value_end(text, len, *start + 7, start);
	else if (word_at(text, len, *start, "basic "))
		*end = value_end(text, len, *start + 6, start);
	return *end > *start;
}

/* The password in scheme://user:password@host, where "://" stands at @at. */
static bool url_password(const char *text, size_t len, size_t at, size_t *start, size_t *end)
{
	size_t colon = 0, last = 0, i, digits;

	if (len - at < 4 || memcmp(text + at, "://", 3) != 0)
		return false;
	for (i = at + 3; i < len && !is_space(text[i]) && !strchr("/?#\"'", text[i]); i++) {
		if (text[i] == ':' && !colon)
			colon = i;
		if (text[i] == '@')
			last = i;
	}
	/*
	 * a text may be cut before the '@': what ends it behind a colon and is no port could be a
	 * password
	 */
	for (digits = colon + 1; digits < len && text[digits] >= '0' && text[digits] <= '9';
	     digits++)
		;
	if (colon && !last && i == len && digits < len && text[at + 3] != '[')
		last = len;
	if (!colon || last <= colon + 1)
		return false;
	*start = colon + 1;
	*end = last;
	return true;
}

/* A token that tells itself; @at is where a word begins. */
static bool own_token(const char *text, size_t len, size_t at, size_t *start, size_t *end)
{
	if (len - at < TOKEN_MIN)
		return false;
	for (size_t i = 0; i < TT_ARRAY_SIZE(token_prefixes); i++) {
		size_t n = strlen(token_prefixes[i]);

		if (text[at] != token_prefixes[i][0] || text[at + 1] != token_prefixes[i][1] ||
		    memcmp(text + at, token_prefixes[i], n) != 0)
			continue;
		for (n = at; n < len && is_name_char(text[n]); n++)
			;
		if (n - at >= TOKEN_MIN) {
			*start = at;
			*end = n;
			return true;
		}
	}
	return false;
}

/* Sixteen bytes at once, by what every machine has: see GCC's vector extensions. */
typedef unsigned char bytes16 __attribute__((__vector_size__(16)));

static bytes16 load16(const char *p)
{
	bytes16 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static bool any16(bytes16 v)
{
	uint64_t half[2];

	memcpy(half, &v, sizeof(half));
	return half[0] | half[1];
}

#define IS(v, c) ((bytes16)((v) == (c)))

/* Where a name ends, or a colon stands; where a token may begin: more places than there are. */
static bytes16 name_ends(const char *p)
{
	bytes16 v = load16(p);

	return (bytes16)(v <= ' ') | IS(v, '=') | IS(v, ':') | IS(v, '"') | IS(v, '\'') |
	       IS(v, '\\');
}

static bytes16 tokens_begin(const char *p)
{
	bytes16 a = load16(p), b = load16(p + 1), c = load16(p + 2), d = load16(p + 3);

	return (IS(a, 'g') & ((IS(b, 'h') & IS(d, '_')) | (IS(b, 'i') & IS(c, 't') & IS(d, 'h')) |
			      (IS(b, 'l') & IS(c, 'p')))) |
	       (IS(a, 'x') & IS(b, 'o') & IS(c, 'x')) | (IS(a, 'A') & IS(c, 'I') & IS(d, 'A')) |
	       (IS(a, 's') & IS(b, 'k') & IS(c, '-'));
}

/* Whether it is worth a closer look. Most texts are paths without a word that asks for one. */
static bool may_hold_secret(const char *text, size_t len)
{
	bytes16 found = {0};
	size_t i;

	if (len < 16) {
		for (i = 0; i < len; i++)
			if (kind_of(text[i]) & ENDS_NAME)
				return true;
		return false; /* too short for a token */
	}
	if (len < 19)
		return true; /* not worth the trouble */
	if (len < 32)
		return any16(name_ends(text) | name_ends(text + len - 16) | tokens_begin(text));
	for (i = 0; i + 32 <= len; i += 16)
		found |= name_ends(text + i) | tokens_begin(text + i);
	found |= name_ends(text + i) | name_ends(text + len - 16);
	/* a token begins 16 bytes from the end at the latest */
	found |= tokens_begin(text + len - 31);
	return any16(found);
}

bool event_redact_next(const char *text, size_t len, size_t from, size_t *ret_start,
		       size_t *ret_end)
{
	unsigned before = from ? kind_of(text[from - 1]) : 0, kind;

	if (is_off || (!from && !may_hold_secret(text, len)))
		return false;
	for (size_t i = from; i < len; before = kind, i++) {
		size_t start = 0, end = 0;
		bool found = false;

		kind = kind_of(text[i]);
		/*
		 * the value may begin before @from if @from lies in the middle of a name: not
		 * reported twice
		 */
		if ((kind & BEGINS) && !(before & IN_NAME))
			found = fold(text[i]) == 'b' ? scheme_value(text, len, i, &start, &end)
						     : own_token(text, len, i, &start, &end);
		else if ((kind & ENDS_NAME) && (before & IN_NAME))
			found = named_value(text, len, i, &start, &end);
		if (!found && (kind & COLON))
			found = url_password(text, len, i, &start, &end);
		if (found && start >= from) {
			*ret_start = start;
			*ret_end = end;
			return true;
		}
	}
	return false;
}

void event_redact_text(struct tt_out *o, const char *text, size_t len)
{
	size_t at = 0, start = 0, end = 0;

	while (at < len) {
		bool found = event_redact_next(text, len, at, &start, &end);
		size_t stop = found ? start : len;

		while (at < stop) {
			size_t n = tt_utf8_len((const unsigned char *)text + at, stop - at);

			if (n)
				tt_out_mem(o, text + at, n);
			else
				tt_out_str(o, "\xef\xbf\xbd");
			at += n ? n : 1;
		}
		if (found) {
			tt_out_str(o, "***");
			at = end;
		}
	}
}
