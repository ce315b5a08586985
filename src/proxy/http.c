/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP side of the proxy: read a head, write it anew, follow a body. */
#include "proxy/http.h"

#include <string.h>
#include <strings.h>

#define CHUNK_LINE_MAX 16 /* hex digits of a chunk's size; more overflow */

static bool is_token_byte(char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return true;
	return c && strchr("!#$%&'*+-.^_`|~", c);
}

static bool is_token(const struct proxy_slice *s)
{
	for (size_t i = 0; i < s->len; i++)
		if (!is_token_byte(s->data[i]))
			return false;
	return s->len > 0;
}

static bool is(const struct proxy_slice *s, const char *word)
{
	return s->len == strlen(word) && strncasecmp(s->data, word, s->len) == 0;
}

/* The next line of a head; every line ends in CR LF, and neither stands anywhere else. */
static struct proxy_slice next_line(const char **at)
{
	const char *end = strchr(*at, '\r');
	struct proxy_slice line = {*at, (size_t)(end - *at)};

	*at = end + 2;
	return line;
}

/*
 * Finds the empty line. Bytes that no head has end it at once: control characters, a CR or LF
 * alone, NUL.
 */
static int head_length(const char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)buf[i];

		if (i >= PROXY_HEAD_MAX)
			return -431;
		if (c == 0x7f || (c < ' ' && c != '\t' && c != '\r'))
			return -400;
		if (c != '\r')
			continue;
		if (i + 1 == len)
			break;
		if (buf[i + 1] != '\n' || i == 0)
			return -400;
		i++;
		if (i >= 3 && buf[i - 2] == '\n')
			return i + 1 <= PROXY_HEAD_MAX ? (int)i + 1 : -431;
	}
	return len >= PROXY_HEAD_MAX ? -431 : 0;
}

/* "host", "host:port"; @port stays as it is without one. */
static int parse_authority(struct proxy_request *ret, bool need_port)
{
	const struct proxy_slice *a = &ret->authority;
	const char *end = a->data + a->len, *colon = NULL;
	const char *at = memrchr(a->data, '@', a->len);

	/* refused; what stands before the "@" is told to nobody: it may be a secret */
	if (at) {
		ret->asked = (struct proxy_slice){at + 1, (size_t)(end - at - 1)};
		return -400;
	}
	if (a->len && a->data[0] == '[') {
		const char *close = memchr(a->data, ']', a->len);

		if (!close || (close + 1 < end && close[1] != ':'))
			return -400;
		colon = close + 1 < end ? close + 1 : NULL;
	} else {
		colon = memchr(a->data, ':', a->len);
	}
	ret->asked = (struct proxy_slice){a->data, colon ? (size_t)(colon - a->data) : a->len};
	if (!colon && need_port)
		return -400;
	if (colon && proxy_port_parse(colon + 1, (size_t)(end - colon - 1), &ret->port) < 0)
		return -400;
	return proxy_host_parse(ret->asked.data, ret->asked.len, &ret->host) < 0 ? -400 : 0;
}

static int parse_target(struct proxy_slice target, struct proxy_request *ret)
{
	static const char scheme[] = "http://";
	const char *start, *end;

	ret->connect = ret->method.len == 7 && memcmp(ret->method.data, "CONNECT", 7) == 0;
	if (ret->connect) {
		ret->authority = target;
		return parse_authority(ret, true);
	}
	if (target.len < sizeof(scheme) || strncasecmp(target.data, scheme, sizeof(scheme) - 1))
		return -400;
	start = target.data + sizeof(scheme) - 1;
	end = target.data + target.len;
	ret->path.data = start;
	while (ret->path.data < end && *ret->path.data != '/' && *ret->path.data != '?')
		ret->path.data++;
	ret->path.len = (size_t)(end - ret->path.data);
	ret->authority = (struct proxy_slice){start, (size_t)(ret->path.data - start)};
	ret->port = 80;
	/* a fragment is never sent */
	return memchr(start, '#', (size_t)(end - start)) ? -400 : parse_authority(ret, false);
}

static int parse_request_line(struct proxy_slice line, struct proxy_request *ret)
{
	const char *end = line.data + line.len, *first = memchr(line.data, ' ', line.len);
	const char *last = memrchr(line.data, ' ', line.len);
	struct proxy_slice target, version;

	if (!first || first == last)
		return -400;
	ret->method = (struct proxy_slice){line.data, (size_t)(first - line.data)};
	target = (struct proxy_slice){first + 1, (size_t)(last - first - 1)};
	version = (struct proxy_slice){last + 1, (size_t)(end - last - 1)};
	for (size_t i = 0; i < target.len; i++)
		if (target.data[i] <= ' ' || target.data[i] > '~')
			return -400;
	if (!is_token(&ret->method) || !target.len)
		return -400;
	if (version.len != 8 || memcmp(version.data, "HTTP/1.", 7) != 0)
		return -505;
	if (version.data[7] != '0' && version.data[7] != '1')
		return -505;
	ret->minor = (unsigned)(version.data[7] - '0');
	return parse_target(target, ret);
}

/* False if the line is no field. */
static bool split_field(struct proxy_slice line, struct proxy_slice *name,
			struct proxy_slice *value)
{
	const char *colon = memchr(line.data, ':', line.len);

	if (!colon)
		return false;
	*name = (struct proxy_slice){line.data, (size_t)(colon - line.data)};
	*value = (struct proxy_slice){colon + 1, line.len - name->len - 1};
	while (value->len && (value->data[0] == ' ' || value->data[0] == '\t')) {
		value->data++;
		value->len--;
	}
	while (value->len &&
	       (value->data[value->len - 1] == ' ' || value->data[value->len - 1] == '\t'))
		value->len--;
	return is_token(name);
}

static int take_length(const struct proxy_slice *value, struct proxy_body *b)
{
	uint64_t v = 0;

	if (b->framing != PROXY_BODY_NONE || !value->len || value->len > 18)
		return -400;
	for (size_t i = 0; i < value->len; i++) {
		if (value->data[i] < '0' || value->data[i] > '9')
			return -400;
		v = v * 10 + (uint64_t)(value->data[i] - '0');
	}
	b->framing = PROXY_BODY_LENGTH;
	b->left = v;
	return 0;
}

static int take_field(const struct proxy_slice *name, const struct proxy_slice *value,
		      struct proxy_request *ret)
{
	if (is(name, "Content-Length"))
		return take_length(value, &ret->body);
	if (!is(name, "Transfer-Encoding"))
		return 0;
	if (ret->body.framing != PROXY_BODY_NONE || ret->minor == 0)
		return -400;
	ret->body.framing = PROXY_BODY_CHUNKED;
	return is(value, "chunked") ? 0 : -501;
}

int proxy_http_parse(const char *buf, size_t len, struct proxy_request *ret)
{
	struct proxy_slice line, name, value;
	int head = head_length(buf, len), r;
	const char *at = buf;

	memset(ret, 0, sizeof(*ret));
	if (head <= 0)
		return head;
	r = parse_request_line(next_line(&at), ret);
	while (r == 0) {
		line = next_line(&at);
		if (!line.len)
			break;
		if (!split_field(line, &name, &value))
			return -400;
		r = take_field(&name, &value, ret);
	}
	if (r < 0)
		return r;
	ret->body.done = ret->body.framing != PROXY_BODY_CHUNKED && !ret->body.left;
	return ret->connect && !ret->body.done ? -400 : head;
}

/* Whether the comma list @value has @name in it. */
static bool lists(const struct proxy_slice *value, const struct proxy_slice *name)
{
	for (size_t i = 0; i < value->len;) {
		size_t start = i, end;

		while (i < value->len && value->data[i] != ',')
			i++;
		end = i++;
		while (start < end && (value->data[start] == ' ' || value->data[start] == '\t'))
			start++;
		while (end > start && (value->data[end - 1] == ' ' || value->data[end - 1] == '\t'))
			end--;
		if (end - start == name->len &&
		    strncasecmp(value->data + start, name->data, name->len) == 0)
			return true;
	}
	return false;
}

/* Whether a Connection field of the head says that @name is for the next hop alone. */
static bool is_for_hop(const char *fields, const struct proxy_slice *name)
{
	static const char *const known[] = {"Connection", "Keep-Alive", "TE",
					    "Upgrade",    "Host",       "Trailer"};
	struct proxy_slice line, other, value;

	for (size_t i = 0; i < TT_ARRAY_SIZE(known); i++)
		if (is(name, known[i]))
			return true;
	if (name->len > 6 && strncasecmp(name->data, "Proxy-", 6) == 0)
		return true;
	/* these frame the body, whatever Connection says of them */
	if (is(name, "Content-Length") || is(name, "Transfer-Encoding"))
		return false;
	for (;;) {
		line = next_line(&fields);
		if (!line.len)
			return false;
		if (split_field(line, &other, &value) && is(&other, "Connection") &&
		    lists(&value, name))
			return true;
	}
}

struct out {
	char *at;
};

static void put(struct out *o, const char *data, size_t len)
{
	memcpy(o->at, data, len);
	o->at += len;
}

static void put_text(struct out *o, const char *text)
{
	put(o, text, strlen(text));
}

size_t proxy_http_rewrite(const char *buf, const struct proxy_request *req,
			  char out[PROXY_HEAD_OUT_MAX])
{
	const char *at = buf, *fields;
	struct proxy_slice line, name, value;
	struct out o = {out};

	(void)next_line(&at);
	fields = at;
	put(&o, req->method.data, req->method.len);
	put_text(&o, " ");
	if (!req->path.len || req->path.data[0] != '/')
		put_text(&o, "/");
	put(&o, req->path.data, req->path.len);
	put_text(&o, req->minor ? " HTTP/1.1\r\nHost: " : " HTTP/1.0\r\nHost: ");
	put(&o, req->authority.data, req->authority.len);
	put_text(&o, "\r\n");
	for (line = next_line(&at); line.len; line = next_line(&at)) {
		if (!split_field(line, &name, &value) || is_for_hop(fields, &name))
			continue;
		put(&o, line.data, line.len);
		put_text(&o, "\r\n");
	}
	put_text(&o, req->minor ? "Via: 1.1 telltale\r\n" : "Via: 1.0 telltale\r\n");
	put_text(&o, "Connection: close\r\n\r\n");
	return (size_t)(o.at - out);
}

/* Where a chunked body stands: what is expected next. */
enum chunk_state {
	CHUNK_SIZE,    /* hex digits */
	CHUNK_EXT,     /* up to the CR */
	CHUNK_SIZE_LF, /* behind a size */
	CHUNK_DATA,
	CHUNK_CR, /* behind the data */
	CHUNK_LF,
	CHUNK_LAST,       /* behind the chunk of no bytes: a trailer's line or the CR of the end */
	CHUNK_TRAILER,    /* inside a trailer's line */
	CHUNK_TRAILER_LF, /* of a trailer's line */
	CHUNK_END_LF,
};

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int take_size_byte(struct proxy_body *b, char c)
{
	int digit = hex(c);

	if (digit >= 0) {
		if (b->digits++ == CHUNK_LINE_MAX - 1)
			return -EINVAL;
		b->left = b->left << 4 | (unsigned)digit;
		return 0;
	}
	if (!b->digits)
		return -EINVAL;
	b->digits = 0;
	b->state = c == '\r' ? CHUNK_SIZE_LF : CHUNK_EXT;
	return c == '\r' || c == ';' ? 0 : -EINVAL;
}

/* One byte that is not data of a chunk. */
static int take_chunk_byte(struct proxy_body *b, char c)
{
	switch ((enum chunk_state)b->state) {
	case CHUNK_SIZE:
		return take_size_byte(b, c);
	case CHUNK_EXT:
	case CHUNK_TRAILER:
		if (c == '\r')
			b->state = b->state == CHUNK_EXT ? CHUNK_SIZE_LF : CHUNK_TRAILER_LF;
		return c == '\n' || c == '\0' ? -EINVAL : 0;
	case CHUNK_SIZE_LF:
		b->state = b->left ? CHUNK_DATA : CHUNK_LAST;
		return c == '\n' ? 0 : -EINVAL;
	case CHUNK_CR:
		b->state = CHUNK_LF;
		return c == '\r' ? 0 : -EINVAL;
	case CHUNK_LF:
		b->state = CHUNK_SIZE;
		return c == '\n' ? 0 : -EINVAL;
	case CHUNK_LAST:
		b->state = c == '\r' ? CHUNK_END_LF : CHUNK_TRAILER;
		return c == '\n' || c == '\0' ? -EINVAL : 0;
	case CHUNK_TRAILER_LF:
		b->state = CHUNK_LAST;
		return c == '\n' ? 0 : -EINVAL;
	case CHUNK_END_LF:
		b->done = true;
		return c == '\n' ? 0 : -EINVAL;
	case CHUNK_DATA:
		break;
	}
	return -EINVAL;
}

static size_t take_data(struct proxy_body *b, size_t len)
{
	size_t n = len < b->left ? len : (size_t)b->left;

	b->left -= n;
	return n;
}

ssize_t proxy_body_take(struct proxy_body *b, const char *data, size_t len)
{
	size_t at = 0;

	if (b->framing == PROXY_BODY_LENGTH) {
		at = take_data(b, len);
		b->done = !b->left;
		return (ssize_t)at;
	}
	while (at < len && !b->done) {
		if (b->state == CHUNK_DATA) {
			at += take_data(b, len - at);
			if (!b->left)
				b->state = CHUNK_CR;
			continue;
		}
		if (take_chunk_byte(b, data[at++]) < 0)
			return -EINVAL;
	}
	return (ssize_t)at;
}
