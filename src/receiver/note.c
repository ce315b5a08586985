/* SPDX-License-Identifier: Apache-2.0 */
/* Lines that the receiver itself has to say: beginning and end, states, findings, gaps. */
#include <string.h>

#include "receiver/receiver_internal.h"

#define PUT(o, literal) tt_out_mem(o, "" literal, sizeof(literal) - 1)

static void put_str(struct tt_out *o, const char *key, const char *text)
{
	PUT(o, ", \"");
	tt_out_str(o, key);
	PUT(o, "\": ");
	receiver_put_text(o, (struct wire_text){text, strlen(text)});
}

/* @span: the cell's own, or null */
static size_t begin(struct receiver_cell *c, const char *type, bool span, const char *component)
{
	struct tt_out *o = &c->r->trace;
	char text[TT_UUID_TEXT_LEN + 1];
	size_t from = o->len;

	PUT(o, "{\"ts\": \"");
	tt_out_mem(o, c->r->time, TT_TIME_TEXT_LEN);
	PUT(o, "\", \"event_type\": \"");
	tt_out_str(o, type);
	tt_out_mem(o, c->head, c->head_len);
	if (span) {
		tt_uuid_text(text, &c->span);
		PUT(o, "\"spn_");
		tt_out_str(o, text);
		tt_out_char(o, '"');
	} else {
		PUT(o, "null");
	}
	PUT(o, ", \"parent_span\": null, \"component\": \"");
	tt_out_str(o, component);
	PUT(o, "\", \"syscall\": \"\", \"args\": [], \"result\": null, \"elapsed_us\": 0");
	return from;
}

static void end(struct receiver_cell *c, size_t from)
{
	PUT(&c->r->trace, "}\n");
	receiver_add_line(c, from);
}

static void put_run_ids(struct receiver_cell *c)
{
	put_str(&c->r->trace, "run_id", c->run_id);
	put_str(&c->r->trace, "cell_id", c->id);
}

void receiver_line_run_start(struct receiver_cell *c)
{
	struct tt_out *o = &c->r->trace;
	size_t from = begin(c, "run", true, "recorder");

	put_run_ids(c);
	PUT(o, ", \"phase\": \"start\"");
	put_str(o, "program", c->id);
	PUT(o, ", \"argv\": ");
	if (c->spec.argv) {
		tt_out_str(o, c->spec.argv);
	} else {
		PUT(o, "[\"");
		tt_out_str(o, c->id);
		PUT(o, "\"]");
	}
	PUT(o, ", \"cwd\": \"/\", \"profile\": \"GUEST\"");
	put_str(o, "version", c->r->settings.version);
	put_str(o, "spec_signature_hash", c->spec.hash);
	PUT(o, ", \"schema\": \"telltale.event/1\"");
	end(c, from);
}

void receiver_line_run_end(struct receiver_cell *c, const char *reason)
{
	struct tt_out *o = &c->r->trace;
	size_t from = begin(c, "run", true, "recorder");

	put_run_ids(c);
	PUT(o, ", \"phase\": \"end\"");
	put_str(o, "exit_reason", reason);
	PUT(o, ", \"exit_code\": ");
	if (receiver_has_exit_code(c))
		tt_out_u64(o, c->exit_status);
	else
		PUT(o, "null");
	end(c, from);
}

void receiver_line_state(struct receiver_cell *c, const char *why)
{
	size_t from = begin(c, "notice", false, "recorder");

	put_run_ids(c);
	PUT(&c->r->trace, ", \"reason\": \"state\"");
	put_str(&c->r->trace, "message", why);
	put_str(&c->r->trace, "state", receiver_state_names[c->state]);
	end(c, from);
}

void receiver_line_exit(struct receiver_cell *c)
{
	size_t from = begin(c, "notice", false, "recorder");

	put_run_ids(c);
	PUT(&c->r->trace, ", \"reason\": \"exit\"");
	put_str(&c->r->trace, "message", "the guest says how its command ended");
	receiver_put_number(&c->r->trace, "exit_status", c->exit_status);
	end(c, from);
}

void receiver_line_finding(struct receiver_cell *c, enum receiver_finding kind, const char *source,
			   const char *text)
{
	size_t from = begin(c, "notice", false, "recorder");

	put_run_ids(c);
	PUT(&c->r->trace, ", \"reason\": \"finding\"");
	put_str(&c->r->trace, "message", text);
	put_str(&c->r->trace, "finding", receiver_finding_names[kind]);
	if (source)
		put_str(&c->r->trace, "source", source);
	receiver_put_number(&c->r->trace, "count", c->findings[kind]);
	end(c, from);
}

void receiver_line_gap(struct receiver_cell *c, const struct receiver_gap *g)
{
	struct tt_out *o = &c->r->trace;
	size_t from = begin(c, "gap", false, g->has_seq ? "guest" : "recorder");

	if (g->has_seq)
		receiver_put_number(o, "seq", g->seq);
	tt_out_mem(o, c->ids, c->ids_len);
	put_str(o, "reason", g->reason);
	PUT(o, ", \"count\": ");
	if (g->count == UINT64_MAX)
		PUT(o, "null");
	else
		tt_out_u64(o, g->count);
	if (g->has_range) {
		receiver_put_number(o, "seq_from", g->from);
		receiver_put_number(o, "seq_to", g->to);
	}
	if (g->name)
		put_str(o, "what", g->name);
	end(c, from);
}
