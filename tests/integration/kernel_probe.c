/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens that the kernel sensor must tell right.
 *
 *	kernel_probe paths DIR     links, relative paths, folders, mounts, paths as long as can be
 *	kernel_probe flip DIR N    opens while a thread changes the text, N of each: how many
 *	kernel_probe opens N       N opens of /etc/hostname
 *	kernel_probe acts DIR      acts from DIR: two folders, three texts, fds, what has no name
 *	kernel_probe code DIR      the same call from one address, that of a file and then of none
 *	kernel_probe threads N     so many threads write 100 times each, and are there when it ends
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* as little-endian numbers: written in one go */
#define GOOD 0x646f6f67u
#define EVIL 0x6c697665u

static char flipping[4096] __attribute__((aligned(4)));
static size_t at;
static volatile int done;

static void *flip(void *arg)
{
	(void)arg;
	for (unsigned i = 0; !done; i++) {
		*(volatile uint32_t *)(flipping + at) = i & 1 ? EVIL : GOOD;
		for (volatile unsigned pause = 0; pause < 500;)
			pause++;
	}
	return NULL;
}

static int flips(const char *folder, int n)
{
	int counts[2] = {0, 0};
	pthread_t thread;

	/* slashes until the name lies on a multiple of four */
	at = (size_t)snprintf(flipping, sizeof(flipping), "%s////good", folder) - 4;
	at &= ~3ul;
	memcpy(flipping + at, "good", 5);
	if (pthread_create(&thread, NULL, flip, NULL) != 0)
		return 1;
	/* until both were met often enough, or for ever so long not */
	for (int i = 0; i < 200 * n && (counts[0] < n || counts[1] < n); i++) {
		char text[8] = "";
		int fd = open(flipping, O_RDONLY);

		if (fd < 0)
			continue;
		if (read(fd, text, 4) == 4)
			counts[strcmp(text, "evil") == 0]++;
		(void)close(fd);
	}
	done = 1;
	(void)pthread_join(thread, NULL);
	printf("%d %d\n", counts[0], counts[1]);
	return 0;
}

static int opens(int n)
{
	for (int i = 0; i < n; i++) {
		int fd = open("/etc/hostname", O_RDONLY);

		if (fd < 0)
			return 1;
		(void)close(fd);
	}
	return 0;
}

static int acts(const char *folder)
{
	struct timespec times[2] = {{.tv_sec = 7}, {.tv_sec = 8}};
	int dir, fd, code;
	char text[64];

	if (chdir(folder) < 0)
		return 1;
	dir = open("sub", O_RDONLY | O_DIRECTORY);
	(void)!symlink("samename-file", "sub/samename-link");
	(void)open("sub/samename-link", O_RDONLY); /* relative: known by its own path */
	(void)snprintf(text, sizeof(text), "%s/sub/samename-link", folder);
	(void)open(text, O_RDONLY);
	(void)renameat(dir, "from", AT_FDCWD, "to");
	(void)linkat(AT_FDCWD, "to", dir, "again", 0);
	(void)symlinkat("anywhere", dir, "new");
	(void)!truncate("to", 1l << 33);
	(void)utimensat(dir, "again", times, 0);
	fd = open("to", O_RDWR);
	(void)fchmod(fd, 0640);
	(void)mount("source", "sub/no-such-folder", "no-such-type", 0, NULL);
	code = (int)syscall(SYS_memfd_create, "memory", 0);
	(void)fchmod(code, 0700);
	(void)snprintf(text, sizeof(text), "/proc/self/fd/%d", code);
	(void)open(text, O_RDONLY);
	(void)unlink("to");
	(void)fchmod(fd, 0600);
	return 0;
}

#if defined(__x86_64__)
static const unsigned char stub[] = {0x48, 0x89, 0xf8,       /* mov %rdi, %rax */
				     0x48, 0x89, 0xf7,       /* mov %rsi, %rdi */
				     0x48, 0x89, 0xd6,       /* mov %rdx, %rsi */
				     0x31, 0xd2, 0x0f, 0x05, /* xor %edx, %edx; syscall */
				     0xc3};
#else
static const uint32_t stub[] = {0xaa0003e8, 0xaa0103e0, 0xaa0203e1,
				0xd2800002, 0xd4000001, 0xd65f03c0};
#endif

static int code_moves(const char *folder)
{
	char name[4096];
	long (*call)(long, const char *, long);
	int fd;
	void *page, *again;

	(void)snprintf(name, sizeof(name), "%s/code", folder);
	fd = open(name, O_RDWR | O_CREAT, 0700);
	if (fd < 0 || write(fd, stub, sizeof(stub)) != sizeof(stub))
		return 1;
	page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (page == MAP_FAILED)
		return 1;
	memcpy(&call, &page, sizeof(call));
	(void)call(SYS_chdir, folder, 0);
	again = mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		     -1, 0);
	if (again != page)
		return 1;
	memcpy(page, stub, sizeof(stub));
	__builtin___clear_cache((char *)page, (char *)page + sizeof(stub));
	if (mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0)
		return 1;
	(void)call(SYS_chdir, folder, 0);
	return chdir(folder);
}

static void *writes(void *arg)
{
	int fd = open("/dev/null", O_WRONLY);

	for (int i = 0; i < 100; i++)
		(void)!write(fd, "x", 1);
	(void)pthread_barrier_wait(arg);
	return NULL;
}

static int threads(unsigned n)
{
	pthread_barrier_t all;
	pthread_t thread;

	if (pthread_barrier_init(&all, NULL, n + 1) != 0)
		return 1;
	for (unsigned i = 0; i < n; i++)
		if (pthread_create(&thread, NULL, writes, &all) != 0)
			return 1;
	(void)pthread_barrier_wait(&all);
	_exit(0);
}

static int paths(const char *folder)
{
	char text[4200];
	int etc = open("/etc", O_RDONLY | O_DIRECTORY), proc = open("/proc", O_PATH);

	(void)snprintf(text, sizeof(text), "%s/link", folder);
	(void)open(text, O_RDONLY);
	(void)open("/etc/passwd", O_RDONLY);
	(void)open("bin/../../etc/passwd", O_RDONLY);
	(void)openat(etc, "hostname", O_RDONLY);
	(void)openat(proc, "self/stat", O_RDONLY);
	(void)open("nothing-here", O_RDONLY);
	memset(text, '/', sizeof(text));
	memcpy(text + 4095 - 12, "nothing-here", 13); /* with its NUL as long as a path may be */
	(void)open(text, O_RDONLY);
	text[4095] = 'x'; /* one more */
	text[4096] = '\0';
	(void)open(text, O_RDONLY);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "paths") == 0)
		return paths(argv[2]);
	if (argc == 4 && strcmp(argv[1], "flip") == 0)
		return flips(argv[2], atoi(argv[3]));
	if (argc == 3 && strcmp(argv[1], "opens") == 0)
		return opens(atoi(argv[2]));
	if (argc == 3 && strcmp(argv[1], "acts") == 0)
		return acts(argv[2]);
	if (argc == 3 && strcmp(argv[1], "code") == 0)
		return code_moves(argv[2]);
	if (argc == 3 && strcmp(argv[1], "threads") == 0)
		return threads((unsigned)atoi(argv[2]));
	return 2;
}
