/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing times, sizes and limits. */
#include "cli/amount.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int cli_duration_parse(const char *text, uint64_t *ret_ms)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	char *end;
	double v;

	if (!isdigit((unsigned char)text[0]) && text[0] != '.')
		return -EINVAL;
	v = strtod(text, &end);
	for (size_t i = 0; i < TT_ARRAY_SIZE(units); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		v *= units[i].ms;
		/* a year is long enough, and no overflow is in sight */
		if (!(v >= 1 && v <= 366.0 * 24 * 3600000))
			return -EINVAL;
		*ret_ms = (uint64_t)v;
		return 0;
	}
	return -EINVAL;
}

/* A whole number and a unit that shifts it. */
static int parse_number(const char *text, uint64_t *ret, char **ret_end)
{
	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	*ret = strtoull(text, ret_end, 10);
	return errno || *ret > INT64_MAX ? -EINVAL : 0;
}

static int parse_count(const char *text, uint64_t *ret)
{
	uint64_t v;
	char *end;

	if (parse_number(text, &v, &end) < 0 || *end)
		return -EINVAL;
	*ret = v;
	return 0;
}

static int parse_positive(const char *text, uint64_t *ret)
{
	uint64_t v;

	if (parse_count(text, &v) < 0 || v == 0)
		return -EINVAL;
	*ret = v;
	return 0;
}

static int parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const char *unit;
	unsigned shift = 0;
	uint64_t v;
	char *end;

	if (parse_number(text, &v, &end) < 0)
		return -EINVAL;
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
	}
	if (*end || v > (uint64_t)INT64_MAX >> shift)
		return -EINVAL;
	*ret = v << shift;
	return 0;
}

/* 0 bytes: nothing could run, and to the kernel it may mean "no limit" */
static int parse_some_size(const char *text, uint64_t *ret)
{
	uint64_t v;

	if (parse_size(text, &v) < 0 || v == 0)
		return -EINVAL;
	*ret = v;
	return 0;
}

static int parse_percent(const char *text, uint64_t *ret)
{
	uint64_t v;
	char *end;

	if (parse_number(text, &v, &end) < 0 || (*end && strcmp(end, "%") != 0) || v == 0 ||
	    v > 1000000)
		return -EINVAL;
	*ret = v;
	return 0;
}

static const struct {
	const char *name;
	size_t field;
	int (*parse)(const char *text, uint64_t *ret);
} limits[] = {
	{"memory", offsetof(struct policy_limits, memory_bytes), parse_some_size},
	{"swap", offsetof(struct policy_limits, swap_bytes), parse_size},
	{"cpu", offsetof(struct policy_limits, cpu_percent), parse_percent},
	{"pids", offsetof(struct policy_limits, pids), parse_positive},
	{"read", offsetof(struct policy_limits, read_bytes_per_s), parse_some_size},
	{"write", offsetof(struct policy_limits, write_bytes_per_s), parse_some_size},
	{"wall", offsetof(struct policy_limits, wall_ms), cli_duration_parse},
	{"cpu-time", offsetof(struct policy_limits, cpu_ms), cli_duration_parse},
	{"cpu_time", offsetof(struct policy_limits, cpu_ms), cli_duration_parse},
	{"major-faults", offsetof(struct policy_limits, major_faults), parse_count},
	{"major_faults", offsetof(struct policy_limits, major_faults), parse_count},
};

int cli_limit_parse(const char *text, struct policy_limits *ret)
{
	size_t n = strcspn(text, "=");

	for (size_t i = 0; i < TT_ARRAY_SIZE(limits); i++) {
		uint64_t *to = (uint64_t *)((char *)ret + limits[i].field);

		if (strlen(limits[i].name) != n || strncmp(text, limits[i].name, n) != 0)
			continue;
		if (text[n] != '=')
			return -EINVAL;
		if (strcmp(text + n, "=none") == 0) {
			*to = POLICY_NO_LIMIT;
			return 0;
		}
		return limits[i].parse(text + n + 1, to);
	}
	return -ENOENT;
}
