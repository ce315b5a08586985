/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups in trees that are made up: v1, v2 and hybrid machines, delegated and closed ones. mkdirat
 * is wrapped: like cgroupfs it fills a new folder with files.
 */
#include "cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static char root[64];
static const char *fill[16]; /* "name=contents" */

int __real_mkdirat(int dir, const char *path, mode_t mode);
int __wrap_mkdirat(int dir, const char *path, mode_t mode);
int __real_unlinkat(int dir, const char *path, int flags);
int __wrap_unlinkat(int dir, const char *path, int flags);

static void put_at(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		abort();
	(void)close(fd);
}

int __wrap_mkdirat(int dir, const char *path, mode_t mode)
{
	int r = __real_mkdirat(dir, path, mode), fd;

	fd = r == 0 ? openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	for (size_t i = 0; fd >= 0 && i < 16 && fill[i]; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(fill[i], "="), fill[i]);
		put_at(fd, name, fill[i] + strcspn(fill[i], "=") + 1);
	}
	if (fd >= 0)
		(void)close(fd);
	return r;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

/* cgroupfs takes a group away with its files, if no process and no group is in it. */
int __wrap_unlinkat(int dir, const char *path, int flags)
{
	char full[PATH_MAX], link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	n = readlink(link, full, sizeof(full) - 256);
	if (flags != AT_REMOVEDIR || n < 0)
		return __real_unlinkat(dir, path, flags);
	(void)snprintf(full + n, 256, "/%s", path);
	return nftw(full, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void clear(void)
{
	(void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	memset(fill, 0, sizeof(fill));
}

static void put(const char *path, const char *text)
{
	char full[512];

	(void)mkdir(root, 0755);
	(void)snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		(void)mkdir(full, 0755);
		*p = '/';
	}
	put_at(AT_FDCWD, full, text);
}

static const char *get(const char *path)
{
	static char text[256];
	char full[512];
	ssize_t n;
	int fd;

	(void)snprintf(full, sizeof(full), "%s%s", root, path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		(void)close(fd);
	if (n < 0)
		return NULL;
	text[n] = '\0';
	return text;
}

static bool is_there(const char *path)
{
	char full[512];

	(void)snprintf(full, sizeof(full), "%s%s", root, path);
	return access(full, F_OK) == 0;
}

static void no_limits(uint64_t limits[CGROUP_LIMITS])
{
	for (unsigned i = 0; i < CGROUP_LIMITS; i++)
		limits[i] = CGROUP_NONE;
}

#define V2_FILES                                                                                 \
	"memory.max=max\n", "memory.swap.max=max\n", "cpu.max=max 100000\n", "pids.max=max\n",   \
		"io.max=", "memory.current=8192\n", "memory.peak=409600\n",                      \
		"memory.events=low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n",                       \
		"cpu.stat=usage_usec 30\nuser_usec 20\nsystem_usec 10\n", "pids.events=max 2\n", \
		"cgroup.kill="

static void fill_with(const char *const *files, size_t n)
{
	memcpy(fill, files, n * sizeof(*files));
}

static void v2_tree(const char *self)
{
	put("/proc/self/mountinfo", "24 1 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
	put("/proc/self/cgroup", self);
	put("/proc/swaps", "Filename Type Size Used Priority\n/dev/x partition 1 0 -2\n");
	put("/sys/block/sda/dev", "8:0\n");
	put("/sys/block/loop0/dev", "7:0\n");
	fill_with((const char *[]){V2_FILES}, 11);
}

/* The root group may hold processes and lend controllers, too. */
static void pure_v2_at_the_root(void)
{
	uint64_t limits[CGROUP_LIMITS] = {1 << 20, 0, 150, 8, 1000, 2000};
	struct cgroup_figures f;
	struct cgroup *g;

	v2_tree("0::/\n");
	put("/sys/fs/cgroup/cgroup.procs", "");
	put("/sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n");
	put("/sys/fs/cgroup/cgroup.subtree_control", "cpu io memory pids\n");
	g = cgroup_make(root, "telltale-x", limits);
	CHECK(g && cgroup_fork_fd(g) >= 0);
	CHECK(cgroup_reason(g) == NULL);
	CHECK(cgroup_is_limited(g));
	CHECK_STR(cgroup_limit_source(g, CGROUP_LIMIT_MEMORY), "memory.max");
	CHECK_STR(get("/sys/fs/cgroup/telltale-x/memory.max"), "1048576");
	CHECK_STR(get("/sys/fs/cgroup/telltale-x/memory.swap.max"), "0ax\n"); /* not truncated */
	CHECK_STR(get("/sys/fs/cgroup/telltale-x/cpu.max"), "150000 100000");
	CHECK_STR(get("/sys/fs/cgroup/telltale-x/pids.max"), "8ax\n");
	CHECK_STR(get("/sys/fs/cgroup/telltale-x/io.max"), "8:0 wbps=2000");
	CHECK_INT(cgroup_enter(g), 0);
	CHECK_INT(cgroup_leave(g), 0);
	cgroup_figures(g, &f);
	CHECK_INT(f.user_ns, 20000);
	CHECK_INT(f.system_ns, 10000);
	CHECK_STR(f.cpu_source, "cpu.stat");
	CHECK_INT(f.memory_bytes, 8192);
	CHECK_INT(f.peak_memory_bytes, 409600);
	CHECK_STR(f.memory_source, "memory.peak");
	CHECK_INT(f.oom_kills, 1);
	CHECK_INT(f.memory_refused, 3);
	CHECK_INT(f.pids_refused, 2);
	CHECK(cgroup_kill(g));
	CHECK_STR(get("/sys/fs/cgroup/telltale-x/cgroup.kill"), "1");
	cgroup_free(g);
	CHECK(!is_there("/sys/fs/cgroup/telltale-x"));
	clear();
}

/* Below a group that holds us no controllers can be had: the delegated one above it lends them. */
static void v2_climbs_to_where_controllers_are(void)
{
	uint64_t limits[CGROUP_LIMITS];
	struct cgroup *g;

	no_limits(limits);
	v2_tree("0::/user/app/we\n");
	put("/sys/fs/cgroup/user/app/we/cgroup.procs", "1\n");
	put("/sys/fs/cgroup/user/app/we/cgroup.subtree_control", "\n");
	put("/sys/fs/cgroup/user/app/we/memory.max", "max\n");
	put("/sys/fs/cgroup/user/app/cgroup.procs", "");
	put("/sys/fs/cgroup/user/app/cgroup.subtree_control", "memory pids\n");
	g = cgroup_make(root, "telltale-x", limits);
	CHECK(cgroup_fork_fd(g) >= 0);
	CHECK(is_there("/sys/fs/cgroup/user/app/telltale-x"));
	CHECK(cgroup_has_memory(g));
	CHECK(!cgroup_is_limited(g));
	cgroup_free(g);

	/* but not out of a limit that binds us */
	put("/sys/fs/cgroup/user/app/we/memory.max", "1000000\n");
	g = cgroup_make(root, "telltale-x", limits);
	CHECK(is_there("/sys/fs/cgroup/user/app/we/telltale-x"));
	CHECK(!cgroup_has_memory(g));
	CHECK_STR(cgroup_reason(g), "the group that can be made here has no memory controller");
	cgroup_free(g);
	CHECK(!is_there("/sys/fs/cgroup/user/app/we/telltale-x"));

	/* nor off the CPUs that we are bound to; an empty set binds to none */
	put("/sys/fs/cgroup/user/app/we/memory.max", "max\n");
	put("/sys/fs/cgroup/user/app/we/cpuset.mems", "\n");
	put("/sys/fs/cgroup/user/app/we/cpuset.cpus", "\n");
	g = cgroup_make(root, "telltale-x", limits);
	CHECK(cgroup_has_memory(g));
	cgroup_free(g);
	put("/sys/fs/cgroup/user/app/we/cpuset.cpus", "0-1\n");
	g = cgroup_make(root, "telltale-x", limits);
	CHECK(!cgroup_has_memory(g));
	cgroup_free(g);
	clear();
}

static void v2_limit_without_its_controller(void)
{
	uint64_t limits[CGROUP_LIMITS];
	struct cgroup *g;

	no_limits(limits);
	limits[CGROUP_LIMIT_PIDS] = 4;
	v2_tree("0::/we\n");
	put("/sys/fs/cgroup/we/cgroup.procs", "1\n");
	put("/sys/fs/cgroup/we/cgroup.subtree_control", "memory\n");
	g = cgroup_make(root, "telltale-x", limits);
	CHECK(cgroup_limit_source(g, CGROUP_LIMIT_PIDS) == NULL);
	CHECK(!cgroup_is_limited(g));
	cgroup_free(g);
	clear();
}

static void v1_and_cpu_by_cpuacct(void)
{
	static const char *const files[] = {
		"tasks=",
		"memory.limit_in_bytes=",
		"memory.memsw.limit_in_bytes=",
		"memory.usage_in_bytes=4096\n",
		"memory.max_usage_in_bytes=8192\n",
		"memory.oom_control=oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
		"memory.failcnt=5\n",
		"cpuacct.usage=1000000\n",
		"cpuacct.stat=user 3\nsystem 1\n",
		"pids.max=",
		"pids.events=max 0\n",
	};
	uint64_t limits[CGROUP_LIMITS];
	struct cgroup_figures f;
	struct cgroup *g;

	no_limits(limits);
	limits[CGROUP_LIMIT_MEMORY] = 1000;
	limits[CGROUP_LIMIT_SWAP] = 24;
	limits[CGROUP_LIMIT_CPU] = 10;
	put("/proc/self/mountinfo", "1 0 0:1 / /cg/m rw - cgroup cgroup rw,memory\n"
				    "2 0 0:2 / /cg/a rw - cgroup cgroup rw,cpuacct\n"
				    "3 0 0:3 / /cg/p rw - cgroup cgroup rw,pids\n");
	put("/proc/self/cgroup", "3:memory:/w\n2:cpuacct:/\n1:pids:/\n");
	put("/proc/swaps", "Filename\n/dev/x\n");
	put("/cg/m/w/tasks", "");
	put("/cg/a/tasks", "");
	put("/cg/p/tasks", "");
	fill_with(files, 11);
	g = cgroup_make(root, "telltale-y", limits);
	CHECK_INT(cgroup_fork_fd(g), -1);
	CHECK(!is_there("/cg/p/telltale-y")); /* nobody asked for it */
	CHECK_STR(cgroup_limit_source(g, CGROUP_LIMIT_MEMORY), "memory.limit_in_bytes");
	CHECK_STR(cgroup_limit_source(g, CGROUP_LIMIT_SWAP), "memory.memsw.limit_in_bytes");
	CHECK(cgroup_limit_source(g, CGROUP_LIMIT_CPU) == NULL);
	CHECK_STR(get("/cg/m/w/telltale-y/memory.memsw.limit_in_bytes"), "1024");
	CHECK_INT(cgroup_enter(g), 0);
	CHECK_STR(get("/cg/m/w/telltale-y/tasks"), "0");
	CHECK_STR(get("/cg/a/telltale-y/tasks"), "0");
	CHECK_STR(get("/cg/m/w/tasks"), "");
	/* lifted while we are inside */
	CHECK_STR(get("/cg/m/w/telltale-y/memory.limit_in_bytes"), "-100");
	CHECK_INT(cgroup_leave(g), 0);
	CHECK_STR(get("/cg/m/w/tasks"), "0");
	CHECK_STR(get("/cg/m/w/telltale-y/memory.limit_in_bytes"), "1000");
	cgroup_figures(g, &f);
	CHECK_INT(f.user_ns, 750000);
	CHECK_INT(f.system_ns, 250000);
	CHECK_STR(f.cpu_source, "cpuacct.usage");
	CHECK_INT(f.peak_memory_bytes, 8192);
	CHECK_INT(f.oom_kills, 2);
	CHECK_INT(f.memory_refused, 5);
	CHECK(f.pids_refused == CGROUP_NONE);
	CHECK(!cgroup_kill(g));
	cgroup_free(g);
	CHECK(!is_there("/cg/m/w/telltale-y"));
	CHECK(!is_there("/cg/a/telltale-y"));
	clear();
}

static void nothing_here(void)
{
	uint64_t limits[CGROUP_LIMITS] = {1000, 1000, 1000, 1000, 1000, 1000};
	struct cgroup_figures f;
	struct cgroup *g;

	put("/proc/self/mountinfo", "1 0 0:1 / / rw - ext4 /dev/x rw\n");
	put("/proc/self/cgroup", "0::/\n");
	g = cgroup_make(root, "telltale-z", limits);
	CHECK(g != NULL);
	CHECK_STR(cgroup_reason(g), "no cgroup file system is mounted that shows our group");
	for (unsigned i = 0; i < CGROUP_LIMITS; i++)
		if (i != CGROUP_LIMIT_SWAP)
			CHECK(cgroup_limit_source(g, i) == NULL);
	CHECK_INT(cgroup_enter(g), 0);
	CHECK_INT(cgroup_leave(g), 0);
	cgroup_figures(g, &f);
	CHECK(!f.cpu_source && !f.memory_source && f.oom_kills == CGROUP_NONE);
	CHECK(!cgroup_kill(g));
	cgroup_free(g);
	cgroup_free(NULL);
	clear();
}

/* What a killed recorder left goes; what another one holds, and what is not ours, stays. */
static void leftovers(void)
{
	uint64_t limits[CGROUP_LIMITS];
	char held[128];
	struct cgroup *g;
	int fd;

	no_limits(limits);
	v2_tree("0::/we\n");
	put("/sys/fs/cgroup/we/cgroup.procs", "1\n");
	put("/sys/fs/cgroup/we/telltale-dead/cpu.stat", "");
	put("/sys/fs/cgroup/we/telltale-alive/cpu.stat", "");
	put("/sys/fs/cgroup/we/other/cpu.stat", "");
	(void)snprintf(held, sizeof(held), "%s/sys/fs/cgroup/we/telltale-alive", root);
	fd = open(held, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(flock(fd, LOCK_EX | LOCK_NB), 0);
	g = cgroup_make(root, "telltale-x", limits);
	cgroup_free(g);
	CHECK(!is_there("/sys/fs/cgroup/we/telltale-x"));
	CHECK(!is_there("/sys/fs/cgroup/we/telltale-dead"));
	CHECK(is_there("/sys/fs/cgroup/we/telltale-alive"));
	CHECK(is_there("/sys/fs/cgroup/we/other"));
	(void)close(fd);
	clear();
}

static void contents_that_lie(void)
{
	static const char *const files[] = {"memory.peak=many\n",
					    "memory.current=", "cpu.stat=user_usec 1\nsystem_usec ",
					    "memory.events=oom_kill x\n"};
	uint64_t limits[CGROUP_LIMITS];
	struct cgroup_figures f;
	struct cgroup *g;

	no_limits(limits);
	v2_tree("0::/we\n");
	put("/sys/fs/cgroup/we/cgroup.procs", "1\n");
	put("/sys/fs/cgroup/we/cgroup.subtree_control", "memory\n");
	memset(fill, 0, sizeof(fill));
	fill_with(files, 4);
	g = cgroup_make(root, "telltale-x", limits);
	cgroup_figures(g, &f);
	CHECK(!f.cpu_source && !f.memory_source);
	CHECK(f.memory_bytes == CGROUP_NONE && f.oom_kills == CGROUP_NONE);
	cgroup_free(g);
	clear();
}

int main(void)
{
	(void)snprintf(root, sizeof(root), "/tmp/telltale-cgroup-%d", (int)getpid());
	TAP_RUN(pure_v2_at_the_root);
	TAP_RUN(v2_climbs_to_where_controllers_are);
	TAP_RUN(v2_limit_without_its_controller);
	TAP_RUN(v1_and_cpu_by_cpuacct);
	TAP_RUN(nothing_here);
	TAP_RUN(leftovers);
	TAP_RUN(contents_that_lie);
	return tap_done();
}
