// SPDX-License-Identifier: Apache-2.0
/*
 * The first process of the guest: makes an ordinary Linux of what the kernel left, then runs what
 * the host asks for over a serial line, one command at a time. guest.py is the other end.
 *
 *	host -> guest	RUN SECONDS ARGV_BYTES INPUT_BYTES SUM\n
 *			arguments, each with its NUL; what stdin yields
 *	guest -> host	READY\n, once
 *			DONE STATUS OUT_BYTES ERR_BYTES SUM\n
 *			what went to stdout; what went to stderr
 *
 * STATUS is as wait(2) has it, or -1: ended because its time was over. SUM is of all the bytes that
 * follow: what lost one on the way must not pass for a result. "poweroff" alone ends the guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define LINE      "/dev/ttyS1"
#define ARGS_MAX  256
#define HOME      "/home/admin"
#define BYTES_MAX (64u << 20) /* of one request */

static __attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "guest_init: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, ": %m\n");
	va_end(args);
	sync();
	reboot(RB_POWER_OFF);
	_exit(1);
}

static void mount_at(const char *type, const char *where, unsigned long flags, const char *options)
{
	if (mkdir(where, 0755) < 0 && errno != EEXIST)
		die("mkdir '%s'", where);
	if (mount(type, where, type, flags, options) < 0)
		fprintf(stderr, "guest_init: mount '%s': %m\n", where);
}

/* The first root cannot be left with pivot_root(2): one that can is laid over it. */
static void make_root(void)
{
	if (mkdir("/new", 0755) < 0 || mount("/", "/new", NULL, MS_BIND, NULL) < 0)
		die("bind '/'");
	if (chdir("/new") < 0 || mount("/new", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		die("move '/'");
	(void)rmdir("/new"); /* covered, and of no use */
}

static void make_system(void)
{
	const unsigned long plain = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd;

	mount_at("proc", "/proc", plain, NULL);
	mount_at("sysfs", "/sys", plain, NULL);
	mount_at("devtmpfs", "/dev", MS_NOSUID, "mode=755");
	mount_at("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=620,ptmxmode=666");
	mount_at("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_at("tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_at("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755");
	mount_at("cgroup2", "/sys/fs/cgroup", plain, NULL);
	mount_at("tracefs", "/sys/kernel/tracing", plain, NULL);
	mount_at("securityfs", "/sys/kernel/security", plain, NULL);
	if (symlink("/proc/self/fd", "/dev/fd") < 0 && errno != EEXIST)
		die("symlink '/dev/fd'");

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &loopback) < 0)
		die("lo");
	close(fd);
	(void)sethostname("guest", 5);
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

static int open_line(void)
{
	struct termios t;
	int fd = open(LINE, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || tcgetattr(fd, &t) < 0)
		die("open '%s'", LINE);
	cfmakeraw(&t);
	cfsetspeed(&t, B115200);
	t.c_cflag |= CLOCAL;
	if (tcsetattr(fd, TCSANOW, &t) < 0)
		die("'%s'", LINE);
	return fd;
}

static uint32_t sum_of(uint32_t sum, const char *data, size_t size)
{
	uint32_t a = sum & 0xffff, b = sum >> 16;

	for (size_t i = 0; i < size; i++) { /* Adler-32, as zlib has it */
		a = (a + (unsigned char)data[i]) % 65521;
		b = (b + a) % 65521;
	}
	return b << 16 | a;
}

static void read_all(int fd, char *buf, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t n = read(fd, buf + at, size - at);

		if (n > 0)
			at += (size_t)n;
		else if (n == 0 || errno != EINTR)
			die("read from the host");
	}
}

static void write_all(int fd, const char *buf, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t n = write(fd, buf + at, size - at);

		if (n >= 0)
			at += (size_t)n;
		else if (errno != EINTR)
			die("write to the host");
	}
}

static void read_line(int fd, char *buf, size_t size)
{
	for (size_t at = 0; at + 1 < size; at++) {
		read_all(fd, buf + at, 1);
		if (buf[at] == '\n') {
			buf[at] = 0;
			return;
		}
	}
	errno = EMSGSIZE;
	die("read a line");
}

/* A file without a name: a pipe would have to be emptied while the command runs. */
static int scratch_file(void)
{
	int fd = open("/run", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		die("a file in '/run'");
	return fd;
}

static char *whole_file(int fd, size_t *ret_size)
{
	struct stat st;
	char *data;

	if (fstat(fd, &st) < 0)
		die("fstat");
	data = malloc((size_t)st.st_size + 1);
	if (!data || pread(fd, data, (size_t)st.st_size, 0) != st.st_size)
		die("read back");
	*ret_size = (size_t)st.st_size;
	return data;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Its status when it ended; -1 after all that runs was killed, for its time is over. */
static int wait_for(pid_t pid, unsigned seconds, const sigset_t *child)
{
	uint64_t end = now_ms() + seconds * UINT64_C(1000);
	bool late = false;
	int status;

	for (;;) {
		pid_t got = waitpid(-1, &status, WNOHANG); /* orphans come to us, too */

		if (got == pid)
			return late ? -1 : status;
		if (got > 0)
			continue;
		if (!late && now_ms() >= end) {
			late = true;
			kill(-1, SIGKILL);
		}
		(void)sigtimedwait(child, NULL, &(struct timespec){.tv_nsec = 200 * 1000000});
	}
}

static __attribute__((noreturn)) void run(char **argv, const int *fds, const sigset_t *child)
{
	static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
						  "HOME=" HOME,
						  "LC_ALL=C.UTF-8",
						  "USER=root",
						  "TERM=dumb",
						  NULL};

	setsid();
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			_exit(126);
	sigprocmask(SIG_UNBLOCK, child, NULL);
	if (chdir(HOME) < 0)
		_exit(126);
	execvpe(argv[0], argv, (char *const *)environment);
	dprintf(2, "guest_init: exec '%s': %m\n", argv[0]);
	_exit(127);
}

static int split(char *data, size_t size, char **argv)
{
	int count = 0;

	for (size_t at = 0; at < size; at += strlen(data + at) + 1) {
		if (count == ARGS_MAX)
			return -1;
		argv[count++] = data + at;
	}
	argv[count] = NULL;
	return count;
}

static void serve_one(int line, const sigset_t *child)
{
	char head[128], *data, *argv[ARGS_MAX + 1], *out, *err;
	unsigned seconds, argv_bytes, input_bytes, sum;
	int fds[3], status;
	size_t out_size, err_size;
	pid_t pid;

	read_line(line, head, sizeof(head));
	if (sscanf(head, "RUN %u %u %u %u", &seconds, &argv_bytes, &input_bytes, &sum) != 4 ||
	    argv_bytes > BYTES_MAX || input_bytes > BYTES_MAX) {
		errno = EPROTO;
		die("'%s'", head);
	}
	data = malloc(argv_bytes + input_bytes + 1);
	if (!data)
		die("memory for %u bytes", argv_bytes + input_bytes);
	read_all(line, data, argv_bytes + input_bytes);
	if (sum_of(1, data, argv_bytes + input_bytes) != sum ||
	    (argv_bytes && data[argv_bytes - 1])) {
		errno = EBADMSG;
		die("the bytes after '%s'", head);
	}
	if (split(data, argv_bytes, argv) < 1) {
		errno = E2BIG;
		die("arguments");
	}
	if (strcmp(argv[0], "poweroff") == 0 && !argv[1]) {
		sync();
		reboot(RB_POWER_OFF);
	}

	for (int i = 0; i < 3; i++)
		fds[i] = scratch_file();
	write_all(fds[0], data + argv_bytes, input_bytes);
	lseek(fds[0], 0, SEEK_SET);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		run(argv, fds, child);
	status = wait_for(pid, seconds, child);

	out = whole_file(fds[1], &out_size);
	err = whole_file(fds[2], &err_size);
	sum = sum_of(sum_of(1, out, out_size), err, err_size);
	snprintf(head, sizeof(head), "DONE %d %zu %zu %u\n", status, out_size, err_size, sum);
	write_all(line, head, strlen(head));
	write_all(line, out, out_size);
	write_all(line, err, err_size);
	free(out);
	free(err);
	free(data);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

int main(void)
{
	sigset_t child;
	int line;

	umask(022);
	make_root();
	make_system();
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	line = open_line();
	write_all(line, "READY\n", 6);
	for (;;)
		serve_one(line, &child);
}
