/* SPDX-License-Identifier: Apache-2.0 */
/* --denials-fd: denials as they happen, for a program that can act on them. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/out.h"
#include "base/time.h"
#include "event/text.h"
#include "recorder/denials.h"

/* At most PIPE_BUF: to a pipe that poll(2) calls writable such a write is whole, and at once. */
#define LINE_MAX_BYTES 4096

struct recorder_stream {
	int fd;
	bool broken; /* nobody reads any more */
	bool is_socket;
	const char *profile;
	uint64_t dropped;         /* denials, since the last line */
	size_t rest_at, rest_len; /* of a line that a socket took a part of */
	char rest[LINE_MAX_BYTES];
};

struct recorder_stream *recorder_stream_new(int fd, const char *profile)
{
	struct recorder_stream *s = calloc(1, sizeof(*s));
	socklen_t len = sizeof(int);
	int type;

	if (!s)
		return NULL;
	s->fd = fd;
	s->profile = profile;
	s->is_socket = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
	return s;
}

void recorder_stream_free(struct recorder_stream *s)
{
	free(s);
}

/*
 * Never waits. Not by O_NONBLOCK: that belongs to the open file, which others may share. Returns
 * bytes taken, 0 if there is no room.
 */
static size_t try_write(struct recorder_stream *s, const char *text, size_t len)
{
	struct pollfd p = {.fd = s->fd, .events = POLLOUT};
	ssize_t n;

	if (s->is_socket)
		n = send(s->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (poll(&p, 1, 0) == 1)
		n = write(s->fd, text, len);
	else
		return 0;
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		s->broken = true;
	return n < 0 ? 0 : (size_t)n;
}

static void put_string(struct tt_out *o, const char *key, const char *value, size_t len)
{
	tt_out_str(o, ", \"");
	tt_out_str(o, key);
	tt_out_str(o, "\": \"");
	(void)tt_out_json(o, value, len, 1);
	tt_out_str(o, "\"");
}

static void put_number(struct tt_out *o, const char *key, uint64_t value)
{
	tt_out_str(o, ", \"");
	tt_out_str(o, key);
	tt_out_str(o, "\": ");
	tt_out_u64(o, value);
}

static void put_link(struct tt_out *o, int32_t pid, const char comm[16])
{
	tt_out_str(o, "{\"pid\": ");
	tt_out_i64(o, pid);
	put_string(o, "comm", comm, strnlen(comm, 16));
	tt_out_str(o, "}");
}

static void put_args(struct tt_out *o, const struct kernel_denial *x)
{
	struct recorder_words words;
	const char *at = words.text;

	recorder_words_make(&words, x);
	tt_out_str(o, ", \"args\": [");
	for (unsigned i = 0; i < words.count; at += words.len[i++]) {
		tt_out_str(o, i ? ", \"" : "\"");
		(void)tt_out_json(o, at, words.len[i], 1);
		tt_out_str(o, "\"");
	}
	tt_out_str(o, "]");
}

static void put_line(struct tt_out *o, const struct recorder_stream *s,
		     const struct recorder_site *site, const struct kernel_denial *x,
		     uint64_t count)
{
	const char *error = event_errno_name(site->verdict.err);
	char ts[TT_TIME_TEXT_LEN + 1], name[24];
	const char *call = recorder_call_name(site->nr, name),
		   *action = recorder_action_name(site->verdict.action);

	tt_time_text(ts, x->ts_ns);
	tt_out_str(o, "{\"ts\": \"");
	tt_out_str(o, ts);
	tt_out_str(o, site->verdict.action == POLICY_KILL ? "\", \"code\": \"TT-KILL-"
							  : "\", \"code\": \"TT-DENY-");
	tt_out_str(o, call);
	tt_out_str(o, "\"");
	put_string(o, "action", action, strlen(action));
	if (error) {
		put_string(o, "error", error, strlen(error));
		put_number(o, "errno", site->verdict.err);
	}
	put_string(o, "syscall", call, strlen(call));
	put_args(o, x);
	put_number(o, "pid", (uint32_t)x->pid);
	put_number(o, "tid", (uint32_t)x->tid);
	if (x->ns_pid && x->ns_pid != x->pid)
		put_number(o, "ns_pid", (uint32_t)x->ns_pid);
	put_string(o, "comm", x->comm, strnlen(x->comm, sizeof(x->comm)));
	tt_out_str(o, ", \"chain\": [");
	put_link(o, x->pid, x->comm);
	for (unsigned i = 0; i < x->chain_len; i++) {
		tt_out_str(o, ", ");
		put_link(o, x->chain[i].pid, x->chain[i].comm);
	}
	tt_out_str(o, "]");
	put_number(o, "count", count);
	put_string(o, "profile", s->profile, strlen(s->profile));
	put_string(o, "allow", site->allow, strlen(site->allow));
	if (s->dropped)
		put_number(o, "dropped", s->dropped);
	tt_out_str(o, "}\n");
}

void recorder_stream_put(struct recorder_stream *s, const struct recorder_site *site,
			 const struct kernel_denial *x, uint64_t count)
{
	char line[LINE_MAX_BYTES];
	struct tt_out o;
	size_t n;

	if (!s->broken && s->rest_at < s->rest_len)
		s->rest_at += try_write(s, s->rest + s->rest_at, s->rest_len - s->rest_at);
	tt_out_init(&o, line, sizeof(line));
	put_line(&o, s, site, x, count);
	n = s->broken || tt_out_is_full(&o) || s->rest_at < s->rest_len ? 0
									: try_write(s, line, o.len);
	if (!n) {
		s->dropped += count;
		return;
	}
	s->dropped = 0;
	s->rest_at = n;
	s->rest_len = o.len;
	memcpy(s->rest + n, line + n, o.len - n);
}
