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

static const char *domain_text(int domain)
{
	return domain == AF_INET ? "AF_INET" : domain == AF_INET6 ? "AF_INET6" : "AF_UNIX";
}

static int make_socket(int domain)
{
	int fd = CALL(socket(domain, SOCK_STREAM, 0));

	want("socket", fd, ALSO(.error = fd < 0 ? last_errno : 0), domain_text(domain),
	     "SOCK_STREAM", "0", NULL);
	return fd;
}

static void hear(int fd, int backlog)
{
	int r = CALL(listen(fd, backlog));

	must(r == 0, "listen");
	want("listen", 0, ALSO(NULL), FD(fd), num("", backlog), NULL);
}

static void peers(int family)
{
	union address at = {.any.sa_family = (sa_family_t)family}, client, peer;
	socklen_t len = family == AF_INET ? sizeof(at.in) : sizeof(at.in6), peer_len;
	int server = make_socket(family), fd[3], got, r;

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
	hear(server, 4);
	must(getsockname(server, &at.any, &len) == 0, "getsockname");
	for (int i = 0; i < 3; i++) {
		fd[i] = make_socket(family);
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
	fd[0] = make_socket(family);
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
	int server = make_socket(AF_INET), fd = make_socket(AF_INET), got, r;

	hear(server, 4);
	must(getsockname(server, &at.any, &len) == 0, "getsockname");
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
	int server = make_socket(AF_UNIX), fd = make_socket(AF_UNIX), got, r;

	r = CALL(bind(server, (struct sockaddr *)&un, len));
	want("bind", r, ALSO(.addr = "unix:sock"), FD(server), "unix:sock", NULL);
	r = CALL(bind(fd, (struct sockaddr *)&un, len));
	want("bind", r, ALSO(.addr = "unix:sock", .error = EADDRINUSE), FD(fd), "unix:sock", NULL);
	hear(server, 2);
	r = CALL(connect(fd, (struct sockaddr *)&un, len));
	want("connect", r, ALSO(.addr = "unix:sock"), FD(fd), "unix:sock", NULL);
	got = CALL(accept(server, NULL, NULL));
	want("accept", got, ALSO(.addr = "unix:"), FD(server), "unix:", NULL);
	close(got);
	close(fd);
	close(server);
	CALL(unlink("sock"));
	want("unlink", 0, ALSO(join("sock")), "sock", NULL);

	server = make_socket(AF_UNIX);
	fd = make_socket(AF_UNIX);
	memcpy(un.sun_path, "\0telltale-oracle", 16);
	len = offsetof(struct sockaddr_un, sun_path) + 16;
	r = CALL(bind(server, (struct sockaddr *)&un, len));
	want("bind", r, ALSO(.addr = "unix:@telltale-oracle"), FD(server), "unix:@telltale-oracle",
	     NULL);
	hear(server, 2);
	r = CALL(connect(fd, (struct sockaddr *)&un, len));
	want("connect", r, ALSO(.addr = "unix:@telltale-oracle"), FD(fd), "unix:@telltale-oracle",
	     NULL);
	close(fd);
	close(server);
	fd = make_socket(AF_UNIX);
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

/* Numbers and names that nobody needs to be asked about. */
static void old_look_ups(void)
{
	struct hostent own, *h;
	char buf[512], tiny[1];
	int r, error = 0;

	h = CALL(gethostbyname("127.0.0.1"));
	want("gethostbyname", h ? 0 : h_errno, ALSO(NULL), "127.0.0.1", NULL);
	h = CALL(gethostbyname("not a name"));
	want("gethostbyname", h ? 0 : h_errno, ALSO(NULL), "not a name", NULL);
	h = CALL(gethostbyname2("::1", AF_INET6));
	want("gethostbyname2", h ? 0 : h_errno, ALSO(NULL), "::1", "AF_INET6", NULL);
	h = CALL(gethostbyname2("not a name", AF_INET));
	want("gethostbyname2", h ? 0 : h_errno, ALSO(NULL), "not a name", "AF_INET", NULL);
	r = CALL(gethostbyname_r("127.0.0.1", &own, buf, sizeof(buf), &h, &error));
	want("gethostbyname_r", h ? 0 : error, ALSO(.error = r), "127.0.0.1", NULL);
	r = CALL(gethostbyname_r("127.0.0.1", &own, tiny, sizeof(tiny), &h, &error));
	want("gethostbyname_r", error, ALSO(.error = r), "127.0.0.1", NULL);
	must(r == ERANGE, "gethostbyname_r without room");
	r = CALL(gethostbyname2_r("::1", AF_INET6, &own, buf, sizeof(buf), &h, &error));
	want("gethostbyname2_r", h ? 0 : error, ALSO(.error = r), "::1", "AF_INET6", NULL);
	r = CALL(gethostbyname2_r("not a name", AF_INET, &own, buf, sizeof(buf), &h, &error));
	want("gethostbyname2_r", h ? 0 : error, ALSO(.error = r), "not a name", "AF_INET", NULL);
}

static void odd_sockets(void)
{
	int pair[2], spare[2], r;

	r = CALL(socket(AF_UNIX, 77, 0));
	want("socket", r, ALSO(.error = EINVAL), "AF_UNIX", "13|0x40", "0", NULL);
	r = CALL(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_UDP));
	want("socket", r, ALSO(.error = EPROTONOSUPPORT), "AF_INET", "SOCK_STREAM|SOCK_CLOEXEC",
	     "IPPROTO_UDP", NULL);
	r = CALL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair));
	must(r == 0, "socketpair");
	want("socketpair", r, ALSO(NULL), "AF_UNIX", "SOCK_SEQPACKET|SOCK_NONBLOCK", "0", NULL);
	r = CALL(socketpair(AF_INET, SOCK_STREAM, 0, spare));
	want("socketpair", r, ALSO(.error = EOPNOTSUPP), "AF_INET", "SOCK_STREAM", "0", NULL);
	r = CALL(shutdown(pair[0], SHUT_WR));
	want("shutdown", r, ALSO(NULL), FD(pair[0]), "SHUT_WR", NULL);
	r = CALL(shutdown(pair[1], 9));
	want("shutdown", r, ALSO(.error = EINVAL), FD(pair[1]), "9", NULL);
	r = CALL(listen(777, 1));
	want("listen", r, ALSO(.error = EBADF), "fd:777", "1", NULL);
	close(pair[0]);
	close(pair[1]);
}

/* To whom each message goes; what goes over a connection is no event. */
static void messages(void)
{
	union address at = {
		.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(at.in);
	char text[] = "hello";
	struct iovec part = {text, sizeof(text)};
	struct mmsghdr list[2] = {{.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}}};
	struct msghdr *msg = &list[0].msg_hdr;
	int server, fd, r;

	server = CALL(socket(AF_INET, SOCK_DGRAM, 0));
	must(server >= 0, "socket");
	want("socket", server, ALSO(NULL), "AF_INET", "SOCK_DGRAM", "0", NULL);
	r = CALL(bind(server, &at.any, len));
	want("bind", r, ALSO(.addr = addr_text(&at)), FD(server), addr_text(&at), NULL);
	must(getsockname(server, &at.any, &len) == 0, "getsockname");
	fd = CALL(socket(AF_INET, SOCK_DGRAM, 0));
	want("socket", fd, ALSO(NULL), "AF_INET", "SOCK_DGRAM", "0", NULL);
	r = (int)CALL(sendto(fd, text, 3, MSG_NOSIGNAL, &at.any, len));
	want("sendto", r, ALSO(.addr = addr_text(&at)), FD(fd), "3", "MSG_NOSIGNAL", addr_text(&at),
	     NULL);
	r = (int)CALL(sendto(777, text, 3, 0, &at.any, len));
	want("sendto", r, ALSO(.addr = addr_text(&at), .error = EBADF), "fd:777", "3", "0",
	     addr_text(&at), NULL);
	r = (int)CALL(sendto(fd, text, 3, 0, null, 0));
	must(r < 0 && last_errno == EDESTADDRREQ, "sendto nobody");
	msg->msg_name = &at;
	msg->msg_namelen = len;
	r = (int)CALL(sendmsg(fd, msg, MSG_DONTWAIT));
	want("sendmsg", r, ALSO(.addr = addr_text(&at)), FD(fd), addr_text(&at), "MSG_DONTWAIT",
	     NULL);
	r = (int)CALL(sendmsg(777, msg, 0));
	want("sendmsg", r, ALSO(.addr = addr_text(&at), .error = EBADF), "fd:777", addr_text(&at),
	     "0", NULL);
	list[1] = list[0];
	r = CALL(sendmmsg(fd, list, 2, 0));
	want("sendmmsg", r, ALSO(.addr = addr_text(&at)), FD(fd), addr_text(&at), "2", "0", NULL);
	r = CALL(sendmmsg(777, list, 1, 0));
	want("sendmmsg", r, ALSO(.addr = addr_text(&at), .error = EBADF), "fd:777", addr_text(&at),
	     "1", "0", NULL);
	r = CALL(connect(fd, &at.any, len));
	want("connect", r, ALSO(.addr = addr_text(&at)), FD(fd), addr_text(&at), NULL);
	msg->msg_name = NULL;
	msg->msg_namelen = 0;
	must(CALL(sendmsg(fd, msg, 0)) == sizeof(text) && last_errno == MARK, "sendmsg");
	must(CALL(sendmmsg(fd, list, 1, 0)) == 1 && last_errno == MARK, "sendmmsg");
	must(CALL(sendto(fd, text, 1, 0, NULL, 0)) == 1 && last_errno == MARK, "sendto");
	must(CALL(sendmsg(fd, null, 0)) == -1 && last_errno == EFAULT, "sendmsg of nothing");
	must(CALL(sendmmsg(fd, null, 1, 0)) == -1 && last_errno == EFAULT, "sendmmsg of nothing");
	close(fd);
	close(server);
}

void network(void)
{
	peers(AF_INET);
	peers(AF_INET6);
	short_peer();
	unix_sockets();
	look_ups();
	old_look_ups();
	odd_sockets();
	messages();
}
