/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading what a program points at, before libc does: a pointer that leads nowhere is libc's to
 * refuse (EFAULT), not ours to die of.
 *
 * A page that was readable once is taken as readable: the table below remembers pages, so that
 * most pointers cost a look at it and no more. For any other page the kernel is asked. A page that
 * was unmapped since, behind a pointer that is used all the same, is not noticed.
 */
#include "preload/preload.h"

#include <errno.h>
#include <string.h>

static void remember(uintptr_t page)
{
	__atomic_store_n(&pl_process.pages_seen[page % PL_PAGES_SEEN], page, __ATOMIC_RELAXED);
}

void pl_can_be_read(const void *p)
{
	remember((uintptr_t)p / PL_PAGE);
}

/*
 * rt_sigprocmask(2) reads the new mask before it looks at what to do with it, and refuses an
 * unknown act. No sandbox forbids it: nothing runs without it.
 */
__attribute__((__noinline__)) static bool ask(uintptr_t page)
{
	/* page 0 is nobody's, and a free place in the table says 0 */
	if (!page || tt_sys4(SYS_rt_sigprocmask, -1, page * PL_PAGE, 0, 8) == -EFAULT)
		return false;
	remember(page);
	return true;
}

static bool is_readable(uintptr_t page)
{
	return pl_was_seen(page) || ask(page);
}

bool pl_can_read(const void *p, size_t len)
{
	uintptr_t first = (uintptr_t)p / PL_PAGE, last = ((uintptr_t)p + len - 1) / PL_PAGE;

	if (!len)
		return true;
	if (last < first)
		return false;
	for (; first <= last; first++)
		if (!is_readable(first))
			return false;
	return true;
}

size_t pl_text_len(const char *s, size_t max, bool *ret_ends)
{
	size_t n = 0;

	*ret_ends = false;
	while (n < max && is_readable((uintptr_t)(s + n) / PL_PAGE)) {
		size_t here = PL_PAGE - (uintptr_t)(s + n) % PL_PAGE, len;

		if (here > max - n)
			here = max - n;
		len = strnlen(s + n, here);
		n += len;
		if (len < here) {
			*ret_ends = true;
			break;
		}
	}
	return n;
}

void pl_arg_text_checked(struct event_arg *arg, const char *text, size_t max)
{
	bool ends;
	size_t len = pl_text_len(text, max, &ends);

	/* what cannot be read is left for the real function to refuse (EFAULT) */
	if (len || ends)
		*arg = (struct event_arg){.data = text, .len = len, .cut = !ends};
	else
		*arg = (struct event_arg){.absent = true};
}

bool pl_can_read_text(const char *s)
{
	bool ends;

	(void)pl_text_len(s, PTRDIFF_MAX, &ends);
	return ends;
}

bool pl_can_read_texts(char *const *list)
{
	for (; pl_can_read(list, sizeof(*list)); list++)
		if (!*list)
			return true;
		else if (!pl_can_read_text(*list))
			return false;
	return false;
}
