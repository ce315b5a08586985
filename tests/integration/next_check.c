/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library for LD_PRELOAD that holds src/preload/next.c: before main it looks up every function of
 * next.def, compares with dlsym(RTLD_NEXT), and says on stderr "next: FOUND LEFT WRONG...": how
 * many, how many of them were left to dlsym, and the names that differ.
 */
#undef dlsym /* only next.c is to call next_check_dlsym() in its place */
#include <dlfcn.h>
#include <stdio.h>

#include "preload/preload.h"

static int left; /* look-ups that next.c left to dlsym */

/* next.c is built to call this for dlsym */
void *next_check_dlsym(void *handle, const char *name);

void *next_check_dlsym(void *handle, const char *name)
{
	left++;
	return dlsym(handle, name);
}

__attribute__((__constructor__)) static void check(void)
{
	static const char *const names[] = {
#define PL_FN(name) #name,
#include "preload/next.def"
#undef PL_FN
	};
	char wrong[4096] = "";
	int found = 0, len = 0;

	for (unsigned i = 0; i < PL_FN_COUNT; i++) {
		void *ours = pl_next_lookup((enum pl_fn)i), *theirs = dlsym(RTLD_NEXT, names[i]);

		found++;
		if (theirs && ours != theirs && len < 4000)
			len += snprintf(wrong + len, sizeof(wrong) - (size_t)len, " %s", names[i]);
	}
	(void)dprintf(2, "next: %d %d%s\n", found, left, wrong);
}
