/* SPDX-License-Identifier: Apache-2.0 */
/* The rate of a cell: a bucket of one second, filled by a clock that we turn. */
#include "../tap.h"

#include "receiver/receiver_internal.h"

static struct receiver r;
static struct receiver_cell c;

static void begin(uint64_t rate)
{
	r.settings.rate = rate;
	r.now_ms = 5000;
	c = (struct receiver_cell){.r = &r, .tokens = (double)rate, .tokens_at_ms = r.now_ms};
}

/* Whether the cell may be read on after that many frames, @ms later. */
static bool goes_on(uint64_t frames, uint64_t ms)
{
	r.now_ms += ms;
	c.paused = false;
	receiver_spend(&c, frames);
	return !c.paused;
}

static void test_over(void)
{
	begin(100);
	CHECK(goes_on(100, 0));
	CHECK(!goes_on(1, 0));
	CHECK(!goes_on(0, 9)); /* a hundredth of a second is one frame */
	CHECK(goes_on(0, 1));
	CHECK(!goes_on(60, 500));
	CHECK(goes_on(0, 100));
}

/* Who was quiet for an hour has saved up one second. */
static void test_cap(void)
{
	begin(100);
	CHECK(goes_on(0, 3600 * 1000));
	CHECK(goes_on(100, 0));
	CHECK(!goes_on(1, 0));
	begin(1000);
	CHECK(!goes_on(11000, 0)); /* one read can bring more: paid for later */
	CHECK(!goes_on(0, 9999));
	CHECK(goes_on(0, 1));
}

static void test_no_rate(void)
{
	begin(0);
	CHECK(goes_on(1000000, 0));
}

int main(void)
{
	TAP_RUN(test_over);
	TAP_RUN(test_cap);
	TAP_RUN(test_no_rate);
	return tap_done();
}
