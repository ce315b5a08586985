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

bool event_is_quiet(const struct event *ev)
{
	struct event_text base = {NULL, 0};
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
	if ((!arg->len && dir < 0) || arg->len >= EVENT_PATH_MAX)
		return false; /* names nothing: refused by the kernel */
	if ((!arg->len || path[0] != '/') && !find_base(ev, dir, &base))
		return false;
	return event_path_is_noise(base.data, base.len, path, arg->len, event_writes(ev));
}
