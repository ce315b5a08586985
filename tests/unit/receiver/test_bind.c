/* SPDX-License-Identifier: Apache-2.0 */
/* Names of sockets: what is taken over, what is left alone, what is removed. */
#include "../tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "receiver/bind.h"

static char folder[64], base[80], other[80];

static bool is_socket(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void test_stale(void)
{
	struct receiver_bound dead, b;
	struct tt_err err;
	int fd;

	CHECK_INT(receiver_bind(&dead, base, 1, &err), 0);
	CHECK_INT(receiver_bind(&b, base, 1, &err), -EADDRINUSE);
	(void)close(dead.fd); /* as a kill leaves it */
	CHECK(is_socket(dead.path));
	CHECK_INT(receiver_bind(&b, base, 1, &err), 0);
	receiver_unbind(&b);
	CHECK(!is_socket(b.path));
	fd = open(b.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	(void)close(fd);
	CHECK_INT(receiver_bind(&b, base, 1, &err), -EADDRINUSE);
	CHECK_INT(unlink(dead.path), 0);
}

/* What has the name by now is somebody else's, and stays. */
static void test_replaced(void)
{
	struct receiver_bound mine, theirs;
	struct tt_err err;

	CHECK_INT(receiver_bind(&mine, base, 2, &err), 0);
	CHECK_INT(receiver_bind(&theirs, other, 2, &err), 0);
	CHECK_INT(rename(theirs.path, mine.path), 0);
	receiver_unbind(&mine);
	CHECK_INT(mine.fd, -1);
	CHECK(is_socket(mine.path));
	receiver_unbind(&theirs); /* its name is gone: nothing to remove */
	CHECK(is_socket(mine.path));
	CHECK_INT(unlink(mine.path), 0);
}

int main(void)
{
	(void)snprintf(folder, sizeof(folder), "/tmp/telltale-bind-XXXXXX");
	CHECK(mkdtemp(folder));
	(void)snprintf(base, sizeof(base), "%s/a", folder);
	(void)snprintf(other, sizeof(other), "%s/b", folder);
	TAP_RUN(test_stale);
	TAP_RUN(test_replaced);
	CHECK_INT(rmdir(folder), 0);
	return tap_done();
}
