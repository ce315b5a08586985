/* SPDX-License-Identifier: Apache-2.0 */
/* Reading /proc: see process.h. */
#include "agent/process.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/out.h"
#include "base/time.h"

#define STAT_MAX    2048
#define EXE_MAX     1024
#define ARGV_MAX    1024
#define ARGV_ITEMS  256
#define ARGV_BEYOND (128u << 10) /* what is left of longer ones is not counted further */

/* Fields of stat, as proc(5) counts them; the first two come before. */
enum {
	FIELD_STATE = 3,
	FIELD_PPID,
	FIELD_THREADS = 20,
	FIELD_START = 22,
	FIELD_STACK = 28,
	FIELD_STATUS = 52
};

static struct {
	char exe[EXE_MAX], argv[ARGV_MAX];
	struct wire_text items[ARGV_ITEMS];
	_Alignas(8) char folder[4096];
} texts;

bool agent_process_number(const char **at, const char *end, uint64_t *ret)
{
	uint64_t v = 0;
	const char *p = *at;

	if (p < end && *p == '-')
		p++; /* none that we want */
	if (p >= end || !isdigit((unsigned char)*p))
		return false;
	for (; p < end && isdigit((unsigned char)*p); p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*at = p;
	*ret = v;
	return true;
}

static void put_field(struct agent_stat *s, int field, uint64_t v)
{
	switch (field) {
	case FIELD_PPID:
		s->ppid = (uint32_t)v;
		break;
	case FIELD_THREADS:
		s->threads = (uint32_t)v;
		break;
	case FIELD_START:
		s->start_ticks = v;
		break;
	case FIELD_STACK:
		s->stack = v;
		break;
	case FIELD_STATUS:
		s->status = (uint32_t)v;
		s->has_status = true;
		break;
	default:
		break;
	}
}

int agent_stat_parse(const char *text, size_t len, struct agent_stat *ret)
{
	const char *end = text + len, *open = memchr(text, '(', len),
		   *close = memrchr(text, ')', len), *at = text;
	struct agent_stat s = {0};
	uint64_t v;
	int field;

	if (!open || !close || close < open || !agent_process_number(&at, end, &v) ||
	    v > UINT32_MAX || at + 1 != open || end - close < 3 || close[1] != ' ')
		return -EBADMSG;
	s.pid = (uint32_t)v;
	s.comm_len = (size_t)(close - open - 1);
	if (s.comm_len > sizeof(s.comm))
		return -EBADMSG;
	memcpy(s.comm, open + 1, s.comm_len);
	s.state = close[2];
	at = close + 3;
	for (field = FIELD_PPID; field <= FIELD_STATUS && end - at > 1 && *at == ' '; field++) {
		at++;
		if (!agent_process_number(&at, end, &v))
			return -EBADMSG;
		put_field(&s, field, v);
	}
	if (field <= FIELD_START)
		return -EBADMSG;
	*ret = s;
	return 0;
}

const char *agent_process_path(char *buf, uint32_t pid, const char *name)
{
	struct tt_out o;

	tt_out_init(&o, buf, 64);
	tt_out_u64(&o, pid);
	tt_out_char(&o, '/');
	tt_out_str(&o, name);
	tt_out_char(&o, '\0');
	return buf;
}

/* Up to @cap bytes; what is behind them is counted up to a bound. */
static long read_file(int proc_fd, uint32_t pid, const char *name, char *buf, size_t cap,
		      uint32_t *ret_left)
{
	char path[64], more[512];
	int fd = openat(proc_fd, agent_process_path(path, pid, name), O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = fd < 0 ? -errno : 1;

	while (n > 0 && len < cap) {
		n = read(fd, buf + len, cap - len);
		len += n > 0 ? (size_t)n : 0;
		n = n < 0 ? -errno : n;
	}
	while (n > 0 && ret_left && *ret_left < ARGV_BEYOND) {
		n = read(fd, more, sizeof(more));
		*ret_left += n > 0 ? (uint32_t)n : 0;
	}
	if (fd >= 0)
		(void)close(fd);
	return len ? (long)len : n;
}

int agent_stat_read(int proc_fd, uint32_t pid, struct agent_stat *ret)
{
	char text[STAT_MAX];
	long n = read_file(proc_fd, pid, "stat", text, sizeof(text), NULL);

	return n < 0 ? (int)n : agent_stat_parse(text, (size_t)n, ret);
}

uint64_t agent_stat_start_ns(const struct agent_stat *s)
{
	static uint64_t slept_ns, tick_ns;

	if (!tick_ns) {
		/* looked at once: it must not make two of one process */
		tick_ns = TT_NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);
		slept_ns = tt_clock_ns(CLOCK_MONOTONIC);
		slept_ns = tt_clock_ns(CLOCK_BOOTTIME) - slept_ns;
		slept_ns -= slept_ns % tick_ns;
	}
	return s->start_ticks * tick_ns - slept_ns;
}

/* The kernel's struct linux_dirent64, getdents(2). */
struct entry {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

int agent_process_pids(int proc_fd, void (*each)(uint32_t pid, void *arg), void *arg)
{
	int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n = fd < 0 ? -errno : 1;

	while (n > 0) {
		n = syscall(SYS_getdents64, fd, texts.folder, sizeof(texts.folder));
		n = n < 0 ? -errno : n;
		for (long at = 0; at < n;) {
			const struct entry *e = (const struct entry *)(texts.folder + at);
			const char *name = e->name, *end = name + strlen(name);
			uint64_t pid;

			if (*name != '-' && agent_process_number(&name, end, &pid) && name == end &&
			    pid <= INT32_MAX)
				each((uint32_t)pid, arg);
			at += e->len;
		}
	}
	if (fd >= 0)
		(void)close(fd);
	return (int)n;
}

void agent_process_put_argv(struct wire_frame *f, const char *from, size_t len, uint32_t left)
{
	size_t count = 0, at = 0;

	while (at < len && count < ARGV_ITEMS) {
		texts.items[count].data = from + at;
		texts.items[count].len = strnlen(from + at, len - at);
		at += texts.items[count++].len + 1;
	}
	left += at < len ? (uint32_t)(len - at) : 0;
	f->argv = (struct wire_list){.count = count, .items = texts.items};
	f->has |= WIRE_HAS(argv);
	if (left) {
		f->truncated = left;
		f->has |= WIRE_HAS(truncated);
	}
}

void agent_process_put_status(struct wire_frame *f, uint32_t status)
{
	if (status & 0x7f) {
		f->signal = status & 0x7f;
		f->has |= WIRE_HAS(signal);
	} else {
		f->exit_code = status >> 8 & 0xff;
		f->has |= WIRE_HAS(exit_code);
	}
}

bool agent_process_field(const char *status, size_t len, const char *name, const char **ret_value)
{
	size_t name_len = strlen(name);
	const char *at = status, *end = status + len, *line;

	for (; at && at < end; at = line ? line + 1 : NULL) {
		line = memchr(at, '\n', (size_t)(end - at));
		if (!line)
			return false;
		if ((size_t)(line - at) > name_len + 2 && memcmp(at, name, name_len) == 0 &&
		    at[name_len] == ':' && at[name_len + 1] == '\t') {
			*ret_value = at + name_len + 2;
			return true;
		}
	}
	return false;
}

static void put_uid(struct wire_frame *f, int proc_fd, uint32_t pid)
{
	char text[STAT_MAX];
	long n = read_file(proc_fd, pid, "status", text, sizeof(text), NULL);
	const char *at;
	uint64_t uid;

	if (n > 0 && agent_process_field(text, (size_t)n, "Uid", &at) &&
	    agent_process_number(&at, text + n, &uid) && uid <= UINT32_MAX) {
		f->uid = uid;
		f->has |= WIRE_HAS(uid);
	}
}

void agent_process_put(int proc_fd, uint32_t pid, struct wire_frame *f)
{
	char path[64];
	uint32_t left = 0;
	ssize_t n = readlinkat(proc_fd, agent_process_path(path, pid, "exe"), texts.exe,
			       sizeof(texts.exe));

	if (n > 0) {
		f->exe = (struct wire_text){texts.exe, (size_t)n};
		f->has |= WIRE_HAS(exe);
	}
	n = read_file(proc_fd, pid, "cmdline", texts.argv, sizeof(texts.argv), &left);
	if (n > 0)
		agent_process_put_argv(f, texts.argv, (size_t)n, left);
	put_uid(f, proc_fd, pid);
}
