/* SPDX-License-Identifier: Apache-2.0 */
/* The text of an endpoint becomes an address, and the address a socket. */
#include "base/endpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

/* Digits up to @end; 32 bits. */
static bool take_number(const char **at, char end, unsigned *ret)
{
	const char *p = *at;
	uint64_t v = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (uint64_t)(*p - '0');
		if (v > UINT32_MAX)
			return false;
	}
	if (*p != end)
		return false;
	*at = end ? p + 1 : p;
	*ret = (unsigned)v;
	return true;
}

static int parse_vsock(const char *text, struct tt_endpoint *ret)
{
	struct sockaddr_vm vm = {.svm_family = AF_VSOCK};

	if (!take_number(&text, ':', &vm.svm_cid) || !take_number(&text, '\0', &vm.svm_port))
		return -EINVAL;
	memcpy(&ret->addr, &vm, sizeof(vm));
	ret->len = sizeof(vm);
	return 0;
}

static int parse_unix(const char *path, struct tt_endpoint *ret)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t len = strlen(path);

	if (!len || (*path == '@' && len == 1))
		return -EINVAL;
	if (len >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	memcpy(un.sun_path, path, len);
	if (*path == '@')
		un.sun_path[0] = '\0';
	memcpy(&ret->addr, &un, sizeof(un));
	/* an abstract name is as long as the address says, a path ends with its NUL */
	ret->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*path != '@'));
	return 0;
}

int tt_endpoint_parse(const char *text, struct tt_endpoint *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (strncmp(text, "vsock:", 6) == 0)
		return parse_vsock(text + 6, ret);
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, ret);
	return -EINVAL;
}

int tt_endpoint_connect(const struct tt_endpoint *e, int *ret_pending)
{
	int fd = socket(e->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return -errno;
	*ret_pending = 0;
	if (connect(fd, (const struct sockaddr *)&e->addr, e->len) < 0) {
		if (errno != EINPROGRESS) {
			r = -errno;
			close(fd);
			return r;
		}
		*ret_pending = EINPROGRESS;
	}
	return fd;
}
