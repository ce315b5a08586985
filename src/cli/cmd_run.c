/* SPDX-License-Identifier: Apache-2.0 */
/* telltale run: record a command. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/amount.h"
#include "cli/cli.h"
#include "cli/library.h"
#include "event/config.h"
#include "event/redact.h"
#include "kernel/observer.h"
#include "policy/policy.h"
#include "proxy/hosts.h"
#include "recorder/recorder.h"

/*
 * A status of our own must not be taken for the command's: 125 for everything that goes wrong on
 * our side, a usage error too, as env(1) and timeout(1) have it.
 */
#define RUN_FAILED 125

TT_DEFINE_FREEP(const char **, free)

#define ORPHAN_GRACE_MS 2000
#define SESSION_MAX     127
#define KEEP_FDS_MAX    64
#define LIMIT_WORDS_MAX 32

struct run_words {
	struct recorder_options opts;
	const char **hosts; /* room for as many as there are arguments */
	const char *profile;
	int denials_fd;
	const char *limits[LIMIT_WORDS_MAX]; /* as typed, in order */
	size_t limit_count;
	bool no_preload;
	bool quiet;
	int keep_fds[KEEP_FDS_MAX];
};

static bool is_session(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] == '"' || text[i] == '\\' || text[i] == 127)
			return false;
	return n > 0 && n <= SESSION_MAX;
}

static int usage(const char *fmt, const char *what)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "%s '%s'", fmt, what);
	(void)cli_usage("run", "%s", text);
	return RUN_FAILED;
}

static int take_orphans(const char *text, struct recorder_options *opts)
{
	if (strcmp(text, "leave") == 0) {
		opts->orphans = RECORDER_ORPHANS_LEAVE;
		return 0;
	}
	opts->orphans = RECORDER_ORPHANS_WAIT;
	if (strcmp(text, "wait") == 0)
		return 0;
	return strncmp(text, "wait:", 5) == 0 ? cli_duration_parse(text + 5, &opts->orphan_grace_ms)
					      : -EINVAL;
}

static int take_count(const char *text, struct recorder_options *opts)
{
	static const char names[][8] = {"auto", "off", "ptrace", "kernel", "latency"};
	static const enum policy_count ways[] = {POLICY_COUNT_AUTO, POLICY_COUNT_OFF,
						 POLICY_COUNT_PTRACE, POLICY_COUNT_KERNEL,
						 POLICY_COUNT_LATENCY};

	for (size_t i = 0; i < TT_ARRAY_SIZE(names); i++) {
		if (strcmp(text, names[i]) != 0)
			continue;
		opts->count = &ways[i];
		return 0;
	}
	return -EINVAL;
}

static int take_io(const char *text, struct recorder_options *opts)
{
	static const char names[][8] = {"counts", "events", "off"};
	static const uint32_t modes[] = {EVENT_IO_COUNTS, EVENT_IO_EVENTS, EVENT_IO_OFF};

	for (size_t i = 0; i < TT_ARRAY_SIZE(names); i++) {
		if (strcmp(text, names[i]) != 0)
			continue;
		opts->io = &modes[i];
		return 0;
	}
	return -EINVAL;
}

/* Called before we open anything of our own: what is open now is the caller's. */
static int take_keep_fd(const char *text, struct run_words *w)
{
	char *end;
	long fd = strtol(text, &end, 10);

	if (!isdigit((unsigned char)text[0]) || *end || fd > INT_MAX ||
	    fcntl((int)fd, F_GETFD) < 0 || w->opts.keep_fd_count == KEEP_FDS_MAX)
		return -EINVAL;
	w->keep_fds[w->opts.keep_fd_count++] = (int)fd;
	w->opts.keep_fds = w->keep_fds;
	return 0;
}

/* Closed when the command is executed: what is said of it is not for it to read or to write. */
static int take_denials_fd(const char *text, struct run_words *w)
{
	char *end;
	long fd = strtol(text, &end, 10);
	int flags;

	if (end == text || *end || fd < 0 || fd > INT_MAX)
		return -EINVAL;
	flags = fcntl((int)fd, F_GETFL);
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	w->denials_fd = (int)fd;
	w->opts.denials_fd = &w->denials_fd;
	/* the standard ones are the command's, too */
	return fd > 2 && fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

/* Checked here, and applied when the profile is known. */
static int take_limit(const char *text, struct run_words *w)
{
	struct policy_limits trial;
	int r = cli_limit_parse(text, &trial);

	if (r == -ENOENT)
		return usage("--limit is memory, swap, cpu, pids, read, write, wall, cpu-time or "
			     "major-faults with =VALUE, not",
			     text);
	if (r < 0 || w->limit_count == LIMIT_WORDS_MAX)
		return usage("a limit is a size (512M), a number, per cent, a time or none, not",
			     text);
	w->limits[w->limit_count++] = text;
	return 0;
}

static int take_sample(const char *text, struct recorder_options *opts)
{
	uint64_t ms = 0;

	if (cli_duration_parse(text, &ms) < 0 || ms < RECORDER_SAMPLE_MS_MIN || ms > 3600000)
		return usage("--sample is a time from 10ms to 1h, not", text);
	opts->sample_ms = (uint32_t)ms;
	return 0;
}

static void set_limits(struct run_words *w)
{
	w->opts.limits = w->opts.policy->limits;
	for (size_t i = 0; i < w->limit_count; i++)
		(void)!cli_limit_parse(w->limits[i], &w->opts.limits); /* checked before */
}

static int take_observe(const char *text, struct recorder_options *opts)
{
	int what = kernel_observed_parse(text);

	if (what < 0)
		return usage("--observe is a list of exec, net and files, not", text);
	opts->observe |= (unsigned)what;
	return 0;
}

static int take_host(const char *text, struct run_words *w)
{
	struct proxy_rule rule;
	const char *why = "";

	if (proxy_rule_parse(text, &rule, &why) < 0) {
		(void)cli_usage("run", "--allow-host '%s': %s", text, why);
		return RUN_FAILED;
	}
	w->hosts[w->opts.allow_host_count++] = text;
	return 0;
}

/* 0 to go on, else *ret_status is what to exit with. */
static int take_option(int c, struct run_words *w)
{
	switch (c) {
	case 'p':
		w->profile = optarg;
		return 0;
	case 's':
		w->opts.session = optarg;
		return is_session(optarg)
			       ? 0
			       : usage("session ids are 1 to 127 printable characters, not",
				       optarg);
	case 'o':
		w->opts.output_dir = optarg;
		return 0;
	case 't':
		return cli_duration_parse(optarg, &w->opts.timeout_ms) == 0
			       ? 0
			       : usage("a time-out is a number with ms, s, m or h, not", optarg);
	case 'O':
		return take_orphans(optarg, &w->opts) == 0
			       ? 0
			       : usage("--orphans is wait, wait:TIME or leave, not", optarg);
	case 'F':
		w->opts.wait_when_full = strcmp(optarg, "block") == 0;
		return w->opts.wait_when_full || strcmp(optarg, "count") == 0
			       ? 0
			       : usage("--on-full is count or block, not", optarg);
	case 'c':
		w->opts.config = optarg;
		return 0;
	case 'S':
		w->opts.audit = strcmp(optarg, "audit") == 0;
		return w->opts.audit || strcmp(optarg, "preload") == 0
			       ? 0
			       : usage("--sensor is preload or audit, not", optarg);
	case 'I':
		return take_io(optarg, &w->opts) == 0
			       ? 0
			       : usage("--io is counts, events or off, not", optarg);
	case 'k':
		return take_keep_fd(optarg, w) == 0
			       ? 0
			       : usage("--keep-fd is the number of an open file descriptor, not",
				       optarg);
	case 'd':
		w->opts.degrade = true;
		return 0;
	case 'D':
		return take_denials_fd(optarg, w) == 0
			       ? 0
			       : usage("--denials-fd is the number of an open file descriptor, not",
				       optarg);
	case 'L':
		return take_limit(optarg, w);
	case 'T':
		return take_sample(optarg, &w->opts);
	case 'G':
		w->opts.no_cgroup = true;
		return 0;
	case 'C':
		return take_count(optarg, &w->opts) == 0
			       ? 0
			       : usage("--count is auto, kernel, latency, ptrace or off, not",
				       optarg);
	case 'W':
		return take_observe(optarg, &w->opts);
	case 'A':
		return take_host(optarg, w);
	case 'N':
		w->no_preload = true;
		return 0;
	case 'K':
		w->opts.no_kernel = false;
		w->opts.must_kernel = true;
		return 0;
	case 'M':
		w->opts.no_kernel = true;
		w->opts.must_kernel = false;
		return 0;
	case 'q':
		w->quiet = true;
		return 0;
	default:
		return 0;
	}
}

static int parse(int argc, char **argv, struct run_words *w, int *ret_status)
{
	static const struct option options[] = {
		{"profile", required_argument, NULL, 'p'},
		{"session", required_argument, NULL, 's'},
		{"output-dir", required_argument, NULL, 'o'},
		{"timeout", required_argument, NULL, 't'},
		{"orphans", required_argument, NULL, 'O'},
		{"on-full", required_argument, NULL, 'F'},
		{"config", required_argument, NULL, 'c'},
		{"io", required_argument, NULL, 'I'},
		{"keep-fd", required_argument, NULL, 'k'},
		{"degrade", no_argument, NULL, 'd'},
		{"denials-fd", required_argument, NULL, 'D'},
		{"limit", required_argument, NULL, 'L'},
		{"sample", required_argument, NULL, 'T'},
		{"no-cgroup", no_argument, NULL, 'G'},
		{"count", required_argument, NULL, 'C'},
		{"observe", required_argument, NULL, 'W'},
		{"allow-host", required_argument, NULL, 'A'},
		{"no-preload", no_argument, NULL, 'N'},
		{"kernel", no_argument, NULL, 'K'},
		{"no-kernel", no_argument, NULL, 'M'},
		{"sensor", required_argument, NULL, 'S'},
		{"quiet", no_argument, NULL, 'q'},
		{0},
	};
	int c;

	optind = 0;
	*ret_status = -1;
	while ((c = cli_next_option(argc, argv, options, ret_status)) != -1) {
		*ret_status = take_option(c, w);
		if (*ret_status != 0)
			return -1;
		*ret_status = -1;
	}
	if (*ret_status == CLI_USAGE)
		*ret_status = RUN_FAILED;
	if (*ret_status != -1)
		return -1;
	if (optind >= argc) {
		(void)cli_usage("run", "no command given: telltale run -- COMMAND");
		*ret_status = RUN_FAILED;
		return -1;
	}
	for (size_t i = 0; w->opts.denials_fd && i < w->opts.keep_fd_count; i++)
		if (w->keep_fds[i] == w->denials_fd) {
			*ret_status = usage("the fd of --denials-fd is not for the command:",
					    "--keep-fd");
			return -1;
		}
	w->opts.argv = argv + optind;
	return 0;
}

/* Where to look next, for a person at a terminal. A script's stderr stays the command's alone. */
static void say_where(const struct recorder_outcome *out)
{
	if (!isatty(STDERR_FILENO))
		return;
	(void)fprintf(stderr, "telltale: recorded; see 'telltale show %.13s'", out->run_id);
	if (out->lost)
		(void)fprintf(stderr, " (%llu events lost)", (unsigned long long)out->lost);
	if (out->counted)
		(void)fprintf(stderr,
			      "; counting %llu system calls took about %llu ms (%llu.%llu us each)",
			      (unsigned long long)out->counted,
			      (unsigned long long)(out->counted * out->count_ns / TT_NS_PER_MS),
			      (unsigned long long)(out->count_ns / 1000),
			      (unsigned long long)(out->count_ns % 1000 / 100));
	(void)fputc('\n', stderr);
}

/* Asked for with --degrade, but nothing to be silent about. */
static void say_lacking(const char *lines)
{
	for (const char *end; lines && (end = strchr(lines, '\n')); lines = end + 1)
		(void)fprintf(stderr, "telltale: run: left out: %.*s\n", (int)(end - lines), lines);
}

/*
 * A closed standard fd is not ours to use: the trace would take its number, and a message to stderr
 * would go into it. The stand-ins are closed at exec, so that the command finds its fds as closed
 * as the caller left them.
 */
static void hold_standard_fds(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			/* takes the lowest free number: fd */
			(void)open("/dev/null", O_RDWR | O_CLOEXEC);
}

int cli_cmd_run(int argc, char **argv)
{
	struct run_words w = {
		.profile = "OFF",
		.opts = {.version = cli_version,
			 .orphans = RECORDER_ORPHANS_WAIT,
			 .orphan_grace_ms = ORPHAN_GRACE_MS,
			 .config = getenv("TELLTALE_CONFIG")},
	};
	TT_CLEANUP(policy_freep) struct policy *policy = NULL;
	TT_CLEANUP(freep) const char **hosts = calloc((size_t)argc + 1, sizeof(*hosts));
	struct recorder_outcome out;
	char *library = NULL;
	struct tt_err err;
	int status;

	if (!hosts)
		return RUN_FAILED;
	w.opts.allow_hosts = w.hosts = hosts;
	hold_standard_fds();
	if (parse(argc, argv, &w, &status) < 0)
		return status;
	if (policy_load(w.profile, &policy, &err) < 0) {
		(void)cli_fail("run", &err);
		return RUN_FAILED;
	}
	w.opts.policy = policy;
	set_limits(&w);
	if (!w.no_preload &&
	    cli_library_find(&library, w.opts.audit ? CLI_LIBRARY_AUDIT : CLI_LIBRARY_PRELOAD,
			     &err) < 0) {
		(void)cli_fail("run", &err);
		return RUN_FAILED;
	}
	w.opts.library = library;
	event_redact_configure(getenv("TELLTALE_REDACT"));
	status = recorder_run(&w.opts, &out, &err);
	say_lacking(out.lacking);
	if (status < 0)
		(void)cli_fail("run", &err);
	else if (!w.quiet)
		say_where(&out);
	free(out.lacking);
	free(library);
	return out.exit_status;
}
