/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, sizes and times as people read them. */
#include "cli/figures.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "cli/style.h"

const char *cli_count(char buf[CLI_FIGURE_MAX], uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n), at = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf[at++] = ',';
		buf[at++] = digits[i];
	}
	buf[at] = '\0';
	return buf;
}

const char *cli_bytes(char buf[CLI_FIGURE_MAX], uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		(void)snprintf(buf, CLI_FIGURE_MAX, "%" PRIu64 " B", bytes);
		return buf;
	}
	while (v >= 1024 && unit < 5) {
		v /= 1024;
		unit++;
	}
	(void)snprintf(buf, CLI_FIGURE_MAX, v < 10 ? "%.1f %s" : "%.0f %s", v, units[unit]);
	return buf;
}

const char *cli_duration(char buf[CLI_FIGURE_MAX], uint64_t ns)
{
	uint64_t s = ns / TT_NS_PER_SEC;

	if (ns < TT_NS_PER_MS)
		(void)snprintf(buf, CLI_FIGURE_MAX, "%llu us",
			       (unsigned long long)(ns / TT_NS_PER_US));
	else if (ns < 10 * TT_NS_PER_MS)
		(void)snprintf(buf, CLI_FIGURE_MAX, "%.1f ms", (double)ns / 1e6);
	else if (s < 1)
		(void)snprintf(buf, CLI_FIGURE_MAX, "%llu ms",
			       (unsigned long long)(ns / TT_NS_PER_MS));
	else if (s < 10)
		(void)snprintf(buf, CLI_FIGURE_MAX, "%.2f s", (double)ns / 1e9);
	else if (s < 60)
		(void)snprintf(buf, CLI_FIGURE_MAX, "%.1f s", (double)ns / 1e9);
	else if (s < 3600)
		(void)snprintf(buf, CLI_FIGURE_MAX, "%" PRIu64 " min %02" PRIu64 " s", s / 60,
			       s % 60);
	else
		(void)snprintf(buf, CLI_FIGURE_MAX, "%" PRIu64 " h %02" PRIu64 " min", s / 3600,
			       s / 60 % 60);
	return buf;
}

const char *cli_when(char buf[CLI_FIGURE_MAX], uint64_t ns)
{
	time_t sec = (time_t)(ns / TT_NS_PER_SEC);
	struct tm tm;

	if (!ns || !localtime_r(&sec, &tm) ||
	    !strftime(buf, CLI_FIGURE_MAX, "%Y-%m-%d %H:%M:%S %Z", &tm))
		memcpy(buf, "?", 2);
	return buf;
}

const char *cli_sparkline(char buf[CLI_SPARK_MAX * 3 + 1], const json_t *numbers, int cells)
{
	size_t count = json_array_size(numbers), at = 0;
	double highest = 0;

	buf[0] = '\0';
	if (!cli_is_utf8() || count < 2)
		return buf;
	if ((size_t)cells > count)
		cells = (int)count;
	for (size_t i = 0; i < count; i++) {
		double v = json_number_value(json_array_get(numbers, i));

		highest = v > highest ? v : highest;
	}
	for (int cell = 0; cell < cells; cell++) {
		size_t from = count * (size_t)cell / (size_t)cells,
		       to = count * (size_t)(cell + 1) / (size_t)cells;
		double top = 0;

		for (size_t i = from; i < to; i++) {
			double v = json_number_value(json_array_get(numbers, i));

			top = v > top ? v : top;
		}
		/* U+2581 to U+2588: eighths of a block */
		buf[at++] = '\xe2';
		buf[at++] = '\x96';
		buf[at++] = (char)('\x81' + (highest > 0 ? (int)(top / highest * 7 + 0.5) : 0));
	}
	buf[at] = '\0';
	return buf;
}
