/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rootless observer: calls that a syscall filter lets its listener look at before they happen.
 * It never decides: each call goes on, whatever was seen. For the same reason what it tells is what
 * stood in memory at that moment, which another thread may have changed by the time the kernel
 * looked (own_memory is false), and no result is known.
 *
 * One notifier (kernel/notifier.h) holds the calls and hands them to the observer, in its thread;
 * facts go through a queue of fixed size to the thread that calls _next(). What does not fit is
 * counted, by call.
 *
 * An exec is told of twice: as a call when it is held, and as KERNEL_FACT_EXEC once /proc shows
 * another image, with the time of the call it followed. A process that ends sooner has the first
 * alone.
 */
#ifndef TT_KERNEL_OBSERVER_H
#define TT_KERNEL_OBSERVER_H

#include "base/compiler.h"
#include "kernel/fact.h"
#include "policy/policy.h"
#include "util/err.h"

enum kernel_observed {
	KERNEL_OBSERVE_EXEC = 1 << 0,  /* execve, execveat */
	KERNEL_OBSERVE_NET = 1 << 1,   /* connect, bind, sendto with an address */
	KERNEL_OBSERVE_FILES = 1 << 2, /* opens for writing; names, modes, owners changed */
};

/* kernel_observed_parse - bits of "exec,net,files"; -EINVAL */
int kernel_observed_parse(const char *text) TT_MUST_CHECK;

struct kernel_observer;

/*
 * kernel_observer_new - what calls of @what make
 * Returns 0 or -ENOMEM. Free it after the notifier that uses it.
 */
int kernel_observer_new(struct kernel_observer **ret, unsigned what,
			struct tt_err *err) TT_MUST_CHECK;
void kernel_observer_free(struct kernel_observer *o);
TT_DEFINE_FREEP(struct kernel_observer *, kernel_observer_free)

/* kernel_observer_watch - for policy_filter_make_watching(); valid as long as @o */
const struct policy *kernel_observer_watch(const struct kernel_observer *o);

/*
 * kernel_observer_next - 1 and a fact, whose texts are valid until the next _next(); 0: none now
 * Facts of one thread come in order; an exec that was found to have taken place may come late.
 */
int kernel_observer_next(struct kernel_observer *o, struct kernel_fact *ret);

/* kernel_observer_missed - calls that went by unseen since it was asked last: the queue was full */
uint64_t kernel_observer_missed(struct kernel_observer *o, enum event_call call);

/* kernel_observer_lost - all of them, from the start */
uint64_t kernel_observer_lost(const struct kernel_observer *o);

#endif
