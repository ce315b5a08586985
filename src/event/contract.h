/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment contract: how ids and the library travel from one program to the next through the
 * environment, and how the next program is spared the sight of them. Pure text; signal-safe;
 * nothing allocates.
 *
 * At exec the names below are added to what the caller passes. TELLTALE_CTX says which of them were
 * added, so that the library can take those out of `environ` again before main:
 *
 *   TELLTALE_CTX=1;<ring fd or -1>;<ring inode>;<mask, hex>;<the caller's own
 *   SUBSTRATE_PARENT_SPAN>
 */
#ifndef TT_EVENT_CONTRACT_H
#define TT_EVENT_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

enum contract_name {
	CONTRACT_LD_PRELOAD,
	CONTRACT_SESSION,
	CONTRACT_TRACE_LOG,
	CONTRACT_PARENT_SPAN,
	CONTRACT_WORLD,
	CONTRACT_AGENT,
	CONTRACT_POLICY,
	CONTRACT_CONFIG,
	CONTRACT_LOG_MAX,
	CONTRACT_LOG_KEEP,
	CONTRACT_CTX,
	CONTRACT_NAMES,
};

/* event_contract_name_text - "LD_PRELOAD", "SUBSTRATE_SESSION_ID", ... */
const char *event_contract_name_text(enum contract_name name);

/*
 * event_contract_read - the values in @envp; NULL where a name is not there. Of two the one that
 * counts for its reader.
 */
void event_contract_read(char *const *envp, const char *values[CONTRACT_NAMES]);

#define CONTRACT_ID_MAX 128 /* an id from the environment is cut there, NUL included */

/* Values to pass on; NULL: nothing to pass. CONTRACT_CTX is not read. */
struct contract {
	const char *value[CONTRACT_NAMES];
	int ring_fd;
	uint64_t ring_ino;
};

/* event_contract_env_size - bytes event_contract_env_build() may need for this environment */
size_t event_contract_env_size(const struct contract *c, char *const *envp);

/*
 * event_contract_env_build - the environment to hand to the next program
 * @envp: the caller's, NULL counts as empty. Not changed; its strings are borrowed.
 * @buf: event_contract_env_size() bytes, aligned for pointers; holds the result
 * Returns the new array, or @envp itself if the caller passes a TELLTALE_CTX of his own (a nested
 * recorder).
 */
char *const *event_contract_env_build(const struct contract *c, char *const *envp, void *buf);

/* What TELLTALE_CTX said. */
struct contract_ctx {
	int ring_fd;
	uint64_t ring_ino;
	uint64_t mask;
	const char *own_parent; /* in the text given, "" if the caller had none */
};

/* event_contract_ctx_parse - false if @text is nothing we wrote */
bool event_contract_ctx_parse(const char *text, struct contract_ctx *ret);

/*
 * event_contract_env_hide - undo event_contract_env_build() in place
 * @envp: the process's own environment; entries are removed, LD_PRELOAD and the parent span get the
 *        values back that the caller had passed (their strings are rewritten in place)
 */
void event_contract_env_hide(const struct contract_ctx *ctx, char **envp);

#endif
