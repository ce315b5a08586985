/* SPDX-License-Identifier: Apache-2.0 */
/* The probes. Each runs in a child that is thrown away; none leaves anything behind. */
#include "cli/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/genetlink.h>
#include <linux/seccomp.h>
#include <linux/taskstats.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/time.h"
#include "cli/library.h"
#include "store/runs.h"

#define PROBE_MS 5000

static void found(struct cli_finding *f, enum cli_probe_state state, const char *fmt, ...)
	TT_PRINTF(3, 4);

static void found(struct cli_finding *f, enum cli_probe_state state, const char *fmt, ...)
{
	va_list ap;

	f->state = state;
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap); /* cut is fine: it is for people */
	va_end(ap);
}

static void found_errno(struct cli_finding *f, enum cli_probe_state state, const char *what)
{
	found(f, state, "%s: %s", what, strerror(errno));
}

static void try_kernel(struct cli_finding *f)
{
	struct utsname host;

	(void)uname(&host); /* cannot fail */
	if (strcmp(host.machine, "x86_64") != 0 && strcmp(host.machine, "aarch64") != 0)
		found(f, CLI_PROBE_LIMITED, "%s on %s", host.release, host.machine);
	else
		found(f, CLI_PROBE_OK, "%s on %s", host.release, host.machine);
}

/* Start this program with the library preloaded; what ld.so says of it comes back in @text. */
static int start_preloaded(const char *library, char *text, size_t cap)
{
	int fds[2], null, status = 0;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		null = open("/dev/null", O_WRONLY);
		(void)dup2(null, 1);
		(void)dup2(fds[1], 2);
		setenv("LD_PRELOAD", library, 1);
		setenv("SUBSTRATE_TRACE_LOG", "/dev/null", 1);
		execl("/proc/self/exe", "telltale", "--version", (char *)NULL);
		_exit(127);
	}
	(void)close(fds[1]);
	while (len + 1 < cap && (n = read(fds[0], text + len, cap - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	(void)close(fds[0]);
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return status;
}

static void try_library(struct cli_finding *f)
{
	char text[256], *library;
	struct tt_err err;
	int r;

	if (cli_library_find(&library, CLI_LIBRARY_PRELOAD, &err) < 0) {
		found(f, CLI_PROBE_MISSING, "%s", err.text);
		return;
	}
	r = start_preloaded(library, text, sizeof(text));
	if (text[0]) {
		text[strcspn(text, "\n")] = '\0';
		found(f, CLI_PROBE_MISSING, "%s", text);
	} else if (r != 0) {
		found(f, CLI_PROBE_MISSING,
		      "a program with '%s' preloaded does not run (status %d)", library, r);
	} else {
		found(f, CLI_PROBE_OK, "%s", library);
	}
	free(library);
}

static int write_file(const char *path, const char *text)
{
	TT_CLEANUP(tt_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return -errno;
	return 0;
}

/* New user, mount and PID namespaces with the present user as root inside. */
static int enter_namespaces(const char **ret_step)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[48];

	*ret_step = "unshare";
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID) < 0)
		return -1;
	*ret_step = "write the id maps";
	if (write_file("/proc/self/setgroups", "deny") < 0)
		return -1;
	(void)snprintf(map, sizeof(map), "0 %u 1", uid);
	if (write_file("/proc/self/uid_map", map) < 0)
		return -1;
	(void)snprintf(map, sizeof(map), "0 %u 1", gid);
	if (write_file("/proc/self/gid_map", map) < 0)
		return -1;
	*ret_step = "mount in a user namespace";
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	return mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=4096");
}

static void try_userns(struct cli_finding *f)
{
	const char *step = "";

	if (enter_namespaces(&step) == 0) {
		found(f, CLI_PROBE_OK, "user, mount and PID namespaces, private mounts");
		return;
	}
	/* Nothing else has allocated an errno since: the step's own is still there. */
	found_errno(f, geteuid() == 0 ? CLI_PROBE_LIMITED : CLI_PROBE_MISSING, step);
}

static void try_mount_setattr(struct cli_finding *f)
{
	struct {
		uint64_t attr_set, attr_clr, propagation, userns_fd;
	} attr = {1 /* MOUNT_ATTR_RDONLY */, 0, 0, 0};
	const char *step = "";

	if (unshare(CLONE_NEWNS) == 0) {
		if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
			found_errno(f, CLI_PROBE_MISSING, "make the mounts private");
			return;
		}
	} else if (enter_namespaces(&step) < 0) {
		found_errno(f, CLI_PROBE_MISSING, step);
		return;
	}
	if (syscall(442 /* mount_setattr */, AT_FDCWD, "/", 0x8000 /* AT_RECURSIVE */, &attr,
		    sizeof(attr)) < 0)
		found_errno(f, CLI_PROBE_MISSING, "make all mounts read-only");
	else
		found(f, CLI_PROBE_OK, "all mounts read-only in one call");
}

static int load_filter(unsigned flags)
{
	struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog prog = {1, code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

static void try_seccomp(struct cli_finding *f)
{
	if (load_filter(0) < 0)
		found_errno(f, CLI_PROBE_MISSING, "load a filter");
	else
		found(f, CLI_PROBE_OK, "filters can be loaded");
}

static void try_notifier(struct cli_finding *f)
{
	uint32_t actions = SECCOMP_RET_USER_NOTIF;

	if (syscall(__NR_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &actions) < 0)
		found_errno(f, CLI_PROBE_MISSING, "user notification");
	else if (load_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER) < 0)
		found_errno(f, CLI_PROBE_LIMITED,
			    errno == EBUSY ? "another listener is there" : "open a listener");
	else
		found(f, CLI_PROBE_OK, "refused calls can be answered from outside");
}

static void try_landlock(struct cli_finding *f)
{
	long abi = syscall(444 /* landlock_create_ruleset */, NULL, 0,
			   1U /* LANDLOCK_CREATE_RULESET_VERSION */);

	if (abi < 0)
		found_errno(f, CLI_PROBE_MISSING, "Landlock");
	else
		found(f, CLI_PROBE_OK, "ABI %ld", abi);
}

/* What /proc/self/cgroup says of the unified hierarchy ("0::/path"), or of any v1 one. */
static bool own_cgroup(char *v2, size_t cap, bool *ret_v1)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[512];
	bool any = false;

	*ret_v1 = false;
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::", 3) == 0) {
			(void)snprintf(v2, cap, "%s", line + 3);
			any = true;
		} else {
			*ret_v1 = true;
		}
	}
	if (file)
		fclose(file);
	return any;
}

/*
 * Where cgroup2 is mounted. Paths in mountinfo have blanks as \040: such a mount point is passed
 * over.
 */
static bool cgroup2_mount(char *ret, size_t cap)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096], point[1024];
	bool any = false;

	while (file && !any && fgets(line, sizeof(line), file)) {
		if (!strstr(line, " - cgroup2 ") ||
		    sscanf(line, "%*s %*s %*s %*s %1023s", point) != 1)
			continue;
		(void)snprintf(ret, cap, "%s", point);
		any = true;
	}
	if (file)
		fclose(file);
	return any;
}

static void try_cgroup(struct cli_finding *f)
{
	char own[512] = "", point[1024] = "", path[2048], controllers[160] = "";
	TT_CLEANUP(tt_closep) int fd = -1;
	bool v1, v2 = own_cgroup(own, sizeof(own), &v1) && cgroup2_mount(point, sizeof(point));
	const char *layout = v2 ? v1 ? "v1 and v2" : "v2" : v1 ? "v1" : "none";
	ssize_t n;

	if (!v2) {
		found(f, v1 ? CLI_PROBE_LIMITED : CLI_PROBE_MISSING, "%s", layout);
		return;
	}
	(void)snprintf(path, sizeof(path), "%s%s/cgroup.controllers", point, own);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, controllers, sizeof(controllers) - 1);
	controllers[n > 0 ? n : 0] = '\0';
	controllers[strcspn(controllers, "\n")] = '\0';
	(void)snprintf(path, sizeof(path), "%s%s/telltale-doctor-%d", point, own, (int)getpid());
	if (mkdir(path, 0700) < 0) {
		found(f, CLI_PROBE_LIMITED, "%s, controllers: %s; make a group: %s", layout,
		      controllers[0] ? controllers : "none", strerror(errno));
		return;
	}
	(void)rmdir(path); /* it is empty: nobody was put into it */
	found(f, strstr(controllers, "memory") ? CLI_PROBE_OK : CLI_PROBE_LIMITED,
	      "%s, writable, controllers: %s", layout, controllers[0] ? controllers : "none");
}

/* A child that waits to be killed. The caller reaps it with end_child(). */
static pid_t make_child(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (getppid() == parent)
			pause();
		_exit(0);
	}
	return pid;
}

static void end_child(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void try_pidfd(struct cli_finding *f)
{
	struct {
		uint64_t mask, cgroup;
		uint32_t ids[11];
		int32_t exit_code;
	} info = {.mask = 1 /* PIDFD_INFO_PID */};
	pid_t pid = make_child();
	int fd = pid < 0 ? -1 : (int)syscall(434 /* pidfd_open */, pid, 0);

	_Static_assert(sizeof(info) == 64, "PIDFD_INFO_SIZE_VER0");
	if (fd < 0)
		found_errno(f, CLI_PROBE_MISSING, "pidfd_open");
	else if (ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 0xff, 11, sizeof(info)), &info) < 0)
		found_errno(f, CLI_PROBE_LIMITED, "pidfd_open works, PIDFD_GET_INFO");
	else
		found(f, CLI_PROBE_OK, "pidfd_open and PIDFD_GET_INFO");
	if (pid > 0)
		end_child(pid);
}

/*
 * The counters of a process that has ended and waits to be reaped: that is when their last value is
 * read.
 */
static void try_proc_io(struct cli_finding *f)
{
	char path[48], text[512];
	TT_CLEANUP(tt_closep) int fd = -1;
	pid_t pid = make_child();
	siginfo_t si;
	ssize_t n;

	if (pid < 0) {
		found_errno(f, CLI_PROBE_MISSING, "fork");
		return;
	}
	(void)kill(pid, SIGKILL);
	(void)waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT);
	(void)snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		found_errno(f, CLI_PROBE_MISSING, "read the counters of a process that has ended");
	else
		found(f, CLI_PROBE_OK, "readable, also after the end of a process");
	end_child(pid);
}

static void try_children(struct cli_finding *f)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	if (access(path, R_OK) < 0)
		found_errno(f, CLI_PROBE_LIMITED, path);
	else
		found(f, CLI_PROBE_OK, "the kernel lists the children of a process");
}

static void try_btf(struct cli_finding *f)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
		found_errno(f, CLI_PROBE_MISSING, "/sys/kernel/btf/vmlinux");
	else
		found(f, CLI_PROBE_OK, "/sys/kernel/btf/vmlinux");
}

/* "return 0", loaded as a kind of program that watches the kernel; attached to nothing. */
static void try_bpf(struct cli_finding *f)
{
	struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT;
	attr.insn_cnt = TT_ARRAY_SIZE(code);
	attr.insns = (uint64_t)(uintptr_t)code;
	attr.license = (uint64_t)(uintptr_t) "GPL";
	fd = (int)syscall(__NR_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (fd < 0)
		found_errno(f, CLI_PROBE_MISSING, "load a program");
	else
		found(f, CLI_PROBE_OK, "programs that watch the kernel can be loaded");
}

/*
 * One generic netlink request with one attribute; the answer is in @buf. Returns its length or -1.
 */
static ssize_t ask_netlink(int fd, uint16_t type, uint8_t cmd, uint16_t attr, const void *data,
			   size_t len, char *buf, size_t cap)
{
	struct {
		struct nlmsghdr head;
		struct genlmsghdr gen;
		struct nlattr attr;
		char data[32];
	} ask = {
		.head = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = 1},
		.gen = {.cmd = cmd, .version = 1},
		.attr = {.nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = attr},
	};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	memcpy(ask.data, data, len);
	ask.head.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + GENL_HDRLEN + NLA_ALIGN(NLA_HDRLEN + len));
	if (sendto(fd, &ask, ask.head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -1;
	return recv(fd, buf, cap, 0);
}

/* The number of the TASKSTATS family, 0 if there is none. */
static uint16_t taskstats_family(int fd, char *buf, size_t cap)
{
	ssize_t n = ask_netlink(fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME,
				TASKSTATS_GENL_NAME, sizeof(TASKSTATS_GENL_NAME), buf, cap);

	if (n < NLMSG_HDRLEN || ((struct nlmsghdr *)(void *)buf)->nlmsg_type == NLMSG_ERROR)
		return 0;
	for (ssize_t at = NLMSG_HDRLEN + GENL_HDRLEN; at + NLA_HDRLEN <= n;) {
		struct nlattr *attr = (struct nlattr *)(void *)(buf + at);

		if (attr->nla_len < NLA_HDRLEN)
			break;
		if (attr->nla_type == CTRL_ATTR_FAMILY_ID && attr->nla_len >= NLA_HDRLEN + 2)
			return *(uint16_t *)(void *)(buf + at + NLA_HDRLEN);
		at += NLA_ALIGN(attr->nla_len);
	}
	return 0;
}

static void try_taskstats(struct cli_finding *f)
{
	TT_CLEANUP(tt_closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	struct timeval limit = {.tv_sec = 2};
	char buf[4096] __attribute__((__aligned__(8)));
	uint32_t pid = (uint32_t)getpid();
	const struct nlmsghdr *head = (const void *)buf;
	uint16_t family;
	ssize_t n;

	if (fd < 0) {
		found_errno(f, CLI_PROBE_MISSING, "netlink");
		return;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
			 sizeof(limit)); /* the probe has its own limit, too */
	family = taskstats_family(fd, buf, sizeof(buf));
	if (!family) {
		found(f, CLI_PROBE_MISSING, "this kernel has no taskstats");
		return;
	}
	n = ask_netlink(fd, family, TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_PID, &pid, sizeof(pid),
			buf, sizeof(buf));
	if (n >= NLMSG_HDRLEN + 4 && head->nlmsg_type == NLMSG_ERROR) {
		errno = -*(const int *)(const void *)(buf + NLMSG_HDRLEN);
		n = -1;
	}
	if (n < 0)
		found_errno(f, CLI_PROBE_MISSING, "ask for the figures of a process");
	else
		found(f, CLI_PROBE_OK, "exit figures of every process");
}

static void try_tracefs(struct cli_finding *f)
{
	static const char *const places[] = {"/sys/kernel/tracing/events",
					     "/sys/kernel/debug/tracing/events"};

	for (size_t i = 0; i < TT_ARRAY_SIZE(places); i++)
		if (access(places[i], R_OK | X_OK) == 0) {
			found(f, CLI_PROBE_OK, "%s", places[i]);
			return;
		}
	found_errno(f, CLI_PROBE_MISSING, places[0]);
}

/* A file without a name leaves nothing behind; not every file system has them. */
static int try_write(const char *folder)
{
	TT_CLEANUP(tt_closep) int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	char *path;

	if (fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP || asprintf(&path, "%s/.doctor-XXXXXX", folder) < 0)
		return -1;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		(void)unlink(path); /* just made: it is there */
	free(path);
	return fd < 0 ? -1 : 0;
}

static void try_state(struct cli_finding *f)
{
	char *folder, *slash;
	struct tt_err err;

	if (store_state_folder(&folder, &err) < 0) {
		found(f, CLI_PROBE_MISSING, "%s", err.text);
		return;
	}
	found(f, CLI_PROBE_OK, "%s", folder);
	/* It is made at the first run: until then its nearest folder that exists must take it. */
	while (access(folder, F_OK) < 0 && errno == ENOENT && (slash = strrchr(folder, '/')) &&
	       slash != folder)
		*slash = '\0';
	if (try_write(folder) < 0)
		found(f, CLI_PROBE_MISSING, "write into '%s': %s", folder, strerror(errno));
	free(folder);
}

static void try_memfd(struct cli_finding *f)
{
	TT_CLEANUP(tt_closep)
	int fd = memfd_create("telltale-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		found_errno(f, CLI_PROBE_MISSING, "memfd_create");
	else if (ftruncate(fd, 4096) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		found_errno(f, CLI_PROBE_LIMITED, "seal the size");
	else if (ftruncate(fd, 0) == 0)
		found(f, CLI_PROBE_LIMITED, "a sealed size can be changed");
	else
		found(f, CLI_PROBE_OK, "shared memory whose size cannot be changed");
}

const struct cli_probe cli_probes[] = {
	{"kernel", try_kernel, "Telltale is made for x86_64 and aarch64", NULL, 0},
	{"libtelltale.so", try_library,
	 "nothing is seen from inside: no files, no hosts, no failures",
	 "build or install Telltale as a whole, or record with --no-preload", 1},
	{"state folder", try_state, "runs cannot be stored",
	 "set XDG_STATE_HOME, or use --output-dir", 1},
	{"memfd and sealing", try_memfd, "events have no safe way from the command to the recorder",
	 "Linux 3.17 or later", 0},
	{"/proc/PID/io", try_proc_io, "reads, writes and bytes are unknown",
	 "a kernel with CONFIG_TASK_IO_ACCOUNTING", 0},
	{"children in /proc", try_children,
	 "the process tree is sampled by a walk of /proc, which is slower",
	 "a kernel with CONFIG_PROC_CHILDREN", 0},
	{"pidfd", try_pidfd,
	 "processes are followed by number, and some facts of short-lived ones are lost",
	 "Linux 6.13 or later for PIDFD_GET_INFO", 0},
	{"user namespaces", try_userns, "profile STRICT needs root",
	 "allow them: kernel.unprivileged_userns_clone, user.max_user_namespaces, "
	 "or the AppArmor profile",
	 0},
	{"mount_setattr", try_mount_setattr, "profile STRICT cannot make the root read-only",
	 "Linux 5.12 or later", 0},
	{"seccomp filter", try_seccomp, "profile STRICT cannot refuse calls",
	 "a kernel with CONFIG_SECCOMP_FILTER", 0},
	{"seccomp notifier", try_notifier, "refused calls are not named",
	 "Linux 5.5 or later, and no outer listener", 0},
	{"Landlock", try_landlock, "no rules per path",
	 "a kernel with Landlock switched on (lsm=landlock,...)", 0},
	{"cgroup", try_cgroup,
	 "peak memory is sampled, and figures of unreaped children may be too low",
	 "a cgroup v2 folder that you may write (systemd-run --user --scope -p Delegate=yes)", 0},
	{"taskstats", try_taskstats, "figures of children that nobody waits for are a lower bound",
	 "run as root (CAP_NET_ADMIN)", 0},
	{"bpf()", try_bpf,
	 "no kernel sensor: what the library declares is not confirmed from outside",
	 "run as root, or with CAP_BPF and CAP_PERFMON", 0},
	{"BTF", try_btf, "the kernel sensor cannot adapt to this kernel",
	 "a kernel with CONFIG_DEBUG_INFO_BTF", 0},
	{"tracefs", try_tracefs, "tracepoints cannot be looked up", "run as root, or mount tracefs",
	 0},
	{NULL, NULL, NULL, NULL, 0},
};

/* Wait for the child's answer; false if it gave none in time. */
static bool receive(int fd, struct cli_finding *ret)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t end = tt_clock_ns(CLOCK_MONOTONIC) + PROBE_MS * TT_NS_PER_MS, now;
	int r;

	do {
		now = tt_clock_ns(CLOCK_MONOTONIC);
		r = poll(&p, 1, now < end ? (int)((end - now) / TT_NS_PER_MS) : 0);
	} while (r < 0 && errno == EINTR);
	return r == 1 && read(fd, ret, sizeof(*ret)) ==
				 (ssize_t)sizeof(*ret); /* less than PIPE_BUF: in one piece */
}

void cli_probe_run(const struct cli_probe *probe, struct cli_finding *ret)
{
	int fds[2];
	pid_t pid;

	memset(ret, 0, sizeof(*ret));
	if (pipe2(fds, O_CLOEXEC) < 0) {
		found_errno(ret, CLI_PROBE_MISSING, "pipe");
		return;
	}
	pid = fork();
	if (pid == 0) {
		struct cli_finding f;

		memset(&f, 0, sizeof(f));
		probe->try(&f);
		_exit(write(fds[1], &f, sizeof(f)) == (ssize_t)sizeof(f) ? 0 : 1);
	}
	(void)close(fds[1]);
	if (pid < 0) {
		found_errno(ret, CLI_PROBE_MISSING, "fork");
	} else if (!receive(fds[0], ret) || ret->state < CLI_PROBE_OK ||
		   ret->state > CLI_PROBE_MISSING) {
		found(ret, CLI_PROBE_MISSING,
		      "trying it gave no answer within 5 s, or killed the process that tried");
	}
	ret->text[sizeof(ret->text) - 1] = '\0';
	(void)close(fds[0]);
	if (pid > 0)
		end_child(pid);
}
