/* SPDX-License-Identifier: Apache-2.0 */
/* Reading small files: sizes around the limit, and what is no file. */
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tap.h"

static char folder[] = "/tmp/telltale-test-XXXXXX";

static const char *name(const char *base)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, base);
	return path;
}

static void sizes(void)
{
	for (size_t n = 0; n < 20; n++) {
		char *buf = malloc(10);
		FILE *f = fopen(name("f"), "w");
		long want = n <= 10 ? (long)n : -EFBIG;

		for (size_t i = 0; f && i < n; i++)
			(void)fputc('a' + (int)i, f);
		CHECK(f && fclose(f) == 0);
		CHECK_INT(tt_file_read(name("f"), buf, 10), want);
		if (n > 0 && n <= 10)
			CHECK(buf[0] == 'a' && buf[n - 1] == 'a' + (char)n - 1);
		free(buf);
	}
}

static void no_files(void)
{
	char buf[8];

	CHECK_INT(tt_file_read(name("absent"), buf, sizeof(buf)), -ENOENT);
	CHECK_INT(tt_file_read(folder, buf, sizeof(buf)), -EISDIR);
	CHECK_INT(tt_file_read("/dev/zero", buf, sizeof(buf)), -EINVAL);
	CHECK(mkfifo(name("fifo"), 0600) == 0);
	CHECK_INT(tt_file_read(name("fifo"), buf, sizeof(buf)), -EINVAL);
	/* what grows while it is read, or says it has no size */
	CHECK_INT(tt_file_read("/proc/self/status", buf, sizeof(buf)), -EFBIG);
}

int main(void)
{
	if (!mkdtemp(folder))
		return 1;
	TAP_RUN(sizes);
	TAP_RUN(no_files);
	(void)remove(name("f"));
	(void)remove(name("fifo"));
	(void)remove(folder);
	return tap_done();
}
