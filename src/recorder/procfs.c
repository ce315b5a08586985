/* SPDX-License-Identifier: Apache-2.0 */
/* Small readers of /proc. */
#include "recorder/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "util/textfile.h"

/* The whole file as text, at most @cap - 1 bytes of it. */
static int read_text(const char *path, char *buf, size_t cap)
{
	int r = tt_text_read(AT_FDCWD, path, buf, cap);

	return r == -ENOENT || r == 0 ? -ESRCH : r;
}

static uint64_t ticks_ns(uint64_t ticks)
{
	static long per_sec;

	if (!per_sec)
		per_sec = sysconf(_SC_CLK_TCK);
	return ticks * (TT_NS_PER_SEC / (uint64_t)per_sec);
}

int recorder_stat_read(pid_t pid, struct recorder_stat *ret)
{
	enum {
		STATE = 3,
		PPID,
		MINFLT = 10,
		MAJFLT = 12,
		CMAJFLT,
		UTIME = 14,
		STIME,
		CUTIME,
		CSTIME,
		START = 22,
		RSS = 24,
		EXIT = 52
	};
	char path[40], text[1024], *p, *name, *save = NULL;
	uint64_t v[EXIT + 1] = {0};
	unsigned i = STATE;
	size_t len;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	r = read_text(path, text, sizeof(text));
	if (r < 0)
		return r;
	/* the name stands in parentheses and may hold some itself: the last one ends it */
	name = strchr(text, '(');
	p = strrchr(text, ')');
	if (!name || !p || p < name)
		return -EBADMSG;
	memset(ret, 0, sizeof(*ret));
	len = (size_t)(p - name - 1) < sizeof(ret->comm) ? (size_t)(p - name - 1)
							 : sizeof(ret->comm) - 1;
	memcpy(ret->comm, name + 1, len);
	for (p = strtok_r(p + 1, " \n", &save); p && i <= EXIT;
	     p = strtok_r(NULL, " \n", &save), i++) {
		if (i == STATE)
			ret->state = *p;
		else
			v[i] = strtoull(p, NULL, 10);
	}
	if (i <= RSS)
		return -EBADMSG;
	ret->ppid = (pid_t)v[PPID];
	ret->minor_faults = v[MINFLT];
	ret->major_faults = v[MAJFLT];
	ret->children_major_faults = v[CMAJFLT];
	ret->cpu_ns = ticks_ns(v[UTIME] + v[STIME]);
	ret->children_cpu_ns = ticks_ns(v[CUTIME] + v[CSTIME]);
	ret->start_ns = ticks_ns(v[START]);
	ret->rss_kb = v[RSS] * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	ret->exit_status = (int)v[EXIT];
	return 0;
}

static uint64_t field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void parse_io(const char *text, struct recorder_io *ret)
{
	ret->bytes_read = field(text, "rchar: ");
	ret->bytes_written = field(text, "wchar: ");
	ret->read_calls = field(text, "syscr: ");
	ret->write_calls = field(text, "syscw: ");
}

int recorder_io_read(pid_t pid, struct recorder_io *ret)
{
	char path[40], text[512];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/io", pid);
	r = read_text(path, text, sizeof(text));
	if (r < 0)
		return r;
	parse_io(text, ret);
	return 0;
}

int recorder_io_read_fd(int fd, struct recorder_io *ret)
{
	char text[512];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return n < 0 ? -errno : -ESRCH;
	text[n] = '\0';
	parse_io(text, ret);
	return 0;
}

int recorder_pss_read(pid_t pid, uint64_t *ret_kb)
{
	static const char key[] = "\nPss:";
	char path[48], text[2048], *at;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	r = read_text(path, text, sizeof(text));
	if (r < 0)
		return r;
	at = strstr(text, key);
	if (!at)
		return -EBADMSG;
	*ret_kb = strtoull(at + sizeof(key) - 1, NULL, 10);
	return 0;
}

static size_t children_of_thread(pid_t pid, pid_t tid, pid_t *pids, size_t cap, bool *ret_more)
{
	char path[64], text[8192], *p, *end;
	size_t n = 0;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, tid);
	r = read_text(path, text, sizeof(text));
	if (r < 0)
		return 0;
	/* a list that fills the buffer may end in the middle of a number */
	if ((size_t)r == sizeof(text) - 1) {
		*ret_more = true;
		p = strrchr(text, ' ');
		if (p)
			*p = '\0';
	}
	for (p = text; n < cap; p = end) {
		long v = strtol(p, &end, 10);

		if (end == p)
			return n;
		pids[n++] = (pid_t)v;
	}
	*ret_more = true;
	return n;
}

/*
 * The threads of a process are few or many; the folder is read piece by piece, without opendir's
 * heap.
 */
size_t recorder_children_read(pid_t pid, pid_t *pids, size_t cap, bool *ret_more)
{
	TT_CLEANUP(tt_closep) int fd = -1;
	char path[40], buf[2048] __attribute__((__aligned__(8)));
	size_t n = 0;
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	while (n < cap && (len = getdents64(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < len && n < cap;) {
			struct dirent64 *e = (struct dirent64 *)(buf + at);

			at += e->d_reclen;
			if (e->d_name[0] == '.')
				continue;
			n += children_of_thread(pid, (pid_t)strtol(e->d_name, NULL, 10), pids + n,
						cap - n, ret_more);
		}
	}
	return n;
}

pid_t recorder_child_read(pid_t pid)
{
	bool more = false;
	pid_t child;

	return children_of_thread(pid, pid, &child, 1, &more) ? child : 0;
}

int recorder_ns_pid_read(pid_t pid)
{
	char path[40], text[4096], *at, *last;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	r = read_text(path, text, sizeof(text));
	if (r < 0)
		return r;
	at = strstr(text, "\nNSpid:");
	if (!at)
		return -ENOENT;
	at += 7;
	at[strcspn(at, "\n")] = '\0';
	last = strrchr(at, '\t');
	return last ? (int)strtol(last + 1, NULL, 10) : -ENOENT;
}

int recorder_exe_read(pid_t pid, char *buf, size_t cap)
{
	char path[40];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, buf, cap - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return (int)n;
}
