/* SPDX-License-Identifier: Apache-2.0 */
/* Reading DT_GNU_HASH and DT_HASH: elf(5), and the generic ABI's chapter on dynamic linking. */
#include "base/symbol.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define DYNAMIC_MAX 4096 /* entries of a dynamic section */
#define CHAIN_MAX   (1u << 20)

#define VERSION_HIDDEN 0x8000
#define VERSION_FIRST  2 /* smaller: no version at all */

/* glibc relocates these addresses in place, musl and the kernel's vDSO leave them as they are. */
static const void *place(uintptr_t base, Elf64_Addr at)
{
	return (const void *)(at < base ? base + at : at);
}

int tt_symbols_read(struct tt_symbols *ret, uintptr_t base, const Elf64_Dyn *dynamic)
{
	const Elf64_Dyn *soname = NULL;

	*ret = (struct tt_symbols){.base = base, .soname = ""};
	for (unsigned i = 0; dynamic && i < DYNAMIC_MAX && dynamic[i].d_tag != DT_NULL; i++) {
		const void *at = place(base, dynamic[i].d_un.d_ptr);

		switch (dynamic[i].d_tag) {
		case DT_SYMTAB:
			ret->table = at;
			break;
		case DT_STRTAB:
			ret->names = at;
			break;
		case DT_VERSYM:
			ret->versions = at;
			break;
		case DT_GNU_HASH:
			ret->gnu_hash = at;
			break;
		case DT_HASH:
			ret->hash = at;
			break;
		case DT_SONAME:
			soname = &dynamic[i];
			break;
		default:
			break;
		}
	}
	if (!ret->table || !ret->names || (!ret->gnu_hash && !ret->hash))
		return -ENOENT;
	if (soname)
		ret->soname = ret->names + soname->d_un.d_val;
	return 0;
}

uint32_t tt_symbol_hash(const char *name)
{
	uint32_t h = 5381;

	for (; *name; name++)
		h = h * 33 + (unsigned char)*name;
	return h;
}

static uint32_t old_hash(const char *name)
{
	uint32_t h = 0;

	for (; *name; name++) {
		h = (h << 4) + (unsigned char)*name;
		h ^= (h >> 24) & 0xf0;
		h &= 0x0fffffff;
	}
	return h;
}

/*
 * What the walk along a chain has found. As in ld.so: an unversioned definition is taken at once;
 * of versioned ones only those that are no older version, and only if there is one of them.
 */
struct found {
	const Elf64_Sym *sym;
	unsigned count;
};

/* true: this is it, look no further */
static bool consider(const struct tt_symbols *s, uint32_t i, const char *name, struct found *f)
{
	const Elf64_Sym *sym = &s->table[i];
	unsigned bind = ELF64_ST_BIND(sym->st_info), version = s->versions ? s->versions[i] : 0;

	if (sym->st_shndx == SHN_UNDEF || (!sym->st_value && sym->st_shndx != SHN_ABS) ||
	    bind == STB_LOCAL || strcmp(s->names + sym->st_name, name) != 0)
		return false;
	if ((version & ~VERSION_HIDDEN & 0xffff) < VERSION_FIRST) {
		*f = (struct found){sym, 1};
		return true;
	}
	if (!(version & VERSION_HIDDEN) && f->count++ == 0)
		f->sym = sym;
	return false;
}

static void find_gnu(const struct tt_symbols *s, const char *name, uint32_t h, struct found *f)
{
	const uint32_t *head = s->gnu_hash;
	uint32_t buckets = head[0], first = head[1], words = head[2], shift = head[3];
	const uint64_t *bloom = (const uint64_t *)(head + 4);
	const uint32_t *bucket = (const uint32_t *)(bloom + words), *chain = bucket + buckets;
	uint64_t bits;
	uint32_t i;

	if (!buckets || !words)
		return;
	bits = 1ull << (h % 64) | 1ull << ((h >> shift) % 64);
	if ((bloom[(h / 64) % words] & bits) != bits)
		return;
	i = bucket[h % buckets];
	for (unsigned steps = 0; i >= first && i && steps < CHAIN_MAX; i++, steps++) {
		uint32_t other = chain[i - first];

		if ((other | 1) == (h | 1) && consider(s, i, name, f))
			return;
		if (other & 1) /* the last of its chain */
			return;
	}
}

static void find_old(const struct tt_symbols *s, const char *name, struct found *f)
{
	uint32_t buckets = s->hash[0], count = s->hash[1];
	const uint32_t *bucket = s->hash + 2, *chain = bucket + buckets;
	uint32_t i, steps = 0;

	if (!buckets)
		return;
	for (i = bucket[old_hash(name) % buckets]; i && i < count && steps < count;
	     i = chain[i], steps++)
		if (consider(s, i, name, f))
			return;
}

const Elf64_Sym *tt_symbols_find(const struct tt_symbols *s, const char *name, uint32_t hash)
{
	struct found f = {NULL, 0};

	if (s->gnu_hash)
		find_gnu(s, name, hash, &f);
	else
		find_old(s, name, &f);
	return f.count == 1 ? f.sym : NULL;
}

uint32_t tt_symbols_count(const struct tt_symbols *s)
{
	const uint32_t *head = s->gnu_hash, *bucket, *chain;
	uint32_t last = 0;

	if (!head)
		return s->hash[1];
	bucket = head + 4 + 2 * (size_t)head[2];
	chain = bucket + head[0];
	for (uint32_t i = 0; i < head[0]; i++)
		if (bucket[i] > last)
			last = bucket[i];
	if (last < head[1])
		return head[1];
	while (last - head[1] < CHAIN_MAX && !(chain[last - head[1]] & 1))
		last++;
	return last + 1;
}
