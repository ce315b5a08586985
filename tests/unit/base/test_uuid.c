/* SPDX-License-Identifier: Apache-2.0 */
/* UUIDv7: its fields, its text, and what is no UUID. */
#include <errno.h>
#include <stdlib.h>

#include "base/time.h"
#include "base/uuid.h"
#include "tap.h"

static void fields(void)
{
	uint64_t before = tt_clock_ns(CLOCK_REALTIME) / TT_NS_PER_MS, ms = 0, after;
	struct tt_uuid u, v;

	errno = 77;
	u = tt_uuid_make();
	CHECK_INT(errno, 77);
	after = tt_clock_ns(CLOCK_REALTIME) / TT_NS_PER_MS;
	for (int i = 0; i < 6; i++)
		ms = ms << 8 | u.b[i];
	CHECK(before <= ms && ms <= after);
	CHECK_INT(u.b[6] >> 4, 7);
	CHECK_INT(u.b[8] >> 6, 2);
	v = tt_uuid_make();
	CHECK(!tt_uuid_equal(&u, &v));
	CHECK(tt_uuid_equal(&u, &u));
	CHECK(!tt_uuid_is_nil(&u));
	memset(&v, 0, sizeof(v));
	CHECK(tt_uuid_is_nil(&v));
	v.b[15] = 1;
	CHECK(!tt_uuid_is_nil(&v));
}

static void text(void)
{
	static const char want[] = "01991025-0a09-7f00-80ff-0123456789ab";
	struct tt_uuid u, v;
	char t[TT_UUID_TEXT_LEN + 1];

	CHECK(tt_uuid_parse(&u, want, sizeof(want) - 1));
	CHECK_INT(u.b[0], 0x01);
	CHECK_INT(u.b[15], 0xab);
	tt_uuid_text(t, &u);
	CHECK_STR(t, want);
	CHECK(tt_uuid_parse(&v, "01991025-0A09-7F00-80FF-0123456789ABtail", 40));
	CHECK(tt_uuid_equal(&u, &v));
}

static void no_uuid(void)
{
	static const char good[] = "01991025-0a09-7f00-80ff-0123456789ab";
	struct tt_uuid u, kept;

	memset(&u, 0x5a, sizeof(u));
	kept = u;
	for (size_t n = 0; n < TT_UUID_TEXT_LEN; n++) {
		char *exact = malloc(n);
		char broken[sizeof(good)];

		memcpy(exact, good, n);
		CHECK(!tt_uuid_parse(&u, exact, n));
		free(exact);
		memcpy(broken, good, sizeof(good));
		broken[n] = broken[n] == '-' ? '0' : 'g';
		CHECK(!tt_uuid_parse(&u, broken, sizeof(good) - 1));
	}
	CHECK(tt_uuid_equal(&u, &kept));
}

int main(void)
{
	TAP_RUN(fields);
	TAP_RUN(text);
	TAP_RUN(no_uuid);
	return tap_done();
}
