/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a profile asks for, as data: the effective policy of one run. The text it is made from is
 * described in telltale-profile(5). Pure but for reading profile files: nothing here changes the
 * calling process, so it is tested without root.
 */
#ifndef TT_POLICY_POLICY_H
#define TT_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "util/err.h"

/* What becomes of a system call. */
enum policy_action {
	POLICY_ALLOW,
	POLICY_LOG,        /* happens, and is told of */
	POLICY_DENY,       /* refused with an errno: a violation */
	POLICY_DENY_QUIET, /* refused with an errno, counted apart: no violation */
	POLICY_KILL,       /* the process gets SIGKILL while its call is held: a violation */
};

struct policy_verdict {
	uint8_t action; /* enum policy_action */
	uint16_t err;   /* of POLICY_DENY and POLICY_DENY_QUIET, 1 to 4095; else 0 */
};

enum policy_compare {
	POLICY_EQ,
	POLICY_NE,
	POLICY_LT, /* unsigned, all four */
	POLICY_LE,
	POLICY_GT,
	POLICY_GE,
};

/*
 * One condition on an argument: (argument @arg & @mask) @compare @value. Narrow ones look at the
 * lower 32 bits alone: the upper half of the register does not count where the kernel takes an int.
 */
struct policy_condition {
	uint8_t arg; /* 0 to 5 */
	bool wide;   /* all 64 bits */
	uint8_t compare;
	uint64_t mask, value;
};

#define POLICY_CONDITIONS_MAX 4

/* One rule: it holds for a call if all its conditions do. Of those that hold the last one wins. */
struct policy_rule {
	int nr; /* the native ABI's */
	struct policy_verdict verdict;
	uint8_t condition_count;
	struct policy_condition conditions[POLICY_CONDITIONS_MAX];
};

enum policy_network {
	POLICY_NET_HOST,     /* the caller's */
	POLICY_NET_LOOPBACK, /* its own: 127.0.0.1 and ::1 are up, nothing else is there */
	POLICY_NET_OFF,      /* its own, in which nothing is up */
};

/* Namespaces to be made, besides the user namespace that lends the right to make them. */
enum policy_namespace {
	POLICY_NS_MOUNT = 1 << 0,
	POLICY_NS_PID = 1 << 1,
	POLICY_NS_IPC = 1 << 2,
	POLICY_NS_UTS = 1 << 3,
	POLICY_NS_NET = 1 << 4,
	POLICY_NS_CGROUP = 1 << 5,
	POLICY_NS_TIME = 1 << 6,
	POLICY_NS_USER = 1 << 7, /* always; without it only where the caller lacks the rights */
};

enum policy_root {
	POLICY_ROOT_KEEP,      /* the caller's, as it is */
	POLICY_ROOT_READ_ONLY, /* the caller's, every mount of it read-only, nosuid, nodev */
	POLICY_ROOT_EMPTY,     /* an empty tmpfs, and pivot_root(2) */
};

enum policy_mount_kind {
	POLICY_MOUNT_READ,  /* bind @from on @to, recursively read-only, nosuid, nodev */
	POLICY_MOUNT_WRITE, /* bind @from on @to, writable, nosuid, nodev */
	POLICY_MOUNT_TMPFS, /* an empty one on @to, at most @bytes, mode @mode */
	POLICY_MOUNT_PROC,  /* of the PID namespace, read-only */
	POLICY_MOUNT_DEV,   /* small: null zero full random urandom tty, the terminal, shm */
	POLICY_MOUNT_HIDE,  /* something empty that nobody may open over @to */
};

struct policy_mount {
	enum policy_mount_kind kind;
	/*
	 * Absolute, or beginning with one of these, which the launcher replaces: "." the present
	 * folder, "~" the caller's home. NULL: none.
	 */
	const char *from, *to;
	uint64_t bytes;
	uint32_t mode;
	bool optional; /* what is not there is passed over */
};

struct policy_rlimit {
	int resource; /* RLIMIT_* */
	uint64_t soft, hard;
};

/* An entry of uid_map or gid_map: user_namespaces(7). */
struct policy_id_map {
	uint32_t inside, outside, count;
};

/* Landlock rights in words; the launcher turns them into those that the kernel's ABI has. */
enum policy_landlock_right {
	POLICY_LANDLOCK_READ = 1 << 0,  /* files and folders */
	POLICY_LANDLOCK_WRITE = 1 << 1, /* writing, truncating, making, removing, renaming */
	POLICY_LANDLOCK_EXECUTE = 1 << 2,
};

struct policy_landlock_path {
	const char *path; /* as in struct policy_mount */
	uint8_t rights;
	bool optional;
};

struct policy_landlock_port {
	uint16_t port;
	bool bind; /* else connect */
};

struct policy_landlock {
	uint8_t handled; /* rights that are refused where no path grants them; 0: no file rules */
	bool bind, connect; /* TCP ports that are not named are refused */
	bool scope;         /* no abstract sockets and signals to the outside (ABI 6) */
	const struct policy_landlock_path *paths;
	size_t path_count;
	const struct policy_landlock_port *ports;
	size_t port_count;
};

#define POLICY_NO_LIMIT UINT64_MAX

/* Of the whole tree. POLICY_NO_LIMIT: none. */
struct policy_limits {
	uint64_t memory_bytes, swap_bytes;
	uint64_t cpu_percent; /* of one CPU: 150 is one and a half */
	uint64_t pids;
	uint64_t read_bytes_per_s, write_bytes_per_s;
	uint64_t wall_ms; /* exit_reason TIMEOUT */
	uint64_t cpu_ms;  /* user and system; exit_reason POLICY_ADAPTATION_KILL, as the next */
	uint64_t major_faults;
};

enum policy_env_mode { POLICY_ENV_ALL, POLICY_ENV_LISTED };

#define POLICY_LIMITS_NONE                                                                 \
	{                                                                                  \
		.memory_bytes = POLICY_NO_LIMIT, .swap_bytes = POLICY_NO_LIMIT,            \
		.cpu_percent = POLICY_NO_LIMIT, .pids = POLICY_NO_LIMIT,                   \
		.read_bytes_per_s = POLICY_NO_LIMIT, .write_bytes_per_s = POLICY_NO_LIMIT, \
		.wall_ms = POLICY_NO_LIMIT, .cpu_ms = POLICY_NO_LIMIT,                     \
		.major_faults = POLICY_NO_LIMIT                                            \
	}

struct policy_env {
	enum policy_env_mode mode;
	const char *const *pass; /* LISTED: names, "*" at the end for any rest */
	size_t pass_count;
	const char *const *drop; /* names in the same way, after pass */
	size_t drop_count;
	const char *const *set; /* "NAME=value" */
	size_t set_count;
};

enum policy_count {
	POLICY_COUNT_AUTO,
	POLICY_COUNT_OFF,
	POLICY_COUNT_PTRACE,
	POLICY_COUNT_KERNEL,  /* only by option */
	POLICY_COUNT_LATENCY, /* the same, and how long they took; only by option */
};

/* Where something stands in a profile's text. */
struct policy_place {
	const char *file; /* the path, or the name of a profile that came with the program */
	unsigned line, column;
};

/* The effective policy of one profile. */
struct policy {
	const char *name;    /* "STRICT" */
	const char *summary; /* one line for `policy list` */
	bool sandboxed; /* false: nothing below applies but limits; no filter, no no_new_privs */
	uint32_t namespaces; /* enum policy_namespace */
	enum policy_network network;
	enum policy_root root;
	const struct policy_mount *mounts; /* in order */
	size_t mount_count;
	/* "HOST[:PORT]": with LOOPBACK or OFF, what a proxy of ours lets through all the same */
	const char *const *allow_hosts;
	size_t allow_host_count;
	const char *hostname; /* NULL: the caller's */
	int64_t uid, gid;     /* what the command is inside; -1: who the caller is */
	const struct policy_id_map *uid_map, *gid_map; /* none: the caller alone, as himself */
	size_t uid_map_count, gid_map_count;
	uint64_t keep_caps; /* bit per capability; the rest leaves the bounding set, too */
	bool no_new_privs;
	const struct policy_rlimit *rlimits;
	size_t rlimit_count;
	struct policy_limits limits;
	struct policy_landlock landlock;
	struct policy_env env;
	bool learn;                      /* count every call of every process */
	enum policy_count count;         /* how */
	bool filter;                     /* system calls are judged: the rest applies */
	struct policy_verdict fallback;  /* of calls that no rule holds for, unknown numbers too */
	const struct policy_rule *rules; /* by number; of one number in order */
	size_t rule_count;
	/* where each of the rules stands; NULL in a policy that was not made from text */
	const struct policy_place *rule_places;
};

struct sock_filter;

/*
 * policy_load - the policy that a profile asks for
 * @name_or_path: with a '/' in it a file, else a profile: one that came with the program, or
 *                NAME.profile in $XDG_CONFIG_HOME/telltale/profiles or /etc/telltale/profiles
 * Returns 0 and sets @ret, for policy_free(); -ENOENT if there is none, -EINVAL if its text is
 * wrong ("FILE:LINE:COLUMN: what"), or another -errno. Thread-safe.
 */
int policy_load(const char *name_or_path, struct policy **ret, struct tt_err *err) TT_MUST_CHECK;

/* policy_free - NULL is fine */
void policy_free(struct policy *p);
TT_DEFINE_FREEP(struct policy *, policy_free)

/* policy_load_text - the same of a text that is no file; @name stands in messages */
int policy_load_text(const char *name, const char *text, size_t len, struct policy **ret,
		     struct tt_err *err) TT_MUST_CHECK;

/* Is told of each complaint. */
typedef void (*policy_tell_fn)(void *arg, const char *text);

/*
 * policy_check - policy_load(), but it goes on after a complaint and tells of each (the first 20)
 * Returns what policy_load() would have.
 */
int policy_check(const char *name_or_path, policy_tell_fn tell, void *arg, struct policy **ret,
		 struct tt_err *err) TT_MUST_CHECK;

/*
 * policy_shipped_at - the profiles that came with the program, from @i = 0
 * Returns the name, NULL at the end. The text is not NUL-terminated.
 */
const char *policy_shipped_at(size_t i, const char **ret_text, size_t *ret_len);

/*
 * policy_folder - the folders where profiles are looked for, from @i = 0: a path into @buf
 * Returns 0, -ENOENT at the end, -ENAMETOOLONG.
 */
int policy_folder(size_t i, char *buf, size_t cap) TT_MUST_CHECK;

/*
 * policy_decide - what becomes of a call: what the filter says, exactly
 * @nr: of the native ABI; on x86_64 a number of x32 is killed. Pure and signal-safe.
 */
struct policy_verdict policy_decide(const struct policy *p, int nr, const uint64_t args[6]);

/* policy_deciding_rule - the index of the rule that decides; -1: none, the default does */
long policy_deciding_rule(const struct policy *p, int nr, const uint64_t args[6]);

/*
 * policy_filter_make - the seccomp filter: what is allowed is returned from at once, the rest goes
 * to the listener; calls of foreign ABIs kill the process. Free *ret with free().
 * Returns 0, -E2BIG past the 4096 instructions that the kernel takes, -ENOMEM.
 */
int policy_filter_make(const struct policy *p, struct sock_filter **ret, unsigned short *ret_len,
		       struct tt_err *err) TT_MUST_CHECK;

/*
 * policy_filter_make_alone - the same without a listener: the kernel itself refuses or kills, and
 * nobody hears of it
 */
int policy_filter_make_alone(const struct policy *p, struct sock_filter **ret,
			     unsigned short *ret_len, struct tt_err *err) TT_MUST_CHECK;

/*
 * policy_filter_make_watching - policy_filter_make(), with calls for the listener that are allowed
 * @p: may be without a filter: then nothing is refused, and calls of foreign ABIs are let through
 * @watch: the listener is asked for what its rules hold for, which are sorted by number
 */
int policy_filter_make_watching(const struct policy *p, const struct policy *watch,
				struct sock_filter **ret, unsigned short *ret_len,
				struct tt_err *err) TT_MUST_CHECK;

/* policy_text - the text of a profile that loads to the same policy; free *ret. -ENOMEM. */
int policy_text(const struct policy *p, char **ret, size_t *ret_len) TT_MUST_CHECK;

/* policy_rule_text - one rule of it, as a line without its end; free *ret. -ENOMEM. */
int policy_rule_text(const struct policy *p, size_t i, char **ret) TT_MUST_CHECK;

/* policy_verdict_text - "allow", "deny EPERM" */
#define POLICY_VERDICT_TEXT 48
void policy_verdict_text(struct policy_verdict v, char buf[POLICY_VERDICT_TEXT]);

/*
 * policy_value - the number of an argument: "12", "0x1f", "-1", "AF_UNIX", "O_CREAT|O_EXCL"
 * Returns 0 or -EINVAL.
 */
int policy_value(const char *text, uint64_t *ret) TT_MUST_CHECK;

/* policy_argument - the name of a call's argument ("domain"), NULL: none is known */
const char *policy_argument(int nr, int arg);

/* policy_cap_name, policy_rlimit_name - "NET_RAW", "nofile"; NULL: none is known */
const char *policy_cap_name(int cap);
const char *policy_rlimit_name(int resource);

/* policy_call_name - NULL: no call of this machine that is known here. Signal-safe. */
const char *policy_call_name(int nr);

/* policy_call_number - on this machine; -ENOENT. Signal-safe. */
int policy_call_number(const char *name);

/* policy_group_at - groups of calls ("file-read"), from @i = 0; NULL at the end */
const char *policy_group_at(size_t i, const char **ret_summary);

/* policy_group_has - whether group @i of policy_group_at() has that call */
bool policy_group_has(size_t i, int nr);

#endif
