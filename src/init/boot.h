/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a machine's first process does: makes an ordinary Linux of what the kernel left, and ends
 * it.
 */
#ifndef TT_INIT_BOOT_H
#define TT_INIT_BOOT_H

#include <stdbool.h>

#include "base/compiler.h"

/*
 * init_boot_proc - /proc, and whether this is a machine's first process at all: false in a
 * container, where nothing has been changed but that
 */
bool init_boot_proc(void);

/*
 * init_boot_mounts - the other file systems, and fds 0 to 2 on the console. What is missing is
 * said.
 */
void init_boot_mounts(void);

/*
 * init_boot_modules - paths with ':' between them; 0, or -1 and it is said which could not be
 * loaded
 */
int init_boot_modules(const char *paths) TT_MUST_CHECK;

/* init_boot_loopback - 127.0.0.1 and ::1 */
void init_boot_loopback(void);

/*
 * init_boot_end - write what is to be written, and switch off or start anew
 * @choose: as this machine can be ended, else @restart decides
 */
TT_NORETURN void init_boot_end(bool choose, bool restart);

#endif
