/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads FILE THREADS N - each thread opens and closes FILE N times; prints how many KiB of the
 * ring this process then has in memory, all its threads alive.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_barrier_t worked, looked;
static const char *file;
static long pairs;

static void work(void)
{
	for (long i = 0; i < pairs; i++) {
		int fd = open(file, O_RDONLY | O_CLOEXEC);

		if (fd >= 0)
			(void)close(fd);
	}
}

static void *thread(void *arg)
{
	(void)arg;
	work();
	(void)pthread_barrier_wait(&worked);
	(void)pthread_barrier_wait(&looked);
	return NULL;
}

/* Resident pages of the ring's mappings. */
static long ring_kb(void)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512];
	long kb, sum = 0;
	int ours = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (strchr(line, '-') && strchr(line, '/'))
			ours = strstr(line, "memfd:telltale-ring") != NULL;
		else if (ours && sscanf(line, "Rss: %ld kB", &kb) == 1)
			sum += kb;
	}
	(void)fclose(f);
	return sum;
}

int main(int argc, char **argv)
{
	int count = argc == 4 ? atoi(argv[2]) : 0;
	pthread_t threads[1024];

	if (count < 1 || count > 1024)
		return 2;
	file = argv[1];
	pairs = strtol(argv[3], NULL, 10);
	if (pthread_barrier_init(&worked, NULL, (unsigned)count) != 0 ||
	    pthread_barrier_init(&looked, NULL, (unsigned)count) != 0)
		return 1;
	for (int i = 1; i < count; i++)
		if (pthread_create(&threads[i], NULL, thread, NULL) != 0)
			return 1;
	work();
	(void)pthread_barrier_wait(&worked);
	(void)fprintf(stderr, "%ld\n", ring_kb());
	(void)pthread_barrier_wait(&looked);
	for (int i = 1; i < count; i++)
		(void)pthread_join(threads[i], NULL);
	return 0;
}
