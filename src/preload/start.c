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
/*
 * Linked without the compiler's own start-up files, which touch a page at each end and have only
 * this for us: what pthread_atfork(3) tells the library by. Ours is never unloaded.
 */
__attribute__((__visibility__("hidden"))) void *const __dso_handle = NULL;

__attribute__((__constructor__)) static void start(int argc, char **argv, char **envp)
{
	pl_init_at_start(argc, argv, envp);
}
#endif
