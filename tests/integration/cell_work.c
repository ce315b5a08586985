// SPDX-License-Identifier: Apache-2.0
/*
 * The workload of a cell, static: does things whose account can be foreseen to the last of them, a
 * line to stdout for each act. cells.py knows what the account must be.
 *
 *	cell_work ACT... CODE	each in turn, then ends with CODE
 *
 *	crowd=N		N programs in turn that end at once, number I with I % 200
 *	fork=N		N children that are no programs, killed by SIGKILL or ending with 7
 *	connect=PORT	to lo: refused, taken, over IPv6, a datagram, a unix socket
 *	denied		asks for what four capabilities are needed for
 *	touch=PATH	makes, writes and deletes PATH/made
 *	attack		tries to end, trace, starve and impersonate the agent
 *	hold=MS		waits
 *	until=PATH	waits until there is such a file, for a minute at most
 *	flood=N		N programs that end at once, as quickly as they can be made
 *	spin=N		N children that are no programs, as quickly as they can be made
 *	many=N		N children that wait, if they can be had; then their end
 *	eat=MB		so much memory, written to
 *	end N		alone: ends with status N % 200 at once (what crowd and flood start)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { AGENT = 2, VSOCK = 40 };

static const char *self;
static char *no_environment[] = {NULL};

static void __attribute__((format(printf, 2, 3))) tell(int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(" %s\n", error ? strerrorname_np(error) : "0");
	fflush(stdout);
}

static int error_of(long result)
{
	return result < 0 ? errno : 0;
}

static void crowd(int count)
{
	int bad = 0;

	for (int i = 0; i < count; i++) {
		char number[16];
		char *argv[] = {(char *)(uintptr_t)self, (char *)(uintptr_t) "end", number, NULL};
		int status;
		pid_t pid;

		snprintf(number, sizeof(number), "%d", i);
		bad += posix_spawn(&pid, self, NULL, NULL, argv, no_environment) != 0 ||
		       waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
		       WEXITSTATUS(status) != i % 200;
	}
	tell(0, "crowd %d bad %d", count, bad);
}

static void flood(int count)
{
	char *argv[] = {(char *)(uintptr_t)self, (char *)(uintptr_t) "end", (char *)(uintptr_t) "0",
			NULL};
	int started = 0, ended = 0;
	pid_t pid;

	for (int i = 0; i < count; i++) {
		started += posix_spawn(&pid, self, NULL, NULL, argv, no_environment) == 0;
		while (started - ended > 16 && wait(NULL) > 0)
			ended++;
	}
	while (wait(NULL) > 0)
		ended++;
	tell(0, "flood %d ended %d", started, ended);
}

static void spin(int count)
{
	int ended = 0;

	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		ended += pid > 0 && waitpid(pid, NULL, 0) == pid;
	}
	tell(0, "spin %d ended %d", count, ended);
}

static void children(int count)
{
	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			if (i % 2)
				raise(SIGKILL);
			_exit(7);
		}
		waitpid(pid, NULL, 0);
	}
	tell(0, "fork %d", count);
}

static int connect_to(int family, int type, const char *host, int port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(family, type | SOCK_CLOEXEC, 0), error;

	inet_pton(AF_INET6, host, &six.sin6_addr);
	inet_pton(AF_INET, host, &four.sin_addr);
	if (type == SOCK_DGRAM)
		error = error_of(sendto(fd, "x", 1, 0, (struct sockaddr *)&four, sizeof(four)));
	else if (family == AF_INET)
		error = error_of(connect(fd, (struct sockaddr *)&four, sizeof(four)));
	else
		error = error_of(connect(fd, (struct sockaddr *)&six, sizeof(six)));
	close(fd);
	return error;
}

static void connects(int port)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_un unix_path = {.sun_family = AF_UNIX, .sun_path = "/no/such/socket"};
	struct sockaddr_un unix_name = {.sun_family = AF_UNIX, .sun_path = "\0no-such-name"};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, "127.0.0.1", &here.sin_addr);
	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) < 0 || listen(listener, 8) < 0)
		tell(errno, "listen");
	tell(connect_to(AF_INET, SOCK_STREAM, "127.0.0.1", port), "connect taken");
	tell(connect_to(AF_INET, SOCK_STREAM, "127.0.0.1", port + 1), "connect refused");
	tell(connect_to(AF_INET6, SOCK_STREAM, "::1", port + 2), "connect six");
	tell(connect_to(AF_INET, SOCK_DGRAM, "127.0.0.1", port + 3), "connect datagram");
	tell(error_of(connect(local, (struct sockaddr *)&unix_path,
			      offsetof(struct sockaddr_un, sun_path) + 16)),
	     "connect path");
	tell(error_of(connect(local, (struct sockaddr *)&unix_name,
			      offsetof(struct sockaddr_un, sun_path) + 13)),
	     "connect name");
	close(local);
	close(listener);
}

static void denied(void)
{
	struct sockaddr_in low = {.sin_family = AF_INET, .sin_port = htons(80)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	tell(error_of(chown("/tmp", 0, 0)), "denied chown");
	tell(error_of(setuid(0)), "denied setuid");
	tell(error_of(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP)), "denied raw");
	tell(error_of(bind(fd, (struct sockaddr *)&low, sizeof(low))), "denied bind");
	close(fd);
}

static void touch(const char *folder)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/made", folder);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	tell(fd < 0 ? errno : error_of(write(fd, "x", 1)), "touch");
	close(fd);
	tell(error_of(unlink(path)), "delete");
}

/* Each must fail. */
static void attack(void)
{
	struct rlimit none = {0, 0};
	siginfo_t info = {.si_signo = SIGKILL, .si_code = SI_QUEUE};

	if (geteuid() == 0) { /* outside of a cell it would hit the machine */
		tell(EPERM, "attack as root");
		return;
	}
	tell(error_of(kill(AGENT, SIGKILL)), "attack kill");
	tell(error_of(syscall(SYS_tkill, AGENT, SIGKILL)), "attack tkill");
	tell(error_of(syscall(SYS_tgkill, AGENT, AGENT, SIGKILL)), "attack tgkill");
	tell(error_of(syscall(SYS_rt_sigqueueinfo, AGENT, SIGKILL, &info)), "attack sigqueue");
	tell(error_of(ptrace(PTRACE_ATTACH, AGENT, NULL, NULL)), "attack ptrace");
	tell(error_of(ptrace(PTRACE_SEIZE, AGENT, NULL, NULL)), "attack seize");
	tell(error_of(prlimit(AGENT, RLIMIT_NOFILE, &none, NULL)), "attack prlimit");
	tell(error_of(setpriority(PRIO_PROCESS, AGENT, 19)), "attack setpriority");
	tell(error_of(syscall(SYS_pidfd_open, AGENT, 0)), "attack pidfd");
	tell(error_of(open("/proc/2/mem", O_RDWR | O_CLOEXEC)), "attack mem");
	tell(error_of(open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC)), "attack sysrq");
	tell(error_of(socket(VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0)), "attack vsock");
	tell(error_of(unshare(CLONE_NEWUSER)), "attack unshare");
	tell(error_of(mount("none", "/tmp", "tmpfs", 0, NULL)), "attack mount");
	tell(error_of(syscall(SYS_bpf, 0, NULL, 0)), "attack bpf");
	tell(error_of(syscall(SYS_io_uring_setup, 1, NULL)), "attack uring");
	tell(error_of(syscall(SYS_perf_event_open, NULL, AGENT, -1, -1, 0)), "attack perf");
	tell(error_of(kill(1, SIGTERM)), "attack init");
}

static void hold(int ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
	tell(0, "hold %d", ms);
}

static void many(int count)
{
	int made = 0, error = 0;

	for (int i = 0; i < count && !error; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			pause();
			_exit(0);
		}
		made += pid > 0;
		error = error_of(pid);
	}
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM); /* the group is ours alone: a cell gives us a session */
	while (wait(NULL) > 0)
		;
	tell(error, "many %d", made);
}

static void eat(int megabytes)
{
	size_t size = (size_t)megabytes << 20;
	char *data = malloc(size);

	for (size_t at = 0; data && at < size; at += 4096)
		((volatile char *)data)[at] = 1;
	tell(data ? 0 : ENOMEM, "eat %d", megabytes);
	free(data);
}

static void until(const char *path)
{
	int tries = 0;

	while (access(path, F_OK) < 0 && tries++ < 6000)
		(void)nanosleep(&(struct timespec){.tv_nsec = 10 * 1000000}, NULL);
	tell(error_of(access(path, F_OK)), "until");
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc == 3 && strcmp(argv[1], "end") == 0)
		_exit(atoi(argv[2]) % 200);
	for (int i = 1; i < argc - 1; i++) {
		char *value = strchr(argv[i], '=');
		int number = value ? atoi(value + 1) : 0;

		if (value)
			*value++ = 0;
		if (strcmp(argv[i], "crowd") == 0)
			crowd(number);
		else if (strcmp(argv[i], "fork") == 0)
			children(number);
		else if (strcmp(argv[i], "flood") == 0)
			flood(number);
		else if (strcmp(argv[i], "spin") == 0)
			spin(number);
		else if (strcmp(argv[i], "connect") == 0)
			connects(number);
		else if (strcmp(argv[i], "denied") == 0)
			denied();
		else if (strcmp(argv[i], "touch") == 0 && value)
			touch(value);
		else if (strcmp(argv[i], "attack") == 0)
			attack();
		else if (strcmp(argv[i], "hold") == 0)
			hold(number);
		else if (strcmp(argv[i], "many") == 0)
			many(number);
		else if (strcmp(argv[i], "eat") == 0)
			eat(number);
		else if (strcmp(argv[i], "until") == 0 && value)
			until(value);
		else
			return 64;
	}
	return argc > 1 ? atoi(argv[argc - 1]) : 64;
}
