/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/records.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/compiler.h"

/* What the kernel says to itself: the call is made again, or it fails with EINTR. */
#define ERESTART_FIRST 512
#define ERESTART_LAST  516

/* O_LARGEFILE as the kernel has it: libc's is 0 where files are always large */
#ifdef __aarch64__
#define KERNEL_LARGEFILE 0400000
#else
#define KERNEL_LARGEFILE 0100000
#endif

struct number {
	char spec[7]; /* as in event/numbers.def */
	uint8_t call;
};

static const struct number numbers[SENSOR_NUMBERS] = {
#define EVENT_NUMBER(name, spec)              [SYS_##name] = {spec, EVENT_CALL_##name},
#define EVENT_NUMBER_KERNEL(name, call, spec) [SYS_##name] = {spec, EVENT_CALL_##call},
#include "event/numbers.def"
	/* its flags lie in a struct, from which the sensor takes them */
	[SYS_clone3] = {"C", EVENT_CALL_clone},
	[SYS_tkill] = {"iS", EVENT_CALL_kill},
	[SYS_rt_sigqueueinfo] = {"iS-", EVENT_CALL_sigqueue},
	[SYS_rt_tgsigqueueinfo] = {"iiS-", EVENT_CALL_tgkill},
#undef EVENT_NUMBER
#undef EVENT_NUMBER_KERNEL
};

/* Operations of an io_uring: what the system call of that name would do. */
static const struct number operations[] = {
	[SENSOR_OP_SENDMSG] = {"faJ", EVENT_CALL_sendmsg},
	[SENSOR_OP_SENDMSG_ZC] = {"faJ", EVENT_CALL_sendmsg},
	[SENSOR_OP_SEND] = {"fuJa", EVENT_CALL_sendto},
	[SENSOR_OP_SEND_ZC] = {"fuJa", EVENT_CALL_sendto},
	[SENSOR_OP_ACCEPT] = {"faK", EVENT_CALL_accept4},
	[SENSOR_OP_CONNECT] = {"fa", EVENT_CALL_connect},
	[SENSOR_OP_BIND] = {"fa", EVENT_CALL_bind},
	[SENSOR_OP_LISTEN] = {"fi", EVENT_CALL_listen},
	[SENSOR_OP_SOCKET] = {"DTP", EVENT_CALL_socket},
	[SENSOR_OP_OPENAT] = {"dpom", EVENT_CALL_openat},
	[SENSOR_OP_OPENAT2] = {"dpom", EVENT_CALL_openat2},
	[SENSOR_OP_RENAMEAT] = {"dpdqR", EVENT_CALL_renameat2},
	[SENSOR_OP_UNLINKAT] = {"dpA", EVENT_CALL_unlinkat},
	[SENSOR_OP_MKDIRAT] = {"dpm", EVENT_CALL_mkdirat},
	[SENSOR_OP_SYMLINKAT] = {"sdp", EVENT_CALL_symlinkat},
	[SENSOR_OP_LINKAT] = {"dpdqA", EVENT_CALL_linkat},
};

static bool opens(enum event_call call)
{
	return event_call_opens(call);
}

/* What becomes a process is told as a fact of its own; that it gets namespaces is not. */
static bool is_birth(enum event_call call)
{
	return call == EVENT_CALL_fork || call == EVENT_CALL_clone;
}

/* Of these the path behind their first argument, an fd, is told. */
static bool acts_on_fd(enum event_call call)
{
	unsigned family = event_call_info(call)->family;

	return !opens(call) && (family == EVENT_FAMILY_FILE || family == EVENT_FAMILY_PRIV);
}

static struct sensor_shape shape_of(const struct number *n)
{
	struct sensor_shape s = {.told = SENSOR_TOLD};
	unsigned texts = 0, paths = 0, dir = 0;

	for (unsigned i = 0; n->spec[i]; i++) {
		char c = n->spec[i];

		if (c == 'd')
			dir = i + 1;
		if (strchr("pqsx", c) && texts < SENSOR_TEXTS)
			s.text[texts++] = (uint8_t)(i + 1);
		if (strchr("pqx", c) && paths < SENSOR_PATHS) {
			s.path[paths] = (uint8_t)texts;
			s.dir[paths++] = (uint8_t)dir;
			dir = 0;
		}
		if (c == 'a' || c == 't' || c == 'V')
			s.addr = (uint8_t)(i + 1);
		if (c == 't' || c == 'V')
			s.special = SENSOR_TIMES;
		if (c == 'r')
			s.special = SENSOR_PEER;
		if (c == 'h')
			s.special = SENSOR_HOW;
		if (c == 'y')
			s.special = SENSOR_MSG;
	}
	if (n->call == EVENT_CALL_sendto)
		s.special = SENSOR_DEST;
	else if (!s.special && opens((enum event_call)n->call))
		s.special = paths ? SENSOR_OPENS : SENSOR_OPENS_FD;
	s.fd = n->spec[0] == 'f' && acts_on_fd((enum event_call)n->call);
	return s;
}

/* Calls that can put code where other code was: always, or if their third argument says so. */
static const struct {
	uint16_t nr;
	bool always;
} mapping_calls[] = {
	{SYS_mmap, false},  {SYS_mprotect, false}, {SYS_pkey_mprotect, false},
	{SYS_mremap, true}, {SYS_shmat, true},
};

void kernel_record_shapes(struct sensor_shape shapes[SENSOR_NUMBERS], uint32_t families)
{
	if (!families)
		families = ~(1u << EVENT_FAMILY_IO);
	for (unsigned nr = 0; nr < SENSOR_NUMBERS; nr++) {
		const struct number *n = &numbers[nr];
		enum event_call call = (enum event_call)n->call;

		shapes[nr] = (struct sensor_shape){.told = 0};
		if (!n->spec[0] || !(families & 1u << event_call_info(call)->family))
			continue;
		shapes[nr] = shape_of(n);
		if (is_birth(call))
			shapes[nr].told = SENSOR_BIRTH;
	}
	for (size_t i = 0; i < TT_ARRAY_SIZE(mapping_calls); i++)
		shapes[mapping_calls[i].nr] = (struct sensor_shape){
			.told = SENSOR_MAPS, .special = !mapping_calls[i].always};
}

static struct event_text text_at(const char *at, size_t len)
{
	return (struct event_text){len ? at : NULL, len};
}

static struct kernel_file file_of(const struct sensor_file *f)
{
	/* the kernel keeps 12 bits of the major and 20 of the minor number */
	return (struct kernel_file){
		.dev = f->dev ? makedev(f->dev >> 20, f->dev & 0xfffff) : 0,
		.ino = f->ino,
	};
}

static int exec_fact(const struct sensor_exec *r, size_t len, struct kernel_fact *ret)
{
	const char *at = (const char *)(r + 1);

	if (len < sizeof(*r) ||
	    len - sizeof(*r) < (size_t)r->path_len + r->argv_len + r->cwd_len + r->exe_len)
		return -EBADMSG;
	ret->kind = KERNEL_FACT_EXEC;
	ret->path = text_at(at, r->path_len);
	at += r->path_len;
	ret->argv = text_at(at, r->argv_len);
	at += r->argv_len;
	ret->cwd = text_at(at, r->cwd_len);
	at += r->cwd_len;
	ret->where = text_at(at, r->exe_len);
	ret->where_is_file = r->exe_len;
	ret->argv_cut = r->flags & SENSOR_EXEC_ARGV_CUT;
	ret->secure = r->flags & SENSOR_EXEC_SECURE;
	ret->anonymous = r->flags & SENSOR_EXEC_ANONYMOUS;
	ret->exe = file_of(&r->exe);
	ret->uid = r->uid;
	ret->euid = r->euid;
	ret->gid = r->gid;
	ret->egid = r->egid;
	return 1;
}

/* CPU time as wait4(2) has it: what was really used, shared out as the ticks fell. */
static void put_times(const struct sensor_exit *r, struct kernel_fact *ret)
{
	uint64_t ticks = r->user_ns + r->system_ns;

	ret->user_ns = ticks ? (uint64_t)((double)r->run_ns * (double)r->user_ns / (double)ticks)
			     : r->run_ns;
	ret->system_ns = r->run_ns - ret->user_ns;
}

static int exit_fact(const struct sensor_exit *r, size_t len, struct kernel_fact *ret)
{
	if (len < sizeof(*r))
		return -EBADMSG;
	ret->kind = KERNEL_FACT_EXIT;
	ret->status = r->status;
	put_times(r, ret);
	ret->max_rss_kb = r->max_rss_pages * ((uint64_t)sysconf(_SC_PAGESIZE) / 1024);
	ret->minor_faults = r->minor_faults;
	ret->major_faults = r->major_faults;
	ret->voluntary = r->voluntary;
	ret->involuntary = r->involuntary;
	ret->read_calls = r->read_calls;
	ret->write_calls = r->write_calls;
	ret->bytes_read = r->bytes_read;
	ret->bytes_written = r->bytes_written;
	return 1;
}

/* Signals to oneself, and questions whether a process is there: no sensor tells of them. */
static bool is_of_note(const struct sensor_call *r, enum event_call call)
{
	int sig = (int)(call == EVENT_CALL_tgkill ? r->args[2] : r->args[1]);

	if (call != EVENT_CALL_kill && call != EVENT_CALL_tgkill && call != EVENT_CALL_sigqueue &&
	    call != EVENT_CALL_pidfd_send_signal)
		return true;
	if (sig == 0)
		return false;
	if (r->nr == SYS_tkill &&
	    ((int)r->args[0] == r->head.tid || (int)r->args[0] == r->head.ns_tid))
		return false;
	return call == EVENT_CALL_pidfd_send_signal ||
	       ((int)r->args[0] != r->head.pid && (int)r->args[0] != r->head.ns_pid);
}

static void put_mode(struct event_arg *arg, uint64_t flags, uint64_t mode)
{
	arg->num = (int64_t)mode;
	arg->absent = !(flags & O_CREAT) && (flags & O_TMPFILE) != O_TMPFILE;
}

struct texts {
	const char *at[SENSOR_TEXTS];
	struct event_text folders[SENSOR_PATHS]; /* that the paths start from */
	unsigned next, next_path;
};

static void put_text(struct event_arg *arg, const struct sensor_call *r, uint64_t pointer,
		     struct texts *t)
{
	unsigned i = t->next++;

	if (i >= SENSOR_TEXTS)
		return;
	arg->absent = !(r->flags & SENSOR_CALL_HAS(i));
	arg->data = arg->absent ? NULL : t->at[i];
	arg->len = r->text_len[i];
	/* of a text that is absent: there was one, but it could not be read */
	arg->cut = arg->absent ? pointer != 0 : (r->flags & SENSOR_CALL_CUT(i)) != 0;
}

/* An fd that a path starts from, and what it leads to where that was looked up. */
static void put_folder(struct event_arg *arg, const struct texts *t, int fd)
{
	arg->num = fd;
	if (fd < 0 || t->next_path >= SENSOR_PATHS || !t->folders[t->next_path].data)
		return;
	arg->data = t->folders[t->next_path].data;
	arg->len = t->folders[t->next_path].len;
}

static void put_args(const struct sensor_call *r, const char *spec, struct texts *t,
		     struct event_text addr, struct kernel_fact *ret)
{
	struct event_arg *arg = ret->args;

	for (unsigned n = 0; spec[n]; n++) {
		uint64_t value = r->args[n];

		switch (spec[n]) {
		case '-':
			continue;
		case 'd':
			put_folder(arg, t, (int)value);
			break;
		case 'p':
		case 'q':
		case 'x':
			t->next_path++;
			put_text(arg, r, value, t);
			break;
		case 's':
			put_text(arg, r, value, t);
			break;
		case 'f':
			arg->num = (int)value;
			if (n == 0 && ret->where_is_file && acts_on_fd(ret->call)) {
				arg->data = ret->where.data;
				arg->len = ret->where.len;
			}
			break;
		case 'm':
			if (n && spec[n - 1] == 'o')
				put_mode(arg, r->args[n - 1], value & 0xffffffff);
			else
				arg->num = (int64_t)(value & 0xffffffff);
			break;
		case 'a':
		case 'r':
		case 'y':
		case 't':
		case 'V':
			arg->data = addr.data;
			arg->len = addr.len;
			arg->absent = !addr.data;
			break;
		case 'h':
			arg->num = (int64_t)r->how[0];
			put_mode(++arg, r->how[0], r->how[1]);
			break;
		case 'v':
			arg->absent = true;
			break;
		case 'u':
		case 'M':
		case 'l':
			arg->num = (int64_t)value;
			break;
		case 'z':
			arg->absent = true;
			break;
		default: /* the kernel looks at 32 bits of these */
			arg->num = (int)value;
			break;
		}
		arg++;
	}
}

static void put_result(const struct sensor_call *r, struct kernel_fact *ret)
{
	ret->has_result = true;
	ret->result = r->result;
	if (r->result < 0 && r->result >= -4095) {
		ret->error = (int)-r->result;
		ret->result = -1;
	}
	if (ret->error >= ERESTART_FIRST && ret->error <= ERESTART_LAST)
		ret->error = EINTR;
}

static void put_where(const struct sensor_call *r, const struct number *n, const char *at,
		      struct texts *t, struct kernel_fact *ret)
{
	struct event_text first = text_at(at, r->where_len[0]),
			  second = text_at(at + r->where_len[0], r->where_len[1]);
	struct sensor_shape shape;
	unsigned text;

	ret->where_is_file = r->flags & SENSOR_CALL_FILE;
	if (!first.len && !second.len)
		return; /* most: paths that are absolute, and right */
	shape = shape_of(n);
	text = shape.path[0] ? shape.path[0] - 1u : 0;
	if (!ret->where_is_file) {
		t->folders[0] = first;
		t->folders[1] = second;
	}
	/* a path that is absolute starts from no folder */
	if (shape.path[1] && r->text_len[text] && *t->at[text] == '/') {
		ret->where = second;
	} else {
		ret->where = first;
		ret->where2 = second;
	}
}

/* What a number means; NULL: nothing that is told. */
static const struct number *number_of(const struct sensor_call *r)
{
	bool is_call = r->head.kind == SENSOR_CALL;
	const struct number *n;

	if (r->nr >= (is_call ? SENSOR_NUMBERS : TT_ARRAY_SIZE(operations)))
		return NULL;
	n = is_call ? &numbers[r->nr] : &operations[r->nr];
	return n->spec[0] ? n : NULL;
}

static int call_fact(const struct sensor_call *r, size_t len, struct kernel_fact *ret)
{
	const char *at = (const char *)(r + 1);
	struct texts texts = {.next = 0};
	struct event_text addr;
	const struct number *n = len < sizeof(*r) ? NULL : number_of(r);
	size_t need = sizeof(*r);

	if (!n)
		return -EBADMSG;
	need += (size_t)r->addr_len + r->where_len[0] + r->where_len[1];
	for (unsigned i = 0; i < SENSOR_TEXTS; i++) {
		texts.at[i] = at;
		at += r->text_len[i];
		need += r->text_len[i];
	}
	if (len < need)
		return -EBADMSG;
	ret->call = (enum event_call)n->call;
	ret->kind = r->head.kind == SENSOR_URING ? KERNEL_FACT_URING : KERNEL_FACT_CALL;
	if (ret->kind == KERNEL_FACT_CALL) {
		ret->nr = r->nr;
		if (!is_of_note(r, ret->call))
			return 0;
	}
	addr = text_at(at, r->addr_len);
	at += r->addr_len;
	put_where(r, n, at, &texts, ret);
	ret->own_memory = r->flags & SENSOR_CALL_OWN_MEMORY;
	ret->file = file_of(&r->file);
	ret->origin = (enum kernel_origin)r->origin;
	ret->origin_file = file_of(&r->origin_file);
	ret->ip = r->ip;
	put_args(r, n->spec, &texts, addr, ret);
	/* which the kernel adds by itself */
	if (ret->kind == KERNEL_FACT_URING && opens(ret->call) && ret->call != EVENT_CALL_accept4 &&
	    ret->call != EVENT_CALL_socket)
		ret->args[2].num &= ~(int64_t)KERNEL_LARGEFILE;
	if (!(r->flags & SENSOR_CALL_NO_RESULT))
		put_result(r, ret);
	return 1;
}

static int capability_fact(const struct sensor_capability *r, size_t len, struct kernel_fact *ret)
{
	if (len < sizeof(*r))
		return -EBADMSG;
	ret->kind = KERNEL_FACT_CAPABILITY;
	ret->capability = r->capability;
	ret->nr = r->nr;
	ret->error = r->error;
	return 1;
}

static int dns_fact(const struct sensor_dns *r, size_t len, struct kernel_fact *ret)
{
	if (len < sizeof(*r) || r->len > sizeof(r->data))
		return -EBADMSG;
	ret->kind = KERNEL_FACT_DNS;
	ret->datagram = text_at(r->data, r->len);
	return 1;
}

static int foreign_fact(const struct sensor_foreign *r, size_t len, struct kernel_fact *ret)
{
	if (len < sizeof(*r))
		return -EBADMSG;
	ret->kind = KERNEL_FACT_FOREIGN;
	ret->nr = r->nr;
	return 1;
}

int kernel_record_fact(const void *record, size_t len, struct kernel_fact *ret)
{
	const struct sensor_head *h = record;

	if (len < sizeof(*h))
		return -EBADMSG;
	memset(ret, 0, sizeof(*ret));
	ret->by = KERNEL_BY_BPF;
	ret->ts_ns = h->ts_ns;
	ret->pid = h->pid;
	ret->tid = h->tid;
	ret->ppid = h->ppid;
	ret->ns_pid = h->ns_pid;
	ret->ns_tid = h->ns_tid;
	ret->start_ns = h->start_ns;
	ret->image = h->image;
	ret->lost = h->lost;
	ret->nr = -1;
	memcpy(ret->comm, h->comm, sizeof(ret->comm));
	switch ((enum sensor_kind)h->kind) {
	case SENSOR_FORK:
		if (len < sizeof(struct sensor_fork))
			return -EBADMSG;
		ret->kind = KERNEL_FACT_FORK;
		ret->parent_start_ns = ((const struct sensor_fork *)record)->parent_start_ns;
		return 1;
	case SENSOR_EXEC:
		return exec_fact(record, len, ret);
	case SENSOR_EXIT:
		return exit_fact(record, len, ret);
	case SENSOR_CALL:
	case SENSOR_URING:
		return call_fact(record, len, ret);
	case SENSOR_CAPABILITY:
		return capability_fact(record, len, ret);
	case SENSOR_DNS:
		return dns_fact(record, len, ret);
	case SENSOR_FOREIGN:
		return foreign_fact(record, len, ret);
	}
	return -EBADMSG;
}
