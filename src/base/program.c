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
#define OWN_MACHINE EM_X86_64
#define OWN_INTERP  "ld-linux-x86-64.so.2"
#else
#define OWN_MACHINE EM_AARCH64
#define OWN_INTERP  "ld-linux-aarch64.so.1"
#endif

#define SCRIPT_DEPTH 5 /* the kernel's limit on interpreters of interpreters */
#define HEAD_BYTES   1024

/* The interpreter of an ELF file, where its path may lie past the first bytes read. */
static bool has_own_interp(int fd, const char *head, size_t have)
{
	Elf64_Ehdr eh;
	char path[128];

	if (have < sizeof(eh))
		return false;
	memcpy(&eh, head, sizeof(eh));
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_machine != OWN_MACHINE ||
	    eh.e_phoff > have || eh.e_phentsize != sizeof(Elf64_Phdr))
		return false;
	for (unsigned i = 0; i < eh.e_phnum && i < 32; i++) {
		uint64_t at = eh.e_phoff + i * sizeof(Elf64_Phdr);
		size_t base_len = sizeof(OWN_INTERP) - 1;
		const char *interp;
		Elf64_Phdr ph;

		if (at + sizeof(ph) > have)
			return false;
		memcpy(&ph, head + at, sizeof(ph));
		if (ph.p_type != PT_INTERP)
			continue;
		if (ph.p_filesz <= base_len + 1 || ph.p_filesz > sizeof(path))
			return false;
		if (ph.p_offset <= have && ph.p_filesz <= have - ph.p_offset) {
			interp = head + ph.p_offset;
		} else {
			if (tt_sys4(SYS_pread64, fd, path, ph.p_filesz, ph.p_offset) !=
			    (long)ph.p_filesz)
				return false;
			interp = path;
		}
		/* the last byte is its NUL */
		return memcmp(interp + ph.p_filesz - 1 - base_len, OWN_INTERP, base_len) == 0;
	}
	return false;
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
	ret->loads = kind == TT_PROGRAM_ELF && has_own_interp(fd, head, (size_t)*ret_have);
	if (ret->loads)
		put_exe(fd, ret);
	return kind == TT_PROGRAM_SCRIPT;
}

void tt_program_look(int dirfd, const char *file, struct tt_program *ret)
{
	char head[HEAD_BYTES + 1];
	char interp[256];

	ret->kind = TT_PROGRAM_NONE;
	ret->loads = false;
	ret->exe[0] = '\0';
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

bool tt_program_loads(int dirfd, const char *file)
{
	struct tt_program p;

	tt_program_look(dirfd, file, &p);
	return p.loads;
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
