/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The eBPF sensor: programs at the kernel's tracepoints that follow the processes of one run and
 * tell what they did. Needs CAP_BPF and CAP_PERFMON, or root, and a kernel with BTF. Not
 * thread-safe; nothing here signals or waits for a process.
 *
 * While it is open each system call of every process on the machine costs a little more: it is
 * closed as soon as the run is over.
 */
#ifndef TT_KERNEL_SENSOR_H
#define TT_KERNEL_SENSOR_H

#include <sys/types.h>

#include "base/compiler.h"
#include "kernel/fact.h"
#include "util/err.h"

struct kernel_sensor_options {
	uint32_t families;   /* one bit per enum event_family whose calls are told; 0: all but IO */
	uint32_t ring_bytes; /* a power of two; 0: the default */
	bool no_counts;      /* do not count system calls */
	bool latency;        /* sum up how long calls take, too: costs a second look at each */
};

struct kernel_sensor;

/*
 * kernel_sensor_open - load the programs and attach them; nothing is followed yet
 * Returns 0; -EPERM without the privileges; -EOPNOTSUPP where the kernel lacks BTF or BPF; another
 * -errno. The text says what is missing and what would help.
 */
int kernel_sensor_open(struct kernel_sensor **ret, const struct kernel_sensor_options *opts,
		       struct tt_err *err) TT_MUST_CHECK;

/* kernel_sensor_close - detach; NULL is fine */
void kernel_sensor_close(struct kernel_sensor *s);
TT_DEFINE_FREEP(struct kernel_sensor *, kernel_sensor_close)

/*
 * kernel_sensor_follow - tell of what @pidfd's process makes from now on, and all below that
 * Calls count from the first exec of each on: what a launcher does before is not told, but for
 * FORK.
 */
int kernel_sensor_follow(struct kernel_sensor *s, int pidfd) TT_MUST_CHECK;

/*
 * kernel_sensor_take - a pass begins: what the kernel has told so far is what _next() yields, in
 * order of time
 */
void kernel_sensor_take(struct kernel_sensor *s);

/* kernel_sensor_next - 1 and a fact whose texts are valid until the next _take(); 0: no more */
int kernel_sensor_next(struct kernel_sensor *s, struct kernel_fact *ret);

/* kernel_sensor_fill - how full the fullest ring was at the last _take(), in per cent */
unsigned kernel_sensor_fill(const struct kernel_sensor *s);

/* kernel_sensor_lost - facts that had no room so far, over all processes and CPUs */
uint64_t kernel_sensor_lost(const struct kernel_sensor *s);

#define KERNEL_COUNTED 512 /* numbers that are counted each by itself */

struct kernel_counts {
	uint64_t calls[KERNEL_COUNTED];
	uint64_t ns[KERNEL_COUNTED]; /* time in them, with options.latency */
	uint64_t other;              /* numbers past these */
	uint64_t foreign;            /* of another ABI: int 0x80, x32 */
	bool has_ns;
};

/* kernel_sensor_counts - all system calls of the followed processes so far */
int kernel_sensor_counts(const struct kernel_sensor *s, struct kernel_counts *ret) TT_MUST_CHECK;

/* kernel_sensor_parts - one line for each part that was tried: NAME, TAB, "ok" or why not */
const char *kernel_sensor_parts(const struct kernel_sensor *s);

#endif
