/* SPDX-License-Identifier: Apache-2.0 */
/* Facts that nothing explains, which the library told of. Internal to the recorder. */
#ifndef TT_RECORDER_UNMATCHED_H
#define TT_RECORDER_UNMATCHED_H

#include "base/out.h"
#include "recorder/held.h"

/* recorder_unmatched_add - nothing that the library told of @s explains @h */
void recorder_unmatched_add(struct recorder_track *t, struct recorder_span *s,
			    const struct recorder_held *h);

/* recorder_unmatched_find - count a finding of @s; @text: describes the event, or NULL */
void recorder_unmatched_find(struct recorder_track *t, const struct recorder_span *s,
			     enum recorder_finding_kind kind, const char *text);

/* recorder_unmatched_describe - @f in a line for people, with its NUL */
void recorder_unmatched_describe(const struct kernel_fact *f, struct tt_out *o);

/* recorder_unmatched_put_address - a blank and the address that a call names, if it names one */
void recorder_unmatched_put_address(struct tt_out *o, const char *layout,
				    const struct event_arg *args);

#endif
