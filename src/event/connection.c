/* SPDX-License-Identifier: Apache-2.0 */
/* What a line tells of a connection through the proxy. Its texts are ours, or a host's name. */
#include "event/event.h"

static void put_text(struct tt_out *o, const char *key, const struct event_text *t)
{
	if (!t->data)
		return;
	tt_out_str(o, ", \"");
	tt_out_str(o, key);
	tt_out_str(o, "\": \"");
	(void)tt_out_json(o, t->data, t->len, 1);
	tt_out_char(o, '"');
}

static void put_number(struct tt_out *o, const char *key, uint64_t v)
{
	tt_out_str(o, ", \"");
	tt_out_str(o, key);
	tt_out_str(o, "\": ");
	tt_out_u64(o, v);
}

void event_put_connection(const struct event_connection *c, struct tt_out *o)
{
	put_text(o, "host", &c->host);
	if (c->port)
		put_number(o, "port", c->port);
	put_text(o, "addr", &c->addr);
	put_text(o, "protocol", &c->protocol);
	put_text(o, "outcome", &c->outcome);
	if (c->refused) {
		tt_out_str(o, ", \"action\": \"deny\"");
		put_number(o, "count", c->count);
		return;
	}
	put_number(o, "bytes_sent", c->bytes_sent);
	put_number(o, "bytes_received", c->bytes_received);
}
