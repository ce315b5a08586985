/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rare things that programs do, one per first argument; corner.py runs each with and without
 * Telltale and compares what it says.
 */
#undef _FILE_OFFSET_BITS

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring/layout.h"

#define KEYS    40     /* more than libc has memory for in each thread */
#define FREE    240    /* a number that is free where nobody records */
#define SECONDS 30     /* nothing here waits longer */
#define FLOOD   150000 /* records */

void *__libc_calloc(size_t count, size_t size);

static __thread bool counting, interrupt_me;
static int callocs;
static pthread_mutex_t heap = PTHREAD_MUTEX_INITIALIZER; /* as malloc has one */

void *calloc(size_t count, size_t size)
{
	void *p;

	if (counting)
		callocs++;
	(void)pthread_mutex_lock(&heap);
	if (interrupt_me) {
		interrupt_me = false;
		(void)raise(SIGUSR1);
	}
	p = __libc_calloc(count, size);
	(void)pthread_mutex_unlock(&heap);
	return p;
}

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "corner_probe: %s: %s\n", what, strerror(errno));
	_exit(3);
}

static void mark(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd >= 0)
		(void)close(fd);
}

static void make_keys(void)
{
	pthread_key_t key;

	for (int i = 0; i < KEYS; i++)
		must(pthread_key_create(&key, NULL) == 0, "pthread_key_create");
}

/* Before the constructors of all libraries. */
static void early(int argc, char **argv, char **envp)
{
	(void)envp;
	if (argc > 2 && strcmp(argv[2], "early") == 0)
		make_keys();
}
__attribute__((__section__(".preinit_array"),
	       __used__)) static void (*const preinit)(int, char **, char **) = early;

static void in_thread(void *(*f)(void *))
{
	pthread_t t;

	must(pthread_create(&t, NULL, f, NULL) == 0, "pthread_create");
	must(pthread_join(t, NULL) == 0, "pthread_join");
}

/* What old kernels and older containers answer. */
static void refuse_close_range(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = {.len = sizeof(f) / sizeof(f[0]), .filter = f};

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) == 0, "seccomp");
}

static int do_closefrom(void)
{
	static const int fds[] = {4, 5, 50};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		must(dup2(STDOUT_FILENO, fds[i]) == fds[i], "dup2");
	refuse_close_range();
	closefrom(5);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		printf("%d %s\n", fds[i], fcntl(fds[i], F_GETFD) < 0 ? "closed" : "open");
	mark("/etc/hostname");
	return 0;
}

static void *open_counted(void *unused)
{
	(void)unused;
	counting = true;
	mark("/etc/hostname");
	counting = false;
	return NULL;
}

static int do_keys(void)
{
	make_keys();
	in_thread(open_counted);
	printf("callocs inside open: %d\n", callocs);
	return 0;
}

static void open_in_handler(int unused)
{
	(void)unused;
	mark("/etc/hostname");
}

static void *be_interrupted(void *unused)
{
	void *volatile p;

	(void)unused;
	interrupt_me = true;
	p = calloc(1, 10);
	free(p);
	return NULL;
}

static int do_handler(void)
{
	must(signal(SIGUSR1, open_in_handler) != SIG_ERR, "signal");
	make_keys();
	in_thread(be_interrupted);
	puts("the handler came back");
	return 0;
}

static void *nowhere(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED, "mmap");
	return p;
}

static int do_accept(void)
{
	void *bad = nowhere();
	char room[128];
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	long r;

	must(s >= 0, "socket");
#ifdef SYS_accept
	r = syscall(SYS_accept, s, room, bad);
	printf("accept %ld %d\n", r, errno);
	r = syscall(SYS_accept, s, bad, bad);
	printf("accept %ld %d\n", r, errno);
#endif
	r = syscall(SYS_accept4, s, room, bad, 0);
	printf("accept4 %ld %d\n", r, errno);
	return 0;
}

static int do_streams(void)
{
	char buffer[32], *text;
	size_t size;
	int (*volatile end)(FILE *) = pclose; /* the compiler would warn of it */
	FILE *f = fmemopen(buffer, sizeof(buffer), "w");
	int r;

	must(f != NULL, "fmemopen");
	errno = 0;
	r = fclose(f);
	printf("fclose, fmemopen %d %d\n", r, errno);
	f = open_memstream(&text, &size);
	must(f != NULL, "open_memstream");
	errno = ENOENT;
	r = fclose(f);
	printf("fclose, open_memstream %d %d\n", r, errno);
	f = open_memstream(&text, &size);
	must(f != NULL, "open_memstream");
	errno = ENOENT;
	r = end(f);
	printf("pclose, open_memstream %d %d\n", r, errno);
	return 0;
}

static int ended(pid_t pid)
{
	int status = -1;

	must(pid > 0 && waitpid(pid, &status, 0) == pid, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int do_vfork(void)
{
	pid_t outer = vfork(), inner;

	if (outer == 0) {
		inner = vfork();
		if (inner == 0)
			_exit(3);
		mark("/etc/hostname");
		_exit(ended(inner) == 3 ? 4 : 5);
	}
	printf("the child ended with %d\n", ended(outer));
	mark("/etc/passwd");
	return 9;
}

static int just_exit(void *unused)
{
	(void)unused;
	_exit(7);
}

static int do_clone(void)
{
	static char stack[65536] __attribute__((__aligned__(16)));
	pid_t pid = clone(just_exit, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);

	printf("the child ended with %d\n", ended(pid));
	mark("/etc/passwd");
	return 9;
}

/* The fd that Telltale has open here, found past the library; -1 if nobody records. */
static int own_fd(void)
{
	const char *log = getenv("SUBSTRATE_TRACE_LOG");
	char path[64], file[4096];

	for (int fd = 3; fd < 65536; fd++) {
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, file, sizeof(file) - 1);
		if (n < 0)
			continue;
		file[n] = '\0';
		if (strstr(file, "memfd:telltale-ring") || (log && strcmp(file, log) == 0))
			return fd;
	}
	return -1;
}

#define TRY_FCNTL(name, command, arg)                            \
	do {                                                     \
		errno = 0;                                       \
		r = name(fd, command, arg);                      \
		printf(#name " " #command " %d %d\n", r, errno); \
	} while (0)

static int do_fcntl(void)
{
	int fd = own_fd(), r;

	fprintf(stderr, "%d\n", fd);
	if (fd < 0)
		fd = FREE;
	TRY_FCNTL(fcntl, F_GETFD, 0);
	TRY_FCNTL(fcntl, F_SETFD, 0);
	TRY_FCNTL(fcntl, F_GETFL, 0);
	TRY_FCNTL(fcntl, F_SETFL, O_NONBLOCK);
	TRY_FCNTL(fcntl, F_DUPFD, 10);
	TRY_FCNTL(fcntl, F_DUPFD_CLOEXEC, 10);
	TRY_FCNTL(fcntl64, F_GETFD, 0);
	TRY_FCNTL(fcntl64, F_DUPFD, 10);
	mark("/etc/hostname");
	return 0;
}

/* An exit record of a span that never was; all those ids end alike. */
static void put_exit(char *at, uint64_t pos, uint32_t number)
{
	struct ring_record *r = (struct ring_record *)(void *)at;
	struct ring_who *who = (struct ring_who *)(void *)(r + 1);
	enum { SIZE = 96 };

	memset(at, 0, SIZE);
	r->size = SIZE;
	r->kind = RING_EXIT;
	r->state = RING_DONE;
	r->flags = RING_FLAG_WHO;
	who->pid = getpid();
	memcpy(who->span.b, &number, sizeof(number));
	who->span.b[9] = 1;
	r->tag = pos + 1;
}

/* Fills the lanes nobody has with well-formed lies, and then waits to be ended. */
static int do_flood(void)
{
	size_t size = ring_total_size(RING_SLOTS, RING_LANES, RING_LANE_BYTES);
	int fd = own_fd();
	uint32_t made = 0;
	struct ring_header *h;
	struct ring_lane *lanes;
	char *ring, *data;

	must(fd >= 0, "no ring");
	ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(ring != MAP_FAILED, "mmap");
	h = (struct ring_header *)(void *)ring;
	lanes = (struct ring_lane *)(void *)(ring + ring_lanes_offset());
	data = ring + ring_directory_size(RING_SLOTS, RING_LANES);
	h->lane_high = RING_LANES;
	for (uint32_t i = RING_LANES - 1; i > 100 && made < FLOOD; i--) {
		char *lane = data + (size_t)i * RING_LANE_BYTES;
		uint64_t pos = 0;

		for (; pos + 96 <= RING_LANE_BYTES && made < FLOOD; pos += 96)
			put_exit(lane + pos, pos, made++);
		lanes[i].who.pid = getpid();
		lanes[i].head = pos;
		__atomic_store_n(&lanes[i].state, RING_CLAIMED, __ATOMIC_RELEASE);
	}
	printf("%u\n", made);
	(void)fflush(stdout);
	(void)pause();
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*act)(void);
	} acts[] = {
		{"closefrom", do_closefrom}, {"keys", do_keys},       {"handler", do_handler},
		{"accept", do_accept},       {"streams", do_streams}, {"vfork", do_vfork},
		{"clone", do_clone},         {"fcntl", do_fcntl},     {"flood", do_flood},
	};

	(void)alarm(SECONDS);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc > 1 && i < sizeof(acts) / sizeof(acts[0]); i++)
		if (strcmp(argv[1], acts[i].name) == 0)
			exit(acts[i].act());
	fprintf(stderr, "corner_probe: what?\n");
	return 2;
}
