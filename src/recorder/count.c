/* SPDX-License-Identifier: Apache-2.0 */
/* The counted system calls in run.json. */
#include <stdio.h>
#include <sys/syscall.h>

#include "base/time.h"
#include "policy/policy.h"
#include "recorder/facts.h"
#include "recorder/run.h"

uint64_t recorder_count_total(const struct sandbox_counts *c)
{
	uint64_t total = c->unknown + c->foreign;

	for (size_t nr = 0; nr < TT_ARRAY_SIZE(c->calls); nr++)
		total += c->calls[nr];
	return total;
}

static json_t *count_json(uint64_t n)
{
	return json_integer(n < INT64_MAX ? (json_int_t)n : INT64_MAX);
}

/* "read", or "syscall_999" where the number is newer than we are. */
static const char *call_text(int nr, char *buf, size_t cap)
{
	const char *name = policy_call_name(nr);

	if (name)
		return name;
	(void)snprintf(buf, cap, "syscall_%d", nr);
	return buf;
}

static json_t *calls_json(const struct sandbox_counts *c)
{
	json_t *j = json_object();
	char buf[32];

	for (int nr = 0; nr < SANDBOX_COUNT_CALLS; nr++)
		if (c->calls[nr])
			(void)json_object_set_new(j, call_text(nr, buf, sizeof(buf)),
						  count_json(c->calls[nr]));
	if (c->unknown)
		(void)json_object_set_new(j, "unknown", count_json(c->unknown));
	if (c->foreign)
		(void)json_object_set_new(j, "foreign_abi", count_json(c->foreign));
	return j;
}

static json_t *shapes_json(const struct sandbox_counts *c)
{
	json_t *list = json_array();
	char buf[32];

	for (size_t i = 0; i < c->shape_count; i++) {
		const struct sandbox_count_shape *s = &c->shapes[i];
		json_t *args = json_array();

		for (uint8_t a = 0; a < s->arg_count; a++)
			(void)json_array_append_new(
				args, json_pack("{s:i, s:o, s:o}", "arg", (int)s->args[a].arg,
						"mask", count_json(s->args[a].mask), "value",
						count_json(s->args[a].value)));
		(void)json_array_append_new(list,
					    json_pack("{s:s, s:o, s:o}", "syscall",
						      call_text(s->nr, buf, sizeof(buf)), "where",
						      args, "count", count_json(s->count)));
	}
	return list;
}

static json_t *kernel_json(const uint64_t *each, const struct kernel_counts *c)
{
	json_t *j = json_object();
	char buf[32];

	for (int nr = 0; nr < KERNEL_COUNTED; nr++)
		if (c->calls[nr])
			(void)json_object_set_new(j, call_text(nr, buf, sizeof(buf)),
						  count_json(each[nr]));
	if (each == c->calls && c->other)
		(void)json_object_set_new(j, "unknown", count_json(c->other));
	if (each == c->calls && c->foreign)
		(void)json_object_set_new(j, "foreign_abi", count_json(c->foreign));
	return j;
}

/* Counted by the kernel sensor: exact, and nobody was stopped for it. */
static void put_kernel(const struct kernel_counts *c, json_t *document, json_t *summary,
		       json_t *sources)
{
	uint64_t total = c->other + c->foreign;
	static const char text[] = "the kernel sensor, every call of every process";

	for (int nr = 0; nr < KERNEL_COUNTED; nr++)
		total += c->calls[nr];
	(void)json_object_set_new(summary, "total_syscalls", count_json(total));
	(void)json_object_set_new(document, "syscalls", kernel_json(c->calls, c));
	if (c->has_ns)
		(void)json_object_set_new(document, "syscall_ns", kernel_json(c->ns, c));
	(void)json_object_set_new(sources, "total_syscalls", json_string(text));
	(void)json_object_set_new(sources, "syscalls", json_string(text));
}

static void source_text(const struct sandbox_counts *c, char *buf, size_t cap)
{
	uint64_t total = recorder_count_total(c);

	(void)snprintf(
		buf, cap,
		"ptrace, every call at its entry; each took about %llu.%llu us more, measured before "
		"the command began: %llu ms in all%s%s%s",
		(unsigned long long)(c->cost_ns / 1000),
		(unsigned long long)(c->cost_ns % 1000 / 100),
		(unsigned long long)(c->cost_ns * total / TT_NS_PER_MS),
		c->calls[SYS_ptrace]
			? "; the command called ptrace itself, which fails while it is "
			  "counted"
			: "",
		c->untraced ? "; lower_bound: a child was made with CLONE_UNTRACED" : "",
		c->cut ? "; lower_bound: the counter ended before the command and all below it did"
		       : "");
}

void recorder_count_put(const struct recorder_run_state *r, json_t *document, json_t *summary,
			json_t *sources)
{
	const struct sandbox_counts *c = r->counts;
	char text[512];

	if (!c && r->track.facts && r->track.facts->has_counts) {
		put_kernel(&r->track.facts->counts, document, summary, sources);
		return;
	}
	if (c)
		source_text(c, text, sizeof(text));
	else
		(void)snprintf(text, sizeof(text), "unavailable: %s",
			       r->count_reason ? r->count_reason : "the command did not run");
	(void)json_object_set_new(summary, "total_syscalls",
				  c ? count_json(recorder_count_total(c)) : json_null());
	(void)json_object_set_new(document, "syscalls", c ? calls_json(c) : json_null());
	if (c)
		(void)json_object_set_new(document, "syscall_arguments", shapes_json(c));
	(void)json_object_set_new(sources, "total_syscalls", json_string(text));
	(void)json_object_set_new(sources, "syscalls", json_string(text));
}
