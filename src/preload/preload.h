/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the preload library. A hook is called pl_enter, pl_arg_*, pl_begin, the real function,
 * pl_end:
 *
 *	pl_enter    is anything to be recorded? clears the call
 *	pl_begin    ring: reserves the record, complete but for its result. direct: notes the time
 *	pl_end      ring: completes the record. direct: formats one line, one write(2)
 *
 * The calls that programs make most take a shorter way where nothing is special: plain.h.
 *
 * Rules of the house: nothing here allocates with malloc, takes a lock, uses stdio or calls a
 * function that this library interposes; system calls of our own go past libc (base/sys.h), and so
 * past errno, too. Every path may run in a signal handler that interrupted another hook, between
 * vfork and exec, or before other constructors. Whatever does touch errno puts it back.
 */
#ifndef TT_PRELOAD_PRELOAD_H
#define TT_PRELOAD_PRELOAD_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/program.h"
#include "base/sys.h"
#include "event/config.h"
#include "event/contract.h"
#include "event/event.h"
#include "ring/producer.h"

enum pl_mode { PL_OFF, PL_DIRECT, PL_RING };

/*
 * A process image: what a span is. A vfork child has one of its own while it borrows its parent's
 * memory.
 */
struct pl_image {
	struct tt_uuid span;
	struct event_span parent;
	struct ring_slot *slot; /* PL_RING: where lost events are counted, or NULL */
	uint64_t next_seq;      /* PL_DIRECT: under a recorder it numbers the events */
	int32_t pid, ppid;
	bool ended;      /* the exit event is out */
	bool other_root; /* chroot and the like: "/" is not what it was when the run began */
};

/*
 * A call in flight in this thread. A handler's calls nest in it; one that a siglongjmp() left
 * behind is known by the stack, which has been unwound past it: see pl_begin().
 */
struct pl_open {
	struct ring_record *rec;
	uint64_t tag;    /* of the record: the place may be another's by now */
	uintptr_t frame; /* where its struct pl_call lies */
};
#define PL_OPEN_MAX 6 /* deeper nesting is recorded, too, but not watched */

/* Per thread, in initial-exec TLS: reachable without a function call, at any time. */
struct pl_thread {
	struct ring_writer writer;
	uint32_t depth;       /* how many calls are in flight */
	uint32_t vfork_depth; /* ... when this thread began to wait for a vfork child */
	int32_t tid;          /* 0: not asked yet */
	bool in_vfork;        /* this is a vfork child: @vfork_image counts */
	struct pl_open open[PL_OPEN_MAX];
	bool held;     /* all signals are, over a fork */
	uint64_t mask; /* the thread's own meanwhile */
	/* mapping of a spawn attempt in a vfork child, freed by the parent */
	struct {
		void *at;
		size_t size;
	} scratch[2];
	struct pl_work *work; /* direct mode: see log.h */
	struct pl_image vfork_image;
	int vfork_ring_fd; /* ours, before that child ran */
};
extern __thread struct pl_thread pl_thread __attribute__((__tls_model__("initial-exec")));

/* What this image knows of a number. */
enum pl_fd_state {
	PL_FD_UNKNOWN, /* nothing: inherited perhaps */
	PL_FD_RECORDED,
	PL_FD_QUIET, /* the default filter left its opening out */
	PL_FD_NONE,  /* seen closed, and not seen opened again: a pipe perhaps */
};

struct pl_fd {
	struct event_fd_counts counts;
	uint32_t state; /* enum pl_fd_state */
};

/* The first numbers lie with what every image touches; the others cost a page when used. */
#define PL_FDS_LOW 32
struct pl_fds {
	uint32_t high; /* one more than the highest number that was touched */
	uint32_t io;   /* enum event_io_mode */
	struct event_fd_counts closed;
	struct pl_fd low[PL_FDS_LOW];
};

#define PL_PAGE       4096u /* never more than the real one */
#define PL_PAGES_SEEN 128u  /* a power of two */

/*
 * Per process. Written by the constructor and in fork children, read by all. It stands right behind
 * our little initialised data (meson.build, sensor_sources), so that a process that does little
 * comes by one page in all, on which there also is room for what is kept of short texts.
 */
struct pl_process {
	enum pl_mode mode;
	uint32_t families;     /* one bit per enum event_family: what is recorded */
	uint32_t clock;        /* enum ring_clock; PL_DIRECT: always the monotonic one */
	uint32_t argument_max; /* bytes kept of one argument */
	struct pl_image image;
	struct ring_producer ring;
	struct contract contract; /* what goes on to children */
	int ring_fd;
	uint64_t ring_dev, ring_ino;
	/* posix_spawn calls that need the ring fd inherited, at this moment */
	uint32_t spawning;
	uint32_t spawning_lock; /* that number and the fd's flag change together */
	bool inherit_only;      /* TELLTALE_ENV=inherit: children get what the caller passes */
	bool interposed;        /* other libraries are preloaded, too */
	struct pl_fds fds;      /* see fds.h */
	/* numbers of pages that could be read, each at its place by its lowest bits: memory.c */
	uintptr_t pages_seen[PL_PAGES_SEEN];
	uint32_t end_key; /* 0: not made yet; else that number and 1 more, or END_KEY_NONE */
	size_t kept_len;
	char kept[4 * EVENT_PATH_MAX + CONTRACT_NAMES * CONTRACT_ID_MAX]; /* pl_keep() */
	struct event_ids ids;                                             /* for direct mode */
};
extern struct pl_process pl_process;

/*
 * One call on its way, on the hook's stack. Not cleared: a hook sets every argument that the layout
 * has.
 */
struct pl_call {
	struct event_arg args[EVENT_ARGS_MAX];
	struct ring_record *rec; /* PL_RING; NULL: lost and counted, or quiet */
	uint64_t tag;            /* PL_RING: of the record */
	uint64_t ticks;          /* when it began */
	uint64_t ts_ns;          /* PL_DIRECT */
	uint32_t flags;          /* RING_FLAG_* of an exec */
	uint8_t call, argc;      /* enum event_call */
	uint8_t depth;           /* PL_RING: its place in pl_thread.open */
	bool quiet;              /* left out by the default filter; before pl_begin(): perhaps */
	int saved_errno;         /* for hooks that need a place for it */
};
_Static_assert(EVENT_CALL_COUNT <= 256, "pl_call.call");

/* pl_image_now - the image the calling thread acts for */
static inline struct pl_image *pl_image_now(void)
{
	return TT_UNLIKELY(pl_thread.in_vfork) ? &pl_thread.vfork_image : &pl_process.image;
}

/*
 * pl_keep - a copy that lasts as long as the image; NULL if there is no room. Only while setting
 * up.
 */
const char *pl_keep(const char *text, size_t len);

/* pl_init - set up if that has not happened: other constructors may call hooks before ours runs */
void pl_init(void);

/* pl_is_recorded - whether events of that call are made; sets up if that has not happened */
TT_COLD bool pl_is_recorded(enum event_call call);

/* pl_init_at_start - the same, with the vectors of the program */
void pl_init_at_start(int argc, char **argv, char **envp);

/* pl_is_on - whether such calls are recorded; false before pl_init() has said what is */
TT_INLINE bool pl_is_on(enum event_call call)
{
	return pl_process.families & 1u << event_call_family(call);
}

/*
 * pl_enter - start a call; false: nothing is recorded, call the real function and return. Keeps
 * errno.
 */
TT_INLINE bool pl_enter(struct pl_call *c, enum event_call call)
{
	/* nothing is recorded before pl_init() has said what, and in PL_OFF */
	if (TT_UNLIKELY(!pl_is_on(call)) && !pl_is_recorded(call))
		return false;
	c->flags = 0;
	c->call = (uint8_t)call;
	c->argc = (uint8_t)event_call_argc(call);
	c->depth = PL_OPEN_MAX;
	c->quiet = false;
	c->rec = NULL;
	return true;
}

/*
 * Memory of the program, which may not be there: nothing else reads behind a pointer before libc
 * has. pl_text_len - as strnlen, up to the first byte that cannot be read; *@ret_ends: at a NUL.
 * pl_can_read_texts - of a NULL-terminated vector of strings.
 */
bool pl_can_read(const void *p, size_t len);
size_t pl_text_len(const char *s, size_t max, bool *ret_ends);
bool pl_can_read_text(const char *s);
bool pl_can_read_texts(char *const *list);

static inline bool pl_was_seen(uintptr_t page)
{
	return TT_LIKELY(page && __atomic_load_n(&pl_process.pages_seen[page % PL_PAGES_SEEN],
						 __ATOMIC_RELAXED) == page);
}

/* pl_may_be_quiet - whether @path may lie below /proc, /sys or /dev */
TT_INLINE bool pl_may_be_quiet(const char *path)
{
	return path[0] == '/' && (path[1] == 'p' || path[1] == 's' || path[1] == 'd');
}

/* pl_can_be_read - of memory that cannot go: it need not be asked about */
void pl_can_be_read(const void *p);

/* pl_arg_text_checked - pl_arg_text() for text of several pages, or of one not seen yet */
void pl_arg_text_checked(struct event_arg *arg, const char *text, size_t max);

TT_INLINE void pl_arg_text(struct pl_call *c, unsigned i, const char *text)
{
	struct event_arg *arg = &c->args[i];
	size_t max = pl_process.argument_max, here = PL_PAGE - (uintptr_t)text % PL_PAGE, len;

	if (here > max)
		here = max;
	/* most strings lie within one page that was seen before */
	len = pl_was_seen((uintptr_t)text / PL_PAGE) ? strnlen(text, here) : here;
	if (TT_UNLIKELY(len == here))
		pl_arg_text_checked(arg, text, max);
	else
		*arg = (struct event_arg){.data = text, .len = len};
	/* opens below /proc, /sys and /dev may be left out: pl_begin() has a closer look */
	if (event_opens((enum event_call)c->call) && arg->len > 4 && pl_may_be_quiet(text))
		c->quiet = true;
}

TT_INLINE void pl_arg_num(struct pl_call *c, unsigned i, int64_t num)
{
	c->args[i] = (struct event_arg){.num = num};
}

TT_INLINE void pl_arg_mode(struct pl_call *c, unsigned i, int flags, unsigned mode)
{
	c->args[i] = (struct event_arg){
		.num = mode,
		.absent = !(flags & O_CREAT) && (flags & O_TMPFILE) != O_TMPFILE,
	};
}

TT_INLINE void pl_arg_addr(struct pl_call *c, unsigned i, const void *sa, size_t len)
{
	bool absent = !sa || (len <= EVENT_ADDR_MAX && !pl_can_read(sa, len));
	bool fits = !absent && len <= EVENT_ADDR_MAX;

	c->args[i] = (struct event_arg){
		.data = fits ? sa : NULL, .len = fits ? len : 0, .absent = absent};
}

/* pl_arg_bytes - of event.extra; @len 0: there are none */
__attribute__((__always_inline__)) static inline void pl_arg_bytes(struct pl_call *c, unsigned i,
								   const void *bytes, size_t len)
{
	c->args[i] = (struct event_arg){.data = len ? bytes : NULL, .len = len, .absent = !len};
}

/* pl_arg_room - an output argument of up to @len bytes, filled by pl_out() after the call */
TT_INLINE void pl_arg_room(struct pl_call *c, unsigned i, size_t len)
{
	c->args[i] = (struct event_arg){.len = len, .absent = true};
}

/*
 * pl_arg_fd - a plain fd; pl_arg_dirfd - one that a relative path starts from. Its path is looked
 * up before the call where there is no recorder that knows it.
 */
#define pl_arg_fd pl_arg_num
void pl_arg_dirfd(struct pl_call *c, unsigned i, int fd, const char *path, char *buf, size_t cap);

/* pl_arg_argv - count and join the strings of @argv in @buf; what does not fit is cut */
void pl_arg_argv(struct pl_call *c, unsigned i, char *const *argv, char *buf, size_t cap);

/* pl_out - after the call: the bytes for the room kept by pl_arg_room() */
void pl_out(struct pl_call *c, unsigned i, const void *bytes, size_t len);

/*
 * pl_begin_silent - PL_RING: no event, but word to the recorder of what becomes of an fd
 */
void pl_begin_silent(struct pl_call *c);

/* pl_take_back - after pl_begin: it does not take place, and makes no event */
void pl_take_back(struct pl_call *c);

/* pl_begin - the call starts now. Keeps errno. */
void pl_begin(struct pl_call *c);

/* pl_end_error - as pl_end, for functions that return their error: getaddrinfo, posix_spawn */
void pl_end_error(struct pl_call *c, int64_t result, int error);

/* pl_fd_opened - a recorded call returned @fd; @quiet: it was left out. See fds.h. */
void pl_fd_opened(int fd, bool quiet);

/*
 * pl_end - it returned @result; @failed: errno says why. Keeps errno.
 */
TT_INLINE void pl_end(struct pl_call *c, int64_t result, bool failed)
{
	pl_end_error(c, result, failed ? errno : 0);
	if (result >= 0 && event_call_opens((enum event_call)c->call))
		pl_fd_opened((int)result, c->quiet);
}

/* pl_thread_notice_end - this thread has something to give back when it ends */
void pl_thread_notice_end(void);

/* pl_work_drop - PL_DIRECT: give back the memory of the thread that ends */
void pl_work_drop(void);

/*
 * pl_vfork_over - the vfork child is another program or gone: what it was doing, if it was killed
 * in it, is over
 */
void pl_vfork_over(void);

/* pl_note_lost - PL_RING: a word to the recorder that makes no event found no room */
TT_COLD void pl_note_lost(void);

/* pl_mark_raw - the call came through syscall(2), if @raw. Once after pl_begin, before pl_point. */
static inline void pl_mark_raw(struct pl_call *c, bool raw)
{
	c->flags |= raw ? RING_FLAG_RAW : 0;
	if (c->rec && raw)
		c->rec->flags |= RING_FLAG_RAW;
}

/* pl_chroot, pl_pivot_root, pl_setns - the functions of these names; @raw: asked for by number */
int pl_chroot(const char *path, bool raw);
int pl_pivot_root(const char *new_root, const char *put_old, bool raw);
int pl_setns(int fd, int type, bool raw);

/* pl_exec_raw, pl_execveat_raw - an exec by number */
int pl_exec_raw(const char *path, char *const *argv, char *const *envp);
int pl_execveat_raw(int dirfd, const char *path, char *const *argv, char *const *envp, int flags);

/* pl_point - a call recorded before it is made (exec): complete at once, without a result */
void pl_point(struct pl_call *c);

/* pl_span_text - "spn_..." */
#define PL_SPAN_TEXT_LEN (4 + TT_UUID_TEXT_LEN)
void pl_span_text(char text[PL_SPAN_TEXT_LEN + 1], const struct tt_uuid *span);

/* pl_start_event - record that the span of @image began; exe, argv and comm may be absent */
void pl_start_event(const struct pl_image *image, enum event_how how, const char *exe,
		    const char *argv, size_t argv_len, const char *comm);

/* pl_exit_event - record that the current image ends; once per image */
void pl_exit_event(int status);

/*
 * pl_spawn_start - the span of a child that libc forks: it becomes another image before it can say
 * a word
 */
void pl_spawn_start(const struct tt_uuid *span, int32_t pid);

/*
 * pl_shell_environ - the program's own environ where @envp is what popen() has put in its place at
 * this moment
 */
char *const *pl_shell_environ(char *const *envp);

/* pl_shell_fork_child - another thread's popen() or system() did not come along into this child */
void pl_shell_fork_child(void);

/*
 * pl_fork_hold - signals wait over a fork: a handler in the child that ran before pl_fork_child()
 * would act in its parent's name. pl_fork_release() lets them come, in the parent.
 */
void pl_fork_hold(void);
void pl_fork_release(void);

/*
 * pl_fork_child - this process is a new one: a span of its own. Called in the child; signals come
 * again.
 */
void pl_fork_child(void);

/*
 * pl_log_line - PL_DIRECT: append one line with one write(2), or count it as lost
 * Calls that the configuration leaves out make none; the others get their number here.
 */
void pl_log_line(const struct event *ev);
void pl_replaced_event(const struct event_span *span);

/* pl_log_fork_child - what was lost is said by the parent */
void pl_log_fork_child(void);

/*
 * pl_log_open - @mark: what the previous image called the log's folder, and how many events it lost
 * and could not say; or 0
 */
#define PL_LOG_UNSAID_BITS 20
#define PL_LOG_UNSAID_MAX  ((1ull << PL_LOG_UNSAID_BITS) - 1)
void pl_log_open(const char *path, uint64_t mark);

/* pl_log_unsaid - events lost of which no line tells: for the next image to say */
uint64_t pl_log_unsaid(void);
void pl_log_inherit(uint64_t unsaid);
int pl_log_fd(void);

/* pl_log_is_ours - the log fd still is the file that was opened */
bool pl_log_is_ours(void);

/*
 * pl_ring_is_ours - the ring fd still is what it was: a program may have closed it and reused the
 * number
 */
bool pl_ring_is_ours(void);

/*
 * pl_ring_fetch - ask the recorder for the ring where no fd of it was inherited: contract.h, the
 * ring's socket
 * Returns an fd with a high number, CLOEXEC, whatever it is of; or -1: not to be had in
 * PL_FETCH_MS.
 */
#define PL_FETCH_MS 100
int pl_ring_fetch(const char *digits);

/* PL_DIRECT: what is recorded. A recorder has read the file itself. */
extern struct event_config pl_config;

/* pl_config_read - PL_DIRECT: from what the environment says */
void pl_config_read(const char *const values[CONTRACT_NAMES]);

/* pl_config_complain - PL_DIRECT: record what was wrong with the configuration, if anything was */
void pl_config_complain(void);

/* PL_NEXT - the next definition of a function after this library, looked up at its first use */
enum pl_fn {
#define PL_FN(name) PL_FN_##name,
#include "preload/next.def"
#undef PL_FN
	PL_FN_COUNT
};
void *pl_next_lookup(enum pl_fn fn);

/* pl_next_find - the look-up itself: next_scope.c, audit.c. NULL: no such function */
void *pl_next_find(const char *name);
extern void *pl_next_table[PL_FN_COUNT];
#define PL_NEXT(name)                                                                        \
	((__typeof__(&name))(__atomic_load_n(&pl_next_table[PL_FN_##name], __ATOMIC_RELAXED) \
				     ?: pl_next_lookup(PL_FN_##name)))

/* How a child gets to know: see follow.c. */
struct pl_follow {
	char *const *envp; /* what to pass */
	bool follows;      /* false: envp is the caller's own */
	bool lent;         /* the ring fd is inherited until pl_follow_done() */
	bool counted;      /* ... and that is known to pl_process.spawning */
	char parent[PL_SPAN_TEXT_LEN + 1];
	/* not on the stack, which may be a signal handler's; NULL: there was no memory */
	struct pl_room *room;
	void *env; /* of an environment too large for the room */
	size_t env_size;
};
struct pl_room {
	char argv[2048]; /* what is recorded before the exec; the new image tells its own argv */
	char dir[EVENT_PATH_MAX / 4];
	char found[EVENT_PATH_MAX / 4];
	char library[CONTRACT_LIBRARY_MAX];
	struct tt_program program;
	char env[2304] __attribute__((__aligned__(8)));
};

/*
 * pl_follow_prepare - the environment for a program about to be started
 * @file: as passed; @search: looked for in PATH if it has no slash; @dirfd as for execveat
 * @parent: the span the new image will name as its parent
 * Clears CLOEXEC on the ring fd; pl_follow_done() undoes that and frees what prepare took.
 */
void pl_follow_prepare(struct pl_follow *f, int dirfd, const char *file, bool search,
		       char *const *envp, const struct tt_uuid *parent);
void pl_follow_done(struct pl_follow *f);

/* pl_follow_withdraw - the caller's own environment goes through after all; done() is still due */
void pl_follow_withdraw(struct pl_follow *f);

/* pl_follow_argv - pl_arg_argv() with the memory of @f */
void pl_follow_argv(struct pl_call *c, unsigned i, char *const *argv, struct pl_follow *f);

/*
 * pl_follow_prepare_shell - the same for /bin/sh; the environment lies in what @room gives, or NULL
 */
void pl_follow_prepare_shell(struct pl_follow *f, char *const *envp, const struct tt_uuid *parent,
			     void *(*room)(size_t size));

/* pl_program_look - tt_program_look(), with a memory of the last ones */
void pl_program_look(int dirfd, const char *file, struct tt_program *ret);

/* pl_thread_ready - the thread's id and lane, before a vfork child asks for them in its place */
void pl_thread_ready(void);

/* pl_scratch_free - give back what a vfork child mapped before it became another program */
void pl_scratch_free(void);

#endif
