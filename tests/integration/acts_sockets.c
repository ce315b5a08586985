/* SPDX-License-Identifier: Apache-2.0 */
/* Acts on sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "acts_probe.h"

/* family, type, protocol */
static int act_socket(const char *const arg[])
{
	return socket(atoi(arg[0]), atoi(arg[1]), atoi(arg[2]));
}

/* To a host's listener on 127.0.0.1 or ::1. */
static int act_connect(const char *const arg[])
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)atoi(arg[0])),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof(to));
}

static int act_connect6(const char *const arg[])
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6,
				  .sin6_port = htons((uint16_t)atoi(arg[0])),
				  .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof(to));
}

static int act_send(const char *const arg[])
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)atoi(arg[0])),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	return fd < 0 || sendto(fd, "act", 3, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? -1 : 0;
}

/* "@name" is one without a file. */
static socklen_t unix_address(const char *text, struct sockaddr_un *ret)
{
	size_t n = strlen(text);

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (n >= sizeof(ret->sun_path))
		_exit(2);
	memcpy(ret->sun_path, text, n);
	if (text[0] == '@')
		ret->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (text[0] != '@'));
}

static int act_connect_unix(const char *const arg[])
{
	struct sockaddr_un to;
	socklen_t len = unix_address(arg[0], &to);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, len);
}

static int act_bind_unix(const char *const arg[])
{
	struct sockaddr_un to;
	socklen_t len = unix_address(arg[0], &to);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return fd < 0 ? -1 : bind(fd, (struct sockaddr *)&to, len);
}

/* From a pair, which is allowed where sockets are not. */
static int act_pair_send(const char *const arg[])
{
	struct sockaddr_un to;
	socklen_t len = unix_address(arg[0], &to);
	int p[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, p) < 0)
		return -1;
	return sendto(p[0], "act", 3, 0, (struct sockaddr *)&to, len) < 0 ? -1 : 0;
}

const struct act acts_sockets[] = {
	{"socket", act_socket},
	{"connect", act_connect},
	{"connect6", act_connect6},
	{"send", act_send},
	{"connect-unix", act_connect_unix},
	{"bind-unix", act_bind_unix},
	{"pair-send", act_pair_send},
	{0},
};
