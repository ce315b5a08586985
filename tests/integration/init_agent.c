// SPDX-License-Identifier: Apache-2.0
/*
 * An agent that sees nothing, for the tests of telltale-init: it says on the endpoint, in lines of
 * text, how it was started, and behaves as the name of its file asks for.
 *
 *	ready     as an agent should
 *	silent    never gets ready
 *	failed    says that it cannot
 *	dies      ends at once
 *	once      gets ready the first time only
 *	stubborn  ignores SIGTERM
 *	connector says that the proc connector is what it sees by
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char *option(char **argv, const char *name)
{
	for (; *argv; argv++)
		if (strcmp(*argv, name) == 0)
			return argv[1];
	return "-1";
}

/* Every process that its /proc shows. */
static void put_pids(FILE *out)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	fprintf(out, " pids=");
	while (d && (e = readdir(d)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			fprintf(out, "%s,", e->d_name);
	if (d)
		closedir(d);
}

static void put_fds(FILE *out)
{
	fprintf(out, " fds=");
	for (int fd = 0; fd < 64; fd++)
		if (fd != fileno(out) && fcntl(fd, F_GETFD) >= 0)
			fprintf(out, "%d,", fd);
}

/* How often an agent had this queue before. */
static unsigned count_in_queue(int fd)
{
	unsigned count = 0;

	if (pread(fd, &count, sizeof(count), 0) < 0)
		return 99;
	count++;
	if (pwrite(fd, &count, sizeof(count), 0) < 0)
		return 99;
	return count - 1;
}

static FILE *connect_to(const char *endpoint)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strncmp(endpoint, "unix:", 5) != 0 || strlen(endpoint + 5) >= sizeof(un.sun_path))
		exit(2);
	strcpy(un.sun_path, endpoint + 5);
	if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
		exit(2);
	return fdopen(fd, "w");
}

static void say_start(FILE *out, char **argv)
{
	struct stat outer = {0}, proc = {0};
	int type = 0, outer_fd = atoi(option(argv, "--outer-proc-fd"));
	socklen_t len = sizeof(type);

	(void)fstat(outer_fd, &outer);
	(void)stat("/proc", &proc);
	(void)getsockopt(atoi(option(argv, "--connector-fd")), SOL_SOCKET, SO_PROTOCOL, &type,
			 &len);
	fprintf(out, "start pid=%d ppid=%d sid=%d nice=%d queue=%u outer=%d connector=%d", getpid(),
		getppid(), getsid(0), getpriority(PRIO_PROCESS, 0),
		count_in_queue(atoi(option(argv, "--queue-fd"))),
		outer.st_ino == 1 && outer.st_dev != proc.st_dev, type);
	put_pids(out);
	put_fds(out);
	fprintf(out, " watch=%s args=", getenv("CELLOS_TELEMETRY_INOTIFY_PATH") ?: "");
	for (argv++; *argv; argv++)
		fprintf(out, "%s ", *argv);
	fprintf(out, "\n");
	fflush(out);
}

static void become_user(char **argv)
{
	uid_t uid = (uid_t)atoi(option(argv, "--uid"));
	gid_t gid = (gid_t)atoi(option(argv, "--gid"));

	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		exit(2);
	(void)prctl(PR_SET_DUMPABLE, 0);
}

int main(int argc, char **argv)
{
	char path[4096] = "", *name;
	const char *said = "ready nothing";
	int ready = atoi(option(argv, "--ready-fd")), sig;
	bool first = atoi(option(argv, "--restarts")) == 0;
	FILE *out = connect_to(option(argv, "--endpoint"));
	sigset_t term;

	(void)argc;
	(void)alarm(120); /* whatever happens, it does not stay */
	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
		return 2;
	name = strrchr(path, '/') + 1;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	say_start(out, argv);
	become_user(argv);
	if (strcmp(name, "dies") == 0 || (strcmp(name, "once") == 0 && !first))
		return 3;
	if (strcmp(name, "failed") == 0)
		said = "failed no sensor\33 can be had";
	if (strcmp(name, "connector") == 0)
		said = "ready proc-connector";
	if (strcmp(name, "silent") != 0 && send(ready, said, strlen(said), 0) < 0)
		return 2;
	if (strcmp(name, "failed") == 0)
		return 1;
	while (sigwait(&term, &sig) == 0) {
		fprintf(out, "bye %s", option(argv, "--restarts"));
		put_pids(out);
		fprintf(out, "\n");
		fflush(out);
		if (strcmp(name, "stubborn") != 0)
			return 0;
	}
	return 2;
}
