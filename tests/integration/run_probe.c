/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workloads for run_*.py: each word does one thing that a figure, an event or an end can be checked
 * against.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void sleep_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

static void put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		_exit(99);
	(void)close(fd);
}

/* state FILE: what a command inherits, as text. Everything is gathered before FILE is opened. */
static int do_state(char **argv)
{
	static char out[1 << 20];
	char link[64], to[4096], line[512];
	FILE *status = NULL;
	size_t n = 0;
	ssize_t len;

	for (int fd = 0; fd < 4096; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags < 0)
			continue;
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		len = readlink(link, to, sizeof(to) - 1);
		to[len > 0 ? len : 0] = '\0';
		n += (size_t)snprintf(out + n, sizeof(out) - n, "fd %d %s %x %x\n", fd, to,
				      (unsigned)flags, (unsigned)fcntl(fd, F_GETFL));
	}
	for (int res = 0; res < RLIM_NLIMITS; res++) {
		struct rlimit lim;

		if (getrlimit((__rlimit_resource_t)res, &lim) == 0)
			n += (size_t)snprintf(out + n, sizeof(out) - n, "limit %d %llu %llu\n", res,
					      (unsigned long long)lim.rlim_cur,
					      (unsigned long long)lim.rlim_max);
	}
	status = fopen("/proc/self/status", "re");
	while (status && fgets(line, sizeof(line), status))
		/* SigQ counts what is queued for the whole user: other processes move it */
		if ((strncmp(line, "Sig", 3) == 0 && line[3] != 'Q') ||
		    strncmp(line, "Shd", 3) == 0 || strncmp(line, "Cap", 3) == 0 ||
		    strncmp(line, "NoNew", 5) == 0 || strncmp(line, "Seccomp:", 8) == 0 ||
		    strncmp(line, "Umask", 5) == 0 || strncmp(line, "Cpus_allowed_list", 17) == 0 ||
		    strncmp(line, "Groups", 6) == 0 || strncmp(line, "Uid", 3) == 0)
			n += (size_t)snprintf(out + n, sizeof(out) - n, "%s", line);
	if (status)
		(void)fclose(status);
	n += (size_t)snprintf(out + n, sizeof(out) - n,
			      "nice %d pgrp-of-parent %d sid-of-parent %d cwd %s\n",
			      getpriority(PRIO_PROCESS, 0), getpgrp() == getpgid(getppid()),
			      getsid(0) == getsid(getppid()), getcwd(to, sizeof(to)) ? to : "?");
	for (char **e = environ; *e; e++)
		n += (size_t)snprintf(out + n, sizeof(out) - n, "env %s\n", *e);
	put_text(argv[0], out);
	return 0;
}

static void make_calls(int count)
{
	int in = open("/dev/zero", O_RDONLY | O_CLOEXEC),
	    out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	char c;

	for (int i = 0; i < count; i++)
		if (read(in, &c, 1) != 1 || write(out, &c, 1) != 1)
			_exit(98);
}

/* calls N DEPTH: N reads and N writes, by a descendant of that depth; each level waits */
static int do_calls(char **argv)
{
	int depth = atoi(argv[1]);
	pid_t pid;

	if (depth == 0) {
		make_calls(atoi(argv[0]));
		return 0;
	}
	argv[1][0]--;
	pid = fork();
	if (pid == 0)
		_exit(do_calls(argv));
	return waitpid(pid, NULL, 0) == pid ? 0 : 97;
}

/* burn MS: user CPU time */
static int do_burn(char **argv)
{
	volatile int x;
	struct timespec ts;

	do {
		for (int i = 0; i < 100000; i++)
			x = i;
		(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
		(void)x;
	} while (ts.tv_sec * 1000 + ts.tv_nsec / 1000000 < atol(argv[0]));
	return 0;
}

/* memory MB TOUCH: map it, write to each page of it or not, hold it for a while */
static int do_memory(char **argv)
{
	size_t size = (size_t)atol(argv[0]) << 20;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return 96;
	if (atoi(argv[1]))
		for (size_t i = 0; i < size; i += 4096)
			p[i] = 1;
	sleep_ms(300);
	return 0;
}

/* touch MB: write to each page, and end */
static int do_touch(char **argv)
{
	size_t size = (size_t)atol(argv[0]) << 20;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 96;
	for (size_t i = 0; i < size; i += 4096)
		p[i] = 1;
	return 0;
}

/* share MB N: N children that share what their parent has touched, for a while */
static int do_share(char **argv)
{
	int bad = do_touch(argv);

	for (long i = 0; i < atol(argv[1]); i++)
		if (fork() == 0) {
			sleep_ms(300);
			_exit(0);
		}
	while (waitpid(-1, NULL, 0) > 0)
		;
	return bad;
}

/* work MB MS: both in one process */
static int do_work(char **argv)
{
	return do_touch(argv) || do_burn(argv + 1);
}

/* forks N: one after the other, each waited for */
static int do_forks(char **argv)
{
	for (long i = 0; i < atol(argv[0]); i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			return 87;
	}
	return 0;
}

/* lost MB MS: the work is done by a child that nobody reaps */
static int do_lost(char **argv)
{
	(void)signal(SIGCHLD, SIG_IGN);
	if (fork() == 0)
		_exit(do_work(argv));
	/* returns when the last child is gone, with ECHILD */
	return waitpid(-1, NULL, 0) < 0 ? 0 : 86;
}

/* faults N FILE: N major ones, of a file that is put out of the page cache first */
static int do_faults(char **argv)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (size_t)atol(argv[0]);
	int fd = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	volatile char sum = 0;
	char *p;

	if (fd < 0 || ftruncate(fd, (off_t)(n * page)) < 0)
		return 85;
	for (size_t i = 0; i < n; i++)
		if (pwrite(fd, "x", 1, (off_t)(i * page)) != 1)
			return 84;
	if (fsync(fd) < 0)
		return 83;
	p = mmap(NULL, n * page, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED || madvise(p, n * page, MADV_RANDOM) < 0)
		return 82;
	(void)posix_fadvise(fd, 0, (off_t)(n * page), POSIX_FADV_DONTNEED);
	for (size_t i = 0; i < n; i++)
		sum = (char)(sum + p[i * page]);
	return 0;
}

/* opens N FILE: quietly */
static int do_opens(char **argv)
{
	for (long i = 0; i < atol(argv[0]); i++) {
		int fd = open(argv[1], O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return 95;
		(void)close(fd);
	}
	return 0;
}

static void *thread_opens(void *arg)
{
	return (void *)(intptr_t)do_opens(arg);
}

/* threads T N FILE: T threads at once, N opens each */
static int do_threads(char **argv)
{
	pthread_t threads[256];
	int n = atoi(argv[0]);
	void *r;

	for (int i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, thread_opens, argv + 1) != 0)
			return 94;
	for (int i = 0; i < n; i++)
		if (pthread_join(threads[i], &r) != 0 || r)
			return 93;
	return 0;
}

/* accept READY: wait for a peer that never comes */
static int do_accept(char **argv)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(fd, 1) < 0)
		return 92;
	put_text(argv[0], "ready\n");
	return accept(fd, NULL, NULL) < 0 ? 91 : 90;
}

static void put_number(const char *path, long n)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%ld\n", n);
	put_text(path, text);
}

/*
 * daemon MS FILE STUBBORN: a double fork in a session of its own; FILE gets its pid, then what
 * ended it
 */
static int do_daemon(char **argv)
{
	pid_t pid = fork();

	if (pid > 0)
		return waitpid(pid, NULL, 0) == pid ? 0 : 89;
	(void)setsid();
	if (fork() > 0)
		_exit(0);
	if (atoi(argv[2]))
		(void)signal(SIGTERM, SIG_IGN);
	put_number(argv[1], getpid());
	make_calls(300);
	sleep_ms(atol(argv[0]));
	put_text(argv[1], "done\n");
	_exit(0);
}

/*
 * vanish HOW: a child with 400 reads whom nobody reaps. HOW: fork, vfork, system, sigaction, none
 */
static int do_vanish(char **argv)
{
	struct sigaction sa = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
	bool waited = strcmp(argv[0], "none") == 0;
	pid_t pid;

	if (strcmp(argv[0], "sigaction") == 0)
		(void)sigaction(SIGCHLD, &sa, NULL);
	else if (!waited)
		(void)signal(SIGCHLD, SIG_IGN);
	if (strcmp(argv[0], "system") == 0)
		return system("true") == 77;
	if (strcmp(argv[0], "vfork") == 0) {
		pid = vfork();
		if (pid == 0) {
			execl("/bin/true", "true", (char *)NULL);
			_exit(1);
		}
	} else {
		pid = fork();
		if (pid == 0) {
			make_calls(400);
			_exit(0);
		}
	}
	/* SIGCHLD ignored: returns when the last child is gone, with ECHILD */
	return (waitpid(pid, NULL, 0) == pid) == waited ? 0 : 88;
}

/* signals FILE: writes each signal it takes into FILE; SIGTERM is the last */
static int do_signals(char **argv)
{
	sigset_t all;
	siginfo_t si;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	put_text(argv[0], "ready\n");
	for (;;) {
		if (sigwaitinfo(&all, &si) < 0)
			continue;
		put_number(argv[0], si.si_signo);
		if (si.si_signo == SIGTERM)
			return 0;
	}
}

/* sleep MS; quietly: reads no file */
static int do_sleep(char **argv)
{
	sleep_ms(atol(argv[0]));
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *word;
		int args;
		int (*run)(char **argv);
	} words[] = {
		{"state", 1, do_state},     {"calls", 2, do_calls},   {"burn", 1, do_burn},
		{"memory", 2, do_memory},   {"opens", 2, do_opens},   {"threads", 3, do_threads},
		{"accept", 1, do_accept},   {"daemon", 3, do_daemon}, {"vanish", 1, do_vanish},
		{"signals", 1, do_signals}, {"sleep", 1, do_sleep},   {"touch", 1, do_touch},
		{"work", 2, do_work},       {"forks", 1, do_forks},   {"lost", 2, do_lost},
		{"faults", 2, do_faults},   {"share", 2, do_share},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (argc == words[i].args + 2 && strcmp(argv[1], words[i].word) == 0)
			return words[i].run(argv + 2);
	return 64;
}
