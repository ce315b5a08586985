/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workload for rejoin.py: words that each do one thing, the rest of the words in the next image.
 * What a program has to do to lose the ring's fd: close it past libc.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int wait_for(pid_t pid)
{
	int status = 0;

	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
									       : 99;
}

/* hold NAME COUNT: connect that often and never read; the connections outlive the exec */
static int hold(const char *name, int count)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len = strlen(name);

	if (len >= sizeof(to.sun_path))
		return 98;
	memcpy(to.sun_path + 1, name, len);
	for (int i = 0; i < count; i++) {
		int s = socket(AF_UNIX, SOCK_STREAM, 0);

		if (s < 0 ||
		    connect(s, (struct sockaddr *)&to,
			    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) < 0)
			return 97;
	}
	return 0;
}

/* The fd where ours lies, and not what "hold" holds. */
static void lose(void)
{
	(void)syscall(SYS_close_range, 240, 240, 0);
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";
	char **next;
	int take = 2;

	if (!*word)
		return 96;
	if (strcmp(word, "mark") == 0) { /* PATH: an event to look for */
		printf("%s\n", argv[2]);
		(void)access("/", F_OK);
		(void)close(open(argv[2], O_RDONLY));
		return 0;
	}
	if (strcmp(word, "who") == 0) { /* pid, program file and name, as /proc has them */
		char exe[4096] = "", comm[32] = "";
		FILE *f = fopen("/proc/self/comm", "r");

		if (!f || !fgets(comm, sizeof(comm), f) ||
		    readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0)
			return 92;
		comm[strcspn(comm, "\n")] = '\0';
		printf("%d\t%s\t%s\n", (int)getpid(), exe, comm);
		return 0;
	}
	if (strcmp(word, "env") == 0) { /* what the library would have hidden */
		char text[65536];
		FILE *f = fopen("/proc/self/environ", "r");
		size_t n = f ? fread(text, 1, sizeof(text), f) : 0;

		(void)fwrite(text, 1, n, stdout);
		return 0;
	}
	if (strcmp(word, "hold") == 0) {
		int r = hold(argv[2], atoi(argv[3]));

		if (r)
			return r;
		take = 4;
	} else if (strcmp(word, "lose") == 0 || strcmp(word, "losing-spawn") == 0) {
		lose();
	} else if (strcmp(word, "reuse") == 0) { /* every high number is another file's */
		lose();
		for (int fd = 955; fd < 1020; fd++)
			(void)syscall(SYS_dup3, STDIN_FILENO, fd, 0);
	} else if (strcmp(word, "few") == 0) { /* no number is high */
		struct rlimit few = {64, 64};

		lose();
		if (setrlimit(RLIMIT_NOFILE, &few) < 0)
			return 95;
	} else if (strcmp(word, "newnet") == 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
			return 77;
	} else if (strcmp(word, "stop") == 0) { /* the recorder, our parent */
		(void)kill(getppid(), SIGSTOP);
	} else if (strcmp(word, "cont") == 0) {
		(void)kill(getppid(), SIGCONT);
	}
	next = argv + take - 1;
	next[0] = argv[0];
	if (strcmp(word, "spawn") == 0 || strcmp(word, "losing-spawn") == 0) {
		pid_t pid = 0;

		return posix_spawn(&pid, argv[0], NULL, NULL, next, environ) == 0 ? wait_for(pid)
										  : 94;
	}
	if (strcmp(word, "fork") == 0) {
		pid_t pid = fork();

		if (pid != 0)
			return wait_for(pid);
	}
	if (strcmp(word, "newpid") == 0) {
		pid_t pid;

		if (unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
			return 77;
		pid = fork();
		if (pid != 0)
			return wait_for(pid);
	}
	(void)fflush(stdout);
	(void)execv(argv[0], next);
	return 93;
}
