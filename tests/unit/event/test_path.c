/* SPDX-License-Identifier: Apache-2.0 */
/* Joining paths, and which of them are noise. */
#include <stdlib.h>

#include "event/path.h"
#include "tap.h"

/* Each text in exact room, neither ended by a NUL. */
static const char *join(const char *base, const char *path)
{
	static char buf[512];
	size_t bl = strlen(base), pl = strlen(path);
	char *b = malloc(bl), *p = malloc(pl);
	struct tt_out o;

	memcpy(b, base, bl);
	memcpy(p, path, pl);
	tt_out_init(&o, buf, sizeof(buf) - 1);
	event_path_join(&o, b, bl, p, pl);
	buf[o.len] = '\0';
	free(b);
	free(p);
	return buf;
}

static void joins(void)
{
	CHECK_STR(join("/a/b", "c"), "/a/b/c");
	CHECK_STR(join("/a/b", "./c//d/."), "/a/b/c/d");
	CHECK_STR(join("/a/b", ""), "/a/b");
	CHECK_STR(join("/a/b", "."), "/a/b");
	CHECK_STR(join("/a/b", ".."), "/a");
	CHECK_STR(join("/a/b", "../c"), "/a/c");
	CHECK_STR(join("/a/b", "../../c"), "/c");
	CHECK_STR(join("/a/b", "../../../../c"), "/c");
	CHECK_STR(join("/a/b", "../.."), "/");
	CHECK_STR(join("/a/b", "../../.."), "/");
	CHECK_STR(join("/a/b", "./../c"), "/a/c");
	CHECK_STR(join("/", "c"), "/c");
	CHECK_STR(join("/", "."), "/");
	CHECK_STR(join("/", ".."), "/");
	CHECK_STR(join("/a/", "c"), "/a/c");
	CHECK_STR(join("/a//", "../c"), "/c");
	/* past the front a ".." may follow a symbolic link: it stays */
	CHECK_STR(join("/a/b", "c/../d"), "/a/b/c/../d");
	CHECK_STR(join("/a/b", "../c/.."), "/a/c/..");
	CHECK_STR(join("/a/b", "/x/../y"), "/x/../y");
	CHECK_STR(join("/a/b", "/.."), "/..");
	CHECK_STR(join("/a/b", "/"), "/");
	CHECK_STR(join("/a/b", "///"), "/");
	CHECK_STR(join("/a/b", "//x/./y/"), "/x/y");
	CHECK_STR(join("/a/b", "/."), "/");
	CHECK_STR(join("/a/b", "..."), "/a/b/...");
	CHECK_STR(join("/a/b", "..c"), "/a/b/..c");
	CHECK_STR(join("/a/b", ".c"), "/a/b/.c");
	CHECK_STR(join("", "c"), "/c");
	CHECK_STR(join("", ""), "/");
}

static void every_size(void)
{
	for (size_t cap = 0; cap <= 8; cap++) {
		char *buf = malloc(cap);
		struct tt_out o;

		tt_out_init(&o, buf, cap);
		event_path_join(&o, "/a/b", 4, "../cd/e", 7);
		CHECK_INT(tt_out_is_full(&o), cap < 7);
		free(buf);
	}
}

static bool with(bool (*judge)(const char *, size_t), const char *path)
{
	size_t n = strlen(path);
	char *exact = malloc(n);
	bool r;

	memcpy(exact, path, n);
	r = judge(exact, n);
	free(exact);
	return r;
}
#define QUIET(path) with(event_path_is_quiet, path)
#define SINK(path)  with(event_path_is_sink, path)

static void quiet(void)
{
	static const char *const yes[] = {"/proc",          "/proc/",       "/proc/self/status",
					  "/proc//meminfo", "/sys",         "/sys/fs/cgroup/x",
					  "/dev/urandom",   "/dev/null",    "/dev/tty",
					  "/proc/1/maps",   "/proc/rooted", "/sys/root/x",
					  "/dev/rootfs"};
	static const char *const no[] = {"/proc/self/root/etc/shadow",
					 "/proc/self/root",
					 "/proc/1/task/1/root/etc/shadow",
					 "/proc/self/cwd/secret",
					 "/proc/self/exe",
					 "/proc/self/fd/3",
					 "/proc/self/fd",
					 "/proc/self/map_files/1-2",
					 "/proc/self//cwd//etc/shadow",
					 "/proc/./self/./root/x",
					 "/proc/../etc/shadow",
					 "/sys/../etc/shadow",
					 "/dev/../etc/shadow",
					 "/dev/fd/3",
					 "/dev/stdin",
					 "/dev/shm/x",
					 "/dev/shm",
					 "/dev/mqueue/q",
					 "/dev/hugepages/x",
					 "/process",
					 "/system",
					 "/device",
					 "/pro",
					 "/",
					 "",
					 "proc/cpuinfo",
					 "/etc/proc/x"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (!QUIET(yes[i]))
			CHECK_STR(yes[i], "to be quiet");
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (QUIET(no[i]))
			CHECK_STR(no[i], "not to be quiet");
	CHECK(QUIET("/proc/self/status"));
}

static void sinks(void)
{
	CHECK(SINK("/dev/null"));
	CHECK(SINK("/dev/tty"));
	CHECK(SINK("/dev/tty1"));
	CHECK(SINK("/dev/ttyS0"));
	CHECK(SINK("/dev/console"));
	CHECK(SINK("/dev/ptmx"));
	CHECK(SINK("/dev/pts/3"));
	CHECK(!SINK("/dev/zero"));
	CHECK(!SINK("/dev/nullx"));
	CHECK(!SINK("/dev/sda"));
	CHECK(!SINK("/dev/shm/null"));
	CHECK(!SINK("/dev/null/../sda"));
	CHECK(!SINK("/dev/pts/../sda"));
	CHECK(!SINK("/dev/tty/../sda"));
	CHECK(!SINK("/dev/tty../../etc/passwd"));
	CHECK(!SINK("/proc/sys/kernel/core_pattern"));
	CHECK(!SINK("/dev"));
	CHECK(!SINK(""));
}

/* Judged in two pieces as it is judged joined. */
static void noise(void)
{
	static const char *const bases[] = {"/",         "/proc", "/proc/self/root", "/dev",
					    "/dev/pts/", "/sys",  "/home/x",         "/d"};
	static const char *const rests[] = {
		"..",
		"../dev/null",
		"self/status",
		"../../proc/x",
		"root/../x",
		"null",
		"./tty1",
		"../../../etc",
		"shm/x",
		"ev/null",
		"",
		"fd/3",
		"/proc/self/x",
		"//dev/./tty",
		"/etc/passwd",
		"../tty/x",
		"tty/../../etc",
		"ttyaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/x"};
	unsigned quiet_ones = 0, sink_ones = 0;

	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		for (size_t k = 0; k < sizeof(rests) / sizeof(rests[0]); k++) {
			const char *b = bases[i], *r = rests[k];
			char buf[256];
			struct tt_out o;
			bool q, s;

			tt_out_init(&o, buf, sizeof(buf));
			event_path_join(&o, b, strlen(b), r, strlen(r));
			q = event_path_is_noise(b, strlen(b), r, strlen(r), false);
			s = event_path_is_noise(b, strlen(b), r, strlen(r), true);
			if (q != event_path_is_quiet(buf, o.len) ||
			    s != event_path_is_sink(buf, o.len))
				CHECK_STR(r, b);
			quiet_ones += q;
			sink_ones += s;
		}
	}
	CHECK(quiet_ones > 20 && sink_ones > 5);
}

int main(void)
{
	TAP_RUN(joins);
	TAP_RUN(every_size);
	TAP_RUN(quiet);
	TAP_RUN(sinks);
	TAP_RUN(noise);
	return tap_done();
}
