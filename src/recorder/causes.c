/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of what the sensors saw, and their form in run.json. */
#include "recorder/causes.h"

#include <stdlib.h>
#include <string.h>

static const char cause_names[][12] = {
	[RECORDER_CAUSE_NONE] = "",
	[RECORDER_CAUSE_OFF] = "off",
	[RECORDER_CAUSE_STATIC] = "static",
	[RECORDER_CAUSE_OTHER_CLASS] = "other_class",
	[RECORDER_CAUSE_SECURE] = "secure",
	[RECORDER_CAUSE_ENVIRONMENT] = "environment",
	[RECORDER_CAUSE_BRIEF] = "brief",
	[RECORDER_CAUSE_UNSAID] = "unsaid",
	[RECORDER_CAUSE_DIRECT] = "direct",
	[RECORDER_CAUSE_URING] = "uring",
	[RECORDER_CAUSE_KERNEL_LOSS] = "kernel_loss",
	[RECORDER_CAUSE_FOREIGN] = "foreign_abi",
	[RECORDER_CAUSE_SENSOR_LOSS] = "sensor_loss",
};

static const char seen_names[][14] = {
	[RECORDER_SEEN_FULL] = "full",
	[RECORDER_SEEN_KERNEL] = "kernel-only",
	[RECORDER_SEEN_DECLARED] = "declared-only",
	[RECORDER_SEEN_NONE] = "none",
};

static const char unmatched_names[][12] = {
	[RECORDER_UNMATCHED_STARTUP] = "startup",
	[RECORDER_UNMATCHED_INSIDE] = "inside",
	[RECORDER_UNMATCHED_LIBC] = "libc",
	[RECORDER_UNMATCHED_DIRECT] = "direct",
	[RECORDER_UNMATCHED_URING] = "uring",
	[RECORDER_UNMATCHED_MUTE] = "mute",
	[RECORDER_UNMATCHED_SENSOR_LOSS] = "sensor_loss",
	[RECORDER_UNMATCHED_UNKNOWN] = "unknown",
};

static const struct {
	const char *kind, *text;
} findings[] = {
	[RECORDER_FINDING_UNSEEN] =
		{"evasion", "told by the library as done, but the kernel saw nothing of it"},
	[RECORDER_FINDING_DIFFERS] = {"evasion",
				      "the kernel saw something else than the library told"},
	[RECORDER_FINDING_SCRIBBLED] =
		{"evasion", "the memory in which the library tells was overwritten, while "
			    "the kernel saw acts that it does not tell of"},
	[RECORDER_FINDING_DIRECT] = {"direct_calls",
				     "system calls made past libc, which the library cannot see"},
	[RECORDER_FINDING_ANSWERED] = {"answered", "not what the kernel saw, in a program with a "
						   "library that answers calls in its place"},
	[RECORDER_FINDING_URING] = {"uring", "acts through an io_uring, which pass the library by"},
	[RECORDER_FINDING_FOREIGN] = {"foreign_abi",
				      "system calls of another ABI, such as int 0x80: "
				      "they are counted, and no line tells of them"},
};

const char *recorder_cause_name(enum recorder_cause cause)
{
	return cause_names[cause];
}

const char *recorder_seen_name(enum recorder_seen seen)
{
	return seen_names[seen];
}

static struct recorder_finding *find(struct recorder_causes *c, enum recorder_finding_kind kind,
				     const struct tt_uuid *span)
{
	for (size_t i = 0; i < c->finding_count; i++)
		if (c->findings[i].kind == kind && tt_uuid_equal(&c->findings[i].span, span))
			return &c->findings[i];
	return NULL;
}

static bool is_evasion(enum recorder_finding_kind kind)
{
	return kind == RECORDER_FINDING_UNSEEN || kind == RECORDER_FINDING_DIFFERS ||
	       kind == RECORDER_FINDING_SCRIBBLED;
}

static void forget_events(struct recorder_finding *f)
{
	for (unsigned i = 0; i < f->event_count; i++)
		free(f->events[i]);
}

/* Many findings of little weight must not crowd out one of weight; NULL: there are none. */
static struct recorder_finding *make_room(struct recorder_causes *c)
{
	for (size_t i = c->finding_count; i-- > 0;)
		if (!is_evasion(c->findings[i].kind)) {
			forget_events(&c->findings[i]);
			return &c->findings[i];
		}
	return NULL;
}

void recorder_causes_find(struct recorder_causes *c, enum recorder_finding_kind kind,
			  const struct tt_uuid *span, int32_t pid, const char *comm,
			  const char *text)
{
	struct recorder_finding *f = find(c, kind, span);

	if (!f) {
		if (c->finding_count < RECORDER_FINDINGS_MAX) {
			f = &c->findings[c->finding_count++];
		} else {
			c->findings_more++;
			f = is_evasion(kind) ? make_room(c) : NULL;
		}
		if (!f)
			return;
		*f = (struct recorder_finding){.kind = kind, .span = *span, .pid = pid};
		memcpy(f->comm, comm, strnlen(comm, sizeof(f->comm) - 1));
	}
	f->count++;
	if (!text || f->event_count == RECORDER_FINDING_EVENTS_MAX)
		return;
	f->events[f->event_count] = strdup(text);
	if (f->events[f->event_count])
		f->event_count++;
}

void recorder_causes_done(struct recorder_causes *c)
{
	for (size_t i = 0; i < c->finding_count; i++)
		forget_events(&c->findings[i]);
	c->finding_count = 0;
}

/* Text of the workload: what is not UTF-8 becomes "?". */
static json_t *text_json(const char *s)
{
	json_t *j = json_string(s);
	char copy[512];
	size_t n = 0;

	if (j)
		return j;
	for (; s[n] && n < sizeof(copy) - 1; n++)
		copy[n] = s[n] >= ' ' && s[n] <= '~' ? s[n] : '?';
	copy[n] = '\0';
	return json_string(copy);
}

static json_t *finding_json(const struct recorder_finding *f)
{
	char span[4 + TT_UUID_TEXT_LEN + 1] = "spn_";
	json_t *events = json_array(), *j;

	tt_uuid_text(span + 4, &f->span);
	for (unsigned i = 0; i < f->event_count; i++)
		(void)json_array_append_new(events, text_json(f->events[i]));
	j = json_pack("{s:s, s:s, s:i, s:o, s:I, s:o, s:s}", "kind", findings[f->kind].kind,
		      "span_id", span, "pid", (int)f->pid, "comm", text_json(f->comm), "count",
		      (json_int_t)f->count, "events", events, "text", findings[f->kind].text);
	return j;
}

void recorder_causes_put(const struct recorder_causes *c, json_t *coverage)
{
	json_t *causes = json_object(), *unmatched = json_object(), *list = json_array();

	for (unsigned i = 1; i < RECORDER_CAUSES; i++)
		if (c->causes[i])
			(void)json_object_set_new(causes, cause_names[i],
						  json_integer((json_int_t)c->causes[i]));
	for (unsigned i = 0; i < RECORDER_UNMATCHED; i++)
		(void)json_object_set_new(unmatched, unmatched_names[i],
					  json_integer((json_int_t)c->unmatched[i]));
	for (size_t i = 0; i < c->finding_count; i++)
		(void)json_array_append_new(list, finding_json(&c->findings[i]));
	(void)json_object_set_new(coverage, "confirmed", json_integer((json_int_t)c->confirmed));
	(void)json_object_set_new(coverage, "declared_lines",
				  json_integer((json_int_t)c->declared));
	(void)json_object_set_new(coverage, "kernel_lines", json_integer((json_int_t)c->kernel));
	(void)json_object_set_new(coverage, "causes", causes);
	(void)json_object_set_new(coverage, "unmatched", unmatched);
	(void)json_object_set_new(coverage, "findings", list);
	if (c->findings_more)
		(void)json_object_set_new(coverage, "findings_more",
					  json_integer((json_int_t)c->findings_more));
}
