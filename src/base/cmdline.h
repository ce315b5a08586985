/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a kernel command line, as the kernel splits them (lib/cmdline.c): blanks part words,
 * double quotes hold them together and are taken away. No allocation; signal-safe.
 */
#ifndef TT_BASE_CMDLINE_H
#define TT_BASE_CMDLINE_H

#include "base/compiler.h"

/*
 * tt_cmdline_next - cut the next word off *line, in place: NAME or NAME=VALUE
 * @ret_value: behind the first '='; NULL: the word has none
 * Returns the name, or NULL at the end. What follows a word "--" is for init, not for the kernel:
 * the word itself is returned, too.
 */
char *tt_cmdline_next(char **line, char **ret_value);

#endif
