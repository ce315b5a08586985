/* SPDX-License-Identifier: Apache-2.0 */
/* The table of processes, against an array that cannot be wrong. */
#include "../tap.h"

#include <stdlib.h>

#include "receiver/procs.h"

#define PIDS 3000

static void test_model(void)
{
	static uint64_t model[PIDS + 1]; /* start_ns, 0: not there */
	struct receiver_procs p = {.key = 12345};
	uint32_t live = 0;

	srand(7);
	for (uint64_t step = 1; step < 200000; step++) {
		uint32_t pid = 1 + (uint32_t)rand() % PIDS;

		if (rand() % 2) {
			struct receiver_proc *added = receiver_procs_add(&p, pid);

			CHECK(added && added->pid == pid && !added->born && !added->start_ns);
			added->start_ns = step;
			live += !model[pid];
			model[pid] = step;
		} else {
			receiver_procs_remove(&p, pid);
			live -= model[pid] != 0;
			model[pid] = 0;
		}
		pid = 1 + (uint32_t)rand() % PIDS;
		struct receiver_proc *found = receiver_procs_find(&p, pid);

		if (!found != !model[pid] || (found && found->start_ns != model[pid])) {
			CHECK(false);
			break;
		}
		CHECK_INT(p.count, live);
	}
	for (uint32_t pid = 1; pid <= PIDS; pid++)
		CHECK_INT(receiver_procs_find(&p, pid) != NULL, model[pid] != 0);
	receiver_procs_done(&p);
	CHECK(!receiver_procs_find(&p, 1));
}

static void test_limit(void)
{
	struct receiver_procs p = {.key = 1};

	for (uint32_t pid = 1; pid <= RECEIVER_PROCS_MAX; pid++)
		CHECK(receiver_procs_add(&p, pid));
	CHECK(!receiver_procs_add(&p, RECEIVER_PROCS_MAX + 1));
	CHECK_INT(p.untracked, 1);
	CHECK(receiver_procs_add(&p, 1)); /* which is there already */
	receiver_procs_remove(&p, 5);
	CHECK(receiver_procs_add(&p, RECEIVER_PROCS_MAX + 1));
	receiver_procs_done(&p);
}

int main(void)
{
	TAP_RUN(test_model);
	TAP_RUN(test_limit);
	return tap_done();
}
