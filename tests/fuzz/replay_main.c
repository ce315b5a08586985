/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run LLVMFuzzerTestOneInput() over every file of the folders given: one TAP point per file.
 *
 * Each input lies in a buffer of exactly its size: a sanitizer sees a read one past the end. Its
 * name is printed before it runs: after a crash the last "# run" line tells which one it was.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/compiler.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int points, failed;

static void point(bool good, const char *name, const char *why)
{
	points++;
	if (!good)
		failed++;
	printf("%s %d - %s%s%s\n", good ? "ok" : "not ok", points, name, why ? ": " : "",
	       why ? why : "");
	fflush(stdout);
}

/* Returns 0 or -errno. An empty file becomes a non-NULL buffer of no bytes. */
static int read_exactly(const char *path, uint8_t **ret, size_t *ret_size)
{
	FILE *f = fopen(path, "re");
	struct stat st;
	uint8_t *buf;
	int r = 0;

	if (!f)
		return -errno;
	if (fstat(fileno(f), &st) < 0) {
		r = -errno;
		fclose(f);
		return r;
	}
	buf = malloc((size_t)st.st_size);
	if (!buf && st.st_size > 0) {
		r = -ENOMEM;
	} else if (fread(buf, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
		r = -EIO;
	}
	fclose(f);
	if (r < 0) {
		free(buf);
		return r;
	}
	*ret = buf;
	*ret_size = (size_t)st.st_size;
	return 0;
}

static int is_visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static void replay(const char *folder)
{
	struct dirent **names = NULL;
	int n = scandir(folder, &names, is_visible, alphasort);

	if (n < 0) {
		point(false, folder, strerror(errno));
		return;
	}
	if (n == 0)
		point(false, folder, "no input in this folder");
	for (int i = 0; i < n; i++) {
		char path[4096];
		uint8_t *data = NULL;
		size_t size = 0;
		int r;

		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		printf("# run %s\n", path);
		fflush(stdout);
		r = read_exactly(path, &data, &size);
		if (r < 0) {
			point(false, names[i]->d_name, strerror(-r));
		} else {
			(void)LLVMFuzzerTestOneInput(data, size); /* always 0 by its contract */
			point(true, names[i]->d_name, NULL);
		}
		free(data);
		free(names[i]);
	}
	free(names);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s FOLDER...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	printf("1..%d\n", points);
	return failed ? 1 : 0;
}
