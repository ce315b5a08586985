/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor of a filter, with a child under a real one. */
#include "kernel/notifier.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

static const char profile[] = "default allow\n"
			      "no-new-privs yes\n"
			      "namespaces mount\n"
			      "deny EACCES mount\n"
			      "deny-quiet EXDEV umount2\n"
			      "log getpriority\n"
			      "kill ptrace\n";

static struct policy *policy;

/* What parent and child share; the child has no call to spare. */
struct shared {
	_Atomic int listener, go, results[8];
};
static struct shared *shared;

static void pause_ms(long ms)
{
	(void)nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void load_filter(void)
{
	unsigned short len = 0;
	struct sock_filter *insns = NULL;
	struct sock_fprog prog;
	struct tt_err err;

	if (policy_filter_make(policy, &insns, &len, &err) < 0)
		_exit(99);
	prog = (struct sock_fprog){len, insns};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(98);
	shared->listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
					SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	if (shared->listener < 0)
		_exit(97);
}

/* A child under the filter that runs @body once its listener is served. */
static pid_t start(struct kernel_notifier **n, void (*body)(void),
		   struct kernel_pointer (*pointer_of)(int))
{
	struct kernel_notifier_options opts = {
		.policy = policy, .pointer_of = pointer_of, .chains = true};
	struct tt_err err;
	int pidfd, fd;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	CHECK_INT(kernel_notifier_new(n, &opts, &err), 0);
	pid = fork();
	if (pid == 0) {
		(void)alarm(20);
		(void)prctl(PR_SET_NAME, "kid");
		load_filter();
		while (!shared->go)
			pause_ms(1);
		body();
		_exit(0);
	}
	for (int i = 0; i < 5000 && !shared->listener; i++)
		pause_ms(1);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, shared->listener, 0);
	(void)close(pidfd);
	CHECK(fd >= 0);
	kernel_notifier_serve(*n, fd, getpid());
	shared->go = 1;
	return pid;
}

static int end(pid_t pid)
{
	int status = 0;

	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

static int result_of(long r)
{
	return r < 0 ? errno : 0;
}

static void call_each(void)
{
	shared->results[0] = result_of(syscall(SYS_mount, "none", "/mnt/x", "tmpfs", 3L, NULL));
	shared->results[1] = result_of(syscall(SYS_umount2, "/x", 0));
	errno = 0;
	shared->results[2] = result_of(syscall(SYS_getpriority, 0, 0));
	shared->results[3] = result_of(syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
}

static struct kernel_pointer second_of_mount(int nr)
{
	return nr == SYS_mount ? (struct kernel_pointer){1, -1} : (struct kernel_pointer){-1, -1};
}

static void each_action_is_done_and_told(void)
{
	static const int calls[] = {SYS_mount, SYS_umount2, SYS_getpriority};
	static const int actions[] = {POLICY_DENY, POLICY_DENY_QUIET, POLICY_LOG};
	static const int errors[] = {EACCES, EXDEV, 0};
	struct kernel_notifier *n = NULL;
	struct kernel_denial d;
	pid_t pid = start(&n, call_each, second_of_mount);

	CHECK_INT(end(pid), 0);
	kernel_notifier_stop(n); /* the last is told after its answer */
	for (int i = 0; i < 4; i++)
		CHECK_INT(shared->results[i], i < 3 ? errors[i] : 0);
	for (int i = 0; i < 3; i++) {
		CHECK(kernel_notifier_next(n, &d));
		CHECK_INT(d.nr, calls[i]);
		CHECK_INT(d.verdict.action, actions[i]);
		CHECK_INT(d.verdict.err, errors[i]);
		CHECK_INT(d.pid, pid);
		CHECK_INT(d.tid, pid);
		CHECK_INT(d.ppid, getpid());
		CHECK_STR(d.comm, "kid");
		CHECK_INT(d.chain_len, 0); /* its parent is the top */
		CHECK_INT(d.text_arg, i ? -1 : 1);
		if (!i)
			CHECK(d.text_len == 6 && memcmp(d.text, "/mnt/x", 6) == 0 && !d.text_cut);
	}
	CHECK(!kernel_notifier_next(n, &d));
	kernel_notifier_free(n);
}

static void attack(void)
{
	shared->results[0] = 1;
	shared->results[1] = result_of(syscall(SYS_ptrace, 0, 0, 0, 0)) + 1;
}

static void kill_means_sigkill_while_the_call_is_held(void)
{
	struct kernel_notifier *n = NULL;
	struct kernel_denial d;
	pid_t pid = start(&n, attack, NULL);
	int status = end(pid);

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_INT(shared->results[0], 1);
	CHECK_INT(shared->results[1], 0);
	kernel_notifier_stop(n);
	CHECK(kernel_notifier_next(n, &d));
	CHECK_INT(d.verdict.action, POLICY_KILL);
	CHECK_INT(d.nr, SYS_ptrace);
	kernel_notifier_free(n);
}

static void close_and_call(void)
{
	(void)close(shared->listener);
	shared->results[0] = result_of(syscall(SYS_mount, 0, 0, 0, 0, 0));
	shared->go = 2;
	while (shared->go == 2)
		pause_ms(1);
	for (int i = 0; i < 1000 && !shared->results[1]; i++) {
		int r = result_of(syscall(SYS_mount, 0, 0, 0, 0, 0));

		if (r != ENOSYS)
			shared->results[1] = r ? r : -1;
	}
	shared->results[2] = result_of(syscall(SYS_getpriority, 0, 0));
	shared->results[3] = result_of(syscall(SYS_ptrace, 0, 0, 0, 0));
}

static void what_nobody_answers_fails_with_enosys(void)
{
	struct kernel_notifier *n = NULL;
	pid_t pid = start(&n, close_and_call, NULL);

	for (int i = 0; i < 5000 && shared->go != 2; i++)
		pause_ms(1);
	kernel_notifier_stop(n);
	shared->go = 3;
	CHECK_INT(end(pid), 0);
	CHECK_INT(shared->results[0], EACCES);
	CHECK_INT(shared->results[1], 0); /* nothing but ENOSYS */
	CHECK_INT(shared->results[2], ENOSYS);
	CHECK_INT(shared->results[3], ENOSYS);
	kernel_notifier_free(n);
}

#define FLOOD 5000

static void flood(void)
{
	for (int i = 0; i < FLOOD; i++)
		if (syscall(SYS_mount, (long)i, 0, 0, 0, 0) == 0)
			_exit(1);
}

/* The reader sleeps: what does not fit is counted, and the rest is whole and in order. */
static void a_full_queue_counts(void)
{
	struct kernel_notifier *n = NULL;
	struct kernel_denial d;
	uint64_t queued = 0, missed;
	pid_t pid = start(&n, flood, NULL);

	CHECK_INT(end(pid), 0);
	kernel_notifier_stop(n);
	for (; kernel_notifier_next(n, &d); queued++)
		CHECK_INT(d.args[0], queued);
	missed = kernel_notifier_missed(n, SYS_mount, POLICY_DENY);
	CHECK(queued > 0 && missed > 0);
	CHECK_INT(queued + missed, FLOOD);
	CHECK_INT(kernel_notifier_missed(n, SYS_mount, POLICY_DENY), 0);
	kernel_notifier_free(n);
}

static void nobody_needs_to_serve(void)
{
	struct kernel_notifier_options opts = {.policy = policy};
	struct kernel_notifier *n = NULL;
	struct kernel_denial d;

	CHECK_INT(kernel_notifier_new(&n, &opts, NULL), 0);
	CHECK(!kernel_notifier_next(n, &d));
	kernel_notifier_free(n);
	kernel_notifier_free(NULL);
}

int main(void)
{
	struct tt_err err = {""};

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED ||
	    policy_load_text("test", profile, sizeof(profile) - 1, &policy, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		return 1;
	}
	TAP_RUN(each_action_is_done_and_told);
	TAP_RUN(kill_means_sigkill_while_the_call_is_held);
	TAP_RUN(what_nobody_answers_fails_with_enosys);
	TAP_RUN(a_full_queue_counts);
	TAP_RUN(nobody_needs_to_serve);
	policy_free(policy);
	return tap_done();
}
