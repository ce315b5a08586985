/* SPDX-License-Identifier: Apache-2.0 */
/* What processes of a cell do, for agent_sensors.py: agent_probe ACT [NUMBER [WORD]]. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_STACK 65536

extern char **environ;

static int leave(void *arg)
{
	(void)arg;
	_exit(7);
}

/* Processes that do nothing, one after the other. */
static int births(long count, const char *how)
{
	static char stack[CHILD_STACK] __attribute__((aligned(16)));
	char name[] = "true", *argv[] = {name, NULL};
	int status;
	pid_t pid;

	for (long i = 0; i < count; i++) {
		if (strcmp(how, "vfork") == 0) {
			pid = clone(leave, stack + CHILD_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD,
				    NULL);
		} else if (strcmp(how, "spawn") == 0) {
			if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) != 0)
				return 1;
		} else {
			pid = fork();
			if (pid == 0)
				_exit(7);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			return 1;
	}
	return 0;
}

static int ends(void)
{
	static const int signals[] = {SIGKILL, SIGTERM, SIGSEGV};
	pid_t pid;

	for (int code = 0; code < 256; code += 85) {
		pid = fork();
		if (pid == 0)
			_exit(code);
		(void)waitpid(pid, NULL, 0);
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		pid = fork();
		if (pid == 0) {
			(void)raise(signals[i]);
			_exit(99);
		}
		(void)waitpid(pid, NULL, 0);
	}
	return 0;
}

static void *nothing(void *arg)
{
	return arg;
}

static void *leave_later(void *arg)
{
	(void)usleep(20000);
	exit(*(int *)arg);
}

static void *run_another(void *arg)
{
	(void)arg;
	(void)execl("/bin/true", "from", "a", "thread", NULL);
	exit(99);
}

/* Threads that come and go; a process whose first thread ends before it; an exec by a thread. */
static int threads(long count)
{
	static int code = 9;
	pthread_t t;
	pid_t pid;

	for (long i = 0; i < count; i++)
		if (pthread_create(&t, NULL, nothing, NULL) != 0 || pthread_join(t, NULL) != 0)
			return 1;
	pid = fork();
	if (pid == 0) {
		(void)pthread_create(&t, NULL, leave_later, &code);
		(void)syscall(SYS_exit, 0); /* this thread alone */
	}
	(void)waitpid(pid, NULL, 0);
	pid = fork();
	if (pid == 0) {
		(void)pthread_create(&t, NULL, run_another, NULL);
		(void)pthread_join(t, NULL);
		_exit(98);
	}
	(void)waitpid(pid, NULL, 0);
	return 0;
}

static void *wait_for_end(void *arg)
{
	while (*(volatile int *)arg)
		;
	return NULL;
}

/* Processes whose threads all end at the same moment. */
static int crowds(long count)
{
	static int go_on = 1;
	pthread_t t;
	pid_t pid;

	for (long i = 0; i < count; i++) {
		pid = fork();
		if (pid == 0) {
			for (int k = 0; k < 4; k++)
				(void)pthread_create(&t, NULL, wait_for_end, &go_on);
			exit(6);
		}
		(void)waitpid(pid, NULL, 0);
	}
	return 0;
}

/* Two programs one after the other in one process, one with a long argv. */
static int twice(const char *own)
{
	char *argv[400], text[400][8];

	if (strcmp(own, "-") == 0)
		return execl("/bin/true", "true", "at", "last", "caf\xe9", NULL);
	for (int i = 0; i < 399; i++) {
		(void)snprintf(text[i], sizeof(text[i]), "%06d", i);
		argv[i] = text[i];
	}
	argv[0] = (char *)(uintptr_t)own;
	argv[1] = strcpy(text[1], "twice");
	argv[2] = strcpy(text[2], "1");
	argv[3] = strcpy(text[3], "-");
	argv[399] = NULL;
	return execv(own, argv);
}

static socklen_t unix_address(struct sockaddr_un *un, const char *name)
{
	*un = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(un->sun_path, name, strlen(name));
	if (name[0] == '@')
		un->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
}

/* To places where nobody listens. */
static int connects(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(9)}, other;
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(99), .sin6_addr = in6addr_loopback};
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct sockaddr_un un;
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {
		.msg_name = &in, .msg_namelen = sizeof(in), .msg_iov = &iov, .msg_iovlen = 1};
	struct mmsghdr two[2] = {{.msg_hdr = msg}, {.msg_hdr = msg}};
	int tcp = socket(AF_INET, SOCK_STREAM, 0), tcp6 = socket(AF_INET6, SOCK_STREAM, 0),
	    udp = socket(AF_INET, SOCK_DGRAM, 0), local = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)inet_pton(AF_INET, "127.0.0.1", &in.sin_addr);
	(void)!connect(tcp, (struct sockaddr *)&in, sizeof(in));
	(void)!connect(tcp6, (struct sockaddr *)&in6, sizeof(in6));
	(void)!connect(local, (struct sockaddr *)&un, unix_address(&un, "/no/such/socket"));
	(void)!connect(local, (struct sockaddr *)&un, unix_address(&un, "@no such\nname"));
	in.sin_port = htons(10);
	(void)!sendto(udp, "x", 1, 0, (struct sockaddr *)&in, sizeof(in));
	in.sin_port = htons(11);
	(void)!sendmsg(udp, &msg, 0);
	in.sin_port = htons(12);
	other = in;
	other.sin_port = htons(14);
	two[1].msg_hdr.msg_name = &other;
	(void)!sendmmsg(udp, two, 2, 0);
	in.sin_port = htons(13);
	(void)!connect(udp, (struct sockaddr *)&in, sizeof(in));
	(void)!send(udp, "x", 1, 0);
	(void)!connect(udp, &none, sizeof(none));
	return 0;
}

/* As a user: two calls that fail for want of a capability, one that asks and does without. */
static int refusals(const char *file)
{
	int one = 1;
	pid_t pid = fork();

	if (pid == 0) {
		(void)!chown(file, 1, 1);
		_exit(errno == EPERM ? 0 : 1);
	}
	(void)waitpid(pid, NULL, 0);
	pid = fork();
	if (pid == 0) {
		(void)!mount("none", "/", "tmpfs", 0, NULL);
		_exit(errno == EPERM ? 0 : 1);
	}
	(void)waitpid(pid, NULL, 0);
	pid = fork();
	if (pid == 0) {
		(void)setsockopt(socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, SO_MARK, &one,
				 sizeof(one));
		_exit(0);
	}
	(void)waitpid(pid, NULL, 0);
	return 0;
}

/* What floods a sensor: addresses, many. */
static int flood(long count)
{
	struct sockaddr_un un;
	socklen_t len = unix_address(&un, "@nobody");
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	for (long i = 0; i < count; i++)
		(void)!sendto(fd, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&un, len);
	return 0;
}

/*
 * A filter that refuses one call, called some times; as the gate does: loudly, or in silence what
 * programs try just to see whether it is there.
 */
static int gate(long count, bool is_quiet)
{
	unsigned nr = is_quiet ? SYS_clone3 : SYS_getppid;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (is_quiet ? ENOSYS : EPERM)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(code) / sizeof(code[0]), code};
	long flags = is_quiet ? 0 : SECCOMP_FILTER_FLAG_LOG;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog) < 0)
		return 1;
	for (long i = 0; i < count; i++)
		if (syscall(nr, NULL, 0) != -1)
			return 1;
	return 0;
}

/* Processes in a PID namespace below the cell's. */
static int nested(void)
{
	static char stack[CHILD_STACK] __attribute__((aligned(16)));
	pid_t pid = clone(leave, stack + CHILD_STACK, CLONE_NEWPID | SIGCHLD, NULL);

	return pid > 0 && waitpid(pid, NULL, 0) == pid ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *act = argc > 1 ? argv[1] : "", *word = argc > 3 ? argv[3] : "";
	long count = argc > 2 ? atol(argv[2]) : 0;

	if (strcmp(act, "births") == 0)
		return births(count, word);
	if (strcmp(act, "ends") == 0)
		return ends();
	if (strcmp(act, "threads") == 0)
		return threads(count);
	if (strcmp(act, "crowds") == 0)
		return crowds(count);
	if (strcmp(act, "twice") == 0)
		return twice(word[0] ? word : argv[0]);
	if (strcmp(act, "connects") == 0)
		return connects();
	if (strcmp(act, "refusals") == 0)
		return refusals(word);
	if (strcmp(act, "flood") == 0)
		return flood(count);
	if (strcmp(act, "gate") == 0)
		return gate(count, strcmp(word, "quiet") == 0);
	if (strcmp(act, "nested") == 0)
		return nested();
	return 2;
}
