/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launcher with nothing around it: what `telltale run` does with src/sandbox, minus the
 * recording.
 *
 *	sandbox_driver [--profile=P | --rule=WORDS...] [--expose=FILE]... [--keep=FD]...
 *	               [--degrade] [--tell=FD] [--loops=N] -- CMD...
 *
 * --rule: a policy made of these rules, see sandbox_rules.c.
 *
 * Exit status as the command's, 125, 126 or 127. With --tell each report, and at the end the
 * child's counted reads and writes, is a line on that fd. With --loops it launches N times and
 * prints the mean.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include "kernel/notifier.h"
#include "policy/policy.h"
#include "sandbox/sandbox.h"
#include "sandbox_rules.h"

#define MAX_LIST 16

extern char **environ;

struct options {
	const char *profile;
	const char *expose[MAX_LIST];
	size_t expose_count;
	int keep[MAX_LIST];
	size_t keep_count;
	struct policy rules;
	bool has_rules, degrade;
	int tell_fd;
	long loops;
};

static void tell_io(int fd, int io)
{
	char text[512], *line, *save = NULL;
	ssize_t n = pread(io, text, sizeof(text) - 1, 0);

	if (n < 0)
		dprintf(fd, "io unreadable %s\n", strerror(errno));
	text[n > 0 ? n : 0] = '\0';
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, "sysc", 4) == 0)
			dprintf(fd, "%s\n", line);
}

static void take_reports(const struct options *o, const struct sandbox_child *c)
{
	static const char *const words[] = {"?", "stopped", "continued", "ended"};
	struct sandbox_report rep;

	while (read(c->report_fd, &rep, sizeof(rep)) == (ssize_t)sizeof(rep)) {
		if (o->tell_fd >= 0)
			dprintf(o->tell_fd, "%s %d\n", words[rep.kind <= 3 ? rep.kind : 0],
				rep.value);
		if (rep.kind == SANDBOX_STOPPED)
			(void)raise(SIGSTOP); /* hand the terminal back, as any job does */
	}
}

/* Waits for the end of @c, forwarding signals. Returns its wait status. */
static int attend(const struct options *o, const struct sandbox_child *c, int sfd)
{
	struct pollfd p[2] = {{.fd = sfd, .events = POLLIN},
			      {.fd = c->report_fd, .events = POLLIN}};
	struct signalfd_siginfo si;
	struct rusage ru;
	siginfo_t info;
	int status = 0;

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return 125 << 8;
		if (c->report_fd >= 0)
			take_reports(o, c);
		while (read(sfd, &si, sizeof(si)) == (ssize_t)sizeof(si))
			if (si.ssi_signo != SIGCHLD && si.ssi_code != SI_KERNEL)
				(void)kill(c->pid, (int)si.ssi_signo);
		memset(&info, 0, sizeof(info));
		if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    info.si_pid)
			break;
		if (p[1].revents & POLLHUP)
			p[1].fd = -1;
	}
	if (c->report_fd >= 0)
		take_reports(o, c);
	if (o->tell_fd >= 0)
		tell_io(o->tell_fd, c->io_fd);
	(void)close(c->io_fd);
	(void)wait4(c->pid, &status, 0, &ru);
	if (o->tell_fd >= 0)
		dprintf(o->tell_fd, "maxrss %ld\n", ru.ru_maxrss);
	if (c->report_fd >= 0)
		(void)close(c->report_fd);
	return status;
}

static int launch(const struct sandbox_spec *spec, struct sandbox_child *c,
		  struct kernel_notifier **ret)
{
	struct kernel_notifier_options opts = {.policy = spec->policy};
	enum sandbox_failure failure = SANDBOX_SETUP_FAILED;
	struct sandbox_launch *l;
	struct tt_err err;

	*ret = NULL;
	if (sandbox_start(spec, &l, &err) == 0 && sandbox_release(l, c, &failure, &err) == 0) {
		if (c->listener_fd >= 0 && kernel_notifier_new(ret, &opts, &err) == 0)
			kernel_notifier_serve(*ret, c->listener_fd, c->pid);
		if (c->lacking)
			fprintf(stderr, "%s", c->lacking);
		free(c->lacking);
		return 0;
	}
	fprintf(stderr, "sandbox_driver: %s\n", err.text);
	return failure == SANDBOX_NOT_FOUND ? 127 : failure == SANDBOX_NOT_EXECUTABLE ? 126 : 125;
}

static int parse(int argc, char **argv, struct options *o)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const char *eq = strchr(argv[i], '=');
		const char *value = eq ? eq + 1 : "";

		if (strncmp(argv[i], "--profile=", 10) == 0)
			o->profile = value;
		else if (strncmp(argv[i], "--expose=", 9) == 0 && o->expose_count < MAX_LIST)
			o->expose[o->expose_count++] = value;
		else if (strncmp(argv[i], "--keep=", 7) == 0 && o->keep_count < MAX_LIST)
			o->keep[o->keep_count++] = atoi(value);
		else if (strcmp(argv[i], "--degrade") == 0)
			o->degrade = true;
		else if (strncmp(argv[i], "--rule=", 7) == 0) {
			if (!o->has_rules)
				sandbox_rules_begin(&o->rules);
			o->has_rules = true;
			if (!sandbox_rules_add(&o->rules, argv[i] + 7))
				return -1;
		} else if (strncmp(argv[i], "--tell=", 7) == 0)
			o->tell_fd = atoi(value);
		else if (strncmp(argv[i], "--loops=", 8) == 0)
			o->loops = atol(value);
		else
			return -1;
	}
	return i + 1 < argc ? i + 1 : -1;
}

static int loops(const struct options *o, const struct sandbox_spec *spec, int sfd)
{
	struct kernel_notifier *n;
	struct timespec a, b;
	struct sandbox_child c;
	double ms;

	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	for (long i = 0; i < o->loops; i++) {
		int r = launch(spec, &c, &n);

		if (r)
			return r;
		(void)attend(o, &c, sfd);
		kernel_notifier_free(n);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
	printf("%.3f ms per launch\n", ms / (double)o->loops);
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = {.profile = "STRICT", .tell_fd = -1};
	struct sandbox_spec spec = {0};
	struct kernel_notifier *n;
	TT_CLEANUP(policy_freep) struct policy *policy = NULL;
	struct sandbox_child c;
	sigset_t all, mask, ignored;
	struct tt_err err;
	char **env = NULL;
	int first, sfd, r, status;

	sandbox_ignored_signals(&ignored);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	first = parse(argc, argv, &o);
	if (first < 0) {
		fprintf(stderr, "usage: sandbox_driver [options] -- CMD...\n");
		return 125;
	}
	r = o.has_rules ? 0 : policy_load(o.profile, &policy, &err);
	spec.policy = o.has_rules ? &o.rules : policy;
	if (r == 0)
		r = sandbox_env_make(spec.policy, environ, &env, &err);
	if (r < 0) {
		fprintf(stderr, "sandbox_driver: %s\n", err.text);
		return 125;
	}
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &mask);
	(void)sigdelset(&all, SIGTSTP);
	sfd = fcntl(signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK), F_DUPFD_CLOEXEC, 10);
	spec.envp = env;
	spec.degrade = o.degrade;
	spec.file = argv[first];
	spec.argv = argv + first;
	spec.mask = &mask;
	spec.ignored = &ignored;
	spec.keep_fds = o.keep;
	spec.keep_fd_count = o.keep_count;
	spec.expose = o.expose;
	spec.expose_count = o.expose_count;
	if (o.loops)
		return loops(&o, &spec, sfd); /* the list of @env is freed by our end */
	r = launch(&spec, &c, &n);
	if (r)
		return r;
	status = attend(&o, &c, sfd);
	kernel_notifier_free(n);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
