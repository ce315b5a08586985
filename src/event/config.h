/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file (TELLTALE_CONFIG, telltale-preload(5)) as data. Library and recorder read
 * it by the same rules. Nothing allocates; everything is signal-safe. event_config_load() does I/O.
 *
 *	# a comment
 *	families = exec,file,net
 *	exclude = **.o
 *	sample = 1/10
 *
 * A file with a mistake in it counts as a whole as not being there: the defaults apply, and the
 * mistake is said in the trace.
 */
#ifndef TT_EVENT_CONFIG_H
#define TT_EVENT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"

#define EVENT_CONFIG_BYTES_MAX   16384 /* a longer file is refused */
#define EVENT_CONFIG_RULES_MAX   64    /* include and exclude together */
#define EVENT_CONFIG_MESSAGE_MAX 512   /* bytes of what is said about a mistake; more is cut */

enum event_io_mode { EVENT_IO_COUNTS, EVENT_IO_EVENTS, EVENT_IO_OFF };

struct event_config_rule {
	uint16_t at, len; /* in event_config.text */
	bool exclude;
};

/* All zero: the defaults. */
struct event_config {
	uint32_t families;     /* bit per enum event_family, but for IO; 0: all of them */
	uint32_t argument_max; /* bytes kept of an argument; 0: as the line has room */
	uint32_t line_max;     /* bytes of a line; 0: EVENT_LINE_MAX */
	uint32_t io_mode;      /* enum event_io_mode */
	uint32_t sample;       /* one call of so many is recorded; 0 or 1: each */
	uint32_t log_keep;     /* rotated logs kept; 0: not said */
	uint64_t log_max;      /* bytes of a log before it is rotated; 0: no limit */
	uint32_t rule_count;
	uint32_t text_len;
	struct event_config_rule rules[EVENT_CONFIG_RULES_MAX];
	char text[8192];   /* the globs */
	char redact[1024]; /* further secret names, comma between them: event_redact_extend() */
};

/* What is wrong with a file. */
struct event_config_error {
	unsigned line;    /* from 1; 0: the file as a whole */
	const char *text; /* static */
};

/*
 * event_config_parse - read the text of a file into @c, which need not be clean before
 * Returns 0; or -EINVAL with @ret set and @c all zero.
 */
int event_config_parse(struct event_config *c, const char *text, size_t len,
		       struct event_config_error *ret);

/*
 * event_config_set - one key, as if it stood in a file. NULL, or what is wrong: static text
 */
const char *event_config_set(struct event_config *c, const char *key, const char *value);

/*
 * event_config_load - read a file; as event_config_parse
 * @buf: more than EVENT_CONFIG_BYTES_MAX bytes to work in
 */
int event_config_load(struct event_config *c, const char *path, char *buf, size_t cap,
		      struct event_config_error *ret);

/*
 * event_config_message - what a `notice` says: "FILE:LINE: what is wrong"
 * @buf: EVENT_CONFIG_MESSAGE_MAX bytes. Returns the length; there is no NUL.
 */
size_t event_config_message(char *buf, const char *path, const struct event_config_error *e);

/* event_config_size - "4096", "64K", "10M", "2G"; false for anything else and for what overflows */
bool event_config_size(const char *text, size_t len, uint64_t *ret);

/*
 * event_config_families - which families are recorded: a bit for each. What moves bytes has a
 * switch of its own, io.
 */
static inline uint32_t event_config_families(const struct event_config *c)
{
	uint32_t all = (1u << EVENT_FAMILY_IO) - 1;

	return (c->families ? c->families : all) | (uint32_t)(c->io_mode == EVENT_IO_EVENTS)
							   << EVENT_FAMILY_IO;
}

/*
 * event_config_path - whether the rules let a call on this absolute path through: the last one that
 * matches decides
 */
bool event_config_path(const struct event_config *c, const char *path, size_t len);

/*
 * event_config_selects - whether families and path rules let an event through
 * @buf: work space for the path, 2 * EVENT_PATH_MAX bytes. Calls that start programs or make
 * processes have no path rules; a call with two paths is left out if both are.
 */
bool event_config_selects(const struct event_config *c, const struct event *ev, char *buf);

/* event_config_samples - whether a call is one of those of which only some are recorded */
static inline bool event_config_samples(const struct event_config *c, const struct event *ev)
{
	return c->sample > 1 && ev->type == EVENT_SYSCALL &&
	       event_call_info(ev->call)->family != EVENT_FAMILY_EXEC;
}

#endif
