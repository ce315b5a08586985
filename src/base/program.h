/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a program can load a library, and which. System calls past libc only; nothing
 * allocates; signal-safe and safe between vfork and exec. errno is not touched.
 */
#ifndef TT_BASE_PROGRAM_H
#define TT_BASE_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define TT_PROGRAM_EXE_MAX   256
#define TT_PROGRAM_FIRST_MAX 64

enum tt_program_kind {
	TT_PROGRAM_NONE, /* not there, not readable, no regular file */
	TT_PROGRAM_ELF,
	TT_PROGRAM_SCRIPT, /* "#!" */
	TT_PROGRAM_OTHER,
};

enum tt_program_libc {
	TT_PROGRAM_FOREIGN, /* nothing of ours can be loaded there */
	TT_PROGRAM_GLIBC,
	TT_PROGRAM_MUSL,
};

/* One look at a file. */
struct tt_program {
	struct stat st; /* these two of the file itself, unless it is TT_PROGRAM_NONE */
	enum tt_program_kind kind;
	/*
	 * Whose dynamic linker starts it. TT_PROGRAM_FOREIGN for static programs, another word size
	 * or libc, set-user-id and file capabilities, what cannot be read, what does not exist.
	 */
	enum tt_program_libc libc;
	bool is_static; /* an ELF file of our word size that asks for no dynamic linker */
	/* what /proc/PID/exe will show: where links and "#!" lead; "": not known */
	char exe[TT_PROGRAM_EXE_MAX];
	/*
	 * ASan's run time as the program asks for it: it refuses to start unless it is the first of
	 * all libraries. "" in all other programs.
	 */
	char first[TT_PROGRAM_FIRST_MAX];
};

/*
 * tt_program_look - @dirfd, @file: as for execveat(2). "#!" lines are followed to their
 * interpreter.
 */
void tt_program_look(int dirfd, const char *file, struct tt_program *ret);

/*
 * tt_program_search - the file that execvp(3) would find for a name without a slash
 * @path: the value of PATH, NULL for the default
 * Returns false if there is none or @buf is too short.
 */
bool tt_program_search(const char *file, const char *path, char *buf, size_t cap);

#endif
