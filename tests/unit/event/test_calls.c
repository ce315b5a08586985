/* SPDX-License-Identifier: Apache-2.0 */
/* Every row of calls.def as its exact line. */
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "event/event.h"
#include "tap.h"

#define T(s)                                      \
	{                                         \
		.data = (s), .len = sizeof(s) - 1 \
	}
#define N(n)               \
	{                  \
		.num = (n) \
	}
#define NOTHING                \
	{                      \
		.absent = true \
	}
#define CWD N(AT_FDCWD)
#define DIRFD                                       \
	{                                           \
		.num = 9, .data = "/nine", .len = 5 \
	}
#define NINE ", \"path\": \"/nine\", \"path_basis\": \"tracked\""
#define ARGV T("cat\0/tmp/x\0")
#define ADDR                                       \
	{                                          \
		.data = &peer, .len = sizeof(peer) \
	}
#define TIMES(two)                                \
	{                                         \
		.data = (two), .len = sizeof(two) \
	}
#define PATH_F    ", \"path\": \"/f\""
#define ANSWERS   ", \"answers\": [\"192.0.2.1:9\", \"192.0.2.1:9\"]"
#define ARGV_TEXT "\"[\\\"cat\\\", \\\"/tmp/x\\\"]\""

static const struct sockaddr_in peer = {
	.sin_family = AF_INET, .sin_port = 0x0900, .sin_addr = {0x010200c0}}; /* 192.0.2.1:9 */

static const struct timespec times[2] = {{1756907714, 7}, {0, UTIME_OMIT}};
static const struct timespec odd_times[2] = {{0, UTIME_NOW}, {-1, 1000000000}};
static const struct timeval vals[2] = {{5, 12}, {0, 999999}};

static const struct row {
	enum event_call call;
	struct event_arg args[EVENT_ARGS_MAX];
	const char *name, *want, *tail;
} rows[] = {
#define ROW(call, want, tail, ...)                                  \
	{                                                           \
		EVENT_CALL_##call, {__VA_ARGS__}, #call, want, tail \
	}
	ROW(execve, "\"/bin/cat\", " ARGV_TEXT, ", \"path\": \"/bin/cat\"", T("/bin/cat"), ARGV),
	ROW(execv, "\"bin/cat\", " ARGV_TEXT,
	    ", \"path\": \"/cwd/bin/cat\", \"path_basis\": \"tracked\"", T("bin/cat"), ARGV),
	ROW(execvp, "\"cat\", " ARGV_TEXT, "", T("cat"), ARGV),
	ROW(execvpe, "\"./cat\", " ARGV_TEXT,
	    ", \"path\": \"/cwd/cat\", \"path_basis\": \"tracked\"", T("./cat"), ARGV),
	ROW(execl, "\"/bin/cat\", \"[]\"", ", \"path\": \"/bin/cat\"", T("/bin/cat"), T("")),
	ROW(execlp, "\"cat\", \"[\\\"\\\"]\"", "", T("cat"), T("\0")),
	ROW(execle, "\"/bin/cat\", \"NULL\"", ", \"path\": \"/bin/cat\"", T("/bin/cat"), NOTHING),
	ROW(fexecve, "\"fd:9\", " ARGV_TEXT, ", \"path\": \"/nine\", \"path_basis\": \"tracked\"",
	    DIRFD, ARGV),
	ROW(execveat, "\"fd:9\", \"\", " ARGV_TEXT ", \"AT_EMPTY_PATH\"",
	    ", \"path\": \"/nine\", \"path_basis\": \"tracked\"", DIRFD, T(""), ARGV,
	    N(AT_EMPTY_PATH)),
	ROW(posix_spawn, "\"/bin/cat\", " ARGV_TEXT, ", \"path\": \"/bin/cat\"", T("/bin/cat"),
	    ARGV),
	ROW(posix_spawnp, "\"cat\", " ARGV_TEXT, "", T("cat"), ARGV),
	ROW(system, "\"ls -l \\\"x y\\\"\"", "", T("ls -l \"x y\"")),
	ROW(popen, "\"ls\", \"r\"", "", T("ls"), T("r")),
	ROW(fork, "", "", N(0)),
	ROW(vfork, "", "", N(0)),
	ROW(open, "\"/tmp/f\", \"O_WRONLY|O_CREAT|O_TRUNC\", \"0644\"", ", \"path\": \"/tmp/f\"",
	    T("/tmp/f"), N(O_WRONLY | O_CREAT | O_TRUNC), N(0644)),
	ROW(open64, "\"f\", \"O_RDONLY\"", ", \"path\": \"/cwd/f\", \"path_basis\": \"tracked\"",
	    T("f"), N(0), NOTHING),
	ROW(openat, "\"AT_FDCWD\", \"/f\", \"O_RDWR|O_CREAT\", \"0\"", ", \"path\": \"/f\"", CWD,
	    T("/f"), N(O_RDWR | O_CREAT), N(0)),
	ROW(openat64, "\"fd:9\", \"f\", \"O_RDONLY\"",
	    ", \"path\": \"/nine/f\", \"path_basis\": \"tracked\"", DIRFD, T("f"), N(0), NOTHING),
	ROW(creat, "\"/f\", \"0600\"", ", \"path\": \"/f\"", T("/f"), N(0600)),
	ROW(creat64, "\"/f\", \"04755\"", ", \"path\": \"/f\"", T("/f"), N(0104755)),
	ROW(__open_2, "\"/f\", \"O_PATH\"", ", \"path\": \"/f\"", T("/f"), N(O_PATH)),
	ROW(__open64_2, "\"/f\", \"O_RDONLY|O_CLOEXEC\"", ", \"path\": \"/f\"", T("/f"),
	    N(O_CLOEXEC)),
	ROW(__openat_2, "\"fd:5\", \"f\", \"O_RDONLY\"", ", \"path_basis\": \"unresolved\"", N(5),
	    T("f"), N(0)),
	ROW(__openat64_2, "\"fd:-1\", \"/f\", \"O_RDONLY\"", ", \"path\": \"/f\"", N(-1), T("/f"),
	    N(0)),
	ROW(fopen, "\"/f\", \"w+\"", ", \"path\": \"/f\"", T("/f"), T("w+")),
	ROW(fopen64, "\"/f\", \"r\"", ", \"path\": \"/f\"", T("/f"), T("r")),
	ROW(freopen, "\"/f\", \"r\", \"fd:1\"", ", \"path\": \"/f\"", T("/f"), T("r"), N(1)),
	ROW(freopen64, "\"NULL\", \"r\", \"fd:1\"", "", NOTHING, T("r"), N(1)),
	ROW(unlink, "\"/f\"", ", \"path\": \"/f\"", T("/f")),
	ROW(unlinkat, "\"AT_FDCWD\", \"d\", \"AT_REMOVEDIR\"",
	    ", \"path\": \"/cwd/d\", \"path_basis\": \"tracked\"", CWD, T("d"), N(AT_REMOVEDIR)),
	ROW(remove, "\"/f\"", ", \"path\": \"/f\"", T("/f")),
	ROW(rename, "\"/a\", \"b\"",
	    ", \"path\": \"/a\", \"path2\": \"/cwd/b\", \"path_basis\": \"tracked\"", T("/a"),
	    T("b")),
	ROW(renameat, "\"fd:9\", \"a\", \"AT_FDCWD\", \"b\"",
	    ", \"path\": \"/nine/a\", \"path2\": \"/cwd/b\", \"path_basis\": \"tracked\"", DIRFD,
	    T("a"), CWD, T("b")),
	ROW(renameat2, "\"AT_FDCWD\", \"/a\", \"AT_FDCWD\", \"/b\", \"RENAME_NOREPLACE\"",
	    ", \"path\": \"/a\", \"path2\": \"/b\"", CWD, T("/a"), CWD, T("/b"), N(1)),
	ROW(mkdir, "\"/d\", \"0755\"", ", \"path\": \"/d\"", T("/d"), N(0755)),
	ROW(rmdir, "\"/d\"", ", \"path\": \"/d\"", T("/d")),
	ROW(link, "\"/a\", \"/b\"", ", \"path\": \"/a\", \"path2\": \"/b\"", T("/a"), T("/b")),
	ROW(symlink, "\"../t\", \"/l\"", ", \"path\": \"/l\"", T("../t"), T("/l")),
	ROW(chdir, "\"..\"", ", \"path\": \"/\", \"path_basis\": \"tracked\"", T("..")),
	ROW(fchdir, "\"fd:9\"", NINE, DIRFD),
	ROW(linkat, "\"fd:9\", \"\", \"AT_FDCWD\", \"b\", \"AT_EMPTY_PATH\"",
	    ", \"path\": \"/nine\", \"path2\": \"/cwd/b\", \"path_basis\": \"tracked\"", DIRFD,
	    T(""), CWD, T("b"), N(AT_EMPTY_PATH)),
	ROW(symlinkat, "\"../t\", \"fd:9\", \"l\"",
	    ", \"path\": \"/nine/l\", \"path_basis\": \"tracked\"", T("../t"), DIRFD, T("l")),
	ROW(mkdirat, "\"AT_FDCWD\", \"/d\", \"0700\"", ", \"path\": \"/d\"", CWD, T("/d"), N(0700)),
	ROW(truncate, "\"/f\", \"0\"", PATH_F, T("/f"), N(0)),
	ROW(truncate64, "\"/f\", \"-1\"", PATH_F, T("/f"), N(-1)),
	ROW(ftruncate, "\"fd:3\", \"4096\"", "", N(3), N(4096)),
	ROW(ftruncate64, "\"fd:3\", \"4294967296\"", "", N(3), N(4294967296)),
	ROW(chmod, "\"/f\", \"04755\"", PATH_F, T("/f"), N(04755)),
	ROW(fchmod, "\"fd:3\", \"0\"", "", N(3), N(0)),
	ROW(fchmodat, "\"AT_FDCWD\", \"/f\", \"0600\", \"AT_SYMLINK_NOFOLLOW\"", PATH_F, CWD,
	    T("/f"), N(0600), N(AT_SYMLINK_NOFOLLOW)),
	ROW(chown, "\"/f\", \"0\", \"-1\"", PATH_F, T("/f"), N(0), N(-1)),
	ROW(lchown, "\"/f\", \"-1\", \"65534\"", PATH_F, T("/f"), N(UINT32_MAX), N(65534)),
	ROW(fchown, "\"fd:3\", \"4294967294\", \"1\"", "", N(3), N(-2), N(1)),
	ROW(fchownat, "\"fd:9\", \"f\", \"1\", \"2\", \"0\"",
	    ", \"path\": \"/nine/f\", \"path_basis\": \"tracked\"", DIRFD, T("f"), N(1), N(2),
	    N(0)),
	ROW(mkstemp, "\"/tmp/xXXXXXX\"", ", \"path\": \"/tmp/xabcdef\"", T("/tmp/xXXXXXX")),
	ROW(mkstemp64, "\"xXXXXXX\"", ", \"path\": \"/tmp/xabcdef\", \"path_basis\": \"tracked\"",
	    T("xXXXXXX")),
	ROW(mkostemp, "\"/xXXXXXX\", \"O_APPEND|O_CLOEXEC\"", ", \"path\": \"/tmp/xabcdef\"",
	    T("/xXXXXXX"), N(O_APPEND | O_CLOEXEC)),
	ROW(mkostemp64, "\"/xXXXXXX\", \"0\"", ", \"path\": \"/tmp/xabcdef\"", T("/xXXXXXX"), N(0)),
	ROW(mkstemps, "\"/xXXXXXX.c\", \"2\"", ", \"path\": \"/tmp/xabcdef\"", T("/xXXXXXX.c"),
	    N(2)),
	ROW(mkstemps64, "\"/xXXXXXX\", \"0\"", ", \"path\": \"/tmp/xabcdef\"", T("/xXXXXXX"), N(0)),
	ROW(mkostemps, "\"/xXXXXXX.c\", \"2\", \"O_CLOEXEC\"", ", \"path\": \"/tmp/xabcdef\"",
	    T("/xXXXXXX.c"), N(2), N(O_CLOEXEC)),
	ROW(mkostemps64, "\"/xXXXXXX\", \"-1\", \"0x3\"", ", \"path\": \"/tmp/xabcdef\"",
	    T("/xXXXXXX"), N(-1), N(3)),
	ROW(mkdtemp, "\"NULL\"", "", NOTHING),
	ROW(opendir, "\".\"", ", \"path\": \"/cwd\", \"path_basis\": \"tracked\"", T(".")),
	ROW(shm_open, "\"/obj\", \"O_RDWR|O_CREAT\", \"0600\"", "", T("/obj"), N(O_RDWR | O_CREAT),
	    N(0600)),
	ROW(shm_unlink, "\"/obj\"", "", T("/obj")),
	ROW(tmpfile, "", "", N(0)),
	ROW(tmpfile64, "", "", N(0)),
	ROW(sem_open, "\"/obj\", \"O_RDONLY\"", "", T("/obj"), N(0), NOTHING, NOTHING),
	ROW(sem_unlink, "\"/obj\"", "", T("/obj")),
	ROW(mkfifo, "\"/f\", \"0644\"", PATH_F, T("/f"), N(0644)),
	ROW(mkfifoat, "\"fd:-1\", \"/f\", \"0644\"", PATH_F, N(-1), T("/f"), N(0644)),
	ROW(mknod, "\"/f\", \"S_IFCHR|0666\", \"1:3\"", PATH_F, T("/f"), N(S_IFCHR | 0666),
	    N(0x103)),
	ROW(mknodat, "\"AT_FDCWD\", \"/f\", \"0600\", \"0:0\"", PATH_F, CWD, T("/f"), N(0600),
	    N(0)),
	ROW(utimensat, "\"AT_FDCWD\", \"/f\", \"1756907714.000000007, UTIME_OMIT\", \"0\"", PATH_F,
	    CWD, T("/f"), TIMES(times), N(0)),
	ROW(futimens, "\"fd:3\", \"UTIME_NOW, -1.1000000000\"", "", N(3), TIMES(odd_times)),
	ROW(utimes, "\"/f\", \"5.000012, 0.999999\"", PATH_F, T("/f"), TIMES(vals)),
	ROW(setxattr, "\"/f\", \"user.a\", \"12\", \"XATTR_CREATE\"", PATH_F, T("/f"), T("user.a"),
	    N(12), N(1)),
	ROW(lsetxattr, "\"/f\", \"user.a\", \"0\", \"0\"", PATH_F, T("/f"), T("user.a"), N(0),
	    N(0)),
	ROW(fsetxattr, "\"fd:3\", \"user.a\", \"18446744073709551615\", \"XATTR_REPLACE|0x4\"", "",
	    N(3), T("user.a"), N(-1), N(6)),
	ROW(removexattr, "\"/f\", \"user.a\"", PATH_F, T("/f"), T("user.a")),
	ROW(lremovexattr, "\"/f\", \"NULL\"", PATH_F, T("/f"), NOTHING),
	ROW(fremovexattr, "\"fd:3\", \"user.a\"", "", N(3), T("user.a")),
	ROW(memfd_create, "\"code\", \"MFD_CLOEXEC|MFD_EXEC\"", "", T("code"), N(17)),
	ROW(chroot, "\"jail\"", ", \"path\": \"/cwd/jail\", \"path_basis\": \"tracked\"",
	    T("jail")),
	ROW(pivot_root, "\"/f\", \"/f/old\"", PATH_F ", \"path2\": \"/f/old\"", T("/f"),
	    T("/f/old")),
	ROW(mount, "\"none\", \"/f\", \"tmpfs\", \"MS_NOSUID|MS_REC\", \"9\"", PATH_F, T("none"),
	    T("/f"), T("tmpfs"), N(16386), N(9)),
	ROW(umount, "\"/f\"", PATH_F, T("/f")),
	ROW(umount2, "\"/f\", \"MNT_DETACH|UMOUNT_NOFOLLOW\"", PATH_F, T("/f"), N(10)),
	ROW(unshare, "\"CLONE_NEWTIME|CLONE_NEWNS\"", "", N(0x20080)),
	ROW(setns, "\"fd:3\", \"0\"", "", N(3), N(0)),
	ROW(setuid, "\"65534\"", "", N(65534)),
	ROW(seteuid, "\"-1\"", "", N(-1)),
	ROW(setreuid, "\"-1\", \"0\"", "", N(-1), N(0)),
	ROW(setresuid, "\"1\", \"2\", \"-1\"", "", N(1), N(2), N(-1)),
	ROW(setgid, "\"1\"", "", N(1)),
	ROW(setegid, "\"1\"", "", N(1)),
	ROW(setregid, "\"1\", \"2\"", "", N(1), N(2)),
	ROW(setresgid, "\"1\", \"2\", \"3\"", "", N(1), N(2), N(3)),
	ROW(setgroups, "\"0\"", "", N(0)),
	ROW(initgroups, "\"nobody\", \"65534\"", "", T("nobody"), N(65534)),
	ROW(setfsuid, "\"-1\"", "", N(-1)),
	ROW(setfsgid, "\"7\"", "", N(7)),
	ROW(connect, "\"fd:4\", \"192.0.2.1:9\"", ", \"addr\": \"192.0.2.1:9\"", N(4), ADDR),
	ROW(bind, "\"fd:4\", \"NULL\"", "", N(4), NOTHING),
	ROW(accept, "\"fd:3\", \"192.0.2.1:9\"", ", \"addr\": \"192.0.2.1:9\"", N(3), ADDR),
	ROW(accept4, "\"fd:3\", \"192.0.2.1:9\", \"SOCK_CLOEXEC\"", ", \"addr\": \"192.0.2.1:9\"",
	    N(3), ADDR, N(SOCK_CLOEXEC)),
	ROW(getaddrinfo, "\"example.org\", \"NULL\"", ANSWERS, T("example.org"), NOTHING),
	ROW(gethostbyname, "\"example.org\"", ANSWERS, T("example.org")),
	ROW(gethostbyname2, "\"example.org\", \"AF_INET6\"", ANSWERS, T("example.org"),
	    N(AF_INET6)),
	ROW(gethostbyname_r, "\"NULL\"", ANSWERS, NOTHING),
	ROW(gethostbyname2_r, "\"h\", \"77\"", ANSWERS, T("h"), N(77)),
	ROW(socket, "\"AF_INET\", \"SOCK_STREAM|SOCK_CLOEXEC\", \"IPPROTO_TCP\"", "", N(AF_INET),
	    N(SOCK_STREAM | SOCK_CLOEXEC), N(IPPROTO_TCP)),
	ROW(socketpair, "\"AF_UNIX\", \"SOCK_DGRAM|0x10\", \"6\"", "", N(AF_UNIX),
	    N(SOCK_DGRAM | 0x10), N(6)),
	ROW(listen, "\"fd:4\", \"128\"", "", N(4), N(128)),
	ROW(shutdown, "\"fd:4\", \"SHUT_RDWR\"", "", N(4), N(SHUT_RDWR)),
	ROW(sendto, "\"fd:4\", \"1400\", \"MSG_DONTWAIT|MSG_NOSIGNAL\", \"192.0.2.1:9\"",
	    ", \"addr\": \"192.0.2.1:9\"", N(4), N(1400), N(MSG_NOSIGNAL | MSG_DONTWAIT), ADDR),
	ROW(sendmsg, "\"fd:4\", \"192.0.2.1:9\", \"0\"", ", \"addr\": \"192.0.2.1:9\"", N(4), ADDR,
	    N(0)),
	ROW(sendmmsg, "\"fd:4\", \"192.0.2.1:9\", \"3\", \"0x10000000\"",
	    ", \"addr\": \"192.0.2.1:9\"", N(4), ADDR, N(3), N(1 << 28)),
	ROW(_Fork, "", "", N(0)),
	ROW(clone, "\"CLONE_VM|CLONE_VFORK|SIGCHLD\"", "", N(CLONE_VM | CLONE_VFORK | SIGCHLD)),
	ROW(kill, "\"-1\", \"SIGKILL\"", "", N(-1), N(SIGKILL)),
	ROW(killpg, "\"17\", \"SIGTERM\"", "", N(17), N(SIGTERM)),
	ROW(tgkill, "\"17\", \"18\", \"34\"", "", N(17), N(18), N(34)),
	ROW(sigqueue, "\"17\", \"-5\"", "", N(17), N(-5)),
	ROW(pidfd_send_signal, "\"fd:4\", \"SIGHUP\"", "", N(4), N(SIGHUP)),
	ROW(ptrace, "\"PTRACE_ATTACH\", \"17\"", "", N(PTRACE_ATTACH), N(17)),
	ROW(process_vm_readv, "\"17\", \"1\", \"2\", \"0\"", "", N(17), N(1), N(2), N(0)),
	ROW(process_vm_writev, "\"17\", \"1\", \"18446744073709551615\", \"0\"", "", N(17), N(1),
	    N(-1), N(0)),
	ROW(dlopen, "\"libm.so.6\", \"RTLD_NOW|RTLD_GLOBAL\"", "", T("libm.so.6"),
	    N(RTLD_NOW | RTLD_GLOBAL)),
	ROW(dlmopen, "\"-1\", \"./x.so\", \"RTLD_LAZY\"",
	    ", \"path\": \"/cwd/x.so\", \"path_basis\": \"tracked\"", N(-1), T("./x.so"),
	    N(RTLD_LAZY)),
	ROW(openat2, "\"fd:9\", \"f\", \"O_WRONLY|O_CREAT\", \"0600\"",
	    ", \"path\": \"/nine/f\", \"path_basis\": \"tracked\"", DIRFD, T("f"),
	    N(O_WRONLY | O_CREAT), N(0600)),
	ROW(open_by_handle_at, "\"fd:4\", \"O_RDONLY\"", "", N(4), N(0)),
	ROW(io_uring_setup, "\"64\"", "", N(64)),
	ROW(init_module, "\"4096\", \"x=1\"", "", N(4096), T("x=1")),
	ROW(finit_module, "\"fd:4\", \"\", \"2\"", "", N(4), T(""), N(2)),
	ROW(delete_module, "\"mod\", \"O_RDONLY|O_NONBLOCK\"", "", T("mod"), N(O_NONBLOCK)),
	ROW(kexec_load, "\"3\", \"0\"", "", N(3), N(0)),
	ROW(bpf, "\"5\", \"120\"", "", N(5), N(120)),
	ROW(keyctl, "\"11\"", "", N(11)),
	ROW(add_key, "\"user\", \"d\", \"9\", \"-3\"", "", T("user"), T("d"), N(9), N(-3)),
	ROW(close, "\"fd:9\"", NINE, DIRFD),
	ROW(fclose, "\"fd:9\"", NINE, DIRFD),
	ROW(closedir, "\"fd:9\"", NINE, DIRFD),
	ROW(pclose, "\"fd:9\"", NINE, DIRFD),
	ROW(close_range, "\"3\", \"4294967295\", \"4\"", "", N(3), N(0xffffffff), N(4)),
	ROW(dup, "\"fd:9\"", NINE, DIRFD),
	ROW(dup2, "\"fd:9\", \"fd:1\"", NINE, DIRFD, N(1)),
	ROW(dup3, "\"fd:9\", \"fd:1\", \"O_CLOEXEC\"", NINE, DIRFD, N(1), N(O_CLOEXEC)),
	ROW(fcntl, "\"fd:9\", \"F_DUPFD\", \"10\"", NINE, DIRFD, N(F_DUPFD), N(10)),
	ROW(fcntl64, "\"fd:9\", \"F_DUPFD_CLOEXEC\", \"10\"", NINE, DIRFD, N(F_DUPFD_CLOEXEC),
	    N(10)),
	ROW(read, "\"fd:9\", \"4096\"", NINE, DIRFD, N(4096)),
	ROW(write, "\"fd:9\", \"4096\"", NINE, DIRFD, N(4096)),
	ROW(pread, "\"fd:9\", \"4096\", \"-2\"", NINE, DIRFD, N(4096), N(-2)),
	ROW(pread64, "\"fd:9\", \"4096\", \"-2\"", NINE, DIRFD, N(4096), N(-2)),
	ROW(pwrite, "\"fd:9\", \"4096\", \"-2\"", NINE, DIRFD, N(4096), N(-2)),
	ROW(pwrite64, "\"fd:9\", \"4096\", \"-2\"", NINE, DIRFD, N(4096), N(-2)),
	ROW(readv, "\"fd:9\", \"-1\"", NINE, DIRFD, N(-1)),
	ROW(writev, "\"fd:9\", \"-1\"", NINE, DIRFD, N(-1)),
	ROW(preadv, "\"fd:9\", \"-1\", \"-2\"", NINE, DIRFD, N(-1), N(-2)),
	ROW(preadv64, "\"fd:9\", \"-1\", \"-2\"", NINE, DIRFD, N(-1), N(-2)),
	ROW(pwritev, "\"fd:9\", \"-1\", \"-2\"", NINE, DIRFD, N(-1), N(-2)),
	ROW(pwritev64, "\"fd:9\", \"-1\", \"-2\"", NINE, DIRFD, N(-1), N(-2)),
	ROW(preadv2, "\"fd:9\", \"-1\", \"-2\", \"-3\"", NINE, DIRFD, N(-1), N(-2), N(-3)),
	ROW(preadv64v2, "\"fd:9\", \"-1\", \"-2\", \"-3\"", NINE, DIRFD, N(-1), N(-2), N(-3)),
	ROW(pwritev2, "\"fd:9\", \"-1\", \"-2\", \"-3\"", NINE, DIRFD, N(-1), N(-2), N(-3)),
	ROW(pwritev64v2, "\"fd:9\", \"-1\", \"-2\", \"-3\"", NINE, DIRFD, N(-1), N(-2), N(-3)),
	ROW(send, "\"fd:9\", \"4096\", \"-2\"", NINE, DIRFD, N(4096), N(-2)),
	ROW(recv, "\"fd:9\", \"4096\", \"-2\"", NINE, DIRFD, N(4096), N(-2)),
	ROW(recvfrom, "\"fd:9\", \"4096\", \"-2\"", NINE, DIRFD, N(4096), N(-2)),
	ROW(recvmsg, "\"fd:9\", \"-1\"", NINE, DIRFD, N(-1)),
	ROW(recvmmsg, "\"fd:9\", \"4096\", \"-2\"", NINE, DIRFD, N(4096), N(-2)),
	ROW(sendfile, "\"fd:9\", \"fd:4\", \"8192\"", NINE, DIRFD, N(4), N(8192)),
	ROW(sendfile64, "\"fd:9\", \"fd:4\", \"8192\"", NINE, DIRFD, N(4), N(8192)),
	ROW(copy_file_range, "\"fd:9\", \"fd:4\", \"8192\", \"12288\"", NINE, DIRFD, N(4), N(8192),
	    N(12288)),
	ROW(splice, "\"fd:9\", \"fd:4\", \"8192\", \"12288\"", NINE, DIRFD, N(4), N(8192),
	    N(12288)),
	ROW(tee, "\"fd:9\", \"fd:4\", \"8192\", \"12288\"", NINE, DIRFD, N(4), N(8192), N(12288)),
	ROW(__read_chk, "\"fd:9\", \"4096\"", NINE, DIRFD, N(4096)),
	ROW(__pread_chk, "\"fd:9\", \"4096\", \"-2\"", NINE, DIRFD, N(4096), N(-2)),
	ROW(__pread64_chk, "\"fd:9\", \"4096\", \"-2\"", NINE, DIRFD, N(4096), N(-2)),
	ROW(__recv_chk, "\"fd:9\", \"4096\", \"-2\"", NINE, DIRFD, N(4096), N(-2)),
	ROW(__recvfrom_chk, "\"fd:9\", \"4096\", \"-2\"", NINE, DIRFD, N(4096), N(-2)),
	ROW(fchmodat2, "\"AT_FDCWD\", \"/f\", \"0600\", \"AT_SYMLINK_NOFOLLOW\"", PATH_F, CWD,
	    T("/f"), N(0600), N(AT_SYMLINK_NOFOLLOW)),
	ROW(perf_event_open, "\"17\", \"-1\", \"-1\", \"8\"", "", N(17), N(-1), N(-1), N(8)),
	ROW(userfaultfd, "\"1\"", "", N(1)),
	ROW(io_uring_register, "\"fd:4\", \"2\", \"1\"", "", N(4), N(2), N(1)),
	ROW(pidfd_getfd, "\"fd:4\", \"7\", \"0\"", "", N(4), N(7), N(0)),
	ROW(process_madvise, "\"fd:4\", \"1\", \"21\", \"0\"", "", N(4), N(1), N(21), N(0)),
	ROW(kexec_file_load, "\"fd:4\", \"fd:5\", \"quiet\", \"2\"", "", N(4), N(5), T("quiet"),
	    N(2)),
	ROW(request_key, "\"user\", \"d\", \"NULL\", \"-3\"", "", T("user"), T("d"), NOTHING,
	    N(-3)),
	ROW(open_tree, "\"AT_FDCWD\", \"/f\", \"1\"", PATH_F, CWD, T("/f"), N(1)),
	ROW(move_mount, "\"AT_FDCWD\", \"/a\", \"AT_FDCWD\", \"/b\", \"4\"",
	    ", \"path\": \"/a\", \"path2\": \"/b\"", CWD, T("/a"), CWD, T("/b"), N(4)),
	ROW(fsopen, "\"tmpfs\", \"1\"", "", T("tmpfs"), N(1)),
	ROW(fsmount, "\"fd:4\", \"1\", \"2\"", "", N(4), N(1), N(2)),
	ROW(mount_setattr, "\"AT_FDCWD\", \"/f\", \"0\"", PATH_F, CWD, T("/f"), N(0)),
	ROW(swapon, "\"/f\", \"0\"", PATH_F, T("/f"), N(0)),
	ROW(swapoff, "\"/f\"", PATH_F, T("/f")),
	ROW(acct, "\"/f\"", PATH_F, T("/f")),
	ROW(reboot, "\"19088743\"", "", N(0x1234567)),
	ROW(settimeofday, "", "", N(0)),
	ROW(clock_settime, "\"0\"", "", N(0)),
	ROW(sethostname, "\"4\"", "", N(4)),
	ROW(setdomainname, "\"4\"", "", N(4)),
	ROW(capset, "", "", N(0)),
	ROW(fanotify_init, "\"4\", \"0\"", "", N(4), N(0)),
	ROW(iopl, "\"3\"", "", N(3)),
	ROW(ioperm, "\"96\", \"8\", \"1\"", "", N(96), N(8), N(1)),
#undef ROW
};
_Static_assert(sizeof(rows) / sizeof(rows[0]) == EVENT_CALL_COUNT,
	       "a row for each call of calls.def");

static const struct event_ids ids = {.session = {"ses_1", 5}, .run = {"r", 1}};

static struct event event_of(const struct row *row)
{
	static char answers[2 * (1 + sizeof(peer))];
	struct event ev = {.source = EVENT_FROM_PRELOAD,
			   .ts_ns = 1756907714921517011,
			   .ids = &ids,
			   .parent = {.text = {"up", 2}},
			   .seq = 5,
			   .has_seq = true,
			   .pid = 42,
			   .call = row->call,
			   .result = -1,
			   .has_result = true,
			   .elapsed_ns = 12999,
			   .error = 2,
			   .cwd = {"/cwd", 4},
			   .basis = EVENT_BASIS_TRACKED};

	for (int i = 0; i < 2; i++) {
		answers[i * (1 + sizeof(peer))] = sizeof(peer);
		memcpy(answers + i * (1 + sizeof(peer)) + 1, &peer, sizeof(peer));
	}
	memcpy(ev.args, row->args, sizeof(ev.args));
	memset(ev.span.id.b, 0x11, sizeof(ev.span.id.b));
	if (event_call_makes_name(row->call) && !row->args[0].absent)
		ev.extra = (struct event_text){"/tmp/xabcdef", 12};
	if (event_call_looks_up(row->call))
		ev.extra = (struct event_text){answers, sizeof(answers)};
	return ev;
}

static void every_row(void)
{
	static char line[EVENT_BUF_MAX], want[4096];

	for (size_t i = 0; i < EVENT_CALL_COUNT; i++) {
		const struct row *row = &rows[i];
		struct event ev = event_of(row);
		int n = event_format(&ev, line, sizeof(line));

		CHECK_INT(row->call, i);
		CHECK(n > 0);
		line[n > 0 ? n : 0] = '\0';
		snprintf(
			want, sizeof(want),
			"{\"ts\": \"2025-09-03T13:55:14.921517011+00:00\", \"event_type\": \"syscall\", "
			"\"session_id\": \"ses_1\", \"span_id\": \"spn_11111111-1111-1111-1111-111111111111\", "
			"\"parent_span\": \"up\", \"component\": \"telemetry\", \"syscall\": \"%s\", \"args\": [%s], "
			"\"result\": -1, \"elapsed_us\": 12, \"error\": \"ENOENT\", \"seq\": 5, \"pid\": 42, "
			"\"run_id\": \"r\", \"sensor\": \"preload\", \"standing\": \"declared\"%s}\n",
			row->name, row->want, row->tail);
		CHECK_STR(line, want);
	}
}

static const char *line_of(const struct event *ev)
{
	static char line[EVENT_BUF_MAX];
	int n = event_format(ev, line, sizeof(line));

	CHECK(n > 0);
	line[n > 0 ? n : 0] = '\0';
	return line;
}

/* An io_uring that is there hides what follows; one that failed does not. */
static void blinded(void)
{
	struct event ev = event_of(&rows[EVENT_CALL_io_uring_setup]);

	CHECK(!strstr(line_of(&ev), "coverage"));
	ev.result = 3;
	ev.error = 0;
	CHECK(strstr(line_of(&ev), ", \"coverage\": \"reduced: io_uring\""));
	ev.has_result = false;
	CHECK(!strstr(line_of(&ev), "coverage"));
	ev.has_result = true;
	ev.call = EVENT_CALL_listen;
	CHECK(!strstr(line_of(&ev), "coverage"));
}

static void by_number(void)
{
	struct event ev = event_of(&rows[EVENT_CALL_unlink]);

	CHECK(!strstr(line_of(&ev), "via"));
	ev.raw = true;
	CHECK(strstr(line_of(&ev), ", \"via\": \"syscall\""));
}

/* What ld.so alone can find is no path; a program's name with a dollar is one. */
static void loaded(void)
{
	struct event ev = event_of(&rows[EVENT_CALL_dlopen]);

	ev.args[0] = (struct event_arg)T("$ORIGIN/x.so");
	CHECK(!strstr(line_of(&ev), "\"path\""));
	CHECK(strstr(line_of(&ev), "\"path_basis\": \"unresolved\""));
	ev.call = EVENT_CALL_execvp;
	CHECK(strstr(line_of(&ev), "\"path\": \"/cwd/$ORIGIN/x.so\""));
}

int main(void)
{
	TAP_RUN(every_row);
	TAP_RUN(blinded);
	TAP_RUN(by_number);
	TAP_RUN(loaded);
	return tap_done();
}
