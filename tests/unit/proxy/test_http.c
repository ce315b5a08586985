/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of requests: every prefix, every wrong one; heads written anew; bodies followed. */
#include "proxy/http.h"

#include <stdlib.h>

#include "tap.h"

static int parse(const char *text, struct proxy_request *ret)
{
	return proxy_http_parse(text, strlen(text), ret);
}

/* Until the last byte there is no request; each prefix lies in a buffer of its own size. */
static void prefixes_are_incomplete(void)
{
	static const char *const heads[] = {
		"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n",
		"GET http://example.org/a?b HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
		"POST http://[2001:db8::1]:8080 HTTP/1.0\r\nContent-Length: 3\r\n\r\n",
	};
	struct proxy_request req;

	for (size_t h = 0; h < TT_ARRAY_SIZE(heads); h++) {
		size_t len = strlen(heads[h]);

		for (size_t n = 0; n <= len; n++) {
			char *copy = malloc(n);

			if (n)
				memcpy(copy, heads[h], n);
			CHECK_INT(proxy_http_parse(copy, n, &req), n < len ? 0 : (int)len);
			free(copy);
		}
	}
}

static void targets_are_understood(void)
{
	struct proxy_request req;

	CHECK(parse("CONNECT Example.ORG:8443 HTTP/1.1\r\n\r\n", &req) > 0);
	CHECK(req.connect);
	CHECK_STR(req.host.name, "example.org");
	CHECK_INT(req.port, 8443);
	CHECK(parse("CONNECT [2001:db8::1]:443 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", &req) > 0);
	CHECK(req.host.literal && req.host.addr.six);
	CHECK(parse("PUT HTTP://h.example?q HTTP/1.1\r\nContent-Length: 12\r\n\r\nbody", &req) > 0);
	CHECK_INT(req.port, 80);
	CHECK_INT(req.body.left, 12);
	CHECK(!req.body.done);
	CHECK(parse("GET http://h.example HTTP/1.1\r\n\r\n", &req) > 0);
	CHECK(req.body.done);
}

static void wrong_heads_are_refused(void)
{
	static const struct {
		int status;
		const char *head;
	} rows[] = {
		{400, "GET / HTTP/1.1\r\n\r\n"},
		{400, "OPTIONS * HTTP/1.1\r\n\r\n"},
		{400, "GET https://a.example/ HTTP/1.1\r\n\r\n"},
		{400, "GET ftp://a.example/ HTTP/1.1\r\n\r\n"},
		{400, "GET http:/// HTTP/1.1\r\n\r\n"},
		{400, "GET http://user@a.example/ HTTP/1.1\r\n\r\n"},
		{400, "GET http://good.example:80@a.example/ HTTP/1.1\r\n\r\n"},
		{400, "GET http://a.example:/ HTTP/1.1\r\n\r\n"},
		{400, "GET http://a.example#@b.example/ HTTP/1.1\r\n\r\n"},
		{400, "GET http://a.example\\@b.example/ HTTP/1.1\r\n\r\n"},
		{400, "GET http://a%2eexample/ HTTP/1.1\r\n\r\n"},
		{400, "GET http://2130706433/ HTTP/1.1\r\n\r\n"},
		{400, "GET http://[::ffff:127.0.0.1]/ HTTP/1.1\r\n\r\n"},
		{400, "GET http://b\xc3\xbc"
		      "cher.example/ HTTP/1.1\r\n\r\n"},
		{400, "GET  http://a.example/ HTTP/1.1\r\n\r\n"},
		{400, "GET http://a.example/ b HTTP/1.1\r\n\r\n"},
		{400, " GET http://a.example/ HTTP/1.1\r\n\r\n"},
		{400, "\r\nGET http://a.example/ HTTP/1.1\r\n\r\n"},
		{400, "GET http://a.example/\r\n\r\n"},
		{400, "G(T http://a.example/ HTTP/1.1\r\n\r\n"},
		{505, "GET http://a.example/ HTTP/2.0\r\n\r\n"},
		{505, "GET http://a.example/ HTTP/1.12\r\n\r\n"},
		{505, "GET http://a.example/ http/1.1\r\n\r\n"},
		{400, "CONNECT a.example HTTP/1.1\r\n\r\n"},
		{400, "CONNECT a.example:0 HTTP/1.1\r\n\r\n"},
		{400, "CONNECT http://a.example:443 HTTP/1.1\r\n\r\n"},
		{400, "CONNECT a.example:443:80 HTTP/1.1\r\n\r\n"},
		{400, "CONNECT u@a.example:443 HTTP/1.1\r\n\r\n"},
		{400, "CONNECT a.example:443 HTTP/1.1\r\nContent-Length: 1\r\n\r\n"},
		{400, "connect a.example:443 HTTP/1.1\r\n\r\n"},
		{400, "GET http://a.example/ HTTP/1.1\nHost: b\n\n"},
		{400, "GET http://a.example/ HTTP/1.1\r\nA: b\rC: d\r\n\r\n"},
		{400, "GET http://a.example/ HTTP/1.1\r\nA: b\nC: d\r\n\r\n"},
		{400, "GET http://a.example/ HTTP/1.1\r\nA : b\r\n\r\n"},
		{400, "GET http://a.example/ HTTP/1.1\r\n A: b\r\n\r\n"},
		{400, "GET http://a.example/ HTTP/1.1\r\nA: b\r\n folded\r\n\r\n"},
		{400, "GET http://a.example/ HTTP/1.1\r\nA\r\n\r\n"},
		{400, "GET http://a.example/ HTTP/1.1\r\n: b\r\n\r\n"},
		{400, "GET http://a.example/ HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n"},
		{400, "GET http://a.example/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n"},
		{400,
		 "GET http://a.example/ HTTP/1.1\r\nContent-Length: 9999999999999999999\r\n\r\n"},
		{400, "GET http://a.example/ HTTP/1.1\r\nContent-Length: 1\r\n"
		      "Content-Length: 1\r\n\r\n"},
		{400, "GET http://a.example/ HTTP/1.1\r\nContent-Length: 1\r\n"
		      "Transfer-Encoding: chunked\r\n\r\n"},
		{400, "GET http://a.example/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
		      "Content-Length: 1\r\n\r\n"},
		{501, "GET http://a.example/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
		{400, "GET http://a.example/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
	};
	struct proxy_request req;

	for (size_t i = 0; i < TT_ARRAY_SIZE(rows); i++) {
		int r = parse(rows[i].head, &req);

		if (r != -rows[i].status)
			TAP_FAIL_AT("%d and not %d: %s", r, -rows[i].status, rows[i].head);
	}
	CHECK_INT(proxy_http_parse("GET \0", 5, &req), -400);
}

static void heads_are_bounded(void)
{
	static char head[PROXY_HEAD_MAX + 100];
	struct proxy_request req;
	size_t at = (size_t)sprintf(head, "GET http://a.example/ HTTP/1.1\r\nA: ");

	memset(head + at, 'x', sizeof(head) - at);
	CHECK_INT(proxy_http_parse(head, PROXY_HEAD_MAX - 1, &req), 0);
	CHECK_INT(proxy_http_parse(head, PROXY_HEAD_MAX, &req), -431);
	CHECK_INT(proxy_http_parse(head, sizeof(head), &req), -431);
	memcpy(head + PROXY_HEAD_MAX - 4, "\r\n\r\n", 4);
	CHECK_INT(proxy_http_parse(head, sizeof(head), &req), PROXY_HEAD_MAX);
	memcpy(head + PROXY_HEAD_MAX - 4, "xx\r\n\r\n", 6);
	CHECK_INT(proxy_http_parse(head, sizeof(head), &req), -431);
}

static void rewritten(const char *head, const char *want)
{
	char out[PROXY_HEAD_OUT_MAX + 1];
	struct proxy_request req;

	CHECK(parse(head, &req) > 0);
	out[proxy_http_rewrite(head, &req, out)] = '\0';
	CHECK_STR(out, want);
}

static void heads_are_written_anew(void)
{
	char big[PROXY_HEAD_MAX + 1], out[PROXY_HEAD_OUT_MAX];
	struct proxy_request req;
	int n;

	rewritten("GET http://A.example:8080/p?q HTTP/1.1\r\nHost: evil.example\r\nAccept: */*\r\n"
		  "Proxy-Authorization: Basic x\r\nProxy-Connection: keep-alive\r\n\r\n",
		  "GET /p?q HTTP/1.1\r\nHost: A.example:8080\r\nAccept: */*\r\n"
		  "Via: 1.1 telltale\r\nConnection: close\r\n\r\n");
	rewritten("GET http://a.example?q HTTP/1.0\r\n\r\n",
		  "GET /?q HTTP/1.0\r\nHost: a.example\r\nVia: 1.0 telltale\r\n"
		  "Connection: close\r\n\r\n");
	rewritten(
		"POST http://a.example HTTP/1.1\r\nX-One: 1\r\nConnection: x-one , Content-Length\r\n"
		"Content-Length: 4\r\nUpgrade: h2c\r\nTE: trailers\r\nX-Two: 2\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nX-Two: 2\r\n"
		"Via: 1.1 telltale\r\nConnection: close\r\n\r\n");
	/* the longest there is, with a host as long as there can be */
	n = sprintf(big, "GET http://");
	for (int i = 0; i < 4; i++)
		n += sprintf(big + n, "%s%060d", i ? ".a" : "a", i);
	n += sprintf(big + n, "a/ HTTP/1.1\r\nA: ");
	memset(big + n, 'x', (size_t)(PROXY_HEAD_MAX - n));
	memcpy(big + PROXY_HEAD_MAX - 4, "\r\n\r\n", 4);
	CHECK_INT(proxy_http_parse(big, PROXY_HEAD_MAX, &req), PROXY_HEAD_MAX);
	CHECK(proxy_http_rewrite(big, &req, out) <= sizeof(out));
}

/* Taken in pieces of every size, a body ends at the same byte. */
static void bodies_end_where_they_end(void)
{
	static const char chunks[] = "5;x=\"y\"\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n";
	static const char more[] = "GET http://b.example/ HTTP/1.1\r\n\r\n";
	char all[sizeof(chunks) + sizeof(more)];
	size_t len = sizeof(chunks) - 1 + sizeof(more) - 1;

	memcpy(all, chunks, sizeof(chunks));
	memcpy(all + sizeof(chunks) - 1, more, sizeof(more));
	for (size_t step = 1; step <= len; step++) {
		struct proxy_body b = {.framing = PROXY_BODY_CHUNKED};
		size_t taken = 0;

		for (size_t at = 0; at < len && !b.done; at += step) {
			ssize_t n =
				proxy_body_take(&b, all + at, step < len - at ? step : len - at);

			CHECK(n >= 0);
			taken += (size_t)n;
		}
		CHECK(b.done);
		CHECK_INT(taken, sizeof(chunks) - 1);
	}
	struct proxy_body fixed = {.framing = PROXY_BODY_LENGTH, .left = 10};

	CHECK_INT(proxy_body_take(&fixed, all, 4), 4);
	CHECK(!fixed.done);
	CHECK_INT(proxy_body_take(&fixed, all, 40), 6);
	CHECK(fixed.done);
}

static void wrong_chunks_are_refused(void)
{
	static const char *const bad[] = {
		"\r\n",        "x\r\n",           "5 \r\n",   "5\n",
		"5\r\nhelloX", "5\r\nhello\rX",   "5\rX",     "5;a\n",
		"-1\r\n",      "0\r\nA\n\r\n",    "0\r\n\rX", "10000000000000000\r\n",
		"0x5\r\n",     "5\r\nhello\r\n;", "0\r\n\n",
	};

	for (size_t i = 0; i < TT_ARRAY_SIZE(bad); i++) {
		struct proxy_body b = {.framing = PROXY_BODY_CHUNKED};

		if (proxy_body_take(&b, bad[i], strlen(bad[i])) >= 0)
			TAP_FAIL_AT("taken: %s", bad[i]);
	}
	CHECK(true);
}

int main(void)
{
	TAP_RUN(prefixes_are_incomplete);
	TAP_RUN(targets_are_understood);
	TAP_RUN(wrong_heads_are_refused);
	TAP_RUN(heads_are_bounded);
	TAP_RUN(heads_are_written_anew);
	TAP_RUN(bodies_end_where_they_end);
	TAP_RUN(wrong_chunks_are_refused);
	return tap_done();
}
