/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of libc and the system calls they make. */
#include "recorder/kinds.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#define CALL(name)    [EVENT_CALL_##name]
#define MUST          128 /* cannot succeed without its system call */
#define KIND(kind)    RECORDER_KIND_##kind
#define SURE(kind)    (RECORDER_KIND_##kind | MUST)
#define SURE_AS_IT_IS (0 | MUST)

/* 0: the function and the system call have one name. */
static const uint8_t kinds[EVENT_CALL_COUNT] = {
	CALL(execve) = KIND(EXEC),
	CALL(execv) = KIND(EXEC),
	CALL(execvp) = KIND(EXEC),
	CALL(execvpe) = KIND(EXEC),
	CALL(execl) = KIND(EXEC),
	CALL(execlp) = KIND(EXEC),
	CALL(execle) = KIND(EXEC),
	CALL(fexecve) = KIND(EXEC),
	CALL(execveat) = KIND(EXEC),
	CALL(posix_spawn) = KIND(PARTS),
	CALL(posix_spawnp) = KIND(PARTS),
	CALL(system) = KIND(PARTS),
	CALL(popen) = KIND(PARTS),
	CALL(fork) = KIND(FORK),
	CALL(vfork) = KIND(FORK),
	CALL(_Fork) = KIND(FORK),
	CALL(clone) = KIND(FORK),
	CALL(open) = SURE(OPEN),
	CALL(open64) = SURE(OPEN),
	CALL(openat) = SURE(OPEN),
	CALL(openat64) = SURE(OPEN),
	CALL(creat) = SURE(OPEN),
	CALL(creat64) = SURE(OPEN),
	CALL(__open_2) = SURE(OPEN),
	CALL(__open64_2) = SURE(OPEN),
	CALL(__openat_2) = SURE(OPEN),
	CALL(__openat64_2) = SURE(OPEN),
	CALL(fopen) = SURE(OPEN),
	CALL(fopen64) = SURE(OPEN),
	CALL(freopen) = KIND(OPEN), /* onto the old number, by another call */
	CALL(freopen64) = KIND(OPEN),
	CALL(mkstemp) = SURE(OPEN),
	CALL(mkstemp64) = SURE(OPEN),
	CALL(mkostemp) = SURE(OPEN),
	CALL(mkostemp64) = SURE(OPEN),
	CALL(mkstemps) = SURE(OPEN),
	CALL(mkstemps64) = SURE(OPEN),
	CALL(mkostemps) = SURE(OPEN),
	CALL(mkostemps64) = SURE(OPEN),
	CALL(opendir) = SURE(OPEN),
	CALL(shm_open) = SURE(OPEN),
	CALL(tmpfile) = SURE(OPEN),
	CALL(tmpfile64) = SURE(OPEN),
	CALL(sem_open) = KIND(PARTS), /* a name of its own, linked into place */
	CALL(openat2) = SURE(OPEN),
	CALL(unlink) = SURE(UNLINK),
	CALL(unlinkat) = SURE(UNLINK),
	CALL(remove) = SURE(UNLINK),
	CALL(rmdir) = SURE(UNLINK),
	CALL(shm_unlink) = SURE(UNLINK),
	CALL(sem_unlink) = SURE(UNLINK),
	CALL(rename) = SURE(RENAME),
	CALL(renameat) = SURE(RENAME),
	CALL(renameat2) = SURE(RENAME),
	CALL(link) = SURE(LINK),
	CALL(linkat) = SURE(LINK),
	CALL(symlink) = SURE(SYMLINK),
	CALL(symlinkat) = SURE(SYMLINK),
	CALL(mkdir) = SURE(MKDIR),
	CALL(mkdirat) = SURE(MKDIR),
	CALL(mkdtemp) = SURE(MKDIR),
	CALL(mkfifo) = SURE(MKNOD),
	CALL(mkfifoat) = SURE(MKNOD),
	CALL(mknod) = SURE(MKNOD),
	CALL(mknodat) = SURE(MKNOD),
	CALL(chmod) = SURE(CHMOD),
	CALL(fchmod) = SURE(CHMOD),
	CALL(fchmodat) = KIND(CHMOD), /* without following links it goes by /proc */
	CALL(chown) = SURE(CHOWN),
	CALL(lchown) = SURE(CHOWN),
	CALL(fchown) = SURE(CHOWN),
	CALL(fchownat) = SURE(CHOWN),
	CALL(truncate) = SURE(TRUNCATE),
	CALL(truncate64) = SURE(TRUNCATE),
	CALL(ftruncate) = SURE(TRUNCATE),
	CALL(ftruncate64) = SURE(TRUNCATE),
	CALL(utimensat) = SURE(TIMES),
	CALL(futimens) = SURE(TIMES),
	CALL(utimes) = KIND(TIMES), /* one of two calls */
	CALL(chdir) = SURE(CHDIR),
	CALL(fchdir) = SURE(CHDIR),
	CALL(umount) = SURE(UMOUNT),
	CALL(umount2) = SURE(UMOUNT),
	CALL(mount) = SURE_AS_IT_IS,
	CALL(chroot) = SURE_AS_IT_IS,
	CALL(pivot_root) = SURE_AS_IT_IS,
	/* in a program with threads libc makes the call in each of them */
	CALL(setuid) = KIND(UID),
	CALL(seteuid) = KIND(UID),
	CALL(setreuid) = KIND(UID),
	CALL(setresuid) = KIND(UID),
	CALL(setgid) = KIND(GID),
	CALL(setegid) = KIND(GID),
	CALL(setregid) = KIND(GID),
	CALL(setresgid) = KIND(GID),
	CALL(setgroups) = KIND(GROUPS),
	CALL(initgroups) = KIND(GROUPS),
	CALL(connect) = SURE_AS_IT_IS,
	CALL(bind) = SURE_AS_IT_IS,
	CALL(listen) = SURE_AS_IT_IS,
	CALL(accept) = SURE(ACCEPT),
	CALL(accept4) = SURE(ACCEPT),
	CALL(socket) = SURE(SOCKET),
	CALL(socketpair) = SURE(SOCKET),
	CALL(sendto) = KIND(SEND),
	CALL(sendmsg) = KIND(SEND),
	CALL(sendmmsg) = KIND(SEND),
	CALL(getaddrinfo) = KIND(PARTS),
	CALL(gethostbyname) = KIND(PARTS),
	CALL(gethostbyname2) = KIND(PARTS),
	CALL(gethostbyname_r) = KIND(PARTS),
	CALL(gethostbyname2_r) = KIND(PARTS),
	CALL(kill) = SURE(KILL),
	CALL(killpg) = SURE(KILL),
	CALL(tgkill) = SURE(KILL),
	CALL(sigqueue) = KIND(KILL),
	CALL(dlopen) = KIND(PARTS),
	CALL(dlmopen) = KIND(PARTS),
	CALL(memfd_create) = SURE(MEMFD),
	CALL(close) = KIND(NONE),
	CALL(fclose) = KIND(NONE),
	CALL(closedir) = KIND(NONE),
	CALL(pclose) = KIND(NONE),
	CALL(close_range) = KIND(NONE),
	CALL(dup) = KIND(NONE),
	CALL(dup2) = KIND(NONE),
	CALL(dup3) = KIND(NONE),
	CALL(fcntl) = KIND(NONE),
	CALL(fcntl64) = KIND(NONE),
};

unsigned recorder_kind_of(enum event_call call)
{
	unsigned kind = kinds[call] & (MUST - 1u);

	if (kind)
		return kind;
	if (event_call_info(call)->family == EVENT_FAMILY_IO)
		return RECORDER_KIND_NONE;
	return RECORDER_KIND_ITSELF + (unsigned)call;
}

/* The rows that the kernel sensor tells of. */
static const bool told[EVENT_CALL_COUNT] = {
#define EVENT_NUMBER(name, spec)              [EVENT_CALL_##name] = true,
#define EVENT_NUMBER_KERNEL(name, call, spec) [EVENT_CALL_##call] = true,
#include "event/numbers.def"
#undef EVENT_NUMBER
#undef EVENT_NUMBER_KERNEL
};

bool recorder_kind_must(enum event_call call)
{
	if (!(kinds[call] & MUST))
		return false;
	for (unsigned i = 0; i < EVENT_CALL_COUNT; i++)
		if (told[i] && recorder_kind_of((enum event_call)i) == recorder_kind_of(call))
			return true;
	return false;
}

bool recorder_kind_renames(enum event_call call)
{
	return call == EVENT_CALL_shm_open || call == EVENT_CALL_shm_unlink ||
	       call == EVENT_CALL_sem_unlink || call == EVENT_CALL_tmpfile ||
	       call == EVENT_CALL_tmpfile64;
}

bool recorder_kind_has_parts(enum event_call call)
{
	if (event_call_makes_name(call) || recorder_kind_renames(call))
		return true;
	switch (recorder_kind_of(call)) {
	case RECORDER_KIND_EXEC:
	case RECORDER_KIND_PARTS:
	case RECORDER_KIND_GROUPS:
		return true;
	case RECORDER_KIND_OPEN:
	case RECORDER_KIND_UNLINK:
		return !recorder_kind_is_one(call);
	default:
		return false;
	}
}

bool recorder_kind_is_one(enum event_call call)
{
	switch (recorder_kind_of(call)) {
	case RECORDER_KIND_OPEN:
		return call == EVENT_CALL_openat2 ||
		       (call >= EVENT_CALL_open && call <= EVENT_CALL___openat64_2);
	case RECORDER_KIND_UNLINK:
		return call == EVENT_CALL_unlink || call == EVENT_CALL_unlinkat ||
		       call == EVENT_CALL_rmdir;
	case RECORDER_KIND_MKDIR:
		return call != EVENT_CALL_mkdtemp;
	default:
		return recorder_kind_must(call);
	}
}

static bool is_text(char letter)
{
	return letter == 'p' || letter == 'q' || letter == 'x' || letter == 's';
}

/* The @which-th path or name; NULL: there is none. */
static const struct event_arg *text_arg(enum event_call call, const struct event_arg *args,
					unsigned which)
{
	const char *layout = event_call_info(call)->layout;

	for (unsigned i = 0; layout[i]; i++)
		if (is_text(layout[i]) && !which--)
			return &args[i];
	return NULL;
}

struct event_text recorder_kind_text(const struct event *ev)
{
	const struct event_arg *arg = text_arg(ev->call, ev->args, 0);

	if (event_call_makes_name(ev->call) && ev->extra.data)
		return ev->extra;
	if (!arg || arg->absent || !arg->data)
		return (struct event_text){NULL, 0};
	return (struct event_text){arg->data, arg->len};
}

struct event_text recorder_kind_path(const struct kernel_fact *f)
{
	const struct event_arg *arg = text_arg(f->call, f->args, 0);

	if (f->where_is_file && f->where.len)
		return f->where;
	if (!arg || arg->absent || !arg->data)
		return (struct event_text){NULL, 0};
	return (struct event_text){arg->data, arg->len};
}

bool recorder_kind_is_libcs(struct event_text path)
{
	static const char *const places[] = {
		"/usr/lib/locale/", "/usr/share/locale/", "/usr/share/zoneinfo/", "/etc/ld.so.",
		"/etc/localtime", "/etc/nsswitch.conf", "/etc/locale.alias",
		/* for names of hosts and services */
		"/etc/hosts", "/etc/resolv.conf", "/etc/host.conf", "/etc/gai.conf",
		"/etc/services", "/etc/protocols", "/etc/networks"};
	static const char gconv[] = "/gconv/";

	if (path.len && memmem(path.data, path.len, "/..", 3))
		return false; /* it leads elsewhere */
	for (size_t i = 0; i < TT_ARRAY_SIZE(places); i++)
		if (path.len >= strlen(places[i]) &&
		    memcmp(path.data, places[i], strlen(places[i])) == 0)
			return true;
	return path.len > 5 && memcmp(path.data, "/usr/", 5) == 0 &&
	       memmem(path.data, path.len, gconv, sizeof(gconv) - 1);
}

bool recorder_kind_is_linked(const struct kernel_fact *f)
{
	static const char own[] = "/etc/ld";
	struct event_text path = recorder_kind_path(f);
	const char *base = path.len ? memrchr(path.data, '/', path.len) : NULL;

	if (recorder_kind_of(f->call) != RECORDER_KIND_OPEN || !base)
		return false;
	return memmem(base, (size_t)(path.data + path.len - base), ".so", 3) ||
	       (path.len > strlen(own) && base == path.data + 4 &&
		memcmp(path.data, own, strlen(own)) == 0);
}

static bool same_address(const struct event *ev, const struct kernel_fact *f)
{
	const char *a = strchr(event_call_info(ev->call)->layout, 'a'),
		   *b = strchr(event_call_info(f->call)->layout, 'a');
	const struct event_arg *x, *y;
	size_t n;

	if (!a || !b)
		return true;
	x = &ev->args[a - event_call_info(ev->call)->layout];
	y = &f->args[b - event_call_info(f->call)->layout];
	if (!x->data || !y->data)
		return true;
	/* of a peer's there is as much as the caller had room for */
	if (x->len != y->len && recorder_kind_of(ev->call) != RECORDER_KIND_ACCEPT)
		return false;
	n = x->len < y->len ? x->len : y->len;
	return memcmp(x->data, y->data, n) == 0;
}

/* The last part of two paths. */
static bool same_name(struct event_text x, struct event_text y)
{
	const char *a, *b;
	size_t n;

	while (x.len && x.data[x.len - 1] == '/')
		x.len--;
	while (y.len && y.data[y.len - 1] == '/')
		y.len--;
	a = memrchr(x.data, '/', x.len);
	b = memrchr(y.data, '/', y.len);
	a = a ? a + 1 : x.data;
	b = b ? b + 1 : y.data;
	n = (size_t)(x.data + x.len - a);
	return n == (size_t)(y.data + y.len - b) && memcmp(a, b, n) == 0;
}

static bool same_bytes(struct event_text a, bool a_cut, const struct event_arg *b)
{
	size_t n = a.len < b->len ? a.len : b->len;

	/* the library does not cut what a path has room for: a shorter one is made up */
	if ((a.len > b->len && !b->cut) ||
	    (b->len > a.len && !(a_cut && a.len + 1 >= EVENT_PATH_MAX)))
		return false;
	return memcmp(a.data, b->data, n) == 0;
}

/* A file that gets no name. */
static bool is_nameless(const struct event *ev)
{
	const char *o = strchr(event_call_info(ev->call)->layout, 'o');

	return o && (ev->args[o - event_call_info(ev->call)->layout].num & O_TMPFILE) == O_TMPFILE;
}

bool recorder_kind_same_words(const struct event *ev, const struct kernel_fact *f)
{
	struct event_text said = recorder_kind_text(ev);

	for (unsigned which = 0; which < 2; which++) {
		const struct event_arg *k = text_arg(f->call, f->args, which),
				       *l = text_arg(ev->call, ev->args, which);

		if (which)
			said = l && !l->absent ? (struct event_text){l->data, l->len}
					       : (struct event_text){NULL, 0};
		if (k && k->data && !k->absent && said.data && !same_bytes(said, l->cut, k))
			return false;
		/* the kernel got none, where it might have been read */
		if (k && k->absent && !k->cut && said.data && f->by == KERNEL_BY_BPF &&
		    f->kind == KERNEL_FACT_CALL)
			return false;
	}
	return true;
}

static bool begins(struct event_text text, const char *with)
{
	return text.len >= strlen(with) && memcmp(text.data, with, strlen(with)) == 0;
}

/* What libc makes of a name that is no path. */
static bool is_renamed(const struct event *ev, struct event_text path, const struct kernel_fact *f)
{
	static const char shm[] = "/dev/shm/", sem[] = "sem.";
	struct event_text said = recorder_kind_text(ev);
	const char *o = strchr(event_call_info(f->call)->layout, 'o');

	if (ev->call == EVENT_CALL_tmpfile || ev->call == EVENT_CALL_tmpfile64)
		return begins(path, "/tmp/tmpf") ||
		       (o && (f->args[o - event_call_info(f->call)->layout].num & O_TMPFILE) ==
				     O_TMPFILE);
	if (!begins(path, shm))
		return false;
	path.data += strlen(shm);
	path.len -= strlen(shm);
	while (said.len && *said.data == '/') {
		said.data++;
		said.len--;
	}
	if (ev->call == EVENT_CALL_sem_unlink && path.len > said.len && begins(path, sem)) {
		path.data += strlen(sem);
		path.len -= strlen(sem);
	}
	return path.len == said.len && memcmp(path.data, said.data, said.len) == 0;
}

/*
 * Whether the function may have asked for what the kernel was asked for: one that says no path or
 * address covers none that the kernel saw.
 */
static bool says_as_much(const struct event *ev, const struct kernel_fact *f)
{
	const char *from = event_call_info(ev->call)->layout,
		   *to = event_call_info(f->call)->layout;
	const struct event_arg *l = text_arg(ev->call, ev->args, 0),
			       *k = text_arg(f->call, f->args, 0);
	const char *a = strchr(from, 'a'), *b = strchr(to, 'a');
	struct event_text path = {NULL, 0};

	if (k && k->data && !k->absent)
		path = (struct event_text){k->data, k->len};
	if (recorder_kind_renames(ev->call))
		return !path.data || is_renamed(ev, path, f);
	if (a && b && ev->args[a - from].absent && f->args[b - to].data &&
	    recorder_kind_of(ev->call) != RECORDER_KIND_ACCEPT)
		return false;
	if (!k)
		return !l || !l->data || to[0] != 'f';
	/* by the name that /proc has for an fd */
	if (!l)
		return !path.len || begins(path, "/proc/self/fd/");
	return !path.len || recorder_kind_text(ev).data;
}

static bool same_text(const struct event *ev, const struct kernel_fact *f)
{
	struct event_text said = recorder_kind_text(ev);

	if (recorder_kind_renames(ev->call))
		return true;
	/* read when the call was over, while others could write it: the file is the better word */
	if (said.data && !f->own_memory && f->where_is_file && f->where.len && !is_nameless(ev))
		return same_name(said, f->where);
	return recorder_kind_same_words(ev, f);
}

/* The folder that the @which-th path starts from, if it is relative. */
static int folder_of(enum event_call call, const struct event_arg *args, unsigned which)
{
	const struct event_arg *path = text_arg(call, args, which);
	const char *layout = event_call_info(call)->layout;

	return path > args && layout[path - args - 1] == 'd' ? (int)path[-1].num : AT_FDCWD;
}

static bool same_folders(const struct event *ev, const struct kernel_fact *f)
{
	for (unsigned which = 0; which < 2; which++) {
		const struct event_arg *k = text_arg(f->call, f->args, which),
				       *l = text_arg(ev->call, ev->args, which);

		if (k && l && k->len && l->data && *(const char *)l->data != '/' &&
		    !recorder_kind_renames(ev->call) &&
		    folder_of(f->call, f->args, which) != folder_of(ev->call, ev->args, which))
			return false;
	}
	return true;
}

/* Of those that mean the same to the function and to the kernel; no more than 32 bits count. */
static bool same_number(char letter, const struct event_arg *a, const struct event_arg *b)
{
	static const bool counts[128] = {
		['i'] = true, ['g'] = true, ['n'] = true, ['S'] = true, ['X'] = true, ['D'] = true,
		['T'] = true, ['P'] = true, ['W'] = true, ['N'] = true, ['U'] = true, ['K'] = true,
	};

	if (letter == 'm')
		return a->absent || b->absent || ((a->num ^ b->num) & 07777) == 0;
	return !counts[(unsigned char)letter & 127] || (uint32_t)a->num == (uint32_t)b->num;
}

static bool same_numbers(const struct event *ev, const struct kernel_fact *f)
{
	const char *a = event_call_info(ev->call)->layout, *b = event_call_info(f->call)->layout;

	if (event_opens(ev->call) && event_opens(f->call) &&
	    event_args_write(ev->call, ev->args) != event_args_write(f->call, f->args))
		return false;
	/* kill(2) of a group has a minus in front of it */
	for (unsigned i = ev->call == EVENT_CALL_killpg; strcmp(a, b) == 0 && a[i]; i++)
		if (!same_number(a[i], &ev->args[i], &f->args[i]))
			return false;
	return true;
}

/* What is done to an fd, by both: the same one. */
static bool same_fd(const struct event *ev, const struct kernel_fact *f)
{
	const char *a = event_call_info(ev->call)->layout, *b = event_call_info(f->call)->layout;

	return a[0] != 'f' || b[0] != 'f' || ev->args[0].num == f->args[0].num;
}

static bool same_program(const struct event *ev, const struct kernel_fact *f)
{
	struct event_text said = recorder_kind_text(ev);

	const char *layout = event_call_info(ev->call)->layout;

	if (!said.data || !f->path.data)
		return true; /* by an fd */
	/* only a name that is searched for differs from what is executed */
	if (layout[0] == 'p')
		return said.len == f->path.len && memcmp(said.data, f->path.data, said.len) == 0;
	return same_name(said, f->path);
}

bool recorder_kind_makes(const struct event *ev, const struct kernel_fact *f)
{
	if (event_call_family(ev->call) != EVENT_FAMILY_EXEC || event_call_execs(ev->call) ||
	    !ev->has_result || ev->result < 0)
		return false;
	/* spawns and shells do not return the number of the process that they make */
	return recorder_kind_of(ev->call) != RECORDER_KIND_FORK || ev->result == f->pid ||
	       ev->result == f->ns_pid;
}

enum recorder_same recorder_kind_compare(const struct event *ev, const struct kernel_fact *f)
{
	if (f->kind == KERNEL_FACT_EXEC)
		return same_program(ev, f) ? RECORDER_SAME : RECORDER_OTHER_TEXT;
	if (f->kind == KERNEL_FACT_FORK)
		return RECORDER_SAME;
	if (!says_as_much(ev, f))
		return RECORDER_OTHER_RESULT;
	/* a call that did not come back, whose end the kernel knows */
	if (ev->has_result && f->has_result) {
		bool failed = ev->error || ev->result < 0, other;

		if (failed != (f->error || f->result < 0))
			other = true;
		else if (failed)
			other = ev->error != f->error;
		else
			other = event_call_opens(ev->call) && event_call_opens(f->call) &&
				ev->result != f->result;
		if (other)
			return same_text(ev, f) && same_address(ev, f) && same_fd(ev, f) &&
					       same_folders(ev, f) && same_numbers(ev, f)
				       ? RECORDER_OTHER_END
				       : RECORDER_OTHER_RESULT;
	}
	if (!same_fd(ev, f))
		return RECORDER_OTHER_RESULT;
	if (!same_folders(ev, f) || !same_numbers(ev, f))
		return RECORDER_OTHER_NUMBERS;
	return same_text(ev, f) && same_address(ev, f) ? RECORDER_SAME : RECORDER_OTHER_TEXT;
}
