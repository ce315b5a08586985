/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy's rules as seccomp BPF.
 *
 *	other ABI? kill, or let it through where nothing is refused
 *	search the number by halves in ranges of calls that end alike
 *	range ──► allow, or ask the listener
 *	      └─► a call with conditions: its rules from the last to the first, then its other end
 *
 * The program is written from its end to its beginning, so that every jump knows its target. Where
 * that is further than a jump's 8 bits reach, a return is repeated nearby or a long jump laid in
 * between. What is allowed whatever the arguments is reached by loads of the number and jumps
 * alone: the kernel (5.11 and newer) then sees so at load time and does not run the filter for it.
 */
#include <assert.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy_internal.h"

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#define X32_BIT     0x40000000U
#else
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#endif

#define REACH 250 /* of a conditional jump, with room for what is laid between */

/* Where to go: a return of @value, or the instruction @at places before the end. */
struct target {
	bool is_return;
	uint32_t value;
	size_t at;
};

/* Calls [first, next range's first) that go to the same place. */
struct range {
	uint32_t first;
	struct target to;
};

struct writer {
	struct sock_filter *end; /* one past the last instruction; it grows downwards */
	size_t count;
	bool full;
	struct {
		uint32_t value;
		size_t at;
	} returns[8]; /* the latest of each value */
	size_t return_count;
	uint32_t (*answer)(struct policy_verdict v);
	uint32_t foreign; /* what becomes of calls of another ABI */
};

/* The place of what was written last. */
static struct target written(const struct writer *w)
{
	return (struct target){.at = w->count};
}

static void write_insn(struct writer *w, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (w->count == BPF_MAXINSNS) {
		w->full = true;
		return;
	}
	w->count++;
	*(w->end - w->count) = (struct sock_filter){code, jt, jf, k};
}

static void write_return(struct writer *w, uint32_t value)
{
	size_t i = 0;

	write_insn(w, BPF_RET | BPF_K, 0, 0, value);
	while (i < w->return_count && w->returns[i].value != value)
		i++;
	if (i == TT_ARRAY_SIZE(w->returns)) /* rare: many errnos without a listener */
		i = 0;
	else if (i == w->return_count)
		w->return_count++;
	w->returns[i].value = value;
	w->returns[i].at = w->count;
}

/* The place of @t, within reach of an instruction that is written soon. */
static size_t near(struct writer *w, const struct target *t)
{
	if (!t->is_return) {
		if (w->count - t->at > REACH)
			write_insn(w, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(w->count - t->at));
		else
			return t->at;
		return w->count;
	}
	for (size_t i = 0; i < w->return_count; i++)
		if (w->returns[i].value == t->value && w->count - w->returns[i].at <= REACH)
			return w->returns[i].at;
	write_return(w, t->value);
	return w->count;
}

static struct target write_jump(struct writer *w, uint16_t op, uint32_t k, struct target yes,
				struct target no)
{
	size_t y = near(w, &yes), n = near(w, &no);

	write_insn(w, (uint16_t)(BPF_JMP | BPF_K | op), (uint8_t)(w->count - y),
		   (uint8_t)(w->count - n), k);
	return written(w);
}

/* Load, mask and compare one half of an argument. */
static struct target write_half(struct writer *w, const struct policy_condition *c, bool high,
				uint16_t op, struct target yes, struct target no)
{
	uint32_t mask = (uint32_t)(high ? c->mask >> 32 : c->mask);
	uint32_t value = (uint32_t)(high ? c->value >> 32 : c->value);
	/* both machines are little-endian */
	uint32_t at = (uint32_t)offsetof(struct seccomp_data, args) + 8U * c->arg + (high ? 4 : 0);

	(void)write_jump(w, op, value, yes, no);
	if (mask != UINT32_MAX)
		write_insn(w, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
	write_insn(w, BPF_LD | BPF_W | BPF_ABS, 0, 0, at);
	return written(w);
}

static struct target write_condition(struct writer *w, const struct policy_condition *c,
				     struct target yes, struct target no)
{
	struct target low;

	switch ((enum policy_compare)c->compare) {
	case POLICY_NE:
	case POLICY_LT:
	case POLICY_LE: {
		/* the opposite, with its ends exchanged */
		struct policy_condition other = *c;

		other.compare = c->compare == POLICY_NE   ? POLICY_EQ
				: c->compare == POLICY_LT ? POLICY_GE
							  : POLICY_GT;
		return write_condition(w, &other, no, yes);
	}
	case POLICY_EQ:
		low = write_half(w, c, false, BPF_JEQ, yes, no);
		if (!c->wide || (c->mask >> 32 == 0 && c->value >> 32 == 0))
			return low;
		return write_half(w, c, true, BPF_JEQ, low, no);
	case POLICY_GT:
	case POLICY_GE:
		low = write_half(w, c, false, c->compare == POLICY_GT ? BPF_JGT : BPF_JGE, yes, no);
		if (!c->wide)
			return low;
		/* equal upper halves: the lower ones decide */
		low = write_half(w, c, true, BPF_JEQ, low, no);
		return write_half(w, c, true, BPF_JGT, yes, low);
	}
	return no;
}

static struct target return_of(const struct writer *w, struct policy_verdict v)
{
	return (struct target){.is_return = true, .value = w->answer(v)};
}

/* The rules of one call, [first, last): the last of them is asked first. */
static struct target write_rules(struct writer *w, const struct policy *p, size_t first,
				 size_t last)
{
	struct target next = return_of(w, p->fallback);

	for (size_t i = first; i < last; i++) {
		const struct policy_rule *r = &p->rules[i];
		struct target to = return_of(w, r->verdict);

		for (size_t k = r->condition_count; k-- > 0;)
			to = write_condition(w, &r->conditions[k], to, next);
		next = to;
	}
	return next;
}

static struct target write_search(struct writer *w, const struct range *ranges, size_t count)
{
	struct target low, high;

	if (count == 1)
		return ranges[0].to;
	high = write_search(w, ranges + count / 2, count - count / 2);
	low = write_search(w, ranges, count / 2);
	return write_jump(w, BPF_JGE, ranges[count / 2].first, high, low);
}

static bool is_same(const struct target *a, const struct target *b)
{
	return a->is_return == b->is_return &&
	       (a->is_return ? a->value == b->value : a->at == b->at);
}

static void add_range(struct range *ranges, size_t *count, uint32_t first, struct target to)
{
	if (*count && ranges[*count - 1].first == first)
		(*count)--; /* of no length */
	if (*count && is_same(&ranges[*count - 1].to, &to))
		return;
	ranges[(*count)++] = (struct range){first, to};
}

/* @p's rules are sorted by number: finish.c. Each call makes at most two ranges. */
static size_t make_ranges(struct writer *w, const struct policy *p, struct range *ranges)
{
	struct target other = return_of(w, p->fallback);
	size_t count = 0, last;

	add_range(ranges, &count, 0, other);
	for (size_t i = 0; i < p->rule_count; i = last) {
		uint32_t nr = (uint32_t)p->rules[i].nr;

		assert(i == 0 || p->rules[i - 1].nr < p->rules[i].nr);
		for (last = i + 1; last < p->rule_count && p->rules[last].nr == p->rules[i].nr;)
			last++;
		add_range(ranges, &count, nr, write_rules(w, p, i, last));
		add_range(ranges, &count, nr + 1, other);
	}
	return count;
}

static void write_program(struct writer *w, const struct policy *p, struct range *ranges)
{
	const struct target dead = {.is_return = true, .value = w->foreign};
	struct target begin = write_search(w, ranges, make_ranges(w, p, ranges));

#ifdef X32_BIT
	/* -1 is no call of any ABI: tracers write it where a call is to be skipped */
	struct target minus_one =
		write_jump(w, BPF_JEQ, UINT32_MAX, return_of(w, p->fallback), dead);

	begin = write_jump(w, BPF_JGE, X32_BIT, minus_one, begin);
#else
	begin.at = near(w, &begin);
	begin.is_return = false;
	if (begin.at != w->count)
		write_insn(w, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(w->count - begin.at));
#endif
	write_insn(w, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	(void)write_jump(w, BPF_JEQ, NATIVE_ARCH, written(w), dead);
	write_insn(w, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
}

static int make(const struct policy *p, uint32_t (*answer)(struct policy_verdict v),
		uint32_t foreign, struct sock_filter **ret, unsigned short *ret_len,
		struct tt_err *err)
{
	struct sock_filter *insns = malloc(BPF_MAXINSNS * sizeof(*insns));
	struct range *ranges = malloc((2 * p->rule_count + 1) * sizeof(*ranges));
	struct writer w = {.answer = answer, .foreign = foreign};
	int r = 0;

	if (!insns || !ranges) {
		r = tt_fail(err, ENOMEM, "make memory for the syscall filter");
	} else {
		w.end = insns + BPF_MAXINSNS;
		write_program(&w, p, ranges);
		if (w.full)
			r = tt_fail_text(err, E2BIG,
					 "profile '%s' needs a syscall filter of more than %d "
					 "instructions, which is what the kernel takes: use fewer "
					 "conditions",
					 p->name, BPF_MAXINSNS);
	}
	free(ranges);
	if (r < 0) {
		free(insns);
		return r;
	}
	memmove(insns, w.end - w.count, w.count * sizeof(*insns));
	*ret = insns;
	*ret_len = (unsigned short)w.count;
	return 0;
}

static uint32_t answer_listener(struct policy_verdict v)
{
	return v.action == POLICY_ALLOW ? SECCOMP_RET_ALLOW : SECCOMP_RET_USER_NOTIF;
}

static uint32_t answer_alone(struct policy_verdict v)
{
	switch ((enum policy_action)v.action) {
	case POLICY_ALLOW:
		return SECCOMP_RET_ALLOW;
	case POLICY_LOG:
		return SECCOMP_RET_LOG;
	case POLICY_DENY:
	case POLICY_DENY_QUIET:
		return SECCOMP_RET_ERRNO | (v.err & SECCOMP_RET_DATA);
	case POLICY_KILL:
		break;
	}
	return SECCOMP_RET_KILL_PROCESS;
}

int policy_filter_make(const struct policy *p, struct sock_filter **ret, unsigned short *ret_len,
		       struct tt_err *err)
{
	return make(p, answer_listener, SECCOMP_RET_KILL_PROCESS, ret, ret_len, err);
}

int policy_filter_make_alone(const struct policy *p, struct sock_filter **ret,
			     unsigned short *ret_len, struct tt_err *err)
{
	return make(p, answer_alone, SECCOMP_RET_KILL_PROCESS, ret, ret_len, err);
}

/*
 * The rules of both, by number: those of @watch behind those of @p, so that they are asked first.
 */
static size_t merge(const struct policy *p, const struct policy *watch, struct policy_rule *to)
{
	size_t n = 0, a = 0, count = p->filter ? p->rule_count : 0;

	for (size_t b = 0; b < watch->rule_count; b++) {
		while (a < count && p->rules[a].nr <= watch->rules[b].nr)
			to[n++] = p->rules[a++];
		to[n++] = watch->rules[b];
	}
	while (a < count)
		to[n++] = p->rules[a++];
	return n;
}

int policy_filter_make_watching(const struct policy *p, const struct policy *watch,
				struct sock_filter **ret, unsigned short *ret_len,
				struct tt_err *err)
{
	struct policy_rule *rules =
		malloc((p->rule_count + watch->rule_count + 1) * sizeof(*rules));
	struct policy both = {.name = p->name, .filter = true, .rules = rules};
	int r;

	if (!rules)
		return tt_fail(err, ENOMEM, "make memory for the syscall filter");
	if (p->filter)
		both.fallback = p->fallback;
	both.rule_count = merge(p, watch, rules);
	r = make(&both, answer_listener, p->filter ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ALLOW,
		 ret, ret_len, err);
	free(rules);
	return r;
}
