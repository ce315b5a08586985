/* SPDX-License-Identifier: Apache-2.0 */
/* Names of errors and signals, against the ones libc has. */
#include <limits.h>
#include <signal.h>

#include "event/text.h"
#include "tap.h"

static void errors(void)
{
	int known = 0;

	for (int i = -1; i < 300; i++) {
		const char *want = i > 0 ? strerrorname_np(i) : NULL;

		if (want && strcmp(want, "ENOTSUP") == 0)
			want = "EOPNOTSUPP";
		if (want)
			CHECK_STR(event_errno_name(i), want);
		else
			CHECK(event_errno_name(i) == NULL);
		known += want != NULL;
	}
	CHECK_INT(known, 131);
	CHECK(event_errno_name(INT_MAX) == NULL);
	CHECK(event_errno_name(INT_MIN) == NULL);
}

static void signals(void)
{
	for (int i = -1; i < 80; i++) {
		const char *abbrev = i > 0 && i < SIGRTMIN ? sigabbrev_np(i) : NULL;
		char want[32];

		/* two names of one signal */
		if (i == SIGIO)
			abbrev = "IO";
		snprintf(want, sizeof(want), "SIG%s", abbrev ? abbrev : "");
		if (abbrev && i < 32)
			CHECK_STR(event_signal_name(i), want);
		else
			CHECK(event_signal_name(i) == NULL);
	}
	CHECK_STR(event_signal_name(SIGKILL), "SIGKILL");
	CHECK(event_signal_name(INT_MAX) == NULL);
	CHECK(event_signal_name(INT_MIN) == NULL);
}

int main(void)
{
	TAP_RUN(errors);
	TAP_RUN(signals);
	return tap_done();
}
