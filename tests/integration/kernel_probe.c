/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens that the kernel sensor must tell right.
 *
 *	kernel_probe paths DIR     links, relative paths, folders, mounts, paths as long as can be
 *	kernel_probe flip DIR N    opens while a thread changes the text, N of each: how many
 *	kernel_probe opens N       N opens of /etc/hostname
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* as little-endian numbers: written in one go */
#define GOOD 0x646f6f67u
#define EVIL 0x6c697665u

static char flipping[4096] __attribute__((aligned(4)));
static size_t at;
static volatile int done;

static void *flip(void *arg)
{
	(void)arg;
	for (unsigned i = 0; !done; i++) {
		*(volatile uint32_t *)(flipping + at) = i & 1 ? EVIL : GOOD;
		for (volatile unsigned pause = 0; pause < 500;)
			pause++;
	}
	return NULL;
}

static int flips(const char *folder, int n)
{
	int counts[2] = {0, 0};
	pthread_t thread;

	/* slashes until the name lies on a multiple of four */
	at = (size_t)snprintf(flipping, sizeof(flipping), "%s////good", folder) - 4;
	at &= ~3ul;
	memcpy(flipping + at, "good", 5);
	if (pthread_create(&thread, NULL, flip, NULL) != 0)
		return 1;
	/* until both were met often enough, or for ever so long not */
	for (int i = 0; i < 200 * n && (counts[0] < n || counts[1] < n); i++) {
		char text[8] = "";
		int fd = open(flipping, O_RDONLY);

		if (fd < 0)
			continue;
		if (read(fd, text, 4) == 4)
			counts[strcmp(text, "evil") == 0]++;
		(void)close(fd);
	}
	done = 1;
	(void)pthread_join(thread, NULL);
	printf("%d %d\n", counts[0], counts[1]);
	return 0;
}

static int opens(int n)
{
	for (int i = 0; i < n; i++) {
		int fd = open("/etc/hostname", O_RDONLY);

		if (fd < 0)
			return 1;
		(void)close(fd);
	}
	return 0;
}

static int paths(const char *folder)
{
	char text[4200];
	int etc = open("/etc", O_RDONLY | O_DIRECTORY), proc = open("/proc", O_PATH);

	(void)snprintf(text, sizeof(text), "%s/link", folder);
	(void)open(text, O_RDONLY);
	(void)open("/etc/passwd", O_RDONLY);
	(void)open("bin/../../etc/passwd", O_RDONLY);
	(void)openat(etc, "hostname", O_RDONLY);
	(void)openat(proc, "self/stat", O_RDONLY);
	(void)open("nothing-here", O_RDONLY);
	memset(text, '/', sizeof(text));
	memcpy(text + 4095 - 12, "nothing-here", 13); /* with its NUL as long as a path may be */
	(void)open(text, O_RDONLY);
	text[4095] = 'x'; /* one more */
	text[4096] = '\0';
	(void)open(text, O_RDONLY);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "paths") == 0)
		return paths(argv[2]);
	if (argc == 4 && strcmp(argv[1], "flip") == 0)
		return flips(argv[2], atoi(argv[3]));
	if (argc == 3 && strcmp(argv[1], "opens") == 0)
		return opens(atoi(argv[2]));
	return 2;
}
