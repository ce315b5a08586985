/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3339 text without the time zone machinery of libc, which takes locks. */
#include "base/time.h"

struct civil {
	unsigned year, month, day;
};

/* Days since 1970-01-01 to a Gregorian date: whole 400-year eras, counted from 0000-03-01. */
static struct civil civil_from_days(uint64_t days)
{
	uint64_t z = days + 719468;
	uint64_t era = z / 146097;
	unsigned doe = (unsigned)(z % 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;
	struct civil c;

	c.day = doy - (153 * mp + 2) / 5 + 1;
	c.month = mp < 10 ? mp + 3 : mp - 9;
	c.year = (unsigned)(era * 400 + yoe) + (c.month <= 2);
	return c;
}

static void put(char *p, unsigned v, int digits)
{
	while (digits--) {
		p[digits] = (char)('0' + v % 10);
		v /= 10;
	}
}

void tt_time_text(char text[TT_TIME_TEXT_LEN + 1], uint64_t ns)
{
	uint64_t sec = ns / TT_NS_PER_SEC;
	unsigned in_day = (unsigned)(sec % 86400);
	struct civil c = civil_from_days(sec / 86400);

	put(text, c.year, 4);
	text[4] = '-';
	put(text + 5, c.month, 2);
	text[7] = '-';
	put(text + 8, c.day, 2);
	text[10] = 'T';
	put(text + 11, in_day / 3600, 2);
	text[13] = ':';
	put(text + 14, in_day / 60 % 60, 2);
	text[16] = ':';
	put(text + 17, in_day % 60, 2);
	text[19] = '.';
	put(text + 20, (unsigned)(ns % TT_NS_PER_SEC), 9);
	text[29] = '+';
	put(text + 30, 0, 2);
	text[32] = ':';
	put(text + 33, 0, 2);
	text[35] = '\0';
}
