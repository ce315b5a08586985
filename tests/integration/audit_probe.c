/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that evade symbol interposition. audit_probe LIBRARY opens files by way of a library with a
 * scope of its own (RTLD_DEEPBIND), of one in a namespace of its own (dlmopen), of pointers to
 * functions, of dlsym, and before main, and says what it got.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int opener(const char *path, int flags, ...);

static opener *const in_constant_data = open;
static opener *volatile in_data = open;
static int before_main;

__attribute__((__constructor__)) static void constructor(void)
{
	before_main = open("/no/such/constructor", O_RDONLY) < 0 ? errno : 0;
}

static void *thread(void *unused)
{
	(void)unused;
	return open("/no/such/thread", O_RDONLY) < 0 ? (void *)(intptr_t)errno : NULL;
}

static void try_open(const char *what, opener *f)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/no/such/%s", what);
	errno = 0;
	fd = f(path, O_RDONLY);
	printf("%s: %d %d\n", what, fd, errno);
}

/* The caller's errno is that of the base namespace's libc: a library in another sets its own. */
static void through(const char *what, void *library)
{
	opener *f = library ? (opener *)dlsym(library, "audit_open") : NULL;

	if (f)
		try_open(what, f);
	else
		printf("%s: %s\n", what, dlerror());
}

int main(int argc, char **argv)
{
	const char *library = argc > 1 ? argv[1] : "";
	opener *by_name = (opener *)dlsym(RTLD_DEFAULT, "open");
	pthread_t t;
	void *error = NULL;
	int status = 0;

	printf("constructor: %d\n", before_main);
	through("deepbind", dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND));
	through("namespace", dlmopen(LM_ID_NEWLM, library, RTLD_NOW | RTLD_LOCAL));
	try_open("constant", in_constant_data);
	try_open("data", in_data);
	try_open("dlsym", by_name);
	printf("same: %d\n", by_name == in_data && in_data == in_constant_data);
	if (pthread_create(&t, NULL, thread, NULL) == 0)
		(void)pthread_join(t, &error);
	printf("thread: %d\n", (int)(intptr_t)error);
	(void)fflush(stdout);
	if (fork() == 0)
		_exit(open("/no/such/child", O_RDONLY) < 0 ? errno : 0);
	(void)wait(&status);
	printf("child: %d\n", WEXITSTATUS(status));
	(void)setenv("ADDED", "1", 1);
	printf("system: %d\n", WEXITSTATUS(system("exit ${ADDED}3")));
	exit(6);
}
