/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of fds: what is put, copied, inherited and closed, within their bounds. */
#include "recorder/fds.h"

#include <fcntl.h>

#include "tap.h"

static struct recorder_fds_room room;

static void put(struct recorder_fds *fds, int64_t fd, const char *path, bool cloexec)
{
	struct event_text text = {path, path ? strlen(path) : 0};

	recorder_fds_put(fds, fd, path ? &text : NULL, false, cloexec);
}

/* The path of @fd, "-" if it has none, "?" if it is not known. */
static const char *path_of(const struct recorder_fds *fds, int64_t fd)
{
	static char buf[64];
	const struct recorder_fd *e = recorder_fds_find(fds, fd);
	struct event_text text;

	if (!e)
		return "?";
	if (!recorder_fd_path_text(e, &text))
		return "-";
	(void)snprintf(buf, sizeof(buf), "%.*s", (int)text.len, text.data);
	return buf;
}

static void opens_and_closes(void)
{
	struct recorder_fds fds;

	recorder_fds_init(&fds, &room);
	CHECK_STR(path_of(&fds, 3), "?");
	put(&fds, 7, "/seven", false);
	put(&fds, 3, "/three", false);
	put(&fds, 5, NULL, false);
	CHECK_STR(path_of(&fds, 3), "/three");
	CHECK_STR(path_of(&fds, 5), "-");
	CHECK_STR(path_of(&fds, 7), "/seven");
	CHECK_STR(path_of(&fds, 4), "?");
	put(&fds, 3, "/again", false);
	CHECK_STR(path_of(&fds, 3), "/again");
	CHECK_INT(fds.count, 3);
	recorder_fds_remove(&fds, 5);
	recorder_fds_remove(&fds, 5);
	CHECK_STR(path_of(&fds, 5), "?");
	CHECK_STR(path_of(&fds, 7), "/seven");
	recorder_fds_done(&fds);
	CHECK_INT(room.bytes, 0);
}

static void copies(void)
{
	struct recorder_fds fds;

	recorder_fds_init(&fds, &room);
	put(&fds, 3, "/three", true);
	recorder_fds_copy(&fds, 3, 1, false);
	CHECK_STR(path_of(&fds, 1), "/three");
	CHECK(!recorder_fds_find(&fds, 1)->cloexec);
	recorder_fds_remove(&fds, 3);
	CHECK_STR(path_of(&fds, 1), "/three");
	recorder_fds_copy(&fds, 1, 1, false);
	CHECK_STR(path_of(&fds, 1), "/three");
	/* onto the last other user of the same text */
	recorder_fds_copy(&fds, 1, 2, false);
	recorder_fds_copy(&fds, 1, 2, false);
	CHECK_STR(path_of(&fds, 2), "/three");
	/* a copy of what is not known is not known either */
	recorder_fds_copy(&fds, 9, 1, false);
	CHECK_STR(path_of(&fds, 1), "?");
	recorder_fds_done(&fds);
	CHECK_INT(room.bytes, 0);
}

static void ranges(void)
{
	struct recorder_fds fds;

	recorder_fds_init(&fds, &room);
	for (int i = 0; i < 20; i++)
		put(&fds, i, "/x", false);
	recorder_fds_remove_range(&fds, 5, 9);
	CHECK_INT(fds.count, 15);
	CHECK_STR(path_of(&fds, 4), "/x");
	CHECK_STR(path_of(&fds, 5), "?");
	CHECK_STR(path_of(&fds, 9), "?");
	CHECK_STR(path_of(&fds, 10), "/x");
	recorder_fds_remove_range(&fds, 9, 5); /* no range at all */
	recorder_fds_remove_range(&fds, UINT64_MAX, UINT64_MAX);
	CHECK_INT(fds.count, 15);
	recorder_fds_cloexec_range(&fds, 18, UINT64_MAX);
	CHECK(recorder_fds_find(&fds, 18)->cloexec && recorder_fds_find(&fds, 19)->cloexec);
	CHECK(!recorder_fds_find(&fds, 17)->cloexec);
	recorder_fds_remove_range(&fds, 3, UINT64_MAX);
	CHECK_INT(fds.count, 3);
	recorder_fds_remove_range(&fds, 0, INT32_MAX);
	CHECK_INT(fds.count, 0);
	recorder_fds_done(&fds);
	CHECK_INT(room.bytes, 0);
}

static void children(void)
{
	struct recorder_fds fds, child, image;

	recorder_fds_init(&fds, &room);
	recorder_fds_init(&child, &room);
	recorder_fds_init(&image, &room);
	put(&fds, 3, "/kept", false);
	put(&fds, 4, "/closed", true);
	recorder_fds_inherit(&child, &fds, false);
	recorder_fds_done(&fds);
	CHECK_STR(path_of(&child, 3), "/kept");
	CHECK_STR(path_of(&child, 4), "/closed");
	CHECK(!recorder_fds_find(&child, 3)->unsure);
	recorder_fds_inherit(&image, &child, true);
	CHECK_STR(path_of(&image, 3), "/kept");
	CHECK(recorder_fds_find(&image, 3)->unsure);
	CHECK_STR(path_of(&image, 4), "?");
	put(&image, 3, "/new", false);
	CHECK(!recorder_fds_find(&image, 3)->unsure);
	CHECK_STR(path_of(&child, 3), "/kept");
	recorder_fds_done(&child);
	recorder_fds_done(&image);
	CHECK_INT(room.bytes, 0);
}

/* The numbers are the workload's word. */
static void hostile_numbers(void)
{
	struct recorder_fds fds;

	recorder_fds_init(&fds, &room);
	put(&fds, -1, "/x", false);
	put(&fds, INT64_MIN, "/x", false);
	put(&fds, INT64_MAX, "/x", false);
	put(&fds, 1ll << 32, "/x", false);
	CHECK_INT(fds.count, 0);
	put(&fds, INT32_MAX, "/x", false);
	CHECK_STR(path_of(&fds, INT32_MAX), "/x");
	CHECK_STR(path_of(&fds, -1), "?");
	recorder_fds_copy(&fds, INT32_MAX, -1, false);
	recorder_fds_copy(&fds, INT32_MAX, 1ll << 40, false);
	CHECK_INT(fds.count, 1);
	for (int64_t i = 0; i < 2 * RECORDER_FDS_MAX; i++)
		put(&fds, i * 7, "/y", false);
	CHECK_INT(fds.count, RECORDER_FDS_MAX);
	CHECK_INT(room.refused, RECORDER_FDS_MAX + 1);
	CHECK_STR(path_of(&fds, 7 * (RECORDER_FDS_MAX - 2)), "/y");
	CHECK_STR(path_of(&fds, 7 * RECORDER_FDS_MAX), "?");
	/* one that is there finds its place, however full the table is */
	put(&fds, 7, "/z", false);
	CHECK_STR(path_of(&fds, 7), "/z");
	recorder_fds_done(&fds);
	CHECK_INT(room.bytes, 0);
}

static void all_tables_together(void)
{
	static char long_path[EVENT_PATH_MAX];
	struct event_text text = {long_path, sizeof(long_path)};
	static struct recorder_fds tables[8];
	uint64_t before = room.refused;
	bool within = true;

	memset(long_path, 'x', sizeof(long_path));
	long_path[0] = '/';
	for (int i = 0; i < 8; i++) {
		recorder_fds_init(&tables[i], &room);
		for (int fd = 0; fd < RECORDER_FDS_MAX; fd++) {
			recorder_fds_put(&tables[i], fd, &text, false, false);
			within &= room.bytes <= RECORDER_FDS_ROOM_MAX;
		}
	}
	CHECK(within);
	CHECK(room.refused > before);
	CHECK(!recorder_fds_find(&tables[7], 0));
	/* an fd whose new path finds no room does not keep the old one */
	CHECK(recorder_fds_find(&tables[0], 0));
	recorder_fds_put(&tables[0], 0, &text, false, false);
	CHECK(!recorder_fds_find(&tables[0], 0));
	for (int i = 0; i < 8; i++)
		recorder_fds_done(&tables[i]);
	CHECK_INT(room.bytes, 0);
}

int main(void)
{
	TAP_RUN(opens_and_closes);
	TAP_RUN(copies);
	TAP_RUN(ranges);
	TAP_RUN(children);
	TAP_RUN(hostile_numbers);
	TAP_RUN(all_tables_together);
	return tap_done();
}
