/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile would have to say for a refused call to be allowed. */
#include <stdio.h>

#include "base/out.h"
#include "event/text.h"
#include "recorder/denials.h"

#define LOW32 0xffffffffULL

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
	if (recorder_words_request(nr, c->arg, v) && (c->mask & whole) == whole)
		tt_out_str(o, recorder_words_request(nr, c->arg, v));
	else
		put_number(o, v);
}

size_t recorder_allow_line(char *buf, size_t cap, const struct policy *p, int nr,
			   const uint64_t args[6])
{
	long rule = policy_deciding_rule(p, nr, args);
	const struct policy_rule *r = rule < 0 ? NULL : &p->rules[rule];
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
