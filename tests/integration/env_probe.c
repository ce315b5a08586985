/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints what a program can see of its surroundings, and starts programs in ways that depend on
 * them. env.py runs it with and without Telltale and compares every byte. Builds with
 * any libc, static too.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char self[4096];

static void put(const char *what, const char *s)
{
	printf("%s ", what);
	for (; *s; s++) {
		if (*s > ' ' && *s < 127 && *s != '%')
			putchar(*s);
		else
			printf("%%%02x", (unsigned char)*s);
	}
	putchar('\n');
}

static void put_fds(void)
{
	char link[64], to[4096];

	for (int fd = 0; fd < 4096; fd++) {
		int flags = fcntl(fd, F_GETFD);
		ssize_t n;

		if (flags < 0)
			continue;
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, to, sizeof(to) - 1);
		to[n > 0 ? n : 0] = '\0';
		printf("fd %d %s %s\n", fd, flags & FD_CLOEXEC ? "cloexec" : "inherited",
		       fd < 3 ? "-" : to);
	}
}

/* Masks and dispositions, as the kernel knows them. */
static void put_status(void)
{
	static char text[8192];
	long fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/status", O_RDONLY), n;

	n = syscall(SYS_read, fd, text, sizeof(text) - 1);
	syscall(SYS_close, fd);
	text[n > 0 ? n : 0] = '\0';
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strncmp(line, "Sig", 3) == 0 || strncmp(line, "NoNewPrivs", 10) == 0 ||
		    strncmp(line, "Seccomp:", 8) == 0 || strncmp(line, "Umask", 5) == 0)
			if (strncmp(line, "SigQ", 4) != 0)
				puts(line);
}

static int do_show(int argc, char **argv)
{
	struct rlimit files;
	char cwd[4096];

	for (int i = 1; i < argc; i++)
		put("arg", argv[i]);
	for (char **e = environ; *e; e++)
		put("env", *e);
	put_fds();
	put_status();
	put("cwd", getcwd(cwd, sizeof(cwd)) ? cwd : "?");
	getrlimit(RLIMIT_NOFILE, &files);
	printf("ids %d %d %d %d secure %lu files %llu\n", (int)getuid(), (int)geteuid(),
	       (int)getgid(), (int)getegid(), getauxval(AT_SECURE),
	       (unsigned long long)files.rlim_cur);
	return 0;
}

#define PIECE 100000

/* An environment of @bytes in pieces that the kernel takes. */
static char **vast(size_t bytes)
{
	static char *env[128];
	size_t n = 0;

	for (size_t i = 0; env[i]; i++)
		free(env[i]);
	while (bytes) {
		size_t len = bytes < PIECE ? bytes : PIECE;

		env[n] = malloc(len + 1);
		memset(env[n], 'x', len);
		if (len > 1)
			env[n][1] = '=';
		env[n][len] = '\0';
		bytes -= len;
		n++;
	}
	env[n] = NULL;
	return env;
}

/* Whether a program starts with so large an environment. */
static int fits(const char *how, size_t bytes)
{
	char *argv[] = {self, (char *)"noop", NULL}, **old = environ, **env = vast(bytes);
	int status = -1, r;
	pid_t pid;

	if (strcmp(how, "system") == 0) {
		environ = env;
		status = system("exit 0");
		environ = old;
	} else if (strcmp(how, "popen") == 0) {
		FILE *f;

		environ = env;
		f = popen("exit 0", "r");
		environ = old;
		status = f ? pclose(f) : -1;
	} else if (strcmp(how, "posix_spawn") == 0) {
		r = posix_spawn(&pid, self, NULL, NULL, argv, env);
		if (r == 0)
			waitpid(pid, &status, 0);
		else if (r != E2BIG)
			printf("posix_spawn: %s\n", strerror(r));
	} else {
		pid = strcmp(how, "vfork") == 0 ? vfork() : fork();
		if (pid == 0) {
			execve(self, argv, env);
			_exit(errno == E2BIG ? 1 : 2);
		}
		waitpid(pid, &status, 0);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
			printf("exec: other error than E2BIG\n");
	}
	return status == 0;
}

/* edge HOW: the largest environment that still goes through, to the byte */
static int do_edge(int argc, char **argv)
{
	struct rlimit stack = {1 << 20, 1 << 20}; /* a quarter of it is for exec */
	size_t low = 0, high = 1 << 20;

	if (argc < 3)
		return 2;
	setrlimit(RLIMIT_STACK, &stack);
	while (low + 1 < high) {
		size_t middle = (low + high) / 2;

		if (fits(argv[2], middle))
			low = middle;
		else
			high = middle;
	}
	printf("%s: %zu bytes fit\n", argv[2], low);
	return 0;
}

/* file actions: the child's view */
static int do_spawn(int argc, char **argv)
{
	char *args[] = {self, (char *)"show", (char *)"spawned", NULL};
	char *env[] = {(char *)"ONLY=this", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int status, fd = open("/etc/passwd", O_RDONLY);
	sigset_t set;
	pid_t pid;

	(void)argc;
	(void)argv;
	fflush(stdout);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 5, "/etc/hostname", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, fd, 9);
	posix_spawn_file_actions_addclose(&actions, fd);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawnattr_init(&attr);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	posix_spawnattr_setsigmask(&attr, &set);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	printf("spawn %d\n", posix_spawn(&pid, self, &actions, &attr, args, env));
	waitpid(pid, &status, 0);
	printf("status %d\n", status);
	return 0;
}

static void try(const char *what, const char *file, int by_search)
{
	char *argv[] = {(char *)file, (char *)"arg", NULL};
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (by_search)
			execvp(file, argv);
		else
			execv(file, argv);
		printf("%s: %s\n", what, strerror(errno));
		fflush(stdout);
		_exit(100);
	}
	waitpid(pid, &status, 0);
	printf("%s: status %d\n", what, status);
}

static void make(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(name, "w");

	fputs(text, f);
	fclose(f);
	chmod(name, mode);
}

/* How PATH is searched, and files that are no programs. In the current folder. */
static int do_search(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	mkdir("one", 0755);
	mkdir("two", 0755);
	make("one/tool", "#!/bin/sh\necho wrong\n", 0644);
	make("two/tool", "#!/bin/sh\necho right \"$@\"; exit 3\n", 0755);
	make("two/plain", "echo plain \"$0\" \"$@\"; exit 4\n", 0755);
	make("two/lost", "#!/no/such/interpreter\n", 0755);
	make("two/empty", "", 0755);
	setenv("PATH", "one:two", 1);
	try("tool", "tool", 1);
	try("plain", "plain", 1);
	try("plain by execv", "two/plain", 0);
	try("lost", "lost", 1);
	try("empty", "empty", 1);
	try("missing", "missing", 1);
	try("one/tool", "one/tool", 1);
	setenv("PATH", "one", 1);
	try("tool in one", "tool", 1);
	try("empty name", "", 1);
	unsetenv("PATH");
	try("true without PATH", "true", 1);
	return 0;
}

static int do_shells(int argc, char **argv)
{
	char text[256];
	FILE *f;

	(void)argc;
	(void)argv;
	fflush(stdout);
	printf("system %d\n", system("echo \"from system: $0 $KEPT\"; exit 6"));
	/* the shell must have the signals as they were, and so must we afterwards */
	signal(SIGQUIT, SIG_IGN);
	printf("system %d\n",
	       system("grep ^Sig[BIC] /proc/self/status; kill -INT $PPID; kill -KILL $$"));
	put_status();
	signal(SIGQUIT, SIG_DFL);
	fflush(stdout);
	printf("system %d\n",
	       system("kill -QUIT $PPID; kill -INT $PPID; no-such-program 2>/dev/null"));
	printf("system %d\n", system(""));
	fflush(stdout);
	f = popen("env | LC_ALL=C sort | grep -v ^_=; exit 7", "r");
	while (fgets(text, sizeof(text), f))
		fputs(text, stdout);
	printf("popen %d\n", pclose(f));
	for (char **e = environ; *e; e++)
		put("env", *e);
	return 0;
}

/* bytes NAME: open, make and execute with a name as it comes */
static int do_bytes(int argc, char **argv)
{
	char *args[] = {self, (char *)"args", argc > 2 ? argv[2] : NULL, NULL};
	int status;
	pid_t pid;

	printf("open %d %s\n", open(argv[2], O_RDONLY), strerror(errno));
	printf("mkdir %d\n", mkdir(argv[2], 0700));
	printf("rmdir %d\n", rmdir(argv[2]));
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execv(self, args);
		_exit(9);
	}
	waitpid(pid, &status, 0);
	printf("status %d\n", status);
	return 0;
}

/* args...: how many and which, as a sum */
static int do_args(int argc, char **argv)
{
	unsigned long sum = 5381;

	for (int i = 0; i < argc; i++)
		for (const char *s = argv[i]; *s; s++)
			sum = sum * 33 + (unsigned char)*s;
	printf("%d args, sum %lx\n", argc - 1, sum);
	return 0;
}

static int do_noop(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} works[] = {
		{"show", do_show},     {"edge", do_edge},     {"spawn", do_spawn},
		{"search", do_search}, {"shells", do_shells}, {"bytes", do_bytes},
		{"args", do_args},     {"noop", do_noop},
	};

	alarm(60);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0 && argc > 0)
		snprintf(self, sizeof(self), "%s", argv[0]);
	for (size_t i = 0; argc > 1 && i < sizeof(works) / sizeof(works[0]); i++)
		if (strcmp(argv[1], works[i].name) == 0)
			return works[i].run(argc, argv);
	return 2;
}
