/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event model: one observed act as data, and its one line of JSON (docs/trace-format.md).
 * Everything here borrows: pointers of a struct event belong to whoever filled it. Nothing
 * allocates, locks or does I/O; all functions are signal-safe and thread-safe, but for
 * event_redact_configure().
 */
#ifndef TT_EVENT_EVENT_H
#define TT_EVENT_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/out.h"
#include "base/uuid.h"

#define EVENT_LINE_MAX    65536 /* bytes of one line, newline included: one write(2) */
#define EVENT_ARGS_MAX    6     /* longest layout in calls.def, and the room for an extra */
#define EVENT_ANSWERS_MAX 16    /* addresses kept of one getaddrinfo() */
#define EVENT_ANSWERS_ROOM \
	512 /* bytes they take, length bytes included: 16 x (1 + sizeof(sockaddr_in6)) fits */
#define EVENT_ADDR_MAX 128  /* sizeof(struct sockaddr_storage) */
#define EVENT_PATH_MAX 4096 /* PATH_MAX, NUL included */

enum event_family {
	EVENT_FAMILY_EXEC, /* programs started, processes made */
	EVENT_FAMILY_FILE, /* names, modes and contents of files */
	EVENT_FAMILY_NET,  /* sockets and names looked up */
	EVENT_FAMILY_PROC, /* done to other processes: kill, ptrace */
	EVENT_FAMILY_PRIV, /* identity, mounts, namespaces, roots */
	EVENT_FAMILY_LOAD, /* code brought in: dlopen, memfd_create */
	EVENT_FAMILY_IO,   /* bytes moved through fds: events on request only */
	EVENT_FAMILY_COUNT,
};

enum event_call {
#define EVENT_CALL(name, family, layout) EVENT_CALL_##name,
#include "event/calls.def"
#undef EVENT_CALL
	EVENT_CALL_COUNT
};

struct event;

struct event_call_info {
	char name[24];
	char layout[7];
	uint8_t family; /* enum event_family */
};
_Static_assert(sizeof(struct event_call_info) == 32, "no pointers: the table needs no relocations");

/* event_call_info - the row of a call. @call must be below EVENT_CALL_COUNT. */
const struct event_call_info *event_call_info(enum event_call call);

/* event_call_looks_up - whether the call asks for the addresses of a name */
static inline bool event_call_looks_up(enum event_call call)
{
	return call >= EVENT_CALL_getaddrinfo && call <= EVENT_CALL_gethostbyname2_r;
}
_Static_assert(EVENT_CALL_gethostbyname2_r - EVENT_CALL_getaddrinfo == 4,
	       "the look-ups stand together in calls.def");

/* event_call_makes_name - mkstemp and its kind: the path is the template, filled in */
static inline bool event_call_makes_name(enum event_call call)
{
	return call >= EVENT_CALL_mkstemp && call <= EVENT_CALL_mkdtemp;
}
_Static_assert(EVENT_CALL_mkdtemp - EVENT_CALL_mkstemp == 8,
	       "the calls with templates stand together in calls.def");

/* event_call_opens - the result of the call, if it is not negative, is a new fd */
extern const bool event_opens_fd[EVENT_CALL_COUNT];
static inline bool event_call_opens(enum event_call call)
{
	return event_opens_fd[call];
}

/* event_call_closes - the call gives its first argument, an fd, back */
TT_INLINE bool event_call_closes(enum event_call call)
{
	return call >= EVENT_CALL_close && call <= EVENT_CALL_pclose;
}

/* event_call_dups - the result of the call is another number for its first argument, an fd */
bool event_call_dups(const struct event *ev);

/*
 * event_call_keeps_fds - the call copies or ends an fd, or looks after it: what it leads to was
 * told when it was opened
 */
TT_INLINE bool event_call_keeps_fds(enum event_call call)
{
	return (call >= EVENT_CALL_dup && call <= EVENT_CALL_fcntl64) || event_call_closes(call);
}
_Static_assert(EVENT_CALL_fcntl64 - EVENT_CALL_dup == 4, "dup to fcntl64 stand together");

/* event_call_execs - the call turns this image into another */
TT_INLINE bool event_call_execs(enum event_call call)
{
	return call <= EVENT_CALL_execveat;
}
_Static_assert(EVENT_CALL_execve == 0 && EVENT_CALL_execveat == 8 &&
		       EVENT_CALL_pclose - EVENT_CALL_close == 3,
	       "the exec family stands first in calls.def, those that close stand together");

/*
 * event_call_has_extra - whether the call has something that is no argument: event.extra
 * Look-ups: socket addresses, a length byte in front of each. chdir, fchdir: the new cwd as
 * getcwd(3) has it. chroot, pivot_root: the cwd before, where the sensor looked it up. mkstemp and
 * its kind: the template, filled in. Those that close: struct event_fd_counts of the fd. Execs: the
 * open fds, struct event_open_fd each; exit and replaced have them, too.
 */
TT_INLINE bool event_call_has_extra(enum event_call call)
{
	return event_call_looks_up(call) || call == EVENT_CALL_chdir || call == EVENT_CALL_fchdir ||
	       call == EVENT_CALL_chroot || call == EVENT_CALL_pivot_root ||
	       event_call_makes_name(call) || event_call_closes(call) || event_call_execs(call);
}

/*
 * event_call_family, event_call_argc - the row of a call as constants, where @call is one
 * argc counts the entries of the layout and the extra, if there is one.
 */
TT_INLINE enum event_family event_call_family(enum event_call call)
{
	switch (call) {
#define EVENT_CALL(name, family, layout) \
	case EVENT_CALL_##name:          \
		return EVENT_FAMILY_##family;
#include "event/calls.def"
#undef EVENT_CALL
	case EVENT_CALL_COUNT:
		break;
	}
	return EVENT_FAMILY_COUNT;
}

TT_INLINE unsigned event_call_argc(enum event_call call)
{
	switch (call) {
#define EVENT_CALL(name, family, layout) \
	case EVENT_CALL_##name:          \
		return sizeof(layout) - 1 + event_call_has_extra(call);
#include "event/calls.def"
#undef EVENT_CALL
	case EVENT_CALL_COUNT:
		break;
	}
	return 0;
}

/*
 * event_call_moves - whether the call can change the cwd or the root: a recorder that follows paths
 * needs it
 */
static inline bool event_call_moves(enum event_call call)
{
	return call == EVENT_CALL_chdir || call == EVENT_CALL_fchdir || call == EVENT_CALL_chroot ||
	       call == EVENT_CALL_pivot_root || call == EVENT_CALL_setns;
}

/* What went through an fd. */
struct event_fd_counts {
	uint64_t bytes_read, bytes_written;
	uint64_t reads, writes; /* calls that did not fail */
};

#define EVENT_OPEN_FDS_MAX 24 /* kept of one image, besides its total */

/* An fd that is still open when its image ends. The first of a block is the image's total. */
struct event_open_fd {
	int64_t fd; /* or EVENT_FD_TOTAL; EVENT_FD_TOTAL_CUT: there were more than follow */
	struct event_fd_counts counts;
};
#define EVENT_FD_TOTAL     (-1)
#define EVENT_FD_TOTAL_CUT (-2)

enum event_type {
	EVENT_SYSCALL,
	EVENT_PROCESS,
	EVENT_DENIED,
	EVENT_SAMPLE,
	EVENT_GAP,
	EVENT_RUN,
	EVENT_NOTICE,
	EVENT_CONNECTION,
};

enum event_source {                      /* component, sensor and standing go together */
		    EVENT_FROM_PRELOAD,  /* telemetry, preload, declared */
		    EVENT_FROM_PROC,     /* recorder, proc, observed */
		    EVENT_FROM_RECORDER, /* recorder, no sensor */
		    EVENT_FROM_SECCOMP,  /* sandbox, seccomp, observed */
		    EVENT_FROM_PROXY,    /* sandbox, proxy, observed */
		    EVENT_FROM_KERNEL,   /* kernel, kernel, observed */
		    EVENT_FROM_OBSERVER, /* kernel, seccomp, observed */
};

enum event_act { EVENT_ACT_START, EVENT_ACT_EXIT, EVENT_ACT_REPLACED };

enum event_how {
	EVENT_HOW_LAUNCH,
	EVENT_HOW_FORK,
	EVENT_HOW_VFORK,
	EVENT_HOW_SPAWN,
	EVENT_HOW_EXEC
};

enum event_basis {
	EVENT_BASIS_EXACT, /* absolute as passed, or resolved at the moment of the call */
	/* relative, resolved against a cwd or dirfd that the recorder tracks */
	EVENT_BASIS_TRACKED,
	EVENT_BASIS_UNRESOLVED, /* relative to something nobody knows: no `path` */
};

/* A run of bytes that is not NUL-terminated. data NULL: absent. */
struct event_text {
	const char *data;
	size_t len;
};

/* The ids that every line of one process or run carries. Absent ones are left out of the line. */
struct event_ids {
	struct event_text session, run, world, agent, policy, traceparent;
};

/*
 * A span: by its UUID, or by the text that came from outside (@text.data not NULL). Nil UUID: null.
 */
struct event_span {
	struct tt_uuid id;
	struct event_text text;
};

struct event_arg {
	/*
	 * p q x s F: bytes; v: strings, each with its NUL; a: struct sockaddr; t V: two struct
	 * timespec, timeval; d f: path of the fd
	 */
	const void *data;
	size_t len;  /* bytes at @data */
	int64_t num; /* every other letter */
	bool absent; /* the caller passed NULL; m u: it was not used */
	bool cut;    /* @data was longer */
};

/* A way out of the sandbox that was asked for, by name. */
struct event_connection {
	struct event_text host, addr, protocol, outcome;
	uint16_t port; /* 0: left out */
	bool refused;
	uint64_t bytes_sent, bytes_received;
	uint64_t count; /* refused: attempts that this line stands for */
};

struct event {
	enum event_type type;
	enum event_source source;
	uint64_t ts_ns; /* since the epoch */
	const struct event_ids *ids;
	struct event_span span, parent;
	uint64_t seq;
	int32_t pid, ppid, tid, ns_pid; /* 0: left out */
	struct event_text comm;
	bool has_seq;

	struct event_ready *ready; /* NULL: each line is made from the start */

	/* EVENT_SYSCALL */
	enum event_call call;
	struct event_arg args[EVENT_ARGS_MAX];
	int64_t result;
	bool has_result;
	uint64_t elapsed_ns;
	int error;              /* errno, 0: none */
	bool in_flight;         /* the process died inside this call */
	bool raw;               /* made through syscall(2), past the function of this name */
	bool confirmed;         /* the kernel saw it, too: what was declared is observed */
	struct event_text cwd;  /* what relative paths are relative to */
	enum event_basis basis; /* how good @cwd and the dirfd paths are: EXACT or TRACKED */
	/*
	 * Where the process's "/" lies, after chroot(2): absolute, no slash at its end. Absent: it
	 * is the one that the run began with. @cwd and resolved paths are said from the latter.
	 */
	struct event_text root;
	bool root_unknown; /* it has another, nobody knows where: absolute paths are unresolved */
	struct event_text host;   /* the name that the address was looked up by */
	bool host_observed;       /* ... as the kernel saw it; else as the process says */
	bool uring;               /* handed over through an io_uring: no system call */
	struct event_text joined; /* what event_put_path() says as `path`, where that is known */
	struct event_text extra;  /* see event_call_has_extra(); also of exit and replaced */
	/* the path of an fd of @extra, asked with @fd_path_of; NULL: none is known */
	bool (*fd_path)(const void *fd_path_of, int64_t fd, struct event_text *ret);
	const void *fd_path_of;

	/* EVENT_PROCESS */
	enum event_act act;
	enum event_how how;
	struct event_text exe, argv; /* argv as in arg v; also EVENT_RUN */
	int exit_code;               /* -1: unknown */
	int signal;                  /* 0: none */
	/* EXIT, REPLACED: who saw the image, and why not everybody; absent: nobody compared */
	struct event_text coverage, cause;
	/* ... its lines that both tell alike, that only the kernel, that only the library tells */
	uint64_t lines_confirmed, lines_kernel, lines_declared;

	/* EVENT_GAP, EVENT_NOTICE */
	struct event_text reason, message;
	uint64_t gap_count, gap_from, gap_to;
	bool gap_count_known, gap_at_least, gap_has_range;

	/* EVENT_DENIED: a system call by its own name, its arguments as text */
	struct event_text call_name, action, allow;
	struct event_text capability; /* the one that was refused; else absent */
	struct event_text words[EVENT_ARGS_MAX];
	unsigned word_count;
	uint64_t count;    /* calls that this line stands for */
	bool args_as_seen; /* a word was read from memory, which may have changed since */
	/* EVENT_CONNECTION */
	const struct event_connection *connection;

	/* EVENT_SAMPLE */
	double cpu_percent;
	uint64_t memory_kb, processes, read_syscalls, write_syscalls;

	/* EVENT_RUN */
	struct event_text phase, program, profile, version, exit_reason;
};

/*
 * What the lines of one span have in common, made once. All zero at first; used by event_format()
 * alone. It is its owner's to see that only events of one span, with the same ids and comm, use it.
 */
struct event_ready {
	enum event_type type;
	enum event_source source;
	int32_t pid, ppid, ns_pid;
	uint16_t pids_at, names_at, text_len; /* text_len 0: not made yet */
	uint64_t second;                      /* that @time speaks of */
	char time[40];
	char text[1000];
};
/* event_put_connection - its keys, a comma before each */
void event_put_connection(const struct event_connection *c, struct tt_out *o);

#define EVENT_BUF_MAX (EVENT_LINE_MAX + 2 * EVENT_PATH_MAX) /* a buffer that takes every line */

/*
 * event_format - the line of @ev, newline included
 * @cap: bytes at @buf; a part of them is work space for the path
 * With EVENT_BUF_MAX bytes it always succeeds: a line past EVENT_LINE_MAX is shortened argument by
 * argument ("truncated"). Returns the length, or -ENOBUFS if a smaller buffer does not do.
 */
int event_format(const struct event *ev, char *buf, size_t cap) TT_MUST_CHECK;

/*
 * event_format_configure - bytes kept of each argument, and of a line; 0: as many as there is room
 * for. Call before threads start.
 */
void event_format_configure(uint32_t argument_max, uint32_t line_max);

/*
 * event_put_path - the absolute path that the call names, as `path` (@which 0) or `path2` (1)
 * Returns false and writes nothing if the call names none or it cannot be resolved.
 */
bool event_put_path(const struct event *ev, int which, struct tt_out *o);

/*
 * event_is_quiet - whether the default filter leaves this call out: it reads below /proc, /sys or
 * /dev, or opens a terminal or /dev/null. Judged on the resolved path: /proc/self/root/etc/shadow
 * is not below /proc.
 */
bool event_is_quiet(const struct event *ev);

/* event_opens - whether it is one of the calls that the default filter judges: they open a file */
TT_INLINE bool event_opens(enum event_call call)
{
	return (call >= EVENT_CALL_open && call <= EVENT_CALL_freopen64) ||
	       call == EVENT_CALL_opendir || call == EVENT_CALL_openat2 ||
	       call == EVENT_CALL_open_by_handle_at;
}

/* event_opens_folder - whether an open-like call asks for an fd that only paths start from */
bool event_opens_folder(const struct event *ev);

/*
 * event_blinds - whether what follows it in this span happens where the library cannot see it: the
 * kernel takes the operations of an io_uring from memory
 */
bool event_blinds(const struct event *ev);

/* event_writes - whether an open-like call asked for write access or could create or cut a file */
bool event_writes(const struct event *ev);
bool event_args_write(enum event_call call, const struct event_arg *args);

#endif
