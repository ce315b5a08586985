/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cell without an agent: a PID namespace with a victim as PID 2 in the agent's place, and a
 * command behind the gate, or behind one layer of it.
 *
 *	gate_driver [-l LAYER] [-w PATH]... -- COMMAND...
 *
 * LAYER: all; ids (other ids and no more); filter, landlock (that alone: the command has the
 * victim's uid); none (its uid and nothing in between).
 *
 * Says on stderr what became of the victim ("victim: untouched") and which ABI of Landlock there
 * was; its status is the command's. Run as root.
 */
#include <fcntl.h>
#include <linux/ioprio.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "gate_attack.h"
#include "init/gate_internal.h"

#define AGENT_UID 990
#define WORK_UID  1000
#define SECONDS   300
#define WRITABLE  8

static const char *layer = "all";
static const char *writable[WRITABLE + 1];

static bool is_layer(const char *name)
{
	return strcmp(layer, name) == 0;
}

static void must(bool good, const char *what)
{
	if (good)
		return;
	(void)dprintf(2, "gate_driver: %s: %s\n", what, strerror(errno));
	_exit(125);
}

/* What others could change of the victim. */
struct state {
	struct rlimit files, core;
	int nice, ioprio, policy, tracer, oom, session, group;
	cpu_set_t cpus;
	char canary[32];
};

static volatile char canary[32] = "memory of the victim";
static int thread_stop[2];
static bool thread_is_hit;

static int number_in(const char *path, const char *key)
{
	char line[256];
	int value = -1;
	FILE *f = fopen(path, "re");

	must(f != NULL, path);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			value = atoi(line + strlen(key));
	(void)fclose(f);
	return value;
}

static void look(struct state *s)
{
	memset(s, 0, sizeof(*s));
	(void)getrlimit(RLIMIT_NOFILE, &s->files);
	(void)getrlimit(RLIMIT_CORE, &s->core);
	s->nice = getpriority(PRIO_PROCESS, 0);
	s->ioprio = (int)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);
	s->policy = sched_getscheduler(0);
	s->tracer = number_in("/proc/self/status", "TracerPid:");
	s->oom = number_in("/proc/self/oom_score_adj", "");
	s->session = getsid(0);
	s->group = getpgrp();
	(void)sched_getaffinity(0, sizeof(s->cpus), &s->cpus);
	for (size_t i = 0; i < sizeof(canary); i++)
		s->canary[i] = canary[i];
}

/* Blocked signals stay: those to the process as those to one of its threads. */
static bool is_hit(const char *who)
{
	sigset_t pending;
	bool hit = false;

	(void)sigpending(&pending);
	for (int i = 1; i < 65; i++) {
		if (sigismember(&pending, i) != 1)
			continue;
		(void)dprintf(2, "victim: signal %d to its %s\n", i, who);
		hit = true;
	}
	return hit;
}

static void *second_thread(void *arg)
{
	char c;

	(void)arg;
	(void)!read(thread_stop[0], &c, 1);
	thread_is_hit = is_hit("thread");
	return NULL;
}

/* PID 2, and thread 3. Ends when @stop is closed; its status says whether it was touched. */
static void be_victim(int ready, int stop)
{
	struct state before, after;
	pthread_t thread;
	sigset_t all;
	char c = 'r';
	bool hit;

	(void)sigfillset(&all);
	must(sigprocmask(SIG_SETMASK, &all, NULL) == 0 && setsid() == 2, "setsid");
	must(setresgid(AGENT_UID, AGENT_UID, AGENT_UID) == 0 &&
		     setresuid(AGENT_UID, AGENT_UID, AGENT_UID) == 0,
	     "setresuid");
	/* so that one layer alone is seen, this one is left out */
	must(prctl(PR_SET_DUMPABLE, is_layer("all") ? 0 : 1, 0, 0, 0) == 0, "dumpable");
	must(pipe2(thread_stop, O_CLOEXEC) == 0, "pipe");
	must(pthread_create(&thread, NULL, second_thread, NULL) == 0, "thread");
	look(&before);
	must(write(ready, &c, 1) == 1, "ready");
	(void)!read(stop, &c, 1);
	look(&after);
	hit = is_hit("process");
	(void)close(thread_stop[1]);
	(void)pthread_join(thread, NULL);
	if (memcmp(&before, &after, sizeof(before)) != 0) {
		(void)dprintf(2,
			      "victim: changed: nice %d, policy %d, tracer %d, "
			      "files %lu, ioprio %d, \"%s\"\n",
			      after.nice, after.policy, after.tracer,
			      (unsigned long)after.files.rlim_cur, after.ioprio, after.canary);
		hit = true;
	}
	_exit(hit || thread_is_hit);
}

static void be_command(char **argv)
{
	struct gate_options o = {WORK_UID, WORK_UID, AGENT_UID, writable[0] ? writable : NULL};
	enum gate_step step = GATE_VIEW;
	int abi = -1, r;

	if (is_layer("all")) {
		r = init_gate_pass(&o, &abi, &step);
	} else {
		if (!is_layer("ids")) {
			o.uid = o.gid = AGENT_UID;
			o.agent_uid = WORK_UID;
		}
		r = init_gate_drop(&o, &step);
		if (r == 0 && is_layer("filter"))
			r = init_gate_load();
		else if (r == 0 && is_layer("landlock"))
			r = init_gate_landlock(&o, &abi);
	}
	if (abi >= 0)
		(void)dprintf(2, "landlock: %d\n", abi);
	errno = -r;
	must(r == 0, init_gate_step_name(step));
	(void)execvp(argv[0], argv);
	must(false, argv[0]);
}

/* What an agent never has, and an unwary neighbour might: a name that everyone can connect to. */
static void listen_somewhere(void)
{
	struct sockaddr_un a;
	socklen_t len = attack_neighbour(&a);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, 8) == 0, "listen");
}

static void be_first(char **argv)
{
	struct gate_options o = {WORK_UID, WORK_UID, AGENT_UID, NULL};
	enum gate_step step = GATE_VIEW;
	int ready[2], stop[2], victim, command, status, result = 125, r;
	char c;

	must(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0, "prctl");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private");
	must(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0, "proc");
	if (is_layer("all")) {
		r = init_gate_view(&o, &step);
		errno = -r;
		must(r == 0, "view");
	}
	listen_somewhere();
	must(pipe2(ready, O_CLOEXEC) == 0 && pipe2(stop, O_CLOEXEC) == 0, "pipe");
	victim = fork();
	if (victim == 0) {
		(void)close(stop[1]);
		be_victim(ready[1], stop[0]);
	}
	must(victim == 2 && close(ready[1]) == 0 && read(ready[0], &c, 1) == 1, "victim");
	command = fork();
	if (command == 0)
		be_command(argv);
	for (int pid; (pid = waitpid(-1, &status, WUNTRACED)) > 0;) {
		if (pid == victim) {
			(void)dprintf(2, "victim: %s %d\n",
				      WIFSTOPPED(status) ? "stopped" : "killed", status);
			_exit(124);
		}
		if (WIFSTOPPED(status)) /* it asked to be traced */
			(void)ptrace(PTRACE_DETACH, pid, NULL, (void *)(long)WSTOPSIG(status));
		if (pid != command || WIFSTOPPED(status))
			continue;
		result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		break;
	}
	/* no thread of the command may outlive it and still try */
	(void)close(stop[1]);
	must(waitpid(victim, &status, 0) == victim, "waitpid");
	if (status != 0)
		_exit(124);
	(void)dprintf(2, "victim: untouched\n");
	_exit(result);
}

int main(int argc, char **argv)
{
	int option, count = 0, status;
	pid_t child;

	while ((option = getopt(argc, argv, "+l:w:")) != -1) {
		if (option == 'l')
			layer = optarg;
		else if (option == 'w' && count < WRITABLE)
			writable[count++] = optarg;
		else
			return 2;
	}
	if (optind == argc)
		return 2;
	child = (pid_t)syscall(SYS_clone,
			       CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | SIGCHLD,
			       NULL, NULL, NULL, NULL);
	must(child >= 0, "clone");
	if (child == 0)
		be_first(argv + optind);
	(void)alarm(SECONDS); /* ends this process, and the cell with it */
	must(waitpid(child, &status, 0) == child, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
