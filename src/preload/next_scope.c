/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the function behind ours: what dlsym(RTLD_NEXT) does, but without its lock and its
 * allocations, so that a hook may come to this in a signal handler, in a vfork child or before
 * other constructors. Objects that a program starts with stand in ld.so's list in the order in
 * which names are looked up, and are never unloaded; libc is one of them. Behind libc come those
 * loaded later, by their own rules: what is not found up to there, and whatever is odd, is left to
 * dlsym.
 */
#include "preload/preload.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/symbol.h"

#define OBJECTS_MAX 4096

extern ElfW(Dyn) _DYNAMIC[];
extern const uintptr_t _GLOBAL_OFFSET_TABLE_[] __attribute__((__visibility__("hidden")));

/* musl has no name of its own but its path. */
static bool is_libc(const struct link_map *m, const struct tt_symbols *s)
{
	return strncmp(s->soname, "libc.so", 7) == 0 ||
	       (m->l_name && strstr(m->l_name, "/ld-musl-"));
}

/* The list as debuggers find it: through the program's own dynamic section. */
static const struct link_map *list_head(void)
{
	const Elf64_Phdr *ph = (const Elf64_Phdr *)getauxval(AT_PHDR);
	unsigned long count = getauxval(AT_PHNUM);
	const Elf64_Dyn *dynamic = NULL;
	uintptr_t base = 0;

	for (unsigned long i = 0; ph && i < count; i++) {
		if (ph[i].p_type == PT_PHDR)
			base = (uintptr_t)ph - ph[i].p_vaddr;
		else if (ph[i].p_type == PT_DYNAMIC)
			dynamic = (const Elf64_Dyn *)(base + ph[i].p_vaddr);
	}
	for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++)
		if (dynamic->d_tag == DT_DEBUG && dynamic->d_un.d_ptr)
			return ((const struct r_debug *)dynamic->d_un.d_ptr)->r_map;
	return NULL;
}

/* ld.so leaves a pointer to our entry of its list in our GOT, unless it binds all at once. */
static const struct link_map *own_entry(void)
{
	const struct link_map *m = (const struct link_map *)_GLOBAL_OFFSET_TABLE_[1];

	if (m && m->l_ld == _DYNAMIC)
		return m;
	m = list_head();
	for (unsigned i = 0; m && i < OBJECTS_MAX; i++, m = m->l_next)
		if (m->l_ld == _DYNAMIC)
			return m;
	return NULL;
}

/* false: we were loaded later than libc, by dlopen */
static bool is_before_libc(const struct link_map *m)
{
	struct tt_symbols s;

	for (unsigned i = 0; m && i < OBJECTS_MAX; i++, m = m->l_prev)
		if (tt_symbols_read(&s, m->l_addr, m->l_ld) == 0 && is_libc(m, &s))
			return false;
	return true;
}

/* What stands between us and libc, libc included; often it is libc alone. */
#define CHAIN_MAX 8
static struct {
	uint32_t state; /* CHAIN_* */
	uint32_t count;
	struct tt_symbols objects[CHAIN_MAX];
} chain;
enum { CHAIN_UNKNOWN, CHAIN_BUSY, CHAIN_KNOWN, CHAIN_NONE };

static bool fill_chain(void)
{
	const struct link_map *m = own_entry();

	if (!m || !is_before_libc(m))
		return false;
	for (m = m->l_next; m && chain.count < CHAIN_MAX; m = m->l_next) {
		struct tt_symbols *s = &chain.objects[chain.count];

		if (tt_symbols_read(s, m->l_addr, m->l_ld) < 0)
			continue;
		chain.count++;
		if (is_libc(m, s))
			return true;
	}
	return false;
}

/* false: it cannot be used, or another thread (or the code we interrupt) makes it at this moment */
static bool chain_ready(void)
{
	uint32_t state = CHAIN_UNKNOWN;

	if (__atomic_compare_exchange_n(&chain.state, &state, CHAIN_BUSY, false, __ATOMIC_ACQUIRE,
					__ATOMIC_ACQUIRE)) {
		state = fill_chain() ? CHAIN_KNOWN : CHAIN_NONE;
		__atomic_store_n(&chain.state, state, __ATOMIC_RELEASE);
	}
	return state == CHAIN_KNOWN;
}

void *pl_next_find(const char *name)
{
	uint32_t hash = tt_symbol_hash(name);

	for (uint32_t i = 0; chain_ready() && i < chain.count; i++) {
		const struct tt_symbols *s = &chain.objects[i];
		const Elf64_Sym *sym = tt_symbols_find(s, name, hash);

		if (sym && ELF64_ST_TYPE(sym->st_info) == STT_FUNC && sym->st_shndx != SHN_ABS)
			return (void *)(s->base + sym->st_value);
		if (sym)
			break;
	}
	return dlsym(RTLD_NEXT, name);
}
