/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a configuration file; what is taken keeps its limits, and any path can be judged. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "event/config.h"
#include "event/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct event_config *c)
{
	if (c->rule_count > EVENT_CONFIG_RULES_MAX || c->text_len > sizeof(c->text) ||
	    c->io_mode > EVENT_IO_OFF || c->log_keep > 99 ||
	    memchr(c->redact, 0, sizeof(c->redact)) == NULL)
		abort();
	if (c->line_max && (c->line_max < 4096 || c->line_max > EVENT_LINE_MAX))
		abort();
	for (uint32_t i = 0; i < c->rule_count; i++)
		if ((size_t)c->rules[i].at + c->rules[i].len > c->text_len ||
		    !event_glob_is_valid(c->text + c->rules[i].at, c->rules[i].len))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event_config c;
	static const struct event_config clean;
	struct event_config_error wrong = {0, NULL};
	char message[EVENT_CONFIG_MESSAGE_MAX];
	const char *text = (const char *)data;

	if (event_config_parse(&c, text, size, &wrong) < 0) {
		if (memcmp(&c, &clean, sizeof(c)) != 0 ||
		    event_config_message(message, "x", &wrong) > sizeof(message))
			abort();
		return 0;
	}
	check(&c);
	/* the file itself as a path */
	(void)event_config_path(&c, text, size < 300 ? size : 300);
	return 0;
}
