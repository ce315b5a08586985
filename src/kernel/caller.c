/* SPDX-License-Identifier: Apache-2.0 */
/* A few threads' names and numbers, kept by thread: see caller.h. */
#include "kernel/caller.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/out.h"
#include "base/pidfd.h"
#include "base/time.h"

#define CALLERS 64
#define SOON_NS TT_NS_PER_MS

struct kernel_callers {
	bool chains, starts, namespaced;
	struct kernel_caller slots[CALLERS], glanced;
};

#define PIDFD_THREAD_FLAG O_EXCL

struct status {
	char comm[16];
	int32_t pid, ppid, ns_pid;
};

struct kernel_callers *kernel_callers_new(bool chains, bool starts, bool namespaced)
{
	struct kernel_callers *c = calloc(1, sizeof(*c));

	for (size_t i = 0; c && i < CALLERS; i++)
		c->slots[i].comm_fd = c->slots[i].memory_fd = -1;
	if (c) {
		c->chains = chains;
		c->starts = starts;
		c->namespaced = namespaced;
	}
	return c;
}

void kernel_callers_free(struct kernel_callers *c)
{
	for (size_t i = 0; c && i < CALLERS; i++) {
		tt_closep(&c->slots[i].comm_fd);
		tt_closep(&c->slots[i].memory_fd);
	}
	free(c);
}

bool kernel_callers_are_namespaced(const struct kernel_callers *c)
{
	return c->namespaced;
}

static int open_proc(pid_t pid, const char *file)
{
	char path[64];
	struct tt_out o;

	tt_out_init(&o, path, sizeof(path) - 1);
	tt_out_str(&o, "/proc/");
	tt_out_i64(&o, pid);
	tt_out_str(&o, file);
	path[o.len] = '\0';
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* The last number of a line "Name:\t1\t2", or 0. */
static int32_t last_number(const char *text, const char *name)
{
	const char *at = strstr(text, name), *end;
	int32_t v = 0;

	if (!at)
		return 0;
	end = strchrnul(at + 1, '\n');
	while (end > at && end[-1] >= '0' && end[-1] <= '9')
		end--;
	while (*end >= '0' && *end <= '9' && v < INT32_MAX / 10)
		v = v * 10 + (*end++ - '0');
	return v;
}

/* comm as "Name:" has it: newline and backslash escaped, which nobody minds here. */
static bool read_status(pid_t tid, struct status *ret)
{
	TT_CLEANUP(tt_closep) int fd = open_proc(tid, "/status");
	const char *end;
	char text[4096];
	ssize_t n;
	size_t len;

	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 8 || memcmp(text, "Name:\t", 6) != 0)
		return false;
	text[n] = '\0';
	end = strchrnul(text + 6, '\n');
	len = (size_t)(end - text - 6);
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->comm, text + 6, len < sizeof(ret->comm) - 1 ? len : sizeof(ret->comm) - 1);
	ret->pid = last_number(end, "\nTgid:");
	ret->ppid = last_number(end, "\nPPid:");
	ret->ns_pid = last_number(end, "\nNStgid:");
	return ret->pid > 0;
}

uint64_t kernel_caller_start(pid_t pid)
{
	TT_CLEANUP(tt_closep) int fd = open_proc(pid, "/stat");
	char text[1024], *at;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	long ticks = sysconf(_SC_CLK_TCK);

	text[n > 0 ? n : 0] = '\0';
	at = strrchr(text, ')');
	/* ") S ppid ..." and so on: the 22nd field, where the name was the second */
	for (int i = 0; at && i < 20; i++)
		at = strchr(at + 1, ' ');
	return at && ticks > 0 ? strtoull(at, NULL, 10) * (TT_NS_PER_SEC / (uint64_t)ticks) : 0;
}

static bool read_comm(int fd, char comm[16])
{
	char text[16 + 1];
	ssize_t n = pread(fd, text, sizeof(text), 0);

	if (n <= 0)
		return false;
	if (text[n - 1] == '\n')
		n--;
	memset(comm, 0, 16);
	memcpy(comm, text, n < 15 ? (size_t)n : 15);
	return true;
}

static void read_chain(struct kernel_caller *c, pid_t top)
{
	pid_t pid = c->ppid;
	struct status st;

	for (c->chain_len = 0; c->chain_len < KERNEL_CHAIN_MAX && pid > 1 && pid != top;) {
		struct kernel_link *l = &c->chain[c->chain_len];

		if (pid == getpid() || !read_status(pid, &st))
			return;
		l->pid = pid;
		memcpy(l->comm, st.comm, sizeof(l->comm));
		c->chain_len++;
		pid = st.ppid;
	}
}

static void forget_memory(struct kernel_caller *c)
{
	tt_closep(&c->memory_fd);
	c->memory_fd = -1;
	c->again = false;
}

static bool fill(const struct kernel_callers *cs, struct kernel_caller *c, pid_t tid, pid_t top)
{
	struct status st, leader;

	forget_memory(c);
	tt_closep(&c->comm_fd);
	c->comm_fd = open_proc(tid, "/comm");
	if (c->comm_fd < 0 || !read_status(tid, &st))
		return false;
	if (st.pid == tid)
		(void)read_comm(c->comm_fd, st.comm); /* as it is: status has it escaped */
	else if (read_status(st.pid, &leader))
		memcpy(st.comm, leader.comm, sizeof(st.comm));
	c->tid = tid;
	c->pid = st.pid;
	c->ppid = st.ppid;
	c->ns_pid = st.ns_pid;
	memcpy(c->comm, st.comm, sizeof(c->comm));
	c->chain_len = 0;
	c->start_ns = cs->starts ? kernel_caller_start(st.pid) : 0;
	if (cs->chains)
		read_chain(c, top);
	return true;
}

const struct kernel_caller *kernel_caller_find(struct kernel_callers *cs, pid_t tid, pid_t top)
{
	struct kernel_caller *c = &cs->slots[(unsigned)tid % CALLERS];
	char comm[16];

	if (c->comm_fd >= 0 && c->tid == tid && read_comm(c->comm_fd, comm)) {
		if (c->pid == tid)
			memcpy(c->comm, comm, sizeof(comm));
		return c;
	}
	if (!fill(cs, c, tid, top)) {
		tt_closep(&c->comm_fd);
		c->comm_fd = -1;
		return NULL;
	}
	return c;
}

const struct kernel_caller *kernel_caller_find_soon(struct kernel_callers *cs, pid_t tid, pid_t top,
						    uint64_t now_ns)
{
	struct kernel_caller *c = &cs->slots[(unsigned)tid % CALLERS];

	/* in so short a time its number does not come round to another */
	if (c->comm_fd >= 0 && c->tid == tid && now_ns - c->checked_ns < SOON_NS)
		return c;
	if (!kernel_caller_find(cs, tid, top))
		return c->tid == tid && c->pid && now_ns - c->seen_ns < TT_NS_PER_SEC ? c : NULL;
	c->checked_ns = c->seen_ns = now_ns;
	return c;
}

int kernel_caller_memory(struct kernel_callers *cs, pid_t tid, uint64_t now_ns)
{
	struct kernel_caller *c = &cs->slots[(unsigned)tid % CALLERS];

	if (c->comm_fd < 0 || c->tid != tid || now_ns - c->checked_ns >= SOON_NS)
		return -1;
	/* to open it costs as much as it saves: only who asks often gets one */
	if (c->again && c->memory_fd < 0)
		c->memory_fd = open_proc(tid, "/mem");
	c->again = true;
	return c->memory_fd;
}

/* Linux 6.13: a few numbers without the text around them. false: not to be had so. */
static bool read_info(pid_t tid, struct kernel_caller *ret)
{
	TT_CLEANUP(tt_closep) int fd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD_FLAG);
	struct tt_pidfd_info info = {.mask = TT_PIDFD_INFO_PID};

	if (fd < 0 || ioctl(fd, TT_PIDFD_GET_INFO, &info) < 0 || !info.tgid)
		return false;
	ret->pid = (int32_t)info.tgid;
	ret->ppid = (int32_t)info.ppid;
	return true;
}

const struct kernel_caller *kernel_caller_glance(struct kernel_callers *cs, pid_t tid, pid_t top)
{
	struct kernel_caller *c = &cs->slots[(unsigned)tid % CALLERS];
	char unused[16];

	if (c->comm_fd >= 0 && c->tid == tid && read_comm(c->comm_fd, unused)) {
		c->checked_ns = 0;
		forget_memory(c);
		return c;
	}
	memset(&cs->glanced, 0, sizeof(cs->glanced));
	return !cs->namespaced && read_info(tid, &cs->glanced) ? &cs->glanced
							       : kernel_caller_find(cs, tid, top);
}
