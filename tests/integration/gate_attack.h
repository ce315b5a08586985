/* SPDX-License-Identifier: Apache-2.0 */
/* The roads of gate_attack: what is tried, and what each layer says to it. */
#ifndef TT_TESTS_GATE_ATTACK_H
#define TT_TESTS_GATE_ATTACK_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ATTACK_INIT  1
#define ATTACK_AGENT 2

enum attack_layer { LAYER_ALL, LAYER_IDS, LAYER_FILTER, LAYER_LANDLOCK, LAYERS };

/* What a road ends with besides 0 and an errno. */
#define ANYTHING -1 /* that depends on the kernel's configuration; the victim is what counts */
#define REFUSED  -2 /* any error */
#define NOT_RUN  -3 /* this layer has nothing to say to it */

/* @act: 0 or -errno, of @target, a pid or the id of a thread */
struct attack_road {
	const char *name;
	long (*act)(int target);
	/*
	 * 'p': for init and agent; 'a': for the agent; 't': for both, and each thread of the agent;
	 * '-': once; 'v': once, and only where AF_VSOCK may be touched
	 */
	char targets;
	short want[LAYERS];
};

extern const struct attack_road attack_signals[], attack_looks[], attack_sockets[], attack_kernel[];

/* attack_neighbour - where a process of this PID namespace listens, outside the gate */
static inline socklen_t attack_neighbour(struct sockaddr_un *ret)
{
	char name[64] = "";
	ssize_t n = readlink("/proc/self/ns/pid", name, sizeof(name));

	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	memcpy(ret->sun_path + 1, name, n > 0 ? (size_t)n : 0);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)(n > 0 ? n : 0));
}

static inline long attack_result(long r)
{
	return r < 0 ? -errno : 0;
}

/* attack_opened - an fd that nobody wants */
static inline long attack_opened(long fd)
{
	long r = attack_result(fd);

	if (fd >= 0)
		(void)close((int)fd);
	return r;
}

#endif
