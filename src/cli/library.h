/* SPDX-License-Identifier: Apache-2.0 */
/* Where the libraries lie, for the program that was built or installed with it. */
#ifndef TT_CLI_LIBRARY_H
#define TT_CLI_LIBRARY_H

#include "base/compiler.h"
#include "util/err.h"

#define CLI_LIBRARY_PRELOAD "libtelltale.so"
#define CLI_LIBRARY_AUDIT   "libtelltale-audit.so"

/*
 * cli_library_find - the library of that name: beside this program (as built), below ../lib as
 * installed, or where the build was told to install it
 * Returns 0 and an absolute path to free; -ENOENT with the places looked at.
 */
int cli_library_find(char **ret, const char *name, struct tt_err *err) TT_MUST_CHECK;

#endif
