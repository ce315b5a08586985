/* SPDX-License-Identifier: Apache-2.0 */
/* Where libtelltale.so lies, for the program that was built or installed with it. */
#ifndef TT_CLI_LIBRARY_H
#define TT_CLI_LIBRARY_H

#include "base/compiler.h"
#include "util/err.h"

/*
 * cli_library_find - the library beside this program (as built), below ../lib as installed, or
 * where the build was told to install it
 * Returns 0 and an absolute path to free; -ENOENT with the places looked at.
 */
int cli_library_find(char **ret, struct tt_err *err) TT_MUST_CHECK;

#endif
