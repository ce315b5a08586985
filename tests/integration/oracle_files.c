/* SPDX-License-Identifier: Apache-2.0 */
/* The oracle's calls on names, modes, temporary files and identities. */
/* truncate() and truncate64() are two functions here */
#undef _FILE_OFFSET_BITS

#include <dirent.h>
#include <grp.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>

#include "oracle.h"

int pivot_root(const char *new_root, const char *put_old);

/* What depends on rights and on the file system: the error that it gave, or none. */
#define ERROR(r) .error = (r) < 0 ? last_errno : 0

static void make(const char *name)
{
	int fd = CALL(creat(name, 0600));

	must(fd >= 0, "creat");
	want("creat", fd, ALSO(join(name)), name, "0600", NULL);
	close(fd);
}

static void drop(const char *name)
{
	int r = CALL(unlink(name));

	must(r == 0, "unlink");
	want("unlink", r, ALSO(join(name)), name, NULL);
}

static int folder(const char *name)
{
	int r = CALL(mkdir(name, 0755)), dir;

	must(r == 0, "mkdir");
	want("mkdir", r, ALSO(join(name)), name, "0755", NULL);
	dir = CALL(open(name, O_PATH));
	want("open", dir, ALSO(join(name)), name, "O_PATH", NULL);
	return dir;
}

static void drop_folder(const char *name, int dir)
{
	int r = CALL(rmdir(name));

	must(r == 0, "rmdir");
	want("rmdir", r, ALSO(join(name)), name, NULL);
	close(dir);
}

static void links_at(int dir)
{
	int r;

	make("d/a");
	r = CALL(linkat(dir, "a", AT_FDCWD, "b", 0));
	want("linkat", r, ALSO(join("d/a"), join("b")), FD(dir), "a", "AT_FDCWD", "b", "0", NULL);
	r = CALL(linkat(dir, "a", dir, "a", AT_SYMLINK_FOLLOW));
	want("linkat", r, ALSO(join("d/a"), join("d/a"), .error = EEXIST), FD(dir), "a", FD(dir),
	     "a", "AT_SYMLINK_FOLLOW", NULL);
	r = CALL(linkat(777, "a", dir, null, 0));
	want("linkat", r, ALSO(.error = last_errno), "fd:777", "a", FD(dir), "NULL", "0", NULL);
	r = CALL(symlinkat("a", dir, "l"));
	want("symlinkat", r, ALSO(join("d/l")), "a", FD(dir), "l", NULL);
	r = CALL(symlinkat("a", AT_FDCWD, "b"));
	want("symlinkat", r, ALSO(join("b"), .error = EEXIST), "a", "AT_FDCWD", "b", NULL);
	r = CALL(mkdirat(dir, "e", 0711));
	want("mkdirat", r, ALSO(join("d/e")), FD(dir), "e", "0711", NULL);
	r = CALL(mkdirat(AT_FDCWD, "none/e", 0711));
	want("mkdirat", r, ALSO(join("none/e"), .error = ENOENT), "AT_FDCWD", "none/e", "0711",
	     NULL);
	r = CALL(rmdir("d/e"));
	want("rmdir", r, ALSO(join("d/e")), "d/e", NULL);
	drop("d/l");
	drop("d/a");
	drop("b");
}

static void nodes(int dir)
{
	int r;

	r = CALL(mkfifo("p", 0640));
	want("mkfifo", r, ALSO(join("p")), "p", "0640", NULL);
	r = CALL(mkfifo("p", 0640));
	want("mkfifo", r, ALSO(join("p"), .error = EEXIST), "p", "0640", NULL);
	drop("p");
	r = CALL(mkfifoat(dir, "p", 0600));
	want("mkfifoat", r, ALSO(join("d/p")), FD(dir), "p", "0600", NULL);
	r = CALL(mkfifoat(777, "p", 0600));
	want("mkfifoat", r, ALSO(.error = EBADF), "fd:777", "p", "0600", NULL);
	drop("d/p");
	r = CALL(mknod("n", S_IFREG | 0600, 0));
	want("mknod", r, ALSO(join("n")), "n", "S_IFREG|0600", "0:0", NULL);
	r = CALL(mknod("n", S_IFCHR | 0666, makedev(1, 3)));
	want("mknod", r, ALSO(join("n"), .error = last_errno), "n", "S_IFCHR|0666", "1:3", NULL);
	drop("n");
	r = CALL(mknodat(dir, "n", S_IFIFO | 0600, 0));
	want("mknodat", r, ALSO(join("d/n")), FD(dir), "n", "S_IFIFO|0600", "0:0", NULL);
	r = CALL(mknodat(AT_FDCWD, null, 0600, 0));
	want("mknodat", r, ALSO(.error = EFAULT), "AT_FDCWD", "NULL", "0600", "0:0", NULL);
	drop("d/n");
}

static void lengths(void)
{
	int fd, r;

	make("f");
	fd = CALL(open("f", O_RDWR));
	want("open", fd, ALSO(join("f")), "f", "O_RDWR", NULL);
	r = CALL(truncate("f", 100));
	want("truncate", r, ALSO(join("f")), "f", "100", NULL);
	r = CALL(truncate("f", -1));
	want("truncate", r, ALSO(join("f"), .error = EINVAL), "f", "-1", NULL);
	r = CALL(truncate64("f", 5000000000));
	want("truncate64", r, ALSO(join("f")), "f", "5000000000", NULL);
	r = CALL(truncate64("none", 0));
	want("truncate64", r, ALSO(join("none"), .error = ENOENT), "none", "0", NULL);
	r = CALL(ftruncate(fd, 7));
	want("ftruncate", r, ALSO(NULL), FD(fd), "7", NULL);
	r = CALL(ftruncate(777, 7));
	want("ftruncate", r, ALSO(.error = EBADF), "fd:777", "7", NULL);
	r = CALL(ftruncate64(fd, 0));
	want("ftruncate64", r, ALSO(NULL), FD(fd), "0", NULL);
	r = CALL(ftruncate64(fd, -7));
	want("ftruncate64", r, ALSO(.error = EINVAL), FD(fd), "-7", NULL);
	close(fd);
}

static void modes(int dir, int fd)
{
	int r;

	r = CALL(chmod("f", 0604));
	want("chmod", r, ALSO(join("f")), "f", "0604", NULL);
	r = CALL(chmod("none", 0600));
	want("chmod", r, ALSO(join("none"), .error = ENOENT), "none", "0600", NULL);
	r = CALL(fchmod(fd, 04700));
	want("fchmod", r, ALSO(NULL), FD(fd), "04700", NULL);
	r = CALL(fchmod(-1, 0700));
	want("fchmod", r, ALSO(.error = EBADF), "fd:-1", "0700", NULL);
	r = CALL(fchmodat(dir, "../f", 0600, 0));
	want("fchmodat", r, ALSO(join("f")), FD(dir), "../f", "0600", "0", NULL);
	r = CALL(fchmodat(AT_FDCWD, "f", 0600, AT_REMOVEDIR));
	want("fchmodat", r, ALSO(join("f"), .error = EINVAL), "AT_FDCWD", "f", "0600", "0x200",
	     NULL);
	r = CALL(chown("f", (uid_t)-1, getgid()));
	want("chown", r, ALSO(join("f")), "f", "-1", num("", getgid()), NULL);
	r = CALL(chown("none", 0, 0));
	want("chown", r, ALSO(join("none"), .error = ENOENT), "none", "0", "0", NULL);
	r = CALL(lchown("f", getuid(), (gid_t)-1));
	want("lchown", r, ALSO(join("f")), "f", num("", getuid()), "-1", NULL);
	r = CALL(lchown(null, 0, 0));
	want("lchown", r, ALSO(.error = EFAULT), "NULL", "0", "0", NULL);
	r = CALL(fchown(fd, (uid_t)-1, (gid_t)-1));
	want("fchown", r, ALSO(NULL), FD(fd), "-1", "-1", NULL);
	r = CALL(fchown(777, 1, 2));
	want("fchown", r, ALSO(.error = EBADF), "fd:777", "1", "2", NULL);
	r = CALL(fchownat(fd, "", getuid(), (gid_t)-1, AT_EMPTY_PATH));
	want("fchownat", r, ALSO(join("f")), FD(fd), "", num("", getuid()), "-1", "AT_EMPTY_PATH",
	     NULL);
	r = CALL(fchownat(dir, "none", 1, 2, AT_SYMLINK_NOFOLLOW));
	want("fchownat", r, ALSO(join("d/none"), .error = ENOENT), FD(dir), "none", "1", "2",
	     "AT_SYMLINK_NOFOLLOW", NULL);
}

static void times(int dir, int fd)
{
	struct timespec at[2] = {{1000000000, 123456789}, {0, UTIME_OMIT}};
	struct timeval val[2] = {{1, 2}, {3, 400000}};
	int r;

	r = CALL(utimensat(dir, "../f", at, 0));
	want("utimensat", r, ALSO(join("f")), FD(dir), "../f", "1000000000.123456789, UTIME_OMIT",
	     "0", NULL);
	at[1].tv_nsec = -5;
	r = CALL(utimensat(AT_FDCWD, "f", at, AT_SYMLINK_NOFOLLOW));
	want("utimensat", r, ALSO(join("f"), .error = EINVAL), "AT_FDCWD", "f",
	     "1000000000.123456789, 0.-5", "AT_SYMLINK_NOFOLLOW", NULL);
	r = CALL(futimens(fd, NULL));
	want("futimens", r, ALSO(NULL), FD(fd), "NULL", NULL);
	at[0].tv_nsec = at[1].tv_nsec = UTIME_NOW;
	r = CALL(futimens(777, at));
	want("futimens", r, ALSO(.error = EBADF), "fd:777", "UTIME_NOW, UTIME_NOW", NULL);
	r = CALL(utimes("f", val));
	want("utimes", r, ALSO(join("f")), "f", "1.000002, 3.400000", NULL);
	r = CALL(utimes("none", NULL));
	want("utimes", r, ALSO(join("none"), .error = ENOENT), "none", "NULL", NULL);
}

static void attributes(int fd)
{
	int r;

	r = CALL(setxattr("f", "user.a", "secret", 6, XATTR_CREATE));
	want("setxattr", r, ALSO(join("f"), ERROR(r)), "f", "user.a", "6", "XATTR_CREATE", NULL);
	r = CALL(setxattr("none", "user.a", "secret", 6, 0));
	want("setxattr", r, ALSO(join("none"), .error = ENOENT), "none", "user.a", "6", "0", NULL);
	r = CALL(lsetxattr("f", "user.b", NULL, 0, 0));
	want("lsetxattr", r, ALSO(join("f"), ERROR(r)), "f", "user.b", "0", "0", NULL);
	r = CALL(lsetxattr("f", "nonsense", "", 0, 0));
	want("lsetxattr", r, ALSO(join("f"), .error = last_errno), "f", "nonsense", "0", "0", NULL);
	r = CALL(fsetxattr(fd, "user.c", "x", 1, XATTR_REPLACE));
	want("fsetxattr", r, ALSO(.error = last_errno), FD(fd), "user.c", "1", "XATTR_REPLACE",
	     NULL);
	r = CALL(fsetxattr(fd, "user.c", "x", 1, 0));
	want("fsetxattr", r, ALSO(NULL, ERROR(r)), FD(fd), "user.c", "1", "0", NULL);
	r = CALL(removexattr("f", "user.a"));
	want("removexattr", r, ALSO(join("f"), ERROR(r)), "f", "user.a", NULL);
	r = CALL(removexattr("f", "user.a"));
	want("removexattr", r, ALSO(join("f"), .error = last_errno), "f", "user.a", NULL);
	r = CALL(lremovexattr("f", "user.b"));
	want("lremovexattr", r, ALSO(join("f"), ERROR(r)), "f", "user.b", NULL);
	r = CALL(lremovexattr(null, "user.b"));
	want("lremovexattr", r, ALSO(.error = EFAULT), "NULL", "user.b", NULL);
	r = CALL(fremovexattr(fd, "user.c"));
	want("fremovexattr", r, ALSO(NULL, ERROR(r)), FD(fd), "user.c", NULL);
	r = CALL(fremovexattr(777, "user.c"));
	want("fremovexattr", r, ALSO(.error = EBADF), "fd:777", "user.c", NULL);
}

/* The name that was made is the path, the template the argument. */
static void made(const char *call, int fd, char *name, const char *template, const char *one,
		 const char *two)
{
	must(fd >= 0 && strcmp(name, template) != 0, call);
	want(call, fd, ALSO(join(name)), template, one, two, NULL);
	close(fd);
	drop(name);
	strcpy(name, template);
}

static void temporary(void)
{
	char t[] = "d/tXXXXXX", s[] = "tXXXXXX.c", d[] = "mXXXXXX", bad[] = "tXXXXX";
	char none[] = "none/tXXXXXX", *dir;
	int fd;

	made("mkstemp", CALL(mkstemp(t)), t, "d/tXXXXXX", NULL, NULL);
	fd = CALL(mkstemp(none));
	want("mkstemp", fd, ALSO(join("none/tXXXXXX"), .error = ENOENT), "none/tXXXXXX", NULL);
	made("mkstemp64", CALL(mkstemp64(t)), t, "d/tXXXXXX", NULL, NULL);
	fd = CALL(mkstemp64(bad));
	want("mkstemp64", fd, ALSO(join("tXXXXX"), .error = EINVAL), "tXXXXX", NULL);
	made("mkostemp", CALL(mkostemp(t, O_CLOEXEC)), t, "d/tXXXXXX", "O_CLOEXEC", NULL);
	fd = CALL(mkostemp(bad, 0));
	want("mkostemp", fd, ALSO(join("tXXXXX"), .error = EINVAL), "tXXXXX", "0", NULL);
	made("mkostemp64", CALL(mkostemp64(t, O_APPEND)), t, "d/tXXXXXX", "O_APPEND", NULL);
	fd = CALL(mkostemp64(bad, 0));
	want("mkostemp64", fd, ALSO(join("tXXXXX"), .error = EINVAL), "tXXXXX", "0", NULL);
	made("mkstemps", CALL(mkstemps(s, 2)), s, "tXXXXXX.c", "2", NULL);
	fd = CALL(mkstemps(s, 3));
	want("mkstemps", fd, ALSO(join("tXXXXXX.c"), .error = EINVAL), "tXXXXXX.c", "3", NULL);
	made("mkstemps64", CALL(mkstemps64(s, 2)), s, "tXXXXXX.c", "2", NULL);
	fd = CALL(mkstemps64(s, 3));
	want("mkstemps64", fd, ALSO(join("tXXXXXX.c"), .error = EINVAL), "tXXXXXX.c", "3", NULL);
	made("mkostemps", CALL(mkostemps(s, 2, O_SYNC)), s, "tXXXXXX.c", "2", "O_SYNC");
	fd = CALL(mkostemps(s, -1, 0));
	want("mkostemps", fd, ALSO(join("tXXXXXX.c"), .error = EINVAL), "tXXXXXX.c", "-1", "0",
	     NULL);
	made("mkostemps64", CALL(mkostemps64(s, 2, 0)), s, "tXXXXXX.c", "2", "0");
	fd = CALL(mkostemps64(s, 3, O_CLOEXEC));
	want("mkostemps64", fd, ALSO(join("tXXXXXX.c"), .error = EINVAL), "tXXXXXX.c", "3",
	     "O_CLOEXEC", NULL);
	dir = CALL(mkdtemp(d));
	must(dir == d && strcmp(d, "mXXXXXX") != 0, "mkdtemp");
	want("mkdtemp", 0, ALSO(join(d)), "mXXXXXX", NULL);
	fd = CALL(rmdir(d));
	want("rmdir", fd, ALSO(join(d)), d, NULL);
	strcpy(none, "none/tXXXXXX"); /* the last name that was tried was left in it */
	dir = CALL(mkdtemp(none));
	want("mkdtemp", dir ? 0 : -1, ALSO(join("none/tXXXXXX"), .error = ENOENT), "none/tXXXXXX",
	     NULL);
}

/* One whose file may not be made: no fd is left. */
static void tmpfiles(void)
{
	FILE *f, *(*calls[])(void) = {tmpfile, tmpfile64};
	const char *names[] = {"tmpfile", "tmpfile64"};
	pid_t pid;
	int status;

	for (int i = 0; i < 2; i++) {
		f = CALL(calls[i]());
		must(f != NULL, "tmpfile");
		want(names[i], fileno(f), ALSO(NULL), NULL);
		fclose(f);
	}
	pid = CALL(fork());
	if (pid == 0) {
		struct rlimit none = {0, 0};

		must(setrlimit(RLIMIT_NOFILE, &none) == 0, "setrlimit");
		for (int i = 0; i < 2; i++) {
			f = CALL(calls[i]());
			want(names[i], f ? 0 : -1, ALSO(.error = EMFILE), NULL);
		}
		_exit(0);
	}
	want("fork", pid, ALSO(NULL), NULL);
	waitpid(pid, &status, 0);
}

static void open_folder(void)
{
	DIR *d;

	d = CALL(opendir("d"));
	must(d != NULL, "opendir");
	want("opendir", dirfd(d), ALSO(join("d")), "d", NULL);
	closedir(d);
	d = CALL(opendir("f"));
	want("opendir", d ? 0 : -1, ALSO(join("f"), .error = ENOTDIR), "f", NULL);
	d = CALL(opendir("/proc/self")); /* a read that is left out */
	must(d != NULL, "opendir");
	closedir(d);
}

/* Named after the folder, so that two oracles at a time do not meet. */
static void objects(void)
{
	char name[256], *slash;
	sem_t *s;
	int fd, r;

	snprintf(name, sizeof(name), "%.200s", here);
	slash = strrchr(name, '/');
	must(slash && slash > name, "a folder in a folder");
	*slash = '\0';
	slash = strrchr(name, '/');
	fd = CALL(shm_open(slash, O_RDWR | O_CREAT | O_EXCL, 0600));
	want("shm_open", fd, ALSO(NULL), slash, "O_RDWR|O_CREAT|O_EXCL", "0600", NULL);
	close(fd);
	fd = CALL(shm_open(slash, O_RDWR | O_CREAT | O_EXCL, 0600));
	want("shm_open", fd, ALSO(.error = EEXIST), slash, "O_RDWR|O_CREAT|O_EXCL", "0600", NULL);
	fd = CALL(shm_open(slash, O_RDONLY, 0));
	want("shm_open", fd, ALSO(NULL), slash, "O_RDONLY", NULL);
	close(fd);
	r = CALL(shm_unlink(slash));
	want("shm_unlink", r, ALSO(NULL), slash, NULL);
	r = CALL(shm_unlink(slash));
	want("shm_unlink", r, ALSO(.error = ENOENT), slash, NULL);
	s = CALL(sem_open(slash, O_CREAT | O_EXCL, 0600, 3));
	want("sem_open", s == SEM_FAILED ? -1 : 0, ALSO(NULL), slash, "O_RDONLY|O_CREAT|O_EXCL",
	     "0600", "3", NULL);
	sem_close(s);
	s = CALL(sem_open(slash, 0));
	want("sem_open", s == SEM_FAILED ? -1 : 0, ALSO(NULL), slash, "O_RDONLY", NULL);
	sem_close(s);
	r = CALL(sem_unlink(slash));
	want("sem_unlink", r, ALSO(NULL), slash, NULL);
	r = CALL(sem_unlink(slash));
	want("sem_unlink", r, ALSO(.error = ENOENT), slash, NULL);
	s = CALL(sem_open(slash, 0));
	want("sem_open", s == SEM_FAILED ? -1 : 0, ALSO(.error = ENOENT), slash, "O_RDONLY", NULL);
	fd = CALL(memfd_create("code", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	want("memfd_create", fd, ALSO(NULL), "code", "MFD_CLOEXEC|MFD_ALLOW_SEALING", NULL);
	close(fd);
	fd = CALL(memfd_create("code", 0x40000000));
	want("memfd_create", fd, ALSO(.error = EINVAL), "code", "0x40000000", NULL);
}

void files(void)
{
	int dir = folder("d"), fd;

	links_at(dir);
	nodes(dir);
	lengths();
	fd = CALL(open("f", O_RDWR));
	want("open", fd, ALSO(join("f")), "f", "O_RDWR", NULL);
	modes(dir, fd);
	times(dir, fd);
	attributes(fd);
	close(fd);
	temporary();
	tmpfiles();
	open_folder();
	objects();
	drop("f");
	drop_folder("d", dir);
}

/* In a mount namespace of its own where rights allow it. The password must not be seen. */
static void mounts(void)
{
	int r, fd;

	r = CALL(unshare(0x1000000));
	want("unshare", r, ALSO(.error = EINVAL), "0x1000000", NULL);
	r = CALL(unshare(CLONE_NEWNS | CLONE_FS));
	want("unshare", r, ALSO(NULL, ERROR(r)), "CLONE_FS|CLONE_NEWNS", NULL);
	if (r < 0)
		return;
	r = CALL(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	want("mount", r, ALSO("/", ERROR(r)), "NULL", "/", "NULL", "MS_REC|MS_PRIVATE", "0", NULL);
	r = CALL(mount("none", "m", "tmpfs", MS_NOSUID, "mode=0700"));
	want("mount", r, ALSO(join("m"), ERROR(r)), "none", "m", "tmpfs", "MS_NOSUID", "9", NULL);
	r = CALL(umount("m"));
	want("umount", r, ALSO(join("m"), ERROR(r)), "m", NULL);
	r = CALL(mount("none", "m", "tmpfs", MS_MGC_VAL | MS_RDONLY, NULL));
	want("mount", r, ALSO(join("m"), ERROR(r)), "none", "m", "tmpfs", "MS_MGC_VAL|MS_RDONLY",
	     "0", NULL);
	r = CALL(umount2("m", MNT_DETACH | UMOUNT_NOFOLLOW));
	want("umount2", r, ALSO(join("m"), ERROR(r)), "m", "MNT_DETACH|UMOUNT_NOFOLLOW", NULL);
	fd = CALL(open("/proc/self/ns/uts", O_RDONLY));
	r = CALL(setns(fd, CLONE_NEWUTS));
	want("setns", r, ALSO(NULL, ERROR(r)), FD(fd), "CLONE_NEWUTS", NULL);
	close(fd);
	r = CALL(chroot("/"));
	want("chroot", r, ALSO("/", ERROR(r)), "/", NULL);
}

static void mount_failures(void)
{
	int r;

	r = CALL(mount("none", "gone", "tmpfs", 0, "password=hunter2"));
	want("mount", r, ALSO(join("gone"), .error = last_errno), "none", "gone", "tmpfs", "0",
	     "16", NULL);
	r = CALL(umount("gone"));
	want("umount", r, ALSO(join("gone"), .error = last_errno), "gone", NULL);
	r = CALL(umount2("gone", 0));
	want("umount2", r, ALSO(join("gone"), .error = last_errno), "gone", "0", NULL);
	r = CALL(setns(777, CLONE_NEWNET));
	want("setns", r, ALSO(.error = EBADF), "fd:777", "CLONE_NEWNET", NULL);
	r = CALL(chroot("gone"));
	want("chroot", r, ALSO(join("gone"), .error = last_errno), "gone", NULL);
	r = CALL(pivot_root("gone", "gone"));
	want("pivot_root", r, ALSO(join("gone"), join("gone"), .error = last_errno), "gone", "gone",
	     NULL);
}

static void identity(void)
{
	uid_t uid = getuid();
	gid_t gid = getgid();
	const char *u = num("", uid), *g = num("", gid);
	int r;

	r = CALL(setgroups(0, NULL));
	want("setgroups", r, ALSO(NULL, ERROR(r)), "0", NULL);
	r = CALL(initgroups("nobody", gid));
	want("initgroups", r, ALSO(NULL, ERROR(r)), "nobody", g, NULL);
	r = CALL(setgroups(1u << 20, NULL));
	want("setgroups", r, ALSO(.error = last_errno), "1048576", NULL);
	r = CALL(setgid(gid));
	want("setgid", r, ALSO(NULL), g, NULL);
	r = CALL(setegid(gid));
	want("setegid", r, ALSO(NULL), g, NULL);
	r = CALL(setregid((gid_t)-1, gid));
	want("setregid", r, ALSO(NULL), "-1", g, NULL);
	r = CALL(setresgid(gid, gid, (gid_t)-1));
	want("setresgid", r, ALSO(NULL), g, g, "-1", NULL);
	r = CALL(setfsgid(gid));
	want("setfsgid", r, ALSO(NULL), g, NULL);
	r = CALL(setuid(uid));
	want("setuid", r, ALSO(NULL), u, NULL);
	r = CALL(seteuid(uid));
	want("seteuid", r, ALSO(NULL), u, NULL);
	r = CALL(setreuid(uid, (uid_t)-1));
	want("setreuid", r, ALSO(NULL), u, "-1", NULL);
	r = CALL(setresuid((uid_t)-1, uid, uid));
	want("setresuid", r, ALSO(NULL), "-1", u, u, NULL);
	r = CALL(setfsuid((uid_t)-1));
	want("setfsuid", r, ALSO(NULL), "-1", NULL);
	if (uid == 0) {
		r = CALL(setresgid(NOBODY, NOBODY, NOBODY));
		want("setresgid", r, ALSO(NULL, ERROR(r)), "65534", "65534", "65534", NULL);
		r = CALL(setresuid(NOBODY, NOBODY, NOBODY));
		want("setresuid", r, ALSO(NULL, ERROR(r)), "65534", "65534", "65534", NULL);
	}
}

/* By one who is nobody, or was no more than himself before. */
static void refused(void)
{
	int r;

	r = CALL(initgroups("nobody", 0));
	want("initgroups", r, ALSO(.error = EPERM), "nobody", "0", NULL);
	r = CALL(setgid(0));
	want("setgid", r, ALSO(.error = EPERM), "0", NULL);
	r = CALL(setegid(0));
	want("setegid", r, ALSO(.error = EPERM), "0", NULL);
	r = CALL(setregid(0, (gid_t)-1));
	want("setregid", r, ALSO(.error = EPERM), "0", "-1", NULL);
	r = CALL(setresgid(0, 1, 2));
	want("setresgid", r, ALSO(.error = EPERM), "0", "1", "2", NULL);
	r = CALL(setuid(0));
	want("setuid", r, ALSO(.error = EPERM), "0", NULL);
	r = CALL(seteuid(0));
	want("seteuid", r, ALSO(.error = EPERM), "0", NULL);
	r = CALL(setreuid(0, 0));
	want("setreuid", r, ALSO(.error = EPERM), "0", "0", NULL);
	r = CALL(setresuid(0, 0, 0));
	want("setresuid", r, ALSO(.error = EPERM), "0", "0", "0", NULL);
}

/* In a child, since there is no way back. */
void privileges(void)
{
	int dir = folder("m"), status;
	pid_t pid = CALL(fork());

	if (pid == 0) {
		mount_failures();
		mounts();
		identity();
		refused();
		_exit(0);
	}
	want("fork", pid, ALSO(NULL), NULL);
	must(waitpid(pid, &status, 0) == pid && status == 0, "the child");
	drop_folder("m", dir);
}
