/* SPDX-License-Identifier: Apache-2.0 */
/* telltale policy learn: the smallest profile under which runs would have passed. */
#include "cli/policy_learn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "policy/learn.h"
#include "store/trace.h"
#include "store/view.h"

#define VERB "policy learn"

/* What grows while runs are read. The texts belong to it. */
struct gathered {
	struct policy_learn_call *calls;
	struct policy_learn_path *paths;
	char **addresses, **own_addresses, **notes;
	struct policy_evidence e;
	bool out_of_memory;
};

static void *room(struct gathered *g, void *list, size_t count, size_t size)
{
	void **p = list, *more;

	if (count & (count - 1) || (count && count < 16))
		return *p; /* there is room up to the next power of two */
	more = realloc(*p, (count < 16 ? 16 : 2 * count) * size);
	if (!more) {
		g->out_of_memory = true;
		return NULL;
	}
	*p = more;
	return more;
}

static void add_text(struct gathered *g, char ***list, size_t *count, const char *text, size_t len)
{
	char **l = room(g, list, *count, sizeof(*l));

	if (!l)
		return;
	l[*count] = strndup(text, len);
	if (l[*count])
		(*count)++;
	else
		g->out_of_memory = true;
}

static void add_note(struct gathered *g, const char *fmt, ...) TT_PRINTF(2, 3);
static void add_note(struct gathered *g, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	add_text(g, &g->notes, &g->e.note_count, text, strlen(text));
}

static void add_call(struct gathered *g, struct policy_learn_call *c)
{
	struct policy_learn_call *l = room(g, &g->calls, g->e.call_count, sizeof(*l));

	if (!l)
		return;
	c->name = strdup(c->name);
	if (!c->name)
		g->out_of_memory = true;
	else
		l[g->e.call_count++] = *c;
}

static void add_path(struct gathered *g, struct store_text path, unsigned what)
{
	struct policy_learn_path *l;

	if (!path.len || path.data[0] != '/')
		return;
	l = room(g, &g->paths, g->e.path_count, sizeof(*l));
	if (!l)
		return;
	l[g->e.path_count] = (struct policy_learn_path){strndup(path.data, path.len), what};
	if (l[g->e.path_count].path)
		g->e.path_count++;
	else
		g->out_of_memory = true;
}

/* What a document may claim is not always a condition. */
static bool take_condition(const json_t *j, struct policy_condition *ret)
{
	int64_t arg = store_get_int(j, "arg", -1), mask = store_get_int(j, "mask", 0),
		value = store_get_int(j, "value", -1);

	*ret = (struct policy_condition){
		.arg = (uint8_t)arg, .mask = (uint64_t)mask, .value = (uint64_t)value};
	return arg >= 0 && arg <= 5 && mask > 0 && mask <= UINT32_MAX && value >= 0 &&
	       !(value & ~mask);
}

/* The name as a profile takes it: a number where it has none yet. NULL: it is no call. */
static const char *call_of(const char *name)
{
	static const char numbered[] = "syscall_";
	const char *digits = name + sizeof(numbered) - 1;

	if (policy_call_number(name) >= 0)
		return name;
	if (strncmp(name, numbered, sizeof(numbered) - 1) != 0 || !*digits || strlen(digits) > 6 ||
	    digits[strspn(digits, "0123456789")])
		return NULL;
	return digits;
}

/* One entry of `syscall_arguments`; what makes no sense is taken for "whatever the arguments". */
static void add_shape(struct gathered *g, const json_t *shape)
{
	const char *name = store_get_text(shape, "syscall").data;
	struct policy_learn_call c = {.name = name ? call_of(name) : NULL};
	const json_t *where = json_object_get(shape, "where"), *one;
	bool fine = json_array_size(where) <= POLICY_CONDITIONS_MAX;
	size_t i;

	if (!c.name)
		return;
	if (fine)
		json_array_foreach(where, i, one) fine &=
			take_condition(one, &c.conditions[c.condition_count++]);
	if (!fine)
		c.condition_count = 0;
	add_call(g, &c);
}

static bool has_shape(const json_t *shapes, const char *name)
{
	const json_t *shape;
	size_t i;

	json_array_foreach(shapes, i, shape) if (store_text_is(store_get_text(shape, "syscall"),
							       name)) return true;
	return false;
}

static void take_calls(struct gathered *g, const json_t *doc, json_t *calls)
{
	const json_t *shapes = json_object_get(doc, "syscall_arguments"), *shape, *count;
	uint64_t tasks = 1;
	const char *name;
	size_t i;

	json_array_foreach(shapes, i, shape) add_shape(g, shape);
	json_object_foreach(calls, name, count)
	{
		struct policy_learn_call c = {.name = call_of(name)};

		if (strcmp(name, "clone") == 0 || strcmp(name, "clone3") == 0 ||
		    strcmp(name, "fork") == 0 || strcmp(name, "vfork") == 0)
			tasks += (uint64_t)json_integer_value(count);
		/* clone3: its arguments are among those of clone */
		if (c.name && strcmp(name, "clone3") != 0 && !has_shape(shapes, name))
			add_call(g, &c);
	}
	if (tasks > g->e.tasks)
		g->e.tasks = tasks;
}

static void take_paths(struct gathered *g, const struct store_view *v)
{
	const unsigned writes = STORE_FILE_WRITTEN | STORE_FILE_MADE | STORE_FILE_DELETED |
				STORE_FILE_RENAMED | STORE_FILE_ARRIVED | STORE_FILE_CHANGED,
		       made = STORE_FILE_WRITTEN | STORE_FILE_MADE | STORE_FILE_ARRIVED;
	uint64_t unresolved = 0;

	for (uint32_t i = 0; i < v->file_names.count; i++) {
		const struct store_file *f = &v->files[i];
		unsigned what = f->what & STORE_FILE_READ ? POLICY_LEARN_READ : 0;

		unresolved += f->unresolved && f->what & writes;
		if (f->unresolved)
			continue;
		if (f->what & writes)
			what |= POLICY_LEARN_WRITTEN;
		if (f->what & made)
			what |= POLICY_LEARN_MADE;
		if (f->what & STORE_FILE_GONE)
			what |= POLICY_LEARN_GONE;
		add_path(g, v->file_names.items[i], what);
	}
	if (unresolved)
		add_note(g,
			 "  %llu written names could not be told: their folders are missing here",
			 (unsigned long long)unresolved);
	/* where programs and the command begin is used, too */
	for (uint32_t i = 0; i < v->span_names.count; i++) {
		if (v->spans[i].exe)
			add_path(g, store_text_of(v->spans[i].exe), POLICY_LEARN_READ);
		if (v->spans[i].cwd)
			add_path(g, store_text_of(v->spans[i].cwd), POLICY_LEARN_READ);
	}
	if (v->doc)
		add_path(g, store_get_text(v->doc, "cwd"), POLICY_LEARN_READ);
}

static void take_addresses(struct gathered *g, const struct store_view *v)
{
	for (uint32_t i = 0; i < v->host_names.count; i++) {
		const struct store_host *h = &v->hosts[i];

		if (h->kind == STORE_HOST_BIND)
			add_text(g, &g->own_addresses, &g->e.own_address_count, h->name.data,
				 h->name.len);
		else if (h->kind != STORE_HOST_ACCEPT && h->failed < h->tries)
			add_text(g, &g->addresses, &g->e.address_count, h->name.data, h->name.len);
	}
}

static void take_figures(struct gathered *g, const struct store_view *v)
{
	int64_t memory = store_summary_int(v, "peak_memory_kb"),
		wall = store_summary_int(v, "runtime_ms"), user = store_summary_int(v, "user_ms"),
		system = store_summary_int(v, "system_ms");

	if (memory > (int64_t)g->e.memory_kb)
		g->e.memory_kb = (uint64_t)memory;
	if (wall > (int64_t)g->e.wall_ms)
		g->e.wall_ms = (uint64_t)wall;
	if (user >= 0 && system >= 0 && user + system > (int64_t)g->e.cpu_ms)
		g->e.cpu_ms = (uint64_t)(user + system);
}

/* What the run was, and how much of it is known: the reader judges the profile by that. */
static void take_notes(struct gathered *g, const struct store_view *v, const json_t *calls)
{
	const json_t *coverage = json_object_get(v->doc, "coverage");
	struct store_text reason =
		store_get_text(json_object_get(v->doc, "summary"), "exit_reason");
	struct store_text source = store_source(v, "syscalls");
	int64_t none = store_get_int(coverage, "none", 0),
		lost = store_get_int(coverage, "lost", 0);
	int64_t rings = store_get_int(coverage, "io_uring", 0);
	char *argv = json_dumps(json_object_get(v->doc, "argv"), JSON_ENSURE_ASCII);

	add_note(g, "run %s, %.*s: %.300s", store_get_text(v->doc, "run_id").data,
		 (int)(reason.data ? reason.len : 0), reason.data ? reason.data : "",
		 argv ? argv : "");
	free(argv);
	add_note(g, "  %lld system calls of %zu kinds",
		 (long long)store_summary_int(v, "total_syscalls"), json_object_size(calls));
	if (source.data && strstr(source.data, "lower_bound"))
		add_note(g, "  and some that were not counted: this profile may refuse them");
	if (json_object_get(calls, "foreign_abi"))
		add_note(
			g,
			"  calls of another ABI (int 0x80, x32) were made: every profile refuses them");
	if (none > 0)
		add_note(g,
			 "  paths and addresses of %lld of %lld program images are not known: "
			 "what they wrote is missing here",
			 (long long)none, (long long)store_get_int(coverage, "spans", 0));
	if (lost > 0)
		add_note(g, "  %lld events were lost: paths may be missing here", (long long)lost);
	if (rings > 0)
		add_note(g, "  what went through an io_uring is not known");
	if (store_source(v, "preload").data)
		add_note(g, "  recorded without the library: run it with --no-preload, too");
}

static int take_run(struct gathered *g, const char *name, struct tt_err *err)
{
	TT_CLEANUP(store_run_done) struct store_run run = {0};
	TT_CLEANUP(store_view_freep) struct store_view *v = NULL;
	json_t *calls;
	int r = store_run_resolve(&run, name, err);

	if (r == 0)
		r = store_view_load(&v, &run, err);
	if (r < 0)
		return r;
	calls = json_object_get(v->doc, "syscalls");
	if (!json_is_object(calls))
		return tt_fail_text(err, ENODATA,
				    "run '%s': its system calls were not counted; record it with "
				    "--count=ptrace or --profile=LEARNING",
				    name ? name : "--last");
	take_notes(g, v, calls);
	take_calls(g, v->doc, calls);
	take_paths(g, v);
	take_addresses(g, v);
	take_figures(g, v);
	return g->out_of_memory ? tt_fail(err, ENOMEM, "read run '%s'", name ? name : "--last") : 0;
}

static void free_texts(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

static void gathered_done(struct gathered *g)
{
	for (size_t i = 0; i < g->e.call_count; i++)
		free((char *)(uintptr_t)g->calls[i].name);
	for (size_t i = 0; i < g->e.path_count; i++)
		free((char *)(uintptr_t)g->paths[i].path);
	free(g->calls);
	free(g->paths);
	free_texts(g->addresses, g->e.address_count);
	free_texts(g->own_addresses, g->e.own_address_count);
	free_texts(g->notes, g->e.note_count);
}

static int print_profile(struct gathered *g, struct tt_err *err)
{
	char *text = NULL;
	int r;

	g->e.calls = g->calls;
	g->e.paths = g->paths;
	g->e.addresses = (const char *const *)g->addresses;
	g->e.own_addresses = (const char *const *)g->own_addresses;
	g->e.notes = (const char *const *)g->notes;
	r = policy_learn(&g->e, &text, err);
	if (r == 0)
		(void)fputs(text, stdout);
	free(text);
	return r;
}

static int take_generalise(const char *text, enum policy_generalise *ret)
{
	if (strcmp(text, "none") == 0)
		*ret = POLICY_GENERALISE_NONE;
	else if (strcmp(text, "dirs") == 0)
		*ret = POLICY_GENERALISE_DIRS;
	else
		return cli_usage(VERB, "--generalise is none or dirs, not '%s'", text);
	return CLI_OK;
}

int cli_policy_learn(int argc, char **argv)
{
	static const struct option options[] = {
		{"last", no_argument, NULL, 256},
		{"name", required_argument, NULL, 'n'},
		{"generalise", required_argument, NULL, 'g'},
		{"generalize", required_argument, NULL, 'g'},
		{0},
	};
	TT_CLEANUP(gathered_done) struct gathered g = {0};
	int c, r = 0, status = -1;
	bool last = false;
	struct tt_err err;

	optind = 0;
	while ((c = cli_next_option(argc, argv, options, &status)) != -1) {
		last |= c == 256;
		if (c == 'n')
			g.e.name = optarg;
		if (c == 'g' && take_generalise(optarg, &g.e.generalise) != CLI_OK)
			return CLI_USAGE;
	}
	if (status >= 0)
		return cli_end(status);
	if (last == (optind < argc))
		return cli_usage(VERB, "which runs: RUN... or --last");
	add_note(&g, "learnt by 'telltale policy learn' from:");
	if (last)
		r = take_run(&g, NULL, &err);
	for (; r == 0 && optind < argc; optind++)
		r = take_run(&g, argv[optind], &err);
	if (r == 0)
		r = print_profile(&g, &err);
	return r < 0 ? cli_fail(VERB, &err) : cli_end(CLI_OK);
}
