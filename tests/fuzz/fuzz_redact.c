/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a text to redact: it ends, goes forward, and stays within the text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "event/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	size_t at = 0, start, end;

	/* the first byte says how the redactor is set up */
	event_redact_configure(size && (data[0] & 1) ? "pin,x-my-key" : NULL);
	while (event_redact_next(text, size, at, &start, &end)) {
		if (start < at || end <= start || end > size)
			abort();
		at = end;
	}
	if (event_redact_flag_value(text, size) >= size && size)
		abort();
	(void)event_redact_is_flag(text,
				   size); /* either answer will do: only its reading is tested */
	return 0;
}
