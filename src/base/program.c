/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at a program file as the kernel will look at it: execve(2), "Interpreter scripts"; elf(5).
 */
#include "base/program.h"

#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/out.h"
#include "base/sys.h"

#if defined(__x86_64__)
#define OWN_MACHINE  EM_X86_64
#define GLIBC_INTERP "ld-linux-x86-64.so.2"
#define MUSL_INTERP  "ld-musl-x86_64.so.1"
#else
#define OWN_MACHINE  EM_AARCH64
#define GLIBC_INTERP "ld-linux-aarch64.so.1"
#define MUSL_INTERP  "ld-musl-aarch64.so.1"
#endif

#define SCRIPT_DEPTH 5 /* the kernel's limit on interpreters of interpreters */
#define HEAD_BYTES   1024
#define PHDRS_MAX    32
#define DYNAMIC_READ 16 /* entries of a dynamic section at a time */
#define DYNAMIC_MAX  256

/* An ELF file and its first bytes, in which the headers must lie. */
struct elf {
	int fd;
	const char *head;
	size_t have;
	uint64_t headers; /* offset of the program headers */
	unsigned count;
};

static bool open_elf(struct elf *e)
{
	Elf64_Ehdr eh;

	if (e->have < sizeof(eh) || memcmp(e->head, ELFMAG, SELFMAG) != 0)
		return false;
	memcpy(&eh, e->head, sizeof(eh));
	e->headers = eh.e_phoff;
	e->count = eh.e_phnum < PHDRS_MAX ? eh.e_phnum : PHDRS_MAX;
	return eh.e_ident[EI_CLASS] == ELFCLASS64 && eh.e_machine == OWN_MACHINE &&
	       eh.e_phoff <= e->have && eh.e_phentsize == sizeof(Elf64_Phdr);
}

static bool header_at(const struct elf *e, unsigned i, Elf64_Phdr *ret)
{
	uint64_t at = e->headers + i * sizeof(*ret);

	if (i >= e->count || at + sizeof(*ret) > e->have)
		return false;
	memcpy(ret, e->head + at, sizeof(*ret));
	return true;
}

static bool find_header(const struct elf *e, uint32_t type, Elf64_Phdr *ret)
{
	for (unsigned i = 0; header_at(e, i, ret); i++)
		if (ret->p_type == type)
			return true;
	return false;
}

/* @len bytes at @at of the file, without a system call if they were read before */
static bool read_at(const struct elf *e, uint64_t at, void *to, size_t len)
{
	if (at <= e->have && len <= e->have - at) {
		memcpy(to, e->head + at, len);
		return true;
	}
	return tt_sys4(SYS_pread64, e->fd, to, len, at) == (long)len;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len > n && memcmp(text + len - n, end, n) == 0;
}

static enum tt_program_libc find_libc(const struct elf *e)
{
	char path[128];
	Elf64_Phdr ph;
	size_t len;

	if (!find_header(e, PT_INTERP, &ph) || ph.p_filesz < 2 || ph.p_filesz > sizeof(path) ||
	    !read_at(e, ph.p_offset, path, ph.p_filesz))
		return TT_PROGRAM_FOREIGN;
	len = ph.p_filesz - 1; /* the last byte is its NUL */
	if (ends_with(path, len, GLIBC_INTERP))
		return TT_PROGRAM_GLIBC;
	return ends_with(path, len, MUSL_INTERP) ? TT_PROGRAM_MUSL : TT_PROGRAM_FOREIGN;
}

/* Where in the file the name of the first library it needs stands, or 0. */
static uint64_t find_first_needed(const struct elf *e)
{
	uint64_t table = 0, name = UINT64_MAX;
	Elf64_Dyn dyn[DYNAMIC_READ];
	Elf64_Phdr ph;

	if (!find_header(e, PT_DYNAMIC, &ph))
		return 0;
	for (unsigned i = 0; i < DYNAMIC_MAX && (!table || name == UINT64_MAX); i++) {
		const Elf64_Dyn *d = &dyn[i % DYNAMIC_READ];

		if (d == dyn && tt_sys4(SYS_pread64, e->fd, dyn, sizeof(dyn),
					ph.p_offset + i * sizeof(*d)) != (long)sizeof(dyn))
			return 0;
		if (d->d_tag == DT_NULL)
			return 0;
		if (d->d_tag == DT_NEEDED && name == UINT64_MAX)
			name = d->d_un.d_val;
		else if (d->d_tag == DT_STRTAB)
			table = d->d_un.d_ptr;
	}
	if (!table || name == UINT64_MAX)
		return 0;
	for (unsigned i = 0; header_at(e, i, &ph); i++)
		if (ph.p_type == PT_LOAD && table - ph.p_vaddr < ph.p_filesz)
			return ph.p_offset + (table - ph.p_vaddr) + name;
	return 0;
}

/* ASan's run time is the first library that a program needs, or the program does not start. */
static void find_asan(const struct elf *e, char *ret, size_t cap)
{
	uint64_t at = find_first_needed(e);
	long n = at ? tt_sys4(SYS_pread64, e->fd, ret, cap - 1, at) : 0;

	ret[n > 0 ? n : 0] = '\0';
	if (strlen(ret) == cap - 1 || ret[strcspn(ret, ": \t")] ||
	    (strncmp(ret, "libasan.so", 10) != 0 && strncmp(ret, "libclang_rt.asan", 16) != 0))
		ret[0] = '\0';
}

/* The path behind "#!", in place. */
static char *script_interp(char *head, size_t have)
{
	char *p = head + 2, *end;

	head[have] = '\0';
	p += strspn(p, " \t");
	end = p + strcspn(p, " \t\n");
	*end = '\0';
	return *p ? p : NULL;
}

/* Whether a program gets privileges from its file: ld.so then drops LD_PRELOAD, and rightly so. */
static bool is_privileged(int fd, const struct stat *st)
{
	if (tt_sys0(SYS_geteuid) != 0 &&
	    tt_sys4(SYS_fgetxattr, fd, "security.capability", NULL, 0) > 0)
		return true;
	if ((st->st_mode & S_ISUID) && st->st_uid != (uid_t)tt_sys0(SYS_geteuid))
		return true;
	return (st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	       st->st_gid != (gid_t)tt_sys0(SYS_getegid);
}

static enum tt_program_kind kind_of(const char *head, long have)
{
	if (have < 0)
		return TT_PROGRAM_NONE;
	if (have >= 4 && memcmp(head, ELFMAG, SELFMAG) == 0)
		return TT_PROGRAM_ELF;
	return have >= 2 && memcmp(head, "#!", 2) == 0 ? TT_PROGRAM_SCRIPT : TT_PROGRAM_OTHER;
}

static void put_exe(int fd, struct tt_program *ret)
{
	char link[32];
	struct tt_out o;
	long n;

	tt_out_init(&o, link, sizeof(link));
	tt_out_str(&o, "/proc/self/fd/");
	tt_out_i64(&o, fd);
	tt_out_char(&o, '\0');
	n = tt_sys4(SYS_readlinkat, AT_FDCWD, link, ret->exe, sizeof(ret->exe));
	ret->exe[n > 0 && (size_t)n < sizeof(ret->exe) && ret->exe[0] == '/' ? n : 0] = '\0';
}

static void look_at_elf(int fd, const char *head, size_t have, struct tt_program *ret)
{
	struct elf e = {.fd = fd, .head = head, .have = have};

	Elf64_Phdr ph;

	if (open_elf(&e)) {
		ret->libc = find_libc(&e);
		ret->is_static = !find_header(&e, PT_INTERP, &ph);
	}
	if (ret->libc == TT_PROGRAM_GLIBC)
		find_asan(&e, ret->first, sizeof(ret->first));
}

/* One file. True: it is a script, and @head holds its beginning. */
static bool look_at(int fd, bool first, char head[HEAD_BYTES + 1], long *ret_have,
		    struct tt_program *ret)
{
	enum tt_program_kind kind;
	bool privileged;
	struct stat st;

	if (tt_sys2(SYS_fstat, fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	privileged = is_privileged(fd, &st);
	*ret_have = tt_sys4(SYS_pread64, fd, head, HEAD_BYTES, 0);
	kind = kind_of(head, *ret_have);
	if (first) {
		ret->st = st;
		ret->kind = kind;
	}
	if (privileged)
		return false;
	if (kind == TT_PROGRAM_ELF)
		look_at_elf(fd, head, (size_t)*ret_have, ret);
	if (ret->libc != TT_PROGRAM_FOREIGN)
		put_exe(fd, ret);
	return kind == TT_PROGRAM_SCRIPT;
}

void tt_program_look(int dirfd, const char *file, struct tt_program *ret)
{
	char head[HEAD_BYTES + 1];
	char interp[256];

	ret->kind = TT_PROGRAM_NONE;
	ret->libc = TT_PROGRAM_FOREIGN;
	ret->exe[0] = ret->first[0] = '\0';
	ret->is_static = false;
	for (int depth = 0; depth < SCRIPT_DEPTH; depth++) {
		bool script;
		char *next;
		long have;
		int fd = (int)tt_sys3(SYS_openat, dirfd, file,
				      O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

		/* executable but not readable: nothing is known, so nothing is risked */
		if (fd < 0)
			return;
		script = look_at(fd, depth == 0, head, &have, ret);
		(void)tt_sys1(SYS_close, fd);
		if (!script)
			return;
		next = script_interp(head, (size_t)have);
		if (!next || strlen(next) >= sizeof(interp))
			return;
		memcpy(interp, next, strlen(next) + 1);
		file = interp;
		dirfd = AT_FDCWD;
	}
}

bool tt_program_search(const char *file, const char *path, char *buf, size_t cap)
{
	if (!*file)
		return false;
	if (!path)
		path = "/bin:/usr/bin";
	for (;;) {
		size_t n = strcspn(path, ":");
		struct tt_out o;
		struct stat st;

		tt_out_init(&o, buf, cap);
		tt_out_mem(&o, path, n);
		if (n)
			tt_out_char(&o, '/');
		tt_out_mem(&o, file, strlen(file) + 1);
		if (!tt_out_is_full(&o) && tt_sys3(SYS_faccessat, AT_FDCWD, buf, X_OK) == 0 &&
		    tt_sys4(SYS_newfstatat, AT_FDCWD, buf, &st, 0) == 0 && S_ISREG(st.st_mode))
			return true;
		if (!path[n])
			return false;
		path += n + 1;
	}
}
