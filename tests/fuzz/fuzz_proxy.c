/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what a client sends to the proxy: a head and a body, SOCKS messages, a rule. What is
 * read one time from a prefix is read the same from more; a head written anew is read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/socks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(const struct proxy_request *req)
{
	if (!req->port || memchr(req->host.name, 0, sizeof(req->host.name)) == NULL)
		abort();
	if (!req->host.literal && !req->host.name[0])
		abort();
	for (const char *c = req->host.name; *c; c++)
		if (*c <= ' ' || *c > 'z' || (*c >= 'A' && *c <= 'Z') || strchr("@:/%[]", *c))
			abort();
}

static void check_again(const char *head, const struct proxy_request *req)
{
	char out[PROXY_HEAD_OUT_MAX];
	size_t len = proxy_http_rewrite(head, req, out);

	if (len > sizeof(out) || memcmp(out + len - 4, "\r\n\r\n", 4) != 0)
		abort();
	for (size_t i = 0; i + 4 < len; i++)
		if (memcmp(out + i, "\r\n\r\n", 4) == 0)
			abort();
}

static void try_http(const char *text, size_t size)
{
	struct proxy_request req, part;
	int head = proxy_http_parse(text, size, &req);

	if (head > 0) {
		if ((size_t)head > size || head > PROXY_HEAD_MAX)
			abort();
		check_request(&req);
		if (proxy_http_parse(text, (size_t)head - 1, &part) != 0 ||
		    proxy_http_parse(text, (size_t)head, &part) != head)
			abort();
		if (!req.connect)
			check_again(text, &req);
		text += head;
		size -= (size_t)head;
	}
	struct proxy_body whole = {.framing = PROXY_BODY_CHUNKED}, pieces = whole;
	ssize_t n = proxy_body_take(&whole, text, size), one = 0, sum = 0;

	for (size_t i = 0; i < size && one >= 0 && !pieces.done; i++) {
		one = proxy_body_take(&pieces, text + i, 1);
		sum += one;
	}
	if (n > (ssize_t)size || (n >= 0 && sum != n) || (n < 0) != (one < 0))
		abort();
}

static void try_socks(const char *text, size_t size)
{
	struct proxy_request req;
	bool plain;
	int n = proxy_socks_greet(text, size, &plain);

	if (n > (int)size)
		abort();
	n = proxy_socks_parse(text, size, &req);
	if (n > (int)size)
		abort();
	if (n > 0)
		check_request(&req);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_rule rule;
	char text[300];
	const char *why;

	try_http((const char *)data, size);
	try_socks((const char *)data, size);
	if (size < sizeof(text)) {
		memcpy(text, data, size);
		text[size] = '\0';
		if (proxy_rule_parse(text, &rule, &why) == 0 && rule.kind == PROXY_RULE_NET &&
		    (!rule.bits || rule.bits > 128))
			abort();
	}
	return 0;
}
