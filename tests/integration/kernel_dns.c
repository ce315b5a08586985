/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ask the name server at 127.0.0.1 port 53: kernel_dns HOW NAME [ADDRESS ...]. HOW: the call that
 * the answer is received with. Then connect to each ADDRESS, port 9: by UDP, nothing is sent.
 * "fork" as an address: the rest is done by a child.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t question(unsigned char *q, const char *name)
{
	static const unsigned char head[12] = {0x12, 0x34, 1, 0, 0, 1};
	size_t at = sizeof(head);

	memcpy(q, head, sizeof(head));
	while (*name) {
		size_t n = strcspn(name, ".");

		q[at++] = (unsigned char)n;
		memcpy(q + at, name, n);
		at += n;
		name += n + (name[n] == '.');
	}
	memcpy(q + at, "\0\0\1\0\1", 5);
	return at + 5;
}

static ssize_t receive(const char *how, int fd, char *buf, size_t cap)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct iovec iov = {.iov_base = buf, .iov_len = cap};
	struct mmsghdr many = {.msg_hdr = {.msg_name = &from,
					   .msg_namelen = sizeof(from),
					   .msg_iov = &iov,
					   .msg_iovlen = 1}};

	if (strcmp(how, "read") == 0)
		return read(fd, buf, cap);
	if (strcmp(how, "recvmsg") == 0)
		return recvmsg(fd, &many.msg_hdr, 0);
	if (strcmp(how, "recvmmsg") == 0)
		return recvmmsg(fd, &many, 1, 0, NULL);
	return recvfrom(fd, buf, cap, 0, (struct sockaddr *)&from, &len);
}

/* "sendto" is recvfrom(2) of a socket that is not connected. */
static void ask(const char *how, const char *name)
{
	struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(53)};
	struct timeval patience = {.tv_sec = 10};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	unsigned char q[512];
	char answer[512];
	size_t len = question(q, name);
	bool connected = strcmp(how, "sendto") != 0;

	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connected && connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0)
		exit(3);
	if (sendto(fd, q, len, 0, connected ? NULL : (struct sockaddr *)&server,
		   connected ? 0 : sizeof(server)) < 0 ||
	    receive(how, fd, answer, sizeof(answer)) < 0)
		exit(4);
	close(fd);
}

static void reach(const char *text)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (inet_pton(AF_INET, text, &to.sin_addr) != 1)
		exit(5);
	(void)connect(fd, (struct sockaddr *)&to, sizeof(to));
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	ask(argv[1], argv[2]);
	for (int i = 3; i < argc; i++) {
		pid_t pid;

		if (strcmp(argv[i], "fork") != 0) {
			reach(argv[i]);
			continue;
		}
		pid = fork();
		if (pid) {
			(void)waitpid(pid, NULL, 0);
			return 0;
		}
	}
	return 0;
}
