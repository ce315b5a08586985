/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts, modules, loopback, the proc connector; and the end of the machine. */
#include "init/boot.h"

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/sys.h"
#include "init/say.h"
#include "init/spawn.h"

#define FIRST_PID_NAMESPACE 0xEFFFFFFCu /* its inode: PROC_PID_INIT_INO */
#define SYNC_MS             5000
#define FILES_MAX           524288
#define COMPRESSED_MODULE   4 /* MODULE_INIT_COMPRESSED_FILE */

/* Returns 0 or -errno. A folder that there cannot be is told by mount. */
static int mount_at(const char *type, const char *where, unsigned long flags, const char *options)
{
	(void)mkdir(where, 0755);
	if (mount(type, where, type, flags, options) == 0 || errno == EBUSY)
		return 0; /* EBUSY: the kernel has mounted it itself */
	return -errno;
}

bool init_boot_proc(void)
{
	struct stat st;
	int r = mount_at("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);

	if (r < 0) {
		init_say_error("cannot mount", "/proc", -r);
		return false;
	}
	if (stat("/proc/self/ns/pid", &st) < 0 || st.st_ino != FIRST_PID_NAMESPACE) {
		init_say("this is not a machine's first process: see --cell", NULL);
		return false;
	}
	return true;
}

/* v2, or the parts of v1 that limits need. */
static void mount_cgroups(void)
{
	static const char *const parts[] = {"memory", "pids"};
	const unsigned long plain = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	char path[32] = "/sys/fs/cgroup/";
	size_t len = strlen(path);

	if (mount_at("cgroup2", "/sys/fs/cgroup", plain, NULL) == 0 ||
	    mount_at("tmpfs", "/sys/fs/cgroup", plain, "mode=755") < 0)
		return;
	for (size_t i = 0; i < TT_ARRAY_SIZE(parts); i++) {
		memcpy(path + len, parts[i], strlen(parts[i]) + 1);
		(void)mkdir(path, 0755);
		(void)mount("cgroup", path, "cgroup", plain, parts[i]);
	}
}

static void open_console(void)
{
	int fd;

	if (fcntl(STDIN_FILENO, F_GETFD) >= 0 && fcntl(STDOUT_FILENO, F_GETFD) >= 0 &&
	    fcntl(STDERR_FILENO, F_GETFD) >= 0)
		return;
	fd = open("/dev/console", O_RDWR | O_NOCTTY);
	if (fd < 0)
		fd = open("/dev/null", O_RDWR | O_NOCTTY);
	for (int i = 0; fd >= 0 && i < 3; i++)
		if (fd != i)
			(void)dup2(fd, i);
	if (fd > 2)
		(void)close(fd);
}

void init_boot_mounts(void)
{
	static const struct {
		const char *type, *where;
		unsigned long flags;
		const char *options;
	} mounts[] = {
		{"sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
		{"devtmpfs", "/dev", MS_NOSUID, "mode=755"},
		{"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=620,ptmxmode=666"},
		{"tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777"},
		{"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755"},
		{"tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777"},
	};
	static const char *const links[][2] = {{"/proc/self/fd", "/dev/fd"},
					       {"/proc/self/fd/0", "/dev/stdin"},
					       {"/proc/self/fd/1", "/dev/stdout"},
					       {"/proc/self/fd/2", "/dev/stderr"}};
	int r[TT_ARRAY_SIZE(mounts)];

	for (size_t i = 0; i < TT_ARRAY_SIZE(mounts); i++)
		r[i] = mount_at(mounts[i].type, mounts[i].where, mounts[i].flags,
				mounts[i].options);
	open_console();
	for (size_t i = 0; i < TT_ARRAY_SIZE(mounts); i++)
		if (r[i] < 0)
			init_say_error("cannot mount", mounts[i].where, -r[i]);
	for (size_t i = 0; i < TT_ARRAY_SIZE(links); i++)
		(void)symlink(links[i][0], links[i][1]); /* it is there, or /dev takes none */
	mount_cgroups();
	/* a new machine has 4096 as its hard limit: less than programs expect to be able to have */
	(void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){1024, FILES_MAX});
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

static int load_module(const char *path)
{
	TT_CLEANUP(tt_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	long r;

	if (fd < 0)
		return -errno;
	r = tt_sys3(SYS_finit_module, fd, "", ends_with(path, ".ko") ? 0 : COMPRESSED_MODULE);
	return r == -EEXIST ? 0 : (int)r;
}

int init_boot_modules(const char *paths)
{
	char path[256];

	while (*paths) {
		size_t len = strcspn(paths, ":");
		int r = len < sizeof(path) ? 0 : -ENAMETOOLONG;

		if (r == 0) {
			memcpy(path, paths, len);
			path[len] = '\0';
			r = len ? load_module(path) : 0;
		}
		if (r < 0) {
			init_say_error("cannot load the module", r == -ENAMETOOLONG ? paths : path,
				       -r);
			return -1;
		}
		paths += len + (paths[len] == ':');
	}
	return 0;
}

void init_boot_loopback(void)
{
	TT_CLEANUP(tt_closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		init_say_error("cannot bring up", "lo", errno);
}

/* A disk that does not answer must not keep the machine from ending. */
static void sync_bounded(void)
{
	uint64_t end = init_now_ms() + SYNC_MS;
	pid_t pid = init_spawn(0, 0), got;

	if (pid == 0) {
		sync();
		_exit(0);
	}
	if (pid < 0)
		return sync();
	do {
		got = waitpid(-1, NULL, WNOHANG);
		if (got == 0)
			(void)poll(NULL, 0, 1);
	} while (got >= 0 && got != pid && init_now_ms() < end);
}

/* A machine that has no power switch would halt for ever: a start anew ends it (Firecracker). */
static bool has_power_switch(void)
{
#if defined(__x86_64__)
	return access("/sys/firmware/acpi", F_OK) == 0;
#else
	return true;
#endif
}

void init_boot_end(bool choose, bool restart)
{
	sync_bounded();
	if (choose)
		restart = !has_power_switch();
	(void)reboot(restart ? RB_AUTOBOOT : RB_POWER_OFF);
	(void)reboot(RB_AUTOBOOT);
	for (;;)
		(void)pause();
}
