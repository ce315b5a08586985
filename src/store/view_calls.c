/* SPDX-License-Identifier: Apache-2.0 */
/* What calls say of files, hosts and failures. Which argument is what stands in the event table. */
#include "store/view_internal.h"

#include <stdlib.h>
#include <string.h>

#include "event/event.h"

#define KEY_MAX 4096 /* bytes of a composed name; what is longer counts under its beginning */

/* A call as the table knows it. */
struct call {
	const json_t *line, *args;
	struct store_text name;
	const char *layout;
	int number; /* enum event_call */
	enum event_family family;
	bool failed, in_flight;
	unsigned told;           /* STORE_TOLD_* */
	struct store_text error; /* data NULL: none */
};

bool store_call_find(struct store_text name, int *ret)
{
	for (int i = 0; i < EVENT_CALL_COUNT; i++)
		if (store_text_is(name, event_call_info((enum event_call)i)->name)) {
			*ret = i;
			return true;
		}
	return false;
}

/*
 * The entry of `args` for a letter of the layout. The mode is left out where unused, so it is
 * always the last.
 */
static struct store_text arg_of(const struct call *c, char letter)
{
	const char *at = strchr(c->layout, letter);

	return at ? store_text_of(json_array_get(c->args, (size_t)(at - c->layout)))
		  : (struct store_text){NULL, 0};
}

static bool has_flag(struct store_text flags, const char *flag)
{
	size_t n = strlen(flag);

	for (size_t at = 0; flags.data && at + n <= flags.len; at++)
		if (memcmp(flags.data + at, flag, n) == 0 && (!at || flags.data[at - 1] == '|') &&
		    (at + n == flags.len || flags.data[at + n] == '|'))
			return true;
	return false;
}

static bool opens_for_writing(const struct call *c)
{
	struct store_text flags = arg_of(c, 'o'), mode = arg_of(c, 'F');

	if (c->number == EVENT_CALL_creat || c->number == EVENT_CALL_creat64)
		return true;
	if (has_flag(flags, "O_WRONLY") || has_flag(flags, "O_RDWR") ||
	    has_flag(flags, "O_CREAT") || has_flag(flags, "O_TRUNC"))
		return true;
	return mode.data && (memchr(mode.data, 'w', mode.len) || memchr(mode.data, 'a', mode.len) ||
			     memchr(mode.data, '+', mode.len));
}

static uint32_t file_number(struct store_view *v, struct store_text path)
{
	void *items = v->files;
	bool is_new;
	uint32_t i;

	i = store_view_name(v, &v->file_names, &items, sizeof(*v->files), path, &is_new);
	v->files = items;
	if (is_new)
		v->files[i].other = STORE_NONE;
	return i;
}

/* The path of a call: absolute where it is known, else the text of the argument. */
static struct store_file *file_of(struct store_view *v, const struct call *c, const char *key,
				  char letter, uint32_t *ret_number)
{
	struct store_text path = store_get_text(c->line, key);
	bool unresolved = !path.data;

	if (unresolved)
		path = arg_of(c, letter);
	if (!path.data || (unresolved && store_text_is(path, "NULL")))
		return NULL;
	*ret_number = file_number(v, path);
	if (*ret_number == STORE_NONE)
		return NULL;
	v->files[*ret_number].unresolved |= unresolved;
	v->files[*ret_number].told |= c->told;
	return &v->files[*ret_number];
}

static void add_open(struct store_view *v, const struct call *c, bool writes)
{
	uint32_t n;
	struct store_file *f = file_of(v, c, "path", 'p', &n);

	if (!f)
		return;
	if (writes) {
		f->what |= STORE_FILE_WRITTEN;
		f->what &= ~(unsigned)STORE_FILE_GONE;
		f->writes++;
	} else {
		f->what |= STORE_FILE_READ;
		f->reads++;
	}
}

static void add_made(struct store_view *v, const struct call *c)
{
	/* link(old, new): the new name is the second path; the others have one */
	bool is_link = c->number == EVENT_CALL_link || c->number == EVENT_CALL_linkat;
	uint32_t n;
	struct store_file *f = file_of(v, c, is_link ? "path2" : "path", is_link ? 'q' : 'p', &n);

	if (!f)
		return;
	f->what |= STORE_FILE_MADE;
	f->what &= ~(unsigned)STORE_FILE_GONE;
}

static void add_changed(struct store_view *v, const struct call *c)
{
	uint32_t n;
	struct store_file *f = file_of(v, c, "path", 'p', &n);

	if (f)
		f->what |= STORE_FILE_CHANGED;
}

static void add_deleted(struct store_view *v, const struct call *c)
{
	uint32_t n;
	struct store_file *f = file_of(v, c, "path", 'p', &n);

	if (f)
		f->what |= STORE_FILE_DELETED | STORE_FILE_GONE;
}

static void add_renamed(struct store_view *v, const struct call *c)
{
	bool exchange = has_flag(arg_of(c, 'R'), "RENAME_EXCHANGE");
	uint32_t from, to;

	if (!file_of(v, c, "path", 'p', &from) || !file_of(v, c, "path2", 'q', &to))
		return;
	v->files[from].what |= STORE_FILE_RENAMED | (exchange ? 0 : STORE_FILE_GONE);
	v->files[from].other = to;
	v->files[to].what |= STORE_FILE_ARRIVED;
	v->files[to].what &= ~(unsigned)STORE_FILE_GONE;
	v->files[to].other = from;
}

/* The parts of a name, a NUL after each, so that no two pairs give the same. */
static struct store_text compose(char *buf, const struct store_text *parts, size_t count)
{
	struct store_text text = {buf, 0};

	for (size_t i = 0; i < count; i++) {
		size_t n = parts[i].len < KEY_MAX / 4 ? parts[i].len : KEY_MAX / 4 - 1;

		/* a NUL inside (abstract sockets) becomes '@', as in /proc/net/unix */
		for (size_t at = 0; at < n; at++, text.len++)
			buf[text.len] = parts[i].data[at] ? parts[i].data[at] : '@';
		buf[text.len++] = '\0';
	}
	return text;
}

/* The @which-th part of a composed name, as it lies in the set. */
static struct store_text part(struct store_text whole, size_t which)
{
	const char *p = whole.data, *end = whole.data + whole.len;

	while (which--)
		p += strnlen(p, (size_t)(end - p)) + (p < end);
	return (struct store_text){p, strnlen(p, (size_t)(end - p))};
}

static void add_host(struct store_view *v, const struct call *c, enum store_host_kind kind)
{
	static const char *const kinds[] = {"c", "b", "a", "l", "s"};
	struct store_text name =
		kind == STORE_HOST_LOOKUP ? arg_of(c, 's') : store_get_text(c->line, "addr");
	json_t *answers = json_object_get(c->line, "answers");
	char buf[KEY_MAX];
	void *items = v->hosts;
	struct store_host *h;
	bool is_new;
	uint32_t i;

	if (!name.data)
		return;
	i = store_view_name(v, &v->host_names, &items, sizeof(*v->hosts),
			    compose(buf, (struct store_text[]){{kinds[kind], 1}, name}, 2),
			    &is_new);
	v->hosts = items;
	if (i == STORE_NONE)
		return;
	h = &v->hosts[i];
	h->kind = kind;
	h->name = part(v->host_names.items[i], 1);
	h->told |= c->told;
	if (json_is_string(json_object_get(c->line, "host"))) {
		json_decref(h->host);
		h->host = json_incref(json_object_get(c->line, "host"));
	}
	h->tries++;
	h->begun += store_text_is(c->error, "EINPROGRESS") || (c->told & STORE_TOLD_GUEST);
	if (c->failed) {
		h->failed++;
		json_decref(h->error);
		h->error = json_incref(json_object_get(c->line, "error"));
	} else if (json_array_size(answers)) {
		json_decref(h->answers);
		h->answers = json_incref(answers);
	}
}

static void add_error(struct store_view *v, const struct call *c, bool writes)
{
	struct store_text object = store_get_text(c->line, "path");
	char buf[KEY_MAX];
	void *items = v->errors;
	struct store_error *e;
	bool is_new;
	uint32_t i;

	if (!object.data)
		object = store_get_text(c->line, "addr");
	if (!object.data)
		object = store_text_of(json_array_get(c->args, 0));
	if (!object.data)
		object = (struct store_text){"", 0};
	i = store_view_name(v, &v->error_names, &items, sizeof(*v->errors),
			    compose(buf, (struct store_text[]){c->name, object, c->error}, 3),
			    &is_new);
	v->errors = items;
	if (i == STORE_NONE)
		return;
	e = &v->errors[i];
	e->call = part(v->error_names.items[i], 0);
	e->object = part(v->error_names.items[i], 1);
	e->name = part(v->error_names.items[i], 2);
	e->count++;
	e->writes = writes;
	e->is_exec = c->family == EVENT_FAMILY_EXEC;
	e->is_net = c->family == EVENT_FAMILY_NET;
}

/*
 * A call that says "not yet" or "look elsewhere" did not fail in a sense that anybody wants to read
 * about.
 */
static bool is_ordinary(const struct call *c)
{
	return store_text_is(c->error, "EINPROGRESS") || store_text_is(c->error, "EAGAIN") ||
	       store_text_is(c->error, "EINTR");
}

static void add_failure(struct store_view *v, const struct call *c, bool writes)
{
	bool missing = store_text_is(c->error, "ENOENT") || store_text_is(c->error, "ENOTDIR");

	if (is_ordinary(c))
		return;
	if (missing && !writes && c->family != EVENT_FAMILY_NET)
		v->not_found++; /* search paths: counted, and listed only where all is asked for */
	add_error(v, c, writes);
}

static void add_succeeded(struct store_view *v, const struct call *c, bool writes)
{
	switch (c->number) {
	case EVENT_CALL_unlink:
	case EVENT_CALL_unlinkat:
	case EVENT_CALL_remove:
	case EVENT_CALL_rmdir:
		add_deleted(v, c);
		break;
	case EVENT_CALL_rename:
	case EVENT_CALL_renameat:
	case EVENT_CALL_renameat2:
		add_renamed(v, c);
		break;
	case EVENT_CALL_mkdir:
	case EVENT_CALL_mkdirat:
	case EVENT_CALL_mkdtemp:
	case EVENT_CALL_link:
	case EVENT_CALL_linkat:
	case EVENT_CALL_symlink:
	case EVENT_CALL_symlinkat:
	case EVENT_CALL_mkfifo:
	case EVENT_CALL_mkfifoat:
	case EVENT_CALL_mknod:
	case EVENT_CALL_mknodat:
		add_made(v, c);
		break;
	case EVENT_CALL_chmod:
	case EVENT_CALL_fchmodat:
	case EVENT_CALL_chown:
	case EVENT_CALL_lchown:
	case EVENT_CALL_fchownat:
	case EVENT_CALL_utimensat:
	case EVENT_CALL_utimes:
	case EVENT_CALL_setxattr:
	case EVENT_CALL_lsetxattr:
	case EVENT_CALL_removexattr:
	case EVENT_CALL_lremovexattr:
		add_changed(v, c);
		break;
	case EVENT_CALL_chdir:
	case EVENT_CALL_fchdir:
		v->other_dirs++;
		break;
	case EVENT_CALL_close:
	case EVENT_CALL_fclose:
	case EVENT_CALL_closedir:
	case EVENT_CALL_pclose:
	case EVENT_CALL_dup:
	case EVENT_CALL_dup2:
	case EVENT_CALL_dup3:
	case EVENT_CALL_fcntl:
	case EVENT_CALL_fcntl64:
		break; /* the opening said it */
	default: /* calls that open, mkstemp and truncate; those without a path say nothing here */
		add_open(v, c, writes);
		break;
	}
}

/* The arguments of a call in one text. */
static struct store_text join_args(const struct call *c, char *buf, size_t cap)
{
	size_t len = 0, count = json_array_size(c->args);

	if (c->number == EVENT_CALL_mount && count > 4)
		count = 4; /* the size of its data says nothing */
	for (size_t at = 0; at < count; at++) {
		struct store_text arg = store_text_of(json_array_get(c->args, at));
		size_t room = cap - 1 - len, n = arg.len < room ? arg.len : room;

		if (at && room)
			buf[len++] = ' ';
		n = n < cap - 1 - len ? n : cap - 1 - len;
		if (arg.data)
			memcpy(buf + len, arg.data, n);
		len += arg.data ? n : 0;
	}
	return (struct store_text){buf, len};
}

static void add_net(struct store_view *v, const struct call *c)
{
	switch (c->number) {
	case EVENT_CALL_connect:
		add_host(v, c, STORE_HOST_CONNECT);
		break;
	case EVENT_CALL_bind:
		add_host(v, c, STORE_HOST_BIND);
		break;
	case EVENT_CALL_accept:
	case EVENT_CALL_accept4:
		if (!c->failed)
			add_host(v, c, STORE_HOST_ACCEPT);
		break;
	case EVENT_CALL_sendto:
	case EVENT_CALL_sendmsg:
	case EVENT_CALL_sendmmsg:
		add_host(v, c, STORE_HOST_SEND);
		break;
	case EVENT_CALL_listen:
		v->listens += !c->failed;
		break;
	default:
		if (event_call_looks_up((enum event_call)c->number))
			add_host(v, c, STORE_HOST_LOOKUP);
		break;
	}
}

/* Code from where anybody may put it, or that the run itself wrote. */
static bool is_odd_code(const struct store_view *v, struct store_text path)
{
	static const char *const places[] = {"/tmp/", "/var/tmp/", "/dev/", "/proc/", "/run/"};
	uint32_t i = store_names_find(&v->file_names, path);

	if (i != STORE_NONE && (v->files[i].what & (STORE_FILE_WRITTEN | STORE_FILE_ARRIVED)))
		return true;
	for (size_t k = 0; k < TT_ARRAY_SIZE(places); k++)
		if (path.len > strlen(places[k]) &&
		    memcmp(path.data, places[k], strlen(places[k])) == 0)
			return true;
	return false;
}

/*
 * Calls that are several acts of the kernel's, or those of a child, or about fds alone: the kernel
 * sensor tells nothing that is the same.
 */
static bool is_apart(const struct call *c)
{
	enum event_call call = (enum event_call)c->number;

	switch (c->number) {
	case EVENT_CALL_posix_spawn:
	case EVENT_CALL_posix_spawnp:
	case EVENT_CALL_system:
	case EVENT_CALL_popen:
	case EVENT_CALL_dlopen:
	case EVENT_CALL_dlmopen:
	case EVENT_CALL_sem_open:
	case EVENT_CALL_sigqueue:
		return true;
	default:
		return c->family == EVENT_FAMILY_IO || event_call_keeps_fds(call) ||
		       event_call_looks_up(call);
	}
}

/* What was done, in few words; data NULL: not worth them. */
static struct store_text act_of(const struct store_view *v, const struct call *c, char *buf,
				size_t cap)
{
	struct store_text signal = arg_of(c, 'S'), path = store_get_text(c->line, "path");

	if (c->number == EVENT_CALL_dlopen || c->number == EVENT_CALL_dlmopen) {
		if (path.data && is_odd_code(v, path))
			return path;
		return (struct store_text){NULL, 0};
	}
	if (signal.data)
		return signal; /* not every one of the pids */
	if (c->family == EVENT_FAMILY_PROC)
		return arg_of(c, 'i');
	return join_args(c, buf, cap);
}

static void add_act(struct store_view *v, const struct call *c)
{
	char what[KEY_MAX / 4], buf[KEY_MAX];
	struct store_text act = act_of(v, c, what, sizeof(what));
	void *items = v->acts;
	bool is_new;
	uint32_t i;

	if (!act.data)
		return;
	i = store_view_name(v, &v->act_names, &items, sizeof(*v->acts),
			    compose(buf, (struct store_text[]){c->name, act}, 2), &is_new);
	v->acts = items;
	if (i == STORE_NONE)
		return;
	v->acts[i].call = part(v->act_names.items[i], 0);
	v->acts[i].what = part(v->act_names.items[i], 1);
	v->acts[i].told |= c->told;
	v->acts[i].count++;
}

void store_view_add_call(struct store_view *v, const json_t *line)
{
	struct call c = {
		.line = line,
		.args = json_object_get(line, "args"),
		.name = store_get_text(line, "syscall"),
		.error = store_get_text(line, "error"),
		.in_flight = json_is_true(json_object_get(line, "in_flight")),
		.told = store_told(line),
	};
	int64_t result = store_get_int(line, "result", 0);
	bool writes;

	if (!store_call_find(c.name, &c.number))
		return;
	c.layout = event_call_info((enum event_call)c.number)->layout;
	c.family = (enum event_family)event_call_info((enum event_call)c.number)->family;
	c.failed = c.error.data || result < 0 ||
		   (event_call_looks_up((enum event_call)c.number) && result != 0);
	if (!c.error.data)
		c.error = (struct store_text){"", 0};
	v->apart += c.told == STORE_TOLD_LIBRARY && is_apart(&c);
	if (c.in_flight)
		return; /* nobody knows how it ended */
	writes = c.family == EVENT_FAMILY_PRIV ||
		 (c.family == EVENT_FAMILY_FILE && c.number != EVENT_CALL_chdir &&
		  c.number != EVENT_CALL_fchdir &&
		  (!event_opens((enum event_call)c.number) || opens_for_writing(&c)));
	if (c.family == EVENT_FAMILY_NET) {
		/* EINPROGRESS: the connection was begun */
		if (c.failed && store_text_is(c.error, "EINPROGRESS"))
			c.failed = false;
		add_net(v, &c);
	}
	if (c.failed)
		add_failure(v, &c, writes);
	else if (c.family == EVENT_FAMILY_FILE)
		add_succeeded(v, &c, writes);
	else if (c.number == EVENT_CALL_io_uring_setup)
		v->io_urings++;
	else if (c.family == EVENT_FAMILY_PRIV || c.family == EVENT_FAMILY_PROC ||
		 c.family == EVENT_FAMILY_LOAD)
		add_act(v, &c);
}
