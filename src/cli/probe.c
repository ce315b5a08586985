/* SPDX-License-Identifier: Apache-2.0 */
/* The probes. Each runs in a child that is thrown away; none leaves anything behind. */
#include "cli/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
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
#include "base/pidfd.h"
#include "base/time.h"
#include "cgroup/cgroup.h"
#include "cli/library.h"
#include "cli/probe_internal.h"
#include "sandbox/count.h"
#include "store/runs.h"

#define PROBE_MS      5000
#define ABI_OF_SCOPES 6 /* of Landlock, Linux 6.12: abstract sockets and signals */

void cli_probe_found(struct cli_finding *f, enum cli_probe_state state, const char *fmt, ...)
{
	va_list ap;

	f->state = state;
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap); /* cut is fine: it is for people */
	va_end(ap);
}

static void found_errno(struct cli_finding *f, enum cli_probe_state state, const char *what)
{
	cli_probe_found(f, state, "%s: %s", what, strerror(errno));
}

static void try_kernel(struct cli_finding *f)
{
	struct utsname host;

	(void)uname(&host); /* cannot fail */
	if (strcmp(host.machine, "x86_64") != 0 && strcmp(host.machine, "aarch64") != 0)
		cli_probe_found(f, CLI_PROBE_LIMITED, "%s on %s", host.release, host.machine);
	else
		cli_probe_found(f, CLI_PROBE_OK, "%s on %s", host.release, host.machine);
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
		cli_probe_found(f, CLI_PROBE_MISSING, "%s", err.text);
		return;
	}
	r = start_preloaded(library, text, sizeof(text));
	if (text[0]) {
		text[strcspn(text, "\n")] = '\0';
		cli_probe_found(f, CLI_PROBE_MISSING, "%s", text);
	} else if (r != 0) {
		cli_probe_found(f, CLI_PROBE_MISSING,
				"a program with '%s' preloaded does not run (status %d)", library,
				r);
	} else {
		cli_probe_found(f, CLI_PROBE_OK, "%s", library);
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
		cli_probe_found(f, CLI_PROBE_OK, "user, mount and PID namespaces, private mounts");
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
		cli_probe_found(f, CLI_PROBE_OK, "all mounts read-only in one call");
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
		cli_probe_found(f, CLI_PROBE_OK, "filters can be loaded");
}

static void try_notifier(struct cli_finding *f)
{
	uint32_t actions = SECCOMP_RET_USER_NOTIF;

	if (syscall(__NR_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &actions) < 0)
		found_errno(f, CLI_PROBE_MISSING, "user notification");
	else if (load_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER) < 0)
		found_errno(f, CLI_PROBE_LIMITED,
			    errno == EBUSY ? "nested: an outer sandbox has the listener"
					   : "open a listener");
	else
		cli_probe_found(f, CLI_PROBE_OK, "refused calls can be answered from outside");
}

static void try_landlock(struct cli_finding *f)
{
	long abi = syscall(444 /* landlock_create_ruleset */, NULL, 0,
			   1U /* LANDLOCK_CREATE_RULESET_VERSION */);

	if (abi < 0)
		found_errno(f, CLI_PROBE_MISSING, "Landlock");
	else if (abi < ABI_OF_SCOPES)
		cli_probe_found(f, CLI_PROBE_LIMITED, "ABI %ld, full from %d on", abi,
				ABI_OF_SCOPES);
	else
		cli_probe_found(f, CLI_PROBE_OK, "ABI %ld", abi);
}

/* As a run makes one, with every limit; nobody is put into it. */
static void try_cgroup(struct cli_finding *f)
{
	static const char *const names[CGROUP_LIMITS] = {
		[CGROUP_LIMIT_MEMORY] = "memory", [CGROUP_LIMIT_SWAP] = "swap",
		[CGROUP_LIMIT_CPU] = "cpu",       [CGROUP_LIMIT_PIDS] = "pids",
		[CGROUP_LIMIT_READ] = "read",     [CGROUP_LIMIT_WRITE] = "write",
	};
	/* far more than this process has or uses */
	static const uint64_t limits[CGROUP_LIMITS] = {
		[CGROUP_LIMIT_MEMORY] = 1ULL << 40, [CGROUP_LIMIT_SWAP] = 1ULL << 40,
		[CGROUP_LIMIT_CPU] = 100,           [CGROUP_LIMIT_PIDS] = 4096,
		[CGROUP_LIMIT_READ] = 1ULL << 40,   [CGROUP_LIMIT_WRITE] = 1ULL << 40,
	};
	char name[48], held[96] = "";
	struct cgroup *g;
	size_t len = 0;
	bool all = true;

	(void)snprintf(name, sizeof(name), "telltale-doctor-%d", (int)getpid());
	g = cgroup_make("", name, limits);
	if (!g) {
		cli_probe_found(f, CLI_PROBE_MISSING, "out of memory");
		return;
	}
	for (unsigned i = 0; i < CGROUP_LIMITS; i++) {
		if (cgroup_limit_source(g, i))
			len += (size_t)snprintf(held + len, sizeof(held) - len, " %s", names[i]);
		else if (i == CGROUP_LIMIT_MEMORY || i == CGROUP_LIMIT_CPU ||
			 i == CGROUP_LIMIT_PIDS)
			all = false;
	}
	if (cgroup_has_memory(g))
		cli_probe_found(f, all ? CLI_PROBE_OK : CLI_PROBE_LIMITED,
				"exact memory; limits:%s", len ? held : " none");
	else
		cli_probe_found(f, len ? CLI_PROBE_LIMITED : CLI_PROBE_MISSING, "%s; limits:%s",
				cgroup_reason(g) ? cgroup_reason(g) : "no memory controller",
				len ? held : " none");
	cgroup_free(g);
}

/* The counter as a run has it: it tries itself out on a child of its own. */
static void try_counter(struct cli_finding *f)
{
	struct sandbox_count *c;
	struct tt_err err;
	int r = sandbox_count_start(&c, &err);

	if (r < 0) {
		cli_probe_found(f, CLI_PROBE_MISSING, "%s", strerror(-r));
		return;
	}
	cli_probe_found(f, CLI_PROBE_OK, "every system call can be counted, for %.1f us each",
			(double)sandbox_count_finish(c)->cost_ns / 1e3);
	sandbox_count_free(c);
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
	struct tt_pidfd_info info = {.mask = TT_PIDFD_INFO_PID};
	pid_t pid = make_child();
	int fd = pid < 0 ? -1 : (int)syscall(434 /* pidfd_open */, pid, 0);

	if (fd < 0)
		found_errno(f, CLI_PROBE_MISSING, "pidfd_open");
	else if (ioctl(fd, TT_PIDFD_GET_INFO, &info) < 0)
		found_errno(f, CLI_PROBE_LIMITED, "pidfd_open works, PIDFD_GET_INFO");
	else
		cli_probe_found(f, CLI_PROBE_OK, "pidfd_open and PIDFD_GET_INFO");
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
		cli_probe_found(f, CLI_PROBE_OK, "readable, also after the end of a process");
	end_child(pid);
}

static void try_children(struct cli_finding *f)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	if (access(path, R_OK) < 0)
		found_errno(f, CLI_PROBE_LIMITED, path);
	else
		cli_probe_found(f, CLI_PROBE_OK, "the kernel lists the children of a process");
}

static void try_btf(struct cli_finding *f)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
		found_errno(f, CLI_PROBE_MISSING, "/sys/kernel/btf/vmlinux");
	else
		cli_probe_found(f, CLI_PROBE_OK, "/sys/kernel/btf/vmlinux");
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
		cli_probe_found(f, CLI_PROBE_MISSING, "%s", err.text);
		return;
	}
	cli_probe_found(f, CLI_PROBE_OK, "%s", folder);
	/* It is made at the first run: until then its nearest folder that exists must take it. */
	while (access(folder, F_OK) < 0 && errno == ENOENT && (slash = strrchr(folder, '/')) &&
	       slash != folder)
		*slash = '\0';
	if (try_write(folder) < 0)
		cli_probe_found(f, CLI_PROBE_MISSING, "write into '%s': %s", folder,
				strerror(errno));
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
		cli_probe_found(f, CLI_PROBE_LIMITED, "a sealed size can be changed");
	else
		cli_probe_found(f, CLI_PROBE_OK, "shared memory whose size cannot be changed");
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
	{"user namespaces", try_userns, "profiles with a sandbox need root, or --degrade",
	 "allow them: kernel.unprivileged_userns_clone, user.max_user_namespaces, "
	 "or the AppArmor profile",
	 0},
	{"mount_setattr", try_mount_setattr,
	 "profiles with a read-only root need --degrade, which leaves it writable",
	 "Linux 5.12 or later", 0},
	{"seccomp filter", try_seccomp, "profiles with rules about system calls do not run",
	 "a kernel with CONFIG_SECCOMP_FILTER", 0},
	{"seccomp notifier", try_notifier,
	 "profiles with rules about system calls do not run, and nor does --observe",
	 "Linux 5.5 or later, outside of any sandbox that has a listener: one is allowed", 0},
	{"Landlock", try_landlock,
	 "no second wall behind the mounts: profiles that ask for one may need --degrade",
	 "a newer kernel, with Landlock switched on (lsm=landlock,...)", 0},
	{"cgroup", try_cgroup,
	 "what no group holds: memory and CPU time are sampled, some limits cannot be set",
	 "root, or a group of your own (systemd-run --user --scope -p Delegate=yes)", 0},
	{"counting by ptrace", try_counter,
	 "no --count=ptrace, and profile LEARNING learns no system calls",
	 "allow ptrace: kernel.yama.ptrace_scope below 3, or the container's seccomp profile", 0},
	{"BTF", try_btf, "no kernel sensor: its programs cannot adapt to this kernel",
	 "a kernel with CONFIG_DEBUG_INFO_BTF", 0},
	{"eBPF sensor", cli_probe_sensor,
	 "what the kernel sees is not held against what the library tells: static programs and "
	 "direct system calls go unseen",
	 "run as root, or with CAP_BPF and CAP_PERFMON; else telltale run --observe=exec,net", 0},
	{"refused capabilities", cli_probe_capabilities,
	 "capabilities that were asked for and refused are not recorded",
	 "a kernel with the tracepoint cap_capable, or one that lets eBPF programs trace functions",
	 0},
	{"io_uring operations", cli_probe_uring,
	 "of an io_uring only its setup is recorded, not what goes through it",
	 "a kernel with the tracepoint io_uring_submit_req", 0},
	{"proc connector", cli_probe_procconn,
	 "where --observe finds no listener free, processes are known by a walk of /proc alone",
	 "run as root in the machine's own namespaces", 0},
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
		cli_probe_found(
			ret, CLI_PROBE_MISSING,
			"trying it gave no answer within 5 s, or killed the process that tried");
	}
	ret->text[sizeof(ret->text) - 1] = '\0';
	(void)close(fds[0]);
	if (pid > 0)
		end_child(pid);
}
