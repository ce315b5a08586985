/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a chained file: read again with and without something known, and gone on with. What
 * was sound stays so, with all its lines, and its end is proven by the head that the chain tells.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "chain/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void want(int truth)
{
	if (!truth)
		abort();
}

static void put(int fd, const void *bytes, size_t n)
{
	want(pwrite(fd, bytes, n, lseek(fd, 0, SEEK_END)) == (ssize_t)n);
}

static struct chain_verdict verdict(int fd, const struct chain_known *known)
{
	struct chain_verdict v;

	want(chain_verify(fd, known, &v, NULL) == 0);
	want(chain_problem_name(v.problem) && strlen(v.said) < sizeof(v.said));
	want((v.problem == CHAIN_SOUND) == !v.said[0]);
	want(v.torn ? v.first_torn > 0 : !v.first_torn);
	return v;
}

/* Two records more behind what is there, and the end. */
static void go_on(int fd, const struct chain_verdict *before)
{
	TT_CLEANUP(chain_freep) struct chain *c = NULL;
	struct chain_known known = {.has_head = true, .has_records = true};
	char line[CHAIN_LINE_MAX];
	struct chain_verdict v;
	uint64_t torn;
	size_t n;

	want(chain_new(
		     &c,
		     "\"session_id\": \"ses_01990f2a-7c11-7a3e-8b52-000000000001\", \"span_id\": null, "
		     "\"parent_span\": null, \"component\": \"guest\"",
		     "\"run_id\": \"01990f2a-7c11-7a3e-8b52-6f1d0c9e4a70\", \"sensor\": \"guest\", "
		     "\"standing\": \"attested\"",
		     NULL, NULL) == 0);
	if (chain_resume(c, fd, &torn, NULL) < 0)
		return;
	if (torn != UINT64_MAX)
		put(fd, "\n", 1);
	for (int i = 0; i < 2; i++) {
		put(fd, "{}\n", 3);
		chain_add(c, "{}\n", 3, 0);
	}
	n = chain_line(c, true, line);
	put(fd, line, n);
	chain_head(c, known.head, &known.records);
	if (before->problem != CHAIN_SOUND || before->is_signed)
		return;
	v = verdict(fd, &known);
	want(v.problem == CHAIN_SOUND && v.end_proven && v.is_closed);
	want(v.chain_lines == before->chain_lines + 1);
	want(v.records == before->records + before->uncovered + 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TT_CLEANUP(tt_closep) int fd = memfd_create("trace", MFD_CLOEXEC);
	struct chain_known nothing = {0}, key = {.has_key = true}, head = {.has_head = true};
	struct chain_verdict v, w;

	want(fd >= 0);
	put(fd, data, size);
	v = verdict(fd, &nothing);
	memcpy(key.key, v.key, sizeof(key.key));
	w = verdict(fd, &key);
	/* what has no signature is not proven by a key */
	want(!w.end_proven || (v.is_signed && v.is_closed));
	memcpy(head.head, v.head, sizeof(head.head));
	w = verdict(fd, &head);
	want(v.problem != CHAIN_SOUND || (w.head_found && w.end_proven == !w.uncovered));
	go_on(fd, &v);
	return 0;
}
