/* SPDX-License-Identifier: Apache-2.0 */
/* open() and open64() are two functions here */
#undef _FILE_OFFSET_BITS

#include "oracle.h"

/* The network part of oracle.c, which includes it: sockets of three kinds, all of them local. */

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

static const char *addr_text(const union address *a)
{
	static char bufs[4][64];
	static unsigned n;
	char *to = bufs[n++ % 4];

	if (a->any.sa_family == AF_INET)
		snprintf(to, sizeof(bufs[0]), "127.0.0.1:%u", ntohs(a->in.sin_port));
	else
		snprintf(to, sizeof(bufs[0]), "[::1]:%u", ntohs(a->in6.sin6_port));
	return to;
}

static void peers(int family)
{
	union address at = {.any.sa_family = (sa_family_t)family}, client, peer;
	socklen_t len = family == AF_INET ? sizeof(at.in) : sizeof(at.in6), peer_len;
	int server = socket(family, SOCK_STREAM, 0), fd[3], got, r;

	if (server < 0)
		return; /* a kernel without IPv6 */
	if (family == AF_INET)
		at.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		at.in6.sin6_addr = in6addr_loopback;
	r = CALL(bind(server, &at.any, len));
	want("bind", r, ALSO(.addr = addr_text(&at), .error = r < 0 ? last_errno : 0), FD(server),
	     addr_text(&at), NULL);
	if (r < 0) {
		close(server);
		return;
	}
	must(listen(server, 4) == 0 && getsockname(server, &at.any, &len) == 0, "listen");
	for (int i = 0; i < 3; i++) {
		fd[i] = socket(family, SOCK_STREAM, 0);
		r = CALL(connect(fd[i], &at.any, len));
		want("connect", r, ALSO(.addr = addr_text(&at)), FD(fd[i]), addr_text(&at), NULL);
		peer_len = sizeof(client);
		must(getsockname(fd[i], &client.any, &peer_len) == 0, "getsockname");
		peer_len = sizeof(peer);
		if (i == 0) {
			got = CALL(accept(server, &peer.any, &peer_len));
			want("accept", got, ALSO(.addr = addr_text(&client)), FD(server),
			     addr_text(&client), NULL);
			must(peer_len == len && memcmp(&peer, &client, len) == 0, "peer");
		} else if (i == 1) {
			got = CALL(accept(server, NULL, NULL));
			want("accept", got, ALSO(.addr = addr_text(&client)), FD(server),
			     addr_text(&client), NULL);
		} else {
			got = CALL(accept4(server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
			want("accept4", got, ALSO(.addr = addr_text(&client)), FD(server),
			     addr_text(&client), "SOCK_NONBLOCK|SOCK_CLOEXEC", NULL);
		}
		close(got);
		close(fd[i]);
	}
	close(server);
	/* nobody is there any more */
	fd[0] = socket(family, SOCK_STREAM, 0);
	r = CALL(connect(fd[0], &at.any, len));
	want("connect", r, ALSO(.addr = addr_text(&at), .error = ECONNREFUSED), FD(fd[0]),
	     addr_text(&at), NULL);
	close(fd[0]);
	r = CALL(connect(777, &at.any, len));
	want("connect", r, ALSO(.addr = addr_text(&at), .error = EBADF), "fd:777", addr_text(&at),
	     NULL);
}

/* A short buffer for the peer: the kernel cuts, and nothing behind it may be touched or read. */
static void short_peer(void)
{
	union address at = {
		.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
	struct {
		char peer[2], guard[30];
	} room;
	socklen_t len = sizeof(at.in), short_len = sizeof(room.peer);
	int server = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0), got, r;

	must(listen(server, 4) == 0 && getsockname(server, &at.any, &len) == 0, "listen");
	at.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r = CALL(connect(fd, &at.any, len));
	want("connect", r, ALSO(.addr = addr_text(&at)), FD(fd), addr_text(&at), NULL);
	memset(&room, '#', sizeof(room));
	got = CALL(accept(server, (struct sockaddr *)room.peer, &short_len));
	must(got >= 0 && short_len == sizeof(at.in), "accept with a short buffer");
	for (size_t i = 0; i < sizeof(room.guard); i++)
		must(room.guard[i] == '#', "behind the short buffer");
	want("accept", got, ALSO(.addr = "family:2"), FD(server), "family:2", NULL);
	close(got);
	close(fd);
	short_len = 0;
	got = CALL(accept4(-1, (struct sockaddr *)room.peer, &short_len, 0));
	want("accept4", got, ALSO(.error = EBADF), "fd:-1", "NULL", "0", NULL);
	got = CALL(accept(777, NULL, NULL));
	want("accept", got, ALSO(.error = EBADF), "fd:777", "NULL", NULL);
	got = CALL(bind(server, null, 16));
	want("bind", got, ALSO(.error = EFAULT), FD(server), "NULL", NULL);
	close(server);
}

static void unix_sockets(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "sock"};
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 5;
	int server = socket(AF_UNIX, SOCK_STREAM, 0), fd = socket(AF_UNIX, SOCK_STREAM, 0), got, r;

	r = CALL(bind(server, (struct sockaddr *)&un, len));
	want("bind", r, ALSO(.addr = "unix:sock"), FD(server), "unix:sock", NULL);
	r = CALL(bind(fd, (struct sockaddr *)&un, len));
	want("bind", r, ALSO(.addr = "unix:sock", .error = EADDRINUSE), FD(fd), "unix:sock", NULL);
	must(listen(server, 2) == 0, "listen");
	r = CALL(connect(fd, (struct sockaddr *)&un, len));
	want("connect", r, ALSO(.addr = "unix:sock"), FD(fd), "unix:sock", NULL);
	got = CALL(accept(server, NULL, NULL));
	want("accept", got, ALSO(.addr = "unix:"), FD(server), "unix:", NULL);
	close(got);
	close(fd);
	close(server);
	CALL(unlink("sock"));
	want("unlink", 0, ALSO(join("sock")), "sock", NULL);

	server = socket(AF_UNIX, SOCK_STREAM, 0);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(un.sun_path, "\0telltale-oracle", 16);
	len = offsetof(struct sockaddr_un, sun_path) + 16;
	r = CALL(bind(server, (struct sockaddr *)&un, len));
	want("bind", r, ALSO(.addr = "unix:@telltale-oracle"), FD(server), "unix:@telltale-oracle",
	     NULL);
	must(listen(server, 2) == 0, "listen");
	r = CALL(connect(fd, (struct sockaddr *)&un, len));
	want("connect", r, ALSO(.addr = "unix:@telltale-oracle"), FD(fd), "unix:@telltale-oracle",
	     NULL);
	close(fd);
	close(server);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	r = CALL(connect(fd, (struct sockaddr *)&un, len));
	want("connect", r, ALSO(.addr = "unix:@telltale-oracle", .error = ECONNREFUSED), FD(fd),
	     "unix:@telltale-oracle", NULL);
	close(fd);
}

static void look_ups(void)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
	int r;

	r = CALL(getaddrinfo("localhost", "80", &hints, &list));
	want("getaddrinfo", r, ALSO(NULL), "localhost", "80", NULL);
	if (r == 0)
		freeaddrinfo(list);
	r = CALL(getaddrinfo("127.0.0.1", NULL, &hints, &list));
	want("getaddrinfo", r, ALSO(NULL), "127.0.0.1", "NULL", NULL);
	if (r == 0)
		freeaddrinfo(list);
	hints.ai_flags = AI_NUMERICHOST;
	r = CALL(getaddrinfo("no.number", "80", &hints, &list));
	want("getaddrinfo", r, ALSO(NULL), "no.number", "80", NULL);
}

void network(void)
{
	peers(AF_INET);
	peers(AF_INET6);
	short_peer();
	unix_sockets();
	look_ups();
}
