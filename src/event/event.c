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

/* Which argument holds the @which-th path, and which dirfd it is relative to (-1: the cwd). */
static int find_path_arg(const struct event *ev, int which, int *ret_dir)
{
	const char *layout = calls[ev->call].layout;
	char want = which ? 'q' : 'p';

	for (int i = 0; layout[i]; i++) {
		bool is_file = layout[i] == 'x' && !which && ev->args[i].data &&
			       memchr(ev->args[i].data, '/', ev->args[i].len);

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
	if (dir >= 0 && ev->args[dir].num != AT_FDCWD) {
		ret->data = ev->args[dir].data;
		ret->len = ev->args[dir].len;
	} else {
		*ret = ev->cwd;
	}
	return ret->data && ret->len && ret->data[0] == '/';
}

bool event_put_path(const struct event *ev, int which, struct tt_out *o)
{
	struct event_text base = {NULL, 0};
	const struct event_arg *arg;
	int dir = -1, i;

	if (ev->type != EVENT_SYSCALL)
		return false;
	if (!which && ev->extra.data &&
	    (ev->call == EVENT_CALL_chdir || ev->call == EVENT_CALL_fchdir)) {
		tt_out_mem(o, ev->extra.data, ev->extra.len);
		return true;
	}
	i = find_path_arg(ev, which, &dir);
	if (i < 0) {
		/* fexecve: the path of the fd itself, where the sensor looked it up */
		arg = &ev->args[0];
		if (which || calls[ev->call].layout[0] != 'f' || !arg->data)
			return false;
		tt_out_mem(o, arg->data, arg->len);
		return true;
	}
	arg = &ev->args[i];
	if (arg->absent || !arg->data)
		return false;
	if (!arg->len || ((const char *)arg->data)[0] != '/') {
		if (!arg->len && dir < 0)
			return false; /* "" names nothing; with a dirfd it can name the fd itself */
		if (!find_base(ev, dir, &base))
			return false;
	}
	event_path_join(o, base.data, base.len, arg->data, arg->len);
	return true;
}

static int find_arg(const struct event *ev, char letter)
{
	const char *at = strchr(calls[ev->call].layout, letter);

	return at ? (int)(at - calls[ev->call].layout) : -1;
}

bool event_writes(const struct event *ev)
{
	int i = find_arg(ev, 'o');

	if (ev->call == EVENT_CALL_creat || ev->call == EVENT_CALL_creat64)
		return true;
	if (i >= 0)
		return (ev->args[i].num & O_ACCMODE) != O_RDONLY ||
		       (ev->args[i].num & (O_CREAT | O_TRUNC));
	i = find_arg(ev, 'F');
	if (i >= 0 && ev->args[i].data) {
		const char *mode = ev->args[i].data;
		size_t len = ev->args[i].len;

		return memchr(mode, 'w', len) || memchr(mode, 'a', len) || memchr(mode, '+', len);
	}
	return false;
}

_Static_assert(EVENT_CALL_freopen64 - EVENT_CALL_open == 13,
	       "the opening calls stand together in calls.def");

static bool path_is_quiet(const struct event *ev, const char *path, size_t len)
{
	return event_writes(ev) ? event_path_is_sink(path, len) : event_path_is_quiet(path, len);
}

/* Kept apart for its stack: most calls are judged without joining a path. */
__attribute__((__noinline__)) static bool joined_is_quiet(const struct event *ev)
{
	char buf[EVENT_PATH_MAX + 256];
	struct tt_out o;

	tt_out_init(&o, buf, sizeof(buf));
	return event_put_path(ev, 0, &o) && !tt_out_is_full(&o) && path_is_quiet(ev, buf, o.len);
}

bool event_is_quiet(const struct event *ev)
{
	struct event_text base = {NULL, 0};
	const struct event_arg *arg;
	const char *path;
	int dir = -1, i;

	if (ev->type != EVENT_SYSCALL || !event_opens(ev->call))
		return false;
	i = find_path_arg(ev, 0, &dir);
	if (i < 0 || !ev->args[i].data)
		return false;
	arg = &ev->args[i];
	path = arg->data;
	if (arg->len && path[0] == '/')
		return path_is_quiet(ev, path, arg->len);
	if (!find_base(ev, dir, &base))
		return false;
	if (arg->len >= 2 && path[0] == '.' && path[1] == '.')
		return joined_is_quiet(ev);
	/* only what starts in one of the three trees can end there without climbing */
	if (base.len == 1 || (base.len >= 5 && memcmp(base.data, "/proc", 5) == 0) ||
	    (base.len >= 4 &&
	     (memcmp(base.data, "/sys", 4) == 0 || memcmp(base.data, "/dev", 4) == 0)))
		return joined_is_quiet(ev);
	return false;
}
