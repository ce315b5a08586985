/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which scalar arguments a profile may want to know, and a bounded table of those that were met.
 * Arguments in memory are no use to a filter; clone3(2) is the exception, since programs fall back
 * to clone(2) where it is refused.
 */
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "sandbox/count_internal.h"

#define INT 0xffffffffULL /* the kernel takes an int: the upper half of the register is noise */

/* What tells one clone(2) from another: threads, processes, and namespaces. */
#define CLONE_KINDS                                                                               \
	((uint64_t)CLONE_THREAD | CLONE_UNTRACED | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | \
	 CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

struct watch {
	int nr;
	uint8_t count;
	struct {
		uint8_t arg;
		uint64_t mask;
	} args[SANDBOX_COUNT_ARGS_MAX];
};

static const struct watch watches[] = {
	{SYS_socket, 3, {{0, INT}, {1, 0xf}, {2, INT}}},
	{SYS_socketpair, 2, {{0, INT}, {1, 0xf}}},
	{SYS_clone, 1, {{0, CLONE_KINDS}}},
	{SYS_unshare, 1, {{0, INT}}},
	{SYS_setns, 1, {{1, INT}}},
	{SYS_ioctl, 1, {{1, INT}}},
	{SYS_fcntl, 1, {{1, INT}}},
	{SYS_prctl, 1, {{0, INT}}},
	{SYS_personality, 1, {{0, INT}}},
	{SYS_mmap, 2, {{2, PROT_EXEC}, {3, MAP_ANONYMOUS}}},
	{SYS_mprotect, 1, {{2, PROT_EXEC}}},
	{SYS_ptrace, 1, {{0, INT}}},
	{SYS_bpf, 1, {{0, INT}}},
	{SYS_keyctl, 1, {{0, INT}}},
	{SYS_seccomp, 2, {{0, INT}, {1, INT}}},
	{SYS_setsockopt, 2, {{1, INT}, {2, INT}}},
#ifdef SYS_arch_prctl
	{SYS_arch_prctl, 1, {{0, INT}}},
#endif
};

static const struct watch *find_watch(int nr)
{
	for (size_t i = 0; i < sizeof(watches) / sizeof(watches[0]); i++)
		if (watches[i].nr == nr)
			return &watches[i];
	return NULL;
}

static uint64_t hash(const struct sandbox_count_shape *k)
{
	uint64_t h = (uint64_t)k->nr;

	for (uint8_t i = 0; i < k->arg_count; i++)
		h = (h ^ k->args[i].value) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 29;
}

static bool is_same(const struct sandbox_count_shape *a, const struct sandbox_count_shape *b)
{
	if (a->nr != b->nr || a->arg_count != b->arg_count)
		return false;
	for (uint8_t i = 0; i < a->arg_count; i++)
		if (a->args[i].value != b->args[i].value)
			return false;
	return true;
}

/* The shape's place in the table: a new one if it is new; NULL if it is full. */
static struct sandbox_count_shape *place(struct sandbox_count_shared *s,
					 const struct sandbox_count_shape *key)
{
	struct sandbox_counts *c = &s->counts;
	size_t at = hash(key) % (2 * SANDBOX_COUNT_SHAPES);

	for (; s->index[at]; at = (at + 1) % (2 * SANDBOX_COUNT_SHAPES))
		if (is_same(&c->shapes[s->index[at] - 1], key))
			return &c->shapes[s->index[at] - 1];
	/* the last places are kept for those without arguments, one for each watch */
	if (c->shape_count >=
	    SANDBOX_COUNT_SHAPES - (key->arg_count ? sizeof(watches) / sizeof(watches[0]) : 0))
		return NULL;
	c->shapes[c->shape_count] = *key;
	s->kinds[key->nr]++;
	s->index[at] = (uint16_t)++c->shape_count;
	return &c->shapes[c->shape_count - 1];
}

static void add(struct sandbox_count_shared *s, const struct watch *w, const uint64_t args[6])
{
	struct sandbox_count_shape key = {.nr = w->nr}, *shape = NULL;

	if (!s->many[w->nr]) {
		key.arg_count = w->count;
		for (uint8_t i = 0; i < w->count; i++)
			key.args[i] =
				(struct sandbox_count_arg){w->args[i].arg, w->args[i].mask,
							   args[w->args[i].arg] & w->args[i].mask};
		shape = place(s, &key);
		s->many[w->nr] = !shape || s->kinds[w->nr] > SANDBOX_COUNT_MANY;
	}
	if (!shape) {
		memset(&key, 0, sizeof(key));
		key.nr = w->nr;
		shape = place(s, &key);
	}
	if (shape)
		shape->count++;
}

/* As the clone(2) that its caller would have made. */
static void note_clone3(struct sandbox_count_shared *s, pid_t pid, const uint64_t args[6])
{
	uint64_t flags = 0, as_clone[6] = {0};
	struct iovec ours = {&flags, sizeof(flags)},
		     theirs = {(void *)(uintptr_t)args[0], sizeof(flags)};

	/* the first member of struct clone_args; not readable: the call fails, too */
	if (process_vm_readv(pid, &ours, 1, &theirs, 1, 0) != (ssize_t)sizeof(flags))
		return;
	s->counts.untraced |= (flags & CLONE_UNTRACED) != 0;
	as_clone[0] = flags;
	add(s, find_watch(SYS_clone), as_clone);
}

void sandbox_count_note(struct sandbox_count_shared *s, pid_t pid, int nr, const uint64_t args[6])
{
	const struct watch *w;

	if (nr == SYS_clone3) {
		note_clone3(s, pid, args);
		return;
	}
	w = find_watch(nr);
	if (!w)
		return;
	if (nr == SYS_clone)
		s->counts.untraced |= (args[0] & CLONE_UNTRACED) != 0;
	add(s, w, args);
}
