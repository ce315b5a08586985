/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What musl lacks and the library needs: the status at exit. on_exit(3) is glibc's alone, and
 * handlers of atexit(3) are not told the status; so it is noted on the two ways that lead there.
 */
#include <stdint.h>
#include <stdlib.h>

#include "preload/preload.h"

typedef int main_fn(int argc, char **argv, char **envp);

static int exit_status;
static main_fn *program_main;
static void (*exit_fn)(int status, void *arg);

static void at_exit(void)
{
	exit_fn(exit_status, NULL);
}

int on_exit(void (*fn)(int status, void *arg), void *arg)
{
	(void)arg;
	exit_fn = fn;
	return atexit(at_exit);
}

TT_PUBLIC void exit(int status)
{
	exit_status = status;
	PL_NEXT(exit)(status);
	__builtin_unreachable();
}

static int note_main(int argc, char **argv, char **envp)
{
	return exit_status = program_main(argc, argv, envp);
}

int __libc_start_main(main_fn *fn, int argc, char **argv, void (*init)(void), void (*fini)(void),
		      void (*ldso_fini)(void));

/* musl's crt1.o calls it; what main returns goes from there to an exit() that cannot be seen. */
TT_PUBLIC int __libc_start_main(main_fn *fn, int argc, char **argv, void (*init)(void),
				void (*fini)(void), void (*ldso_fini)(void))
{
	program_main = fn;
	return PL_NEXT(__libc_start_main)(note_main, argc, argv, init, fini, ldso_fini);
}
