/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile asks for, as data. Pure: no system calls, so it is tested without root. */
#ifndef TT_POLICY_POLICY_H
#define TT_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

enum policy_network { POLICY_NET_HOST, POLICY_NET_OFF };

/* One seccomp rule: refuse @syscall (its libseccomp name) with errno @err. */
struct policy_deny {
	const char *syscall;
	int err;
	/*
	 * With @arg >= 0 the rule holds only if (argument @arg & @mask) == @value (64-bit
	 * compare).
	 */
	int arg;
	unsigned long long mask, value;
	/* The other way round: it holds unless they are equal. @mask is then all ones. */
	bool unless;
};

/* The effective policy of one profile. Read-only after policy_find(); static lifetime. */
struct policy {
	const char *name;    /* "STRICT" */
	const char *summary; /* one line for --help and doctor */
	bool sandboxed;      /* false: no filter, namespaces, no_new_privs */
	bool new_processes;  /* false: nothing that forks or makes threads */
	bool read_only_root; /* all mounts read-only; /dev: harmless nodes */
	bool private_tmp;    /* an empty tmpfs on /tmp, /var/tmp and /dev/shm each */
	bool private_proc;   /* own PID namespace, own /proc */
	enum policy_network network;
	unsigned long long tmp_bytes;   /* the most that each private tmpfs may hold */
	const struct policy_deny *deny; /* refused calls; all others pass */
	size_t deny_count;
};

/*
 * policy_find - the profile of that name, exact spelling
 * Returns 0 and sets @ret (static, never freed); -ENOENT with a text that lists the known names.
 * Thread-safe; not signal-safe where it fails.
 */
int policy_find(const char *name, const struct policy **ret, struct tt_err *err) TT_MUST_CHECK;

/*
 * policy_next - walk the known profiles: pass NULL first; NULL at the end. Thread- and
 * signal-safe.
 */
const struct policy *policy_next(const struct policy *prev);

#endif
