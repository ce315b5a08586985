/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a run. */
#include "recorder/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"

#define WRITE_BYTES (512u << 10) /* one write(2) of many lines: a page of each costs more */
#define OUTPUT_BUF  (WRITE_BYTES + EVENT_BUF_MAX) /* room for one more line behind that */
#define HELD_NS     (50 * TT_NS_PER_MS)           /* lines wait for others no longer than this */

struct recorder_output {
	char folder[PATH_MAX];
	char records[PATH_MAX]; /* where the records of several runs lie */
	char trace[PATH_MAX], run[PATH_MAX];
	int folder_fd; /* what lies above it may be the command's to move */
	int fd;
	bool torn;     /* the last write was short: the next begins with a newline */
	uint64_t lost; /* lines, whole or cut off */
	int lost_errno;
	uint64_t flushed_ns; /* CLOCK_MONOTONIC */
	size_t len;
	char buf[OUTPUT_BUF];
};

void recorder_output_free(struct recorder_output *o)
{
	if (!o)
		return;
	tt_closep(&o->fd);
	tt_closep(&o->folder_fd);
	free(o);
}

/* mkdir -p, 0700 for what is new. */
static int make_folder(const char *path, struct tt_err *err)
{
	char part[PATH_MAX];
	struct stat st;

	/* the usual case: all but the last part is there */
	if (mkdir(path, 0700) == 0)
		return 0;
	if (strlen(path) >= sizeof(part))
		return tt_fail(err, ENAMETOOLONG, "make folder '%.80s...'", path);
	strcpy(part, path);
	for (char *p = strchr(part + 1, '/');; p = strchr(p + 1, '/')) {
		if (p)
			*p = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return tt_fail(err, errno, "make folder '%s'", part);
		if (!p)
			break;
		*p = '/';
	}
	if (stat(path, &st) < 0)
		return tt_fail(err, errno, "make folder '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return tt_fail(err, ENOTDIR, "make folder '%s'", path);
	return 0;
}

static int state_folder(char *buf, size_t cap, const char *run_id, struct tt_err *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n;

	if (state && state[0] == '/')
		n = snprintf(buf, cap, "%s/telltale/runs/%s", state, run_id);
	else if (home && home[0] == '/')
		n = snprintf(buf, cap, "%s/.local/state/telltale/runs/%s", home, run_id);
	else
		return tt_fail_text(
			err, ENOENT,
			"find a folder for the record: neither XDG_STATE_HOME nor HOME is set "
			"(use --output-dir DIR)");
	return n < 0 || (size_t)n >= cap
		       ? tt_fail(err, ENAMETOOLONG, "find a folder for the record")
		       : 0;
}

static int name_files(struct recorder_output *o, const char *dir, const char *run_id,
		      const char *utc, struct tt_err *err)
{
	char resolved[PATH_MAX];
	int a, b;

	/*
	 * the caller may name it relative to a folder that the report's reader does not know, or
	 * through links, which say nothing of where it lies
	 */
	if (realpath(o->folder, resolved))
		strcpy(o->folder, resolved);
	strcpy(o->records, o->folder);
	if (!dir) {
		*strrchr(o->records, '/') = '\0';
		a = snprintf(o->trace, sizeof(o->trace), "%s/trace.jsonl", o->folder);
		b = snprintf(o->run, sizeof(o->run), "%s/run.json", o->folder);
	} else {
		a = snprintf(o->trace, sizeof(o->trace), "%s/trace_%s_%s.jsonl", o->folder, utc,
			     run_id);
		b = snprintf(o->run, sizeof(o->run), "%s/run_%s_%s.json", o->folder, utc, run_id);
	}
	if (a < 0 || b < 0 || (size_t)a >= sizeof(o->trace) || (size_t)b >= sizeof(o->run))
		return tt_fail(err, ENAMETOOLONG, "name the files in '%.100s'", o->folder);
	return 0;
}

int recorder_output_open(struct recorder_output **ret, const char *dir, const char *run_id,
			 const char *utc, struct tt_err *err)
{
	TT_CLEANUP(recorder_output_freep) struct recorder_output *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return tt_fail(err, ENOMEM, "open the record");
	o->fd = o->folder_fd = -1;
	if (!dir)
		r = state_folder(o->folder, sizeof(o->folder), run_id, err);
	else
		r = (size_t)snprintf(o->folder, sizeof(o->folder), "%s", dir) >= sizeof(o->folder)
			    ? tt_fail(err, ENAMETOOLONG, "use folder '%.100s'", dir)
			    : 0;
	if (r < 0)
		return r;
	r = make_folder(o->folder, err);
	if (r < 0)
		return r;
	r = name_files(o, dir, run_id, utc, err);
	if (r < 0)
		return r;
	o->folder_fd = open(o->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (o->folder_fd < 0)
		return tt_fail(err, errno, "open folder '%s'", o->folder);
	o->fd = open(o->trace, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		     0600);
	if (o->fd < 0)
		return tt_fail(err, errno, "create trace '%s'", o->trace);

	*ret = TT_TAKE(o);
	return 0;
}

/* Whole lines in one write: a reader that follows sees few halves. */
void recorder_output_flush(struct recorder_output *o)
{
	ssize_t n = 0;

	if (o->len && o->torn && write(o->fd, "\n", 1) == 1)
		o->torn = false;
	if (o->len)
		do
			n = write(o->fd, o->buf, o->len);
		while (n < 0 && errno == EINTR);
	if (n != (ssize_t)o->len) {
		/* what got through has its newline; a line that was cut off is lost */
		size_t at = n > 0 ? (size_t)n : 0;

		o->lost_errno = n < 0 ? errno : ENOSPC;
		o->torn = at ? o->buf[at - 1] != '\n' : o->torn;
		for (; at < o->len; at++)
			o->lost += o->buf[at] == '\n';
	}
	o->len = 0;
	o->flushed_ns = tt_clock_ns(CLOCK_MONOTONIC);
}

void recorder_output_tick(struct recorder_output *o)
{
	if (o->len && tt_clock_ns(CLOCK_MONOTONIC) - o->flushed_ns >= HELD_NS)
		recorder_output_flush(o);
}

void recorder_output_event(struct recorder_output *o, const struct event *ev)
{
	int n;

	if (o->len >= WRITE_BYTES)
		recorder_output_flush(o);
	n = event_format(ev, o->buf + o->len, sizeof(o->buf) - o->len);
	if (n > 0) {
		o->len += (size_t)n;
		return;
	}
	o->lost++;
	o->lost_errno = -n;
}

uint64_t recorder_output_lost(const struct recorder_output *o, int *ret_errno)
{
	*ret_errno = o->lost_errno;
	return o->lost;
}

int recorder_output_document(struct recorder_output *o, const char *text, size_t len,
			     struct tt_err *err)
{
	TT_CLEANUP(tt_closep) int fd = -1;
	const char *name = strrchr(o->run, '/') + 1;
	char tmp[NAME_MAX + 1];

	(void)snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	/* where the command may write the folder, what has these names is there to be in the way */
	(void)unlinkat(o->folder_fd, tmp, 0);
	(void)unlinkat(o->folder_fd, tmp, AT_REMOVEDIR);
	fd = openat(o->folder_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return tt_fail(err, errno, "create '%s.tmp'", o->run);
	for (size_t at = 0; at < len;) {
		ssize_t n = write(fd, text + at, len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int num = n < 0 ? errno : EIO;

			(void)unlinkat(o->folder_fd, tmp, 0);
			return tt_fail(err, num, "write '%s.tmp'", o->run);
		}
		at += (size_t)n;
	}
	if (renameat(o->folder_fd, tmp, o->folder_fd, name) < 0 &&
	    renameat2(o->folder_fd, tmp, o->folder_fd, name, RENAME_EXCHANGE) < 0)
		return tt_fail(err, errno, "rename '%s.tmp' to '%s'", o->run, name);
	return 0;
}

const char *recorder_output_records(const struct recorder_output *o)
{
	return o->records;
}

const char *recorder_output_folder(const struct recorder_output *o)
{
	return o->folder;
}

const char *recorder_output_trace_path(const struct recorder_output *o)
{
	return o->trace;
}

const char *recorder_output_run_path(const struct recorder_output *o)
{
	return o->run;
}
