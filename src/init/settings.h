/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What init is told to do: words of the kernel command line (cellos.argv=, telltale.NAME=) in a
 * guest, options (--NAME VALUE) with --cell. telltale-init(8) has the list. Parsing alone, in
 * place, without allocation.
 */
#ifndef TT_INIT_SETTINGS_H
#define TT_INIT_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/endpoint.h"

enum {
	INIT_WORDS_MAX = 512, /* of the command, of the environment */
	INIT_PATHS_MAX = 16,  /* watched */
};

#define INIT_UNSET     UINT64_MAX       /* of a limit: what is usual */
#define INIT_UNLIMITED (UINT64_MAX - 1) /* "max" */

/* Texts are borrowed from what was parsed. */
struct init_settings {
	bool cell; /* not a machine's first process: the cell alone */
	char **argv;
	char *env[INIT_WORDS_MAX + 1];
	const char *endpoint;
	struct tt_endpoint exit; /* exit.len 0: none */
	uint32_t uid, gid, agent_uid;
	const char *cwd;      /* NULL: "/", with --cell the caller's */
	const char *hostname; /* NULL: "cell", with --cell the caller's */
	const char *agent;    /* NULL: beside init, or /sbin/telltale-agent */
	const char *inotify[INIT_PATHS_MAX];
	unsigned inotify_count;
	const char *modules; /* paths with ':' between them */
	/* handed to the agent as they are; NULL: its own default */
	const char *sensor, *walk_ms, *flush_ms, *heartbeat_ms, *major;
	uint64_t memory, pids;
	bool agent_degrade, limit_degrade;
	bool restart; /* at the end: what ends a machine that cannot be switched off */
	bool at_end_set;
	char *words[INIT_WORDS_MAX + 1]; /* what argv points to, if it came as base64 */
	uint32_t given;                  /* a bit for each setting that there was */
};

/* What is wrong. "NAME: WHY", or WHY alone if @name is NULL. */
struct init_problem {
	const char *name, *why;
};

void init_settings_defaults(struct init_settings *s);

/*
 * init_settings_cmdline - words up to "--"; those of others are passed over
 * init_settings_options - NULL ends @args; behind "--" stands the command
 *
 * Return 0, or -EINVAL and the first problem; what stands behind a problem is taken all the same.
 */
int init_settings_cmdline(struct init_settings *s, char *line,
			  struct init_problem *ret) TT_MUST_CHECK;
int init_settings_options(struct init_settings *s, char **args,
			  struct init_problem *ret) TT_MUST_CHECK;

/* init_settings_check - whether all is there and fits together. 0, or -EINVAL and the problem. */
int init_settings_check(const struct init_settings *s, struct init_problem *ret) TT_MUST_CHECK;

#endif
