/* SPDX-License-Identifier: Apache-2.0 */
/* /proc readers against processes whose figures are known. */
#include "recorder/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

/* A child that waits to be killed. */
static pid_t start_child(const char *name)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_NAME, name);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	/* until it has its name */
	for (int i = 0; i < 2000; i++) {
		struct recorder_stat st;

		if (recorder_stat_read(pid, &st) == 0 && strcmp(st.comm, name) == 0)
			break;
		(void)usleep(1000);
	}
	return pid;
}

static void end_child(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void names_may_hold_parentheses(void)
{
	pid_t pid = start_child(") S 1 (a b");
	struct recorder_stat st = {0};

	CHECK_INT(recorder_stat_read(pid, &st), 0);
	CHECK_STR(st.comm, ") S 1 (a b");
	CHECK_INT(st.ppid, getpid());
	CHECK(st.state == 'S' || st.state == 'R');
	CHECK(st.rss_kb > 0);
	CHECK(st.start_ns > 0);
	end_child(pid);
}

static void a_zombie_tells_its_status(void)
{
	struct recorder_stat st = {0};
	siginfo_t si;
	pid_t pid = fork();

	if (pid == 0)
		_exit(42);
	CHECK_INT(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	CHECK_INT(recorder_stat_read(pid, &st), 0);
	CHECK_INT(st.state, 'Z');
	CHECK_INT(WEXITSTATUS(st.exit_status), 42);
	CHECK_INT(waitpid(pid, NULL, 0), pid);
	CHECK_INT(recorder_stat_read(pid, &st), -ESRCH);
}

static void reads_and_writes_are_counted(void)
{
	struct recorder_io before = {0}, after = {0};
	int in = open("/dev/zero", O_RDONLY | O_CLOEXEC),
	    out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int io = open("/proc/self/io", O_RDONLY | O_CLOEXEC);
	char buf[100];

	CHECK_INT(recorder_io_read(getpid(), &before), 0);
	for (int i = 0; i < 50; i++)
		(void)!(read(in, buf, sizeof(buf)) + write(out, buf, 10));
	CHECK_INT(recorder_io_read_fd(io, &after), 0);
	CHECK(after.read_calls >= before.read_calls + 50);
	CHECK_INT(after.write_calls - before.write_calls, 50);
	CHECK_INT(after.bytes_written - before.bytes_written, 500);
	CHECK(after.bytes_read >= before.bytes_read + 5000);
	(void)close(in);
	(void)close(out);
	(void)close(io);
}

static void children_are_listed(void)
{
	pid_t pids[8], a = start_child("one"), b = start_child("two");
	bool more = false;

	CHECK_INT(recorder_children_read(getpid(), pids, 8, &more), 2);
	CHECK((pids[0] == a && pids[1] == b) || (pids[0] == b && pids[1] == a));
	CHECK(!more);
	CHECK_INT(recorder_children_read(getpid(), pids, 1, &more), 1);
	CHECK(more);
	end_child(a);
	end_child(b);
	CHECK_INT(recorder_children_read(getpid(), pids, 8, &more), 0);
}

static void own_names(void)
{
	char exe[4096], real[PATH_MAX];

	CHECK_INT(recorder_ns_pid_read(getpid()), getpid());
	CHECK(recorder_exe_read(getpid(), exe, sizeof(exe)) > 0);
	CHECK(realpath("/proc/self/exe", real) != NULL);
	CHECK_STR(exe, real);
	CHECK(recorder_exe_read(0x7ffffff0, exe, sizeof(exe)) < 0);
}

int main(void)
{
	TAP_RUN(names_may_hold_parentheses);
	TAP_RUN(a_zombie_tells_its_status);
	TAP_RUN(reads_and_writes_are_counted);
	TAP_RUN(children_are_listed);
	TAP_RUN(own_names);
	return tap_done();
}
