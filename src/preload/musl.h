/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Included in front of every file of the flavour for musl: what glibc's headers say and musl's do
 * not. musl has the 64-bit names as macros for its one set of functions, and here each is a
 * function.
 */
#ifndef TT_PRELOAD_MUSL_H
#define TT_PRELOAD_MUSL_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#undef open64
#undef openat64
#undef creat64
#undef fopen64
#undef freopen64
#undef truncate64
#undef ftruncate64
#undef tmpfile64
#undef mkstemp64
#undef mkostemp64
#undef mkstemps64
#undef mkostemps64
#undef pread64
#undef pwrite64
#undef mmap64
#undef stat64
#undef fstat64
#undef lstat64
#undef fstatat64

int open64(const char *path, int flags, ...);
int openat64(int dirfd, const char *path, int flags, ...);
int creat64(const char *path, mode_t mode);
int fcntl64(int fd, int command, ...);
FILE *fopen64(const char *restrict path, const char *restrict mode);
FILE *freopen64(const char *restrict path, const char *restrict mode, FILE *restrict f);
int truncate64(const char *path, off_t size);
int ftruncate64(int fd, off_t size);
FILE *tmpfile64(void);
int mkstemp64(char *name);
int mkostemp64(char *name, int flags);
int mkstemps64(char *name, int tail);
int mkostemps64(char *name, int tail, int flags);
ssize_t pread64(int fd, void *buf, size_t n, off_t at);
ssize_t pwrite64(int fd, const void *buf, size_t n, off_t at);

/* Functions that musl does not have: the hook answers ENOSYS, as the program's own call would. */
int execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags);
int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int close_range(unsigned first, unsigned last, int flags);
void closefrom(int first);

/* O_PATH is part of musl's */
#undef O_ACCMODE
#define O_ACCMODE 3

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE  2
#define RENAME_WHITEOUT  4
#endif

/* musl.c */
int on_exit(void (*fn)(int status, void *arg), void *arg);

#endif
