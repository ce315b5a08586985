/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the oracle share: see oracle.c. */
#ifndef TT_TESTS_ORACLE_H
#define TT_TESTS_ORACLE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARK   12345 /* no errno: what a successful call must leave there */
#define NOBODY 65534

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags);
int __openat64_2(int dirfd, const char *path, int flags);

extern char **environ;

extern char here[2048]; /* the folder, as getcwd has it */
extern char self[2048];
extern int last_errno;
extern void *volatile null; /* keeps the compiler from seeing that NULL is passed */

/* One call with a marked errno. */
#define CALL(expr)                            \
	({                                    \
		errno = MARK;                 \
		__typeof__(expr) r_ = (expr); \
		last_errno = errno;           \
		r_;                           \
	})

/* What belongs to the expected line besides call, args and result; a NULL is left out. */
struct also {
	const char *path, *path2, *addr;
	int error;
	bool no_result; /* an exec that goes through */
	pid_t pid;      /* 0: this process */
	bool raw;       /* through syscall(2) */
};

/* want - say what must be recorded of the last CALL; the arguments end with NULL */
void want(const char *call, long result, struct also also, ...);

#define ALSO(...) ((struct also){__VA_ARGS__})
#define FD(n)     num("fd:", n)

const char *join(const char *rel);
const char *num(const char *prefix, long n);
void must(bool good, const char *what);
void reap(pid_t pid, int expect);
pid_t waiting_child(void);
void programs(void);
void files(void);
void privileges(void);
void processes(void);
void unknown_numbers(void);
void numbers(void);
void network(void);

#endif
