/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile would have to say for a refused call to be allowed. */
#include <stdio.h>

#include "base/out.h"
#include "event/text.h"
#include "recorder/denials.h"

#define LOW32 0xffffffffULL

static bool holds(const struct policy_condition *c, const uint64_t args[6])
{
	uint64_t v = args[c->arg] & (c->wide ? UINT64_MAX : LOW32) & c->mask;

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

/* The rule that decides a call: the last one that holds; NULL: what the profile does by default. */
static const struct policy_rule *find_rule(const struct policy *p, int nr, const uint64_t args[6])
{
	for (size_t i = p->rule_count; i-- > 0;) {
		const struct policy_rule *r = &p->rules[i];
		bool all = r->nr == nr;

		for (unsigned k = 0; all && k < r->condition_count; k++)
			all = holds(&r->conditions[k], args);
		if (all)
			return r;
	}
	return NULL;
}

static void put_number(struct tt_out *o, uint64_t v)
{
	if (v < 1024)
		tt_out_u64(o, v);
	else
		tt_out_hex(o, v);
}

static void put_condition(struct tt_out *o, const struct policy_condition *c, int nr,
			  const uint64_t args[6])
{
	uint64_t whole = c->wide ? UINT64_MAX : LOW32, v = args[c->arg] & whole & c->mask;

	tt_out_str(o, "arg");
	tt_out_u64(o, c->arg);
	if (c->wide)
		tt_out_str(o, ":64");
	if ((c->mask & whole) != whole) {
		tt_out_str(o, " & ");
		put_number(o, c->mask);
	} else if (recorder_words_is_family(nr, c->arg)) {
		tt_out_str(o, " == ");
		event_put_domain(o, (int32_t)v);
		return;
	}
	tt_out_str(o, " == ");
	put_number(o, v);
}

size_t recorder_allow_line(char *buf, size_t cap, const struct policy *p, int nr,
			   const uint64_t args[6])
{
	const struct policy_rule *r = find_rule(p, nr, args);
	char name[24];
	struct tt_out o;

	tt_out_init(&o, buf, cap - 1);
	tt_out_str(&o, "allow ");
	tt_out_str(&o, recorder_call_name(nr, name));
	for (unsigned i = 0; r && i < r->condition_count; i++) {
		tt_out_str(&o, i ? " and " : " when ");
		put_condition(&o, &r->conditions[i], nr, args);
	}
	buf[o.len] = '\0';
	return o.len;
}
