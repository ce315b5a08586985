/* SPDX-License-Identifier: Apache-2.0 */
/* telltale: finds the verb and hands over. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static void print_help(void)
{
	printf("usage: telltale VERB [OPTIONS] [-- COMMAND...]\n"
	       "\n"
	       "Telltale records what a command does, and says how complete the record is.\n"
	       "\n");
	for (const struct cli_verb *v = cli_verbs; v->name; v++)
		printf("  %-8s  %s\n", v->name, v->summary);
	printf("\n"
	       "  telltale run -- COMMAND     record a command\n"
	       "  telltale show --last        what did it do?\n"
	       "  telltale VERB --help        options of one verb\n"
	       "  telltale --version          the version\n");
}

int main(int argc, char **argv)
{
	const struct cli_verb *verb;
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name) {
		cli_begin();
		return cli_usage(NULL, "no verb given");
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		cli_begin();
		verb = argc > 2 ? cli_verb_find(argv[2]) : NULL;
		if (verb)
			cli_verb_help(verb);
		else
			print_help();
		return cli_end(CLI_OK);
	}
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
		cli_begin();
		printf("telltale %s\n", cli_version);
		return cli_end(CLI_OK);
	}
	verb = cli_verb_find(name);
	if (!verb) {
		cli_begin();
		verb = cli_verb_nearest(name);
		if (name[0] == '-')
			return cli_usage(NULL, "unknown option '%s'", name);
		if (verb)
			return cli_usage(NULL, "unknown verb '%s'; did you mean '%s'?", name,
					 verb->name);
		return cli_usage(NULL, "unknown verb '%s'", name);
	}
	if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
		cli_begin();
		cli_verb_help(verb);
		return cli_end(CLI_OK);
	}
	return verb->run(argc - 1, argv + 1);
}
