/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the workload sees of the machine: its own processes, few devices, and nothing of the
 * kernel's to write to.
 *
 *	/dev   a small one of its own; whatever was there lies under it
 *	...    nosuid and nodev on every mount; file systems of the kernel's (cgroups, tracing,
 *	       bpf) are covered wherever they are, and so is any other proc or sysfs
 *	/sys   read-only, the firmware's folders covered
 *	/proc  sys, bus, fs, irq and driver read-only; files that tell of the kernel or stop it
 *	       covered; processes of other users are not there at all
 *
 * What a kernel was not built with needs no cover: ENOENT is no failure.
 */
#include "init/gate_internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define COVER "nr_inodes=1,size=4k,mode=0555"

static const struct device {
	const char *path;
	unsigned major, minor;
} devices[] = {
	{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
	{"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
};

static const struct link {
	const char *path, *target;
} links[] = {
	{"/dev/ptmx", "pts/ptmx"},          {"/dev/fd", "/proc/self/fd"},
	{"/dev/stdin", "/proc/self/fd/0"},  {"/dev/stdout", "/proc/self/fd/1"},
	{"/dev/stderr", "/proc/self/fd/2"},
};

/* File systems through which the kernel is steered or looked into. */
static const char *const kernel_types[] = {
	"cgroup",     "cgroup2",     "tracefs",   "debugfs",    "bpf",
	"securityfs", "configfs",    "pstore",    "efivarfs",   "fusectl",
	"nfsd",       "binfmt_misc", "selinuxfs", "rpc_pipefs", "resctrl",
};

static const char *const read_only[] = {"/proc/sys", "/proc/bus", "/proc/fs", "/proc/irq",
					"/proc/driver"};

static const char *const covered[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/iomem",
	"/proc/ioports",
	"/proc/kallsyms",
	"/proc/kcore",
	"/proc/key-users",
	"/proc/keys",
	"/proc/kmsg",
	"/proc/kpagecgroup",
	"/proc/kpagecount",
	"/proc/kpageflags",
	"/proc/latency_stats",
	"/proc/mtrr",
	"/proc/sched_debug",
	"/proc/scsi",
	"/proc/slabinfo",
	"/proc/sysrq-trigger",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/proc/vmallocinfo",
	"/sys/firmware",
	"/sys/fs/pstore",
	"/sys/kernel/debug",
	"/sys/kernel/tracing",
	"/sys/kernel/security",
	"/sys/fs/bpf",
	"/sys/fs/cgroup",
	"/sys/devices/virtual/powercap",
};

static int mount_at(const char *what, const char *path, const char *type, unsigned long flags,
		    const char *data)
{
	return mount(what, path, type, flags, data) < 0 ? -errno : 0;
}

static bool is_missing(int r)
{
	return r == -ENOENT || r == -ENOTDIR;
}

/* Nothing where something was: an empty folder, or a file that is always at its end. */
static int cover(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -ENOENT;
	if (S_ISDIR(st.st_mode))
		return mount_at("none", path, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
				COVER);
	return mount_at("/dev/null", path, NULL, MS_BIND, NULL);
}

static int make_read_only(const char *path)
{
	int r = mount_at(path, path, NULL, MS_BIND | MS_REC, NULL);

	if (r < 0)
		return r;
	return mount_at(NULL, path, NULL,
			MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/* Made with the modes that are asked for, whatever the umask is. */
static int fill_dev(void)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(devices); i++)
		if (mknod(devices[i].path, S_IFCHR, makedev(devices[i].major, devices[i].minor)) <
			    0 ||
		    chmod(devices[i].path, 0666) < 0)
			return -errno;
	for (size_t i = 0; i < TT_ARRAY_SIZE(links); i++)
		if (symlink(links[i].target, links[i].path) < 0)
			return -errno;
	if (mkdir("/dev/pts", 0755) < 0 || chmod("/dev/pts", 0755) < 0 ||
	    mkdir("/dev/shm", 0755) < 0)
		return -errno;
	return 0;
}

static int make_dev(void)
{
	int r;

	if (mkdir("/dev", 0755) < 0 && errno != EEXIST)
		return -errno;
	r = mount_at("dev", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k");
	if (r == 0)
		r = fill_dev();
	if (r == 0)
		r = mount_at("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
			     "newinstance,ptmxmode=0666,mode=0620");
	if (r == -ENODEV) /* a kernel without pseudo-terminals */
		r = 0;
	if (r == 0)
		r = mount_at("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
			     "mode=1777");
	if (r == 0) /* devices can be written to all the same */
		r = mount_at(NULL, "/dev", NULL,
			     MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC, NULL);
	return r;
}

/* One line of mountinfo, proc(5): cut in place, the path as it is called. */
struct mounted {
	char *path, *options, *type;
};

static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++, out++) {
		if (s[0] == '\\' && s[1] && s[2] && s[3]) {
			*out = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*out = *s;
		}
	}
	*out = '\0';
}

static char *next_word(char **line)
{
	char *word = *line, *end = strchr(word, ' ');

	if (end)
		*end++ = '\0';
	*line = end ? end : word + strlen(word);
	return word;
}

static void read_line(char *line, struct mounted *ret)
{
	for (int i = 0; i < 4; i++) /* number, parent, device, root */
		(void)next_word(&line);
	ret->path = next_word(&line);
	ret->options = next_word(&line);
	while (*line && strcmp(next_word(&line), "-") != 0)
		;
	ret->type = next_word(&line);
	unescape(ret->path);
}

static unsigned long flags_of(char *options)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} names[] = {
		{"ro", MS_RDONLY},         {"nosuid", MS_NOSUID},
		{"nodev", MS_NODEV},       {"noexec", MS_NOEXEC},
		{"noatime", MS_NOATIME},   {"nodiratime", MS_NODIRATIME},
		{"relatime", MS_RELATIME}, {"nosymfollow", 256 /* MS_NOSYMFOLLOW */},
	};
	unsigned long flags = 0;

	for (char *at = options, *end; *at; at = end) {
		end = strchr(at, ',');
		if (end)
			*end++ = '\0';
		else
			end = at + strlen(at);
		for (size_t i = 0; i < TT_ARRAY_SIZE(names); i++)
			if (strcmp(at, names[i].name) == 0)
				flags |= names[i].flag;
	}
	return flags;
}

static bool is_kernel_type(const char *type)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(kernel_types); i++)
		if (strcmp(type, kernel_types[i]) == 0)
			return true;
	return false;
}

static int settle_mount(struct mounted *m)
{
	unsigned long flags = flags_of(m->options) | MS_REMOUNT | MS_BIND | MS_NOSUID;
	bool other_proc = strcmp(m->type, "proc") == 0 && strcmp(m->path, "/proc") != 0;
	bool other_sys = strcmp(m->type, "sysfs") == 0 && strcmp(m->path, "/sys") != 0;
	int r;

	/* ours, and what lies under it */
	if (strcmp(m->path, "/dev") == 0 || strncmp(m->path, "/dev/", 5) == 0)
		return 0;
	if (other_proc || other_sys || is_kernel_type(m->type))
		r = cover(m->path);
	else
		r = mount_at(NULL, m->path, NULL, flags | MS_NODEV, NULL);
	/* EINVAL: nothing is mounted there as seen from here, as another mount lies over it */
	return is_missing(r) || r == -EINVAL ? 0 : r;
}

/* All mounts. The longest line fits into the buffer. Those that are made meanwhile come last. */
static int settle_mounts(void)
{
	static char buf[16384];
	TT_CLEANUP(tt_closep) int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf + have, sizeof(buf) - have)) > 0) {
		char *line = buf, *end;

		have += (size_t)n;
		while ((end = memchr(line, '\n', have - (size_t)(line - buf)))) {
			struct mounted m;
			int r;

			*end = '\0';
			read_line(line, &m);
			r = settle_mount(&m);
			if (r < 0)
				return r;
			line = end + 1;
		}
		have -= (size_t)(line - buf);
		memmove(buf, line, have);
	}
	if (n < 0)
		return -errno;
	return have ? -EOVERFLOW : 0;
}

static int settle_sys(void)
{
	int r = mount_at(NULL, "/sys", NULL,
			 MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);

	/* EINVAL: a folder without sysfs */
	return is_missing(r) || r == -EINVAL ? 0 : r;
}

static int settle_proc(void)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(read_only); i++) {
		int r = make_read_only(read_only[i]);

		if (r < 0 && !is_missing(r))
			return r;
	}
	for (size_t i = 0; i < TT_ARRAY_SIZE(covered); i++) {
		int r = cover(covered[i]);

		if (r < 0 && !is_missing(r))
			return r;
	}
	return mount_at("proc", "/proc", "proc", MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC,
			"hidepid=2");
}

int init_gate_view(const struct gate_options *o, enum gate_step *ret_step)
{
	int r = mount_at(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);

	(void)o; /* the same for every workload */
	*ret_step = GATE_VIEW;
	if (r == 0)
		r = make_dev();
	if (r == 0)
		r = settle_mounts();
	if (r == 0)
		r = settle_sys();
	if (r == 0)
		r = settle_proc();
	return r;
}
