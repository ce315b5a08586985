/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a held call's registers and memory say, and what /proc says of an image. All of it is the
 * workload's: nothing here is believed, and every length is ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/auxvec.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/out.h"
#include "kernel/observer_internal.h"

#define PAGE        4096U
#define FIRST_BYTES 256 /* most texts end in as many */
#define ARGV_MAX    128 /* strings that are told of */
#define ARGV_CHUNK  96  /* bytes of each that are read at first */
#define ARGV_BYTES  OBSERVED_PATH
#define NOT_THERE   SIZE_MAX

/* Whom a look is at, and what of an exec was read ahead. */
struct look {
	pid_t tid;
	int memory; /* /proc/TID/mem, or -1 */
	uint64_t path_at, argv_at;
	size_t path_len, argv_count;
	char path[FIRST_BYTES];
	uint64_t argv[16];
};

/* At most up to the end of the page: the next one may not be there. */
static size_t in_page(uint64_t at, size_t want)
{
	size_t rest = PAGE - (size_t)(at & (PAGE - 1));

	return want < rest ? want : rest;
}

static bool read_memory(pid_t tid, uint64_t at, void *to, size_t len)
{
	struct iovec here = {to, len}, there = {(void *)(uintptr_t)at, len};

	return at >= PAGE && process_vm_readv(tid, &here, 1, &there, 1, 0) == (ssize_t)len;
}

/* Text up to its NUL. Returns its length, @cap if there is more, NOT_THERE if it has no end. */
static size_t read_text(pid_t tid, uint64_t at, char *to, size_t cap)
{
	size_t got = 0, n;
	const char *end;

	while (got < cap) {
		n = in_page(at + got, got || cap < FIRST_BYTES ? cap - got : FIRST_BYTES);
		if (!read_memory(tid, at + got, to + got, n))
			return NOT_THERE;
		end = memchr(to + got, 0, n);
		if (end)
			return (size_t)(end - to);
		got += n;
	}
	return cap;
}

static size_t room_left(const struct kernel_room *r)
{
	return (size_t)(r->end - r->at);
}

static void put_text(struct kernel_room *room, pid_t tid, uint64_t at, struct event_arg *ret)
{
	size_t cap = room_left(room) < OBSERVED_PATH ? room_left(room) : OBSERVED_PATH, n;

	ret->num = (int64_t)at;
	ret->absent = !at;
	if (at < PAGE || !cap)
		return;
	n = read_text(tid, at, room->at, cap);
	if (n == NOT_THERE)
		return;
	ret->data = room->at;
	ret->len = n;
	ret->cut = n == cap;
	room->at += n;
}

static void put_path(struct kernel_room *room, const struct look *l, uint64_t at,
		     struct event_arg *ret)
{
	const char *end = l->path_at == at && at ? memchr(l->path, 0, l->path_len) : NULL;
	size_t len = end ? (size_t)(end - l->path) : 0;

	if (!end || room_left(room) < len) {
		put_text(room, l->tid, at, ret);
		return;
	}
	memcpy(room->at, l->path, len);
	ret->num = (int64_t)at;
	ret->data = room->at;
	ret->len = len;
	room->at += len;
}

/* The first bytes of each string, in one call. Returns how many strings are there. */
static size_t read_chunks(pid_t tid, const uint64_t *pointers, size_t count, char *chunks,
			  size_t *lens)
{
	struct iovec here = {chunks, 0}, there[ARGV_MAX];
	ssize_t got;
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		lens[i] = in_page(pointers[i], ARGV_CHUNK);
		there[i] = (struct iovec){(void *)(uintptr_t)pointers[i], lens[i]};
		here.iov_len += lens[i];
	}
	got = process_vm_readv(tid, &here, 1, there, count, 0);
	while (n < count && got >= (ssize_t)lens[n])
		got -= (ssize_t)lens[n++];
	return n;
}

/* The pointers of an argv, up to its NULL. */
static size_t read_pointers(const struct look *l, uint64_t at, uint64_t *to, size_t max,
			    bool *ret_cut)
{
	size_t n = 0, got;

	while (l->argv_at == at && n < l->argv_count) {
		if (!l->argv[n])
			return n;
		to[n] = l->argv[n];
		n++;
	}
	while (n < max) {
		got = in_page(at + n * 8, (n ? max - n : 16) * 8) / 8;
		if (!got || !read_memory(l->tid, at + n * 8, to + n, got * 8)) {
			*ret_cut = true;
			return n;
		}
		for (size_t i = 0; i < got && n < max; i++, n++)
			if (!to[n])
				return n;
	}
	*ret_cut = true;
	return n;
}

static void put_argv(struct kernel_room *room, const struct look *l, uint64_t at,
		     struct event_arg *ret)
{
	char chunks[ARGV_MAX * ARGV_CHUNK], *to = room->at, *chunk = chunks;
	size_t cap = room_left(room) < ARGV_BYTES ? room_left(room) : ARGV_BYTES, lens[ARGV_MAX],
	       count, n;
	uint64_t pointers[ARGV_MAX];
	pid_t tid = l->tid;

	ret->absent = !at;
	if (at < PAGE)
		return;
	count = read_pointers(l, at, pointers, ARGV_MAX, &ret->cut);
	n = read_chunks(tid, pointers, count, chunks, lens);
	ret->cut |= n < count;
	for (size_t i = 0; i < n; chunk += lens[i++]) {
		size_t left = cap - (size_t)(to - room->at), len = strnlen(chunk, lens[i]);

		if (left < 2)
			break;
		if (len < lens[i]) {
			len = len < left - 1 ? len : left - 1;
			memcpy(to, chunk, len);
		} else {
			len = read_text(tid, pointers[i], to, left - 1);
			if (len == NOT_THERE)
				len = 0;
		}
		ret->cut |= len == left - 1;
		to += len;
		*to++ = '\0';
	}
	ret->data = room->at;
	ret->len = (size_t)(to - room->at);
	room->at = to;
}

/* /proc/PID/@rest, @fd appended where it is not negative. */
static void proc_path(char path[64], pid_t pid, const char *rest, int fd)
{
	struct tt_out o;

	tt_out_init(&o, path, 63);
	tt_out_str(&o, "/proc/");
	tt_out_i64(&o, pid);
	tt_out_str(&o, rest);
	if (fd >= 0)
		tt_out_i64(&o, fd);
	path[o.len] = '\0';
}

/* What a link of /proc says, if it is a path. */
static struct event_text put_link(struct kernel_room *room, pid_t pid, const char *rest, int fd)
{
	size_t cap = room_left(room) < OBSERVED_PATH ? room_left(room) : OBSERVED_PATH;
	struct event_text ret = {NULL, 0};
	char path[64];
	ssize_t n;

	proc_path(path, pid, rest, fd);
	n = readlink(path, room->at, cap);
	if (n <= 0 || (size_t)n == cap || room->at[0] != '/')
		return ret;
	ret = (struct event_text){room->at, (size_t)n};
	room->at += n;
	return ret;
}

/* Where a relative path starts: the cwd, or the folder behind a dirfd. */
static struct event_text put_base(struct kernel_room *room, pid_t tid, int dirfd)
{
	return dirfd == AT_FDCWD ? put_link(room, tid, "/cwd", -1)
				 : put_link(room, tid, "/fd/", dirfd);
}

static bool is_relative(const struct event_arg *a)
{
	return !a->absent && a->data && (!a->len || ((const char *)a->data)[0] != '/');
}

/* Twice as quick as the other way, for one that was used before. */
static bool read_quickly(int memory, uint64_t at, void *to, size_t len)
{
	return memory >= 0 && at >= PAGE && at <= INT64_MAX &&
	       pread(memory, to, len, (off_t)at) == (ssize_t)len;
}

static void put_addr(struct kernel_room *room, const struct look *l, uint64_t at, uint64_t len,
		     struct kernel_fact *f, struct event_arg *ret)
{
	static const size_t path_at = sizeof(sa_family_t);
	sa_family_t family = AF_UNSPEC;

	ret->absent = !at;
	if (len > EVENT_ADDR_MAX)
		len = EVENT_ADDR_MAX;
	if (!len || room_left(room) < len ||
	    (!read_quickly(l->memory, at, room->at, (size_t)len) &&
	     !read_memory(l->tid, at, room->at, (size_t)len)))
		return;
	ret->data = room->at;
	ret->len = (size_t)len;
	room->at += len;
	if (len < path_at)
		return;
	memcpy(&family, ret->data, sizeof(family));
	if (family == AF_UNIX && len > path_at && ((const char *)ret->data)[path_at] != '/' &&
	    ((const char *)ret->data)[path_at])
		f->where = put_base(room, l->tid, AT_FDCWD);
}

/* The flags and the mode of an openat2, as they stand in memory now. */
static void put_how(pid_t tid, const uint64_t a[6], unsigned n, struct event_arg *ret)
{
	struct open_how how = {0};

	if (a[n + 1] >= sizeof(how) && !read_memory(tid, a[n], &how, sizeof(how)))
		memset(&how, 0, sizeof(how));
	ret[0].num = (int64_t)how.flags;
	ret[1].num = (int64_t)how.mode;
	ret[1].absent = !(how.flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)));
}

/* Each argument by its letter; what relative paths start from is looked up behind it. */
static void put_args(const struct kernel_watched *w, const struct look *l, const uint64_t a[6],
		     struct kernel_fact *f, struct kernel_room *room)
{
	pid_t tid = l->tid;
	unsigned i = 0;
	int dir = -1; /* index of the dirfd before the path */

	for (unsigned n = 0; w->spec[n]; n++) {
		struct event_arg *arg = &f->args[i];

		switch (w->spec[n]) {
		case '-':
			continue;
		case 'd':
			arg->num = (int)a[n];
			dir = (int)i;
			break;
		case 'p':
		case 'q':
			put_path(room, l, a[n], arg);
			if (is_relative(arg)) {
				struct event_text base = put_base(
					room, tid, dir < 0 ? AT_FDCWD : (int)f->args[dir].num);

				if (dir >= 0 && f->args[dir].num != AT_FDCWD) {
					f->args[dir].data = base.data;
					f->args[dir].len = base.len;
				}
				if (!f->where.data)
					f->where = base;
			}
			dir = -1;
			break;
		case 's':
			put_text(room, tid, a[n], arg);
			break;
		case 'v':
			put_argv(room, l, a[n], arg);
			break;
		case 'a':
			put_addr(room, l, a[n], (uint32_t)a[n + 1], f, arg);
			break;
		case 'h':
			put_how(tid, a, n, arg);
			i++;
			break;
		case 'm':
			arg->num = (uint32_t)a[n];
			arg->absent = n && w->spec[n - 1] == 'o' &&
				      !((int)a[n - 1] & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)));
			break;
		case 'u':
			arg->num = (int64_t)a[n];
			break;
		case 'f':
			arg->num = (int)a[n];
			if (w->what == KERNEL_OBSERVE_FILES) {
				struct event_text file = put_base(room, tid, (int)a[n]);

				arg->data = file.data;
				arg->len = file.len;
			}
			break;
		default: /* the kernel looks at 32 bits of these */
			arg->num = (int)a[n];
			break;
		}
		i++;
	}
}

/* Where its path and its argv stand in the registers. */
static int arg_of(const struct kernel_watched *w, char letter)
{
	return (int)(strchr(w->spec, letter) - w->spec);
}

/*
 * Path, first pointers and code in one call, which costs more than what it reads. What is not all
 * there is read piece by piece later.
 */
static void look_ahead(struct look *l, const struct kernel_watched *w, const uint64_t a[6],
		       struct kernel_stamp *stamp)
{
	uint64_t path = a[arg_of(w, 'p')], argv = a[arg_of(w, 'v')];
	size_t path_len = in_page(path, sizeof(l->path)),
	       argv_len = in_page(argv, sizeof(l->argv)) / 8 * 8;
	struct iovec here[3] = {{stamp->code, sizeof(stamp->code)},
				{l->path, path_len},
				{l->argv, argv_len}},
		     there[3] = {{(void *)(uintptr_t)stamp->at, sizeof(stamp->code)},
				 {(void *)(uintptr_t)path, path_len},
				 {(void *)(uintptr_t)argv, argv_len}};
	ssize_t got =
		path < PAGE || argv < PAGE ? -1 : process_vm_readv(l->tid, here, 3, there, 3, 0);

	stamp->known = got >= (ssize_t)sizeof(stamp->code);
	if (got != (ssize_t)(sizeof(stamp->code) + path_len + argv_len))
		return;
	l->path_at = path;
	l->path_len = path_len;
	l->argv_at = argv;
	l->argv_count = argv_len / 8;
}

void kernel_look_call(const struct kernel_watched *w, const struct seccomp_notif *held, int memory,
		      struct kernel_fact *f, struct kernel_room *room, struct kernel_stamp *stamp)
{
	struct look l = {.tid = (pid_t)held->pid, .memory = memory};
	uint64_t a[6];

	memcpy(a, held->data.args, sizeof(a));
	f->ip = held->data.instruction_pointer;
	if (w->what == KERNEL_OBSERVE_EXEC) {
		stamp->at = f->ip & ~(uint64_t)31;
		look_ahead(&l, w, a, stamp);
		if (!stamp->known)
			stamp->known =
				read_memory(l.tid, stamp->at, stamp->code, sizeof(stamp->code));
	}
	put_args(w, &l, a, f, room);
}

int kernel_look_replaced(pid_t pid, const struct kernel_stamp *stamp)
{
	char now[sizeof(stamp->code)];

	if (read_memory(pid, stamp->at, now, sizeof(now)))
		return memcmp(now, stamp->code, sizeof(now)) != 0;
	/* EFAULT: other mappings; EPERM: a program that we may not look into */
	return errno == ESRCH ? -1 : 1;
}

static ssize_t read_proc(pid_t pid, const char *rest, void *to, size_t cap)
{
	TT_CLEANUP(tt_closep) int fd = -1;
	char path[64];

	proc_path(path, pid, rest, -1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -1 : read(fd, to, cap);
}

/* The first two numbers of a line "Name:\t1\t2\t3\t4": real and effective. */
static void read_ids(const char *status, const char *name, uint32_t *ret_real, uint32_t *ret_eff)
{
	const char *at = strstr(status, name);
	char *end;

	if (!at)
		return;
	*ret_real = (uint32_t)strtoul(at + strlen(name), &end, 10);
	*ret_eff = (uint32_t)strtoul(end, NULL, 10);
}

/* Where its memory is not ours to read: whose it is now has to do. */
static void read_status_ids(struct kernel_fact *f)
{
	char text[4096];
	ssize_t n = read_proc(f->pid, "/status", text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	read_ids(text, "\nUid:\t", &f->uid, &f->euid);
	read_ids(text, "\nGid:\t", &f->gid, &f->egid);
	f->secure = f->uid != f->euid || f->gid != f->egid;
}

/* What the kernel told the image when it began. */
static void put_ids(struct kernel_fact *f)
{
	uint64_t aux[128];
	ssize_t n = read_proc(f->pid, "/auxv", aux, sizeof(aux));

	if (n <= 0) {
		read_status_ids(f);
		return;
	}
	for (ssize_t i = 0; i + 1 < n / 8; i += 2) {
		uint32_t value = (uint32_t)aux[i + 1];

		if (aux[i] == AT_SECURE)
			f->secure = value != 0;
		else if (aux[i] == AT_UID)
			f->uid = value;
		else if (aux[i] == AT_EUID)
			f->euid = value;
		else if (aux[i] == AT_GID)
			f->gid = value;
		else if (aux[i] == AT_EGID)
			f->egid = value;
	}
}

static void put_program(struct kernel_fact *f, struct kernel_room *room)
{
	static const char deleted[] = " (deleted)";
	const size_t cut = sizeof(deleted) - 1;
	char path[64];
	struct stat st;

	f->path = put_link(room, f->pid, "/exe", -1);
	if (f->path.len > cut && memcmp(f->path.data + f->path.len - cut, deleted, cut) == 0) {
		f->path.len -= cut;
		f->anonymous = true;
	}
	proc_path(path, f->pid, "/exe", -1);
	if (stat(path, &st) == 0)
		f->exe = (struct kernel_file){st.st_dev, st.st_ino};
}

bool kernel_look_image(struct kernel_fact *f, struct kernel_room *room, bool brief)
{
	ssize_t n;

	put_program(f, room);
	put_ids(f);
	if (brief)
		return f->path.data || f->exe.ino;
	n = room_left(room) < ARGV_BYTES ? -1 : read_proc(f->pid, "/cmdline", room->at, ARGV_BYTES);
	if (n > 0) {
		f->argv = (struct event_text){room->at, (size_t)n};
		f->argv_cut = n == ARGV_BYTES;
		room->at += n;
	}
	f->cwd = put_link(room, f->pid, "/cwd", -1);
	n = read_proc(f->pid, "/comm", f->comm, sizeof(f->comm));
	if (n > 0)
		f->comm[n - 1] = '\0'; /* its newline, and never past 15 */
	return n > 0;
}
