/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much stack calls need in a signal handler: the alternate stack is painted, each call is made
 * on it, and what lost its paint was used. Prints "NAME BYTES" for each.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define STACK (256u << 10)
#define PAINT 0xa5

static unsigned char *stack;
static void (*volatile call)(void);
static volatile size_t used;

static char long_path[3000];
static int dir_fd, socket_fd;

static void do_nothing(void)
{
}

static void do_open(void)
{
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
}

static void do_relative(void)
{
	int fd = open("../etc/passwd", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
}

static void do_openat(void)
{
	(void)openat(dir_fd, "no/such/file", O_RDONLY);
}

static void do_long(void)
{
	(void)open(long_path, O_RDONLY);
}

static void do_unlink(void)
{
	(void)unlink("/nowhere/x");
}

static void do_rename(void)
{
	(void)rename("nowhere/x", "/nowhere/y");
}

static void do_mkdir(void)
{
	(void)mkdir("/nowhere/x", 0700);
}

static void do_connect(void)
{
	struct sockaddr_in to = {.sin_family = AF_UNIX};

	(void)connect(socket_fd, (struct sockaddr *)&to, sizeof(to));
}

static void do_chdir(void)
{
	(void)chdir("/tmp");
}

static const struct {
	const char *name;
	void (*call)(void);
} calls[] = {
	{"nothing", do_nothing}, {"open", do_open},   {"relative", do_relative},
	{"openat", do_openat},   {"long", do_long},   {"unlink", do_unlink},
	{"rename", do_rename},   {"mkdir", do_mkdir}, {"connect", do_connect},
	{"chdir", do_chdir},
};

static void handler(int sig)
{
	unsigned char *here = __builtin_frame_address(0), *p = stack;

	(void)sig;
	/* below this frame, and below what this function itself still needs */
	memset(stack, PAINT, (size_t)(here - stack) - 512);
	call();
	while (p < here && *p == PAINT)
		p++;
	used = (size_t)(here - p);
}

int main(void)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
	stack_t alt = {.ss_size = STACK};

	stack = malloc(STACK);
	alt.ss_sp = stack;
	memset(long_path, 'x', sizeof(long_path) - 1);
	for (size_t i = 0; i < sizeof(long_path) - 1; i += 200)
		long_path[i] = '/';
	dir_fd = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!stack || sigaltstack(&alt, NULL) < 0 || sigaction(SIGUSR1, &sa, NULL) < 0)
		return 1;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		call = calls[i].call;
		/* the first call of each function looks it up, which is ld.so's need of stack */
		call();
		(void)raise(SIGUSR1);
		printf("%s %zu\n", calls[i].name, used);
	}
	free(stack);
	return 0;
}
