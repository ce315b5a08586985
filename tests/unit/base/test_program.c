/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a program can load us: real programs, scripts, and files that only pretend. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/program.h"
#include "tap.h"

static char dir[] = "/tmp/telltale-program-XXXXXX";
static char image[256 << 10];
static size_t image_size;

static const char *in_dir(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static const char *put_file(const char *name, const void *bytes, size_t n, mode_t mode)
{
	const char *path = in_dir(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, bytes, n), n);
	CHECK_INT(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

static bool loads_at(int fd, const char *path)
{
	struct tt_program p;

	errno = 77;
	tt_program_look(fd, path, &p);
	CHECK_INT(errno, 77);
	return p.libc == TT_PROGRAM_GLIBC;
}

static bool loads(const char *path)
{
	return loads_at(AT_FDCWD, path);
}

static void programs(void)
{
	int fd = open("/bin", O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK(loads("/bin/sh"));
	CHECK(loads("/bin/true"));
	CHECK(loads_at(fd, "true"));
	CHECK(!loads_at(fd, "no-such-program"));
	close(fd);
	CHECK(!loads_at(-1, "true"));
	CHECK(!loads("/bin"));
	CHECK(!loads("/dev/null"));
	CHECK(!loads(""));
	CHECK(!loads(in_dir("missing")));
}

static void scripts(void)
{
	static const char five[] = "#! \t/bin/sh\t-e\n";
	char text[1200], long_path[400];

	CHECK(loads(put_file("s1", five, sizeof(five) - 1, 0700)));
	CHECK(loads(put_file("s2", "#!/bin/sh", 9, 0700)));
	CHECK(!loads(put_file("s3", "#!/bin/sh\r\n", 11, 0700)));
	CHECK(!loads(put_file("s4", "#!\n/bin/sh\n", 11, 0700)));
	CHECK(!loads(put_file("s5", "#!   ", 5, 0700)));
	CHECK(!loads(put_file("s6", "#!", 2, 0700)));
	CHECK(!loads(put_file("s7", "#!/no/such/interpreter\n", 23, 0700)));
	/* an argument may be long, a path the kernel would cut may not */
	memset(text, 'x', sizeof(text));
	memcpy(text, "#!/bin/sh ", 10);
	CHECK(loads(put_file("s8", text, sizeof(text), 0700)));
	memset(text, '/', sizeof(text));
	memcpy(text, "#!", 2);
	memcpy(text + 240, "bin/sh\n", 7);
	CHECK(loads(put_file("s9", text, 247, 0700)));
	memcpy(text + 240, "////////////////////////bin/sh\n", 31);
	CHECK(!loads(put_file("s10", text, 271, 0700)));
	/* interpreters of interpreters, up to the kernel's limit and one past it */
	for (int i = 0; i < 5; i++) {
		char name[16];
		int n;

		snprintf(name, sizeof(name), "c%d", i);
		n = snprintf(long_path, sizeof(long_path), "#!%s/c%d\n", dir, i - 1);
		if (i == 0)
			n = snprintf(long_path, sizeof(long_path), "#!/bin/sh\n");
		CHECK_INT(loads(put_file(name, long_path, (size_t)n, 0700)), i < 4);
	}
	/* a script that is its own interpreter ends */
	snprintf(long_path, sizeof(long_path), "#!%s/self\n", dir);
	CHECK(!loads(put_file("self", long_path, strlen(long_path), 0700)));
}

static void no_programs(void)
{
	CHECK(!loads(put_file("text", "hello, world\n", 13, 0700)));
	CHECK(!loads(put_file("empty", "", 0, 0700)));
	for (size_t n = 0; n < sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr); n += n < 8 ? 1 : 13)
		CHECK(!loads(put_file("cut", image, n, 0700)));
	/* the headers are there, the interpreter's path is not: pread finds the end of the file */
	CHECK(loads(put_file("whole", image, image_size, 0700)));
}

#ifdef __x86_64__
#define MUSL "/lib/ld-musl-x86_64.so.1"
#else
#define MUSL "/lib/ld-musl-aarch64.so.1"
#endif

/* A static program is one that names no interpreter; musl's has another name. */
static void other_linkers(void)
{
	struct tt_program program;
	char *copy = malloc(image_size);
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	memcpy(&eh, image, sizeof(eh));
	memcpy(copy, image, image_size);
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		char *at = copy + eh.e_phoff + i * sizeof(ph);

		memcpy(&ph, at, sizeof(ph));
		if (ph.p_type != PT_INTERP)
			continue;
		copy[ph.p_offset + ph.p_filesz - 2] ^=
			3; /* so.2 becomes so.1 or the other way round, and back */
		CHECK(!loads(put_file("linker", copy, image_size, 0700)));
		copy[ph.p_offset + ph.p_filesz - 2] = image[ph.p_offset + ph.p_filesz - 2];
		CHECK(loads(put_file("linker", copy, image_size, 0700)));
		memcpy(copy + ph.p_offset, MUSL, sizeof(MUSL));
		put_file("musl", copy, image_size, 0700);
		tt_program_look(AT_FDCWD, in_dir("musl"), &program);
		/* the length counts: the path ends with the segment */
		CHECK_INT(program.libc, TT_PROGRAM_FOREIGN);
		ph.p_filesz = sizeof(MUSL);
		memcpy(at, &ph, sizeof(ph));
		put_file("musl", copy, image_size, 0700);
		tt_program_look(AT_FDCWD, in_dir("musl"), &program);
		CHECK_INT(program.libc, TT_PROGRAM_MUSL);
		CHECK_STR(program.first, "");
		ph.p_type = PT_NULL;
		memcpy(at, &ph, sizeof(ph));
	}
	CHECK(!loads(put_file("static", copy, image_size, 0700)));
	free(copy);
}

/* Headers that point past the file, around the end of the address space, or at nothing. */
static void hostile_elf(void)
{
	static const uint64_t offsets[] = {UINT64_MAX,
					   UINT64_MAX - 7,
					   UINT64_MAX - 55,
					   UINT64_MAX - 56,
					   UINT64_MAX - 111,
					   1ull << 63,
					   1024,
					   1025,
					   1024 - 56,
					   0x7fffffffffffffffull};
	char *copy = malloc(image_size);
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	for (size_t i = 0; i < TT_ARRAY_SIZE(offsets); i++) {
		memcpy(copy, image, image_size);
		memcpy(&eh, copy, sizeof(eh));
		eh.e_phoff = offsets[i];
		eh.e_phnum = 0xffff;
		memcpy(copy, &eh, sizeof(eh));
		CHECK(!loads(put_file("phoff", copy, image_size, 0700)));
		/* an interpreter far away, or of absurd length */
		memcpy(&eh, image, sizeof(eh));
		eh.e_phnum = 1;
		eh.e_phoff = sizeof(eh);
		memset(&ph, 0, sizeof(ph));
		ph.p_type = PT_INTERP;
		ph.p_filesz = 28;
		ph.p_offset = offsets[i];
		memcpy(copy, &eh, sizeof(eh));
		memcpy(copy + sizeof(eh), &ph, sizeof(ph));
		CHECK(!loads(put_file("interp", copy, image_size, 0700)));
		ph.p_filesz = offsets[i];
		ph.p_offset = 64;
		memcpy(copy + sizeof(eh), &ph, sizeof(ph));
		CHECK(!loads(put_file("interp", copy, image_size, 0700)));
	}
	for (size_t at = 4; at <= EI_CLASS; at++) {
		memcpy(copy, image, image_size);
		copy[at] = ELFCLASS32;
		CHECK(!loads(put_file("class", copy, image_size, 0700)));
	}
	memcpy(&eh, image, sizeof(eh));
	eh.e_machine = EM_386;
	memcpy(copy, &eh, sizeof(eh));
	CHECK(!loads(put_file("machine", copy, image_size, 0700)));
	free(copy);
}

/* ld.so of a privileged program drops us: a setuid file of another user. */
static void privileged(void)
{
	const char *path = put_file("suid", image, image_size, 04755);

	CHECK(loads(path)); /* of our own: no privilege is gained */
	if (geteuid() == 0) {
		CHECK_INT(chown(path, 65534, 0), 0);
		CHECK_INT(chmod(path, 04755), 0);
		CHECK(!loads(path));
		CHECK_INT(chmod(path, 0755), 0);
		CHECK(loads(path));
		CHECK_INT(chown(path, 0, 65534), 0);
		CHECK_INT(chmod(path, 02755), 0);
		CHECK(!loads(path));
		CHECK_INT(chmod(path, 02745),
			  0); /* without group execute the bit means something else */
		CHECK(loads(path));
	} else if (access("/bin/su", X_OK) == 0) {
		CHECK(!loads("/bin/su"));
	}
	(void)unlink(path);
	if (geteuid() != 0)
		CHECK(!loads(put_file("unreadable", image, image_size, 0100)));
}

static void search(void)
{
	char buf[PATH_MAX], path[PATH_MAX + 32];
	size_t need;

	CHECK(tt_program_search("sh", NULL, buf, sizeof(buf)));
	CHECK_STR(buf, "/bin/sh");
	(void)put_file("tool", "#!/bin/sh\n", 10, 0700);
	(void)put_file("plain", "x", 1, 0600);
	CHECK_INT(mkdir(in_dir("folder"), 0700), 0);
	snprintf(path, sizeof(path), "/no/such:%s:/bin", dir);
	CHECK(tt_program_search("tool", path, buf, sizeof(buf)));
	CHECK_STR(buf, in_dir("tool"));
	CHECK(!tt_program_search("plain", path, buf, sizeof(buf)));
	CHECK(!tt_program_search("folder", path, buf, sizeof(buf)));
	CHECK(!tt_program_search("", path, buf, sizeof(buf)));
	CHECK(!tt_program_search("sh", "", buf, sizeof(buf)));
	/* an empty element is the working directory */
	CHECK_INT(chdir(dir), 0);
	CHECK(tt_program_search("tool", "/no/such:", buf, sizeof(buf)));
	CHECK_STR(buf, "tool");
	CHECK(tt_program_search("tool", "::", buf, sizeof(buf)));
	CHECK_INT(chdir("/"), 0);
	need = strlen(dir) + sizeof("/tool");
	for (size_t cap = 0; cap <= need; cap++) {
		char *small = malloc(cap);

		CHECK_INT(tt_program_search("tool", dir, small, cap), cap == need);
		free(small);
	}
	CHECK_INT(rmdir(in_dir("folder")), 0);
}

static void tidy(void)
{
	static const char *const names[] = {
		"s1",   "s2",    "s3",         "s4",     "s5",     "s6",     "s7",    "s8",
		"s9",   "s10",   "c0",         "c1",     "c2",     "c3",     "c4",    "self",
		"text", "empty", "cut",        "whole",  "phoff",  "interp", "class", "machine",
		"tool", "plain", "unreadable", "linker", "static", "musl"};

	for (size_t i = 0; i < TT_ARRAY_SIZE(names); i++)
		(void)unlink(in_dir(names[i]));
	CHECK_INT(rmdir(dir), 0);
}

int main(void)
{
	int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, image, sizeof(image));

	if (n <= 0 || !mkdtemp(dir)) {
		printf("1..0 # SKIP no /bin/true to copy or no folder in /tmp\n");
		return 0;
	}
	close(fd);
	image_size = (size_t)n;
	TAP_RUN(programs);
	TAP_RUN(scripts);
	TAP_RUN(no_programs);
	TAP_RUN(other_linkers);
	TAP_RUN(hostile_elf);
	TAP_RUN(privileged);
	TAP_RUN(search);
	TAP_RUN(tidy);
	return tap_done();
}
