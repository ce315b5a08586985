/* SPDX-License-Identifier: Apache-2.0 */
/* One event as one line of JSON: the ten keys every line has, then those that apply. */
#include "event/event.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/time.h"
#include "event/line.h"
#include "event/redact.h"
#include "event/text.h"

#define READY_LIMIT_MIN 256 /* no id is longer */
#define ARG_LIMIT_MIN   16  /* the shortest an argument is cut to before a line is given up */

static void put_stars(struct line *l, struct tt_b64 *b64)
{
	if (b64)
		tt_b64_put(b64, &l->o, "***", 3);
	else
		PUT(l, "***");
}

/*
 * Redacted text, as JSON (@b64 NULL; then @depth counts) or as base64. Secrets are looked for in
 * the whole text, so that a cut cannot part a name from its value. Returns false if it was not
 * UTF-8.
 */
static bool put_redacted(struct line *l, const char *text, size_t len, int depth,
			 struct tt_b64 *b64)
{
	size_t kept = event_kept_len(l, text, len), at = 0, start = 0, end = 0;
	bool valid = true;

	while (at < kept) {
		bool found = event_redact_next(text, len, at, &start, &end);
		size_t stop = found && start < kept ? start : kept;

		if (b64)
			tt_b64_put(b64, &l->o, text + at, stop - at);
		else
			valid &= tt_out_json(&l->o, text + at, stop - at, depth);
		at = stop;
		if (found && start < kept) {
			put_stars(l, b64);
			at = end;
		}
	}
	return valid;
}

/*
 * One argument of an argv: --password=VALUE is a secret to its end, whatever bytes the value has.
 */
static bool put_word(struct line *l, const char *arg, size_t len, int depth, struct tt_b64 *b64)
{
	size_t value = event_redact_flag_value(arg, len);
	bool valid = put_redacted(l, arg, value ? value : len, depth, b64);

	if (value)
		put_stars(l, b64);
	return valid;
}

/*
 * argv as a JSON array in a string: ["cat", "/tmp/x"]. An argument behind --password is a secret as
 * a whole.
 */
static bool put_argv(struct line *l, const char *block, size_t len, int depth, struct tt_b64 *b64)
{
	const char *quote = depth > 1 ? "\\\"" : "\"";
	bool valid = true, secret = false, first = true;
	size_t room = l->limit;

	if (!b64)
		tt_out_char(&l->o, '[');
	for (size_t at = 0; at < len;) {
		size_t n = strnlen(block + at, len - at), limit = l->limit;

		if (!room) {
			l->cut = true;
			break;
		}
		if (b64 && !first)
			tt_b64_put(b64, &l->o, "", 1);
		else if (!b64 && !first)
			PUT(l, ", ");
		if (!b64)
			put_lit(l, quote);
		l->limit = room;
		if (secret)
			put_stars(l, b64);
		else
			valid &= put_word(l, block + at, n, depth, b64);
		l->limit = limit;
		room -= n + 1 < room ? n + 1 : room;
		if (!b64)
			put_lit(l, quote);
		secret = event_redact_is_flag(block + at, n);
		first = false;
		at += n + 1;
	}
	if (!b64)
		tt_out_char(&l->o, ']');
	return valid;
}

static void put_fd(struct tt_out *o, int64_t fd)
{
	tt_out_str(o, "fd:");
	tt_out_i64(o, fd);
}

static bool put_addr_json(struct line *l, const struct event_arg *arg, struct tt_b64 *b64)
{
	char text[EVENT_ADDR_MAX + 16];
	struct tt_out o;

	tt_out_init(&o, text, sizeof(text));
	event_put_addr(&o, arg->data, arg->len < EVENT_ADDR_MAX ? arg->len : EVENT_ADDR_MAX);
	return put_redacted(l, text, o.len, 1, b64);
}

/* The inside of one entry of `args`, without its quotes. */
static void put_arg(struct line *l, const struct event *ev, unsigned i, char letter)
{
	const struct event_arg *arg = &ev->args[i];
	bool valid = true;

	l->cut |= arg->cut;
	switch (letter) {
	case 'd':
		if (arg->num == AT_FDCWD)
			PUT(l, "AT_FDCWD");
		else
			put_fd(&l->o, arg->num);
		return;
	case 'f':
		put_fd(&l->o, arg->num);
		return;
	case 'i':
		tt_out_i64(&l->o, arg->num);
		return;
	case 'u':
		tt_out_u64(&l->o, (uint64_t)arg->num);
		return;
	case 'o':
		event_put_open_flags(&l->o, arg->num);
		return;
	case 'm':
		tt_out_octal(&l->o, (uint64_t)arg->num & 07777);
		return;
	case 'A':
		event_put_at_flags(&l->o, arg->num, ev->call == EVENT_CALL_unlinkat);
		return;
	case 'O':
	case 'B':
	case 'E':
	case 'M':
	case 'U':
	case 'N':
		event_put_file_flags(&l->o, letter, arg->num);
		return;
	case 'g':
		event_put_owner(&l->o, arg->num);
		return;
	case 'k':
		event_put_device(&l->o, (uint64_t)arg->num);
		return;
	case 'n':
		event_put_typed_mode(&l->o, (uint64_t)arg->num);
		return;
	case 'R':
		event_put_rename_flags(&l->o, arg->num);
		return;
	case 'K':
		event_put_accept_flags(&l->o, arg->num);
		return;
	case 'c':
		event_put_fcntl_command(&l->o, arg->num);
		return;
	case 'S':
		event_put_signal(&l->o, arg->num);
		return;
	case 'D':
		event_put_domain(&l->o, arg->num);
		return;
	case 'T':
		event_put_socket_type(&l->o, arg->num);
		return;
	case 'P':
		event_put_protocol(&l->o, ev->args[0].num, arg->num);
		return;
	case 'W':
		event_put_shutdown(&l->o, arg->num);
		return;
	case 'J':
		event_put_msg_flags(&l->o, arg->num);
		return;
	case 'X':
		event_put_ptrace(&l->o, arg->num);
		return;
	case 'L':
		event_put_dlopen_flags(&l->o, arg->num);
		return;
	case 'C':
		event_put_clone_flags(&l->o, arg->num);
		return;
	default:
		break;
	}
	if (arg->absent)
		PUT(l, "NULL");
	else if (letter == 'v')
		valid = put_argv(l, arg->data, arg->len, 2, NULL);
	else if (letter == 'a')
		valid = put_addr_json(l, arg, NULL);
	else if (letter == 't' || letter == 'V')
		event_put_times(&l->o, arg->data, arg->len, letter == 't');
	else
		valid = put_redacted(l, arg->data, arg->len, 1, NULL);
	if (!valid)
		l->bad |= 1u << i;
}

static bool is_left_out(const struct event_arg *arg, char letter)
{
	return arg->absent && (letter == 'm' || letter == 'u');
}

static void put_args(struct line *l, const struct event *ev)
{
	const char *layout = event_call_info(ev->call)->layout;
	bool first = true;
	size_t at;

	for (unsigned i = 0; layout[i]; i++) {
		if (is_left_out(&ev->args[i], layout[i]))
			continue;
		if (!first)
			PUT(l, ", ");
		PUT(l, "\"");
		at = l->o.len;
		put_arg(l, ev, i, layout[i]);
		if (layout[i] == 'p' || layout[i] == 'x') {
			l->said = (struct event_text){ev->args[i].data, ev->args[i].len};
			l->said_at = at;
			l->said_end = l->o.len;
		}
		PUT(l, "\"");
		first = false;
	}
}

/* "args_raw": one entry per entry of args, null where the text says it all. */
static void put_args_raw(struct line *l, const struct event *ev)
{
	const char *layout = event_call_info(ev->call)->layout;
	bool first = true;

	if (!l->bad)
		return;
	PUT(l, ", \"args_raw\": [");
	for (unsigned i = 0; layout[i]; i++) {
		const struct event_arg *arg = &ev->args[i];
		struct tt_b64 b64 = {{0}, 0};

		if (is_left_out(arg, layout[i]))
			continue;
		if (!first)
			PUT(l, ", ");
		first = false;
		if (!(l->bad & 1u << i)) {
			PUT(l, "null");
			continue;
		}
		PUT(l, "\"");
		if (layout[i] == 'v')
			(void)put_argv(l, arg->data, arg->len, 1, &b64);
		else if (layout[i] == 'a')
			(void)put_addr_json(l, arg, &b64);
		else
			(void)put_redacted(l, arg->data, arg->len, 1, &b64);
		tt_b64_end(&b64, &l->o);
		PUT(l, "\"");
	}
	PUT(l, "]");
}

static void put_text_key(struct line *l, const char *key, const struct event_text *t)
{
	if (!t->data)
		return;
	put_key(l, key);
	PUT(l, "\"");
	(void)put_redacted(l, t->data, t->len, 1, NULL);
	PUT(l, "\"");
}

static void put_str_key(struct line *l, const char *key, const char *value)
{
	put_key(l, key);
	PUT(l, "\"");
	put_lit(l, value);
	PUT(l, "\"");
}

/* Tables of fixed-size text: no pointers, no relocations. */
static const char act_names[][9] = {"start", "exit", "replaced"};
static const char how_names[][7] = {"launch", "fork", "vfork", "spawn", "exec"};

/* The arguments of a system call, which come as text. */
static void put_words(struct line *l, const struct event *ev)
{
	for (unsigned i = 0; i < ev->word_count; i++) {
		put_lit(l, i ? ", \"" : "\"");
		(void)put_redacted(l, ev->words[i].data, ev->words[i].len, 1, NULL);
		PUT(l, "\"");
	}
}

static void put_head(struct line *l, const struct event *ev)
{
	event_put_time(l, ev);
	event_put_origin(l, ev);
	if (ev->type == EVENT_SYSCALL)
		put_lit(l, event_call_info(ev->call)->name);
	else if (ev->type == EVENT_PROCESS)
		put_lit(l, act_names[ev->act]);
	else if (ev->type == EVENT_DENIED && ev->call_name.data)
		(void)tt_out_json(&l->o, ev->call_name.data,
				  event_kept_len(l, ev->call_name.data, ev->call_name.len), 1);
	PUT(l, "\", \"args\": [");
	if (ev->type == EVENT_SYSCALL)
		put_args(l, ev);
	else if (ev->type == EVENT_DENIED)
		put_words(l, ev);
	PUT(l, "], \"result\": ");
	if (ev->has_result)
		tt_out_i64(&l->o, ev->result);
	else
		PUT(l, "null");
	PUT_KEY(l, "elapsed_us");
	tt_out_u64(&l->o, ev->elapsed_ns / TT_NS_PER_US);
}

static void put_common(struct line *l, const struct event *ev)
{
	if (ev->error) {
		const char *error = event_errno_name(ev->error);

		PUT(l, ", \"error\": \"");
		if (error)
			put_lit(l, error);
		else
			tt_out_i64(&l->o, ev->error);
		PUT(l, "\"");
	}
	if (ev->has_seq) {
		PUT_KEY(l, "seq");
		tt_out_u64(&l->o, ev->seq < INT64_MAX ? ev->seq : INT64_MAX);
	}
	event_put_ids(l, ev);
}

/* Most paths are said as they were passed: then they have been looked through once. */
static void put_path_text(struct line *l, const char *key, const struct event_text *path)
{
	put_key(l, key);
	PUT(l, "\"");
	if (l->said.data && l->said.len == path->len &&
	    memcmp(l->said.data, path->data, path->len) == 0 && !tt_out_is_full(&l->o))
		tt_out_mem(&l->o, l->o.buf + l->said_at, l->said_end - l->said_at);
	else
		(void)put_redacted(l, path->data, path->len, 1, NULL);
	PUT(l, "\"");
}

/* Paths are joined in the work space first: the escaper needs them whole. */
static void put_path_key(struct line *l, const struct event *ev, int which, const char *key)
{
	struct event_text text = {l->path_buf, 0};
	struct tt_out o;

	if (!which && ev->joined.data) {
		put_path_text(l, key, &ev->joined);
		return;
	}
	tt_out_init(&o, l->path_buf, l->path_cap);
	if (!event_put_path(ev, which, &o))
		return;
	if (tt_out_is_full(&o)) {
		if (l->path_cap < 2 * EVENT_PATH_MAX)
			l->o.full = true; /* a larger buffer may do */
		l->cut = true;
		return;
	}
	text.len = o.len;
	put_path_text(l, key, &text);
}

/* What the path means depends on where the process stands, or on what its "/" is. */
static bool is_relative(const struct event *ev, unsigned i, char letter)
{
	const struct event_arg *arg = &ev->args[i];
	bool moved = ev->root.len || ev->root_unknown;

	if (!arg->data || (letter != 'p' && letter != 'q' && letter != 'x'))
		return false;
	if (!arg->len)
		return letter != 'x';
	return (moved || *(const char *)arg->data != '/') &&
	       (letter != 'x' || memchr(arg->data, '/', arg->len));
}

static void put_paths(struct line *l, const struct event *ev)
{
	const char *layout = event_call_info(ev->call)->layout;
	bool relative = false, resolved;
	size_t before;

	/* the path of an fd is as good as the table it comes from */
	if (layout[0] == 'f' && ev->args[0].data)
		relative = ev->call != EVENT_CALL_fchdir || !ev->extra.data;
	for (unsigned i = 0; layout[i]; i++)
		relative |= is_relative(ev, i, layout[i]);
	/* "fd:4" stands for itself, but the cwd it leads to is said from "/" */
	if (ev->call == EVENT_CALL_fchdir)
		relative |= ev->extra.data && (ev->root.len || ev->root_unknown);
	before = l->o.len;
	put_path_key(l, ev, 0, "path");
	resolved = l->o.len != before;
	if (strchr(layout, 'q'))
		put_path_key(l, ev, 1, "path2");
	if (relative && !resolved)
		put_str_key(l, "path_basis", "unresolved");
	else if (relative && ev->basis == EVENT_BASIS_TRACKED)
		put_str_key(l, "path_basis", "tracked");
}

static void put_answers(struct line *l, const char *block, size_t len)
{
	int n = 0;

	for (size_t at = 0; at < len;) {
		struct event_arg arg = {.data = block + at + 1, .len = (unsigned char)block[at]};

		if (n++ == EVENT_ANSWERS_MAX) {
			l->cut = true;
			return;
		}
		if (!arg.len || arg.len > len - at - 1)
			return;
		put_lit(l, at ? ", \"" : "\"");
		(void)put_addr_json(l, &arg, NULL);
		PUT(l, "\"");
		at += 1 + arg.len;
	}
}

static void put_addresses(struct line *l, const struct event *ev)
{
	const char *at = strchr(event_call_info(ev->call)->layout, 'a');
	const struct event_arg *arg = at ? &ev->args[at - event_call_info(ev->call)->layout] : NULL;

	if (arg && !arg->absent && arg->len) {
		PUT_KEY(l, "addr");
		PUT(l, "\"");
		(void)put_addr_json(l, arg, NULL);
		PUT(l, "\"");
	}
	if (ev->host.data) {
		put_text_key(l, "host", &ev->host);
		put_str_key(l, "host_basis", ev->host_observed ? "observed" : "declared");
	}
	if (!event_call_looks_up(ev->call))
		return;
	PUT_KEY(l, "answers");
	PUT(l, "[");
	put_answers(l, ev->extra.data, ev->extra.len);
	PUT(l, "]");
}

static void put_counts(struct line *l, const struct event_fd_counts *n)
{
	static const char names[4][14] = {"bytes_read", "bytes_written", "reads", "writes"};
	const uint64_t values[4] = {n->bytes_read, n->bytes_written, n->reads, n->writes};

	for (unsigned i = 0; i < 4; i++)
		if (values[i])
			event_put_u64_key(l, names[i], values[i]);
}

/* The counts of one fd that was closed. */
static void put_closed(struct line *l, const struct event *ev)
{
	struct event_fd_counts n;

	if (!event_call_closes(ev->call) || ev->extra.len != sizeof(n))
		return;
	memcpy(&n, ev->extra.data, sizeof(n));
	put_counts(l, &n);
}

/* An image ends: what went through it, and through each fd that it leaves open. */
static void put_open_fds(struct line *l, const struct event *ev)
{
	struct event_open_fd fd;
	struct event_text path;
	bool any = false;

	for (size_t at = 0; at + sizeof(fd) <= ev->extra.len; at += sizeof(fd)) {
		memcpy(&fd, ev->extra.data + at, sizeof(fd));
		if (at == 0) {
			l->cut |= fd.fd == EVENT_FD_TOTAL_CUT;
			put_counts(l, &fd.counts);
			continue;
		}
		if (at == (EVENT_OPEN_FDS_MAX + 1) * sizeof(fd)) {
			l->cut = true; /* of this many no sensor of ours tells */
			break;
		}
		if (any)
			PUT(l, ", {\"fd\": ");
		else
			PUT(l, ", \"open_fds\": [{\"fd\": ");
		any = true;
		tt_out_i64(&l->o, fd.fd);
		if (ev->fd_path && ev->fd_path(ev->fd_path_of, fd.fd, &path))
			put_text_key(l, "path", &path);
		put_counts(l, &fd.counts);
		PUT(l, "}");
	}
	if (any)
		PUT(l, "]");
}

static void put_process(struct line *l, const struct event *ev)
{
	const char *name = event_signal_name(ev->signal);

	if (ev->act == EVENT_ACT_START) {
		put_str_key(l, "how", how_names[ev->how]);
		put_text_key(l, "exe", &ev->exe);
		if (ev->argv.data) {
			PUT_KEY(l, "argv");
			(void)put_argv(l, ev->argv.data, ev->argv.len, 1, NULL);
		}
		put_text_key(l, "cwd", &ev->cwd);
		if (ev->root_unknown || ev->root.len)
			put_str_key(l, "path_basis", ev->root_unknown ? "unresolved" : "tracked");
	} else if (ev->act == EVENT_ACT_EXIT) {
		PUT_KEY(l, "exit_code");
		if (ev->exit_code >= 0)
			tt_out_i64(&l->o, ev->exit_code);
		else
			PUT(l, "null");
		if (ev->signal) {
			PUT_KEY(l, "signal");
			PUT(l, "\"");
			if (name)
				put_lit(l, name);
			else
				tt_out_i64(&l->o, ev->signal);
			PUT(l, "\"");
		}
	}
	if (ev->act == EVENT_ACT_START)
		return;
	put_open_fds(l, ev);
	event_put_id_key(l, "coverage", &ev->coverage);
	event_put_id_key(l, "cause", &ev->cause);
	if (ev->coverage.data) {
		event_put_u64_key(l, "lines_confirmed", ev->lines_confirmed);
		event_put_u64_key(l, "lines_kernel", ev->lines_kernel);
		event_put_u64_key(l, "lines_declared", ev->lines_declared);
	}
}

static void put_gap(struct line *l, const struct event *ev)
{
	event_put_id_key(l, "reason", &ev->reason);
	if (ev->gap_count_known)
		event_put_u64_key(l, "count", ev->gap_count);
	else
		PUT(l, ", \"count\": null");
	if (ev->gap_at_least)
		PUT(l, ", \"at_least\": true");
	if (ev->gap_has_range) {
		event_put_u64_key(l, "seq_from", ev->gap_from);
		event_put_u64_key(l, "seq_to", ev->gap_to);
	}
}

static void put_sample(struct line *l, const struct event *ev)
{
	uint64_t tenths = (uint64_t)(ev->cpu_percent * 10 + 0.5);

	PUT_KEY(l, "cpu_percent");
	tt_out_u64(&l->o, tenths / 10);
	tt_out_char(&l->o, '.');
	tt_out_u64(&l->o, tenths % 10);
	event_put_u64_key(l, "memory_kb", ev->memory_kb);
	event_put_u64_key(l, "processes", ev->processes);
	event_put_u64_key(l, "read_syscalls", ev->read_syscalls);
	event_put_u64_key(l, "write_syscalls", ev->write_syscalls);
}

static void put_run(struct line *l, const struct event *ev)
{
	bool is_end = ev->exit_reason.data != NULL;

	event_put_id_key(l, "phase", &ev->phase);
	put_text_key(l, "program", &ev->program);
	if (ev->argv.data) {
		PUT_KEY(l, "argv");
		(void)put_argv(l, ev->argv.data, ev->argv.len, 1, NULL);
	}
	put_text_key(l, "cwd", &ev->cwd);
	event_put_id_key(l, "profile", &ev->profile);
	event_put_id_key(l, "version", &ev->version);
	event_put_id_key(l, "exit_reason", &ev->exit_reason);
	if (is_end) {
		PUT_KEY(l, "exit_code");
		if (ev->exit_code >= 0)
			tt_out_i64(&l->o, ev->exit_code);
		else
			PUT(l, "null");
	} else {
		put_str_key(l, "schema", "telltale.event/1");
	}
}

static void put_tail(struct line *l, const struct event *ev)
{
	if (ev->type == EVENT_SYSCALL) {
		put_paths(l, ev);
		put_addresses(l, ev);
		put_closed(l, ev);
		if (event_call_execs(ev->call))
			put_open_fds(l, ev);
		if (l->cut)
			PUT(l, ", \"truncated\": true");
		if (ev->in_flight)
			PUT(l, ", \"in_flight\": true");
		if (ev->raw || ev->uring)
			put_str_key(l, "via", ev->uring ? "io_uring" : "syscall");
		if (event_blinds(ev) && ev->source == EVENT_FROM_PRELOAD)
			put_str_key(l, "coverage", "reduced: io_uring");
		if (ev->source == EVENT_FROM_OBSERVER)
			PUT(l, ", \"args_as_seen\": true");
		put_args_raw(l, ev);
	}
	event_put_id_key(l, "traceparent", &ev->ids->traceparent);
	switch (ev->type) {
	case EVENT_PROCESS:
		put_process(l, ev);
		break;
	case EVENT_GAP:
		/* which sensor lost them, not who says so */
		if (ev->source == EVENT_FROM_RECORDER)
			put_str_key(l, "sensor", "preload");
		put_gap(l, ev);
		break;
	case EVENT_SAMPLE:
		put_sample(l, ev);
		break;
	case EVENT_RUN:
		put_run(l, ev);
		break;
	case EVENT_NOTICE:
		event_put_id_key(l, "reason", &ev->reason);
		put_text_key(l, "message", &ev->message);
		break;
	case EVENT_CONNECTION:
		event_put_connection(ev->connection, &l->o);
		break;
	case EVENT_DENIED:
		event_put_id_key(l, "action", &ev->action);
		event_put_id_key(l, "capability", &ev->capability);
		event_put_id_key(l, "allow", &ev->allow);
		event_put_u64_key(l, "count", ev->count);
		if (ev->args_as_seen)
			put_lit(l, ", \"args_as_seen\": true");
		break;
	case EVENT_SYSCALL:
		break;
	}
	if (l->cut && ev->type != EVENT_SYSCALL)
		PUT(l, ", \"truncated\": true");
	PUT(l, "}\n");
}

static uint32_t argument_limit, line_limit;

void event_format_configure(uint32_t argument_max, uint32_t line_max)
{
	argument_limit = argument_max;
	line_limit = line_max;
}

int event_format(const struct event *ev, char *buf, size_t cap)
{
	struct line l = {.limit = argument_limit ? argument_limit : EVENT_LINE_MAX};
	size_t line_cap, wanted = line_limit ? line_limit : EVENT_LINE_MAX;

	l.path_cap = cap / 4 < 2 * EVENT_PATH_MAX ? cap / 4 : 2 * EVENT_PATH_MAX;
	line_cap = cap - l.path_cap < EVENT_LINE_MAX ? cap - l.path_cap : EVENT_LINE_MAX;
	l.path_buf = buf + cap - l.path_cap;
	for (;;) {
		tt_out_init(&l.o, buf, line_cap < wanted ? line_cap : wanted);
		l.cut = false;
		l.bad = 0;
		l.said.data = NULL;
		l.ready = l.limit >= READY_LIMIT_MIN ? ev->ready : NULL;
		put_head(&l, ev);
		put_common(&l, ev);
		put_tail(&l, ev);
		if (!tt_out_is_full(&l.o))
			return (int)l.o.len;
		if (cap < EVENT_BUF_MAX)
			return -ENOBUFS;
		if (l.limit > ARG_LIMIT_MIN)
			l.limit /= 2;
		else if (wanted < EVENT_LINE_MAX)
			wanted = EVENT_LINE_MAX; /* longer than wished is better than lost */
		else
			return -ENOBUFS;
	}
}
