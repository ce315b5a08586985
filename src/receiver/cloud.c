/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same acts as CloudEvents 1.0, one per line, JSON format. What the guest said stands in "data"
 * under the names of the wire, what the host vouches for in "data.adg".
 */
#include <string.h>

#include "receiver/receiver_internal.h"

#define PUT(o, literal) tt_out_mem(o, "" literal, sizeof(literal) - 1)
#define EXACT_MAX       (UINT64_C(1) << 53) /* past it readers of JSON round */

static void put_uint(struct tt_out *o, uint64_t v)
{
	if (v <= EXACT_MAX) {
		tt_out_u64(o, v);
		return;
	}
	tt_out_char(o, '"');
	tt_out_u64(o, v);
	tt_out_char(o, '"');
}

/* The keys that this frame has, but for probe_source, which the type says. */
static void put_data(struct tt_out *o, const struct wire_frame *f)
{
	PUT(o, "\"guest_pid\":");
	tt_out_u64(o, f->guest_pid);
	PUT(o, ",\"guest_comm\":");
	receiver_put_text(o, f->guest_comm);
	PUT(o, ",\"guest_monotonic_ns\":");
	put_uint(o, f->guest_monotonic_ns);
	PUT(o, ",\"content_version\":");
	tt_out_u64(o, f->content_version);
	for (unsigned i = WIRE_FIELD_FIRST_OPTIONAL; i < WIRE_FIELD_COUNT; i++) {
		const struct wire_field_info *info = &wire_fields[i];
		const char *value = (const char *)f + info->offset;

		if (!(f->has & UINT64_C(1) << i))
			continue;
		PUT(o, ",\"");
		tt_out_mem(o, info->name, info->name_len);
		PUT(o, "\":");
		switch (info->kind) {
		case WIRE_KIND_UINT:
			put_uint(o, *(const uint64_t *)value);
			break;
		case WIRE_KIND_TEXT:
			receiver_put_text(o, *(const struct wire_text *)value);
			break;
		case WIRE_KIND_LIST:
			tt_out_char(o, '[');
			if (i == WIRE_FIELD_argv)
				receiver_put_argv(o, (const struct wire_list *)value, 1);
			else
				receiver_put_list(o, (const struct wire_list *)value);
			tt_out_char(o, ']');
			break;
		}
	}
}

void receiver_cloud_frame(struct receiver_cell *c, const struct wire_frame *f)
{
	struct tt_out *o = &c->r->events;

	if (c->events.fd < 0)
		return;
	PUT(o, "{\"specversion\":\"1.0\",\"id\":\"");
	tt_out_mem(o, c->run_id, TT_UUID_TEXT_LEN);
	tt_out_char(o, '-');
	tt_out_u64(o, c->event_epoch);
	tt_out_char(o, '-');
	tt_out_u64(o, c->event_number++);
	PUT(o, "\",\"source\":\"/telltale/cells/");
	tt_out_mem(o, c->id, c->id_len);
	PUT(o, "\",\"type\":\"cell.observability.guest.");
	tt_out_str(o, wire_source_name(f->source));
	PUT(o, "\",\"subject\":\"pid:");
	tt_out_u64(o, f->guest_pid);
	PUT(o, "\",\"time\":\"");
	tt_out_mem(o, c->r->time, TT_TIME_TEXT_LEN);
	PUT(o, "\",\"datacontenttype\":\"application/json\",\"data\":{");
	put_data(o, f);
	tt_out_mem(o, c->adg, c->adg_len);
	tt_out_mem(o, c->r->time, TT_TIME_TEXT_LEN);
	PUT(o, "\"}}}\n");
}
