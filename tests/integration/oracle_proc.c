/* SPDX-License-Identifier: Apache-2.0 */
/* open() and open64() are two functions here */
#undef _FILE_OFFSET_BITS

#include "oracle.h"

#include <dlfcn.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* The part of oracle.c about other processes: made by clone and _Fork, signalled, traced, read. */

#define NOBODYS_PID 0x7ffffff0
#define STACK       (64 << 10)
#define SMALL       2048

int pidfd_send_signal(int pidfd, int signal, siginfo_t *info, unsigned flags);

static char stack[STACK] __attribute__((__aligned__(16)));
static long shared = -1; /* a word that may be mistaken for an error */

static void look_for_nothing(void)
{
	int fd = CALL(open("none", O_RDONLY));

	want("open", fd, ALSO(join("none"), .error = ENOENT), "none", "O_RDONLY", NULL);
}

static void plain_forks(void)
{
	pid_t pid = CALL(_Fork());

	if (pid == 0) {
		look_for_nothing();
		_exit(4);
	}
	want("_Fork", pid, ALSO(NULL), NULL);
	reap(pid, 4);
}

static int in_clone(void *arg)
{
	must(arg == &shared, "the argument of clone");
	look_for_nothing();
	return 7;
}

/* What lies below a small stack stays as it was: ours is not the part that needs room. */
static int on_small_stack(void *arg)
{
	const char *below = arg;

	for (int i = 0; i < STACK - SMALL; i++)
		if (below[i] != '#')
			return 1;
	return 8;
}

static int in_vfork(void *arg)
{
	*(long *)arg = 3;
	return 9;
}

static int in_vfork_exec(void *arg)
{
	static char name[] = "oracle", noop[] = "noop";
	static char *argv[] = {name, noop, NULL};

	(void)arg;
	execv(self, argv);
	return 1;
}

static int in_other_thread(void *arg)
{
	*(long *)arg = 5;
	return 6;
}

static void clones(void)
{
	pid_t pid;

	pid = CALL(clone(in_clone, stack + STACK, SIGCHLD, &shared));
	want("clone", pid, ALSO(NULL), "SIGCHLD", NULL);
	reap(pid, 7);
	memset(stack, '#', STACK - SMALL);
	pid = CALL(clone(on_small_stack, stack + STACK - 8, CLONE_VFORK | SIGCHLD, stack));
	want("clone", pid, ALSO(NULL), "CLONE_VFORK|SIGCHLD", NULL);
	reap(pid, 8);

	pid = CALL(clone(in_vfork, stack + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, &shared));
	want("clone", pid, ALSO(NULL), "CLONE_VM|CLONE_VFORK|SIGCHLD", NULL);
	must(shared == 3, "memory shared with a clone");
	reap(pid, 9);
	pid = CALL(clone(in_vfork_exec, stack + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL));
	want("clone", pid, ALSO(NULL), "CLONE_VM|CLONE_VFORK|SIGCHLD", NULL);
	{
		int after = last_errno;

		last_errno = 0;
		want("execv", 0, ALSO(self, .no_result = true, .pid = pid), self,
		     "[\"oracle\", \"noop\"]", NULL);
		last_errno = after;
	}
	reap(pid, 0);
	pid = CALL(clone(in_other_thread, stack + STACK, CLONE_VM | SIGCHLD, &shared));
	want("clone", pid, ALSO(NULL), "CLONE_VM|SIGCHLD", NULL);
	reap(pid, 6);
	must(shared == 5, "memory shared with a clone");
	shared = -1;

	pid = CALL(clone(null, stack + STACK, SIGCHLD, NULL));
	want("clone", pid, ALSO(.error = EINVAL), "SIGCHLD", NULL);
	pid = CALL(clone(in_clone, null, SIGCHLD, NULL));
	want("clone", pid, ALSO(.error = EINVAL), "SIGCHLD", NULL);
	pid = CALL(clone(in_clone, stack + STACK, CLONE_SIGHAND | SIGCHLD, NULL));
	want("clone", pid, ALSO(.error = EINVAL), "CLONE_SIGHAND|SIGCHLD", NULL);
	pid = CALL(clone(in_vfork, null, CLONE_VM | CLONE_VFORK, NULL));
	want("clone", pid, ALSO(.error = EINVAL), "CLONE_VM|CLONE_VFORK", NULL);
}

static void leave(int signal)
{
	(void)signal;
	_exit(0);
}

/* A child that waits for SIGTERM, in a group of its own. */
pid_t waiting_child(void)
{
	pid_t pid;

	signal(SIGTERM, leave);
	pid = CALL(fork());
	if (pid == 0)
		for (;;)
			pause();
	signal(SIGTERM, SIG_DFL);
	want("fork", pid, ALSO(NULL), NULL);
	must(setpgid(pid, pid) == 0, "setpgid");
	return pid;
}

/* The signal is there before the child has run: its handler already acts for the child. */
static void hurried(void)
{
	pid_t pid;

	signal(SIGTERM, leave);
	for (int i = 0; i < 30; i++) {
		const char *way = i % 3 == 0 ? "fork" : i % 3 == 1 ? "_Fork" : "clone";

		if (i % 3 == 2)
			pid = (pid_t)CALL(
				syscall(SYS_clone, (long)SIGCHLD, NULL, NULL, NULL, NULL));
		else
			pid = i % 3 ? CALL(_Fork()) : CALL(fork());
		if (pid == 0)
			for (;;)
				pause();
		must(kill(pid, SIGTERM) == 0, "kill");
		want(way, pid, ALSO(.raw = i % 3 == 2), i % 3 == 2 ? "SIGCHLD" : NULL, NULL);
		last_errno = MARK;
		want("kill", 0, ALSO(NULL), num("", pid), "SIGTERM", NULL);
		reap(pid, 0);
	}
	signal(SIGTERM, SIG_DFL);
}

static void signals(pid_t pid)
{
	const char *none = num("", NOBODYS_PID);
	union sigval value = {.sival_int = 1};
	int r, fd;

	/* oneself, and the question whether somebody is there */
	must(CALL(kill(getpid(), SIGURG)) == 0 && CALL(kill(pid, 0)) == 0, "kill");
	must(CALL(killpg(pid, 0)) == 0, "killpg");
	must(CALL(tgkill(getpid(), getpid(), SIGURG)) == 0, "tgkill");
	must(CALL(sigqueue(getpid(), SIGURG, value)) == 0, "sigqueue");

	r = CALL(kill(pid, SIGURG));
	want("kill", r, ALSO(NULL), num("", pid), "SIGURG", NULL);
	r = CALL(kill(pid, 999));
	want("kill", r, ALSO(.error = EINVAL), num("", pid), "999", NULL);
	r = CALL(kill(NOBODYS_PID, SIGTERM));
	want("kill", r, ALSO(.error = ESRCH), none, "SIGTERM", NULL);
	r = CALL(kill(-pid, SIGWINCH));
	want("kill", r, ALSO(NULL), num("", -pid), "SIGWINCH", NULL);
	r = CALL(killpg(pid, SIGURG));
	want("killpg", r, ALSO(NULL), num("", pid), "SIGURG", NULL);
	r = CALL(killpg(NOBODYS_PID, SIGTERM));
	want("killpg", r, ALSO(.error = ESRCH), num("", NOBODYS_PID), "SIGTERM", NULL);
	r = CALL(tgkill(pid, pid, SIGURG));
	want("tgkill", r, ALSO(NULL), num("", pid), num("", pid), "SIGURG", NULL);
	r = CALL(tgkill(NOBODYS_PID, 1, SIGURG));
	want("tgkill", r, ALSO(.error = ESRCH), num("", NOBODYS_PID), "1", "SIGURG", NULL);
	r = CALL(sigqueue(pid, SIGURG, value));
	want("sigqueue", r, ALSO(NULL), num("", pid), "SIGURG", NULL);
	r = CALL(sigqueue(NOBODYS_PID, SIGURG, value));
	want("sigqueue", r, ALSO(.error = ESRCH), num("", NOBODYS_PID), "SIGURG", NULL);
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	must(fd >= 0, "pidfd_open");
	r = CALL(pidfd_send_signal(fd, SIGURG, NULL, 0));
	want("pidfd_send_signal", r, ALSO(NULL), FD(fd), "SIGURG", NULL);
	r = CALL(pidfd_send_signal(777, SIGURG, NULL, 0));
	want("pidfd_send_signal", r, ALSO(.error = EBADF), "fd:777", "SIGURG", NULL);
	close(fd);
}

static void tracing(pid_t pid)
{
	long r = CALL(ptrace(PTRACE_ATTACH, NOBODYS_PID, NULL, NULL));
	int status;

	want("ptrace", r, ALSO(.error = last_errno), "PTRACE_ATTACH", num("", NOBODYS_PID), NULL);
	r = CALL(ptrace(PTRACE_ATTACH, pid, NULL, NULL));
	want("ptrace", r, ALSO(.error = r < 0 ? last_errno : 0), "PTRACE_ATTACH", num("", pid),
	     NULL);
	if (r < 0)
		return; /* not everywhere */
	must(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), "a traced child");
	r = CALL(ptrace(PTRACE_PEEKDATA, pid, &shared, NULL));
	must(r == -1 && last_errno == 0, "a word read by ptrace");
	want("ptrace", r, ALSO(NULL), "PTRACE_PEEKDATA", num("", pid), NULL);
	r = CALL(ptrace(PTRACE_PEEKDATA, pid, NULL, NULL));
	want("ptrace", r, ALSO(.error = last_errno), "PTRACE_PEEKDATA", num("", pid), NULL);
	r = CALL(ptrace(PTRACE_DETACH, pid, NULL, NULL));
	want("ptrace", r, ALSO(.error = r < 0 ? last_errno : 0), "PTRACE_DETACH", num("", pid),
	     NULL);
}

static void memory(pid_t pid)
{
	long word = 0;
	struct iovec ours = {&word, sizeof(word)}, theirs = {&shared, sizeof(shared)};
	ssize_t n;

	n = CALL(process_vm_readv(pid, &ours, 1, &theirs, 1, 0));
	want("process_vm_readv", n, ALSO(.error = n < 0 ? last_errno : 0), num("", pid), "1", "1",
	     "0", NULL);
	must(n < 0 || word == -1, "a word read from the child");
	n = CALL(process_vm_readv(NOBODYS_PID, &ours, 1, &theirs, 1, 0));
	want("process_vm_readv", n, ALSO(.error = last_errno), num("", NOBODYS_PID), "1", "1", "0",
	     NULL);
	n = CALL(process_vm_writev(pid, &ours, 1, &theirs, 1, 0));
	want("process_vm_writev", n, ALSO(.error = n < 0 ? last_errno : 0), num("", pid), "1", "1",
	     "0", NULL);
	n = CALL(process_vm_writev(pid, &ours, 1, &theirs, 1, 8));
	want("process_vm_writev", n, ALSO(.error = EINVAL), num("", pid), "1", "1", "8", NULL);
}

/* Our own folder is in the program's RUNPATH and nowhere else: ld.so must see who calls. */
static void loading(void)
{
	static const char part[] = "oracle_part.so";
	void *h, *again;

	h = CALL(dlopen(part, RTLD_NOW | RTLD_NOLOAD));
	must(!h, "a library that is not there yet");
	want("dlopen", 0, ALSO(.no_result = true), part, "RTLD_NOW|RTLD_NOLOAD", NULL);
	h = CALL(dlopen(part, RTLD_LAZY));
	must(h != NULL, "a library of the program's RUNPATH");
	want("dlopen", 0, ALSO(.no_result = true), part, "RTLD_LAZY", NULL);
	again = CALL(dlopen(part, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL));
	must(again == h, "the same library");
	want("dlopen", 0, ALSO(.no_result = true), part, "RTLD_NOW|RTLD_NOLOAD|RTLD_GLOBAL", NULL);
	must(dlclose(again) == 0 && dlclose(h) == 0, "dlclose");
	h = CALL(dlopen(null, RTLD_LAZY));
	must(h && dlsym(h, "printf"), "the program itself");
	want("dlopen", 0, ALSO(.no_result = true), "NULL", "RTLD_LAZY", NULL);
	h = CALL(dlopen("./none.so", RTLD_LAZY));
	must(!h && strstr(dlerror(), "none.so"), "no library");
	want("dlopen", 0, ALSO(join("none.so"), .no_result = true), "./none.so", "RTLD_LAZY", NULL);
	h = CALL(dlmopen(LM_ID_BASE, part, RTLD_NOW));
	must(h && dlclose(h) == 0, "a library by dlmopen");
	want("dlmopen", 0, ALSO(.no_result = true), "0", part, "RTLD_NOW", NULL);
	h = CALL(dlmopen(LM_ID_NEWLM, "./none.so", RTLD_NOW));
	must(!h, "no library by dlmopen");
	want("dlmopen", 0, ALSO(join("none.so"), .no_result = true), "-1", "./none.so", "RTLD_NOW",
	     NULL);
}

void processes(void)
{
	pid_t pid;

	plain_forks();
	clones();
	pid = waiting_child();
	signals(pid);
	tracing(pid);
	memory(pid);
	must(CALL(kill(pid, SIGTERM)) == 0, "kill");
	want("kill", 0, ALSO(NULL), num("", pid), "SIGTERM", NULL);
	reap(pid, 0);
	hurried();
	loading();
}
