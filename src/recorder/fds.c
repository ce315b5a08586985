/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of fds: sorted arrays, since most programs have few. */
#include "recorder/fds.h"

#include <stdlib.h>
#include <string.h>

struct recorder_fd_path {
	uint32_t users;
	uint32_t len;
	char text[];
};

static bool take_room(struct recorder_fds_room *room, size_t bytes)
{
	if (bytes > RECORDER_FDS_ROOM_MAX - room->bytes)
		return false;
	room->bytes += bytes;
	return true;
}

static struct recorder_fd_path *path_new(struct recorder_fds_room *room,
					 const struct event_text *text)
{
	size_t bytes = sizeof(struct recorder_fd_path) + text->len;
	struct recorder_fd_path *path;

	if (text->len > EVENT_PATH_MAX || !take_room(room, bytes))
		return NULL;
	path = malloc(bytes);
	if (!path) {
		room->bytes -= bytes;
		return NULL;
	}
	path->users = 1;
	path->len = (uint32_t)text->len;
	memcpy(path->text, text->data, text->len);
	return path;
}

static void path_unref(struct recorder_fds_room *room, struct recorder_fd_path *path)
{
	if (!path || --path->users)
		return;
	room->bytes -= sizeof(*path) + path->len;
	free(path);
}

void recorder_fds_init(struct recorder_fds *fds, struct recorder_fds_room *room)
{
	*fds = (struct recorder_fds){.room = room};
}

void recorder_fds_done(struct recorder_fds *fds)
{
	for (uint32_t i = 0; i < fds->count; i++)
		path_unref(fds->room, fds->entries[i].path);
	if (fds->entries)
		fds->room->bytes -= fds->cap * sizeof(*fds->entries);
	free(fds->entries);
	recorder_fds_init(fds, fds->room);
}

void recorder_fds_distrust(struct recorder_fds *fds)
{
	if (fds->distrusted)
		return;
	recorder_fds_done(fds);
	fds->distrusted = true;
}

/* Where @fd is, or would be. */
static uint32_t place_of(const struct recorder_fds *fds, int64_t fd)
{
	uint32_t low = 0, high = fds->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (fds->entries[mid].fd < fd)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct recorder_fd *recorder_fds_find(const struct recorder_fds *fds, int64_t fd)
{
	uint32_t i = place_of(fds, fd);

	return i < fds->count && fds->entries[i].fd == fd ? &fds->entries[i] : NULL;
}

bool recorder_fd_path_text(const struct recorder_fd *fd, struct event_text *ret)
{
	if (!fd->path)
		return false;
	*ret = (struct event_text){fd->path->text, fd->path->len};
	return true;
}

static bool grow(struct recorder_fds *fds, uint32_t cap)
{
	size_t more = (cap - fds->cap) * sizeof(*fds->entries);
	struct recorder_fd *entries;

	if (!take_room(fds->room, more))
		return false;
	entries = realloc(fds->entries, cap * sizeof(*fds->entries));
	if (!entries) {
		fds->room->bytes -= more;
		return false;
	}
	fds->entries = entries;
	fds->cap = cap;
	return true;
}

/* The entry of @fd, made if it is not there; its path is the caller's to set. */
static struct recorder_fd *enter(struct recorder_fds *fds, int32_t fd)
{
	uint32_t i = place_of(fds, fd);

	if (i < fds->count && fds->entries[i].fd == fd) {
		path_unref(fds->room, fds->entries[i].path);
	} else {
		if (fds->count == RECORDER_FDS_MAX ||
		    (fds->count == fds->cap && !grow(fds, fds->cap ? 2 * fds->cap : 8)))
			return NULL;
		memmove(fds->entries + i + 1, fds->entries + i,
			(fds->count - i) * sizeof(*fds->entries));
		fds->count++;
	}
	fds->entries[i] = (struct recorder_fd){.fd = fd};
	return &fds->entries[i];
}

void recorder_fds_put(struct recorder_fds *fds, int64_t fd, const struct event_text *path,
		      bool quiet, bool cloexec)
{
	struct recorder_fd_path *text = NULL;
	struct recorder_fd *e;

	if (fd < 0 || fd > INT32_MAX || fds->distrusted)
		return;
	if (path)
		text = path_new(fds->room, path);
	e = !path || text ? enter(fds, (int32_t)fd) : NULL;
	if (!e) {
		path_unref(fds->room, text);
		recorder_fds_remove(fds, fd);
		fds->room->refused++;
		return;
	}
	e->path = text;
	e->quiet = quiet;
	e->cloexec = cloexec;
}

void recorder_fds_copy(struct recorder_fds *fds, int64_t from, int64_t to, bool cloexec)
{
	const struct recorder_fd *found = recorder_fds_find(fds, from);
	struct recorder_fd copy, *e;

	if (from == to || to < 0 || to > INT32_MAX)
		return;
	if (!found) {
		recorder_fds_remove(fds, to);
		return;
	}
	copy = *found;
	if (copy.path)
		copy.path->users++; /* first: @to may be the last user of the same text */
	e = enter(fds, (int32_t)to);
	if (!e) {
		path_unref(fds->room, copy.path);
		fds->room->refused++;
		return;
	}
	copy.fd = (int32_t)to;
	copy.cloexec = cloexec;
	*e = copy;
}

static void cut_out(struct recorder_fds *fds, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		path_unref(fds->room, fds->entries[i].path);
	if (from < to)
		memmove(fds->entries + from, fds->entries + to,
			(fds->count - to) * sizeof(*fds->entries));
	fds->count -= to - from;
}

void recorder_fds_remove(struct recorder_fds *fds, int64_t fd)
{
	uint32_t i = place_of(fds, fd);

	if (i < fds->count && fds->entries[i].fd == fd)
		cut_out(fds, i, i + 1);
}

/* The entries from @first to @last, which may be any numbers at all. */
static void find_range(const struct recorder_fds *fds, uint64_t first, uint64_t last,
		       uint32_t *ret_from, uint32_t *ret_to)
{
	*ret_from = first > INT32_MAX ? fds->count : place_of(fds, (int64_t)first);
	*ret_to = last >= INT32_MAX ? fds->count : place_of(fds, (int64_t)last + 1);
	if (*ret_to < *ret_from)
		*ret_to = *ret_from;
}

void recorder_fds_remove_range(struct recorder_fds *fds, uint64_t first, uint64_t last)
{
	uint32_t from, to;

	find_range(fds, first, last, &from, &to);
	cut_out(fds, from, to);
}

void recorder_fds_cloexec_range(struct recorder_fds *fds, uint64_t first, uint64_t last)
{
	uint32_t from, to;

	find_range(fds, first, last, &from, &to);
	for (; from < to; from++)
		fds->entries[from].cloexec = true;
}

void recorder_fds_inherit(struct recorder_fds *to, const struct recorder_fds *from, bool exec)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < from->count; i++)
		kept += !exec || !from->entries[i].cloexec;
	if (!kept)
		return;
	if (!grow(to, kept)) {
		to->room->refused += kept;
		return;
	}
	for (uint32_t i = 0; i < from->count; i++) {
		struct recorder_fd *e;

		if (exec && from->entries[i].cloexec)
			continue;
		e = &to->entries[to->count++];
		*e = from->entries[i];
		e->unsure |= exec;
		if (e->path)
			e->path->users++;
	}
}
