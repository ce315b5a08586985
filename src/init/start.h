/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the two init is: a machine's first process, or with --cell an ordinary program. */
#ifndef TT_INIT_START_H
#define TT_INIT_START_H

/*
 * init_start - @args: without the program's name, ended by NULL. Returns the exit status; never on
 * a machine.
 */
int init_start(char **args);

#endif
