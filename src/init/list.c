/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64, then JSON, both in place: neither ever writes more than it has read. In the end of each
 * text its closing quote becomes the NUL.
 */
#include "init/list.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

static int digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The bytes that four digits say, 1 to 3; 0: they are no base64. @last: may be padded */
static unsigned take_quad(const char *in, bool last, char *out)
{
	unsigned pads = last && in[3] == '=' ? (in[2] == '=' ? 2 : 1) : 0;
	uint32_t v = 0;

	for (unsigned i = 0; i < 4; i++) {
		int d = i >= 4 - pads ? 0 : digit_of(in[i]);

		if (d < 0)
			return 0;
		v = v << 6 | (uint32_t)d;
	}
	/* bits that say nothing are zero */
	if (pads && v & (pads == 2 ? 0xffff : 0xff))
		return 0;
	for (unsigned i = 0; i < 3 - pads; i++)
		out[i] = (char)(v >> (16 - 8 * i) & 0xff);
	return 3 - pads;
}

static bool decode_base64(char *text, size_t *ret_len)
{
	size_t len = strlen(text), at = 0;
	unsigned n;

	if (len % 4)
		return false;
	for (size_t i = 0; i < len; i += 4, at += n) {
		n = take_quad(text + i, i + 4 == len, text + at);
		if (!n)
			return false;
	}
	text[at] = '\0';
	*ret_len = at;
	return true;
}

struct reader {
	const char *in, *end;
	const char *why;
};

static bool fail(struct reader *r, const char *why)
{
	if (!r->why)
		r->why = why;
	return false;
}

static char peek(struct reader *r)
{
	while (r->in < r->end &&
	       (*r->in == ' ' || *r->in == '\t' || *r->in == '\n' || *r->in == '\r'))
		r->in++;
	return r->in < r->end ? *r->in : '\0';
}

static bool take_hex(struct reader *r, uint32_t *ret)
{
	*ret = 0;
	if (r->end - r->in < 4)
		return false;
	for (unsigned i = 0; i < 4; i++) {
		char c = *r->in++;
		int d = c >= '0' && c <= '9'   ? c - '0'
			: c >= 'a' && c <= 'f' ? c - 'a' + 10
			: c >= 'A' && c <= 'F' ? c - 'A' + 10
					       : -1;

		if (d < 0)
			return false;
		*ret = *ret << 4 | (uint32_t)d;
	}
	return true;
}

/* Behind "\u". A text that cannot be an argument is refused, and half of a pair. */
static bool take_unicode(struct reader *r, uint32_t *ret)
{
	uint32_t low;

	if (!take_hex(r, ret))
		return fail(r, "a \\u in its JSON lacks digits");
	if (!*ret)
		return fail(r, "a text in it holds a NUL");
	if (*ret < 0xd800 || *ret > 0xdfff)
		return true;
	if (*ret > 0xdbff || r->end - r->in < 6 || r->in[0] != '\\' || r->in[1] != 'u')
		return fail(r, "a \\u in its JSON is half of a pair");
	r->in += 2;
	if (!take_hex(r, &low) || low < 0xdc00 || low > 0xdfff)
		return fail(r, "a \\u in its JSON is half of a pair");
	*ret = 0x10000 + ((*ret - 0xd800) << 10) + (low - 0xdc00);
	return true;
}

static char *put_utf8(char *out, uint32_t v)
{
	if (v < 0x80) {
		*out++ = (char)v;
	} else if (v < 0x800) {
		*out++ = (char)(0xc0 | v >> 6);
		*out++ = (char)(0x80 | (v & 0x3f));
	} else if (v < 0x10000) {
		*out++ = (char)(0xe0 | v >> 12);
		*out++ = (char)(0x80 | (v >> 6 & 0x3f));
		*out++ = (char)(0x80 | (v & 0x3f));
	} else {
		*out++ = (char)(0xf0 | v >> 18);
		*out++ = (char)(0x80 | (v >> 12 & 0x3f));
		*out++ = (char)(0x80 | (v >> 6 & 0x3f));
		*out++ = (char)(0x80 | (v & 0x3f));
	}
	return out;
}

static bool take_escape(struct reader *r, char **out)
{
	static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	const char *known;
	uint32_t v;

	if (r->in == r->end)
		return fail(r, "a text in it does not end");
	if (*r->in == 'u') {
		r->in++;
		if (!take_unicode(r, &v))
			return false;
		*out = put_utf8(*out, v);
		return true;
	}
	known = memchr(names, *r->in, sizeof(names) - 1);
	if (!known)
		return fail(r, "its JSON has an escape that there is not");
	r->in++;
	*(*out)++ = means[known - names];
	return true;
}

/* A string; the text takes its place. */
static char *take_text(struct reader *r)
{
	char *text, *out;

	if (peek(r) != '"') {
		fail(r, "it is no JSON array of strings");
		return NULL;
	}
	text = out = (char *)r->in;
	r->in++;
	while (r->in < r->end && *r->in != '"') {
		if ((unsigned char)*r->in < ' ') {
			fail(r, "a text in it holds a control byte that is not escaped");
			return NULL;
		}
		if (*r->in == '\\') {
			r->in++;
			if (!take_escape(r, &out))
				return NULL;
		} else {
			*out++ = *r->in++;
		}
	}
	if (r->in == r->end) {
		fail(r, "a text in it does not end");
		return NULL;
	}
	r->in++;
	*out = '\0';
	return text;
}

static int take_array(struct reader *r, char **words, unsigned cap)
{
	unsigned count = 0;
	char c;

	if (peek(r) != '[')
		return fail(r, "it is no JSON array of strings"), -EINVAL;
	r->in++;
	if (peek(r) == ']') {
		r->in++;
	} else {
		do {
			if (count == cap)
				return fail(r, "it has too many texts"), -EINVAL;
			words[count] = take_text(r);
			if (!words[count++])
				return -EINVAL;
			c = peek(r);
			if (c == ',' || c == ']')
				r->in++;
		} while (c == ',');
		if (c != ']')
			return fail(r, "it is no JSON array of strings"), -EINVAL;
	}
	if (peek(r) || r->in != r->end)
		return fail(r, "something follows its JSON array"), -EINVAL;
	words[count] = NULL;
	return (int)count;
}

int init_list_decode(char *text, char **words, unsigned cap, const char **ret_why)
{
	struct reader r = {0};
	size_t len = 0;
	int n;

	if (!decode_base64(text, &len)) {
		*ret_why = "it is no base64";
		return -EINVAL;
	}
	if (!tt_utf8_is_valid(text, len)) {
		*ret_why = "its JSON is not UTF-8";
		return -EINVAL;
	}
	r.in = text;
	r.end = text + len;
	n = take_array(&r, words, cap);
	if (n < 0)
		*ret_why = r.why;
	return n;
}
