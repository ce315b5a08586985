/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SOCKS version 5 (RFC 1928) as far as a proxy without passwords needs it: a greeting, then CONNECT
 * to a name or an address. Pure; nothing allocates; signal- and thread-safe.
 */
#ifndef TT_PROXY_SOCKS_H
#define TT_PROXY_SOCKS_H

#include "proxy/http.h"

#define PROXY_SOCKS_VERSION 5

/* RFC 1928, section 6 */
enum proxy_socks_reply {
	PROXY_SOCKS_OK = 0,
	PROXY_SOCKS_FAILED = 1,
	PROXY_SOCKS_NOT_ALLOWED = 2,
	PROXY_SOCKS_UNREACHABLE = 4,
	PROXY_SOCKS_CONNECTION_REFUSED = 5,
	PROXY_SOCKS_TTL = 6,
	PROXY_SOCKS_NO_COMMAND = 7,
	PROXY_SOCKS_NO_ADDRESS_TYPE = 8,
};

/*
 * proxy_socks_greet - the client's first message
 * @ret_plain: whether it can do without authentication
 * Returns the bytes it takes, 0 if more must come, or -EINVAL.
 */
int proxy_socks_greet(const char *buf, size_t len, bool *ret_plain) TT_MUST_CHECK;

/*
 * proxy_socks_parse - its second one
 * @ret: host, port and asked are filled in; asked is empty where an address was given as bytes
 * Returns the bytes it takes, 0 if more must come, or minus an enum proxy_socks_reply.
 */
int proxy_socks_parse(const char *buf, size_t len, struct proxy_request *ret) TT_MUST_CHECK;

#endif
