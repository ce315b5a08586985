/* SPDX-License-Identifier: Apache-2.0 */
/* Symbols as ld.so finds them, and tables that lead in circles. */
#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/symbol.h"
#include "tap.h"

static const struct link_map *libc_map(void)
{
	void *handle = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	struct link_map *m = NULL;

	if (handle && dlinfo(handle, RTLD_DI_LINKMAP, &m) == 0)
		return m;
	return NULL;
}

/* Every name that libc defines gets the same answer as from dlsym. */
static void test_libc(void)
{
	const struct link_map *m = libc_map();
	struct tt_symbols s;
	unsigned seen = 0, wrong = 0;

	CHECK(m != NULL);
	CHECK_INT(tt_symbols_read(&s, m->l_addr, m->l_ld), 0);
	CHECK_STR(s.soname, "libc.so.6");
	for (uint32_t i = 1; i < tt_symbols_count(&s); i++) {
		const char *name = s.names + s.table[i].st_name;
		const Elf64_Sym *sym = tt_symbols_find(&s, name, tt_symbol_hash(name));
		void *theirs = dlsym(RTLD_NEXT, name);

		if (s.table[i].st_shndx == SHN_UNDEF)
			continue;
		seen++;
		/* dlsym runs an IFUNC, and answers for the calling thread's copy of a variable */
		if (sym && (ELF64_ST_TYPE(sym->st_info) == STT_GNU_IFUNC ||
			    ELF64_ST_TYPE(sym->st_info) == STT_TLS || sym->st_shndx == SHN_ABS))
			continue;
		/* malloc and the like may be a sanitizer's */
		if (sym ? theirs != (void *)(s.base + sym->st_value) : theirs != NULL) {
			Dl_info info;

			if (theirs && dladdr(theirs, &info) && info.dli_fbase != (void *)s.base)
				continue;
			wrong++;
			printf("# %s\n", name);
		}
	}
	CHECK(seen > 2000);
	CHECK_INT(wrong, 0);
	CHECK(!tt_symbols_find(&s, "no such function", tt_symbol_hash("no such function")));
}

/* Its addresses are never relocated, and it may have only the old kind of hash. */
static void test_vdso(void)
{
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
#ifdef __x86_64__
	const char *name = "__vdso_clock_gettime";
#else
	const char *name = "__kernel_clock_gettime";
#endif
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)base;
	const Elf64_Dyn *dynamic = NULL;
	const Elf64_Sym *gnu = NULL, *old = NULL;
	struct tt_symbols s;

	for (unsigned i = 0; base && i < eh->e_phnum; i++) {
		const Elf64_Phdr *ph = (const Elf64_Phdr *)(base + eh->e_phoff) + i;

		if (ph->p_type == PT_DYNAMIC)
			dynamic = (const Elf64_Dyn *)(base + ph->p_offset);
	}
	if (!dynamic || tt_symbols_read(&s, (uintptr_t)base, dynamic) < 0) {
		printf("# SKIP no vDSO\n");
		CHECK(true);
		return;
	}
	gnu = tt_symbols_find(&s, name, tt_symbol_hash(name));
	CHECK(gnu != NULL);
	if (!s.gnu_hash || !s.hash)
		return;
	s.gnu_hash = NULL;
	old = tt_symbols_find(&s, name, 0);
	CHECK(old == gnu);
}

static const char names[] = "\0alpha\0beta";
static const Elf64_Sym table[] = {
	{0},
	{.st_name = 1,
	 .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
	 .st_shndx = 1,
	 .st_value = 16},
	{.st_name = 1,
	 .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
	 .st_shndx = 1,
	 .st_value = 32},
};

static void test_versions(void)
{
	/* one bucket; 1 -> 2 -> end */
	static const uint32_t hash[] = {1, 3, 1, 0, 2, 0};
	static const Elf64_Half one_hidden[] = {0, 0x8002, 3}, two[] = {0, 2, 3},
				only_hidden[] = {0, 0x8002, 0x8003}, unversioned[] = {0, 1, 3};
	struct tt_symbols s = {.table = table, .names = names, .soname = "", .hash = hash};

	s.versions = one_hidden;
	CHECK(tt_symbols_find(&s, "alpha", 0) ==
	      &table[2]); /* the default version, not the older one */
	s.versions = two;
	CHECK(!tt_symbols_find(&s, "alpha", 0)); /* two defaults: neither */
	s.versions = only_hidden;
	CHECK(!tt_symbols_find(&s, "alpha", 0)); /* older versions only: none */
	s.versions = unversioned;
	CHECK(tt_symbols_find(&s, "alpha", 0) ==
	      &table[1]); /* a symbol without a version is taken */
	s.versions = NULL;
	CHECK(tt_symbols_find(&s, "alpha", 0) == &table[1]); /* without versions the first */
	CHECK(!tt_symbols_find(&s, "beta", 0));              /* another name */
}

static void test_damaged(void)
{
	static const uint32_t circle[] = {1, 3, 1, 0, 2, 1}, outside[] = {1, 3, 70000, 0, 2, 0},
			      empty[] = {0, 0};
	/* buckets, first, bloom words, shift, bloom, bucket, chain: never ends where it should */
	static const uint32_t __attribute__((__aligned__(8)))
	low[] = {1, 2, 1, 6, UINT32_MAX, UINT32_MAX, 1, 0, 1},
	no_bloom[] = {1, 1, 0, 6, 1, 1};
	struct tt_symbols s = {.table = table, .names = names, .soname = "", .hash = circle};
	const Elf64_Dyn nothing[] = {{.d_tag = DT_NULL}};

	CHECK(!tt_symbols_find(&s, "beta", 0)); /* a chain that is a circle ends */
	s.hash = outside;
	CHECK(!tt_symbols_find(&s, "alpha", 0)); /* a bucket that leads outside is empty */
	s.hash = empty;
	CHECK(!tt_symbols_find(&s, "alpha", 0)); /* no buckets */
	s.gnu_hash = low;
	CHECK(!tt_symbols_find(&s, "alpha",
			       tt_symbol_hash("alpha"))); /* a bucket in front of the first */
	s.gnu_hash = no_bloom;
	CHECK(!tt_symbols_find(&s, "alpha", tt_symbol_hash("alpha"))); /* no Bloom filter */
	/* an object without symbols */
	CHECK(tt_symbols_read(&s, 0, nothing) < 0);
	/* an object without a dynamic section */
	CHECK(tt_symbols_read(&s, 0, NULL) < 0);
}

int main(void)
{
	TAP_RUN(test_libc);
	TAP_RUN(test_vdso);
	TAP_RUN(test_versions);
	TAP_RUN(test_damaged);
	return tap_done();
}
