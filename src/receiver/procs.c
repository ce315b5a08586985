/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing; what is removed leaves no marker, those behind it move up. */
#include "receiver/procs.h"

#include <stdlib.h>

#include "base/compiler.h"

#define ROOM_MIN 64u

void receiver_procs_done(struct receiver_procs *p)
{
	free(p->slots);
	*p = (struct receiver_procs){.key = p->key};
}

static uint32_t home_of(const struct receiver_procs *p, uint32_t pid)
{
	uint64_t h = (pid ^ p->key) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)(h >> 40) & (p->room - 1);
}

static struct receiver_proc *slot_of(const struct receiver_procs *p, uint32_t pid)
{
	for (uint32_t i = home_of(p, pid);; i = (i + 1) & (p->room - 1))
		if (!p->slots[i].pid || p->slots[i].pid == pid)
			return &p->slots[i];
}

struct receiver_proc *receiver_procs_find(const struct receiver_procs *p, uint32_t pid)
{
	struct receiver_proc *slot = p->slots ? slot_of(p, pid) : NULL;

	return slot && slot->pid ? slot : NULL;
}

static bool grow(struct receiver_procs *p)
{
	struct receiver_procs old = *p;

	p->room = old.room ? old.room * 2 : ROOM_MIN;
	p->slots = calloc(p->room, sizeof(*p->slots));
	if (!p->slots) {
		*p = old;
		return false;
	}
	for (uint32_t i = 0; i < old.room; i++)
		if (old.slots[i].pid)
			*slot_of(p, old.slots[i].pid) = old.slots[i];
	free(old.slots);
	return true;
}

struct receiver_proc *receiver_procs_add(struct receiver_procs *p, uint32_t pid)
{
	struct receiver_proc *slot = receiver_procs_find(p, pid);

	if (!slot) {
		if (p->count >= RECEIVER_PROCS_MAX || (p->count >= p->room / 2 && !grow(p))) {
			p->untracked++;
			return NULL;
		}
		slot = slot_of(p, pid);
		p->count++;
	}
	*slot = (struct receiver_proc){.pid = pid};
	return slot;
}

void receiver_procs_remove(struct receiver_procs *p, uint32_t pid)
{
	struct receiver_proc *slot = receiver_procs_find(p, pid);
	uint32_t hole, mask = p->room - 1;

	if (!slot)
		return;
	hole = (uint32_t)(slot - p->slots);
	p->count--;
	for (uint32_t i = (hole + 1) & mask; p->slots[i].pid; i = (i + 1) & mask) {
		uint32_t home = home_of(p, p->slots[i].pid);

		/* it may move up unless its home lies between the hole and where it is */
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		p->slots[hole] = p->slots[i];
		hole = i;
	}
	p->slots[hole].pid = 0;
}
