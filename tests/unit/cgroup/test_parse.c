/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of v1, v2 and hybrid machines, whole, cut and hostile. */
#include "cgroup/parse.h"

#include <stdlib.h>

#include "tap.h"

static struct cgroup_place places[CGROUP_PLACES_MAX];

static const char hybrid_mounts[] =
	"22 27 0:21 / /proc rw,relatime - proc proc rw\n"
	"32 28 0:28 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n"
	"33 32 0:29 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw\n"
	"34 32 0:30 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,name=systemd\n"
	"38 32 0:34 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct\n"
	"39 32 0:35 / /sys/fs/cgroup/memory rw shared:16 - cgroup cgroup rw,memory\n"
	"40 32 0:36 / /mnt/a\\040b rw shared:17 master:3 - cgroup cgroup rw,pids\n"
	"41 32 0:35 / /elsewhere rw - cgroup cgroup rw,memory\n";
static const char hybrid_self[] = "12:pids:/user.slice\n"
				  "6:memory:/user.slice/user-0.slice/session-1.scope\n"
				  "4:cpu,cpuacct:/user.slice\n"
				  "1:name=systemd:/user.slice/session-1.scope\n"
				  "0::/user.slice/session-1.scope\n";

static void hybrid(void)
{
	size_t n = cgroup_parse_places(hybrid_mounts, hybrid_self, places, CGROUP_PLACES_MAX);

	CHECK_INT(n, 4);
	CHECK(places[0].v2);
	CHECK_STR(places[0].own, "/sys/fs/cgroup/unified/user.slice/session-1.scope");
	CHECK_INT(places[0].mount_len, strlen("/sys/fs/cgroup/unified"));
	CHECK_INT(places[1].controllers, CGROUP_CPU | CGROUP_CPUACCT);
	CHECK_STR(places[1].own, "/sys/fs/cgroup/cpu,cpuacct/user.slice");
	CHECK_INT(places[2].controllers, CGROUP_MEMORY);
	CHECK_STR(places[2].own, "/sys/fs/cgroup/memory/user.slice/user-0.slice/session-1.scope");
	CHECK_STR(places[3].own, "/mnt/a b/user.slice");
	CHECK_INT(cgroup_parse_places(hybrid_mounts, hybrid_self, places, 2), 2);
}

static void pure_v2(void)
{
	CHECK_INT(cgroup_parse_places("24 1 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
				      "0::/\n", places, CGROUP_PLACES_MAX),
		  1);
	CHECK(places[0].v2);
	CHECK_STR(places[0].own, "/sys/fs/cgroup");
}

/* A container: its mount shows the hierarchy from its own group on. */
static void mounted_from_below(void)
{
	static const char mounts[] =
		"7 1 0:22 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
		"8 1 0:23 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";

	CHECK_INT(cgroup_parse_places(mounts, "5:memory:/docker/abc/x\n0::/docker/abc\n", places,
				      CGROUP_PLACES_MAX),
		  2);
	CHECK_STR(places[0].own, "/sys/fs/cgroup");
	CHECK_STR(places[1].own, "/sys/fs/cgroup/memory/x");
	/* our group is not in what the mount shows */
	CHECK_INT(cgroup_parse_places(mounts, "5:memory:/docker/abcd\n0::/\n", places,
				      CGROUP_PLACES_MAX),
		  0);
	CHECK_INT(cgroup_parse_places("7 1 0:22 / /c ro - cgroup2 cgroup rw\n", "0::/../x\n",
				      places, CGROUP_PLACES_MAX),
		  0);
}

static void cut_and_hostile(void)
{
	char *copy;
	size_t whole = strlen(hybrid_mounts), most = 0;

	/* cut at every byte: never more, never beyond the end */
	for (size_t len = 0; len <= whole; len++) {
		size_t n;

		copy = strndup(hybrid_mounts, len);
		n = cgroup_parse_places(copy, hybrid_self, places, CGROUP_PLACES_MAX);
		CHECK(n >= most && n <= 4);
		most = n;
		free(copy);
	}
	for (size_t len = 0; len <= strlen(hybrid_self); len++) {
		copy = strndup(hybrid_self, len);
		CHECK(cgroup_parse_places(hybrid_mounts, copy, places, CGROUP_PLACES_MAX) <= 4);
		free(copy);
	}
	CHECK_INT(cgroup_parse_places("1 2 3 / /c rw - cgroup2 c\n", "0::/\n", places, 4), 0);
	CHECK_INT(cgroup_parse_places("1 2 3 / /c rw - cgroup2 c rw\n", "0::x\n", places, 4), 0);
	CHECK_INT(cgroup_parse_places("1 2 3 / /c rw - cgroup2 c rw\n", "0::/", places, 4), 0);
	copy = malloc(3 * PATH_MAX);
	memset(copy, 'a', 3 * PATH_MAX);
	memcpy(copy, "0::/", 4);
	copy[3 * PATH_MAX - 2] = '\n';
	copy[3 * PATH_MAX - 1] = '\0';
	CHECK_INT(cgroup_parse_places("1 2 3 / /c rw - cgroup2 c rw\n", copy, places, 4), 0);
	free(copy);
}

static void controllers(void)
{
	CHECK_INT(cgroup_parse_controllers("cpuset cpu io memory hugetlb pids rdma\n"),
		  CGROUP_CPU | CGROUP_IO | CGROUP_MEMORY | CGROUP_PIDS);
	CHECK_INT(cgroup_parse_controllers(""), 0);
	CHECK_INT(cgroup_parse_controllers("\n"), 0);
	CHECK_INT(cgroup_parse_controllers("memory"), CGROUP_MEMORY);
	CHECK_INT(cgroup_parse_controllers("memoryx xmemory"), 0);
}

static void numbers(void)
{
	uint64_t v = 7;

	CHECK_INT(cgroup_parse_number("4096\n", &v), 0);
	CHECK_INT(v, 4096);
	CHECK_INT(cgroup_parse_number("max\n", &v), 0);
	CHECK(v == UINT64_MAX);
	v = 7;
	for (size_t i = 0; i < 6; i++)
		CHECK_INT(cgroup_parse_number((const char *[]){"", "\n", "-1\n", "12x\n", " 3\n",
							       "99999999999999999999\n"}[i],
					      &v),
			  -EBADMSG);
	CHECK_INT(v, 7);
}

static void keys(void)
{
	static const char stat[] = "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr 9";
	uint64_t v = 7;

	CHECK_INT(cgroup_parse_key(stat, "user_usec", &v), 0);
	CHECK_INT(v, 20);
	CHECK_INT(cgroup_parse_key(stat, "usec", &v), -ENOENT);
	CHECK_INT(cgroup_parse_key(stat, "user", &v), -ENOENT);
	/* cut in the middle of a number */
	CHECK_INT(cgroup_parse_key(stat, "nr", &v), -EBADMSG);
	CHECK_INT(cgroup_parse_key("a -3\n", "a", &v), -EBADMSG);
	CHECK_INT(cgroup_parse_key("a 3 4\n", "a", &v), -EBADMSG);
	CHECK_INT(cgroup_parse_key("", "a", &v), -ENOENT);
	CHECK_INT(v, 20);
}

int main(void)
{
	TAP_RUN(hybrid);
	TAP_RUN(pure_v2);
	TAP_RUN(mounted_from_below);
	TAP_RUN(cut_and_hostile);
	TAP_RUN(controllers);
	TAP_RUN(numbers);
	TAP_RUN(keys);
	return tap_done();
}
