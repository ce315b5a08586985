/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a run: names, modes, whole lines, full disks. */
#include "recorder/output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static char folder[64];

static const char *below(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static struct event sample_event(const struct event_ids *ids, const char *reason)
{
	return (struct event){
		.type = EVENT_GAP,
		.source = EVENT_FROM_RECORDER,
		.ids = ids,
		.reason = {reason, strlen(reason)},
	};
}

static void files_are_named_and_private(void)
{
	struct recorder_output *o = NULL;
	struct tt_err err;
	struct stat st;

	CHECK_INT(recorder_output_open(&o, below("a/b"), "id", "20250903T135514Z", &err), 0);
	CHECK_INT(stat(below("a/b/trace_20250903T135514Z_id.jsonl"), &st), 0);
	CHECK_INT(st.st_mode & 07777, 0600);
	CHECK_INT(stat(below("a"), &st), 0);
	CHECK_INT(st.st_mode & 07777, 0700);
	CHECK_INT(recorder_output_document(o, "{}\n", 3, &err), 0);
	CHECK_INT(stat(below("a/b/run_20250903T135514Z_id.json"), &st), 0);
	CHECK_INT(st.st_size, 3);
	CHECK(access(below("a/b/run_20250903T135514Z_id.json.tmp"), F_OK) < 0);
	recorder_output_free(o);
	/* the same run twice is refused, nothing is overwritten */
	CHECK_INT(recorder_output_open(&o, below("a/b"), "id", "20250903T135514Z", &err), -EEXIST);
}

static void a_file_in_the_way_is_named(void)
{
	struct recorder_output *o = NULL;
	struct tt_err err;
	int fd = open(below("file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)close(fd);
	CHECK(recorder_output_open(&o, below("file/x"), "id", "u", &err) < 0);
	CHECK(strstr(err.text, "/file") != NULL);
	CHECK(recorder_output_open(&o, below("file"), "id", "u", &err) < 0);
}

static void lines_come_whole(void)
{
	struct event_ids ids = {.session = {"s", 1}};
	struct recorder_output *o = NULL;
	static char big[40000], text[400000];
	struct tt_err err;
	long n, lines = 0;
	int fd, num;

	memset(big, 'x', sizeof(big) - 1);
	CHECK_INT(recorder_output_open(&o, below("lines"), "id", "u", &err), 0);
	for (int i = 0; i < 8; i++) {
		struct event ev = sample_event(&ids, i % 2 ? big : "short");

		recorder_output_event(o, &ev);
	}
	recorder_output_flush(o);
	CHECK_INT(recorder_output_lost(o, &num), 0);
	fd = open(recorder_output_trace_path(o), O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text));
	for (long i = 0; i < n; i++)
		lines += text[i] == '\n';
	CHECK_INT(lines, 8);
	CHECK(n > 4 * 39000);
	CHECK_INT(text[n - 1], '\n');
	(void)close(fd);
	recorder_output_free(o);
}

static void what_the_disk_refuses_is_counted(void)
{
	struct event_ids ids = {.session = {"s", 1}};
	struct event ev = sample_event(&ids, "short");
	struct rlimit old, tiny;
	struct recorder_output *o = NULL;
	struct tt_err err;
	int num = 0;

	CHECK_INT(recorder_output_open(&o, below("full"), "id", "u", &err), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)getrlimit(RLIMIT_FSIZE, &old);
	tiny = old;
	tiny.rlim_cur = 100;
	(void)setrlimit(RLIMIT_FSIZE, &tiny);
	for (int i = 0; i < 3; i++)
		recorder_output_event(o, &ev);
	recorder_output_flush(o);
	(void)setrlimit(RLIMIT_FSIZE, &old);
	CHECK_INT(recorder_output_lost(o, &num), 3);
	CHECK(num != 0);
	/* room again: it goes on, on a line of its own */
	recorder_output_event(o, &ev);
	recorder_output_flush(o);
	CHECK_INT(recorder_output_lost(o, &num), 3);
	recorder_output_free(o);
}

static void what_fits_is_not_lost(void)
{
	struct event_ids ids = {.session = {"s", 1}};
	struct event ev = sample_event(&ids, "short");
	struct recorder_output *o = NULL;
	struct rlimit old, tiny;
	static char text[10000];
	struct tt_err err;
	int fd, num, lines = 0;
	ssize_t n;

	CHECK_INT(recorder_output_open(&o, below("fits"), "id", "u", &err), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)getrlimit(RLIMIT_FSIZE, &old);
	tiny = old;
	tiny.rlim_cur = 1000;
	(void)setrlimit(RLIMIT_FSIZE, &tiny);
	for (int i = 0; i < 10; i++)
		recorder_output_event(o, &ev);
	recorder_output_flush(o);
	(void)setrlimit(RLIMIT_FSIZE, &old);
	fd = open(recorder_output_trace_path(o), O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text));
	CHECK_INT(n, 1000);
	for (ssize_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	CHECK(lines > 0 && lines < 10);
	CHECK_INT(recorder_output_lost(o, &num), (uint64_t)(10 - lines));
	/* the next one begins on a line of its own, at the next tick or at once */
	recorder_output_event(o, &ev);
	recorder_output_flush(o);
	n = read(fd, text, sizeof(text));
	CHECK(n > 1 && text[0] == '\n' && text[1] == '{' && text[n - 1] == '\n');
	(void)close(fd);
	recorder_output_free(o);
}

static void lines_do_not_wait_for_ever(void)
{
	struct event_ids ids = {.session = {"s", 1}};
	struct event ev = sample_event(&ids, "short");
	struct recorder_output *o = NULL;
	struct tt_err err;
	struct stat st;

	CHECK_INT(recorder_output_open(&o, below("tick"), "id", "u", &err), 0);
	recorder_output_flush(o);
	recorder_output_event(o, &ev);
	for (int i = 0; i < 500; i++) {
		recorder_output_tick(o);
		CHECK_INT(stat(recorder_output_trace_path(o), &st), 0);
		if (st.st_size)
			break;
		(void)usleep(10000);
	}
	CHECK(st.st_size > 0);
	recorder_output_free(o);
}

int main(void)
{
	int status;
	char command[96];

	(void)snprintf(folder, sizeof(folder), "/tmp/telltale-unit-XXXXXX");
	if (!mkdtemp(folder))
		return 1;
	TAP_RUN(files_are_named_and_private);
	TAP_RUN(a_file_in_the_way_is_named);
	TAP_RUN(lines_come_whole);
	TAP_RUN(what_the_disk_refuses_is_counted);
	TAP_RUN(what_fits_is_not_lost);
	TAP_RUN(lines_do_not_wait_for_ever);
	status = tap_done();
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	if (system(command) != 0)
		status = 1;
	return status;
}
