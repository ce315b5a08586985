/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as /proc would tell of a process: taken apart or refused, never past their end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *at = NULL;
	struct wire_frame f = {0};
	struct agent_stat s;
	size_t sum = 0;
	int r = agent_stat_parse(text, size, &s);

	if (r != 0 && r != -EBADMSG)
		abort();
	if (r == 0 && (s.comm_len > sizeof(s.comm) || s.comm_len > size))
		abort();
	if (agent_process_field(text, size, "NSpid", &at) &&
	    (at <= text || at >= text + size || !memchr(at, '\n', (size_t)(text + size - at))))
		abort();
	agent_process_put_argv(&f, text, size, 0);
	for (size_t i = 0; i < f.argv.count; i++) {
		if (f.argv.items[i].data < text || f.argv.items[i].len > size)
			abort();
		sum += f.argv.items[i].len + 1;
	}
	/* the last may lack its NUL */
	if (sum + f.truncated != size && sum + f.truncated != size + 1)
		abort();
	return 0;
}
