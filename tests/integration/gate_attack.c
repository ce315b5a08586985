/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workload that wants its watcher dead, slow, deaf or replaced: every road to init and agent of
 * a cell, tried.
 *
 *	gate_attack [-l all|ids|filter|landlock] [-t TID]... [-v]
 *
 * Run as the command of a cell. One line of TAP for each road and target; -t: a thread of the agent
 * besides its first one; -v: sockets of AF_VSOCK are made (never connected), which is for a guest
 * alone. Whether the agent suffered, only the agent can say.
 */
#include "gate_attack.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 8

static const char *const layer_names[] = {"all", "ids", "filter", "landlock"};
static enum attack_layer layer;
static int threads[THREADS], thread_count, count, failed;

static bool is_as_wanted(long got, short want)
{
	if (want == REFUSED)
		return got < 0;
	return want == ANYTHING || got == -want;
}

static void try(const struct attack_road *road, int target)
{
	short want = road->want[layer];
	long got;

	if (want == NOT_RUN)
		return;
	got = road->act(target);
	count++;
	if (is_as_wanted(got, want)) {
		(void)printf("ok %d - %s", count, road->name);
	} else {
		failed++;
		(void)printf("# got %s\nnot ok %d - %s", got ? strerror((int)-got) : "through",
			     count, road->name);
	}
	if (road->targets == 'p' || road->targets == 'a' || road->targets == 't')
		(void)printf(" of %d", target);
	(void)printf("\n");
	(void)fflush(stdout);
}

static void try_all(const struct attack_road *road, bool vsock)
{
	for (; road->name; road++) {
		if (road->targets == 'v' && !vsock)
			continue;
		if (road->targets == 'p' || road->targets == 't')
			try(road, ATTACK_INIT);
		try(road, ATTACK_AGENT);
		/* a filter knows no threads: that is what the other layers are for */
		for (int i = 0; road->targets == 't' && layer != LAYER_FILTER && i < thread_count;
		     i++)
			try(road, threads[i]);
	}
}

static void *from_a_thread(void *arg)
{
	(void)arg;
	try_all(attack_signals, false);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	bool vsock = false;
	int option;

	while ((option = getopt(argc, argv, "l:t:v")) != -1) {
		if (option == 'v')
			vsock = true;
		else if (option == 't' && thread_count < THREADS)
			threads[thread_count++] = atoi(optarg);
		else if (option == 'l')
			while (layer < LAYERS && strcmp(optarg, layer_names[layer]) != 0)
				layer++;
		else
			return 2;
	}
	if (layer == LAYERS)
		return 2;
	try_all(attack_signals, vsock);
	try_all(attack_looks, vsock);
	try_all(attack_sockets, vsock);
	try_all(attack_kernel, vsock);
	if (pthread_create(&thread, NULL, from_a_thread, NULL) == 0)
		(void)pthread_join(thread, NULL);
	(void)printf("1..%d\n", count);
	return failed ? 1 : 0;
}
