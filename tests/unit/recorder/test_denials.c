/* SPDX-License-Identifier: Apache-2.0 */
/* Refused calls: their arguments in words, what is put together, what would allow them. */
#include "recorder/denials.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tap.h"

static struct kernel_denial denial(int nr, uint64_t a, uint64_t b, uint64_t c)
{
	return (struct kernel_denial){
		.nr = nr,
		.args = {a, b, c},
		.verdict = {POLICY_DENY, EPERM},
		.pid = 100,
		.tid = 100,
		.comm = "prog",
		.text_arg = -1,
		.ts_ns = 1,
	};
}

static struct kernel_denial with_text(struct kernel_denial d, int arg, const void *text, size_t len)
{
	d.text_arg = (int8_t)arg;
	d.text_len = (uint16_t)len;
	memcpy(d.text, text, len);
	return d;
}

/* All words, with ", " between. */
static const char *words_of(struct kernel_denial d)
{
	static char text[2048];
	struct recorder_words w;
	const char *at = w.text;
	size_t n = 0;

	recorder_words_make(&w, &d);
	text[0] = '\0';
	for (unsigned i = 0; i < w.count; at += w.len[i++])
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.*s", i ? ", " : "", w.len[i],
				      at);
	return text;
}

static void arguments_have_names(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(80)};
	struct kernel_denial d;

	CHECK_STR(words_of(denial(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
		  "AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0");
	CHECK_STR(words_of(denial(SYS_kill, (uint64_t)-1, SIGTERM, 0)), "-1, SIGTERM");
	CHECK_STR(words_of(denial(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS, 0, 0)),
		  "CLONE_NEWNS|CLONE_NEWUSER");
	CHECK_STR(words_of(denial(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0)),
		  "CLONE_VM|CLONE_VFORK|SIGCHLD");
	CHECK_STR(words_of(denial(SYS_setuid, (uint32_t)-1, 0, 0)), "-1");
	CHECK_STR(words_of(denial(SYS_ioctl, 3, 0x5412, 0x1000)), "fd:3, TIOCSTI, 0x1000");
	CHECK_STR(words_of(denial(SYS_ioctl, 3, 0x5413, 0x1000)), "fd:3, 0x5413, 0x1000");
	CHECK_STR(words_of(denial(SYS_getpid, 7, 7, 7)), "");
	CHECK_STR(words_of(denial(KERNEL_CALLS_MAX + 5, 7, 7, 7)), "");
	CHECK_STR(words_of(denial(-1, 7, 7, 7)), "");
	d = denial(SYS_ptrace, PTRACE_ATTACH, 1, 0);
	CHECK_STR(words_of(d), "PTRACE_ATTACH, 1, NULL, NULL");
	/* a pointer that nobody looked at */
	CHECK_STR(words_of(denial(SYS_chroot, 0x7000, 0, 0)), "0x7000");
	CHECK_STR(words_of(denial(SYS_chroot, 0, 0, 0)), "NULL");
	CHECK_STR(words_of(with_text(denial(SYS_chroot, 0x7000, 0, 0), 0, "/srv", 4)), "/srv");
	in.sin_addr.s_addr = htonl(0x7f000001);
	CHECK_STR(
		words_of(with_text(denial(SYS_connect, 4, 0x7000, sizeof(in)), 1, &in, sizeof(in))),
		"fd:4, 127.0.0.1:80, 16");
}

static void the_mode_is_left_out_where_it_means_nothing(void)
{
	struct kernel_denial d = denial(SYS_openat, (uint64_t)AT_FDCWD, 0x7000, O_RDONLY);

	d.args[3] = 0644;
	CHECK_STR(words_of(with_text(d, 1, "x", 1)), "AT_FDCWD, x, O_RDONLY");
	d.args[2] = O_WRONLY | O_CREAT;
	CHECK_STR(words_of(with_text(d, 1, "x", 1)), "AT_FDCWD, x, O_WRONLY|O_CREAT, 0644");
	/* the upper half of a register does not count where the kernel takes an int */
	d.args[0] = 0xffffffff00000007;
	CHECK_STR(words_of(with_text(d, 1, "x", 1)), "fd:7, x, O_WRONLY|O_CREAT, 0644");
}

static void text_of_others_is_harmless(void)
{
	struct kernel_denial d;
	char all[KERNEL_TEXT_MAX];

	CHECK_STR(words_of(with_text(denial(SYS_chroot, 0x7000, 0, 0), 0,
				     "a\xff"
				     "b",
				     3)),
		  "a\xef\xbf\xbd"
		  "b");
	CHECK_STR(words_of(with_text(denial(SYS_chroot, 0x7000, 0, 0), 0, "/x?token=abcdef", 15)),
		  "/x?token=***");
	/* the longest there is */
	memset(all, 0xff, sizeof(all));
	d = with_text(denial(SYS_chroot, 0x7000, 0, 0), 0, all, sizeof(all));
	d.text_cut = true;
	CHECK_INT(strlen(words_of(d)), 3 * KERNEL_TEXT_MAX + 3);
}

static void only_looked_at_pointers_are_read(void)
{
	struct kernel_pointer p = recorder_words_pointer(SYS_openat);

	CHECK(p.arg == 1 && p.size == -1);
	p = recorder_words_pointer(SYS_connect);
	CHECK(p.arg == 1 && p.size == 2);
	CHECK_INT(recorder_words_pointer(SYS_socket).arg, -1);
	CHECK_INT(recorder_words_pointer(-1).arg, -1);
	CHECK_INT(recorder_words_pointer(1 << 30).arg, -1);
}

static const char *allowed_by(const char *profile, struct kernel_denial d)
{
	static char line[160];
	struct policy *p = NULL;
	struct tt_err err = {""};

	if (policy_load_text("test", profile, strlen(profile), &p, &err) < 0)
		return err.text[0] ? strdup(err.text) : "";
	(void)recorder_allow_line(line, sizeof(line), p, d.nr, d.args);
	policy_free(p);
	return line;
}

/* With the line behind it the profile allows the call, and without it does not. */
static void check_allow(const char *profile, struct kernel_denial d, const char *want)
{
	char text[512];
	struct kernel_denial other = d;
	struct policy *p = NULL;
	uint8_t before;
	struct tt_err err;
	const char *line = allowed_by(profile, d);

	CHECK_STR(line, want);
	CHECK_INT(policy_load_text("test", profile, strlen(profile), &p, &err), 0);
	CHECK(policy_decide(p, d.nr, d.args).action != POLICY_ALLOW);
	other.args[0] ^= 1;
	other.args[1] ^= 1;
	before = policy_decide(p, other.nr, other.args).action;
	policy_free(p);
	(void)snprintf(text, sizeof(text), "%s%s\n", profile, line);
	CHECK_INT(policy_load_text("test", text, strlen(text), &p, &err), 0);
	CHECK_INT(policy_decide(p, d.nr, d.args).action, POLICY_ALLOW);
	/* and no more than it */
	if (strstr(want, " when "))
		CHECK_INT(policy_decide(p, other.nr, other.args).action, before);
	policy_free(p);
}

static void the_smallest_line_names_what_the_rule_looked_at(void)
{
	check_allow("default allow\ndeny EPERM socket\n", denial(SYS_socket, AF_INET, 1, 0),
		    "allow socket");
	check_allow("default allow\ndeny EPERM socket when arg0 != AF_UNIX\n",
		    denial(SYS_socket, AF_INET, 1, 0), "allow socket when arg0 == AF_INET");
	check_allow("default allow\ndeny EPERM socket when arg1 & 0xf == 3\n",
		    denial(SYS_socket, AF_INET, 3 | SOCK_CLOEXEC, 0),
		    "allow socket when arg1 & 15 == 3");
	check_allow("default deny EPERM\nallow @basic\n", denial(SYS_socket, AF_INET, 1, 0),
		    "allow socket");
	check_allow("default allow\ndeny EPERM lseek when arg1:64 > 0x100000000\n",
		    denial(SYS_lseek, 3, 0x200000001, 0),
		    "allow lseek when arg1:64 == 0x200000001");
	check_allow("default allow\ndeny EPERM ioctl when request == TIOCSTI\n",
		    denial(SYS_ioctl, 0, 0x5412, 0), "allow ioctl when arg1 == TIOCSTI");
}

/* A run's parts that denials need, without a notifier. */
struct bench {
	struct recorder_denials d;
	struct recorder_track t;
	char folder[64];
};

static struct bench *bench_new(void)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct tt_err err;
	struct policy *p = NULL;

	strcpy(b->folder, "/tmp/test_denials_XXXXXX");
	CHECK(mkdtemp(b->folder));
	CHECK_INT(recorder_output_open(&b->t.out, b->folder, "id", "u", &err), 0);
	CHECK_INT(policy_load_text("test", "default allow\n", 14, &p, &err), 0);
	b->d.policy = p;
	recorder_tree_init(&b->t.tree);
	b->d.run_span.id = tt_uuid_make();
	return b;
}

/* Lines of the trace, and the sum of their counts. */
static unsigned lines_of(struct bench *b, uint64_t *ret_sum)
{
	char *line = NULL;
	size_t cap = 0;
	unsigned n = 0;
	FILE *f;

	recorder_output_flush(b->t.out);
	f = fopen(recorder_output_trace_path(b->t.out), "re");
	*ret_sum = 0;
	while (f && getline(&line, &cap, f) > 0) {
		json_t *j = json_loads(line, 0, NULL);

		CHECK(j != NULL);
		CHECK_STR(json_string_value(json_object_get(j, "event_type")), "denied");
		*ret_sum += (uint64_t)json_integer_value(json_object_get(j, "count"));
		json_decref(j);
		n++;
	}
	free(line);
	if (f)
		(void)fclose(f);
	return n;
}

static void bench_free(struct bench *b)
{
	char command[160];

	(void)snprintf(command, sizeof(command), "rm -r %s", b->folder);
	recorder_output_free(b->t.out);
	for (size_t i = 0; i < b->d.site_count; i++)
		free(b->d.sites[i]);
	while (b->d.others) {
		struct recorder_site *next = b->d.others->next;

		free(b->d.others);
		b->d.others = next;
	}
	policy_free((struct policy *)(uintptr_t)b->d.policy);
	free(b);
	CHECK_INT(system(command), 0);
}

static void lines_thin_out_and_totals_stay(void)
{
	struct bench *b = bench_new();
	struct kernel_denial d = denial(SYS_socket, AF_INET, 1, 0);
	uint64_t sum;

	for (int i = 0; i < 1000; i++)
		recorder_denials_add(&b->d, &b->t, &d, NULL, NULL);
	/* 1 to 32, 64, 128, 256, 512 */
	CHECK_INT(lines_of(b, &sum), 36);
	CHECK_INT(sum, 512);
	CHECK_INT(b->d.totals[POLICY_DENY], 1000);
	CHECK_STR(b->d.first, "socket");
	CHECK_INT(b->d.site_count, 1);
	CHECK_INT(b->d.sites[0]->count, 1000);
	bench_free(b);
}

static void sites_differ_by_process_call_flags_and_answer(void)
{
	struct bench *b = bench_new();
	struct kernel_denial d = denial(SYS_socket, AF_INET, 1, 0);

	recorder_denials_add(&b->d, &b->t, &d, NULL, NULL);
	d.args[0] = AF_INET6;
	recorder_denials_add(&b->d, &b->t, &d, NULL, NULL);
	d.pid = 101;
	recorder_denials_add(&b->d, &b->t, &d, NULL, NULL);
	d.verdict = (struct policy_verdict){POLICY_DENY_QUIET, EPERM};
	recorder_denials_add(&b->d, &b->t, &d, NULL, NULL);
	CHECK_INT(b->d.site_count, 4);
	/* fds and pointers do not make another */
	d = denial(SYS_connect, 3, 0x7000, 16);
	recorder_denials_add(&b->d, &b->t, &d, NULL, NULL);
	d = denial(SYS_connect, 4, 0x8000, 16);
	recorder_denials_add(&b->d, &b->t, &d, NULL, NULL);
	CHECK_INT(b->d.site_count, 5);
	CHECK_INT(b->d.totals[POLICY_DENY], 5);
	CHECK_INT(b->d.totals[POLICY_DENY_QUIET], 1);
	bench_free(b);
}

static void many_sites_are_counted_by_call(void)
{
	struct bench *b = bench_new();
	struct kernel_denial d = denial(SYS_socket, AF_INET, 1, 0);
	json_t *list;
	json_int_t sum = 0;
	size_t i;
	json_t *item = NULL;

	for (int k = 0; k < RECORDER_SITES_MAX + 500; k++) {
		d.pid = 1000 + k;
		recorder_denials_add(&b->d, &b->t, &d, NULL, NULL);
	}
	CHECK_INT(b->d.site_count, RECORDER_SITES_MAX);
	list = recorder_denials_list(&b->d, 1u << POLICY_DENY);
	CHECK_INT(json_array_size(list), RECORDER_SITES_MAX + 1);
	json_array_foreach(list, i, item) sum += json_integer_value(json_object_get(item, "count"));
	CHECK_INT(sum, RECORDER_SITES_MAX + 500);
	CHECK(json_is_null(json_object_get(item, "pid")));
	json_decref(list);
	bench_free(b);
}

static void numbers_of_no_call_share_a_site(void)
{
	struct bench *b = bench_new();
	json_t *list;

	for (int k = 0; k < RECORDER_SITES_MAX + 500; k++) {
		struct kernel_denial d = denial(KERNEL_CALLS_MAX + k, 0, 0, 0);

		recorder_denials_add(&b->d, &b->t, &d, NULL, NULL);
	}
	list = recorder_denials_list(&b->d, 1u << POLICY_DENY);
	CHECK_INT(json_array_size(list), RECORDER_SITES_MAX + 1);
	CHECK_INT(json_integer_value(
			  json_object_get(json_array_get(list, RECORDER_SITES_MAX), "count")),
		  500);
	CHECK_STR(json_string_value(
			  json_object_get(json_array_get(list, RECORDER_SITES_MAX), "syscall")),
		  "unknown");
	json_decref(list);
	bench_free(b);
}

static void the_stream_drops_and_says_so(void)
{
	struct recorder_site site = {.nr = SYS_socket, .verdict = {POLICY_DENY, EPERM}};
	struct kernel_denial d = denial(SYS_socket, AF_INET, 1, 0);
	struct recorder_stream *s;
	char buf[65536 + 4096];
	int pipe_fds[2];
	json_t *j;
	ssize_t n;

	CHECK_INT(pipe2(pipe_fds, O_CLOEXEC), 0);
	s = recorder_stream_new(pipe_fds[1], "TEST");
	strcpy(site.allow, "allow socket");
	recorder_stream_put(s, &site, &d, 1);
	n = read(pipe_fds[0], buf, sizeof(buf) - 1);
	CHECK(n > 0 && buf[n - 1] == '\n');
	buf[n] = '\0';
	j = json_loads(buf, 0, NULL);
	CHECK_STR(json_string_value(json_object_get(j, "code")), "TT-DENY-socket");
	CHECK_STR(json_string_value(json_object_get(j, "allow")), "allow socket");
	CHECK_INT(json_integer_value(json_object_get(j, "errno")), EPERM);
	CHECK(!json_object_get(j, "dropped"));
	json_decref(j);
	/* nobody reads: it does not block */
	for (int i = 0; i < 2000; i++)
		recorder_stream_put(s, &site, &d, 1);
	while ((n = read(pipe_fds[0], buf, sizeof(buf) - 1)) == (ssize_t)sizeof(buf) - 1)
		;
	CHECK(n > 0 && buf[n - 1] == '\n');
	recorder_stream_put(s, &site, &d, 1);
	n = read(pipe_fds[0], buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = '\0';
	CHECK(strstr(buf, "\"dropped\": 1"));
	/* nor does it mind a reader that is gone */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)close(pipe_fds[0]);
	recorder_stream_put(s, &site, &d, 1);
	recorder_stream_put(s, &site, &d, 1);
	(void)close(pipe_fds[1]);
	recorder_stream_free(s);
}

int main(void)
{
	TAP_RUN(arguments_have_names);
	TAP_RUN(the_mode_is_left_out_where_it_means_nothing);
	TAP_RUN(text_of_others_is_harmless);
	TAP_RUN(only_looked_at_pointers_are_read);
	TAP_RUN(the_smallest_line_names_what_the_rule_looked_at);
	TAP_RUN(lines_thin_out_and_totals_stay);
	TAP_RUN(sites_differ_by_process_call_flags_and_answer);
	TAP_RUN(many_sites_are_counted_by_call);
	TAP_RUN(numbers_of_no_call_share_a_site);
	TAP_RUN(the_stream_drops_and_says_so);
	return tap_done();
}
