/* SPDX-License-Identifier: Apache-2.0 */
/* Base64: the vectors of RFC 4648 section 10, every split into pieces, every buffer size. */
#include <stdlib.h>

#include "base/out.h"
#include "tap.h"

static void vectors(void)
{
	static const char *const want[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
					   "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};

	for (size_t n = 0; n <= 6; n++) {
		for (size_t split = 0; split <= n; split++) {
			char buf[16] = "";
			struct tt_b64 b = {{0}, 0};
			struct tt_out o;

			tt_out_init(&o, buf, sizeof(buf) - 1);
			tt_b64_put(&b, &o, "foobar", split);
			tt_b64_put(&b, &o, &"foobar"[split], n - split);
			tt_b64_end(&b, &o);
			CHECK_STR(buf, want[n]);
			CHECK(!tt_out_is_full(&o));
		}
	}
}

static void all_bytes(void)
{
	static const uint8_t in[] = {0xff, 0xef, 0xbe, 0x00, 0x10, 0x83};
	char buf[16] = "";
	struct tt_b64 b = {{0}, 0};
	struct tt_out o;

	tt_out_init(&o, buf, sizeof(buf) - 1);
	tt_b64_put(&b, &o, in, sizeof(in));
	tt_b64_end(&b, &o);
	CHECK_STR(buf, "/+++ABCD");
}

static void every_size(void)
{
	for (size_t cap = 0; cap <= 8; cap++) {
		char *buf = malloc(cap);
		struct tt_b64 b = {{0}, 0};
		struct tt_out o;

		tt_out_init(&o, buf, cap);
		tt_b64_put(&b, &o, "fooba", 5);
		tt_b64_end(&b, &o);
		CHECK_INT(tt_out_is_full(&o), cap < 8);
		CHECK_INT(o.len, cap / 4 * 4);
		free(buf);
	}
}

int main(void)
{
	TAP_RUN(vectors);
	TAP_RUN(all_bytes);
	TAP_RUN(every_size);
	return tap_done();
}
