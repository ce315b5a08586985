/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of what a guest sent: decoded, checked against the declaration, accounted for, told.
 */
#include <stdio.h>
#include <string.h>

#include "receiver/receiver_internal.h"

const char *const receiver_finding_names[RECEIVER_FINDINGS] = {
	[RECEIVER_UNDECLARED] = "declaration_violated",
	[RECEIVER_WENT_SILENT] = "agent_silenced",
	[RECEIVER_REPEATED] = "seq_repeated",
	[RECEIVER_WENT_BACK] = "seq_went_back",
	[RECEIVER_OVERCLAIMED] = "drop_overclaimed",
	[RECEIVER_NO_HELLO] = "hello_missing",
	[RECEIVER_AGENT_CHANGED] = "agent_restarted",
	[RECEIVER_REFUSED_SECOND] = "second_connection",
	[RECEIVER_BOOTED] = "boot_changed",
	[RECEIVER_FULL] = "record_full",
};

const char *receiver_reject_name(unsigned index)
{
	if (index >= RECEIVER_SEQ_RANGE)
		return index == RECEIVER_SEQ_RANGE ? "seq_out_of_range" : "version_changed";
	return wire_error_name(WIRE_E_FIRST + (int)index);
}

/*
 * Silences and violations are each told; of what a guest can do at will the first and then each
 * power of two.
 */
void receiver_find(struct receiver_cell *c, enum receiver_finding kind, const char *source,
		   const char *text)
{
	uint64_t n = ++c->findings[kind];

	if (kind == RECEIVER_WENT_SILENT || source || (n & (n - 1)) == 0)
		receiver_line_finding(c, kind, source, text);
}

void receiver_take_reject(struct receiver_cell *c, unsigned index)
{
	c->rejects[index]++;
	c->untold_rejects = true;
}

static void tell_rejects(struct receiver_cell *c)
{
	c->untold_rejects = false;
	for (unsigned i = 0; i < RECEIVER_REJECTS; i++) {
		struct receiver_gap gap = {.reason = "rejected",
					   .name = receiver_reject_name(i),
					   .count = c->rejects[i] - c->rejects_told[i]};

		if (!gap.count)
			continue;
		c->rejects_told[i] = c->rejects[i];
		receiver_line_gap(c, &gap);
	}
}

static void tell_loss(struct receiver_cell *c, const struct receiver_loss *loss)
{
	struct receiver_gap gap = {.reason = "transport",
				   .count = loss->lost,
				   .from = loss->from,
				   .to = loss->to,
				   .has_range = true};

	if (loss->lost)
		receiver_line_gap(c, &gap);
}

void receiver_settle(struct receiver_cell *c, bool all)
{
	struct receiver_loss loss;

	while (receiver_seq_settle(&c->seq, all, &loss))
		tell_loss(c, &loss);
}

/*
 * The keys that the host alone sets, as they stand in CBOR: where a guest sends them they are
 * counted, and nothing else becomes of them. A value that is one of these words counts, too.
 */
static bool has_attribution(const uint8_t *frame, size_t n)
{
	static const char *const keys[] = {"\x67"
					   "cell_id",
					   "\x66"
					   "run_id",
					   "\x70"
					   "host_received_at",
					   "\x73"
					   "spec_signature_hash"};

	for (size_t i = 0; i < TT_ARRAY_SIZE(keys); i++)
		if (memmem(frame, n, keys[i], strlen(keys[i])))
			return true;
	return false;
}

static void copy_text(char *buf, size_t cap, struct wire_text text)
{
	struct tt_out o;

	tt_out_init(&o, buf, cap - 1);
	(void)tt_out_json(&o, text.data, text.len, 1);
	buf[tt_out_is_full(&o) ? 0 : o.len] = '\0';
}

static void check_surface(struct receiver_cell *c, const struct wire_frame *f)
{
	struct wire_list_at at = {0};
	struct wire_text name;

	while (wire_list_next(&f->surface, &at, &name) > 0) {
		enum wire_source source = wire_source_find(name.data, name.len, 2);
		uint32_t bit = 1u << source;

		if (source != WIRE_NO_SOURCE &&
		    ((c->spec.declared | receiver_own_sources() | c->violated_surface) & bit))
			continue;
		if (source == WIRE_NO_SOURCE && (c->violated_surface & 1))
			continue;
		c->violated_surface |= bit;
		receiver_find(c, RECEIVER_UNDECLARED,
			      source == WIRE_NO_SOURCE ? "unknown" : wire_source_name(source),
			      "the agent's surface has a source that is not declared");
	}
}

/*
 * Before its number is looked at: another boot, or an agent that begins anew, has numbers of its
 * own.
 */
static void take_hello(struct receiver_cell *c, const struct wire_frame *f)
{
	struct receiver_agent now = {.known = true};
	bool again = c->agent.known;
	struct tt_out o;

	copy_text(now.boot_id, sizeof(now.boot_id), f->boot_id);
	copy_text(now.version, sizeof(now.version), f->agent_version);
	if (f->has & WIRE_HAS(kernel_version))
		copy_text(now.kernel, sizeof(now.kernel), f->kernel_version);
	if (f->has & WIRE_HAS(sensors)) {
		tt_out_init(&o, now.sensors, sizeof(now.sensors) - 1);
		tt_out_char(&o, '[');
		receiver_put_list(&o, &f->sensors);
		tt_out_char(&o, ']');
		now.sensors[tt_out_is_full(&o) ? 0 : o.len] = '\0';
	}
	now.restarts = f->has & WIRE_HAS(restarts) ? f->restarts : 0;
	c->hello_here = true;
	if (again && strcmp(now.boot_id, c->agent.boot_id) != 0) {
		receiver_settle(c, true);
		receiver_seq_restart(&c->seq, 0);
		receiver_procs_done(&c->procs);
		c->newest_ns = 0;
		receiver_find(c, RECEIVER_BOOTED, NULL,
			      "another boot, where a cell has one: its numbers begin anew");
	}
	c->respawned_here = again && now.restarts > c->agent.restarts &&
			    strcmp(now.boot_id, c->agent.boot_id) == 0;
	if (c->respawned_here)
		receiver_find(c, RECEIVER_AGENT_CHANGED, NULL,
			      "the agent ended and was started anew in the same boot");
	c->agent = now;
}

const char *const receiver_drop_causes[RECEIVER_CAUSES] = {
	"queue_full", "sensor_full", "too_large", "agent_died", "other",
};

static void take_dropped(struct receiver_cell *c, const struct wire_frame *f)
{
	unsigned cause = 0;
	uint64_t explained;
	struct receiver_gap gap = {.has_seq = true, .seq = f->seq};

	while (cause + 1 < RECEIVER_CAUSES &&
	       (f->cause.len != strlen(receiver_drop_causes[cause]) ||
		memcmp(f->cause.data, receiver_drop_causes[cause], f->cause.len) != 0))
		cause++;
	gap.reason = receiver_drop_causes[cause];
	gap.has_range = f->count && f->first_seq <= f->last_seq && f->last_seq <= RECEIVER_SEQ_MAX;
	gap.from = f->first_seq;
	gap.to = f->last_seq;
	explained = gap.has_range
			    ? receiver_seq_dropped(&c->seq, f->count, f->first_seq, f->last_seq)
			    : 0;
	gap.count = f->count ? explained : UINT64_MAX;
	c->drops_by_cause[cause] += explained;
	c->dropped_unknown += !f->count;
	if (explained < f->count)
		receiver_find(c, RECEIVER_OVERCLAIMED, NULL,
			      "more is said to be dropped than is missing");
	receiver_line_gap(c, &gap);
}

static void take_undeclared(struct receiver_cell *c, const struct wire_frame *f)
{
	uint32_t bit = 1u << f->source;
	struct receiver_gap gap = {
		.reason = "undeclared", .name = wire_source_name(f->source), .count = 1};

	c->undeclared++;
	if (f->has & WIRE_HAS(seq)) {
		gap.has_seq = gap.has_range = true;
		gap.seq = gap.from = gap.to = f->seq;
	}
	receiver_line_gap(c, &gap);
	if (c->violated & bit)
		return;
	c->violated |= bit;
	receiver_find(c, RECEIVER_UNDECLARED, gap.name, "frames of a source that is not declared");
}

/*
 * A number that cannot come any more. An agent that was killed may leave some that were sent for
 * the next one to send again: no act of these is newer than all that came. One that is tells of an
 * agent whose numbers begin anew.
 */
static bool begins_anew(const struct receiver_cell *c, const struct wire_frame *f)
{
	return f->source != WIRE_AGENT_HELLO && f->guest_monotonic_ns > c->newest_ns &&
	       !receiver_seq_awaits(&c->seq, f->seq);
}

static void begin_anew(struct receiver_cell *c, uint64_t seq)
{
	struct receiver_loss loss;
	uint64_t first = c->hello_seq < seq ? c->hello_seq : seq;

	if (!c->respawned_here)
		receiver_find(c, RECEIVER_WENT_BACK, NULL,
			      "numbers begin anew, and the agent does not say that it did");
	receiver_settle(c, true);
	receiver_seq_restart(&c->seq, first);
	if (first < seq) /* which was taken for one that was there before */
		(void)receiver_seq_take(&c->seq, first, true, &loss);
}

/* Returns false for a frame that was there before. */
static bool take_number(struct receiver_cell *c, const struct wire_frame *f)
{
	bool hello = f->source == WIRE_AGENT_HELLO;
	struct receiver_loss loss;

	if (TT_UNLIKELY(f->seq < c->seq.next && begins_anew(c, f)))
		begin_anew(c, f->seq);
	if (TT_UNLIKELY(hello))
		c->hello_seq = UINT64_MAX;
	else if (f->guest_monotonic_ns > c->newest_ns)
		c->newest_ns = f->guest_monotonic_ns;
	if (TT_UNLIKELY(!receiver_seq_take(&c->seq, f->seq, hello, &loss))) {
		c->repeated++;
		if (hello)
			c->hello_seq = f->seq;
		else if (!c->respawned_here)
			receiver_find(c, RECEIVER_REPEATED, NULL, "a number that was there before");
		return false;
	}
	if (TT_UNLIKELY(c->seq.hole_count))
		receiver_settle(c, false);
	tell_loss(c, &loss);
	return true;
}

static void take_frame(struct receiver_cell *c, const struct wire_frame *f)
{
	uint32_t known = c->spec.declared | receiver_own_sources();

	/* who greeted as major 2 has numbers: without them it could hide what it leaves out */
	if (TT_UNLIKELY(f->content_version == 1 && c->agent.known)) {
		receiver_take_reject(c, RECEIVER_VERSION);
		return;
	}
	c->frames++;
	c->major = (unsigned)f->content_version;
	if (c->major > 1) {
		if (TT_UNLIKELY(f->seq > RECEIVER_SEQ_MAX)) {
			receiver_take_reject(c, RECEIVER_SEQ_RANGE);
			return;
		}
		if (f->source == WIRE_AGENT_HELLO) {
			take_hello(c, f);
		} else if (TT_UNLIKELY(!c->hello_here)) {
			c->hello_here = true; /* said once for each connection */
			receiver_find(c, RECEIVER_NO_HELLO, NULL,
				      "a connection that does not begin with agent.hello");
		}
	}
	receiver_state_heard(c, f->source != WIRE_AGENT_HEARTBEAT);
	if (c->major > 1 && !take_number(c, f) && f->source != WIRE_AGENT_HELLO)
		return; /* what a greeting says is new, whatever number it has */
	if (TT_UNLIKELY(!(known & 1u << f->source))) {
		take_undeclared(c, f);
		return;
	}
	if (f->source == WIRE_AGENT_HEARTBEAT)
		c->heartbeats++;
	else if (!(receiver_own_sources() & 1u << f->source))
		c->acts++;
	if (f->source == WIRE_TELEMETRY_DROPPED)
		take_dropped(c, f);
	else
		receiver_line_frame(c, f);
	receiver_cloud_frame(c, f);
	if (f->source == WIRE_AGENT_HELLO)
		check_surface(c, f);
}

static bool is_full(const struct receiver *r)
{
	return r->trace.len >= RECEIVER_FLUSH || r->events.len >= RECEIVER_FLUSH;
}

long receiver_take_bytes(struct receiver_cell *c, const uint8_t *bytes, size_t n)
{
	enum wire_mode mode = c->r->settings.mode;
	size_t used = 0;
	long status = 0;

	while (status == 0) {
		struct wire_frame f;
		int size = wire_decode(bytes + used, n - used, mode, &f, NULL);

		if (size == -EAGAIN)
			break;
		c->seen++;
		if (TT_LIKELY(size > 0)) {
			if (mode == WIRE_LENIENT)
				c->attribution += has_attribution(bytes + used, (size_t)size);
			take_frame(c, &f);
		} else {
			receiver_take_reject(c, (unsigned)(-size - WIRE_E_FIRST));
			receiver_seq_reject(&c->seq);
			size = wire_frame_size(bytes + used, n - used);
			if (size > 0)
				c->attribution += has_attribution(bytes + used, (size_t)size);
			else
				status = -EPROTO; /* nothing says where the next one begins */
		}
		used += size > 0 ? (size_t)size : 0;
		if (TT_UNLIKELY(is_full(c->r)))
			receiver_flush(c);
	}
	if (TT_UNLIKELY(c->untold_rejects))
		tell_rejects(c);
	return status ? status : (long)used;
}

void receiver_take_end(struct receiver_cell *c, const uint8_t *rest, size_t n)
{
	int left = wire_stream_end(rest, n);

	/* its number is no concern: an agent sends a frame that was cut again */
	if (left < 0) {
		receiver_take_reject(c, (unsigned)(-left - WIRE_E_FIRST));
		tell_rejects(c);
	}
	c->hello_here = c->respawned_here = false;
}
