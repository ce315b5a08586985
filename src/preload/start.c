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
 * pthread_atfork(3) as libc has it in the static part, which would want the compiler's own start-up
 * files: we are linked without those, since they touch a page at each end. Ours is never unloaded.
 */
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
		      void *dso) TT_NO_PLT;

int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	return __register_atfork(prepare, parent, child, NULL);
}

__attribute__((__constructor__)) static void start(int argc, char **argv, char **envp)
{
	pl_init_at_start(argc, argv, envp);
}
#endif
