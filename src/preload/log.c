/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct mode: no recorder, one line and one write(2) per event, straight to the log. The log fd is
 * high and CLOEXEC; it is checked by device and inode before each use, since a program may close
 * every fd it does not know and get the number back for a file of its own.
 */
#include "preload/preload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"

#define LOG_FD_MIN 960  /* out of the way of programs that count fds from below */
#define SMALL_LINE 2560 /* most lines are 600 bytes or less; longer ones take a mapping */

static struct {
	uint64_t dev, ino;
	uint64_t lost; /* events not written since the last gap line */
	int fd;
	bool torn;  /* the last write was short: begin with a newline */
	char *path; /* in pl_process.kept */
} log_state;        /* all zero until pl_log_open(), which comes before any use */

/*
 * A number that no program counts up to: at the top of what RLIMIT_NOFILE leaves, where that is
 * low.
 */
static long move_high(long fd)
{
	struct rlimit files;
	long high = tt_sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, LOG_FD_MIN);

	if (high != -EINVAL || tt_sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &files) < 0)
		return high;
	for (long n = (long)files.rlim_cur - 1; high < 0 && n > (long)files.rlim_cur / 2; n--)
		high = tt_sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, n);
	return high;
}

static int open_file(void)
{
	struct stat st;
	long fd, high;

	fd = tt_sys4(SYS_openat, AT_FDCWD, log_state.path,
		     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
		     0600);
	if (fd < 0)
		return (int)fd;
	high = move_high(fd);
	(void)tt_sys1(SYS_close, fd);
	if (high < 0)
		return (int)high;
	if (tt_sys2(SYS_fstat, high, &st) < 0) {
		(void)tt_sys1(SYS_close, high);
		return -EIO;
	}
	log_state.dev = st.st_dev;
	log_state.ino = st.st_ino;
	log_state.fd = (int)high;
	return 0;
}

/* mkdir -p of everything in front of the last slash; what exists already is no error. */
static void make_folders(void)
{
	for (char *p = strchr(log_state.path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		(void)tt_sys3(SYS_mkdirat, AT_FDCWD, log_state.path, 0700);
		*p = '/';
	}
}

static const char *find_env(const char *name, size_t len)
{
	extern char **environ;

	for (char **e = environ; e && *e; e++)
		if (strncmp(*e, name, len) == 0)
			return *e + len;
	return NULL;
}

void pl_log_open(const char *path)
{
	const char *state = find_env("XDG_STATE_HOME=", 15), *home = find_env("HOME=", 5);
	bool is_default = !path || !*path;
	struct tt_out o;

	log_state.fd = -1;
	log_state.path = pl_process.kept + pl_process.kept_len;
	tt_out_init(&o, log_state.path, sizeof(pl_process.kept) - pl_process.kept_len - 1);
	if (!is_default) {
		char cwd[EVENT_PATH_MAX / 4];
		long n = path[0] == '/' ? 0 : tt_sys2(SYS_getcwd, cwd, sizeof(cwd));

		/*
		 * made absolute now: the program may change directory before the log is opened
		 * again
		 */
		if (n > 1 && cwd[0] == '/') {
			tt_out_mem(&o, cwd, (size_t)n - 1);
			tt_out_char(&o, '/');
		}
		tt_out_str(&o, path);
	} else if (state && state[0] == '/') {
		tt_out_str(&o, state);
		tt_out_str(&o, "/telltale/trace.jsonl");
	} else if (home && home[0] == '/') {
		tt_out_str(&o, home);
		tt_out_str(&o, "/.local/state/telltale/trace.jsonl");
	}
	if (!o.len || tt_out_is_full(&o)) {
		pl_process.mode = PL_OFF;
		return;
	}
	log_state.path[o.len] = '\0';
	pl_process.kept_len += o.len + 1;
	if (is_default)
		make_folders();
	else
		pl_process.contract.value[CONTRACT_TRACE_LOG] = log_state.path;
	(void)open_file(); /* tried again at each event */
}

int pl_log_fd(void)
{
	return log_state.fd;
}

bool pl_log_is_ours(void)
{
	struct stat st;

	return log_state.fd >= 0 && tt_sys2(SYS_fstat, log_state.fd, &st) == 0 &&
	       st.st_dev == log_state.dev && st.st_ino == log_state.ino;
}

/* The log as an fd, opened again if the program closed it, or -errno. */
static int ready_fd(void)
{
	int r;

	if (pl_log_is_ours())
		return log_state.fd;
	log_state.fd = -1; /* not closed: whatever bears the number now belongs to the program */
	r = open_file();
	return r < 0 ? r : log_state.fd;
}

/*
 * Past RLIMIT_FSIZE a write is answered with SIGXFSZ, which is the program's to get and not for our
 * lines.
 */
static bool may_grow(int fd)
{
	struct rlimit size;
	struct stat st;

	if (tt_sys4(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, &size) < 0 || size.rlim_cur == RLIM_INFINITY)
		return true;
	return tt_sys2(SYS_fstat, fd, &st) == 0 &&
	       (!S_ISREG(st.st_mode) || (uint64_t)st.st_size + EVENT_LINE_MAX <= size.rlim_cur);
}

static bool write_line(char *line, size_t len)
{
	int fd = ready_fd();
	bool torn;
	long n;

	if (fd < 0 || !may_grow(fd))
		return false;
	torn = __atomic_exchange_n(&log_state.torn, false, __ATOMIC_RELAXED);
	if (torn) {
		*--line = '\n';
		len++;
	}
	n = tt_sys3(SYS_write, fd, line, len);
	if (n < 0 ? torn : (size_t)n < len)
		__atomic_store_n(&log_state.torn, true, __ATOMIC_RELAXED);
	return n == (long)len;
}

/* Lines are formatted behind one spare byte, for the newline after a torn line. */
static bool put_line(const struct event *ev, char *buf, size_t cap)
{
	int n = event_format(ev, buf + 1, cap - 1);

	return n > 0 && write_line(buf + 1, (size_t)n);
}

static bool put_any(const struct event *ev)
{
	char small[SMALL_LINE];
	int n = event_format(ev, small + 1, sizeof(small) - 1);
	bool done;
	long map;

	if (n > 0)
		return write_line(small + 1, (size_t)n);
	map = tt_sys6(SYS_mmap, 0, EVENT_BUF_MAX + 1, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map < 0 && map > -4096)
		return false;
	done = put_line(ev, (char *)map, EVENT_BUF_MAX + 1);
	(void)tt_sys2(SYS_munmap, map, EVENT_BUF_MAX + 1);
	return done;
}

/* What could not be written is said as soon as writing works again. */
static void put_gap(uint64_t lost, const struct event *after)
{
	struct event gap = {
		.type = EVENT_GAP,
		.source = EVENT_FROM_PRELOAD,
		.ts_ns = after->ts_ns,
		.ids = &pl_process.ids,
		.span = after->span,
		.pid = after->pid,
		.reason = {"log_error", 9},
		.gap_count = lost,
		.gap_count_known = true,
	};

	if (!put_any(&gap))
		__atomic_fetch_add(&log_state.lost, lost, __ATOMIC_RELAXED);
}

static bool needs_cwd(const struct event *ev)
{
	const char *layout;

	if (ev->type != EVENT_SYSCALL)
		return false;
	layout = event_call_info(ev->call)->layout;
	for (unsigned i = 0; layout[i]; i++)
		if (strchr("pqx", layout[i]) && ev->args[i].data &&
		    ((const char *)ev->args[i].data)[0] != '/')
			return true;
	return false;
}

__attribute__((__noinline__)) static bool put_with_cwd(struct event *ev)
{
	char cwd[EVENT_PATH_MAX / 4];
	long n = tt_sys2(SYS_getcwd, cwd, sizeof(cwd));

	if (n > 1 && cwd[0] == '/')
		ev->cwd = (struct event_text){cwd, (size_t)n - 1};
	/*
	 * only now can a relative path be judged: the number goes back, unless another thread took
	 * the next
	 */
	if (event_is_quiet(ev)) {
		uint64_t next = ev->seq + 1;

		(void)__atomic_compare_exchange_n(&pl_image_now()->next_seq, &next, ev->seq, false,
						  __ATOMIC_RELAXED, __ATOMIC_RELAXED);
		return true;
	}
	return put_any(ev);
}

void pl_log_line(const struct event *ev)
{
	struct event copy = *ev;
	uint64_t lost = __atomic_exchange_n(&log_state.lost, 0, __ATOMIC_RELAXED);
	bool done;

	copy.ids = &pl_process.ids;
	if (lost)
		put_gap(lost, ev);
	done = needs_cwd(&copy) ? put_with_cwd(&copy) : put_any(&copy);
	if (!done)
		__atomic_fetch_add(&log_state.lost, 1, __ATOMIC_RELAXED);
}

/* In direct mode nobody else can tell that an image gave way to this one. */
void pl_replaced_event(const struct event_span *span)
{
	struct event ev = {
		.type = EVENT_PROCESS,
		.source = EVENT_FROM_PRELOAD,
		.act = EVENT_ACT_REPLACED,
		.ts_ns = tt_clock_ns(CLOCK_REALTIME),
		.span = *span,
		.pid = pl_process.image.pid,
	};

	pl_log_line(&ev);
}
