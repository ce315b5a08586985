/* SPDX-License-Identifier: Apache-2.0 */
/* From evidence to a profile: it loads, allows what was seen and the base, and nothing else. */
#include "policy/learn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "tap.h"

#define EQ(a, m, v)                                                         \
	{                                                                   \
		.arg = (a), .compare = POLICY_EQ, .mask = (m), .value = (v) \
	}
#define INT 0xffffffffU

static struct policy *learn(const struct policy_evidence *e, char **ret_text)
{
	struct tt_err err = {""};
	struct policy *p = NULL;

	CHECK_INT(policy_learn(e, ret_text, &err), 0);
	CHECK_INT(policy_load_text("learnt", *ret_text, strlen(*ret_text), &p, &err), 0);
	if (!p)
		TAP_FAIL_AT("%s\n%s", err.text, *ret_text);
	return p;
}

static int decide(const struct policy *p, int nr, uint64_t a, uint64_t b, uint64_t c)
{
	const uint64_t args[6] = {a, b, c};

	return policy_decide(p, nr, args).action;
}

static void calls_seen_pass_and_no_others(void)
{
	static const struct policy_learn_call calls[] = {
		{"openat", 0, {{0}}},
		{"read", 0, {{0}}},
		{"read", 0, {{0}}},
		{"socket", 3, {EQ(0, INT, AF_UNIX), EQ(1, 0xf, SOCK_STREAM), EQ(2, INT, 0)}},
		{"socket", 3, {EQ(0, INT, AF_UNIX), EQ(1, 0xf, SOCK_STREAM), EQ(2, INT, 0)}},
		{"fcntl", 1, {EQ(1, INT, 1)}},
		{"fcntl", 0, {{0}}},
		{"prctl", 1, {EQ(0, INT, 15)}},
		{"mmap", 2, {EQ(2, PROT_EXEC, PROT_EXEC), EQ(3, MAP_ANONYMOUS, 0)}},
		{"clone", 1, {EQ(0, 0x7e830000, 0x10000)}},
		{"kill", 0, {{0}}},
	};
	struct policy_evidence e = {.calls = calls, .call_count = TT_ARRAY_SIZE(calls)};
	char *text = NULL;
	struct policy *p = learn(&e, &text);

	if (!p)
		return;
	CHECK(p->sandboxed && p->filter && p->no_new_privs);
	CHECK_INT(decide(p, SYS_openat, 0, 0, 0), POLICY_ALLOW);
	CHECK_INT(decide(p, SYS_unlinkat, 0, 0, 0), POLICY_DENY);
	CHECK_INT(decide(p, SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), POLICY_ALLOW);
	CHECK_INT(decide(p, SYS_socket, AF_UNIX, SOCK_DGRAM, 0), POLICY_DENY);
	CHECK_INT(decide(p, SYS_socket, AF_INET, SOCK_STREAM, 0), POLICY_DENY);
	CHECK_INT(decide(p, SYS_prctl, 15, 0, 0), POLICY_ALLOW);
	CHECK_INT(decide(p, SYS_prctl, 16, 0, 0), POLICY_DENY);
	/* seen with too many values to tell them apart */
	CHECK_INT(decide(p, SYS_fcntl, 0, 77, 0), POLICY_ALLOW);
	CHECK_INT(decide(p, SYS_clone, 0x10000 | 0x100, 0, 0), POLICY_ALLOW);
	CHECK_INT(decide(p, SYS_clone, 0x10000 | 0x10000000, 0, 0), POLICY_DENY);
	CHECK_INT(decide(p, SYS_clone3, 0, 0, 0), POLICY_DENY_QUIET);
	/* the base, seen or not */
	CHECK_INT(decide(p, SYS_exit_group, 0, 0, 0), POLICY_ALLOW);
	CHECK_INT(decide(p, SYS_restart_syscall, 0, 0, 0), POLICY_ALLOW);
	CHECK_INT(decide(p, SYS_mmap, 0, 0, PROT_READ | PROT_WRITE), POLICY_ALLOW);
	CHECK_INT(decide(p, SYS_mprotect, 0, 0, PROT_READ | PROT_EXEC), POLICY_DENY);
	CHECK_INT(decide(p, SYS_kill, 5, 15, 0), POLICY_ALLOW);
	CHECK_INT(decide(p, SYS_kill, 0, 15, 0), POLICY_DENY);
	CHECK_INT(decide(p, 9999, 0, 0, 0), POLICY_DENY);
	/* once each */
	CHECK(strstr(text, "AF_UNIX") && !strstr(strstr(text, "AF_UNIX") + 1, "AF_UNIX"));
	CHECK(!strstr(text, "fcntl when"));
	policy_free(p);
	free(text);
}

static bool writes(const struct policy *p, const char *folder)
{
	for (size_t i = 0; i < p->mount_count; i++)
		if (p->mounts[i].kind == POLICY_MOUNT_WRITE && strcmp(p->mounts[i].to, folder) == 0)
			return true;
	return false;
}

static size_t count_writes(const struct policy *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->mount_count; i++)
		n += p->mounts[i].kind == POLICY_MOUNT_WRITE;
	return n;
}

enum {
	W = POLICY_LEARN_WRITTEN,
	M = POLICY_LEARN_WRITTEN | POLICY_LEARN_MADE,
	G = POLICY_LEARN_WRITTEN | POLICY_LEARN_MADE | POLICY_LEARN_GONE
};

static void folders_as_they_were_before(void)
{
	static const struct policy_learn_path paths[] = {
		{"/home/u/p/out/deep/file", M},
		{"/home/u/p/out/deep", M},
		{"/home/u/p/out", M},
		{"/home/u/p-2/x", W},
		{"/home/u/p/sub/y", W},
		{"/srv/a b\"#/z", W},
		{"/etc/passwd", POLICY_LEARN_READ},
		{"/dev/null", W},
		{"/tmp/tmp.A1b2C3/x", G},
		{"/tmp/tmp.A1b2C3", G},
		{"/var/tmp/kept", M},
	};
	struct policy_evidence e = {.paths = paths, .path_count = TT_ARRAY_SIZE(paths)};
	char *text = NULL;
	struct policy *p = learn(&e, &text);

	if (!p)
		return;
	CHECK_INT(p->root, POLICY_ROOT_READ_ONLY);
	CHECK(writes(p, "/home/u/p") && writes(p, "/home/u/p-2") && writes(p, "/srv/a b\"#"));
	CHECK(writes(p, "/var/tmp"));
	CHECK_INT(count_writes(p), 4);
	CHECK(strstr(text, "\nmount tmpfs /tmp\n"));
	policy_free(p);
	free(text);
}

/* A folder that one run made and the other found is there; what lay in /tmp before is needed. */
static void several_runs(void)
{
	static const struct policy_learn_path paths[] = {
		{"/home/u/out", M},   {"/home/u/out/a", M}, {"/home/u/out", POLICY_LEARN_READ},
		{"/home/u/out/b", M}, {"/tmp/x", G},        {"/tmp/in", POLICY_LEARN_READ},
	};
	struct policy_evidence e = {.paths = paths, .path_count = TT_ARRAY_SIZE(paths)};
	char *text = NULL;
	struct policy *p = learn(&e, &text);

	if (!p)
		return;
	CHECK(writes(p, "/home/u") && writes(p, "/tmp"));
	CHECK_INT(count_writes(p), 2);
	policy_free(p);
	free(text);
}

static void random_names(void)
{
	static const struct policy_learn_path paths[] = {
		{"/srv/build-4711/o/x", W},  {"/srv/cache/1.2.3/x", W}, {"/srv/t/tmpab3x9kq2/x", W},
		{"/srv/MyProjectName/x", W}, {"/srv/sha256sum/x", W},
	};
	struct policy_evidence e = {.paths = paths, .path_count = TT_ARRAY_SIZE(paths)};
	char *text = NULL;
	struct policy *p = learn(&e, &text);

	if (p)
		CHECK_INT(count_writes(p), 5);
	policy_free(p);
	free(text);
	e.generalise = POLICY_GENERALISE_DIRS;
	p = learn(&e, &text);
	if (!p)
		return;
	CHECK(writes(p, "/srv/build-4711/o") && writes(p, "/srv/cache") && writes(p, "/srv/t"));
	CHECK(writes(p, "/srv/MyProjectName") && writes(p, "/srv/sha256sum"));
	policy_free(p);
	free(text);
}

static int network(const struct policy_learn_call *calls, size_t n, const char *to, const char *own)
{
	struct policy_evidence e = {.calls = calls,
				    .call_count = n,
				    .addresses = &to,
				    .address_count = to != NULL,
				    .own_addresses = &own,
				    .own_address_count = own != NULL};
	char *text = NULL;
	struct policy *p = learn(&e, &text);
	int r = p ? (int)p->network : -1;

	policy_free(p);
	free(text);
	return r;
}

static void networks(void)
{
	static const struct policy_learn_call inet[] = {
		{"socket", 3, {EQ(0, INT, AF_INET), EQ(1, 0xf, SOCK_STREAM), EQ(2, INT, 0)}},
		{"connect", 0, {{0}}},
	};
	static const struct policy_learn_call file[] = {
		{"socket", 3, {EQ(0, INT, AF_UNIX), EQ(1, 0xf, SOCK_STREAM), EQ(2, INT, 0)}},
		{"connect", 0, {{0}}},
	};
	static const struct policy_learn_call packet[] = {
		{"socket", 3, {EQ(0, INT, AF_PACKET), EQ(1, 0xf, SOCK_RAW), EQ(2, INT, 0)}},
	};

	CHECK_INT(network(inet, 0, NULL, NULL), POLICY_NET_OFF);
	CHECK_INT(network(inet, 1, NULL, NULL), POLICY_NET_OFF);  /* made and never used */
	CHECK_INT(network(inet, 2, NULL, NULL), POLICY_NET_HOST); /* used by who knows whom */
	CHECK_INT(network(inet, 2, "192.0.2.1:80", NULL), POLICY_NET_HOST);
	CHECK_INT(network(inet, 2, "127.0.0.1:80", NULL), POLICY_NET_HOST); /* of somebody else */
	CHECK_INT(network(inet, 2, "127.0.0.1:80", "127.0.0.1:0"), POLICY_NET_LOOPBACK);
	CHECK_INT(network(file, 2, "unix:/run/x", NULL), POLICY_NET_OFF);
	CHECK_INT(network(file, 2, "unix:@x", NULL), POLICY_NET_HOST);
	CHECK_INT(network(file, 2, "unix:@x", "unix:@x"), POLICY_NET_OFF);
	CHECK_INT(network(packet, 1, NULL, NULL), POLICY_NET_HOST);
}

static void nothing_ends_a_comment(void)
{
	static const char *const notes[] = {"run x\nallow bpf", "\x7f\t"};
	static const struct policy_learn_path paths[] = {{"/srv/a\nallow bpf/x", W},
							 {"/srv/b\x01/x", W}};
	struct policy_evidence e = {.name = "N\nallow bpf",
				    .notes = notes,
				    .note_count = 2,
				    .paths = paths,
				    .path_count = 2};
	char *text = NULL;
	struct policy *p = learn(&e, &text);

	if (!p)
		return;
	CHECK_INT(decide(p, SYS_bpf, 0, 0, 0), POLICY_DENY);
	CHECK(writes(p, "/srv/a\nallow bpf"));
	CHECK(writes(p, "/srv/b\x01"));
	policy_free(p);
	free(text);
}

static void too_many_folders(void)
{
	enum { COUNT = 1000 };
	static struct policy_learn_path paths[COUNT];
	static char names[COUNT][32];
	struct policy_evidence e = {.paths = paths, .path_count = COUNT};
	struct tt_err err = {""};
	char *text = NULL;

	for (int i = 0; i < COUNT; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "/srv/%d/x", i);
		paths[i] = (struct policy_learn_path){names[i], W};
	}
	CHECK_INT(policy_learn(&e, &text, &err), -E2BIG);
	CHECK(!text && strstr(err.text, "--generalise=dirs"));
	e.generalise = POLICY_GENERALISE_DIRS;
	CHECK_INT(policy_learn(&e, &text, &err), 0);
	free(text);
}

int main(void)
{
	TAP_RUN(calls_seen_pass_and_no_others);
	TAP_RUN(folders_as_they_were_before);
	TAP_RUN(several_runs);
	TAP_RUN(random_names);
	TAP_RUN(networks);
	TAP_RUN(nothing_ends_a_comment);
	TAP_RUN(too_many_folders);
	return tap_done();
}
