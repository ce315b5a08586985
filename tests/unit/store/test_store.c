/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of the files on disk: names, trace lines, runs, views, trees. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/names.h"
#include "store/runs.h"
#include "store/trace.h"
#include "store/tree.h"
#include "store/view.h"
#include "tap.h"

#define TS(n)   "{\"ts\": \"2025-09-03T13:55:14.00000000" #n "+00:00\", "
#define LINE(n) TS(n) "\"event_type\": \"syscall\"}\n"

static int memory_file(const void *data, size_t len)
{
	int fd = memfd_create("trace", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	return fd;
}

static struct store_trace *open_bytes(const void *data, size_t len)
{
	struct store_trace *t;

	if (store_trace_take(&t, memory_file(data, len), NULL) < 0)
		abort();
	return t;
}

/* What a reader gives, one letter per item: the last digit of the time, or '-' for a gap. */
static const char *read_all(const void *data, size_t len)
{
	static char out[256];
	struct store_trace *t = open_bytes(data, len);
	struct store_item item;
	size_t n = 0;

	while (n + 1 < sizeof(out) && store_trace_next(t, &item, NULL) == 1)
		out[n++] = item.kind == STORE_ITEM_LINE ? (char)('0' + item.ts_ns % 10) : '-';
	out[n] = '\0';
	store_trace_free(t);
	return out;
}

#define CHECK_READS(text, want) CHECK_STR(read_all(text, sizeof(text) - 1), want)

static void test_lines(void)
{
	CHECK_READS("", "");
	CHECK_READS("\n\n", "");
	CHECK_READS(LINE(1) LINE(2), "12");
	CHECK_READS(TS(1) "\"event_type\": \"gap\"}", "1"); /* the newline itself was torn off */
	CHECK_READS("\n" LINE(1), "1");
}

static void test_torn(void)
{
	CHECK_READS(LINE(1) "{\"ts\": \"2025\n" LINE(2), "1-2");
	CHECK_READS("{\"ts\": \"20" LINE(2), "-2");
	CHECK_READS("{\"ts\": \"20{\"ts\": {\"ts\":" LINE(2), "-2");
	CHECK_READS("junk\nmore\n" LINE(2), "-2"); /* one stretch, one gap */
	CHECK_READS(LINE(1) "{\"ts\": \"20", "1-");
	CHECK_READS(LINE(1) "\0\0\0\0" LINE(2), "1-2");
	CHECK_READS("[1]\n{}\n" LINE(3), "-3");
	CHECK_READS("{\"ts\": 5, \"event_type\": \"gap\"}\n", "-");
	CHECK_READS(TS(1) "\"event_type\": 7}\n", "-");
	CHECK_READS(TS(1) "\"event_type\": \"gap\", \"event_type\": \"run\"}\n", "-");
	CHECK_READS("{\"ts\": \"2025-13-03T13:55:14.0+00:00\", \"event_type\": \"gap\"}\n", "-");
}

/* Every prefix of three lines gives the whole lines in it, and a gap for what is left. */
static void test_every_prefix(void)
{
	static const char text[] = LINE(1) LINE(2) LINE(3);
	const size_t one = sizeof(LINE(1)) - 1;

	for (size_t len = 0; len < sizeof(text); len++) {
		size_t whole = len / one, rest = len % one;
		char want[8] = "";

		/* without its newline a line is whole, too */
		memcpy(want, "123", whole);
		if (rest == one - 1)
			want[whole] = (char)('1' + whole);
		else if (rest)
			want[whole] = '-';
		CHECK_STR(read_all(text, len), want);
	}
}

/* A line of exactly @len bytes, newline included. */
static char *long_line(size_t len)
{
	static const char head[] = TS(4) "\"event_type\": \"gap\", \"x\": \"";
	char *line = malloc(len + 1);

	if (!line)
		abort();
	memset(line, 'a', len);
	memcpy(line, head, sizeof(head) - 1);
	memcpy(line + len - 3, "\"}\n", 4);
	return line;
}

static void test_longest_line(void)
{
	static const size_t sizes[] = {STORE_LINE_MAX, STORE_LINE_MAX + 1, 2 * STORE_LINE_MAX,
				       7 * STORE_LINE_MAX};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t tail = sizeof(LINE(5)) - 1;
		char *line = long_line(sizes[i] + tail);

		memcpy(line + sizes[i] - 3, "\"}\n" LINE(5), tail + 4);
		CHECK_STR(read_all(line, sizes[i] + tail),
			  sizes[i] <= STORE_LINE_MAX ? "45" : "-5");
		free(line);
	}
}

static void test_gap_counts_bytes(void)
{
	static const char text[] = "abcde\nfg\n" LINE(1);
	struct store_trace *t = open_bytes(text, sizeof(text) - 1);
	struct store_item item;

	CHECK_INT(store_trace_next(t, &item, NULL), 1);
	CHECK_INT(item.kind, STORE_ITEM_UNREADABLE);
	CHECK_INT(item.bytes, 7);
	CHECK_INT(store_trace_next(t, &item, NULL), 1);
	CHECK_INT(item.kind, STORE_ITEM_LINE);
	CHECK_INT(item.text.len, sizeof(LINE(1)) - 2);
	CHECK_INT(store_trace_next(t, &item, NULL), 0);
	store_trace_free(t);
}

static void test_follow(void)
{
	static const char text[] = LINE(1) LINE(2);
	int fd = memfd_create("trace", MFD_CLOEXEC), writer = dup(fd);
	struct store_trace *t;
	struct store_item item;

	CHECK_INT(store_trace_take(&t, fd, NULL), 0);
	store_trace_follow(t, true);
	CHECK_INT(store_trace_next(t, &item, NULL), 0);
	CHECK_INT(pwrite(writer, text, 30, 0), 30);
	CHECK_INT(store_trace_next(t, &item, NULL), 0); /* half a line waits */
	CHECK_INT(pwrite(writer, text + 30, sizeof(text) - 31, 30), sizeof(text) - 31);
	CHECK_INT(store_trace_next(t, &item, NULL), 1);
	CHECK_INT(item.kind, STORE_ITEM_LINE);
	CHECK_INT(store_trace_next(t, &item, NULL), 1);
	CHECK_INT(store_trace_next(t, &item, NULL), 0);
	/* damage that ends in a newline is told at once */
	CHECK_INT(pwrite(writer, "junk\n", 5, sizeof(text) - 1), 5);
	CHECK_INT(store_trace_next(t, &item, NULL), 1);
	CHECK_INT(item.kind, STORE_ITEM_UNREADABLE);
	CHECK_INT(store_trace_next(t, &item, NULL), 0);
	CHECK_INT(pwrite(writer, text, 30, sizeof(text) + 4), 30);
	CHECK_INT(store_trace_next(t, &item, NULL), 0);
	store_trace_follow(t, false);
	CHECK_INT(store_trace_next(t, &item, NULL), 1);
	CHECK_INT(item.kind, STORE_ITEM_UNREADABLE);
	CHECK_INT(store_trace_next(t, &item, NULL), 0);
	store_trace_free(t);
	close(writer);
}

static void test_open_refuses(void)
{
	struct store_trace *t = NULL;
	struct tt_err err;

	CHECK_INT(store_trace_open(&t, "/dev/null", &err), -EINVAL);
	CHECK_STR(err.text, "open trace '/dev/null': the trace is not a regular file");
	CHECK_INT(store_trace_open(&t, "/", NULL), -EINVAL);
	CHECK_INT(store_trace_open(&t, "/nonexistent/trace", NULL), -ENOENT);
	CHECK(!t);
}

static void test_time(void)
{
	static const char *const bad[] = {
		"",
		"2025-09-03T13:55:14",             /* no zone */
		"2025-09-03T13:55:14+01:00",       /* another zone */
		"2025-09-03 13:55:14Z",            /* no T */
		"2025-09-03T24:00:00Z",            /* no such hour */
		"2025-00-03T13:55:14Z",            /* no such month */
		"2025-09-03T13:55:14.1234567890Z", /* more than nine digits */
		"9999-09-03T13:55:14Z",            /* more than 64 bits of nanoseconds */
		"1969-12-31T23:59:59Z",            /* before the epoch */
	};
	struct store_text text = {"2025-09-03T13:55:14.921517011+00:00", 35};
	uint64_t ns = 0;

	CHECK(store_time_parse(text, &ns));
	CHECK_INT(ns, 1756907714921517011);
	CHECK(store_time_parse((struct store_text){"1970-01-01T00:00:00.5Z", 22}, &ns));
	CHECK_INT(ns, 500000000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!store_time_parse((struct store_text){bad[i], strlen(bad[i])}, &ns));
	for (size_t len = 0; len < text.len; len++)
		CHECK(!store_time_parse((struct store_text){text.data, len}, &ns));
}

static void test_names(void)
{
	struct store_names n;
	char text[16];
	bool is_new;

	store_names_init(&n, 1000);
	CHECK_INT(store_names_find(&n, (struct store_text){"a", 1}), STORE_NONE);
	for (unsigned i = 0; i < 1000; i++) {
		int len = snprintf(text, sizeof(text), "%u", i);

		CHECK_INT(store_names_add(&n, (struct store_text){text, (size_t)len}, &is_new), i);
		CHECK(is_new);
	}
	CHECK_INT(store_names_add(&n, (struct store_text){"17", 2}, &is_new), 17);
	CHECK(!is_new);
	CHECK_INT(store_names_add(&n, (struct store_text){"1000", 4}, &is_new),
		  STORE_NONE); /* past the limit */
	CHECK_INT(n.refused, 1);
	CHECK_INT(store_names_find(&n, (struct store_text){"17\0", 3}), STORE_NONE);
	CHECK_STR(n.items[999].data, "999");
	store_names_done(&n);
}

#define A "0190aaaa-0000-7000-8000-000000000001"
#define B "0190aaab-0000-7000-8000-000000000002"
#define C "0190bbbb-0000-7000-8000-000000000003"

static char folder[64];

static void put_file(const char *name, const char *text)
{
	char path[512], *slash;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	for (slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0700); /* most are there */
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
}

static const char *resolve(const char *name)
{
	static char out[400];
	struct store_run run;
	struct tt_err err = {""};
	int r = store_run_resolve(&run, name, &err);

	if (r < 0) {
		snprintf(out, sizeof(out), "%s: %s", r == -ENOTUNIQ ? "several" : "none", err.text);
		return out;
	}
	snprintf(out, sizeof(out), "%s%s%s", run.id, run.has_json ? " json" : "",
		 run.has_trace ? " trace" : "");
	store_run_done(&run);
	return out;
}

static void test_resolve(void)
{
	char path[256];

	CHECK_STR(resolve(NULL), C " json");
	CHECK_STR(resolve(A), A " json trace");
	CHECK_STR(resolve("0190aaab"), B " trace");
	CHECK_STR(resolve("0190aaa"), "several: '0190aaa' fits 2 runs: " B ", " A);
	CHECK_STR(resolve("7"), "none: no run '7': see 'telltale list'");
	CHECK_STR(resolve(""), "none: the name of the run is empty");
	snprintf(path, sizeof(path), "%s/telltale/runs/%s", folder, A);
	CHECK_STR(resolve(path), " json trace");
	snprintf(path, sizeof(path), "%s/telltale/runs/%s/trace.jsonl", folder, A);
	CHECK_STR(resolve(path), " json trace");
	snprintf(path, sizeof(path), "%s/out/run_20250903T135514Z_" A ".json", folder);
	CHECK_STR(resolve(path), A " json trace");
	snprintf(path, sizeof(path), "%s/out", folder);
	CHECK_STR(resolve(path), A " json trace");
	snprintf(path, sizeof(path), "%s/bare.jsonl", folder);
	CHECK_STR(resolve(path), " trace");
	CHECK(strncmp(resolve("/dev/null"), "none: open run", 14) == 0);
	CHECK(strncmp(resolve("/nonexistent/x"), "none: open run", 14) == 0);
}

static void test_runs(void)
{
	struct store_runs runs;

	CHECK_INT(store_runs_find(&runs, NULL), 0);
	CHECK_INT(runs.count, 3); /* neither the empty folder nor the one with another name */
	if (runs.count == 3) {
		CHECK_STR(runs.items[0].id, C);
		CHECK_STR(runs.items[2].id, A);
	}
	store_runs_done(&runs);
	setenv("XDG_STATE_HOME", "relative", 1);
	setenv("HOME", "/nonexistent", 1);
	CHECK_INT(store_runs_find(&runs, NULL), 0);
	CHECK_INT(runs.count, 0);
	unsetenv("HOME");
	CHECK_INT(store_runs_find(&runs, NULL), -ENOENT);
	setenv("XDG_STATE_HOME", folder, 1);
}

static void test_run_load(void)
{
	struct store_run run;
	struct tt_err err;
	json_t *doc = NULL;

	CHECK_INT(store_run_resolve(&run, A, NULL), 0);
	CHECK_INT(store_run_load(&run, &doc, NULL), 0);
	CHECK(json_is_object(doc));
	json_decref(doc);
	store_run_done(&run);
	CHECK_INT(store_run_resolve(&run, C, NULL), 0);
	CHECK_INT(store_run_load(&run, &doc, &err), -EBADMSG);
	CHECK(strstr(err.text, "run.json': line 1"));
	store_run_done(&run);
}

#define EV(n, type, span, parent) \
	TS(n)                     \
	"\"event_type\": \"" type "\", \"span_id\": \"" span "\", \"parent_span\": " parent ", "
#define START(n, span, parent, how, pid) \
	EV(n, "process", span, parent)   \
	"\"syscall\": \"start\", \"how\": \"" how "\", \"pid\": " #pid "}\n"
#define CALL(n, span, call, args, more)                                        \
	EV(n, "syscall", span, "null")                                         \
	"\"sensor\": \"preload\", \"syscall\": \"" call "\", \"args\": [" args \
	"], \"result\": 0" more "}\n"

static struct store_view *view_of(const char *text)
{
	int fd = memory_file(text, strlen(text));
	struct store_run run = {.has_trace = true};
	struct store_view *v = NULL;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	run.trace_path = path;
	if (store_view_load(&v, &run, NULL) < 0)
		abort();
	close(fd);
	return v;
}

static unsigned what_of(const struct store_view *v, const char *path)
{
	uint32_t i = store_names_find(&v->file_names, (struct store_text){path, strlen(path)});

	return i == STORE_NONE ? 0 : v->files[i].what;
}

#define PATH(p) ", \"path\": \"" p "\""

static void test_view_files(void)
{
	/* clang-format off */
	static const char text[] =
		CALL(1, "s", "open", "\"a\", \"O_RDWR|O_CREAT\", \"0644\"", PATH("/d/a"))
		CALL(2, "s", "fopen", "\"b\", \"rb+\"", PATH("/d/b"))
		CALL(3, "s", "fopen", "\"c\", \"rb\"", PATH("/d/c"))
		CALL(3, "s", "openat", "\"fd:3\", \"e\", \"O_RDONLY|O_TRUNCATED\"", PATH("/d/e"))
		CALL(4, "s", "rename", "\"a\", \"z\"", PATH("/d/a") ", \"path2\": \"/d/z\"")
		CALL(5, "s", "unlink", "\"b\"", PATH("/d/b"))
		CALL(6, "s", "open", "\"rw\", \"O_RDWR|O_CLOEXEC\"", PATH("/d/rw"))
		CALL(6, "s", "mkdir", "\"m\", \"0755\"", PATH("/d/m"))
		CALL(7, "s", "open", "\"f\", \"O_WRONLY\"", PATH("/d/f") ", \"error\": \"EACCES\"")
		CALL(8, "s", "open", "\"g\", \"O_RDONLY\"", PATH("/d/g") ", \"error\": \"ENOENT\"")
		CALL(9, "s", "creat", "\"h\", \"0600\"", "");
	/* clang-format on */
	struct store_view *v = view_of(text);

	CHECK_INT(what_of(v, "/d/a"), STORE_FILE_WRITTEN | STORE_FILE_RENAMED | STORE_FILE_GONE);
	CHECK_INT(what_of(v, "/d/b"), STORE_FILE_WRITTEN | STORE_FILE_DELETED | STORE_FILE_GONE);
	CHECK_INT(what_of(v, "/d/c"), STORE_FILE_READ);
	CHECK_INT(what_of(v, "/d/rw"), STORE_FILE_WRITTEN);
	CHECK_INT(what_of(v, "/d/e"), STORE_FILE_READ);
	CHECK_INT(what_of(v, "/d/z"), STORE_FILE_ARRIVED);
	CHECK_INT(what_of(v, "/d/m"), STORE_FILE_MADE);
	CHECK_INT(what_of(v, "/d/f"), 0);
	CHECK_INT(what_of(v, "h"), STORE_FILE_WRITTEN); /* nobody knows where */
	CHECK_INT(v->error_names.count, 2);
	CHECK_INT(v->not_found, 1);
	CHECK_INT(v->calls, 11);
	store_view_free(v);
}

static void test_view_acts(void)
{
	/* clang-format off */
	static const char text[] =
		CALL(1, "s", "mkstemp", "\"tXXXXXX\"", PATH("/d/t123456"))
		CALL(2, "s", "linkat", "\"AT_FDCWD\", \"a\", \"AT_FDCWD\", \"b\", \"0\"",
		     PATH("/d/a") ", \"path2\": \"/d/b\"")
		CALL(3, "s", "chmod", "\"a\", \"0600\"", PATH("/d/a"))
		CALL(4, "s", "fchmod", "\"fd:3\", \"0600\"", "")
		CALL(5, "s", "opendir", "\"d\"", PATH("/d"))
		CALL(5, "s", "opendir", "\"n\"", PATH("/n") ", \"error\": \"ENOENT\"")
		CALL(6, "s", "truncate", "\"c\", \"5\"", PATH("/d/c"))
		CALL(6, "s", "mknodat", "\"AT_FDCWD\", \"p\", \"S_IFIFO|0600\", \"0:0\"",
		     PATH("/d/p"))
		CALL(7, "s", "mount", "\"none\", \"/m\", \"tmpfs\", \"0\", \"17\"", PATH("/m"))
		CALL(8, "s", "setuid", "\"65534\"", "")
		CALL(9, "s", "setuid", "\"65534\"", "")
		CALL(9, "s", "chroot", "\"/j\"", PATH("/j") ", \"error\": \"EPERM\"")
		CALL(9, "s", "shm_open", "\"/o\", \"O_RDWR|O_CREAT\", \"0600\"", "");
	/* clang-format on */
	struct store_view *v = view_of(text);

	CHECK_INT(what_of(v, "/d/t123456"), STORE_FILE_WRITTEN);
	CHECK_INT(what_of(v, "/d/b"), STORE_FILE_MADE);
	CHECK_INT(what_of(v, "/d/a"), STORE_FILE_CHANGED);
	CHECK_INT(what_of(v, "/d"), STORE_FILE_READ);
	CHECK_INT(what_of(v, "/d/c"), STORE_FILE_WRITTEN);
	CHECK_INT(what_of(v, "/d/p"), STORE_FILE_MADE);
	CHECK_INT(v->file_names.count, 6);
	CHECK_INT(v->not_found, 1);
	CHECK_INT(v->error_names.count, 2);
	CHECK_INT(v->act_names.count, 2);
	if (v->act_names.count == 2) {
		CHECK_STR(v->acts[0].call.data, "mount");
		CHECK_STR(v->acts[0].what.data, "none /m tmpfs 0");
		CHECK_STR(v->acts[1].what.data, "65534");
		CHECK_INT(v->acts[1].count, 2);
	}
	store_view_free(v);
}

static void test_view_hosts(void)
{
	struct store_view *v = view_of(
		CALL(1, "s", "connect", "\"fd:3\", \"h:1\"",
		     ", \"addr\": \"h:1\"") CALL(2, "s", "connect", "\"fd:3\", \"h:1\"",
						 ", \"addr\": \"h:1\", \"error\": \"EINPROGRESS\"")
			CALL(3, "s", "connect", "\"fd:3\", \"h:1\"",
			     ", \"addr\": \"h:1\", \"error\": \"ECONNREFUSED\"")
				CALL(4, "s", "bind", "\"fd:3\", \"h:1\"", ", \"addr\": \"h:1\"")
					CALL(5, "s", "getaddrinfo", "\"n\", \"80\"",
					     ", \"answers\": [\"h:80\"]"));

	CHECK_INT(v->host_names.count, 3);
	if (v->host_names.count == 3) {
		CHECK_INT(v->hosts[0].tries, 3);
		CHECK_INT(v->hosts[0].failed, 1);
		CHECK_INT(v->hosts[0].begun, 1);
		CHECK_STR(v->hosts[0].name.data, "h:1");
		CHECK_INT(v->hosts[1].kind, STORE_HOST_BIND);
		CHECK_STR(v->hosts[2].name.data, "n");
		CHECK_INT(json_array_size(v->hosts[2].answers), 1);
	}
	store_view_free(v);
}

/* Whom messages go to, and who is listened for. A socket is no host. */
static void test_view_messages(void)
{
	/* clang-format off */
	static const char text[] =
		CALL(1, "s", "socket", "\"AF_INET\", \"SOCK_DGRAM\", \"0\"", "")
		CALL(2, "s", "sendto", "\"fd:3\", \"5\", \"0\", \"h:1\"",
		     ", \"addr\": \"h:1\"")
		CALL(3, "s", "sendmsg", "\"fd:3\", \"h:1\", \"0\"", ", \"addr\": \"h:1\"")
		CALL(4, "s", "listen", "\"fd:3\", \"5\"", "")
		CALL(5, "s", "listen", "\"fd:3\", \"5\"", ", \"error\": \"EOPNOTSUPP\"")
		CALL(6, "s", "gethostbyname", "\"n\"", ", \"answers\": [\"h:0\"]")
		CALL(7, "s", "shutdown", "\"fd:3\", \"SHUT_RD\"", "");
	/* clang-format on */
	struct store_view *v = view_of(text);

	CHECK_INT(v->host_names.count, 2);
	if (v->host_names.count == 2) {
		CHECK_INT(v->hosts[0].kind, STORE_HOST_SEND);
		CHECK_INT(v->hosts[0].tries, 2);
		CHECK_INT(v->hosts[1].kind, STORE_HOST_LOOKUP);
	}
	CHECK_INT(v->listens, 1);
	CHECK_INT(v->error_names.count, 1);
	store_view_free(v);
}

static void test_view_others(void)
{
	/* clang-format off */
	static const char text[] =
		CALL(1, "s", "kill", "\"7\", \"SIGTERM\"", "")
		CALL(2, "s", "tgkill", "\"8\", \"9\", \"SIGTERM\"", "")
		CALL(3, "s", "kill", "\"8\", \"SIGTERM\"", "")
		CALL(4, "s", "kill", "\"8\", \"SIGTERM\"", ", \"error\": \"EPERM\"")
		CALL(5, "s", "ptrace", "\"PTRACE_ATTACH\", \"8\"", "")
		CALL(6, "s", "dlopen", "\"/usr/lib/a.so\", \"RTLD_NOW\"", PATH("/usr/lib/a.so"))
		CALL(7, "s", "dlopen", "\"/tmp/a.so\", \"RTLD_NOW\"", PATH("/tmp/a.so"))
		CALL(8, "s", "dlopen", "\"libm.so.6\", \"RTLD_NOW\"", "")
		CALL(8, "s", "dlopen", "\"/home/a.so\", \"RTLD_NOW\"", PATH("/home/a.so"))
		CALL(8, "s", "open", "\"a.so\", \"O_WRONLY\"", PATH("/home/a.so"))
		CALL(8, "s", "dlopen", "\"/home/a.so\", \"RTLD_NOW\"", PATH("/home/a.so"))
		CALL(9, "s", "bpf", "\"5\", \"120\"", "");
	/* clang-format on */
	static const char *const want[] = {"kill SIGTERM",     "tgkill SIGTERM",    "ptrace 8",
					   "dlopen /tmp/a.so", "dlopen /home/a.so", "bpf 5 120"};
	struct store_view *v = view_of(text);
	char got[64];

	CHECK_INT(v->act_names.count, TT_ARRAY_SIZE(want));
	for (uint32_t i = 0; i < v->act_names.count && i < TT_ARRAY_SIZE(want); i++) {
		snprintf(got, sizeof(got), "%s %s", v->acts[i].call.data, v->acts[i].what.data);
		CHECK_STR(got, want[i]);
		CHECK_INT(v->acts[i].count, i ? 1 : 2);
	}
	CHECK_INT(v->error_names.count, 1);
	CHECK_INT(v->io_urings, 0);
	store_view_free(v);
	v = view_of(CALL(1, "s", "io_uring_setup", "\"64\"", "")
			    CALL(2, "s", "io_uring_setup", "\"64\"", ", \"error\": \"EPERM\""));
	CHECK_INT(v->io_urings, 1);
	CHECK_INT(v->act_names.count, 0);
	store_view_free(v);
}

#define GAP(n, reason, count)     \
	EV(n, "gap", "s", "null") \
	"\"sensor\": \"preload\", \"reason\": \"" reason "\", \"count\": " #count "}\n"

static void test_view_gaps(void)
{
	static const char text[] = START(1, "s", "null", "fork", 7) "torn\n" GAP(2, "ring_full", 5)
		GAP(3, "ring_full", 2) GAP(4, "killed", null);
	struct store_view *v = view_of(text);

	CHECK_INT(v->gap_count, 3);
	CHECK_INT(v->unreadable, 1);
	CHECK_INT(v->spans[0].lost, 7);
	CHECK(v->spans[0].lost_unknown);
	if (v->gap_count == 3) {
		CHECK_INT(v->gaps[1].events, 7);
		CHECK_INT(v->gaps[1].stretches, 2);
		CHECK(!v->gaps[1].at_least);
		CHECK(v->gaps[2].at_least);
	}
	store_view_free(v);
}

/* Rows as "pid depth images", in order. */
static const char *draw(const char *text)
{
	static char out[256];
	struct store_view *v = view_of(text);
	struct store_tree tree;
	size_t at = 0;

	if (store_tree_build(&tree, v) < 0)
		abort();
	out[0] = '\0';
	for (uint32_t i = 0; i < tree.count; i++) {
		int images = 0;

		for (uint32_t s = tree.rows[i].image; s != STORE_NONE; s = tree.next_image[s])
			images++;
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%d@%d*%d%s", i ? " " : "",
				       (int)v->spans[tree.rows[i].last].pid,
				       (int)tree.rows[i].depth, images,
				       tree.rows[i].is_last ? "." : "");
	}
	store_tree_done(&tree);
	store_view_free(v);
	return out;
}

static void test_tree(void)
{
	CHECK_STR(draw(""), "");
	CHECK_STR(draw(START(1, "r", "\"outside\"", "launch", 7) START(2, "c", "\"r\"", "exec", 7)),
		  "7@0*2.");
	/* sh -c 'a | b': two forks, each with an exec; the second starts first */
	CHECK_STR(draw(START(1, "sh", "null", "exec", 7) START(4, "a", "\"sh\"", "fork", 8)
			       START(3, "b", "\"sh\"", "fork", 9) START(5, "a2", "\"a\"", "exec", 8)
				       START(6, "b2", "\"b\"", "exec", 9)),
		  "7@0*1. 9@1*2 8@1*2.");
	/* an exec event from another process is a child, not a new image */
	CHECK_STR(draw(START(1, "a", "null", "fork", 7) START(2, "b", "\"a\"", "exec", 8)),
		  "7@0*1. 8@1*1.");
	/* circles, of execs and of forks, and a span that is its own parent */
	CHECK_STR(draw(START(1, "a", "\"b\"", "exec", 7) START(2, "b", "\"a\"", "exec", 7)),
		  "7@0*2.");
	CHECK_STR(draw(START(1, "a", "\"b\"", "fork", 7) START(2, "b", "\"a\"", "fork", 8)),
		  "7@0*1. 8@1*1.");
	CHECK_STR(draw(START(1, "a", "\"a\"", "fork", 7)), "7@0*1.");
	CHECK_STR(draw(START(1, "a", "null", "fork", 7) START(2, "b", "null", "fork", 8)),
		  "7@0*1 8@0*1.");
}

#define END(n, span, what, more) \
	EV(n, "process", span, "null") "\"syscall\": \"" what "\", \"pid\": 7" more "}\n"

/* Who saw an image stands on its end; a process is what its worst image is. */
static void test_coverage(void)
{
	static const char text[] = START(1, "l", "null", "launch", 7)
		END(1, "l", "replaced", ", \"coverage\": \"none\", \"cause\": \"brief\"")
			START(2, "a", "\"l\"", "exec",
			      7) END(3, "a", "replaced",
				     ", \"coverage\": \"full\"") START(4, "b", "\"a\"", "exec", 7)
				END(5, "b", "exit",
				    ", \"coverage\": \"kernel-only\", "
				    "\"cause\": \"static\", "
				    "\"lines_kernel\": 3, "
				    "\"lines_declared\": -1") START(6, "c", "null", "fork", 8)
					END(7, "c", "exit", ", \"coverage\": 5, \"cause\": 5");
	struct store_view *v = view_of(text);
	struct store_tree tree;
	const struct store_span *worst;

	if (store_tree_build(&tree, v) < 0)
		abort();
	CHECK_INT(tree.count, 2);
	CHECK(tree.rows[0].worst != STORE_NONE);
	worst = &v->spans[tree.rows[0].worst];
	CHECK_INT(worst->coverage, STORE_COVERAGE_KERNEL);
	CHECK_STR(json_string_value(worst->cause), "static");
	CHECK_INT(worst->lines_kernel, 3);
	CHECK_INT(worst->lines_declared, 0);
	CHECK(tree.rows[1].worst == STORE_NONE);
	store_tree_done(&tree);
	store_view_free(v);
}

static void test_told(void)
{
	static const char text[] = CALL(
		1, "s", "open", "\"/a\", \"O_RDONLY\"",
		", \"path\": \"/a\"") CALL(2, "s", "open", "\"/b\", \"O_RDONLY\"",
					   ", \"path\": \"/b\", \"confirmed_by\": \"kernel\"")
		EV(3, "syscall", "s",
		   "null") "\"sensor\": \"kernel\", \"syscall\": \"unlink\", \"args\": [\"/c\"], "
			   "\"result\": 0, \"path\": \"/c\"}\n";
	struct store_view *v = view_of(text);

	CHECK_INT(v->file_names.count, 3);
	CHECK_INT(v->files[0].told, STORE_TOLD_LIBRARY);
	CHECK_INT(v->files[1].told, STORE_TOLD_LIBRARY | STORE_TOLD_CONFIRMED);
	CHECK_INT(v->files[2].told, STORE_TOLD_KERNEL);
	CHECK_INT(v->calls, 3);
	CHECK_INT(v->confirmed, 1);
	CHECK_INT(v->by_kernel, 1);
	store_view_free(v);
}

int main(void)
{
	char command[128];

	snprintf(folder, sizeof(folder), "/tmp/test_store.XXXXXX");
	if (!mkdtemp(folder))
		return 1;
	setenv("XDG_STATE_HOME", folder, 1);
	put_file("telltale/runs/" A "/run.json", "{\"run_id\": \"" A "\"}\n");
	put_file("telltale/runs/" A "/trace.jsonl", LINE(1));
	put_file("telltale/runs/" B "/trace.jsonl", LINE(1));
	put_file("telltale/runs/" C "/run.json", "{torn\n");
	put_file("telltale/runs/other/run.json", "{}\n");
	put_file("telltale/runs/0190cccc-0000-7000-8000-000000000004/notes", "");
	put_file("out/run_20250903T135514Z_" A ".json", "{}\n");
	put_file("out/trace_20250903T135514Z_" A ".jsonl", "");
	put_file("bare.jsonl", "");

	TAP_RUN(test_lines);
	TAP_RUN(test_torn);
	TAP_RUN(test_every_prefix);
	TAP_RUN(test_longest_line);
	TAP_RUN(test_gap_counts_bytes);
	TAP_RUN(test_follow);
	TAP_RUN(test_open_refuses);
	TAP_RUN(test_time);
	TAP_RUN(test_names);
	TAP_RUN(test_resolve);
	TAP_RUN(test_runs);
	TAP_RUN(test_run_load);
	TAP_RUN(test_view_files);
	TAP_RUN(test_view_acts);
	TAP_RUN(test_view_hosts);
	TAP_RUN(test_view_messages);
	TAP_RUN(test_view_others);
	TAP_RUN(test_view_gaps);
	TAP_RUN(test_tree);
	TAP_RUN(test_coverage);
	TAP_RUN(test_told);
	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	if (system(command) != 0)
		printf("# '%s' was left behind\n", folder);
	return tap_done();
}
