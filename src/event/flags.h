/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of flags and their names, inside this folder. Fixed-size rows: see names.c. */
#ifndef TT_EVENT_FLAGS_H
#define TT_EVENT_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/out.h"

struct flag {
	int64_t bit;
	char name[24];
};

#define FLAG(name)          \
	{                   \
		name, #name \
	}

/* event_put_flags - names joined by '|'; @begun: there is one before them */
void event_put_flags(struct tt_out *o, int64_t left, bool begun, const struct flag *flags,
		     size_t n);

/* event_put_more_open_flags - flags of open(2) where the access mode has no meaning */
void event_put_more_open_flags(struct tt_out *o, int64_t flags);

#endif
