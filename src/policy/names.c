/* SPDX-License-Identifier: Apache-2.0 */
/* System calls and their groups by name: tables made of groups.def. */
#include <string.h>
#include <sys/syscall.h>

#include "policy/policy_internal.h"

struct group {
	const char *name, *summary;
};

struct call {
	const char *name;
	int nr; /* -1: not on this machine */
	uint64_t groups;
};

#include "policy/calls.inc"

static const struct call *find(const char *name)
{
	size_t low = 0, high = TT_ARRAY_SIZE(calls);

	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = strcmp(name, calls[mid].name);

		if (order == 0)
			return &calls[mid];
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

const char *policy_call_name(int nr)
{
	return nr >= 0 && (size_t)nr < TT_ARRAY_SIZE(names) ? names[nr] : NULL;
}

int policy_call_number(const char *name)
{
	const struct call *c = find(name);

	return c && c->nr >= 0 ? c->nr : -ENOENT;
}

bool policy_call_is_known(const char *name)
{
	return find(name) != NULL;
}

const char *policy_call_at(size_t i)
{
	return i < TT_ARRAY_SIZE(calls) ? calls[i].name : NULL;
}

int policy_group_find(const char *name)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(groups); i++)
		if (strcmp(groups[i].name, name) == 0)
			return (int)i;
	return -ENOENT;
}

int policy_group_next(int group, size_t *state)
{
	const struct call *end = calls + TT_ARRAY_SIZE(calls);
	const uint64_t bit = UINT64_C(1) << group;

	for (const struct call *c = calls + *state; c < end; c++) {
		if (!(c->groups & bit) || c->nr < 0)
			continue;
		*state = (size_t)(c + 1 - calls);
		return c->nr;
	}
	*state = TT_ARRAY_SIZE(calls);
	return -ENOENT;
}

const char *policy_group_at(size_t i, const char **ret_summary)
{
	if (i >= TT_ARRAY_SIZE(groups))
		return NULL;
	if (ret_summary)
		*ret_summary = groups[i].summary;
	return groups[i].name;
}

bool policy_group_has(size_t i, int nr)
{
	for (size_t k = 0; i < TT_ARRAY_SIZE(groups) && k < TT_ARRAY_SIZE(calls); k++)
		if (calls[k].nr == nr && nr >= 0)
			return calls[k].groups >> i & 1;
	return false;
}
