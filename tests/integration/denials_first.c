/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing but one call, the first of the program: mount(2), which must fail with EACCES. */
#include <errno.h>
#include <sys/syscall.h>

#include "base/sys.h"

void _start(void);
void _start(void)
{
	(void)tt_sys1(SYS_exit_group, tt_sys6(SYS_mount, 0, 0, 0, 0, 0, 0) == -EACCES ? 0 : 1);
	for (;;)
		;
}
