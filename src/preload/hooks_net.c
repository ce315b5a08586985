/* SPDX-License-Identifier: Apache-2.0 */
/* Network: who is spoken to, who is listened for, and which names are looked up. */
#include "preload/fds.h"
#include "preload/preload.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#ifdef __GLIBC__
#define MMSG_FLAGS int
#else
#define MMSG_FLAGS unsigned
#endif

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

/* A hostent as getaddrinfo's answers are kept: addresses without a port. */
static size_t pack_hostent(const struct hostent *h, char *buf, size_t cap)
{
	size_t at = 0;

	for (char *const *a = h->h_addr_list; a && *a; a++) {
		struct sockaddr_in in = {.sin_family = AF_INET};
		struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
		bool is_in = h->h_addrtype == AF_INET && h->h_length == sizeof(in.sin_addr);
		size_t len = is_in ? sizeof(in) : sizeof(in6);

		if (!is_in && (h->h_addrtype != AF_INET6 || h->h_length != sizeof(in6.sin6_addr)))
			break;
		if (at + 1 + len > cap)
			break;
		memcpy(is_in ? (void *)&in.sin_addr : (void *)&in6.sin6_addr, *a,
		       (size_t)h->h_length);
		buf[at] = (char)len;
		memcpy(buf + at + 1, is_in ? (void *)&in : (void *)&in6, len);
		at += 1 + len;
	}
	return at;
}

/*
 * The result is 0 or the h_errno value, which is negative where errno tells why: @error. @extra:
 * which argument the answers are.
 */
static void end_look_up(struct pl_call *c, unsigned extra, const struct hostent *h, int h_error,
			int error)
{
	char answers[EVENT_ANSWERS_ROOM];
	int saved = errno;

	if (h)
		pl_out(c, extra, answers, pack_hostent(h, answers, sizeof(answers)));
	errno = saved;
	pl_end_error(c, h ? 0 : h_error, h ? 0 : error);
}

TT_PUBLIC struct hostent *gethostbyname(const char *name)
{
	struct hostent *h;
	struct pl_call c;

	if (!pl_enter(&c, EVENT_CALL_gethostbyname))
		return PL_NEXT(gethostbyname)(name);
	pl_arg_text(&c, 0, name);
	pl_arg_room(&c, 1, EVENT_ANSWERS_ROOM);
	pl_begin(&c);
	h = PL_NEXT(gethostbyname)(name);
	end_look_up(&c, 1, h, h_errno, h_errno < 0 ? errno : 0);
	return h;
}

TT_PUBLIC struct hostent *gethostbyname2(const char *name, int family)
{
	struct hostent *h;
	struct pl_call c;

	if (!pl_enter(&c, EVENT_CALL_gethostbyname2))
		return PL_NEXT(gethostbyname2)(name, family);
	pl_arg_text(&c, 0, name);
	pl_arg_num(&c, 1, family);
	pl_arg_room(&c, 2, EVENT_ANSWERS_ROOM);
	pl_begin(&c);
	h = PL_NEXT(gethostbyname2)(name, family);
	end_look_up(&c, 2, h, h_errno, h_errno < 0 ? errno : 0);
	return h;
}

TT_PUBLIC int gethostbyname_r(const char *restrict name, struct hostent *restrict own,
			      char *restrict buf, size_t len, struct hostent **restrict result,
			      int *restrict h_error)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_gethostbyname_r))
		return PL_NEXT(gethostbyname_r)(name, own, buf, len, result, h_error);
	pl_arg_text(&c, 0, name);
	pl_arg_room(&c, 1, EVENT_ANSWERS_ROOM);
	pl_begin(&c);
	r = PL_NEXT(gethostbyname_r)(name, own, buf, len, result, h_error);
	end_look_up(&c, 1, r == 0 ? *result : NULL, *h_error, r);
	return r;
}

TT_PUBLIC int gethostbyname2_r(const char *restrict name, int family, struct hostent *restrict own,
			       char *restrict buf, size_t len, struct hostent **restrict result,
			       int *restrict h_error)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_gethostbyname2_r))
		return PL_NEXT(gethostbyname2_r)(name, family, own, buf, len, result, h_error);
	pl_arg_text(&c, 0, name);
	pl_arg_num(&c, 1, family);
	pl_arg_room(&c, 2, EVENT_ANSWERS_ROOM);
	pl_begin(&c);
	r = PL_NEXT(gethostbyname2_r)(name, family, own, buf, len, result, h_error);
	end_look_up(&c, 2, r == 0 ? *result : NULL, *h_error, r);
	return r;
}

TT_PUBLIC int socket(int domain, int type, int protocol)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_socket))
		return PL_NEXT(socket)(domain, type, protocol);
	pl_arg_num(&c, 0, domain);
	pl_arg_num(&c, 1, type);
	pl_arg_num(&c, 2, protocol);
	pl_begin(&c);
	r = PL_NEXT(socket)(domain, type, protocol);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int socketpair(int domain, int type, int protocol, int fds[2])
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_socketpair))
		return PL_NEXT(socketpair)(domain, type, protocol, fds);
	pl_arg_num(&c, 0, domain);
	pl_arg_num(&c, 1, type);
	pl_arg_num(&c, 2, protocol);
	pl_begin(&c);
	r = PL_NEXT(socketpair)(domain, type, protocol, fds);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int listen(int fd, int backlog)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_listen))
		return PL_NEXT(listen)(fd, backlog);
	pl_arg_fd(&c, 0, fd);
	pl_arg_num(&c, 1, backlog);
	pl_begin(&c);
	r = PL_NEXT(listen)(fd, backlog);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int shutdown(int fd, int how)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_shutdown))
		return PL_NEXT(shutdown)(fd, how);
	pl_arg_fd(&c, 0, fd);
	pl_arg_num(&c, 1, how);
	pl_begin(&c);
	r = PL_NEXT(shutdown)(fd, how);
	pl_end(&c, r, r < 0);
	return r;
}

/*
 * Bytes sent over a connection are no event of their own; to whom they go is said here only where
 * each message says it.
 */
/* A message to where its socket is connected to is bytes and no event, unless each is asked for. */
static bool tells(const void *name)
{
	return name || (pl_process.families & 1u << EVENT_FAMILY_IO);
}

TT_PUBLIC ssize_t sendto(int fd, const void *bytes, size_t len, int flags,
			 const struct sockaddr *addr, socklen_t addr_len)
{
	struct pl_call c;
	ssize_t r;

	if (tells(addr) && pl_enter(&c, EVENT_CALL_sendto)) {
		pl_arg_fd(&c, 0, fd);
		pl_arg_num(&c, 1, (int64_t)len);
		pl_arg_num(&c, 2, flags);
		pl_arg_addr(&c, 3, addr, addr_len);
		pl_begin(&c);
		r = PL_NEXT(sendto)(fd, bytes, len, flags, addr, addr_len);
		pl_end(&c, r, r < 0);
	} else {
		r = PL_NEXT(sendto)(fd, bytes, len, flags, addr, addr_len);
	}
	pl_count_write(fd, r);
	return r;
}

TT_PUBLIC ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct pl_call c;
	ssize_t r;

	if (pl_can_read(msg, sizeof(*msg)) && tells(msg->msg_name) &&
	    pl_enter(&c, EVENT_CALL_sendmsg)) {
		pl_arg_fd(&c, 0, fd);
		pl_arg_addr(&c, 1, msg->msg_name, msg->msg_namelen);
		pl_arg_num(&c, 2, flags);
		pl_begin(&c);
		r = PL_NEXT(sendmsg)(fd, msg, flags);
		pl_end(&c, r, r < 0);
	} else {
		r = PL_NEXT(sendmsg)(fd, msg, flags);
	}
	pl_count_write(fd, r);
	return r;
}

TT_PUBLIC int sendmmsg(int fd, struct mmsghdr *list, unsigned count, MMSG_FLAGS flags)
{
	struct pl_call c;
	int r;

	if (count && pl_can_read(list, sizeof(*list)) && tells(list->msg_hdr.msg_name) &&
	    pl_enter(&c, EVENT_CALL_sendmmsg)) {
		pl_arg_fd(&c, 0, fd);
		pl_arg_addr(&c, 1, list->msg_hdr.msg_name, list->msg_hdr.msg_namelen);
		pl_arg_num(&c, 2, count);
		pl_arg_num(&c, 3, (int)flags);
		pl_begin(&c);
		r = PL_NEXT(sendmmsg)(fd, list, count, flags);
		pl_end(&c, r, r < 0);
	} else {
		r = PL_NEXT(sendmmsg)(fd, list, count, flags);
	}
	pl_count_write(fd, pl_bytes_of(list, r));
	return r;
}
