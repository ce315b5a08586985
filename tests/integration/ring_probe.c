/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What programs do to the ring and around it, one act per first argument. Acts that open files open
 * paths below the folder in argv[2] that do not exist, so that the test can count them by name.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *folder;

static void open_one(const char *kind, int n)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s-%d", folder, kind, n);
	if (open(path, O_RDONLY) != -1 || errno != ENOENT)
		errx(1, "'%s' is there", path);
}

static sigjmp_buf back;

static void jump(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static void note(int sig)
{
	static int n;

	(void)sig;
	for (int i = 0; i < 3; i++)
		open_one("handler", n++);
}

static char *make_fifo(void)
{
	static char path[4096];

	(void)snprintf(path, sizeof(path), "%s/fifo", folder);
	if (mkfifo(path, 0600) < 0 && errno != EEXIST)
		err(1, "%s", path);
	return path;
}

static void on_signal(int sig, void (*handler)(int), int flags)
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = flags};

	if (sigaction(sig, &act, NULL) < 0)
		err(1, "sigaction");
}

/* Blocked in the open of a FIFO until a handler leaves it; more calls follow. */
static int leave_calls(void)
{
	char *fifo = make_fifo();

	on_signal(SIGALRM, jump, 0);
	for (int round = 0; round < 3; round++) {
		if (sigsetjmp(back, 1) == 0) {
			(void)ualarm(30000, 0);
			(void)open(fifo, O_RDONLY);
			errx(1, "the FIFO opened");
		}
		for (int i = 0; i < 10; i++)
			open_one("after", round * 10 + i);
	}
	return 0;
}

/* Then more calls of the very same function than a lane holds. */
static int leave_and_go_on(void)
{
	static char path[4096];
	char *fifo = make_fifo();

	on_signal(SIGALRM, jump, 0);
	/* the page of the name is known from then on */
	(void)snprintf(path, sizeof(path), "%s", fifo);
	(void)close(open(path, O_RDONLY | O_NONBLOCK));
	if (sigsetjmp(back, 1) == 0) {
		(void)ualarm(30000, 0);
		(void)open(path, O_RDONLY);
		errx(1, "the FIFO opened");
	}
	for (int i = 0; i < 8000; i++) {
		(void)snprintf(path, sizeof(path), "%s/more-%d", folder, i);
		(void)open(path, O_RDONLY);
	}
	return 0;
}

/* The same with a handler on its own stack, whose calls must not be mistaken for a way out. */
static int own_stack(void)
{
	stack_t ss = {.ss_size = 1 << 16};
	char *fifo = make_fifo();
	pid_t child;
	int fd;

	ss.ss_sp = malloc(ss.ss_size);
	if (!ss.ss_sp || sigaltstack(&ss, NULL) < 0)
		err(1, "sigaltstack");
	on_signal(SIGALRM, note, SA_ONSTACK | SA_RESTART);
	child = fork();
	if (child == 0) {
		(void)usleep(150000);
		_exit(open(fifo, O_WRONLY) < 0);
	}
	(void)ualarm(30000, 30000);
	fd = open(fifo, O_RDONLY);
	(void)ualarm(0, 0);
	if (fd < 0 || waitpid(child, NULL, 0) != child)
		err(1, "open");
	(void)close(fd);
	for (int i = 0; i < 10; i++)
		open_one("after", i);
	return 0;
}

static void fork_in_handler(int sig)
{
	pid_t child = fork();

	(void)sig;
	if (child > 0)
		(void)waitpid(child, NULL, 0);
	open_one(child ? "parent" : "child", 0);
}

/* Parent and child both return into the call that the handler interrupted. */
static int forked_inside(void)
{
	char *fifo = make_fifo();
	pid_t self = getpid();

	on_signal(SIGALRM, fork_in_handler, 0);
	(void)ualarm(30000, 0);
	if (open(fifo, O_RDONLY) != -1 || errno != EINTR)
		err(1, "open");
	open_one(getpid() == self ? "parent" : "child", 1);
	if (getpid() != self)
		_exit(0);
	return 0;
}

static void *thread(void *arg)
{
	open_one("thread", (int)(intptr_t)arg);
	return NULL;
}

/* All fds above 2 closed by the kernel directly: threads and children go on recording. */
static int close_all(void)
{
	pthread_t t[8];
	pid_t child;

	open_one("before", 0);
	if (syscall(SYS_close_range, 3u, ~0u, 0) < 0)
		err(1, "close_range");
	for (int i = 0; i < 8; i++)
		if (pthread_create(&t[i], NULL, thread, (void *)(intptr_t)i) != 0)
			errx(1, "pthread_create");
	for (int i = 0; i < 8; i++)
		(void)pthread_join(t[i], NULL);
	child = fork();
	if (child == 0) {
		open_one("child", 0);
		exit(0);
	}
	(void)waitpid(child, NULL, 0);
	/* a number that was the ring's is an ordinary one now */
	for (int fd = 3; fd < 1100; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			errx(1, "fd %d is open", fd);
	return 0;
}

static int burst(int n)
{
	for (int i = 0; i < n; i++)
		open_one("burst", i);
	return 0;
}

/* Every shared mapping of the ring, filled with noise again and again, while events are made. */
static int scribble(int rounds)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	struct {
		char *from, *to;
	} map[64];
	int n = 0, found = 0;

	while (maps && fgets(line, sizeof(line), maps) && n < 64) {
		unsigned long from, to;

		if (strstr(line, "memfd:telltale-ring") &&
		    sscanf(line, "%lx-%lx", &from, &to) == 2) {
			map[n].from = (char *)from;
			map[n++].to = (char *)to;
		}
	}
	srandom((unsigned)rounds);
	for (int i = 0; i < rounds; i++) {
		found += i % 10 == 0;
		open_one("noise", i);
		for (int k = 0; k < 400 && n; k++) {
			int m = (int)(random() % n);
			size_t size = (size_t)(map[m].to - map[m].from);
			/* most of it where it hurts: headers, heads, the first records */
			size_t at = (size_t)random() % (random() % 4 ? 65536 : size);
			long value = random() % 3 ? random() : (random() % 2 ? -1 : 0);

			if (at + sizeof(value) <= size)
				memcpy(map[m].from + at, &value, sizeof(value));
		}
	}
	(void)printf("%d maps\n", n);
	return found == 0;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	folder = argv[2];
	if (strcmp(argv[1], "leave-and-go-on") == 0)
		return leave_and_go_on();
	if (strcmp(argv[1], "leave-calls") == 0)
		return leave_calls();
	if (strcmp(argv[1], "own-stack") == 0)
		return own_stack();
	if (strcmp(argv[1], "forked-inside") == 0)
		return forked_inside();
	if (strcmp(argv[1], "close-all") == 0)
		return close_all();
	if (strcmp(argv[1], "burst") == 0 && argc > 3)
		return burst(atoi(argv[3]));
	if (strcmp(argv[1], "scribble") == 0 && argc > 3)
		return scribble(atoi(argv[3]));
	return 2;
}
