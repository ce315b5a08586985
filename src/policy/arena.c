/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for the texts of one policy, freed at once. */
#include <stdlib.h>
#include <string.h>

#include "policy/policy_internal.h"

#define CHUNK_BYTES 16000

struct policy_chunk {
	struct policy_chunk *next;
	size_t used, size;
	max_align_t data[];
};

void *policy_arena_take(struct policy_arena *a, size_t n)
{
	struct policy_chunk *c = a->chunks;
	size_t size;
	void *p;

	n = (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (!c || n > c->size - c->used) {
		size = n > CHUNK_BYTES ? n : CHUNK_BYTES;
		c = malloc(sizeof(*c) + size);
		if (!c)
			return NULL;
		c->next = a->chunks;
		c->used = 0;
		c->size = size;
		a->chunks = c;
	}
	p = (char *)c->data + c->used;
	c->used += n;
	memset(p, 0, n);
	return p;
}

char *policy_arena_text(struct policy_arena *a, const char *text, size_t n)
{
	char *copy = policy_arena_take(a, n + 1);

	if (copy)
		memcpy(copy, text, n);
	return copy;
}

void policy_arena_done(struct policy_arena *a)
{
	while (a->chunks) {
		struct policy_chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
}
