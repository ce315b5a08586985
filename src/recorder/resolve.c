/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What calls say by number becomes a path, and what they do to fds goes into their image's table.
 * An fd that no record told of is looked up in /proc, if its process still is there.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event/path.h"
#include "recorder/track_internal.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4u
#endif

#define DELETED   " (deleted)"
#define ROOT_LINK "root" /* in /proc/PID */

/* Where /proc says an fd leads; false if that is no path, or nobody can tell. */
static bool read_link(int32_t pid, int64_t fd, char *buf, struct event_text *ret)
{
	char name[64];
	struct tt_out o;
	ssize_t n;

	tt_out_init(&o, name, sizeof(name));
	tt_out_str(&o, "/proc/");
	tt_out_i64(&o, pid);
	if (fd < 0) {
		tt_out_str(&o, "/" ROOT_LINK);
	} else {
		tt_out_str(&o, "/fd/");
		tt_out_i64(&o, fd);
	}
	tt_out_char(&o, '\0');
	n = readlink(name, buf, EVENT_PATH_MAX);
	if (n <= 0 || n == EVENT_PATH_MAX || buf[0] != '/')
		return false;
	*ret = (struct event_text){buf, (size_t)n};
	return true;
}

/* Only a process that sees the file system as we do: its links are ours. */
static bool can_look(const struct recorder_track *t, const struct recorder_span *s, char *buf)
{
	const struct recorder_process *p = s->process;
	struct event_text root;

	return p && p->span == s && p->pid > 0 && !p->dead && !t->own_pid_namespace &&
	       read_link(p->pid, -1, buf, &root) && root.len == 1;
}

static bool ends_deleted(const struct event_text *link)
{
	size_t n = sizeof(DELETED) - 1;

	return link->len > n && memcmp(link->data + link->len - n, DELETED, n) == 0;
}

/* An fd that came over an exec is what it was, unless /proc knows better; asked once. */
static bool still_is(const struct recorder_track *t, const struct recorder_span *s,
		     struct recorder_fd *e, char *buf)
{
	struct event_text link, path;

	if (!e->unsure)
		return true;
	e->unsure = false;
	if (!recorder_fd_path_text(e, &path) || !can_look(t, s, buf) ||
	    !read_link(s->process->pid, e->fd, buf, &link))
		return true;
	if (ends_deleted(&link))
		link.len -= sizeof(DELETED) - 1;
	return link.len == path.len && memcmp(link.data, path.data, path.len) == 0;
}

/* Where no table knows it: as it is now, which may be later than the call. */
static bool may_look(const struct event *ev, char letter)
{
	const struct event_call_info *info = event_call_info(ev->call);

	return letter == 'd' ||
	       (info->family != EVENT_FAMILY_NET && info->family != EVENT_FAMILY_IO &&
		!event_call_closes(ev->call) && !event_call_dups(ev));
}

static void resolve(const struct recorder_track *t, struct recorder_span *s, struct event *ev,
		    unsigned i, char letter, char *buf)
{
	struct event_arg *arg = &ev->args[i];
	struct recorder_fd *e = recorder_fds_find(&s->fds, arg->num);
	struct event_text path;

	if (e && !still_is(t, s, e, buf)) {
		recorder_fds_remove(&s->fds, arg->num);
		e = NULL;
	}
	if (e ? !recorder_fd_path_text(e, &path)
	      : !may_look(ev, letter) || !can_look(t, s, buf) ||
			    !read_link(s->process->pid, arg->num, buf, &path) ||
			    ends_deleted(&path))
		return;
	arg->data = path.data;
	arg->len = path.len;
	ev->basis = EVENT_BASIS_TRACKED;
}

void recorder_resolve_fds(const struct recorder_track *t, struct recorder_span *s, struct event *ev,
			  uint32_t flags, char bufs[2][EVENT_PATH_MAX])
{
	const char *layout = event_call_info(ev->call)->layout;
	unsigned used = 0;

	/* some opens and closes are missing: what the table holds may be long gone */
	if (s->slot >= 0 && ring_slot_lost(t->ring, (uint32_t)s->slot))
		recorder_fds_distrust(&s->fds);
	if (flags & RING_FLAG_SILENT)
		return;
	for (unsigned i = 0; layout[i] && used < 2; i++) {
		const struct event_arg *arg = &ev->args[i], *path = arg + 1;

		if (arg->num < 0 || arg->data)
			continue;
		if (layout[i] == 'd' && path->data &&
		    !(path->len && *(const char *)path->data == '/'))
			resolve(t, s, ev, i, 'd', bufs[used++]);
		else if (layout[i] == 'f' && i == 0)
			resolve(t, s, ev, i, 'f', bufs[used++]);
	}
}

void recorder_resolve_path(struct event *ev, char buf[EVENT_PATH_MAX])
{
	struct tt_out o;

	tt_out_init(&o, buf, EVENT_PATH_MAX);
	/* what does not fit is left to those who have more room */
	if (event_put_path(ev, 0, &o) && !tt_out_is_full(&o))
		ev->joined = (struct event_text){buf, o.len};
}

bool recorder_resolve_is_noise(const struct recorder_span *s, const struct event *ev,
			       uint32_t flags)
{
	const struct recorder_fd *e;

	if (flags & RING_FLAG_SILENT)
		return true;
	if (!event_call_closes(ev->call) && !event_call_dups(ev) &&
	    event_call_info(ev->call)->family != EVENT_FAMILY_IO)
		return event_is_quiet(ev);
	e = recorder_fds_find(&s->fds, ev->args[0].num);
	return e && e->quiet;
}

static bool asks_cloexec(const struct event *ev)
{
	const char *layout = event_call_info(ev->call)->layout;

	for (unsigned i = 0; layout[i]; i++) {
		const struct event_arg *arg = &ev->args[i];

		if ((layout[i] == 'o' && (arg->num & O_CLOEXEC)) ||
		    (layout[i] == 'K' && (arg->num & SOCK_CLOEXEC)) ||
		    (layout[i] == 'F' && arg->data && memchr(arg->data, 'e', arg->len)))
			return true;
	}
	return false;
}

static bool has_path(enum event_call call)
{
	return strpbrk(event_call_info(call)->layout, "pq") != NULL;
}

static void opened(struct recorder_span *s, const struct event *ev, bool quiet)
{
	if (ev->call == EVENT_CALL_freopen || ev->call == EVENT_CALL_freopen64) {
		if (ev->args[0].absent)
			return; /* the same file in another mode */
		recorder_fds_remove(&s->fds, ev->args[2].num);
	}
	if (!has_path(ev->call)) {
		recorder_fds_put(&s->fds, ev->result, NULL, quiet, asks_cloexec(ev));
		return;
	}
	if (ev->joined.data)
		recorder_fds_put(&s->fds, ev->result, &ev->joined, quiet, asks_cloexec(ev));
	else
		recorder_fds_remove(&s->fds, ev->result);
}

static void copied(struct recorder_span *s, const struct event *ev)
{
	bool cloexec = ev->call == EVENT_CALL_dup3
			       ? ev->args[2].num & O_CLOEXEC
			       : (ev->call == EVENT_CALL_fcntl || ev->call == EVENT_CALL_fcntl64) &&
					 ev->args[1].num == F_DUPFD_CLOEXEC;

	recorder_fds_copy(&s->fds, ev->args[0].num, ev->result, cloexec);
}

void recorder_resolve_follow(struct recorder_span *s, const struct event *ev, uint32_t flags,
			     bool quiet)
{
	struct recorder_fd *e;

	if (!ev->has_result)
		return;
	if (event_call_closes(ev->call)) {
		/* a number that was to be replaced, and was not */
		if (!ev->error || !(flags & RING_FLAG_SILENT))
			recorder_fds_remove(&s->fds, ev->args[0].num);
		return;
	}
	if (ev->result < 0)
		return;
	if (event_call_opens(ev->call)) {
		opened(s, ev, quiet);
	} else if (event_call_dups(ev)) {
		copied(s, ev);
	} else if (ev->call == EVENT_CALL_close_range) {
		if (ev->args[2].num & CLOSE_RANGE_CLOEXEC)
			recorder_fds_cloexec_range(&s->fds, (uint64_t)ev->args[0].num,
						   (uint64_t)ev->args[1].num);
		else
			recorder_fds_remove_range(&s->fds, (uint64_t)ev->args[0].num,
						  (uint64_t)ev->args[1].num);
	} else if (ev->call == EVENT_CALL_fcntl || ev->call == EVENT_CALL_fcntl64) {
		e = recorder_fds_find(&s->fds, ev->args[0].num);
		if (e)
			e->cloexec = ev->args[2].num & FD_CLOEXEC;
	}
}

void recorder_resolve_launch(struct recorder_span *s)
{
	char buf[EVENT_PATH_MAX];
	struct event_text link;

	for (int fd = 0; fd < 3; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags < 0 || (flags & FD_CLOEXEC) || !read_link(getpid(), fd, buf, &link) ||
		    ends_deleted(&link))
			continue;
		recorder_fds_put(&s->fds, fd, &link, event_path_is_sink(link.data, link.len),
				 false);
	}
}

static bool path_of(const void *span, int64_t fd, struct event_text *ret)
{
	const struct recorder_span *s = span;
	const struct recorder_fd *e = recorder_fds_find(&s->fds, fd);

	return e && recorder_fd_path_text(e, ret);
}

void recorder_resolve_keep_open(struct recorder_span *s, const struct event_text *block)
{
	size_t most = (EVENT_OPEN_FDS_MAX + 1) * sizeof(struct event_open_fd);

	free(s->open_fds);
	s->open_fds = NULL;
	s->open_fds_len = block && block->len < most ? block->len : block ? most : 0;
	if (!s->open_fds_len)
		return;
	s->open_fds = malloc(s->open_fds_len);
	if (s->open_fds)
		memcpy(s->open_fds, block->data, s->open_fds_len);
	else
		s->open_fds_len = 0;
}

void recorder_resolve_put_open(const struct recorder_span *s, struct event *ev)
{
	ev->extra = (struct event_text){s->open_fds, s->open_fds_len};
	ev->fd_path = path_of;
	ev->fd_path_of = s;
}
