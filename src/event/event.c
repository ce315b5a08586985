/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call's table row says about an event: its paths, whether it writes, whether it is noise.
 */
#include "event/event.h"

#include <fcntl.h>
#include <string.h>

#include "event/path.h"

static const struct event_call_info calls[EVENT_CALL_COUNT] = {
#define EVENT_CALL(name, family, layout) {#name, layout, EVENT_FAMILY_##family},
#include "event/calls.def"
#undef EVENT_CALL
};

const struct event_call_info *event_call_info(enum event_call call)
{
	return &calls[call];
}

const bool event_opens_fd[EVENT_CALL_COUNT] = {
	[EVENT_CALL_open] = true,
	[EVENT_CALL_open64] = true,
	[EVENT_CALL_openat] = true,
	[EVENT_CALL_openat64] = true,
	[EVENT_CALL_creat] = true,
	[EVENT_CALL_creat64] = true,
	[EVENT_CALL___open_2] = true,
	[EVENT_CALL___open64_2] = true,
	[EVENT_CALL___openat_2] = true,
	[EVENT_CALL___openat64_2] = true,
	[EVENT_CALL_fopen] = true,
	[EVENT_CALL_fopen64] = true,
	[EVENT_CALL_freopen] = true,
	[EVENT_CALL_freopen64] = true,
	[EVENT_CALL_mkstemp] = true,
	[EVENT_CALL_mkstemp64] = true,
	[EVENT_CALL_mkostemp] = true,
	[EVENT_CALL_mkostemp64] = true,
	[EVENT_CALL_mkstemps] = true,
	[EVENT_CALL_mkstemps64] = true,
	[EVENT_CALL_mkostemps] = true,
	[EVENT_CALL_mkostemps64] = true,
	[EVENT_CALL_opendir] = true,
	[EVENT_CALL_shm_open] = true,
	[EVENT_CALL_tmpfile] = true,
	[EVENT_CALL_tmpfile64] = true,
	[EVENT_CALL_memfd_create] = true,
	[EVENT_CALL_popen] = true,
	[EVENT_CALL_accept] = true,
	[EVENT_CALL_accept4] = true,
	[EVENT_CALL_socket] = true,
	[EVENT_CALL_openat2] = true,
	[EVENT_CALL_open_by_handle_at] = true,
};

bool event_call_dups(const struct event *ev)
{
	if (ev->call >= EVENT_CALL_dup && ev->call <= EVENT_CALL_dup3)
		return true;
	return (ev->call == EVENT_CALL_fcntl || ev->call == EVENT_CALL_fcntl64) &&
	       (ev->args[1].num == F_DUPFD || ev->args[1].num == F_DUPFD_CLOEXEC);
}

/*
 * What is a path only if it has a slash: else PATH or ld.so's folders are searched for it. ld.so
 * alone knows what $ORIGIN is.
 */
static bool names_file(const struct event *ev, const struct event_arg *arg)
{
	const char *text = arg->data;

	if (!text || !memchr(text, '/', arg->len))
		return false;
	return calls[ev->call].family != EVENT_FAMILY_LOAD || !memchr(text, '$', arg->len);
}

/* Which argument holds the @which-th path, and which dirfd it is relative to (-1: the cwd). */
static int find_path_arg(const struct event *ev, int which, int *ret_dir)
{
	const char *layout = calls[ev->call].layout;
	char want = which ? 'q' : 'p';

	for (int i = 0; layout[i]; i++) {
		bool is_file = layout[i] == 'x' && !which && names_file(ev, &ev->args[i]);

		if (layout[i] != want && !is_file)
			continue;
		*ret_dir = i > 0 && layout[i - 1] == 'd' ? i - 1 : -1;
		return i;
	}
	return -1;
}

/* The directory a relative path starts from; false if nobody knows it. */
static bool find_base(const struct event *ev, int dir, struct event_text *ret)
{
	/* what the sensor was told of folders is said from the new "/" */
	if (ev->root_unknown)
		return false;
	if (dir >= 0 && ev->args[dir].num != AT_FDCWD) {
		ret->data = ev->args[dir].data;
		ret->len = ev->args[dir].len;
	} else if (ev->extra.data &&
		   (ev->call == EVENT_CALL_chroot || ev->call == EVENT_CALL_pivot_root)) {
		*ret = ev->extra;
	} else {
		*ret = ev->cwd;
	}
	return ret->data && ret->len && ret->data[0] == '/';
}

/* Whether ".." takes the text of a path above where it starts: a process's "/" holds it there. */
static bool climbs(const char *path, size_t len)
{
	const char *end = path + len;
	size_t depth = 0;

	while (path < end) {
		const char *slash = memchr(path, '/', (size_t)(end - path));
		size_t n = (size_t)((slash ? slash : end) - path);

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			if (!depth--)
				return true;
		} else if (n && !(n == 1 && path[0] == '.')) {
			depth++;
		}
		path += n + 1;
	}
	return false;
}

/*
 * A path of a process with another root. Its "/.." is "/": what climbs at the front stops there,
 * what climbs further back cannot be said in text.
 */
static bool put_below_root(const struct event *ev, const struct event_text *base,
			   const struct event_arg *arg, struct tt_out *o)
{
	const char *path = arg->data;
	size_t len = arg->len, at = 0, mark;
	struct event_text in = {"", 0};

	while (at < len && path[at] == '/')
		at++;
	if (!at) {
		if (base->len < ev->root.len || memcmp(base->data, ev->root.data, ev->root.len) ||
		    (base->len > ev->root.len && base->data[ev->root.len] != '/')) {
			/* it stands outside of its root and gets about freely */
			event_path_join(o, base->data, base->len, path, len);
			return true;
		}
		in = (struct event_text){base->data + ev->root.len, base->len - ev->root.len};
	}
	path += at;
	len -= at;
	/* at the front ".." leads to the parent of @in, in the end to "/" */
	mark = 0;
	while (mark + 2 <= len && path[mark] == '.' && path[mark + 1] == '.' &&
	       (mark + 2 == len || path[mark + 2] == '/')) {
		mark += 2;
		while (mark < len && path[mark] == '/')
			mark++;
	}
	if (climbs(path + mark, len - mark))
		return false;
	tt_out_mem(o, ev->root.data, ev->root.len);
	mark = o->len;
	event_path_join(o, in.data, in.len, path, len);
	if (o->len == mark + 1 && !tt_out_is_full(o))
		o->len = mark; /* "/" itself */
	return true;
}

bool event_put_path(const struct event *ev, int which, struct tt_out *o)
{
	struct event_text base = {"", 0};
	struct event_arg arg;
	int dir = -1, i;

	if (ev->type != EVENT_SYSCALL)
		return false;
	if (!which && ev->joined.data) {
		tt_out_mem(o, ev->joined.data, ev->joined.len);
		return true;
	}
	if (!which && ev->extra.data &&
	    (ev->call == EVENT_CALL_chdir || ev->call == EVENT_CALL_fchdir)) {
		if (ev->root_unknown)
			return false;
		if (ev->root.len)
			tt_out_mem(o, ev->root.data, ev->root.len);
		if (!ev->root.len || ev->extra.len > 1)
			tt_out_mem(o, ev->extra.data, ev->extra.len);
		return true;
	}
	i = find_path_arg(ev, which, &dir);
	if (i < 0) {
		/* the path of the fd itself, where it is known */
		arg = ev->args[0];
		if (which || calls[ev->call].layout[0] != 'f' || !arg.data || ev->root_unknown)
			return false;
		tt_out_mem(o, arg.data, arg.len);
		return true;
	}
	arg = ev->args[i];
	if (event_call_makes_name(ev->call) && ev->extra.data) {
		arg.data = ev->extra.data;
		arg.len = ev->extra.len;
	}
	if (arg.absent || !arg.data)
		return false;
	if (!arg.len || ((const char *)arg.data)[0] != '/') {
		if (!arg.len && dir < 0)
			return false; /* "" names nothing; with a dirfd it can name the fd itself */
		if (!find_base(ev, dir, &base))
			return false;
	} else if (ev->root_unknown) {
		return false;
	}
	if (ev->root.len)
		return put_below_root(ev, &base, &arg, o);
	event_path_join(o, base.data, base.len, arg.data, arg.len);
	return true;
}

static int find_arg(const struct event *ev, char letter)
{
	const char *at = strchr(calls[ev->call].layout, letter);

	return at ? (int)(at - calls[ev->call].layout) : -1;
}

bool event_args_write(enum event_call call, const struct event_arg *args)
{
	const char *layout = event_call_info(call)->layout;

	if (call == EVENT_CALL_creat || call == EVENT_CALL_creat64)
		return true;
	for (; *layout; layout++, args++) {
		if (*layout == 'o')
			return (args->num & O_ACCMODE) != O_RDONLY ||
			       (args->num & (O_CREAT | O_TRUNC));
		if (*layout == 'F' && args->data) {
			const char *mode = args->data;
			const char *comma = memchr(mode, ',', args->len); /* ",ccs=" and a name */
			size_t len = comma ? (size_t)(comma - mode) : args->len;

			return memchr(mode, 'w', len) || memchr(mode, 'a', len) ||
			       memchr(mode, '+', len);
		}
	}
	return false;
}

bool event_writes(const struct event *ev)
{
	return event_args_write(ev->call, ev->args);
}

bool event_opens_folder(const struct event *ev)
{
	int i = find_arg(ev, 'o');

	return ev->call == EVENT_CALL_opendir ||
	       (i >= 0 && (ev->args[i].num & (O_DIRECTORY | O_PATH)));
}

_Static_assert(EVENT_CALL_freopen64 - EVENT_CALL_open == 13,
	       "the opening calls stand together in calls.def");

bool event_blinds(const struct event *ev)
{
	return ev->type == EVENT_SYSCALL && ev->call == EVENT_CALL_io_uring_setup &&
	       ev->has_result && ev->result >= 0;
}

/* Only the recorder knows other roots; kept apart for its stack. */
__attribute__((__noinline__)) static bool is_quiet_below_root(const struct event *ev)
{
	char buf[EVENT_PATH_MAX + 256];
	struct tt_out o;

	tt_out_init(&o, buf, sizeof(buf));
	if (!event_put_path(ev, 0, &o) || tt_out_is_full(&o))
		return false;
	return event_path_is_noise(NULL, 0, buf, o.len, event_writes(ev));
}

bool event_is_quiet(const struct event *ev)
{
	struct event_text base = {"", 0};
	const struct event_arg *arg;
	const char *path;
	int dir = -1, i;

	if (ev->type != EVENT_SYSCALL || !event_opens(ev->call))
		return false;
	i = find_path_arg(ev, 0, &dir);
	if (i < 0 || ev->args[i].absent || !ev->args[i].data)
		return false;
	arg = &ev->args[i];
	path = arg->data;
	if (ev->root_unknown)
		return false;
	if (ev->joined.data)
		return event_path_is_noise("", 0, ev->joined.data, ev->joined.len,
					   event_writes(ev));
	if (ev->root.len)
		return is_quiet_below_root(ev);
	if ((!arg->len && dir < 0) || arg->len >= EVENT_PATH_MAX)
		return false; /* names nothing: refused by the kernel */
	if ((!arg->len || path[0] != '/') && !find_base(ev, dir, &base))
		return false;
	return event_path_is_noise(base.data, base.len, path, arg->len, event_writes(ev));
}
