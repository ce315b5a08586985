/* SPDX-License-Identifier: Apache-2.0 */
/* SOCKS messages: every prefix, every kind of address, every wrong one. */
#include "proxy/socks.h"

#include <stdlib.h>

#include "tap.h"

static const char name_request[] = "\5\1\0\3\13Example.org\1\273";
static const char four_request[] = "\5\1\0\1\300\0\2\1\0\120";
static const char six_request[] = "\5\1\0\4\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1\0\120";

static void greetings(void)
{
	static const char text[] = "\5\3\2\0\1";
	bool plain = false;

	for (size_t n = 0; n < sizeof(text) - 1; n++)
		CHECK_INT(proxy_socks_greet(text, n, &plain), 0);
	CHECK_INT(proxy_socks_greet(text, sizeof(text), &plain), 5);
	CHECK(plain);
	CHECK_INT(proxy_socks_greet("\5\1\2", 3, &plain), 3);
	CHECK(!plain);
	CHECK(proxy_socks_greet("\5\0", 2, &plain) < 0);
	CHECK(proxy_socks_greet("\4\1", 2, &plain) < 0);
}

static void swept(const char *text, size_t len, struct proxy_request *ret)
{
	for (size_t n = 0; n <= len; n++) {
		char *copy = malloc(n);

		memcpy(copy, text, n);
		CHECK_INT(proxy_socks_parse(copy, n, ret), n < len ? 0 : (int)len);
		free(copy);
	}
}

static void requests(void)
{
	struct proxy_request req;

	swept(name_request, sizeof(name_request) - 1, &req);
	CHECK_INT(proxy_socks_parse(name_request, sizeof(name_request) - 1, &req), 18);
	CHECK_STR(req.host.name, "example.org");
	CHECK_INT(req.port, 443);
	swept(four_request, sizeof(four_request) - 1, &req);
	CHECK(req.host.literal && !req.host.addr.six && req.host.addr.bytes[0] == 192);
	CHECK_INT(req.port, 80);
	swept(six_request, sizeof(six_request) - 1, &req);
	CHECK(req.host.literal && req.host.addr.six && req.host.addr.bytes[0] == 0x20);
}

static int said(const char *text, size_t len)
{
	struct proxy_request req;

	return proxy_socks_parse(text, len, &req);
}

static void wrong_requests(void)
{
	/* bind, UDP, an unknown kind of address, reserved byte set, another version */
	CHECK_INT(said("\5\2\0\1\1\2\3\4\0\120", 10), -PROXY_SOCKS_NO_COMMAND);
	CHECK_INT(said("\5\3\0\1\1\2\3\4\0\120", 10), -PROXY_SOCKS_NO_COMMAND);
	CHECK_INT(said("\5\1\0\2\1\2\3\4\0\120", 10), -PROXY_SOCKS_NO_ADDRESS_TYPE);
	CHECK_INT(said("\5\1\1\1\1\2\3\4\0\120", 10), -PROXY_SOCKS_FAILED);
	CHECK_INT(said("\4\1\0\1\1\2\3\4\0\120", 10), -PROXY_SOCKS_FAILED);
	/* no name, a name with NUL, port 0, ::ffff:127.0.0.1, an address as name, decimal */
	CHECK_INT(said("\5\1\0\3\0\0\120", 7), -PROXY_SOCKS_NOT_ALLOWED);
	CHECK_INT(said("\5\1\0\3\3a\0b\0\120", 10), -PROXY_SOCKS_NOT_ALLOWED);
	CHECK_INT(said("\5\1\0\3\1a\0\0", 8), -PROXY_SOCKS_NOT_ALLOWED);
	CHECK_INT(said("\5\1\0\4\0\0\0\0\0\0\0\0\0\0\377\377\177\0\0\1\0\120", 22),
		  -PROXY_SOCKS_NOT_ALLOWED);
	CHECK_INT(said("\5\1\0\3\5"
		       "127.1\0\120",
		       12),
		  -PROXY_SOCKS_NOT_ALLOWED);
}

int main(void)
{
	TAP_RUN(greetings);
	TAP_RUN(requests);
	TAP_RUN(wrong_requests);
	return tap_done();
}
