/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flavour for LD_AUDIT, rtld-audit(7): ld.so shows us each object before it binds anything to
 * it.
 *
 * What we do: libc's table of symbols, in this process's memory, gets our hooks for addresses.
 * ld.so then binds to them whatever is bound to libc: calls through a PLT, pointers in data, dlsym,
 * objects with a scope of their own (RTLD_DEEPBIND). Its own way, la_symbind64, is told of the
 * first kind only, and is asked about every function of every object.
 *
 * A wrapper that the program or another preload puts around libc stays where it is; what it calls
 * of libc comes to us. So the real function is always libc's.
 *
 * An audit module lives in a namespace of its own. It would get a second libc there, whose errno,
 * environ and exit handlers are not the program's. Ours is linked with no libc at all: what it
 * calls (libc.def) are jumps to the program's libc, found by its tables.
 *
 * ld.so reports that all objects are there and relocated before any constructor runs: that is where
 * the span begins.
 */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>

#include "base/symbol.h"
#include "preload/preload.h"

#define HOOKS_MAX 512
#define PAGE      4096ul /* what is less than the machine's does no harm: mprotect rounds up */

static struct tt_symbols libc;    /* base 0: not seen yet, or out of reach */
static struct tt_symbols hooks;   /* what we export */
static uintptr_t real[HOOKS_MAX]; /* libc's function, by the index of the hook's symbol */
static const struct link_map *list;
static int start_argc;
static char **start_argv, **start_envp;

static char *no_environ[] = {NULL};
static char **early_environ = no_environ;
char ***pl_environ = &early_environ;

extern ElfW(Dyn) _DYNAMIC[];
extern const char __ehdr_start[] __attribute__((__visibility__("hidden")));

static int *early_errno(void)
{
	static int number;

	return &number;
}

static int early_clock(clockid_t clock, struct timespec *ret)
{
	return (int)tt_sys2(SYS_clock_gettime, clock, ret);
}

static int early_nothing(void)
{
	return 0;
}

static int early_failure(void)
{
	return -1;
}

#define PL_LIBC(name, early)  \
	void *pl_libc_##name; \
	void *pl_libc_##name = (void *)early;
#include "preload/libc.def"
#undef PL_LIBC

#ifdef __x86_64__
#define JUMP(name) "	jmp *pl_libc_" #name "(%rip)\n"
#else
#define JUMP(name)                                          \
	"	adrp x16, pl_libc_" #name "\n"              \
	"	ldr x16, [x16, #:lo12:pl_libc_" #name "]\n" \
	"	br x16\n"
#endif
#define PL_LIBC(name, early)          \
	__asm__(".text\n"             \
		".globl " #name "\n"  \
		".hidden " #name "\n" \
		".type " #name ", %function\n" #name ":\n" JUMP(name));
#include "preload/libc.def"
#undef PL_LIBC

int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso);

/* glibc links this one into each library. */
int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	return __register_atfork(prepare, parent, child, NULL);
}

void *pl_next_find(const char *name)
{
	uint32_t hash = tt_symbol_hash(name);
	const Elf64_Sym *sym = tt_symbols_find(&hooks, name, hash);

	if (sym && real[sym - hooks.table])
		return (void *)real[sym - hooks.table];
	sym = libc.base && !sym ? tt_symbols_find(&libc, name, hash) : NULL;
	return sym && ELF64_ST_TYPE(sym->st_info) == STT_FUNC ? (void *)(libc.base + sym->st_value)
							      : NULL;
}

/* How the segment of an object is mapped that @at lies in. */
static int protection_of(const struct link_map *map, uintptr_t at)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)map->l_addr;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(map->l_addr + eh->e_phoff);

	for (unsigned i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && at - map->l_addr - ph[i].p_vaddr < ph[i].p_memsz)
			return (ph[i].p_flags & PF_R ? PROT_READ : 0) |
			       (ph[i].p_flags & PF_W ? PROT_WRITE : 0) |
			       (ph[i].p_flags & PF_X ? PROT_EXEC : 0);
	return -1;
}

/* The symbol of libc that the hook takes the place of, or NULL. */
static Elf64_Sym *find_target(uint32_t hook)
{
	const char *name = hooks.names + hooks.table[hook].st_name;
	const Elf64_Sym *sym = tt_symbols_find(&libc, name, tt_symbol_hash(name));

	return sym && ELF64_ST_TYPE(sym->st_info) == STT_FUNC && sym->st_shndx != SHN_ABS
		       ? (Elf64_Sym *)sym
		       : NULL;
}

/* false: libc is as it was */
static bool take_places(const struct link_map *map)
{
	uint32_t count = tt_symbols_count(&hooks);
	uintptr_t from = UINTPTR_MAX, to = 0;
	Elf64_Sym *target[HOOKS_MAX];
	int protection;

	if (count > HOOKS_MAX)
		return false;
	for (uint32_t i = 1; i < count; i++) {
		uintptr_t at = (uintptr_t)(target[i] = find_target(i));

		if (!at)
			continue;
		from = at < from ? at : from;
		to = at + sizeof(Elf64_Sym) > to ? at + sizeof(Elf64_Sym) : to;
	}
	from &= ~(PAGE - 1);
	protection = to ? protection_of(map, from) : -1;
	if (protection < 0 || tt_sys3(SYS_mprotect, from, to - from, protection | PROT_WRITE) < 0)
		return false;
	for (uint32_t i = 1; i < count; i++) {
		if (!target[i])
			continue;
		real[i] = libc.base + target[i]->st_value;
		target[i]->st_value = hooks.base + hooks.table[i].st_value - libc.base;
	}
	(void)tt_sys3(SYS_mprotect, from, to - from, protection);
	return true;
}

/* A program that names environ itself has the variable, and libc uses that: a copy relocation. */
static void find_environ(void)
{
	uint32_t hash = tt_symbol_hash("__environ");
	const struct link_map *m = list;
	struct tt_symbols s;

	for (; m; m = m->l_next) {
		const Elf64_Sym *sym = tt_symbols_read(&s, m->l_addr, m->l_ld) == 0
					       ? tt_symbols_find(&s, "__environ", hash)
					       : NULL;

		if (!sym)
			continue;
		pl_environ = (char ***)(s.base + sym->st_value);
		return;
	}
}

static void use_libc(void)
{
#define PL_LIBC(name, early) pl_libc_##name = pl_next_find(#name) ?: pl_libc_##name;
#include "preload/libc.def"
#undef PL_LIBC
}

TT_PUBLIC unsigned la_version(unsigned version)
{
	return version < LAV_CURRENT ? version : LAV_CURRENT;
}

TT_PUBLIC unsigned la_objopen(struct link_map *map, Lmid_t ns, uintptr_t *cookie)
{
	struct tt_symbols s;

	(void)cookie;
	if (ns != LM_ID_BASE)
		return 0;
	if (!list)
		list = map;
	if (!libc.base && tt_symbols_read(&s, map->l_addr, map->l_ld) == 0 &&
	    strncmp(s.soname, "libc.so", 7) == 0) {
		libc = s;
		if (!take_places(map))
			libc.base = 0;
	}
	return 0;
}

TT_PUBLIC void la_activity(uintptr_t *cookie, unsigned flag)
{
	(void)cookie;
	if (flag != LA_ACT_CONSISTENT || !libc.base || pl_process.image.pid)
		return;
	use_libc();
	pl_init_at_start(start_argc, start_argv, start_envp);
	find_environ();
}

__attribute__((__constructor__)) static void start(int argc, char **argv, char **envp)
{
	start_argc = argc;
	start_argv = argv;
	start_envp = early_environ = envp;
	(void)tt_symbols_read(&hooks, (uintptr_t)__ehdr_start, _DYNAMIC);
}
