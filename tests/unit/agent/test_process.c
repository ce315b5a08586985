/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc tells of a process, as bytes and as it is. */
#include "agent/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "tap.h"

#define TAIL \
	" S 1 5 5 0 -1 4194560 1 0 0 0 2 3 0 0 20 0 1 0 4711 9 8 18446744073709551615 1 1 140735 0"

static int parse(const char *text, struct agent_stat *ret)
{
	size_t len = strlen(text);
	char *exact = malloc(len + 1); /* a sanitizer sees the first byte too many */
	int r;

	memcpy(exact, text, len);
	exact = realloc(exact, len ? len : 1);
	r = agent_stat_parse(exact, len, ret);
	free(exact);
	return r;
}

static void a_line_is_taken_apart(void)
{
	struct agent_stat s;

	CHECK_INT(parse("7 (sh)" TAIL "\n", &s), 0);
	CHECK(s.pid == 7 && s.ppid == 1 && s.state == 'S' && s.start_ticks == 4711);
	CHECK(s.comm_len == 2 && memcmp(s.comm, "sh", 2) == 0);
	CHECK(s.stack == 140735 && !s.has_status);
}

static void a_name_may_hold_everything(void)
{
	static const char *const names[] = {"",        ")", " ) ", "a) R 9 (", "((", "x\n) Z 1 2\n",
					    "\xff\xfe"};
	struct agent_stat s;
	char text[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(text, sizeof(text), "12 (%s)" TAIL, names[i]);
		CHECK_INT(parse(text, &s), 0);
		CHECK(s.pid == 12 && s.ppid == 1 && s.state == 'S' &&
		      s.comm_len == strlen(names[i]));
		CHECK(memcmp(s.comm, names[i], s.comm_len) == 0);
	}
}

static void what_is_no_such_line_is_refused(void)
{
	static const char *const bad[] = {
		"",
		"7",
		"7 (",
		"7 (sh",
		"7 (sh)",
		"7 (sh) S",
		"(sh)" TAIL,
		"x (sh)" TAIL,
		"7  (sh)" TAIL,
		"7 )sh(" TAIL,
		"4294967296 (sh)" TAIL,
		"7 (sh) S 1 2 3",
		"7 (sh) S 1 2 x 4 5 6 7 8 9",
		"7 (sh) S 1 5 5 0 -1 4194560 1 0 0 0 2 3 0 0 20 0 1 0 18446744073709551616 9",
	};
	struct agent_stat s;
	char text[512] = "7 (", *end = text + 3;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(parse(bad[i], &s), -EBADMSG);
	memset(end, 'a', 65);
	strcpy(end + 65, ")" TAIL);
	CHECK_INT(parse(text, &s), -EBADMSG);
}

static void a_process_that_is_there(void)
{
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct wire_frame f = {0};
	struct agent_stat s;

	CHECK_INT(prctl(PR_SET_NAME, "od) d (na\nme"), 0);
	CHECK_INT(agent_stat_read(proc, (uint32_t)getpid(), &s), 0);
	CHECK(s.pid == (uint32_t)getpid() && s.ppid == (uint32_t)getppid());
	CHECK(s.comm_len == 12 && memcmp(s.comm, "od) d (na\nme", 12) == 0);
	CHECK(s.stack && agent_stat_start_ns(&s) > 0);
	CHECK(agent_stat_start_ns(&s) <= tt_clock_ns(CLOCK_MONOTONIC));
	agent_process_put(proc, s.pid, &f);
	CHECK(f.has == (WIRE_HAS(exe) | WIRE_HAS(argv) | WIRE_HAS(uid)));
	CHECK(f.argv.count == 1 && f.uid == getuid() && f.exe.data[0] == '/');
	CHECK_INT(agent_stat_read(proc, 4194305, &s), -ENOENT);
	(void)close(proc);
}

static void how_a_zombie_ended(void)
{
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct wire_frame f = {0};
	struct agent_stat s;
	siginfo_t info;
	pid_t pid = fork();

	if (pid == 0)
		_exit(77);
	CHECK_INT(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	CHECK_INT(agent_stat_read(proc, (uint32_t)pid, &s), 0);
	CHECK(s.state == 'Z' && s.has_status);
	agent_process_put_status(&f, s.status);
	CHECK(f.has == WIRE_HAS(exit_code) && f.exit_code == 77);
	f.has = 0;
	agent_process_put_status(&f, 9 | 0x80);
	CHECK(f.has == WIRE_HAS(signal) && f.signal == 9);
	(void)waitpid(pid, NULL, 0);
	(void)close(proc);
}

static void arguments(void)
{
	struct wire_frame f = {0};
	char many[1024];

	agent_process_put_argv(&f, "a\0\0bc", 6, 0);
	CHECK(f.argv.count == 3 && !(f.has & WIRE_HAS(truncated)));
	CHECK(f.argv.items[0].len == 1 && f.argv.items[1].len == 0 && f.argv.items[2].len == 2);
	agent_process_put_argv(&f, "a\0bc", 4, 5);
	CHECK(f.argv.count == 2 && f.truncated == 5 && (f.has & WIRE_HAS(truncated)));
	memset(many, 0, sizeof(many));
	f = (struct wire_frame){0};
	agent_process_put_argv(&f, many, sizeof(many), 0);
	CHECK(f.argv.count == 256 && f.truncated == sizeof(many) - 256);
	f = (struct wire_frame){0};
	agent_process_put_argv(&f, "", 0, 0);
	CHECK(f.argv.count == 0 && (f.has & WIRE_HAS(argv)));
}

static void fields_of_status(void)
{
	static const char text[] = "Name:\tUid:\tx\nUid:\t10\t20\nNSpid:\t7\t3\nLast:\t";
	const char *at = NULL;

	CHECK(agent_process_field(text, sizeof(text) - 1, "Uid", &at) && memcmp(at, "10", 2) == 0);
	CHECK(agent_process_field(text, sizeof(text) - 1, "NSpid", &at) &&
	      memcmp(at, "7\t3", 3) == 0);
	CHECK(!agent_process_field(text, sizeof(text) - 1, "Pid", &at));
	CHECK(!agent_process_field(text, sizeof(text) - 1, "Last", &at));
	CHECK(!agent_process_field("", 0, "Uid", &at));
}

int main(void)
{
	TAP_RUN(a_line_is_taken_apart);
	TAP_RUN(a_name_may_hold_everything);
	TAP_RUN(what_is_no_such_line_is_refused);
	TAP_RUN(a_process_that_is_there);
	TAP_RUN(how_a_zombie_ended);
	TAP_RUN(arguments);
	TAP_RUN(fields_of_status);
	return tap_done();
}
