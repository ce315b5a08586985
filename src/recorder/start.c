/* SPDX-License-Identifier: Apache-2.0 */
/* From options to a running command: ring, environment, launch. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/program.h"
#include "base/time.h"
#include "event/contract.h"
#include "event/redact.h"
#include "recorder/facts.h"
#include "recorder/run_internal.h"

TT_DEFINE_FREEP(char *, free)

#define FIRST_SAMPLE_MS 20
#define RING_FD_MIN     240 /* out of the way of programs that count fds from below */

extern char **environ;

/*
 * The command's soft limits are not meant for the recorder: it has a pidfd for each live process, a
 * trace of any size and a ring that is large but empty. The command is forked under the limits as
 * they were.
 */
static const __rlimit_resource_t raised[] = {RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_AS,
					     RLIMIT_DATA};
_Static_assert(TT_ARRAY_SIZE(raised) == TT_ARRAY_SIZE(((struct recorder_run_state *)0)->limits),
	       "one each");

/* @as_found is what it was: mostly there is nothing to change. */
static void set_limit(__rlimit_resource_t what, const struct rlimit *as_found, rlim_t soft)
{
	if (as_found->rlim_cur != as_found->rlim_max)
		(void)setrlimit(what, &(struct rlimit){soft, as_found->rlim_max});
}

static void raise_limits(struct recorder_run_state *r)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(raised); i++)
		if (getrlimit(raised[i], &r->limits[i]) == 0)
			set_limit(raised[i], &r->limits[i], r->limits[i].rlim_max);
}

static void restore_limits(const struct recorder_run_state *r)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(raised); i++)
		set_limit(raised[i], &r->limits[i], r->limits[i].rlim_cur);
}

/* The ring's fd, under a number that programs do not meet. */
static int open_ring(struct recorder_run_state *r, struct tt_err *err)
{
	struct ring_options opts = {
		.on_full = r->opts->wait_when_full ? RING_FULL_WAIT : RING_FULL_COUNT,
		.families = event_config_families(&r->config),
		/* never less than a path needs: it is cut when it is written down */
		.argument_max = r->config.argument_max > EVENT_PATH_MAX || !r->config.argument_max
					? r->config.argument_max
					: EVENT_PATH_MAX,
		.io_mode = r->opts->io ? *r->opts->io : r->config.io_mode,
	};
	int n = ring_consumer_new(&opts, &r->track.ring);

	if (n == -EFBIG || n == -ENOMEM)
		return tt_fail(err, -n, "make the ring (raise 'ulimit -%c', or use --no-preload)",
			       n == -EFBIG ? 'f' : 'v');
	if (n < 0)
		return tt_fail(err, -n, "make the ring");
	r->ring_fd = fcntl(ring_consumer_fd(r->track.ring), F_DUPFD_CLOEXEC, RING_FD_MIN);
	if (r->ring_fd < 0)
		r->ring_fd = fcntl(ring_consumer_fd(r->track.ring), F_DUPFD_CLOEXEC, 3);
	if (r->ring_fd < 0)
		return tt_fail(err, errno, "give the ring a number of its own");
	return 0;
}

/* As getenv(3) of the environment that the profile lets through. */
static const char *path_of(char *const *envp)
{
	for (; *envp; envp++)
		if (strncmp(*envp, "PATH=", 5) == 0)
			return *envp + 5;
	return NULL;
}

/* Whether the command itself can load the library; found as execvp(3) will find it. */
static bool command_loads(struct recorder_run_state *r)
{
	struct contract c = {.ring_fd = -1};
	char library[CONTRACT_LIBRARY_MAX];

	const char *file = r->opts->argv[0];
	char found[4096];

	if (!strchr(file, '/')) {
		if (!tt_program_search(file, path_of(r->environ), found, sizeof(found)))
			return false;
		file = found;
	}
	tt_program_look(AT_FDCWD, file, &r->program);
	c.value[r->opts->audit ? CONTRACT_LD_AUDIT : CONTRACT_LD_PRELOAD] = r->opts->library;
	if (!event_contract_for_program(&c, &r->program, library, sizeof(library)))
		return false;
	r->exposed[r->exposed_count++] = r->opts->library;
	if (r->program.libc == TT_PROGRAM_MUSL)
		r->musl_library = strdup(library);
	if (r->musl_library)
		r->exposed[r->exposed_count++] = r->musl_library;
	return true;
}

/*
 * The command's environment. A program that cannot load the library gets the caller's own: what it
 * would do with ours is complain about it.
 */
static char *const *make_env(struct recorder_run_state *r)
{
	char parent[4 + TT_UUID_TEXT_LEN + 1] = "spn_", library[CONTRACT_LIBRARY_MAX];
	struct contract c = {.ring_fd = r->ring_fd};
	struct stat st;

	if (!r->follows)
		return r->environ;
	/* of an outer run that lost track of us */
	(void)unsetenv(event_contract_name_text(CONTRACT_CTX));
	tt_uuid_text(parent + 4, &r->span);
	c.value[r->opts->audit ? CONTRACT_LD_AUDIT : CONTRACT_LD_PRELOAD] = r->opts->library;
	if (!event_contract_for_program(&c, &r->program, library, sizeof(library)))
		return r->environ;
	c.value[CONTRACT_SESSION] = r->session;
	c.value[CONTRACT_PARENT_SPAN] = parent;
	if (fstat(r->ring_fd, &st) == 0)
		c.ring_ino = st.st_ino;
	memcpy(c.ring_socket, r->door.digits, sizeof(c.ring_socket));
	r->env_buf = malloc(event_contract_env_size(&c, r->environ));
	return r->env_buf ? event_contract_env_build(&c, r->environ, r->env_buf) : r->environ;
}

static int watch_fd(struct recorder_run_state *r, int *fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data = {.ptr = fd}};

	return epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, *fd, &e);
}

/*
 * Where the command gets a network namespace of its own, or none at all, it could not reach the
 * socket, and the attempt would look like one to reach out.
 */
static void open_door(struct recorder_run_state *r)
{
	if (r->opts->policy->network != POLICY_NET_HOST)
		return;
	/* without it a lost fd stays lost, and the coverage says so */
	if (recorder_door_open(&r->door) == 0 && watch_fd(r, &r->door.fd) < 0)
		recorder_door_close(&r->door);
}

/* All signals that can be are held, and read from an fd: the loop decides what becomes of each. */
static int open_events(struct recorder_run_state *r, struct tt_err *err)
{
	sigset_t all;

	(void)sigfillset(&all);
	/* a bug of ours should look like one */
	for (size_t i = 0; i < 5; i++)
		(void)sigdelset(&all, (int[]){SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}[i]);
	(void)sigprocmask(SIG_BLOCK, &all, &r->mask);
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r->track.epoll_fd = r->opts->library ? epoll_create1(EPOLL_CLOEXEC) : r->epoll_fd;
	r->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	r->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (r->epoll_fd < 0 || r->track.epoll_fd < 0 || r->signal_fd < 0 || r->timer_fd < 0 ||
	    watch_fd(r, &r->signal_fd) < 0 || watch_fd(r, &r->timer_fd) < 0)
		return tt_fail(err, errno, "set up the event loop");
	return 0;
}

/* The ring, if the command writes to it, and what the caller asked for. */
static int keep_fds(struct recorder_run_state *r, struct tt_err *err)
{
	size_t n = r->opts->keep_fd_count;

	r->keep_fds = malloc((n + 1) * sizeof(*r->keep_fds));
	if (!r->keep_fds)
		return tt_fail(err, ENOMEM, "list file descriptors");
	for (size_t i = 0; i < n; i++)
		r->keep_fds[i] = r->opts->keep_fds[i];
	r->keep_fds[n] = r->ring_fd;
	return 0;
}

static int enter_group(void *arg)
{
	return cgroup_enter(arg);
}

static int leave_group(void *arg)
{
	return cgroup_leave(arg);
}

static int start_sandbox(struct recorder_run_state *r, struct tt_err *err)
{
	struct cgroup *group = r->bounds.group;
	struct sandbox_spec spec = {
		.policy = r->bounds.launch,
		.file = r->opts->argv[0],
		.argv = r->opts->argv,
		.envp = make_env(r),
		.mask = &r->mask,
		.ignored = &r->ignored,
		.expose = r->exposed,
		.expose_count = r->exposed_count,
		.guard_folder = recorder_output_records(r->out),
		.guard_file = recorder_output_trace_path(r->out),
		.listen_port = r->connections ? PROXY_PORT : 0,
		.listen_channel = proxy_fd(recorder_connections_proxy(r->connections)),
		.degrade = r->opts->degrade,
		.fork_enter = group ? enter_group : NULL,
		.fork_leave = group ? leave_group : NULL,
		.fork_arg = group,
		.fork_hold = group && cgroup_lifts(group),
		.cgroup_fd = group && cgroup_fork_fd(group) >= 0 ? cgroup_fork_fd(group) : 0,
		.cgroup_must = group && cgroup_is_limited(group),
		.count = r->count,
		.watch = r->watch ? kernel_observer_watch(r->watch->observer) : NULL,
	};
	int n = keep_fds(r, err);

	if (n < 0)
		return n;
	spec.keep_fds = r->keep_fds;
	spec.keep_fd_count = r->opts->keep_fd_count + r->follows;
	restore_limits(r);
	n = sandbox_start(&spec, &r->launch, err);
	raise_limits(r);
	return n;
}

/* Where the command's own process is: behind the sandbox's init it is that one's only child. */
static pid_t command_pid(const struct recorder_run_state *r)
{
	return r->opts->policy->sandboxed ? recorder_child_read(r->child.pid) : r->child.pid;
}

void recorder_run_start_timer(struct recorder_run_state *r)
{
	uint32_t ms = r->sampler.period_ms, first_ms = ms < FIRST_SAMPLE_MS ? ms : FIRST_SAMPLE_MS;
	struct itimerspec it = {
		.it_interval = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * (long)TT_NS_PER_MS},
		.it_value = {.tv_nsec = first_ms * (long)TT_NS_PER_MS}};

	(void)timerfd_settime(r->timer_fd, 0, &it, NULL);
}

void recorder_run_configure(struct recorder_run_state *r)
{
	TT_CLEANUP(freep) char *text = malloc(EVENT_CONFIG_BYTES_MAX + 1);
	struct event_config_error wrong = {0, "out of memory"};
	const char *path = r->opts->config;

	if (!path || !*path)
		return;
	if (!text ||
	    event_config_load(&r->config, path, text, EVENT_CONFIG_BYTES_MAX + 1, &wrong) < 0)
		r->config_message_len = event_config_message(r->config_message, path, &wrong);
	event_format_configure(r->config.argument_max, r->config.line_max);
	event_redact_extend(r->config.redact);
	r->track.config = &r->config;
}

static void put_notice(struct recorder_run_state *r)
{
	struct event ev = {
		.type = EVENT_NOTICE,
		.source = EVENT_FROM_RECORDER,
		.ts_ns = r->started_ns,
		.ids = &r->track.ids,
		.span = {.id = r->span},
		.parent = r->parent,
		.reason = {"config_error", 12},
		.message = {r->config_message, r->config_message_len},
	};

	if (r->config_message_len)
		recorder_output_event(r->out, &ev);
}

void recorder_run_put_start(struct recorder_run_state *r)
{
	char block[16384];
	size_t at = 0;
	struct event ev = {
		.type = EVENT_RUN,
		.source = EVENT_FROM_RECORDER,
		.ts_ns = r->started_ns,
		.span = {.id = r->span},
		.parent = r->parent,
		.phase = {"start", 5},
		.program = {r->opts->argv[0], strlen(r->opts->argv[0])},
		.cwd = {r->cwd[0] ? r->cwd : NULL, strlen(r->cwd)},
		.profile = {r->opts->policy->name, strlen(r->opts->policy->name)},
		.version = {r->opts->version, strlen(r->opts->version)},
	};
	struct event_ids ids = r->track.ids;

	if (r->traceparent[0])
		ids.traceparent = (struct event_text){r->traceparent, strlen(r->traceparent)};
	for (char *const *a = r->opts->argv; *a && at + strlen(*a) + 1 <= sizeof(block); a++)
		at = (size_t)(stpcpy(block + at, *a) + 1 - block);
	ev.argv = (struct event_text){block, at};
	ev.ids = &ids;
	recorder_output_event(r->out, &ev);
	put_notice(r);
	recorder_output_flush(r->out); /* what is about to run is on disk before it runs */
}

static enum policy_count count_mode(const struct recorder_run_state *r)
{
	return r->opts->count ? *r->opts->count : r->opts->policy->count;
}

/* Only who asks for ptrace by name must have it; with "auto" a run goes on without. */
static int start_count(struct recorder_run_state *r, struct tt_err *err)
{
	enum policy_count mode = count_mode(r);
	struct tt_err why;
	int n;

	if (mode == POLICY_COUNT_OFF) {
		r->count_reason = "switched off (--count=off)";
		return 0;
	}
	if (mode >= POLICY_COUNT_KERNEL)
		return 0; /* see start_facts() */
	if (mode == POLICY_COUNT_AUTO && !r->opts->policy->learn) {
		r->count_reason = "counted by the kernel sensor, or with --count=ptrace";
		return 0;
	}
	if (r->opts->policy->sandboxed) {
		r->count_reason = "--count=ptrace works in profiles without a sandbox";
		return mode == POLICY_COUNT_AUTO
			       ? 0
			       : tt_fail_text(err, ENOTSUP,
					      "%s, which profile %s has: use LEARNING or OFF",
					      r->count_reason, r->opts->policy->name);
	}
	n = sandbox_count_start(&r->count, &why);
	if (n == 0)
		return 0;
	(void)snprintf(r->count_text, sizeof(r->count_text), "%s", why.text);
	r->count_reason = r->count_text;
	return mode == POLICY_COUNT_AUTO ? 0 : tt_fail_text(err, -n, "%s", why.text);
}

/*
 * The kernel sensor, right before the fork: what it attaches costs every process on the machine.
 * Only who asks for it by name must have it.
 */
static int start_facts(struct recorder_run_state *r, struct tt_err *err)
{
	enum policy_count mode = count_mode(r);
	bool must = r->opts->must_kernel || mode >= POLICY_COUNT_KERNEL;
	struct tt_err why;
	int n = -ECANCELED;

	if (r->opts->no_kernel)
		(void)snprintf(why.text, sizeof(why.text), "switched off (--no-kernel)");
	else
		n = recorder_facts_open(&r->track.facts, &r->config,
					mode != POLICY_COUNT_OFF && !r->count,
					mode == POLICY_COUNT_LATENCY, &why);
	if (n == 0)
		return 0;
	(void)snprintf(r->kernel_reason, sizeof(r->kernel_reason), "%.255s", why.text);
	return must ? tt_fail_text(err, -n, "%s", why.text) : 0;
}

/*
 * Before anything else of the run: what is forked now has none of it. A child of ours like those
 * that we were born with, it is not waited for.
 */
static int open_connections(struct recorder_run_state *r, struct tt_err *err)
{
	return recorder_connections_open(&r->connections, r->opts->policy, r->opts->allow_hosts,
					 r->opts->allow_host_count, err);
}

struct recorder_connections_run recorder_run_connections(const struct recorder_run_state *r)
{
	return (struct recorder_connections_run){
		.out = r->out,
		.ids = &r->track.ids,
		.span = {.id = r->span},
		.parent = r->parent,
	};
}

int recorder_run_prepare(struct recorder_run_state *r, struct tt_err *err)
{
	bool more = false;
	siginfo_t si;
	int n;

	n = open_connections(r, err);
	if (n == 0)
		n = start_count(r, err);
	if (n == 0 && r->opts->observe)
		n = recorder_watch_new(&r->watch, r->opts->observe, !r->opts->policy->sandboxed,
				       err);
	if (n < 0)
		return n;
	/* after those: they are children of ours, too, and none of the command's */
	if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 || errno != ECHILD)
		r->track.foreign_count = recorder_children_read(
			getpid(), r->track.foreign, TT_ARRAY_SIZE(r->track.foreign), &more);
	raise_limits(r);
	sandbox_ignored_signals(&r->ignored);
	/* ignored, our children would vanish before we could look at them */
	(void)signal(SIGCHLD, SIG_DFL);
	n = sandbox_env_make(r->opts->policy, environ, &r->environ, err);
	if (n == 0 && r->connections)
		n = recorder_connections_env(&r->environ, err);
	if (n == 0)
		n = open_events(r, err);
	if (n < 0)
		return n;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return tt_fail(err, errno, "adopt orphans");
	if (r->opts->library) {
		n = open_ring(r, err);
		if (n < 0)
			return n;
		r->follows = command_loads(r);
		if (!r->follows)
			r->preload_reason =
				"the command cannot load the library (static, another libc or "
				"set-user-id), nor can what it starts";
		else
			open_door(r);
	} else {
		r->preload_reason = "switched off, or libtelltale.so was not found";
	}
	n = recorder_limits_open(&r->bounds, &r->opts->limits, r->opts->policy, r->run_id,
				 !r->opts->no_cgroup, r->opts->degrade, err);
	if (n < 0)
		return n;
	r->sampler.group = r->bounds.group;
	/* before the walls: they keep the command out of it */
	n = recorder_run_open_output(r, err);
	if (n == 0)
		n = start_facts(r, err);
	/* it sees all that the observer would, and more */
	if (r->track.facts && r->watch) {
		recorder_watch_free(r->watch);
		r->watch = NULL;
	}
	return n < 0 ? n : start_sandbox(r, err);
}

/* Before the command runs: a run that cannot answer for its refused calls does not begin. */
static int watch_denials(struct recorder_run_state *r, struct tt_err *err)
{
	const int *fd = r->opts->denials_fd;
	int n;

	if (!r->watch && (!r->opts->policy->sandboxed || !r->opts->policy->filter))
		return 0;
	n = recorder_denials_new(&r->denials, r->opts->policy, fd ? *fd : -1, r->watch, err);
	if (n < 0)
		return n;
	r->denials->run_span = (struct event_span){.id = r->span};
	r->denials->run_parent = r->parent;
	r->track.denials = r->denials;
	return 0;
}

int recorder_run_start(struct recorder_run_state *r, struct tt_err *err)
{
	pid_t command;
	int n;

	n = watch_denials(r, err);
	if (n < 0)
		return n;
	restore_limits(r);
	n = sandbox_release(TT_TAKE(r->launch), &r->child, &r->failure, err);
	raise_limits(r);
	if (n < 0)
		return n;
	if (r->child.cgroup_missed)
		cgroup_born_outside(r->bounds.group);
	r->track.own_pid_namespace = r->child.own_pid_namespace;
	r->track.init = r->opts->policy->sandboxed ? r->child.pid : 0;
	if (r->child.report_fd >= 0 && watch_fd(r, &r->child.report_fd) < 0)
		return tt_fail(err, errno, "watch the sandbox");
	if (r->connections && watch_fd(r, recorder_connections_fd(r->connections)) < 0)
		return tt_fail(err, errno, "watch the proxy");
	if (r->watch) {
		r->watch->run_span = (struct event_span){.id = r->span};
		r->watch->run_parent = r->parent;
		r->watch->follows = r->follows;
		recorder_watch_begin(r->watch, &r->child);
		r->track.watch = r->watch;
	}
	command = command_pid(r);
	r->command_pid = r->track.own_pid_namespace ? 2 : command;
	if (r->denials)
		recorder_denials_begin(r->denials, tt_take_fd(&r->child.listener_fd), r->child.pid,
				       command);
	recorder_track_launch(&r->track, command, r->command_pid, &r->span, &r->parent,
			      r->follows || r->track.facts ? NULL : r->opts->argv[0],
			      r->started_ns);
	recorder_run_start_timer(r);
	return 0;
}
