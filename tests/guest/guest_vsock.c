// SPDX-License-Identifier: Apache-2.0
/*
 * In the guest: send bytes to a port of the host over AF_VSOCK, and say how that went.
 *
 *	guest_vsock PORT BYTES SECONDS
 *		connect; BYTES bytes, byte number I of value I % 251, no more than SECONDS waited
 *		for a wish to read on the other side; SHUT_WR; then read to the end
 *
 *	connect ERRNO | sent N ERRNO | read TEXT ERRNO, a line each
 */
#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const char *error_name(int error)
{
	return error ? strerrorname_np(error) : "0";
}

int main(int argc, char **argv)
{
	static char block[8192], answer[256];
	struct sockaddr_vm host = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST};
	size_t want, sent = 0, got = 0;
	struct timeval limit = {0};
	ssize_t n = 0;
	int fd;

	if (argc != 4)
		return 2;
	host.svm_port = (unsigned)atoi(argv[1]);
	want = strtoul(argv[2], NULL, 10);
	limit.tv_sec = atoi(argv[3]);
	fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
	    connect(fd, (struct sockaddr *)&host, sizeof(host)) < 0) {
		printf("connect %s\n", error_name(errno));
		return 1;
	}
	printf("connect 0\n");
	while (sent < want) {
		size_t size = want - sent < sizeof(block) ? want - sent : sizeof(block);

		for (size_t i = 0; i < size; i++)
			block[i] = (char)((sent + i) % 251);
		n = send(fd, block, size, MSG_NOSIGNAL);
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	printf("sent %zu %s\n", sent, error_name(n < 0 ? errno : 0));
	fflush(stdout);
	if (n < 0)
		return 1;
	(void)shutdown(fd, SHUT_WR);
	while ((n = recv(fd, answer + got, sizeof(answer) - 1 - got, 0)) > 0)
		got += (size_t)n;
	printf("read %s %s\n", answer, error_name(n < 0 ? errno : 0));
	return 0;
}
