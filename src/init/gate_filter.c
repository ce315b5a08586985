/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate's filter: gate_rules.def as a program of seccomp (seccomp(2)), made in static memory.
 *
 *	architecture is another one -> the process is killed, and so are the numbers of x32
 *	number past the last one known -> ENOSYS (quiet filter)
 *	a search by halves for the number -> the rows of that call, one after the other -> allow
 *
 * Landing in a leaf ends the program: nothing needs the number after an argument was loaded.
 */
#include "init/gate_internal.h"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/sys.h"

#define NONE -1
#define LAST_KNOWN \
	469 /* file_setattr, Linux 6.17: what came later is looked at before it is let through */
#define X32_BIT 0x40000000U
#define NO_CALL 0xffffffffU /* what a tracer writes to skip a call */

/* Constants that the C libraries' headers leave out, some or all of them. */
#define SCHED_CORE     62 /* PR_SCHED_CORE */
#define IOPRIO_PROCESS 1
#define IOPRIO_PGRP    2
#define IOPRIO_USER    3
#undef F_SETOWN_EX
#define F_SETOWN_EX 15
#undef F_SETSIG
#define F_SETSIG 10
#undef SOCK_PACKET
#define SOCK_PACKET 10
#define NEW_TIME    0x80
/* The number of a clock of a process's CPU time; its three lowest bits say which. */
#define CPU_CLOCK(pid) (~(uint32_t)(pid) << 3)
#define CPU_CLOCKS_OF  (~7U)
#define NEW_NAMESPACES                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)
#define INIT_AND_AGENT 1, 2
#define THEIR_GROUPS   (uint32_t) - 1, (uint32_t)-2

#define VALUES 4
#define CHECKS 2

enum check_kind { CHECK_NONE, CHECK_IS, CHECK_ISNT, CHECK_HAS, CHECK_PART };

struct check {
	uint8_t kind, arg, count;
	uint32_t values[VALUES];
};

struct rule {
	int16_t x86_64, aarch64;
	uint8_t error, which;
	struct check checks[CHECKS];
};

/* clang-format off */
#define COUNT(...)    (sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))
#define ALWAYS
#define IS(a, ...)    {CHECK_IS, a, COUNT(__VA_ARGS__), {__VA_ARGS__}},
#define ISNT(a, ...)  {CHECK_ISNT, a, COUNT(__VA_ARGS__), {__VA_ARGS__}},
#define HAS(a, bits)  {CHECK_HAS, a, 1, {bits}},
#define PART(a, m, v) {CHECK_PART, a, 2, {m, v}},
#define LOUD          INIT_GATE_LOUD
#define QUIET         INIT_GATE_QUIET
#define GATE(name, x86_64, aarch64, error, which, when) {x86_64, aarch64, error, which, {when}},
/* clang-format on */

static const struct rule rules[] = {
#include "init/gate_rules.def"
};

/* A filter that grows. What does not fit is remembered, and the filter is then refused. */
struct code {
	struct sock_filter *insns;
	unsigned count;
	bool full;
};

static unsigned put(struct code *c, uint16_t op, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (c->count == INIT_GATE_INSNS) {
		c->full = true;
		return 0;
	}
	c->insns[c->count] = (struct sock_filter){op, jt, jf, k};
	return c->count++;
}

static void put_load(struct code *c, unsigned offset)
{
	(void)put(c, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void put_return(struct code *c, uint32_t action)
{
	(void)put(c, BPF_RET | BPF_K, action, 0, 0);
}

/* The jumps of one row that lead to the next one: where it begins is known only when it is done. */
struct exits {
	unsigned at[CHECKS * VALUES];
	bool when_true[CHECKS * VALUES];
	unsigned count;
};

static void put_exit(struct code *c, struct exits *e, uint32_t value, bool when_true)
{
	e->when_true[e->count] = when_true;
	e->at[e->count++] = put(c, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0);
}

static void put_check(struct code *c, struct exits *e, const struct check *k)
{
	unsigned last = k->count - 1U;

	/* both architectures are little-endian: the lower half comes first */
	put_load(c, (unsigned)offsetof(struct seccomp_data, args) + 8U * k->arg);
	if (k->kind == CHECK_HAS || k->kind == CHECK_PART) {
		(void)put(c, BPF_ALU | BPF_AND | BPF_K, k->values[0], 0, 0);
		put_exit(c, e, k->kind == CHECK_HAS ? 0 : k->values[1], k->kind == CHECK_HAS);
		return;
	}
	for (unsigned i = 0; i <= last; i++) {
		if (k->kind == CHECK_ISNT)
			put_exit(c, e, k->values[i], true);
		else if (i < last)
			(void)put(c, BPF_JMP | BPF_JEQ | BPF_K, k->values[i], (uint8_t)(last - i),
				  0);
		else
			put_exit(c, e, k->values[i], false);
	}
}

static void put_rule(struct code *c, const struct rule *r)
{
	struct exits e = {.count = 0};

	for (unsigned i = 0; i < CHECKS && r->checks[i].kind != CHECK_NONE; i++)
		put_check(c, &e, &r->checks[i]);
	put_return(c, SECCOMP_RET_ERRNO | r->error);
	for (unsigned i = 0; i < e.count && !c->full; i++) {
		unsigned far = c->count - e.at[i] - 1;

		if (e.when_true[i])
			c->insns[e.at[i]].jt = (uint8_t)far;
		else
			c->insns[e.at[i]].jf = (uint8_t)far;
	}
}

/* The rows of a filter by number; those of one number stay in the table's order. */
struct sorted {
	struct {
		uint32_t number;
		const struct rule *rule;
	} rows[TT_ARRAY_SIZE(rules)];
	unsigned count;
};

static void sort_rules(struct sorted *s, bool x86_64, enum init_gate_filter which)
{
	s->count = 0;
	for (unsigned i = 0; i < TT_ARRAY_SIZE(rules); i++) {
		int number = x86_64 ? rules[i].x86_64 : rules[i].aarch64;
		unsigned at = s->count;

		if (number == NONE || rules[i].which != which)
			continue;
		for (; at > 0 && s->rows[at - 1].number > (uint32_t)number; at--)
			s->rows[at] = s->rows[at - 1];
		s->rows[at].number = (uint32_t)number;
		s->rows[at].rule = &rules[i];
		s->count++;
	}
}

/* Find the number among rows [from, to), which never part what belongs to one number. */
static void put_search(struct code *c, const struct sorted *s, unsigned from, unsigned to)
{
	unsigned middle = from + (to - from) / 2, jump;

	while (middle > from && s->rows[middle].number == s->rows[middle - 1].number)
		middle--;
	if (middle == from) /* the first half is one number */
		while (middle < to && s->rows[middle].number == s->rows[from].number)
			middle++;
	if (middle == to) {
		(void)put(c, BPF_JMP | BPF_JEQ | BPF_K, s->rows[from].number, 1, 0);
		put_return(c, SECCOMP_RET_ALLOW);
		for (unsigned i = from; i < to; i++)
			put_rule(c, s->rows[i].rule);
		put_return(c, SECCOMP_RET_ALLOW);
		return;
	}
	(void)put(c, BPF_JMP | BPF_JGE | BPF_K, s->rows[middle].number, 0, 1);
	jump = put(c, BPF_JMP | BPF_JA, 0, 0, 0);
	put_search(c, s, from, middle);
	if (!c->full)
		c->insns[jump].k = c->count - jump - 1;
	put_search(c, s, middle, to);
}

int init_gate_compile(uint32_t audit_arch, enum init_gate_filter which, struct sock_filter *ret)
{
	static struct sorted sorted;
	struct code c = {.insns = ret};
	bool x86_64 = audit_arch == AUDIT_ARCH_X86_64;

	if (!x86_64 && audit_arch != AUDIT_ARCH_AARCH64)
		return -EINVAL;
	sort_rules(&sorted, x86_64, which);
	put_load(&c, offsetof(struct seccomp_data, arch));
	(void)put(&c, BPF_JMP | BPF_JEQ | BPF_K, audit_arch, 1, 0);
	put_return(&c, SECCOMP_RET_KILL_PROCESS);
	put_load(&c, offsetof(struct seccomp_data, nr));
	if (x86_64) {
		(void)put(&c, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 2);
		(void)put(&c, BPF_JMP | BPF_JEQ | BPF_K, NO_CALL, 1, 0);
		put_return(&c, SECCOMP_RET_KILL_PROCESS);
	}
	if (which == INIT_GATE_QUIET) {
		(void)put(&c, BPF_JMP | BPF_JGT | BPF_K, LAST_KNOWN, 0, 1);
		put_return(&c, SECCOMP_RET_ERRNO | ENOSYS);
	}
	put_search(&c, &sorted, 0, sorted.count);
	return c.full ? -E2BIG : (int)c.count;
}

static int load(enum init_gate_filter which)
{
	static struct sock_filter insns[INIT_GATE_INSNS];
#if defined(__x86_64__)
	int n = init_gate_compile(AUDIT_ARCH_X86_64, which, insns);
#else
	int n = init_gate_compile(AUDIT_ARCH_AARCH64, which, insns);
#endif
	struct sock_fprog program = {(unsigned short)n, insns};
	long flags = which == INIT_GATE_LOUD ? SECCOMP_FILTER_FLAG_LOG : 0;

	if (n < 0)
		return n;
	return (int)tt_sys3(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

int init_gate_load(void)
{
	int r = load(INIT_GATE_QUIET);

	return r < 0 ? r : load(INIT_GATE_LOUD);
}
