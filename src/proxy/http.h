/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a forward proxy, as HTTP/1.1 has them: CONNECT, and requests whose target is a whole
 * URL (RFC 9110 9.3.6, RFC 9112 3.2.2). Stricter than the RFC wherever two readers of the same
 * bytes could differ. Pure; nothing allocates; signal- and thread-safe.
 */
#ifndef TT_PROXY_HTTP_H
#define TT_PROXY_HTTP_H

#include "proxy/hosts.h"

#define PROXY_HEAD_MAX 8192 /* bytes of a request up to its empty line */
/* What proxy_http_rewrite() needs for any head. */
#define PROXY_HEAD_OUT_MAX (PROXY_HEAD_MAX + 256)

struct proxy_slice {
	const char *data;
	size_t len;
};

/* How much of what follows the head belongs to the request. */
enum proxy_framing { PROXY_BODY_NONE, PROXY_BODY_LENGTH, PROXY_BODY_CHUNKED };

struct proxy_body {
	enum proxy_framing framing;
	uint64_t left; /* LENGTH: bytes to come; CHUNKED: of this chunk */
	uint8_t state; /* CHUNKED: http.c */
	uint8_t digits;
	bool done;
};

struct proxy_request {
	bool connect;
	struct proxy_slice method;
	struct proxy_slice authority; /* host and port as they stand there */
	struct proxy_slice path;      /* of a plain request, with its query; may lack the "/" */
	struct proxy_slice asked;     /* the host alone, as it stands there: for messages */
	struct proxy_host host;
	uint16_t port;
	unsigned minor; /* HTTP/1.x */
	struct proxy_body body;
};

/*
 * proxy_http_parse - a request's head
 * @ret: points into @buf; if it fails, only @ret->asked can be relied on, which may be empty
 * Returns the bytes that the head takes, 0 if more must come, or -STATUS: what to answer.
 */
int proxy_http_parse(const char *buf, size_t len, struct proxy_request *ret) TT_MUST_CHECK;

/*
 * proxy_http_rewrite - the head of a plain request as the server gets it: the path alone, Host from
 * the target, nothing that was meant for the proxy, and the connection ends with the answer
 * @buf: the bytes that proxy_http_parse() took
 * Returns the length; PROXY_HEAD_OUT_MAX bytes always do.
 */
size_t proxy_http_rewrite(const char *buf, const struct proxy_request *req,
			  char out[PROXY_HEAD_OUT_MAX]);

/*
 * proxy_body_take - how many of the next bytes belong to the request
 * Sets @b->done at its end. Returns -EINVAL where chunks are malformed.
 */
ssize_t proxy_body_take(struct proxy_body *b, const char *data, size_t len) TT_MUST_CHECK;

#endif
