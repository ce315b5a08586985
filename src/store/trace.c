/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One buffer, and a rule that keeps hostile input cheap: a whole line ends in a newline and holds
 * no raw `{"ts":` but at its front (inside strings the quotes are escaped). So in a damaged stretch
 * between two newlines only what follows the last `{"ts":` can be a line: at most two parses for
 * any stretch.
 */
#include "store/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define START    "{\"ts\":"
#define BUF_SIZE (4 * STORE_LINE_MAX)

struct store_trace {
	int fd;
	bool follow;
	size_t begin; /* unread bytes are buf[begin, end) */
	size_t end;
	size_t searched;        /* of these, so many from the front hold no newline */
	uint64_t bad;           /* unreadable bytes not reported yet */
	json_t *held;           /* what the last item points to */
	struct store_item next; /* a line behind a gap that is reported first */
	bool has_next;
	char buf[BUF_SIZE];
};

int store_trace_take(struct store_trace **ret, int fd, struct tt_err *err)
{
	TT_CLEANUP(tt_closep) int own = fd;
	struct store_trace *t;
	struct stat st;

	if (fstat(own, &st) < 0)
		return tt_fail(err, errno, "look at the trace");
	if (!S_ISREG(st.st_mode))
		return tt_fail_text(err, EINVAL, "the trace is not a regular file");
	t = malloc(sizeof(*t));
	if (!t)
		return tt_fail(err, ENOMEM, "read the trace");
	memset(t, 0, offsetof(struct store_trace, buf));
	t->fd = tt_take_fd(&own);
	*ret = t;
	return 0;
}

int store_trace_open(struct store_trace **ret, const char *path, struct tt_err *err)
{
	/* O_NONBLOCK: a FIFO put there instead must not hold us */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int r;

	if (fd < 0)
		return tt_fail(err, errno, "open trace '%s'", path);
	r = store_trace_take(ret, fd, err);
	if (r < 0)
		return tt_wrap(err, r, "open trace '%s'", path);
	return 0;
}

void store_trace_free(struct store_trace *t)
{
	if (!t)
		return;
	json_decref(t->held);
	if (t->has_next)
		json_decref(t->next.json);
	(void)close(t->fd);
	free(t);
}

void store_trace_follow(struct store_trace *t, bool follow)
{
	t->follow = follow;
}

int store_trace_fd(const struct store_trace *t)
{
	return t->fd;
}

/* Returns the bytes read, 0 at the end of the file, -errno. */
static ssize_t fill(struct store_trace *t, struct tt_err *err)
{
	ssize_t n;

	if (t->begin && t->end == BUF_SIZE) {
		memmove(t->buf, t->buf + t->begin, t->end - t->begin);
		t->end -= t->begin;
		t->begin = 0;
	}
	do
		n = read(t->fd, t->buf + t->end, BUF_SIZE - t->end);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return tt_fail(err, errno, "read the trace");
	t->end += (size_t)n;
	return n;
}

static bool parse(struct store_item *ret, const char *line, size_t len)
{
	json_t *json;

	if (len + 1 > STORE_LINE_MAX || len < sizeof(START) ||
	    memcmp(line, START, sizeof(START) - 1) != 0)
		return false;
	json = json_loadb(line, len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
	if (!store_time_parse(store_get_text(json, "ts"), &ret->ts_ns) ||
	    !store_get_text(json, "event_type").data) {
		json_decref(json);
		return false;
	}
	ret->kind = STORE_ITEM_LINE;
	ret->json = json;
	ret->text = (struct store_text){line, len};
	ret->bytes = 0;
	return true;
}

static const char *last_start(const char *line, size_t len)
{
	const size_t n = sizeof(START) - 1;

	for (size_t at = len; at >= n; at--)
		if (memcmp(line + at - n, START, n) == 0)
			return line + at - n;
	return NULL;
}

static int give(struct store_trace *t, struct store_item *ret, const struct store_item *item)
{
	*ret = *item;
	t->held = item->json;
	return 1;
}

static int give_gap(struct store_trace *t, struct store_item *ret)
{
	*ret = (struct store_item){.kind = STORE_ITEM_UNREADABLE, .bytes = t->bad};
	t->bad = 0;
	return 1;
}

/*
 * One stretch between newlines. Returns 1 if it gave an item, 0 if it was empty or only adds to a
 * gap.
 */
static int take_line(struct store_trace *t, struct store_item *ret, const char *line, size_t len)
{
	struct store_item item;
	const char *again;

	if (!len)
		return 0; /* a writer that saw a torn line before its own begins with a newline */
	if (!parse(&item, line, len)) {
		again = last_start(line, len);
		if (!again || again == line || !parse(&item, again, len - (size_t)(again - line))) {
			t->bad += len;
			return 0;
		}
		t->bad += (size_t)(again - line);
	}
	if (!t->bad)
		return give(t, ret, &item);
	t->next = item;
	t->has_next = true;
	return give_gap(t, ret);
}

int store_trace_next(struct store_trace *t, struct store_item *ret, struct tt_err *err)
{
	json_decref(t->held);
	t->held = NULL;
	if (t->has_next) {
		t->has_next = false;
		return give(t, ret, &t->next);
	}
	for (;;) {
		char *line = t->buf + t->begin;
		size_t have = t->end - t->begin, len;
		char *nl = memchr(line + t->searched, '\n', have - t->searched);
		ssize_t n;

		if (nl) {
			len = (size_t)(nl - line);
			t->begin += len + 1;
			t->searched = 0;
			if (take_line(t, ret, line, len))
				return 1;
			continue;
		}
		if (have >= 2 * STORE_LINE_MAX) {
			/* Keep as much as a line may have: the start of one can be in there. */
			t->bad += have - STORE_LINE_MAX;
			t->begin += have - STORE_LINE_MAX;
			have = STORE_LINE_MAX;
		}
		t->searched = have;
		n = fill(t, err);
		if (n < 0)
			return (int)n;
		if (n > 0)
			continue;
		if (t->follow)
			return t->bad ? give_gap(t, ret) : 0;
		t->begin = t->end;
		t->searched = 0;
		if (have && take_line(t, ret, line, have))
			return 1;
		return t->bad ? give_gap(t, ret) : 0;
	}
}

struct store_text store_text_of(const json_t *string)
{
	struct store_text text = {json_string_value(string), json_string_length(string)};

	return text;
}

struct store_text store_get_text(const json_t *object, const char *key)
{
	return store_text_of(json_object_get(object, key));
}

bool store_text_is(struct store_text text, const char *word)
{
	return text.data && text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

int64_t store_get_int(const json_t *object, const char *key, int64_t fallback)
{
	const json_t *v = json_object_get(object, key);
	double d;

	if (json_is_integer(v))
		return json_integer_value(v);
	if (!json_is_real(v))
		return fallback;
	d = json_real_value(v);
	return d > -9e18 && d < 9e18 ? (int64_t)d : fallback;
}

/* @n digits at @p as a number, or -1. */
static int digits(const char *p, int n)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + (p[i] - '0');
	}
	return v;
}

bool store_time_parse(struct store_text text, uint64_t *ret_ns)
{
	/* "2025-09-03T13:55:14.921517011+00:00", or with "Z", or with fewer digits of a second */
	const char *p = text.data;
	struct tm tm = {0};
	uint64_t ns = 0, scale = 1000000000;
	size_t at = 19;
	time_t sec;

	if (!p || text.len < 20 || p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' ||
	    p[16] != ':')
		return false;
	tm.tm_year = digits(p, 4) - 1900;
	tm.tm_mon = digits(p + 5, 2) - 1;
	tm.tm_mday = digits(p + 8, 2);
	tm.tm_hour = digits(p + 11, 2);
	tm.tm_min = digits(p + 14, 2);
	tm.tm_sec = digits(p + 17, 2);
	if (tm.tm_year < 70 || tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 ||
	    tm.tm_mday > 31 || tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 ||
	    tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60)
		return false;
	if (p[at] == '.')
		for (at++; at < text.len && scale > 1 && p[at] >= '0' && p[at] <= '9'; at++) {
			scale /= 10;
			ns += (uint64_t)(p[at] - '0') * scale;
		}
	if (!(text.len - at == 1 && p[at] == 'Z') &&
	    !(text.len - at == 6 && memcmp(p + at, "+00:00", 6) == 0))
		return false;
	sec = timegm(&tm);
	if (sec < 0 || sec > 18000000000) /* past what nanoseconds in 64 bits hold */
		return false;
	*ret_ns = (uint64_t)sec * 1000000000 + ns;
	return true;
}
