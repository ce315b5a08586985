/* SPDX-License-Identifier: Apache-2.0 */
/* The part of `telltale policy` that reads runs. */
#ifndef TT_CLI_POLICY_LEARN_H
#define TT_CLI_POLICY_LEARN_H

/*
 * cli_policy_learn - `policy learn`; argv[0] is the verb, "policy", for messages and --help.
 * Returns the exit status.
 */
int cli_policy_learn(int argc, char **argv);

#endif
