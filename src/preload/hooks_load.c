/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code brought in at run time. dlopen asks who calls it: the caller's RUNPATH is searched and the
 * library lands in the caller's namespace. So the real one must be jumped to with the caller's own
 * return address on the stack; what it returns is not seen, and the call is recorded before it is
 * made.
 */
#include "preload/preload.h"

#include <dlfcn.h>

/* clang-format off */
#if defined(__x86_64__)
#define ENTRY(name)                                  \
	__asm__(".text\n"                            \
		".globl " #name "\n"                 \
		".type " #name ", %function\n"       \
		#name ":\n"                          \
		"	pushq %rdi\n"                \
		"	pushq %rsi\n"                \
		"	pushq %rdx\n"                \
		"	call pl_" #name "_before\n"  \
		"	popq %rdx\n"                 \
		"	popq %rsi\n"                 \
		"	popq %rdi\n"                 \
		"	jmp *%rax\n"                 \
		".size " #name ", .-" #name "\n")
#else
#define ENTRY(name)                                  \
	__asm__(".text\n"                            \
		".globl " #name "\n"                 \
		".type " #name ", %function\n"       \
		#name ":\n"                          \
		"	stp x29, x30, [sp, #-48]!\n" \
		"	mov x29, sp\n"               \
		"	stp x0, x1, [sp, #16]\n"     \
		"	str x2, [sp, #32]\n"         \
		"	bl pl_" #name "_before\n"    \
		"	mov x16, x0\n"               \
		"	ldr x2, [sp, #32]\n"         \
		"	ldp x0, x1, [sp, #16]\n"     \
		"	ldp x29, x30, [sp], #48\n"   \
		"	br x16\n"                    \
		".size " #name ", .-" #name "\n")
#endif
/* clang-format on */

/* glibc alone has it; Lmid_t is long */
void *dlmopen(long space, const char *file, int flags);

ENTRY(dlopen);
ENTRY(dlmopen);

/* Returns where the entry goes on: libc's function. */
void *pl_dlopen_before(const char *file, int flags);
__attribute__((__used__)) void *pl_dlopen_before(const char *file, int flags)
{
	struct pl_call c;

	if (pl_enter(&c, EVENT_CALL_dlopen)) {
		pl_arg_text(&c, 0, file);
		pl_arg_num(&c, 1, flags);
		pl_point(&c);
	}
	return (void *)PL_NEXT(dlopen);
}

void *pl_dlmopen_before(long space, const char *file, int flags);
__attribute__((__used__)) void *pl_dlmopen_before(long space, const char *file, int flags)
{
	struct pl_call c;

	if (pl_enter(&c, EVENT_CALL_dlmopen)) {
		pl_arg_num(&c, 0, space);
		pl_arg_text(&c, 1, file);
		pl_arg_num(&c, 2, flags);
		pl_point(&c);
	}
	return (void *)PL_NEXT(dlmopen);
}
