/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of the trace, written by hand: docs/trace-format.md. What all lines of a cell share is made
 * once.
 */
#include <string.h>

#include "event/redact.h"
#include "event/text.h"
#include "policy/policy.h"
#include "receiver/receiver_internal.h"

#define PUT(o, literal) tt_out_mem(o, "" literal, sizeof(literal) - 1)

static const struct tt_uuid nil;

static void put_redacted(struct tt_out *o, struct wire_text text, int depth)
{
	char buf[3 * WIRE_PAYLOAD_MAX + 4];
	struct tt_out clean;
	size_t a, b;

	if (TT_LIKELY(!event_redact_next(text.data, text.len, 0, &a, &b))) {
		(void)tt_out_json(o, text.data, text.len, depth);
		return;
	}
	tt_out_init(&clean, buf, sizeof(buf));
	event_redact_text(&clean, text.data, text.len);
	(void)tt_out_json(o, buf, clean.len, depth);
}

void receiver_put_text(struct tt_out *o, struct wire_text text)
{
	tt_out_char(o, '"');
	put_redacted(o, text, 1);
	tt_out_char(o, '"');
}

void receiver_put_u64(struct tt_out *o, uint64_t v)
{
	tt_out_u64(o, v < INT64_MAX ? v : INT64_MAX);
}

#define put_key_text(o, key, text) (receiver_put_key(o, key), receiver_put_text(o, text))

void receiver_put_argv(struct tt_out *o, const struct wire_list *argv, int depth)
{
	const char *quote = depth > 1 ? "\\\"" : "\"";
	struct wire_list_at at = {0};
	struct wire_text word;
	bool secret = false;

	for (bool first = true; wire_list_next(argv, &at, &word) > 0; first = false) {
		if (!first)
			PUT(o, ", ");
		tt_out_str(o, quote);
		if (secret)
			PUT(o, "***");
		else
			put_redacted(o, word, depth);
		tt_out_str(o, quote);
		secret = event_redact_is_flag(word.data, word.len);
	}
}

void receiver_put_address(struct tt_out *o, const struct wire_frame *f)
{
	bool six = memchr(f->addr.data, ':', f->addr.len) != NULL;

	if (!(f->has & WIRE_HAS(port))) {
		put_redacted(o, f->addr, 1);
		return;
	}
	if (six)
		tt_out_char(o, '[');
	(void)tt_out_json(o, f->addr.data, f->addr.len, 1);
	if (six)
		tt_out_char(o, ']');
	tt_out_char(o, ':');
	tt_out_u64(o, f->port);
}

static void put_span(struct tt_out *o, const struct tt_uuid *id)
{
	char text[TT_UUID_TEXT_LEN + 1];

	if (tt_uuid_is_nil(id)) {
		PUT(o, "null");
		return;
	}
	tt_uuid_text(text, id);
	PUT(o, "\"spn_");
	tt_out_mem(o, text, TT_UUID_TEXT_LEN);
	tt_out_char(o, '"');
}

/* Up to "args", whose value follows. Returns where the line begins. */
TT_INLINE size_t begin(struct receiver_cell *c, const char *type, const struct tt_uuid *span,
		       const struct tt_uuid *parent, const char *component, const char *call)
{
	struct tt_out *o = &c->r->trace;
	size_t from = o->len;

	PUT(o, "{\"ts\": \"");
	tt_out_mem(o, c->r->time, TT_TIME_TEXT_LEN);
	PUT(o, "\", \"event_type\": \"");
	tt_out_str(o, type);
	tt_out_mem(o, c->head, c->head_len);
	put_span(o, span);
	PUT(o, ", \"parent_span\": ");
	put_span(o, parent);
	PUT(o, ", \"component\": \"");
	tt_out_str(o, component);
	PUT(o, "\", \"syscall\": \"");
	tt_out_str(o, call);
	PUT(o, "\", \"args\": ");
	return from;
}

static void put_no_call(struct tt_out *o)
{
	PUT(o, "[], \"result\": null, \"elapsed_us\": 0");
}

static void end(struct receiver_cell *c, size_t from)
{
	PUT(&c->r->trace, "}\n");
	receiver_add_line(c, from);
}

/* What follows the ten keys of an act: its number, its process, who says so. */
static void put_who(struct receiver_cell *c, const struct wire_frame *f)
{
	struct tt_out *o = &c->r->trace;

	if (f->has & WIRE_HAS(seq))
		receiver_put_number(o, "seq", f->seq);
	if (f->guest_pid)
		receiver_put_number(o, "pid", f->guest_pid);
	if (f->has & WIRE_HAS(ppid))
		receiver_put_number(o, "ppid", f->ppid);
	if (f->guest_comm.len)
		put_key_text(o, "comm", f->guest_comm);
	tt_out_mem(o, c->ids, c->ids_len);
	receiver_put_number(o, "guest_monotonic_ns", f->guest_monotonic_ns);
	if (f->has & WIRE_HAS(start_ns))
		receiver_put_number(o, "guest_start_ns", f->start_ns);
	if (f->has & WIRE_HAS(uid))
		receiver_put_number(o, "uid", f->uid);
	if (f->has & WIRE_HAS(truncated) && f->truncated)
		PUT(o, ", \"truncated\": true");
}

/* What run.json calls the command: what the first process that the cell made became. */
static void take_command(struct receiver_cell *c, const struct wire_frame *f)
{
	char buf[RECEIVER_COMMAND_MAX];
	struct tt_out o;

	if (c->command || !(f->has & WIRE_HAS(argv)) || !f->argv.count)
		return;
	tt_out_init(&o, buf, sizeof(buf) - 1);
	tt_out_char(&o, '[');
	receiver_put_argv(&o, &f->argv, 1);
	tt_out_char(&o, ']');
	if (tt_out_is_full(&o))
		return;
	buf[o.len] = '\0';
	c->command = strdup(buf);
}

static void put_execve(struct receiver_cell *c, const struct wire_frame *f,
		       const struct receiver_proc *p)
{
	struct tt_out *o = &c->r->trace;
	size_t from = begin(c, "syscall", &p->span, &p->parent, "guest", "execve");

	tt_out_char(o, '[');
	receiver_put_text(o, f->exe);
	PUT(o, ", \"[");
	if (f->has & WIRE_HAS(argv))
		receiver_put_argv(o, &f->argv, 2);
	PUT(o, "]\"], \"result\": null, \"elapsed_us\": 0");
	put_who(c, f);
	if (f->exe.len && f->exe.data[0] == '/')
		put_key_text(o, "path", f->exe);
	end(c, from);
	from = begin(c, "process", &p->span, &p->parent, "guest", "replaced");
	put_no_call(o);
	put_who(c, f);
	end(c, from);
}

static void put_start(struct receiver_cell *c, const struct wire_frame *f,
		      const struct receiver_proc *p, const char *how)
{
	struct tt_out *o = &c->r->trace;
	size_t from = begin(c, "process", &p->span, &p->parent, "guest", "start");

	put_no_call(o);
	put_who(c, f);
	PUT(o, ", \"how\": \"");
	tt_out_str(o, how);
	tt_out_char(o, '"');
	if (f->has & WIRE_HAS(exe))
		put_key_text(o, "exe", f->exe);
	if (f->has & WIRE_HAS(argv)) {
		PUT(o, ", \"argv\": [");
		receiver_put_argv(o, &f->argv, 1);
		tt_out_char(o, ']');
	}
	end(c, from);
	c->spans++;
}

/* An agent that began anew tells of what it finds. Its number must stand in the record. */
static void put_again(struct receiver_cell *c, const struct wire_frame *f)
{
	struct tt_out *o = &c->r->trace;
	size_t from = begin(c, "notice", &nil, &nil, "guest", "");

	put_no_call(o);
	put_who(c, f);
	PUT(o,
	    ", \"reason\": \"told_again\", \"message\": \"the start of a process was told again\"");
	end(c, from);
}

/* Told at birth, and again at each exec: docs/wire.md. */
static void put_spawned(struct receiver_cell *c, const struct wire_frame *f)
{
	struct receiver_proc self = {0}, none = {0}, *p = NULL;
	bool has_start = f->has & WIRE_HAS(start_ns), has_exe = f->has & WIRE_HAS(exe);
	const struct receiver_proc *above;

	if (f->guest_pid)
		p = receiver_procs_find(&c->procs, (uint32_t)f->guest_pid);
	if (p && p->born && has_start && p->start_ns == f->start_ns) {
		if (!has_exe) {
			put_again(c, f);
			return;
		}
		put_execve(c, f, p);
		take_command(c, f);
		p->parent = p->span;
		p->span = receiver_span_make(c);
		put_start(c, f, p, "exec");
		c->executions++;
		return;
	}
	self.span = receiver_span_make(c);
	above = f->has & WIRE_HAS(ppid) && f->ppid
			? receiver_procs_find(&c->procs, (uint32_t)f->ppid)
			: NULL;
	self.parent = above ? above->span : c->span;
	/* a process that was heard of before its birth was told keeps its span */
	if (p && !p->born)
		self.span = p->span;
	p = f->guest_pid ? receiver_procs_add(&c->procs, (uint32_t)f->guest_pid) : NULL;
	if (!p)
		p = &none;
	p->span = self.span;
	p->parent = self.parent;
	p->born = true;
	p->start_ns = has_start ? f->start_ns : 0;
	put_start(c, f, p, !above ? "launch" : has_exe ? "spawn" : "fork");
}

static void put_exited(struct receiver_cell *c, const struct wire_frame *f)
{
	struct tt_out *o = &c->r->trace;
	struct receiver_proc other = {0}, *p = receiver_span_of(c, (uint32_t)f->guest_pid, &other);
	size_t from = begin(c, "process", &p->span, &p->parent, "guest", "exit");
	bool killed = f->has & WIRE_HAS(signal) && f->signal;
	const char *name = killed ? event_signal_name((int)f->signal) : NULL;

	put_no_call(o);
	put_who(c, f);
	PUT(o, ", \"exit_code\": ");
	if (!killed && f->has & WIRE_HAS(exit_code))
		tt_out_u64(o, f->exit_code);
	else
		PUT(o, "null");
	if (killed) {
		PUT(o, ", \"signal\": \"");
		if (name)
			tt_out_str(o, name);
		else
			tt_out_u64(o, f->signal);
		tt_out_char(o, '"');
	}
	end(c, from);
	receiver_procs_remove(&c->procs, (uint32_t)f->guest_pid);
}

static void put_denied(struct receiver_cell *c, const struct wire_frame *f)
{
	struct tt_out *o = &c->r->trace;
	struct receiver_proc other = {0}, *p = receiver_span_of(c, (uint32_t)f->guest_pid, &other);
	bool is_gate = f->source == WIRE_GATE_DENIED;
	char number[24] = "";
	const char *call = number, *cap = NULL;
	struct tt_out n;
	size_t from;

	if (f->has & WIRE_HAS(syscall)) {
		call = f->syscall <= INT32_MAX ? policy_call_name((int)f->syscall) : NULL;
		if (!call) {
			tt_out_init(&n, number, sizeof(number) - 1);
			tt_out_str(&n, "syscall_");
			tt_out_u64(&n, f->syscall);
			call = number;
		}
	}
	from = begin(c, "denied", &p->span, &p->parent, "guest", call);
	put_no_call(o);
	put_who(c, f);
	c->denied += is_gate;
	tt_out_str(o, is_gate ? ", \"action\": \"deny\"" : ", \"action\": \"capability\"");
	if (f->has & WIRE_HAS(capability)) {
		cap = policy_cap_name((int)f->capability);
		PUT(o, ", \"capability\": \"CAP_");
		if (cap)
			tt_out_str(o, cap);
		else
			tt_out_u64(o, f->capability);
		tt_out_char(o, '"');
	}
	PUT(o, ", \"count\": 1");
	end(c, from);
}

static void put_connect(struct receiver_cell *c, const struct wire_frame *f)
{
	struct tt_out *o = &c->r->trace;
	struct receiver_proc other = {0}, *p = receiver_span_of(c, (uint32_t)f->guest_pid, &other);
	size_t from = begin(c, "syscall", &p->span, &p->parent, "guest", "connect");
	bool has_addr = f->has & WIRE_HAS(addr) && f->addr.len;

	if (has_addr) {
		PUT(o, "[\"?\", \"");
		receiver_put_address(o, f);
		PUT(o, "\"], \"result\": null, \"elapsed_us\": 0");
	} else {
		put_no_call(o);
	}
	put_who(c, f);
	if (has_addr) {
		PUT(o, ", \"addr\": \"");
		receiver_put_address(o, f);
		tt_out_char(o, '"');
	}
	end(c, from);
}

static void put_mask(struct tt_out *o, uint64_t mask)
{
	static const char names[][18] = {
		"IN_ACCESS",        "IN_MODIFY", "IN_ATTRIB",      "IN_CLOSE_WRITE",
		"IN_CLOSE_NOWRITE", "IN_OPEN",   "IN_MOVED_FROM",  "IN_MOVED_TO",
		"IN_CREATE",        "IN_DELETE", "IN_DELETE_SELF", "IN_MOVE_SELF",
	};
	bool first = true;

	PUT(o, ", \"mask\": [");
	for (unsigned bit = 0; bit < 32; bit++) {
		if (!(mask & UINT64_C(1) << bit))
			continue;
		if (!first)
			PUT(o, ", ");
		first = false;
		tt_out_char(o, '"');
		if (bit < TT_ARRAY_SIZE(names))
			tt_out_str(o, names[bit]);
		else if (bit == 13)
			PUT(o, "IN_UNMOUNT");
		else if (bit == 14)
			PUT(o, "IN_Q_OVERFLOW");
		else if (bit == 15)
			PUT(o, "IN_IGNORED");
		else if (bit == 30)
			PUT(o, "IN_ISDIR");
		else
			tt_out_hex(o, UINT64_C(1) << bit);
		tt_out_char(o, '"');
	}
	tt_out_char(o, ']');
}

static void put_inotify(struct receiver_cell *c, const struct wire_frame *f)
{
	struct tt_out *o = &c->r->trace;
	size_t from = begin(c, "inotify", &nil, &nil, "guest", "");

	put_no_call(o);
	put_who(c, f);
	if (f->has & WIRE_HAS(path) && f->path.len && f->path.data[0] == '/')
		put_key_text(o, "path", f->path);
	if (f->has & WIRE_HAS(mask))
		put_mask(o, f->mask);
	end(c, from);
}

void receiver_put_list(struct tt_out *o, const struct wire_list *list)
{
	struct wire_list_at at = {0};
	struct wire_text word;

	for (bool first = true; wire_list_next(list, &at, &word) > 0; first = false) {
		if (!first)
			PUT(o, ", ");
		receiver_put_text(o, word);
	}
}

static void put_list(struct tt_out *o, const char *key, const struct wire_list *list)
{
	PUT(o, ", \"");
	tt_out_str(o, key);
	PUT(o, "\": [");
	receiver_put_list(o, list);
	tt_out_char(o, ']');
}

static size_t begin_notice(struct receiver_cell *c, const char *component)
{
	size_t from = begin(c, "notice", &nil, &nil, component, "");

	put_no_call(&c->r->trace);
	return from;
}

static void put_hello(struct receiver_cell *c, const struct wire_frame *f)
{
	struct tt_out *o = &c->r->trace;
	size_t from = begin_notice(c, "guest");

	put_who(c, f);
	PUT(o, ", \"reason\": \"agent_hello\", \"message\": \"the agent of the guest is there\"");
	put_key_text(o, "boot_id", f->boot_id);
	put_key_text(o, "agent_version", f->agent_version);
	if (f->has & WIRE_HAS(kernel_version))
		put_key_text(o, "kernel_version", f->kernel_version);
	put_list(o, "surface", &f->surface);
	if (f->has & WIRE_HAS(sensors))
		put_list(o, "sensors", &f->sensors);
	if (f->has & WIRE_HAS(restarts))
		receiver_put_number(o, "restarts", f->restarts);
	end(c, from);
}

static void put_heartbeat(struct receiver_cell *c, const struct wire_frame *f)
{
	size_t from = begin_notice(c, "guest");

	put_who(c, f);
	PUT(&c->r->trace, ", \"reason\": \"heartbeat\", \"message\": \"the agent lives\"");
	end(c, from);
}

void receiver_line_frame(struct receiver_cell *c, const struct wire_frame *f)
{
	switch (f->source) {
	case WIRE_PROCESS_SPAWNED:
		put_spawned(c, f);
		break;
	case WIRE_PROCESS_EXITED:
		put_exited(c, f);
		break;
	case WIRE_CAPABILITY_DENIED:
	case WIRE_GATE_DENIED:
		put_denied(c, f);
		break;
	case WIRE_NET_CONNECT_ATTEMPTED:
		put_connect(c, f);
		break;
	case WIRE_FS_INOTIFY_FIRED:
		put_inotify(c, f);
		break;
	case WIRE_AGENT_HELLO:
		put_hello(c, f);
		break;
	case WIRE_AGENT_HEARTBEAT:
		put_heartbeat(c, f);
		break;
	case WIRE_TELEMETRY_DROPPED: /* a gap: accept.c knows what it explains */
	case WIRE_NO_SOURCE:
	case WIRE_SOURCE_END:
		break;
	}
}
