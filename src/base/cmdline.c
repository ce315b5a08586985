/* SPDX-License-Identifier: Apache-2.0 */
/* Words of a kernel command line. */
#include "base/cmdline.h"

#include <stdbool.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r';
}

char *tt_cmdline_next(char **line, char **ret_value)
{
	char *in = *line, *out, *word;
	bool quoted = false;

	*ret_value = NULL;
	while (is_blank(*in))
		in++;
	if (!*in) {
		*line = in;
		return NULL;
	}
	word = out = in;
	for (; *in && (quoted || !is_blank(*in)); in++) {
		if (*in == '"') {
			quoted = !quoted;
		} else if (*in == '=' && !*ret_value) {
			*out++ = '\0';
			*ret_value = out;
		} else {
			*out++ = *in;
		}
	}
	*line = *in ? in + 1 : in;
	*out = '\0';
	return word;
}
