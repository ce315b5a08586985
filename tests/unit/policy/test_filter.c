/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters, run in user space: for each rule of each shipped profile, and for policies of this
 * test's own, the filter says what policy_decide() says; and the kernel takes each program.
 */
#include <errno.h>
#include <linux/audit.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf.h"
#include "policy/policy.h"
#include "tap.h"

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#else
#define NATIVE AUDIT_ARCH_AARCH64
#endif

struct program {
	struct sock_filter *heard, *alone;
	unsigned short heard_len, alone_len;
};

static struct program compile(const struct policy *p)
{
	struct program g = {NULL};
	struct tt_err err;

	if (policy_filter_make(p, &g.heard, &g.heard_len, &err) < 0 ||
	    policy_filter_make_alone(p, &g.alone, &g.alone_len, &err) < 0) {
		TAP_FAIL_AT("%s", err.text);
		abort();
	}
	return g;
}

static void done(struct program *g)
{
	free(g->heard);
	free(g->alone);
}

static struct policy *load_shipped(const char *name)
{
	struct policy *p = NULL;
	struct tt_err err;

	if (policy_load(name, &p, &err) < 0) {
		TAP_FAIL_AT("%s", err.text);
		abort();
	}
	return p;
}

static struct policy *load(const char *text)
{
	struct policy *p = NULL;
	struct tt_err err;

	if (policy_load_text("test", text, strlen(text), &p, &err) < 0) {
		TAP_FAIL_AT("%s", err.text);
		abort();
	}
	return p;
}

static uint32_t run(const struct sock_filter *insns, size_t len, int nr, const uint64_t args[6],
		    unsigned *ret_steps)
{
	struct seccomp_data d = {.nr = nr, .arch = NATIVE, .instruction_pointer = 0x1234567};

	for (int i = 0; i < 6; i++)
		d.args[i] = args[i];
	return bpf_run(insns, len, &d, ret_steps);
}

static uint32_t expected_alone(struct policy_verdict v)
{
	switch (v.action) {
	case POLICY_ALLOW:
		return SECCOMP_RET_ALLOW;
	case POLICY_LOG:
		return SECCOMP_RET_LOG;
	case POLICY_DENY:
	case POLICY_DENY_QUIET:
		return SECCOMP_RET_ERRNO | v.err;
	default:
		return SECCOMP_RET_KILL_PROCESS;
	}
}

static void agree(const struct policy *p, const struct program *g, int nr, const uint64_t args[6])
{
	struct policy_verdict v = policy_decide(p, nr, args);
	uint32_t heard = run(g->heard, g->heard_len, nr, args, NULL);
	uint32_t alone = run(g->alone, g->alone_len, nr, args, NULL);
	uint32_t want = v.action == POLICY_ALLOW ? SECCOMP_RET_ALLOW : SECCOMP_RET_USER_NOTIF;

	tap_checks++;
	if (heard != want || alone != expected_alone(v))
		TAP_FAIL_AT("%s: call %d (%#llx %#llx %#llx): heard %#x, alone %#x; decided %d %d",
			    p->name, nr, (unsigned long long)args[0], (unsigned long long)args[1],
			    (unsigned long long)args[2], heard, alone, v.action, v.err);
}

/* Values at which a condition could change its mind. */
static size_t boundaries(const struct policy_condition *c, uint64_t v[32])
{
	const uint64_t high = 1ULL << 32;
	size_t n = 0;

	for (int d = -1; d <= 1; d++) {
		v[n++] = c->value + (uint64_t)(int64_t)d;
		v[n++] = (c->value + (uint64_t)(int64_t)d) | high;
		v[n++] = (c->value + (uint64_t)(int64_t)d * high);
		v[n++] = (c->value & UINT32_MAX) + (uint64_t)(int64_t)d;
	}
	v[n++] = c->value | ~c->mask;
	v[n++] = c->mask;
	v[n++] = ~c->mask;
	v[n++] = c->mask & -c->mask;
	v[n++] = c->value ^ (c->mask & -c->mask);
	v[n++] = 0;
	v[n++] = UINT32_MAX;
	v[n++] = UINT64_MAX;
	v[n++] = high;
	v[n++] = 1ULL << 31;
	return n;
}

/* Every rule's boundaries, in every pair of its arguments. */
static void sweep(const struct policy *p)
{
	struct program g = compile(p);
	uint64_t zero[6] = {0}, ones[6];

	memset(ones, 0xff, sizeof(ones));
	for (int nr = 0; nr < 1024; nr++) {
		agree(p, &g, nr, zero);
		agree(p, &g, nr, ones);
	}
	for (size_t i = 0; i < p->rule_count; i++) {
		const struct policy_rule *r = &p->rules[i];

		for (size_t a = 0; a < r->condition_count; a++)
			for (size_t b = 0; b < r->condition_count; b++) {
				uint64_t va[32], vb[32];
				size_t na = boundaries(&r->conditions[a], va);
				size_t nb = boundaries(&r->conditions[b], vb);

				for (size_t k = 0; k < na; k++)
					for (size_t l = 0; l < nb; l++) {
						uint64_t args[6] = {0};

						/* the other conditions hold */
						for (size_t m = 0; m < r->condition_count; m++)
							args[r->conditions[m].arg] =
								r->conditions[m].value;
						args[r->conditions[a].arg] = va[k];
						args[r->conditions[b].arg] = vb[l];
						agree(p, &g, r->nr, args);
					}
			}
	}
	done(&g);
}

static void shipped_filters_say_what_is_decided(void)
{
	const char *name;

	for (size_t i = 0; (name = policy_shipped_at(i, NULL, NULL)); i++) {
		struct policy *p = load_shipped(name);

		sweep(p);
		policy_free(p);
	}
}

static void every_operator_and_width(void)
{
	static const char *const operators[] = {"==", "!=", "<", "<=", ">", ">="};
	static const char *const widths[] = {"", ":64"};
	static const char *const masks[] = {"", "& 0xf0f0 ", "& 0xff000000ff000 ", "& ~1 "};
	static const char *const values[] = {"0x40", "7", "0xfffffffe", "0x100000000",
					     "0x7f000001000"};
	char text[256];
	int loaded = 0;

	for (size_t o = 0; o < TT_ARRAY_SIZE(operators); o++)
		for (size_t w = 0; w < TT_ARRAY_SIZE(widths); w++)
			for (size_t m = 0; m < TT_ARRAY_SIZE(masks); m++)
				for (size_t v = 0; v < TT_ARRAY_SIZE(values); v++) {
					struct policy *p = NULL;

					(void)snprintf(
						text, sizeof(text),
						"deny E2BIG read when arg2%s %s%s %s\n"
						"log read when arg1 > 5 and arg2%s %s%s %s\n",
						widths[w], masks[m], operators[o], values[v],
						widths[w], masks[m], operators[o], values[v]);
					/* values that do not fit are refused */
					if (policy_load_text("t", text, strlen(text), &p, NULL) < 0)
						continue;
					loaded++;
					sweep(p);
					policy_free(p);
				}
	CHECK(loaded > 60);
}

static void the_last_rule_wins(void)
{
	struct policy *p = load("default kill\n"
				"allow read write close\n"
				"deny EACCES read when arg0 == 3\n"
				"log read when arg0 == 3 and arg1 == 4\n"
				"deny-quiet EBADF write when fd > 9\n"
				"allow write when fd == 20\n"
				"deny close when arg0 == 1\n"
				"deny ENOSYS close\n");
	uint64_t args[6] = {3, 4};
	struct policy_verdict v;

	v = policy_decide(p, SYS_read, args);
	CHECK_INT(v.action, POLICY_LOG);
	args[1] = 5;
	v = policy_decide(p, SYS_read, args);
	CHECK(v.action == POLICY_DENY && v.err == EACCES);
	args[0] = 0x100000003; /* the upper half does not count */
	CHECK_INT(policy_decide(p, SYS_read, args).err, EACCES);
	args[0] = 4;
	CHECK_INT(policy_decide(p, SYS_read, args).action, POLICY_ALLOW);
	args[0] = 10;
	v = policy_decide(p, SYS_write, args);
	CHECK(v.action == POLICY_DENY_QUIET && v.err == EBADF);
	args[0] = 20;
	CHECK_INT(policy_decide(p, SYS_write, args).action, POLICY_ALLOW);
	args[0] = 1;
	CHECK_INT(policy_decide(p, SYS_close, args).err, ENOSYS);
	CHECK_INT(policy_decide(p, SYS_openat, args).action, POLICY_KILL);
	CHECK_INT(policy_decide(p, 100000, args).action, POLICY_KILL);
	sweep(p);
	policy_free(p);
}

/* Made by hand, where a mask says more than the width. */
static void narrow_conditions_ignore_the_upper_half(void)
{
	const struct policy_rule rule = {
		.nr = SYS_read,
		.verdict = {POLICY_DENY, EIO},
		.condition_count = 1,
		.conditions = {{.arg = 2, .compare = POLICY_EQ, .mask = UINT64_MAX, .value = 7}},
	};
	const struct policy p = {
		.name = "by hand", .filter = true, .rules = &rule, .rule_count = 1};
	uint64_t args[6] = {0, 0, 7 | 1ULL << 40};

	CHECK_INT(policy_decide(&p, SYS_read, args).err, EIO);
	sweep(&p);
}

static void other_abis_are_killed(void)
{
	static const uint32_t others[] = {AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH_RISCV64, 0,
					  NATIVE ^ 1};
	struct policy *p = load("allow @basic\n");
	struct program g = compile(p);
	uint64_t args[6] = {0};

	for (size_t i = 0; i < TT_ARRAY_SIZE(others); i++)
		for (int nr = -1; nr < 600; nr++) {
			struct seccomp_data d = {.nr = nr, .arch = others[i]};

			CHECK_INT(bpf_run(g.heard, g.heard_len, &d, NULL),
				  SECCOMP_RET_KILL_PROCESS);
			CHECK_INT(bpf_run(g.alone, g.alone_len, &d, NULL),
				  SECCOMP_RET_KILL_PROCESS);
		}
#ifdef __x86_64__
	for (uint32_t nr = 0; nr < 600; nr++) {
		CHECK_INT(run(g.heard, g.heard_len, (int)(nr | 0x40000000), args, NULL),
			  SECCOMP_RET_KILL_PROCESS);
		CHECK_INT(policy_decide(p, (int)(nr | 0x40000000), args).action, POLICY_KILL);
	}
	CHECK_INT(run(g.heard, g.heard_len, INT32_MIN, args, NULL), SECCOMP_RET_KILL_PROCESS);
	/* a call that a tracer takes away is none of another ABI */
	CHECK_INT(run(g.heard, g.heard_len, -1, args, NULL), SECCOMP_RET_ALLOW);
	CHECK_INT(policy_decide(p, -1, args).action, POLICY_ALLOW);
#endif
	done(&g);
	policy_free(p);
}

/* What is unknown follows the default, whatever it is. */
static void unknown_numbers_follow_the_default(void)
{
	static const char *const texts[] = {
		"default deny ENOSYS\nallow @basic\n", "default kill\nallow @basic\n",
		"default allow\ndeny @network\n", "default log\ndeny-quiet ENOENT @network\n"};

	for (size_t i = 0; i < TT_ARRAY_SIZE(texts); i++) {
		struct policy *p = load(texts[i]);
		struct program g = compile(p);
		uint64_t args[6] = {1, 2, 3, 4, 5, 6};

		for (int nr = 480; nr < 100000; nr += nr < 1000 ? 1 : 997) {
			CHECK_INT(policy_decide(p, nr, args).action, p->fallback.action);
			agree(p, &g, nr, args);
		}
		done(&g);
		policy_free(p);
	}
}

/* Jumps past the 255 instructions that a jump of BPF reaches. */
static void long_filters_are_right(void)
{
	static char text[1 << 18];
	size_t used = 0;
	struct policy *p;

	for (int nr = 0; nr < 330; nr += 2)
		used += (size_t)snprintf(
			text + used, sizeof(text) - used,
			"deny E2BIG %d when arg0 == %d and arg1:64 > 0x%x00000001\n"
			"log %d when arg2 & 0x%x != 0 and arg3 <= 77\n",
			nr, nr, nr + 1, nr, nr + 1);
	p = load(text);
	sweep(p);
	policy_free(p);
	/* one call with very many conditions */
	used = (size_t)snprintf(text, sizeof(text), "default deny\nallow @fd\n");
	for (int i = 0; i < 500; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%s ioctl when request == %d and arg2 & 0xff == %d\n",
					 i % 3 ? "allow" : "deny EACCES", i * 3, i % 256);
	p = load(text);
	sweep(p);
	policy_free(p);
}

static void too_long_filters_are_refused(void)
{
	static char text[1 << 18];
	struct sock_filter *insns = NULL;
	unsigned short len;
	struct tt_err err;
	size_t used = 0;
	struct policy *p;

	for (int i = 0; i < 1200; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "deny ioctl when request == %d and arg2 == %d\n", i * 3,
					 i);
	p = load(text);
	CHECK_INT(policy_filter_make(p, &insns, &len, &err), -E2BIG);
	CHECK(!insns && strstr(err.text, "'test'") && strstr(err.text, "4096"));
	policy_free(p);
}

/* The kernel checks a program when it is loaded; nothing is called under it but exit. */
static void the_kernel_takes_each_program(void)
{
	const char *name;

	for (size_t i = 0; (name = policy_shipped_at(i, NULL, NULL)); i++) {
		struct policy *p = load_shipped(name);
		struct program g = compile(p);
		struct sock_fprog prog = {g.alone_len, g.alone};
		int status = -1;
		pid_t pid;

		pid = fork();
		if (pid == 0) {
			(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
			/* getpid works, int 0x80 and x32 do not get this far */
			_exit(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0 &&
					      syscall(SYS_getpid) > 0
				      ? 42
				      : errno);
		}
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK_INT(WEXITSTATUS(status), 42);
		done(&g);
		policy_free(p);
	}
}

/* What a program calls all the time costs no more than a search by halves. */
static void the_way_to_an_allowed_call_is_short(void)
{
	static const int hot[] = {SYS_read, SYS_write, SYS_openat, SYS_close, SYS_futex, SYS_mmap};
	struct policy *p = load_shipped("STRICT");
	struct program g = compile(p);
	uint64_t args[6] = {0};
	unsigned steps;

	for (size_t i = 0; i < TT_ARRAY_SIZE(hot); i++) {
		steps = 0;
		CHECK_INT(run(g.heard, g.heard_len, hot[i], args, &steps), SECCOMP_RET_ALLOW);
		CHECK(steps > 0 && steps <= 16);
	}
	printf("# STRICT: %u instructions, %u without a listener\n", g.heard_len, g.alone_len);
	done(&g);
	policy_free(p);
}

/* Each shipped profile and OFF, with calls that are watched: all that is refused, and those. */
static void watched_calls_are_asked_about_too(void)
{
	static const struct policy_rule rules[] = {
		{.nr = SYS_openat,
		 .verdict = {POLICY_LOG, 0},
		 .condition_count = 1,
		 .conditions = {{.arg = 2, .compare = POLICY_NE, .mask = 0x43, .value = 0}}},
		{.nr = SYS_connect, .verdict = {POLICY_LOG, 0}},
		{.nr = SYS_sendto,
		 .verdict = {POLICY_LOG, 0},
		 .condition_count = 1,
		 .conditions =
			 {{.arg = 4, .wide = true, .compare = POLICY_NE, .mask = UINT64_MAX}}},
		{.nr = SYS_execve, .verdict = {POLICY_LOG, 0}},
	};
	static const uint64_t values[] = {0, 1, 2, 0x40, 0x80, 1ull << 32, UINT64_MAX};
	static const int arg_of[] = {2, 0, 4, 0};
	struct policy_rule sorted[4];
	struct policy watch = {.filter = true, .rules = sorted, .rule_count = 4};
	const char *name;

	memcpy(sorted, rules, sizeof(sorted));
	for (size_t i = 0; i < 4; i++)
		for (size_t k = i + 1; k < 4; k++)
			if (sorted[k].nr < sorted[i].nr) {
				struct policy_rule r = sorted[i];

				sorted[i] = sorted[k];
				sorted[k] = r;
			}
	for (size_t i = 0; (name = policy_shipped_at(i, NULL, NULL)); i++) {
		struct policy *p = load_shipped(name);
		struct sock_filter *insns = NULL;
		unsigned short len = 0;
		struct tt_err err = {""};

		CHECK_INT(policy_filter_make_watching(p, &watch, &insns, &len, &err), 0);
		for (int nr = 0; nr < 460; nr++)
			for (size_t v = 0; v < 7 * 4; v++) {
				uint64_t args[6] = {0};
				uint32_t got;
				bool asked;

				args[arg_of[v / 7]] = values[v % 7];
				asked = policy_decide(p, nr, args).action != POLICY_ALLOW ||
					policy_decide(&watch, nr, args).action != POLICY_ALLOW;
				got = run(insns, len, nr, args, NULL);
				tap_checks++;
				if (got != (asked ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW))
					TAP_FAIL_AT("%s: call %d: %#x", name, nr, got);
			}
		/* who refuses nothing does not kill what is made in another ABI */
		{
			struct seccomp_data d = {.nr = SYS_connect, .arch = 0x1234};

			CHECK_INT(bpf_run(insns, len, &d, NULL),
				  p->filter ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ALLOW);
		}
		free(insns);
		policy_free(p);
	}
}

int main(void)
{
	TAP_RUN(shipped_filters_say_what_is_decided);
	TAP_RUN(every_operator_and_width);
	TAP_RUN(the_last_rule_wins);
	TAP_RUN(narrow_conditions_ignore_the_upper_half);
	TAP_RUN(other_abis_are_killed);
	TAP_RUN(unknown_numbers_follow_the_default);
	TAP_RUN(long_filters_are_right);
	TAP_RUN(too_long_filters_are_refused);
	TAP_RUN(the_kernel_takes_each_program);
	TAP_RUN(watched_calls_are_asked_about_too);
	TAP_RUN(the_way_to_an_allowed_call_is_short);
	return tap_done();
}
