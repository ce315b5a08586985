/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a datagram of the proc connector: read to its end or refused, never past either. */
#include <errno.h>
#include <stdlib.h>

#include "base/procevent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tt_proc_event e;
	size_t at = 0, before;
	int r;

	do {
		before = at;
		r = tt_proc_event_parse(data, size, &at, &e);
		if (r == 1 && (at <= before || before >= size))
			abort();
		if (r != 1 && at != before)
			abort();
		if (r == 1 && e.kind != TT_PROC_OTHER && e.kind != TT_PROC_FORK &&
		    e.kind != TT_PROC_EXEC && e.kind != TT_PROC_EXIT)
			abort();
	} while (r == 1);
	if (r != 0 && r != -EBADMSG)
		abort();
	return 0;
}
