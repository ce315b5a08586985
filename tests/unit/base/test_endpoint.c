/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of endpoints: each form, each limit and one past it, and what is neither. */
#include <linux/vm_sockets.h>
#include <stddef.h>
#include <sys/un.h>

#include "base/endpoint.h"
#include "tap.h"

static struct tt_endpoint e;

static void vsock(void)
{
	const struct sockaddr_vm *vm = (const struct sockaddr_vm *)&e.addr;

	CHECK_INT(tt_endpoint_parse("vsock:2:9001", &e), 0);
	CHECK_INT(vm->svm_family, AF_VSOCK);
	CHECK_INT(vm->svm_cid, 2);
	CHECK_INT(vm->svm_port, 9001);
	CHECK_INT(e.len, sizeof(*vm));
	CHECK_INT(tt_endpoint_parse("vsock:4294967295:4294967295", &e), 0);
	CHECK_INT(vm->svm_cid, UINT32_MAX);
	CHECK_INT(vm->svm_port, UINT32_MAX);
	static const char *const bad[] = {"vsock:",
					  "vsock:2",
					  "vsock:2:",
					  "vsock::9001",
					  "vsock:2:9001 ",
					  "vsock:4294967296:1",
					  "vsock:1:4294967296",
					  "vsock:-1:1",
					  "vsock:2:0x10",
					  "vsock:2:1:1",
					  "VSOCK:2:1",
					  "2:9001",
					  "tcp:1:1",
					  ""};
	for (size_t i = 0; i < TT_ARRAY_SIZE(bad); i++)
		CHECK_INT(tt_endpoint_parse(bad[i], &e), -EINVAL);
}

static void unix_paths(void)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&e.addr;
	char text[5 + sizeof(un->sun_path) + 1] = "unix:";

	CHECK_INT(tt_endpoint_parse("unix:/run/a_9001", &e), 0);
	CHECK_INT(un->sun_family, AF_UNIX);
	CHECK_STR(un->sun_path, "/run/a_9001");
	CHECK_INT(e.len, offsetof(struct sockaddr_un, sun_path) + sizeof("/run/a_9001"));
	CHECK_INT(tt_endpoint_parse("unix:@name", &e), 0);
	CHECK_INT(un->sun_path[0], 0);
	CHECK_STR(un->sun_path + 1, "name");
	CHECK_INT(e.len, offsetof(struct sockaddr_un, sun_path) + sizeof("@name") - 1);
	CHECK_INT(tt_endpoint_parse("unix:", &e), -EINVAL);
	CHECK_INT(tt_endpoint_parse("unix:@", &e), -EINVAL);
	memset(text + 5, 'a', sizeof(un->sun_path) - 1);
	CHECK_INT(tt_endpoint_parse(text, &e), 0);
	text[5 + sizeof(un->sun_path) - 1] = 'a';
	CHECK_INT(tt_endpoint_parse(text, &e), -ENAMETOOLONG);
}

static void nobody_listens(void)
{
	int pending = 0;

	CHECK_INT(tt_endpoint_parse("unix:/nowhere/at/all", &e), 0);
	CHECK_INT(tt_endpoint_connect(&e, &pending), -ENOENT);
}

int main(void)
{
	TAP_RUN(vsock);
	TAP_RUN(unix_paths);
	TAP_RUN(nobody_listens);
	return tap_done();
}
