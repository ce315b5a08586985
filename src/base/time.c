/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3339 text without the time zone machinery of libc, which takes locks. */
#include "base/time.h"

#include <string.h>

#include "base/out.h"

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

static void put2(char *p, unsigned v)
{
	memcpy(p, tt_digit_pairs + v * 2, 2);
}

void tt_time_put_fraction(char *p, unsigned ns)
{
	p[0] = (char)('0' + ns / 100000000);
	put2(p + 1, ns / 1000000 % 100);
	put2(p + 3, ns / 10000 % 100);
	put2(p + 5, ns / 100 % 100);
	put2(p + 7, ns % 100);
}

void tt_time_text(char text[TT_TIME_TEXT_LEN + 1], uint64_t ns)
{
	uint64_t sec = ns / TT_NS_PER_SEC;
	unsigned in_day = (unsigned)(sec % 86400);
	struct civil c = civil_from_days(sec / 86400);

	put2(text, c.year / 100);
	put2(text + 2, c.year % 100);
	text[4] = '-';
	put2(text + 5, c.month);
	text[7] = '-';
	put2(text + 8, c.day);
	text[10] = 'T';
	put2(text + 11, in_day / 3600);
	text[13] = ':';
	put2(text + 14, in_day / 60 % 60);
	text[16] = ':';
	put2(text + 17, in_day % 60);
	text[19] = '.';
	tt_time_put_fraction(text + TT_TIME_FRACTION_AT, (unsigned)(ns % TT_NS_PER_SEC));
	memcpy(text + 29, "+00:00", 7);
}
