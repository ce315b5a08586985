/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment contract: how ids and the library travel from one program to the next through the
 * environment, and how the next program is spared the sight of them. Pure text; signal-safe;
 * nothing allocates.
 *
 * At exec the names below are added to what the caller passes. TELLTALE_CTX says which of them were
 * added, so that the library can take those out of `environ` again before main:
 *
 *   TELLTALE_CTX=2;<ring fd or -1>;<ring inode, 0: no ring>;<ring socket, or nothing>;<mask, hex>;
 *   <hash of the path exec'd, hex>;<length of the next>;<what /proc/PID/exe will show, or nothing>;
 *   <the caller's own SUBSTRATE_PARENT_SPAN>
 *
 * Without a recorder "log" and a mark of where the log lies stand in place of fd and inode.
 */
#ifndef TT_EVENT_CONTRACT_H
#define TT_EVENT_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/program.h"

enum contract_name {
	CONTRACT_LD_PRELOAD,
	CONTRACT_LD_AUDIT,
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

#define CONTRACT_EXE_MAX 4096

#define CONTRACT_ID_MAX 128 /* an id from the environment is cut there, NUL included */

/* The ring's socket is named by that many hex digits: see event_contract_socket_name(). */
#define CONTRACT_SOCKET_LEN 16

/*
 * event_contract_socket_name - the abstract name of the socket, as sun_path has it, its NUL first
 * Returns its length.
 */
#define CONTRACT_SOCKET_NAME_MAX 32
size_t event_contract_socket_name(char name[CONTRACT_SOCKET_NAME_MAX],
				  const char digits[CONTRACT_SOCKET_LEN + 1]);

/*
 * Values to pass on; NULL: nothing to pass. CONTRACT_CTX is not read. The library is in LD_PRELOAD
 * or in LD_AUDIT, as one path; for a certain program see event_contract_for_program().
 */
struct contract {
	const char *value[CONTRACT_NAMES];
	int ring_fd; /* -1: lost; with @ring_ino 0 there is no recorder */
	uint64_t ring_ino;
	uint64_t log_mark;                         /* without a recorder: where the log lay */
	char ring_socket[CONTRACT_SOCKET_LEN + 1]; /* "": none can be reached */
	/*
	 * What the path that is exec'd leads to: the next image is spared a look into /proc, which
	 * makes three inodes for each new pid. NULL: it has to look.
	 */
	const char *exe;
	uint32_t exe_of; /* event_contract_hash() of that path */
	bool other_root; /* what is started has another "/" than the first program of the run */
};

/* event_contract_hash - of a path; never 0 */
uint32_t event_contract_hash(const char *path);

/*
 * event_contract_for_program - put the library that program can load in place of the one in @c
 * @buf: may hold the names of libraries afterwards
 * The library for musl lies beside the others. false: there is none for it, it cannot be read from
 * here, or @buf is too short.
 */
#define CONTRACT_LIBRARY_MAX 512
bool event_contract_for_program(struct contract *c, const struct tt_program *program, char *buf,
				size_t cap);

/* event_contract_library - put the library in @c that stands in these values, if one does */
void event_contract_library(struct contract *c, const char *const values[CONTRACT_NAMES],
			    const char *(*keep)(const char *text, size_t len));

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
	char ring_socket[CONTRACT_SOCKET_LEN + 1];
	uint64_t log_mark;
	uint64_t mask;
	/* in the text given, not terminated; event_contract_env_hide() overwrites it */
	const char *exe;
	size_t exe_len; /* 0: not told */
	uint32_t exe_of;
	bool other_root;
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
