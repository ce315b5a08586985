/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The notifier of a syscall filter: a thread that answers each call the filter does not allow as
 * the policy says, and tells another thread about it.
 *
 * It decides by the number and the registers alone, which the workload cannot change while it
 * waits; what it reads of memory and of /proc is for the report. Telling goes through a queue of
 * fixed size: where the reader is behind, denials are only counted, by call and action.
 *
 * The thread blocks every signal, takes no lock and allocates nothing. It ends when the last
 * process under the filter is gone. Without it, once the listener is closed, the calls fail with
 * ENOSYS; kernel/keeper.h is for those who would rather have them go on.
 */
#ifndef TT_KERNEL_NOTIFIER_H
#define TT_KERNEL_NOTIFIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "policy/policy.h"
#include "util/err.h"

#define KERNEL_TEXT_MAX  256
#define KERNEL_CHAIN_MAX 8
#define KERNEL_CALLS_MAX 512 /* numbers that are counted each by itself; others together */

/* A process, and so on to its parents. */
struct kernel_link {
	int32_t pid;
	char comm[16];
};

/* One call that was not simply allowed. Pids as the reader counts them. */
struct kernel_denial {
	uint64_t ts_ns; /* CLOCK_REALTIME, when it was received */
	uint64_t args[6];
	int32_t nr;
	struct policy_verdict verdict; /* what was done */
	int32_t pid, tid;
	int32_t ppid, ns_pid; /* 0: not known */
	char comm[16];        /* of the process; "": not known */
	int8_t text_arg;      /* -1: no memory was read */
	bool text_cut;
	uint16_t text_len;
	char text[KERNEL_TEXT_MAX]; /* what this argument pointed to when it was looked at */
	uint8_t chain_len;          /* parents, the nearest first, up to the top */
	struct kernel_link chain[KERNEL_CHAIN_MAX];
};

struct kernel_observer;
struct kernel_keeper;

/* What an argument points to that is worth a look. */
struct kernel_pointer {
	int8_t arg;  /* -1: none */
	int8_t size; /* the argument that says how many bytes; -1: text that ends with NUL */
};

struct kernel_notifier_options {
	const struct policy *policy; /* outlives the notifier */
	/* signal-safe; NULL: memory is never read */
	struct kernel_pointer (*pointer_of)(int nr);
	bool chains; /* look up the parents, too */
	/*
	 * NULL, or what looks at the calls that @policy allows and its filter asks about all the
	 * same. Where @policy has no filter, all others go on, too.
	 */
	struct kernel_observer *observer;
	struct kernel_keeper *keeper; /* NULL: without the thread the calls fail */
};

struct kernel_notifier;

/*
 * kernel_notifier_new - make the thread, which waits for kernel_notifier_serve()
 * Free it before what @opts points to. Returns 0 or -errno. This and all below is for one thread.
 */
int kernel_notifier_new(struct kernel_notifier **ret, const struct kernel_notifier_options *opts,
			struct tt_err *err) TT_MUST_CHECK;

/*
 * kernel_notifier_serve - answer, from now on
 * @listener: the notifier's from here on
 * @top: chains end below this process
 */
void kernel_notifier_serve(struct kernel_notifier *n, int listener, pid_t top);

/* kernel_notifier_next - take the next denial; false if there is none */
bool kernel_notifier_next(struct kernel_notifier *n, struct kernel_denial *ret);

/* kernel_notifier_has_missed - whether the next has something to tell; asked once for all calls */
bool kernel_notifier_has_missed(struct kernel_notifier *n);

/*
 * kernel_notifier_missed - how many denials went by while the queue was full, since it was last
 * asked
 * @nr: below KERNEL_CALLS_MAX; the last one stands for all numbers that have no own count
 */
uint64_t kernel_notifier_missed(struct kernel_notifier *n, unsigned nr, enum policy_action action);

/* kernel_notifier_stop - close the listener and wait for the thread; the queue can still be read */
void kernel_notifier_stop(struct kernel_notifier *n);

/* kernel_notifier_free - stop it, too; NULL is fine */
void kernel_notifier_free(struct kernel_notifier *n);
TT_DEFINE_FREEP(struct kernel_notifier *, kernel_notifier_free)

#endif
