/* SPDX-License-Identifier: Apache-2.0 */
/* Network: who is spoken to, who is listened for, and which names are looked up. */
#include "preload/preload.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#define DEFINE_TO_ADDR(name)                                                   \
	TT_PUBLIC int name(int fd, const struct sockaddr *addr, socklen_t len) \
	{                                                                      \
		struct pl_call c;                                              \
		int r;                                                         \
                                                                               \
		if (!pl_enter(&c, EVENT_CALL_##name))                          \
			return PL_NEXT(name)(fd, addr, len);                   \
		pl_arg_fd(&c, 0, fd);                                          \
		pl_arg_addr(&c, 1, addr, len);                                 \
		pl_begin(&c);                                                  \
		r = PL_NEXT(name)(fd, addr, len);                              \
		pl_end(&c, r, r < 0);                                          \
		return r;                                                      \
	}

DEFINE_TO_ADDR(connect)
DEFINE_TO_ADDR(bind)

/* The peer as accept wrote it: @had is the room the caller gave, *@len what there was. */
static void put_peer(struct pl_call *c, const struct sockaddr *addr, const socklen_t *len,
		     socklen_t had)
{
	if (addr && len)
		pl_out(c, 1, addr, *len < had ? *len : had);
}

static socklen_t room_given(const struct sockaddr *addr, const socklen_t *len)
{
	return addr && pl_can_read(len, sizeof(*len)) ? *len : 0;
}

TT_PUBLIC int accept(int fd, struct sockaddr *restrict addr, socklen_t *restrict len)
{
	struct sockaddr_storage own;
	socklen_t own_len = sizeof(own), had;
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_accept))
		return PL_NEXT(accept)(fd, addr, len);
	pl_arg_fd(&c, 0, fd);
	pl_arg_room(&c, 1, sizeof(own));
	had = room_given(addr, len);
	pl_begin(&c);
	/* a caller who does not ask for the peer does not mind that we do */
	if (!addr)
		r = PL_NEXT(accept)(fd, (struct sockaddr *)&own, &own_len);
	else
		r = PL_NEXT(accept)(fd, addr, len);
	if (r >= 0)
		put_peer(&c, addr ? addr : (struct sockaddr *)&own, addr ? len : &own_len,
			 addr ? had : sizeof(own));
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int accept4(int fd, struct sockaddr *restrict addr, socklen_t *restrict len, int flags)
{
	struct sockaddr_storage own;
	socklen_t own_len = sizeof(own), had;
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_accept4))
		return PL_NEXT(accept4)(fd, addr, len, flags);
	pl_arg_fd(&c, 0, fd);
	pl_arg_room(&c, 1, sizeof(own));
	pl_arg_num(&c, 2, flags);
	had = room_given(addr, len);
	pl_begin(&c);
	if (!addr)
		r = PL_NEXT(accept4)(fd, (struct sockaddr *)&own, &own_len, flags);
	else
		r = PL_NEXT(accept4)(fd, addr, len, flags);
	if (r >= 0)
		put_peer(&c, addr ? addr : (struct sockaddr *)&own, addr ? len : &own_len,
			 addr ? had : sizeof(own));
	pl_end(&c, r, r < 0);
	return r;
}

/* Each address once: getaddrinfo lists it again for every socket type. */
static size_t pack_answers(const struct addrinfo *list, char *buf, size_t cap)
{
	const struct addrinfo *last = NULL;
	size_t at = 0;

	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		if (!a->ai_addr || !a->ai_addrlen || a->ai_addrlen > 127 ||
		    at + 1 + a->ai_addrlen > cap)
			continue;
		if (last && last->ai_addrlen == a->ai_addrlen &&
		    memcmp(last->ai_addr, a->ai_addr, a->ai_addrlen) == 0)
			continue;
		buf[at] = (char)a->ai_addrlen;
		memcpy(buf + at + 1, a->ai_addr, a->ai_addrlen);
		at += 1 + a->ai_addrlen;
		last = a;
	}
	return at;
}

TT_PUBLIC int getaddrinfo(const char *restrict node, const char *restrict service,
			  const struct addrinfo *restrict hints, struct addrinfo **restrict res)
{
	char answers[EVENT_ANSWERS_ROOM];
	struct pl_call c;
	size_t n;
	int r;

	if (!pl_enter(&c, EVENT_CALL_getaddrinfo))
		return PL_NEXT(getaddrinfo)(node, service, hints, res);
	pl_arg_text(&c, 0, node);
	pl_arg_text(&c, 1, service);
	pl_arg_room(&c, 2, sizeof(answers));
	pl_begin(&c);
	r = PL_NEXT(getaddrinfo)(node, service, hints, res);
	if (r == 0) {
		int saved = errno;

		n = pack_answers(*res, answers, sizeof(answers));
		pl_out(&c, 2, answers, n);
		errno = saved;
	}
	pl_end(&c, r, r == EAI_SYSTEM);
	return r;
}
