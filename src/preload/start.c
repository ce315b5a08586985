/* SPDX-License-Identifier: Apache-2.0 */
/* Where a preloaded library begins. */
#include "preload/preload.h"

#ifdef TT_MUSL
/* musl passes nothing to constructors. */
__attribute__((__constructor__)) static void start(void)
{
	pl_init();
}
#else
__attribute__((__constructor__)) static void start(int argc, char **argv, char **envp)
{
	pl_init_at_start(argc, argv, envp);
}
#endif
