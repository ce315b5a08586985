/* SPDX-License-Identifier: Apache-2.0 */
/* The environment contract: what build adds, hide takes away, byte for byte and in order. */
#include "event/contract.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>

#include "tap.h"

#define LIB      "/usr/lib/telltale/libtelltale.so"
#define SPAN     "spn_01991025-0a09-7f00-80ff-0123456789ab"
#define ENV(...) ((char *const *)(const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static const char *find_value(char *const *envp, enum contract_name name)
{
	const char *values[CONTRACT_NAMES];

	event_contract_read(envp, values);
	return values[name];
}

static const struct contract full = {
	.value = {[CONTRACT_LD_PRELOAD] = LIB,
		  [CONTRACT_SESSION] = "ses_1",
		  [CONTRACT_TRACE_LOG] = "/tmp/trace.jsonl",
		  [CONTRACT_PARENT_SPAN] = SPAN,
		  [CONTRACT_WORLD] = "w",
		  [CONTRACT_AGENT] = "a",
		  [CONTRACT_POLICY] = ""},
	.ring_fd = 1021,
	.ring_ino = 123456,
	.ring_socket = "0123456789abcdef",
	.exe = "/a;;b",
	.exe_of = 0xbeef,
};
static const struct contract direct = {
	.value = {[CONTRACT_LD_PRELOAD] = LIB,
		  [CONTRACT_SESSION] = "ses_1",
		  [CONTRACT_PARENT_SPAN] = SPAN},
	.ring_fd = -1,
};
static const struct contract little = {
	.value = {[CONTRACT_PARENT_SPAN] = "s"},
	.ring_fd = 3,
	.other_root = true,
};
static const struct contract widest = {
	.value = {[CONTRACT_LD_PRELOAD] = LIB, [CONTRACT_PARENT_SPAN] = SPAN},
	.ring_fd = INT32_MAX,
	.ring_ino = UINT64_MAX,
	.ring_socket = "ffffffffffffffff",
	.exe = "/bin/true",
	.exe_of = UINT32_MAX,
};
static const struct contract configured = {
	.value = {[CONTRACT_TRACE_LOG] = "/tmp/trace.jsonl",
		  [CONTRACT_CONFIG] = "/etc/telltale.conf",
		  [CONTRACT_LOG_MAX] = "1M",
		  [CONTRACT_LOG_KEEP] = "5"},
	.ring_fd = -1,
	.log_mark = UINT64_MAX,
};
static const struct contract with_asan = {
	.value = {[CONTRACT_LD_PRELOAD] = "libasan.so.8:" LIB, [CONTRACT_PARENT_SPAN] = SPAN},
	.ring_fd = 5,
};
static const struct contract audit = {
	.value = {[CONTRACT_LD_AUDIT] = LIB, [CONTRACT_PARENT_SPAN] = SPAN},
	.ring_fd = 5,
};
static const struct contract *const contracts[] = {&full,      &direct, &little,    &widest,
						   &with_asan, &audit,  &configured};

static size_t count(char *const *envp)
{
	size_t n = 0;

	while (envp && envp[n])
		n++;
	return n;
}

/* What execve does: an array and strings of the next program's own, each string in exact room. */
static char **exec_copy(char *const *envp)
{
	size_t n = count(envp);
	char **copy = calloc(n + 1, sizeof(*copy));

	for (size_t i = 0; i < n; i++)
		copy[i] = strdup(envp[i]);
	return copy;
}

/* Build, hand over, hide; compare. */
static void round_trip(const struct contract *c, char *const *envp)
{
	void *buf = malloc(event_contract_env_size(c, envp));
	char **before = exec_copy(envp), **next, **strings;
	char *const *built = event_contract_env_build(c, envp, buf);
	const char *text = find_value(built, CONTRACT_CTX);
	struct contract_ctx ctx;
	size_t n = count(envp), given;

	CHECK(built != envp);
	CHECK(text != NULL);
	/* the caller's own array is left alone */
	for (size_t i = 0; i < n; i++)
		CHECK_STR(envp[i], before[i]);
	next = exec_copy(built);
	given = count(next);
	strings = calloc(given + 1, sizeof(*strings));
	memcpy(strings, next, given * sizeof(*strings));
	CHECK(event_contract_ctx_parse(find_value(next, CONTRACT_CTX), &ctx));
	CHECK_INT(ctx.ring_fd, c->ring_fd);
	CHECK(ctx.ring_ino == c->ring_ino);
	CHECK_STR(ctx.ring_socket, c->ring_socket);
	CHECK_INT(ctx.exe_len, c->exe ? strlen(c->exe) : 0);
	CHECK(!c->exe || (memcmp(ctx.exe, c->exe, ctx.exe_len) == 0 && ctx.exe_of == c->exe_of));
	CHECK(ctx.other_root == c->other_root);
	if (c->value[CONTRACT_PARENT_SPAN])
		CHECK_STR(find_value(next, CONTRACT_PARENT_SPAN), c->value[CONTRACT_PARENT_SPAN]);
	if (c->value[CONTRACT_LD_PRELOAD])
		CHECK(strstr(find_value(next, CONTRACT_LD_PRELOAD), LIB) != NULL);
	event_contract_env_hide(&ctx, next);
	CHECK_INT(count(next), n);
	for (size_t i = 0; i < n && next[i]; i++)
		CHECK_STR(next[i], before[i]);
	for (size_t i = 0; i < given; i++)
		free(strings[i]);
	for (size_t i = 0; i < n; i++)
		free(before[i]);
	free(strings);
	free(before);
	free(next);
	free(buf);
}

static void round_trips(void)
{
	static char longer[3000] = "SUBSTRATE_PARENT_SPAN=";
	char *const *const envs[] = {
		ENV(),
		ENV("PATH=/bin", "HOME=/"),
		ENV("LD_PRELOAD=/x/own.so", "A=1"),
		ENV("LD_PRELOAD=", "A=1"),
		ENV("A=1", "LD_PRELOAD=/x/own.so:/y/two.so /z/three.so"),
		ENV("LD_PRELOAD=" LIB),
		ENV("LD_PRELOAD=libasan.so.8", "A=1"),
		ENV("LD_PRELOAD=/x/own.so:/lib/libasan.so.8", "LD_AUDIT=/x/a.so"),
		ENV("LD_AUDIT=/x/a.so:/x/b.so", "LD_PRELOAD=/x/own.so"),
		ENV("LD_AUDIT=", "LD_AUDIT=/x/a.so"),
		ENV("LD_PRELOAD=/x/a.so:" LIB),
		ENV("LD_PRELOAD=/x" LIB ".old"),
		ENV("SUBSTRATE_PARENT_SPAN=", "B=2"),
		ENV("SUBSTRATE_PARENT_SPAN=x", "B=2"),
		ENV("A=", "SUBSTRATE_PARENT_SPAN=" SPAN),
		ENV(longer, "LD_PRELOAD=/x/own.so"),
		ENV("SUBSTRATE_SESSION_ID=mine", "SUBSTRATE_TRACE_LOG=/mine",
		    "SUBSTRATE_WORLD_ID=", "SUBSTRATE_AGENT_ID=q", "SUBSTRATE_POLICY_ID=p"),
		/* names twice: getenv takes the first, ld.so the last */
		ENV("LD_PRELOAD=/x/1.so:/x/2.so", "A=1", "LD_PRELOAD=/x/3.so:/x/4.so"),
		ENV("SUBSTRATE_PARENT_SPAN=one", "SUBSTRATE_PARENT_SPAN=two"),
		ENV("SUBSTRATE_SESSION_ID=one", "SUBSTRATE_SESSION_ID=two", "A=1", "A=2"),
		/* entries that only look like ours, and entries that are none */
		ENV("LD_PRELOADX=1", "LD_PRELOAD", "SUBSTRATE_PARENT_SPANS=1", "TELLTALE_CTXX=1",
		    "=", "", "S", "T", "L"),
		ENV("TELLTALE_REDACT=off", "SUBSTRATE_SESSION_ID_=x"),
		/* relative names, made absolute on the way */
		ENV("TELLTALE_CONFIG=telltale.conf", "SUBSTRATE_TRACE_LOG=trace.jsonl"),
		ENV("TELLTALE_CONFIG=conf", "TELLTALE_LOG_MAX=", "TELLTALE_LOG_KEEP=9"),
	};

	memset(longer + strlen(longer), 'p', sizeof(longer) - strlen(longer) - 1);
	for (size_t c = 0; c < TT_ARRAY_SIZE(contracts); c++)
		for (size_t i = 0; i < TT_ARRAY_SIZE(envs); i++)
			round_trip(contracts[c], envs[i]);
}

/* Every order of a few entries, with and without each: 5 names, present bits and rotations. */
static void combinations(void)
{
	static const char *const entries[] = {"LD_PRELOAD=/x/own.so", "SUBSTRATE_PARENT_SPAN=a;b=c",
					      "SUBSTRATE_SESSION_ID=s", "X=y",
					      "SUBSTRATE_TRACE_LOG="};

	for (unsigned bits = 0; bits < 32; bits++) {
		for (unsigned turn = 0; turn < 5; turn++) {
			const char *env[6] = {NULL};
			size_t n = 0;

			for (unsigned i = 0; i < 5; i++)
				if (bits >> i & 1)
					env[n++] = entries[(i + turn) % 5];
			for (size_t c = 0; c < TT_ARRAY_SIZE(contracts); c++)
				round_trip(contracts[c], (char *const *)env);
		}
	}
}

static void what_is_built(void)
{
	char *const *envp = ENV("A=1", "LD_PRELOAD=/x/own.so", "SUBSTRATE_PARENT_SPAN=theirs",
				"SUBSTRATE_AGENT_ID=mine");
	void *buf = malloc(event_contract_env_size(&full, envp));
	char *const *built = event_contract_env_build(&full, envp, buf);

	CHECK_STR(built[0], "A=1");
	CHECK_STR(built[1], "LD_PRELOAD=" LIB ":/x/own.so");
	CHECK_STR(built[2], "SUBSTRATE_PARENT_SPAN=" SPAN);
	CHECK_STR(built[3], "SUBSTRATE_AGENT_ID=mine");
	CHECK_STR(built[4], "SUBSTRATE_SESSION_ID=ses_1");
	CHECK_STR(built[5], "SUBSTRATE_TRACE_LOG=/tmp/trace.jsonl");
	CHECK_STR(built[6], "SUBSTRATE_WORLD_ID=w");
	CHECK_STR(built[7], "SUBSTRATE_POLICY_ID=");
	CHECK_STR(built[8],
		  "TELLTALE_CTX=2;1021;123456;0123456789abcdef;0x300ac;0xbeef;5;/a;;b;theirs");
	/* the number of added entries is even: event_contract_env_hide() tells why */
	CHECK(built[9] == built[8]);
	CHECK(built[10] == NULL);
	free(buf);
}

static char kept[256];

static const char *keep(const char *text, size_t len)
{
	snprintf(kept, sizeof(kept), "%.*s", (int)len, text);
	return kept;
}

/* ASan's run time stands in front of us, whoever brought it; musl programs get a flavour. */
static void libraries(void)
{
	struct tt_program program = {.libc = TT_PROGRAM_GLIBC, .first = "libasan.so.8"};
	char *const *own = ENV("LD_PRELOAD=/lib/libasan.so.8"), *const * built;
	struct contract c = {.value = {[CONTRACT_LD_PRELOAD] = "/bin/sh"}, .ring_fd = -1};
	const char *values[CONTRACT_NAMES] = {NULL};
	char buf[64], room[1024] __attribute__((__aligned__(8)));

	CHECK(event_contract_for_program(&c, &program, buf, sizeof(buf)));
	CHECK_STR(c.value[CONTRACT_LD_PRELOAD], "libasan.so.8:/bin/sh");
	built = event_contract_env_build(&c, own, room);
	CHECK_STR(built[0], "LD_PRELOAD=/lib/libasan.so.8:/bin/sh");

	c.value[CONTRACT_LD_PRELOAD] = "/no/such/folder/libtelltale.so";
	CHECK(!event_contract_for_program(&c, &program, buf, sizeof(buf)));
	program.libc = TT_PROGRAM_FOREIGN;
	c.value[CONTRACT_LD_PRELOAD] = "/bin/sh";
	CHECK(!event_contract_for_program(&c, &program, buf, sizeof(buf)));
	program.libc = TT_PROGRAM_GLIBC;
	CHECK(!event_contract_for_program(&c, &program, buf, 4));
	c.value[CONTRACT_LD_PRELOAD] = "/bin/sh";
	program.first[0] = '\0';
	CHECK(event_contract_for_program(&c, &program, buf, 4));
	CHECK_STR(c.value[CONTRACT_LD_PRELOAD], "/bin/sh");
	program.libc = TT_PROGRAM_MUSL;
	c.value[CONTRACT_LD_AUDIT] = "/no/such/folder/libtelltale-audit.so";
	CHECK(!event_contract_for_program(&c, &program, buf, sizeof(buf)));
	CHECK_STR(c.value[CONTRACT_LD_PRELOAD], "/no/such/folder/libtelltale-musl.so");
	CHECK_STR(c.value[CONTRACT_LD_AUDIT], "/no/such/folder/libtelltale-audit.so");

	c = (struct contract){.ring_fd = -1};
	values[CONTRACT_LD_PRELOAD] = "/x.so /a/libtelltale-musl.so";
	event_contract_library(&c, values, keep);
	CHECK_STR(c.value[CONTRACT_LD_PRELOAD], "/a/libtelltale.so");
	values[CONTRACT_LD_PRELOAD] = "/libtelltale.so.1:xlibtelltale.so:/b/libtelltale.so:/c";
	event_contract_library(&c, values, keep);
	CHECK_STR(c.value[CONTRACT_LD_PRELOAD], "/b/libtelltale.so");
	c = (struct contract){.ring_fd = -1};
	values[CONTRACT_LD_AUDIT] = "/x.so:/a/libtelltale-audit.so";
	event_contract_library(&c, values, keep);
	CHECK_STR(c.value[CONTRACT_LD_AUDIT], "/a/libtelltale-audit.so");
	CHECK(!c.value[CONTRACT_LD_PRELOAD]);
}

/* As the kernel lays it out: the environment, NULL, then pairs that end with AT_NULL. */
static bool finds_page_size(char *const *envp)
{
	const char *const *p = (const char *const *)envp;

	while (*p)
		p++;
	for (p++; p[0] != (const char *)AT_NULL; p += 2)
		if (p[0] == (const char *)AT_PAGESZ)
			return p[1] == (const char *)4096;
	return false;
}

static void the_auxiliary_vector_is_still_found(void)
{
	static const char *const preset[] = {"SUBSTRATE_SESSION_ID=a", "SUBSTRATE_PARENT_SPAN=b",
					     "LD_PRELOAD=/x.so", "SUBSTRATE_WORLD_ID=c"};

	for (unsigned chosen = 0; chosen < 16; chosen++) {
		char *envp[8] = {NULL}, *stack[64] = {NULL}, *owned[64];
		struct contract_ctx ctx;
		size_t n = 0, count = 0;
		void *buf;

		for (unsigned i = 0; i < 4; i++)
			if (chosen & 1u << i)
				envp[n++] = owned[count++] = strdup(preset[i]);
		buf = malloc(event_contract_env_size(&full, envp));
		n = 0;
		for (char *const *e = event_contract_env_build(&full, envp, buf); *e; e++)
			stack[n++] = owned[count++] = strdup(*e);
		stack[n + 1] = (char *)AT_PHDR;
		stack[n + 2] = (char *)1;
		stack[n + 3] = (char *)AT_PAGESZ;
		stack[n + 4] = (char *)4096;
		CHECK(event_contract_ctx_parse(find_value(stack, CONTRACT_CTX), &ctx));
		event_contract_env_hide(&ctx, stack);
		CHECK(finds_page_size(stack));
		while (count)
			free(owned[--count]);
		free(buf);
	}
}

static void nothing_to_build(void)
{
	char *const *nested = ENV("A=1", "TELLTALE_CTX=2;3;4;;0x0;0x0;0;;");
	void *buf = malloc(event_contract_env_size(&full, nested));
	char *const *built;

	CHECK(event_contract_env_build(&full, nested, buf) == nested);
	free(buf);
	/* no environment at all */
	buf = malloc(event_contract_env_size(&full, NULL));
	built = event_contract_env_build(&full, NULL, buf);
	CHECK_INT(count(built), 8);
	CHECK_STR(built[0], "LD_PRELOAD=" LIB);
	free(buf);
}

static void reads(void)
{
	char *const *envp = ENV("LD_PRELOAD=a", "SUBSTRATE_AGENT_ID=1", "SUBSTRATE_AGENT_ID=2",
				"LD_PRELOAD=b", "SUBSTRATE_WORLD_ID");

	CHECK_STR(find_value(envp, CONTRACT_LD_PRELOAD), "b");
	CHECK_STR(find_value(envp, CONTRACT_AGENT), "1");
	CHECK(find_value(envp, CONTRACT_WORLD) == NULL);
	CHECK(find_value(NULL, CONTRACT_WORLD) == NULL);
	CHECK_STR(event_contract_name_text(CONTRACT_CTX), "TELLTALE_CTX");
	CHECK_STR(event_contract_name_text(CONTRACT_POLICY), "SUBSTRATE_POLICY_ID");
}

static void bad_ctx(void)
{
	static const char *const bad[] = {
		"",                            /* empty */
		"1",                           /* no end */
		"1;3;4;;0x0;0x0;0;;",          /* another version */
		"2;;4;;0x0;0x0;0;;",           /* no fd */
		"2;-2;4;;0x0;0x0;0;;",         /* no such fd */
		"2;2147483648;4;;0x0;0x0;0;;", /* past int */
		"2;3;x;;0x0;0x0;0;;",          /* no inode */
		"2;3;4;;0;0x0;0;;",            /* mask not in hex */
		"2;3;4;;0x;0x0;0;;",           /* no mask */
		"2;3;4;;0x0",                  /* no last separator */
		"2;3;4;;0xG;0x0;0;;",
		"2;3;4;;0x0;0;0;;",    /* hash not in hex */
		"2;3;4;;0x0;0x0;1;;",  /* a name that ends too soon */
		"2;3;4;;0x0;0x0;0;/;", /* too late */
		"2;3;4;;0x0;0x0;18446744073709551615;;",

		"2;3;4;0x0;0x0;0;;",                   /* no socket */
		"2;3;4;0123456789abcde;0x0;0x0;0;;",   /* a short one */
		"2;3;4;0123456789abcdef0;0x0;0x0;0;;", /* a long one */
		"2;3;4;0123456789ABCDEF;0x0;0x0;0;;",
	};
	struct contract_ctx ctx = {.ring_fd = 77};

	for (size_t i = 0; i < TT_ARRAY_SIZE(bad); i++) {
		CHECK(!event_contract_ctx_parse(bad[i], &ctx));
		CHECK_INT(ctx.ring_fd, 77);
	}
	CHECK(event_contract_ctx_parse("2;-1;0;;0xff;0x1f;4;/;;x;own;er", &ctx));
	CHECK_INT(ctx.ring_fd, -1);
	CHECK_INT(ctx.mask, 0xff);
	CHECK_STR(ctx.own_parent, "own;er");
	CHECK_STR(ctx.ring_socket, "");
	CHECK(ctx.exe_len == 4 && memcmp(ctx.exe, "/;;x", 4) == 0 && ctx.exe_of == 0x1f);
}

int main(void)
{
	TAP_RUN(round_trips);
	TAP_RUN(combinations);
	TAP_RUN(what_is_built);
	TAP_RUN(libraries);
	TAP_RUN(the_auxiliary_vector_is_still_found);
	TAP_RUN(nothing_to_build);
	TAP_RUN(reads);
	TAP_RUN(bad_ctx);
	return tap_done();
}
