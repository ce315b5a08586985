/* SPDX-License-Identifier: Apache-2.0 */
/* Which calls of the library may be which facts of the kernel; and many findings. */
#include "recorder/kinds.h"

#include <fcntl.h>
#include <string.h>

#include "recorder/causes.h"
#include "tap.h"

static struct event_arg text_arg(const char *text)
{
	return (struct event_arg){.data = text, .len = strlen(text)};
}

/* A record that leaves out, or shortens, what the act was about is confirmed by none. */
static void what_says_less_covers_nothing(void)
{
	static const struct {
		enum event_call said, seen;
		const char *text, *path; /* NULL: none */
		bool cut;
		int flags;
		bool same;
	} acts[] = {
		{EVENT_CALL_open, EVENT_CALL_openat, "/etc/shadow", "/etc/shadow", false, 0, true},
		{EVENT_CALL_open, EVENT_CALL_openat, "/", "/etc/shadow", true, 0, false},
		{EVENT_CALL_open, EVENT_CALL_openat, "", "/etc/shadow", true, 0, false},
		{EVENT_CALL_open, EVENT_CALL_openat, NULL, "/etc/shadow", false, 0, false},
		{EVENT_CALL_shm_open, EVENT_CALL_openat, "/x", "/dev/shm/x", false, 0, true},
		{EVENT_CALL_shm_open, EVENT_CALL_openat, "//x", "/dev/shm/x", false, 0, true},
		{EVENT_CALL_shm_open, EVENT_CALL_openat, "/x", "/etc/shadow", false, 0, false},
		{EVENT_CALL_shm_unlink, EVENT_CALL_unlink, "/x", "/dev/shm/x", false, 0, true},
		{EVENT_CALL_shm_unlink, EVENT_CALL_unlink, "/x", "/etc/shadow", false, 0, false},
		{EVENT_CALL_sem_unlink, EVENT_CALL_unlink, "/x", "/dev/shm/sem.x", false, 0, true},
		{EVENT_CALL_sem_unlink, EVENT_CALL_unlink, "/x", "/dev/shm/x", false, 0, true},
		{EVENT_CALL_sem_unlink, EVENT_CALL_unlink, "/x", "/dev/shm/sem.y", false, 0, false},
		{EVENT_CALL_tmpfile, EVENT_CALL_openat, NULL, "/tmp", false, O_TMPFILE, true},
		{EVENT_CALL_tmpfile, EVENT_CALL_openat, NULL, "/tmp/tmpfA", false, O_CREAT, true},
		{EVENT_CALL_tmpfile, EVENT_CALL_openat, NULL, "/etc/shadow", false, 0, false},
		{EVENT_CALL_fchmod, EVENT_CALL_chmod, NULL, "/etc/shadow", false, 0, false},
		{EVENT_CALL_fchmod, EVENT_CALL_chmod, NULL, "/proc/self/fd/3", false, 0, true},
		{EVENT_CALL_chmod, EVENT_CALL_fchmod, "/tmp/x", NULL, false, 0, false},
		{EVENT_CALL_chdir, EVENT_CALL_fchdir, "/tmp/x", NULL, false, 0, false},
	};

	for (size_t i = 0; i < TT_ARRAY_SIZE(acts); i++) {
		const char *from = event_call_info(acts[i].said)->layout;
		const char *to = event_call_info(acts[i].seen)->layout;
		struct event ev = {.type = EVENT_SYSCALL, .call = acts[i].said, .has_result = true};
		struct kernel_fact f = {.kind = KERNEL_FACT_CALL,
					.by = KERNEL_BY_BPF,
					.call = acts[i].seen,
					.has_result = true,
					.own_memory = true};
		size_t l = strcspn(from, "pqxs"), k = strcspn(to, "pqxs");

		if (from[l])
			ev.args[l] = acts[i].text ? text_arg(acts[i].text)
						  : (struct event_arg){.absent = true};
		ev.args[l].cut = acts[i].cut;
		if (to[0] == 'd')
			f.args[0].num = AT_FDCWD;
		if (to[k])
			f.args[k] = text_arg(acts[i].path);
		if (strchr(to, 'o'))
			f.args[strcspn(to, "o")].num = acts[i].flags;
		CHECK_INT(recorder_kind_compare(&ev, &f) == RECORDER_SAME, acts[i].same);
	}
}

static void an_address_is_told_whole(void)
{
	struct event_arg whole = {.data = "\2\0\0\26\1\2\3\4", .len = 8},
			 part = {.data = "\2\0", .len = 2}, none = {.absent = true};
	struct event ev = {.type = EVENT_SYSCALL, .call = EVENT_CALL_connect, .has_result = true};
	struct kernel_fact f = {
		.kind = KERNEL_FACT_CALL, .call = EVENT_CALL_connect, .has_result = true};

	f.args[1] = whole;
	ev.args[1] = whole;
	CHECK_INT(recorder_kind_compare(&ev, &f), RECORDER_SAME);
	ev.args[1] = part;
	CHECK_INT(recorder_kind_compare(&ev, &f), RECORDER_OTHER_TEXT);
	ev.args[1] = none;
	CHECK_INT(recorder_kind_compare(&ev, &f), RECORDER_OTHER_RESULT);
}

/* Its own files, and not what a path through their folder leads to. */
static void libc_reads_its_own_files(void)
{
	static const char *const own[] = {"/etc/hosts", "/usr/share/zoneinfo/UTC"},
				 *const others[] = {"/etc/shadow",
						    "/usr/share/zoneinfo/../../../etc/shadow"};

	for (size_t i = 0; i < TT_ARRAY_SIZE(own); i++) {
		CHECK(recorder_kind_is_libcs((struct event_text){own[i], strlen(own[i])}));
		CHECK(!recorder_kind_is_libcs((struct event_text){others[i], strlen(others[i])}));
	}
	CHECK(!recorder_kind_is_libcs((struct event_text){NULL, 0}));
}

/* An evasion has a place among the findings, whatever others there are. */
static void little_findings_crowd_out_none_of_weight(void)
{
	struct recorder_causes c = {0};
	unsigned evasions = 0;

	for (unsigned i = 0; i < 2 * RECORDER_FINDINGS_MAX; i++) {
		struct tt_uuid id = tt_uuid_make();

		recorder_causes_find(&c, RECORDER_FINDING_DIRECT, &id, (int)i, "x", "a call");
		if (i % 32 == 31)
			recorder_causes_find(&c, RECORDER_FINDING_UNSEEN, &id, (int)i, "x",
					     "a lie");
	}
	for (size_t i = 0; i < c.finding_count; i++)
		evasions += c.findings[i].kind == RECORDER_FINDING_UNSEEN;
	CHECK_INT(c.finding_count, RECORDER_FINDINGS_MAX);
	CHECK_INT(evasions, 4);
	CHECK_INT(c.findings_more, RECORDER_FINDINGS_MAX + 4);
	recorder_causes_done(&c);
}

int main(void)
{
	TAP_RUN(what_says_less_covers_nothing);
	TAP_RUN(an_address_is_told_whole);
	TAP_RUN(libc_reads_its_own_files);
	TAP_RUN(little_findings_crowd_out_none_of_weight);
	return tap_done();
}
