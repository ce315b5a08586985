/* SPDX-License-Identifier: Apache-2.0 */
/* Spans of processes in a guest: minted here, since an agent has no say in what they are called. */
#include "receiver/receiver_internal.h"

/* xorshift128+: it names spans, no secret hangs on it. Its seed is the kernel's. */
static uint64_t next_random(struct receiver *r)
{
	uint64_t a = r->random[0], b = r->random[1];

	r->random[0] = b;
	a ^= a << 23;
	r->random[1] = a ^ b ^ a >> 18 ^ b >> 5;
	return r->random[1] + b;
}

struct tt_uuid receiver_span_make(struct receiver_cell *c)
{
	uint64_t ms = c->r->now_ns / TT_NS_PER_MS, a = next_random(c->r), b = next_random(c->r);
	struct tt_uuid u;

	memcpy(u.b, &a, sizeof(a));
	memcpy(u.b + 8, &b, sizeof(b));
	for (int i = 0; i < 6; i++)
		u.b[i] = (uint8_t)(ms >> (40 - 8 * i));
	u.b[6] = 0x70 | (u.b[6] & 0x0f);
	u.b[8] = 0x80 | (u.b[8] & 0x3f);
	return u;
}

struct receiver_proc *receiver_span_of(struct receiver_cell *c, uint32_t pid,
				       struct receiver_proc *fallback)
{
	struct receiver_proc *p = pid ? receiver_procs_find(&c->procs, pid) : NULL;

	if (p)
		return p;
	p = pid ? receiver_procs_add(&c->procs, pid) : NULL;
	if (!p) {
		fallback->span = c->span;
		return fallback;
	}
	p->span = receiver_span_make(c);
	p->parent = c->span;
	return p;
}
