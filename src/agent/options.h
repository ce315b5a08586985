/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent was asked for: its options, one variable of the environment, the kernel's command
 * line.
 */
#ifndef TT_AGENT_OPTIONS_H
#define TT_AGENT_OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

#include "agent/say.h"
#include "base/endpoint.h"

enum { AGENT_INOTIFY_MAX = 32 };

enum agent_choice {
	AGENT_CHOOSE_AUTO,
	AGENT_CHOOSE_EBPF,
	AGENT_CHOOSE_CONNECTOR,
	AGENT_CHOOSE_WALK,
};

struct agent_options {
	const char *endpoint_text;
	struct tt_endpoint endpoint;
	uint64_t uid, gid;
	int ready_fd, queue_fd, connector_fd, outer_proc_fd; /* -1: none */
	const char *proc;
	const char *inotify[AGENT_INOTIFY_MAX];
	unsigned inotify_count;
	enum agent_choice sensor;
	unsigned walk_ms, heartbeat_ms, flush_ms, restarts, major;
	bool does_fork, wants_help, wants_version;
	char why[AGENT_LINE_MAX]; /* of -EINVAL: one line for people */
};

extern const char agent_help[];

/*
 * agent_options_parse - 0, or -EINVAL and @why
 * @env_inotify: CELLOS_TELEMETRY_INOTIFY_PATH, or NULL. Texts are borrowed.
 */
int agent_options_parse(struct agent_options *o, int argc, char **argv,
			const char *env_inotify) TT_MUST_CHECK;

#endif
