/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hostile command does so that the record of it is wrong, one act per first argument. What
 * it really did, and what it claims, is printed on stdout, one line of JSON each; kernel_attack.py
 * looks for both.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/time.h"
#include "ring/clock.h"
#include "ring/put.h"

#define ROUNDS 20

static const char *folder;

static const char *below(const char *name)
{
	static char paths[4][4096];
	static unsigned n;
	char *to = paths[n++ % 4];

	(void)snprintf(to, sizeof(paths[0]), "%s/%s", folder, name);
	return to;
}

static void said(const char *what, const char *path, long r)
{
	dprintf(1, "{\"pid\": %d, \"act\": \"%s\", \"path\": \"%s\", \"result\": %ld}\n", getpid(),
		what, path, r);
}

static long raw_open(const char *path, int flags)
{
	return tt_sys4(SYS_openat, AT_FDCWD, path, flags, 0600);
}

/* Past libc and its library, in a program that has both. */
static int direct(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		char name[32];
		long fd;

		(void)snprintf(name, sizeof(name), "direct-%d", i);
		fd = raw_open(below(name), O_WRONLY | O_CREAT);
		said("open", below(name), fd);
		(void)tt_sys1(SYS_close, fd);
	}
	return 0;
}

/* The next image comes without the library: nothing of libc is asked. */
static int unset(void)
{
	char name[] = "attack", verb[] = "open", path[] = "PATH=/usr/bin";
	char *argv[] = {name, verb, (char *)folder, NULL}, *env[] = {path, NULL};

	(void)unsetenv("LD_PRELOAD");
	(void)tt_sys3(SYS_execve, "/proc/self/exe", argv, env);
	return 1;
}

static int plain(void)
{
	int fd = open(below("plain"), O_WRONLY | O_CREAT, 0600);

	said("open", below("plain"), fd);
	said("unlink", below("plain"), unlink(below("plain")));
	return fd < 0;
}

struct uring {
	int fd;
	char *rings;
	struct io_uring_sqe *sqes;
	struct io_uring_params p;
};

static int uring_open(struct uring *u)
{
	u->fd = (int)tt_sys2(SYS_io_uring_setup, 8, &u->p);
	if (u->fd < 0)
		return 77;
	u->rings = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, u->fd, IORING_OFF_SQ_RING);
	u->sqes = mmap(NULL, 8 * sizeof(*u->sqes), PROT_READ | PROT_WRITE, MAP_SHARED, u->fd,
		       IORING_OFF_SQES);
	return u->rings == MAP_FAILED || (void *)u->sqes == MAP_FAILED ||
	       !(u->p.features & IORING_FEAT_SINGLE_MMAP);
}

static int uring_do(struct uring *u, const struct io_uring_sqe *sqe)
{
	unsigned *tail = (unsigned *)(u->rings + u->p.sq_off.tail);
	unsigned *mask = (unsigned *)(u->rings + u->p.sq_off.ring_mask);
	unsigned *array = (unsigned *)(u->rings + u->p.sq_off.array);
	unsigned *head = (unsigned *)(u->rings + u->p.cq_off.head), at = *tail & *mask;
	const struct io_uring_cqe *cqes =
		(const struct io_uring_cqe *)(u->rings + u->p.cq_off.cqes);
	int r;

	u->sqes[at] = *sqe;
	array[at] = at;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (tt_sys6(SYS_io_uring_enter, u->fd, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) != 1)
		return -EIO;
	r = cqes[*head & *(unsigned *)(u->rings + u->p.cq_off.ring_mask)].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return r;
}

static int uring(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct uring u = {.p = {.flags = 0}};
	int r = uring_open(&u), s;

	if (r)
		return r;
	r = uring_do(&u, &(struct io_uring_sqe){.opcode = IORING_OP_OPENAT,
						.fd = AT_FDCWD,
						.addr = (uintptr_t)below("by-uring"),
						.len = 0600,
						.open_flags = O_WRONLY | O_CREAT});
	said("open", below("by-uring"), r);
	r = uring_do(&u, &(struct io_uring_sqe){.opcode = IORING_OP_UNLINKAT,
						.fd = AT_FDCWD,
						.addr = (uintptr_t)below("by-uring")});
	said("unlink", below("by-uring"), r);
	s = socket(AF_INET, SOCK_STREAM, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r = uring_do(&u, &(struct io_uring_sqe){.opcode = IORING_OP_CONNECT,
						.fd = s,
						.addr = (uintptr_t)&to,
						.off = sizeof(to)});
	said("connect", "127.0.0.1:9", r);
	return 0;
}

/* The ring as this process has it mapped, and this thread's lane in it. */
static struct ring_writer find_ring(void)
{
	struct ring_writer w = {.lane = NULL};
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned long from;

	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "memfd:telltale-ring") && sscanf(line, "%lx-", &from) == 1) {
			struct ring_header *h = (struct ring_header *)from;
			struct ring_lane *lanes;

			if (h->magic != RING_MAGIC)
				continue;
			lanes = (struct ring_lane *)((char *)h + ring_lanes_offset());
			for (unsigned n = 0; n < RING_LANES_NEAR; n++) {
				if (lanes[n].state != RING_CLAIMED ||
				    lanes[n].who.tid != (int32_t)tt_sys0(SYS_gettid))
					continue;
				w.header = h;
				w.lane = &lanes[n];
				w.lane_bytes = h->lane_bytes;
				w.data = (char *)h + ring_directory_size(h->slots, h->lanes) +
					 (size_t)n * h->lane_bytes;
				w.tail_seen = lanes[n].tail;
			}
		}
	if (maps)
		(void)fclose(maps);
	if (!w.lane)
		errx(77, "no ring");
	return w;
}

/* A record like any other, of a call that never was. */
static void forge(struct ring_writer *w, enum event_call call, const struct event_arg *args,
		  unsigned argc, long result)
{
	uint64_t now = ring_ticks(w->header->clock);
	struct ring_record *r = ring_call_begin(w, call, args, argc, NULL, now);

	if (!r)
		errx(1, "no room");
	ring_call_end(r, result, 0, 2000);
}

static int claim(void)
{
	struct ring_writer w;

	(void)plain();
	w = find_ring();
	for (int i = 0; i < ROUNDS; i++) {
		char name[32];
		const char *path;

		(void)snprintf(name, sizeof(name), "claimed-%d", i);
		path = below(name);
		forge(&w, EVENT_CALL_open,
		      (struct event_arg[]){{.data = path, .len = strlen(path)},
					   {.num = O_WRONLY | O_CREAT},
					   {.num = 0600}},
		      3, 9);
		said("claim", path, 9);
		(void)usleep(3000);
	}
	return 0;
}

/* An address that nobody spoke to: the record of a run that looks as if it had. */
static int claim_connect(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(443)};
	struct ring_writer w;

	(void)plain();
	w = find_ring();
	to.sin_addr.s_addr = htonl(0xc0000201);
	forge(&w, EVENT_CALL_connect,
	      (struct event_arg[]){{.num = 5}, {.data = &to, .len = sizeof(to)}}, 2, 0);
	said("claim", "192.0.2.1:443", 0);
	return 0;
}

/*
 * Acts past libc, with records that could be of any act: of names that are no paths, of texts that
 * are cut to nothing.
 */
static int cover(void)
{
	static const struct {
		enum event_call call;
		struct event_arg args[3];
		unsigned argc;
		bool removes;
	} covers[] = {
		{EVENT_CALL_shm_open, {{.data = "/x", .len = 2}, {.num = O_RDONLY}}, 3, false},
		{EVENT_CALL_tmpfile, {{.num = 0}}, 0, false},
		{EVENT_CALL_open,
		 {{.data = "/", .len = 1, .cut = true}, {.num = O_RDONLY}},
		 3,
		 false},
		{EVENT_CALL_open, {{.absent = true}, {.num = O_RDONLY}}, 3, false},
		{EVENT_CALL_shm_unlink, {{.data = "/x", .len = 2}}, 1, true},
		{EVENT_CALL_unlink, {{.data = "/", .len = 1, .cut = true}}, 1, true},
	};
	struct ring_writer w;

	(void)plain();
	w = find_ring();
	for (size_t i = 0; i < sizeof(covers) / sizeof(covers[0]); i++) {
		bool writes = covers[i].removes || covers[i].call == EVENT_CALL_tmpfile;
		int flags = writes ? O_RDWR | O_CREAT : O_RDONLY;
		uint64_t began;
		char name[32];
		struct ring_record *r;
		const char *path;
		long result;

		(void)snprintf(name, sizeof(name), "covered-%zu", i);
		path = below(name);
		(void)close(open(path, O_WRONLY | O_CREAT, 0600));
		(void)usleep(3000);
		began = ring_ticks(w.header->clock);
		result = covers[i].removes ? tt_sys1(SYS_unlink, path) : raw_open(path, flags);
		r = ring_call_begin(&w, covers[i].call, covers[i].args, covers[i].argc, NULL,
				    began);
		if (!r)
			errx(1, "no room");
		ring_call_end(r, result, 0, ring_ticks(w.header->clock) - began);
		said(covers[i].removes ? "unlink" : "cover", path, result);
	}
	return 0;
}

/* A child in namespaces of its own, by both calls that make one, past libc. */
static int namespaces(void)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack[3];
	} how = {.flags = CLONE_NEWUSER | CLONE_NEWUTS, .exit_signal = SIGCHLD};
	long pid;

	(void)plain();
	pid = tt_sys6(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0, 0);
	if (pid == 0)
		(void)tt_sys1(SYS_exit_group, 0);
	said("clone", "CLONE_NEWNS", pid);
	pid = tt_sys2(SYS_clone3, &how, sizeof(how));
	if (pid == 0)
		(void)tt_sys1(SYS_exit_group, 0);
	said("clone", "CLONE_NEWUTS", pid);
	while (wait(NULL) > 0)
		;
	return 0;
}

/* Signals by the calls that libc's functions do not make. */
static int signals(void)
{
	siginfo_t info = {.si_signo = SIGCONT, .si_code = SI_QUEUE};
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			(void)pause();
	}
	said("sigqueue", "SIGCONT", tt_sys3(SYS_rt_sigqueueinfo, pid, SIGCONT, &info));
	said("tgkill", "SIGCONT", tt_sys4(SYS_rt_tgsigqueueinfo, pid, pid, SIGCONT, &info));
	said("kill", "SIGKILL", tt_sys2(SYS_tkill, pid, SIGKILL));
	(void)waitpid(pid, NULL, 0);
	return 0;
}

#ifdef __x86_64__
/* By the numbers of 32-bit programs, with a text that lies where these can name it. */
static int foreign(void)
{
	char *text = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long r = 10; /* unlink */

	(void)plain();
	if (text == MAP_FAILED)
		return 77;
	(void)snprintf(text, 4096, "%s", below("foreign"));
	(void)close(open(text, O_WRONLY | O_CREAT, 0600));
	__asm__ volatile("int $0x80" : "+a"(r) : "b"(text) : "memory", "r8", "r9", "r10", "r11");
	said("foreign", text, (int)r);
	return (int)r == -ENOSYS ? 77 : 0;
}
#else
static int foreign(void)
{
	return 77;
}
#endif

/* The last call in the lane, as long as the recorder has not taken it. */
static struct ring_record *last_call(const struct ring_writer *w, enum event_call call)
{
	uint64_t at = w->lane->tail, head = w->lane->head;
	struct ring_record *found = NULL;

	while (at < head) {
		struct ring_record *r =
			(struct ring_record *)(w->data + (at & (w->lane_bytes - 1)));

		if (r->tag != at + 1 || !r->size)
			break;
		if (r->kind == RING_CALL && r->call == call)
			found = r;
		at += r->size;
	}
	return found;
}

static struct ring_record *last_open(const struct ring_writer *w)
{
	struct ring_record *r = last_call(w, EVENT_CALL_open64);

	return r ? r : last_call(w, EVENT_CALL_open);
}

/* The file is opened in the open, and its record then names another. */
static int change(void)
{
	struct ring_writer w;

	(void)plain();
	w = find_ring();
	for (int i = 0; i < ROUNDS; i++) {
		char name[32];
		struct ring_record *r;
		struct ring_arg *a;
		const char *path;
		int fd;

		(void)snprintf(name, sizeof(name), "secret-%d", i);
		path = below(name);
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		r = last_open(&w);
		if (r) {
			a = (struct ring_arg *)(r + 1);
			/* the same length */
			memcpy((char *)(a + 1) + a->len - strlen(name), "public", 6);
			said("change", path, fd);
		} else {
			said("open", path, fd);
		}
		(void)close(fd);
		(void)usleep(3000);
	}
	return 0;
}

/* Another peer than the one that was spoken to. */
static int readdress(void)
{
	struct ring_writer w;

	(void)plain();
	w = find_ring();
	for (int i = 0; i < ROUNDS; i++) {
		struct sockaddr_in to = {.sin_family = AF_INET,
					 .sin_port = htons((uint16_t)(2000 + i))};
		int s = socket(AF_INET, SOCK_DGRAM, 0);
		struct ring_record *r;
		struct ring_arg *a;
		char name[32];
		long done;

		to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		done = connect(s, (struct sockaddr *)&to, sizeof(to));
		r = last_call(&w, EVENT_CALL_connect);
		(void)snprintf(name, sizeof(name), "192.0.2.1:%d", 2000 + i);
		if (r) {
			a = (struct ring_arg *)(r + 1);
			a = (struct ring_arg *)((char *)(a + 1) + a->room * 8);
			to.sin_addr.s_addr = htonl(0xc0000201);
			memcpy(a + 1, &to, sizeof(to));
		}
		said(r ? "readdress" : "missed", name, done);
		(void)close(s);
		(void)usleep(3000);
	}
	return 0;
}

/* The result of an act is another than the kernel's: a failure in place of what was done. */
static int deny(void)
{
	struct ring_writer w;

	(void)plain();
	w = find_ring();
	for (int i = 0; i < ROUNDS; i++) {
		char name[32];
		struct ring_record *r;
		const char *path;
		int fd;

		(void)snprintf(name, sizeof(name), "denied-%d", i);
		path = below(name);
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		r = last_open(&w);
		if (r) {
			r->result = -1;
			r->error = EACCES;
		}
		said(r ? "deny" : "open", path, fd);
		(void)close(fd);
		(void)usleep(3000);
	}
	return 0;
}

/* Calls whose records are made to look like padding before the recorder comes. */
static int hide(void)
{
	struct ring_writer w;

	(void)plain();
	w = find_ring();
	for (int i = 0; i < ROUNDS; i++) {
		char name[32];
		struct ring_record *r;
		const char *path;
		int fd;

		(void)snprintf(name, sizeof(name), "hidden-%d", i);
		path = below(name);
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		r = last_open(&w);
		if (r)
			r->kind = RING_PAD;
		said(r ? "hide" : "open", path, fd);
		(void)close(fd);
		(void)usleep(3000);
	}
	return 0;
}

/* Noise over all of the lane and its indices, and work meanwhile. */
static int garbage(void)
{
	struct ring_writer w;

	(void)plain();
	w = find_ring();
	for (int i = 0; i < ROUNDS; i++) {
		char name[32];
		int fd;

		(void)snprintf(name, sizeof(name), "garbage-%d", i);
		fd = open(below(name), O_WRONLY | O_CREAT, 0600);
		memset(w.data + (w.lane->tail & (w.lane_bytes - 1) & ~4095ull), 0xa5 + i, 4096);
		if (i % 4 == 3)
			w.lane->head += 7;
		said("open", below(name), fd);
		(void)close(fd);
		(void)usleep(2000);
	}
	return 0;
}

static char flipped[4096];
static bool over;

/* Long enough for the other CPU to see it. */
static void linger(void)
{
	for (volatile int i = 0; i < 200; i++)
		;
}

static void *flip(void *arg)
{
	char *at = flipped + strlen(flipped) - 1;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		*(volatile char *)at = 'a';
		linger();
		*(volatile char *)at = 'b';
		linger();
	}
	return arg;
}

/* One thread changes the text between two names while the other opens it: which was it? */
static int race(void)
{
	struct stat a, b, st;
	unsigned seen[2] = {0};
	pthread_t t;

	(void)snprintf(flipped, sizeof(flipped), "%s", below("flip-a"));
	(void)close(open(below("flip-a"), O_WRONLY | O_CREAT, 0600));
	(void)close(open(below("flip-b"), O_WRONLY | O_CREAT, 0600));
	if (stat(below("flip-a"), &a) < 0 || stat(below("flip-b"), &b) < 0)
		err(1, "stat");
	said("open", below("flip-a"), 3);
	said("open", below("flip-b"), 3);
	if (pthread_create(&t, NULL, flip, NULL))
		errx(1, "pthread_create");
	/* until both had their turn, as often as it takes where others use the machine */
	for (int i = 0; i < 500 || (!(seen[0] && seen[1]) && i < 20000); i++) {
		int fd = open(flipped, O_RDWR);

		if (i > 500)
			(void)usleep(100);
		if (fd < 0 || fstat(fd, &st) < 0)
			err(1, "open");
		seen[st.st_ino == a.st_ino]++;
		said("flip", below(st.st_ino == a.st_ino ? "flip-a" : "flip-b"), fd);
		(void)close(fd);
	}
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	(void)pthread_join(t, NULL);
	return 0;
}

static const struct {
	const char *name;
	int (*act)(void);
} acts[] = {
	{"open", plain},          {"direct", direct},   {"unset", unset},
	{"uring", uring},         {"claim", claim},     {"claim-connect", claim_connect},
	{"change", change},       {"deny", deny},       {"hide", hide},
	{"readdress", readdress}, {"garbage", garbage}, {"race", race},
	{"cover", cover},         {"foreign", foreign}, {"namespaces", namespaces},
	{"signals", signals},
};

/* attack ACT FOLDER. 77: cannot be tried here */
int main(int argc, char *argv[])
{
	if (argc != 3)
		errx(2, "no act");
	folder = argv[2];
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		if (strcmp(argv[1], acts[i].name) == 0)
			return acts[i].act();
	errx(2, "'%s': no such act", argv[1]);
}
