/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs of the command line and what they share. The only folder that prints. Single-threaded.
 */
#ifndef TT_CLI_CLI_H
#define TT_CLI_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "util/err.h"

enum {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
};

/* One verb: one row in verbs.c and one file cmd_NAME.c. */
struct cli_verb {
	const char *name;
	const char *synopsis; /* what follows "telltale " in the usage line */
	const char *summary;  /* for the list of verbs */
	/* argv[0] is the verb. Returns the exit status of the program. */
	int (*run)(int argc, char **argv);
	const char *help;   /* the rest of --help: lines that end in newlines */
	bool takes_command; /* options end at the first operand: the rest is a command of its own */
};

/* cli_version - of this program: "0.1.0" */
extern const char cli_version[];

/* cli_verbs - the table, ended by a row without a name */
extern const struct cli_verb cli_verbs[];

/* cli_verb_find - the verb of that name, or NULL */
const struct cli_verb *cli_verb_find(const char *name);

/* cli_verb_nearest - the verb that @name was probably meant to be, or NULL if none is close */
const struct cli_verb *cli_verb_nearest(const char *name);

/* cli_verb_help - print usage, summary and options of one verb on stdout */
void cli_verb_help(const struct cli_verb *verb);

int cli_cmd_run(int argc, char **argv);
int cli_cmd_list(int argc, char **argv);
int cli_cmd_show(int argc, char **argv);
int cli_cmd_tree(int argc, char **argv);
int cli_cmd_events(int argc, char **argv);
int cli_cmd_top(int argc, char **argv);
int cli_cmd_doctor(int argc, char **argv);
int cli_cmd_policy(int argc, char **argv);
int cli_cmd_schema(int argc, char **argv);
int cli_cmd_wire(int argc, char **argv);
int cli_cmd_receive(int argc, char **argv);
int cli_cmd_verify(int argc, char **argv);

/*
 * cli_begin - for verbs that print: closed standard fds get a stand-in (so that no file of ours
 * becomes fd 1), a closed pipe becomes an error to look at instead of a signal, the locale is the
 * user's
 */
void cli_begin(void);

/*
 * cli_end - flush stdout and give the exit status: @status, or 1 with a message if the output could
 * not be written. A reader that went away (| head) is no failure and draws no message.
 */
int cli_end(int status);

/* cli_is_gone - whether nobody reads stdout any more: long output stops early */
bool cli_is_gone(void);

/*
 * cli_fail - print "telltale VERB: TEXT" on stderr, control bytes made visible. Returns CLI_FAILED.
 */
int cli_fail(const char *verb, const struct tt_err *err);

/* cli_usage - print "telltale VERB: TEXT" and how to get help on stderr. Returns CLI_USAGE. */
int cli_usage(const char *verb, const char *fmt, ...) TT_PRINTF(2, 3);

/*
 * cli_next_option - getopt_long() that speaks our way
 * @options: ended by a zero row; "help" (with 'h') is understood even where it is not listed
 * @ret_status: set where -1 is returned for another reason than the end of the options, else
 * untouched
 * Returns the option's val, or -1. Start with optind = 0. Options and operands may mix, unless the
 * verb takes a command.
 */
int cli_next_option(int argc, char **argv, const struct option *options, int *ret_status);

#endif
