/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a datagram of the proc connector: read to its end or refused, never past either. */
#include <errno.h>
#include <stdlib.h>

#include "kernel/procconn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kernel_proc_event e;
	size_t at = 0, before;
	int r;

	do {
		before = at;
		r = kernel_procconn_parse(data, size, &at, &e);
		if (r == 1 && (at <= before || before >= size))
			abort();
		if (r != 1 && at != before)
			abort();
		if (r == 1 && !e.other && e.kind != KERNEL_FACT_FORK &&
		    e.kind != KERNEL_FACT_EXEC && e.kind != KERNEL_FACT_EXIT)
			abort();
	} while (r == 1);
	if (r != 0 && r != -EBADMSG)
		abort();
	return 0;
}
