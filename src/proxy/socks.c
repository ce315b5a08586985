/* SPDX-License-Identifier: Apache-2.0 */
/* The SOCKS side of the proxy: its two messages. */
#include "proxy/socks.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { COMMAND_CONNECT = 1, TYPE_IPV4 = 1, TYPE_NAME = 3, TYPE_IPV6 = 4 };

int proxy_socks_greet(const char *buf, size_t len, bool *ret_plain)
{
	size_t methods;

	*ret_plain = false;
	if (len && buf[0] != PROXY_SOCKS_VERSION)
		return -EINVAL;
	if (len < 2)
		return 0;
	methods = (unsigned char)buf[1];
	if (!methods)
		return -EINVAL;
	if (len < 2 + methods)
		return 0;
	*ret_plain = memchr(buf + 2, 0, methods) != NULL;
	return (int)(2 + methods);
}

/* An address given as bytes goes through the text form: one set of rules for what is refused. */
static int take_addr(const char *bytes, bool six, struct proxy_host *ret)
{
	char text[INET6_ADDRSTRLEN + 2], bare[INET6_ADDRSTRLEN];

	(void)inet_ntop(six ? AF_INET6 : AF_INET, bytes, bare, sizeof(bare));
	(void)snprintf(text, sizeof(text), six ? "[%s]" : "%s", bare);
	return proxy_host_parse(text, strlen(text), ret);
}

int proxy_socks_parse(const char *buf, size_t len, struct proxy_request *ret)
{
	size_t at = 4, size;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (len && buf[0] != PROXY_SOCKS_VERSION)
		return -PROXY_SOCKS_FAILED;
	if (len < 5)
		return 0;
	if (buf[2] != 0)
		return -PROXY_SOCKS_FAILED;
	if (buf[1] != COMMAND_CONNECT)
		return -PROXY_SOCKS_NO_COMMAND;
	switch (buf[3]) {
	case TYPE_IPV4:
		size = 4;
		break;
	case TYPE_IPV6:
		size = 16;
		break;
	case TYPE_NAME:
		size = (unsigned char)buf[at++];
		break;
	default:
		return -PROXY_SOCKS_NO_ADDRESS_TYPE;
	}
	if (len < at + size + 2)
		return 0;
	if (buf[3] == TYPE_NAME) {
		ret->asked = (struct proxy_slice){buf + at, size};
		r = proxy_host_parse(buf + at, size, &ret->host);
	} else {
		r = take_addr(buf + at, buf[3] == TYPE_IPV6, &ret->host);
	}
	at += size;
	ret->port = (uint16_t)((unsigned char)buf[at] << 8 | (unsigned char)buf[at + 1]);
	ret->connect = true;
	ret->body.done = true;
	if (r < 0 || !ret->port)
		return -PROXY_SOCKS_NOT_ALLOWED;
	return (int)(at + 2);
}
