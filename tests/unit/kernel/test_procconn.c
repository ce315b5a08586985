/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the proc connector: as bytes, and where this is root's own machine, as they come. */
#include "kernel/procconn.h"

#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/procevent.h"
#include "tap.h"

/* One message, as the kernel makes it; @len: of the event's part. Returns its bytes. */
static size_t put(char *to, uint32_t what, uint32_t cpu, uint32_t seq, const void *part, size_t len)
{
	struct proc_event e = {.cpu = cpu, .timestamp_ns = 77};
	struct cn_msg m = {.id = {CN_IDX_PROC, CN_VAL_PROC}, .seq = seq, .len = sizeof(e)};
	struct nlmsghdr h = {.nlmsg_len = sizeof(h) + sizeof(m) + sizeof(e),
			     .nlmsg_type = NLMSG_DONE};

	memcpy(&e, &what, sizeof(what));
	memcpy((char *)&e + offsetof(struct proc_event, event_data), part, len);
	memcpy(to, &h, sizeof(h));
	memcpy(to + sizeof(h), &m, sizeof(m));
	memcpy(to + sizeof(h) + sizeof(m), &e, sizeof(e));
	return NLMSG_ALIGN(h.nlmsg_len);
}

static void each_kind_is_taken(void)
{
	static const int32_t fork_part[] = {10, 10, 12, 12}, exec_part[] = {12, 12},
			     exit_part[] = {12, 12, 0x700, 17};
	struct tt_proc_event e;
	char bytes[1024];
	size_t n = 0, at = 0;

	n += put(bytes + n, PROC_EVENT_FORK, 3, 5, fork_part, sizeof(fork_part));
	n += put(bytes + n, PROC_EVENT_EXEC, 3, 6, exec_part, sizeof(exec_part));
	n += put(bytes + n, PROC_EVENT_EXIT, 1, 9, exit_part, sizeof(exit_part));
	n += put(bytes + n, PROC_EVENT_COMM, 1, 10, "", 1);
	CHECK_INT(tt_proc_event_parse(bytes, n, &at, &e), 1);
	CHECK(e.kind == TT_PROC_FORK && e.pid == 12 && e.tid == 12 && e.parent_pid == 10);
	CHECK(e.cpu == 3 && e.seq == 5 && e.ts_ns == 77);
	CHECK_INT(tt_proc_event_parse(bytes, n, &at, &e), 1);
	CHECK(e.kind == TT_PROC_EXEC && e.pid == 12 && e.seq == 6);
	CHECK_INT(tt_proc_event_parse(bytes, n, &at, &e), 1);
	CHECK(e.kind == TT_PROC_EXIT && e.pid == 12 && e.status == 0x700 && e.cpu == 1);
	CHECK_INT(tt_proc_event_parse(bytes, n, &at, &e), 1);
	CHECK(e.kind == TT_PROC_OTHER && e.seq == 10);
	CHECK_INT(tt_proc_event_parse(bytes, n, &at, &e), 0);
	CHECK_INT(at, n);
}

static void whatever_is_cut_or_wrong_is_refused(void)
{
	static const int32_t part[] = {10, 10, 12, 12};
	struct tt_proc_event e;
	char bytes[512], *exact;
	size_t n = put(bytes, PROC_EVENT_FORK, 0, 0, part, sizeof(part)), at;
	uint32_t huge = UINT32_MAX, small = 12;
	uint16_t len;

	for (size_t cut = 1; cut < n; cut++) {
		exact = malloc(cut);
		memcpy(exact, bytes, cut);
		at = 0;
		CHECK_INT(tt_proc_event_parse(exact, cut, &at, &e), -EBADMSG);
		free(exact);
	}
	memcpy(bytes, &huge, 4);
	at = 0;
	CHECK_INT(tt_proc_event_parse(bytes, n, &at, &e), -EBADMSG);
	memcpy(bytes, &small, 4);
	CHECK_INT(tt_proc_event_parse(bytes, n, &at, &e), -EBADMSG);
	n = put(bytes, PROC_EVENT_FORK, 0, 0, part, sizeof(part));
	for (len = 0; len < 32; len++) { /* an event too short for what it is */
		memcpy(bytes + sizeof(struct nlmsghdr) + offsetof(struct cn_msg, len), &len, 2);
		at = 0;
		CHECK_INT(tt_proc_event_parse(bytes, n, &at, &e), -EBADMSG);
	}
	n = put(bytes, PROC_EVENT_FORK, 0, 0, part, sizeof(part));
	bytes[sizeof(struct nlmsghdr)]++; /* another connector's */
	at = 0;
	CHECK_INT(tt_proc_event_parse(bytes, n, &at, &e), -EBADMSG);
}

#define BURST 300

/* A tree of ours, and one that is not followed. */
static void what_is_followed_is_told(void)
{
	struct kernel_procconn *c = NULL;
	struct tt_err err = {""};
	int r = kernel_procconn_open(&c, &err), forks = 0, execs = 0, exits = 0, others = 0, go[2];
	struct kernel_fact f;
	char byte;
	pid_t pid, stranger;

	if (r < 0) {
		printf("# SKIP %s\n", err.text);
		CHECK(r == -EPERM || r == -EOPNOTSUPP || r == -EPROTONOSUPPORT);
		return;
	}
	CHECK(pipe(go) == 0);
	pid = fork();
	if (pid == 0) {
		(void)!read(go[0], &byte, 1);
		for (int i = 0; i < BURST; i++) {
			pid_t child = fork();

			if (child == 0)
				_exit(5);
			(void)waitpid(child, NULL, 0);
		}
		(void)execl("/bin/true", "true", NULL);
		_exit(1);
	}
	CHECK_INT(kernel_procconn_follow(c, pid), 0);
	stranger = fork();
	if (stranger == 0) {
		(void)execl("/bin/true", "true", NULL);
		_exit(1);
	}
	(void)!write(go[1], "", 1);
	for (int i = 0; i < 3000 && exits < BURST + 1; i++) {
		while (kernel_procconn_next(c, &f) == 1) {
			CHECK_INT(f.by, KERNEL_BY_PROC);
			forks += f.kind == KERNEL_FACT_FORK;
			execs += f.kind == KERNEL_FACT_EXEC;
			exits += f.kind == KERNEL_FACT_EXIT;
			others += f.pid == stranger;
			if (f.kind == KERNEL_FACT_EXIT && f.pid != pid)
				CHECK_INT(f.status, 5 << 8);
			if (f.kind == KERNEL_FACT_FORK)
				CHECK_INT(f.ppid, pid);
		}
		(void)nanosleep(&(struct timespec){0, 1000000}, NULL);
	}
	CHECK_INT(forks + (kernel_procconn_lost(c) ? BURST - forks : 0), BURST);
	CHECK(execs == 1 || kernel_procconn_lost(c));
	CHECK(exits == BURST + 1 || kernel_procconn_lost(c));
	CHECK_INT(others, 0);
	kernel_procconn_close(c);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

/* The queue runs over: what did not arrive is counted. */
static void what_is_lost_is_counted(void)
{
	struct kernel_procconn *c = NULL;
	struct tt_err err = {""};
	struct kernel_fact f;
	uint64_t told = 0;

	if (kernel_procconn_open(&c, &err) < 0) {
		printf("# SKIP %s\n", err.text);
		CHECK(err.text[0]);
		return;
	}
	CHECK_INT(kernel_procconn_follow(c, getpid()), 0);
	while (kernel_procconn_next(c, &f) == 1)
		;
	CHECK_INT(kernel_procconn_lost(c), 0);
	for (int i = 0; i < 100; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		(void)waitpid(child, NULL, 0);
	}
	while (kernel_procconn_next(c, &f) == 1)
		told++;
	CHECK(told == 200 || kernel_procconn_lost(c) > 0);
	kernel_procconn_close(c);
}

int main(void)
{
	TAP_RUN(each_kind_is_taken);
	TAP_RUN(whatever_is_cut_or_wrong_is_refused);
	TAP_RUN(what_is_followed_is_told);
	TAP_RUN(what_is_lost_is_counted);
	return tap_done();
}
