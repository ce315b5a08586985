/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock_gettime(2) as a hidden function of our own: libc's may be another library's by now
 * (libfaketime), and the record's times are real. From the vDSO, as libc has it, else from the
 * kernel.
 */
#include <elf.h>
#include <sys/auxv.h>
#include <time.h>

#include "base/symbol.h"
#include "base/sys.h"

#ifdef __x86_64__
#define NAME "__vdso_clock_gettime"
#else
#define NAME "__kernel_clock_gettime"
#endif

typedef int clock_fn(clockid_t clock, struct timespec *ts);

static int from_kernel(clockid_t clock, struct timespec *ts)
{
	return (int)tt_sys2(SYS_clock_gettime, clock, ts);
}

static clock_fn *look_up(void)
{
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Dyn *dynamic = NULL;
	const Elf64_Phdr *ph;
	const Elf64_Sym *sym;
	struct tt_symbols s;
	uintptr_t base;

	if (!head)
		return from_kernel;
	ph = (const Elf64_Phdr *)((uintptr_t)head + head->e_phoff);
	base = (uintptr_t)head;
	for (unsigned i = 0; i < head->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && !ph[i].p_offset)
			base = (uintptr_t)head - ph[i].p_vaddr;
		else if (ph[i].p_type == PT_DYNAMIC)
			dynamic = (const Elf64_Dyn *)((uintptr_t)head + ph[i].p_offset);
	}
	if (!dynamic || tt_symbols_read(&s, base, dynamic) < 0)
		return from_kernel;
	sym = tt_symbols_find(&s, NAME, tt_symbol_hash(NAME));
	return sym ? (clock_fn *)(base + sym->st_value) : from_kernel;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	static clock_fn *known;
	clock_fn *f = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (__builtin_expect(!f, 0)) {
		f = look_up();
		__atomic_store_n(&known, f, __ATOMIC_RELAXED);
	}
	return f(clock, ts);
}
