/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that gives itself another "/". Run in a folder that holds jail/in; roots.py knows what
 * the trace must say.
 *
 *	roots_probe chroot	and paths of every kind from there, in a fork as well
 *	roots_probe lost	a cwd outside of the root, and a root from there
 *	roots_probe pivot	pivot_root to a tmpfs
 *	roots_probe setns	to a mount namespace
 *	roots_probe exec	another program in a root that looks like the old one
 *	roots_probe file	that program: looks for /roots-probe
 */
/* open() is open() here, not open64() */
#undef _FILE_OFFSET_BITS

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int pivot_root(const char *new_root, const char *put_old);

static int must(const char *what, int r)
{
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", what, strerror(errno));
		_exit(errno == EPERM ? 77 : 1);
	}
	return r;
}

#define MUST(call) must(#call, call)

static void touch(const char *path)
{
	close(MUST(open(path, O_WRONLY | O_CREAT, 0600)));
}

static void in_jail(void)
{
	int dir = MUST(open("jail/in", O_RDONLY | O_DIRECTORY));

	MUST(chroot("jail"));
	touch("/one");
	touch("jail/two"); /* the cwd is still outside */
	MUST(chdir("/"));
	touch("three");
	touch("../../four");
	touch("/../in/five");
	touch("in/../six");
	touch("in/../../seven"); /* "/.." is "/": no text says that */
	MUST(rename("/one", "in/one"));
	MUST(symlink("/in", "/eight"));
	close(MUST(openat(dir, "five", O_RDONLY)));
	(void)!access("/none", F_OK);
	(void)!open("/proc/none", O_RDONLY);
	if (fork() == 0) {
		touch("/nine");
		_exit(0);
	}
	wait(NULL);
	MUST(chdir("in"));
	MUST(chroot("."));
	touch("/ten");
	touch("eleven");
}

static void lost(void)
{
	MUST(chdir("jail"));
	MUST(chroot("in"));
	MUST(chdir(".")); /* getcwd(3) knows no name for it */
	touch("one");
	MUST(chroot("."));
	touch("/two");
	MUST(chdir("/"));
	touch("three");
}

static void private_mounts(void)
{
	MUST(unshare(CLONE_NEWNS));
	MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

static void pivot(void)
{
	private_mounts();
	MUST(mount("none", "jail", "tmpfs", 0, NULL));
	MUST(mkdir("jail/old", 0700));
	MUST(chdir("jail"));
	MUST(pivot_root(".", "old"));
	touch("/one");
	touch("two");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "chroot") == 0) {
		in_jail();
	} else if (strcmp(what, "lost") == 0) {
		lost();
	} else if (strcmp(what, "pivot") == 0) {
		pivot();
	} else if (strcmp(what, "setns") == 0) {
		MUST(unshare(CLONE_NEWNS | CLONE_FS));
		MUST(setns(MUST(open("/proc/self/ns/mnt", O_RDONLY)), CLONE_NEWNS));
		(void)!open("/roots-probe", O_RDONLY);
		(void)!open("roots-probe", O_RDONLY);
		MUST(chdir("/tmp"));
		(void)!open("roots-probe", O_RDONLY);
	} else if (strcmp(what, "exec") == 0) {
		private_mounts();
		MUST(mount("/", "jail", NULL, MS_BIND | MS_REC, NULL));
		MUST(chroot("jail"));
		MUST(chdir("/tmp"));
		execv(argv[0], (char *[]){argv[0], (char *)"file", NULL});
		must("execv", -1);
	} else if (strcmp(what, "file") == 0) {
		(void)!openat(MUST(open("/tmp", O_PATH)), "roots-probe", O_RDONLY);
		(void)!open("/roots-probe", O_RDONLY);
		(void)!open("roots-probe", O_RDONLY);
	} else {
		return 2;
	}
	return 0;
}
