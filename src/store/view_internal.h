/* SPDX-License-Identifier: Apache-2.0 */
/* Between view.c, view_calls.c and view_denied.c. */
#ifndef TT_STORE_VIEW_INTERNAL_H
#define TT_STORE_VIEW_INTERNAL_H

#include "store/trace.h"
#include "store/view.h"

/* store_view_add_call - one `syscall` event: files, hosts, failures */
void store_view_add_call(struct store_view *v, const json_t *line);

/* store_view_add_denied - one `denied` event; @s: of this span, may be NULL */
void store_view_add_denied(struct store_view *v, struct store_span *s, const json_t *line);

/* store_view_drop_denied - give back what the view's denied calls refer to */
void store_view_drop_denied(struct store_view *v);

/*
 * store_view_name - the number of a name in one of the view's sets, its array grown along with it
 * @items: the array that goes with @names, elements of @size bytes, zeroed when new
 * Returns STORE_NONE, counted in left_out, past the set's limit or without memory.
 */
uint32_t store_view_name(struct store_view *v, struct store_names *names, void **items, size_t size,
			 struct store_text text, bool *ret_is_new);

#endif
