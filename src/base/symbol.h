/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbols of a loaded object, read from its own tables: what dlsym(3) does, without its lock, its
 * allocations and its errors kept per thread. The object is one that ld.so has mapped, so its
 * tables are trusted; every loop ends all the same. Signal-safe.
 */
#ifndef TT_BASE_SYMBOL_H
#define TT_BASE_SYMBOL_H

#include <elf.h>
#include <stdint.h>

/* The tables that a dynamic section names. */
struct tt_symbols {
	uintptr_t base;
	const Elf64_Sym *table;
	const char *names, *soname; /* soname: "" if there is none */
	const Elf64_Half *versions; /* NULL: the object has no versions */
	const uint32_t *gnu_hash;   /* NULL: look in @hash */
	const uint32_t *hash;
};

/*
 * tt_symbols_read - find the tables
 * @base, @dynamic: l_addr and l_ld of its link_map; the addresses in it may be relocated (glibc) or
 *                  not (musl, vDSO)
 * 0, or -ENOENT if the object has no symbols.
 */
int tt_symbols_read(struct tt_symbols *ret, uintptr_t base, const Elf64_Dyn *dynamic);

/* tt_symbol_hash - the hash of DT_GNU_HASH: looked for in many objects, it is made once */
uint32_t tt_symbol_hash(const char *name);

/*
 * tt_symbols_find - the definition that dlsym would take: the default version
 * @hash: tt_symbol_hash(@name)
 * NULL: the object does not define it. The symbol may be of any type: see st_info.
 */
const Elf64_Sym *tt_symbols_find(const struct tt_symbols *s, const char *name, uint32_t hash);

/* tt_symbols_count - one more than the index of the last symbol that can be found */
uint32_t tt_symbols_count(const struct tt_symbols *s);

#endif
