/* SPDX-License-Identifier: Apache-2.0 */
/* Reading `key = value` lines, and asking what they let through. */
#include "event/config.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/out.h"
#include "event/glob.h"

#define ARGUMENT_MIN 64
#define LINE_MIN     4096 /* the keys that every line has must fit in */
#define LOG_MAX_MIN  (2 * (uint64_t)EVENT_LINE_MAX)
#define LOG_KEEP_MAX 99
#define SAMPLE_MAX   1000000

enum key {
	KEY_FAMILIES,
	KEY_IO,
	KEY_INCLUDE,
	KEY_EXCLUDE,
	KEY_ARGUMENT_MAX,
	KEY_LINE_MAX,
	KEY_REDACT,
	KEY_SAMPLE,
	KEY_LOG_MAX,
	KEY_LOG_KEEP,
	KEY_COUNT,
};

static const char keys[KEY_COUNT][13] = {
	"families", "io",     "include", "exclude", "argument_max",
	"line_max", "redact", "sample",  "log_max", "log_keep",
};
static const char families[EVENT_FAMILY_IO][5] = {"exec", "file", "net", "proc", "priv", "load"};
static const char too_long[] = "longer than 16384 bytes";
static const char io_modes[][7] = {"counts", "events", "off"};

/* A piece of the file. */
struct piece {
	const char *at;
	size_t len;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct piece trim(const char *at, size_t len)
{
	while (len && is_blank(*at)) {
		at++;
		len--;
	}
	while (len && is_blank(at[len - 1]))
		len--;
	return (struct piece){at, len};
}

static bool piece_is(const struct piece *p, const char *text)
{
	return p->len == strlen(text) && memcmp(p->at, text, p->len) == 0;
}

static bool take_number(const struct piece *p, uint64_t *ret)
{
	uint64_t v = 0;

	if (!p->len || p->len > 18)
		return false;
	for (size_t i = 0; i < p->len; i++) {
		if (p->at[i] < '0' || p->at[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(p->at[i] - '0');
	}
	*ret = v;
	return true;
}

bool event_config_size(const char *text, size_t len, uint64_t *ret)
{
	struct piece digits = {text, len};
	unsigned shift = 0;
	uint64_t v;

	if (len && (text[len - 1] == 'K' || text[len - 1] == 'M' || text[len - 1] == 'G')) {
		shift = text[len - 1] == 'K' ? 10 : text[len - 1] == 'M' ? 20 : 30;
		digits.len--;
	}
	if (!take_number(&digits, &v) || v > (uint64_t)INT64_MAX >> shift)
		return false;
	*ret = v << shift;
	return true;
}

static const char *take_u32(uint32_t *to, const struct piece *value, uint32_t min, uint32_t max,
			    const char *wrong)
{
	uint64_t v;

	if (!event_config_size(value->at, value->len, &v) || v < min || v > max)
		return wrong;
	*to = (uint32_t)v;
	return NULL;
}

static const char *take_families(struct event_config *c, struct piece value)
{
	uint32_t mask = 0;

	while (value.len) {
		const char *comma = memchr(value.at, ',', value.len);
		size_t n = comma ? (size_t)(comma - value.at) : value.len, i = 0;
		struct piece name = trim(value.at, n);

		while (i < EVENT_FAMILY_IO && !piece_is(&name, families[i]))
			i++;
		if (i == EVENT_FAMILY_IO)
			return "families are exec, file, net, proc, priv, load";
		mask |= 1u << i;
		n += comma != NULL;
		value.at += n;
		value.len -= n;
	}
	if (!mask)
		return "families are exec, file, net, proc, priv, load";
	c->families = mask;
	return NULL;
}

static const char *take_rule(struct event_config *c, const struct piece *value, bool exclude)
{
	struct event_config_rule *rule = &c->rules[c->rule_count];

	if (!event_glob_is_valid(value->at, value->len))
		return "a path glob begins with / or **, and has at most 255 bytes";
	if (c->rule_count == EVENT_CONFIG_RULES_MAX || value->len > sizeof(c->text) - c->text_len)
		return "too many include and exclude lines";
	rule->at = (uint16_t)c->text_len;
	rule->len = (uint16_t)value->len;
	rule->exclude = exclude;
	memcpy(c->text + c->text_len, value->at, value->len);
	c->text_len += (uint32_t)value->len;
	c->rule_count++;
	return NULL;
}

static const char *take_redact(struct event_config *c, const struct piece *value)
{
	size_t at = strlen(c->redact);

	for (size_t i = 0; i < value->len; i++)
		if ((unsigned char)value->at[i] <= ' ' || value->at[i] == '=')
			return "redact takes names, separated by commas";
	if (!value->len)
		return "redact takes names, separated by commas";
	if (at + value->len + 2 > sizeof(c->redact))
		return "too many names to redact";
	if (at)
		c->redact[at++] = ',';
	memcpy(c->redact + at, value->at, value->len);
	c->redact[at + value->len] = '\0';
	return NULL;
}

static const char *take_io(struct event_config *c, const struct piece *value)
{
	for (uint32_t i = 0; i < TT_ARRAY_SIZE(io_modes); i++)
		if (piece_is(value, io_modes[i])) {
			c->io_mode = i;
			return NULL;
		}
	return "io is counts, events or off";
}

static const char *take_sample(struct event_config *c, const struct piece *value)
{
	static const char wrong[] = "sample is 1/N, N from 1 to 1000000";
	struct piece number = {value->at + 2, value->len - 2};

	if (value->len < 3 || memcmp(value->at, "1/", 2) != 0)
		return wrong;
	return take_u32(&c->sample, &number, 1, SAMPLE_MAX, wrong);
}

static const char *take_log_max(struct event_config *c, const struct piece *value)
{
	uint64_t v;

	if (!event_config_size(value->at, value->len, &v) || (v && v < LOG_MAX_MIN))
		return "log_max is 0 (no limit) or 128K or more";
	c->log_max = v;
	return NULL;
}

/* NULL, or what is wrong. */
static const char *take_value(struct event_config *c, enum key key, const struct piece *value)
{
	switch (key) {
	case KEY_FAMILIES:
		return take_families(c, *value);
	case KEY_IO:
		return take_io(c, value);
	case KEY_INCLUDE:
	case KEY_EXCLUDE:
		return take_rule(c, value, key == KEY_EXCLUDE);
	case KEY_ARGUMENT_MAX:
		return take_u32(&c->argument_max, value, ARGUMENT_MIN, EVENT_LINE_MAX,
				"argument_max is from 64 to 64K");
	case KEY_LINE_MAX:
		return take_u32(&c->line_max, value, LINE_MIN, EVENT_LINE_MAX,
				"line_max is from 4K to 64K");
	case KEY_REDACT:
		return take_redact(c, value);
	case KEY_SAMPLE:
		return take_sample(c, value);
	case KEY_LOG_MAX:
		return take_log_max(c, value);
	case KEY_LOG_KEEP:
		return take_u32(&c->log_keep, value, 1, LOG_KEEP_MAX, "log_keep is from 1 to 99");
	case KEY_COUNT:
		break;
	}
	return "unknown key";
}

/* The key, or KEY_COUNT. */
static enum key find_key(const struct piece *name)
{
	unsigned i = 0;

	while (i < KEY_COUNT && !piece_is(name, keys[i]))
		i++;
	return (enum key)i;
}

const char *event_config_set(struct event_config *c, const char *key, const char *value)
{
	struct piece name = {key, strlen(key)}, text = {value, strlen(value)};

	return take_value(c, find_key(&name), &text);
}

static const char *take_line(struct event_config *c, const struct piece *line)
{
	const char *equals = memchr(line->at, '=', line->len);
	struct piece key, value;

	if (!line->len || line->at[0] == '#')
		return NULL;
	if (memchr(line->at, '\0', line->len))
		return "a NUL byte";
	if (!equals)
		return "no '=': lines are 'key = value', or comments that begin with '#'";
	key = trim(line->at, (size_t)(equals - line->at));
	value = trim(equals + 1, line->len - (size_t)(equals + 1 - line->at));
	return take_value(c, find_key(&key), &value);
}

int event_config_parse(struct event_config *c, const char *text, size_t len,
		       struct event_config_error *ret)
{
	const char *wrong = len > EVENT_CONFIG_BYTES_MAX ? too_long : NULL;
	unsigned number = 0;

	memset(c, 0, sizeof(*c));
	for (size_t at = 0; at < len && !wrong; number++) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t n = end ? (size_t)(end - (text + at)) : len - at;
		struct piece line = trim(text + at, n);

		wrong = take_line(c, &line);
		at += n + 1;
	}
	if (!wrong)
		return 0;
	memset(c, 0, sizeof(*c));
	ret->line = number;
	ret->text = wrong;
	return -EINVAL;
}

static const char *unreadable(long error)
{
	switch (error) {
	case -ENOENT:
	case -ENOTDIR:
		return "no such file";
	case -EACCES:
	case -EPERM:
		return "may not be read";
	case -EFBIG:
		return too_long;
	case -EISDIR:
	case -EINVAL:
	case -ENXIO:
		return "no regular file";
	default:
		return "cannot be read";
	}
}

int event_config_load(struct event_config *c, const char *path, char *buf, size_t cap,
		      struct event_config_error *ret)
{
	long n = tt_file_read(path, buf,
			      cap < EVENT_CONFIG_BYTES_MAX ? cap : EVENT_CONFIG_BYTES_MAX);

	if (n >= 0)
		return event_config_parse(c, buf, (size_t)n, ret);
	memset(c, 0, sizeof(*c));
	ret->line = 0;
	ret->text = unreadable(n);
	return -EINVAL;
}

size_t event_config_message(char *buf, const char *path, const struct event_config_error *e)
{
	size_t len = strnlen(path, EVENT_CONFIG_MESSAGE_MAX - 128);
	struct tt_out o;

	tt_out_init(&o, buf, EVENT_CONFIG_MESSAGE_MAX);
	tt_out_mem(&o, path, len);
	if (e->line) {
		tt_out_char(&o, ':');
		tt_out_u64(&o, e->line);
	}
	tt_out_str(&o, ": ");
	tt_out_str(&o, e->text);
	return o.len;
}

bool event_config_path(const struct event_config *c, const char *path, size_t len)
{
	for (uint32_t i = c->rule_count; i-- > 0;)
		if (event_glob_match(c->text + c->rules[i].at, c->rules[i].len, path, len))
			return !c->rules[i].exclude;
	return true;
}

bool event_config_selects(const struct event_config *c, const struct event *ev, char *buf)
{
	uint8_t family;
	bool any = false;

	if (ev->type != EVENT_SYSCALL)
		return true;
	family = event_call_info(ev->call)->family;
	if (!(event_config_families(c) >> family & 1))
		return false;
	if (!c->rule_count || family == EVENT_FAMILY_EXEC)
		return true;
	for (int which = 0; which < 2; which++) {
		struct tt_out o;

		tt_out_init(&o, buf, (size_t)2 * EVENT_PATH_MAX);
		if (!event_put_path(ev, which, &o))
			continue;
		/* what is too long to be judged is too odd to be left out */
		if (tt_out_is_full(&o) || event_config_path(c, buf, o.len))
			return true;
		any = true;
	}
	return !any;
}
