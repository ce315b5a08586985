/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy says of one call: the meaning that the filter is compiled from. */
#include "policy/policy_internal.h"

#define X32_BIT 0x40000000U

static bool holds(const struct policy_condition *c, const uint64_t args[6])
{
	uint64_t v = args[c->arg] & c->mask;

	if (!c->wide)
		v &= UINT32_MAX;
	switch ((enum policy_compare)c->compare) {
	case POLICY_EQ:
		return v == c->value;
	case POLICY_NE:
		return v != c->value;
	case POLICY_LT:
		return v < c->value;
	case POLICY_LE:
		return v <= c->value;
	case POLICY_GT:
		return v > c->value;
	case POLICY_GE:
		return v >= c->value;
	}
	return false;
}

long policy_deciding_rule(const struct policy *p, int nr, const uint64_t args[6])
{
	for (size_t i = p->rule_count; i-- > 0;) {
		const struct policy_rule *r = &p->rules[i];
		bool all = r->nr == nr;

		for (size_t k = 0; all && k < r->condition_count; k++)
			all = holds(&r->conditions[k], args);
		if (all)
			return (long)i;
	}
	return -1;
}

struct policy_verdict policy_decide(const struct policy *p, int nr, const uint64_t args[6])
{
	static const struct policy_verdict allow = {.action = POLICY_ALLOW};
	static const struct policy_verdict kill = {.action = POLICY_KILL};
	long rule;

	if (!p->filter)
		return allow;
#ifdef __x86_64__
	/* -1 is no call of any ABI: tracers write it where a call is to be skipped */
	if ((uint32_t)nr >= X32_BIT && nr != -1)
		return kill;
#else
	(void)kill;
#endif
	rule = policy_deciding_rule(p, nr, args);
	return rule < 0 ? p->fallback : p->rules[rule].verdict;
}
