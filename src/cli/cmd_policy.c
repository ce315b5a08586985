/* SPDX-License-Identifier: Apache-2.0 */
/* telltale policy: which profiles there are, what they say, whether their text is right. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/policy_json.h"
#include "cli/policy_learn.h"
#include "cli/style.h"
#include "policy/policy.h"

static void free_text(char **text)
{
	free(*text);
}

static void print_json(json_t *j)
{
	if (!j || json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) < 0)
		(void)fputs("null", stdout);
	(void)fputc('\n', stdout);
	json_decref(j);
}

static void print_text(const char *text)
{
	cli_put_text(stdout, text, strlen(text));
}

/* One profile of the list. */
struct listed {
	char *name;
	const char *summary;
	const char *from;  /* "built-in" or the file */
	const char *wrong; /* NULL: it loads */
};

static void show_listed(const struct listed *l, json_t *all)
{
	if (all) {
		(void)json_array_append_new(all, json_pack("{s:o, s:o, s:o, s:o}", "name",
							   cli_policy_text_json(l->name), "summary",
							   cli_policy_text_json(l->summary), "from",
							   cli_policy_text_json(l->from), "error",
							   cli_policy_text_json(l->wrong)));
		return;
	}
	printf("%-16s ", l->name);
	print_text(l->wrong ? l->wrong : l->summary);
	if (strcmp(l->from, "built-in") != 0) {
		(void)fputs(" (", stdout);
		print_text(l->from);
		(void)fputc(')', stdout);
	}
	(void)fputc('\n', stdout);
}

static void list_one(char *name, const char *file, const char *from, json_t *all)
{
	TT_CLEANUP(policy_freep) struct policy *p = NULL;
	struct listed l = {.name = name, .from = from};
	struct tt_err err;

	if (policy_load(file, &p, &err) < 0)
		l.wrong = err.text;
	else
		l.summary = p->summary;
	show_listed(&l, all);
}

/* "NAME.profile", without what is a shipped profile's name: that one is never read from a file. */
static int is_profile(const struct dirent *d)
{
	size_t n = strlen(d->d_name);
	const char *shipped;

	if (n <= 8 || d->d_name[0] == '.' || strcmp(d->d_name + n - 8, ".profile") != 0)
		return 0;
	for (size_t i = 0; (shipped = policy_shipped_at(i, NULL, NULL)); i++)
		if (strlen(shipped) == n - 8 && strncmp(shipped, d->d_name, n - 8) == 0)
			return 0;
	return 1;
}

static void list_folder(const char *folder, json_t *all)
{
	struct dirent **entries = NULL;
	int n = scandir(folder, &entries, is_profile, alphasort);

	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];

		if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name) <
		    sizeof(path)) {
			entries[i]->d_name[strlen(entries[i]->d_name) - 8] = '\0';
			list_one(entries[i]->d_name, path, path, all);
		}
		free(entries[i]);
	}
	free(entries);
}

/* The numbers of a group's calls, by name. */
static void list_group(size_t i, const char *name, const char *summary, json_t *all)
{
	json_t *calls = all ? json_array() : NULL;
	size_t column = 0;

	if (!all)
		printf("@%s: %s\n", name, summary);
	for (int nr = 0; nr < 1024; nr++) {
		const char *call = policy_call_name(nr);

		if (!call || !policy_group_has(i, nr))
			continue;
		if (all) {
			(void)json_array_append_new(calls, json_string(call));
			continue;
		}
		if (column && column + 1 + strlen(call) > 78) {
			(void)fputc('\n', stdout);
			column = 0;
		}
		column += (size_t)printf("%s%s", column ? " " : "    ", call);
	}
	if (!all)
		(void)fputs(column ? "\n" : "    (none on this machine)\n", stdout);
	else
		(void)json_object_set_new(
			all, name, json_pack("{s:s, s:o}", "summary", summary, "calls", calls));
}

struct words {
	bool json, groups, source;
};

static int list(int argc, char **argv, const struct words *w)
{
	const char *name, *summary;
	char folder[PATH_MAX];
	json_t *all = NULL;

	if (argc)
		return cli_usage("policy", "list takes no '%s'", argv[0]);
	if (w->json)
		all = w->groups ? json_object() : json_array();
	if (w->groups) {
		for (size_t i = 0; (name = policy_group_at(i, &summary)); i++)
			list_group(i, name, summary, all);
	} else {
		for (size_t i = 0; (name = policy_shipped_at(i, NULL, NULL)); i++) {
			char *copy = strdup(name);

			if (copy)
				list_one(copy, name, "built-in", all);
			free(copy);
		}
		for (size_t i = 0; policy_folder(i, folder, sizeof(folder)) != -ENOENT; i++)
			list_folder(folder, all);
	}
	if (all)
		print_json(all);
	return CLI_OK;
}

/* The text as it was written, of a shipped profile; of others, the file is its own source. */
static int show_source(const char *name)
{
	const char *text, *shipped;
	size_t len;

	for (size_t i = 0; (shipped = policy_shipped_at(i, &text, &len)); i++) {
		if (strcmp(shipped, name) != 0)
			continue;
		(void)fwrite(text, 1, len, stdout);
		return CLI_OK;
	}
	return cli_usage("policy", "'%s' did not come with this program: its file is its source",
			 name);
}

static int show(int argc, char **argv, const struct words *w)
{
	TT_CLEANUP(policy_freep) struct policy *p = NULL;
	TT_CLEANUP(free_text) char *text = NULL;
	struct tt_err err;
	size_t len;

	if (argc != 1)
		return cli_usage("policy", "show one profile: a name, or a file with a '/'");
	if (w->source)
		return show_source(argv[0]);
	if (policy_load(argv[0], &p, &err) < 0)
		return cli_fail("policy", &err);
	if (w->json) {
		print_json(cli_policy_json(p));
		return CLI_OK;
	}
	if (policy_text(p, &text, &len) < 0) {
		(void)tt_fail(&err, ENOMEM, "show profile '%s'", argv[0]);
		return cli_fail("policy", &err);
	}
	(void)fwrite(text, 1, len, stdout);
	return CLI_OK;
}

static void tell(void *arg, const char *text)
{
	unsigned *count = arg;
	struct tt_err err;

	(*count)++;
	(void)snprintf(err.text, sizeof(err.text), "%s", text);
	(void)cli_fail("policy", &err);
}

static int check_one(const char *file)
{
	TT_CLEANUP(policy_freep) struct policy *p = NULL;
	struct sock_filter *insns = NULL;
	char path[PATH_MAX];
	unsigned short len;
	unsigned told = 0;
	struct tt_err err;
	int r;

	/* a file of this folder needs no "./" here: what is checked is mostly a file */
	if (!strchr(file, '/') && strlen(file) > 8 &&
	    strcmp(file + strlen(file) - 8, ".profile") == 0 &&
	    (size_t)snprintf(path, sizeof(path), "./%s", file) < sizeof(path))
		file = path;
	r = policy_check(file, tell, &told, &p, &err);
	if (r == 0)
		r = policy_filter_make(p, &insns, &len, &err);
	free(insns);
	if (r < 0)
		return told ? CLI_FAILED : cli_fail("policy", &err);
	print_text(file);
	printf(": ok, %zu rules, a filter of %u instructions\n", p->rule_count, len);
	return CLI_OK;
}

static int check(int argc, char **argv, const struct words *w)
{
	int status = CLI_OK;

	(void)w;
	if (!argc)
		return cli_usage("policy", "check which file?");
	for (int i = 0; i < argc; i++)
		if (check_one(argv[i]) != CLI_OK)
			status = CLI_FAILED;
	return status;
}

static void print_rule(const struct policy *p, size_t i, const char *before)
{
	const struct policy_place *at = &p->rule_places[i];
	char *text = NULL;

	if (policy_rule_text(p, i, &text) < 0)
		return;
	printf("%s", before);
	print_text(text);
	(void)fputs("  (", stdout);
	print_text(at->file);
	printf(":%u:%u)\n", at->line, at->column);
	free(text);
}

/* Which of the rules of @nr decides for these arguments, and which others there are. */
static void explain_call(const struct policy *p, int nr, const uint64_t args[6], int count)
{
	struct policy_verdict v = policy_decide(p, nr, args);
	long rule = policy_deciding_rule(p, nr, args);
	char verdict[POLICY_VERDICT_TEXT];
	bool conditions = false;

	for (size_t i = 0; i < p->rule_count; i++)
		conditions |= p->rules[i].nr == nr && p->rules[i].condition_count;
	policy_verdict_text(v, verdict);
	printf("%s%s\n", verdict, conditions && !count ? ", if every argument is 0" : "");
	if (!p->filter)
		printf("  this profile has no rules about system calls\n");
	else if (rule < 0)
		printf("  no rule holds: the default\n");
	else
		print_rule(p, (size_t)rule, "  ");
	if (!conditions)
		return;
	printf("its rules; of those that hold the last one wins:\n");
	for (size_t i = 0; i < p->rule_count; i++)
		if (p->rules[i].nr == nr)
			print_rule(p, i, "  ");
}

static void explain_json(const struct policy *p, int nr, const uint64_t args[6])
{
	json_t *j = cli_policy_verdict_json(policy_decide(p, nr, args));
	long rule = policy_deciding_rule(p, nr, args);
	const char *name = policy_call_name(nr);
	char *text = NULL;

	(void)json_object_set_new(j, "call", name ? json_string(name) : json_null());
	(void)json_object_set_new(j, "number", json_integer(nr));
	if (rule >= 0 && policy_rule_text(p, (size_t)rule, &text) == 0) {
		(void)json_object_set_new(j, "rule", json_string(text));
		(void)json_object_set_new(j, "file",
					  cli_policy_text_json(p->rule_places[rule].file));
		(void)json_object_set_new(j, "line", json_integer(p->rule_places[rule].line));
	} else {
		(void)json_object_set_new(j, "rule", json_null());
	}
	free(text);
	print_json(j);
}

/* An argument as in a rule; names of arguments may stand before it: "domain=AF_UNIX". */
static int take_argument(const char *text, int nr, int *next, uint64_t args[6])
{
	const char *equal = strchr(text, '=');
	int at = *next;

	for (int i = 0; equal && i < 6; i++) {
		const char *name = policy_argument(nr, i);

		if ((name && strlen(name) == (size_t)(equal - text) &&
		     strncmp(name, text, (size_t)(equal - text)) == 0) ||
		    (equal == text + 4 && strncmp(text, "arg", 3) == 0 && text[3] == '0' + i)) {
			at = i;
			text = equal + 1;
			break;
		}
	}
	if (at >= 6 || policy_value(text, &args[at]) < 0)
		return -EINVAL;
	*next = at + 1;
	return 0;
}

static int explain(int argc, char **argv, const struct words *w)
{
	TT_CLEANUP(policy_freep) struct policy *p = NULL;
	uint64_t args[6] = {0}, number;
	struct tt_err err;
	int nr, next = 0;

	if (argc < 2)
		return cli_usage("policy", "explain PROFILE CALL [ARGUMENT...]");
	nr = policy_call_number(argv[1]);
	if (nr < 0 && policy_value(argv[1], &number) == 0 && number < 0x40000000)
		nr = (int)number;
	if (nr < 0) {
		(void)tt_fail_text(&err, ENOENT, "no system call '%.60s' on this machine", argv[1]);
		return cli_fail("policy", &err);
	}
	for (int i = 2; i < argc; i++)
		if (take_argument(argv[i], nr, &next, args) < 0)
			return cli_usage("policy",
					 "'%s' is no argument: 12, 0x1f, AF_UNIX, O_CREAT|O_EXCL",
					 argv[i]);
	if (policy_load(argv[0], &p, &err) < 0)
		return cli_fail("policy", &err);
	if (w->json)
		explain_json(p, nr, args);
	else
		explain_call(p, nr, args, argc - 2);
	return CLI_OK;
}

int cli_cmd_policy(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'J'},
		{"groups", no_argument, NULL, 'G'},
		{"source", no_argument, NULL, 'S'},
		{0},
	};
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv, const struct words *w);
	} parts[] = {{"check", check}, {"explain", explain}, {"list", list}, {"show", show}};
	struct words w = {false};
	int c, status = -1;

	cli_begin();
	if (argc > 1 && strcmp(argv[1], "learn") == 0) {
		argv[1] = argv[0];
		return cli_policy_learn(argc - 1, argv + 1);
	}
	optind = 0;
	while ((c = cli_next_option(argc, argv, options, &status)) != -1) {
		w.json |= c == 'J';
		w.groups |= c == 'G';
		w.source |= c == 'S';
	}
	if (status >= 0)
		return cli_end(status);
	if (optind >= argc)
		return cli_usage("policy", "what of it: check, explain, learn, list or show");
	for (size_t i = 0; i < TT_ARRAY_SIZE(parts); i++)
		if (strcmp(parts[i].name, argv[optind]) == 0)
			return cli_end(parts[i].run(argc - optind - 1, argv + optind + 1, &w));
	return cli_usage("policy", "no '%s': check, explain, learn, list or show", argv[optind]);
}
