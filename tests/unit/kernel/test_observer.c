/* SPDX-License-Identifier: Apache-2.0 */
/* The observer, the keeper of its listener, and a child under a real filter. */
#include "kernel/observer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/keeper.h"
#include "kernel/notifier.h"
#include "tap.h"

#define EVERYTHING (KERNEL_OBSERVE_EXEC | KERNEL_OBSERVE_NET | KERNEL_OBSERVE_FILES)

static const struct policy off = {.name = "OFF"};

/* What parent and child share. */
struct shared {
	_Atomic int listener, go, results[8];
	_Atomic long calls, wrong;
};
static struct shared *shared;
static char folder[] = "/tmp/telltale-observer-XXXXXX";

struct watch {
	struct kernel_observer *observer;
	struct kernel_notifier *notifier;
	struct kernel_keeper *keeper;
	pid_t pid;
	int pidfd;
};

static void pause_ms(long ms)
{
	(void)nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void load_filter(const struct policy *p, const struct kernel_observer *o)
{
	unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	unsigned short len = 0;
	struct sock_filter *insns = NULL;
	struct sock_fprog prog;
	struct tt_err err;

	if (policy_filter_make_watching(p, kernel_observer_watch(o), &insns, &len, &err) < 0)
		_exit(99);
	prog = (struct sock_fprog){len, insns};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(98);
	shared->listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	if (shared->listener < 0)
		_exit(97);
}

/* A child that runs @body, watched, in a folder of its own. */
static void start(struct watch *w, const struct policy *p, unsigned what, bool keep,
		  void (*body)(void))
{
	struct kernel_notifier_options opts = {.policy = p};
	struct tt_err err;
	int fd;

	memset(w, 0, sizeof(*w));
	memset(shared, 0, sizeof(*shared));
	CHECK_INT(kernel_observer_new(&w->observer, what, &err), 0);
	if (keep)
		CHECK_INT(kernel_keeper_new(&w->keeper, &err), 0);
	opts.observer = w->observer;
	opts.keeper = w->keeper;
	CHECK_INT(kernel_notifier_new(&w->notifier, &opts, &err), 0);
	w->pid = fork();
	if (w->pid == 0) {
		(void)alarm(30);
		(void)prctl(PR_SET_NAME, "kid");
		if (chdir(folder) < 0)
			_exit(96);
		load_filter(p, w->observer);
		while (!shared->go)
			pause_ms(1);
		/* as an exec does: what nobody answers for must not look like what is waited for */
		(void)close(shared->listener);
		body();
		_exit(0);
	}
	for (int i = 0; i < 5000 && !shared->listener; i++)
		pause_ms(1);
	w->pidfd = (int)syscall(SYS_pidfd_open, w->pid, 0);
	fd = (int)syscall(SYS_pidfd_getfd, w->pidfd, shared->listener, 0);
	CHECK(fd >= 0);
	if (keep)
		CHECK_INT(kernel_keeper_give(w->keeper, fd), 0);
	kernel_notifier_serve(w->notifier, fd, getpid());
	shared->go = 1;
}

static int end(struct watch *w)
{
	int status = 0;

	CHECK(waitpid(w->pid, &status, 0) == w->pid);
	kernel_notifier_stop(w->notifier); /* the last is told after its answer */
	(void)close(w->pidfd);
	return status;
}

static void done(struct watch *w)
{
	kernel_notifier_free(w->notifier);
	kernel_keeper_free(w->keeper);
	kernel_observer_free(w->observer);
}

static bool is_text(const void *data, size_t len, const char *want)
{
	return data && len == strlen(want) && memcmp(data, want, len) == 0;
}

/* The next call that is told of, past what is said of images. */
static bool next_call(struct watch *w, struct kernel_fact *f)
{
	while (kernel_observer_next(w->observer, f) == 1)
		if (f->kind == KERNEL_FACT_CALL)
			return true;
	return false;
}

static bool next_of(struct watch *w, enum event_call call, struct kernel_fact *f)
{
	if (!next_call(w, f))
		return false;
	CHECK_INT(f->by, KERNEL_BY_SECCOMP);
	CHECK_INT(f->call, call);
	CHECK_INT(f->pid, w->pid);
	CHECK(!f->has_result && !f->own_memory);
	return f->call == call;
}

static void use_files(void)
{
	int dir;

	(void)mkdir("sub", 0750);
	dir = open("sub", O_RDONLY | O_DIRECTORY); /* reads: not watched */
	shared->results[0] = (int)syscall(SYS_openat, dir, "f", O_CREAT | O_WRONLY, 0600) < 0;
	shared->results[1] = (int)syscall(SYS_openat, AT_FDCWD, "sub/f", O_RDONLY) < 0;
	shared->results[2] = renameat(dir, "f", AT_FDCWD, "g") < 0;
	shared->results[3] = unlinkat(AT_FDCWD, "g", 0) < 0;
	(void)fchmod(dir, 0700);
	shared->results[4] = rmdir("sub") < 0;
	shared->results[5] = (int)syscall(SYS_openat, 99, "nowhere", O_WRONLY) < 0;
}

static void files_are_told_with_the_folders_they_start_from(void)
{
	struct kernel_fact f;
	char sub[64];
	struct watch w;

	(void)snprintf(sub, sizeof(sub), "%s/sub", folder);
	start(&w, &off, KERNEL_OBSERVE_FILES, false, use_files);
	CHECK_INT(end(&w), 0);
	for (int i = 0; i < 5; i++)
		CHECK_INT(shared->results[i], 0);
#ifdef SYS_mkdir
	CHECK(next_of(&w, EVENT_CALL_mkdir, &f));
	CHECK(is_text(f.args[0].data, f.args[0].len, "sub"));
	CHECK(is_text(f.where.data, f.where.len, folder));
	CHECK_INT(f.args[1].num, 0750);
#else
	CHECK(next_of(&w, EVENT_CALL_mkdirat, &f));
#endif
	CHECK_INT(f.ppid, getpid());
	CHECK_STR(f.comm, "kid");
	CHECK(f.start_ns > 0 && f.ts_ns > 0);
	CHECK(next_of(&w, EVENT_CALL_openat, &f));
	CHECK(is_text(f.args[0].data, f.args[0].len, sub));
	CHECK(is_text(f.args[1].data, f.args[1].len, "f"));
	CHECK_INT(f.args[2].num, O_CREAT | O_WRONLY);
	CHECK_INT(f.args[3].num, 0600);
	CHECK(next_of(&w, EVENT_CALL_renameat, &f));
	CHECK(is_text(f.args[0].data, f.args[0].len, sub));
	CHECK_INT(f.args[2].num, AT_FDCWD);
	CHECK(is_text(f.args[3].data, f.args[3].len, "g"));
	CHECK(next_of(&w, EVENT_CALL_unlinkat, &f));
	CHECK(is_text(f.where.data, f.where.len, folder));
	CHECK(next_of(&w, EVENT_CALL_fchmod, &f));
	CHECK(is_text(f.args[0].data, f.args[0].len, sub));
	CHECK(next_of(&w, EVENT_CALL_rmdir, &f) || f.call == EVENT_CALL_unlinkat);
	CHECK(next_of(&w, EVENT_CALL_openat, &f)); /* it fails, and was asked for */
	CHECK(!f.args[0].data && !f.where.data);
	CHECK(!next_call(&w, &f));
	CHECK_INT(kernel_observer_lost(w.observer), 0);
	done(&w);
}

static void use_net(void)
{
	struct sockaddr_in to = {AF_INET, htons(9), {htonl(INADDR_LOOPBACK)}, {0}};
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	shared->results[0] = connect(s, (struct sockaddr *)&to, sizeof(to)) < 0;
	shared->results[1] = syscall(SYS_sendto, s, "x", 1L, 0, NULL, 0) < 0; /* not watched */
	(void)syscall(SYS_sendto, s, "xy", 2L, 0, &to, sizeof(to));
	shared->results[2] = syscall(SYS_connect, s, NULL, 16L) < 0;
	shared->results[3] = syscall(SYS_connect, s, 8L, 16L) < 0;
	shared->results[4] = syscall(SYS_connect, s, &to, 1L << 20) < 0;
}

static void addresses_are_told_and_bad_ones_survived(void)
{
	struct kernel_fact f;
	struct watch w;

	start(&w, &off, KERNEL_OBSERVE_NET, false, use_net);
	CHECK_INT(end(&w), 0);
	CHECK_INT(shared->results[0], 0);
	CHECK(next_of(&w, EVENT_CALL_connect, &f));
	CHECK_INT(f.args[1].len, sizeof(struct sockaddr_in));
	CHECK(f.args[1].data && ((const char *)f.args[1].data)[3] == 9);
	CHECK(next_of(&w, EVENT_CALL_sendto, &f));
	CHECK_INT(f.args[1].num, 2);
	CHECK_INT(f.args[3].len, sizeof(struct sockaddr_in));
	for (int i = 2; i < 5; i++) {
		CHECK_INT(shared->results[i], 1);
		CHECK(next_of(&w, EVENT_CALL_connect, &f));
		CHECK(i == 4 || !f.args[1].data);
		CHECK_INT(f.args[1].absent, i == 2);
	}
	CHECK(!next_call(&w, &f));
	done(&w);
}

#define LONG_ARGS 200

/* A path of 4095 bytes, one that ends where its mapping does, and more arguments than are kept. */
static void use_memory(void)
{
	static char path[4096], many[LONG_ARGS][64], *argv[LONG_ARGS + 1];
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *none[] = {NULL};

	memset(path, '/', 4095);
	(void)unlinkat(-1, path, 0);
	(void)munmap(page + 4096, 4096);
	memcpy(page + 4096 - 7, "/at/it", 7);
	(void)unlinkat(-1, page + 4096 - 7, 0);
	page[4095] = 'x';
	(void)unlinkat(-1, page + 4096 - 7, 0); /* no end: EFAULT */
	for (int i = 0; i < LONG_ARGS; i++) {
		(void)snprintf(many[i], sizeof(many[i]), "argument %d", i);
		argv[i] = many[i];
	}
	(void)execve("/nonexistent/program", argv, none);
	(void)syscall(SYS_execve, "/nonexistent", 8L, none);
	argv[0] = path;
	argv[1] = NULL;
	(void)execve("/nonexistent/program", argv, none);
}

static void texts_are_whole_or_marked(void)
{
	struct kernel_fact f;
	struct watch w;

	start(&w, &off, EVERYTHING, false, use_memory);
	CHECK_INT(end(&w), 0);
	CHECK(next_of(&w, EVENT_CALL_unlinkat, &f));
	CHECK_INT(f.args[1].len, 4095);
	CHECK(!f.args[1].cut);
	CHECK(next_of(&w, EVENT_CALL_unlinkat, &f));
	CHECK(is_text(f.args[1].data, f.args[1].len, "/at/it"));
	CHECK(next_of(&w, EVENT_CALL_unlinkat, &f));
	CHECK(!f.args[1].data);
	CHECK(next_of(&w, EVENT_CALL_execve, &f));
	CHECK(is_text(f.args[0].data, f.args[0].len, "/nonexistent/program"));
	CHECK(f.args[1].cut && f.args[1].len > 128 * 10);
	CHECK(f.args[1].data && memcmp(f.args[1].data, "argument 0\0argument 1", 21) == 0);
	CHECK(next_of(&w, EVENT_CALL_execve, &f));
	CHECK(!f.args[1].data);
	CHECK(next_of(&w, EVENT_CALL_execve, &f));
	CHECK(f.args[1].cut && f.args[1].len >= 4000 && f.args[1].len <= 4096);
	CHECK(!next_call(&w, &f));
	done(&w);
}

static void execute(void)
{
	char *argv[] = {(char *)"sleep", (char *)"20", NULL}, *env[] = {NULL};

	(void)execve("/nonexistent", argv, env);
	(void)execve("/bin/sleep", argv, env);
}

static void an_exec_is_told_before_and_after(void)
{
	struct kernel_fact f;
	struct stat st;
	struct watch w;
	int images = 0;

	start(&w, &off, KERNEL_OBSERVE_EXEC, false, execute);
	for (int i = 0; i < 2000 && !images; i++) {
		while (kernel_observer_next(w.observer, &f) == 1) {
			if (f.kind == KERNEL_FACT_CALL)
				continue;
			images++;
			CHECK_INT(f.kind, KERNEL_FACT_EXEC);
			CHECK_INT(f.pid, w.pid);
			CHECK(stat("/bin/sleep", &st) == 0 && f.exe.ino == st.st_ino &&
			      f.exe.dev == st.st_dev);
			CHECK(f.argv.len == 9 && memcmp(f.argv.data, "sleep\00020", 9) == 0);
			CHECK_STR(f.comm, "sleep");
			CHECK(!f.secure && !f.anonymous);
			CHECK_INT(f.euid, geteuid());
		}
		pause_ms(1);
	}
	CHECK_INT(images, 1);
	(void)kill(w.pid, SIGKILL);
	CHECK(WIFSIGNALED(end(&w)));
	done(&w);
}

static void refuse_and_connect(void)
{
	shared->results[0] = syscall(SYS_mount, "a", "b", "c", 0L, NULL) < 0 ? errno : 0;
	use_net();
}

/* One listener for both: what the policy refuses stays refused, and is no fact. */
static void the_policy_comes_first(void)
{
	static const char text[] = "default allow\nno-new-privs yes\nnamespaces mount\n"
				   "deny EXDEV mount\ndeny EACCES bind\ndeny EPIPE sendto\n";
	struct policy *p = NULL;
	struct kernel_denial d;
	struct kernel_fact f;
	struct watch w;

	CHECK_INT(policy_load_text("test", text, sizeof(text) - 1, &p, NULL), 0);
	start(&w, p, KERNEL_OBSERVE_NET, false, refuse_and_connect);
	CHECK_INT(end(&w), 0);
	CHECK(kernel_notifier_next(w.notifier, &d));
	CHECK_INT(d.nr, SYS_mount);
	for (int i = 0; i < 2; i++) {
		CHECK(kernel_notifier_next(w.notifier, &d));
		CHECK_INT(d.nr, SYS_sendto);
		CHECK_INT(d.verdict.err, EPIPE);
	}
	CHECK(!kernel_notifier_next(w.notifier, &d));
	for (int i = 0; i < 4; i++)
		CHECK(next_of(&w, EVENT_CALL_connect, &f));
	CHECK(!next_call(&w, &f));
	done(&w);
	policy_free(p);
}

#define FLOOD 20000

static void flood(void)
{
	for (int i = 0; i < FLOOD; i++)
		(void)syscall(SYS_connect, i, NULL, 0L);
}

/* Nobody reads: what does not fit is counted, by call, and the rest is whole and in order. */
static void a_full_queue_counts(void)
{
	struct kernel_fact f;
	long told = 0, missed;
	struct watch w;

	start(&w, &off, KERNEL_OBSERVE_NET, false, flood);
	CHECK_INT(end(&w), 0);
	for (; kernel_observer_next(w.observer, &f) == 1; told++)
		CHECK_INT(f.args[0].num, told);
	CHECK_INT(kernel_observer_lost(w.observer), FLOOD - told);
	missed = (long)kernel_observer_missed(w.observer, EVENT_CALL_connect);
	CHECK(told > 500 && missed > 0);
	CHECK_INT(told + missed, FLOOD);
	CHECK_INT(kernel_observer_missed(w.observer, EVENT_CALL_connect), 0);
	done(&w);
}

/* However far behind we are: in order, and what is not told is counted. */
static void all_is_told_or_counted(void)
{
	struct kernel_fact f;
	struct watch w;
	int status = 0;
	long told = 0, next = 0;

	start(&w, &off, KERNEL_OBSERVE_NET, false, flood);
	for (int i = 0; i < 20000 && waitpid(w.pid, &status, WNOHANG) == 0; i++) {
		for (; kernel_observer_next(w.observer, &f) == 1; told++) {
			CHECK(f.args[0].num >= next);
			next = f.args[0].num + 1;
		}
		pause_ms(1);
	}
	kernel_notifier_stop(w.notifier);
	for (; kernel_observer_next(w.observer, &f) == 1; told++) {
		CHECK(f.args[0].num >= next);
		next = f.args[0].num + 1;
	}
	(void)close(w.pidfd);
	CHECK_INT(told + (long)kernel_observer_lost(w.observer), FLOOD);
	done(&w);
}

static void call_on(void)
{
	for (int i = 0; i < 20000 && shared->go != 3; i++) {
		if (syscall(SYS_connect, -1, NULL, 0L) < 0 && errno != EBADF)
			shared->wrong++;
		shared->calls++;
		if (i % 16 == 0)
			pause_ms(1);
	}
}

static void wait_for_calls(long more)
{
	long from = shared->calls;

	for (int i = 0; i < 5000 && shared->calls < from + more; i++)
		pause_ms(1);
	CHECK(shared->calls >= from + more);
}

static void the_keeper_goes_on_where_we_stop(void)
{
	struct watch w;
	int status = -1;

	start(&w, &off, KERNEL_OBSERVE_NET, true, call_on);
	/* while its own copy is open, nobody answers for a closed listener */
	wait_for_calls(20);
	kernel_notifier_stop(w.notifier);
	kernel_keeper_free(w.keeper);
	w.keeper = NULL;
	wait_for_calls(100);
	shared->go = 3;
	CHECK(waitpid(w.pid, &status, 0) == w.pid);
	CHECK_INT(status, 0);
	CHECK_INT(shared->wrong, 0);
	(void)close(w.pidfd);
	done(&w);
	while (waitpid(-1, NULL, 0) > 0) /* the keeper has nobody left */
		;
}

static void supervise(void)
{
	struct watch w;

	start(&w, &off, KERNEL_OBSERVE_NET, true, call_on);
	for (;;)
		(void)pause();
}

/* Killed while calls come in all the time: none fails, and none hangs. */
static void nothing_breaks_when_we_are_killed(void)
{
	for (int round = 0; round < 8; round++) {
		pid_t us;

		shared->go = 0;
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
		us = fork();
		if (us == 0)
			supervise();
		for (int i = 0; i < 5000 && shared->go != 1; i++)
			pause_ms(1);
		pause_ms(3 * round);
		(void)kill(us, SIGKILL);
		CHECK(waitpid(us, NULL, 0) == us);
		wait_for_calls(50);
		CHECK_INT(shared->wrong, 0);
		shared->go = 3;
		while (waitpid(-1, NULL, 0) > 0) /* command and keeper */
			;
	}
}

static void one_call(void)
{
	shared->results[0] = syscall(SYS_connect, -1, NULL, 0L) < 0 ? errno : -1;
}

/* Received, not answered, and then we are gone: nobody else knows the number of the call. */
static void a_call_in_hand_goes_on(void)
{
	struct kernel_observer *o = NULL;
	struct kernel_keeper *k = NULL;
	int pidfd, fd, status = -1;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	CHECK_INT(kernel_observer_new(&o, KERNEL_OBSERVE_NET, NULL), 0);
	CHECK_INT(kernel_keeper_new(&k, NULL), 0);
	pid = fork();
	if (pid == 0) {
		(void)alarm(10);
		load_filter(&off, o);
		(void)fcntl(shared->listener, F_SETFD, FD_CLOEXEC);
		one_call();
		_exit(0);
	}
	for (int i = 0; i < 5000 && !shared->listener; i++)
		pause_ms(1);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, shared->listener, 0);
	memset(kernel_keeper_room(k), 0, KERNEL_KEEPER_ROOM);
	CHECK_INT(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, kernel_keeper_room(k)), 0);
	CHECK_INT(kernel_keeper_give(k, fd), 0);
	(void)close(fd);
	(void)close(pidfd);
	kernel_keeper_free(k);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
	CHECK_INT(shared->results[0], EBADF);
	kernel_observer_free(o);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static void words_are_parsed(void)
{
	CHECK_INT(kernel_observed_parse("exec"), KERNEL_OBSERVE_EXEC);
	CHECK_INT(kernel_observed_parse("net,exec"), KERNEL_OBSERVE_EXEC | KERNEL_OBSERVE_NET);
	CHECK_INT(kernel_observed_parse("exec,net,files"), EVERYTHING);
	CHECK_INT(kernel_observed_parse(""), -EINVAL);
	CHECK_INT(kernel_observed_parse("exec,"), -EINVAL);
	CHECK_INT(kernel_observed_parse("exe"), -EINVAL);
	CHECK_INT(kernel_observed_parse("execs"), -EINVAL);
}

int main(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED || !mkdtemp(folder)) {
		printf("Bail out! no folder\n");
		return 1;
	}
	TAP_RUN(words_are_parsed);
	TAP_RUN(files_are_told_with_the_folders_they_start_from);
	TAP_RUN(addresses_are_told_and_bad_ones_survived);
	TAP_RUN(texts_are_whole_or_marked);
	TAP_RUN(an_exec_is_told_before_and_after);
	TAP_RUN(the_policy_comes_first);
	TAP_RUN(a_full_queue_counts);
	TAP_RUN(all_is_told_or_counted);
	TAP_RUN(the_keeper_goes_on_where_we_stop);
	TAP_RUN(a_call_in_hand_goes_on);
	TAP_RUN(nothing_breaks_when_we_are_killed);
	(void)rmdir(folder);
	return tap_done();
}
