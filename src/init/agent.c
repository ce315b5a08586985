/* SPDX-License-Identifier: Apache-2.0 */
/* Start, readiness, death and new start of the agent. */
#include "init/agent.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/out.h"
#include "base/sys.h"
#include "init/say.h"
#include "init/spawn.h"

#define READY_MS     5000
#define PAUSE_MIN_MS 10
#define PAUSE_MAX_MS 1000 /* so there are not more than 100 starts in a minute */
#define LONG_MS      1000 /* who lived that long is started again at once */
#define FAILURES_MAX 10
#define FLUSH_MS     2000 /* the agent's own */
#define GRACE_MS     2000 /* of a vsock the agent rounds its own time up to a second */
#define KILL_MS      2000 /* for the end of who was killed */
#define ARGS_MAX     (40 + 2 * INIT_PATHS_MAX)
#define INSTALLED    "/sbin/telltale-agent"
#define WATCH_NAME   "CELLOS_TELEMETRY_INOTIFY_PATH"

const char *init_agent_default(void)
{
	static char path[512];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(INSTALLED));
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return INSTALLED;
	memcpy(slash, strrchr(INSTALLED, '/'), sizeof("/telltale-agent"));
	return access(path, X_OK) == 0 ? path : INSTALLED;
}

struct args {
	const char *words[ARGS_MAX];
	unsigned count;
	char text[1024]; /* numbers */
	struct tt_out out;
};

static void put(struct args *a, const char *name, const char *value)
{
	if (!value || a->count + 3 > ARGS_MAX)
		return;
	a->words[a->count++] = name;
	a->words[a->count++] = value;
	a->words[a->count] = NULL;
}

/* Room for ten of them is there. */
static void put_number(struct args *a, const char *name, int64_t v)
{
	const char *text = a->text + a->out.len;

	tt_out_i64(&a->out, v);
	tt_out_char(&a->out, '\0');
	put(a, name, text);
}

/* An fd that the agent gets under the number that it has. */
static void put_fd(struct args *a, const char *name, int fd)
{
	if (fd < 0 || fcntl(fd, F_SETFD, 0) < 0)
		return;
	put_number(a, name, fd);
}

static void make_args(struct args *a, const struct init_agent *agent, int ready_fd)
{
	const struct init_settings *s = agent->s;

	tt_out_init(&a->out, a->text, sizeof(a->text));
	a->words[a->count++] = "telltale-agent";
	put(a, "--endpoint", s->endpoint);
	put_number(a, "--uid", s->agent_uid);
	put_number(a, "--gid", s->agent_uid);
	put_number(a, "--restarts", agent->restarts);
	put_fd(a, "--ready-fd", ready_fd);
	put_fd(a, "--queue-fd", agent->queue_fd);
	put_fd(a, "--connector-fd", agent->connector_fd);
	put_fd(a, "--outer-proc-fd", agent->outer_proc_fd);
	put(a, "--sensor", s->sensor);
	put(a, "--walk-ms", s->walk_ms);
	put(a, "--flush-ms", s->flush_ms);
	put(a, "--heartbeat-ms", s->heartbeat_ms);
	put(a, "--major", s->major);
	for (unsigned i = 0; i < s->inotify_count; i++)
		put(a, "--inotify", s->inotify[i]);
}

/* The variable of that name, as init got it from the kernel or from its caller. */
static const char *watch_variable(void)
{
	extern char **environ;

	for (char **e = environ; e && *e; e++)
		if (strncmp(*e, WATCH_NAME "=", sizeof(WATCH_NAME)) == 0)
			return *e;
	return NULL;
}

/* The child cannot start the agent: says so in the agent's place. */
static TT_NORETURN void fail(int ready_fd, const char *what, int err)
{
	char text[512];
	struct tt_out o;

	tt_out_init(&o, text, sizeof(text));
	tt_out_str(&o, "failed ");
	tt_out_str(&o, what);
	tt_out_str(&o, ": ");
	tt_out_str(&o, strerror(err));
	(void)send(ready_fd, text, o.len, MSG_NOSIGNAL);
	_exit(127);
}

/*
 * What it sees is what the workload sees, but for /proc: its own one shows every process of the
 * cell, whoever they belong to, and nobody has put anything over its files.
 */
static void enter_view(int ready_fd)
{
	if (tt_sys1(SYS_unshare, CLONE_NEWNS) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		fail(ready_fd, "cannot mount its '/proc'", errno);
}

static TT_NORETURN void become_agent(const struct init_agent *a, int ready_fd)
{
	static struct args args;
	const char *path = a->s->agent, *environment[] = {watch_variable(), NULL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	init_default_signals();
	(void)setsid();
	(void)setpriority(PRIO_PROCESS, 0, -20); /* its turn comes, however busy the workload is */
	enter_view(ready_fd);
	if (null >= 0)
		(void)dup2(null, STDIN_FILENO);
	/* the workload has the console, too: it may stop it between a look and a line */
	(void)dup2(init_say_fd(), STDERR_FILENO);
	(void)dup2(STDERR_FILENO, STDOUT_FILENO);
	(void)init_close_from(3, 1);
	make_args(&args, a, ready_fd);
	(void)execve(path, (char *const *)args.words, (char *const *)environment);
	fail(ready_fd, path, errno);
}

static void close_ready(struct init_agent *a)
{
	tt_closep(&a->ready_fd);
	a->ready_fd = -1;
}

static void end_by_force(struct init_agent *a)
{
	(void)kill(a->pid, SIGKILL);
	a->killed = true;
	a->due_ms = init_now_ms() + KILL_MS;
}

/* Later again, or never. */
static void schedule(struct init_agent *a)
{
	a->pid = 0;
	if (!a->was_ready || a->done || a->failures >= FAILURES_MAX) {
		a->state = INIT_AGENT_OFF;
		return;
	}
	a->state = INIT_AGENT_WAITING;
	a->due_ms = init_now_ms() + a->pause_ms;
	a->pause_ms = a->pause_ms * 2 < PAUSE_MIN_MS   ? PAUSE_MIN_MS
		      : a->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS
						       : a->pause_ms * 2;
}

void init_agent_start(struct init_agent *a)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		init_say_error("agent", NULL, errno);
		a->failures++;
		schedule(a);
		return;
	}
	r = init_spawn(0, INIT_AGENT_PID);
	if (r == 0)
		become_agent(a, pair[1]);
	(void)close(pair[1]);
	if (r < 0) {
		(void)close(pair[0]);
		init_say_error("agent: no process", NULL, -r);
		a->failures++;
		schedule(a);
		return;
	}
	a->pid = r;
	a->told = a->killed = false;
	a->ready_fd = pair[0];
	a->state = INIT_AGENT_STARTING;
	a->due_ms = init_now_ms() + READY_MS;
}

void init_agent_hear(struct init_agent *a)
{
	char text[512];
	ssize_t n = recv(a->ready_fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	close_ready(a);
	text[n > 0 ? n : 0] = '\0';
	if (strcmp(text, "ready") == 0 || strncmp(text, "ready ", 6) == 0) {
		if (!a->was_ready)
			init_say("agent: ", text, NULL);
		a->spare = !strstr(text, "proc-connector");
		a->state = INIT_AGENT_READY;
		a->ready_ms = init_now_ms();
		a->was_ready = true;
		a->failures = 0;
		return;
	}
	if (n > 0)
		init_say("agent: ", text, NULL);
	a->told = n > 0;
	end_by_force(a);
}

bool init_agent_ended(struct init_agent *a, pid_t pid, int status)
{
	bool by_signal = WIFSIGNALED(status);

	if (pid <= 0 || pid != a->pid)
		return false;
	/* what it said last */
	if (a->ready_fd >= 0)
		init_agent_hear(a);
	close_ready(a);
	if (!a->told && (a->state != INIT_AGENT_STOPPING || status != 0))
		init_say("agent: ", a->state == INIT_AGENT_STARTING ? "not ready: " : "",
			 by_signal ? "ended by signal " : "exited with ",
			 init_digits(by_signal ? WTERMSIG(status) : WEXITSTATUS(status)), NULL);
	/* who was killed by somebody else has not sent what it had */
	a->done = a->state == INIT_AGENT_STOPPING && (status == 0 || a->killed);
	if (a->state == INIT_AGENT_STARTING)
		a->failures++;
	else if (init_now_ms() - a->ready_ms >= LONG_MS)
		a->pause_ms = 0;
	schedule(a);
	return true;
}

void init_agent_stop(struct init_agent *a)
{
	uint64_t flush_ms = FLUSH_MS;

	if (a->s->flush_ms)
		flush_ms = strtoul(a->s->flush_ms, NULL, 10);
	(void)kill(a->pid, SIGTERM);
	a->state = INIT_AGENT_STOPPING;
	a->due_ms = init_now_ms() + flush_ms + GRACE_MS;
}

void init_agent_due(struct init_agent *a)
{
	if (a->state == INIT_AGENT_WAITING) {
		a->restarts++;
		init_agent_start(a);
	} else if (a->state == INIT_AGENT_OFF || a->state == INIT_AGENT_READY) {
		return;
	} else if (a->killed) {
		init_say("agent: cannot be killed", NULL);
		a->state = INIT_AGENT_OFF;
		a->pid = 0;
	} else {
		init_say("agent: ",
			 a->state == INIT_AGENT_STARTING ? "not ready after 5 seconds"
							 : "does not end",
			 NULL);
		a->told = true;
		close_ready(a);
		end_by_force(a);
	}
}
